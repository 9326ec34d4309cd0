"""WebSockets of applications that are written with Starlette and FastAPI."""

from __future__ import annotations

import unittest
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import starlette.exceptions
import starlette.websockets
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, Query
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    SimpleUser,
    requires,
)
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketState

from asgitest import (
    ASGITestCase,
    ClientDisconnected,
    ProtocolError,
    TestClient,
    WebSocketDenied,
    WebSocketDisconnect,
)
from tests.base import CleanTestCase

HAS_DENIAL_RESPONSE = hasattr(WebSocket, "send_denial_response")
TheirDisconnect = starlette.websockets.WebSocketDisconnect


async def echo(websocket: WebSocket) -> None:
    """Send texts back until the client leaves, in the way most documents show it."""
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


async def polite_echo(websocket: WebSocket) -> None:
    """Send texts back until the client leaves, and take that as the end."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except TheirDisconnect:
        pass


async def json_echo(websocket: WebSocket) -> None:
    """Send JSON back, in the kind of message that the query asks for."""
    mode = websocket.query_params["mode"]
    await websocket.accept()
    data = await websocket.receive_json(mode=mode)
    await websocket.send_json(data, mode=mode)
    await websocket.close()


async def iterating(websocket: WebSocket) -> None:
    """Iterate over the client's bytes, which ends when the client leaves."""
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data[::-1])


async def subprotocol(websocket: WebSocket) -> None:
    """Accept the last subprotocol that is offered, with headers."""
    offered = websocket.scope["subprotocols"]
    await websocket.accept(
        subprotocol=offered[-1] if offered else None,
        headers=[(b"x-offered", ",".join(offered).encode())],
    )
    await websocket.close()


async def closing(websocket: WebSocket) -> None:
    """Accept, greet and close."""
    await websocket.accept()
    await websocket.send_text("welcome")
    await websocket.close(code=4001, reason="go away")


async def refusing(websocket: WebSocket) -> None:
    """Close before it accepts."""
    await websocket.close(code=4003, reason="not you")


async def denying(websocket: WebSocket) -> None:
    """Deny with a response that has everything."""
    response = JSONResponse({"error": "no"}, status_code=401, headers={"x-why": "because"})
    response.set_cookie("denied", "1")
    await websocket.send_denial_response(response)


async def throwing(websocket: WebSocket) -> None:
    """Raise a WebSocketException, before or after it accepts."""
    if websocket.path_params["when"] == "after":
        await websocket.accept()
        await websocket.send_text("welcome")
    raise starlette.exceptions.WebSocketException(code=1008, reason="policy")


async def failing(websocket: WebSocket) -> None:
    """Fail, before or after it accepts."""
    if websocket.path_params["when"] == "after":
        await websocket.accept()
    raise ZeroDivisionError("broken")


async def double(websocket: WebSocket) -> None:
    """Break a rule behind the back of Starlette, which would have noticed."""
    await websocket.accept()
    await websocket._send({"type": "websocket.accept"})


async def publishing(websocket: WebSocket) -> None:
    """Send without listening until the client is found to have left."""
    await websocket.accept()
    while True:
        await websocket.send_text("tick")


async def looking(websocket: WebSocket) -> None:
    """Send what the handshake held."""
    await websocket.accept()
    await websocket.send_json(
        {
            "url": str(websocket.url),
            "path": websocket.path_params,
            "query": websocket.query_params.multi_items(),
            "cookies": websocket.cookies,
            "client": websocket.client,
            "token": websocket.headers.get("x-token"),
            "named": str(websocket.url_for("looking", name="b")),
        }
    )
    await websocket.close()


class Counter(WebSocketEndpoint):
    """A class of Starlette's that counts what it is sent."""

    encoding = "json"
    closed: list[int] = []

    async def on_connect(self, websocket: WebSocket) -> None:
        self.count = 0
        await websocket.accept()

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        self.count += data
        await websocket.send_json(self.count)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        self.closed.append(close_code)


class TokenBackend(AuthenticationBackend):
    """Knows one token."""

    async def authenticate(self, conn: Any) -> Any:
        token = conn.headers.get("x-token")
        if token is None:
            return None
        if token != "right":
            raise AuthenticationError("wrong token")
        return AuthCredentials(["member"]), SimpleUser("ann")


@requires("member")
async def members_only(websocket: WebSocket) -> None:
    """Greet a member."""
    await websocket.accept()
    await websocket.send_text(websocket.user.display_name)
    await websocket.close()


async def count_requests(request: Any, call_next: Any) -> Response:
    """Mark responses; for HTTP alone."""
    response: Response = await call_next(request)
    response.headers["x-counted"] = "1"
    return response


