"""WebSockets through a client: the handshake, messages both ways, every way to end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import hashlib
import os
import re
import subprocess
import sys
import textwrap
import threading
import traceback
import unittest
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import requests
from requests.adapters import BaseAdapter
from requests.auth import HTTPDigestAuth

from asgitest import (
    ASGIAdapter,
    ASGITestError,
    ClientDisconnected,
    DeadlineExceeded,
    ProtocolError,
    TestClient,
    UnexpectedMessage,
    WebSocketDenied,
    WebSocketDisconnect,
    WebSocketSession,
)
from asgitest._calls import Wait
from asgitest._connection import Connection
from asgitest._portal import Portal
from tests.base import INLINE, CleanTestCase, on_thread, running_threads

Message = dict[str, Any]
Handler = Callable[[Any, Any, Any], Awaitable[None]]

BACKEND = os.environ.get("ASGITEST_BACKEND", "asyncio")
ACCEPT: Message = {"type": "websocket.accept"}
#: What makes a request an opening handshake.
UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def text(data: str) -> Message:
    """Return the message that sends text."""
    return {"type": "websocket.send", "text": data}


def close(code: int = 1000, reason: str = "") -> Message:
    """Return the message that closes, or denies."""
    return {"type": "websocket.close", "code": code, "reason": reason}


def deny(status: int, body: bytes = b"", headers: Any = ()) -> list[Message]:
    """Return the messages of a denial response."""
    return [
        {"type": "websocket.http.response.start", "status": status, "headers": list(headers)},
        {"type": "websocket.http.response.body", "body": body},
    ]


def websocket_app(handler: Handler) -> Handler:
    """Return an application that knows WebSockets and nothing else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            raise NotImplementedError(scope["type"])
        await handler(scope, receive, send)

    return app


async def until_disconnect(receive: Any) -> Message:
    """Receive up to the disconnect event, and return that."""
    while True:
        event: Message = await receive()
        if event["type"] == "websocket.disconnect":
            return event


def answering(*messages: Any, swallow: bool = False) -> Handler:
    """Return an application that sends these messages, then waits until the client has left.

    :param swallow: whether it goes on after a message was refused
    """

    @websocket_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            try:
                await send(message)
            except ProtocolError:
                if not swallow:
                    raise
        await until_disconnect(receive)

    return app


def noting(messages: list[Any], errors: list[ProtocolError]) -> Handler:
    """Return an application that sends these messages, and notes what the last one raises."""

    @websocket_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except ProtocolError as error:
            errors.append(error)
            raise

    return app


def raising(error: BaseException, *messages: Message) -> Handler:
    """Return an application that sends these messages, then raises."""

    @websocket_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)
        raise error

    return app


@websocket_app
async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send every message back as it came."""
    await receive()
    await send(ACCEPT)
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        await send({**event, "type": "websocket.send"})


@websocket_app
async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Send every event back as a text that shows it, the disconnect apart."""
    await receive()
    await send(ACCEPT)
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        await send(text(repr(event)))


class Recorder:
    """An application that accepts, and keeps its scopes and all events but the connects."""

    def __init__(self, *messages: Message) -> None:
        self.scopes: list[Any] = []
        self.events: list[Message] = []
        self._messages = messages or (ACCEPT,)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            raise NotImplementedError(scope["type"])
        self.scopes.append(scope)
        await receive()
        for message in self._messages:
            await send(message)
        while True:
            event = await receive()
            self.events.append(event)
            if event["type"] == "websocket.disconnect":
                return

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of the last handshake."""
        headers: list[tuple[bytes, bytes]] = self.scopes[-1]["headers"]
        return headers

    def header(self, name: bytes) -> list[bytes]:
        """Return the values of a header of the last handshake."""
        return [value for other, value in self.headers if other == name]


#: Options of a client whose application returns without closing its WebSocket.
UNCLOSED: dict[str, Any] = {"ignore_rules": ["WS-CLOSE-08"]}


class WebSocketTestCase(CleanTestCase):
    """A test case with what tests of WebSockets share."""

    def connect(
        self, app: Any, url: str = "/", client_options: Any = None, **options: Any
    ) -> WebSocketSession:
        """Return a session of a new client, not entered yet."""
        client = self.enter_client(app, **(client_options or {}))
        return client.websocket_connect(url, **options)

    def recorded(self, url: str, client_options: Any = None, **options: Any) -> Recorder:
        """Open and leave one WebSocket; return the application, which kept what it was given."""
        app = Recorder()
        client = self.enter_client(app, **(client_options or {}))
        with client.websocket_connect(url, **options):
            pass
        return app

    def assert_closed(
        self, function: Callable[..., Any], code: int, reason: str = ""
    ) -> WebSocketDisconnect:
        """Fail unless a call raises a disconnect with this code and reason."""
        with self.assertRaises(WebSocketDisconnect) as caught:
            function()
        self.assertEqual((code, reason), (caught.exception.code, caught.exception.reason))
        return caught.exception

    def assert_denied(self, session: WebSocketSession) -> WebSocketDenied:
        """Fail unless entering a session raises that it is denied."""
        with self.assertRaises(WebSocketDenied) as caught:
            with session:
                self.fail("the block of a denied session was entered")
        return caught.exception


class URLTest(WebSocketTestCase):
    """From a URL to the scope's scheme, host, path and query."""

    def test_relative_url_is_joined_to_the_base_url(self) -> None:
        """A URL without a host belongs to the base URL, whose path it may extend."""
        for base_url, url, path in (
            ("http://testserver", "/chat", "/chat"),
            ("http://testserver/api/", "chat", "/api/chat"),
            ("http://testserver/api/", "/chat", "/chat"),
            ("http://testserver", "", "/"),
        ):
            with self.subTest(base_url=base_url, url=url):
                app = self.recorded(url, {"base_url": base_url})
                self.assertEqual(path, app.scopes[0]["path"])

    def test_scheme_of_the_scope(self) -> None:
        """The four schemes of a URL become the two of WebSockets."""
        for url, scheme, port in (
            ("ws://testserver/", "ws", 80),
            ("http://testserver/", "ws", 80),
            ("wss://testserver/", "wss", 443),
            ("https://testserver/", "wss", 443),
            ("WSS://testserver/", "wss", 443),
            ("/", "ws", 80),
        ):
            with self.subTest(url=url):
                scope = self.recorded(url).scopes[0]
                self.assertEqual(scheme, scope["scheme"])
                self.assertEqual(("testserver", port), scope["server"])

    def test_https_base_url_gives_wss(self) -> None:
        """A relative URL takes the security of the base URL."""
        app = self.recorded("/", {"base_url": "https://testserver"})
        self.assertEqual("wss", app.scopes[0]["scheme"])

    def test_host_and_port(self) -> None:
        """The host header names the port unless it is the scheme's own."""
        for url, host, server in (
            ("ws://a.test:80/", b"a.test", ("a.test", 80)),
            ("ws://a.test:443/", b"a.test:443", ("a.test", 443)),
            ("wss://a.test:443/", b"a.test", ("a.test", 443)),
            ("wss://a.test:8443/", b"a.test:8443", ("a.test", 8443)),
            ("ws://[::1]:8000/", b"[::1]:8000", ("::1", 8000)),
        ):
            with self.subTest(url=url):
                app = self.recorded(url)
                self.assertEqual([host], app.header(b"host"))
                self.assertEqual(server, app.scopes[0]["server"])

    def test_params(self) -> None:
        """Parameters join the query that the URL has."""
        app = self.recorded("/chat?x=1", params={"room": "a&b", "n": [1, 2]})
        self.assertEqual(b"x=1&room=a%26b&n=1&n=2", app.scopes[0]["query_string"])
        self.assertEqual(b"/chat", app.scopes[0]["raw_path"])

    def test_params_with_ws_scheme(self) -> None:
        """A URL whose scheme is ws or wss takes parameters too."""
        for scheme in ("ws", "wss"):
            app = self.recorded(f"{scheme}://testserver/chat", params={"q": "ü 1"})
            self.assertEqual(b"q=%C3%BC+1", app.scopes[0]["query_string"])

    def test_quoting(self) -> None:
        """What a URL cannot hold is quoted, what is quoted stays; the path is decoded once."""
        for url, raw_path, path in (
            ("/é x", b"/%C3%A9%20x", "/é x"),
            ("ws://testserver/é x", b"/%C3%A9%20x", "/é x"),
            ("/a%2Fb", b"/a%2Fb", "/a/b"),
            ("/a%252Fb", b"/a%252Fb", "/a%2Fb"),
            ("/a+b;c=d", b"/a+b;c=d", "/a+b;c=d"),
            ("/%FF", b"/%FF", "/\N{REPLACEMENT CHARACTER}"),
        ):
            with self.subTest(url=url):
                scope = self.recorded(url).scopes[0]
                self.assertEqual(raw_path, scope["raw_path"])
                self.assertEqual(path, scope["path"])

    def test_fragment_is_not_sent(self) -> None:
        """A fragment never reaches the application."""
        scope = self.recorded("/chat?a=b#top").scopes[0]
        self.assertEqual(("/chat", b"/chat", b"a=b"), tuple(map(scope.get, PATH_KEYS)))

    def test_credentials_in_the_url(self) -> None:
        """User and password of a URL become basic authentication, and no part of the host."""
        app = self.recorded("ws://ann:secret@testserver/")
        self.assertEqual([b"Basic YW5uOnNlY3JldA=="], app.header(b"authorization"))
        self.assertEqual([b"testserver"], app.header(b"host"))

    def test_other_schemes_are_refused(self) -> None:
        """A scheme that is none of the four is the caller's mistake."""
        client = self.enter_client(echo)
        with self.assertRaisesRegex(requests.exceptions.InvalidSchema, "scheme ws, wss, http or"):
            client.websocket_connect("ftp://testserver/")


PATH_KEYS = ("path", "raw_path", "query_string")


class ScopeTest(WebSocketTestCase):
    """The scope of a WebSocket, key by key."""

    def test_every_key(self) -> None:
        """The scope holds these keys and values, and no others."""
        app = Recorder({"type": "websocket.accept", "subprotocol": "chat"})
        client = self.enter_client(app)
        with client.websocket_connect("/a%20b?c=%26", subprotocols=["chat", "super"]) as session:
            pass
        expected = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/a b",
            "raw_path": b"/a%20b",
            "query_string": b"c=%26",
            "root_path": "",
            "headers": [
                (b"host", b"testserver"),
                (b"user-agent", b"testclient"),
                (b"accept-encoding", str(client.headers["Accept-Encoding"]).encode()),
                (b"accept", b"*/*"),
                (b"connection", b"Upgrade"),
                (b"upgrade", b"websocket"),
                (b"sec-websocket-version", b"13"),
                (b"sec-websocket-key", app.header(b"sec-websocket-key")[0]),
                (b"sec-websocket-protocol", b"chat, super"),
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
            "state": {},
            "subprotocols": ["chat", "super"],
            "extensions": {"websocket.http.response": {}},
        }
        self.assertEqual(expected, app.scopes[0])
        self.assertEqual(expected, session.scope)
        self.assertEqual(expected, session.response.scope)  # type: ignore[attr-defined]

    def test_exact_types(self) -> None:
        """The scope is a dict, not something like one, and its headers are a list of tuples."""
        scope = self.recorded("/").scopes[0]
        self.assertIs(dict, type(scope))
        self.assertIs(dict, type(scope["asgi"]))
        self.assertIs(list, type(scope["headers"]))
        self.assertIs(list, type(scope["subprotocols"]))
        for pair in scope["headers"]:
            self.assertEqual((tuple, bytes, bytes), (type(pair), type(pair[0]), type(pair[1])))

    def test_handshake_key_is_16_bytes(self) -> None:
        """The key of the handshake is one that a server takes: 16 bytes in base64."""
        key = self.recorded("/").header(b"sec-websocket-key")
        self.assertRegex(key[0].decode(), r"\A[A-Za-z0-9+/]{21}[AQgw]==\Z")

    def test_client_options(self) -> None:
        """The client's options reach the scope."""
        options = {
            "root_path": "/api",
            "client_address": None,
            "server_address": ("/run/x.sock", None),
            "http_version": "2",
            "spec_version": "2.5",
            "scope": {"x": 1, "path": "/other"},
        }
        scope = self.recorded("/chat", options).scopes[0]
        self.assertEqual("/api", scope["root_path"])
        self.assertEqual("/other", scope["path"])
        self.assertIsNone(scope["client"])
        self.assertEqual(("/run/x.sock", None), scope["server"])
        self.assertEqual("2", scope["http_version"])
        self.assertEqual("2.5", scope["asgi"]["spec_version"])
        self.assertEqual(1, scope["x"])

    def test_every_websocket_has_a_scope_of_its_own(self) -> None:
        """What an application writes into a scope shows in that session, and nowhere else."""
        app = Recorder()
        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            app.scopes[0]["path"] = "/changed"
            app.scopes[0]["headers"].append((b"x", b"y"))
            app.scopes[0]["state"]["x"] = 1
            app.scopes[0]["extensions"]["x"] = {}
            self.assertIs(app.scopes[0], session.scope)
        with client.websocket_connect("/"):
            pass
        for scope in (session.response.scope, app.scopes[1]):  # type: ignore[attr-defined]
            self.assertEqual("/", scope["path"])
            self.assertNotIn((b"x", b"y"), scope["headers"])
            self.assertEqual({}, scope["state"])
            self.assertEqual({"websocket.http.response": {}}, scope["extensions"])


