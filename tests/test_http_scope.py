"""What an application is called with for a request: each key of the scope, and its events."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import requests

from asgitest import ASGITestError, ASGIWarning
from tests.base import CleanTestCase

#: What is announced unless a test says else.
ANNOUNCED: dict[str, Any] = {
    "http.response.debug": {},
    "http.response.template": {},
    "http.response.trailers": {},
}


async def answer(send: Any, body: bytes = b"", headers: Any = (), status: int = 200) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


class ScopeTestCase(CleanTestCase):
    """A test case whose application notes the scopes it is called with."""

    def setUp(self) -> None:
        """Note the scopes."""
        super().setUp()
        self.scopes: list[dict[str, Any]] = []

    async def note(self, scope: Any, receive: Any, send: Any) -> None:
        """Note the scope and answer."""
        self.scopes.append(scope)
        await answer(send)

    def scope_of(self, url: str = "/", method: str = "GET", **options: Any) -> dict[str, Any]:
        """Return the scope of a request.

        :param url: its URL
        :param method: its method
        :param options: those of the client, and those of the request that it does not have
        """
        of_request = {
            name: options.pop(name) for name in ("params", "data", "json") if name in options
        }
        if "request_headers" in options:
            of_request["headers"] = options.pop("request_headers")
        self.new_client(self.note, **options).request(method, url, **of_request)
        return self.scopes[-1]


class WholeScopeTest(ScopeTestCase):
    """The scope as a whole."""

    maxDiff = None

    def test_every_key(self) -> None:
        """A scope has these keys, with these values, and no others."""
        self.assertEqual(
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/caf\xe9",
                "raw_path": b"/caf%C3%A9",
                "query_string": b"a=1&b=%20",
                "root_path": "",
                "headers": [
                    (b"host", b"testserver"),
                    (b"user-agent", b"testclient"),
                    (b"accept-encoding", b"gzip"),
                    (b"accept", b"*/*"),
                    (b"connection", b"keep-alive"),
                    (b"x-a", b"1"),
                ],
                "client": ("127.0.0.1", 50000),
                "server": ("testserver", 80),
                "state": {},
                "extensions": ANNOUNCED,
            },
            self.scope_of(
                "/caf\xe9?a=1&b=%20#fragment",
                request_headers={"X-A": "1", "Accept-Encoding": "gzip"},
            ),
        )

    def test_exact_types(self) -> None:
        """Every value is of the very type that the text names (APP-02, EVT-06)."""
        scope = self.scope_of("/a?b=c")
        types = {
            "type": str,
            "asgi": dict,
            "http_version": str,
            "method": str,
            "scheme": str,
            "path": str,
            "raw_path": bytes,
            "query_string": bytes,
            "root_path": str,
            "headers": list,
            "client": tuple,
            "server": tuple,
            "state": dict,
            "extensions": dict,
        }

        self.assertIs(dict, type(scope))
        self.assertEqual(types, {name: type(value) for name, value in scope.items()})
        for pair in scope["headers"]:
            self.assertEqual((tuple, [bytes, bytes]), (type(pair), [type(item) for item in pair]))
        for host, port in (scope["client"], scope["server"]):
            self.assertEqual((str, int), (type(host), type(port)))

    def test_new_for_each_request(self) -> None:
        """No two requests share a scope, or anything in it that can be changed (APP-05)."""
        client = self.new_client(self.note)
        client.get("/")
        client.get("/")
        first, second = self.scopes

        self.assertEqual(first, second)
        self.assertIsNot(first, second)
        for key in ("asgi", "headers", "state", "extensions"):
            self.assertIsNot(first[key], second[key], key)

    def test_changes_do_not_last(self) -> None:
        """What an application does to its scope does not reach the next request."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            self.scopes.append({**scope, "headers": list(scope["headers"])})
            scope["headers"].clear()
            scope["path"] = "/other"
            scope["root_path"] = "/root"
            scope["asgi"].clear()
            scope["extensions"]["http.response.debug"]["x"] = 1
            scope["extensions"].clear()
            scope["state"]["own"] = 1
            scope["app"] = application
            await answer(send)

        client = self.new_client(application)
        client.get("/")
        client.get("/")

        for key in ("headers", "path", "root_path"):
            self.assertEqual(self.scopes[0][key], self.scopes[1][key])
        self.assertNotIn("app", self.scopes[1])
        response = client.get("/")
        self.assertEqual(
            ANNOUNCED,
            response.scope["extensions"],
        )
        self.assertEqual({"version": "3.0", "spec_version": "2.3"}, response.scope["asgi"])

    def test_new_for_each_hop(self) -> None:
        """A redirect is a new call with a new scope."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            self.scopes.append(scope)
            scope["seen"] = True
            headers = [(b"location", b"/next?x=1")] if scope["path"] == "/" else []
            await answer(send, headers=headers, status=302 if headers else 200)

        response = self.new_client(application).post("/", data=b"body")

        self.assertEqual(["POST", "GET"], [scope["method"] for scope in self.scopes])
        self.assertEqual(["/", "/next"], [scope["path"] for scope in self.scopes])
        self.assertEqual([b"", b"x=1"], [scope["query_string"] for scope in self.scopes])
        self.assertIsNot(self.scopes[0], self.scopes[1])
        self.assertEqual("/", response.history[0].scope["path"])
        self.assertEqual("/next", response.scope["path"])
        self.assertNotIn("seen", response.scope)

    def test_pristine_copy_on_the_response(self) -> None:
        """response.scope equals what the application got, and is not it (APP-11)."""
        response = self.new_client(self.note).get("/a?b=c")

        self.assertEqual(self.scopes[0], response.scope)
        self.assertIsNot(self.scopes[0], response.scope)


class PathTest(ScopeTestCase):
    """path, raw_path, query_string."""

    def test_decoded_once(self) -> None:
        """The path is decoded once, as UTF-8; what is not UTF-8 is replaced (SC-05)."""
        table = [
            ("", "/"),
            ("/", "/"),
            ("/plain", "/plain"),
            ("/a%20b", "/a b"),
            ("/a b", "/a b"),
            ("/%C3%A9", "/\xe9"),
            ("/\xe9", "/\xe9"),
            ("/\u20ac", "/\u20ac"),
            ("/\U0001f40d", "/\U0001f40d"),
            ("/%2525", "/%25"),
            ("/%252F", "/%2F"),
            ("/a%2Fb", "/a/b"),
            ("/a%3Fb", "/a?b"),
            ("/a%23b", "/a#b"),
            ("/%FF", "/\ufffd"),
            ("/%E2%82", "/\ufffd"),
            ("/%C3%28", "/\ufffd("),
            ("/a+b", "/a+b"),
            ("/a;p=1", "/a;p=1"),
            ("/a;p=1/b;q", "/a;p=1/b;q"),
            ("/a:b@c,d", "/a:b@c,d"),
            ("/%00", "/\x00"),
            ("/%0d%0a", "/\r\n"),
            ("/a//b", "/a//b"),
            ("/a/", "/a/"),
            ("/a%zz", "/a%zz"),
            ("/100%", "/100%"),
        ]
        for url, path in table:
            with self.subTest(url=url):
                self.assertEqual(path, self.scope_of(f"http://testserver{url}")["path"])

    def test_raw_path(self) -> None:
        """raw_path is the path as it is in the request line, without the query (SC-06)."""
        table = [
            ("", b"/"),
            ("/", b"/"),
            ("/a%20b", b"/a%20b"),
            ("/a b", b"/a%20b"),
            ("/\xe9", b"/%C3%A9"),
            ("/%c3%a9", b"/%C3%A9"),
            ("/%2525", b"/%2525"),
            ("/a%2Fb", b"/a%2Fb"),
            ("/a%3Fb?c", b"/a%3Fb"),
            ("/%FF", b"/%FF"),
            ("/a?b?c#d", b"/a"),
            ("/a;p=1?x", b"/a;p=1"),
            ("/a//b", b"/a//b"),
        ]
        for url, raw_path in table:
            with self.subTest(url=url):
                self.assertEqual(raw_path, self.scope_of(f"http://testserver{url}")["raw_path"])

    def test_dots_are_resolved_by_requests(self) -> None:
        """requests resolves dots in a path before it is sent, as browsers do."""
        scope = self.scope_of("http://testserver/a/../b/./c")

        self.assertEqual("/b/c", scope["path"])
        self.assertEqual(b"/b/c", scope["raw_path"])

    def test_exact_target(self) -> None:
        """A test that wants exact octets sets the URL of a prepared request."""
        client = self.new_client(self.note)
        prepared = client.prepare_request(requests.Request("GET", "/"))
        prepared.url = "http://testserver/a/../%e9?%zz"
        client.send(prepared)

        self.assertEqual("/a/../\ufffd", self.scopes[0]["path"])
        self.assertEqual(b"/a/../%e9", self.scopes[0]["raw_path"])
        self.assertEqual(b"%zz", self.scopes[0]["query_string"])

    def test_query_string(self) -> None:
        """The query is what follows the first question mark, still encoded (SC-07)."""
        table = [
            ("/", b""),
            ("/?", b""),
            ("/?a=1&b=2", b"a=1&b=2"),
            ("/?a=%20+", b"a=%20+"),
            ("/?a=b?c=d?", b"a=b?c=d?"),
            ("/?a=1#b=2", b"a=1"),
            ("/?a=/x//y;z", b"a=/x//y;z"),
            ("/?\xe9=\xe9", b"%C3%A9=%C3%A9"),
            ("/?a=%2525", b"a=%2525"),
            ("/?a&&b", b"a&&b"),
            ("/#?a=1", b""),
        ]
        for url, query_string in table:
            with self.subTest(url=url):
                self.assertEqual(query_string, self.scope_of(url)["query_string"])

    def test_params(self) -> None:
        """Parameters of requests are in the query string."""
        scope = self.scope_of("/?a=1", params={"b": "2 3"})

        self.assertEqual(b"a=1&b=2+3", scope["query_string"])
        self.assertEqual(b"/", scope["raw_path"])


class AddressTest(ScopeTestCase):
    """scheme, server, client, host."""

    def test_of_the_url(self) -> None:
        """scheme, server and host header come of the URL (SC-04, SC-11, SC-14)."""
        table: list[tuple[str, str, tuple[str, int], bytes]] = [
            ("http://testserver/", "http", ("testserver", 80), b"testserver"),
            ("https://testserver/", "https", ("testserver", 443), b"testserver"),
            ("http://testserver:80/", "http", ("testserver", 80), b"testserver"),
            ("https://testserver:443/", "https", ("testserver", 443), b"testserver"),
            ("http://testserver:443/", "http", ("testserver", 443), b"testserver:443"),
            ("https://testserver:80/", "https", ("testserver", 80), b"testserver:80"),
            ("http://testserver:8000/", "http", ("testserver", 8000), b"testserver:8000"),
            ("http://127.0.0.1:8080/", "http", ("127.0.0.1", 8080), b"127.0.0.1:8080"),
            ("http://[::1]/", "http", ("::1", 80), b"[::1]"),
            ("http://[::1]:80/", "http", ("::1", 80), b"[::1]"),
            ("https://[::1]:443/", "https", ("::1", 443), b"[::1]"),
            ("http://[2001:db8::80]:8000/", "http", ("2001:db8::80", 8000), b"[2001:db8::80]:8000"),
            ("http://[2001:db8::80]/", "http", ("2001:db8::80", 80), b"[2001:db8::80]"),
            ("http://TestServer/", "http", ("testserver", 80), b"testserver"),
            (
                "http://user:secret@testserver:8000/",
                "http",
                ("testserver", 8000),
                b"testserver:8000",
            ),
            ("http://b\xfccher.test/", "http", ("xn--bcher-kva.test", 80), b"xn--bcher-kva.test"),
        ]
        for url, scheme, server, host in table:
            with self.subTest(url=url):
                scope = self.scope_of(url)

                self.assertEqual(scheme, scope["scheme"])
                self.assertEqual(server, scope["server"])
                self.assertEqual((b"host", host), scope["headers"][0])

    def test_of_the_base_url(self) -> None:
        """They come of the base URL where the URL is relative."""
        scope = self.scope_of("/a", base_url="https://[::1]:8443")

        self.assertEqual("https", scope["scheme"])
        self.assertEqual(("::1", 8443), scope["server"])
        self.assertEqual((b"host", b"[::1]:8443"), scope["headers"][0])

    def test_host_by_hand(self) -> None:
        """A host header that is given takes the place of the URL's, in first place."""
        for headers in ({"X-A": "1", "HOST": "given.test"}, [("x-a", "1"), ("host", "given.test")]):
            with self.subTest(headers=headers):
                scope = self.scope_of("http://testserver:8000/", request_headers=headers)
                hosts = [pair for pair in scope["headers"] if pair[0] == b"host"]

                self.assertEqual([(b"host", b"given.test")], hosts)
                self.assertEqual(b"host", scope["headers"][0][0])
                self.assertEqual(("testserver", 8000), scope["server"])

    def test_client_address(self) -> None:
        """The client has an address; another can be given, or none (SC-13)."""
        self.assertEqual(("127.0.0.1", 50000), self.scope_of()["client"])
        self.assertEqual(("::1", 1), self.scope_of(client_address=("::1", 1))["client"])

        scope = self.scope_of(client_address=None)
        self.assertIn("client", scope)
        self.assertIsNone(scope["client"])

    def test_server_address(self) -> None:
        """A server's address can be given, that of a Unix socket too (SC-14)."""
        for address in (("192.0.2.1", 8000), ("/run/app.sock", None)):
            with self.subTest(address=address):
                scope = self.scope_of(server_address=address)

                self.assertEqual(address, scope["server"])
                self.assertEqual((b"host", b"testserver"), scope["headers"][0])


