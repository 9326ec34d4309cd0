"""``portal="inline"``: the loop is advanced in the calling thread, and stands still in between."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import os
import pdb
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import types
import unittest
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, redirect_stderr, suppress
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread

from asgitest import ASGITestError, DeadlineExceeded, TestClient
from asgitest._backend import loop_in_this_thread
from asgitest._portal import Portal
from tests.base import CleanTestCase

BACKEND = os.environ.get("ASGITEST_BACKEND") or "asyncio"
ON_TRIO = BACKEND == "trio"
SHORT = 0.1

name_in_context: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


class App:
    """An application that does on each path what a test is about."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.database: Any = None
        self.client: Any = None
        self.signal = signal.SIGINT
        self.is_released = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a lifespan, a WebSocket or a request."""
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        elif scope["type"] == "websocket":
            await self.echo(receive, send)
        else:
            await self.answer(scope["path"], receive, send)

    async def live(self, receive: Any, send: Any) -> None:
        """Start up and shut down."""
        await receive()
        self.steps.append("startup")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.steps.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def echo(self, receive: Any, send: Any) -> None:
        """Send back what comes."""
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            self.steps.append(event["text"])
            await send({"type": "websocket.send", "text": event["text"]})

    async def answer(self, path: str, receive: Any, send: Any) -> None:
        """Do what the path says, and answer with what came of it."""
        result = await getattr(self, path[1:])() if path != "/" else "ok"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if path == "/background":
            await send({"type": "http.response.body", "body": b"sent"})
            self.steps.append("background")
            return
        await send({"type": "http.response.body", "body": str(result).encode()})

    async def background(self) -> None:
        """Do nothing before the response."""

    async def thread(self) -> str:
        """Return the name of the thread that the application runs in."""
        return threading.current_thread().name

    async def worker(self) -> str:
        """Return the name of a worker thread."""
        return (await anyio.to_thread.run_sync(threading.current_thread)).name

    async def context(self) -> str:
        """Return the context variable's value, and change it."""
        before = name_in_context.get()
        name_in_context.set("the application")
        return before

    async def group(self) -> str:
        """Wait for two tasks, and for a third that is cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.note, "one")
            group.start_soon(self.note, "two")
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        return f"{sorted(self.steps)} {scope.cancel_called}"

    async def note(self, step: str) -> None:
        """Note a step."""
        await anyio.sleep(0)
        self.steps.append(step)

    async def query(self) -> str:
        """Ask the database of the test."""
        return str(self.database.execute("SELECT name FROM rooms").fetchone()[0])

    async def debug(self) -> str:
        """Stop in the debugger."""
        secret = 42
        pdb.set_trace()
        return str(secret)

    async def call_client(self) -> None:
        """Make a client call where the loop runs."""
        self.client.get("/")

    async def call_client_in_worker(self) -> str:
        """Make a client call in a worker thread."""
        return str(await anyio.to_thread.run_sync(lambda: self.client.get("/").text))

    async def block(self) -> None:
        """Block the loop."""
        time.sleep(30)

    async def block_briefly(self) -> None:
        """Block the loop for longer than the deadline and the grace together."""
        time.sleep(4 * SHORT)

    async def wait(self) -> None:
        """Wait for ever."""
        await anyio.sleep_forever()

    async def press(self) -> None:
        """Press Ctrl-C in the application, and swallow what comes of it."""
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            self.steps.append("swallowed")

    async def press_in_a_wait(self) -> None:
        """Press Ctrl-C, or have another signal come, while everything waits."""
        timer = threading.Timer(0.05, os.kill, (os.getpid(), self.signal))
        timer.start()
        await anyio.sleep_forever()

    async def press_and_go_on(self) -> None:
        """Press Ctrl-C, swallow what comes of it, and wait for ever."""
        await self.press()
        await anyio.sleep_forever()

    async def swallow_for_ever(self) -> None:
        """Press Ctrl-C when cancelled, and swallow whatever comes, until released."""
        try:
            await anyio.sleep_forever()
        except BaseException:
            threading.Timer(0.05, os.kill, (os.getpid(), self.signal)).start()
            while not self.is_released:
                with suppress(BaseException):
                    await anyio.sleep(0.001)

    async def leave(self) -> None:
        """End the interpreter in a task of the application's."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.exit)
            await anyio.sleep_forever()

    async def exit(self) -> None:
        """End the interpreter."""
        raise SystemExit(3)


