"""``portal="inline"``: how a loop lives beside other loops, signals and threads, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import os
import pdb
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unittest
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread

from asgitest import ASGITestError, DeadlineExceeded, TestClient, WebSocketSession
from asgitest import _asyncio_engine as asyncio_engine
from asgitest._calls import Wait
from asgitest._inline_portal import InlinePortal
from asgitest._origins import Origins
from tests.base import CleanTestCase

BACKEND = os.environ.get("ASGITEST_BACKEND") or "asyncio"
ON_TRIO = BACKEND == "trio"
HAS_ANYIO_4 = not hasattr(anyio, "ExceptionGroup")
HAS_ALARM = hasattr(signal, "SIGALRM")
# Seconds of a wait that is known to take longer.
SHORT = 0.05
IN_MAIN_THREAD = threading.current_thread() is threading.main_thread()


variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")


class Value:
    """Something that can be seen to be collected."""


class LoopTestCase(CleanTestCase):
    """A test case whose application does what the test says."""

    def setUp(self) -> None:
        """Make the application do nothing but answer."""
        super().setUp()
        self.do: Callable[[], Any] = anyio.lowlevel.checkpoint

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Do what the test says, then answer."""
        await self.do()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})

    def inline_client(self, **options: Any) -> TestClient:
        """Return an inline client, closed at the end of the test.

        :param options: of the client
        """
        return self.new_client(self.application, backend=BACKEND, portal="inline", **options)


class PlaceTest(LoopTestCase):
    """Where a loop runs, in words."""

    def test_place(self) -> None:
        """It is the thread of the test, which stands where the test does."""
        portal = self.inline_client().portal
        self.assertIn(repr(threading.current_thread().name), portal.place)
        self.assertIn("in test_place", portal.describe_place())


class EndTest(LoopTestCase):
    """What ends a loop."""

    def test_after_the_end(self) -> None:
        """Who still holds the portal of a client that was closed is told that its loop ended."""
        client = self.inline_client()
        portal = client.portal
        client.close()
        portal.post(self.fail, "posted to a loop that ended")
        with self.assertRaisesRegex(ASGITestError, "the event loop has ended"):
            portal.call(anyio.sleep, 0)

    def test_stop_in_a_call(self) -> None:
        """A loop that was asked to stop ends in the next call, which is told of it."""
        portal = self.inline_client().portal
        portal.post_stop()
        with self.assertRaisesRegex(ASGITestError, "its client was closed"):
            portal.call(anyio.sleep_forever)
        self.assertTrue(portal.has_ended)

    def test_exit(self) -> None:
        """SystemExit on the loop itself ends it, and the call that waits tells so."""
        client = self.inline_client()
        client.portal.post(sys.exit, 3)
        self.do = anyio.sleep_forever
        with self.assertRaisesRegex(ASGITestError, r"has ended: .* raised SystemExit\(3\)"):
            client.get("/")
        self.do = anyio.lowlevel.checkpoint
        self.assertEqual("ok", client.get("/").text)

    @unittest.skipUnless(ON_TRIO and HAS_ANYIO_4, "broken by what only new versions of trio notice")
    def test_forgotten_task_group(self) -> None:
        """A task that leaves a group open breaks the loop, and the next call has a new one."""

        async def forget() -> None:
            await anyio.create_task_group().__aenter__()

        client = self.inline_client()
        client.portal.start_task_soon(forget)
        self.do = anyio.sleep_forever
        with self.assertRaisesRegex(ASGITestError, "has ended: .*Nursery stack corrupted"):
            client.get("/")
        self.do = anyio.lowlevel.checkpoint
        self.assertEqual("ok", client.get("/").text)


