"""Asynchronous tests and fixtures, which run on the application's loop, in one task."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
import unittest
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread

from asgitest import ASGIAssertions, ASGITestCase, ASGITestMixin, TestClient, WebSocketDisconnect
from asgitest import _stepwise as stepwise

from .base import on_thread
from .test_case import CaseTestCase, Recorder, loop_name, run_case

value: contextvars.ContextVar[str] = contextvars.ContextVar("value")


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the name of the thread that runs the loop; /thread waits for a worker thread."""
    if scope["type"] == "websocket":
        await echo(scope["subprotocols"], receive, send)
        return
    if scope["path"] == "/hang":
        await anyio.sleep_forever()
    if scope["path"] == "/thread":
        await anyio.to_thread.run_sync(str)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": threading.current_thread().name.encode()})


async def echo(offered: list[str], receive: Any, send: Any) -> None:
    """Send back what comes, and close when the client says so."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 1000, "reason": "bye"})
            return
        if event.get("text") == "fail":
            raise LookupError("no such room")
        await send({**event, "type": "websocket.send"})


def task_coroutine() -> Any:
    """Return what tells the current task from others; an id may be used again."""
    return anyio.get_current_task().coro


class Case(ASGITestCase):
    """A test case for what its subclasses note.

    :ivar notes: whatever they note
    """

    app = serve
    lifespan = "off"
    notes: list[Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.notes = []


class FixtureTest(CaseTestCase):
    """The order of what belongs to one test, and the task it runs in."""

    def test_order(self) -> None:
        """Synchronous and asynchronous parts follow each other as unittest has them."""

        class Ordered(Case):
            def setUp(self) -> None:
                super().setUp()
                self.notes.append("setUp")

            async def asyncSetUp(self) -> None:
                self.notes.append("asyncSetUp")
                self.addCleanup(self.notes.append, "cleanup")
                self.addAsyncCleanup(self.clean, "async", more="cleanup")

            async def clean(self, text: str, more: str) -> None:
                self.notes.append(f"{text} {more}")

            async def test(self) -> None:
                self.notes.append("test")
                await self.enterAsyncContext(self.open())

            @contextlib.asynccontextmanager
            async def open(self) -> AsyncIterator[None]:
                self.notes.append("entered")
                yield
                self.notes.append("left")

            async def asyncTearDown(self) -> None:
                self.notes.append("asyncTearDown")

            def tearDown(self) -> None:
                self.notes.append("tearDown")
                super().tearDown()

        self.assert_passes(Ordered)
        self.assertEqual(
            ["setUp", "asyncSetUp", "test", "entered", "asyncTearDown", "tearDown"],
            Ordered.notes[:6],
        )
        self.assertEqual(["left", "async cleanup", "cleanup"], Ordered.notes[6:])

    @on_thread("the loop's thread is another one than the test's")
    def test_one_task(self) -> None:
        """All asynchronous parts of a test run in one task of the application's loop."""

        class OneTask(Case):
            async def asyncSetUp(self) -> None:
                self.addAsyncCleanup(self.note)
                self.addCleanup(self.note)
                # Opened in one step and left in another, which only its own task may do.
                self.group = await self.enterAsyncContext(anyio.create_task_group())
                await self.note()

            async def note(self) -> None:
                self.notes.append((task_coroutine(), threading.current_thread().name))

            async def test(self) -> None:
                self.group.start_soon(anyio.lowlevel.checkpoint)
                await self.note()
                response = await self.async_client.get("/")
                self.assertEqual(threading.current_thread().name, response.text)

            async def asyncTearDown(self) -> None:
                await self.note()

        self.assert_passes(OneTask)
        self.assertEqual(5, len(OneTask.notes))
        self.assertEqual(1, len(set(OneTask.notes)))
        self.assertNotEqual(threading.current_thread().name, OneTask.notes[0][1])

    def test_backends(self) -> None:
        """An asynchronous test runs on the backend of its class."""
        for name in ("asyncio", "uvloop", "trio"):

            class Named(Case):
                backend = name

                async def test(self) -> None:
                    self.notes.append(loop_name())

            with self.subTest(name):
                self.assert_passes(Named)
                self.assertEqual([name], Named.notes)

    def test_context_variables(self) -> None:
        """What one part sets, setUp() included, the next one sees."""

        class Variables(Case):
            def setUp(self) -> None:
                super().setUp()
                value.set("setUp")

            async def asyncSetUp(self) -> None:
                self.notes.append(value.get())
                value.set("asyncSetUp")

            async def test(self) -> None:
                self.notes.append(value.get())

        contextvars.copy_context().run(self.assert_passes, Variables)
        self.assertEqual(["setUp", "asyncSetUp"], Variables.notes)

    def test_synchronous_test(self) -> None:
        """A synchronous test has asynchronous fixtures, on the loop that serves its requests."""

        class Mixed(Case):
            async def asyncSetUp(self) -> None:
                self.pool = await self.enterAsyncContext(self.open())

            @contextlib.asynccontextmanager
            async def open(self) -> AsyncIterator[str]:
                yield threading.current_thread().name
                self.notes.append(threading.current_thread().name)

            def test(self) -> None:
                self.assertEqual(self.pool, self.client.get("/").text)
                self.notes.append(self.pool)

        self.assert_passes(Mixed)
        self.assertEqual(1, len(set(Mixed.notes)))
        self.assertEqual(2, len(Mixed.notes))

    def test_no_context_manager(self) -> None:
        """enterAsyncContext() says what it takes."""

        class Wrong(Case):
            async def test(self) -> None:
                await self.enterAsyncContext(3)  # type: ignore[arg-type]

        self.assertIn(
            "enterAsyncContext() takes an asynchronous context manager, not builtins.int",
            self.only_error(Wrong),
        )

    def test_coroutine_functions_in_disguise(self) -> None:
        """What returns a coroutine is awaited, as a decorated test or a cleanup."""

        def decorated(function: Any) -> Any:
            @functools.wraps(function)
            def call(*args: Any) -> Any:
                return function(*args)

            return call

        class Disguised(Case):
            @decorated
            async def test(self) -> None:
                self.addCleanup(lambda: self.clean("cleanup"))
                self.addAsyncCleanup(lambda: self.notes.append("plain"))  # type: ignore[arg-type]
                await self.clean("test")

            async def clean(self, note: str) -> None:
                await anyio.lowlevel.checkpoint()
                self.notes.append(note)

        self.assert_passes(Disguised)
        self.assertEqual(["test", "plain", "cleanup"], Disguised.notes)

    def test_debug(self) -> None:
        """debug() runs asynchronous tests, and lets exceptions through."""

        class Debugged(Case):
            notes = []

            async def test(self) -> None:
                self.addAsyncCleanup(self.clean)
                self.notes.append("test")

            async def clean(self) -> None:
                self.notes.append("cleanup")

            async def test_fails(self) -> None:
                raise LookupError("no such room")

        Debugged("test").debug()
        self.assertEqual(["test", "cleanup"], Debugged.notes)
        failing = Debugged("test_fails")
        with self.assertRaisesRegex(LookupError, "no such room"):
            failing.debug()
        failing.doCleanups()