class InlineTestCase(CleanTestCase):
    """A test case with an application and an inline client."""

    def setUp(self) -> None:
        """Make an application and a client."""
        super().setUp()
        self.app = App()
        self.app.client = self.client = self.inline_client()

    def inline_client(self, **options: Any) -> TestClient:
        """Return another inline client of the application, entered."""
        return self.enter_client(self.app, backend=BACKEND, portal="inline", **options)

    def in_thread(self, function: Callable[[], Any]) -> Any:
        """Return what a function returns in a thread of its own, or raise what it raises."""
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append(function())
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(10)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]


class PlaceTest(InlineTestCase):
    """Where the application runs."""

    def test_thread(self) -> None:
        """The application runs in the thread of the test, and no thread is started."""
        before = set(threading.enumerate())
        self.assertEqual(threading.current_thread().name, self.client.get("/thread").text)
        self.assertEqual(before, set(threading.enumerate()) & before)

    def test_worker_thread(self) -> None:
        """Plain functions run in one worker thread, from call to call."""
        names = {self.client.get("/worker").text for _ in range(3)}
        self.assertNotIn(threading.current_thread().name, names)
        if not ON_TRIO:
            self.assertEqual(1, len(names))

    @unittest.skipIf(ON_TRIO, "the workers of trio are daemons always")
    def test_worker_thread_at_the_end(self) -> None:
        """A worker thread keeps the interpreter from ending, as the thread of the test does."""
        worker = self.client.call(anyio.to_thread.run_sync, threading.current_thread)
        self.assertEqual(threading.current_thread().daemon, worker.daemon)

    def test_context(self) -> None:
        """The application runs in a copy of the caller's context."""
        token = name_in_context.set("the test")
        self.addCleanup(name_in_context.reset, token)
        self.assertEqual("the test", self.client.get("/context").text)
        self.assertEqual("the test", name_in_context.get())

    def test_database(self) -> None:
        """A connection that belongs to the test's thread can be used by the application."""
        self.app.database = sqlite3.connect(":memory:")
        self.addCleanup(self.app.database.close)
        self.app.database.execute("CREATE TABLE rooms (name)")
        self.app.database.execute("INSERT INTO rooms VALUES ('lobby')")
        self.assertEqual("lobby", self.client.get("/query").text)

    def test_group(self) -> None:
        """Task groups and cancellation work."""
        self.assertEqual("['one', 'startup', 'two'] True", self.client.get("/group").text)

    def test_background(self) -> None:
        """A buffered call returns when the work behind the response is done."""
        self.assertEqual("sent", self.client.get("/background").text)
        self.assertIn("background", self.app.steps)

    def test_lifespan(self) -> None:
        """The lifespan starts with the block and ends with it."""
        with TestClient(self.app, backend=BACKEND, portal="inline"):
            self.assertEqual(["startup"] * 2, self.app.steps)
        self.assertEqual(["startup", "startup", "shutdown"], self.app.steps)

    def test_debugger(self) -> None:
        """A debugger in the application talks to the terminal of the test."""
        output = io.StringIO()
        debugger = pdb.Pdb(stdin=io.StringIO("p secret\ncontinue\n"), stdout=output, nosigint=True)
        frame: Any = None
        # Where the debugger lets the program go on, it takes every trace function away.
        self.addCleanup(sys.settrace, sys.gettrace())
        # It would stop in a callback of the collector, if there is one, and look for names there.
        gc.disable()
        self.addCleanup(gc.enable)

        def set_trace() -> None:
            debugger.set_trace(sys._getframe(1))

        with mock.patch.object(pdb, "set_trace", set_trace):
            self.assertEqual("42", self.client.get("/debug").text)
        self.assertIn("42", output.getvalue())
        self.assertIsNone(frame)


