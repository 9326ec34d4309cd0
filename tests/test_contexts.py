"""Asynchronous context managers that a test holds open on the application's loop."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel

from asgitest import ASGITestCase, ASGITestError, DeadlineExceeded, TestClient
from asgitest._portal import Portal
from tests.base import CleanTestCase


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request."""
    if scope["type"] != "http":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"ok"})


class Manager:
    """An asynchronous context manager that notes what happens to it.

    :param log: where it notes that
    :param enter_error: what entering raises
    :param leave_error: what leaving raises
    :param swallows: whether it swallows the error of the block
    """

    def __init__(
        self,
        log: list[Any],
        *,
        enter_error: BaseException | None = None,
        leave_error: BaseException | None = None,
        swallows: bool = False,
    ) -> None:
        self.log = log
        self.enter_error = enter_error
        self.leave_error = leave_error
        self.swallows = swallows

    async def __aenter__(self) -> str:
        await anyio.lowlevel.checkpoint()
        self.log.append("enter")
        if self.enter_error is not None:
            raise self.enter_error
        return "value"

    async def __aexit__(self, error_type: Any, error: BaseException | None, trace: Any) -> bool:
        await anyio.lowlevel.checkpoint()
        self.log.append(error)
        if self.leave_error is not None:
            raise self.leave_error
        return self.swallows


@contextlib.asynccontextmanager
async def slow(log: list[str], *, entering: bool) -> AsyncIterator[str]:
    """Never come to an end while it is entered, or while it is left."""
    try:
        if entering:
            await never_entered()
        yield "value"
        await never_left()
    finally:
        with anyio.CancelScope(shield=True):
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
        log.append("ended")


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[Any]:
    """Hold a task group, which has to be built on the loop."""
    async with anyio.create_task_group() as group:
        yield group


def start(group: Any, function: Any, *args: Any) -> None:
    """Start a task; call() would await what newer versions of anyio return."""
    group.start_soon(function, *args)


async def never_entered() -> None:
    """Wait for ever."""
    await anyio.sleep_forever()


async def never_left() -> None:
    """Wait for ever."""
    await anyio.sleep_forever()


