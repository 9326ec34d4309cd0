"""Bad input of a test: refused with a text, before the application is called."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import requests

from asgitest import ASGIAdapter, ASGITestCase, TestClient
from asgitest._input import check_close, check_lost_code

from .base import CleanTestCase


class Row(NamedTuple):
    """Bad input.

    :ivar error: what is raised
    :ivar text: part of its text
    :ivar call: hands it in
    """

    error: type[Exception]
    text: str
    call: Callable[[TestClient], Any]


class Option(NamedTuple):
    """A bad value of an option.

    :ivar name: name of the option
    :ivar value: the value
    :ivar error: what is raised
    :ivar text: part of its text
    """

    name: str
    value: Any
    error: type[Exception]
    text: str


class Unreadable:
    """What has no repr."""

    def __repr__(self) -> str:
        raise RuntimeError


def get(**options: Any) -> Callable[[TestClient], Any]:
    """Return the call of a request."""
    return lambda client: client.get("/", **options)


def post(**options: Any) -> Callable[[TestClient], Any]:
    """Return the call of a request with a body."""
    return lambda client: client.post("/", **options)


def at(url: Any) -> Callable[[TestClient], Any]:
    """Return the call of a request to a URL."""
    return lambda client: client.get(url)


def connect(url: Any = "/", **options: Any) -> Callable[[TestClient], Any]:
    """Return the call that prepares a WebSocket."""
    return lambda client: client.websocket_connect(url, **options)


def prepared(**changes: Any) -> Callable[[TestClient], Any]:
    """Return the call that sends a prepared request of which something was changed."""

    def call(client: TestClient) -> Any:
        request = client.prepare_request(requests.Request("POST", "/"))
        for name, value in changes.items():
            setattr(request, name, value)
        return client.send(request)

    return call


REQUESTS = (
    Row(ValueError, "value: 'b\\nc'", get(headers={"a": "b\nc"})),
    Row(ValueError, "value: b'b\\r\\nc'", get(headers=[("a", b"b\r\nc")])),
    Row(ValueError, "neither CR, LF nor NUL: b'b\\x00c'", get(headers={"a": "b\0c"})),
    Row(ValueError, "neither CR, LF nor NUL: b'b\\nc'", prepared(headers={"a": "b\nc"})),
    Row(ValueError, "its name must be a token", get(headers={"a b": "c"})),
    Row(ValueError, "must be encodable as latin-1, or given as bytes, not '\u20ac'",
        get(headers={"a": "\u20ac"})),
    Row(ValueError, "pseudo header ':method'", prepared(headers={":method": "GET"})),
    Row(ValueError, "must be of type str or bytes", get(headers={"a": 5})),
    Row(TypeError, "headers must be a mapping or a list of (name, value), not int: 5",
        get(headers=5)),
    Row(TypeError, "headers must be a mapping or a list of (name, value), not str: 'a: b'",
        get(headers="a: b")),
    Row(ValueError, "headers must be a mapping or a list of (name, value), not ('a',)",
        get(headers=[("a",)])),
    Row(TypeError, "cookies must be a mapping of names to values or a cookie jar, not int: 5",
        get(cookies=5)),
    Row(TypeError, "data must be form fields, bytes, str, a file or an iterable of bytes, not int",
        post(data=5)),
    Row(TypeError, "data must be form fields, bytes, str, a file or an iterable of bytes, "
        "not object", post(data=object())),
    Row(TypeError, "data must be form fields, bytes, str, a file or an iterable of bytes, "
        "not Unreadable: <tests.test_bad_input.Unreadable object", post(data=Unreadable())),
    Row(TypeError, "data must be a list of (name, value) if it is a list, not list: [1, 2]",
        post(data=[1, 2])),
    Row(TypeError, "a request's body must be bytes, str, a file or an iterable of bytes, not int",
        prepared(body=5)),
    Row(ValueError, "timeout must be a positive number of seconds", get(timeout=-1)),
    Row(ValueError, "timeout must be a positive number of seconds", get(timeout="5")),
    Row(TypeError, "url must be a URL, not NoneType: None", at(None)),
    Row(TypeError, "url must be a URL, not int: 5", at(5)),
    Row(ValueError, "IPv6", at("http://[::1")),
    Row(ValueError, "http://:80/", at("http://:80/")),
    Row(ValueError, "http://testserver:99999/", at("http://testserver:99999/")),
    Row(ValueError, "ftp://testserver/", at("ftp://testserver/")),
)  # fmt: skip

WEBSOCKETS = (
    Row(ValueError, "must have the scheme ws, wss, http or https, not 'ftp://testserver/'",
        connect("ftp://testserver/")),
    Row(TypeError, "url must be a URL, not NoneType: None", connect(None)),
    Row(TypeError, "subprotocols must be a list of str, not one, not str: 'chat'",
        connect(subprotocols="chat")),
    Row(TypeError, "subprotocols must be a list of str, not int: 5", connect(subprotocols=5)),
    Row(TypeError, "each of the subprotocols must be str, not bytes: b'chat'",
        connect(subprotocols=[b"chat"])),
    Row(ValueError, "each of the subprotocols must be a token (letters, digits and "
        "!#$%&'*+-.^_`|~), not 'a, b'", connect(subprotocols=["chat", "a, b"])),
    Row(ValueError, "not ''", connect(subprotocols=[""])),
    Row(TypeError, "takes no 'data'", connect(data=b"a")),
    Row(TypeError, "headers must be a mapping", connect(headers=5)),
    Row(TypeError, "cookies must be a mapping", connect(cookies=5)),
    Row(ValueError, "timeout must be a positive number of seconds", connect(timeout=0)),
)  # fmt: skip

OPTIONS = (
    Option("root_path", "api", ValueError, "begin with a slash and not end with one"),
    Option("root_path", "/api/", ValueError, "such as '/api', not '/api/'"),
    Option("root_path", "/", ValueError, "not '/'"),
    Option("root_path", None, TypeError, "root_path must be str, not NoneType: None"),
    Option("client_address", "127.0.0.1", TypeError,
           "client_address must be a pair of host (str) and port (int), or None, not str"),
    Option("client_address", ("127.0.0.1", "80"), TypeError, "not tuple: ('127.0.0.1', '80')"),
    Option("client_address", ("127.0.0.1", None), TypeError, "pair of host (str) and port (int)"),
    Option("client_address", ("127.0.0.1", True), TypeError, "pair of host (str) and port (int)"),
    Option("client_address", (1, 2), TypeError, "pair of host (str) and port (int)"),
    Option("client_address", ("a", 1, 2), TypeError, "pair of host (str) and port (int)"),
    Option("client_address", ("a", 65536), ValueError, "a port from 0 to 65535, not 65536"),
    Option("server_address", ("a", -1), ValueError, "a port from 0 to 65535, not -1"),
    Option("server_address", "a:80", TypeError, "or of the path of a socket and None, or None"),
    Option("scope", [("a", 1)], TypeError, "scope must be a mapping of keys to merge"),
    Option("scope", {1: 2}, TypeError, "scope must be a mapping whose keys are str, not dict"),
    Option("cookies", 5, TypeError, "cookies must be a mapping of names to values or a cookie"),
    Option("headers", 5, TypeError, "headers must be a mapping or a list of (name, value)"),
    Option("headers", {"a": "b\nc"}, ValueError, "'b\\nc'"),
    Option("backend", "twisted", ValueError, "backend must be one of asyncio, uvloop, trio"),
    Option("backend_options", 5, TypeError, "backend_options must be a mapping, or None, not int"),
    Option("http_version", "3", ValueError, "http_version must be one of 1.0, 1.1, 2, not '3'"),
    Option("spec_version", "1.0", ValueError, "spec_version must be one of 2.0"),
    Option("timeout", -1, ValueError, "timeout must be a positive number of seconds"),
    Option("base_url", "testserver", ValueError, "base_url must be an absolute http or https URL"),
    Option("base_url", 5, ValueError, "base_url must be an absolute http or https URL"),
    Option("strict", "no", TypeError, "strict must be True or False, not str: 'no'"),
    Option("ignore_rules", "HTTP-BODY-05", TypeError, "a collection of rule ids"),
    Option("ignore_rules", {"HTTP-BODY-5"}, ValueError, "there is HTTP-BODY-05"),
    Option("ignore_rules", {"HTTP-BODY-07"}, ValueError, "HTTP-BODY-07 cannot be relaxed"),
)  # fmt: skip

#: Those that mean nothing to an adapter, whose session has its own.
SESSION_OPTIONS = ("headers",)

GOOD_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("root_path", ""),
    ("root_path", "/api/v1"),
    ("client_address", None),
    ("client_address", ["::1", 0]),
    ("server_address", ("/run/app.sock", None)),
    ("scope", {"user": object()}),
    ("cookies", requests.cookies.RequestsCookieJar()),
    ("backend_options", {}),
    ("ignore_rules", ["HTTP-BODY-05", "APP-10"]),
)


async def never(scope: Any, receive: Any, send: Any) -> None:
    """Be called by nobody."""
    raise AssertionError("the application was called")


class RequestTest(CleanTestCase):
    """What is wrong with a request is said before the application is called."""

    @contextlib.contextmanager
    def assert_refused(self, error: type[Exception], text: str) -> Iterator[None]:
        """Fail unless the input is refused with this text."""
        with self.assertRaises(error) as caught:
            yield
        self.assertIn(text, str(caught.exception))

    def test_requests(self) -> None:
        """A bad request starts no loop and calls no application."""
        self.check(REQUESTS)

    def test_websockets(self) -> None:
        """A bad WebSocket is refused when it is prepared."""
        self.check(WEBSOCKETS)

    def check(self, rows: tuple[Row, ...]) -> None:
        """Hand each bad input to a new client."""
        for number, row in enumerate(rows):
            with self.subTest(number, text=row.text):
                client = self.new_client(never)
                before = client._running._portal
                with self.assert_refused(row.error, row.text):
                    row.call(client)
                self.assertIsNone(before)
                self.assertIsNone(client._running._portal, "a loop was started")

    def test_part_of_a_body(self) -> None:
        """A part of a generator that is no bytes is a type error, at the time it is asked for."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()

        client = self.new_client(app)
        with self.assert_refused(TypeError, "must be bytes or str, not dict: {'a': 1}"):
            client.post("/", data=iter([{"a": 1}]))

    def test_any_session(self) -> None:
        """An adapter in a session of requests refuses what that lets pass."""
        with ASGIAdapter(never) as adapter, requests.Session() as session:
            session.mount("http://", adapter)
            with self.assert_refused(TypeError, "a request's body must be bytes, str, a file"):
                session.post("http://testserver/", data=5)  # type: ignore[arg-type]
            with self.assert_refused(ValueError, "must be encodable as latin-1"):
                session.get("http://testserver/", headers={"a": "\u20ac"})

    def test_good_requests(self) -> None:
        """What is unusual and right is sent."""
        bodies: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            bodies.append((await receive())["body"])
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

        client = self.new_client(app)
        client.post("/", data=[("a", "1"), ("a", "2")])
        client.post("/", data=())
        client.post("/", data=bytearray(b"bytes"))
        client.post(b"/", data="text", headers={"a": b"\xff", "b": "\xe9"})
        self.assertEqual([b"a=1&a=2", b"", b"bytes", b"text"], bodies)


