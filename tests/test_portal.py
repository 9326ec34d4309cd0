"""The event loop behind a client: calls into it, its threads, its end, and what reports show."""

from __future__ import annotations

import asyncio
import bdb
import contextlib
import contextvars
import gc
import io
import os
import pdb
import queue
import signal
import sys
import threading
import types
import unittest
import warnings
import weakref
from asyncio import base_events
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import sniffio

from asgitest import ASGITestError, DeadlineExceeded, TestClient
from asgitest._debugger import is_debugging
from asgitest._stacks import await_chain, busy_threads, describe_chain, describe_thread
from asgitest._thread_portal import ThreadPortal

from .base import INLINE, CleanTestCase, end_abandoned_loops, on_thread

BACKEND = os.environ.get("ASGITEST_BACKEND") or "asyncio"
ON_TRIO = BACKEND == "trio"
#: A deadline that is meant to pass.
SHORT = 0.2

START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
END = {"type": "http.response.body", "body": b"ok"}


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request; support no lifespan."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await send(START)
    await send(END)


class Refusal(Exception):
    """What functions and applications of these tests raise."""


class PortalTestCase(CleanTestCase):
    """A test case that lets go of threads that had to be abandoned."""

    def setUp(self) -> None:
        """Prepare the event that ends what blocks."""
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.end_threads)

    def end_threads(self) -> None:
        """Release what blocks, and wait for the threads to end."""
        self.release.set()
        end_abandoned_loops()
        for thread in threading.enumerate():
            if thread not in self._threads_before and thread.name.startswith(("asgitest", "AnyIO")):
                thread.join(10)

    def abandon_loop(self, client: TestClient) -> None:
        """Block the loop of a client until the client gives it up."""
        with self.assertRaises(DeadlineExceeded):
            client.call(self.release.wait)

    def in_thread(self, function: Callable[[], Any]) -> Outcome:
        """Run a function in a thread that the test can wait for."""
        return Outcome(function)


class Outcome:
    """What a function came to in a thread of its own."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        """Wait for the function's end; return or raise what it did."""
        self.thread.join(10)
        if self._error is not None:
            raise self._error
        return self._result


# -- calls ----------------------------------------------------------------------------------------


class CallTest(PortalTestCase):
    """Functions called on the loop."""

    def setUp(self) -> None:
        """Make a client."""
        super().setUp()
        self.client = self.new_client(hello)

    def test_coroutine_function(self) -> None:
        """A coroutine function is awaited on the loop, with its arguments."""

        async def add(left: int, right: int) -> int:
            await anyio.lowlevel.checkpoint()
            return left + right

        self.assertEqual(3, self.client.call(add, 1, 2))
        self.assertEqual(3, self.client.portal.call(add, 1, 2))

    def test_plain_function(self) -> None:
        """A plain function runs in the loop's thread, which is the test's own if it is inline."""
        thread = self.client.call(threading.current_thread)
        self.assertEqual(INLINE, thread is threading.current_thread())

    def test_backend(self) -> None:
        """The loop is the one that the environment names."""
        self.assertEqual(
            "trio" if ON_TRIO else "asyncio", self.client.call(sniffio.current_async_library)
        )
        if not ON_TRIO:
            loop = self.client.call(asyncio.get_running_loop)
            self.assertEqual(BACKEND == "uvloop", type(loop).__module__.startswith("uvloop"))

    def test_error(self) -> None:
        """What the function raises is raised in the calling thread."""

        async def fail() -> None:
            raise Refusal("no")

        with self.assertRaisesRegex(Refusal, "no"):
            self.client.call(fail)

    def test_base_exception(self) -> None:
        """A SystemExit is raised in the calling thread and leaves the loop alone."""
        thread = self.client.portal.place
        with self.assertRaises(SystemExit):
            self.client.call(sys.exit)
        self.assertEqual(3, self.client.call(lambda: 3))
        self.assertEqual(thread, self.client.portal.place)

    def test_context(self) -> None:
        """The caller's context variables are seen, and changes do not come back."""
        variable = contextvars.ContextVar("variable", default="default")
        variable.set("caller")

        async def change() -> str:
            seen = variable.get()
            variable.set("loop")
            return seen

        self.assertEqual("caller", self.client.call(change))
        self.assertEqual("caller", variable.get())

    def test_deadline(self) -> None:
        """A call has the client's deadline; the text names the function and where it stands."""
        client = self.new_client(hello, timeout=SHORT)

        async def waits_for_ever() -> None:
            await anyio.sleep_forever()

        with self.assertRaises(DeadlineExceeded) as caught:
            client.call(waits_for_ever)
        text = str(caught.exception)
        self.assertIn("waits_for_ever() to return", caught.exception.waiting_for)
        self.assertIn("in waits_for_ever\n    await anyio.sleep_forever()", text)
        self.assertEqual(3, client.call(lambda: 3))

    def test_deadline_of_deaf_function(self) -> None:
        """A function that does not stop when cancelled costs the loop, not the client."""
        self.hurry()
        client = self.new_client(hello, timeout=SHORT)

        async def deaf() -> None:
            while not self.release.is_set():
                with contextlib.suppress(BaseException):
                    await anyio.to_thread.run_sync(self.release.wait)

        with self.assertRaisesRegex(DeadlineExceeded, "did not stop when it was cancelled"):
            client.call(deaf)
        self.assertEqual(3, client.call(lambda: 3))

    def test_cancellation_of_its_own(self) -> None:
        """A cancellation that the function makes up is raised, and the loop lives."""
        with self.assertRaises(asyncio.CancelledError):
            self.client.call(_raise, asyncio.CancelledError())
        self.assertEqual(3, self.client.call(lambda: 3))


def _raise(error: BaseException) -> None:
    raise error