class StandstillTest(InlineTestCase):
    """What happens between two calls: nothing."""

    def test_websocket(self) -> None:
        """What is sent reaches the application when the test waits."""
        with self.client.websocket_connect("/") as session:
            session.send_text("hello")
            self.assertNotIn("hello", self.app.steps)
            self.assertEqual("hello", session.receive_text())
            self.assertIn("hello", self.app.steps)

    def test_task(self) -> None:
        """A task of the test goes on with the next call."""
        future = self.client.portal.start_task_soon(self.app.note, "noted")
        self.assertNotIn("noted", self.app.steps)
        for _ in range(3):
            self.client.get("/")
        self.assertIn("noted", self.app.steps)
        self.assertTrue(future.done())

    def test_future(self) -> None:
        """Asking a future for its result advances the loop."""
        self.assertIsNone(self.client.portal.start_task_soon(self.app.note, "noted").result())
        self.assertIn("noted", self.app.steps)
        failing = self.client.portal.start_task_soon(int, "x")
        self.assertIsInstance(failing.exception(), ValueError)

    def test_future_that_is_late(self) -> None:
        """The result of a task that goes on is waited for as long as the caller says."""
        future = self.client.portal.start_task_soon(anyio.sleep_forever)
        with self.assertRaises(TimeoutError):
            future.result(timeout=0.01)
        self.assertTrue(future.cancel())
        with self.assertRaises(CancelledError):
            future.result()

    def test_start_task(self) -> None:
        """start_task() advances the loop until the task says that it is started."""

        async def task(*, task_status: Any) -> str:
            task_status.started("begun")
            return "done"

        future, value = self.client.portal.start_task(task)
        self.assertEqual(("begun", "done"), (value, future.result()))

    def test_context_manager(self) -> None:
        """An asynchronous context manager is entered and left on the loop."""
        steps = []

        @asynccontextmanager
        async def manager() -> Any:
            await anyio.sleep(0)
            steps.append("entered")
            yield threading.current_thread()
            await anyio.sleep(0)
            steps.append("left")

        with self.client.async_context(manager()) as thread:
            self.assertIs(threading.current_thread(), thread)
            self.assertEqual(["entered"], steps)
        self.assertEqual(["entered", "left"], steps)


class RefusalTest(InlineTestCase):
    """Calls that could not be waited for."""

    def test_application(self) -> None:
        """A call from where the loop runs is refused."""
        with self.assertRaisesRegex(ASGITestError, "from the event loop's own thread"):
            self.client.get("/call_client")

    def test_worker(self) -> None:
        """A worker thread of the application can make calls."""
        self.assertEqual("ok", self.client.get("/call_client_in_worker").text)

    def test_other_thread(self) -> None:
        """A thread that did not make the first call is refused, and told whose client it is."""
        with self.assertRaisesRegex(ASGITestError, "belongs to thread 'MainThread'"):
            self.in_thread(lambda: self.client.get("/"))

    def test_running_loop(self) -> None:
        """A call where another loop runs is refused, by a new client as well."""
        self.needs_a_loop(self.client)
        self.needs_a_loop(self.new_client(self.app, backend=BACKEND, portal="inline"))

    def needs_a_loop(self, client: TestClient) -> None:
        """Use a client where a loop of asyncio runs."""

        async def use() -> None:
            client.get("/")

        with self.assertRaisesRegex(ASGITestError, "where an event loop of asyncio runs"):
            asyncio.run(use())

    @unittest.skipIf(ON_TRIO, "a thread has one run of trio")
    def test_running_loop_of_trio(self) -> None:
        """A call where trio runs is refused as well."""

        async def use() -> None:
            self.client.get("/")

        with self.assertRaisesRegex(ASGITestError, "where an event loop of trio runs"):
            anyio.run(use, backend="trio")

    @unittest.skipUnless(ON_TRIO, "a loop of asyncio leaves the thread to others")
    def test_run_of_the_test(self) -> None:
        """While a client is open, the test has no run of trio in this thread."""
        with self.assertRaisesRegex(RuntimeError, "Attempted to call run"):
            anyio.run(_seven, backend="trio")
        self.client.close()
        self.assertEqual(7, anyio.run(_seven, backend="trio"))

    def test_half_imported_trio(self) -> None:
        """A thread makes calls while another one is importing trio."""
        with mock.patch.dict(sys.modules, {"trio.lowlevel": types.ModuleType("trio.lowlevel")}):
            self.assertEqual("", loop_in_this_thread())

    def test_generators_of_the_test(self) -> None:
        """Between two calls, and after them all, a test's async generators are its own matter."""
        hooks = (None, None)
        self.client.get("/")
        self.assertEqual(hooks, tuple(sys.get_asyncgen_hooks()))
        self.client.close()
        self.assertEqual(hooks, tuple(sys.get_asyncgen_hooks()))

    def test_loop_of_its_own(self) -> None:
        """Between two calls the thread can run another loop of asyncio."""
        self.assertEqual(7, asyncio.run(_seven()))
        self.assertEqual("ok", self.client.get("/").text)


