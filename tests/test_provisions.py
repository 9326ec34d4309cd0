"""What the client provides, rule by rule: a test for each that a server has to keep."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from asgitest import (
    LifespanError,
    ProtocolError,
    TestClient,
    WebSocketDenied,
    WebSocketDisconnect,
)
from asgitest._protocol._http import HTTPProtocol
from asgitest._protocol._lifespan import LifespanProtocol
from asgitest._protocol._websocket import WebSocketProtocol
from asgitest.exceptions import ClientDisconnected

from .base import CleanTestCase

T = TypeVar("T", bound=Callable[..., Any])

START: dict[str, Any] = {"type": "http.response.start", "status": 200}
END: dict[str, Any] = {"type": "http.response.body", "body": b"end"}
PART: dict[str, Any] = {**END, "body": b"part", "more_body": True}
ACCEPT: dict[str, Any] = {"type": "websocket.accept"}
GONE: dict[str, Any] = {"type": "http.disconnect"}

#: The names of the tests by the ids of the rules that they are about.
SHOWN: dict[str, str] = {}


def shows(*rule_ids: str) -> Callable[[T], T]:
    """Note that a test shows what some rules say."""

    def note(test: T) -> T:
        SHOWN.update(dict.fromkeys(rule_ids, test.__name__))
        return test

    return note


class Recorder:
    """Serve everything and keep scopes, events, and what send() gave back.

    :ivar messages: what answers a request
    """

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = messages or (START, END)
        self.scopes: list[Any] = []
        self.events: list[Any] = []
        self.results: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection."""
        self.scopes.append(scope)
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                self.events.append(await receive())
                scope["state"][stage] = object()
                await send({"type": f"lifespan.{stage}.complete"})
        elif scope["type"] == "websocket":
            self.events.append(await receive())
            await send(ACCEPT)
            while self.events[-1]["type"] != "websocket.disconnect":
                self.events.append(await receive())
        else:
            self.events.append(await receive())
            while self.events[-1].get("more_body"):
                self.events.append(await receive())
            for message in self.messages:
                self.results.append(await send(message))