class OwnThreadTest(PortalTestCase):
    """Client calls from the loop's own thread."""

    def assert_refused(self, use: Callable[[TestClient], Any]) -> None:
        """Check that something is refused in the application, and that the client works on."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            paths.append(scope["path"])
            if scope["path"] == "/inside":
                use(client)
            await hello(scope, receive, send)

        paths: list[str] = []
        client = self.new_client(app)
        with self.assertRaisesRegex(ASGITestError, "from the event loop's own thread"):
            client.get("/inside")
        self.assertEqual("ok", client.get("/").text)
        # What was refused has started nothing.
        self.assertEqual(["/inside", "/"], paths)

    def test_request(self) -> None:
        """A request is refused."""
        self.assert_refused(lambda client: client.get("/"))

    def test_streamed_request(self) -> None:
        """A streamed request is refused."""
        self.assert_refused(lambda client: client.get("/", stream=True))

    def test_request_of_new_client(self) -> None:
        """A request of another client of the same application is refused."""
        self.assert_refused(lambda client: client.new_client().get("/"))

    def test_websocket(self) -> None:
        """A WebSocket is refused."""
        self.assert_refused(lambda client: client.websocket_connect("/").__enter__())

    def test_call(self) -> None:
        """A call is refused."""
        self.assert_refused(lambda client: client.call(lambda: 3))

    def test_async_context(self) -> None:
        """An asynchronous context manager is refused."""
        self.assert_refused(lambda client: client.async_context(null_context()).__enter__())

    def test_tasks(self) -> None:
        """A task is refused, whether it is waited for or not."""
        self.assert_refused(lambda client: client.portal.start_task_soon(lambda: 3))
        self.assert_refused(lambda client: client.portal.start_task(lambda: 3))

    def test_close(self) -> None:
        """To close the client is refused."""
        self.hurry()
        self.assert_refused(lambda client: client.close())

    def test_worker_thread(self) -> None:
        """A request from a worker thread of the application is answered."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/inside":
                await anyio.to_thread.run_sync(client.get, "/")
            await hello(scope, receive, send)

        client = self.new_client(app)
        self.assertEqual("ok", client.get("/inside").text)

    def test_worker_thread_of_a_websocket(self) -> None:
        """A request from a worker thread of a WebSocket's application is answered."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                return await hello(scope, receive, send)
            await receive()
            await send({"type": "websocket.accept"})
            response = await anyio.to_thread.run_sync(client.get, "/")
            await send({"type": "websocket.send", "text": response.text})
            await send({"type": "websocket.close"})

        client = self.new_client(app)
        with client.websocket_connect("/") as session:
            self.assertEqual("ok", session.receive_text())

    def test_startup(self) -> None:
        """A request that the application makes while it starts up is an error, no deadlock."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await anyio.to_thread.run_sync(client.get, "/")

        client = TestClient(app, timeout=SHORT, lifespan="on")
        with self.assertRaisesRegex(ASGITestError, "startup") as caught:
            client.__enter__()
        self.assertIs(ASGITestError, type(caught.exception))


class TaskTest(PortalTestCase):
    """Tasks started on the loop."""

    def setUp(self) -> None:
        """Make a client."""
        super().setUp()
        self.client = self.new_client(hello)
        self.portal = self.client.portal

    def test_future(self) -> None:
        """A task's result is had from a future."""

        async def answer(value: int) -> int:
            await anyio.lowlevel.checkpoint()
            return value

        self.assertEqual(3, self.portal.start_task_soon(answer, 3, name="mine").result(10))
        self.assertEqual(3, self.portal.start_task_soon(lambda: 3).result(10))

    def test_future_with_error(self) -> None:
        """What a task raises is had from its future; SystemExit leaves the loop alone."""
        for error in (Refusal(), SystemExit()):
            with self.assertRaises(type(error)):
                self.portal.start_task_soon(_raise, error).result(10)
        self.assertEqual(3, self.client.call(lambda: 3))

    @unittest.skipIf(ON_TRIO, "trio lets nobody make a cancellation up")
    def test_future_with_cancellation(self) -> None:
        """A cancellation that the task made up is what its future holds; the loop goes on."""
        future = self.portal.start_task_soon(_raise, asyncio.CancelledError("made up"))
        with self.assertRaisesRegex(asyncio.CancelledError, "made up"):
            future.result(10)
        self.assertEqual(3, self.client.call(lambda: 3))

    @on_thread("the test waits for the application without the client")
    def test_cancel(self) -> None:
        """Cancelling the future cancels the task, whose clean-up runs."""
        begun, cleaned = threading.Event(), threading.Event()

        async def wait() -> None:
            try:
                begun.set()
                await anyio.sleep_forever()
            finally:
                cleaned.set()

        future = self.portal.start_task_soon(wait)
        self.assertTrue(begun.wait(10))
        self.assertTrue(future.cancel())
        self.assertTrue(cleaned.wait(10))
        with self.assertRaises(CancelledError):
            future.result(10)

    @on_thread("the test waits for the application without the client")
    def test_runs_between_calls(self) -> None:
        """A task goes on while the test does something else."""
        done = threading.Event()

        async def work() -> None:
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            done.set()

        self.portal.start_task_soon(work)
        self.assertTrue(done.wait(10))

    def test_future_at_close(self) -> None:
        """A future that is not done when the client is closed says that it was closed."""
        future = self.portal.start_task_soon(anyio.sleep_forever)
        self.client.close()
        with self.assertRaisesRegex(ASGITestError, "its client was closed") as caught:
            future.result(10)
        self.assertIs(ASGITestError, type(caught.exception))

    def test_after_close(self) -> None:
        """Nothing can be started on a loop that has ended."""
        self.client.close()
        for start in (self.portal.call, self.portal.start_task_soon, self.portal.start_task):
            with self.assertRaisesRegex(ASGITestError, "its client was closed"):
                start(anyio.sleep_forever)

    def test_start_task(self) -> None:
        """A task that says when it is started is waited for until then."""
        finish = self.client.call(anyio.Event)

        async def serve(port: int, *, task_status: Any) -> str:
            task_status.started(port)
            await finish.wait()
            return "finished"

        future, value = self.portal.start_task(serve, 80, name="server")
        self.assertEqual(80, value)
        self.assertFalse(future.done())
        self.portal.start_task_soon(lambda: _set(finish)).result(10)
        self.assertEqual("finished", future.result(10))

    def test_start_task_without_value(self) -> None:
        """A task need not give a value when it is started."""

        async def serve(*, task_status: Any) -> None:
            await anyio.lowlevel.checkpoint()
            task_status.started()
            await anyio.sleep_forever()

        future, value = self.portal.start_task(serve)
        self.assertIsNone(value)
        self.assertTrue(future.cancel())

    def test_started_again(self) -> None:
        """A task that says so twice was started with the first value."""

        async def serve(*, task_status: Any) -> None:
            task_status.started("first")
            task_status.started("second")

        self.assertEqual("first", self.portal.start_task(serve)[1])

    def test_start_task_that_fails(self) -> None:
        """What a task raises before it is started is raised where it is waited for."""

        async def serve(error: BaseException, *, task_status: Any) -> None:
            raise error

        for error in (Refusal(), SystemExit()):
            with self.assertRaises(type(error)):
                self.portal.start_task(serve, error)
        self.assertEqual(3, self.client.call(lambda: 3))

    def test_start_task_that_returns(self) -> None:
        """A task that returns without being started is an error that says so."""

        async def serve(*, task_status: Any) -> None:
            await anyio.lowlevel.checkpoint()

        with self.assertRaisesRegex(RuntimeError, "without calling task_status.started()"):
            self.portal.start_task(serve)

    def test_start_task_deadline(self) -> None:
        """A task that never says it is started meets the deadline, and is cancelled."""
        cleaned = threading.Event()

        async def never_started(*, task_status: Any) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                cleaned.set()

        client = self.new_client(hello, timeout=SHORT)
        with self.assertRaises(DeadlineExceeded) as caught:
            client.portal.start_task(never_started)
        self.assertIn("task_status.started()", caught.exception.waiting_for)
        self.assertIn("in never_started\n", str(caught.exception))
        self.assertTrue(cleaned.is_set())

    def test_start_task_on_blocked_loop(self) -> None:
        """A task that blocks the loop meets the deadline, and nothing else is heard of it."""
        self.hurry()

        async def blocks(*, task_status: Any) -> None:
            self.release.wait()

        client = self.new_client(hello, timeout=SHORT)
        client.portal  # noqa: B018  The loop is there already when the task blocks it.
        with self.assertNoLogs(), self.assertRaisesRegex(DeadlineExceeded, "in blocks\n"):
            client.portal.start_task(blocks)
        self.assertEqual(3, client.call(lambda: 3))


