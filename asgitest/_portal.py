"""Own the event loop that the application runs on: start it, call into it, stop it."""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import itertools
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel

from ._backend import BACKEND_MODULES, PolicyKeeper, is_cancellation, mark_backend, running_loop
from ._calls import Answer, Call, Subject, Wait
from ._contexts import held_open
from ._debugger import is_debugging
from ._future_calls import FutureCall, TaskStatus
from ._generators import GeneratorCloser
from ._protocol._texts import shorten
from ._report import THREAD_NAME, describe_leftovers, describe_tasks, describe_threads
from ._stacks import describe_thread
from .exceptions import ASGITestError, DeadlineExceeded

T = TypeVar("T")

_numbers = itertools.count(1)


class Portal:
    """An event loop in a daemon thread of its own, and the only way into it.

    The thread enters an :class:`anyio.from_thread.BlockingPortal`, but calls are posted to the
    loop directly: anyio's own way waits for the loop to take a call, and a blocked one never does.

    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param timeout: deadline in seconds of :meth:`call` and its like, ``None`` for none
    :cvar grace: seconds that what was cancelled, or asked to report, is given to come to its end
    :ivar interrupted: whether a wait was broken off, so that nobody should wait again
    """

    grace = 1.0

    def __init__(
        self,
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        timeout: float | None = 10.0,
    ) -> None:
        self.interrupted = False
        self._backend = "asyncio" if backend == "uvloop" else backend
        self._options = dict(backend_options or {})
        if backend == "uvloop":
            self._options["use_uvloop"] = True
        self._policy = PolicyKeeper(self._options)
        self._timeout = timeout
        self._started = Answer()
        self._stopping = False
        self._stop_asked = False
        self._stop_wanted: Any = None
        self._failure: BaseException | None = None
        self._is_failure_reported = False
        self._abandoned = ""
        self._leftovers: list[str] = []
        self._own_tasks: set[int] = set()
        self._pending: set[Call] = set()
        self._call_soon: Callable[..., object] = _not_running
        self._loop: Any = None
        self._tasks: Any = None
        self._blocking: Any = None
        self.generators = GeneratorCloser(self.spawn)
        # A daemon, and so are the worker threads that its loop starts: none of them keeps the
        # interpreter from ending, not even when it is stuck.
        self._thread = threading.Thread(
            target=self._run_loop, name=f"{THREAD_NAME} {next(_numbers)}", daemon=True
        )

    # -- starting and stopping -------------------------------------------------------------

    def start(self) -> None:
        """Start the thread and its loop.

        :raises ImportError: if the backend is not installed
        """
        self._thread.start()
        self._started.wait(None)
        if self._failure is not None and self._loop is None:
            raise self._start_error()

    @property
    def usable(self) -> bool:
        """Whether calls still have a chance: neither stopped, nor ended, nor abandoned."""
        return not (self._stopping or self._abandoned) and self._thread.is_alive()

    def is_current(self) -> bool:
        """Tell whether the caller runs on the loop's own thread."""
        return threading.current_thread() is self._thread

    def join(self, seconds: float | None) -> None:
        """Wait for the loop's thread, and then for the worker threads the loop started.

        :param seconds: how long to wait for each, ``None`` for ever
        """
        self._thread.join(seconds)
        for thread in self._worker_threads():
            # They cannot be cancelled, so that waiting for longer brings nothing.
            thread.join(self.grace)

    @property
    def thread_name(self) -> str:
        """Name of the loop's thread."""
        return self._thread.name

    def post_stop(self) -> None:
        """Have the loop cancel everything and end; does not wait, safe in a finalizer."""
        self._stop_asked = True
        with contextlib.suppress(RuntimeError):
            self._call_soon(self._want_stop)

    def stop(self, seconds: float | None) -> list[str]:
        """Cancel what is left on the loop, end it, and wait for its threads.

        :param seconds: how long to wait for the threads, ``None`` for ever
        :return: descriptions of the tasks and of the worker threads that were left
        :raises ASGITestError: if the thread does not end; it is abandoned then
        """
        self.post_stop()
        self.join(seconds)
        if self._thread.is_alive():
            where = self._describe_what_stays()
            self._abandon(f"it did not end within {seconds:g} s of being stopped")
            raise ASGITestError(
                f"the event loop did not end within {seconds:g} s: {self._abandoned}\n{where}"
            )
        threads = [
            f"thread {thread.name!r}, which runs still and stands here:\n{describe_thread(thread)}"
            for thread in self._worker_threads()
        ]
        return self._leftovers + threads + self.generators.failures

    def _describe_what_stays(self) -> str:
        answer = Answer()
        context = contextvars.copy_context()
        context.run(mark_backend, self._backend)
        self.post(context.run, lambda: answer.give("\n".join(describe_leftovers(self._own_tasks))))
        if answer.wait(self.grace):
            return f"{answer.value}\n{describe_threads()}".strip()
        return f"{describe_thread(self._thread)}\n{describe_threads()}".strip()

    def _worker_threads(self) -> list[threading.Thread]:
        # anyio's workers on asyncio know their loop; trio's belong to all loops.
        return [
            thread
            for thread in threading.enumerate()
            if getattr(thread, "loop", self) is self._loop
        ]

    def _abandon(self, reason: str) -> None:
        self._abandoned = f"thread {self.thread_name!r} was abandoned, for {reason}"
        # Should it ever come back to life, it ends.
        self.post_stop()
        for call in list(self._pending):
            call.fail(self._ended_error())

    # -- calling ---------------------------------------------------------------------------

    def run(self, wait: Wait, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the loop and wait for its result: one hop.

        :param wait: the deadline, and what to report when it passes
        :param function: a coroutine function, or a plain one
        :param args: its positional arguments
        :return: what the function returns
        :raises ASGITestError: if called from the loop's own thread, or if the loop has ended
        :raises DeadlineExceeded: if the deadline passes; the function is cancelled then
        """
        self.check_thread(wait.waiting_for)
        call = Call(function, args)
        try:
            self._begin(call)
            return self._result(call, wait)
        finally:
            self._pending.discard(call)

    def check_thread(self, waiting_for: str) -> None:
        """Refuse a call from the loop's own thread, where waiting would be waiting for itself.

        :param waiting_for: what would be awaited
        :raises ASGITestError: if this is that thread
        """
        if self.is_current():
            raise ASGITestError(
                f"a client call was made from the event loop's own thread, which would wait for "
                f"itself ({waiting_for}). In an asynchronous test, await the call of "
                f"self.async_client. In the application, call what you need directly, or "
                f"make the client call in a worker thread (anyio.to_thread.run_sync)."
            )

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function on the loop without waiting for it; dropped if the loop ended.

        :param function: a function that does not raise
        :param args: its positional arguments
        """
        with contextlib.suppress(RuntimeError):
            self._call_soon(function, *args)

    def spawn(self, function: Callable[..., Any], *args: Any, name: str | None = None) -> None:
        """Start a task on the loop, in a copy of the caller's context, without waiting.

        :param function: a coroutine function that does not raise
        :param args: its positional arguments
        :param name: what reports call the task
        :raises RuntimeError: if the loop has ended
        """
        context = contextvars.copy_context()
        context.run(mark_backend, self._backend)
        self._call_soon(context.run, partial(self.start_soon, function, *args, name=name))

    def break_off(self, thread: int) -> None:
        """Cancel what runs for a thread, which gets the cancellation; called on the loop.

        :param thread: identifier of the thread
        """
        for call in [call for call in list(self._pending) if call.thread == thread]:
            call.cancel()

    def describe(self, subject: Subject) -> str:
        """Return where a subject, the other tasks and the threads stand; called on the loop.

        :param subject: what is waited for
        """
        texts = [describe_tasks(subject, self._own_tasks), describe_threads()]
        return "\n".join(filter(None, texts))

    def confirm_alive(self) -> None:
        """Tell a cancellation that an application made up from one of a loop that ends.

        :raises ASGITestError: if the loop is about to end, or has ended
        """
        if self.is_current() and not self._stopping:
            return
        answer = Answer()
        self.post(lambda: answer.give(self._stopping))
        if self._stopping or not answer.wait(self.grace) or answer.value:
            self._thread.join(self.grace)
            raise self._ended_error()

    # -- what anyio's portal offers ----------------------------------------------------------

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the loop and return its result, within the client's deadline.

        :param function: a coroutine function, or a plain one
        :param args: its positional arguments
        :return: what the function returns
        """
        name = getattr(function, "__qualname__", repr(function))
        return self.run(Wait(self._timeout, f"{name}() to return"), function, *args)

    def start_task_soon(
        self, function: Callable[..., Any], *args: Any, name: object = None
    ) -> Future[Any]:
        """Start a function on the loop.

        :param function: a coroutine function, or a plain one
        :param args: its positional arguments
        :param name: accepted for the sake of anyio's signature
        :return: a future for its result; cancelling it cancels the function
        """
        self.check_thread("the task to start")
        task = self._future_call(function, args)
        self._begin_task(task)
        return task.future

    def start_task(
        self, function: Callable[..., Any], *args: Any, name: object = None
    ) -> tuple[Future[Any], Any]:
        """Start a coroutine function on the loop and wait for its ``task_status.started()``.

        :param function: a coroutine function that takes ``task_status``
        :param args: its positional arguments
        :param name: name of the task
        :return: a future for its result, and the value given to ``started()``
        """
        self.check_thread("the task to start")
        status = TaskStatus()
        task = self._future_call(function, args, {"task_status": status})
        task.future.add_done_callback(lambda future: self.post(status.started))
        self._begin_task(task)
        title = getattr(function, "__qualname__", repr(function))
        wait = Wait(self._timeout, f"{title}() to call task_status.started()", subject=task)
        value = self.run(wait, status.wait)
        if task.future.done():
            task.future.result()
            raise RuntimeError(f"{title}() returned without calling task_status.started()")
        return task.future, value

    def _future_call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any] | None = None,
    ) -> FutureCall:
        return FutureCall(
            function, args, keywords, is_stopping=lambda: self._stopping, post=self.post
        )

    def _begin_task(self, task: FutureCall) -> None:
        task.future.add_done_callback(
            lambda future: self.post(task.cancel) if future.cancelled() else None
        )
        self._begin(task)
        task.future.add_done_callback(lambda future: self._pending.discard(task))

    def wrap_async_context_manager(
        self, manager: AbstractAsyncContextManager[T]
    ) -> AbstractContextManager[T]:
        """Present an asynchronous context manager as a plain one, entered on the loop.

        :param manager: entered and left in one task
        """
        return held_open(self.spawn, self.run, manager, self._timeout)

    # -- on the loop -------------------------------------------------------------------------

    def _run_loop(self) -> None:
        try:
            if self._options.get("use_uvloop"):
                # anyio 3 would do without it, and say nothing.
                importlib.import_module("uvloop")
            self._policy.save()
            anyio.run(self._serve, backend=self._backend, backend_options=self._options)
        except BaseException as error:
            self._failure = error
        finally:
            self._policy.restore()
            self._stopping = True
            self._started.give()
            for call in list(self._pending):
                call.fail(self._ended_error())

    async def _serve(self) -> None:
        self._policy.restore()
        try:
            async with anyio.from_thread.BlockingPortal() as self._blocking:
                async with anyio.create_task_group() as self._tasks:
                    self._stop_wanted = anyio.Event()
                    self._own_tasks = {task.id for task in anyio.get_running_tasks()}
                    self.generators.install()
                    self._loop, self._call_soon = running_loop(self._backend)
                    self._started.give()
                    try:
                        await self._stop_wanted.wait()
                    finally:
                        # Before the group waits for its tasks: some of them clean up slowly.
                        self._stopping = True
                    self._tasks.cancel_scope.cancel()
                await self._note_leftovers()
                await self._blocking.stop(cancel_remaining=True)
        finally:
            self._stopping = True

    def _want_stop(self) -> None:
        self._stopping = True
        self._stop_wanted.set()

    def start_soon(self, function: Callable[..., Any], *args: Any, name: str | None = None) -> None:
        """Start a task; called on the loop.

        :param function: a coroutine function that does not raise
        :param args: its positional arguments
        :param name: what reports call the task
        """
        # A loop that is stopping takes no more tasks; its end resolves the calls it has.
        with contextlib.suppress(RuntimeError):
            self._tasks.start_soon(function, *args, name=name)

    async def _note_leftovers(self) -> None:
        # What ends by itself within its next few steps was not left.
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        self._leftovers = describe_leftovers(self._own_tasks)

    def _begin(self, call: Call) -> None:
        if self._abandoned:
            raise self._ended_error()
        self._pending.add(call)
        try:
            self.spawn(call.run)
        except RuntimeError:
            self._pending.discard(call)
            raise self._ended_error() from None
        if not self._thread.is_alive():
            call.fail(self._ended_error())

    def _result(self, call: Call, wait: Wait) -> Any:
        interrupt = sys.exc_info()[1]
        if isinstance(interrupt, KeyboardInterrupt):
            return self._hurried_result(call, wait, interrupt)
        seconds = wait.seconds
        try:
            while not call.answer.wait(seconds):
                if is_debugging():
                    continue
                seconds = wait.seconds_left()
                if seconds <= 0:
                    raise self._expire(call, wait)
        except DeadlineExceeded:
            raise
        except BaseException:
            # Ctrl-C, or whatever a signal handler raises: the wait is over at once.
            self.interrupted = True
            self.post(self._cancel, call, wait)
            raise
        self.interrupted = False
        return self._outcome(call)

    def _hurried_result(self, call: Call, wait: Wait, interrupt: KeyboardInterrupt) -> Any:
        # Some with block or finally clause that Ctrl-C leaves; it must not become a wait.
        if not call.answer.wait(self.grace):
            self.interrupted = True
            self.post(self._cancel, call, wait)
            raise interrupt
        return self._outcome(call)

    def _outcome(self, call: Call) -> Any:
        error, result = call.answer.value
        if error is None:
            return result
        if is_cancellation(error):
            self.confirm_alive()
        raise error

    # -- when a deadline passes ----------------------------------------------------------------

    def _expire(self, call: Call, wait: Wait) -> DeadlineExceeded:
        subject = wait.subject or call
        report, stopped = Answer(), Answer()
        with contextlib.suppress(RuntimeError):
            self.spawn(self._report_and_cancel, call, wait, subject, report, stopped)
        text = [f"{wait.seconds:g} s passed while waiting for {wait.waiting_for}."]
        if report.wait(self.grace):
            text += [report.value, describe_threads()]
        if not report.given or (wait.cancels_subject and not self._has_stopped(stopped)):
            text.append(self._describe_abandonment(subject, report.given))
        return wait.error("\n".join(filter(None, text)), waiting_for=wait.waiting_for)

    def _has_stopped(self, stopped: Answer) -> bool:
        return stopped.wait(2 * self.grace) and stopped.value is True

    def _describe_abandonment(self, subject: Subject, answered: bool) -> str:
        if answered:
            self._abandon(f"its task did not stop within {self.grace:g} s of being cancelled")
            return f"The application did not stop when it was cancelled: {self._abandoned}."
        # Nothing runs on the loop now, so that reading the subject from here is safe.
        stack = describe_thread(self._thread)
        self._abandon("its event loop is blocked by a synchronous call")
        return (
            f"{subject.describe()}\n"
            f"The event loop is blocked; its thread stands here:\n{stack}\n"
            f"{describe_threads()}\n"
            f"{self._abandoned[0].upper()}{self._abandoned[1:]}."
        )

    def _cancel(self, call: Call, wait: Wait) -> None:
        call.cancel()
        if wait.subject is not None and wait.cancels_subject:
            wait.subject.cancel()

    async def _report_and_cancel(
        self, call: Call, wait: Wait, subject: Subject, report: Answer, stopped: Answer
    ) -> None:
        try:
            report.give(describe_tasks(subject, self._own_tasks))
        except Exception as error:
            report.give(f"(The report could not be written: {shorten(error)})")
        self._cancel(call, wait)
        has_stopped = False
        with anyio.move_on_after(self.grace):
            await call.wait_ended()
            if wait.cancels_subject:
                await subject.wait_ended()
            has_stopped = True
        stopped.give(has_stopped)

    def raise_unreported_failure(self) -> None:
        """Raise what ended the loop, unless somebody was told of it.

        :raises ASGITestError: if a task of the application ended the loop while nobody waited
        """
        if self._failure is not None and not self._is_failure_reported and not self._abandoned:
            raise self._ended_error()

    def _ended_error(self) -> ASGITestError:
        if self._abandoned:
            return ASGITestError(f"the event loop is out of use: {self._abandoned}")
        if self._failure is None and self._stop_asked:
            return ASGITestError("the event loop has ended, for its client was closed")
        self._is_failure_reported = True
        # While its threads block the loop's end, it is not known what brought that about.
        raised = "SystemExit or KeyboardInterrupt" if self._failure is None else self._failure
        error = ASGITestError(
            f"the event loop has ended: a task that the application started raised "
            f"{raised if isinstance(raised, str) else shorten(raised)}, and that ends every task "
            f"on the loop"
        )
        error.__cause__ = self._failure
        return error

    def _start_error(self) -> BaseException:
        failure = self._failure
        # What a loop factory of the user's raises is something else.
        is_missing = str(failure).startswith("No such backend") or (
            isinstance(failure, ImportError) and failure.name in BACKEND_MODULES
        )
        if is_missing:
            name = "uvloop" if self._options.get("use_uvloop") else self._backend
            error = ImportError(
                f"the backend {name!r} is not installed; pip install asgitest[{name}]"
            )
            error.__cause__ = failure
            return error
        assert failure is not None
        return failure


def _not_running(*args: Any) -> None:
    raise RuntimeError("the event loop does not run")