class ProvisionTest(CleanTestCase):
    """What the client provides as a server."""

    def get(self, *messages: dict[str, Any], method: str = "GET", **options: Any) -> Any:
        """Return the response of an application that sends messages."""
        return self.new_client(Recorder(*messages)).request(method, "/", **options)

    def scope_of(self, url: str = "/", **options: Any) -> Any:
        """Return the scope of one request."""
        app = Recorder()
        self.new_client(app).get(url, **options)
        return app.scopes[0]

    def websocket_scope(self, **options: Any) -> Any:
        """Return the scope of one WebSocket."""
        app = Recorder()
        with self.new_client(app).websocket_connect("/chat", **options):
            pass
        return app.scopes[0]

    # -- the call ------------------------------------------------------------------------------

    @shows("APP-02", "APP-03", "APP-04", "APP-05")
    def test_call(self) -> None:
        """Each request has a scope of its own, plain dicts for events, and None from send()."""
        app = Recorder()
        client = self.new_client(app)
        client.get("/")
        client.get("/")
        first, second = app.scopes
        self.assertIs(dict, type(first))
        self.assertEqual("http", first["type"])
        self.assertIsNot(first, second)
        self.assertEqual({dict}, {type(event) for event in app.events})
        self.assertEqual({None}, set(app.results))

    @shows("APP-06")
    def test_two_steps(self) -> None:
        """An application in two steps is served as ASGI 2."""
        inner = Recorder()

        def app(scope: Any) -> Any:
            async def instance(receive: Any, send: Any) -> None:
                await inner(scope, receive, send)

            return instance

        self.assertEqual("end", self.new_client(app).get("/").text)
        self.assertEqual("2.0", inner.scopes[0]["asgi"]["version"])

    @shows("APP-07", "LIFE-06")
    def test_application_without_lifespan(self) -> None:
        """An application that raises on the lifespan scope is served without one."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise ValueError("unknown")
            await Recorder()(scope, receive, send)

        self.assertEqual("end", self.enter_client(app).get("/").text)

    @shows("APP-09")
    def test_background_work(self) -> None:
        """What an application does behind its answer is done when the test has the answer."""
        done: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await Recorder()(scope, receive, send)
            await anyio.lowlevel.checkpoint()
            done.append("work")

        self.new_client(app).get("/")
        self.assertEqual(["work"], done)

    @shows("APP-11")
    def test_changed_scope(self) -> None:
        """What an application writes into its scope is in no other one, nor on the response."""
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(sorted(scope))
            scope["mine"] = scope["state"]["mine"] = 1
            await Recorder()(scope, receive, send)

        client = self.new_client(app)
        response = client.get("/")
        client.get("/")
        self.assertEqual(seen[0], seen[1])
        self.assertNotIn("mine", response.scope)

    # -- events and errors -----------------------------------------------------------------------

    @shows("EVT-04")
    def test_unknown_keys(self) -> None:
        """Keys that nobody knows do no harm."""
        self.assertEqual("end", self.get({**START, "x": object()}, {**END, "y": 1}).text)

    @shows("EVT-06", "SC-09", "SC-10")
    def test_headers(self) -> None:
        """Headers are pairs of bytes in lower case, in order, with duplicates, none a pseudo."""
        found = self.scope_of(headers=[("X-A", "1"), ("X-B", "\xe9"), ("x-a", "2")])["headers"]
        self.assertEqual({(bytes, bytes)}, {(type(name), type(value)) for name, value in found})
        own = [(name, value) for name, value in found if name.startswith(b"x-")]
        self.assertEqual([(b"x-a", b"1"), (b"x-b", b"\xe9"), (b"x-a", b"2")], own)
        self.assertFalse(any(name.startswith(b":") for name, _ in found))

    @shows("ERR-01", "ERR-03")
    def test_violation(self) -> None:
        """A violation is raised out of send(), and by the client if the application hides it."""
        caught: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await send(END)
            except Exception as error:
                caught.append(type(error).__name__)
            await Recorder()(scope, receive, send)

        with self.assertRaises(ProtocolError):
            self.new_client(app).get("/")
        self.assertEqual(["ProtocolError"], caught)

    @shows("ERR-02")
    def test_wrong_event(self) -> None:
        """A test can feed an application any event."""
        app = Recorder()
        with self.new_client(app).websocket_connect("/") as session:
            session.send({"type": "websocket.nonsense"})
        self.assertIn({"type": "websocket.nonsense"}, app.events)

    @shows("ERR-04")
    def test_exception(self) -> None:
        """An exception before the answer is a 500, where the test does not want it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise ValueError("boom")

        client = self.new_client(app, raise_server_exceptions=False)
        self.assertEqual(500, client.get("/").status_code)

    @shows("ERR-05", "HTTP-DISC-04")
    def test_send_to_nobody(self) -> None:
        """What is sent to a client that left is dropped, and raises from version 2.4 on."""
        old, new = HTTPProtocol("GET", "2.3"), HTTPProtocol("GET", "2.4")
        for protocol in (old, new):
            protocol.send(START)
            protocol.disconnect()
        self.assertIsNone(old.send(END))
        with self.assertRaises(ClientDisconnected):
            new.send(END)
        self.assertIsNone(new.violation)

    @shows("ERR-06", "HTTP-DISC-06")
    def test_disconnected_application(self) -> None:
        """What send() raised for that is no failure, whatever the application made of it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            while (await receive())["type"] != "http.disconnect":
                pass
            try:
                await send(END)
            except OSError as error:
                raise LookupError("gone") from error

        client = self.new_client(app, spec_version="2.4")
        with client.get("/", stream=True) as response:
            self.assertEqual(200, response.status_code)

    @shows("EXT-01")
    def test_extensions(self) -> None:
        """The extensions of a scope are a dict of dicts."""
        for scope in (self.scope_of(), self.websocket_scope()):
            self.assertEqual({dict}, {type(value) for value in scope["extensions"].values()})

    # -- scopes ----------------------------------------------------------------------------------

    @shows("SC-01", "SC-02", "SC-03", "SC-04")
    def test_versions(self) -> None:
        """A scope has the versions of ASGI, of the text and of HTTP, and a scheme."""
        http, websocket = self.scope_of("https://a/"), self.websocket_scope()
        self.assertEqual({"version": "3.0", "spec_version": "2.3"}, http["asgi"])
        self.assertEqual({"version": "3.0", "spec_version": "2.4"}, websocket["asgi"])
        self.assertEqual(["1.1", "1.1"], [http["http_version"], websocket["http_version"]])
        self.assertEqual(["https", "ws"], [http["scheme"], websocket["scheme"]])

    @shows("SC-05", "SC-06", "SC-07")
    def test_path(self) -> None:
        """The path is decoded once; beside it are the raw path and the query, as bytes."""
        scope = self.scope_of("/a%2520b%2Fc%FF?q=%20#fragment")
        self.assertEqual("/a%20b/c\ufffd", scope["path"])
        self.assertEqual(b"/a%2520b%2Fc%FF", scope["raw_path"])
        self.assertEqual(b"q=%20", scope["query_string"])

    @shows("SC-08")
    def test_root_path(self) -> None:
        """Root path and path are given on as they are."""
        app = Recorder()
        self.new_client(app, root_path="/api").get("/items")
        self.assertEqual(("/api", "/items"), (app.scopes[0]["root_path"], app.scopes[0]["path"]))

    @shows("SC-11", "SC-12")
    def test_host_and_cookies(self) -> None:
        """The host comes first, and cookies come in one header."""
        found = self.scope_of("http://a:81/", cookies={"a": "1", "b": "2"})["headers"]
        self.assertEqual((b"host", b"a:81"), found[0])
        self.assertEqual([b"a=1; b=2"], [value for name, value in found if name == b"cookie"])

    @shows("SC-13", "SC-14", "SC-15", "SC-16")
    def test_addresses(self) -> None:
        """Client and server have addresses; there is a state, and a method in upper case."""
        scope = self.scope_of("http://testserver/")
        self.assertEqual(("127.0.0.1", 50000), scope["client"])
        self.assertEqual(("testserver", 80), scope["server"])
        self.assertEqual({}, scope["state"])
        app = Recorder()
        self.new_client(app).request("patch", "/")
        self.assertEqual("PATCH", app.scopes[0]["method"])

    @shows("SC-17", "SC-18")
    def test_subprotocols(self) -> None:
        """A WebSocket has what the client offers, and no method."""
        scope = self.websocket_scope(subprotocols=["b", "a"])
        self.assertEqual(["b", "a"], scope["subprotocols"])
        self.assertIn((b"sec-websocket-protocol", b"b, a"), scope["headers"])
        self.assertNotIn("method", scope)

    # -- requests --------------------------------------------------------------------------------

    @shows("HTTP-REQ-01", "HTTP-REQ-02", "HTTP-REQ-04")
    def test_request_body(self) -> None:
        """There is at least one event, and a body in parts comes in parts, not chunk-framed."""
        app = Recorder()
        client = self.new_client(app)
        client.get("/")
        self.assertEqual([{"type": "http.request", "body": b"", "more_body": False}], app.events)
        app.events.clear()
        client.post("/", data=iter([b"a", b"b"]))
        self.assertEqual([b"a", b"b", b""], [event["body"] for event in app.events])
        self.assertEqual([True, True, False], [event["more_body"] for event in app.events])
        self.assertIn((b"transfer-encoding", b"chunked"), app.scopes[1]["headers"])

    @shows("HTTP-REQ-05", "HTTP-REQ-06", "HTTP-DISC-01")
    def test_behind_the_body(self) -> None:
        """There is nothing behind the body, and a disconnect behind the response, repeatedly."""
        protocol = HTTPProtocol("GET")
        protocol.add_body(b"", False)
        protocol.next_event()
        self.assertIsNone(protocol.next_event())
        protocol.send(START)
        self.assertIsNone(protocol.next_event())
        protocol.send(END)
        self.assertEqual([GONE, GONE], [protocol.next_event(), protocol.next_event()])

    @shows("HTTP-REQ-07")
    def test_cancelled_receive(self) -> None:
        """A call of receive() that is cancelled loses nothing."""
        events: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            with anyio.CancelScope() as scope_:
                scope_.cancel()
                events.append(await receive())
            await send(START)
            await send(END)
            events.append(await receive())

        self.new_client(app).get("/")
        self.assertEqual([GONE], events)

    # -- responses -------------------------------------------------------------------------------

    @shows("HTTP-START-10", "HTTP-START-11", "HTTP-START-12", "HTTP-FRAME-01")
    def test_response_headers(self) -> None:
        """Headers keep order, duplicates and octets; framing is left out, and none is added."""
        pairs = [(b"set-cookie", b"a=1"), (b"x", b"\xe9"), (b"set-cookie", b"b=2")]
        response = self.get({**START, "headers": [*pairs, (b"transfer-encoding", b"x")]}, END)
        self.assertEqual(pairs, response.raw_headers)
        self.assertEqual("\xe9", response.headers["x"])
        self.assertEqual({"a": "1", "b": "2"}, dict(response.cookies))

    @shows("HTTP-START-13")
    def test_replaced_start(self) -> None:
        """A start is replaced by a 500 if the application raises before the body."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            raise ValueError("boom")

        client = self.new_client(app, raise_server_exceptions=False)
        self.assertEqual(500, client.get("/").status_code)

    @shows("HTTP-BODY-04")
    def test_complete(self) -> None:
        """The last part completes a response."""
        protocol = HTTPProtocol("GET")
        for message, complete in ((START, False), (PART, False), (END, True)):
            protocol.send(message)
            self.assertIs(complete, protocol.complete)

    @shows("HTTP-BODY-08")
    def test_back_pressure(self) -> None:
        """An application that sends without end waits for its reader."""
        sent: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            with contextlib.suppress(OSError):
                while len(sent) < 1000:
                    await send({**PART, "body": b"x" * 65536})
                    sent.append(1)

        client = self.new_client(app, spec_version="2.4")
        with client.get("/", stream=True):
            client.call(anyio.wait_all_tasks_blocked)
            self.assertLess(len(sent), 10)

    @shows("HTTP-FRAME-04", "HTTP-FRAME-06")
    def test_head_and_coding(self) -> None:
        """HEAD has the headers alone; a content coding is undone where the body is read."""
        length = {**START, "headers": [(b"content-length", b"3")]}
        response = self.get(length, END, method="HEAD")
        self.assertEqual((b"", "3"), (response.content, response.headers["content-length"]))
        coded = {**START, "headers": [(b"content-encoding", b"gzip")]}
        self.assertEqual("end", self.get(coded, {**END, "body": gzip.compress(b"end")}).text)

    @shows("HTTP-DISC-02", "HTTP-DISC-03", "HTTP-DISC-05")
    def test_client_that_leaves(self) -> None:
        """A client that leaves ends the body with a disconnect, and excuses a missing answer."""
        for parts in ([], [b"a"]):
            protocol = HTTPProtocol("POST")
            for part in parts:
                protocol.add_body(part, True)
            protocol.disconnect()
            events = [protocol.next_event() for _ in range(len(parts) + 1)]
            self.assertEqual(GONE, events[-1])
            self.assertEqual(parts, [event["body"] for event in events[:-1] if event])
            protocol.finish()
            self.assertIsNone(protocol.violation)

    # -- WebSockets ------------------------------------------------------------------------------

    @shows("WS-CONN-01", "WS-CONN-04", "WS-RECV-01", "WS-RECV-02")
    def test_websocket_events(self) -> None:
        """The connect event comes first, nothing before the answer, then messages, whole."""
        protocol = WebSocketProtocol()
        protocol.add_event({"type": "websocket.receive", "text": "early"})
        self.assertEqual({"type": "websocket.connect"}, protocol.next_event())
        self.assertIsNone(protocol.next_event())
        app = Recorder()
        with self.new_client(app).websocket_connect("/") as session:
            session.send_text("x" * 100_000)
            session.send_bytes(b"")
        self.assertEqual({"type": "websocket.receive", "text": "x" * 100_000}, app.events[1])
        self.assertEqual({"type": "websocket.receive", "bytes": b""}, app.events[2])

    @shows("WS-CLOSE-01", "WS-CLOSE-03")
    def test_denial(self) -> None:
        """A close before the accept is a 403, and the application is told of a loss."""
        events: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close", "code": 4003})
            events.append(await receive())

        with self.assertRaises(WebSocketDenied) as caught:
            self.new_client(app).websocket_connect("/").__enter__()
        self.assertEqual(403, caught.exception.response.status_code)
        self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], events)

    @shows("WS-DENY-03")
    def test_denial_response(self) -> None:
        """After a denial response the application is told of a loss."""
        protocol = WebSocketProtocol(extensions=["websocket.http.response"])
        protocol.next_event()
        protocol.send({"type": "websocket.http.response.start", "status": 404})
        protocol.send({"type": "websocket.http.response.body"})
        self.assertEqual({"type": "websocket.disconnect", "code": 1006}, protocol.next_event())

    @shows("WS-CLOSE-09")
    def test_websocket_exception(self) -> None:
        """The client of an application that raised sees 1011."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            raise ValueError("boom")

        client = self.new_client(app, raise_server_exceptions=False)
        with client.websocket_connect("/") as session:
            with self.assertRaises(WebSocketDisconnect) as caught:
                session.receive()
        self.assertEqual(1011, caught.exception.code)

    @shows("WS-DISC-01", "WS-DISC-02", "WS-DISC-06")
    def test_disconnect(self) -> None:
        """Every end is told, with a code, and told again."""
        for code in (1000, 1005, 1006):
            protocol = self.opened("2.4")
            protocol.disconnect(code)
            event = {"type": "websocket.disconnect", "code": code}
            self.assertEqual([event] * 3, [protocol.next_event() for _ in range(3)])
        protocol = self.opened("2.4")
        protocol.send({"type": "websocket.close"})
        self.assertEqual({"type": "websocket.disconnect", "code": 1000}, protocol.next_event())

    @shows("WS-DISC-03", "WS-DISC-04")
    def test_close_reason(self) -> None:
        """A reason is told from version 2.5 on; the application is given its own back."""
        for version, expected in (("2.4", {}), ("2.5", {"reason": "bye"})):
            protocol = self.opened(version)
            protocol.send({"type": "websocket.close", "code": 4001, "reason": "bye"})
            self.assertEqual(
                {"type": "websocket.disconnect", "code": 4001, **expected}, protocol.next_event()
            )

    @shows("WS-DISC-05")
    def test_websocket_send_to_nobody(self) -> None:
        """What is sent to a client that left raises from version 2.4 on."""
        message = {"type": "websocket.send", "text": "a"}
        old, new = self.opened("2.3"), self.opened("2.4")
        old.disconnect(1006)
        new.disconnect(1006)
        self.assertIsNone(old.send(message))
        with self.assertRaises(ClientDisconnected):
            new.send(message)

    @shows("WS-DISC-07")
    def test_exception_after_the_client_left(self) -> None:
        """What an application raises after its client left is raised in the test."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await receive()
            raise LookupError("unhandled disconnect")

        with self.assertRaisesRegex(LookupError, "unhandled disconnect"):
            with self.new_client(app).websocket_connect("/"):
                pass

    def opened(self, version: str) -> WebSocketProtocol:
        """Return a WebSocket that is open."""
        protocol = WebSocketProtocol(spec_version=version)
        protocol.next_event()
        protocol.send(ACCEPT)
        return protocol

    # -- lifespan --------------------------------------------------------------------------------

    @shows("LIFE-01", "LIFE-02", "LIFE-03", "LIFE-10", "LIFE-12", "LIFE-13", "LIFE-14")
    def test_lifespan(self) -> None:
        """The lifespan runs round the requests, and each of these has a copy of its state."""
        app = Recorder()
        with TestClient(app) as client:
            client.get("/")
            state = client.state
        lifespan, request = app.scopes
        self.assertEqual({"type", "asgi", "state"}, set(lifespan))
        self.assertEqual({"version": "3.0", "spec_version": "2.0"}, lifespan["asgi"])
        self.assertEqual(
            ["lifespan.startup", "http.request", "lifespan.shutdown"],
            [event["type"] for event in app.events],
        )
        self.assertIs(state, lifespan["state"])
        self.assertIsNot(state, request["state"])
        self.assertIs(state["startup"], request["state"]["startup"])

    @shows("LIFE-05")
    def test_failed_startup(self) -> None:
        """A startup that failed is raised with the application's words."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with self.assertRaises(LifespanError) as caught:
            TestClient(app).__enter__()
        self.assertEqual("no database", caught.exception.message)

    @shows("LIFE-16")
    def test_behind_the_shutdown(self) -> None:
        """There is nothing behind the shutdown event."""
        protocol = LifespanProtocol()
        protocol.next_event()
        protocol.shut_down()
        self.assertEqual({"type": "lifespan.shutdown"}, protocol.next_event())
        self.assertIsNone(protocol.next_event())