def _set(event: Any) -> None:
    event.set()


@contextlib.asynccontextmanager
async def null_context() -> AsyncIterator[str]:
    """Give a value, and do nothing else."""
    yield "value"


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[Any]:
    """Give a task group, which can be made on a loop only."""
    async with anyio.create_task_group() as tasks:
        yield tasks


class ContextTest(PortalTestCase):
    """Asynchronous context managers, presented as plain ones."""

    def setUp(self) -> None:
        """Make a client and a log."""
        super().setUp()
        self.client = self.new_client(hello)
        self.log: list[Any] = []

    def wrap(self, manager: Any) -> AbstractContextManager[Any]:
        """Present a manager as a plain one."""
        return self.client.portal.wrap_async_context_manager(manager)

    def test_value(self) -> None:
        """The block gets the manager's value, from the portal and from the client."""
        with self.wrap(null_context()) as value:
            self.assertEqual("value", value)
        with self.client.async_context(null_context()) as value:
            self.assertEqual("value", value)

    def test_one_task(self) -> None:
        """A manager is entered and left in one task, as a task group demands."""
        ran = threading.Event()

        async def work() -> None:
            ran.set()

        with self.wrap(task_group()) as tasks:
            self.client.call(tasks.start_soon, work)
            self.assertTrue(ran.wait(10))

    def test_nested(self) -> None:
        """Managers can be held open at a time, and requests made meanwhile."""
        with self.wrap(null_context()), self.wrap(task_group()):
            self.assertEqual("ok", self.client.get("/").text)

    def test_error_of_the_block(self) -> None:
        """The manager is shown the error of the block, which is raised."""

        @contextlib.asynccontextmanager
        async def watching() -> AsyncIterator[None]:
            try:
                yield
            except Refusal as error:
                self.log.append(error)
                raise

        error = Refusal()
        with self.assertRaises(Refusal) as caught:
            with self.wrap(watching()):
                raise error
        self.assertIs(error, caught.exception)
        self.assertEqual([error], self.log)

    def test_swallowed_error(self) -> None:
        """A manager can swallow the error of the block."""

        @contextlib.asynccontextmanager
        async def swallowing() -> AsyncIterator[None]:
            with contextlib.suppress(Refusal):
                yield

        with self.wrap(swallowing()):
            raise Refusal
        self.assertEqual(3, self.client.call(lambda: 3))

    def test_replaced_error(self) -> None:
        """A manager can raise another error than the block did."""

        @contextlib.asynccontextmanager
        async def replacing() -> AsyncIterator[None]:
            try:
                yield
            except ValueError as error:
                raise Refusal from error

        with self.assertRaises(Refusal):
            with self.wrap(replacing()):
                raise ValueError

    def test_error_on_entering(self) -> None:
        """What entering raises is raised, SystemExit too, and the loop lives."""
        for error in (Refusal(), SystemExit()):

            @contextlib.asynccontextmanager
            async def failing(error: BaseException = error) -> AsyncIterator[None]:
                raise error
                yield

            with self.assertRaises(type(error)):
                with self.wrap(failing()):
                    self.fail("the block was entered")
        self.assertEqual(3, self.client.call(lambda: 3))

    def test_error_on_leaving(self) -> None:
        """What leaving raises is raised."""

        @contextlib.asynccontextmanager
        async def failing() -> AsyncIterator[None]:
            yield
            raise Refusal

        with self.assertRaises(Refusal):
            with self.wrap(failing()):
                pass

    def test_deadline_on_entering(self) -> None:
        """A manager that cannot be entered in time is named, and cleans up."""
        self.client = self.new_client(hello, timeout=SHORT)

        @contextlib.asynccontextmanager
        async def never_entered() -> AsyncIterator[None]:
            try:
                await anyio.sleep_forever()
                yield
            finally:
                self.log.append("cleaned up")

        with self.assertRaises(DeadlineExceeded) as caught:
            with self.wrap(never_entered()):
                self.fail("the block was entered")
        self.assertIn("to be entered", caught.exception.waiting_for)
        self.assertIn("in never_entered\n", str(caught.exception))
        self.assertEqual(["cleaned up"], self.log)

    def test_deadline_on_leaving(self) -> None:
        """A manager that cannot be left in time is named."""
        self.client = self.new_client(hello, timeout=SHORT)

        @contextlib.asynccontextmanager
        async def never_left() -> AsyncIterator[None]:
            yield
            await anyio.sleep_forever()

        with self.assertRaises(DeadlineExceeded) as caught:
            with self.wrap(never_left()):
                pass
        self.assertIn("to be left", caught.exception.waiting_for)
        self.assertIn("in never_left\n", str(caught.exception))

    def test_held_open_at_close(self) -> None:
        """A manager that is open when the client is closed cleans up then."""

        @contextlib.asynccontextmanager
        async def open_to_the_end() -> AsyncIterator[None]:
            try:
                yield
            finally:
                self.log.append("cleaned up")

        manager = self.wrap(open_to_the_end())
        manager.__enter__()
        self.client.close()
        self.assertEqual(["cleaned up"], self.log)
        with self.assertRaisesRegex(ASGITestError, "its client was closed"):
            manager.__exit__(None, None, None)


# -- the loop's life -----------------------------------------------------------------------------


