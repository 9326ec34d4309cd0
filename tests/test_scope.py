"""The scopes, built from plain values."""

from __future__ import annotations

import unittest
from typing import Any

from asgitest._protocol._scope import (
    ScopeOptions,
    http_scope,
    lifespan_scope,
    request_target,
    websocket_scope,
)

HEADERS = [(b"host", b"testserver"), (b"accept", b"*/*"), (b"x", b"1"), (b"x", b"2")]


def http(url: str = "http://testserver/", **fields: Any) -> dict[str, Any]:
    """Return the scope of a request.

    :param url: its URL
    :param fields: fields of the options, or parameters of the function
    """
    own = {
        "method": fields.pop("method", "GET"),
        "headers": fields.pop("headers", HEADERS),
        "state": fields.pop("state", {}),
    }
    if "asgi_version" in fields:
        own["asgi_version"] = fields.pop("asgi_version")
    return http_scope(ScopeOptions(**fields), url=url, **own)


def websocket(url: str = "http://testserver/", **fields: Any) -> dict[str, Any]:
    """Return the scope of a WebSocket, as :func:`http` that of a request."""
    own = {"headers": fields.pop("headers", HEADERS), "state": fields.pop("state", {})}
    for name in ("subprotocols", "asgi_version"):
        if name in fields:
            own[name] = fields.pop(name)
    return websocket_scope(ScopeOptions(**fields), url=url, **own)


#: Each builds a scope that has a path.
BUILDERS = (("http", http), ("websocket", websocket))


class WholeScopeTest(unittest.TestCase):
    """All keys of a scope, so that none is missing and none too many."""

    maxDiff = None

    def test_http(self) -> None:
        """A request's scope has every key of the text, with the defaults of the client."""
        self.assertEqual(
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/a b",
                "raw_path": b"/a%20b",
                "query_string": b"c=%20d",
                "root_path": "",
                "headers": HEADERS,
                "client": ("127.0.0.1", 50000),
                "server": ("testserver", 80),
                "state": {"a": 1},
                "extensions": {
                    "http.response.debug": {},
                    "http.response.template": {},
                    "http.response.trailers": {},
                },
            },
            http("http://testserver/a%20b?c=%20d#e", state={"a": 1}),
        )

    def test_websocket(self) -> None:
        """A WebSocket's scope has subprotocols instead of a method (SC-17, SC-18)."""
        self.assertEqual(
            {
                "type": "websocket",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "scheme": "ws",
                "path": "/a b",
                "raw_path": b"/a%20b",
                "query_string": b"c=%20d",
                "root_path": "",
                "headers": HEADERS,
                "client": ("127.0.0.1", 50000),
                "server": ("testserver", 80),
                "state": {"a": 1},
                "subprotocols": ["chat", "superchat"],
                "extensions": {"websocket.http.response": {}},
            },
            websocket(
                "http://testserver/a%20b?c=%20d#e",
                state={"a": 1},
                subprotocols=("chat", "superchat"),
            ),
        )

    def test_lifespan(self) -> None:
        """A lifespan's scope has its versions and its state, and nothing else (LIFE-02)."""
        self.assertEqual(
            {
                "type": "lifespan",
                "asgi": {"version": "3.0", "spec_version": "2.0"},
                "state": {"a": 1},
            },
            lifespan_scope({"a": 1}),
        )

    def test_a_plain_dict(self) -> None:
        """A scope is a ``dict``, not one of a derived class (APP-02)."""
        for scope in (http(), websocket(), lifespan_scope({})):
            with self.subTest(scope["type"]):
                self.assertEqual([dict, dict], [type(scope), type(scope["asgi"])])

    def test_nothing_is_shared(self) -> None:
        """Two scopes have no dict or list in common that a framework may write to (APP-05)."""
        options = ScopeOptions()
        state: dict[str, Any] = {}
        for first, second in (
            [
                http_scope(
                    options, method="GET", url="http://a/", headers=list(HEADERS), state=state
                )
                for _ in range(2)
            ],
            [
                websocket_scope(options, url="http://a/", headers=list(HEADERS), state=state)
                for _ in range(2)
            ],
        ):
            for key, value in first.items():
                if isinstance(value, (dict, list)):
                    with self.subTest(first["type"], key=key):
                        self.assertIsNot(value, second[key])