starlette_app = Starlette(
    routes=[
        Route("/http", lambda request: JSONResponse({"ok": True})),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/polite", polite_echo),
        WebSocketRoute("/json", json_echo),
        WebSocketRoute("/iterating", iterating),
        WebSocketRoute("/subprotocol", subprotocol),
        WebSocketRoute("/closing", closing),
        WebSocketRoute("/refusing", refusing),
        WebSocketRoute("/denying", denying),
        WebSocketRoute("/throwing/{when}", throwing),
        WebSocketRoute("/failing/{when}", failing),
        WebSocketRoute("/double", double),
        WebSocketRoute("/publishing", publishing),
        WebSocketRoute("/counter", Counter),
        WebSocketRoute("/members", members_only),
        Mount("/mounted", routes=[WebSocketRoute("/looking/{name}", looking, name="inner")]),
        WebSocketRoute("/looking/{name}", looking, name="looking"),
    ],
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=["testserver"]),
        Middleware(CORSMiddleware, allow_origins=["*"]),
        Middleware(BaseHTTPMiddleware, dispatch=count_requests),
        Middleware(AuthenticationMiddleware, backend=TokenBackend()),
    ],
)


class FrameworkTestCase(CleanTestCase):
    """A test case with a client to an application."""

    app: Any

    def setUp(self) -> None:
        """Enter a client."""
        super().setUp()
        self.client = self.enter_client(self.app)

    def denied(self, url: str, **options: Any) -> WebSocketDenied:
        """Fail unless a handshake is denied; return the error."""
        with self.assertRaises(WebSocketDenied) as caught:
            with self.client.websocket_connect(url, **options):
                self.fail("the block of a denied session was entered")
        return caught.exception


