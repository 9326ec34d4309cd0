"""TestClient: its options, its block, its URLs and headers, its siblings, its threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import requests

from asgitest import (
    ASGITestError,
    DeadlineExceeded,
    ProtocolError,
    RequestDeadlineExceeded,
    TestClient,
)
from tests.base import CleanTestCase, on_thread, running_threads

START = {"type": "http.response.start", "status": 200, "headers": []}

#: The variables that choose options; each test begins without them but for the backend.
VARIABLES = ("ASGITEST_BACKEND", "ASGITEST_PORTAL", "ASGITEST_TIMEOUT")


async def answer(send: Any, body: bytes = b"", headers: Any = (), status: int = 200) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request; support no lifespan."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await answer(send, b"hello")


async def never(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing, ever."""
    await anyio.sleep_forever()


async def running_backend() -> str:
    """Name the backend that runs this coroutine."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return "trio"
    return "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"


async def loop_thread() -> int:
    """Return the identity of the thread that runs the loop."""
    return threading.get_ident()


class WithLifespan:
    """An application that notes its lifespan events and answers with the loop's thread."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a lifespan or a request."""
        if scope["type"] == "http":
            self.events.append(scope["path"])
            await answer(send, str(threading.get_ident()).encode())
            return
        scope["state"]["shared"] = self
        for stage in ("startup", "shutdown"):
            await receive()
            self.events.append(stage)
            await send({"type": f"lifespan.{stage}.complete"})


def environment(**values: str) -> Any:
    """Replace the variables of asgitest by the given ones."""
    others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return mock.patch.dict(os.environ, {**others, **values}, clear=True)


def scopes_of(found: list[dict[str, Any]]) -> Callable[..., Any]:
    """Build an application that notes the scope of each request."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope)
        await answer(send)

    return application


class ConstructorTest(CleanTestCase):
    """TestClient(...): what it takes and what it refuses."""

    def test_is_a_session(self) -> None:
        """A client is a session of requests."""
        self.assertIsInstance(self.new_client(hello), requests.Session)

    def test_positional_parameters(self) -> None:
        """The parameters of the requests-based clients come first, in their order."""
        names = list(inspect.signature(TestClient).parameters)

        self.assertEqual(
            [
                "app",
                "base_url",
                "raise_server_exceptions",
                "root_path",
                "backend",
                "backend_options",
            ],
            names[:6],
        )

    def test_other_parameters_are_keywords(self) -> None:
        """All other options are given by name."""
        parameters = list(inspect.signature(TestClient).parameters.values())[6:]

        self.assertEqual(
            [
                "portal",
                "lifespan",
                "timeout",
                "strict",
                "ignore_rules",
                "interface",
                "spec_version",
                "http_version",
                "profile",
                "client_address",
                "server_address",
                "headers",
                "cookies",
                "extensions",
                "scope",
            ],
            [parameter.name for parameter in parameters],
        )
        self.assertEqual(
            {inspect.Parameter.KEYWORD_ONLY}, {parameter.kind for parameter in parameters}
        )

    def test_takes_the_positional_parameters(self) -> None:
        """What is given by position arrives where it belongs."""
        found: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append(scope)
            raise ValueError("hidden")

        client = TestClient(application, "https://shop.test", False, "/api", "asyncio", {})
        self.addCleanup(client.close)
        response = client.get("/api/x")

        self.assertEqual(500, response.status_code)
        self.assertEqual("https://shop.test/api/x", response.url)
        self.assertEqual("/api", found[0]["root_path"])
        self.assertEqual("asyncio", client.call(running_backend))

    def test_application_that_cannot_be_called(self) -> None:
        """An application has to be callable; the error shows what was given."""
        for app in (None, "myproject.asgi:application", 5, {}):
            with self.subTest(app=app), self.assertRaises(TypeError) as caught:
                TestClient(app)
            self.assertIn(f"{app!r}", str(caught.exception))
            self.assertIn("[APP-01]", str(caught.exception))

    def test_refuses_bad_values(self) -> None:
        """A value that an option cannot have is a ValueError that names option and value."""
        bad: list[tuple[str, Any]] = [
            ("backend", "curio"),
            ("backend", "asyncio+uvloop"),
            ("portal", "process"),
            ("lifespan", "yes"),
            ("lifespan", True),
            ("lifespan", None),
            ("interface", "wsgi"),
            ("interface", "asgi1"),
            ("spec_version", "3.0"),
            ("spec_version", 2.3),
            ("spec_version", ""),
            ("http_version", "1"),
            ("http_version", "3"),
            ("http_version", 1.1),
            ("timeout", 0),
            ("timeout", -1),
            ("timeout", True),
            ("timeout", "5"),
            ("timeout", (1, 2, 3)),
            ("base_url", "testserver"),
            ("base_url", "/api"),
            ("base_url", ""),
            ("base_url", "ws://testserver"),
            ("base_url", "http://"),
            ("headers", ["x-a"]),
            ("headers", [("x-a", "1", "2")]),
        ]
        for name, value in bad:
            with self.subTest(option=name, value=value):
                with self.assertRaises(ValueError) as caught:
                    TestClient(hello, **{name: value})
                self.assertIn(name, str(caught.exception))

    def test_unknown_option(self) -> None:
        """An option that does not exist is a TypeError that names it."""
        with self.assertRaisesRegex(TypeError, "colour"):
            TestClient(hello, colour="red")  # type: ignore[call-arg]

    @on_thread("an inline client has no thread at all")
    def test_starts_nothing(self) -> None:
        """Building a client starts no thread; the first use does."""
        before = running_threads()
        client = self.new_client(hello)

        self.assertEqual(set(), running_threads() - before)

        client.get("/")

        self.assertEqual(1, len(running_threads() - before))

    def test_every_backend(self) -> None:
        """The backend is the one that was asked for."""
        for backend in ("asyncio", "uvloop", "trio"):
            with self.subTest(backend=backend):
                client = self.new_client(hello, backend=backend)

                self.assertEqual(backend, client.call(running_backend))
                self.assertEqual("hello", client.get("/").text)

    def test_backend_options(self) -> None:
        """Backend options go to the backend."""
        client = self.new_client(hello, backend="asyncio", backend_options={"debug": True})

        async def debug() -> bool:
            return asyncio.get_running_loop().get_debug()

        self.assertIs(True, client.call(debug))

    def test_backend_options_without_a_backend(self) -> None:
        """Backend options without a backend are those of asyncio, whatever the environment says."""
        with environment(ASGITEST_BACKEND="trio"):
            client = self.new_client(hello, backend_options={"debug": True})

        self.assertEqual("asyncio", client.call(running_backend))

    def test_use_uvloop_as_an_option(self) -> None:
        """uvloop can be asked for as suites of the requests era do."""
        client = self.new_client(hello, backend="asyncio", backend_options={"use_uvloop": True})

        self.assertEqual("uvloop", client.call(running_backend))

    def test_caller_keeps_its_dicts(self) -> None:
        """The client changes no dict that it is given."""
        options = {"debug": False}
        headers = {"X-A": "1"}
        cookies = {"a": "b"}
        scope: dict[str, Any] = {"extra": {"deep": 1}}
        client = self.new_client(
            hello,
            backend="asyncio",
            backend_options=options,
            headers=headers,
            cookies=cookies,
            scope=scope,
        )
        client.get("/")

        self.assertEqual({"debug": False}, options)
        self.assertEqual({"X-A": "1"}, headers)
        self.assertEqual({"a": "b"}, cookies)
        self.assertEqual({"extra": {"deep": 1}}, scope)


class EnvironmentTest(CleanTestCase):
    """The order is: argument, environment, built in."""

    def test_built_in_backend(self) -> None:
        """Without a word from anybody the backend is asyncio."""
        for variables in ({}, {"ASGITEST_BACKEND": ""}):
            with self.subTest(variables), environment(**variables):
                self.assertEqual("asyncio", self.new_client(hello).call(running_backend))

    def test_backend_of_the_environment(self) -> None:
        """ASGITEST_BACKEND chooses the backend."""
        for backend in ("asyncio", "uvloop", "trio"):
            with self.subTest(backend=backend), environment(ASGITEST_BACKEND=backend):
                self.assertEqual(backend, self.new_client(hello).call(running_backend))

    def test_backend_argument_wins(self) -> None:
        """A backend that is given comes before the environment's."""
        with environment(ASGITEST_BACKEND="asyncio"):
            client = self.new_client(hello, backend="trio")

        self.assertEqual("trio", client.call(running_backend))

    def test_bad_backend_of_the_environment(self) -> None:
        """A backend of the environment that does not exist is refused."""
        with environment(ASGITEST_BACKEND="curio"):
            with self.assertRaisesRegex(ValueError, "backend must be one of .* not 'curio'"):
                TestClient(hello)

    def test_timeout_of_the_environment(self) -> None:
        """ASGITEST_TIMEOUT is the deadline of clients that name none."""
        with environment(ASGITEST_TIMEOUT="0.25"):
            client = self.new_client(never)

        with self.assertRaisesRegex(DeadlineExceeded, "^0.25 s passed"):
            client.get("/")

    def test_timeout_argument_wins(self) -> None:
        """A timeout that is given comes before the environment's."""
        with environment(ASGITEST_TIMEOUT="100"):
            client = self.new_client(never, timeout=0.2)

        with self.assertRaisesRegex(DeadlineExceeded, "^0.2 s passed"):
            client.get("/")

    def test_no_timeout_in_the_environment(self) -> None:
        """ASGITEST_TIMEOUT may be none, in any case of letters, and may be empty."""
        for value in ("none", "None", " NONE ", ""):
            with self.subTest(value=value), environment(ASGITEST_TIMEOUT=value):
                self.assertEqual("hello", self.new_client(hello).get("/").text)

    def test_bad_timeout_of_the_environment(self) -> None:
        """A timeout of the environment that is no positive number is refused by its name."""
        for value in ("soon", "0", "-1", "nan", "1,5"):
            with self.subTest(value=value), environment(ASGITEST_TIMEOUT=value):
                with self.assertRaisesRegex(ValueError, f"ASGITEST_TIMEOUT .*{value!r}"):
                    TestClient(hello)

    def test_timeout_argument_none_wins(self) -> None:
        """timeout=None means no deadline although the environment names one."""
        with environment(ASGITEST_TIMEOUT="0.2"):
            unlimited = self.new_client(waiting := Waiting(), timeout=None)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(unlimited.get, "/")
            waiting.entered.wait()
            let_a_deadline_pass(self)
            waiting.release(unlimited)

            self.assertEqual("released", future.result().text)

    def test_portal_of_the_environment(self) -> None:
        """ASGITEST_PORTAL chooses the portal, an argument comes before it."""
        with environment(ASGITEST_PORTAL="thread"):
            self.assertEqual("hello", self.new_client(hello).get("/").text)
        with environment(ASGITEST_PORTAL="inline"):
            self.assertEqual("hello", self.new_client(hello, portal="thread").get("/").text)
        with environment(ASGITEST_PORTAL="carrier pigeon"):
            with self.assertRaisesRegex(ValueError, "portal .*'carrier pigeon'"):
                TestClient(hello)

    def test_read_when_the_client_is_built(self) -> None:
        """The environment is read when a client is built, not when it is used."""
        with environment(ASGITEST_BACKEND="trio"):
            client = self.new_client(hello)
        with environment(ASGITEST_BACKEND="asyncio"):
            self.assertEqual("trio", client.call(running_backend))


