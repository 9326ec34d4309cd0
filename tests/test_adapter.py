"""ASGIAdapter: the application in any session of requests; what its responses carry."""

from __future__ import annotations

import io
import os
import threading
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import requests

from asgitest import (
    ASGIAdapter,
    DeadlineExceeded,
    LifespanError,
    ProtocolError,
    RequestDeadlineExceeded,
)
from tests.base import CleanTestCase, on_thread

URL = "http://api.test"


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
        for stage in ("startup", "shutdown"):
            await receive()
            self.events.append(stage)
            await send({"type": f"lifespan.{stage}.complete"})


class AdapterTestCase(CleanTestCase):
    """A test case that mounts adapters in plain sessions."""

    def mounted(self, app: Any, **options: Any) -> requests.Session:
        """Return a plain session with an application mounted at :data:`URL`.

        :param app: the application
        :param options: those of the adapter
        """
        session = requests.Session()
        session.mount(URL, ASGIAdapter(app, **options))
        self.addCleanup(session.close)
        return session


class SessionTest(AdapterTestCase):
    """An application in a plain session."""

    def test_answers(self) -> None:
        """Requests to the mounted prefix reach the application."""
        response = self.mounted(hello).get(f"{URL}/a?q=1")

        self.assertEqual("hello", response.text)
        self.assertEqual("/a", response.scope["path"])
        self.assertEqual(b"q=1", response.scope["query_string"])
        self.assertEqual(("api.test", 80), response.scope["server"])

    def test_prefix_is_no_root_path(self) -> None:
        """The prefix of the mount changes neither path nor root path."""
        session = requests.Session()
        self.addCleanup(session.close)
        session.mount(f"{URL}/v1", ASGIAdapter(hello))
        response = session.get(f"{URL}/v1/items")

        self.assertEqual("/v1/items", response.scope["path"])
        self.assertEqual("", response.scope["root_path"])

    def test_several_applications(self) -> None:
        """One session may hold several applications, each under its own prefix."""

        async def other(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, b"other")

        session = self.mounted(hello)
        session.mount("https://other.test", ASGIAdapter(other))

        self.assertEqual("hello", session.get(URL).text)
        self.assertEqual("other", session.get("https://other.test/").text)

    def test_redirect_to_another_application(self) -> None:
        """A redirect leads from one mounted application to the other; cookies stay at home."""
        found: list[Any] = []

        async def first(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"location", b"https://other.test/x"), (b"set-cookie", b"a=b")]
            await answer(send, headers=headers, status=302)

        async def second(scope: Any, receive: Any, send: Any) -> None:
            found.append(dict(scope["headers"]))
            await answer(send, b"second")

        session = self.mounted(first)
        session.mount("https://other.test", ASGIAdapter(second))
        response = session.get(URL)

        self.assertEqual("second", response.text)
        self.assertEqual([302], [hop.status_code for hop in response.history])
        self.assertNotIn(b"cookie", found[0])
        self.assertEqual("b", session.cookies["a"])

    def test_options(self) -> None:
        """The adapter takes the options of a client."""
        session = self.mounted(
            hello,
            root_path="/api",
            http_version="2",
            client_address=("192.0.2.1", 1),
            server_address=("192.0.2.2", 2),
            spec_version="2.4",
            scope={"extra": 1},
        )
        scope = session.get(URL).scope

        self.assertEqual("/api", scope["root_path"])
        self.assertEqual("2", scope["http_version"])
        self.assertEqual(("192.0.2.1", 1), scope["client"])
        self.assertEqual(("192.0.2.2", 2), scope["server"])
        self.assertEqual("2.4", scope["asgi"]["spec_version"])
        self.assertEqual(1, scope["extra"])

    def test_hidden_exceptions(self) -> None:
        """raise_server_exceptions is one of the options."""

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            raise ValueError("mine")

        with self.assertRaisesRegex(ValueError, "mine"):
            self.mounted(failing).get(URL)
        response = self.mounted(failing, raise_server_exceptions=False).get(URL)

        self.assertEqual(500, response.status_code)
        with self.assertRaises(requests.HTTPError):
            response.raise_for_status()

    def test_bad_options(self) -> None:
        """Options are checked when the adapter is built; errors name them."""
        with self.assertRaisesRegex(TypeError, "APP-01"):
            ASGIAdapter("myproject.asgi:application")
        with self.assertRaisesRegex(ValueError, "lifespan"):
            ASGIAdapter(hello, lifespan="yes")
        with self.assertRaisesRegex(TypeError, "colour") as caught:
            ASGIAdapter(hello, colour="red")
        self.assertNotIn("ClientOptions", str(caught.exception))

    def test_violation(self) -> None:
        """A broken rule is raised by the session's call."""

        async def silent(scope: Any, receive: Any, send: Any) -> None:
            return

        with self.assertRaisesRegex(ProtocolError, "HTTP-BODY-07"):
            self.mounted(silent).get(URL)

    def test_streamed(self) -> None:
        """stream=True returns at the start of the response, before its body is sent."""
        go_on = threading.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            await anyio.to_thread.run_sync(go_on.wait)
            await send({"type": "http.response.body", "body": b"late"})

        with self.mounted(application).get(URL, stream=True) as response:
            go_on.set()

            self.assertEqual(b"late", response.content)

    def test_streamed_upload(self) -> None:
        """A generator is uploaded piece by piece."""
        events: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while not events or events[-1]["more_body"]:
                events.append(await receive())
            await answer(send)

        self.mounted(application).post(URL, data=iter([b"a", b"b"]))

        self.assertEqual([b"a", b"b", b""], [event["body"] for event in events])

    def test_one_hop(self) -> None:
        """A request whose body lies in memory takes one call of the event loop, and no more."""
        client = self.new_client(hello)
        portal = client.portal
        for options in (
            {"method": "GET"},
            {"method": "POST", "data": b"x" * 1_000_000},
            {"method": "POST", "json": {"a": 1}},
            {"method": "POST", "files": {"a": b"a"}},
        ):
            with (
                mock.patch.object(portal, "wait_for", wraps=portal.wait_for) as wait_for,
                mock.patch.object(portal, "post", wraps=portal.post) as post,
            ):
                client.request(url="/", **options)

            self.assertEqual((1, 0), (wait_for.call_count, post.call_count))

    def test_session_settings(self) -> None:
        """Headers, cookies, credentials and hooks of the session work as with any adapter."""
        found: list[Any] = []
        statuses: list[int] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append(dict(scope["headers"]))
            await answer(send, headers=[(b"set-cookie", b"c=d")])

        session = self.mounted(application)
        session.headers["X-A"] = "1"
        session.auth = ("user", "secret")
        session.cookies["a"] = "b"
        session.hooks["response"].append(
            lambda response, **options: statuses.append(response.status_code)
        )
        session.get(URL)
        session.get(URL)

        self.assertEqual(b"1", found[0][b"x-a"])
        self.assertEqual(b"Basic dXNlcjpzZWNyZXQ=", found[0][b"authorization"])
        self.assertEqual(b"a=b", found[0][b"cookie"])
        self.assertEqual({b"a=b", b"c=d"}, set(found[1][b"cookie"].split(b"; ")))
        self.assertEqual([200, 200], statuses)

    def test_proxies_and_certificates_are_ignored(self) -> None:
        """What the environment or the call says of the way there changes nothing."""
        variables = {
            "HTTP_PROXY": "http://127.0.0.1:1",
            "http_proxy": "http://127.0.0.1:1",
            "ALL_PROXY": "http://127.0.0.1:1",
            "REQUESTS_CA_BUNDLE": "/does/not/exist",
        }
        with mock.patch.dict(os.environ, variables):
            session = self.mounted(hello)

            self.assertEqual("hello", session.get(URL).text)
            self.assertEqual(
                "hello",
                session.get(
                    URL,
                    proxies={"http": "http://127.0.0.1:1"},
                    verify="/does/not/exist",
                    cert="/does/not/exist",
                ).text,
            )


