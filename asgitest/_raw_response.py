"""The raw response under a ``requests.Response``: urllib3's, fed with what an application sent."""

from __future__ import annotations

import http
import http.client
from collections.abc import Callable, Generator
from functools import cached_property
from typing import Any

from urllib3 import HTTPResponse

from ._protocol._headers import Headers

try:
    from urllib3 import HTTPHeaderDict
except ImportError:  # pragma: no cover - urllib3 1.26
    from urllib3._collections import HTTPHeaderDict

# Those that :mod:`http.cookiejar` reads.
_COOKIE_HEADERS = frozenset({"set-cookie", "set-cookie2"})
_PHRASES = {int(status): status.phrase for status in http.HTTPStatus}
_VERSIONS = {"1.0": 10, "1.1": 11, "2": 20}


class Body:
    """A response body that gives its pieces one by one; the end of ours of urllib3's response."""

    closed = False

    def next_piece(self) -> bytes:
        """Return the next piece, ``b""`` at the end.

        :raises BaseException: what has to reach the test instead
        """
        raise NotImplementedError

    def peek(self) -> bytes | None:
        """Return the whole body and leave it there, ``None`` if it comes piece by piece."""
        return None

    def close(self) -> None:
        """Tell the application that nobody reads on."""
        self.closed = True

    def drop(self) -> None:
        """Do as :meth:`close`, in a finalizer: warn if it was due, and wait for nothing."""

    def read(self, amount: int | None = None) -> bytes:
        """Exist, because urllib3 knows a body by this; it is never called."""
        raise NotImplementedError


class MemoryBody(Body):
    """A body that came whole, or up to an error.

    :param pieces: what came
    :param error: what to raise behind it, ``None`` for nothing
    """

    def __init__(self, pieces: list[bytes], error: BaseException | None = None) -> None:
        self._pieces = [b"".join(pieces)]
        self._error = error

    def peek(self) -> bytes | None:
        """Return all there is, and leave it there."""
        return b"".join(self._pieces)

    def next_piece(self) -> bytes:
        """Return all there is, then ``b""`` or the error."""
        if self._pieces:
            return self._pieces.pop() or self.next_piece()
        if self._error is not None:
            raise self._error
        return b""


