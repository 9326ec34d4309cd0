"""What the tests of a class share, and what each of them leaves behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import unittest
import warnings
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread

from asgitest import ASGITestCase, DeadlineExceeded, LeftoverError, LifespanError, TestClient
from asgitest._backend import notice_tasks
from asgitest._origins import Origins

from .base import INLINE, on_thread
from .test_case import CaseTestCase, Recorder, respond, run_case

BACKEND = os.environ.get("ASGITEST_BACKEND") or "asyncio"


class ClassTestCase(CaseTestCase):
    """Runs classes, and looks at all that becomes of them."""

    def run_warned(self, case: type[unittest.TestCase]) -> tuple[unittest.TestResult, list[str]]:
        """Run a class; return its result, and what was warned of, each with the test's name.

        :param case: the class, whose tests add their name to ``case.started``
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = run_case(case)
        return result, [str(warning.message) for warning in caught]


class LifespanScopeTest(ClassTestCase):
    """``lifespan_scope = "class"``."""

    def test_one_lifespan(self) -> None:
        """The application starts once, and each test has cookies and headers of its own."""
        recorder = Recorder()
        portals = []

        class Shared(ASGITestCase):
            app = recorder
            lifespan_scope = "class"
            headers = {"x-user": "ann"}

            def test_1(self) -> None:
                self.client.cookies.set("session", "abc")
                self.client.headers["x-user"] = "ben"
                self.client.get("/1")
                portals.append(self.client.portal)
                recorder.events.append("test_1")

            def test_2(self) -> None:
                self.assertEqual({}, self.client.cookies.get_dict())
                self.assertEqual("ann", self.client.headers["x-user"])
                self.client.get("/2")
                portals.append(self.client.portal)
                recorder.events.append("test_2")

        self.assert_passes(Shared, 2)
        self.assertEqual(
            ["lifespan.startup", "test_1", "test_2", "lifespan.shutdown"], recorder.events
        )
        self.assertEqual(["/1", "/2"], [scope["path"] for scope in recorder.scopes])
        self.assertIs(portals[0], portals[1])

    def test_clients_are_forgotten(self) -> None:
        """The shared client keeps nothing of a test that is over."""

        class Shared(ASGITestCase):
            app = Recorder()
            lifespan_scope = "class"

            def test_1(self) -> None:
                first.append(self.client)

            def test_2(self) -> None:
                scope = type(self)._class_scope
                assert scope is not None and scope.client is not None
                self.assertEqual([self.client], scope.client._children)

        first: list[TestClient] = []
        self.assert_passes(Shared, 2)
        self.assertEqual(1, len(first))

    def test_asynchronous_tests(self) -> None:
        """Asynchronous tests run on the loop of the class, each in a task of its own."""
        notes: list[Any] = []

        class Shared(ASGITestCase):
            app = Recorder()
            lifespan_scope = "class"

            async def note(self) -> None:
                notes.append((threading.current_thread(), anyio.get_current_task().name))
                await self.async_client.get("/")

            async def test_1(self) -> None:
                await self.note()

            async def test_2(self) -> None:
                await self.note()

        self.assert_passes(Shared, 2)
        (thread, first), (same_thread, second) = notes
        self.assertIs(thread, same_thread)
        self.assertNotEqual(first, second)

    def test_failing_start(self) -> None:
        """A startup that fails is reported once, for the class."""
        runs = []

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            runs.append(scope["type"])
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        class Failing(ASGITestCase):
            app = failing
            lifespan_scope = "class"

            def test_1(self) -> None:
                raise NotImplementedError

            def test_2(self) -> None:
                raise NotImplementedError

        result = run_case(Failing)

        self.assertEqual(0, result.testsRun)
        ((where, text),) = result.errors
        self.assertIn("setUpClass", str(where))
        self.assertIn("startup failed: no database", text)
        self.assertEqual(["lifespan"], runs)

    def test_set_up_class_without_super(self) -> None:
        """A setUpClass() that does not call super() is told what is missing."""

        class Forgetful(ASGITestCase):
            app = respond
            lifespan_scope = "class"

            @classmethod
            def setUpClass(cls) -> None:
                """Forget to call super().setUpClass()."""

            def test(self) -> None:
                raise NotImplementedError

        self.assertIn("has to call super().setUpClass()", self.only_error(Forgetful))

    def test_unknown_scope(self) -> None:
        """A scope that there is not is an error, with its name."""

        class Wrong(ASGITestCase):
            app = respond
            portal_scope = "module"

            def test(self) -> None:
                raise NotImplementedError

        text = self.only_error(Wrong)
        self.assertIn("portal_scope must be one of test, class, not 'module'", text)

    def test_loop_that_ended(self) -> None:
        """After a loop that died the next test has a new one, and a new lifespan."""
        recorder = Recorder()

        class Shared(ASGITestCase):
            app = recorder
            lifespan_scope = "class"

            def test_1(self) -> None:
                portal = self.client.portal
                portal.post_stop()
                portal.join(None)

            def test_2(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Shared, 2)
        self.assertEqual(["lifespan.startup"] * 2 + ["lifespan.shutdown"], recorder.events)

    def test_loop_that_was_ended_by_a_task(self) -> None:
        """A test whose application ends the loop is told, though it waits for nothing."""
        recorder = Recorder()

        async def leave() -> None:
            raise SystemExit(3)

        class Shared(ASGITestCase):
            app = recorder
            lifespan_scope = "class"
            backend = "asyncio"

            def test_1(self) -> None:
                portal = self.client.portal
                portal.post(asyncio.ensure_future, leave())
                portal.join(None)

            def test_2(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        result = run_case(Shared)

        self.assertEqual(["test_1"], [test._testMethodName for test, _ in result.errors])
        self.assertIn("raised SystemExit(3)", result.errors[0][1])

    def test_abandoned_loop(self) -> None:
        """After a loop that had to be abandoned the next test has a new one."""
        released = threading.Event()
        self.addCleanup(released.set)

        async def blocking(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/block":
                released.wait(60)
            await respond(scope, receive, send)

        class Shared(ASGITestCase):
            app = blocking
            lifespan = "off"
            lifespan_scope = "class"

            def test_1(self) -> None:
                self.client.get("/block", timeout=0.1)

            def test_2(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        before = set(threading.enumerate())
        result = run_case(Shared)
        released.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)

        self.assertEqual([], result.errors)
        self.assertEqual(["test_1"], [test._testMethodName for test, _ in result.failures])

    def test_restart_that_fails(self) -> None:
        """A test whose loop could not be started again leaves nothing to look at."""
        released = threading.Event()
        self.addCleanup(released.set)
        starts: list[str] = []

        async def once(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                starts.append("startup")
                if starts[1:]:
                    await send({"type": "lifespan.startup.failed"})
                    return
                await send({"type": "lifespan.startup.complete"})
                await receive()
            released.wait(60)

        class Shared(ASGITestCase):
            app = once
            lifespan_scope = "class"
            portal = "thread"

            def test(self) -> None:
                with self.assertRaises(DeadlineExceeded):
                    self.client.get("/", timeout=0.1)
                with self.assertRaises(LifespanError):
                    self.client.get("/")

        before = set(threading.enumerate())
        result = run_case(Shared)
        released.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)

        self.assertEqual(([], []), (result.errors, result.failures))
        self.assertEqual(["startup"] * 2, starts)

    def test_module_scope(self) -> None:
        """A client that outlives a class is shared by overriding build_client()."""
        recorder = Recorder()
        with TestClient(recorder) as client:
            for _ in range(2):

                class Shared(ASGITestCase):
                    def build_client(self) -> TestClient:
                        return client.new_client()

                    def test(self) -> None:
                        self.assertIsNot(client, self.client)
                        self.client.get("/")

                self.assert_passes(Shared)
            self.assertEqual([], client._children)

        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)


class PortalScopeTest(ClassTestCase):
    """``portal_scope = "class"``."""

    def test_generators(self) -> None:
        """What an application holds in a cycle at its end is closed before the next test."""
        closed: list[str] = []

        async def items() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
                closed.append("closed")

        async def live(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            cycle: list[Any] = [items()]
            cycle.append(cycle)
            await anext(cycle[0])
            await send({"type": "lifespan.shutdown.complete"})

        class Shared(ASGITestCase):
            app = staticmethod(live)
            portal_scope = "class"

            def test_1(self) -> None:
                self.assertEqual([], closed)

            def test_2(self) -> None:
                self.assertEqual(["closed"], closed)

        gc.disable()
        self.addCleanup(gc.enable)
        self.assert_passes(Shared, 2)

    def test_one_loop(self) -> None:
        """The loop is one for the class; application and lifespan are those of a test."""
        recorder = Recorder()
        portals = []

        class Shared(ASGITestCase):
            app = recorder
            portal_scope = "class"

            def use(self) -> None:
                self.client.get("/")
                portals.append(self.client.portal)

            def test_1(self) -> None:
                self.use()

            async def test_2(self) -> None:
                await self.async_client.get("/")
                portals.append(self.client.portal)

        self.assert_passes(Shared, 2)
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"] * 2, recorder.events)
        self.assertIs(portals[0], portals[1])
        self.assertFalse(portals[0].usable)

    def test_loop_that_ended(self) -> None:
        """After a loop that died the next test has a new one."""
        portals = []

        class Shared(ASGITestCase):
            app = Recorder()
            portal_scope = "class"

            def test_1(self) -> None:
                portals.append(self.client.portal)
                portals[0].post_stop()
                portals[0].join(None)

            def test_2(self) -> None:
                self.assertStatus(self.client.get("/"), 200)
                portals.append(self.client.portal)

        self.assert_passes(Shared, 2)
        self.assertIsNot(portals[0], portals[1])

    def test_backend_that_is_missing(self) -> None:
        """A backend that is not installed fails the class, once."""

        class Missing(ASGITestCase):
            app = respond
            backend = "trio"
            portal_scope = "class"

            def test(self) -> None:
                raise NotImplementedError

        error = LookupError("No such backend: trio")
        starting = "asgitest._inline_portal.InlinePortal._new_engine" if INLINE else "anyio.run"
        with mock.patch(starting, side_effect=error):
            result = run_case(Missing)

        ((where, text),) = result.errors
        self.assertIn("setUpClass", str(where))
        self.assertIn("the backend 'trio' is not installed; pip install asgitest[trio]", text)

    def test_leftover_task(self) -> None:
        """A task that a test leaves is cancelled at its end, and told of at the test."""
        cancelled = []

        async def tick() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append("tick")

        async def start_ticking() -> None:
            tasks.append(asyncio.create_task(tick(), name="ticker"))
            await anyio.lowlevel.checkpoint()

        tasks: list[Any] = []

        class Leaving(ASGITestCase):
            app = respond
            lifespan = "off"
            backend = "asyncio"
            portal_scope = "class"

            def test_1(self) -> None:
                self.client.call(start_ticking)

            def test_2(self) -> None:
                self.assertEqual(["tick"], cancelled)

        result, texts = self.run_warned(Leaving)

        self.assertEqual([], result.errors + result.failures)
        (text,) = texts
        self.assertIn("task 'ticker' stands here:", text)
        self.assertIn("It was created here:", text)
        self.assertIn('asyncio.create_task(tick(), name="ticker")', text)


class LeftoverTest(ClassTestCase):
    """What is left behind a test."""

    def leaving(self, **attributes: Any) -> type[ASGITestCase]:
        """Return a class whose first test leaves a task, a response and a WebSocket.

        :param attributes: further attributes of the class
        """
        kept: list[Any] = []
        self.addCleanup(kept.clear)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            if scope["type"] == "websocket":
                await send({"type": "websocket.accept"})
                await receive()
                return
            if scope["path"] == "/task":
                kept.append(asyncio.create_task(asyncio.sleep(60), name="ticker"))
            await send({"type": "http.response.start", "status": 200})
            if scope["path"] == "/stream":
                await send({"type": "http.response.body", "body": b"1", "more_body": True})
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            await send({"type": "http.response.body"})

        class Leaving(ASGITestCase):
            app = application
            lifespan = "off"
            backend = "asyncio"

            def test_1(self) -> None:
                self.client.get("/task")
                kept.append(self.client.get("/stream", stream=True))
                kept.append(self.client.websocket_connect("/"))
                kept[-1].__enter__()

            def test_2(self) -> None:
                self.client.get("/")

        return type("Leaving", (Leaving,), attributes)

    def test_warnings(self) -> None:
        """Each is a ResourceWarning at the test that left it, in every scope."""
        for attributes in ({}, {"lifespan_scope": "class"}, {"portal_scope": "class"}):
            with self.subTest(**attributes):
                result, texts = self.run_warned(self.leaving(**attributes))
                self.assertEqual([], result.errors + result.failures)
                told = "\n".join(texts)
                self.assertIn("GET http://testserver/stream was left open", told)
                self.assertIn("the WebSocket ws://testserver/ was left open", told)
                self.assertIn("task 'ticker' stands here:", told)
                self.assertIn("kept.append(asyncio.create_task(asyncio.sleep(60)", told)

    def test_failure(self) -> None:
        """With ``strict`` the test that left something fails, and no other one."""
        for attributes in ({}, {"lifespan_scope": "class"}, {"portal_scope": "class"}):
            with self.subTest(**attributes):
                result, texts = self.run_warned(self.leaving(strict=True, **attributes))
                is_shared = "lifespan_scope" in attributes
                failed = [str(test).partition(" ")[0] for test, _ in result.failures]
                self.assertEqual(["test_1"], failed)
                text = result.failures[0][1]
                self.assertIn("LeftoverError", text)
                self.assertIn("GET http://testserver/stream was left open", text)
                self.assertIn("task 'ticker' stands here:", text)
                # A task that goes on is cancelled, and told of again, when the class is over.
                self.assertEqual(is_shared, bool(result.errors))
                self.assertEqual([], texts)

    def test_failure_that_nobody_met(self) -> None:
        """What the application raised behind an unread response is an error of that test."""

        async def raising(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await respond(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200})
            raise LookupError("behind the start")

        class Careless(ASGITestCase):
            app = raising
            lifespan = "off"
            lifespan_scope = "class"

            def test_1(self) -> None:
                self.response = self.client.get("/raise", stream=True)

            def test_2(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        result, _ = self.run_warned(Careless)

        self.assertEqual(["test_1"], [test._testMethodName for test, _ in result.errors])
        self.assertIn("LookupError: behind the start", result.errors[0][1])

    def test_dropped_response(self) -> None:
        """With ``strict`` a response that was dropped fails the test, too."""

        async def stream(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass

        client = self.enter_client(stream, lifespan="off", strict=True)
        client.get("/", stream=True)
        with self.assertRaisesRegex(LeftoverError, "GET http://testserver/ was left open"):
            client.close()

    def run_until(self, released: threading.Event, application: Any) -> list[str]:
        """Run a class whose test makes a request; return what was warned of.

        :param released: is set at the end of the test
        :param application: the application
        """
        self.addCleanup(released.set)

        class Working(ASGITestCase):
            app = application
            lifespan = "off"
            lifespan_scope = "class"

            def test(self) -> None:
                self.client.get("/")

            def tearDown(self) -> None:
                super().tearDown()
                released.set()

        result, texts = self.run_warned(Working)

        self.assertEqual([], result.errors + result.failures)
        return texts

    def test_working_thread(self) -> None:
        """A worker thread that goes on is told of by its name and its stack."""
        released = threading.Event()

        def work() -> None:
            released.wait(60)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            with anyio.move_on_after(0.05):
                await anyio.to_thread.run_sync(work, **LEAVES_THREAD)
            await respond(scope, receive, send)

        texts = self.run_until(released, application)

        self.assertRegex(texts[0], "the test left something running: thread '.*', which runs still")
        self.assertIn("released.wait(60)", texts[0])

    def test_thread_that_waits_for_an_event(self) -> None:
        """So is one that runs nothing but a wait of Python's own, which idle ones do as well."""
        released = threading.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            with anyio.move_on_after(0.05):
                await anyio.to_thread.run_sync(released.wait, 60, **LEAVES_THREAD)
            await anyio.to_thread.run_sync(str)
            await respond(scope, receive, send)

        texts = self.run_until(released, application)

        self.assertEqual(1, texts[0].count("which runs still"), texts)
        self.assertIn("in wait\n", texts[0])

    def test_no_origin(self) -> None:
        """A task that was not noted when it was created has no line."""
        self.assertEqual("", Origins().describe(id(self)))

    @on_thread("on an inline loop such a task belongs to no client")
    def test_origin_of_trio_tasks(self) -> None:
        """On trio an instrument knows the line that created a task."""

        async def tick() -> None:
            await anyio.sleep_forever()

        async def start_ticking() -> list[str]:
            import trio

            scope = trio.CancelScope()

            async def tick_in_scope() -> None:
                with scope:
                    await tick()

            trio.lowlevel.spawn_system_task(tick_in_scope, name="ticker")
            await anyio.lowlevel.checkpoint()
            portal = client.portal
            texts = portal._served.describe_leftovers()
            scope.cancel()
            return list(texts.values())

        client = self.enter_client(respond, lifespan="off", backend="trio")
        text = "\n".join(client.call(start_ticking))

        self.assertIn("It was created here:", text)
        self.assertIn('trio.lowlevel.spawn_system_task(tick_in_scope, name="ticker")', text)

    def test_task_factory_of_the_user(self) -> None:
        """A task factory that the loop has already goes on making its tasks."""
        made: list[Any] = []
        noted: list[Any] = []

        def factory(loop: Any, coro: Any, **options: Any) -> Any:
            made.append(asyncio.Task(coro, loop=loop, **options))
            return made[-1]

        async def create() -> None:
            asyncio.get_running_loop().set_task_factory(factory)
            notice_tasks("asyncio", noted.append)
            await asyncio.create_task(anyio.sleep(0))
            # Here, for the end of asyncio.run() makes tasks, too.
            self.assertEqual(1, len(made))
            self.assertEqual(made, noted)

        asyncio.run(create())


LEAVES_THREAD: dict[str, Any] = (
    {"abandon_on_cancel": True}
    if "abandon_on_cancel" in anyio.to_thread.run_sync.__code__.co_varnames
    else {"cancellable": True}
)