class SeveralTest(InlineTestCase):
    """More than one client."""

    def test_two(self) -> None:
        """Two clients in one thread take turns."""
        other = self.inline_client()
        for client in (self.client, other, self.client, other):
            self.assertEqual("ok", client.get("/").text)
        other.close()
        self.assertEqual("ok", self.client.get("/").text)

    def test_leftovers(self) -> None:
        """What one client has running is not taken for what another one left."""
        other = self.inline_client()
        future = other.portal.start_task_soon(anyio.sleep_forever)
        other.call(anyio.sleep, 0)
        self.client.close()
        future.cancel()

    def test_threads(self) -> None:
        """Each thread has a client of its own."""

        def use() -> str:
            with TestClient(self.app, backend=BACKEND, portal="inline") as client:
                return client.get("/thread").text

        self.assertNotEqual(threading.current_thread().name, self.in_thread(use))
        self.assertEqual("ok", self.client.get("/").text)

    @unittest.skipUnless(ON_TRIO, "loops of asyncio are not shared")
    def test_options(self) -> None:
        """Clients that share a run of trio cannot have different options."""
        with self.assertRaisesRegex(ASGITestError, "share one run in a thread"):
            self.inline_client(backend_options={"restrict_keyboard_interrupt_to_checkpoints": True})

    def test_never_closed(self) -> None:
        """A client that nobody closes disturbs no other, and the next one ends its loop."""
        forgotten = TestClient(self.app, backend=BACKEND, portal="inline")
        forgotten.__enter__()
        portal = forgotten.portal
        portal.start_task_soon(anyio.sleep_forever)
        forgotten.call(anyio.sleep, 0)
        self.assertEqual("ok", self.client.get("/").text)
        del forgotten
        gc.collect()
        self.assertFalse(portal.has_ended)
        self.assertEqual("ok", self.client.get("/").text)
        self.assertEqual("ok", self.inline_client().get("/").text)
        self.assertTrue(portal.has_ended)

    @unittest.skipUnless(ON_TRIO, "loops of asyncio are not shared")
    def test_run_that_breaks(self) -> None:
        """Should trio itself fail, each client of the run is told once, and has a new one then."""
        other = self.inline_client()
        with self.assertRaisesRegex(ASGITestError, "TrioInternalError"):
            self.client.call(_break_trio)
        with self.assertRaisesRegex(ASGITestError, "TrioInternalError"):
            other.get("/")
        for client in (self.client, other):
            self.assertEqual("ok", client.get("/").text)

    def test_missing_backend(self) -> None:
        """A backend that does not exist is an ImportError."""
        from asgitest._inline_portal import InlinePortal

        with self.assertRaisesRegex(ImportError, "the backend 'other' is not installed"):
            InlinePortal("other").start()


class TurnTest(InlineTestCase):
    """What comes in one turn of a loop of asyncio."""

    def test_stopped_and_answered(self) -> None:
        """A loop that was stopped when the answer comes is not stopped twice."""
        from asgitest._inline_portal import InlinePortal

        portal = InlinePortal("uvloop" if BACKEND == "uvloop" else "asyncio")
        portal.start()
        self.addCleanup(portal.stop, 10)
        engine: Any = portal._engine

        async def stop_and_return(turns: int) -> int:
            # As another thread does that gave an answer.
            engine.post(engine._stop)
            # As many as there are turns in which the loop may end: uvloop's is one later.
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            return turns

        for turns in (1, 2, 3):
            self.assertEqual(turns, portal.call(stop_and_return, turns))
            self.assertEqual("next", portal.call(lambda: "next"))


