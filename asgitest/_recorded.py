"""What is kept of an exchange: its beginning and its times, with a bound on the bytes."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from ._withheld import WithheldCookie

#: Bytes that are kept of a body.
BODY_LIMIT = 16 * 1024
#: Bytes that are kept of the messages of a WebSocket, the oldest go first.
MESSAGES_LIMIT = 32 * 1024
#: Bytes or characters that are kept of one message.
MESSAGE_LIMIT = 2 * 1024

# Seconds between the clock that everything is measured with and the time of day.
_EPOCH = time.time() - time.monotonic()
# What an exchange costs beside its headers and bodies, and a message beside its payload.
_EXCHANGE_COST = 1024
_MESSAGE_COST = 128


class RecordedBody:
    """The beginning of a body.

    :param content: what there is of it so far
    :ivar content: its first :data:`BODY_LIMIT` bytes
    :ivar size: bytes in all, as far as they came
    :ivar has_ended: whether that is all; of the body of a streamed response nobody notes it
    """

    __slots__ = ("content", "has_ended", "size")

    def __init__(self, content: bytes = b"") -> None:
        self.size = len(content)
        self.has_ended = True
        # Not the object itself, if it is large: that is to be free when the test is done with it.
        self.content = content if self.size <= BODY_LIMIT else content[:BODY_LIMIT]

    @property
    def is_whole(self) -> bool:
        """Whether everything that came was kept."""
        return len(self.content) == self.size

    def observe(self, piece: bytes) -> None:
        """Take a further piece of a body whose end is not known before.

        :param piece: what came; empty at the end
        """
        self.has_ended = not piece
        self.add(piece)

    def add(self, piece: bytes) -> None:
        """Take a further piece.

        :param piece: what came
        """
        if self.size < BODY_LIMIT:
            self.content += piece[: BODY_LIMIT - self.size]
        self.size += len(piece)


class RecordedMessage(NamedTuple):
    """A message of a WebSocket, or its close.

    :ivar moment: when it passed, on the monotonic clock, in seconds
    :ivar is_sent: whether the test sent it, and not the application
    :ivar payload: text or bytes, cut to :data:`MESSAGE_LIMIT`; of a close its reason
    :ivar size: length of the whole payload
    :ivar code: code of a close, ``None`` for a message
    """

    moment: float
    is_sent: bool
    payload: str | bytes
    size: int
    code: int | None

    @property
    def time(self) -> float:
        """When it passed, in seconds since the epoch."""
        return self.moment + _EPOCH


class RecordedMessages:
    """The messages of a WebSocket in both directions; called with each as it passes.

    :ivar dropped: how many old ones are missing, for there were too many
    """

    def __init__(self) -> None:
        self._messages: deque[RecordedMessage] = deque()
        self._size = 0
        self.dropped = 0

    def __call__(self, is_sent: bool, message: dict[str, Any]) -> None:
        """Take a message; on the loop.

        :param is_sent: whether the test sent it
        :param message: a ``websocket.receive``, ``websocket.send``, ``websocket.close`` or
            ``websocket.disconnect``
        """
        recorded = _recorded(is_sent, message)
        self._messages.append(recorded)
        self._size += _cost(recorded)
        while self._size > MESSAGES_LIMIT:
            self._size -= _cost(self._messages.popleft())
            self.dropped += 1

    def listed(self) -> list[RecordedMessage]:
        """Return the messages, the oldest first."""
        # Copied in one step, for the application may talk on while the test's thread looks.
        return list(self._messages)


class RecordedExchange:
    """A request and what came of it.

    :ivar began: when it began, on the monotonic clock, in seconds
    :ivar duration: seconds until the response was there, or its start if it was streamed
    :ivar method: method of the request
    :ivar url: its URL
    :ivar request_headers: its headers, list of ``(bytes, bytes)``, as the application saw them
    :ivar withheld: the cookies that the client had and did not send, list of
        :class:`WithheldCookie`
    :ivar request_body: its body, as far as the application asked for it
    :ivar status: status of the response, ``None`` without one
    :ivar response_headers: its headers, list of ``(bytes, bytes)``
    :ivar response_body: its body, as far as it was read
    :ivar http_version: ``"1.0"``, ``"1.1"`` or ``"2"``
    :ivar error: what was raised instead of a response, or hidden behind one, as text
    :ivar messages: the messages of a WebSocket that was accepted, else ``None``
    :ivar cost: bytes that it may take
    """

    __slots__ = (
        "began",
        "cost",
        "duration",
        "error",
        "http_version",
        "messages",
        "method",
        "request_body",
        "request_headers",
        "response_body",
        "response_headers",
        "status",
        "url",
        "withheld",
    )

    def __init__(
        self,
        method: str,
        url: str,
        body: bytes | None,
        http_version: str,
    ) -> None:
        self.began = time.monotonic()
        self.duration = 0.0
        self.method = method
        self.url = url
        self.request_headers: Sequence[tuple[bytes, bytes]] = ()
        self.withheld: Sequence[WithheldCookie] = ()
        self.request_body = RecordedBody(body or b"")
        self.http_version = http_version
        self.status: int | None = None
        self.response_headers: Sequence[tuple[bytes, bytes]] = ()
        self.response_body = _NO_BODY
        self.error: str | None = None
        self.messages: RecordedMessages | None = None
        self.cost = _EXCHANGE_COST + len(url)
        if body is None:
            # What may come of it counts from now on.
            self.request_body.has_ended = False
            self.cost += BODY_LIMIT
        else:
            self.cost += len(self.request_body.content)

    def note_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Note the headers of the request.

        :param headers: as the application was given them
        """
        self.request_headers = headers
        self.cost += _headers_cost(headers)

    @property
    def time(self) -> float:
        """When it began, in seconds since the epoch."""
        return self.began + _EPOCH

    def end(self) -> None:
        """Note how long it took."""
        self.duration = time.monotonic() - self.began

    def answer(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes | None
    ) -> None:
        """Note the response.

        :param status: its status
        :param headers: its headers
        :param content: its body, ``None`` if that comes piece by piece
        """
        self.status = status
        self.response_headers = headers
        self.cost += _headers_cost(headers)
        if content is None:
            # What may come of it counts from now on.
            self.response_body = RecordedBody()
            self.cost += BODY_LIMIT
        else:
            self.response_body = RecordedBody(content)
            self.cost += len(self.response_body.content)

    def upgrade(self, messages: RecordedMessages) -> None:
        """Note that a WebSocket was accepted.

        :param messages: what passes through it
        """
        self.messages = messages
        self.cost += MESSAGES_LIMIT

    @property
    def is_handshake(self) -> bool:
        """Whether the request asks for a WebSocket."""
        return any(name == b"sec-websocket-key" for name, _ in self.request_headers)

    @property
    def shown_url(self) -> str:
        """The URL, with the scheme of a WebSocket if it is one."""
        return f"ws{self.url[4:]}" if self.is_handshake else self.url