class HeadersTest(WebSocketTestCase):
    """Headers of the handshake, in both directions."""

    def test_headers_are_sent(self) -> None:
        """Headers of the call and of the client reach the application as octets."""
        app = self.recorded(
            "/",
            {"headers": {"X-Client": "1"}},
            headers={"X-Call": "2", "X-Octets": b"caf\xe9", "X-Latin": "caf\xe9"},
        )
        self.assertEqual([b"1"], app.header(b"x-client"))
        self.assertEqual([b"2"], app.header(b"x-call"))
        self.assertEqual([b"caf\xe9"], app.header(b"x-octets"))
        self.assertEqual([b"caf\xe9"], app.header(b"x-latin"))

    def test_arguments_are_not_changed(self) -> None:
        """The caller's headers, parameters, cookies and subprotocols stay as they are."""
        headers, pairs = {"X-A": "1"}, [("x-b", "2"), ("x-b", "3")]
        params, cookies, subprotocols = {"q": "1"}, {"c": "1"}, ["chat"]
        client = self.enter_client(Recorder())
        for given in (headers, pairs):
            with client.websocket_connect(
                "/", subprotocols, headers=given, params=params, cookies=cookies
            ):
                pass
        self.assertEqual({"X-A": "1"}, headers)
        self.assertEqual([("x-b", "2"), ("x-b", "3")], pairs)
        self.assertEqual(({"q": "1"}, {"c": "1"}, ["chat"]), (params, cookies, subprotocols))
        self.assertNotIn("upgrade", client.headers)

    def test_list_of_pairs_keeps_order_and_duplicates(self) -> None:
        """Headers given as pairs arrive in their order, each of them."""
        app = self.recorded("/", headers=[("x-a", "1"), ("x-b", "2"), ("X-A", "3")])
        self.assertEqual([b"1", b"3"], app.header(b"x-a"))
        self.assertEqual([b"2"], app.header(b"x-b"))
        self.assertEqual([b"websocket"], app.header(b"upgrade"))

    def test_own_handshake_headers_win(self) -> None:
        """A header of the handshake, host included, that the call gives is sent once, as given."""
        own = {
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "8",
            "Host": "other.test",
        }
        app = self.recorded("/", headers=own)
        self.assertEqual([b"AAAAAAAAAAAAAAAAAAAAAA=="], app.header(b"sec-websocket-key"))
        self.assertEqual([b"8"], app.header(b"sec-websocket-version"))
        self.assertEqual((b"host", b"other.test"), app.headers[0])
        self.assertEqual([b"other.test"], app.header(b"host"))

    def test_accept_headers(self) -> None:
        """Headers of the accept are in extra_headers and in the response, duplicates too."""
        headers = [(b"X-Room", b"a"), (b"x-room", b"b"), (b"x-octets", b"caf\xe9")]
        session = self.connect(
            answering({"type": "websocket.accept", "headers": (pair for pair in headers)})
        )
        with session:
            expected = [(b"x-room", b"a"), (b"x-room", b"b"), (b"x-octets", b"caf\xe9")]
            self.assertEqual(expected, session.extra_headers)
            self.assertEqual(expected, session.response.raw_headers)
            self.assertEqual("a, b", session.response.headers["X-Room"])
            self.assertEqual("caf\xe9", session.response.headers["x-octets"])

    def test_response_of_an_accepted_handshake(self) -> None:
        """The answer to the handshake is a real response: 101, without a body."""
        session = self.connect(echo, "/chat", params={"a": "b"})
        with session:
            response = session.response
            self.assertIsInstance(response, requests.Response)
            self.assertEqual(101, response.status_code)
            self.assertEqual("Switching Protocols", response.reason)
            self.assertEqual("http://testserver/chat?a=b", response.url)
            self.assertEqual("GET", response.request.method)
            self.assertEqual({}, dict(response.headers))
            self.assertEqual(b"", response.content)
            session.send_text("still open")
            self.assertEqual("still open", session.receive_text())

    def test_hooks(self) -> None:
        """A response hook of the call or of the client is given the answer to the handshake."""
        seen: list[tuple[str, int]] = []
        client = self.enter_client(echo)
        client.hooks["response"].append(lambda r, **k: seen.append(("client", r.status_code)))
        own = {"response": lambda r, **k: seen.append(("call", r.status_code))}
        with client.websocket_connect("/", hooks=own):
            pass
        with client.websocket_connect("/"):
            pass
        self.assertIn(("call", 101), seen)
        self.assertIn(("client", 101), seen)

    def test_options_of_the_way_have_no_effect(self) -> None:
        """What a request takes for redirects, proxies and certificates is taken, and ignored."""
        session = self.connect(
            echo,
            allow_redirects=True,
            proxies={"http": "http://proxy.test"},
            stream=False,
            verify=False,
            cert="x.pem",
        )
        with session:
            session.send_text("x")
            self.assertEqual("x", session.receive_text())

    def test_a_body_is_refused(self) -> None:
        """A handshake has no body, and the error names the method and the option."""
        client = self.enter_client(echo)
        for name in ("data", "json", "files"):
            with self.assertRaisesRegex(TypeError, rf"websocket_connect\(\).*'{name}'"):
                client.websocket_connect("/", **{name: {}})


class SubprotocolTest(WebSocketTestCase):
    """Subprotocols: offered, accepted."""

    def test_offer(self) -> None:
        """What is offered is in the scope, in order, and in the header."""
        for offered in (["b", "a"], ("b", "a")):
            app = self.recorded("/", subprotocols=offered)
            self.assertEqual(["b", "a"], app.scopes[0]["subprotocols"])
            self.assertEqual([b"b, a"], app.header(b"sec-websocket-protocol"))

    def test_no_offer(self) -> None:
        """Without an offer the scope has an empty list, and there is no header."""
        for offered in (None, [], ()):
            app = self.recorded("/", subprotocols=offered)
            self.assertEqual([], app.scopes[0]["subprotocols"])
            self.assertEqual([], app.header(b"sec-websocket-protocol"))

    def test_offer_by_header(self) -> None:
        """An offer that was made by header lines is read as a server reads it."""
        pairs = [("Sec-WebSocket-Protocol", "a ,b"), ("Sec-WebSocket-Protocol", "c,")]
        app = self.recorded("/", headers=pairs)
        self.assertEqual(["a", "b", "c"], app.scopes[0]["subprotocols"])

    def test_accepted(self) -> None:
        """The session tells which one was accepted."""
        app = answering({"type": "websocket.accept", "subprotocol": "b"})
        with self.connect(app, subprotocols=["a", "b"]) as session:
            self.assertEqual("b", session.accepted_subprotocol)

    def test_none_accepted(self) -> None:
        """None is accepted by a missing key, and by None."""
        for message in (ACCEPT, {"type": "websocket.accept", "subprotocol": None}):
            with self.connect(answering(message), subprotocols=["a"]) as session:
                self.assertIsNone(session.accepted_subprotocol)

    def test_one_string_is_refused(self) -> None:
        """A string instead of a list would be offered letter by letter, so it is refused."""
        client = self.enter_client(echo)
        with self.assertRaisesRegex(TypeError, "subprotocols"):
            client.websocket_connect("/", subprotocols="chat")