class NeighbourTest(LoopTestCase):
    """Loops of others in the same thread."""

    def test_other_library(self) -> None:
        """A call from where a loop of another library runs is refused, and tells of which."""
        client = self.inline_client()
        client.get("/")

        async def call() -> None:
            client.get("/")

        # Beside an inline client on trio there is no other run of trio in its thread.
        for library in ("asyncio",) if ON_TRIO else ("asyncio", "trio"):
            with self.subTest(library):
                text = f"where an event loop of {library} runs"
                with self.assertRaisesRegex(ASGITestError, text):
                    anyio.run(call, backend=library)

    def test_stop_elsewhere(self) -> None:
        """One that is to end where another loop runs ends when the next one starts."""
        client = TestClient(self.application, backend=BACKEND, portal="inline")
        portal = client.portal
        client.get("/")

        async def leave() -> None:
            portal.post_stop()
            portal.join(1)

        asyncio.run(leave())
        self.assertFalse(portal.has_ended)
        self.inline_client().get("/")
        self.assertTrue(portal.has_ended)

    def test_nothing_stays_of_a_closed_client(self) -> None:
        """A client that was closed looks at no task of the run that another one goes on with."""
        noting: set[int] = set()
        note = mock.patch.object(Origins, "_note", lambda origins, task: noting.add(id(origins)))
        with note:
            client = self.inline_client()
            client.get("/")
            for _ in range(3):
                other = self.inline_client()
                other.get("/")
                other.close()
            noting.clear()
            client.get("/")
        self.assertEqual(1, len(noting))