class OptionTest(CleanTestCase):
    """What is wrong with an option is said when the client is built."""

    def test_client(self) -> None:
        """A client refuses a bad option."""
        for option in OPTIONS:
            with self.subTest(option.name, value=option.value):
                with self.assertRaises(option.error) as caught:
                    TestClient(never, **{option.name: option.value})
                self.assertIn(option.text, str(caught.exception))

    def test_adapter(self) -> None:
        """An adapter refuses a bad option."""
        for option in OPTIONS:
            if option.name not in SESSION_OPTIONS:
                with self.subTest(option.name, value=option.value):
                    with self.assertRaises(option.error) as caught:
                        ASGIAdapter(never, **{option.name: option.value})
                    self.assertIn(option.text, str(caught.exception))

    def test_further_client(self) -> None:
        """A further client refuses a bad option as the first one does."""
        client = self.new_client(never)
        with self.assertRaisesRegex(ValueError, "begin with a slash"):
            client.new_client(root_path="api")

    def test_case(self) -> None:
        """A test case refuses a bad option in the set-up of its tests."""
        for option in OPTIONS:
            with self.subTest(option.name, value=option.value):
                self.assertIn(option.text, str(self.error_of(**{option.name: option.value})))

    def error_of(self, **attributes: Any) -> BaseException | None:
        """Return the error of a test in a case with these attributes."""
        case = type("BadCase", (ASGITestCase,), {"app": staticmethod(never), **attributes})
        with self.assertRaises((TypeError, ValueError)) as caught:
            case("assertEqual").setUp()
        return caught.exception

    def test_good_values(self) -> None:
        """What is unusual and right is taken."""
        for name, value in GOOD_OPTIONS:
            with self.subTest(name, value=value):
                TestClient(never, **{name: value})