class CookieTest(WebSocketTestCase):
    """Cookies: from the jar into the handshake, from its answer into the jar."""

    def test_jar_is_sent(self) -> None:
        """Cookies of the client go with the handshake, in one header."""
        app = Recorder()
        client = self.enter_client(app, cookies={"a": "1"})
        client.cookies.set("b", "2")
        with client.websocket_connect("/"):
            pass
        self.assertEqual([b"a=1; b=2"], app.header(b"cookie"))

    def test_cookies_of_the_call(self) -> None:
        """Cookies of the call go with it alone."""
        app = Recorder()
        client = self.enter_client(app, cookies={"a": "1"})
        with client.websocket_connect("/", cookies={"b": "2"}):
            self.assertEqual([b"a=1; b=2"], app.header(b"cookie"))
        with client.websocket_connect("/"):
            self.assertEqual([b"a=1"], app.header(b"cookie"))

    def test_cookies_of_the_accept(self) -> None:
        """Cookies that come with the accept are in the jar, and sent from then on."""
        headers = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; Path=/; HttpOnly")]
        app = Recorder({"type": "websocket.accept", "headers": headers})
        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            self.assertEqual({"a": "1", "b": "2"}, client.cookies.get_dict())
            self.assertEqual({"a": "1", "b": "2"}, session.response.cookies.get_dict())
        with client.websocket_connect("/"):
            self.assertEqual([b"a=1; b=2"], app.header(b"cookie"))

    def test_cookies_of_a_denial(self) -> None:
        """Cookies of a denial response are in the jar too."""
        app = answering(*deny(401, headers=[(b"set-cookie", b"seen=1; Path=/")]))
        client = self.enter_client(app)
        denied = self.assert_denied(client.websocket_connect("/"))
        self.assertEqual({"seen": "1"}, denied.response.cookies.get_dict())
        self.assertEqual({"seen": "1"}, client.cookies.get_dict())

    def test_cookies_between_http_and_websocket(self) -> None:
        """HTTP and WebSocket share the jar."""
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            cookie = [value for name, value in scope["headers"] if name == b"cookie"]
            if scope["type"] == "http":
                headers = [(b"set-cookie", b"login=ann; Path=/")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body"})
            elif scope["type"] == "websocket":
                seen.append(cookie)
                await receive()
                await send(ACCEPT)
                await until_disconnect(receive)
            else:
                raise NotImplementedError

        client = self.enter_client(app)
        client.get("/login")
        with client.websocket_connect("/chat"):
            pass
        self.assertEqual([[b"login=ann"]], seen)

    def test_secure_cookies(self) -> None:
        """A cookie that was set as secure goes with wss only."""
        headers = [(b"set-cookie", b"a=1; Path=/; Secure")]
        app = Recorder({"type": "websocket.accept", "headers": headers})
        client = self.enter_client(app)
        with client.websocket_connect("wss://testserver/"):
            pass
        with client.websocket_connect("ws://testserver/"):
            self.assertEqual([], app.header(b"cookie"))
        with client.websocket_connect("wss://testserver/"):
            self.assertEqual([b"a=1"], app.header(b"cookie"))

    def test_path_of_a_cookie(self) -> None:
        """A cookie goes with the paths it was set for."""
        headers = [(b"set-cookie", b"a=1; Path=/chat")]
        app = Recorder({"type": "websocket.accept", "headers": headers})
        client = self.enter_client(app)
        with client.websocket_connect("/chat/room"):
            pass
        with client.websocket_connect("/other"):
            self.assertEqual([], app.header(b"cookie"))
        with client.websocket_connect("/chat/room"):
            self.assertEqual([b"a=1"], app.header(b"cookie"))


class DigestApplication:
    """An application that lets in who answers its challenge as RFC 2617 says."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self.handshakes = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            raise NotImplementedError
        self.handshakes += 1
        await receive()
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if not self.is_right(given, scope):
            challenge = b'Digest realm="chat", nonce="abc", qop="auth", algorithm=MD5'
            headers = [(b"www-authenticate", challenge), (b"set-cookie", b"tried=1; Path=/")]
            for message in deny(401, b"who are you?", headers):
                await send(message)
            return
        await send(ACCEPT)
        await send(text(dict(scope["headers"]).get(b"cookie", b"").decode()))
        await until_disconnect(receive)

    def is_right(self, given: str, scope: Any) -> bool:
        """Tell whether the response to the challenge is the right one."""
        if not given.startswith("Digest "):
            return False
        field = {name: quoted or bare for name, quoted, bare in _DIGEST_FIELD.findall(given)}
        uri = scope["raw_path"].decode()
        if scope["query_string"]:
            uri += "?" + scope["query_string"].decode()
        if field["uri"] != uri:
            return False
        secret = _md5(f"{self.user}:chat:{self.password}")
        action = _md5(f"GET:{uri}")
        expected = _md5(f"{secret}:abc:{field['nc']}:{field['cnonce']}:auth:{action}")
        return field["response"] == expected


_DIGEST_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


def _md5(value: str) -> str:
    return hashlib.md5(value.encode()).hexdigest()


class AuthTest(WebSocketTestCase):
    """Authentication during the handshake."""

    def test_basic(self) -> None:
        """A pair of user and password is basic authentication, of the call or of the client."""
        expected = [b"Basic YW5uOnNlY3JldA=="]
        app = Recorder()
        client = self.enter_client(app)
        with client.websocket_connect("/", auth=("ann", "secret")):
            self.assertEqual(expected, app.header(b"authorization"))
        client.auth = ("ann", "secret")
        with client.websocket_connect("/"):
            self.assertEqual(expected, app.header(b"authorization"))

    def test_custom(self) -> None:
        """Any callable that changes a prepared request will do."""

        def authenticate(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["X-Token"] = f"for {request.url}"
            return request

        app = self.recorded("/chat", auth=authenticate)
        self.assertEqual([b"for http://testserver/chat"], app.header(b"x-token"))

    def test_digest(self) -> None:
        """A 401 denial with a challenge is answered, and the second handshake opens the session."""
        app = DigestApplication("ann", "secret")
        client = self.enter_client(app)
        auth = HTTPDigestAuth("ann", "secret")
        with client.websocket_connect("/chat", params={"x": "1"}, auth=auth) as session:
            self.assertEqual("tried=1", session.receive_text())
            self.assertEqual(101, session.response.status_code)
            self.assertEqual([401], [r.status_code for r in session.response.history])
            self.assertEqual(b"who are you?", session.response.history[0].content)
        self.assertEqual(2, app.handshakes)
        self.assertEqual({"tried": "1"}, client.cookies.get_dict())

    def test_digest_with_the_wrong_password(self) -> None:
        """When the answer to the challenge is refused too, the session is denied."""
        app = DigestApplication("ann", "secret")
        client = self.enter_client(app)
        denied = self.assert_denied(
            client.websocket_connect("/", auth=HTTPDigestAuth("ann", "wrong"))
        )
        self.assertEqual(401, denied.response.status_code)
        self.assertEqual(2, app.handshakes)

    def test_redirects_are_not_followed(self) -> None:
        """A denial that redirects is a denial, as it is to a browser."""
        app = answering(*deny(307, headers=[(b"location", b"/other")]))
        denied = self.assert_denied(self.connect(app))
        self.assertEqual(307, denied.response.status_code)
        self.assertEqual("/other", denied.response.headers["location"])


class BlockTest(WebSocketTestCase):
    """A session lives in its with block."""

    USES: dict[str, Callable[[WebSocketSession], Any]] = {
        "send_text": lambda session: session.send_text("x"),
        "send_bytes": lambda session: session.send_bytes(b"x"),
        "send_json": lambda session: session.send_json({}),
        "send": lambda session: session.send({"type": "websocket.receive", "text": "x"}),
        "receive_text": lambda session: session.receive_text(),
        "receive_bytes": lambda session: session.receive_bytes(),
        "receive_json": lambda session: session.receive_json(),
        "receive": lambda session: session.receive(),
        "iteration": lambda session: next(iter(session)),
    }

    def test_nothing_happens_before_the_block(self) -> None:
        """The application is not called before the block is entered."""
        app = Recorder()
        session = self.connect(app)
        self.assertEqual([], app.scopes)
        with session:
            self.assertEqual(1, len(app.scopes))

    def test_use_before_the_block(self) -> None:
        """Whatever is done with a session that was not entered is an error that says how to."""
        session = self.connect(echo)
        attributes = {
            name: lambda session, name=name: getattr(session, name)
            for name in ("response", "scope", "accepted_subprotocol", "extra_headers")
        }
        closes: dict[str, Any] = {
            "close": lambda session: session.close(),
            "disconnect": lambda session: session.disconnect(),
        }
        for name, use in {**self.USES, **attributes, **closes}.items():
            with self.subTest(name):
                with self.assertRaisesRegex(ASGITestError, "with client.websocket_connect"):
                    use(session)
        self.assertIsNone(session.close_code)
        self.assertIsNone(session.close_reason)

    def test_use_after_the_block(self) -> None:
        """Nothing can be sent or received any more, not even what was left unread."""
        session = self.connect(answering(ACCEPT, text("a"), text("b"), text("c")))
        with session:
            self.assertEqual("a", session.receive_text())
        for name, use in self.USES.items():
            with self.subTest(name):
                with self.assertRaisesRegex(ASGITestError, "with block"):
                    use(session)

    def test_what_is_known_after_the_block(self) -> None:
        """What is known of a session can be read after its block; closing has no effect there."""
        app = answering(
            {"type": "websocket.accept", "subprotocol": "a", "headers": [(b"x-a", b"1")]}
        )
        session = self.connect(app, "/chat", subprotocols=["a"])
        with session:
            pass
        session.close(4000, "late")
        session.disconnect()
        self.assertEqual(101, session.response.status_code)
        self.assertEqual("/chat", session.scope["path"])
        self.assertEqual("a", session.accepted_subprotocol)
        self.assertEqual([(b"x-a", b"1")], session.extra_headers)
        self.assertEqual((1000, ""), (session.close_code, session.close_reason))

    def test_second_enter(self) -> None:
        """A session is entered once, whether it is open, over or denied."""
        client = self.enter_client(echo)
        session = client.websocket_connect("/")
        with session:
            with self.assertRaisesRegex(ASGITestError, "entered before"):
                session.__enter__()
            session.send_text("still open")
            self.assertEqual("still open", session.receive_text())
        with self.assertRaisesRegex(ASGITestError, "entered before"):
            session.__enter__()
        denied = self.connect(answering(close()))
        self.assert_denied(denied)
        with self.assertRaisesRegex(ASGITestError, "entered before"):
            denied.__enter__()

    def test_use_of_a_denied_session(self) -> None:
        """A denied session has its response and scope, and cannot be used."""
        session = self.connect(answering(close(4003, "no")), "/chat")
        self.assert_denied(session)
        self.assertEqual(403, session.response.status_code)
        self.assertEqual("/chat", session.scope["path"])
        for name, use in self.USES.items():
            with self.subTest(name):
                with self.assertRaises(ASGITestError):
                    use(session)

    def test_repr(self) -> None:
        """A session shows where it stands."""
        session = self.connect(echo)
        self.assertEqual("<WebSocketSession [not entered]>", repr(session))
        with session:
            self.assertEqual("<WebSocketSession [open]>", repr(session))
            session.close(4001)
            self.assertEqual("<WebSocketSession [closed with 4001]>", repr(session))
        denied = self.connect(answering(close()))
        self.assert_denied(denied)
        self.assertEqual("<WebSocketSession [denied]>", repr(denied))


class MessageTest(WebSocketTestCase):
    """Messages in both directions."""

    def test_events_of_sent_messages(self) -> None:
        """An event holds the one key it needs, with a plain value."""
        sends: list[tuple[Callable[[WebSocketSession], Any], Message]] = [
            (lambda s: s.send_text("é"), {"text": "é"}),
            (lambda s: s.send_text(""), {"text": ""}),
            (lambda s: s.send_bytes(b"\xff"), {"bytes": b"\xff"}),
            (lambda s: s.send_bytes(b""), {"bytes": b""}),
            (lambda s: s.send_bytes(bytearray(b"a")), {"bytes": b"a"}),
            (lambda s: s.send_bytes(memoryview(b"a")), {"bytes": b"a"}),
            (lambda s: s.send_json([1, None]), {"text": "[1, null]"}),
            (lambda s: s.send_json([1, None], mode="binary"), {"bytes": b"[1, null]"}),
        ]
        with self.connect(mirror) as session:
            for send, payload in sends:
                send(session)
                event = {"type": "websocket.receive", **payload}
                self.assertEqual(repr(event), session.receive_text())

    def test_text_bytes_and_json(self) -> None:
        """Each kind comes back as it was sent, in either mode of JSON."""
        data = {"say": "é", "list": [1, 2.5, None, True]}
        with self.connect(echo) as session:
            session.send_text("é")
            self.assertEqual("é", session.receive_text())
            session.send_bytes(b"\x00\xff")
            self.assertEqual(b"\x00\xff", session.receive_bytes())
            session.send_json(data)
            self.assertEqual(data, session.receive_json())
            session.send_json(data, mode="text")
            self.assertEqual(data, session.receive_json(mode="text"))
            session.send_json(data, mode="binary")
            self.assertEqual(data, session.receive_json(mode="binary"))

    def test_empty_messages(self) -> None:
        """An empty message is a message."""
        empty = [text(""), {"type": "websocket.send", "bytes": b""}]
        with self.connect(answering(ACCEPT, *empty)) as session:
            self.assertEqual("", session.receive_text())
            self.assertEqual(b"", session.receive_bytes())

    def test_wrong_types_to_send(self) -> None:
        """What is neither text nor bytes is refused before it is sent."""
        with self.connect(echo) as session:
            with self.assertRaisesRegex(TypeError, r"send_text\(\) takes str, not bytes: b'x'"):
                session.send_text(b"x")  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, r"send_bytes\(\) takes bytes, not str: 'x'"):
                session.send_bytes("x")  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "not JSON serializable"):
                session.send_json(object())
            with self.assertRaises(TypeError):
                session.send("x")  # type: ignore[arg-type]
            session.send_text("nothing came before this")
            self.assertEqual("nothing came before this", session.receive_text())

    def test_wrong_mode(self) -> None:
        """A mode of JSON is text or binary."""
        with self.connect(echo) as session:
            for mode in ("bytes", "", None):
                with self.assertRaisesRegex(ValueError, "mode must be 'text' or 'binary'"):
                    session.send_json({}, mode=mode)  # type: ignore[arg-type]
                with self.assertRaisesRegex(ValueError, "mode must be 'text' or 'binary'"):
                    session.receive_json(mode=mode)  # type: ignore[arg-type]

    def test_wrong_kind(self) -> None:
        """A message of another kind than asked for fails the test, and the error holds it."""
        data = {"type": "websocket.send", "bytes": b"abc"}
        receives: list[tuple[Message, Callable[[WebSocketSession], Any], str]] = [
            (data, lambda s: s.receive_text(), "expected a text message, .*binary.*b'abc'"),
            (text("abc"), lambda s: s.receive_bytes(), "expected a binary message, .*text.*'abc'"),
            (data, lambda s: s.receive_json(), "expected a text message"),
            (text("{}"), lambda s: s.receive_json(mode="binary"), "expected a binary message"),
            (text("{a"), lambda s: s.receive_json(), r"JSON.*'\{a'"),
            (data, lambda s: s.receive_json("binary"), "JSON.*b'abc'"),
        ]
        for message, receive, pattern in receives:
            with self.subTest(message=message):
                with self.connect(answering(ACCEPT, message, text("next"))) as session:
                    with self.assertRaisesRegex(UnexpectedMessage, pattern) as caught:
                        receive(session)
                    self.assertIsInstance(caught.exception, AssertionError)
                    self.assertEqual(message, caught.exception.event)
                    self.assertEqual("next", session.receive_text())

    def test_json_that_is_not_utf8(self) -> None:
        """Bytes that cannot be decoded are no JSON either."""
        message = {"type": "websocket.send", "bytes": b"\xff\xfe\xfd"}
        with self.connect(answering(ACCEPT, message)) as session:
            with self.assertRaises(UnexpectedMessage):
                session.receive_json(mode="binary")

    def test_receive_gives_events(self) -> None:
        """The raw receive() returns each message with the key it uses, and the close, once."""
        messages = [
            {"type": "websocket.send", "text": "a", "bytes": None},
            {"type": "websocket.send", "bytes": bytearray(b"b")},
            {"type": "websocket.close", "code": 4001, "reason": "bye"},
        ]
        with self.connect(answering(ACCEPT, *messages)) as session:
            self.assertEqual(text("a"), session.receive())
            self.assertEqual({"type": "websocket.send", "bytes": b"b"}, session.receive())
            self.assertIsNone(session.close_code)
            self.assertEqual(close(4001, "bye"), session.receive())
            self.assertEqual((4001, "bye"), (session.close_code, session.close_reason))
            self.assert_closed(session.receive, 4001, "bye")
            self.assert_closed(session.receive, 4001, "bye")

    def test_send_hands_over_any_event(self) -> None:
        """The raw send() hands an event over as it is, keys with None and unknown ones too."""
        events: list[Message] = [
            {"type": "websocket.receive", "text": "a", "bytes": None},
            {"type": "websocket.receive", "text": None, "bytes": b"a", "extra": [1]},
            {"type": "websocket.receive"},
            {"type": "made.up"},
            {},
        ]
        with self.connect(mirror) as session:
            for event in events[:-1]:
                session.send(event)
                self.assertEqual(repr(event), session.receive_text())
        with self.connect(mirror) as session:
            session.send({})
            with self.assertRaises(KeyError):
                session.receive_text()

    def test_sent_events_are_copied(self) -> None:
        """An event is what it was when it was sent, whatever becomes of the dict."""
        received: list[Message] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await gate.wait()
            received.extend([await receive(), await receive()])
            await send(text("done"))
            await until_disconnect(receive)

        client = self.enter_client(app)
        gate = client.call(anyio.Event)
        with client.websocket_connect("/") as session:
            event: Message = {"type": "websocket.receive", "text": "1"}
            session.send(event)
            event["text"] = "2"
            session.send(event)
            client.call(gate.set)
            session.receive_text()
        self.assertEqual(["1", "2"], [event["text"] for event in received])

    def test_send_of_a_disconnect(self) -> None:
        """A websocket.disconnect that is sent raw closes the session."""
        for event, code in (
            ({"type": "websocket.disconnect", "code": 1001}, 1001),
            ({"type": "websocket.disconnect"}, 1005),
        ):
            app = Recorder()
            with self.connect(app) as session:
                session.send(event)
                self.assert_closed(session.receive, code)
                self.assertEqual(code, session.close_code)
            self.assertEqual([{"type": "websocket.disconnect", "code": code}], app.events)

    def test_send_of_a_disconnect_with_a_reason(self) -> None:
        """The reason of a websocket.disconnect that is sent raw goes with it; None is none."""
        for given, reason in (("bye", "bye"), ("", ""), (None, "")):
            app = Recorder()
            client = self.enter_client(app, spec_version="2.5")
            with client.websocket_connect("/") as session:
                session.send({"type": "websocket.disconnect", "code": 1001, "reason": given})
                self.assertEqual(reason, session.close_reason)
            event = {"type": "websocket.disconnect", "code": 1001, "reason": reason}
            self.assertEqual([event], app.events)

    def test_received_events_belong_to_the_test(self) -> None:
        """The application keeps its own message, whatever a test does with what it received."""
        message = text("a")
        with self.connect(answering(ACCEPT, message)) as session:
            session.receive()["text"] = "b"
        self.assertEqual(text("a"), message)

    def test_order(self) -> None:
        """Messages keep their order, both ways, however many there are."""
        with self.connect(echo) as session:
            for number in range(500):
                session.send_json(number)
            self.assertEqual(list(range(500)), [session.receive_json() for _ in range(500)])

    def test_iteration(self) -> None:
        """Iterating yields what comes, text and bytes, until the application closes."""
        data = {"type": "websocket.send", "bytes": b"b"}
        for code in (1000, 1001):
            app = answering(ACCEPT, text("a"), data, close(code, "done"))
            with self.connect(app) as session:
                self.assertEqual(["a", b"b"], list(session))
                self.assertEqual((code, "done"), (session.close_code, session.close_reason))

    def test_iteration_up_to_another_close(self) -> None:
        """A close that is no ordinary end is raised out of the iteration."""
        with self.connect(answering(ACCEPT, text("a"), close(4001, "thrown out"))) as session:
            iterator = iter(session)
            self.assertEqual("a", next(iterator))
            self.assert_closed(lambda: next(iterator), 4001, "thrown out")

    def test_iteration_can_be_left_and_resumed(self) -> None:
        """A loop over a session can end early; what comes later is there for the next call."""
        with self.connect(answering(ACCEPT, text("a"), text("b"), text("c"), close())) as session:
            for message in session:
                self.assertEqual("a", message)
                break
            self.assertEqual("b", session.receive_text())
            self.assertEqual(["c"], list(session))

    def test_iteration_after_the_own_close(self) -> None:
        """After the test closed, iterating yields what had come, and ends."""
        client = self.enter_client(answering(ACCEPT, text("a"), text("b")))
        with client.websocket_connect("/") as session:
            self.assertEqual("a", session.receive_text())
            client.call(anyio.wait_all_tasks_blocked)
            session.close()
            self.assertEqual(["b"], list(session))

    def test_description(self) -> None:
        """A session tells the last messages of both directions."""
        with self.connect(echo) as session:
            session.send_text("hello")
            session.receive_text()
            description = session.describe()
        self.assertIn("websocket.receive text='hello'", description)
        self.assertIn("websocket.send text='hello'", description)


class ApplicationClosesTest(WebSocketTestCase):
    """The application ends a WebSocket that it accepted."""

    def test_close_while_the_test_waits(self) -> None:
        """A receive ends with the application's code and reason."""
        for receive in ("receive_text", "receive_bytes", "receive_json"):
            with self.connect(answering(ACCEPT, close(4001, "bye"))) as session:
                error = self.assert_closed(getattr(session, receive), 4001, "bye")
                self.assertIn("4001", str(error))
                self.assertIn("bye", str(error))
                self.assertEqual((4001, "bye"), (session.close_code, session.close_reason))

    def test_defaults_of_a_close(self) -> None:
        """A close without a code is 1000, and without a reason, or with None, has none."""
        for message in ({"type": "websocket.close"}, {"type": "websocket.close", "reason": None}):
            with self.connect(answering(ACCEPT, message)) as session:
                self.assert_closed(session.receive_text, 1000, "")

    def test_codes_and_reasons_that_may_be_sent(self) -> None:
        """Every code that may go on a wire passes, and 123 bytes of reason."""
        for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999):
            with self.subTest(code=code):
                reason = "é" * 61 + "x"
                with self.connect(answering(ACCEPT, close(code, reason))) as session:
                    self.assert_closed(session.receive_text, code, reason)

    def test_messages_before_the_close(self) -> None:
        """What was sent before the close is received before it."""
        with self.connect(answering(ACCEPT, text("a"), text("b"), close(4001))) as session:
            self.assertEqual("a", session.receive_text())
            self.assertEqual("b", session.receive_text())
            self.assert_closed(session.receive_text, 4001)

    def test_return_while_the_test_waits(self) -> None:
        """A receive ends with 1006 when the application returned without closing."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await send(text("a"))
            await receive()

        with self.connect(app, client_options=UNCLOSED) as session:
            session.send_text("return")
            self.assertEqual("a", session.receive_text())
            self.assert_closed(session.receive_text, 1006)
            self.assert_closed(session.receive, 1006)
            self.assertEqual((1006, ""), (session.close_code, session.close_reason))

    def test_return_ends_an_iteration(self) -> None:
        """An application that returns without closing does not end an iteration quietly."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await send(text("a"))

        with self.connect(app, client_options=UNCLOSED) as session:
            iterator = iter(session)
            self.assertEqual("a", next(iterator))
            self.assert_closed(lambda: next(iterator), 1006)

    def test_raise_while_the_test_waits(self) -> None:
        """A receive raises the application's own exception, once what came before is read."""
        error = ValueError("boom")
        session = self.connect(raising(error, ACCEPT, text("a")))
        try:
            with session:
                self.assertEqual("a", session.receive_text())
                session.receive_text()
        except ValueError as caught:
            self.assertIs(error, caught)
            frames = traceback.extract_tb(caught.__traceback__)
            self.assertIn("raise error", [frame.line for frame in frames])
        else:
            self.fail("nothing was raised")

    def test_raised_exception_comes_once(self) -> None:
        """A test that catches the application's exception sees 1011 from then on."""
        with self.connect(raising(ValueError("boom"), ACCEPT)) as session:
            with self.assertRaises(ValueError):
                session.receive_text()
            self.assertEqual((1011, ""), (session.close_code, session.close_reason))
            self.assert_closed(session.receive_text, 1011)
            self.assert_closed(lambda: session.send_text("x"), 1011)
            self.assertEqual(1011, session.close_code)
        self.assertEqual(1011, session.close_code)

    def test_raise_that_the_test_does_not_wait_for(self) -> None:
        """What the application raised is raised when the block is left."""
        client = self.enter_client(raising(ValueError("boom"), ACCEPT))
        with self.assertRaisesRegex(ValueError, "boom"):
            with client.websocket_connect("/"):
                client.call(anyio.wait_all_tasks_blocked)

    def test_raise_after_the_close(self) -> None:
        """An exception after the application's close reaches the test, behind the close."""
        session = self.connect(raising(ValueError("boom"), ACCEPT, close(4001)))
        with self.assertRaisesRegex(ValueError, "boom"):
            with session:
                self.assert_closed(session.receive_text, 4001)

    def test_every_kind_of_exception(self) -> None:
        """A system exit or an interrupt of the application's own making reaches the test too."""
        for error in (SystemExit(3), KeyboardInterrupt(), GeneratorExit()):
            with self.subTest(error=error):
                client = self.enter_client(raising(error, ACCEPT))
                with self.assertRaises(type(error)):
                    with client.websocket_connect("/") as session:
                        session.receive_text()
                client.call(anyio.lowlevel.checkpoint)

    @unittest.skipIf(BACKEND == "trio", "trio lets nobody make a cancellation up")
    def test_cancellation_of_its_own_making(self) -> None:
        """A cancellation that the application makes up is its exception; the loop goes on."""
        client = self.enter_client(raising(asyncio.CancelledError(), ACCEPT))
        with self.assertRaises(asyncio.CancelledError):
            with client.websocket_connect("/") as session:
                session.receive_text()
        client.call(anyio.lowlevel.checkpoint)

    def test_group_with_one_exception(self) -> None:
        """An exception that a task group wrapped is raised itself."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def boom() -> None:
                raise ValueError("boom")

            await receive()
            await send(ACCEPT)
            async with anyio.create_task_group() as group:
                group.start_soon(boom)
                await anyio.sleep_forever()

        with self.assertRaisesRegex(ValueError, "boom"):
            with self.connect(app) as session:
                session.receive_text()

    def test_sending_before_the_close_is_received(self) -> None:
        """What a test sends before it received the close is dropped, as on a wire."""
        app = Recorder(ACCEPT, close(4001))
        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            session.send_text("too late")
            session.send_bytes(b"too late")
            self.assert_closed(session.receive_text, 4001)
        self.assertEqual([{"type": "websocket.disconnect", "code": 4001}], app.events)

    def test_sending_after_the_close_is_received(self) -> None:
        """What a test sends once it knows of the close is refused with code and reason."""
        with self.connect(answering(ACCEPT, close(4001, "bye"))) as session:
            session.receive()
            self.assert_closed(lambda: session.send_text("x"), 4001, "bye")
            self.assert_closed(lambda: session.send_bytes(b"x"), 4001, "bye")
            self.assert_closed(lambda: session.send_json({}), 4001, "bye")
            event = {"type": "websocket.receive", "text": "x"}
            self.assert_closed(lambda: session.send(event), 4001, "bye")

    def test_closing_after_the_application_did(self) -> None:
        """Closing what the application closed has no effect; its code and reason stay."""
        app = Recorder(ACCEPT, close(4001, "bye"))
        with self.connect(app) as session:
            session.receive()
            session.close(4002, "own")
            session.disconnect()
            self.assertEqual((4001, "bye"), (session.close_code, session.close_reason))
        self.assertEqual([{"type": "websocket.disconnect", "code": 4001}], app.events)

    def test_application_receives_its_own_close(self) -> None:
        """After its close the application is given a disconnect with its own code, repeatedly."""
        received: list[Message] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await send(close(4001, "bye"))
            received.extend([await receive(), await receive()])

        for version, extra in (("2.4", {}), ("2.5", {"reason": "bye"})):
            with self.enter_client(app, spec_version=version).websocket_connect("/"):
                pass
            event = {"type": "websocket.disconnect", "code": 4001, **extra}
            self.assertEqual([event, event], received)
            received.clear()

    def test_work_after_the_close(self) -> None:
        """Leaving the block waits for what the application does after its close."""
        done = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await send(close())
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            done.append(True)

        with self.connect(app) as session:
            self.assert_closed(session.receive_text, 1000)
        self.assertEqual([True], done)


class WaitingTest(WebSocketTestCase):
    """The application ends a WebSocket, or sends, while a test already waits for it."""

    needs_thread = "threads of the test use one client"

    def setUp(self) -> None:
        """Enter a client whose application waits for a gate, then does what the path says."""
        super().setUp()
        self.client = self.enter_client(websocket_app(self.application), **UNCLOSED)
        self.gate = self.client.call(anyio.Event)
        self.actions: dict[str, Callable[[Any], Awaitable[None]]] = {}

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Do what the path says when the gate is open."""
        await receive()
        await send(ACCEPT)
        await self.gate.wait()
        await self.actions[scope["path"]](send)

    def wait_for(
        self,
        action: Callable[[Any], Awaitable[None]],
        receive: Callable[[WebSocketSession], Any] = WebSocketSession.receive_text,
    ) -> Any:
        """Receive in a thread, open the gate when that thread waits; return what was received."""
        self.actions["/"] = action
        waiting = threading.Event()
        original = Portal.wait_for

        def wait_for(portal: Portal, wait: Any, call: Any) -> Any:
            if "a message" in wait.waiting_for:
                waiting.set()
            return original(portal, wait, call)

        with mock.patch.object(Portal, "wait_for", wait_for), ThreadPoolExecutor(1) as executor:
            with self.client.websocket_connect("/") as session:
                received = executor.submit(receive, session)
                waiting.wait()
                self.client.call(anyio.wait_all_tasks_blocked)
                self.assertFalse(received.done())
                self.client.call(self.gate.set)
                return received.result()

    def test_message(self) -> None:
        """A message ends the wait."""

        async def action(send: Any) -> None:
            await send(text("hello"))

        self.assertEqual("hello", self.wait_for(action))

    def test_close(self) -> None:
        """A close ends the wait."""

        async def action(send: Any) -> None:
            await send(close(4001, "bye"))

        self.assert_closed(lambda: self.wait_for(action), 4001, "bye")

    def test_close_as_an_event(self) -> None:
        """A close ends the wait of the raw receive(), which returns it."""

        async def action(send: Any) -> None:
            await send(close(4001, "bye"))

        self.assertEqual(close(4001, "bye"), self.wait_for(action, WebSocketSession.receive))

    def test_return(self) -> None:
        """A return ends the wait."""

        async def action(send: Any) -> None:
            return

        self.assert_closed(lambda: self.wait_for(action), 1006)

    def test_raise(self) -> None:
        """An exception ends the wait."""

        async def action(send: Any) -> None:
            raise ValueError("boom")

        with self.assertRaisesRegex(ValueError, "boom"):
            self.wait_for(action)

    def test_violation(self) -> None:
        """A broken rule ends the wait, swallowed or not."""

        async def raised(send: Any) -> None:
            await send(ACCEPT)

        async def swallowed(send: Any) -> None:
            with contextlib.suppress(ProtocolError):
                await send(ACCEPT)

        for action in (raised, swallowed):
            self.gate = self.client.call(anyio.Event)
            with self.assertRaises(ProtocolError) as caught:
                self.wait_for(action)
            self.assertEqual("WS-ACC-01", caught.exception.rule)

    def test_several_threads(self) -> None:
        """Of threads that wait for the same WebSocket, one gets a message, the others wait on."""
        more = self.client.call(anyio.Event)

        async def action(send: Any) -> None:
            await send(text("first"))
            await more.wait()
            for _ in range(4):
                await send(text("later"))

        self.actions["/"] = action
        with mock.patch.object(Connection, "attach", noting_waits(waiting := [])):
            with self.client.websocket_connect("/") as session, ThreadPoolExecutor(5) as executor:
                received = [executor.submit(session.receive_text) for _ in range(5)]
                while len(waiting) < 5:
                    self.client.call(anyio.lowlevel.checkpoint)
                self.client.call(self.gate.set)
                # The others, which were woken as well, wait again.
                while len(waiting) < 9 and not all(each.done() for each in received):
                    self.client.call(anyio.lowlevel.checkpoint)
                done, _ = wait_for_futures(received, return_when=FIRST_COMPLETED)
                self.assertEqual(["first"], [each.result() for each in done])
                self.client.call(more.set)
                texts = sorted(each.result() for each in received)
        self.assertEqual(["first", *["later"] * 4], texts)

    def test_own_close_in_another_thread(self) -> None:
        """A close by another thread of the test ends the wait."""
        waiting = threading.Event()
        original = Portal.wait_for

        def wait_for(portal: Portal, wait: Any, call: Any) -> Any:
            if "a message" in wait.waiting_for:
                waiting.set()
            return original(portal, wait, call)

        async def action(send: Any) -> None:
            return

        self.actions["/"] = action
        with mock.patch.object(Portal, "wait_for", wait_for), ThreadPoolExecutor(1) as executor:
            with self.client.websocket_connect("/") as session:
                received = executor.submit(session.receive_text)
                waiting.wait()
                session.close(4001)
                self.assert_closed(received.result, 4001)
                self.client.call(self.gate.set)


