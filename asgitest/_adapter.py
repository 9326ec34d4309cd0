"""Requests' transport: a ``PreparedRequest`` in, a ``requests.Response`` out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from ._application import RunningApplication
from ._exchange import BodyObserver, Exchange, StreamedBody, tell_of_cancellation
from ._extras import Extras
from ._failure import RequestDeadlineExceeded, broken_response, raise_failure
from ._faults import CLIENT_LEFT, CLIENT_LEFT_REASON, LeavingBody
from ._http_connection import HTTPConnection, HTTPProgress
from ._input import check_body
from ._interface import ASGIApplication
from ._opened_websocket import OpenedWebSocket
from ._options import CLIENT_TIMEOUT, ClientOptions, build_options, check_timeout
from ._portal import Portal
from ._protocol._headers import Headers
from ._protocol._http import HTTPProtocol
from ._protocol._scope import Scope, http_scope, websocket_scope
from ._protocol._websocket import WebSocketProtocol, WebSocketState
from ._raw_response import Body, MemoryBody, RawResponse
from ._request import body_in_memory, scope_headers
from ._websocket_connection import WebSocketConnection

__all__ = ["ASGIAdapter", "RequestDeadlineExceeded"]

_Adapter = TypeVar("_Adapter", bound="ASGIAdapter")

# Most values of a scope, which are given on as they are.
_IMMUTABLE = (str, bytes, tuple, type(None))
# Those of most others, whose copies a look at their classes would only delay.
_MUTABLE = (dict, list)
#: What servers answer when an application fails before its response.
_SERVER_ERROR_BODY = b"Internal Server Error"
_SERVER_ERROR_HEADERS: Headers = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", str(len(_SERVER_ERROR_BODY)).encode()),
    (b"connection", b"close"),
]


class ASGIAdapter(BaseAdapter):
    """Mount an ASGI application in any :class:`requests.Session`.

    .. code-block:: python

        with ASGIAdapter(app) as adapter, requests.Session() as session:
            session.mount("http://api.test", adapter)

    In its ``with`` block the application's lifespan runs; without one there is none, and
    :meth:`close`, which a closing session calls, ends the event loop.

    :param app: the application
    :param options: those of :class:`asgitest.TestClient`; ``base_url``, ``headers`` and
        ``cookies`` are the session's business and have no effect
    :raises TypeError: if the application cannot be called
    :raises ValueError: if an option has a value that cannot be
    """

    def __init__(self, app: Any, **options: Any) -> None:
        resolved = build_options(**options).resolved()
        self._use(run_application(app, resolved), resolved)

    @classmethod
    def for_client(
        cls: type[_Adapter], running: RunningApplication, options: ClientOptions
    ) -> _Adapter:
        """Build the adapter of a client, which shares its application with other clients.

        :param running: the application and its event loop
        :param options: the client's options, resolved
        """
        adapter = cls.__new__(cls)
        adapter._use(running, options)
        adapter._owns_application = False
        return adapter

    def _use(self, running: RunningApplication, options: ClientOptions) -> None:
        super().__init__()
        self._running = running
        self._options = options
        self._scope_options = options.scope_options()
        self._strictness = options.strictness()
        self._owns_application = True

    def __enter__(self) -> ASGIAdapter:
        self._running.start()
        return self

    def __exit__(self, error_type: type[BaseException] | None, *details: object) -> None:
        self._running.stop(abruptly=error_type is KeyboardInterrupt)

    def close(self) -> None:
        """End the event loop; an adapter that belongs to a client leaves that to the client."""
        if self._owns_application:
            self._running.stop()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Run the application for a request.

        :param request: a prepared request; one that asks for an upgrade to WebSocket gets one
        :param stream: whether to return at the start of the response
        :param timeout: seconds for every single wait; ``None`` takes the adapter's own
        :param verify: ignored, as nothing is encrypted
        :param cert: ignored
        :param proxies: ignored, as nothing leaves the process
        :return: the response
        :raises ProtocolError: if the application breaks a rule
        :raises RequestDeadlineExceeded: if the deadline passes
        :raises BaseException: what the application raises, unless ``raise_server_exceptions`` is
            false
        """
        __tracebackhide__ = True
        return self._send(request, stream, timeout)

    def _send(
        self,
        request: requests.PreparedRequest,
        stream: bool,
        timeout: Any,
        observer: BodyObserver | None = None,
    ) -> requests.Response:
        """Run the application for a request; an observer is shown a body that is streamed."""
        __tracebackhide__ = True
        seconds = self._seconds(timeout)
        # What is wrong with the request is none of the application's business.
        headers = scope_headers(request)
        check_body(request.body)
        portal = self._running.portal()
        if _asks_for_websocket(request):
            return self._open_websocket(request, headers, portal, seconds)
        connection, scope = self._http_connection(portal, request, headers, streamed=stream)
        body = body_in_memory(request)
        exchange = Exchange(portal, connection, request, seconds, observer)
        if isinstance(request.body, LeavingBody):
            return self._left_response(request, scope, exchange, request.body)
        if stream:
            progress = exchange.begin(body, HTTPConnection.has_started, "to start its response")
            return self._streamed_response(request, scope, exchange, progress)
        if body is not None:
            progress = exchange.run_through(body)
        else:
            progress = exchange.begin(None, HTTPConnection.has_ended, "to answer")
        return self._whole_response(request, scope, connection, progress)

    # -- HTTP ----------------------------------------------------------------------------------

    def _http_connection(
        self, portal: Portal, request: requests.PreparedRequest, headers: Headers, *, streamed: bool
    ) -> tuple[HTTPConnection, Scope]:
        application = self._running.application
        scope = http_scope(
            self._scope_options,
            method=str(request.method),
            url=str(request.url),
            headers=headers,
            state=self._running.state,
            asgi_version=application.version,
        )
        protocol = HTTPProtocol(
            scope["method"],
            **_announced(scope),
            strictness=self._strictness,
            profile=self._scope_options.profile,
        )
        connection = HTTPConnection(
            portal, application, scope, protocol, _name(request), streamed=streamed
        )
        return connection, pristine(scope)

    def _whole_response(
        self,
        request: requests.PreparedRequest,
        scope: Scope,
        connection: HTTPConnection,
        progress: HTTPProgress,
    ) -> requests.Response:
        __tracebackhide__ = True
        error = self._hidden_error(connection, progress)
        extras = Extras(scope, request, self.send)
        extras.update(progress.extras)
        if error is None or progress.complete:
            body = MemoryBody(progress.pieces)
        elif progress.started and progress.sent_body:
            body = MemoryBody(progress.pieces, broken_response(error))
        else:
            return self._server_error(request, scope, error)
        return self._build(
            request, scope, body, progress.status, progress.headers, progress.debug, error, extras
        )

    def _streamed_response(
        self,
        request: requests.PreparedRequest,
        scope: Scope,
        exchange: Exchange,
        progress: HTTPProgress,
    ) -> requests.Response:
        __tracebackhide__ = True
        if not progress.started:
            error = self._hidden_error(exchange.connection, progress)
            assert error is not None
            return self._server_error(request, scope, error)
        extras = Extras(scope, request, self.send)
        body = StreamedBody(self._running, exchange, progress, self._options, extras)
        return self._build(
            request,
            scope,
            body,
            progress.status,
            progress.headers,
            progress.debug,
            extras=extras,
        )

    def _left_response(
        self,
        request: requests.PreparedRequest,
        scope: Scope,
        exchange: Exchange,
        body: LeavingBody,
    ) -> requests.Response:
        """Have the client leave; return what stands for the response that it does not get."""
        __tracebackhide__ = True
        progress, had_to_cancel = exchange.abandon(body.parts, body.more_body)
        if had_to_cancel:
            tell_of_cancellation(exchange, "left", is_error=self._strictness.strict)
        error = self._hidden_error(exchange.connection, progress)
        response = self._build(
            request, scope, MemoryBody([]), CLIENT_LEFT, [], progress.debug, hidden_error=error
        )
        response.reason = response.raw.reason = CLIENT_LEFT_REASON
        return response

    def _hidden_error(
        self, connection: HTTPConnection, progress: HTTPProgress
    ) -> BaseException | None:
        """Raise what the test has to see; return what ``raise_server_exceptions`` hides."""
        __tracebackhide__ = True
        return raise_failure(connection, progress, self._options.raise_server_exceptions)

    def _server_error(
        self, request: requests.PreparedRequest, scope: Scope, error: BaseException
    ) -> requests.Response:
        body = MemoryBody([_SERVER_ERROR_BODY])
        return self._build(request, scope, body, 500, _SERVER_ERROR_HEADERS, hidden_error=error)

    # -- WebSocket -----------------------------------------------------------------------------

    def _open_websocket(
        self,
        request: requests.PreparedRequest,
        headers: Headers,
        portal: Portal,
        seconds: float | None,
    ) -> requests.Response:
        __tracebackhide__ = True
        application = self._running.application
        scope = websocket_scope(
            self._scope_options,
            url=str(request.url),
            headers=headers,
            state=self._running.state,
            subprotocols=_offered_subprotocols(headers),
            asgi_version=application.version,
        )
        protocol = WebSocketProtocol(
            scope["subprotocols"],
            **_announced(scope),
            strictness=self._strictness,
            profile=self._scope_options.profile,
        )
        kept_scope = pristine(scope)
        connection = WebSocketConnection(
            portal, application, scope, protocol, f"the WebSocket ws{str(request.url)[4:]}"
        )
        self._watch(connection)
        websocket = OpenedWebSocket(self._running, portal, connection, self._options, seconds)
        websocket.handshake()
        return self._handshake_response(request, kept_scope, websocket)

    def _handshake_response(
        self, request: requests.PreparedRequest, scope: Scope, websocket: OpenedWebSocket
    ) -> requests.Response:
        progress = websocket.progress
        if websocket.is_open:
            response = self._build(request, scope, websocket, 101, progress.headers)
        elif progress.state is WebSocketState.DENIED:
            status, headers, body = progress.denial or (403, [], b"")
            response = self._build(request, scope, MemoryBody([body]), status, headers)
        else:
            assert websocket.hidden_error is not None
            response = self._server_error(request, scope, websocket.hidden_error)
        raw: Any = response.raw
        raw.websocket = websocket
        return response

    def _watch(self, connection: WebSocketConnection) -> None:
        """Look at a WebSocket before it begins."""

    # -- responses -----------------------------------------------------------------------------

    def _build(
        self,
        request: requests.PreparedRequest,
        scope: Scope,
        body: Body,
        status: int,
        headers: Headers,
        debug: dict[str, Any] | None = None,
        hidden_error: BaseException | None = None,
        extras: Extras | None = None,
    ) -> requests.Response:
        extras = extras or Extras(scope, request, self.send)
        raw = RawResponse(
            body,
            status=status,
            headers=headers,
            http_version=self._options.http_version,
            method=str(request.method),
        )
        response: Any = requests.Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict(raw.pairs)
        response.encoding = _encoding(response.headers.get("content-type"))
        response.raw = raw
        response.reason = raw.reason
        response.url = str(request.url)
        response.request = request
        response.connection = self
        if raw.sets_cookies:
            extract_cookies_to_jar(response.cookies, request, raw)
        response.scope = scope
        response.raw_headers = list(headers)
        response.server_exception = hidden_error
        response.trailers = extras.trailers
        response.withheld_trailers = extras.withheld_trailers
        response.early_hints = extras.early_hints
        response.pushes = extras.pushes
        response.debug = debug
        response.template = (debug or {}).get("template")
        response.context = (debug or {}).get("context")
        return response  # type: ignore[no-any-return]

    def _seconds(self, timeout: Any) -> float | None:
        if timeout is None or timeout is CLIENT_TIMEOUT:
            return self._options.timeout  # type: ignore[no-any-return]
        return check_timeout(timeout)