class StarletteTest(FrameworkTestCase):
    """Routes of Starlette behind its middleware."""

    app = starlette_app

    def test_echo(self) -> None:
        """Text comes back."""
        with self.client.websocket_connect("/polite") as session:
            for data in ("a", "", "é\N{SNOWMAN}"):
                session.send_text(data)
                self.assertEqual(data, session.receive_text())

    def test_echo_without_try(self) -> None:
        """The WebSocketDisconnect that escapes from a loop without try is raised by leaving."""
        with self.assertRaises(TheirDisconnect) as caught:
            with self.client.websocket_connect("/echo") as session:
                session.send_text("a")
                self.assertEqual("a", session.receive_text())
                session.close(1001)
        self.assertIs(TheirDisconnect, type(caught.exception))
        self.assertEqual(1001, caught.exception.code)

    def test_json(self) -> None:
        """JSON comes back in either kind of message, and the close ends with 1000."""
        for mode in ("text", "binary"):
            with self.client.websocket_connect("/json", params={"mode": mode}) as session:
                session.send_json({"a": ["é"]}, mode=mode)
                self.assertEqual({"a": ["é"]}, session.receive_json(mode=mode))
                self.assertEqual([], list(session))
                self.assertEqual(1000, session.close_code)

    def test_iteration_in_the_application(self) -> None:
        """The application's iteration ends quietly when the test closes."""
        with self.client.websocket_connect("/iterating") as session:
            session.send_bytes(b"ab")
            self.assertEqual(b"ba", session.receive_bytes())

    def test_subprotocol(self) -> None:
        """Subprotocol and headers of the accept reach the session."""
        with self.client.websocket_connect("/subprotocol", subprotocols=["a", "b"]) as session:
            self.assertEqual("b", session.accepted_subprotocol)
            self.assertEqual([(b"x-offered", b"a,b")], session.extra_headers)
        with self.client.websocket_connect("/subprotocol") as session:
            self.assertIsNone(session.accepted_subprotocol)

    def test_close(self) -> None:
        """The application's code and reason reach the test behind its messages."""
        with self.client.websocket_connect("/closing") as session:
            self.assertEqual("welcome", session.receive_text())
            with self.assertRaises(WebSocketDisconnect) as caught:
                session.receive_text()
        self.assertEqual((4001, "go away"), (caught.exception.code, caught.exception.reason))

    def test_disconnect_is_starlettes_too(self) -> None:
        """While Starlette is loaded, its own class catches what the session raises."""
        with self.client.websocket_connect("/closing") as session:
            session.receive_text()
            with self.assertRaises(TheirDisconnect) as caught:
                session.receive_text()
        error = caught.exception
        self.assertIsInstance(error, WebSocketDisconnect)
        self.assertEqual((4001, "go away"), (error.code, error.reason))
        self.assertIn("4001", str(error))
        self.assertIn("WebSocketDisconnect", type(error).__name__)

    def test_denied_is_starlettes_too(self) -> None:
        """While Starlette is loaded, its own class catches a denial as well."""
        with self.assertRaises(TheirDisconnect) as caught:
            with self.client.websocket_connect("/refusing"):
                self.fail("the block of a denied session was entered")
        self.assertIsInstance(caught.exception, WebSocketDenied)
        self.assertEqual(4003, caught.exception.code)

    def test_close_before_accept(self) -> None:
        """A close before the accept is a 403, with code and reason for the test."""
        denied = self.denied("/refusing")
        self.assertEqual((4003, "not you"), (denied.code, denied.reason))
        self.assertEqual(403, denied.response.status_code)

    @unittest.skipUnless(HAS_DENIAL_RESPONSE, "needs Starlette 0.37, which brought the method")
    def test_denial_response(self) -> None:
        """A denial response arrives whole, its cookie in the jar."""
        response = self.denied("/denying").response
        self.assertEqual(401, response.status_code)
        self.assertEqual({"error": "no"}, response.json())
        self.assertEqual("because", response.headers["x-why"])
        self.assertEqual({"denied": "1"}, self.client.cookies.get_dict())

    def test_websocket_exception_before_accept(self) -> None:
        """A WebSocketException before the accept denies with its code."""
        denied = self.denied("/throwing/before")
        self.assertEqual((1008, "policy"), (denied.code, denied.reason))
        self.assertEqual(403, denied.response.status_code)

    def test_websocket_exception_after_accept(self) -> None:
        """A WebSocketException after the accept closes with its code."""
        with self.client.websocket_connect("/throwing/after") as session:
            self.assertEqual("welcome", session.receive_text())
            with self.assertRaises(WebSocketDisconnect) as caught:
                session.receive_text()
        self.assertEqual((1008, "policy"), (caught.exception.code, caught.exception.reason))

    def test_unknown_path(self) -> None:
        """A path without a route is denied, with a response of Starlette's choice."""
        denied = self.denied("/nowhere")
        self.assertIn(denied.response.status_code, (403, 404))

    def test_http_route(self) -> None:
        """A route for HTTP is no route for a WebSocket, and the other way round."""
        self.denied("/http")
        self.assertEqual(404, self.client.get("/echo").status_code)
        self.assertEqual("1", self.client.get("/http").headers["x-counted"])

    def test_exception(self) -> None:
        """An exception of an endpoint reaches the test through all middleware."""
        with self.assertRaisesRegex(ZeroDivisionError, "broken"):
            with self.client.websocket_connect("/failing/before"):
                self.fail("the block was entered")
        with self.assertRaisesRegex(ZeroDivisionError, "broken"):
            with self.client.websocket_connect("/failing/after") as session:
                session.receive_text()

    def test_hidden_exception(self) -> None:
        """With raise_server_exceptions=False the same is a 500, or a close with 1011."""
        self.client = self.client.new_client(raise_server_exceptions=False)
        self.assertEqual(500, self.denied("/failing/before").response.status_code)
        with self.client.websocket_connect("/failing/after") as session:
            with self.assertRaises(WebSocketDisconnect) as caught:
                session.receive_text()
        self.assertEqual(1011, caught.exception.code)

    def test_violation(self) -> None:
        """A broken rule reaches the test through all middleware."""
        with self.assertRaises(ProtocolError) as caught:
            with self.client.websocket_connect("/double") as session:
                session.receive_text()
        self.assertEqual("WS-ACC-01", caught.exception.rule)

    def test_sender_that_does_not_listen(self) -> None:
        """From version 2.4 on, an endpoint that only sends ends when the test leaves."""
        with self.client.websocket_connect("/publishing") as session:
            self.assertEqual("tick", session.receive_text())
            self.assertEqual("tick", session.receive_text())

    def test_endpoint_class(self) -> None:
        """An endpoint class keeps its state for one WebSocket, and is told the close code."""
        Counter.closed.clear()
        for code in (1000, 3001):
            with self.client.websocket_connect("/counter") as session:
                session.send_json(2)
                self.assertEqual(2, session.receive_json())
                session.send_json(3)
                self.assertEqual(5, session.receive_json())
                session.close(code)
        self.assertEqual([1000, 3001], Counter.closed)

    def test_handshake_as_the_framework_sees_it(self) -> None:
        """URL, path, query, cookies, headers and client are what the test gave."""
        self.client.cookies.set("a", "1")
        with self.client.websocket_connect(
            "wss://testserver/looking/a%20b",
            params=[("q", "1"), ("q", "é")],
            cookies={"b": "2"},
            headers={"X-Token": "right"},
        ) as session:
            seen = session.receive_json()
        self.assertEqual("wss://testserver/looking/a b?q=1&q=%C3%A9", seen["url"])
        self.assertEqual({"name": "a b"}, seen["path"])
        self.assertEqual([["q", "1"], ["q", "é"]], seen["query"])
        self.assertEqual({"a": "1", "b": "2"}, seen["cookies"])
        self.assertEqual(["127.0.0.1", 50000], seen["client"])
        self.assertEqual("right", seen["token"])
        self.assertEqual("wss://testserver/looking/b", seen["named"])

    def test_mounted_application(self) -> None:
        """A mounted route sees the whole URL."""
        with self.client.websocket_connect("/mounted/looking/a") as session:
            self.assertEqual("ws://testserver/mounted/looking/a", session.receive_json()["url"])

    @unittest.skipUnless(HAS_DENIAL_RESPONSE, "before Starlette 0.37 it answers as to HTTP")
    def test_middleware_that_denies(self) -> None:
        """Middleware that refuses a host denies the handshake with its response."""
        denied = self.denied("ws://other.test/echo")
        self.assertEqual(400, denied.response.status_code)
        self.assertEqual("Invalid host header", denied.response.text)

    @unittest.skipIf(HAS_DENIAL_RESPONSE, "from Starlette 0.37 on it denies with a response")
    def test_middleware_that_answers_as_to_http(self) -> None:
        """Middleware that sends an HTTP response to a WebSocket breaks a rule."""
        with self.assertRaises(ProtocolError) as caught:
            with self.client.websocket_connect("ws://other.test/echo"):
                self.fail("the block was entered")
        self.assertEqual("EVT-03", caught.exception.rule)

    def test_authentication_middleware(self) -> None:
        """Authentication lets members in, closes on strangers, and denies a wrong token."""
        with self.client.websocket_connect("/members", headers={"x-token": "right"}) as session:
            self.assertEqual("ann", session.receive_text())
        self.denied("/members")
        self.denied("/members", headers={"x-token": "wrong"})