class TestClosesTest(WebSocketTestCase):
    """The test ends a WebSocket."""

    def test_both_close(self) -> None:
        """A close of the application that came before is still read; the test's own one counts."""
        client = self.enter_client(Recorder(ACCEPT, {"type": "websocket.close", "code": 4000}))
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            session.close(1001)
            self.assertEqual(4000, session.receive()["code"])
            self.assertEqual(1001, session.close_code)

    def test_leaving_the_block(self) -> None:
        """Leaving the block is a close with 1000."""
        app = Recorder()
        with self.connect(app) as session:
            self.assertIsNone(session.close_code)
            self.assertIsNone(session.close_reason)
        self.assertEqual([{"type": "websocket.disconnect", "code": 1000}], app.events)
        self.assertEqual((1000, ""), (session.close_code, session.close_reason))

    def test_close(self) -> None:
        """The code of close() reaches the application; its reason from version 2.5 on."""
        for version, extra in (("2.3", {}), (None, {}), ("2.5", {"reason": "bye"})):
            with self.subTest(version=version):
                app = Recorder()
                client = self.enter_client(app, spec_version=version)
                with client.websocket_connect("/") as session:
                    session.close(4001, "bye")
                    self.assertEqual((4001, "bye"), (session.close_code, session.close_reason))
                event = {"type": "websocket.disconnect", "code": 4001, **extra}
                self.assertEqual([event], app.events)

    def test_close_without_a_reason(self) -> None:
        """From version 2.5 on there is a reason in the event, an empty one if none was given."""
        for closing in (WebSocketSession.close, lambda session: None):
            app = Recorder()
            client = self.enter_client(app, spec_version="2.5")
            with client.websocket_connect("/") as session:
                closing(session)
            event = {"type": "websocket.disconnect", "code": 1000, "reason": ""}
            self.assertEqual([event], app.events)

    def test_disconnect(self) -> None:
        """disconnect() is an abrupt loss, 1006 unless told otherwise."""
        for arguments, code in (((), 1006), ((1001,), 1001)):
            app = Recorder()
            with self.connect(app) as session:
                session.disconnect(*arguments)
                self.assertEqual((code, ""), (session.close_code, session.close_reason))
            self.assertEqual([{"type": "websocket.disconnect", "code": code}], app.events)

    def test_first_close_counts(self) -> None:
        """Closing again has no effect, and leaving the block does not either."""
        app = Recorder()
        with self.connect(app) as session:
            session.close(4001)
            session.close(4002)
            session.disconnect()
            self.assertEqual(4001, session.close_code)
        self.assertEqual([{"type": "websocket.disconnect", "code": 4001}], app.events)

    def test_sent_messages_come_before_the_close(self) -> None:
        """The application is given what was sent before the close, then the disconnect."""
        app = Recorder()
        with self.connect(app) as session:
            session.send_text("a")
            session.send_text("b")
            session.close(4001)
        self.assertEqual(
            [
                {"type": "websocket.receive", "text": "a"},
                {"type": "websocket.receive", "text": "b"},
                {"type": "websocket.disconnect", "code": 4001},
            ],
            app.events,
        )

    def test_sending_after_the_own_close(self) -> None:
        """Nothing can be sent after the own close."""
        app = Recorder()
        with self.connect(app) as session:
            session.close(4001, "bye")
            self.assert_closed(lambda: session.send_text("x"), 4001, "bye")
            self.assert_closed(lambda: session.send_json({}), 4001, "bye")
        self.assertEqual(1, len(app.events))

    def test_receiving_after_the_own_close(self) -> None:
        """What had come before the own close can be received, then there is the close."""
        client = self.enter_client(answering(ACCEPT, text("a"), text("b")))
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            session.close(4001)
            self.assertEqual("a", session.receive_text())
            self.assertEqual("b", session.receive_text())
            self.assert_closed(session.receive_text, 4001)

    def test_disconnect_is_repeated(self) -> None:
        """Every further receive() of the application gives the disconnect again."""
        received: list[Message] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            received.extend([await receive(), await receive(), await receive()])

        with self.connect(app) as session:
            session.close(4001)
        self.assertEqual([{"type": "websocket.disconnect", "code": 4001}] * 3, received)

    def test_last_message_is_dealt_with(self) -> None:
        """An application can deal with the last message before it is told that the test left."""
        log: list[Any] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    log.append(event["code"])
                    return
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
                await send(text("done"))
                log.append(event["text"])

        with self.connect(app) as session:
            session.send_text("a")
            session.send_text("b")
        self.assertEqual(["a", "b", 1000], log)

    def test_what_follows_the_accept_is_done(self) -> None:
        """An application gets to its next receive() before it is told that the test left."""
        log: list[Any] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await anyio.to_thread.run_sync(log.append, "thread")
            await anyio.lowlevel.checkpoint()
            await send(text("welcome"))
            log.append("sent")
            log.append((await receive())["code"])

        client = self.enter_client(app)
        for _ in range(20):
            with client.websocket_connect("/"):
                pass
        self.assertEqual(["thread", "sent", 1000] * 20, log)

    def test_last_message_that_ends_the_application(self) -> None:
        """An application may close, return or raise over the last message."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            what = (await receive())["text"]
            await anyio.lowlevel.checkpoint()
            if what == "close":
                await send(close(4001))
                await until_disconnect(receive)
            elif what == "raise":
                raise ValueError("boom")

        client = self.enter_client(app, **UNCLOSED)
        for what, code in (("close", 4001), ("return", 1006)):
            with client.websocket_connect("/") as session:
                session.send_text(what)
            self.assertEqual(code, session.close_code)
        with self.assertRaisesRegex(ValueError, "boom"):
            with client.websocket_connect("/") as session:
                session.send_text("raise")

    def test_last_message_behind_a_full_mailbox(self) -> None:
        """A send() that waits for a reader does not keep the last message from being dealt with."""
        log: list[Any] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            for _ in range(5):
                await send(text("x" * 64 * 1024))
            log.append((await receive())["text"])
            log.append((await receive())["code"])

        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            session.send_text("a")
        self.assertEqual(["a", 1000], log)

    def test_leaving_waits_for_nothing_else(self) -> None:
        """Leaving does not wait when the application answered, waits for more, or is through."""

        @websocket_app
        async def publisher(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await receive()
            await send(text("subscribed"))
            with contextlib.suppress(OSError):
                while True:
                    await send(text("tick"))

        @websocket_app
        async def silent(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await receive()

        for app in (publisher, Recorder(), silent, echo):
            client = self.enter_client(app, timeout=5, **UNCLOSED)
            with mock.patch.object(Portal, "grace", 3600):
                with client.websocket_connect("/") as session:
                    session.send_text("a")
                with client.websocket_connect("/"):
                    pass

    def test_clean_up_that_awaits(self) -> None:
        """Leaving the block waits for the application's clean-up, awaits and threads included."""
        done = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            try:
                await until_disconnect(receive)
            finally:
                await anyio.lowlevel.checkpoint()
                await anyio.to_thread.run_sync(done.append, "thread")
                await anyio.lowlevel.checkpoint()
                done.append("end")

        with self.connect(app):
            pass
        self.assertEqual(["thread", "end"], done)

    def test_exception_of_the_clean_up(self) -> None:
        """What the application raises after the disconnect is raised by leaving the block."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await until_disconnect(receive)
            raise ValueError("clean-up failed")

        with self.assertRaisesRegex(ValueError, "clean-up failed"):
            with self.connect(app):
                pass

    def test_exception_of_the_block_is_not_masked(self) -> None:
        """What the block raised is raised, even if the application raises as well."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await until_disconnect(receive)
            raise ValueError("clean-up failed")

        with self.assertRaisesRegex(ZeroDivisionError, "in the block") as caught:
            with self.connect(app):
                raise ZeroDivisionError("in the block")
        if sys.version_info >= (3, 11):
            self.assertIn("clean-up failed", "".join(caught.exception.__notes__))

    def test_exception_of_the_block_closes(self) -> None:
        """An exception in the block closes as its end does."""
        app = Recorder()
        with self.assertRaises(ZeroDivisionError):
            with self.connect(app):
                raise ZeroDivisionError
        self.assertEqual([{"type": "websocket.disconnect", "code": 1000}], app.events)

    @on_thread("the test waits for the application without the client")
    def test_interrupt_in_the_block(self) -> None:
        """A Ctrl-C in the block comes out at once, and the application is cancelled."""
        ended = threading.Event()

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

        client = self.enter_client(app)
        with self.assertRaises(KeyboardInterrupt):
            with client.websocket_connect("/") as session:
                raise KeyboardInterrupt
        self.assertTrue(ended.wait(10))
        self.assertEqual("/", session.scope["path"])

    def test_application_that_ignores_the_disconnect(self) -> None:
        """Leaving the block waits up to the deadline; then the application is cancelled."""
        ended = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            try:
                await anyio.sleep_forever()
            finally:
                ended.append(True)

        client = self.enter_client(app)
        with self.assertRaises(DeadlineExceeded) as caught:
            with client.websocket_connect("/chat", timeout=0.2):
                pass
        self.assertIn("/chat", caught.exception.waiting_for)
        self.assertIn("sleep_forever", str(caught.exception))
        self.assertEqual([True], ended)

    def test_application_that_receives_for_ever(self) -> None:
        """An application that goes on to receive after the disconnect is told that it does."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            while True:
                await receive()

        with self.assertRaises(ProtocolError) as caught:
            with self.connect(app):
                pass
        self.assertEqual("HTTP-REQ-08", caught.exception.rule)
        self.assertIn("websocket.disconnect", str(caught.exception))

    def test_closing_the_response(self) -> None:
        """Closing the response of the handshake loses the connection."""
        app = Recorder()
        with self.connect(app) as session:
            session.response.close()
            self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)
            self.assert_closed(session.receive_text, 1006)
            self.assert_closed(lambda: session.send_text("x"), 1006)

    def test_closing_the_client_inside_the_block(self) -> None:
        """Closing the client ends its WebSockets and says so; the block can still be left."""
        app = Recorder()
        client = self.new_client(app)
        with client.websocket_connect("/") as session:
            with self.assertWarnsRegex(ResourceWarning, "the WebSocket ws://testserver/"):
                client.close()
            self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)
            with self.assertRaises(ASGITestError):
                session.receive_text()

    def test_session_that_was_not_left(self) -> None:
        """A session that is open when its client ends is closed, with a warning."""
        app = Recorder()
        client = TestClient(app)
        with self.assertWarnsRegex(ResourceWarning, "the WebSocket ws://testserver/chat"):
            with client:
                session = client.websocket_connect("/chat")
                session.__enter__()
        self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)

    def test_session_that_was_not_left_and_cleans_up(self) -> None:
        """The application has the time to clean up when its client is closed."""
        done = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await until_disconnect(receive)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            done.append(True)

        client = TestClient(app)
        with self.assertWarns(ResourceWarning):
            with client:
                session = client.websocket_connect("/chat")
                session.__enter__()
        self.assertEqual([True], done)

    def test_session_that_was_not_left_and_ignores_its_end(self) -> None:
        """What ignores that its client is closed is cancelled, and comes to its end."""
        self.hurry()
        ended = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                ended.append(True)

        client = TestClient(app)
        with self.assertWarnsRegex(ResourceWarning, "the WebSocket ws://testserver/chat"):
            with client:
                session = client.websocket_connect("/chat")
                session.__enter__()
        self.assertEqual([True], ended)

    def test_session_that_was_dropped(self) -> None:
        """A session that is forgotten is no different: the application is told, with a warning."""
        app = Recorder()
        client = TestClient(app)
        with self.assertWarnsRegex(ResourceWarning, "the WebSocket ws://testserver/chat"):
            with client:
                client.websocket_connect("/chat").__enter__()
                gc.collect()
        self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)

    def test_collecting_a_dropped_session_does_not_wait(self) -> None:
        """Forgetting a session never makes a thread wait for the application."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await released.wait()

        client = TestClient(app)
        with self.assertWarns(ResourceWarning):
            with client:
                released = client.call(anyio.Event)
                client.websocket_connect("/").__enter__()
                with waits() as hops:
                    gc.collect()
                self.assertEqual([], hops)
                client.call(released.set)