def run_application(app: Any, options: ClientOptions) -> RunningApplication:
    """Wrap an application for its clients; nothing runs yet.

    :param app: an ASGI application
    :param options: the options of the first client, resolved
    :raises TypeError: if the application cannot be called
    """
    return RunningApplication(
        ASGIApplication(app, options.interface),
        backend=str(options.backend),
        backend_options=options.backend_options,
        lifespan=options.lifespan,
        timeout=options.timeout,
        strictness=options.strictness(),
        portal=str(options.portal),
    )


def pristine(scope: Scope) -> Scope:
    """Return a copy of a scope that the application's changes do not reach (APP-11).

    :param scope: a scope
    """
    copied = {
        key: value
        if type(value) in _IMMUTABLE
        else value.copy()
        if type(value) in _MUTABLE
        else _copied(value)
        for key, value in scope.items()
    }
    extensions = scope.get("extensions")
    if extensions:
        copied["extensions"] = {name: _copied(value) for name, value in extensions.items()}
    return copied


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (dict, list)) else value


@lru_cache(maxsize=128)
def _encoding(content_type: str | None) -> str | None:
    headers: Any = {} if content_type is None else {"content-type": content_type}
    return get_encoding_from_headers(headers)


def _announced(scope: Scope) -> dict[str, Any]:
    return {
        # SC-02: what a scope does not say is the first version.
        "spec_version": scope["asgi"].get("spec_version", "2.0"),
        "extensions": tuple(scope.get("extensions") or ()),
    }


def _name(request: requests.PreparedRequest) -> str:
    return f"{request.method} {request.url}"


def _asks_for_websocket(request: requests.PreparedRequest) -> bool:
    # RFC 6455, section 4.2.1: these make a request an opening handshake.
    headers = request.headers
    return (
        "sec-websocket-key" in headers
        and str(headers.get("upgrade")).lower() == "websocket"
        and "upgrade" in str(headers.get("connection")).lower()
    )


def _offered_subprotocols(headers: Headers) -> list[str]:
    return [
        subprotocol.strip()
        for name, value in headers
        if name == b"sec-websocket-protocol"
        for subprotocol in value.decode("latin-1").split(",")
        if subprotocol.strip()
    ]