class TimeoutTest(AdapterTestCase):
    """Deadlines where the session knows of none."""

    def test_none_is_the_adapters_own(self) -> None:
        """A plain session passes None on when nothing was said: the adapter's own deadline."""
        session = self.mounted(never, timeout=0.2)
        for options in ({}, {"timeout": None}):
            with self.subTest(options), self.assertRaisesRegex(DeadlineExceeded, "^0.2 s passed"):
                session.get(URL, **options)

    def test_of_the_request(self) -> None:
        """A timeout of the request comes first; of a pair, the second counts."""
        session = self.mounted(never)
        for timeout in (0.2, (100, 0.2)):
            with (
                self.subTest(timeout),
                self.assertRaisesRegex(RequestDeadlineExceeded, "^0.2 s passed"),
            ):
                session.get(URL, timeout=timeout)

    def test_caught_as_a_timeout_of_requests(self) -> None:
        """A library that catches requests' Timeout catches it."""
        session = self.mounted(never)

        with self.assertRaises(requests.Timeout):
            session.get(URL, timeout=0.2)

    def test_while_streaming(self) -> None:
        """The deadline of a streamed request is that of each piece."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await anyio.sleep_forever()

        session = self.mounted(application, timeout=0.2)
        response = session.get(URL, stream=True)
        pieces = response.iter_content(None)

        self.assertEqual(b"a", next(pieces))
        with self.assertRaisesRegex(requests.Timeout, "send more of its response"):
            next(pieces)


class BlockTest(AdapterTestCase):
    """With the adapter's block, and without it."""

    def test_lifespan_in_the_block(self) -> None:
        """In the block of the adapter the lifespan runs, on the loop of the requests."""
        app = WithLifespan()
        with ASGIAdapter(app) as adapter, requests.Session() as session:
            self.assertIsInstance(adapter, ASGIAdapter)
            session.mount(URL, adapter)
            threads = {session.get(f"{URL}/{number}").text for number in range(2)}

        self.assertEqual(["startup", "/0", "/1", "shutdown"], app.events)
        self.assertEqual(1, len(threads))

    def test_no_lifespan_without_the_block(self) -> None:
        """Without the block there is no lifespan, and one loop for all requests."""
        app = WithLifespan()
        session = self.mounted(app)

        self.assertEqual(1, len({session.get(URL).text for _ in range(3)}))
        self.assertEqual(["/", "/", "/"], app.events)

    @on_thread("the test is about the loop's own thread")
    def test_closing_the_session_ends_the_loop(self) -> None:
        """A session that is closed closes the adapter; no thread is left."""
        before = set(threading.enumerate())
        with requests.Session() as session:
            session.mount(URL, ASGIAdapter(hello))
            session.get(URL)

            self.assertNotEqual(set(), self.threads_since(before))

        self.assertEqual(set(), self.threads_since(before))

    def threads_since(self, before: set[threading.Thread]) -> set[threading.Thread]:
        """Return the threads of asgitest that are new."""
        return {
            thread
            for thread in set(threading.enumerate()) - before
            if thread.name.startswith("asgitest")
        }

    def test_close(self) -> None:
        """An adapter can be closed before its first use, and twice; its next use starts anew."""
        adapter = ASGIAdapter(hello)
        adapter.close()
        session = requests.Session()
        session.mount(URL, adapter)
        session.get(URL)
        adapter.close()
        adapter.close()

        self.assertEqual("hello", session.get(URL).text)

        adapter.close()

    def test_closing_the_session_in_the_block(self) -> None:
        """A session that is closed in the adapter's block ends the lifespan, once."""
        app = WithLifespan()
        with ASGIAdapter(app) as adapter:
            with requests.Session() as session:
                session.mount(URL, adapter)
                session.get(URL)

            self.assertEqual(["startup", "/", "shutdown"], app.events)

        self.assertEqual(["startup", "/", "shutdown"], app.events)

    def test_failing_startup(self) -> None:
        """A startup that fails is raised by the block."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with self.assertRaisesRegex(LifespanError, "no database"):
            with ASGIAdapter(application):
                self.fail("the block was entered")

    def test_error_in_the_block(self) -> None:
        """An error in the block comes out of it; the lifespan ends before."""
        app = WithLifespan()
        with self.assertRaisesRegex(ValueError, "mine"):
            with ASGIAdapter(app):
                raise ValueError("mine")

        self.assertEqual(["startup", "shutdown"], app.events)


class ResponseTest(AdapterTestCase):
    """What a response carries beyond those of requests."""

    async def full(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with a debug message and headers of all kinds."""
        template, context = object(), {"user": "alice"}
        info = {"template": template, "context": context, "other": 5}
        self.info = info
        if scope["path"] == "/debug":
            await send({"type": "http.response.debug", "info": info})
        await answer(
            send,
            b"body",
            headers=[
                (b"X-B", b"1"),
                (b"set-cookie", b"a=1"),
                (b"x-a", b"caf\xe9"),
                (b"x-b", b"2"),
                (b"set-cookie", b"c=2"),
            ],
        )

    def test_raw_headers(self) -> None:
        """raw_headers is a list of byte pairs: order and duplicates as sent, names lower-cased."""
        self.assertEqual(
            [
                (b"x-b", b"1"),
                (b"set-cookie", b"a=1"),
                (b"x-a", b"caf\xe9"),
                (b"x-b", b"2"),
                (b"set-cookie", b"c=2"),
            ],
            self.mounted(self.full).get(URL).raw_headers,
        )

    def test_headers(self) -> None:
        """headers is the dict of requests: case is ignored, duplicates are joined, latin-1."""
        response = self.mounted(self.full).get(URL)

        self.assertIsInstance(response.headers, requests.structures.CaseInsensitiveDict)
        self.assertEqual("1, 2", response.headers["X-B"])
        self.assertEqual("caf\xe9", response.headers["x-a"])

    def test_duplicates_in_the_raw_response(self) -> None:
        """The raw response keeps duplicates apart, as urllib3 does."""
        raw = self.mounted(self.full).get(URL).raw

        self.assertEqual(["1", "2"], raw.headers.getlist("x-b"))
        self.assertEqual(["a=1", "c=2"], raw.headers.getlist("set-cookie"))

    def test_cookies(self) -> None:
        """Each set-cookie header is a cookie."""
        self.assertEqual({"a": "1", "c": "2"}, self.mounted(self.full).get(URL).cookies.get_dict())

    def test_scope(self) -> None:
        """scope is what the application was given, whatever it did to it."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scope["path"] = "/changed"
            scope["headers"].append((b"x-added", b"1"))
            scope["state"]["added"] = 1
            scope["asgi"]["added"] = 1
            scope["extensions"]["added"] = {}
            scope["added"] = 1
            await answer(send)

        session = self.mounted(application)
        for stream in (False, True):
            with self.subTest(stream=stream), session.get(URL, stream=stream) as response:
                self.assertEqual("/", response.scope["path"])
                self.assertNotIn((b"x-added", b"1"), response.scope["headers"])
                self.assertNotIn("added", response.scope["state"])
                self.assertNotIn("added", response.scope["asgi"])
                self.assertNotIn("added", response.scope["extensions"])
                self.assertNotIn("added", response.scope)

    def test_debug(self) -> None:
        """debug, template and context come of the debug message."""
        session = self.mounted(self.full)
        for stream in (False, True):
            with self.subTest(stream=stream):
                with session.get(f"{URL}/debug", stream=stream) as response:
                    self.assertIs(self.info, response.debug)
                    self.assertIs(self.info["template"], response.template)
                    self.assertIs(self.info["context"], response.context)

    def test_no_debug(self) -> None:
        """Without a debug message the three are None."""
        response = self.mounted(self.full).get(URL)

        self.assertIsNone(response.debug)
        self.assertIsNone(response.template)
        self.assertIsNone(response.context)

    def test_debug_without_a_template(self) -> None:
        """A debug message need not know templates."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.debug", "info": {}})
            await answer(send)

        response = self.mounted(application).get(URL)

        self.assertEqual({}, response.debug)
        self.assertIsNone(response.template)
        self.assertIsNone(response.context)

    def test_template_message(self) -> None:
        """The older message that hands over a template sets template and context, too."""
        template, context = object(), {"user": "alice"}

        async def application(scope: Any, receive: Any, send: Any) -> None:
            self.assertIn("http.response.template", scope["extensions"])
            await send({"type": "http.response.template", "template": template, "context": context})
            await answer(send)

        response = self.mounted(application).get(URL)

        self.assertIs(template, response.template)
        self.assertIs(context, response.context)

    def test_nothing_beside_the_response(self) -> None:
        """Where nothing else was sent, there are no trailers, early hints and pushes."""
        response = self.mounted(self.full).get(URL)

        self.assertEqual(0, len(response.trailers))
        self.assertEqual(0, len(response.early_hints))
        self.assertEqual(0, len(response.pushes))

    def test_attributes_of_requests(self) -> None:
        """What requests' own adapter sets is set."""
        session = self.mounted(self.full)
        response = session.get(f"{URL}/a")

        self.assertIs(requests.Response, type(response))
        self.assertEqual(200, response.status_code)
        self.assertEqual("OK", response.reason)
        self.assertEqual(f"{URL}/a", response.url)
        self.assertEqual("GET", response.request.method)
        self.assertIs(session.get_adapter(URL), response.connection)
        self.assertEqual([], response.history)
        self.assertTrue(response.ok)
        self.assertGreaterEqual(response.elapsed.total_seconds(), 0)

    def test_version_of_the_raw_response(self) -> None:
        """The raw response tells the version, status and reason, as urllib3's does."""
        for http_version, expected in (("1.0", 10), ("1.1", 11), ("2", 20)):
            with self.subTest(http_version=http_version):
                raw = self.mounted(self.full, http_version=http_version).get(URL).raw

                self.assertEqual(expected, raw.version)
                self.assertEqual(200, raw.status)
                self.assertEqual("OK", raw.reason)

    def test_reason(self) -> None:
        """The reason is the phrase of the status, and empty where there is none."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, status=int(scope["path"][1:]))

        session = self.mounted(application)
        for status, reason in ((201, "Created"), (418, "I'm a Teapot"), (299, ""), (599, "")):
            with self.subTest(status=status):
                response = session.get(f"{URL}/{status}")

                self.assertEqual(status, response.status_code)
                self.assertEqual(reason, response.reason)

    def test_hops_have_their_own(self) -> None:
        """Each response of a redirect carries its own scope and headers."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await answer(send, headers=[(b"location", b"/next")], status=302)
            else:
                await answer(send)

        response = self.mounted(application).get(URL)

        self.assertEqual("/", response.history[0].scope["path"])
        self.assertEqual([(b"location", b"/next")], response.history[0].raw_headers)
        self.assertEqual("/next", response.scope["path"])
        self.assertEqual([], response.raw_headers)

    def test_save_raw_to_a_file(self) -> None:
        """The raw response can be copied to a file, as requests' documentation shows."""
        target = io.BytesIO()
        with self.mounted(self.full).get(URL, stream=True) as response:
            for piece in iter(lambda: response.raw.read(2), b""):
                target.write(piece)

        self.assertEqual(b"body", target.getvalue())