class VersionTest(WebSocketTestCase):
    """What the announced version of the text changes for the application."""

    @staticmethod
    def sender(outcomes: list[Any]) -> Handler:
        """Return an application that sends after the client has left, and notes what that does."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await until_disconnect(receive)
            for message in (text("x"), close()):
                try:
                    outcomes.append(await send(message))
                except OSError as error:
                    outcomes.append(type(error))

        return app

    def test_sending_after_the_client_left(self) -> None:
        """From version 2.4 on send() raises ClientDisconnected; before, it does nothing."""
        for version, outcome in (
            ("2.5", ClientDisconnected),
            ("2.4", ClientDisconnected),
            (None, ClientDisconnected),
            ("2.3", None),
        ):
            with self.subTest(version=version):
                outcomes: list[Any] = []
                client = self.enter_client(self.sender(outcomes), spec_version=version)
                with client.websocket_connect("/") as session:
                    session.close()
                self.assertEqual([outcome, outcome], outcomes)

    def test_escaping_client_disconnected_is_no_failure(self) -> None:
        """An application may let ClientDisconnected escape, alone, in a group or as a cause."""

        async def alone(send: Any) -> None:
            await send(text("x"))

        async def in_a_group(send: Any) -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(send, text("x"))

        async def as_a_cause(send: Any) -> None:
            try:
                await send(text("x"))
            except OSError as error:
                raise LookupError("gone") from error

        async def as_a_context(send: Any) -> None:
            try:
                await send(text("x"))
            except OSError:
                raise LookupError("gone")  # noqa: B904

        for ending in (alone, in_a_group, as_a_cause, as_a_context):
            with self.subTest(ending.__name__):

                @websocket_app
                async def app(scope: Any, receive: Any, send: Any, ending: Any = ending) -> None:
                    await receive()
                    await send(ACCEPT)
                    await until_disconnect(receive)
                    await ending(send)

                with self.connect(app):
                    pass

    def test_reason_needs_version_2_3(self) -> None:
        """A reason below version 2.3 is refused; an empty one passes."""
        app = answering(ACCEPT, close(1000, "bye"))
        client = self.enter_client(app, spec_version="2.2")
        with self.assertRaises(ProtocolError) as caught:
            with client.websocket_connect("/") as session:
                session.receive()
        self.assertEqual("WS-CLOSE-06", caught.exception.rule)
        client = self.enter_client(answering(ACCEPT, close()), spec_version="2.2")
        with client.websocket_connect("/") as session:
            self.assert_closed(session.receive_text, 1000)

    def test_accept_headers_need_version_2_1(self) -> None:
        """Headers in the accept below version 2.1 are refused; an empty list passes."""
        accept = {"type": "websocket.accept", "headers": [(b"a", b"b")]}
        client = self.enter_client(answering(accept), spec_version="2.0")
        with self.assertRaises(ProtocolError) as caught:
            with client.websocket_connect("/"):
                pass
        self.assertEqual("WS-ACC-04", caught.exception.rule)
        empty = {"type": "websocket.accept", "headers": []}
        with self.enter_client(answering(empty), spec_version="2.0").websocket_connect("/"):
            pass


class ExplanationTest(WebSocketTestCase):
    """The text of a disconnect says who ended the WebSocket, and how."""

    def text_of(self, session: WebSocketSession) -> str:
        """Receive up to the end; return the text of the disconnect."""
        with self.assertRaises(WebSocketDisconnect) as caught:
            while True:
                session.receive_text()
        self.assertIn(caught.exception.explanation, str(caught.exception))
        return str(caught.exception)

    def test_application_closed(self) -> None:
        """The application closed: its code and reason."""
        with self.connect(answering(ACCEPT, close(4001, "bye"))) as session:
            shown = self.text_of(session)
        self.assertRegex(shown, "the application closed .*code 4001, reason 'bye'")

    def test_application_returned(self) -> None:
        """The application returned: no close was sent."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(ACCEPT)

        with self.connect(app, client_options=UNCLOSED) as session:
            self.assertRegex(self.text_of(session), "the application returned .*code 1006")

    def test_application_raised(self) -> None:
        """The application raised: the exception is the cause, where it was hidden."""
        error = ValueError("boom")
        client = self.enter_client(raising(error, ACCEPT), raise_server_exceptions=False)
        with client.websocket_connect("/") as session:
            disconnect = self.assert_closed(session.receive_text, 1011)
            self.assertRegex(str(disconnect), "the application raised .*code 1011")
            self.assertIs(error, disconnect.__cause__)
            self.assertIs(error, session.server_exception)

    def test_rule_was_broken(self) -> None:
        """The application broke a rule, which the test has seen."""
        with self.connect(answering(ACCEPT, ACCEPT, swallow=True)) as session:
            with self.assertRaises(ProtocolError):
                session.receive_text()
            self.assertIn("broke a rule", self.text_of(session))

    def test_test_closed(self) -> None:
        """The test closed, or lost the connection, itself."""
        for end in (WebSocketSession.close, WebSocketSession.disconnect):
            with self.connect(echo) as session:
                end(session)
                self.assertIn("the test closed", self.text_of(session))

    def test_denials(self) -> None:
        """A denial shows its status, and the close code or the body, a long one in part."""
        denied = self.assert_denied(self.connect(answering(close(4003, "no")), "/chat"))
        self.assertRegex(str(denied), "ws://testserver/chat.*status 403.*4003, reason 'no'")
        denied = self.assert_denied(self.connect(answering(*deny(401, b"who are you?"))))
        self.assertRegex(str(denied), "status 401.*who are you")
        denied = self.assert_denied(self.connect(answering(*deny(500, b"x" * 100_000))))
        self.assertLess(len(str(denied)), 10_000)