class OutcomeTest(CaseTestCase):
    """What becomes of an asynchronous test."""

    def test_verdicts(self) -> None:
        """Failures, errors, skips and subtests are what they are in synchronous tests."""

        class Verdicts(Case):
            async def test_failure(self) -> None:
                self.assertEqual(1, 2)

            async def test_error(self) -> None:
                raise LookupError("no such room")

            async def test_exit(self) -> None:
                raise SystemExit(3)

            async def test_skip(self) -> None:
                self.skipTest("not today")

            @unittest.expectedFailure
            async def test_expected(self) -> None:
                self.fail()

            async def test_subtests(self) -> None:
                for number in range(3):
                    with self.subTest(number=number):
                        self.assertEqual(1, number)

        result = run_case(Verdicts)

        self.assertEqual(6, result.testsRun)
        self.assertEqual(3, len(result.failures))
        self.assertEqual(2, len(result.errors))
        self.assertEqual(["not today"], [reason for _, reason in result.skipped])
        self.assertEqual(1, len(result.expectedFailures))

    def test_traceback(self) -> None:
        """The traceback of a failure begins in the test."""

        class Failing(Case):
            async def test(self) -> None:
                self.assertEqual(1, 2)

        text = self.only_failure(Failing)

        self.assertEqual(1, text.count("File "), text)
        self.assertIn("self.assertEqual(1, 2)", text)

    def test_value(self) -> None:
        """A test that returns a value fails, a synchronous one too."""

        class Asynchronous(Case):
            async def test(self) -> Any:
                return 3

        class Synchronous(Case):
            def test(self) -> Any:
                yield 3

        self.assertIn("test() returned 3: a test returns nothing", self.only_failure(Asynchronous))
        self.assertIn("test() returned <generator", self.only_failure(Synchronous))

    def test_failing_fixtures(self) -> None:
        """A failing asyncSetUp() or asyncTearDown() fails the test, and cleanups run."""

        class FailingSetUp(Case):
            async def asyncSetUp(self) -> None:
                self.addCleanup(self.notes.append, "cleanup")
                raise LookupError("no such room")

            async def test(self) -> None:
                self.notes.append("test")

        class FailingTearDown(Case):
            async def asyncTearDown(self) -> None:
                self.addCleanup(self.notes.append, "cleanup")
                raise LookupError("no such room")

            async def test(self) -> None:
                self.notes.append("test")

        self.assertIn("no such room", self.only_error(FailingSetUp))
        self.assertEqual(["cleanup"], FailingSetUp.notes)
        self.assertIn("no such room", self.only_error(FailingTearDown))
        self.assertEqual(["test", "cleanup"], FailingTearDown.notes)

    def test_set_up_without_super(self) -> None:
        """An asynchronous test without a client says that super().setUp() is missing."""

        class Forgotten(Case):
            def setUp(self) -> None:
                """Forget to call super().setUp()."""

            async def test(self) -> None:
                raise NotImplementedError

        self.assertIn("has to call super().setUp() first", self.only_error(Forgotten))

    def test_loop_that_ends(self) -> None:
        """A loop that ends in mid-test is an error of the test; cleanups run on a new one."""

        async def leave() -> None:
            raise SystemExit(3)

        class Ending(Case):
            backend = "asyncio"

            async def test_1(self) -> None:
                self.addAsyncCleanup(self.note)
                task = asyncio.ensure_future(leave())
                await asyncio.wait([task])

            async def note(self) -> None:
                self.notes.append("cleanup")

            async def test_2(self) -> None:
                self.notes.append("next test")

        with mock.patch("threading.excepthook"):
            result = run_case(Ending)

        self.assertEqual([], result.failures)
        self.assertEqual(["test_1"], [test._testMethodName for test, _ in result.errors])
        self.assertIn("the event loop has ended", result.errors[0][1])
        self.assertEqual(["cleanup", "next test"], Ending.notes)

    def test_loop_that_ended(self) -> None:
        """An asynchronous cleanup that nobody can run any more leaves no coroutine behind."""

        class Abandoned(Case):
            def test(self) -> None:
                self.addCleanup(self.note)
                portal = self.client.portal
                portal.post_stop()
                portal.join(None)
                with mock.patch.object(type(self.client), "portal", portal):
                    self.doCleanups()

            async def note(self) -> None:
                raise NotImplementedError

        result = run_case(Abandoned)

        self.assertIn("the event loop has ended", result.errors[0][1])