class WithLifespan:
    """An application that counts its starts, and misbehaves on some paths."""

    def __init__(self, release: threading.Event) -> None:
        self.starts = 0
        self.release = release
        self.begun = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a lifespan or a request."""
        if scope["type"] == "lifespan":
            await receive()
            self.starts += 1
            scope["state"]["start"] = self.starts
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        path = scope["path"]
        if path == "/block":
            self.release.wait()
        if path == "/wait":
            self.begun.set()
            await anyio.sleep_forever()
        if path == "/exit":
            task = asyncio.ensure_future(self.exit())
            await anyio.sleep_forever()
            del task
        if path == "/exit_later":
            self.task = asyncio.ensure_future(self.exit_later())
        if path == "/slow":
            await self.clean_up_slowly(send)
        await send(START)
        await send({**END, "body": str(scope["state"].get("start")).encode()})

    async def exit(self) -> None:
        """End the loop."""
        raise SystemExit(3)

    async def exit_later(self) -> None:
        """End the loop once the response is read."""
        await anyio.to_thread.run_sync(self.release.wait)
        raise SystemExit(3)

    async def clean_up_slowly(self, send: Any) -> None:
        """Begin a response, and go on for some time when cancelled."""
        await send(START)
        await send(PART)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.release.wait)


class LifeTest(PortalTestCase):
    """How a loop begins and ends."""

    def test_one_loop(self) -> None:
        """All requests of a client share one loop, entered or not."""
        for make in (self.enter_client, self.new_client):
            client = make(hello)
            portal = client.portal
            client.get("/")
            client.get("/", stream=True).close()
            self.assertIs(portal, client.portal)

    def test_close_and_use_again(self) -> None:
        """A client that was closed starts a new loop when it is used."""
        client = self.new_client(hello)
        portal = client.portal
        client.close()
        self.assertEqual("ok", client.get("/").text)
        self.assertIsNot(portal, client.portal)

    def test_not_started(self) -> None:
        """What is posted to a loop that was not started is dropped."""
        called: list[str] = []
        portal = ThreadPortal()
        portal.post(called.append, "never")
        portal.start()
        portal.call(called.append, "after the start")
        portal.stop(10)
        self.assertEqual(["after the start"], called)

    @on_thread("no thread is joined")
    def test_end_is_awaited_in_parts(self) -> None:
        """A wait without deadline for a loop's end is many short ones, which a signal may end."""
        seconds: list[float | None] = []
        join = threading.Thread.join
        client = TestClient(hello)
        portal = client.portal
        event = client.call(anyio.Event)

        async def hold_up() -> None:
            with anyio.CancelScope(shield=True):
                await event.wait()

        def note(thread: threading.Thread, timeout: float | None = None) -> None:
            seconds.append(timeout)
            # Not before, or the loop could be quicker than whoever waits for it.
            portal.post(event.set)
            join(thread, timeout)

        portal.start_task_soon(hold_up)
        portal.post_stop()
        with mock.patch.object(threading.Thread, "join", note):
            portal.join(None)
        self.assertTrue(portal.has_ended)
        self.assertNotIn(None, seconds)
        self.assertNotEqual([], seconds)

    @on_thread("the loop ends while nobody waits for it")
    def test_call_while_it_ends(self) -> None:
        """A call that comes while the loop ends, and a task holds it up, is told so."""
        client = TestClient(hello)
        portal = client.portal
        event = client.call(anyio.Event)

        async def hold_up() -> None:
            with anyio.CancelScope(shield=True):
                await event.wait()

        portal.start_task_soon(hold_up)
        portal.post_stop()
        self.hurry()
        for _ in range(2):
            with self.assertRaisesRegex(ASGITestError, "its client was closed"):
                portal.call(anyio.sleep_forever)
        portal.post(event.set)
        portal.join(10)

    def test_loop_that_ends_while_it_takes_a_call(self) -> None:
        """A call that the loop took, and never came to, is told that the loop has ended."""
        client = TestClient(hello)
        portal = client.portal
        client.close()
        with mock.patch.object(portal, "_start_call"):
            with self.assertRaisesRegex(ASGITestError, "its client was closed"):
                portal.call(anyio.sleep_forever)

    def test_close_twice(self) -> None:
        """Closing a client again, or one that was not used, does nothing."""
        client = self.new_client(hello)
        client.close()
        client.get("/")
        client.close()
        client.close()

    def test_thread_at_close(self) -> None:
        """Closing a client ends the loop's thread and its worker threads."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await anyio.to_thread.run_sync(threading.current_thread)
            await hello(scope, receive, send)

        client = self.new_client(app)
        client.get("/")
        self.assertNotEqual(set(), set(threading.enumerate()) - self._threads_before)
        client.close()
        self.assert_nothing_left()

    @on_thread("the test is about the loop's own thread")
    def test_daemons(self) -> None:
        """Neither the loop's thread nor its worker threads keep the interpreter from ending."""
        client = self.new_client(hello)
        self.assertTrue(client.call(threading.current_thread).daemon)
        worker = client.call(anyio.to_thread.run_sync, threading.current_thread)
        self.assertTrue(worker.daemon)

    @on_thread("the test is about the loop's own thread")
    def test_dropped_client(self) -> None:
        """A client that is dropped without being closed ends its thread when it is collected."""
        client = TestClient(hello)
        client.get("/")
        thread = client.call(threading.current_thread)
        dropped = weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNone(dropped())
        thread.join(10)
        self.assertFalse(thread.is_alive())

    @on_thread("the test is about the loop's own thread")
    def test_dropped_client_in_with_block(self) -> None:
        """A client that is dropped although its lifespan runs ends its thread as well."""
        client = TestClient(WithLifespan(self.release))
        client.__enter__()
        thread = client.call(threading.current_thread)
        del client
        gc.collect()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    @on_thread("the test is about the loop's own thread")
    def test_client_dropped_by_its_application(self) -> None:
        """A client may be collected in the thread of its own loop."""
        clients = [TestClient(hello)]
        thread = clients[0].call(threading.current_thread)

        def drop() -> None:
            clients.clear()
            gc.collect()

        portal = clients[0].portal
        portal.start_task_soon(drop).result(10)
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_missing_uvloop(self) -> None:
        """A backend that is not installed is an ImportError that says what to install."""
        client = self.new_client(hello, backend="uvloop")
        with mock.patch.dict(sys.modules, {"uvloop": None}):
            with self.assertRaises(ImportError) as caught:
                client.get("/")
        self.assertEqual(
            "the backend 'uvloop' is not installed; pip install asgitest[uvloop]",
            str(caught.exception),
        )
        self.assertIsInstance(caught.exception.__cause__, ImportError)

    def test_missing_backend(self) -> None:
        """A backend that anyio does not know is an ImportError, too."""
        with self.assertRaisesRegex(ImportError, "the backend 'other' is not installed"):
            ThreadPortal("other").start()

    @unittest.skipIf(ON_TRIO, "trio has no such option")
    @unittest.skipIf(hasattr(anyio, "ExceptionGroup"), "anyio 3 has no such option")
    def test_failing_loop_factory(self) -> None:
        """What the caller's own loop factory raises is raised as it is."""

        def factory() -> Any:
            raise KeyError("mine")

        client = self.new_client(
            hello, backend="asyncio", backend_options={"loop_factory": factory}
        )
        with self.assertRaisesRegex(KeyError, "mine"):
            client.get("/")

    def test_policy(self) -> None:
        """uvloop serves the client and nobody else."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            before = asyncio.get_event_loop_policy()
            client = self.enter_client(hello, backend="uvloop")
            self.assertIs(before, asyncio.get_event_loop_policy())
            loop = client.call(asyncio.get_running_loop)
            self.assertTrue(type(loop).__module__.startswith("uvloop"))
            client.close()
            self.assertIs(before, asyncio.get_event_loop_policy())

    @on_thread("the calls are made where another loop runs")
    def test_foreign_loop(self) -> None:
        """A client can be used where another loop runs, and does not take it for its own."""

        async def use() -> str:
            return client.get("/").text

        client = self.new_client(hello)
        self.assertEqual("ok", anyio.run(use))
        self.assertEqual("ok", anyio.run(use, backend="trio"))


@unittest.skipIf(ON_TRIO, "a task of trio cannot end its loop")
class EndedLoopTest(PortalTestCase):
    """Loops that end because a task of the application raised SystemExit."""

    def setUp(self) -> None:
        """Make an application and a client."""
        super().setUp()
        # asyncio tells of the exception that nobody took from the task, on stderr.
        self.enterContext(mock.patch("sys.stderr", io.StringIO()))
        self.app = WithLifespan(self.release)
        self.client = self.enter_client(self.app)

    if sys.version_info < (3, 11):

        def enterContext(self, cm: Any) -> Any:
            """Stand in for the method that newer versions have."""
            value = cm.__enter__()
            self.addCleanup(cm.__exit__, None, None, None)
            return value

    def test_waiting_call(self) -> None:
        """The waiting call tells who ended the loop, and the cause is at hand."""
        with self.assertRaisesRegex(ASGITestError, r"SystemExit\(3\)") as caught:
            self.client.get("/exit")
        self.assertIsInstance(caught.exception.__cause__, SystemExit)

    @on_thread("threads of the test use one client")
    def test_every_waiting_call(self) -> None:
        """Calls that wait in other threads are told as well."""
        other = self.in_thread(lambda: self.client.get("/wait"))
        self.assertTrue(self.app.begun.wait(10))
        for ending in (lambda: self.client.get("/exit"), other.result):
            with self.assertRaisesRegex(ASGITestError, r"SystemExit\(3\)"):
                ending()

    def test_future(self) -> None:
        """Whoever holds a future is told as well."""
        future = self.client.portal.start_task_soon(anyio.sleep_forever)
        for ending in (lambda: self.client.get("/exit"), lambda: future.result(10)):
            with self.assertRaisesRegex(ASGITestError, r"SystemExit\(3\)"):
                ending()

    def test_slow_clean_up(self) -> None:
        """The waiting call tells who ended the loop although other tasks take their time."""
        self.hurry()
        response = self.client.get("/slow", stream=True)
        with self.assertRaisesRegex(ASGITestError, "a task that the application started raised"):
            self.client.get("/exit")
        self.release.set()
        response.close()

    def test_next_call(self) -> None:
        """The next call runs on a new loop, with a new lifespan."""
        self.hurry()
        self.assertEqual("1", self.client.get("/").text)
        with self.assertRaises(ASGITestError):
            self.client.get("/exit")
        self.assertEqual("2", self.client.get("/").text)
        self.assertEqual(2, self.client.state["start"])

    def test_nobody_waits(self) -> None:
        """If nobody waits when the loop ends, the next call is told; the one after it works."""
        self.client.get("/exit_later")
        self.release.set()
        self.client.portal.join(10)
        with self.assertRaisesRegex(ASGITestError, r"SystemExit\(3\)"):
            self.client.get("/")
        self.assertEqual("2", self.client.get("/").text)

    def test_nobody_calls(self) -> None:
        """If nobody calls any more, closing the client tells who ended the loop."""
        client = TestClient(self.app)
        with self.assertRaisesRegex(ASGITestError, r"SystemExit\(3\)"):
            with client:
                client.get("/exit_later")
                self.release.set()
                client.portal.join(10)


class AbandonedLoopTest(PortalTestCase):
    """Loops that had to be abandoned."""

    needs_thread = "a blocked loop has its thread abandoned"

    def setUp(self) -> None:
        """Make an application and a client."""
        super().setUp()
        self.app = WithLifespan(self.release)
        self.client = self.enter_client(self.app, timeout=SHORT)

    def test_thread_is_named(self) -> None:
        """The text names the thread that was abandoned."""
        self.hurry()
        place = self.client.portal.place
        with self.assertRaises(DeadlineExceeded) as caught:
            self.client.get("/block")
        self.assertIn(f"{place[0].upper()}{place[1:]} was abandoned", str(caught.exception))

    def test_next_call(self) -> None:
        """The next call runs on a new loop, with a new lifespan."""
        self.hurry()
        self.abandon_loop(self.client)
        self.assertEqual("2", self.client.get("/").text)

    def test_failing_restart(self) -> None:
        """A lifespan that fails when it is started again fails for every call, not for one."""
        self.hurry()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan" and starts:
                await receive()
                await send({"type": "lifespan.startup.failed", "message": "busy"})
                return
            starts.append(scope["type"])
            await WithLifespan(self.release)(scope, receive, send)

        starts: list[str] = []
        client = self.enter_client(app, timeout=SHORT)
        self.abandon_loop(client)
        for _ in range(2):
            with self.assertRaisesRegex(AssertionError, "busy"):
                client.get("/")

    def test_waiting_calls(self) -> None:
        """Calls without a deadline that wait in other threads are ended, and futures."""
        self.hurry()
        future = self.client.portal.start_task_soon(anyio.sleep_forever)
        other = self.in_thread(lambda: self.client.get("/wait", timeout=None))
        self.assertTrue(self.app.begun.wait(10))
        self.abandon_loop(self.client)
        for ending in (other.result, lambda: future.result(10)):
            with self.assertRaisesRegex(ASGITestError, "abandoned"):
                ending()

    def test_released_thread(self) -> None:
        """A thread that was abandoned ends by itself when it is let go."""
        self.hurry()
        thread = self.client.call(threading.current_thread)
        self.abandon_loop(self.client)
        self.assertTrue(thread.is_alive())
        self.release.set()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_call_that_never_began(self) -> None:
        """A call that the blocked loop could not even begin is not made up for later."""
        self.hurry()
        thread = self.client.call(threading.current_thread)
        made: list[str] = []
        begun = threading.Event()

        def block() -> None:
            begun.set()
            self.release.wait()

        self.client.portal.start_task_soon(block)
        self.assertTrue(begun.wait(10))
        with self.assertRaises(DeadlineExceeded):
            self.client.call(made.append, "too late")
        self.release.set()
        thread.join(10)
        self.assertEqual([], made)

    def test_close(self) -> None:
        """A client whose loop was abandoned is closed without a word."""
        self.hurry()
        client = TestClient(self.app, timeout=SHORT)
        with client:
            self.abandon_loop(client)


class LeftoverTest(PortalTestCase):
    """What an application leaves on its loop."""

    @unittest.skipIf(ON_TRIO, "trio lets no task outlive its nursery")
    def test_task(self) -> None:
        """A task that was left is cancelled and named, with the line where it stands."""

        async def left_alone() -> None:
            await anyio.sleep_forever()

        client = TestClient(hello)
        with self.assertWarns(ResourceWarning) as caught:
            with client:
                task = client.call(start_asyncio_task, left_alone)
        self.assertIn("in left_alone\n    await anyio.sleep_forever()", str(caught.warning))
        self.assertTrue(task[0].cancelled())

    @unittest.skipIf(ON_TRIO, "trio lets no task outlive its nursery")
    def test_deaf_task(self) -> None:
        """A task that keeps the loop from ending is named, and the thread abandoned."""
        self.hurry()

        async def deaf() -> None:
            while not self.release.is_set():
                with contextlib.suppress(BaseException):
                    await anyio.to_thread.run_sync(self.release.wait)

        client = TestClient(hello, timeout=SHORT)
        with self.assertRaisesRegex(ASGITestError, "the event loop did not end") as caught:
            with client:
                task = client.call(start_asyncio_task, deaf)
        self.assertIn("in deaf\n", str(caught.exception))
        self.assertIn("was abandoned", str(caught.exception))
        self.assertFalse(task[0].done())

    def test_blocked_at_close(self) -> None:
        """A task that blocks the loop when the client is closed is named."""
        self.hurry()
        begun = threading.Event()

        def blocks() -> None:
            begun.set()
            self.release.wait()

        client = TestClient(hello, timeout=SHORT)
        with self.assertRaisesRegex(ASGITestError, "in blocks\n"):
            with client:
                client.portal.start_task_soon(blocks)
                # An inline loop comes to it when the client is closed.
                self.assertTrue(INLINE or begun.wait(10))

    @unittest.skipIf(ON_TRIO, "worker threads of trio belong to no loop")
    def test_thread(self) -> None:
        """A worker thread that was left is named, with the line where it stands."""
        self.hurry()
        begun = threading.Event()

        def left_running() -> None:
            begun.set()
            self.release.wait()

        async def start() -> None:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run_abandonable, left_running)
                    await anyio.to_thread.run_sync(begun.wait)
                    scope.cancel()

        client = TestClient(hello, timeout=SHORT)
        with self.assertWarns(ResourceWarning) as caught:
            with client:
                client.portal.call(start)
        self.assertIn("in left_running\n", str(caught.warning))

    def test_generator(self) -> None:
        """An async generator that was dropped is closed before the response is."""
        log: list[str] = []

        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                yield b"two"
            finally:
                await anyio.lowlevel.checkpoint()
                log.append("closed")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            async for piece in pieces():
                await send({**END, "body": piece})
                break

        client = self.new_client(app)
        with client.get("/", stream=True) as response:
            self.assertEqual(b"one", response.content)
        self.assertEqual(["closed"], log)

    def test_failing_generator(self) -> None:
        """What closing a dropped generator raises is told when the client is closed."""
        for error in (Refusal("in finally"), SystemExit("in finally")):

            async def pieces(error: BaseException = error) -> AsyncIterator[bytes]:
                try:
                    yield b"one"
                finally:
                    raise error

            async def app(scope: Any, receive: Any, send: Any, pieces: Any = pieces) -> None:
                await send(START)
                async for piece in pieces():
                    await send({**END, "body": piece})
                    break

            client = TestClient(app, interface="asgi3")
            with client.get("/", stream=True) as response:
                self.assertEqual(b"one", response.content)
            self.assertEqual("one", client.get("/").text)
            with self.assertWarnsRegex(ResourceWarning, "in finally"):
                client.close()

    def test_generator_of_ended_loop(self) -> None:
        """A generator that is dropped after its loop has ended does no harm."""

        async def pieces() -> AsyncIterator[int]:
            yield 1

        generator: Any = pieces()
        client = self.new_client(hello)
        self.assertEqual(1, client.call(generator.__anext__))
        with warnings.catch_warnings():
            # asyncio and trio close what is left when they end.
            warnings.simplefilter("ignore")
            client.close()
            del generator
            gc.collect()


def start_asyncio_task(function: Callable[[], Any]) -> list[Any]:
    """Start a task that belongs to nobody; return it in a list, for a task would be awaited."""
    return [asyncio.ensure_future(function())]


async def run_abandonable(function: Callable[[], None]) -> None:
    """Run a function in a worker thread that is left alone when this is cancelled."""
    if hasattr(anyio, "ExceptionGroup"):
        await anyio.to_thread.run_sync(function, cancellable=True)
    else:
        await anyio.to_thread.run_sync(function, abandon_on_cancel=True)


# -- signals --------------------------------------------------------------------------------------


class Interrupting:
    """An application that presses Ctrl-C, or has another signal come, and then hangs."""

    def __init__(self, release: threading.Event) -> None:
        self.release = release
        self.signal = signal.SIGINT
        self.hangs_in = ""
        self.log: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a lifespan or a request."""
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                if self.hangs_in == stage:
                    await self.hang()
                await send({"type": f"lifespan.{stage}.complete"})
                self.log.append(stage)
            return
        if scope["path"] == "/stream":
            await send(START)
            await send(PART)
            await receive()
            while (await receive())["type"] != "http.disconnect":
                pass
            self.log.append("told")
            return
        if scope["path"] == "/hang":
            await self.hang()
        if scope["path"] == "/block":
            self.press()
            self.release.wait()
        if scope["path"] == "/deaf":
            await self.swallow()
        await hello(scope, receive, send)

    def press(self) -> None:
        """Have the main thread get the signal, once it waits."""
        main = threading.main_thread().ident or 0
        # Before that, what a handler raises may get into asyncio's code, which takes a
        # TimeoutError for one of its own.
        while sys._current_frames()[main].f_code.co_name != "wait":
            continue
        signal.pthread_kill(main, self.signal)

    async def hang(self) -> None:
        """Hang until cancelled."""
        try:
            self.press()
            await anyio.sleep_forever()
        finally:
            self.log.append("cancelled")

    async def swallow(self) -> None:
        """Press when cancelled, and go on."""
        try:
            await anyio.sleep_forever()
        except BaseException:
            self.press()
            while not self.release.is_set():
                with contextlib.suppress(BaseException):
                    await anyio.to_thread.run_sync(self.release.wait)