class DenialTest(WebSocketTestCase):
    """The application refuses the handshake."""

    def test_close_before_accept(self) -> None:
        """A close instead of an accept is a 403, and the error has the application's code."""
        session = self.connect(answering(close(4003, "not you")), "/chat")
        denied = self.assert_denied(session)
        self.assertEqual((4003, "not you"), (denied.code, denied.reason))
        self.assertEqual(403, denied.response.status_code)
        self.assertEqual("Forbidden", denied.response.reason)
        self.assertEqual(b"", denied.response.content)
        self.assertEqual("http://testserver/chat", denied.response.url)
        self.assertIs(denied.response, session.response)
        self.assertIsInstance(denied, WebSocketDisconnect)
        for part in ("403", "4003", "not you"):
            self.assertIn(part, str(denied))

    def test_defaults_of_a_close_before_accept(self) -> None:
        """Without a code it is 1000, and the reason may be anything, for it goes nowhere."""
        for reason, shown in ((None, ""), ("", ""), ([{"loc": "x"}], "[{'loc': 'x'}]")):
            app = answering({"type": "websocket.close", "reason": reason})
            denied = self.assert_denied(self.connect(app))
            self.assertEqual((1000, shown), (denied.code, denied.reason))

    def test_denial_without_receiving_anything(self) -> None:
        """An application may deny, or accept, before it took the connect event."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/open":
                await send(ACCEPT)
                await until_disconnect(receive)
            else:
                await send(close(4004))

        client = self.enter_client(app)
        self.assertEqual(4004, self.assert_denied(client.websocket_connect("/")).code)
        with client.websocket_connect("/open"):
            pass

    def test_denial_response(self) -> None:
        """A denial response arrives whole: status, headers, and all parts of its body."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(
                {
                    "type": "websocket.http.response.start",
                    "status": 418,
                    "headers": [
                        (b"Content-Type", b"application/json"),
                        (b"x-a", b"1"),
                        (b"x-a", b"2"),
                    ],
                }
            )
            for part in (b'{"why"', b"", b': "tea"'):
                body = {"type": "websocket.http.response.body", "body": part, "more_body": True}
                await anyio.lowlevel.checkpoint()
                await send(body)
            await send({"type": "websocket.http.response.body", "body": b"}"})

        denied = self.assert_denied(self.connect(app))
        response = denied.response
        self.assertEqual(418, response.status_code)
        self.assertEqual("I'm a Teapot", response.reason)
        self.assertEqual({"why": "tea"}, response.json())
        self.assertEqual("application/json", response.headers["content-type"])
        self.assertEqual(
            [(b"content-type", b"application/json"), (b"x-a", b"1"), (b"x-a", b"2")],
            response.raw_headers,
        )
        self.assertIn("418", str(denied))

    def test_denial_response_is_decoded(self) -> None:
        """Content coding of a denial response is undone, as of any response."""
        headers = [(b"content-encoding", b"gzip"), (b"content-type", b"text/plain; charset=utf-8")]
        app = answering(*deny(400, gzip.compress("zurück".encode()), headers))
        self.assertEqual("zurück", self.assert_denied(self.connect(app)).response.text)

    def test_code_of_a_denial_response(self) -> None:
        """A denial response has no close code, so that it is the one of a lost connection."""
        denied = self.assert_denied(self.connect(answering(*deny(404))))
        self.assertEqual((1006, ""), (denied.code, denied.reason))

    def test_status_of_a_denial_may_be_any_final_one(self) -> None:
        """A denial is one whatever its status, 200 included."""
        for status in (200, 302, 401, 503, 599):
            denied = self.assert_denied(self.connect(answering(*deny(status, b"x"))))
            self.assertEqual(status, denied.response.status_code)
            self.assertEqual(b"x", denied.response.content)

    def test_application_is_told_after_its_denial(self) -> None:
        """After a denial the application is given a disconnect with 1006."""
        for messages in ([close(4003)], deny(403)):
            app = Recorder(*messages)
            self.assert_denied(self.connect(app))
            self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)

    def test_work_after_a_denial(self) -> None:
        """The denial is raised when the application is through."""
        for messages in ([close()], deny(403)):
            done = []

            @websocket_app
            async def app(
                scope: Any, receive: Any, send: Any, messages: Any = messages, done: Any = done
            ) -> None:
                await receive()
                for message in messages:
                    await send(message)
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
                done.append(True)

            self.assert_denied(self.connect(app))
            self.assertEqual([True], done)

    def test_raise_after_a_denial(self) -> None:
        """An exception after the denial is the cause of what the test is told."""
        error = ValueError("boom")
        for messages, status in (([close(4003)], 403), (deny(418), 418)):
            denied = self.assert_denied(self.connect(raising(error, *messages)))
            self.assertEqual(status, denied.response.status_code)
            self.assertIs(error, denied.__cause__)

    def test_raise_before_the_answer(self) -> None:
        """An exception before the answer reaches the test from the handshake."""
        with self.assertRaisesRegex(ValueError, "boom"):
            with self.connect(raising(ValueError("boom"))):
                self.fail("the block was entered")

    def test_never_answering(self) -> None:
        """A handshake without an answer ends at the deadline, and the application is cancelled."""
        ended = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            try:
                await receive()
            finally:
                ended.append(True)

        client = self.enter_client(app)
        with self.assertRaises(DeadlineExceeded) as caught:
            with client.websocket_connect("/chat", timeout=0.2):
                self.fail("the block was entered")
        self.assertIsInstance(caught.exception, requests.Timeout)
        self.assertIn("accept", caught.exception.waiting_for)
        self.assertIn("waits in receive()", str(caught.exception))
        self.assertEqual([True], ended)

    def test_client_goes_on_after_a_denial(self) -> None:
        """A denied handshake leaves the client as it was."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            if scope["path"] == "/no":
                await send(close())
                return
            await send(ACCEPT)
            await until_disconnect(receive)

        client = self.enter_client(app)
        for _ in range(3):
            self.assert_denied(client.websocket_connect("/no"))
            with client.websocket_connect("/"):
                pass


class HiddenExceptionTest(WebSocketTestCase):
    """raise_server_exceptions=False: a test sees what a client on a network does."""

    def hidden(self, app: Any) -> TestClient:
        """Return a client that hides the application's exceptions."""
        return self.enter_client(app, raise_server_exceptions=False)

    def test_raise_before_the_answer(self) -> None:
        """The handshake is answered with 500, and the exception is the denial's cause."""
        error = ValueError("boom")
        denied = self.assert_denied(self.hidden(raising(error)).websocket_connect("/"))
        self.assertEqual(500, denied.response.status_code)
        self.assertEqual("Internal Server Error", denied.response.text)
        self.assertEqual(1006, denied.code)
        self.assertIs(error, denied.__cause__)
        self.assertIs(error, denied.response.server_exception)

    def test_raise_in_the_middle_of_a_denial_response(self) -> None:
        """A denial response that breaks off becomes a 500, for nothing was sent of it."""
        start = {"type": "websocket.http.response.start", "status": 403}
        body = {"type": "websocket.http.response.body", "body": b"half", "more_body": True}
        for messages in ([start], [start, body]):
            denied = self.assert_denied(
                self.hidden(raising(ValueError("boom"), *messages)).websocket_connect("/")
            )
            self.assertEqual(500, denied.response.status_code)

    def test_raise_after_a_denial(self) -> None:
        """The denial stands as it was sent, and the exception is its cause."""
        error = ValueError("boom")
        for messages, status, code in (([close(4003)], 403, 4003), (deny(418), 418, 1006)):
            session = self.hidden(raising(error, *messages)).websocket_connect("/")
            denied = self.assert_denied(session)
            self.assertEqual((status, code), (denied.response.status_code, denied.code))
            self.assertIs(error, denied.__cause__)

    def test_raise_after_accept(self) -> None:
        """The session is closed with 1011, once what came before is read."""
        client = self.hidden(raising(ValueError("boom"), ACCEPT, text("a")))
        with client.websocket_connect("/") as session:
            self.assertEqual("a", session.receive_text())
            self.assert_closed(session.receive_text, 1011)
            self.assert_closed(session.receive_text, 1011)
            self.assertEqual((1011, ""), (session.close_code, session.close_reason))

    def test_raise_after_the_close(self) -> None:
        """After the application's close, its exception changes nothing."""
        client = self.hidden(raising(ValueError("boom"), ACCEPT, close(4001, "bye")))
        with client.websocket_connect("/") as session:
            self.assert_closed(session.receive_text, 4001, "bye")

    def test_raise_after_the_disconnect(self) -> None:
        """What the application raises when the client has left is nobody's business."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await until_disconnect(receive)
            raise ValueError("boom")

        with self.hidden(app).websocket_connect("/") as session:
            session.close(4001)
        self.assertEqual(4001, session.close_code)

    def test_violations_are_raised(self) -> None:
        """A broken rule is raised all the same, in the handshake and after it."""
        with self.assertRaises(ProtocolError) as caught:
            with self.hidden(answering(text("x"))).websocket_connect("/"):
                self.fail("the block was entered")
        self.assertEqual("WS-CONN-02", caught.exception.rule)
        with self.assertRaises(ProtocolError) as caught:
            with self.hidden(answering(ACCEPT, ACCEPT)).websocket_connect("/") as session:
                session.receive()
        self.assertEqual("WS-ACC-01", caught.exception.rule)


def send_of(**fields: Any) -> Message:
    """Return a websocket.send with these keys."""
    return {"type": "websocket.send", **fields}


def close_of(**fields: Any) -> Message:
    """Return a websocket.close with these keys."""
    return {"type": "websocket.close", **fields}


def accept_of(**fields: Any) -> Message:
    """Return a websocket.accept with these keys."""
    return {"type": "websocket.accept", **fields}


DENY_START: Message = {"type": "websocket.http.response.start", "status": 403}
DENY_BODY: Message = {"type": "websocket.http.response.body"}
DENY_PART: Message = {"type": "websocket.http.response.body", "more_body": True}

#: What no application may send on a WebSocket, in whichever state it is.
WRONG_MESSAGES: list[tuple[str, Any]] = [
    ("EVT-01", None),
    ("EVT-01", ["websocket.send"]),
    ("EVT-01", {}),
    ("EVT-01", {"type": b"websocket.send"}),
    ("EVT-03", {"type": "http.response.start", "status": 200}),
    ("EVT-03", {"type": "http.response.body"}),
    ("EVT-03", {"type": "lifespan.startup.complete"}),
    ("EVT-05", {"type": "websocket.receive", "text": "x"}),
    ("EVT-05", {"type": "websocket.disconnect", "code": 1000}),
    ("EVT-05", {"type": "chat.message"}),
]

#: Rule and messages instead of an answer to the handshake; the last of them breaks the rule.
WRONG_HANDSHAKES: list[tuple[str, list[Any]]] = [
    *((rule, [message]) for rule, message in WRONG_MESSAGES),
    ("WS-CONN-02", [text("x")]),
    ("WS-ACC-02", [accept_of(subprotocol=b"a")]),
    ("WS-ACC-03", [accept_of(subprotocol="b")]),
    ("WS-ACC-03", [accept_of(subprotocol="")]),
    ("WS-ACC-04", [accept_of(headers=None)]),
    ("WS-ACC-04", [accept_of(headers={})]),
    ("WS-ACC-04", [accept_of(headers=[(b"a", b"b", b"c")])]),
    ("WS-ACC-04", [accept_of(headers=[("a", b"b")])]),
    ("WS-ACC-04", [accept_of(headers=[(b"a", "b")])]),
    ("WS-ACC-04", [accept_of(headers=[(b":status", b"101")])]),
    ("WS-ACC-04", [accept_of(headers=[(b"a b", b"c")])]),
    ("WS-ACC-04", [accept_of(headers=[(b"a", b"b\r\nc: d")])]),
    ("WS-ACC-05", [accept_of(headers=[(b"Sec-WebSocket-Protocol", b"a")])]),
    ("WS-CLOSE-04", [close_of(code=None)]),
    ("WS-CLOSE-04", [close_of(code="1000")]),
    ("WS-DENY-02", [DENY_BODY]),
    ("WS-DENY-02", [DENY_START, ACCEPT]),
    ("WS-DENY-02", [DENY_START, close()]),
    ("WS-DENY-02", [DENY_START, text("x")]),
    ("WS-DENY-02", [DENY_START, DENY_START]),
    ("WS-DENY-02", [DENY_START, DENY_PART, ACCEPT]),
    ("WS-DENY-02", [{**DENY_START, "status": "403"}]),
    ("WS-DENY-02", [{"type": "websocket.http.response.start"}]),
    ("WS-DENY-02", [DENY_START, {**DENY_BODY, "body": "x"}]),
    ("WS-DENY-02", [DENY_START, {**DENY_BODY, "more_body": 1}]),
    ("HTTP-START-03", [{**DENY_START, "status": 101}]),
    ("HTTP-START-05", [{**DENY_START, "headers": [("a", b"b")]}]),
    ("HTTP-FRAME-03", [{**DENY_START, "headers": [(b"content-length", b"2")]}, DENY_BODY]),
]

#: Rule and messages after the handshake was answered; the last of them breaks the rule.
WRONG_AFTERWARDS: list[tuple[str, list[Any]]] = [
    *((rule, [ACCEPT, message]) for rule, message in WRONG_MESSAGES),
    ("WS-ACC-01", [ACCEPT, ACCEPT]),
    ("WS-SEND-01", [ACCEPT, send_of()]),
    ("WS-SEND-01", [ACCEPT, send_of(text=None, bytes=None)]),
    ("WS-SEND-01", [ACCEPT, send_of(text="a", bytes=b"b")]),
    ("WS-SEND-01", [ACCEPT, send_of(text="", bytes=b"")]),
    ("WS-SEND-02", [ACCEPT, send_of(text=b"a")]),
    ("WS-SEND-02", [ACCEPT, send_of(bytes="a")]),
    ("WS-SEND-02", [ACCEPT, send_of(text={"a": 1})]),
    ("WS-SEND-04", [ACCEPT, send_of(text="a\ud800")]),
    ("WS-SEND-03", [ACCEPT, close(), text("x")]),
    ("WS-ACC-01", [ACCEPT, close(), ACCEPT]),
    ("WS-CLOSE-07", [ACCEPT, close(), close()]),
    *(("WS-CLOSE-04", [ACCEPT, close_of(code=code)]) for code in (None, "1000", 1000.0, True)),
    *(
        ("WS-CLOSE-05", [ACCEPT, close_of(code=code)])
        for code in (-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)
    ),
    ("WS-CLOSE-06", [ACCEPT, close_of(reason=b"bye")]),
    ("WS-CLOSE-06", [ACCEPT, close_of(reason=["bye"])]),
    ("WS-CLOSE-06", [ACCEPT, close_of(reason="é" * 62)]),
    ("WS-CLOSE-06", [ACCEPT, close_of(reason="\ud800")]),
    ("WS-DENY-01", [ACCEPT, DENY_START]),
    ("WS-DENY-01", [ACCEPT, DENY_BODY]),
    ("WS-DENY-01", [ACCEPT, close(), DENY_START]),
    ("WS-SEND-03", [close(), text("x")]),
    ("WS-CLOSE-07", [close(), close()]),
    ("WS-ACC-01", [close(), ACCEPT]),
    ("WS-DENY-02", [close(), DENY_START]),
    ("WS-DENY-02", [DENY_START, DENY_BODY, DENY_BODY]),
    ("WS-CLOSE-07", [DENY_START, DENY_BODY, close()]),
    ("WS-ACC-01", [DENY_START, DENY_BODY, ACCEPT]),
]


class ViolationTest(WebSocketTestCase):
    """Every broken rule surfaces, whatever the application makes of it."""

    def violation(self, client: TestClient) -> ProtocolError:
        """Open a session, receive up to its end and leave it; return the violation raised."""
        with self.assertRaises(ProtocolError) as caught:
            with client.websocket_connect("/", subprotocols=["a"]) as session:
                with contextlib.suppress(WebSocketDisconnect):
                    while True:
                        session.receive()
        return caught.exception

    def test_raised_out_of_send(self) -> None:
        """A broken rule is raised out of send(), and by the client's call as well."""
        for rule, messages in (*WRONG_HANDSHAKES, *WRONG_AFTERWARDS):
            with self.subTest(rule=rule, messages=messages):
                inside: list[ProtocolError] = []
                app = noting(messages, inside)
                with TestClient(app) as client:
                    error = self.violation(client)
                self.assertEqual(rule, error.rule)
                self.assertEqual([str(error)], [str(violation) for violation in inside])
                self.assertTrue(str(error).endswith(f"[{rule}]"), str(error))
                if isinstance(messages[-1], dict) and isinstance(messages[-1].get("type"), str):
                    self.assertEqual(messages[-1]["type"], error.message_type)
                    self.assertIn(messages[-1]["type"], str(error))

    def test_swallowed_in_the_handshake(self) -> None:
        """A broken rule in the handshake is raised although the application then accepts."""
        for rule, messages in WRONG_HANDSHAKES:
            is_denying = messages[0] == DENY_START
            answer = [DENY_BODY] if is_denying else [ACCEPT]
            with self.subTest(rule=rule, messages=messages):
                with TestClient(answering(*messages, *answer, swallow=True)) as client:
                    self.assertEqual(rule, self.violation(client).rule)

    def test_swallowed_afterwards(self) -> None:
        """A broken rule after the answer is raised although the application goes on."""
        for rule, messages in WRONG_AFTERWARDS:
            with self.subTest(rule=rule, messages=messages):
                with TestClient(answering(*messages, swallow=True)) as client:
                    self.assertEqual(rule, self.violation(client).rule)

    def test_raised_once(self) -> None:
        """A test that catches the violation does not see it again when it leaves the block."""
        for swallow in (False, True):
            app = answering(ACCEPT, text("a"), ACCEPT, swallow=swallow)
            with self.connect(app) as session:
                self.assertEqual("a", session.receive_text())
                with self.assertRaises(ProtocolError):
                    session.receive_text()

    def test_unread_violation_is_raised_by_leaving(self) -> None:
        """A violation that the test did not wait for is raised when the block is left."""
        for swallow in (False, True):
            client = self.enter_client(answering(ACCEPT, ACCEPT, swallow=swallow))
            with self.assertRaises(ProtocolError):
                with client.websocket_connect("/"):
                    client.call(anyio.wait_all_tasks_blocked)

    def test_first_of_several(self) -> None:
        """Of several broken rules the first is raised."""
        app = answering(ACCEPT, send_of(), close_of(code=1), ACCEPT, swallow=True)
        self.assertEqual("WS-SEND-01", self.violation(self.enter_client(app)).rule)

    def test_violation_comes_before_the_exception_it_causes(self) -> None:
        """When the application turns the error into its own, the violation is raised."""
        for is_linked in (True, False):

            @websocket_app
            async def app(scope: Any, receive: Any, send: Any, is_linked: bool = is_linked) -> None:
                await receive()
                try:
                    await send(text("x"))
                except ProtocolError as error:
                    if is_linked:
                        raise LookupError("own") from error
                raise LookupError("own")

            self.assertEqual("WS-CONN-02", self.violation(self.enter_client(app)).rule)

    def test_exception_after_a_swallowed_violation(self) -> None:
        """An exception that has nothing to do with the violation is the context of it."""

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            with contextlib.suppress(ProtocolError):
                await send(text("x"))
            raise LookupError("own")

        error = self.violation(self.enter_client(app))
        self.assertEqual("WS-CONN-02", error.rule)
        self.assertIsInstance(error.__context__, LookupError)

    def test_return_without_an_answer(self) -> None:
        """Returning without an answer is a violation, with or without having received."""

        @websocket_app
        async def receiving(scope: Any, receive: Any, send: Any) -> None:
            await receive()

        @websocket_app
        async def silent(scope: Any, receive: Any, send: Any) -> None:
            return

        for app in (receiving, silent):
            self.assertEqual("WS-CONN-05", self.violation(self.enter_client(app)).rule)

    def test_return_in_the_middle_of_a_denial(self) -> None:
        """Returning before a denial response is complete is a violation."""
        for messages in ([DENY_START], [DENY_START, DENY_PART]):

            @websocket_app
            async def app(scope: Any, receive: Any, send: Any, messages: Any = messages) -> None:
                await receive()
                for message in messages:
                    await send(message)

            self.assertEqual("WS-DENY-02", self.violation(self.enter_client(app)).rule)

    def test_application_is_ended_after_a_violation_in_the_handshake(self) -> None:
        """An application that swallows a violation in the handshake is told of the end."""
        events: list[Message] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            with contextlib.suppress(ProtocolError):
                await send(text("x"))
            events.append(await until_disconnect(receive))

        client = self.enter_client(app)
        self.violation(client)
        client.call(anyio.wait_all_tasks_blocked)
        self.assertEqual(["websocket.disconnect"], [event["type"] for event in events])

    def test_denial_extension_on_other_scopes(self) -> None:
        """Denial messages belong to WebSockets alone."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            await send(DENY_START)

        client = self.enter_client(app)
        with self.assertRaises(ProtocolError) as caught:
            client.get("/")
        self.assertEqual("EVT-03", caught.exception.rule)

    def test_denial_that_is_not_announced(self) -> None:
        """When a test takes the extension out of the scope, using it is a violation."""
        client = self.enter_client(answering(*deny(403)), scope={"extensions": {}})
        self.assertEqual("EXT-02", self.violation(client).rule)


class DeadlineTest(WebSocketTestCase):
    """Waits that end by their deadline."""

    def test_receive(self) -> None:
        """A receive ends at the deadline, says what was awaited, and the session goes on."""
        with self.connect(echo, "/chat") as session:
            session.send_text("before")
            self.assertEqual("before", session.receive_text())
            for receive in (
                session.receive,
                session.receive_text,
                session.receive_bytes,
                session.receive_json,
            ):
                with self.assertRaises(DeadlineExceeded) as caught:
                    receive(timeout=0.05)
                self.assertIn("/chat", caught.exception.waiting_for)
                self.assertIn("websocket.send text='before'", str(caught.exception))
            session.send_text("after")
            self.assertEqual("after", session.receive_text())

    def test_timeout_of_the_session(self) -> None:
        """The session's timeout holds for its receives, and goes before the client's."""
        client = self.enter_client(echo, timeout=0.05)
        with client.websocket_connect("/") as session:
            with self.assertRaisesRegex(DeadlineExceeded, "0.05 s passed"):
                session.receive_text()
        with client.websocket_connect("/", timeout=0.06) as session:
            with self.assertRaisesRegex(DeadlineExceeded, "0.06 s passed"):
                session.receive_text()
            with self.assertRaisesRegex(DeadlineExceeded, "0.07 s passed"):
                session.receive_text(timeout=0.07)

    def test_leaving_after_a_deadline(self) -> None:
        """When the block ends by a receive's deadline, leaving takes a second at the most."""
        for timeout, expected in ((5, 1.0), (None, 1.0), (0.5, 0.5)):
            client = self.enter_client(echo, timeout=timeout)
            with waits() as seen:
                with self.assertRaises(DeadlineExceeded):
                    with client.websocket_connect("/") as session:
                        session.receive_text(timeout=0.05)
            self.assertEqual(expected, seen[-1].seconds)

    def test_leaving_without_a_deadline_before(self) -> None:
        """Otherwise leaving takes up to the session's timeout."""
        client = self.enter_client(echo, timeout=5)
        with waits() as seen:
            with self.assertRaises(ZeroDivisionError):
                with client.websocket_connect("/"):
                    raise ZeroDivisionError
        self.assertEqual(5.0, seen[-1].seconds)
        with waits() as seen:
            with client.websocket_connect("/") as session:
                with self.assertRaises(DeadlineExceeded):
                    session.receive_text(timeout=0.05)
        self.assertEqual(5.0, seen[-1].seconds)

    def test_no_deadline(self) -> None:
        """None is no deadline, for a session and for a call."""
        client = self.enter_client(echo, timeout=0.05)
        with client.websocket_connect("/", timeout=None) as session:
            session.send_text("x")
            self.assertEqual("x", session.receive_text())
        with client.websocket_connect("/") as session:
            session.send_text("x")
            self.assertEqual("x", session.receive_text(timeout=None))

    def test_wrong_timeout(self) -> None:
        """A timeout that is no time is refused."""
        client = self.enter_client(echo)
        for timeout in (0, -1, "1", True):
            with self.subTest(timeout=timeout):
                with self.assertRaises(ValueError):
                    with client.websocket_connect("/", timeout=timeout):
                        pass
                with client.websocket_connect("/") as session:
                    with self.assertRaises(ValueError):
                        session.receive_text(timeout=timeout)

    def test_client_call_from_the_application(self) -> None:
        """A session that is used on the loop's own thread says so instead of waiting for itself."""
        sessions: list[WebSocketSession] = []
        errors: list[BaseException] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            await receive()
            for use in (
                lambda: sessions[0].receive_text(),
                lambda: sessions[0].send_text("x"),
                lambda: sessions[0].close(),
                lambda: sessions[0].response.close(),
                lambda: client.websocket_connect("/").__enter__(),
            ):
                try:
                    use()
                except ASGITestError as error:
                    errors.append(error)
            await send(text("done"))
            events.append(await receive())

        events: list[Any] = []
        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            sessions.append(session)
            session.send_text("go")
            self.assertEqual("done", session.receive_text())
        self.assertEqual(5, len(errors), errors)
        # None of them ended the session, which its block leaves as usual.
        self.assertEqual([1000], [event["code"] for event in events])
        for error in errors:
            self.assertIn("the event loop's own thread", str(error))


