"""What an application sends along with a response by means of extensions."""

from __future__ import annotations

from typing import NamedTuple

from ._headers import Headers
from ._messages import Message


class PushPromise(NamedTuple):
    """One ``http.response.push``.

    :ivar path: path of what is pushed, decoded
    :ivar headers: headers of the request for it, list of ``(bytes, bytes)``
    """

    path: str
    headers: Headers


class ResponseExtras(NamedTuple):
    """What came along with one response so far; a new value with each message.

    :ivar trailers: fields that came behind the body, pairs of bytes
    :ivar early_hints: links of the early hints, in order
    :ivar pushes: what was promised to be pushed, in order
    """

    trailers: tuple[tuple[bytes, bytes], ...] = ()
    early_hints: tuple[bytes, ...] = ()
    pushes: tuple[PushPromise, ...] = ()

    def with_message(self, message: Message) -> ResponseExtras:
        """Return what came along when one more message is counted in.

        :param message: a checked ``trailers``, ``early_hint`` or ``push``
        """
        if message["type"] == "http.response.trailers":
            return self._replace(trailers=(*self.trailers, *message["headers"]))
        if message["type"] == "http.response.early_hint":
            return self._replace(early_hints=(*self.early_hints, *message["links"]))
        promise = PushPromise(message["path"], message["headers"])
        return self._replace(pushes=(*self.pushes, promise))


#: What comes along with most responses.
NO_EXTRAS = ResponseExtras()