class Waiting:
    """An application that answers when the test releases it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._released: anyio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Wait, then answer."""
        self._released = anyio.Event()
        self.entered.set()
        await self._released.wait()
        await answer(send, b"released")

    def release(self, client: TestClient) -> None:
        """Let the application answer."""
        assert self._released is not None
        client.call(_set, self._released)


def _set(event: anyio.Event) -> None:
    event.set()


def let_a_deadline_pass(case: CleanTestCase) -> None:
    """Return after a request's deadline of 0.2 s has passed."""
    client = case.new_client(never, timeout=0.2)
    with case.assertRaises(DeadlineExceeded):
        client.get("/")


class AttributesTest(CleanTestCase):
    """The attributes of a client."""

    def test_not_a_test_class(self) -> None:
        """pytest does not collect the class although its name begins with Test."""
        self.assertIs(False, TestClient.__test__)

    def test_app(self) -> None:
        """The application is what was given."""
        app = functools.partial(hello)

        self.assertIs(app, self.new_client(app).app)

    def test_base_url(self) -> None:
        """The base URL can be read, and has a default."""
        self.assertEqual("http://testserver", self.new_client(hello).base_url)
        self.assertEqual(
            "https://a.b/c/", self.new_client(hello, base_url="https://a.b/c/").base_url
        )

    def test_trust_env(self) -> None:
        """The client does not trust the environment."""
        self.assertIs(False, self.new_client(hello).trust_env)

    def test_state_without_lifespan(self) -> None:
        """Without lifespan the state is empty."""
        client = self.new_client(hello)
        client.get("/")

        self.assertEqual({}, client.state)

    def test_state_of_the_lifespan(self) -> None:
        """The state is the one that the application filled."""
        app = WithLifespan()
        client = self.enter_client(app)

        self.assertEqual({"shared": app}, client.state)

    def test_state_reaches_scopes_as_a_copy(self) -> None:
        """What the test puts into the state reaches later scopes, and nothing comes back."""
        found: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append(dict(scope["state"]))
            scope["state"]["own"] = True
            await answer(send)

        client = self.new_client(application)
        client.get("/")
        client.state["number"] = number = object()
        client.get("/")

        self.assertEqual([{}, {"number": number}], found)
        self.assertEqual({"number": number}, client.state)

    def test_portal(self) -> None:
        """The portal runs functions where the application runs."""
        client = self.enter_client(app := WithLifespan())
        thread = client.portal.call(loop_thread)

        self.assertEqual(str(thread), client.get("/").text)
        self.assertIn("startup", app.events)

    def test_portal_starts_the_loop(self) -> None:
        """Asking for the portal starts the loop that the requests will use."""
        client = self.new_client(WithLifespan())
        thread = client.portal.call(loop_thread)

        self.assertEqual(str(thread), client.get("/").text)

    @on_thread("the test waits for the application without the client")
    def test_portal_starts_tasks(self) -> None:
        """The portal starts tasks, which may be cancelled."""
        client = self.new_client(hello)
        started = threading.Event()
        ended = threading.Event()

        async def task() -> None:
            started.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

        async def number() -> int:
            return 7

        future = client.portal.start_task_soon(task)
        started.wait()
        future.cancel()
        ended.wait()

        self.assertEqual(7, client.portal.start_task_soon(number).result())

    def test_portal_starts_a_task_with_a_value(self) -> None:
        """start_task() returns what the task says when it has started."""
        client = self.new_client(hello)
        leave = client.call(anyio.Event)

        async def task(*, task_status: Any) -> str:
            task_status.started("ready")
            await leave.wait()
            return "done"

        future, value = client.portal.start_task(task)
        client.call(_set, leave)

        self.assertEqual("ready", value)
        self.assertEqual("done", future.result())

    def test_default_headers(self) -> None:
        """A request has the headers of requests, and a user agent that tells what it is."""
        found: list[Any] = []
        self.new_client(scopes_of(found)).get("/")

        self.assertEqual(
            [
                b"host",
                b"user-agent",
                b"accept-encoding",
                b"accept",
                b"connection",
            ],
            [name for name, _ in found[0]["headers"]],
        )
        self.assertIn((b"host", b"testserver"), found[0]["headers"])
        self.assertIn((b"user-agent", b"testclient"), found[0]["headers"])