class OwnASGIMiddlewareTest(CleanTestCase):
    """Middleware that is written against ASGI itself."""

    def test_middleware_that_wraps_send(self) -> None:
        """What middleware puts into a message reaches the test."""

        class Marking:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                async def marking_send(message: Any) -> None:
                    if message["type"] == "websocket.accept":
                        message = {**message, "headers": [(b"x-marked", b"1")]}
                    elif message["type"] == "websocket.send":
                        message = {**message, "text": message["text"].upper()}
                    await send(message)

                await self.app(scope, receive, marking_send)

        app = Starlette(routes=[WebSocketRoute("/", polite_echo)], middleware=[Middleware(Marking)])
        with self.enter_client(app).websocket_connect("/") as session:
            self.assertEqual([(b"x-marked", b"1")], session.extra_headers)
            session.send_text("a")
            self.assertEqual("A", session.receive_text())

    def test_sending_after_the_client_left(self) -> None:
        """Starlette makes its own exception of ClientDisconnected; neither fails the test."""
        seen: list[BaseException | None] = []

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.receive()
            try:
                while websocket.application_state is WebSocketState.CONNECTED:
                    await websocket.send_text("x")
            except (OSError, TheirDisconnect) as error:
                seen.append(error if isinstance(error, OSError) else error.__context__)
                raise

        app = Starlette(routes=[WebSocketRoute("/", endpoint)])
        with self.enter_client(app).websocket_connect("/") as session:
            session.close()
        self.assertEqual([ClientDisconnected], [type(error) for error in seen])


# -- FastAPI -----------------------------------------------------------------------------------

log: list[str] = []


async def resource() -> AsyncIterator[str]:
    """A dependency that has to be closed."""
    log.append("opened")
    try:
        yield "resource"
    finally:
        await anyio.lowlevel.checkpoint()
        log.append("closed")


def plain_resource() -> Any:
    """A dependency that runs in a worker thread."""
    log.append("plain opened")
    yield "plain"
    log.append("plain closed")


async def checked_token(
    token: Annotated[str | None, Query()] = None,
    x_token: Annotated[str | None, Header()] = None,
    session: Annotated[str | None, Cookie()] = None,
) -> str:
    """A dependency that refuses who has no token."""
    found = token or x_token or session
    if found is None:
        raise starlette.exceptions.WebSocketException(code=1008, reason="no token")
    return found


fastapi_app = FastAPI()
router = APIRouter(prefix="/rooms")