@unittest.skipUnless(hasattr(signal, "pthread_kill"), "signals can be sent to a thread on POSIX")
@unittest.skipUnless(
    threading.current_thread() is threading.main_thread(), "signals reach the main thread only"
)
class SignalTest(PortalTestCase):
    """What a signal does to a wait; what it does to a process is in test_interrupt."""

    needs_thread = "Ctrl-C ends the wait for another thread"

    def setUp(self) -> None:
        """Make an application that no deadline ends."""
        super().setUp()
        self.app = Interrupting(self.release)
        self.client = TestClient(self.app, timeout=None)

    def test_request(self) -> None:
        """Ctrl-C ends a request, which is cancelled; the same client can go on."""
        with self.client:
            with self.assertRaises(KeyboardInterrupt):
                self.client.get("/hang")
            self.assertEqual("ok", self.client.get("/").text)
        self.assertEqual(["startup", "cancelled", "shutdown"], self.app.log)

    def test_block(self) -> None:
        """Ctrl-C ends the client's block without a shutdown."""
        with self.assertRaises(KeyboardInterrupt):
            with self.client:
                self.client.get("/hang")
        self.assertNotIn("shutdown", self.app.log)

    def test_blocked_loop(self) -> None:
        """Ctrl-C ends the client's block although its loop is blocked."""
        self.hurry()
        with self.assertRaises(KeyboardInterrupt):
            with self.client:
                self.client.get("/block")

    def test_close(self) -> None:
        """A client that is closed after Ctrl-C does not wait for a blocked loop."""
        self.hurry()
        with self.assertRaises(KeyboardInterrupt):
            self.client.get("/block")
        self.client.close()

    def test_way_out(self) -> None:
        """What is left on the way out is told, as long as the loop answers."""

        @contextlib.asynccontextmanager
        async def manager() -> AsyncIterator[None]:
            try:
                yield
            finally:
                self.app.log.append("left")

        with self.assertRaises(KeyboardInterrupt):
            with self.client, self.client.async_context(manager()):
                with self.client.get("/stream", stream=True):
                    self.client.get("/hang")
        self.assertEqual(["cancelled", "left", "startup", "told"], sorted(self.app.log))

    def test_blocked_way_out(self) -> None:
        """What is left on the way out is not waited for when the loop is blocked."""
        self.hurry()
        with self.assertRaises(KeyboardInterrupt):
            with self.client, self.client.async_context(null_context()):
                with self.client.get("/stream", stream=True):
                    self.client.get("/block")
        self.assertNotIn("told", self.app.log)

    def test_startup(self) -> None:
        """Ctrl-C ends a startup, and the loop with it."""
        self.app.hangs_in = "startup"
        with self.assertRaises(KeyboardInterrupt):
            self.client.__enter__()
        self.assert_nothing_left()

    def test_shutdown(self) -> None:
        """Ctrl-C ends a shutdown, and the loop with it."""
        self.app.hangs_in = "shutdown"
        with self.assertRaises(KeyboardInterrupt):
            with self.client:
                pass
        self.assert_nothing_left()

    def test_grace(self) -> None:
        """Ctrl-C ends the time that an application is given to stop after a deadline."""
        self.hurry()
        with self.assertRaises(KeyboardInterrupt):
            self.client.get("/deaf", timeout=SHORT)
        self.client.close()

    def test_signal_handler(self) -> None:
        """What a signal's handler raises comes out as it is, a TimeoutError too."""

        def handle(number: int, frame: Any) -> None:
            raise TimeoutError("the suite's own limit")

        before = signal.signal(signal.SIGUSR1, handle)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        self.app.signal = signal.SIGUSR1
        for timeout in (None, 10):
            with self.assertRaisesRegex(TimeoutError, "the suite's own limit") as caught:
                self.client.get("/hang", timeout=timeout)
            self.assertNotIsInstance(caught.exception, DeadlineExceeded)
        self.client.close()