class OtherKeysTest(ScopeTestCase):
    """The remaining keys."""

    def test_method(self) -> None:
        """The method is in upper case (SC-16)."""
        for method in ("get", "Post", "PURGE"):
            self.assertEqual(method.upper(), self.scope_of(method=method)["method"])

    def test_http_version(self) -> None:
        """The version can be set (SC-03)."""
        for version in ("1.0", "1.1", "2"):
            self.assertEqual(version, self.scope_of(http_version=version)["http_version"])

    def test_spec_version(self) -> None:
        """Without a word the version is the one that the most used server announces (SC-02)."""
        self.assertEqual({"version": "3.0", "spec_version": "2.3"}, self.scope_of()["asgi"])
        for version in ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5"):
            self.assertEqual(
                {"version": "3.0", "spec_version": version},
                self.scope_of(spec_version=version)["asgi"],
            )

    def test_asgi_2(self) -> None:
        """An application in two steps is told of ASGI 2.0, and no lower spec version (SC-01)."""

        class Application:
            def __init__(inner, scope: Any) -> None:  # noqa: N805 - self is the test
                self.scopes.append(scope)

            async def __call__(inner, receive: Any, send: Any) -> None:  # noqa: N805
                await answer(send)

        self.new_client(Application).get("/")

        self.assertEqual({"version": "2.0", "spec_version": "2.3"}, self.scopes[0]["asgi"])

    def test_root_path(self) -> None:
        """root_path is passed as it is given, and changes no other key (SC-08)."""
        for url in ("/api/items", "/items"):
            for root_path in ("", "/api", "/other"):
                with self.subTest(url=url, root_path=root_path):
                    scope = self.scope_of(url, root_path=root_path)

                    self.assertEqual(root_path, scope["root_path"])
                    self.assertEqual(url, scope["path"])
                    self.assertEqual(url.encode(), scope["raw_path"])

    def test_extensions(self) -> None:
        """What hands templates to tests is announced, and trailers; nothing else is."""
        self.assertEqual(
            ANNOUNCED,
            self.scope_of()["extensions"],
        )

    def test_state(self) -> None:
        """The state is there without a lifespan, and empty (SC-15)."""
        self.assertEqual({}, self.scope_of()["state"])

    def test_state_of_a_lifespan(self) -> None:
        """Each scope gets a shallow copy of the lifespan's state (LIFE-13)."""
        shared: list[int] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.scopes.append({"state": dict(scope["state"])})
                scope["state"]["own"] = True
                scope["state"]["shared"].append(1)
                await answer(send)
                return
            scope["state"]["shared"] = shared
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})

        client = self.enter_client(application)
        client.get("/")
        client.get("/")

        self.assertEqual([{"shared"}] * 2, [set(scope["state"]) for scope in self.scopes])
        self.assertIs(shared, self.scopes[1]["state"]["shared"])
        self.assertEqual([1, 1], shared)

    def test_no_tls(self) -> None:
        """The tls extension is not announced, with https neither (TLS-01)."""
        self.assertNotIn("tls", self.scope_of("https://testserver/")["extensions"])