class DeadlineTest(CaseTestCase):
    """The deadline of the parts of a test."""

    def test_expired_test(self) -> None:
        """A part whose deadline passes fails and says where it stands; a new task does the rest."""

        class Expired(Case):
            timeout = 0.1

            async def asyncSetUp(self) -> None:
                await self.note()
                self.addAsyncCleanup(self.note)
                await self.enterAsyncContext(self.open())

            async def note(self) -> None:
                await anyio.lowlevel.checkpoint()
                self.notes.append(task_coroutine())

            @contextlib.asynccontextmanager
            async def open(self) -> AsyncIterator[None]:
                yield
                await self.note()

            async def test(self) -> None:
                await anyio.sleep_forever()

            async def asyncTearDown(self) -> None:
                await self.note()

        text = self.only_failure(Expired)

        self.assertIn("DeadlineExceeded: 0.1 s passed while waiting for test() to return", text)
        self.assertIn("The test stands here:", text)
        self.assertIn("await anyio.sleep_forever()", text)
        first, *others = Expired.notes
        self.assertEqual(3, len(others))
        self.assertEqual(1, len({*others}))
        self.assertNotIn(first, others)

    def test_expired_with_a_task_group(self) -> None:
        """What belongs to the task that ends is left in it, in the order of ``async with``."""

        class Expired(Case):
            timeout = 0.1

            async def serve(self) -> None:
                try:
                    await anyio.sleep_forever()
                finally:
                    self.notes.append("served")

            @contextlib.asynccontextmanager
            async def open(self, name: str) -> AsyncIterator[None]:
                with anyio.CancelScope():
                    try:
                        yield
                    finally:
                        self.notes.append(name)

            async def test_1(self) -> None:
                await self.enterAsyncContext(self.open("outer"))
                group = await self.enterAsyncContext(anyio.create_task_group())
                group.start_soon(self.serve)
                await self.enterAsyncContext(self.open("inner"))
                await anyio.sleep_forever()

            async def test_2(self) -> None:
                self.assertStatus(await self.async_client.get("/"), 200)

        result = run_case(Expired)

        self.assertEqual([], result.errors)
        self.assertEqual(["test_1"], [test._testMethodName for test, _ in result.failures])
        self.assertEqual(["inner", "outer", "served"], sorted(Expired.notes[:3]))
        self.assertEqual("outer", Expired.notes[2])

    def test_expired_cleanup(self) -> None:
        """The deadline of a cleanup is its own, and those that remain run in a new task."""

        class Expired(Case):
            timeout = 0.1

            async def test(self) -> None:
                self.addAsyncCleanup(self.note)
                self.addAsyncCleanup(anyio.sleep_forever)

            async def note(self) -> None:
                self.notes.append("cleanup")

        self.assertIn("waiting for sleep_forever() to return", self.only_failure(Expired))
        self.assertEqual(["cleanup"], Expired.notes)

    def test_each_part_has_the_whole_time(self) -> None:
        """The deadline is moved from part to part, and by each wait for the application."""
        deadline = stepwise.MovingDeadline(10)
        with mock.patch("time.monotonic", return_value=0.0) as clock:
            deadline.move()
            clock.return_value = 4.0
            self.assertEqual(6.0, deadline.seconds_left())
            with deadline.held_up(100):
                clock.return_value = 90.0
                self.assertEqual(10.0, deadline.seconds_left())
            self.assertEqual(10.0, deadline.seconds_left())
            clock.return_value = 101.0
            self.assertEqual(-1.0, deadline.seconds_left())
            with deadline.held_up(None):
                clock.return_value = 1e9
                self.assertEqual(10.0, deadline.seconds_left())

    def test_no_deadline(self) -> None:
        """Without a timeout there is no deadline, but for that of a single wait."""
        deadline = stepwise.MovingDeadline(None)
        self.assertEqual(float("inf"), deadline.seconds_left())

        class Patient(Case):
            timeout = None

            async def test(self) -> None:
                await self.async_client.get("/hang", timeout=0.05)

        self.assertIn("0.05 s passed while waiting for the application", self.only_failure(Patient))

    def test_wait_within_the_test(self) -> None:
        """What waits for the application longer than a part may take reports on itself."""

        class Waiting(Case):
            timeout = 0.3

            async def test_request(self) -> None:
                await self.async_client.get("/hang", timeout=0.5)

            async def test_websocket(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    await session.receive_text(timeout=0.5)

        result = run_case(Waiting)

        self.assertEqual([], result.errors)
        texts = [text for _, text in result.failures]
        self.assertIn("0.5 s passed while waiting for the application to answer", texts[0])
        self.assertIn("0.5 s passed while waiting for a message from the application", texts[1])

    @on_thread("a blocked loop has its thread abandoned")
    def test_blocked_loop(self) -> None:
        """A test that blocks the loop fails, and the next one has a new loop."""
        released = threading.Event()
        self.addCleanup(released.set)

        class Blocked(Case):
            timeout = 0.1

            async def test_1(self) -> None:
                released.wait(60)

            async def test_2(self) -> None:
                self.assertStatus(await self.async_client.get("/", timeout=5), 200)

        before = set(threading.enumerate())
        result = run_case(Blocked)
        released.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)

        self.assertEqual([], result.errors)
        self.assertEqual(["test_1"], [test._testMethodName for test, _ in result.failures])
        self.assertIn("The event loop is blocked", result.failures[0][1])