@fastapi_app.websocket("/items/{number}")
async def items(websocket: WebSocket, number: int, q: Annotated[int, Query()] = 0) -> None:
    """Send validated values."""
    await websocket.accept()
    await websocket.send_json([number, q])
    await websocket.close()


@fastapi_app.websocket("/token")
async def with_token(websocket: WebSocket, token: Annotated[str, Depends(checked_token)]) -> None:
    """Send the token."""
    await websocket.accept()
    await websocket.send_text(token)
    await websocket.close()


@fastapi_app.websocket("/resource")
async def with_resource(
    websocket: WebSocket,
    first: Annotated[str, Depends(resource)],
    second: Annotated[str, Depends(plain_resource)],
) -> None:
    """Use both resources until the client leaves."""
    await websocket.accept()
    await websocket.send_text(f"{first} {second}")
    try:
        await websocket.receive_text()
    except TheirDisconnect:
        log.append("left")


@router.websocket("/{name}/echo")
async def room(websocket: WebSocket, name: str) -> None:
    """Echo without try, as FastAPI's documentation does."""
    await websocket.accept()
    while True:
        data = await websocket.receive_text()
        await websocket.send_text(f"{name}: {data}")


fastapi_app.include_router(router)


class FastAPITest(FrameworkTestCase):
    """Routes of FastAPI: validation, dependencies, routers."""

    app = fastapi_app

    def test_validated_values(self) -> None:
        """Path and query are converted."""
        with self.client.websocket_connect("/items/7", params={"q": "8"}) as session:
            self.assertEqual([7, 8], session.receive_json())

    def test_validation_error(self) -> None:
        """What cannot be converted is a close before the accept, whose reason is a list."""
        denied = self.denied("/items/seven")
        self.assertEqual(1008, denied.code)
        self.assertEqual(403, denied.response.status_code)
        self.assertIn("number", denied.reason)

    def test_dependency(self) -> None:
        """A dependency reads query, header or cookie of the handshake."""
        for options in (
            {"params": {"token": "right"}},
            {"headers": {"X-Token": "right"}},
            {"cookies": {"session": "right"}},
        ):
            with self.client.websocket_connect("/token", **options) as session:
                self.assertEqual("right", session.receive_text())

    def test_dependency_that_refuses(self) -> None:
        """A WebSocketException of a dependency denies."""
        denied = self.denied("/token")
        self.assertEqual((1008, "no token"), (denied.code, denied.reason))

    def test_dependencies_are_closed(self) -> None:
        """When the block is left, dependencies with yield are closed, in threads too."""
        log.clear()
        with self.client.websocket_connect("/resource") as session:
            self.assertEqual("resource plain", session.receive_text())
            self.assertEqual(["opened", "plain opened"], log)
        self.assertEqual(["opened", "plain opened", "left", "plain closed", "closed"], log)

    def test_dependency_override(self) -> None:
        """A dependency that the test overrides is not called."""
        fastapi_app.dependency_overrides[checked_token] = lambda: "overridden"
        self.addCleanup(fastapi_app.dependency_overrides.clear)
        with self.client.websocket_connect("/token") as session:
            self.assertEqual("overridden", session.receive_text())

    def test_router(self) -> None:
        """A router's echo loop answers, and its WebSocketDisconnect is raised by leaving."""
        with self.assertRaises(TheirDisconnect) as caught:
            with self.client.websocket_connect("/rooms/lobby/echo") as session:
                session.send_text("a")
                self.assertEqual("lobby: a", session.receive_text())
        self.assertIs(TheirDisconnect, type(caught.exception))
        self.assertEqual(1000, caught.exception.code)

    def test_expecting_the_escaping_disconnect(self) -> None:
        """One assertRaises round the block is all that such an endpoint needs."""
        for ending in ("leave", "close", "disconnect"):
            with self.assertRaises(TheirDisconnect):
                with self.client.websocket_connect("/rooms/lobby/echo") as session:
                    if ending == "close":
                        session.close()
                    elif ending == "disconnect":
                        session.disconnect()


class CaseTest(ASGITestCase):
    """The test case on top of an application of a framework."""

    app = starlette_app

    def test_assertion(self) -> None:
        """assertWebSocketReceives reads text, bytes and JSON of a real application."""
        with self.client.websocket_connect("/polite") as session:
            session.send_text("hello")
            self.assertEqual("hello", self.assertWebSocketReceives(session, "hello"))
        with self.client.websocket_connect("/counter") as session:
            session.send_json(2)
            self.assertWebSocketReceives(session, 2)

    def test_client_is_one(self) -> None:
        """The case's client opens WebSockets and sends requests."""
        self.assertIsInstance(self.client, TestClient)
        self.assertStatus(self.client.get("/http"), 200)