class HeadersTest(ScopeTestCase):
    """headers."""

    def test_lower_case_names(self) -> None:
        """Names are in lower case, values are not touched (SC-09)."""
        scope = self.scope_of(request_headers={"X-UPPER": "Value", "x-Lower": "VALUE"})

        self.assertEqual([(b"x-upper", b"Value"), (b"x-lower", b"VALUE")], scope["headers"][-2:])

    def test_latin_1_values(self) -> None:
        """Values are octets: text is latin-1, bytes stay as they are."""
        scope = self.scope_of(request_headers={"x-a": "caf\xe9", "x-b": "caf\xe9".encode()})

        self.assertEqual([(b"x-a", b"caf\xe9"), (b"x-b", b"caf\xc3\xa9")], scope["headers"][-2:])

    def test_outer_space(self) -> None:
        """Space round a value, which is none of its octets on the wire, is not in the scope."""
        scope = self.scope_of(request_headers={"x-a": "a b \t"})

        self.assertEqual((b"x-a", b"a b"), scope["headers"][-1])

    def test_content_length(self) -> None:
        """A body in memory has its length, that of a generator its coding (HTTP-REQ-04)."""
        headers = dict(self.scope_of(method="POST", data=b"12345")["headers"])
        self.assertEqual(b"5", headers[b"content-length"])
        self.assertNotIn(b"transfer-encoding", headers)

        headers = dict(self.scope_of(method="POST", data=iter([b"1"]))["headers"])
        self.assertEqual(b"chunked", headers[b"transfer-encoding"])
        self.assertNotIn(b"content-length", headers)

    def test_one_cookie_header(self) -> None:
        """Cookies are joined into one header (SC-12)."""
        scope = self.scope_of(cookies={"a": "1", "b": "2"})
        (cookies,) = [value for name, value in scope["headers"] if name == b"cookie"]

        self.assertEqual({b"a=1", b"b=2"}, set(cookies.split(b"; ")))

    def test_duplicates(self) -> None:
        """Duplicates are kept in their places, nothing is joined (SC-09)."""
        scope = self.scope_of(request_headers=[("x-a", "1"), ("x-b", "2"), ("X-A", "1")])

        self.assertEqual(
            [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"1")],
            [pair for pair in scope["headers"] if pair[0].startswith(b"x-")],
        )