class TaskGroupTest(CaseTestCase):
    """A task group that a test holds open."""

    def test_failed_task(self) -> None:
        """What a task of the group raises is raised by the cleanup that leaves the group."""

        class Failing(Case):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(anyio.create_task_group())
                self.addAsyncCleanup(self.note)

            async def note(self) -> None:
                self.notes.append("cleanup")

            async def test(self) -> None:
                self.group.start_soon(self.fail_soon)

            async def fail_soon(self) -> None:
                raise LookupError("no such room")

        text = self.only_error(Failing)

        self.assertIn("LookupError: no such room", text)
        self.assertEqual(["cleanup"], Failing.notes)

    def test_forgotten_context(self) -> None:
        """A context that is entered by hand and never left is an error that says so."""

        class Forgetful(Case):
            async def test(self) -> None:
                await anyio.create_task_group().__aenter__()

        before = set(threading.enumerate())
        result = run_case(Forgetful)
        # It took the loop with it, which may still be ending.
        for thread in set(threading.enumerate()) - before:
            thread.join(10)

        self.assertIn("left an asynchronous context open", result.errors[0][1])

    def test_forgotten_context_that_nobody_sees(self) -> None:
        """Where nobody can tell that it is open, what comes of it is the error."""

        class Forgetful(Case):
            backend = "asyncio"

            async def test(self) -> None:
                anyio.CancelScope().__enter__()

        with mock.patch.object(stepwise, "innermost_scope", return_value=None):
            result = run_case(Forgetful)

        self.assertIn("Attempted to exit a cancel scope", result.errors[0][1])