class RawResponse(HTTPResponse):
    """urllib3's response, except that reading yields what is there.

    urllib3 reads on until it has as many bytes as were asked for, so that the lines of an endless
    response would come late or never. Its decoding is used as it is.

    :param body: where the bytes come from
    :param status: status code
    :param headers: headers, list of ``(bytes, bytes)``
    :param http_version: ``"1.0"``, ``"1.1"`` or ``"2"``
    :param method: method of the request
    :ivar pairs: the headers in one of the forms that a dict is made of, each name once
    :ivar sets_cookies: whether there is a header for a cookie jar
    :ivar websocket: what the handshake of a WebSocket left, ``None`` for any other request
    :ivar observer: called with each piece of the body as it is read, ``None`` for nobody
    """

    def __init__(
        self, body: Body, *, status: int, headers: Headers, http_version: str, method: str
    ) -> None:
        # HTTP-START-11: header values are octets, and latin-1 keeps each of them.
        decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        header_dict = HTTPHeaderDict()
        names = set()
        for name, value in decoded:
            header_dict.add(name, value)
            names.add(name)
        super().__init__(
            body=body,  # type: ignore[arg-type]
            headers=header_dict,
            status=status,
            version=_VERSIONS[http_version],
            reason=reason_phrase(status),
            preload_content=False,
            # As requests asks of urllib3: the raw response gives what was sent, its users decode.
            decode_content=False,
            original_response=_OriginalResponse(  # type: ignore[arg-type]
                decoded, sets_cookies=not _COOKIE_HEADERS.isdisjoint(names)
            ),
            # The state machine has counted the bytes already (HTTP-FRAME-03).
            enforce_content_length=False,
            request_method=method,
        )
        self.pairs = decoded if len(names) == len(decoded) else header_dict
        self.sets_cookies = bool(self._original_response)
        self.websocket: Any = None
        self.observer: Callable[[bytes], None] | None = None
        self._source = body
        self._decoded = bytearray()
        self._is_coded = "content-encoding" in names
        self._has_fed_decoder = False
        self._at_end = False

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Generator[bytes, None, None]:
        """Yield the body as it comes.

        :param amt: bytes of the largest piece to yield, ``None`` for no limit
        :param decode_content: whether to undo the content coding
        """
        if amt is not None and amt < 0:
            amt = None
        while self._decoded or not self._at_end:
            piece = self._take(amt) if self._decoded else self._next_decoded(decode_content)
            if amt is not None and len(piece) > amt:
                self._decoded += piece
            elif piece:
                yield piece

    def read(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,
        cache_content: bool = False,
    ) -> bytes:
        """Return the body, or as many bytes of it as were asked for unless it ends before.

        :param amt: bytes to return, ``None`` for all
        :param decode_content: whether to undo the content coding
        :param cache_content: whether ``data`` is to give the same bytes again
        """
        if amt is not None and amt < 0:
            amt = None
        while not self._at_end and (amt is None or len(self._decoded) < amt):
            self._decoded += self._next_decoded(decode_content)
        data = self._take(amt)
        if cache_content:
            # Where urllib3's ``data`` looks for it.
            self._body = data
        return data

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Return what is there, at least a byte unless the body ends.

        :param amt: bytes to return at the most, ``None`` for no limit
        :param decode_content: whether to undo the content coding
        """
        return next(self.stream(amt, decode_content), b"")

    def peek(self) -> bytes | None:
        """Return the whole body as it was sent, ``None`` if it comes piece by piece."""
        return self._source.peek()

    def __del__(self) -> None:
        """Let go of a response that nobody closed, without waiting for the application."""
        source = getattr(self, "_source", None)
        if source is not None and not source.closed:
            source.drop()

    def close(self) -> None:
        """Close the response; the application is told unless it is through."""
        try:
            self._source.close()
        finally:
            # Not where it was refused: whoever can wait for the application may read on.
            self._at_end = self._source.closed
        super().close()

    def release_conn(self) -> None:
        """Close the response; requests calls this when the body was read to its end."""
        self._source.close()

    def _next_decoded(self, decode_content: bool | None) -> bytes:
        piece = self._source.next_piece()
        self._at_end = not piece
        if self.observer is not None:
            self.observer(piece)
        if decode_content is None:
            decode_content = self.decode_content
        # A decoder that was given nothing has nothing to complain of (HTTP-FRAME-04).
        if not (self._is_coded and decode_content) or not (piece or self._has_fed_decoder):
            return piece
        self._has_fed_decoder = True
        self._init_decoder()
        return self._decode(piece, decode_content, flush_decoder=self._at_end)

    def _take(self, amount: int | None) -> bytes:
        piece = bytes(self._decoded[:amount])
        del self._decoded[:amount]
        return piece


class _OriginalResponse:
    """The part of :class:`http.client.HTTPResponse` that requests takes cookies from.

    It is false when there are none, so that requests does not look for them.
    """

    def __init__(self, headers: list[tuple[str, str]], *, sets_cookies: bool) -> None:
        self._headers = headers
        self._sets_cookies = sets_cookies

    def __bool__(self) -> bool:
        return self._sets_cookies

    @cached_property
    def msg(self) -> http.client.HTTPMessage:
        message = http.client.HTTPMessage()
        for name, value in self._headers:
            message[name] = value
        return message

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is held open."""


def reason_phrase(status: int) -> str:
    """Return the phrase of a status, ``""`` if it has none.

    :param status: status code
    """
    return _PHRASES.get(status, "")


def describe_status(status: int) -> str:
    """Return a status with its phrase.

    :param status: status code
    """
    return f"{status} {reason_phrase(status)}".rstrip()