# -- what reports are made of ---------------------------------------------------------------------


@types.coroutine
def suspend() -> Any:
    """Suspend the coroutine that awaits this."""
    yield


class Awaitable:
    """An awaitable that refers to the coroutine that awaits it."""

    __slots__ = ("owner",)

    def __init__(self) -> None:
        self.owner: Any = None

    def __await__(self) -> Any:
        """Be iterated."""
        return self

    def __iter__(self) -> Any:
        """Be iterated."""
        return self

    def __next__(self) -> None:
        """Suspend whoever awaits this."""


class StacksTest(unittest.TestCase):
    """Await chains and the stacks of threads."""

    def chain(self, coroutine: Any) -> list[str]:
        """Return the names of the functions that a suspended coroutine stands in."""
        coroutine.send(None)
        try:
            return [frame.f_code.co_name for frame in await_chain(coroutine)]
        finally:
            coroutine.close()

    async def generate(self) -> AsyncIterator[int]:
        """Suspend before the first value."""
        await suspend()
        yield 1

    def test_coroutines(self) -> None:
        """A chain goes through coroutines to the innermost one."""

        async def outer() -> None:
            await inner()

        async def inner() -> None:
            await suspend()

        self.assertEqual(["outer", "inner", "suspend"], self.chain(outer()))

    def test_async_for(self) -> None:
        """A chain goes through an async generator that is iterated."""

        async def outer() -> None:
            async for _ in self.generate():
                pass

        self.assertEqual(["outer", "generate", "suspend"], self.chain(outer()))

    def test_anext(self) -> None:
        """A chain goes through anext(), with a default and without."""

        async def outer() -> None:
            await anext(self.generate())

        async def outer_with_default() -> None:
            await anext(self.generate(), None)

        self.assertEqual(["outer", "generate", "suspend"], self.chain(outer()))
        self.assertEqual(
            ["outer_with_default", "generate", "suspend"], self.chain(outer_with_default())
        )

    def test_aclose(self) -> None:
        """A chain goes through an async generator that is being closed."""

        async def generate() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                await suspend()

        async def outer() -> None:
            generator: Any = generate()
            await generator.__anext__()
            await generator.aclose()

        coroutine: Any = outer()
        self.assertEqual(["outer", "generate", "suspend"], self.chain(coroutine))

    def test_context_manager(self) -> None:
        """A chain goes through an asynchronous context manager made of a generator."""

        @contextlib.asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            await suspend()
            yield

        async def outer() -> None:
            async with lifespan():
                pass

        self.assertEqual(["outer", "__aenter__", "lifespan", "suspend"], self.chain(outer()))

    def test_wrapped_coroutine(self) -> None:
        """A chain goes through an object whose __await__() is that of a coroutine."""

        async def inner() -> None:
            await suspend()

        class Request:
            def __await__(self) -> Any:
                return inner().__await__()

        async def outer() -> None:
            await Request()

        self.assertEqual(["outer", "inner", "suspend"], self.chain(outer()))

    def test_circle(self) -> None:
        """A chain ends where an awaitable refers back to who awaits it."""

        async def outer() -> None:
            await awaitable

        awaitable = Awaitable()
        coroutine = outer()
        awaitable.owner = coroutine
        self.assertEqual(["outer"], self.chain(coroutine))
        awaitable.owner = None

    def test_nothing(self) -> None:
        """A task that has not begun, or has no coroutine, has no chain."""
        self.assertEqual([], list(await_chain(None)))
        self.assertEqual("", describe_chain(None))

    def test_text(self) -> None:
        """A chain reads like a traceback, with the source line."""

        async def outer() -> None:
            await suspend()

        coroutine = outer()
        coroutine.send(None)
        text = describe_chain(coroutine)
        coroutine.close()
        self.assertRegex(
            text, rf'^  File "{__file__}", line \d+, in outer\n    await suspend\(\)\n'
        )

    def test_ended_thread(self) -> None:
        """A thread that has ended stands nowhere."""
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        self.assertEqual("", describe_thread(thread))

    def test_busy_thread(self) -> None:
        """A thread that does something is told from a worker without work."""
        release = threading.Event()
        works, waits = queue.Queue[Any](), queue.Queue[Any]()

        def work() -> None:
            works.put(None)
            release.wait()

        worker = threading.Thread(target=work)
        idle = threading.Thread(target=waits.get)
        try:
            worker.start()
            idle.start()
            works.get(timeout=10)
            busy = busy_threads([])
            self.assertIn(worker, busy)
            self.assertNotIn(idle, busy)
            self.assertNotIn(worker, busy_threads([worker]))
            self.assertIn("in work\n    release.wait()", describe_thread(worker))
        finally:
            release.set()
            waits.put(None)
            worker.join(10)
            idle.join(10)

    def test_thread_that_gives_its_result(self) -> None:
        """A worker that gives its result to the loop has no work any more."""
        release, begun = threading.Lock(), threading.Event()
        release.acquire()
        source = "def call_soon_threadsafe():\n    begun.set()\n    release.acquire()\n"
        module: dict[str, Any] = {"begun": begun, "release": release}
        exec(compile(source, str(base_events.__file__), "exec"), module)
        thread = threading.Thread(target=module["call_soon_threadsafe"])
        try:
            thread.start()
            self.assertTrue(begun.wait(10))
            self.assertNotIn(thread, busy_threads([]))
        finally:
            release.release()
            thread.join(10)

    def test_busy_thread_in_file_of_the_same_name(self) -> None:
        """A thread that works in a file of the application called queue.py is busy."""
        release, begun = threading.Event(), threading.Event()
        source = "def endpoint():\n    begun.set()\n    release.wait()\n"
        module = {"begun": begun, "release": release}
        exec(compile(source, os.path.join("app", "queue.py"), "exec"), module)
        thread = threading.Thread(target=module["endpoint"])
        try:
            thread.start()
            self.assertTrue(begun.wait(10))
            self.assertIn(thread, busy_threads([]))
        finally:
            release.set()
            thread.join(10)

    def test_file_in_folder_called_anyio(self) -> None:
        """An application in a folder called anyio is not taken for that library."""
        source = "async def outer():\n    await suspend()\n"
        module = {"suspend": suspend}
        exec(compile(source, os.path.join("", "home", "anyio", "app.py"), "exec"), module)
        coroutine: Any = module["outer"]()  # type: ignore[operator]
        coroutine.send(None)
        text = describe_chain(coroutine)
        coroutine.close()
        self.assertIn("in outer", text)


