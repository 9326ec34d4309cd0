"""What came along with a response by means of extensions, as a test reads it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import requests

from ._protocol._response_extras import NO_EXTRAS, PushPromise, ResponseExtras
from ._protocol._scope import Scope
from ._request import HeaderPairs

__all__ = ["Extras", "Push"]

# RFC 3986, section 3.3: what a path may hold as it is.
_PATH_CHARACTERS = "/:@!$&'()*+,;=~-._"


class Push:
    """What an application promised to push to its client (``http.response.push``).

    Nothing is requested before :meth:`follow` is called.

    :ivar path: path of what is pushed, decoded
    :ivar headers: headers of the request for it, list of ``(bytes, bytes)``
    :ivar response: the answer to that request, ``None`` before it was made
    """

    def __init__(
        self,
        promise: PushPromise,
        request: requests.PreparedRequest,
        send: Callable[[requests.PreparedRequest], requests.Response],
    ) -> None:
        self.path = promise.path
        self.headers = list(promise.headers)
        self.response: requests.Response | None = None
        self._request = request
        self._send = send

    def follow(self) -> requests.Response:
        """Make the request that the push promised, as a server does, and return its response.

        It is a GET for the promised path with the promised headers, at the authority of the
        request that was answered with the push (EXT-PUSH-01). The request is made once.

        :return: the response, which is ``response`` from then on
        """
        __tracebackhide__ = True
        if self.response is None:
            self.response = self._send(self._prepare())
        return self.response

    def _prepare(self) -> requests.PreparedRequest:
        base = urlsplit(str(self._request.url))
        path, mark, query = self.path.partition("?")
        url = f"{base.scheme}://{base.netloc}{quote(path, safe=_PATH_CHARACTERS)}{mark}{query}"
        prepared = requests.Request("GET", url).prepare()
        host = self._request.headers.get("host")
        pairs: list[tuple[str, str | bytes]] = [] if host is None else [("host", host)]
        pairs += [(name.decode("latin-1"), value) for name, value in self.headers]
        prepared.headers = HeaderPairs(pairs)
        return prepared

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.path}]>"


class Extras:
    """The lists of one response; they grow while it is read.

    :param scope: the request's scope
    :param request: the request
    :param send: sends the request that a push promises
    :ivar trailers: fields behind the body, pairs of bytes, if the request had ``te: trailers``
    :ivar withheld_trailers: the same if it had not, so that no server sends them (EXT-TRAIL-02)
    :ivar early_hints: links of the early hints, list of bytes
    :ivar pushes: list of :class:`Push`
    """

    def __init__(
        self,
        scope: Scope,
        request: requests.PreparedRequest,
        send: Callable[[requests.PreparedRequest], requests.Response],
    ) -> None:
        self.trailers: list[tuple[bytes, bytes]] = []
        self.withheld_trailers: list[tuple[bytes, bytes]] = []
        self.early_hints: list[bytes] = []
        self.pushes: list[Push] = []
        self._scope = scope
        self._request = request
        self._send = send
        self._known = NO_EXTRAS

    def update(self, extras: ResponseExtras) -> None:
        """Take what came since the last time.

        :param extras: all that came so far
        """
        known, self._known = self._known, extras
        if extras is known:
            return
        trailers = self.trailers if _takes_trailers(self._scope) else self.withheld_trailers
        trailers += extras.trailers[len(known.trailers) :]
        self.early_hints += extras.early_hints[len(known.early_hints) :]
        promises = extras.pushes[len(known.pushes) :]
        self.pushes += [Push(promise, self._request, self._send) for promise in promises]


def _takes_trailers(scope: Scope) -> bool:
    # RFC 9110, section 6.5: there is no place for them in the first HTTP, nor behind no body.
    if scope["http_version"] == "1.0" or scope["method"] == "HEAD":
        return False
    return any(
        coding.strip().lower() == b"trailers"
        for name, value in scope["headers"]
        if name == b"te"
        for coding in value.split(b",")
    )


# Reprs and the reference show it by the name it is imported by.
Push.__module__ = __package__ or __name__