class OverrideTest(ScopeTestCase):
    """scope=: a test's own keys."""

    def test_adds_keys(self) -> None:
        """A key that the scope does not have is added, as it is."""
        user = object()
        scope = self.scope_of(scope={"user": user})

        self.assertIs(user, scope["user"])
        self.assertEqual("/", scope["path"])

    def test_replaces_keys(self) -> None:
        """A key that the scope has is replaced."""
        overrides: dict[str, Any] = {
            "client": None,
            "server": ("/run/app.sock", None),
            "root_path": "/mounted",
            "path": "/elsewhere",
            "state": {"a": 1},
            "headers": [(b"x", b"y")],
            "scheme": "https",
        }
        scope = self.scope_of(scope=overrides)

        self.assertEqual(overrides, {name: scope[name] for name in overrides})

    def test_spec_version(self) -> None:
        """A version that is put there counts; a missing one means 2.0 (SC-02)."""
        for asgi in ({"version": "3.0", "spec_version": "2.4"}, {"version": "3.0"}, {}):
            with self.subTest(asgi=asgi):
                self.assertEqual(asgi, self.scope_of(scope={"asgi": asgi})["asgi"])

    def test_extensions(self) -> None:
        """Extensions that are put there are announced; there may be none at all."""
        for extensions in ({}, None, {"mine": {}}):
            with self.subTest(extensions=extensions):
                self.assertEqual(
                    extensions, self.scope_of(scope={"extensions": extensions})["extensions"]
                )

    def test_extension_withheld(self) -> None:
        """An extension that is not announced any more must not be used."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.debug", "info": {}})
            await answer(send)

        with self.assertRaisesRegex(ASGITestError, "EXT-02"):
            self.new_client(application, scope={"extensions": {}}).get("/")

    def test_on_the_response(self) -> None:
        """The response's scope has the test's keys, too."""
        self.assertEqual(1, self.new_client(self.note, scope={"own": 1}).get("/").scope["own"])

    def test_of_a_new_client(self) -> None:
        """A second client may have keys of its own."""
        client = self.new_client(self.note, scope={"user": "alice"})
        client.new_client(scope={"user": "bob"}).get("/")
        client.get("/")

        self.assertEqual(["bob", "alice"], [scope["user"] for scope in self.scopes])


class EventsTest(CleanTestCase):
    """What receive() gives."""

    def events_of(self, count: int, **options: Any) -> list[dict[str, Any]]:
        """Return the first events of a request, received before the answer."""
        events: list[dict[str, Any]] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(count):
                events.append(await receive())
            await answer(send)

        self.new_client(application).post("/", **options)
        return events

    def test_without_a_body(self) -> None:
        """There is one event even without a body, with both keys (HTTP-REQ-01)."""
        self.assertEqual(
            [{"type": "http.request", "body": b"", "more_body": False}], self.events_of(1)
        )

    def test_with_a_body(self) -> None:
        """A body in memory is one event."""
        (event,) = self.events_of(1, data=b"body")

        self.assertEqual({"type": "http.request", "body": b"body", "more_body": False}, event)
        self.assertEqual((dict, bytes), (type(event), type(event["body"])))

    def test_event_is_the_applications_own(self) -> None:
        """An application may change an event that it received."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            for expected in (b"a", b"b", b""):
                event = await receive()
                self.assertEqual(expected, event["body"])
                event.clear()
            await answer(send)
            event = await receive()
            event.clear()
            self.assertEqual({"type": "http.disconnect"}, await receive())

        self.assertEqual(
            200, self.new_client(application).post("/", data=iter([b"a", b"b"])).status_code
        )

    def test_waits_after_the_body(self) -> None:
        """After the body receive() waits until the response is complete (HTTP-REQ-05)."""
        order: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()

            async def listen() -> None:
                event = await receive()
                order.append(event["type"])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                order.append("start")
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "more_body": True})
                await anyio.wait_all_tasks_blocked()
                order.append("end")
                await send({"type": "http.response.body"})

        self.new_client(application).get("/")

        self.assertEqual(["start", "end", "http.disconnect"], order)

    def test_disconnect_repeats(self) -> None:
        """After the response receive() gives http.disconnect, again and again (HTTP-REQ-06)."""
        events: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await answer(send)
            for _ in range(3):
                events.append(await receive())

        self.new_client(application).post("/", data=b"never read")

        self.assertEqual([{"type": "http.disconnect"}] * 3, events)

    def test_cancelled_receive(self) -> None:
        """A receive() that is cancelled loses nothing (HTTP-REQ-07)."""
        bodies: list[bytes] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            with anyio.CancelScope() as cancelled:
                cancelled.cancel()
                # Where the part is there before the cancellation arrives, this gets it.
                bodies.append((await receive())["body"])
            more_body = True
            while more_body:
                event = await receive()
                bodies.append(event["body"])
                more_body = event["more_body"]
            waiting = anyio.CancelScope()

            async def give_up() -> None:
                await anyio.wait_all_tasks_blocked()
                waiting.cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(give_up)
                with waiting:
                    await receive()
            await answer(send)
            bodies.append((await receive())["type"].encode())

        self.new_client(application).post("/", data=iter([b"a", b"b"]))

        self.assertEqual([b"a", b"b", b"", b"http.disconnect"], bodies)

    def test_two_receivers(self) -> None:
        """Two calls of receive() at once both get an event, in order, with a warning."""
        events: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            async def take() -> None:
                events.append(await receive())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take)
                tasks.start_soon(take)
            await answer(send)

        with self.assertWarnsRegex(ASGIWarning, r"another call .* \[HTTP-REQ-09\]"):
            self.new_client(application).post("/", data=iter([b"a", b"b"]))

        self.assertEqual([b"a", b"b"], [event["body"] for event in events])

    def test_never_received(self) -> None:
        """An application may answer without receiving anything (HTTP-REQ-03)."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, b"early")

        self.assertEqual("early", self.new_client(application).post("/", data=b"x" * 999).text)

    def test_cancelled_send(self) -> None:
        """A send() that is cancelled sends nothing; the message can be sent again."""
        reached: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            with anyio.CancelScope() as cancelled:
                cancelled.cancel()
                await send({"type": "http.response.start", "status": 500})
                reached.append("sent")
            await answer(send)

        self.assertEqual(200, self.new_client(application).get("/").status_code)
        self.assertEqual([], reached)

    def test_polled_by_cancelling(self) -> None:
        """A receive() that was cancelled beforehand gives what is at hand, as servers do."""
        polled: list[Any] = []

        async def poll(receive: Any) -> None:
            event = None
            with anyio.CancelScope() as cancelled:
                cancelled.cancel()
                event = await receive()
            polled.append(event and event["type"])

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await poll(receive)
            await poll(receive)
            await answer(send)
            await poll(receive)

        self.new_client(application).post("/", data=b"body")

        self.assertEqual(["http.request", None, "http.disconnect"], polled)

    def test_calls_let_others_run(self) -> None:
        """An application that only receives, or only sends, lets other tasks run (APP-04)."""
        turns: list[int] = []
        results: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            async def count() -> None:
                while True:
                    turns[-1] += 1
                    await anyio.lowlevel.checkpoint()

            async with anyio.create_task_group() as tasks:
                turns.append(0)
                tasks.start_soon(count)
                await send({"type": "http.response.start", "status": 200})
                for _ in range(20):
                    results.append(await send({"type": "http.response.body", "more_body": True}))
                turns.append(0)
                await send({"type": "http.response.body"})
                for _ in range(20):
                    await receive()
                tasks.cancel_scope.cancel()

        self.new_client(application).get("/")

        self.assertGreater(min(turns), 10)
        self.assertEqual([None] * 20, results)