class VersionTest(unittest.TestCase):
    """``asgi`` and ``http_version``."""

    def test_spec_versions(self) -> None:
        """HTTP and WebSocket announce a version of the text each (SC-02)."""
        options = {"http_spec_version": "2.5", "websocket_spec_version": "2.1"}
        self.assertEqual("2.5", http(**options)["asgi"]["spec_version"])
        self.assertEqual("2.1", websocket(**options)["asgi"]["spec_version"])

    def test_an_application_in_two_steps(self) -> None:
        """An ASGI 2 application is told that it is one (SC-01)."""
        for scope in (
            http(asgi_version="2.0"),
            websocket(asgi_version="2.0"),
            lifespan_scope({}, "2.0"),
        ):
            with self.subTest(scope["type"]):
                self.assertEqual("2.0", scope["asgi"]["version"])

    def test_http_version(self) -> None:
        """The version of HTTP is the client's, for WebSockets too (SC-03)."""
        for name, build in BUILDERS:
            for version in ("1.0", "1.1", "2"):
                with self.subTest(name, version=version):
                    if (name, version) == ("websocket", "1.0"):
                        with self.assertRaisesRegex(ValueError, "'1.0' has no WebSockets"):
                            build(http_version=version)
                    else:
                        self.assertEqual(version, build(http_version=version)["http_version"])


class AddressTest(unittest.TestCase):
    """Where the request goes to, and where it comes from."""

    #: URL, path, raw path.
    PATHS = (
        ("http://a", "/", b"/"),
        ("http://a/", "/", b"/"),
        ("http://a?b=c", "/", b"/"),
        ("http://a/b/", "/b/", b"/b/"),
        ("http://a/%C3%A9", "/é", b"/%C3%A9"),
        ("http://a/%c3%a9", "/é", b"/%c3%a9"),
        ("http://a/é", "/é", "/é".encode()),
        ("http://a/%FF", "/\ufffd", b"/%FF"),
        ("http://a/%E2%82", "/\ufffd", b"/%E2%82"),
        ("http://a/b%2Fc", "/b/c", b"/b%2Fc"),
        ("http://a/b%3Fc", "/b?c", b"/b%3Fc"),
        ("http://a/b%23c", "/b#c", b"/b%23c"),
        ("http://a/%2525", "/%25", b"/%2525"),
        ("http://a/%25FF", "/%FF", b"/%25FF"),
        ("http://a/%zz", "/%zz", b"/%zz"),
        ("http://a/b%", "/b%", b"/b%"),
        ("http://a/b+c", "/b+c", b"/b+c"),
        ("http://a/b;p=1/c;q=2", "/b;p=1/c;q=2", b"/b;p=1/c;q=2"),
        ("http://a//b//c", "//b//c", b"//b//c"),
        ("http://a/../b/./c", "/../b/./c", b"/../b/./c"),
        ("http://a/b%00c", "/b\x00c", b"/b%00c"),
        ("http://a/@b:c", "/@b:c", b"/@b:c"),
        ("http://a/b?c/d", "/b", b"/b"),
        ("http://a/b#c", "/b", b"/b"),
    )

    def test_path(self) -> None:
        """The path is decoded once; the raw one is not, and has no query (SC-05, SC-06)."""
        for url, path, raw_path in self.PATHS:
            for name, build in BUILDERS:
                with self.subTest(url, type=name):
                    scope = build(url)
                    self.assertEqual((path, raw_path), (scope["path"], scope["raw_path"]))

    def test_query_string(self) -> None:
        """The query is what follows the first question mark, as it was sent (SC-07)."""
        for url, query_string in (
            ("http://a/", b""),
            ("http://a/?", b""),
            ("http://a/?b=c", b"b=c"),
            ("http://a?b=c", b"b=c"),
            ("http://a/?b=c?d", b"b=c?d"),
            ("http://a/??", b"?"),
            ("http://a/?b=%C3%A9+%20", b"b=%C3%A9+%20"),
            ("http://a/?b=é", "b=é".encode()),
            ("http://a/?b=c#d?e", b"b=c"),
            ("http://a/?b=/c;d", b"b=/c;d"),
        ):
            for name, build in BUILDERS:
                with self.subTest(url, type=name):
                    self.assertEqual(query_string, build(url)["query_string"])

    def test_root_path(self) -> None:
        """The root path is given as it is, and the path is left alone (SC-08)."""
        for url, root_path, path in (
            ("http://a/b", "", "/b"),
            ("http://a/api/b", "/api", "/api/b"),
            ("http://a/b", "/api", "/b"),
        ):
            for name, build in BUILDERS:
                with self.subTest(url, root_path=root_path, type=name):
                    scope = build(url, root_path=root_path)
                    self.assertEqual((root_path, path), (scope["root_path"], scope["path"]))

    def test_scheme(self) -> None:
        """A WebSocket has the scheme that stands for that of its handshake (SC-04)."""
        for url, of_http, of_websocket in (
            ("http://a/", "http", "ws"),
            ("https://a/", "https", "wss"),
            ("HTTPS://a/", "https", "wss"),
        ):
            with self.subTest(url):
                self.assertEqual(of_http, http(url)["scheme"])
                self.assertEqual(of_websocket, websocket(url)["scheme"])

    def test_server(self) -> None:
        """The server is host and port of the URL, the port an ``int`` (SC-14)."""
        for url, server in (
            ("http://testserver/", ("testserver", 80)),
            ("https://testserver/", ("testserver", 443)),
            ("http://testserver:8000/", ("testserver", 8000)),
            ("http://testserver:/", ("testserver", 80)),
            ("http://testserver:0/", ("testserver", 0)),
            ("https://testserver:80/", ("testserver", 80)),
            ("http://[::1]/", ("::1", 80)),
            ("http://[2001:db8::80]:8000/", ("2001:db8::80", 8000)),
            ("http://me:secret@testserver:81/", ("testserver", 81)),
        ):
            with self.subTest(url):
                self.assertEqual(server, request_target(url).server)
                for name, build in BUILDERS:
                    with self.subTest(url, type=name):
                        self.assertEqual(server, build(url)["server"])

    def test_a_server_of_its_own(self) -> None:
        """The client's server address is taken instead, a socket's path too (SC-14)."""
        for address in (("10.0.0.1", 8000), ("/run/application.sock", None)):
            for name, build in BUILDERS:
                with self.subTest(address, type=name):
                    self.assertEqual(address, build("http://a/", server_address=address)["server"])

    def test_client(self) -> None:
        """The client's address is a pair, or withheld (SC-13)."""
        for address in (("10.0.0.1", 1234), ("::1", 1234), None):
            for name, build in BUILDERS:
                with self.subTest(address, type=name):
                    self.assertEqual(address, build(client_address=address)["client"])

    def test_host_header(self) -> None:
        """The host has its port unless that is the scheme's own (SC-11)."""
        for url, host in (
            ("http://testserver/", b"testserver"),
            ("http://testserver", b"testserver"),
            ("http://testserver:80/", b"testserver"),
            ("https://testserver:443/a:443", b"testserver"),
            ("http://testserver:443/", b"testserver:443"),
            ("https://testserver:80/", b"testserver:80"),
            ("http://testserver:8080/", b"testserver:8080"),
            ("http://[::1]/", b"[::1]"),
            ("http://[::1]:80/", b"[::1]"),
            ("http://[2001:db8::80]/", b"[2001:db8::80]"),
            ("http://[::1]:8000/", b"[::1]:8000"),
            ("http://me:secret@testserver/", b"testserver"),
            ("http://me@x:secret@testserver:8000/", b"testserver:8000"),
            ("http://xn--bcher-kva.example/", b"xn--bcher-kva.example"),
        ):
            with self.subTest(url):
                self.assertEqual(host, request_target(url).host)