@unittest.skipIf(ON_TRIO, "about loops of asyncio")
class AsyncioTest(LoopTestCase):
    """What only a loop of asyncio can do."""

    def test_debug(self) -> None:
        """The option ``debug`` is that of the loop."""
        for debug in (True, False):
            client = self.inline_client(backend_options={"debug": debug})
            self.assertIs(debug, client.call(lambda: asyncio.get_running_loop().get_debug()))
            client.close()

    def test_stopped_loop(self) -> None:
        """An application that stops the loop is told of, and the next call has a new one."""

        async def stop() -> None:
            asyncio.get_running_loop().stop()
            await anyio.sleep_forever()

        client = self.inline_client()
        self.do = stop
        with self.assertRaisesRegex(ASGITestError, "the application stopped the event loop"):
            client.get("/")
        self.do = anyio.lowlevel.checkpoint
        self.assertEqual("ok", client.get("/").text)

    def test_exit_beside_a_deaf_task(self) -> None:
        """SystemExit is told of although another task holds the loop's end up."""
        self.hurry()
        event = asyncio.Event()

        async def hold_up() -> None:
            while not event.is_set():
                with contextlib.suppress(BaseException):
                    await event.wait()

        async def leave() -> None:
            sys.exit(3)

        async def start() -> None:
            self.tasks = [asyncio.ensure_future(hold_up()), asyncio.ensure_future(leave())]
            await anyio.sleep_forever()

        client = self.inline_client()
        self.do = start
        with self.assertRaisesRegex(ASGITestError, r"raised SystemExit\(3\)"):
            client.get("/")
        self.assertFalse(self.tasks[0].done())
        event.set()
        self.do = anyio.lowlevel.checkpoint
        self.assertEqual("ok", client.get("/").text)
        self.assertTrue(self.tasks[0].done())
        self.assertIsInstance(self.tasks[1].exception(), SystemExit)

    def test_exit_at_the_end(self) -> None:
        """A task that answers its cancellation with SystemExit does not keep the loop."""

        async def leave() -> None:
            try:
                await anyio.sleep_forever()
            except BaseException:
                sys.exit(3)

        async def start() -> None:
            self.task = asyncio.ensure_future(leave())

        client = self.inline_client()
        self.do = start
        client.get("/")
        portal = client.portal
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            client.close()
        self.assertTrue(portal.has_ended)
        self.assertIsInstance(self.task.exception(), SystemExit)

    def test_tasks_at_the_end(self) -> None:
        """Tasks that the application leaves are cancelled when the client is closed."""
        tasks: list[asyncio.Task[None]] = []

        async def leave_task() -> None:
            tasks.append(asyncio.ensure_future(asyncio.sleep(100)))

        client = self.inline_client()
        self.do = leave_task
        client.get("/")
        with self.assertWarnsRegex(ResourceWarning, "leave_task"):
            client.close()
        self.assertTrue(tasks[0].cancelled())

    def test_run_that_asyncio_ends_otherwise(self) -> None:
        """The loop ends although asyncio has no function any more that ends a run."""
        with mock.patch.object(asyncio_engine, "_is_root", None):
            client = self.inline_client()
            self.assertEqual("ok", client.get("/").text)
            portal = client.portal
            client.close()
        self.assertTrue(portal.has_ended)

    def test_deaf_task_at_exit(self) -> None:
        """A task that cannot be cancelled does not keep the interpreter, nor makes it complain."""
        program = """
            import anyio
            import anyio.to_thread
            from asgitest import TestClient

            async def deaf():
                while True:
                    try:
                        await anyio.sleep_forever()
                    except BaseException:
                        pass

            async def app(scope, receive, send):
                pass

            client = TestClient(app, portal="inline", lifespan="off")
            client.portal.grace = 0.1
            client.call(anyio.to_thread.run_sync, int)
            client.portal.start_task_soon(deaf)
            client.call(anyio.sleep, 0)
            print("end", flush=True)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(("end\n", "", 0), (done.stdout, done.stderr, done.returncode))


@unittest.skipIf(ON_TRIO, "a loop of asyncio")
class TimerTest(LoopTestCase):
    """The timer of the deadlines, which outlasts the wait that it was set for."""

    def portal(self) -> InlinePortal:
        """Return a portal that ends with the test."""
        portal = InlinePortal(BACKEND)
        portal.start()
        self.addCleanup(portal.stop, 10)
        return portal

    def wait(self, portal: InlinePortal, function: Callable[[], Any], seconds: float | None) -> Any:
        """Return what a function returns, within so many seconds."""
        return portal.run(Wait(seconds, "the function to return"), function)

    def test_many_waits(self) -> None:
        """A wait that comes due later than the timer that is there sets none."""
        portal = self.portal()
        loop: Any = portal._engine._loop  # type: ignore[attr-defined]
        set_before: list[float] = []

        class Spy:
            def __getattr__(self, name: str) -> Any:
                return getattr(loop, name)

            def call_later(self, seconds: float, *args: Any, **options: Any) -> Any:
                set_before.append(seconds)
                return loop.call_later(seconds, *args, **options)

        portal._engine._loop = Spy()  # type: ignore[attr-defined]
        for seconds in (100, 100, 200, 50, 100):
            self.wait(portal, int, seconds)
        self.assertEqual([100, 50], set_before)

    def test_earlier_wait(self) -> None:
        """A timer that comes due in a later wait does not end that one."""
        portal = self.portal()
        for seconds in (100, None):
            self.wait(portal, int, SHORT)

            async def outlast() -> str:
                await anyio.sleep(2 * SHORT)
                return "outlasted"

            with self.subTest(seconds=seconds):
                self.assertEqual("outlasted", self.wait(portal, outlast, seconds))

    def test_deadline_behind_it(self) -> None:
        """A deadline is kept that lies behind the timer of an earlier wait."""
        portal = self.portal()
        self.wait(portal, int, SHORT)
        with self.assertRaises(DeadlineExceeded) as caught:
            self.wait(portal, anyio.sleep_forever, 2 * SHORT)
        # That would be what ends a loop which does not look at its timers.
        self.assertNotIn("blocked", str(caught.exception))

    def test_context(self) -> None:
        """The timer keeps nothing alive that the test has in its context."""
        portal = self.portal()
        value = Value()
        alive = weakref.ref(value)

        def use(value: Value) -> None:
            variable.set(value)
            self.wait(portal, int, 100)

        contextvars.copy_context().run(use, value)
        # What the end of the call has left to do is done in the next one.
        self.wait(portal, int, 100)
        del value
        gc.collect()
        self.assertIsNone(alive())


@unittest.skipIf(ON_TRIO, "a loop of asyncio")
class StandstillTest(LoopTestCase):
    """What is done to a loop that stands still."""

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Wait for the end of a WebSocket, with a worker thread that uses it."""
        await receive()
        await send({"type": "websocket.accept"})
        await self.do()
        while (await receive())["type"] != "websocket.disconnect":
            self.received += 1

    def test_event(self) -> None:
        """An event for the application lies there at once."""
        self.received = 0
        with self.inline_client().websocket_connect("/") as session:
            session.send_text("one")
            session.send_text("two")
            connection = session.response.raw.websocket.connection
            self.assertTrue(connection.protocol.has_events)
            self.assertEqual(0, self.received)
        self.assertEqual(2, self.received)

    def test_event_while_it_runs(self) -> None:
        """A worker thread of the application hands an event over to the loop that runs."""
        self.received = 0
        sessions: list[WebSocketSession] = []

        async def send_in_worker() -> None:
            await anyio.to_thread.run_sync(sessions[0].send_text, "one")

        client = self.inline_client()
        with client.websocket_connect("/") as session:
            sessions.append(session)
            client.call(send_in_worker)
        self.assertEqual(1, self.received)