class RecordedLifespan:
    """A message of the lifespan.

    :ivar began: when it passed, on the monotonic clock, in seconds
    :ivar direction: ``"received"`` or ``"sent"``, by the application
    :ivar message: the message
    """

    __slots__ = ("began", "direction", "message")

    def __init__(self, began: float, direction: str, message: dict[str, Any]) -> None:
        self.began = began
        self.direction = direction
        self.message = message

    @property
    def time(self) -> float:
        """When it passed, in seconds since the epoch."""
        return self.began + _EPOCH


_NO_BODY = RecordedBody()


def _headers_cost(headers: Sequence[tuple[bytes, bytes]]) -> int:
    return sum(map(len, chain.from_iterable(headers)))


def _recorded(is_sent: bool, message: dict[str, Any]) -> RecordedMessage:
    code = None
    payload = message.get("text")
    if message.get("type") in ("websocket.close", "websocket.disconnect"):
        code = message.get("code") or 1000
        payload = message.get("reason") or ""
    elif payload is None:
        payload = message.get("bytes")
    if not isinstance(payload, (str, bytes)):
        # Whatever a test wants to feed to an application.
        payload = repr(message)
    return RecordedMessage(time.monotonic(), is_sent, payload[:MESSAGE_LIMIT], len(payload), code)


def _cost(message: RecordedMessage) -> int:
    return _MESSAGE_COST + sys.getsizeof(message.payload)