class DeadlineTest(InlineTestCase):
    """What takes too long."""

    def setUp(self) -> None:
        """Be quick about what blocks."""
        super().setUp()
        self.hurry()

    def test_wait(self) -> None:
        """A wait ends by its deadline, and the client can be used on."""
        with self.assertRaises(DeadlineExceeded) as caught:
            self.client.get("/wait", timeout=SHORT)
        self.assertIn("await anyio.sleep_forever()", str(caught.exception))
        self.assertEqual("ok", self.client.get("/").text)

    def test_block(self) -> None:
        """A synchronous call is ended, its place shown, and the client can be used on."""
        with self.assertRaises(DeadlineExceeded) as caught:
            self.client.get("/block", timeout=SHORT)
        self.assertIn("The event loop was blocked; it stood here:", str(caught.exception))
        self.assertIn("time.sleep(30)", str(caught.exception))
        self.assertEqual("ok", self.client.get("/").text)

    def test_block_in_a_websocket(self) -> None:
        """Of a WebSocket whose application blocked, the deadline alone is told."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            time.sleep(30)

        client = TestClient(app, backend=BACKEND, portal="inline", lifespan="off")
        self.addCleanup(client.close)
        with self.assertRaisesRegex(DeadlineExceeded, "The event loop was blocked"):
            with client.websocket_connect("/") as session:
                session.send_text("")
                session.receive(timeout=SHORT)

    def test_block_in_another_thread(self) -> None:
        """Outside the main thread, a synchronous call is not ended, but its place is printed."""

        def use() -> str:
            with TestClient(self.app, backend=BACKEND, portal="inline") as client:
                return client.get("/block_briefly", timeout=SHORT).text

        output = io.StringIO()
        with redirect_stderr(output):
            self.assertRaises(DeadlineExceeded, self.in_thread, use)
        self.assertIn("time.sleep(4 * SHORT)", output.getvalue())

    def test_block_at_the_end(self) -> None:
        """A synchronous call that holds up the loop's end is broken off, and told of."""

        async def block_when_cancelled() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                time.sleep(30)

        client = TestClient(
            self.app, backend=BACKEND, portal="inline", timeout=SHORT, lifespan="off"
        )
        client.portal.start_task_soon(block_when_cancelled)
        client.call(anyio.lowlevel.checkpoint)
        with self.assertRaises(ASGITestError) as caught:
            client.close()
        self.assertIn("until the synchronous call that blocked it", str(caught.exception))
        self.assertIn("time.sleep(30)", str(caught.exception))
        self.assertEqual("ok", self.client.get("/").text)

    def test_block_that_ends(self) -> None:
        """A synchronous call that ends by itself, but late, is not broken off; the call is late."""
        with mock.patch.object(Portal, "grace", 30):
            with self.assertRaises(DeadlineExceeded) as caught:
                self.client.get("/block_briefly", timeout=SHORT)
        self.assertNotIn("blocked", str(caught.exception))
        self.assertEqual("ok", self.client.get("/").text)

    def test_taken_timer(self) -> None:
        """A timer that belongs to somebody else is left alone."""
        called: list[int] = []
        before = signal.signal(signal.SIGALRM, lambda number, frame: called.append(number))
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 100)
        self.assertEqual("ok", self.client.get("/").text)
        self.assertGreater(signal.getitimer(signal.ITIMER_REAL)[0], 0)

    def test_signals_are_put_back(self) -> None:
        """When the last client is closed, the signals have the handlers of the system again."""
        other = self.inline_client()
        self.client.get("/")
        self.client.close()
        self.assertIsNot(signal.default_int_handler, signal.getsignal(signal.SIGINT))
        other.close()
        self.assertIs(signal.default_int_handler, signal.getsignal(signal.SIGINT))
        self.assertIs(signal.SIG_DFL, signal.getsignal(signal.SIGALRM))
        self.assertEqual(0, signal.getitimer(signal.ITIMER_REAL)[0])