class BackPressureTest(WebSocketTestCase):
    """What lies unread is bounded."""

    CHUNK = "x" * (64 * 1024)

    def test_send_waits_at_256_kib(self) -> None:
        """send() returns while less than 256 KiB is unread, then waits for the test to read."""
        sent: list[int] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            for number in range(8):
                await send(text(self.CHUNK))
                sent.append(number)
            await until_disconnect(receive)

        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            self.assertEqual([0, 1, 2], sent)
            session.receive_text()
            client.call(anyio.wait_all_tasks_blocked)
            self.assertEqual([0, 1, 2, 3], sent)
            for _ in range(7):
                self.assertEqual(self.CHUNK, session.receive_text())
            client.call(anyio.wait_all_tasks_blocked)
            self.assertEqual(list(range(8)), sent)

    def test_binary_messages_count_too(self) -> None:
        """Bytes lie in the same mailbox."""
        sent: list[int] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            for number in range(8):
                await send({"type": "websocket.send", "bytes": self.CHUNK.encode()})
                sent.append(number)

        client = self.enter_client(app, **UNCLOSED)
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            self.assertEqual([0, 1, 2], sent)
            self.assertEqual(8, len([session.receive_bytes() for _ in range(8)]))

    def test_empty_messages_are_bounded(self) -> None:
        """An endless stream of empty messages waits too."""
        sent = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            while True:
                await send(text(""))
                sent.append(None)

        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            for _ in range(3):
                self.assertEqual("", session.receive_text())
            client.call(anyio.wait_all_tasks_blocked)
            count = len(sent)
            client.call(anyio.wait_all_tasks_blocked)
            self.assertEqual(count, len(sent))

    def test_endless_sender_is_read_at_constant_memory(self) -> None:
        """However much a test reads, no more than the bound lies unread."""
        unread, most = [0], [0]

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            while True:
                unread[0] += 1
                most[0] = max(most[0], unread[0])
                await send(text(self.CHUNK))

        with self.connect(app) as session:
            for _ in range(300):
                session.receive_text()
                unread[0] -= 1
        # Four fill the mailbox; one is being sent, and one was taken but not counted yet.
        self.assertLessEqual(most[0], 6)

    def test_leaving_with_a_full_mailbox(self) -> None:
        """Leaving the block releases a send() that waits for the reader."""
        outcome: list[Any] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            try:
                for _ in range(20):
                    await send(text(self.CHUNK))
            except OSError as error:
                outcome.append(type(error))
                raise

        client = self.enter_client(app)
        with client.websocket_connect("/"):
            client.call(anyio.wait_all_tasks_blocked)
        self.assertEqual([ClientDisconnected], outcome)

    def test_close_behind_a_full_mailbox(self) -> None:
        """A test that leaves without reading lets the application's close pass too."""
        ended = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            for _ in range(3):
                await send(text(self.CHUNK))
            await send(text(self.CHUNK[:-1000]))
            await send(close(4001))
            ended.append(True)

        client = self.enter_client(app)
        with client.websocket_connect("/"):
            client.call(anyio.wait_all_tasks_blocked)
        self.assertEqual([True], ended)


