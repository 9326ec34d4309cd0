"""The test client: a ``requests.Session`` whose requests run an ASGI application in process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import lru_cache
from typing import Any, TypeVar, cast
from urllib.parse import urljoin, urlsplit

import requests

from ._adapter import run_application
from ._application import RunningApplication
from ._input import check_cookies, check_data, check_subprotocols
from ._options import (
    CLIENT_TIMEOUT,
    DEFAULT_TIMEOUT,
    NO_DEADLINE,
    ClientOptions,
    check_timeout,
    replace_options,
)
from ._portal import Portal
from ._protocol._profiles import Profile
from ._protocol._texts import shorten
from ._recording import RecordingAdapter
from ._request import HeaderPairs, header_pairs
from ._session import InProcessSession
from ._shown_exchanges import note_shown
from ._withheld import note_withheld
from .exceptions import ASGITestError, add_note
from .transcript import Transcript
from .websocket import WebSocketSession

__all__ = ["TestClient"]

T = TypeVar("T")
_Client = TypeVar("_Client", bound="TestClient")

# What clients of one running application cannot differ in.
_SHARED_OPTIONS = ("app", "backend", "backend_options", "interface", "lifespan", "portal")
# RFC 6455, section 4.1; any 16 bytes will do, and these are the same in every run.
_HANDSHAKE_HEADERS = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "YXNnaXRlc3Qta2V5LTE2IQ==",
}
_HTTP_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
# Options of a request that concern the way there, and here there is none.
_IGNORED_OPTIONS = {"allow_redirects", "cert", "proxies", "stream", "verify"}
_HANDSHAKE_OPTIONS = {"auth", "cookies", "headers", "hooks", "params"}


class TestClient(InProcessSession):
    """A client for an ASGI application, which runs in process and opens no socket.

    It is a :class:`requests.Session` with all that one can do. In its ``with`` block the
    application's lifespan runs, in the event loop that serves the requests; without the block
    there is no lifespan, and the loop lasts from the first request to :meth:`close`.

    :param app: an ASGI application
    :param base_url: what relative URLs are joined to
    :param raise_server_exceptions: whether the application's exceptions reach the test; if not,
        they become what a server makes of them. Broken rules are raised in any case
    :param root_path: where the application is mounted; given on as it is (SC-08)
    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``; unless given, the environment's
        ``ASGITEST_BACKEND``, else ``"asyncio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param portal: ``"thread"``, an event loop in a thread of its own, or ``"inline"``, one that is
        advanced in the calling thread; unless given, the environment's ``ASGITEST_PORTAL``, else
        ``"thread"``
    :param lifespan: ``"auto"`` goes on without lifespan if the application does not support it
        (LIFE-06), ``"on"`` demands it, ``"off"`` never asks
    :param timeout: deadline of every single wait in seconds, ``None`` for none; unless given, the
        environment's ``ASGITEST_TIMEOUT``, else 10
    :param strict: whether what is accepted with a warning, or in silence, is an error
    :param ignore_rules: ids of rules to relax, such as ``{"HTTP-BODY-05"}``; the page *Rules* tells
        what is accepted then
    :param interface: ``"asgi3"``, ``"asgi2"``, or ``"auto"`` to find out (APP-06)
    :param spec_version: version of the HTTP and WebSocket text to announce; unless given, 2.3 for
        HTTP and 2.4 for WebSocket (SC-02)
    :param http_version: ``"1.0"``, ``"1.1"`` or ``"2"`` (SC-03)
    :param profile: the shapes that servers differ in: ``"uvicorn"``, ``"hypercorn"``,
        ``"daphne"``, ``"granian"`` or a :class:`asgitest.Profile`. ``spec_version`` and
        ``extensions`` come before what it says
    :param client_address: host and port of the client, ``None`` to withhold it (SC-13)
    :param server_address: host and port of the server, unless given those of the URL (SC-14)
    :param headers: headers of every request, a mapping or a list of pairs
    :param cookies: cookies of every request, a mapping or a jar
    :param extensions: what to announce beside the defaults, or not to: a mapping of names to
        ``True``, ``False`` or a dict of content, or a list of names (EXT-01)
    :param scope: merged over each HTTP and WebSocket scope's own keys
    :raises TypeError: if the application cannot be called
    :raises ValueError: if an option has a value that cannot be
    :ivar app: the application
    :ivar base_url: what relative URLs are joined to
    :ivar transcript: what the client exchanged
    """

    # The name begins as the names of test classes do, which pytest collects.
    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: str | None = None,
        backend_options: Mapping[str, Any] | None = None,
        *,
        portal: str | None = None,
        lifespan: str = "auto",
        timeout: Any = DEFAULT_TIMEOUT,
        strict: bool = False,
        ignore_rules: Any = (),
        interface: str = "auto",
        spec_version: str | None = None,
        http_version: str = "1.1",
        profile: str | Profile | None = None,
        client_address: tuple[str, int] | None = ("127.0.0.1", 50000),
        server_address: tuple[str, int | None] | None = None,
        headers: Any = None,
        cookies: Any = None,
        extensions: Any = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        options = ClientOptions(
            base_url=base_url,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            backend=backend,
            backend_options=backend_options,
            portal=portal,
            lifespan=lifespan,
            timeout=timeout,
            strict=strict,
            ignore_rules=ignore_rules,
            interface=interface,
            spec_version=spec_version,
            http_version=http_version,
            profile=profile,
            client_address=client_address,
            server_address=server_address,
            headers=headers,
            cookies=cookies,
            extensions=extensions,
            scope=scope,
        ).resolved()
        self._set_up(app, run_application(app, options), options, parent=None)

    def _set_up(
        self,
        app: Any,
        running: RunningApplication,
        options: ClientOptions,
        parent: TestClient | None,
    ) -> None:
        super().__init__()
        self.app = app
        self.base_url = options.base_url
        self._running = running
        self._options = options
        self._parent = parent
        self._children: list[TestClient] = []
        self._entered = False
        self.headers["User-Agent"] = "testclient"
        self._add_headers(header_pairs(options.headers))
        if options.cookies is not None:
            self.cookies.update(options.cookies)
        # A client that never runs the lifespan has none to tell of.
        self.transcript = Transcript(lifespans=running.lifespan_logs if parent is None else ())
        adapter = RecordingAdapter.for_client(running, options)
        adapter.record(self.transcript)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def _add_headers(self, pairs: list[tuple[Any, Any]]) -> None:
        own = {_lower(name) for name, _ in pairs}
        if len(own) == len(pairs):
            self.headers.update(pairs)
        else:
            kept = [pair for pair in self.headers.items() if _lower(pair[0]) not in own]
            self.headers = HeaderPairs([*kept, *pairs])

    # -- the block -----------------------------------------------------------------------------

    def __enter__(self: _Client) -> _Client:
        """Start the event loop and the application's lifespan.

        :raises LifespanError: if the application reports that its startup failed
        :raises DeadlineExceeded: if it does not answer
        """
        if self._parent is not None:
            return self
        if self._entered:
            raise ASGITestError(
                "this client is entered already; new_client() gives another one for the same "
                "running application"
            )
        self._running.start()
        self._entered = True
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: object = None,
    ) -> None:
        """Close what is open, end the lifespan, then the event loop.

        :raises BaseException: what the application raised in its lifespan
        """
        try:
            self._close(abruptly=error_type is KeyboardInterrupt)
        except Exception as closing_error:
            # What went wrong in the block came first, and explains more.
            if error is None:
                raise
            add_note(error, f"Closing the client raised, too: {shorten(closing_error)}")

    def close(self) -> None:
        """Do as leaving the ``with`` block does; a client from :meth:`new_client` only retires.

        The next request starts a new event loop.
        """
        self._close(abruptly=False)

    def _close(self, *, abruptly: bool) -> None:
        if self._parent is not None:
            super().close()
            return
        self._entered = False
        try:
            self._running.stop(abruptly=abruptly)
        finally:
            super().close()
            for client in self._children:
                client.close()
            self._children.clear()

    @property
    def clients(self) -> list[TestClient]:
        """The clients of the running application, in the order in which they were made."""
        first = self._parent or self
        return [first, *first._children]

    @property
    def running(self) -> RunningApplication:
        """What all clients of the application share."""
        return self._running

    def retire(self) -> None:
        """Close a client of :meth:`new_client` for good, so that its parent forgets it."""
        self.close()
        if self._parent is not None and self in self._parent._children:
            self._parent._children.remove(self)

    # -- requests ------------------------------------------------------------------------------

    def request(
        self,
        method: str | bytes,
        url: str | bytes,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        files: Any = None,
        auth: Any = None,
        timeout: Any = CLIENT_TIMEOUT,
        allow_redirects: bool = True,
        proxies: Any = None,
        hooks: Any = None,
        stream: bool | None = None,
        verify: Any = None,
        cert: Any = None,
        json: Any = None,
    ) -> requests.Response:
        """Send a request; parameters are those of :meth:`requests.Session.request`.

        :param method: its method
        :param url: its URL, relative to ``base_url`` or absolute
        :param params: query parameters
        :param data: the body: form fields, bytes, text, a file or an iterable
        :param headers: headers, a mapping or a list of pairs; of a list, order and duplicates
            are kept
        :param cookies: cookies of this request alone
        :param files: files to upload
        :param auth: credentials
        :param timeout: seconds for every single wait, ``None`` for no deadline; of a pair, the
            second counts
        :param allow_redirects: whether to follow redirects
        :param proxies: ignored, as nothing leaves the process
        :param hooks: functions to call with the response
        :param stream: whether to return at the start of the response
        :param verify: ignored, as nothing is encrypted
        :param cert: ignored
        :param json: the body, as JSON
        :return: the response
        :raises ProtocolError: if the application breaks a rule
        :raises RequestDeadlineExceeded: if the deadline passes
        :raises BaseException: what the application raises, unless ``raise_server_exceptions`` is
            false
        """
        __tracebackhide__ = True
        return super().request(
            cast(str, method),
            self._absolute(url),
            params=params,
            data=data,
            headers=headers,
            cookies=cookies,
            files=files,
            auth=auth,
            timeout=NO_DEADLINE if timeout is None else timeout,  # type: ignore[arg-type]
            allow_redirects=allow_redirects,
            proxies=proxies,
            hooks=hooks,
            stream=stream,
            verify=verify,
            cert=cert,
            json=json,
        )

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request.

        :param request: a prepared request
        :param kwargs: those of :meth:`requests.Session.send`; ``timeout=None`` is no deadline
        :return: the response
        """
        __tracebackhide__ = True
        # Always said, for requests passes a None on to redirects if nothing was.
        timeout = kwargs.get("timeout", CLIENT_TIMEOUT)
        kwargs["timeout"] = NO_DEADLINE if timeout is None else timeout
        note_withheld(request, self.cookies)
        try:
            return super().send(request, **kwargs)
        except requests.TooManyRedirects as error:
            # Only who is led in circles has to wait for it to be imported.
            from ._redirects import describe_chain

            error.args = (describe_chain(error),)
            note_shown(error, error.response)
            raise

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request with the client's settings, as requests does.

        :param request: a request; its headers may be a list of pairs, and its URL relative
        :return: the prepared request
        """
        given = header_pairs(request.headers)
        check_data(request.data)
        check_cookies(request.cookies)
        url = self._absolute(request.url)
        if isinstance(self.headers, HeaderPairs):
            own = {_lower(name) for name, _ in given}
            given = [*(p for p in self.headers.pairs if _lower(p[0]) not in own), *given]
        elif isinstance(request.headers, Mapping):
            return super().prepare_request(_at(url, request))
        # The request is the caller's, who may send it with another client.
        prepared_here = copy.copy(request)
        prepared_here.url = url
        repeated = HeaderPairs(given)
        prepared_here.headers = dict(repeated.items())
        prepared = super().prepare_request(prepared_here)
        prepared.headers = _with_repeated(prepared.headers, repeated)
        return prepared

    def _absolute(self, url: Any) -> str:
        if url is None or isinstance(url, (int, float)):
            raise TypeError(f"url must be a URL, not {type(url).__name__}: {url!r}")
        text = url.decode() if isinstance(url, bytes) else str(url)
        return _joined(self.base_url, text)

    # -- WebSocket -----------------------------------------------------------------------------

    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        timeout: Any = CLIENT_TIMEOUT,
        **options: Any,
    ) -> WebSocketSession:
        """Prepare a WebSocket; the ``with`` block of what is returned opens it.

        :param url: its URL, relative to ``base_url`` or absolute, with the scheme ``ws``, ``wss``,
            ``http`` or ``https``
        :param subprotocols: what to offer, in order
        :param timeout: seconds for every single wait, ``None`` for no deadline
        :param options: those of :meth:`request` that a request without a body can have:
            ``params``, ``headers``, ``cookies``, ``auth``, ``hooks``
        :return: the session
        :raises TypeError: if an option is not one of these, or a subprotocol no ``str``
        :raises ValueError: if the URL has another scheme, or a subprotocol is no token
        """
        for name in options.keys() - _HANDSHAKE_OPTIONS - _IGNORED_OPTIONS:
            raise TypeError(
                f"websocket_connect() takes no {name!r}, for a handshake has no body; it takes "
                f"{', '.join(sorted(_HANDSHAKE_OPTIONS))}"
            )
        offered = check_subprotocols(subprotocols)
        check_timeout(None if timeout is CLIENT_TIMEOUT else timeout)
        options = {name: options[name] for name in options.keys() & _HANDSHAKE_OPTIONS}
        headers = header_pairs(options.pop("headers", None))
        given = {_lower(name) for name, _ in headers}
        # Most repeat no name, and a mapping is prepared with fewer steps.
        is_mapping = len(given) == len(headers)
        headers += [pair for pair in _HANDSHAKE_HEADERS.items() if pair[0] not in given]
        if offered:
            headers.append(("sec-websocket-protocol", ", ".join(offered)))
            is_mapping = is_mapping and "sec-websocket-protocol" not in given
        request = requests.Request(
            "GET",
            self._websocket_url(url),
            cast(Any, dict(headers) if is_mapping else headers),
            **options,
        )
        prepared = self.prepare_request(request)
        timeout = NO_DEADLINE if timeout is None else timeout

        def send_handshake() -> requests.Response:
            return self.send(prepared, stream=True, timeout=timeout, allow_redirects=False)

        return WebSocketSession(send_handshake)

    def _websocket_url(self, url: str) -> str:
        absolute = self._absolute(url)
        scheme = urlsplit(absolute).scheme
        if scheme not in _HTTP_SCHEMES:
            raise requests.exceptions.InvalidSchema(
                f"the URL of a WebSocket must have the scheme ws, wss, http or https, not {url!r}"
            )
        # requests prepares nothing of a ws URL: no parameters, no quoting.
        return _HTTP_SCHEMES[scheme] + absolute[len(scheme) :]

    # -- the running application ---------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """The lifespan's state, of which every scope gets a shallow copy (LIFE-13)."""
        return self._running.state

    @property
    def timeout(self) -> float | None:
        """Deadline of every single wait in seconds, ``None`` for none."""
        seconds: float | None = self._options.timeout
        return seconds

    @property
    def portal(self) -> Portal:
        """The event loop, started if it is not running: ``call`` and its like, as anyio's."""
        return self._running.portal()

    def new_client(self: _Client, **overrides: Any) -> _Client:
        """Return another client of the same running application, as a second user has.

        Its cookies and headers are its own. It never runs the lifespan, and is closed with this
        client.

        :param overrides: options that differ from this client's
        :return: a client of the same class
        :raises TypeError: if an option is one that all clients of an application share
        """
        for name in overrides:
            if name in _SHARED_OPTIONS:
                raise TypeError(
                    f"new_client() cannot override {name}: the running application is shared"
                )
        parent = self._parent or self
        options = replace_options(self._options, **overrides).resolved()
        client = type(self).__new__(type(self))
        client._set_up(self.app, self._running, options, parent)
        parent._children.append(client)
        return client

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the application's event loop and return its result.

        :param function: a coroutine function, or a plain one
        :param args: its positional arguments
        :raises DeadlineExceeded: if the client's deadline passes
        """
        return self.portal.call(function, *args)

    @contextmanager
    def async_context(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Present an asynchronous context manager as a plain one, on the application's loop.

        :param manager: entered and left in one task
        """
        with self.portal.wrap_async_context_manager(manager) as value:
            yield value


@lru_cache(maxsize=1024)
def _joined(base_url: str, url: str) -> str:
    return urljoin(base_url, url)


def _at(url: str, request: requests.Request) -> requests.Request:
    if request.url == url:
        return request
    moved = copy.copy(request)
    moved.url = url
    return moved


def _with_repeated(prepared: Any, repeated: HeaderPairs) -> HeaderPairs:
    """Put the duplicates back that the dict given to requests had no place for."""
    # What requests changed on the way, such as credentials, it had a reason to.
    kept = {
        _lower(name) for name in repeated if name in prepared and prepared[name] == repeated[name]
    }
    others = [(name, value) for name, value in prepared.items() if _lower(name) not in kept]
    return HeaderPairs([*others, *(p for p in repeated.pairs if _lower(p[0]) in kept)])


def _lower(name: str | bytes) -> str:
    return (name.decode("latin-1") if isinstance(name, bytes) else name).lower()
