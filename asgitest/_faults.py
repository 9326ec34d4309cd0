"""Bodies of requests whose client leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["LeavingBody", "leave_after"]

#: Status of the answer to a client that is gone: no server sends it, and logs know it.
CLIENT_LEFT = 499
CLIENT_LEFT_REASON = "Client Closed Request"


class LeavingBody:
    """The body of a request whose client leaves; :func:`leave_after` makes them.

    :ivar parts: what is sent before
    :ivar more_body: whether more would have followed
    """

    def __init__(self, parts: list[bytes], more_body: bool) -> None:
        self.parts = parts
        self.more_body = more_body

    def __iter__(self) -> Iterator[bytes]:
        """Yield the parts, then leave, for whoever sends this elsewhere."""
        yield from self.parts
        raise ConnectionAbortedError("the client leaves here")

    def __repr__(self) -> str:
        return f"leave_after(*{self.parts!r}, more_body={self.more_body!r})"


def leave_after(*parts: bytes | str, more_body: bool = True) -> Iterable[bytes]:
    """Return a request body after which the client leaves, without waiting for a response.

    It goes where a request takes its body: ``client.post(url, data=leave_after(b"part"))``. The
    application receives one ``http.request`` event for each part and then ``http.disconnect``
    (HTTP-DISC-02); without parts the disconnect comes first (HTTP-DISC-03). The client is gone
    from the beginning, so that nothing of what the application sends reaches anybody. The call
    waits for the application to end, as closing a streamed response does, and returns a response
    with the status 499 and no body.

    :param parts: what is sent, each in an event of its own; text is encoded as UTF-8
    :param more_body: ``False`` for a body that is whole with the parts, so that the client leaves
        before the response
    :raises TypeError: if a part is neither bytes nor text
    """
    return LeavingBody([_encode(part) for part in parts], more_body)


def _encode(part: object) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if not isinstance(part, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"leave_after() takes parts of a body, which are bytes or str, "
            f"not {type(part).__name__}: {part!r}"
        )
    return bytes(part)
