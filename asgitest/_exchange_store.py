"""A store of recorded exchanges that takes no more than so many bytes."""

from __future__ import annotations

import threading
from collections import deque

from ._recorded import RecordedExchange


class ExchangeStore:
    """The last exchanges; what is oldest goes first.

    :param limit: bytes that they may take
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exchanges: deque[RecordedExchange] = deque()
        self._size = 0
        # Coroutines make requests in several worker threads.
        self._lock = threading.Lock()

    def add(self, exchange: RecordedExchange) -> None:
        """Take an exchange, and drop old ones if there is no room.

        :param exchange: the exchange
        """
        with self._lock:
            self._exchanges.append(exchange)
            self._size += exchange.cost
            while self._size > self._limit:
                self._size -= self._exchanges.popleft().cost

    def clear(self) -> None:
        """Forget the exchanges so far."""
        with self._lock:
            self._exchanges.clear()
            self._size = 0

    def listed(self) -> list[RecordedExchange]:
        """Return the exchanges in the order they began."""
        with self._lock:
            exchanges = list(self._exchanges)
        return sorted(exchanges, key=lambda exchange: exchange.began)