class AsyncContextTest(CleanTestCase):
    """client.async_context() presents an asynchronous context manager as a plain one."""

    def setUp(self) -> None:
        """Enter a client."""
        super().setUp()
        self.client = self.enter_client(app, timeout=5)
        self.log: list[Any] = []

    def test_value(self) -> None:
        """The block has the manager's value; requests can be made in it."""
        with self.client.async_context(Manager(self.log)) as value:
            self.assertEqual("value", value)
            self.assertEqual(["enter"], self.log)
            self.assertEqual("ok", self.client.get("/").text)
            self.assertEqual(["enter"], self.log)
        self.assertEqual(["enter", None], self.log)

    def test_nothing_happens_before_the_block(self) -> None:
        """The manager is entered with the block."""
        context = self.client.async_context(Manager(self.log))
        self.assertEqual([], self.log)
        with context:
            self.assertEqual(["enter"], self.log)

    def test_portal_has_it_too(self) -> None:
        """The portal offers the same under anyio's name."""
        with self.client.portal.wrap_async_context_manager(Manager(self.log)) as value:
            self.assertEqual("value", value)
        self.assertEqual(["enter", None], self.log)

    def test_one_task(self) -> None:
        """It is entered and left in one task, on the loop's thread."""
        tasks: list[Any] = []

        @contextlib.asynccontextmanager
        async def manager() -> AsyncIterator[None]:
            tasks.append((anyio.get_current_task().id, threading.current_thread()))
            yield
            tasks.append((anyio.get_current_task().id, threading.current_thread()))

        with self.client.async_context(manager()):
            thread = self.client.call(threading.current_thread)
        self.assertEqual(2, len(tasks))
        self.assertEqual(1, len(set(tasks)))
        self.assertIs(thread, tasks[0][1])

    def test_task_group(self) -> None:
        """A task group can be held open, whose tasks go on between client calls."""
        numbers = []

        async def count(event: anyio.Event) -> None:
            await event.wait()
            numbers.append(1)

        event = self.client.call(anyio.Event)
        with self.client.async_context(task_group()) as group:
            self.client.call(start, group, count, event)
            self.assertEqual([], numbers)
            self.client.call(event.set)
        self.assertEqual([1], numbers)

    def test_several_at_once(self) -> None:
        """Several managers can be open at once, and be left in any order."""
        first = self.client.async_context(Manager(self.log))
        second = self.client.async_context(Manager(self.log))
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        self.assertEqual(["enter", "enter", None, None], self.log)

    def test_error_of_the_block(self) -> None:
        """The manager is given the error of the block, and the error is raised."""
        error = ValueError("in the block")
        with self.assertRaises(ValueError) as caught:
            with self.client.async_context(Manager(self.log)):
                raise error
        self.assertIs(error, caught.exception)
        self.assertEqual(["enter", error], self.log)

    def test_error_that_the_manager_swallows(self) -> None:
        """A manager may swallow the error of the block."""
        with self.client.async_context(Manager(self.log, swallows=True)):
            raise ValueError("in the block")
        self.assertIsInstance(self.log[1], ValueError)

    def test_error_that_the_manager_replaces(self) -> None:
        """An error that the manager raises in its place is raised, with the other as context."""
        error = KeyError("own")
        with self.assertRaises(KeyError) as caught:
            with self.client.async_context(Manager(self.log, leave_error=error)):
                raise ValueError("in the block")
        self.assertIs(error, caught.exception)
        self.assertIsInstance(error.__context__, ValueError)

    def test_error_of_entering(self) -> None:
        """An error while it is entered is raised, and the block does not run."""
        error = KeyError("own")
        with self.assertRaises(KeyError) as caught:
            with self.client.async_context(Manager(self.log, enter_error=error)):
                self.log.append("block")
        self.assertIs(error, caught.exception)
        self.assertEqual(["enter"], self.log)

    def test_error_of_leaving(self) -> None:
        """An error while it is left is raised."""
        error = KeyError("own")
        with self.assertRaises(KeyError) as caught:
            with self.client.async_context(Manager(self.log, leave_error=error)):
                pass
        self.assertIs(error, caught.exception)

    def test_every_kind_of_error(self) -> None:
        """An interrupt or a system exit in the block passes through the manager as well."""
        for error in (KeyboardInterrupt(), SystemExit(3)):
            log: list[Any] = []
            with self.assertRaises(type(error)):
                with self.client.async_context(Manager(log)):
                    raise error
            self.assertEqual(["enter", error], log)
        self.assertEqual("ok", self.client.get("/").text)

    def test_manager_that_ends_itself(self) -> None:
        """What ends a manager while its block runs is raised when the block is left."""

        async def crash() -> None:
            raise ValueError("crashed")

        with self.assertRaises(Exception) as caught:
            with self.client.async_context(task_group()) as group:
                self.client.call(start, group, crash)
                self.client.call(anyio.wait_all_tasks_blocked)
        error = caught.exception
        # From anyio 4 on it comes in a group, as it does out of ``async with``.
        self.assertEqual("crashed", str(getattr(error, "exceptions", [error])[0]))

    def test_context_variables(self) -> None:
        """The manager has a copy of the context of whoever entered it."""
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
        seen = []

        @contextlib.asynccontextmanager
        async def manager() -> AsyncIterator[None]:
            seen.append(variable.get())
            variable.set(7)
            yield
            seen.append(variable.get())

        def test() -> None:
            variable.set(1)
            with self.client.async_context(manager()):
                self.assertEqual(1, variable.get())
                variable.set(2)

        contextvars.copy_context().run(test)
        self.assertEqual([1, 7], seen)

    def test_without_entering_the_client(self) -> None:
        """A client that is used without its block has a loop for it too."""
        client = self.new_client(app)
        with client.async_context(Manager(self.log)) as value:
            self.assertEqual("value", value)
            self.assertEqual("ok", client.get("/").text)

    def test_from_the_loops_own_thread(self) -> None:
        """On the loop itself it is an error that says so."""

        def enter() -> None:
            self.client.async_context(Manager(self.log)).__enter__()

        with self.assertRaisesRegex(ASGITestError, "the event loop's own thread"):
            self.client.call(enter)
        self.assertEqual([], self.log)

    def test_closed_client(self) -> None:
        """Closing the client ends a manager that is open; leaving it then says why it cannot."""
        log: list[str] = []
        client = TestClient(app)
        context = client.async_context(slow(log, entering=False))
        context.__enter__()
        client.close()
        self.assertEqual(["ended"], log)
        with self.assertRaisesRegex(ASGITestError, "client was closed"):
            context.__exit__(None, None, None)