class CloseTest(unittest.TestCase):
    """Codes and reasons of a close."""

    SENDABLE = (1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4000, 4999)

    def test_sendable(self) -> None:
        """A client can send the codes that RFC 6455 has for it, with a reason that fits."""
        for code in self.SENDABLE:
            self.assertEqual((code, ""), check_close(code, None))
            self.assertEqual((code, "\xe9" * 61), check_close(code, "\xe9" * 61))
            self.assertEqual(code, check_lost_code(code))

    def test_codes(self) -> None:
        """A code that may not be sent is a value error, what is no number a type error."""
        for code in (-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000):
            with self.assertRaisesRegex(ValueError, rf"1000 to 1003, .*, not {code}; disconnect"):
                check_close(code, None)
        for code in ("1000", 1000.0, None, True):
            with self.assertRaisesRegex(TypeError, "a close code must be int, not "):
                check_close(code, None)

    def test_reasons(self) -> None:
        """A reason is text of at most 123 bytes."""
        for reason in (b"bye", 5, ["bye"]):
            with self.assertRaisesRegex(TypeError, "a close reason must be str or None, not "):
                check_close(1000, reason)
        with self.assertRaisesRegex(ValueError, "at most 123 bytes of UTF-8, not 124: "):
            check_close(1000, "\xe9" * 62)
        with self.assertRaisesRegex(ValueError, "must be encodable as UTF-8, not '.udc00'"):
            check_close(1000, "\udc00")

    def test_lost(self) -> None:
        """A lost connection has the codes too that are never sent, and no other."""
        for code in (1005, 1006, 1015):
            self.assertEqual(code, check_lost_code(code))
        for code in (0, 999, 1004, 5000):
            with self.assertRaisesRegex(ValueError, f"must be 1005, 1006 or 1015, .*not {code}"):
                check_lost_code(code)
        with self.assertRaisesRegex(TypeError, "a close code must be int, not str: '1006'"):
            check_lost_code("1006")


class SessionTest(CleanTestCase):
    """What a session refuses, it does not do."""

    def test_refused_close(self) -> None:
        """A close that is refused leaves the WebSocket open."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise LookupError
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": event["text"]})

        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            for error, refused in (
                (ValueError, lambda: session.close(1006)),
                (TypeError, lambda: session.close("1000")),  # type: ignore[arg-type]
                (ValueError, lambda: session.close(1000, "x" * 124)),
                (TypeError, lambda: session.close(1000, b"x")),  # type: ignore[arg-type]
                (ValueError, lambda: session.disconnect(999)),
                (TypeError, lambda: session.disconnect(None)),  # type: ignore[arg-type]
            ):
                with self.assertRaises(error):
                    refused()
            self.assertIsNone(session.close_code)
            session.send_text("still open")
            self.assertEqual("still open", session.receive_text())
            session.close(1001, "bye")
            self.assertEqual((1001, "bye"), (session.close_code, session.close_reason))
