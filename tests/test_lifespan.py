"""The lifespan of an application: startup, state, shutdown, and what is left at the end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import os
import subprocess
import sys
import textwrap
import threading
import unittest
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from asgitest import (
    ASGIAdapter,
    ASGITestCase,
    ASGITestError,
    ASGIWarning,
    DeadlineExceeded,
    LifespanError,
    ProtocolError,
    TestClient,
)
from tests.base import CleanTestCase, on_thread, running_threads

Message = dict[str, Any]

BACKEND = os.environ.get("ASGITEST_BACKEND", "asyncio")
STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}
STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


def start_failed(message: str) -> Message:
    """Return the message that reports a failed startup."""
    return {"type": "lifespan.startup.failed", "message": message}


def stop_failed(message: str) -> Message:
    """Return the message that reports a failed shutdown."""
    return {"type": "lifespan.shutdown.failed", "message": message}


async def respond(send: Any, body: bytes = b"ok") -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})


class Application:
    """An application with a lifespan of choice, which answers every request and WebSocket.

    :param lifespan: what to do on the lifespan scope
    :ivar scopes: the scopes it was called with, the lifespan's apart
    :ivar lifespan_scopes: those of its lifespans
    """

    def __init__(self, lifespan: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self.lifespan = lifespan
        self.scopes: list[Any] = []
        self.lifespan_scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.lifespan_scopes.append(scope)
            await self.lifespan(scope, receive, send)
            return
        self.scopes.append(scope)
        if scope["type"] == "http":
            await respond(send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


def saying(*answers: Message, then: BaseException | None = None) -> Application:
    """Return an application whose lifespan receives, sends, receives, sends...

    :param answers: what it sends, one message for each event
    :param then: what it raises in the end
    """

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        for answer in answers:
            await receive()
            await send(answer)
        if then is not None:
            raise then

    return Application(lifespan)


class WellBehaved(Application):
    """An application that notes what happens in its lifespan."""

    def __init__(self) -> None:
        super().__init__(self.run)
        self.log: list[str] = []

    async def run(self, scope: Any, receive: Any, send: Any) -> None:
        """Note startup and shutdown."""
        self.log.append((await receive())["type"])
        await anyio.lowlevel.checkpoint()
        scope["state"]["number"] = len(self.lifespan_scopes)
        await send(STARTED)
        self.log.append((await receive())["type"])
        await anyio.lowlevel.checkpoint()
        self.log.append("clean")
        await send(STOPPED)


def no_answer(error: BaseException | None, *, receives: bool = False) -> Application:
    """Return an application that does not answer startup: it raises, or returns with None."""

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        if receives:
            await receive()
        if error is not None:
            raise error

    return Application(lifespan)


class OrderTest(CleanTestCase):
    """An application that supports the lifespan protocol."""

    def test_startup_and_shutdown(self) -> None:
        """Startup runs when the client is entered, shutdown when it is left."""
        for mode in ("auto", "on"):
            app = WellBehaved()
            client = TestClient(app, lifespan=mode)
            self.assertEqual([], app.log)
            with client as entered:
                self.assertIs(client, entered)
                self.assertEqual(["lifespan.startup"], app.log)
                self.assertEqual("ok", client.get("/").text)
                self.assertEqual(["lifespan.startup"], app.log)
            self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)

    def test_scope(self) -> None:
        """The scope holds these keys and values, and no others."""
        app = WellBehaved()
        with TestClient(app, root_path="/api", scope={"x": 1}, spec_version="2.5"):
            pass
        self.assertEqual(
            [
                {
                    "type": "lifespan",
                    "asgi": {"version": "3.0", "spec_version": "2.0"},
                    "state": {"number": 1},
                }
            ],
            app.lifespan_scopes,
        )
        self.assertIs(dict, type(app.lifespan_scopes[0]))

    def test_off(self) -> None:
        """With lifespan="off" the application is never called with the scope."""
        app = WellBehaved()
        with TestClient(app, lifespan="off") as client:
            self.assertEqual("ok", client.get("/").text)
            self.assertEqual({}, client.state)
        self.assertEqual([], app.lifespan_scopes)

    def test_wrong_mode(self) -> None:
        """A mode is auto, on or off."""
        for mode in ("", "ON", None, True):
            with self.assertRaisesRegex(ValueError, "lifespan must be one of auto, on, off"):
                TestClient(WellBehaved(), lifespan=mode)  # type: ignore[arg-type]

    def test_events_are_given_once(self) -> None:
        """After the startup event the application waits until the client is left."""
        events = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            events.append(await receive())
            await send(STARTED)
            events.append(await receive())
            await send(STOPPED)

        with TestClient(Application(lifespan)) as client:
            client.call(anyio.wait_all_tasks_blocked)
            self.assertEqual([STARTUP], events)
        self.assertEqual([STARTUP, SHUTDOWN], events)

    def test_loop_of_the_lifespan_serves_the_requests(self) -> None:
        """Lifespan, requests and WebSockets run in one loop and one thread."""
        threads: list[threading.Thread] = []
        tokens: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            threads.append(threading.current_thread())
            tokens.append(current_loop())
            if scope["type"] == "lifespan":
                await receive()
                await send(STARTED)
                await receive()
                tokens.append(current_loop())
                await send(STOPPED)
            elif scope["type"] == "http":
                await respond(send)
            else:
                await send({"type": "websocket.close"})

        with TestClient(app) as client:
            client.get("/")
            client.get("/", stream=True).close()
            with contextlib.suppress(ASGITestError):
                client.websocket_connect("/").__enter__()
            tokens.append(client.call(current_loop))
        self.assertEqual(1, len(set(threads)))
        self.assertEqual(6, len(tokens))
        self.assertEqual(1, len(set(map(id, tokens))))

    def test_shutdown_comes_after_connections_are_closed(self) -> None:
        """What is still open is closed, with a warning, before the shutdown event is given."""
        log: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send(STARTED)
                await receive()
                log.append("shutdown")
                await send(STOPPED)
            elif scope["type"] == "http":
                await receive()
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                log.append((await receive())["type"])
            else:
                await receive()
                await send({"type": "websocket.accept"})
                log.append((await receive())["type"])

        client = TestClient(app)
        with self.assertWarns(ResourceWarning) as caught:
            with client:
                response = client.get("/stream", stream=True)
                session = client.websocket_connect("/socket").__enter__()
        self.assertEqual(["http.disconnect", "websocket.disconnect"], sorted(log[:2]))
        self.assertEqual(["shutdown"], log[2:])
        texts = [str(warning.message) for warning in caught.warnings]
        self.assertEqual(2, len(texts), texts)
        self.assertIn("GET http://testserver/stream", " ".join(texts))
        self.assertIn("ws://testserver/socket", " ".join(texts))
        del response, session

    def test_leaving_waits_for_the_end_of_the_application(self) -> None:
        """What the application does after shutdown.complete is awaited as well."""
        done = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            try:
                await receive()
                await send(STARTED)
                await receive()
                await send(STOPPED)
            finally:
                await anyio.to_thread.run_sync(done.append, 1)
                await anyio.lowlevel.checkpoint()
                done.append(2)

        with TestClient(Application(lifespan)):
            pass
        self.assertEqual([1, 2], done)

    def test_receiving_after_shutdown(self) -> None:
        """After the shutdown event nothing comes any more: the application is ended in time."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            while True:
                await receive()

        client = TestClient(Application(lifespan), timeout=0.2)
        client.__enter__()
        with self.assertRaises(DeadlineExceeded) as caught:
            client.__exit__(None, None, None)
        self.assertIn("shutdown", caught.exception.waiting_for)
        self.assertIn("waits in receive()", str(caught.exception))

    def test_exception_of_the_block_is_not_masked(self) -> None:
        """What the block raised is raised, even if the shutdown fails as well."""
        with self.assertRaisesRegex(ZeroDivisionError, "in the block") as caught:
            with TestClient(saying(STARTED, stop_failed("cannot stop"))):
                raise ZeroDivisionError("in the block")
        if sys.version_info >= (3, 11):
            self.assertIn("cannot stop", "".join(caught.exception.__notes__))

    def test_shutdown_runs_after_an_exception_of_the_block(self) -> None:
        """An exception in the block shuts the application down as its end does."""
        app = WellBehaved()
        with self.assertRaises(ZeroDivisionError):
            with TestClient(app):
                raise ZeroDivisionError
        self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)