class InterruptTest(InlineTestCase):
    """Ctrl-C."""

    def test_in_the_application(self) -> None:
        """It reaches the test at the first press, whatever the application does about it."""
        with self.assertRaises(KeyboardInterrupt):
            self.client.get("/press")

    def test_swallowed(self) -> None:
        """It ends the wait for an application that swallows it and goes on."""
        with self.assertRaises(KeyboardInterrupt):
            self.client.get("/press_and_go_on", timeout=None)
        self.assertIn("swallowed", self.app.steps)
        self.assertEqual("ok", self.client.get("/").text)

    def test_in_a_wait(self) -> None:
        """It ends a wait."""
        with self.assertRaises(KeyboardInterrupt):
            self.client.get("/press_in_a_wait", timeout=None)

    @unittest.skipIf(BACKEND == "uvloop", "uvloop prints what the handlers of signals raise")
    def test_handler_of_somebody_else(self) -> None:
        """What the handler of another signal raises comes out as itself, a TimeoutError too."""

        def handle(number: int, frame: Any) -> None:
            raise TimeoutError("the suite's own limit")

        before = signal.signal(signal.SIGUSR1, handle)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        self.app.signal = signal.SIGUSR1
        with self.assertRaisesRegex(TimeoutError, "the suite's own limit") as caught:
            self.client.get("/press_in_a_wait", timeout=None)
        self.assertNotIsInstance(caught.exception, DeadlineExceeded)
        self.assertEqual("ok", self.client.get("/").text)

    def test_other_handler_of_ctrl_c(self) -> None:
        """A KeyboardInterrupt of somebody else's handler is not taken for the application's."""
        self.client.close()

        def handle(number: int, frame: Any) -> None:
            raise KeyboardInterrupt("of the suite")

        before = signal.signal(signal.SIGINT, handle)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        with self.assertRaisesRegex(KeyboardInterrupt, "of the suite"):
            self.client.get("/press_in_a_wait", timeout=None)
        self.assertIs(handle, signal.getsignal(signal.SIGINT))

    def test_while_the_client_is_closed(self) -> None:
        """It ends the end of a client whose tasks do not end."""
        self.client.portal.start_task_soon(self.app.swallow_for_ever)
        self.client.call(anyio.sleep, 0)
        with self.assertRaises(KeyboardInterrupt):
            self.client.close()
        self.app.is_released = True

    def test_between_calls(self) -> None:
        """Between two calls it is a matter of the test alone."""
        with self.assertRaises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        self.assertEqual("ok", self.client.get("/").text)


@unittest.skipIf(ON_TRIO, "on trio it stays in the task of the application")
class EndedLoopTest(InlineTestCase):
    """A loop that one of the application's tasks ends."""

    def test_exit(self) -> None:
        """The call tells who ended the loop, and the next one has a new loop."""
        self.app.client.call(self.start_exit)
        with self.assertRaisesRegex(ASGITestError, "started raised SystemExit"):
            self.client.get("/wait")
        self.assertEqual("ok", self.client.get("/").text)

    async def start_exit(self) -> None:
        """Start a task that ends the loop."""
        self.task = asyncio.ensure_future(self.app.exit())


class ExitTest(unittest.TestCase):
    """The end of the interpreter."""

    def test_forgotten_client(self) -> None:
        """A client that nobody closed lets the interpreter end, without a word."""
        program = (
            "import anyio\n"
            "from asgitest import TestClient\n"
            "async def app(scope, receive, send):\n"
            "    await receive()\n"
            "    await send({'type': 'lifespan.startup.complete'})\n"
            "    try:\n"
            "        await receive()\n"
            "    finally:\n"
            "        await anyio.lowlevel.cancel_shielded_checkpoint()\n"
            f"client = TestClient(app, backend={BACKEND!r}, portal='inline')\n"
            "client.__enter__()\n"
            "client.portal.start_task_soon(anyio.sleep_forever)\n"
            "client.call(anyio.sleep, 0)\n"
            "print('end', flush=True)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
        )
        self.assertEqual(("end\n", "", 0), (done.stdout, done.stderr, done.returncode))


async def _seven() -> int:
    await anyio.sleep(0)
    return 7


async def _break_trio() -> None:
    import trio

    def abort(raise_cancel: Any) -> Any:
        raise LookupError

    with trio.CancelScope() as scope:
        scope.cancel()
        await trio.lowlevel.wait_task_rescheduled(abort)