def noting_waits(attached: list[object]) -> Any:
    """Return a stand-in for ``Connection.attach`` that notes who waits behind the handshake."""
    original = Connection.attach

    def attach(connection: Any, watch: Any) -> None:
        original(connection, watch)
        if connection.protocol.answered:
            attached.append(watch)

    return attach


@contextlib.contextmanager
def waits() -> Iterator[list[Wait]]:
    """Note each wait of a thread for the loop."""
    seen: list[Wait] = []
    original = Portal.wait_for

    def wait_for(portal: Portal, wait: Wait, call: Any) -> Any:
        seen.append(wait)
        return original(portal, wait, call)

    with mock.patch.object(Portal, "wait_for", wait_for):
        yield seen


class MemoryTest(WebSocketTestCase):
    """What is over is forgotten."""

    def test_left_sessions_are_forgotten(self) -> None:
        """A client keeps nothing of a session that was left, or interrupted."""

        class Thing:
            """Something that can be referred to weakly."""

        references: list[weakref.ref[Thing]] = []

        @websocket_app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            thing = scope["thing"] = Thing()
            references.append(weakref.ref(thing))
            await receive()
            await send(ACCEPT)
            await until_disconnect(receive)

        def open_and_leave(error: BaseException | None) -> None:
            with contextlib.suppress(KeyboardInterrupt):
                with client.websocket_connect("/"):
                    if error is not None:
                        raise error

        client = self.enter_client(app)
        for error in (None, KeyboardInterrupt()):
            open_and_leave(error)
            del error
            client.call(anyio.wait_all_tasks_blocked)
            # A task of asyncio is forgotten in the turn after its last one.
            client.call(anyio.lowlevel.checkpoint)
        gc.collect()
        self.assertEqual([None, None], [reference() for reference in references])


class ForeignAnswerTest(WebSocketTestCase):
    """A handshake that is not answered by an application."""

    def test_answer_of_another_adapter(self) -> None:
        """What another adapter answers to a handshake is a denial with its response."""

        class Adapter(BaseAdapter):
            """Answers everything with 404."""

            def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
                response = requests.Response()
                response.status_code = 404
                response.request = request
                response._content = b"no such host"
                return response

            def close(self) -> None:
                """Nothing is open."""

        client = self.enter_client(echo)
        client.mount("http://other.test", Adapter())
        denied = self.assert_denied(client.websocket_connect("ws://other.test/"))
        self.assertEqual((404, 1006), (denied.response.status_code, denied.code))
        self.assertIsNone(denied.__cause__)


class HopTest(WebSocketTestCase):
    """How often the test's thread waits for the loop."""

    def test_mailbox_is_read_without_a_hop(self) -> None:
        """Messages that have come are taken without a wait, the close included."""
        messages = [text(str(number)) for number in range(100)]
        client = self.enter_client(answering(ACCEPT, *messages, close(4001)))
        with client.websocket_connect("/") as session:
            client.call(anyio.wait_all_tasks_blocked)
            with waits() as hops:
                for number in range(100):
                    self.assertEqual(str(number), session.receive_text())
                self.assert_closed(session.receive_text, 4001)
                self.assert_closed(session.receive_text, 4001)
            self.assertEqual([], hops)

    def test_sending_is_no_hop(self) -> None:
        """Sending and closing do not wait for the application."""
        with self.connect(Recorder()) as session:
            with waits() as hops:
                session.send_text("a")
                session.send_bytes(b"b")
                session.send_json({})
                session.close()
            self.assertEqual([], hops)

    def test_hops_of_a_whole_session(self) -> None:
        """A handshake, an answer that did not come yet, and the end are one wait each."""
        client = self.enter_client(echo)
        with waits() as hops:
            with client.websocket_connect("/") as session:
                session.send_text("a")
                session.receive_text()
        self.assertIn(len(hops), (2, 3), hops)


class Room:
    """An application in which whoever sends is heard by all."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            raise NotImplementedError
        await receive()
        await send(ACCEPT)
        name = scope["path"][1:]
        self.members[name] = send
        try:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    break
                for member in list(self.members.values()):
                    await member(text(f"{name}: {event['text']}"))
        finally:
            del self.members[name]
        for member in list(self.members.values()):
            await member(text(f"{name} left"))


class ManySessionsTest(WebSocketTestCase):
    """Several sessions at once."""

    def test_two_sessions_talk(self) -> None:
        """Two sessions of one client meet in the application."""
        client = self.enter_client(Room())
        with client.websocket_connect("/ann") as ann:
            with client.websocket_connect("/bob") as bob:
                ann.send_text("hello")
                self.assertEqual("ann: hello", ann.receive_text())
                self.assertEqual("ann: hello", bob.receive_text())
                bob.send_text("hi")
                self.assertEqual("bob: hi", ann.receive_text())
                self.assertEqual("bob: hi", bob.receive_text())
            self.assertEqual("bob left", ann.receive_text())

    def test_sessions_of_several_clients(self) -> None:
        """Clients of one running application have cookies of their own, and meet in it."""
        room = Room()
        client = self.enter_client(room, cookies={"user": "ann"})
        other = client.new_client(cookies={"user": "bob"})
        with client.websocket_connect("/ann") as ann, other.websocket_connect("/bob") as bob:
            bob.send_text("hi")
            self.assertEqual("bob: hi", ann.receive_text())
            self.assertEqual("bob: hi", bob.receive_text())
            for session, cookie in ((ann, b"user=ann"), (bob, b"user=bob")):
                self.assertIn((b"cookie", cookie), session.scope["headers"])

    def test_200_sessions(self) -> None:
        """200 open sessions share one loop in one thread, or in the test's own."""
        room = Room()
        before = running_threads()
        client = self.enter_client(room)
        with contextlib.ExitStack() as stack:
            sessions = [
                stack.enter_context(client.websocket_connect(f"/{number}")) for number in range(200)
            ]
            self.assertEqual(0 if INLINE else 1, len(running_threads() - before))
            sessions[7].send_text("hello")
            for session in sessions:
                self.assertEqual("7: hello", session.receive_text())
            self.assertEqual(200, len(room.members))
            # Whoever leaves is announced to all who stay, who need not read it.
        self.assertEqual({}, room.members)

    @on_thread("threads of the test use one client")
    def test_sessions_in_threads(self) -> None:
        """Threads may have sessions of their own on one client."""
        client = self.enter_client(echo)
        answers: dict[int, str] = {}

        def talk(number: int) -> None:
            with client.websocket_connect(f"/{number}") as session:
                for turn in range(20):
                    session.send_text(f"{number} {turn}")
                    answers[number] = session.receive_text()

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({number: f"{number} 19" for number in range(8)}, answers)

    def test_http_while_a_session_is_open(self) -> None:
        """Requests are served on the same loop while a session is open."""
        sends: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await receive()
                await send(ACCEPT)
                sends.append(send)
                await until_disconnect(receive)
            elif scope["type"] == "http":
                await sends[0](text(scope["path"]))
                await send({"type": "http.response.start", "status": 204})
                await send({"type": "http.response.body"})
            else:
                raise NotImplementedError

        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            self.assertEqual(204, client.post("/publish").status_code)
            self.assertEqual("/publish", session.receive_text())


class HandmadeHandshakeTest(WebSocketTestCase):
    """A handshake that is sent as a request with the headers of one."""

    def test_accepted(self) -> None:
        """A request with the headers of a handshake is one, and its response is a 101."""
        app = Recorder({"type": "websocket.accept", "headers": [(b"x-a", b"1")]})
        client = self.enter_client(app)
        response = client.get("/chat", headers=UPGRADE)
        self.assertEqual(101, response.status_code)
        self.assertEqual("1", response.headers["x-a"])
        self.assertEqual(b"", response.content)
        self.assertEqual("websocket", app.scopes[0]["type"])
        self.assertEqual("ws", app.scopes[0]["scheme"])
        self.assertEqual([], app.events)
        response.close()
        self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)

    def test_streamed(self) -> None:
        """In a with block of a streamed response the connection ends with the block."""
        app = Recorder()
        client = self.enter_client(app)
        with client.get("/chat", headers=UPGRADE, stream=True) as response:
            self.assertEqual(101, response.status_code)
            self.assertEqual([], app.events)
        self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)

    def test_denied(self) -> None:
        """A denial is an ordinary response."""
        client = self.enter_client(answering(*deny(401, b"no")))
        response = client.get("/", headers=UPGRADE)
        self.assertEqual((401, b"no"), (response.status_code, response.content))
        client = self.enter_client(answering(close(4003)))
        self.assertEqual(403, client.get("/", headers=UPGRADE).status_code)

    def test_without_all_headers_it_is_http(self) -> None:
        """A request that lacks a part of the handshake is an HTTP request."""
        types: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            types.append(scope["type"])
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

        client = self.new_client(app)
        for name in ("Connection", "Upgrade", "Sec-WebSocket-Key"):
            headers = {other: value for other, value in UPGRADE.items() if other != name}
            client.get("/", headers=headers)
        self.assertEqual(["http"] * 3, types)

    def test_through_a_plain_session(self) -> None:
        """The adapter does the same in any session of requests."""
        app = Recorder()
        with ASGIAdapter(app) as adapter, requests.Session() as session:
            session.mount("http://testserver", adapter)
            with session.get("http://testserver/", headers=UPGRADE, stream=True) as response:
                self.assertEqual(101, response.status_code)
        self.assertEqual([{"type": "websocket.disconnect", "code": 1006}], app.events)


class WithoutFrameworkTest(CleanTestCase):
    """The classes of the exceptions, while Starlette is not loaded."""

    def test_plain_classes_without_starlette(self) -> None:
        """Without starlette.websockets loaded the exceptions are of the plain classes."""
        program = textwrap.dedent(
            """
            import sys
            from asgitest import TestClient, WebSocketDenied, WebSocketDisconnect

            async def app(scope, receive, send):
                if scope["type"] != "websocket":
                    raise NotImplementedError
                await receive()
                if scope["path"] == "/open":
                    await send({"type": "websocket.accept"})
                await send({"type": "websocket.close", "code": 4001})

            with TestClient(app) as client:
                with client.websocket_connect("/open") as session:
                    try:
                        session.receive_text()
                    except WebSocketDisconnect as error:
                        assert type(error) is WebSocketDisconnect, type(error).__mro__
                try:
                    client.websocket_connect("/").__enter__()
                except WebSocketDenied as error:
                    assert type(error) is WebSocketDenied, type(error).__mro__
            assert "starlette" not in sys.modules
            print("plain")
            """
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(("plain\n", 0), (done.stdout, done.returncode), done.stderr)