class UnsupportedTest(CleanTestCase):
    """An application that does not know the lifespan protocol, or does not want to."""

    def test_raising_on_the_scope(self) -> None:
        """With lifespan="auto" an application that raises on the scope is used without one."""
        for error in (ValueError("Django can only handle ASGI/HTTP"), AssertionError(), KeyError()):
            app = no_answer(error)
            with TestClient(app) as client:
                self.assertEqual("ok", client.get("/").text)
                with client.websocket_connect("/"):
                    pass
                self.assertEqual({}, client.state)

    def test_returning_on_the_scope(self) -> None:
        """With lifespan="auto" one that returns, before or after it received, is used without."""
        for receives in (False, True):
            app = no_answer(None, receives=receives)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ASGIWarning)
                with TestClient(app) as client:
                    self.assertEqual("ok", client.get("/").text)

    def test_raising_after_startup_was_received(self) -> None:
        """One that took the event and then raises may be broken: it is used, with a warning."""
        app = no_answer(ConnectionError("no database"), receives=True)
        client = TestClient(app)
        with self.assertWarnsRegex(ASGIWarning, r"no database.*LIFE-07"):
            client.__enter__()
        self.assertEqual("ok", client.get("/").text)
        client.close()

    def test_place_of_the_warning(self) -> None:
        """The warning points at the line that entered the client."""
        client = TestClient(no_answer(ConnectionError("no database"), receives=True))
        with self.assertWarns(ASGIWarning) as caught:
            client.__enter__()
        client.close()
        self.assertEqual(__file__, caught.filename)

    def test_raising_with_lifespan_on(self) -> None:
        """With lifespan="on" the application's exception is raised, and no loop remains."""
        for receives in (False, True):
            error = ValueError("unknown scope")
            client = TestClient(no_answer(error, receives=receives), lifespan="on")
            with self.assertRaises(ValueError) as caught:
                client.__enter__()
            self.assertIs(error, caught.exception)

    def test_returning_with_lifespan_on(self) -> None:
        """With lifespan="on" returning without an answer is an error."""
        for receives in (False, True):
            client = TestClient(no_answer(None, receives=receives), lifespan="on")
            with self.assertRaisesRegex(LifespanError, "returned without answering") as caught:
                client.__enter__()
            self.assertEqual("startup", caught.exception.stage)

    def test_raising_together_with_others(self) -> None:
        """A group of exceptions is taken as any other exception."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            async with anyio.create_task_group():
                raise NotImplementedError(scope["type"])

        with TestClient(Application(lifespan)) as client:
            self.assertEqual("ok", client.get("/").text)

    @unittest.skipIf(BACKEND == "trio", "Django needs asyncio")
    def test_django(self) -> None:
        """Django raises on the scope, which is taken for what it is."""
        try:
            import django  # noqa: F401
        except ImportError:
            self.skipTest("Django is not installed")
        program = textwrap.dedent(
            """
            import django
            from django.conf import settings
            from django.core.asgi import get_asgi_application
            from django.http import JsonResponse
            from django.urls import path
            from asgitest import TestClient

            async def view(request):
                return JsonResponse({"path": request.path})

            settings.configure(
                ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", USE_TZ=True
            )
            urlpatterns = [path("hello", view)]
            with TestClient(get_asgi_application()) as client:
                print(client.get("/hello").json())
            """
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual("{'path': '/hello'}\n", done.stdout, done.stderr)


class FailureTest(CleanTestCase):
    """An application whose startup or shutdown fails."""

    def assert_startup_fails(self, app: Any, message: str, **options: Any) -> LifespanError:
        """Fail unless entering raises that the startup failed."""
        for mode in ("auto", "on"):
            client = TestClient(app, lifespan=mode, **options)
            with self.assertRaises(LifespanError) as caught:
                client.__enter__()
            self.assertEqual(("startup", message), _stage_and_message(caught.exception))
        return caught.exception

    def test_startup_failed(self) -> None:
        """startup.failed is raised with its message, in both modes; it is a test's failure."""
        error = self.assert_startup_fails(saying(start_failed("no database")), "no database")
        self.assertIsInstance(error, AssertionError)
        self.assertIn("no database", str(error))
        self.assertIsNone(error.__cause__)

    def test_startup_failed_without_a_message(self) -> None:
        """The message may be missing or empty."""
        error = self.assert_startup_fails(saying({"type": "lifespan.startup.failed"}), "")
        self.assertIn("no message", str(error))
        self.assert_startup_fails(saying(start_failed("")), "")

    def test_startup_failed_and_raised(self) -> None:
        """The exception that follows startup.failed is the cause."""
        error = ConnectionError("refused")
        app = saying(start_failed("no database"), then=error)
        self.assertIs(error, self.assert_startup_fails(app, "no database").__cause__)

    def test_except_lines_for_the_cause(self) -> None:
        """What reports a failure is an instance of the cause's class too, with its attributes."""

        class DatabaseError(Exception):
            """An exception with a constructor of its own."""

            def __init__(self, host: str, *, port: int) -> None:
                super().__init__(f"{host}:{port} does not answer")
                self.port = port

        for answers, stage in (
            ([start_failed("no database")], "startup"),
            ([STARTED, stop_failed("no database")], "shutdown"),
        ):
            error = DatabaseError("db", port=5432)
            with self.assertRaises(DatabaseError) as caught:
                with TestClient(saying(*answers, then=error)):
                    pass
            self.assertIsInstance(caught.exception, LifespanError)
            self.assertEqual((stage, "no database"), _stage_and_message(caught.exception))
            self.assertEqual(5432, caught.exception.port)
            self.assertIs(error, caught.exception.__cause__)

    def test_startup_failed_and_hanging(self) -> None:
        """An application that does not end after startup.failed is cancelled; its words remain."""
        ended = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(start_failed("no database"))
            try:
                await anyio.sleep_forever()
            finally:
                ended.append(True)

        client = TestClient(Application(lifespan), timeout=0.2)
        with self.assertRaises(LifespanError) as caught:
            client.__enter__()
        self.assertEqual(("startup", "no database"), _stage_and_message(caught.exception))
        self.assertIn("no database", str(caught.exception))
        self.assertEqual([True], ended)

    def test_client_after_a_failed_startup(self) -> None:
        """A client whose startup failed was not entered; entering it again starts anew."""
        attempts = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            attempts.append(True)
            if len(attempts) == 1:
                await send(start_failed("not yet"))
                return
            await send(STARTED)
            await receive()
            await send(STOPPED)

        app = Application(lifespan)
        client = self.new_client(app)
        with self.assertRaises(LifespanError):
            client.__enter__()
        self.assertEqual("ok", client.get("/").text)
        self.assertEqual(1, len(attempts))
        client.close()
        with client:
            self.assertEqual("ok", client.get("/").text)
        self.assertEqual(2, len(attempts))

    def test_never_answering_startup(self) -> None:
        """Entering ends at the deadline, says where the application stands, and cancels it."""
        ended = []

        async def connect_to_database() -> None:
            await anyio.sleep_forever()

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            try:
                await connect_to_database()
            finally:
                ended.append(True)

        client = TestClient(Application(lifespan), timeout=0.2)
        with self.assertRaises(DeadlineExceeded) as caught:
            client.__enter__()
        self.assertIn("lifespan.startup", caught.exception.waiting_for)
        self.assertIn("connect_to_database", str(caught.exception))
        self.assertEqual([True], ended)
        self.assertEqual("ok", client.get("/").text)
        client.close()

    def test_never_ending_shutdown(self) -> None:
        """Leaving ends at the deadline, says where the application stands, and cancels it."""
        ended = []

        async def flush_queues() -> None:
            await anyio.sleep_forever()

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            await receive()
            try:
                await flush_queues()
            finally:
                ended.append(True)

        client = TestClient(Application(lifespan), timeout=0.2)
        client.__enter__()
        with self.assertRaises(DeadlineExceeded) as caught:
            client.__exit__(None, None, None)
        self.assertIn("lifespan.shutdown", caught.exception.waiting_for)
        self.assertIn("flush_queues", str(caught.exception))
        self.assertEqual([True], ended)

    def test_crash_after_startup(self) -> None:
        """An exception after startup.complete is raised when the client is left, in both modes."""
        for mode in ("auto", "on"):
            error = ValueError("crashed")
            client = TestClient(saying(STARTED, then=error), lifespan=mode)
            with self.assertRaises(ValueError) as caught:
                with client:
                    client.call(anyio.wait_all_tasks_blocked)
                    self.assertEqual("ok", client.get("/").text)
            self.assertIs(error, caught.exception)

    def test_crash_in_shutdown(self) -> None:
        """An exception instead of an answer to shutdown is raised, in both modes."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            await receive()
            raise ValueError("crashed")

        for mode in ("auto", "on"):
            with self.assertRaisesRegex(ValueError, "crashed"):
                with TestClient(Application(lifespan), lifespan=mode):
                    pass

    def test_crash_after_shutdown(self) -> None:
        """An exception after shutdown.complete is raised too."""
        with self.assertRaisesRegex(ValueError, "crashed"):
            with TestClient(saying(STARTED, STOPPED, then=ValueError("crashed"))):
                pass

    def test_shutdown_failed(self) -> None:
        """shutdown.failed is raised with its message, and with its exception as cause."""
        for error in (None, ValueError("crashed")):
            app = saying(STARTED, stop_failed("cannot flush"), then=error)
            with self.assertRaisesRegex(LifespanError, "cannot flush") as caught:
                with TestClient(app):
                    pass
            self.assertEqual(("shutdown", "cannot flush"), _stage_and_message(caught.exception))
            self.assertIs(error, caught.exception.__cause__)

    def test_returning_early(self) -> None:
        """An application may leave its lifespan after startup; then it has no shutdown."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ASGIWarning)
            with TestClient(saying(STARTED)) as client:
                client.call(anyio.wait_all_tasks_blocked)
                self.assertEqual("ok", client.get("/").text)

    def test_returning_instead_of_answering_shutdown(self) -> None:
        """An application may return instead of sending shutdown.complete."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            await receive()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ASGIWarning)
            with TestClient(Application(lifespan)):
                pass

    def test_exception_group_is_unwrapped(self) -> None:
        """The only exception of a group is raised itself."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            async def crash() -> None:
                raise ValueError("crashed")

            await receive()
            await send(STARTED)
            async with anyio.create_task_group() as group:
                group.start_soon(crash)

        with self.assertRaisesRegex(ValueError, "crashed"):
            with TestClient(Application(lifespan)) as client:
                client.call(anyio.wait_all_tasks_blocked)

    def test_case_whose_startup_fails(self) -> None:
        """In a test case a failed startup is a failure of the test, with the message."""

        class Case(ASGITestCase):
            app = saying(start_failed("no database"))

            def test(self) -> None:
                """Never run."""

        result = unittest.TestResult()
        Case("test").run(result)
        self.assertEqual(([], 1), (result.errors, len(result.failures)))
        self.assertIn("no database", result.failures[0][1])