class DeadlineTest(CleanTestCase):
    """A manager that does not come to an end."""

    def test_entering(self) -> None:
        """Entering ends at the deadline; the error says where it stands, and it is cancelled."""
        log: list[str] = []
        client = self.enter_client(app, timeout=0.2)
        with self.assertRaises(DeadlineExceeded) as caught:
            with client.async_context(slow(log, entering=True)):
                self.fail("the block was entered")
        self.assertIn("to be entered", caught.exception.waiting_for)
        self.assertRegex(str(caught.exception), "(?s)The application stands here:.*never_entered")
        self.assertEqual(["ended"], log)
        self.assertEqual("ok", client.get("/").text)

    def test_leaving(self) -> None:
        """Leaving ends at the deadline; the error says where it stands, and it is cancelled."""
        log: list[str] = []
        client = self.enter_client(app, timeout=0.2)
        with self.assertRaises(DeadlineExceeded) as caught:
            with client.async_context(slow(log, entering=False)):
                self.assertEqual("ok", client.get("/").text)
        self.assertIn("to be left", caught.exception.waiting_for)
        self.assertRegex(str(caught.exception), "(?s)The application stands here:.*never_left")
        self.assertEqual(["ended"], log)
        self.assertEqual("ok", client.get("/").text)

    def test_no_deadline(self) -> None:
        """A client without deadline has none here either."""
        client = self.enter_client(app, timeout=None)
        with client.async_context(Manager([])) as value:
            self.assertEqual("value", value)


class CaseTest(ASGITestCase):
    """In a test case."""

    app = app
    log: list[Any] = []

    def test_enter_context(self) -> None:
        """enterContext() holds a manager open until the test ends, while the client lives."""
        self.log.clear()
        self.addCleanup(lambda: self.assertEqual("ok", self.client.get("/").text))
        value = self.enterContext(self.client.async_context(Manager(self.log)))
        self.assertEqual("value", value)
        self.assertEqual(["enter"], self.log)

    @classmethod
    def tearDownClass(cls) -> None:
        """The manager was left."""
        super().tearDownClass()
        assert cls.log == ["enter", None], cls.log


class HopTest(CleanTestCase):
    """How often a thread waits for the loop."""

    def test_waits(self) -> None:
        """Building, entering and leaving are one wait each, with the client's deadline."""
        waits: list[tuple[float | None, str]] = []
        original = Portal.run

        def run(portal: Portal, wait: Any, function: Any, *args: Any) -> Any:
            waits.append((wait.seconds, wait.waiting_for))
            return original(portal, wait, function, *args)

        client = self.enter_client(app, timeout=3)
        with mock.patch.object(Portal, "run", run):
            with client.async_context(Manager([])):
                pass
        self.assertEqual([3.0] * 3, [seconds for seconds, _ in waits])
        for (_, text), ending in zip(waits, ("", "to be entered", "to be left"), strict=True):
            self.assertIn(ending, text)