@unittest.skipUnless(IN_MAIN_THREAD and HAS_ALARM, "signals come to the main thread alone")
class SignalTest(LoopTestCase):
    """Signals that are not the loop's."""

    def test_handlers_of_others(self) -> None:
        """Handlers that somebody installs meanwhile stay there when the client is closed."""

        def handle(number: int, frame: Any) -> None:
            pass

        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        self.addCleanup(signal.signal, signal.SIGALRM, signal.getsignal(signal.SIGALRM))
        client = self.inline_client()
        client.get("/")
        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGALRM, handle)
        client.close()
        self.assertIs(handle, signal.getsignal(signal.SIGINT))
        self.assertIs(handle, signal.getsignal(signal.SIGALRM))

    def test_alarm_of_others(self) -> None:
        """An alarm that nobody set breaks nothing off, within a call or between two."""

        async def ring() -> None:
            signal.raise_signal(signal.SIGALRM)

        client = self.inline_client()
        client.get("/")
        signal.raise_signal(signal.SIGALRM)
        self.do = ring
        self.assertEqual("ok", client.get("/", timeout=None).text)


class DebuggerTest(LoopTestCase):
    """A debugger at its prompt, in the application."""

    def test_time_that_does_not_count(self) -> None:
        """What blocks the loop for as long as somebody debugs is not broken off."""

        async def block() -> None:
            time.sleep(0.4)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()

        self.hurry()
        self.do = block
        client = self.inline_client()
        with mock.patch("asgitest._interruptions.is_debugging", return_value=True):
            self.assertEqual("ok", client.get("/", timeout=0.1).text)

    def test_time_at_the_prompt(self) -> None:
        """A deadline that passes at the prompt does not count, whichever thread the loop is in."""

        class Terminal(io.StringIO):
            def readline(self, size: int | None = -1) -> str:
                # Somebody thinks for longer than the deadline.
                time.sleep(0.4)
                return super().readline()

        async def debug() -> None:
            prompt = pdb.Pdb(stdin=Terminal("continue\n"), stdout=io.StringIO(), nosigint=True)
            prompt.set_trace()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()

        def call() -> str:
            client = TestClient(self.application, backend=BACKEND, portal="inline", lifespan="off")
            try:
                return client.get("/", timeout=0.1).text
            finally:
                client.close()

        self.hurry()
        self.do = debug
        # Where the debugger lets the program go on, it takes every trace function away.
        self.addCleanup(sys.settrace, sys.gettrace())
        self.assertEqual("ok", call())
        with ThreadPoolExecutor(1) as threads:
            self.assertEqual("ok", threads.submit(call).result(10))


class ThreadsTest(LoopTestCase):
    """Inline clients in several threads."""

    def test_cancelled_elsewhere(self) -> None:
        """Who waits for a future goes on when another thread cancels it."""
        begun = threading.Event()

        async def wait() -> None:
            begun.set()
            await anyio.sleep_forever()

        def cancel() -> None:
            # The loop runs from here on: the test waits for the result.
            begun.wait(10)
            future.cancel()

        future = self.inline_client().portal.start_task_soon(wait)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(cancel)
            # What fails in a callback of a future is logged, and no more.
            with self.assertNoLogs("concurrent.futures"), self.assertRaises(CancelledError):
                future.result(10)

    def test_watched_together(self) -> None:
        """A call that waits is not disturbed by one in another thread that begins and ends."""
        begun, go_on = threading.Event(), threading.Event()

        async def wait() -> None:
            begun.set()
            await anyio.to_thread.run_sync(go_on.wait)

        def call(do: Callable[[], Any]) -> str:
            app = LoopTestCase()
            app.do = do
            client = TestClient(app.application, backend=BACKEND, portal="inline", lifespan="off")
            try:
                return client.get("/", timeout=30).text
            finally:
                client.close()

        with ThreadPoolExecutor(2) as threads:
            waiting = threads.submit(call, wait)
            self.assertTrue(begun.wait(10))
            self.assertEqual("ok", threads.submit(call, anyio.lowlevel.checkpoint).result(10))
            self.assertFalse(waiting.done())
            go_on.set()
            self.assertEqual("ok", waiting.result(10))