class BlockTest(CleanTestCase):
    """With the block, without it, after it, and again."""

    def test_enter_returns_the_client(self) -> None:
        """The block gives the client itself."""
        client = TestClient(hello)
        with client as entered:
            self.assertIs(client, entered)

    def test_lifespan_in_the_block(self) -> None:
        """Startup comes before, shutdown after what happens in the block."""
        app = WithLifespan()
        with TestClient(app) as client:
            client.get("/request")

        self.assertEqual(["startup", "/request", "shutdown"], app.events)

    def test_no_lifespan_without_the_block(self) -> None:
        """Without the block there is no lifespan."""
        app = WithLifespan()
        client = TestClient(app)
        client.get("/request")
        client.close()

        self.assertEqual(["/request"], app.events)

    def test_one_loop_without_the_block(self) -> None:
        """Without the block all requests share one loop."""
        client = self.new_client(WithLifespan())

        self.assertEqual(1, len({client.get("/").text for _ in range(3)}))

    def test_one_loop_in_the_block(self) -> None:
        """The lifespan runs on the loop of the requests."""
        threads: list[int] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            threads.append(threading.get_ident())
            if scope["type"] == "http":
                await answer(send)
                return
            for stage in ("startup", "shutdown"):
                await receive()
                threads.append(threading.get_ident())
                await send({"type": f"lifespan.{stage}.complete"})

        with TestClient(application) as client:
            client.get("/")
            client.get("/")

        self.assertEqual(5, len(threads))
        self.assertEqual(1, len(set(threads)))

    def test_close_ends_the_lifespan(self) -> None:
        """close() in the block does what leaving it does; leaving it then does nothing."""
        app = WithLifespan()
        with TestClient(app) as client:
            client.close()
            self.assertEqual(["startup", "shutdown"], app.events)

        self.assertEqual(["startup", "shutdown"], app.events)

    def test_close_without_use(self) -> None:
        """A client that was never used can be closed, more than once."""
        client = TestClient(hello)
        client.close()
        client.close()

    def test_use_after_close(self) -> None:
        """After close() the next request starts a new loop, without lifespan."""
        app = WithLifespan()
        client = self.enter_client(app)
        client.get("/1")
        client.close()
        client.get("/2")

        self.assertEqual(["startup", "/1", "shutdown", "/2"], app.events)

    def test_blocks_one_after_the_other(self) -> None:
        """A client can be entered again after its block; each block has its lifespan."""
        app = WithLifespan()
        client = TestClient(app)
        with client:
            client.get("/1")
        with client:
            client.get("/2")

        self.assertEqual(
            ["startup", "/1", "shutdown", "startup", "/2", "shutdown"],
            app.events,
        )

    def test_block_after_requests(self) -> None:
        """A client that was used before its block keeps its loop in it."""
        app = WithLifespan()
        client = self.new_client(app)
        before = client.get("/1").text
        with client:
            self.assertEqual(before, client.get("/2").text)

        self.assertEqual(["/1", "startup", "/2", "shutdown"], app.events)

    def test_block_in_the_block(self) -> None:
        """Entering an entered client is an error, and the block goes on."""
        app = WithLifespan()
        with TestClient(app) as client:
            with self.assertRaisesRegex(ASGITestError, "entered already"):
                client.__enter__()
            client.get("/")

        self.assertEqual(["startup", "/", "shutdown"], app.events)

    def test_cookies_and_headers_survive_close(self) -> None:
        """What the session knows does not depend on the loop."""
        client = self.new_client(hello, headers={"x-a": "1"}, cookies={"a": "b"})
        client.get("/")
        client.close()

        self.assertEqual("1", client.headers["x-a"])
        self.assertEqual({"a": "b"}, client.cookies.get_dict())

    def test_error_in_the_block(self) -> None:
        """An error in the block comes out of it, after the shutdown."""
        app = WithLifespan()
        with self.assertRaisesRegex(ValueError, "mine"):
            with TestClient(app):
                raise ValueError("mine")

        self.assertEqual(["startup", "shutdown"], app.events)

    def test_error_in_the_block_and_in_the_shutdown(self) -> None:
        """The error in the block is what comes out, even if the shutdown fails as well."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise OSError("theirs")

        with self.assertRaisesRegex(ValueError, "mine") as caught:
            with TestClient(application):
                raise ValueError("mine")

        if hasattr(caught.exception, "__notes__"):
            self.assertIn("OSError", str(caught.exception.__notes__))


class URLTest(CleanTestCase):
    """URLs: relative to the base URL, or absolute."""

    def test_joined_to_the_base_url(self) -> None:
        """A URL is joined to the base URL as links in a page are."""
        table = [
            ("http://testserver", "/", "http://testserver/"),
            ("http://testserver", "", "http://testserver/"),
            ("http://testserver", "/a/b", "http://testserver/a/b"),
            ("http://testserver", "a/b", "http://testserver/a/b"),
            ("http://testserver/", "a/b", "http://testserver/a/b"),
            ("http://testserver", "?q=1", "http://testserver/?q=1"),
            ("http://testserver:8000", "/a", "http://testserver:8000/a"),
            ("https://testserver", "/a", "https://testserver/a"),
            ("http://testserver/api/", "items", "http://testserver/api/items"),
            ("http://testserver/api/", "/items", "http://testserver/items"),
            ("http://testserver/api", "items", "http://testserver/items"),
            ("http://testserver", "http://other.test/a", "http://other.test/a"),
            ("http://testserver", "https://other.test/a", "https://other.test/a"),
            ("https://testserver", "http://other.test/a", "http://other.test/a"),
            ("http://testserver", "//other.test/a", "http://other.test/a"),
            ("https://testserver", "//other.test/a", "https://other.test/a"),
            ("http://testserver", "/a#fragment", "http://testserver/a#fragment"),
            ("http://testserver", "/\xe9?x=\xe9", "http://testserver/%C3%A9?x=%C3%A9"),
            ("http://testserver", "/a;p=1?x=/y", "http://testserver/a;p=1?x=/y"),
            ("http://testserver", "/a:b/c", "http://testserver/a:b/c"),
            ("http://testserver", "http://testserver//a//b", "http://testserver//a//b"),
        ]
        for base_url, url, expected in table:
            with self.subTest(base_url=base_url, url=url):
                client = self.new_client(hello, base_url=base_url)

                self.assertEqual(expected, client.get(url).url)

    def test_bytes(self) -> None:
        """A URL may be bytes."""
        self.assertEqual("http://testserver/a", self.new_client(hello).get(b"/a").url)

    def test_base_url_can_be_changed(self) -> None:
        """The base URL can be set on the client."""
        client = self.new_client(hello)
        client.base_url = "https://other.test/api/"

        self.assertEqual("https://other.test/api/x", client.get("x").url)

    def test_websocket_schemes(self) -> None:
        """An HTTP call has no use for a WebSocket URL, and says so as requests does."""
        client = self.new_client(hello)
        for url in ("ws://testserver/", "wss://testserver/"):
            with self.subTest(url=url), self.assertRaises(requests.exceptions.InvalidSchema):
                client.get(url)

    def test_https(self) -> None:
        """An https URL gives an https scope, without any certificate."""
        found: list[Any] = []
        self.new_client(scopes_of(found)).get("https://secure.test/a")

        self.assertEqual("https", found[0]["scheme"])
        self.assertEqual(("secure.test", 443), found[0]["server"])


class HeadersTest(CleanTestCase):
    """Headers as a mapping and as a list of pairs."""

    def setUp(self) -> None:
        """Note the headers of each request whose names begin with x-."""
        super().setUp()
        self.found: list[list[tuple[bytes, bytes]]] = []

    async def note(self, scope: Any, receive: Any, send: Any) -> None:
        """Note the headers and answer."""
        self.found.append(
            [(name, value) for name, value in scope["headers"] if name.startswith(b"x-")]
        )
        await answer(send)

    def test_mapping(self) -> None:
        """A mapping gives one header for each name."""
        self.new_client(self.note).get("/", headers={"X-A": "1", "X-B": "2"})

        self.assertEqual([[(b"x-a", b"1"), (b"x-b", b"2")]], self.found)

    def test_list_of_pairs(self) -> None:
        """Of a list of pairs, order and duplicates are kept."""
        pairs = [("X-B", "1"), ("X-A", "2"), ("X-B", "3"), ("x-b", "1"), ("X-A", "4")]
        self.new_client(self.note).get("/", headers=pairs)

        self.assertEqual(
            [
                [
                    (b"x-b", b"1"),
                    (b"x-a", b"2"),
                    (b"x-b", b"3"),
                    (b"x-b", b"1"),
                    (b"x-a", b"4"),
                ]
            ],
            self.found,
        )
        self.assertEqual("X-B", pairs[0][0])

    def test_other_iterables_of_pairs(self) -> None:
        """A tuple of lists and a generator of pairs will do as well."""
        client = self.new_client(self.note)
        client.get("/", headers=(["x-a", "1"], ["x-a", "2"]))
        client.get("/", headers=(("x-a", str(number)) for number in (1, 2)))

        self.assertEqual([[(b"x-a", b"1"), (b"x-a", b"2")]] * 2, self.found)

    def test_bytes(self) -> None:
        """Names and values may be bytes; duplicates are kept."""
        client = self.new_client(self.note)
        client.get("/", headers=[(b"X-A", b"\xff"), (b"x-b", "2"), ("x-a", b"3")])
        client.get("/", headers={b"X-A": b"\xff"})

        self.assertEqual(
            [[(b"x-a", b"\xff"), (b"x-b", b"2"), (b"x-a", b"3")], [(b"x-a", b"\xff")]], self.found
        )

    def test_no_headers(self) -> None:
        """None, an empty mapping and an empty list add nothing."""
        client = self.new_client(self.note)
        for headers in (None, {}, []):
            client.get("/", headers=headers)

        self.assertEqual([[], [], []], self.found)

    def test_bad_pairs(self) -> None:
        """What is no list of pairs is refused, and the error shows the item."""
        client = self.new_client(self.note)
        for headers in (["x-a: 1"], [("x-a",)], [("x-a", "1", "2")], [None]):
            with self.subTest(headers=headers):
                with self.assertRaises(ValueError) as caught:
                    client.get("/", headers=headers)
                self.assertIn(repr(headers[0]), str(caught.exception))
        self.assertEqual([], self.found)

    def test_bad_headers(self) -> None:
        """A name or a value that no request can hold is refused as requests refuses it."""
        client = self.new_client(self.note)
        for name, value in (
            ("x-a", "1\r\nx-b: 2"),
            (":method", "GET"),
            ("x-a", 5),
            ("x-a", " 1"),
        ):
            for headers in ({name: value}, [(name, value)], [(name, value), (name, value)]):
                with self.subTest(headers=headers):
                    with self.assertRaises(requests.exceptions.InvalidHeader):
                        client.get("/", headers=headers)
        self.assertEqual([], self.found)

    def test_value_outside_of_latin_1(self) -> None:
        """A text that latin-1 cannot hold is refused by the header's name."""
        client = self.new_client(self.note)
        for headers in ({"X-A": "\u20ac"}, [("X-A", "\u20ac"), ("X-A", "2")]):
            with self.subTest(headers=headers):
                with self.assertRaisesRegex(ValueError, r"'X-A'.*latin-1.*'\u20ac'"):
                    client.get("/", headers=headers)
        self.assertEqual([], self.found)

    def test_headers_of_the_session(self) -> None:
        """Headers of the session go with each request; those of a request come before them."""
        client = self.new_client(self.note)
        client.headers["X-A"] = "session"
        client.headers.update({"X-B": "session"})
        client.get("/")
        client.get("/", headers={"x-a": "request"})
        client.get("/", headers=[("x-a", "request"), ("x-a", "again")])

        self.assertEqual([(b"x-a", b"session"), (b"x-b", b"session")], self.found[0])
        self.assertEqual([(b"x-a", b"request"), (b"x-b", b"session")], sorted(self.found[1]))
        self.assertEqual(
            [(b"x-b", b"session"), (b"x-a", b"request"), (b"x-a", b"again")], self.found[2]
        )

    def test_none_removes(self) -> None:
        """A value of None keeps a header of the session back, in a list too."""
        client = self.new_client(self.note, headers={"X-A": "1", "X-B": "2"})
        client.get("/", headers={"x-a": None})
        client.get("/", headers=[("x-a", None)])

        self.assertEqual([[(b"x-b", b"2")]] * 2, self.found)

    def test_none_removes_one_of_a_list(self) -> None:
        """A value of None keeps a header back that the session has twice."""
        client = self.new_client(self.note, headers=[("X-A", "1"), ("X-A", "2"), ("X-B", "3")])
        client.get("/", headers={"x-a": None})
        client.get("/", headers=[("x-a", None)])

        self.assertEqual([[(b"x-b", b"3")]] * 2, self.found)

    def test_headers_of_the_constructor(self) -> None:
        """The constructor takes a mapping, or a list of pairs with order and duplicates."""
        for headers in ({"X-A": "1", "X-B": "2"}, [("X-A", "1"), ("X-B", "2")]):
            self.new_client(self.note, headers=headers).get("/")
        pairs = [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]
        client = self.new_client(self.note, headers=pairs)
        client.get("/")
        client.get("/", headers={"x-c": "4"})
        client.get("/", headers={"X-B": "4"})

        doubled = [(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3")]
        self.assertEqual([[(b"x-a", b"1"), (b"x-b", b"2")]] * 2, self.found[:2])
        self.assertEqual(doubled, self.found[2])
        self.assertEqual([*doubled, (b"x-c", b"4")], self.found[3])
        self.assertEqual([(b"x-a", b"2"), (b"x-b", b"4")], sorted(self.found[4]))

    def test_constructor_replaces_a_default(self) -> None:
        """A header of the constructor replaces the default of the same name."""
        found: list[Any] = []
        for headers in (
            {"user-agent": "mine"},
            [("user-agent", "mine")],
            [("x-a", "1"), ("user-agent", "mine"), ("x-a", "2")],
        ):
            self.new_client(scopes_of(found), headers=headers).get("/")

        for scope in found:
            agents = [value for name, value in scope["headers"] if name == b"user-agent"]
            self.assertEqual([b"mine"], agents)

    def test_headers_attribute_is_a_dict_of_requests(self) -> None:
        """The session's headers can be read, set and removed as in any session."""
        for headers in ({"X-A": "1"}, [("X-A", "1"), ("X-A", "2")]):
            with self.subTest(headers=headers):
                client = self.new_client(self.note, headers=headers)

                self.assertIn("1", client.headers["x-a"])

                client.headers["x-a"] = "5"
                client.headers.update({"x-b": "6"})
                client.get("/")
                del client.headers["X-A"]
                client.get("/")

                self.assertEqual(
                    [[(b"x-a", b"5"), (b"x-b", b"6")], [(b"x-b", b"6")]], self.found[-2:]
                )

    def test_headers_attribute_replaced(self) -> None:
        """A test may put a plain dict in the place of the session's headers."""
        client = self.new_client(self.note)
        client.headers = {"X-A": "1"}  # type: ignore[assignment]
        client.get("/", headers=[("x-b", "2"), ("x-b", "3")])

        self.assertEqual([[(b"x-a", b"1"), (b"x-b", b"2"), (b"x-b", b"3")]], self.found)

    def test_credentials_beside_duplicates(self) -> None:
        """Headers that requests adds stand beside a list with duplicates."""
        found: list[Any] = []
        self.new_client(scopes_of(found), cookies={"a": "b"}).post(
            "/", headers=[("x-a", "1"), ("x-a", "2")], auth=("user", "secret"), json={}
        )

        headers = found[0]["headers"]
        names = [name for name, _ in headers]
        self.assertEqual([b"1", b"2"], [value for name, value in headers if name == b"x-a"])
        for name in (b"authorization", b"cookie", b"content-type", b"content-length", b"host"):
            self.assertEqual(1, names.count(name), name)

    def test_duplicates_survive_a_redirect(self) -> None:
        """The duplicates of a list go with the request that follows a redirect."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await answer(send, headers=[(b"location", b"/next")], status=302)
            else:
                await self.note(scope, receive, send)

        self.new_client(application).get("/", headers=[("x-a", "1"), ("x-a", "2")])

        self.assertEqual([[(b"x-a", b"1"), (b"x-a", b"2")]], self.found)


class PreparedTest(CleanTestCase):
    """Requests that are prepared first and sent later."""

    def test_relative_url(self) -> None:
        """prepare_request() joins the URL to the base URL and adds the session's headers."""
        client = self.new_client(hello, headers={"x-a": "1"})
        prepared = client.prepare_request(requests.Request("GET", "/a", params={"q": "1"}))

        self.assertEqual("http://testserver/a?q=1", prepared.url)
        self.assertEqual("1", prepared.headers["x-a"])
        self.assertEqual("hello", client.send(prepared).text)

    def test_request_is_not_changed(self) -> None:
        """prepare_request() leaves the request as it is, so that two clients can prepare it."""
        headers = [("x-a", "1"), ("x-a", "2")]
        request = requests.Request("GET", "/a", headers=headers)
        for host in ("one.test", "two.test"):
            client = self.new_client(hello, base_url=f"http://{host}")

            self.assertEqual(f"http://{host}/a", client.prepare_request(request).url)
        self.assertEqual("/a", request.url)
        self.assertEqual([("x-a", "1"), ("x-a", "2")], list(request.headers))

    def test_request_without_headers_is_not_changed(self) -> None:
        """The same holds where there is nothing but the URL to change."""
        request = requests.Request("GET", "/a")
        for host in ("one.test", "two.test"):
            client = self.new_client(hello, base_url=f"http://{host}")

            self.assertEqual(f"http://{host}/a", client.prepare_request(request).url)
        self.assertEqual("/a", request.url)

    def test_prepared_elsewhere(self) -> None:
        """A request that was prepared without the client can be sent, and sent again."""
        found: list[Any] = []
        client = self.new_client(scopes_of(found), headers={"x-a": "1"})
        prepared = requests.Request("get", "http://elsewhere.test/a").prepare()
        client.send(prepared)
        client.send(prepared)

        self.assertEqual([(b"host", b"elsewhere.test")], found[0]["headers"])
        self.assertEqual(found[0]["headers"], found[1]["headers"])
        self.assertIsNot(found[0], found[1])

    def test_pseudo_header_set_by_hand(self) -> None:
        """A pseudo header in a prepared request is the caller's error."""
        client = self.new_client(hello)
        prepared = client.prepare_request(requests.Request("GET", "/"))
        prepared.headers[":authority"] = "testserver"

        with self.assertRaisesRegex(ValueError, ":authority"):
            client.send(prepared)


class TimeoutTest(CleanTestCase):
    """The deadline of a request."""

    def test_of_the_client(self) -> None:
        """The client's timeout is the deadline of each request."""
        client = self.new_client(never, timeout=0.2)

        with self.assertRaisesRegex(RequestDeadlineExceeded, "^0.2 s passed") as caught:
            client.get("/slow")
        self.assertIn("GET http://testserver/slow", caught.exception.waiting_for)

    def test_of_the_request(self) -> None:
        """A request may have its own deadline: seconds, or a pair of which the second counts."""
        client = self.new_client(never)
        for timeout in (0.2, (100, 0.2), (None, 0.2)):
            with self.subTest(timeout=timeout):
                with self.assertRaisesRegex(RequestDeadlineExceeded, "^0.2 s passed"):
                    client.get("/", timeout=timeout)

    def test_bad_timeout(self) -> None:
        """A timeout that is none is refused before the application is called."""
        found: list[Any] = []
        client = self.new_client(scopes_of(found))
        for timeout in (0, -1, "5", (1, 2, 3), (1, 0), False):
            with self.subTest(timeout=timeout), self.assertRaisesRegex(ValueError, "timeout"):
                client.get("/", timeout=timeout)
        self.assertEqual([], found)

    def test_caught_as_a_timeout_of_requests(self) -> None:
        """A test may catch a deadline as requests, unittest and Python call it."""
        client = self.new_client(never, timeout=0.2)
        for kind in (
            requests.Timeout,
            requests.RequestException,
            DeadlineExceeded,
            AssertionError,
            TimeoutError,
        ):
            with self.subTest(kind=kind), self.assertRaises(kind):
                client.get("/")

    @on_thread("threads of the test use one client")
    def test_none_means_no_deadline(self) -> None:
        """An explicit None takes the deadline away, in request() as in send()."""
        waiting = Waiting()
        client = self.new_client(waiting, timeout=0.2)
        prepared = client.prepare_request(requests.Request("GET", "/"))
        calls: list[Callable[[], requests.Response]] = [
            lambda: client.get("/", timeout=None),
            lambda: client.get("/", timeout=(5, None)),
            lambda: client.send(prepared, timeout=None),
        ]
        for call in calls:
            waiting.entered.clear()
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(call)
                waiting.entered.wait()
                let_a_deadline_pass(self)
                waiting.release(client)

                self.assertEqual("released", future.result().text)

    def test_of_a_prepared_request(self) -> None:
        """A prepared request has the client's deadline."""
        client = self.new_client(never, timeout=0.2)

        with self.assertRaises(RequestDeadlineExceeded):
            client.send(client.prepare_request(requests.Request("GET", "/")))

    @on_thread("threads of the test use one client")
    def test_of_a_prepared_request_that_is_redirected(self) -> None:
        """A prepared request has the client's deadline after a redirect, too."""
        waiting = Waiting()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await answer(send, headers=[(b"location", b"/next")], status=302)
            else:
                await waiting(scope, receive, send)

        client = self.new_client(application, timeout=0.2)
        prepared = client.prepare_request(requests.Request("GET", "/"))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(client.send, prepared)
            waiting.entered.wait()
            let_a_deadline_pass(self)
            let_a_deadline_pass(self)
            # Were there no deadline, this would let the request succeed.
            with contextlib.suppress(Exception):
                waiting.release(client)

            self.assertIsInstance(future.exception(), RequestDeadlineExceeded)

    def test_error_names_its_request(self) -> None:
        """The error has the prepared request, as a timeout of requests has."""
        for stream in (False, True):
            with self.subTest(stream=stream), self.assertRaises(requests.Timeout) as caught:
                self.new_client(never, timeout=0.2).get("/slow", stream=stream)
            assert caught.exception.request is not None
            self.assertEqual("http://testserver/slow", caught.exception.request.url)

    def test_client_works_afterwards(self) -> None:
        """After a deadline the client serves the next request."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await (never if scope["path"] == "/never" else hello)(scope, receive, send)

        client = self.new_client(application)
        with self.assertRaises(RequestDeadlineExceeded):
            client.get("/never", timeout=0.2)

        self.assertEqual("hello", client.get("/").text)


class NewClientTest(CleanTestCase):
    """new_client(): a second user of the running application."""

    def test_shares_the_running_application(self) -> None:
        """The new client uses the same application, loop, state and lifespan."""
        app = WithLifespan()
        client = self.enter_client(app)
        other = client.new_client()

        self.assertIs(app, other.app)
        self.assertEqual(client.get("/1").text, other.get("/2").text)
        self.assertIs(client.state, other.state)
        self.assertEqual(["startup", "/1", "/2"], app.events)

    def test_own_cookies_and_headers(self) -> None:
        """Cookies and headers of the one do not reach the other."""
        found: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append(dict(scope["headers"]))
            await answer(send, headers=[(b"set-cookie", b"user=" + scope["path"][1:].encode())])

        alice = self.new_client(application)
        bob = alice.new_client(headers={"x-a": "bob"})
        alice.get("/alice")
        bob.get("/bob")
        alice.get("/")
        bob.get("/")

        self.assertEqual(
            [b"user=alice", b"user=bob"], [headers[b"cookie"] for headers in found[2:]]
        )
        self.assertEqual([None, b"bob"], [headers.get(b"x-a") for headers in found[2:]])

    def test_options_are_inherited(self) -> None:
        """What is not overridden is as in the first client."""
        found: list[Any] = []
        client = self.new_client(
            scopes_of(found),
            base_url="https://shop.test/",
            root_path="/root",
            headers={"x-a": "1"},
            client_address=("192.0.2.1", 5),
        )
        client.new_client(client_address=("192.0.2.2", 6)).get("/a")

        self.assertEqual("/root", found[0]["root_path"])
        self.assertEqual("https", found[0]["scheme"])
        self.assertEqual(("192.0.2.2", 6), found[0]["client"])
        self.assertIn((b"x-a", b"1"), found[0]["headers"])

    def test_overrides(self) -> None:
        """The options that are not shared can be overridden."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/never":
                await anyio.sleep_forever()
            raise ValueError("mine")

        client = self.new_client(application)
        other = client.new_client(raise_server_exceptions=False, timeout=0.2)

        self.assertEqual(500, other.get("/").status_code)
        with self.assertRaisesRegex(RequestDeadlineExceeded, "^0.2 s"):
            other.get("/never")
        with self.assertRaises(ValueError):
            client.get("/")

    def test_shared_options(self) -> None:
        """What belongs to the running application cannot be overridden."""
        client = self.new_client(hello)
        for name, value in (
            ("portal", "thread"),
            ("backend", "asyncio"),
            ("backend_options", {}),
            ("lifespan", "off"),
            ("app", hello),
            ("interface", "asgi3"),
        ):
            with self.subTest(option=name), self.assertRaisesRegex(TypeError, name):
                client.new_client(**{name: value})

    def test_bad_overrides(self) -> None:
        """Overrides are checked as options are."""
        client = self.new_client(hello)
        with self.assertRaisesRegex(ValueError, "timeout"):
            client.new_client(timeout=-1)
        with self.assertRaisesRegex(TypeError, "colour") as caught:
            client.new_client(colour="red")
        self.assertNotIn("ClientOptions", str(caught.exception))

    def test_same_class(self) -> None:
        """The new client of a subclass is of that subclass."""

        class ShopClient(TestClient):
            pass

        client = ShopClient(hello)
        self.addCleanup(client.close)

        self.assertIsInstance(client.new_client(), ShopClient)

    def test_never_runs_the_lifespan(self) -> None:
        """Entering, leaving and closing the new client leave lifespan and loop alone."""
        app = WithLifespan()
        client = self.enter_client(app)
        with client.new_client() as other:
            other.get("/1")
        other.close()
        client.get("/2")

        self.assertEqual(["startup", "/1", "/2"], app.events)

    def test_entered_before_its_parent(self) -> None:
        """Entering a new client does not start the lifespan of an application without one."""
        app = WithLifespan()
        client = self.new_client(app)
        with client.new_client() as other:
            other.get("/1")

        self.assertEqual(["/1"], app.events)

    def test_grandchildren(self) -> None:
        """A new client of a new client shares the same application."""
        app = WithLifespan()
        client = self.enter_client(app)
        grandchild = client.new_client().new_client(headers={"x-a": "1"})

        self.assertEqual(client.get("/").text, grandchild.get("/").text)

    @on_thread("threads of the test use one client")
    def test_usable_at_the_same_time(self) -> None:
        """A request of one client can end while that of another waits."""
        waiting = Waiting()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await (waiting if scope["path"] == "/wait" else hello)(scope, receive, send)

        client = self.new_client(application)
        other = client.new_client()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(client.get, "/wait")
            waiting.entered.wait()

            self.assertEqual("hello", other.get("/").text)

            waiting.release(other)

            self.assertEqual("released", future.result().text)


class CallTest(CleanTestCase):
    """call() and async_context(): the test reaches into the loop."""

    def test_coroutine_function(self) -> None:
        """A coroutine function runs on the application's loop with its arguments."""
        client = self.new_client(WithLifespan())

        async def add(left: int, right: int) -> tuple[int, int]:
            await anyio.sleep(0)
            return left + right, threading.get_ident()

        result, thread = client.call(add, 2, 3)

        self.assertEqual(5, result)
        self.assertEqual(client.get("/").text, str(thread))

    def test_plain_function(self) -> None:
        """A plain function runs on the loop as well."""
        client = self.new_client(WithLifespan())

        self.assertEqual(client.get("/").text, str(client.call(threading.get_ident)))

    def test_methods_of_synchronisation_objects(self) -> None:
        """What sets an event or cancels a scope on the loop can be called without a wrapper."""
        client = self.new_client(hello)
        event = client.call(anyio.Event)
        client.call(event.set)

        self.assertTrue(event.is_set())

    def test_exceptions(self) -> None:
        """What the function raises comes out of call(), BaseException too."""
        client = self.new_client(hello)

        async def fail(kind: type[BaseException]) -> None:
            raise kind("mine")

        for kind in (ValueError, KeyboardInterrupt, SystemExit, GeneratorExit):
            with self.subTest(kind=kind), self.assertRaisesRegex(kind, "mine"):
                client.call(fail, kind)
        self.assertEqual("hello", client.get("/").text)

    def test_deadline(self) -> None:
        """call() has the client's deadline; the function is cancelled."""
        client = self.new_client(hello, timeout=0.2)
        ended: list[str] = []

        async def wait_for_ever() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("ended")

        with self.assertRaisesRegex(DeadlineExceeded, "wait_for_ever"):
            client.call(wait_for_ever)
        self.assertEqual(["ended"], ended)
        self.assertEqual("hello", client.get("/").text)

    def test_async_context(self) -> None:
        """An async context manager becomes a plain one, entered and left in one task."""
        client = self.new_client(hello)
        tasks: list[Any] = []

        @contextlib.asynccontextmanager
        async def resource() -> AsyncIterator[str]:
            tasks.append(anyio.get_current_task().id)
            # A cancel scope insists on one task.
            async with anyio.create_task_group():
                yield "value"
            tasks.append(anyio.get_current_task().id)

        with client.async_context(resource()) as value:
            self.assertEqual("value", value)
            self.assertEqual(1, len(tasks))
            client.get("/")
        self.assertEqual(2, len(tasks))
        self.assertEqual(tasks[0], tasks[1])

    def test_async_context_sees_the_error_of_the_block(self) -> None:
        """The error of the block reaches the context manager and comes out again."""
        client = self.new_client(hello)
        seen: list[BaseException] = []

        @contextlib.asynccontextmanager
        async def resource() -> AsyncIterator[None]:
            try:
                yield
            except ValueError as error:
                seen.append(error)
                raise

        with self.assertRaisesRegex(ValueError, "mine") as caught:
            with client.async_context(resource()):
                raise ValueError("mine")
        self.assertEqual([caught.exception], seen)

    def test_async_context_swallows(self) -> None:
        """A context manager may swallow the error of the block."""
        client = self.new_client(hello)

        @contextlib.asynccontextmanager
        async def resource() -> AsyncIterator[None]:
            with contextlib.suppress(ValueError):
                yield

        with client.async_context(resource()):
            raise ValueError("swallowed")

    def test_async_context_fails(self) -> None:
        """What the context manager raises, at its beginning or its end, comes out."""
        client = self.new_client(hello)

        @contextlib.asynccontextmanager
        async def resource(fails_at: str) -> AsyncIterator[None]:
            if fails_at == "enter":
                raise LookupError("enter")
            yield
            raise LookupError("exit")

        for stage in ("enter", "exit"):
            reached = False
            with self.subTest(stage=stage), self.assertRaisesRegex(LookupError, stage):
                with client.async_context(resource(stage)):
                    reached = True
            self.assertEqual(stage == "exit", reached)


class ThreadsTest(CleanTestCase):
    """One client in several threads, and in the wrong one."""

    needs_thread = "threads of the test use one client"

    def test_several_threads_at_once(self) -> None:
        """Threads may use one client at once; each gets the answers to its own requests."""
        all_there = threading.Barrier(5)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            body = (await receive())["body"]
            await anyio.sleep(0)
            await answer(send, scope["path"].encode() + body)

        client = self.new_client(application)

        def use(number: int) -> list[str]:
            all_there.wait()
            return [client.post(f"/{number}", data=f"/{count}").text for count in range(20)]

        with ThreadPoolExecutor(5) as pool:
            results = list(pool.map(use, range(5)))

        self.assertEqual(
            [[f"/{number}/{count}" for count in range(20)] for number in range(5)], results
        )

    def test_several_threads_start_one_loop(self) -> None:
        """The first requests of several threads share one loop."""
        all_there = threading.Barrier(5)
        client = self.new_client(WithLifespan())

        def use(number: int) -> str:
            all_there.wait()
            return client.get("/").text

        with ThreadPoolExecutor(5) as pool:
            self.assertEqual(1, len(set(pool.map(use, range(5)))))

    def test_requests_overlap(self) -> None:
        """Requests of several threads run at the same time: one waits for the other."""
        arrived: list[int] = []
        both_there: list[anyio.Event] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if not both_there:
                both_there.append(anyio.Event())
            arrived.append(1)
            if len(arrived) == 2:
                both_there[0].set()
            await both_there[0].wait()
            await answer(send, b"both")

        client = self.new_client(application)
        with ThreadPoolExecutor(2) as pool:
            responses = list(pool.map(client.get, ["/1", "/2"]))

        self.assertEqual(["both", "both"], [response.text for response in responses])

    def test_from_the_loops_own_thread(self) -> None:
        """Every client call from the application's own code is an error that says so."""
        errors: dict[str, BaseException] = {}
        clients: list[TestClient] = []
        found: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append(scope["path"])
            if scope["path"] == "/inner":
                return
            client = clients[0]
            calls: dict[str, Callable[[], Any]] = {
                "get": lambda: client.get("/inner"),
                "stream": lambda: client.get("/inner", stream=True),
                "upload": lambda: client.post("/inner", data=iter([b"a"])),
                "call": lambda: client.call(running_backend),
                "close": client.close,
                "portal.call": lambda: client.portal.call(running_backend),
                "websocket": client.websocket_connect("/inner").__enter__,
            }
            for name, call in calls.items():
                try:
                    call()
                except Exception as error:
                    errors[name] = error
            await answer(send, b"outer")

        clients.append(self.new_client(application))

        self.assertEqual("outer", clients[0].get("/outer").text)
        self.assertEqual(
            {"get", "stream", "upload", "call", "close", "portal.call", "websocket"}, set(errors)
        )
        for name, error in errors.items():
            with self.subTest(call=name):
                self.assertIs(ASGITestError, type(error))
                self.assertIn("event loop's own thread", str(error))
        clients[0].close()
        self.assertEqual(["/outer"], found)

    def test_error_of_the_inner_call_reaches_the_test(self) -> None:
        """If the application lets the error through, the outer call raises it."""
        clients: list[TestClient] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            clients[0].get("/inner")

        clients.append(self.new_client(application))

        with self.assertRaisesRegex(ASGITestError, "event loop's own thread"):
            clients[0].get("/outer")

    def test_from_a_worker_thread_of_the_application(self) -> None:
        """The application may use the client in a worker thread."""
        clients: list[TestClient] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/inner":
                await answer(send, b"inner")
                return
            response = await anyio.to_thread.run_sync(clients[0].get, "/inner")
            await answer(send, b"outer " + response.content)

        clients.append(self.new_client(application))

        self.assertEqual("outer inner", clients[0].get("/outer").text)

    def test_context_variables(self) -> None:
        """The application sees the context variables of the calling thread; none come back."""
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            seen = variable.get()
            variable.set("changed")
            await answer(send, seen.encode())

        client = self.new_client(application)
        token = variable.set("mine")
        self.addCleanup(variable.reset, token)

        self.assertEqual("mine", client.get("/").text)
        self.assertEqual("mine", client.get("/", stream=True).text)
        self.assertEqual("mine", client.post("/", data=iter([b"a"])).text)
        self.assertEqual("mine", variable.get())


class InterfaceTest(CleanTestCase):
    """Every kind of callable that is an ASGI application."""

    def test_forms_of_applications(self) -> None:
        """Functions, instances, partials, methods, wrappers and double callables are served."""

        class Instance:
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await hello(scope, receive, send)

            async def method(self, scope: Any, receive: Any, send: Any) -> None:
                await hello(scope, receive, send)

        class TwoSteps:
            def __init__(self, scope: Any) -> None:
                self.scope = scope

            async def __call__(self, receive: Any, send: Any) -> None:
                await hello(self.scope, receive, send)

        class Awaitable:
            def __init__(self, scope: Any, receive: Any, send: Any) -> None:
                self.arguments = scope, receive, send

            def __await__(self) -> Any:
                return hello(*self.arguments).__await__()

        async def with_an_option(greeting: str, scope: Any, receive: Any, send: Any) -> None:
            self.assertEqual("an option", greeting)
            await hello(scope, receive, send)

        def two_steps(scope: Any) -> Any:
            return TwoSteps(scope)

        @functools.wraps(hello)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return hello(*args, **kwargs)

        forms: dict[str, Any] = {
            "function": hello,
            "instance": Instance(),
            "method": Instance().method,
            "partial": functools.partial(with_an_option, "an option"),
            "partial of a partial": functools.partial(
                functools.partial(with_an_option, "an option")
            ),
            "lambda": lambda scope, receive, send: hello(scope, receive, send),
            "wrapper": wrapper,
            "wrapper without a signature": lambda *args: hello(*args),
            "class of awaitables": Awaitable,
            "double callable class": TwoSteps,
            "double callable function": two_steps,
            "partial of a double callable": functools.partial(two_steps),
        }
        for name, app in forms.items():
            with self.subTest(form=name):
                self.assertEqual("hello", self.enter_client(app).get("/").text)

    def test_override(self) -> None:
        """interface= decides where the callable does not tell."""

        def ambiguous(*args: Any) -> Any:
            if len(args) == 1:
                return functools.partial(hello, args[0])
            return hello(*args)

        for interface, version in (("asgi2", "2.0"), ("asgi3", "3.0")):
            with self.subTest(interface=interface):
                response = self.new_client(ambiguous, interface=interface).get("/")

                self.assertEqual("hello", response.text)
                self.assertEqual(version, response.scope["asgi"]["version"])

    def test_wrong_override(self) -> None:
        """An application that is called the wrong way is an error that points to interface=."""

        def two_steps(scope: Any) -> Any:
            return functools.partial(hello, scope)

        with self.assertRaises((ProtocolError, TypeError)):
            self.new_client(two_steps, interface="asgi3").get("/")
        with self.assertRaises((ProtocolError, TypeError)):
            self.new_client(hello, interface="asgi2").get("/")

    def test_not_awaitable(self) -> None:
        """A call that gives nothing to await breaks APP-01."""
        with self.assertRaisesRegex(ProtocolError, r"awaitable, not NoneType.*\[APP-01\]"):
            self.new_client(lambda scope, receive, send: None).get("/")