class ClientTest(CaseTestCase):
    """``self.async_client``."""

    def test_methods(self) -> None:
        """Each method sends a request, and the response is what the client gives."""
        recorder = Recorder()

        class Methods(ASGITestCase):
            app = recorder

            async def test(self) -> None:
                client = self.async_client
                for method in ("get", "options", "head", "post", "put", "patch", "delete"):
                    response = await getattr(client, method)(f"/{method}", params={"a": 1})
                    self.assertEqual(f"http://testserver/{method}?a=1", response.url)
                self.assertStatus(await client.request("PURGE", "/"), 200)
                self.assertStatus(await client.send(response.request), 200)

        self.assert_passes(Methods)
        methods = [scope["method"] for scope in recorder.scopes]
        self.assertEqual(["GET", "OPTIONS", "HEAD", "POST", "PUT", "PATCH", "DELETE"], methods[:7])
        self.assertEqual(["PURGE", "DELETE"], methods[7:])

    def test_same_client(self) -> None:
        """Cookies, headers and state are those of the test's client."""
        recorder = Recorder()

        class Shared(ASGITestCase):
            app = recorder
            headers = {"x-user": "ann"}

            async def test(self) -> None:
                client = self.async_client
                self.assertIs(self.client, client.client)
                self.assertIs(client, self.async_client)
                client.cookies.set("session", "abc")
                client.headers["x-more"] = "yes"
                self.assertIs(self.client.state, client.state)
                await client.get("/")
                headers = dict(recorder.scopes[0]["headers"])
                self.assertEqual(b"session=abc", headers[b"cookie"])
                self.assertEqual((b"ann", b"yes"), (headers[b"x-user"], headers[b"x-more"]))

        self.assert_passes(Shared)

    def test_another_user(self) -> None:
        """new_client() gives a client with its own cookies, for the same application."""

        class Users(Case):
            async def test(self) -> None:
                other = self.async_client.new_client(headers={"x-user": "ben"})
                other.cookies.set("session", "abc")
                self.assertEqual({}, self.async_client.cookies.get_dict())
                self.assertEqual("ben", other.headers["x-user"])
                here, there = await self.async_client.get("/"), await other.get("/")
                self.assertEqual(here.text, there.text)
                other.get("/")

        self.assertIn("a call was never awaited", self.only_failure(Users))

    def test_many_at_once(self) -> None:
        """Calls that wait for worker threads of the application leave it those it needs."""

        class Crowd(Case):
            async def test(self) -> None:
                async with anyio.create_task_group() as group:
                    for _ in range(50):
                        group.start_soon(self.use_thread)

            async def use_thread(self) -> None:
                self.notes.append((await self.async_client.get("/thread")).status_code)

        self.assert_passes(Crowd)
        self.assertEqual([200] * 50, Crowd.notes)

    def test_cancelled(self) -> None:
        """A call whose caller is cancelled is cancelled in the application."""
        cancelled = []

        async def patient(scope: Any, receive: Any, send: Any) -> None:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.append(scope["path"])
                raise

        class Impatient(ASGITestCase):
            app = patient
            lifespan = "off"

            async def test(self) -> None:
                with anyio.move_on_after(0.05) as scope:
                    await self.async_client.get("/slow")
                self.assertTrue(scope.cancel_called)
                self.assertEqual(["/slow"], cancelled)

        self.assert_passes(Impatient)

    def test_never_awaited(self) -> None:
        """A call that is never awaited fails the test, and is named with its line."""

        class Forgetful(Case):
            async def test(self) -> None:
                self.async_client.get("/1")
                self.async_client.post("/2")

        text = self.only_failure(Forgetful)

        self.assertIn("a call was never awaited, and so never made:", text)
        self.assertRegex(text, r'get\(\) in test, File ".*test_async_case.py", line \d+\n')
        self.assertRegex(text, r"post\(\) in test, File")

    def test_never_awaited_afterwards(self) -> None:
        """It fails one in a fixture, too; behind another failure it says nothing more."""

        class TearDown(Case):
            async def asyncTearDown(self) -> None:
                self.async_client.get("/")

            async def test(self) -> None:
                """Pass."""

        class Failing(Case):
            async def test(self) -> None:
                self.async_client.get("/")
                self.fail("for another reason")

        self.assertIn("get() in asyncTearDown", self.only_failure(TearDown))
        self.assertIn("for another reason", self.only_failure(Failing))

    def test_synchronous_call(self) -> None:
        """A synchronous call in an asynchronous test is an error that says what to do."""

        class Blocking(Case):
            async def test(self) -> None:
                self.client.get("/")

        self.assertIn("await the call of self.async_client", self.only_error(Blocking))

    def test_streamed_response(self) -> None:
        """run() and iterate() read what waits for the application."""

        async def stream(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            for number in range(3):
                await send(
                    {"type": "http.response.body", "body": b"%d\n" % number, "more_body": True}
                )
            await receive()
            await receive()

        class Streamed(ASGITestCase):
            app = stream
            lifespan = "off"

            async def test(self) -> None:
                response = await self.async_client.get("/", stream=True)
                lines = response.iter_lines()
                self.assertEqual(b"0", await self.async_client.run(next, lines))
                async for line in self.async_client.iterate(lines):
                    if line == b"2":
                        break
                await self.async_client.run(response.close)

            async def test_to_the_end(self) -> None:
                lines = [line async for line in self.async_client.iterate("abc")]
                self.assertEqual(["a", "b", "c"], lines)

        self.assert_passes(Streamed, 2)

    def test_generators_of_two_requests(self) -> None:
        """Two requests at once wait for the generators that both of them dropped."""
        notes: list[str] = []

        async def numbers(both: anyio.Event) -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                with anyio.CancelScope(shield=True):
                    notes.append("dropped")
                    if len(notes) == 2:
                        both.set()
                    await both.wait()
                    notes.append("closed")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async for _ in numbers(scope["state"]["both"]):
                break
            await serve(scope, receive, send)

        class Dropping(ASGITestCase):
            lifespan = "off"

            def get_app(self) -> Any:
                return app

            async def test(self) -> None:
                self.client.state["both"] = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    for _ in range(2):
                        tasks.start_soon(self.async_client.get, "/")
                notes.append("answered")

        self.assert_passes(Dropping)
        self.assertEqual(["dropped"] * 2 + ["closed"] * 2 + ["answered"], notes)


class WebSocketTest(CaseTestCase):
    """The WebSocket of an asynchronous client."""

    def test_closed_response(self) -> None:
        """A handshake whose response was closed in the block is not left a second time."""

        class Closed(Case):
            async def test(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    await self.async_client.run(session.response.close)

        self.assert_passes(Closed)

    def test_cancellation_that_was_made_up(self) -> None:
        """One that the application raises by itself is what the test gets; the loop goes on."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            raise asyncio.CancelledError("made up")

        class Cancelling(ASGITestCase):
            lifespan = "off"
            backend = "asyncio"

            def get_app(self) -> Any:
                return app

            async def test(self) -> None:
                with self.assertRaisesRegex(asyncio.CancelledError, "made up"):
                    async with self.async_client.websocket_connect("/") as session:
                        await session.send_text("go on")
                        await session.receive_text()

        self.assert_passes(Cancelling)

    def test_messages(self) -> None:
        """Messages go both ways, on the loop's own thread."""

        class Messages(Case):
            async def test(self) -> None:
                connect = self.async_client.websocket_connect
                async with connect("/", ["chat"], params={"a": 1}) as session:
                    await session.send_text("hello")
                    self.assertEqual("hello", await session.receive_text())
                    await session.send_bytes(b"hello")
                    self.assertEqual(b"hello", await session.receive_bytes())
                    await session.send_json({"a": 1})
                    self.assertEqual({"a": 1}, await session.receive_json())
                    await session.send_json([1], mode="binary")
                    self.assertEqual([1], await session.receive_json(mode="binary"))
                    await session.send({"type": "websocket.receive", "text": "as it is"})
                    self.assertEqual("as it is", (await session.receive())["text"])
                    self.assertEqual("chat", session.accepted_subprotocol)
                    self.assertEqual([], session.extra_headers)
                    self.assertStatus(session.response, 101)
                    self.assertEqual(b"a=1", session.scope["query_string"])
                    self.assertIn("received websocket.connect", session.describe())
                    self.assertEqual("<AsyncWebSocketSession [open]>", repr(session))
                    self.assertIsNone(session.close_code)
                self.assertEqual(1000, session.close_code)

        self.assert_passes(Messages)

    def test_two_users(self) -> None:
        """Two sessions are open at a time."""

        class Users(Case):
            async def test(self) -> None:
                first = self.async_client.websocket_connect("/")
                second = self.async_client.new_client().websocket_connect("/")
                async with first, second:
                    await second.send_text("two")
                    await first.send_text("one")
                    self.assertEqual("one", await first.receive_text())
                    self.assertEqual("two", await second.receive_text())

        self.assert_passes(Users)

    def test_iteration(self) -> None:
        """Iterating yields the messages until a normal close, and no other one."""

        class Iterated(Case):
            async def test(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    await session.send_text("one")
                    await session.send_bytes(b"two")
                    await session.send_text("close")
                    self.assertEqual(["one", b"two"], [message async for message in session])
                    self.assertEqual((1000, "bye"), (session.close_code, session.close_reason))
                    with self.assertRaises(WebSocketDisconnect):
                        await session.receive()

            async def test_lost(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    await session.disconnect()
                    with self.assertRaisesRegex(WebSocketDisconnect, "1006"):
                        async for _ in session:
                            raise NotImplementedError

            async def test_closed(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    await session.send_text("sent before")
                    await session.close(1001, "leaving")
                    self.assertEqual("<AsyncWebSocketSession [closed with 1001]>", repr(session))

        self.assert_passes(Iterated, 3)

    def test_application_that_raises(self) -> None:
        """What the application raises is raised by the wait for its message, once."""

        class Failing(Case):
            async def test(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    await session.send_text("fail")
                    with self.assertRaisesRegex(LookupError, "no such room"):
                        await session.receive_text()

            async def test_hidden(self) -> None:
                client = self.async_client.new_client(raise_server_exceptions=False)
                async with client.websocket_connect("/") as session:
                    await session.send_text("fail")
                    with self.assertRaises(WebSocketDisconnect):
                        await session.receive_text()
                    self.assertIsInstance(session.server_exception, LookupError)

        self.assert_passes(Failing, 2)

    def test_application_that_does_not_end(self) -> None:
        """Leaving the block has a deadline, too, and cancels the application."""

        async def stay(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await anyio.sleep_forever()

        class Staying(ASGITestCase):
            app = stay
            lifespan = "off"

            async def test(self) -> None:
                session = self.async_client.websocket_connect("/", timeout=0.05)
                async with session:
                    self.assertIsNone(session.close_code)

        text = self.only_failure(Staying)

        self.assertIn("0.05 s passed while waiting for the application to end after", text)
        self.assertIn("await anyio.sleep_forever()", text)

    def test_cancelled_block(self) -> None:
        """A block that is cancelled waits for nobody."""

        class Cancelled(Case):
            async def test(self) -> None:
                with anyio.move_on_after(0.05):
                    async with self.async_client.websocket_connect("/") as session:
                        await session.receive()
                self.assertStatus(await self.async_client.get("/"), 200)

        self.assert_passes(Cancelled)

    def test_under_a_debugger(self) -> None:
        """A debugger suspends the deadline."""

        class Debugged(Case):
            async def test(self) -> None:
                async with self.async_client.websocket_connect("/") as session:
                    with mock.patch("asgitest._awaiting.is_debugging", side_effect=[True, False]):
                        with self.assertRaisesRegex(TimeoutError, "0.05 s passed"):
                            await session.receive(timeout=0.05)

        self.assert_passes(Debugged)

    def test_outside_the_loop(self) -> None:
        """It is an error to prepare one anywhere but on the application's loop."""

        class Outside(Case):
            def test(self) -> None:
                self.async_client.websocket_connect("/")

        self.assertIn("awaited on the application's own event loop", self.only_error(Outside))


class MixedBaseTest(CaseTestCase):
    """Classes that have another base as well."""

    @on_thread("the calls are made where another loop runs")
    def test_isolated_asyncio_test_case(self) -> None:
        """unittest's asynchronous test case keeps its methods and its loop."""
        notes: list[Any] = []

        class Mixed(ASGITestMixin, ASGIAssertions, unittest.IsolatedAsyncioTestCase):
            app = serve
            lifespan = "off"

            async def asyncSetUp(self) -> None:
                self.addAsyncCleanup(self.note, "cleanup")

            async def note(self, text: str) -> None:
                notes.append((text, threading.current_thread()))

            async def test(self) -> None:
                await self.note("test")
                self.assertStatus(self.asgi_client.get("/"), 200)
                name = self.asgi_client.call(loop_name)
                self.assertIn(name, ("asyncio", "uvloop", "trio"))

        self.assert_passes(Mixed)
        here = threading.current_thread()
        self.assertEqual([("test", here), ("cleanup", here)], notes)

    @on_thread("the calls are made where another loop runs")
    def test_case_on_isolated_asyncio_test_case(self) -> None:
        """A test case that has it as a base, too, keeps its methods."""
        notes: list[Any] = []

        class Mixed(Case, unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self) -> None:
                self.addAsyncCleanup(self.note, "cleanup")
                self.addCleanup(self.client.get, "/")
                await self.enterAsyncContext(self.open())

            @contextlib.asynccontextmanager
            async def open(self) -> AsyncIterator[None]:
                yield
                await self.note("left")

            async def note(self, text: str) -> None:
                notes.append((text, threading.current_thread()))

            async def test(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

            async def asyncTearDown(self) -> None:
                await self.note("asyncTearDown")

        self.assert_passes(Mixed)
        here = threading.current_thread()
        self.assertEqual(["asyncTearDown", "left", "cleanup"], [text for text, _ in notes])
        self.assertEqual({here}, {thread for _, thread in notes})


class Django(unittest.TestCase):
    """What Django's test case has: a client of its own, and its class."""

    client_class = dict
    client: dict[str, Any]
    async_client: dict[str, Any]

    def __call__(self, result: unittest.TestResult | None = None) -> None:
        self.client = self.client_class()
        self.async_client = self.client_class()
        super().__call__(result)

    def assertContains(self, response: Any, text: str) -> str:
        """Do what Django's own does."""
        return text


class MixinTest(CaseTestCase):
    """``ASGITestMixin``, in front of a base that has names of its own."""

    def test_names_of_the_base(self) -> None:
        """The base keeps its client, its client class and its assertions."""

        class Mixed(ASGITestMixin, Django):
            app = serve
            lifespan = "off"

            def test(self) -> None:
                self.assertEqual({}, self.client)
                self.assertEqual({}, self.async_client)
                self.assertEqual("text", self.assertContains(None, "text"))
                self.assertEqual(200, self.asgi_client.get("/").status_code)

        self.assert_passes(Mixed)
        self.assertFalse(hasattr(ASGITestMixin, "client_class"))
        self.assertFalse(hasattr(ASGITestMixin, "client"))
        self.assertFalse(hasattr(ASGITestMixin, "async_client"))

    def test_class_of_the_client(self) -> None:
        """``asgi_client_class`` names what is built; the client can be replaced."""

        class Client(TestClient):
            pass

        class Mixed(ASGITestMixin, unittest.TestCase):
            app = serve
            lifespan = "off"
            asgi_client_class = Client

            def test(self) -> None:
                self.assertIsInstance(self.asgi_client, Client)
                self.asgi_client = self.new_client()
                self.assertIsInstance(self.asgi_client, Client)

        self.assert_passes(Mixed)

    def test_before_set_up(self) -> None:
        """Without setUp() there is no client, and the text has the mixin's name for it."""

        class Mixed(ASGITestMixin, unittest.TestCase):
            app = serve

            def setUp(self) -> None:
                """Forget to call super().setUp()."""

            def test(self) -> None:
                self.asgi_client.get("/")

        self.assertIn("Mixed.asgi_client does not exist", self.only_error(Mixed))

    def test_new_client(self) -> None:
        """new_client() gives further users of the running application."""
        recorder = Recorder()

        class Users(ASGITestCase):
            app = recorder

            def test(self) -> None:
                other = self.new_client(headers={"x-user": "ben"}, cookies={"session": "abc"})
                self.assertIs(self.client.portal, other.portal)
                self.assertEqual({}, self.client.cookies.get_dict())
                other.get("/")
                with self.assertRaisesRegex(TypeError, "cannot override backend"):
                    self.new_client(backend="trio")

        self.assert_passes(Users)
        headers = dict(recorder.scopes[0]["headers"])
        self.assertEqual((b"ben", b"session=abc"), (headers[b"x-user"], headers[b"cookie"]))
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)

    def test_two_users_in_a_room(self) -> None:
        """Two users meet in one room."""

        class Users(Case):
            def test(self) -> None:
                first = self.enterContext(self.client.websocket_connect("/"))
                second = self.enterContext(self.new_client().websocket_connect("/"))
                first.send_text("one")
                second.send_text("two")
                self.assertWebSocketReceives(second, "two")
                self.assertWebSocketReceives(first, "one")

        self.assert_passes(Users)
