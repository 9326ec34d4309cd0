"""``Transcript``: what a client exchanged with its application.

Every client has one and few tests read it: what only reading takes is imported by then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ._exchange_store import ExchangeStore
from ._har_file import har_file
from ._recorded import RecordedExchange, RecordedLifespan
from ._version import __version__
from .exceptions import ASGITestError

__all__ = ["TRANSCRIPT_LIMIT", "Transcript"]

#: Bytes that a transcript may take; the oldest exchanges go first.
TRANSCRIPT_LIMIT = 256 * 1024


class Transcript:
    """The last exchanges of a client, the oldest first, and its lifespan messages.

    A test finds it as ``client.transcript``. As text, by ``str()``, it tells what
    was sent and what came, with the seconds since the client was made.

    It takes at most 256 KiB: of a body 16 KiB are kept, of a WebSocket's messages the last 32 KiB,
    and what is oldest goes first.

    :param limit: bytes that it may take
    :param lifespans: messages of lifespans; each is when, in which direction, and which
    """

    def __init__(
        self,
        limit: int = TRANSCRIPT_LIMIT,
        lifespans: Iterable[Iterable[tuple[float, str, dict[str, Any]]]] = (),
    ) -> None:
        self.began = time.monotonic()
        self._lifespans = lifespans
        self._store = ExchangeStore(limit)
        self._process_store = har_file.store()

    def add(self, exchange: RecordedExchange) -> None:
        """Take an exchange, and drop old ones if there is no room.

        :param exchange: the exchange
        """
        self._store.add(exchange)
        if self._process_store is not None:
            self._process_store.add(exchange)

    def clear(self) -> None:
        """Forget the exchanges so far; lifespan messages stay."""
        self._store.clear()

    @property
    def exchanges(self) -> Sequence[RecordedExchange]:
        """The exchanges in the order they began, a list."""
        return self._store.listed()

    def __iter__(self) -> Iterator[RecordedExchange | RecordedLifespan]:
        """Yield exchanges and lifespan messages in the order they began."""
        entries: list[RecordedExchange | RecordedLifespan] = [*self.exchanges]
        for messages in list(self._lifespans):
            entries += [RecordedLifespan(*message) for message in list(messages)]
        return iter(sorted(entries, key=_beginning))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        from ._transcript_text import describe_entry

        entries = [describe_entry(entry, self.began) for entry in self]
        return "\n\n".join(entries) or "Nothing was exchanged so far."

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.exchanges)} exchanges>"

    def to_har(self) -> str:
        """Return the exchanges as an HTTP archive (HAR 1.2), which browsers open: JSON text.

        Credentials, cookies and fields such as passwords are masked.
        """
        from ._har import har_archive

        return json.dumps(har_archive(self, __version__), indent=2)

    def to_curl(self, exchange: RecordedExchange | None = None) -> str:
        """Return a command line of curl, for a POSIX shell, that makes a request again.

        Credentials, cookies and fields such as passwords are masked.

        :param exchange: the exchange whose request it is, by default the last one
        :raises ASGITestError: if there is none, or its body was not kept whole
        """
        if exchange is None:
            exchanges = self.exchanges
            if not exchanges:
                raise ASGITestError("there is no command line, for no request was made so far")
            exchange = exchanges[-1]
        from ._curl import curl_command

        return curl_command(exchange)


def _beginning(entry: RecordedExchange | RecordedLifespan) -> float:
    return entry.began