class RestTest(unittest.TestCase):
    """Method, headers, subprotocols, state, and what a client adds."""

    def test_method(self) -> None:
        """The method is in upper case (SC-16)."""
        for method, expected in (("get", "GET"), ("Post", "POST"), ("M-SEARCH", "M-SEARCH")):
            with self.subTest(method):
                self.assertEqual(expected, http(method=method)["method"])

    def test_headers(self) -> None:
        """The headers are a list of pairs, in order, duplicates kept (SC-09)."""
        headers = [(b"host", b"a"), (b"x", b"caf\xe9"), (b"cookie", b"a=1"), (b"x", b"y")]
        for name, build in BUILDERS:
            with self.subTest(name):
                self.assertEqual(headers, build(headers=headers)["headers"])

    def test_subprotocols(self) -> None:
        """The subprotocols are a list, in order, and empty without an offer (SC-17)."""
        self.assertEqual([], websocket()["subprotocols"])
        self.assertEqual(["b", "a"], websocket(subprotocols=("b", "a"))["subprotocols"])

    def test_state(self) -> None:
        """The state is a copy, and what it holds is not (LIFE-13)."""
        shared: list[int] = []
        state = {"shared": shared}
        for name, build in BUILDERS:
            with self.subTest(name):
                scope = build(state=state)
                self.assertIs(shared, scope["state"]["shared"])
                scope["state"]["own"] = 1
                self.assertEqual({"shared": shared}, state)

    def test_state_of_the_lifespan(self) -> None:
        """The lifespan has the very dict that it is to fill (LIFE-12)."""
        state: dict[str, Any] = {}
        self.assertIs(state, lifespan_scope(state)["state"])

    def test_state_without_lifespan(self) -> None:
        """Without a lifespan the state is there, and empty (SC-15)."""
        for name, build in BUILDERS:
            with self.subTest(name):
                self.assertEqual({}, build()["state"])

    def test_extra_keys(self) -> None:
        """What the client adds is merged over the scope's own keys."""
        extra = {"session": {}, "client": None, "extensions": {"x": {}}}
        for name, build in BUILDERS:
            with self.subTest(name):
                own = build()
                self.assertEqual({**own, **extra}, build(extra=extra))