class ViolationTest(CleanTestCase):
    """Broken rules in a lifespan surface in every mode."""

    def test_in_startup(self) -> None:
        """A broken rule before the answer is raised by entering, swallowed or not."""
        wrong: list[tuple[str, Any]] = [
            ("LIFE-11", STOPPED),
            ("LIFE-11", stop_failed("x")),
            ("LIFE-04", {"type": "lifespan.startup.failed", "message": None}),
            ("LIFE-04", {"type": "lifespan.startup.failed", "message": b"x"}),
            ("LIFE-17", {"type": "http.response.start", "status": 200}),
            ("LIFE-17", {"type": "http.response.body"}),
            ("LIFE-17", {"type": "websocket.accept"}),
            ("EVT-05", STARTUP),
            ("EVT-05", {"type": "lifespan.startup.completed"}),
            ("EVT-01", {}),
            ("EVT-01", None),
        ]
        for rule, message in wrong:
            for swallow in (False, True):
                for mode in ("auto", "on"):
                    with self.subTest(message=message, swallow=swallow, mode=mode):
                        app = self.sending([message], swallow)
                        with self.assertRaises(ProtocolError) as caught:
                            with TestClient(app, lifespan=mode):
                                self.fail("the block was entered")
                        self.assertEqual(rule, caught.exception.rule)

    def test_after_startup(self) -> None:
        """A broken rule after the answer is raised by leaving at the latest, swallowed or not."""
        wrong: list[tuple[str, Any]] = [
            ("LIFE-04", STARTED),
            ("LIFE-04", start_failed("x")),
            ("LIFE-11", STOPPED),
            ("LIFE-17", {"type": "http.response.body"}),
        ]
        for rule, message in wrong:
            for swallow in (False, True):
                with self.subTest(message=message, swallow=swallow):
                    with self.assertRaises(ProtocolError) as caught:
                        with TestClient(self.sending([STARTED, message], swallow)) as client:
                            client.call(anyio.wait_all_tasks_blocked)
                    self.assertEqual(rule, caught.exception.rule)

    def test_after_failed_startup(self) -> None:
        """startup.complete after startup.failed is a broken rule."""
        with self.assertRaises(ProtocolError) as caught:
            with TestClient(self.sending([start_failed("x"), STARTED], swallow=False)):
                self.fail("the block was entered")
        self.assertEqual("LIFE-04", caught.exception.rule)

    def test_in_shutdown(self) -> None:
        """A broken rule in the shutdown is raised by leaving, swallowed or not."""
        wrong: list[tuple[str, Any]] = [
            ("LIFE-11", {"type": "lifespan.shutdown.failed", "message": 1}),
            ("LIFE-04", STARTED),
            ("EVT-05", SHUTDOWN),
        ]
        for rule, message in wrong:
            for swallow in (False, True):

                async def lifespan(
                    scope: Any,
                    receive: Any,
                    send: Any,
                    message: Any = message,
                    swallow: bool = swallow,
                ) -> None:
                    await receive()
                    await send(STARTED)
                    await receive()
                    try:
                        await send(message)
                    except ProtocolError:
                        if not swallow:
                            raise
                    await send(STOPPED)

                with self.subTest(message=message, swallow=swallow):
                    with self.assertRaises(ProtocolError) as caught:
                        with TestClient(Application(lifespan)):
                            pass
                    self.assertEqual(rule, caught.exception.rule)

    def test_after_shutdown(self) -> None:
        """A second answer to the shutdown is a broken rule."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            await receive()
            await send(STOPPED)
            await send(STOPPED)

        with self.assertRaises(ProtocolError) as caught:
            with TestClient(Application(lifespan)):
                pass
        self.assertEqual("LIFE-11", caught.exception.rule)

    @staticmethod
    def sending(messages: list[Any], swallow: bool) -> Application:
        """Return an application that sends these after startup, then does what is right."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            for message in messages:
                try:
                    await send(message)
                except ProtocolError:
                    if not swallow:
                        raise
            if messages[0] is not STARTED:
                await send(STARTED)
            await receive()
            await send(STOPPED)

        return Application(lifespan)