class PlainTracer:
    """A tracer that is no debugger, as coverage's is none."""

    def trace(self, frame: Any, event: str, argument: Any) -> Any:
        """Take notice of nothing."""
        return self.trace


class DebuggerTest(PortalTestCase):
    """How a debugger is told from a tracer."""

    def setUp(self) -> None:
        """Restore what measures coverage."""
        super().setUp()
        self.addCleanup(threading.settrace, threading.gettrace() or _NO_TRACE)
        self.addCleanup(sys.settrace, sys.gettrace())

    def test_nobody(self) -> None:
        """Nobody debugs a run of the tests, whether its coverage is measured or not."""
        self.assertFalse(is_debugging())

    def test_tracer(self) -> None:
        """A tracer that belongs to no debugger is none."""
        sys.settrace(PlainTracer().trace)
        threading.settrace(PlainTracer().trace)
        answer = is_debugging()
        sys.settrace(None)
        self.assertFalse(answer)

    def test_bdb(self) -> None:
        """A trace function of bdb's is a debugger, in this thread and for new threads."""
        debugger = bdb.Bdb()
        debugger.reset()
        sys.settrace(debugger.trace_dispatch)
        answer = is_debugging()
        sys.settrace(None)
        self.assertTrue(answer)
        threading.settrace(pdb.Pdb().trace_dispatch)
        self.assertTrue(is_debugging())

    def test_function_of_debugger(self) -> None:
        """A trace function of pydevd's is a debugger."""

        def trace(frame: Any, event: str, argument: Any) -> None:
            return None

        trace.__module__ = "_pydevd_bundle.pydevd_trace_dispatch_regular"
        threading.settrace(trace)
        self.assertTrue(is_debugging())

    @unittest.skipIf(sys.version_info < (3, 12), "sys.monitoring came with Python 3.12")
    def test_monitoring(self) -> None:
        """A tool that took the debugger's id is a debugger; one with coverage's is none."""
        monitoring: Any = sys.monitoring
        if monitoring.get_tool(monitoring.COVERAGE_ID) is None:
            monitoring.use_tool_id(monitoring.COVERAGE_ID, "coverage of this test")
            self.addCleanup(monitoring.free_tool_id, monitoring.COVERAGE_ID)
        self.assertFalse(is_debugging())
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "debugger of this test")
        self.addCleanup(monitoring.free_tool_id, monitoring.DEBUGGER_ID)
        self.assertTrue(is_debugging())

    def test_prompt(self) -> None:
        """While a prompt waits in the application no deadline counts; then it does again."""
        prompt = Prompt()
        asked = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/debug":
                pdb.Pdb(stdin=prompt, stdout=io.StringIO(), nosigint=True).set_trace()
                await anyio.to_thread.run_sync(threading.current_thread)
            elif scope["path"] == "/hang":
                await anyio.sleep_forever()
            await hello(scope, receive, send)

        def watched() -> bool:
            asked.append(is_debugging())
            if len(asked) == 3:
                prompt.lines.put("continue\n")
            return asked[-1]

        client = self.new_client(app, timeout=SHORT)
        who_asks = "asgitest._interruptions" if INLINE else "asgitest._portal"
        with mock.patch(f"{who_asks}.is_debugging", watched):
            self.assertEqual("ok", client.get("/debug").text)
        self.assertEqual([True] * 3, asked[:3])
        with self.assertRaises(DeadlineExceeded):
            client.get("/hang")


class Prompt(io.StringIO):
    """What a debugger reads its commands from: it waits for a test to write one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def readline(self, size: int | None = -1, /) -> str:
        """Wait for a line."""
        return self.lines.get(timeout=10)


_NO_TRACE: Any = None