class StateTest(CleanTestCase):
    """The namespace that a lifespan fills."""

    def test_state_reaches_every_scope(self) -> None:
        """Each request and WebSocket has a shallow copy, and the test has the state itself."""
        shared = ["shared"]

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            scope["state"].update(pool=shared, n=1)
            await send(STARTED)
            await receive()
            await send(STOPPED)

        app = Application(lifespan)
        client = self.enter_client(app)
        client.get("/")
        client.get("/", stream=True).close()
        with client.websocket_connect("/"):
            pass
        client.new_client().get("/")
        states = [scope["state"] for scope in app.scopes]
        self.assertEqual(4, len(states))
        for state in states:
            self.assertEqual({"pool": ["shared"], "n": 1}, state)
            self.assertIs(shared, state["pool"])
            self.assertIs(dict, type(state))
        self.assertEqual(5, len({id(state) for state in [*states, client.state]}))
        self.assertEqual({"pool": ["shared"], "n": 1}, client.state)
        self.assertIs(shared, client.state["pool"])
        self.assertEqual(client.state, client.new_client().state)

    def test_changes_in_a_request_stay_there(self) -> None:
        """New keys of a request do not leak; what is changed in a shared object shows."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                scope["state"]["list"] = []
                await send(STARTED)
                await receive()
                await send(STOPPED)
                return
            scope["state"]["list"].append(scope["path"])
            scope["state"][scope["path"]] = True
            await respond(send, " ".join(sorted(scope["state"])).encode())

        client = self.enter_client(app)
        self.assertEqual("/a list", client.get("/a").text)
        self.assertEqual("/b list", client.get("/b").text)
        self.assertEqual({"list": ["/a", "/b"]}, client.state)

    def test_scope_in_the_test_is_pristine(self) -> None:
        """What the application does to its state does not show in the response's scope."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            scope["state"]["x"] = 1
            await respond(send)

        self.assertEqual({}, self.enter_client(app).get("/").scope["state"])

    def test_later_changes_of_the_lifespan(self) -> None:
        """What the lifespan, or the test, changes later is in the scopes from then on."""
        gate: list[Any] = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            gate.append(anyio.Event())
            await receive()
            await send(STARTED)
            await gate[0].wait()
            scope["state"]["late"] = 1
            await receive()
            await send(STOPPED)

        app = Application(lifespan)
        client = self.enter_client(app)
        client.get("/")
        client.call(gate[0].set)
        client.call(anyio.wait_all_tasks_blocked)
        client.get("/")
        client.state["test"] = 2
        client.get("/")
        states = [scope["state"] for scope in app.scopes]
        self.assertEqual([{}, {"late": 1}, {"late": 1, "test": 2}], states)

    def test_rebinding_has_no_effect(self) -> None:
        """A dict that the application puts in the place of the state is lost, as on servers."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            scope["state"]["kept"] = 1
            scope["state"] = {"lost": 2}
            await send(STARTED)
            await receive()
            await send(STOPPED)

        app = Application(lifespan)
        client = self.enter_client(app)
        client.get("/")
        self.assertEqual({"kept": 1}, client.state)
        self.assertEqual({"kept": 1}, app.scopes[0]["state"])

    def test_state_without_a_lifespan(self) -> None:
        """Without a lifespan there is an empty state in every scope."""
        app = WellBehaved()
        client = self.new_client(app)
        client.get("/")
        self.assertEqual({}, app.scopes[0]["state"])
        self.assertEqual({}, client.state)

    def test_state_is_new_with_each_start(self) -> None:
        """A client that is entered again begins with an empty state."""
        app = WellBehaved()
        client = TestClient(app)
        for number in (1, 2):
            with client:
                self.assertEqual({"number": number}, client.state)
        self.assertEqual([1, 2], [scope["state"]["number"] for scope in app.lifespan_scopes])

    def test_state_of_the_scope_option(self) -> None:
        """A state in the client's scope option takes the place of the lifespan's."""
        app = WellBehaved()
        client = self.enter_client(app, scope={"state": {"own": 1}})
        client.get("/")
        self.assertEqual({"own": 1}, app.scopes[0]["state"])


class BlockTest(CleanTestCase):
    """Entering, leaving, closing: in whichever order."""

    def test_entering_twice(self) -> None:
        """A client that is entered cannot be entered again; it goes on as it was."""
        app = WellBehaved()
        with TestClient(app) as client:
            with self.assertRaisesRegex(ASGITestError, "entered already.*new_client"):
                client.__enter__()
            self.assertEqual("ok", client.get("/").text)
        self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)

    def test_entering_again_after_leaving(self) -> None:
        """A client that was left can be entered again; the application starts anew."""
        app = WellBehaved()
        client = TestClient(app)
        for _ in range(3):
            with client:
                self.assertEqual("ok", client.get("/").text)
        self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"] * 3, app.log)

    def test_leaving_twice(self) -> None:
        """Closing a client that was left has no effect, and closing one in its block ends it."""
        app = WellBehaved()
        client = TestClient(app)
        with client:
            client.close()
            self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)
        client.close()
        client.__exit__(None, None, None)
        self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)

    def test_requests_before_entering(self) -> None:
        """A client that was used without its block is entered on the loop it has."""
        app = WellBehaved()
        client = TestClient(app)
        self.assertEqual("ok", client.get("/").text)
        before = client.call(current_loop)
        with client:
            self.assertIs(before, client.call(current_loop))
            self.assertEqual(["lifespan.startup"], app.log)
        self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)

    def test_requests_after_leaving(self) -> None:
        """A request after the block runs without a lifespan, on a new loop."""
        app = WellBehaved()
        client = self.new_client(app)
        with client:
            pass
        self.assertEqual("ok", client.get("/").text)
        self.assertEqual(1, len(app.lifespan_scopes))

    def test_without_the_block(self) -> None:
        """Without the block there is no lifespan, and one loop serves all requests."""
        app = WellBehaved()
        client = self.new_client(app)
        loops = []
        for _ in range(3):
            self.assertEqual("ok", client.get("/").text)
            with client.websocket_connect("/"):
                loops.append(client.call(current_loop))
        self.assertEqual([], app.lifespan_scopes)
        self.assertEqual(1, len(set(map(id, loops))))

    def test_no_loop_before_it_is_needed(self) -> None:
        """A client that was never used has no thread, and can be closed."""
        before = running_threads()
        client = TestClient(WellBehaved())
        self.assertEqual(set(), running_threads() - before)
        client.close()

    @on_thread("the loop ends by itself")
    def test_collected_client(self) -> None:
        """A client that nobody closed ends its loop when it is collected."""
        app = WellBehaved()
        client = TestClient(app)
        client.get("/")
        (thread,) = running_portals()
        reference = weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNone(reference())
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_interpreter_that_ends(self) -> None:
        """A program that never closes its clients ends nevertheless, and without an error."""
        program = textwrap.dedent(
            """
            from asgitest import TestClient

            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await receive()
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    await send({"type": "lifespan.shutdown.complete"})
                elif scope["type"] == "http":
                    await send({"type": "http.response.start", "status": 200})
                    await send({"type": "http.response.body", "body": b"ok"})
                else:
                    await receive()
                    await send({"type": "websocket.accept"})
                    while True:
                        await receive()

            entered, plain = TestClient(app), TestClient(app)
            entered.__enter__()
            sessions = [client.websocket_connect("/") for client in (entered, plain)]
            for session in sessions:
                session.__enter__()
            print(entered.get("/").text, plain.get("/").text)
            """
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(("ok ok\n", 0), (done.stdout, done.returncode), done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_further_clients(self) -> None:
        """A further client has no lifespan of its own: entering and leaving it change nothing."""
        app = WellBehaved()
        with TestClient(app) as client:
            with client.new_client() as other:
                self.assertEqual("ok", other.get("/").text)
                self.assertIs(client.call(current_loop), other.call(current_loop))
            other.close()
            self.assertEqual("ok", other.get("/").text)
            self.assertEqual("ok", client.get("/").text)
        self.assertEqual(1, len(app.lifespan_scopes))

    def test_adapter(self) -> None:
        """The adapter's block runs the lifespan as a client's does."""
        import requests

        app = WellBehaved()
        with ASGIAdapter(app) as adapter, requests.Session() as session:
            session.mount("http://api.test", adapter)
            self.assertEqual("ok", session.get("http://api.test/").text)
            self.assertEqual(["lifespan.startup"], app.log)
        self.assertEqual(["lifespan.startup", "lifespan.shutdown", "clean"], app.log)

    def test_interrupt_in_the_block(self) -> None:
        """A Ctrl-C in the block comes out at once: what runs is cancelled, not shut down."""
        log = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            try:
                await receive()
                log.append("shutdown")
                await anyio.sleep_forever()
            finally:
                log.append("ended")

        with self.assertRaises(KeyboardInterrupt):
            with TestClient(Application(lifespan)):
                raise KeyboardInterrupt
        self.assertEqual(["ended"], log)


class LeftoverTest(CleanTestCase):
    """What an application leaves behind is cancelled and reported."""

    @unittest.skipIf(BACKEND == "trio", "on trio every task has a nursery, which waits for it")
    def test_task(self) -> None:
        """A task that outlives the shutdown is cancelled, with a warning that says which it is."""
        ended = []

        async def left_behind() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(True)

        tasks: list[Any] = []

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            tasks.append(asyncio.create_task(left_behind()))
            await send(STARTED)
            await receive()
            await send(STOPPED)

        client = TestClient(Application(lifespan))
        with self.assertWarns(ResourceWarning) as caught:
            with client:
                self.assertEqual("ok", client.get("/").text)
                self.assertEqual([], ended)
        self.assertEqual([True], ended)
        self.assertTrue(tasks[0].cancelled())
        text = str(caught.warning)
        self.assertIn("left_behind", text)
        self.assertIn("await asyncio.sleep(1000)", text)
        self.assertEqual(__file__, caught.filename)

    @unittest.skipIf(BACKEND == "trio", "on trio every task has a nursery, which waits for it")
    def test_task_of_a_request(self) -> None:
        """A task that a request started and nobody awaited is reported as well."""
        tasks: list[Any] = []

        async def left_behind() -> None:
            await asyncio.sleep(1000)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            tasks.append(asyncio.ensure_future(left_behind()))
            await respond(send)

        client = TestClient(app)
        client.get("/")
        client.get("/")
        with self.assertWarns(ResourceWarning) as caught:
            client.close()
        texts = [str(warning.message) for warning in caught.warnings]
        self.assertEqual(2, len([text for text in texts if "left_behind" in text]), texts)

    @unittest.skipIf(BACKEND == "trio", "on trio every task has a nursery, which waits for it")
    def test_task_that_ends_by_itself(self) -> None:
        """A task that has ended, or does so at once, was not left."""
        tasks: list[Any] = []

        async def short() -> None:
            await asyncio.sleep(0)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            tasks.append(asyncio.create_task(short()))
            await respond(send)

        with TestClient(app) as client:
            client.get("/")

    @unittest.skipIf(BACKEND == "trio", "on trio every task has a nursery, which waits for it")
    def test_task_that_the_shutdown_cancels(self) -> None:
        """A task that the application itself ends in its shutdown is not reported."""

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            task = asyncio.create_task(asyncio.sleep(1000))
            await send(STARTED)
            await receive()
            task.cancel()
            await send(STOPPED)

        with TestClient(Application(lifespan)):
            pass

    def test_task_group_of_the_lifespan(self) -> None:
        """Tasks in a task group of the lifespan are the application's own business."""
        log = []

        async def worker() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                log.append("worker ended")

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            async with anyio.create_task_group() as group:
                group.start_soon(worker)
                await send(STARTED)
                await receive()
                group.cancel_scope.cancel()
            await send(STOPPED)

        with TestClient(Application(lifespan)):
            self.assertEqual([], log)
        self.assertEqual(["worker ended"], log)

    @unittest.skipIf(BACKEND == "trio", "trio's worker threads belong to all of its loops")
    @on_thread("the test waits for the application without the client")
    def test_worker_thread(self) -> None:
        """A worker thread that runs on is reported by its name and where it stands."""
        self.hurry()
        started, release = threading.Event(), threading.Event()
        threads: list[threading.Thread] = []

        def left_behind() -> None:
            threads.append(threading.current_thread())
            started.set()
            release.wait()

        async def lifespan(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            async with anyio.create_task_group() as group:
                group.start_soon(run_abandoned, left_behind)
                await send(STARTED)
                await receive()
                group.cancel_scope.cancel()
            await send(STOPPED)

        try:
            with self.assertWarns(ResourceWarning) as caught:
                with TestClient(Application(lifespan), timeout=0.2):
                    started.wait()
        finally:
            release.set()
            threads[0].join()
        self.assertIn(threads[0].name, str(caught.warning))
        self.assertIn("left_behind", str(caught.warning))

    def test_warning_does_not_hide_the_exception_of_the_block(self) -> None:
        """Leftovers after an exception of the block do not take its place."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await receive()

        with self.assertRaises(ZeroDivisionError):
            with TestClient(app) as client:
                response = client.get("/", stream=True)
                raise ZeroDivisionError
        del response


number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


class ContextTest(CleanTestCase):
    """Context variables of the test in the application."""

    def test_copied_into_the_application(self) -> None:
        """Each call of the application has a copy of the context of whoever called the client."""
        seen: dict[str, int] = {}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen[scope["type"]] = number.get()
            number.set(100)
            if scope["type"] == "lifespan":
                await receive()
                await send(STARTED)
                await receive()
                seen["shutdown"] = number.get()
                await send(STOPPED)
            elif scope["type"] == "http":
                await respond(send)
            else:
                await receive()
                await send({"type": "websocket.accept"})
                await receive()
                seen["later"] = number.get()
                await send({"type": "websocket.close"})

        def test() -> None:
            number.set(1)
            with TestClient(app) as client:
                number.set(2)
                client.get("/")
                self.assertEqual(2, number.get())
                number.set(3)
                with client.websocket_connect("/") as session:
                    number.set(4)
                    session.send_text("x")
                    session.receive()
                client.call(self.read, seen)
                number.set(5)
            self.assertEqual(5, number.get())

        contextvars.copy_context().run(test)
        self.assertEqual(
            {"lifespan": 1, "shutdown": 100, "http": 2, "websocket": 3, "later": 100, "call": 4},
            seen,
        )

    @staticmethod
    async def read(seen: dict[str, int]) -> None:
        """Note the variable, and change it."""
        seen["call"] = number.get()
        number.set(100)

    def test_changes_never_come_back(self) -> None:
        """What the application sets shows neither in the test nor in the next request."""
        seen = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            seen.append(number.get())
            number.set(7)
            await respond(send)

        client = self.enter_client(app)
        for stream in (False, True, False):
            with client.get("/", stream=stream):
                self.assertEqual(0, number.get())
        self.assertEqual([0, 0, 0], seen)


class TwoStepLifespan:
    """An ASGI 2 application."""

    log: list[str] = []

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        self.log.append(f"{self.scope['type']} {self.scope['asgi']['version']}")
        if self.scope["type"] == "lifespan":
            await receive()
            self.scope["state"]["two"] = 2
            await send(STARTED)
            await receive()
            await send(STOPPED)
        elif self.scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            event = await receive()
            await send({"type": "websocket.send", "text": event["text"].upper()})
            await send({"type": "websocket.close"})
        else:
            await respond(send, str(self.scope["state"]["two"]).encode())


class TwoStepTest(CleanTestCase):
    """ASGI 2 applications have lifespans and WebSockets as well."""

    def test_class(self) -> None:
        """A class of ASGI 2 runs its lifespan, requests and WebSockets, told version 2.0."""
        TwoStepLifespan.log.clear()
        with TestClient(TwoStepLifespan) as client:
            self.assertEqual({"two": 2}, client.state)
            self.assertEqual("2", client.get("/").text)
            with client.websocket_connect("/") as session:
                session.send_text("a")
                self.assertEqual("A", session.receive_text())
                self.assertEqual([], list(session))
        self.assertEqual(["lifespan 2.0", "http 2.0", "websocket 2.0"], TwoStepLifespan.log)

    def test_raising_in_the_first_step(self) -> None:
        """An ASGI 2 application that raises when it is given the scope has no lifespan."""

        def app(scope: Any) -> Any:
            if scope["type"] != "http":
                raise ValueError(scope["type"])

            async def instance(receive: Any, send: Any) -> None:
                await respond(send)

            return instance

        with TestClient(app) as client:
            self.assertEqual("ok", client.get("/").text)
            with self.assertRaisesRegex(ValueError, "websocket"):
                client.websocket_connect("/").__enter__()


class FrameworkTest(CleanTestCase):
    """Lifespan functions of Starlette and FastAPI."""

    def test_starlette(self) -> None:
        """A lifespan runs round the block; its state is in both kinds of scope."""
        log = []

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
            log.append("up")
            async with anyio.create_task_group():
                yield {"name": "ann"}
            log.append("down")

        async def home(request: StarletteRequest) -> JSONResponse:
            return JSONResponse(request.state.name)

        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(websocket.state.name)
            await websocket.close()

        app = Starlette(routes=[Route("/", home), WebSocketRoute("/ws", socket)], lifespan=lifespan)
        with TestClient(app, lifespan="on") as client:
            self.assertEqual(["up"], log)
            self.assertEqual({"name": "ann"}, client.state)
            self.assertEqual("ann", client.get("/").json())
            with client.websocket_connect("/ws") as session:
                self.assertEqual("ann", session.receive_text())
        self.assertEqual(["up", "down"], log)

    def test_starlette_that_fails_to_start(self) -> None:
        """Its traceback is the message, and its exception the cause."""

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            raise ConnectionError("no database")
            yield

        with self.assertRaises(LifespanError) as caught:
            TestClient(Starlette(lifespan=lifespan)).__enter__()
        self.assertEqual("startup", caught.exception.stage)
        self.assertIn("ConnectionError: no database", caught.exception.message)
        self.assertIsInstance(caught.exception.__cause__, ConnectionError)

    def test_starlette_that_fails_to_stop(self) -> None:
        """Its traceback is the message, and its exception the cause."""

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            raise ConnectionError("cannot flush")

        with self.assertRaises(LifespanError) as caught:
            with TestClient(Starlette(lifespan=lifespan)):
                pass
        self.assertEqual("shutdown", caught.exception.stage)
        self.assertIn("ConnectionError: cannot flush", caught.exception.message)
        self.assertIsInstance(caught.exception.__cause__, ConnectionError)

    def test_fastapi(self) -> None:
        """A lifespan of FastAPI yields state that endpoints find on the request."""
        log = []

        @contextlib.asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
            log.append("up")
            yield {"numbers": [1]}
            log.append("down")

        app = FastAPI(lifespan=lifespan)

        @app.get("/")
        async def home(request: Request) -> Any:
            request.state.numbers.append(2)
            return request.state.numbers

        @app.get("/plain")
        def plain(request: Request) -> Any:
            return request.state.numbers

        with TestClient(app) as client:
            self.assertEqual([1, 2], client.get("/").json())
            self.assertEqual([1, 2], client.get("/plain").json())
            self.assertEqual({"numbers": [1, 2]}, client.state)
        self.assertEqual(["up", "down"], log)

    def test_hanging_lifespan_function(self) -> None:
        """The report about a lifespan that hangs names the function that does."""

        async def connect() -> None:
            await anyio.sleep_forever()

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            await connect()
            yield

        with self.assertRaises(DeadlineExceeded) as caught:
            TestClient(Starlette(lifespan=lifespan), timeout=0.2).__enter__()
        self.assertIn("in connect", str(caught.exception))
        self.assertIn(os.path.basename(__file__), str(caught.exception))


async def run_abandoned(function: Callable[[], None]) -> None:
    """Run a function in a worker thread that is left to itself when this is cancelled."""
    parameters = inspect.signature(anyio.to_thread.run_sync).parameters
    # What anyio 3 calls cancellable.
    name = "abandon_on_cancel" if "abandon_on_cancel" in parameters else "cancellable"
    await anyio.to_thread.run_sync(function, **{name: True})


def current_loop() -> Any:
    """Return what stands for the running loop."""
    if BACKEND == "trio":
        import trio

        return trio.lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def running_portals() -> list[threading.Thread]:
    """Return the threads of running event loops."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("asgitest")]


def _stage_and_message(error: LifespanError) -> tuple[str, str]:
    return error.stage, error.message
