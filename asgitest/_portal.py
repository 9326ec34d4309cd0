"""Own the event loop that the application runs on: start, call, tell what is stuck, stop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel

from ._contexts import held_open
from ._debugger import is_debugging
from ._generators import GeneratorCloser
from ._stacks import await_chain, busy_threads, describe_chain, describe_thread
from .exceptions import ASGITestError, DeadlineExceeded

try:
    from sniffio import current_async_library_cvar
except ImportError:  # pragma: no cover - newer anyio needs it for trio only
    current_async_library_cvar = None  # type: ignore[assignment]

T = TypeVar("T")

#: Seconds that what was cancelled, or asked to report, is given to come to its end.
GRACE = 1.0

_THREAD_NAME = "asgitest portal"
_numbers = itertools.count(1)


class Subject(Protocol):
    """What a thread waits for, as far as a report about it is concerned."""

    def describe(self) -> str:
        """Tell, in lines, where the subject stands."""

    def owns(self, frame: Any) -> bool:
        """Tell whether a frame of a task is the one that runs the subject."""

    def cancel(self) -> None:
        """Cancel the subject; called on the loop."""

    async def wait_ended(self) -> None:
        """Wait until the subject has ended."""


@dataclass(frozen=True)
class Wait:
    """One wait of a thread for something on the loop.

    :ivar seconds: deadline in seconds, ``None`` for no deadline
    :ivar waiting_for: what is awaited, in words
    :ivar subject: what is reported about, ``None`` if the call itself is all there is
    :ivar cancels_subject: whether the subject ends when the deadline passes
    :ivar error: class of the exception to raise then
    """

    seconds: float | None
    waiting_for: str
    subject: Subject | None = None
    cancels_subject: bool = True
    error: type[DeadlineExceeded] = DeadlineExceeded


class _Call:
    """One function that runs on the loop while a thread waits for its result."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.future: Future[Any] = Future()
        self.scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None

    async def run(self) -> None:
        error: BaseException | None = None
        result: Any = None
        try:
            with anyio.CancelScope() as self.scope:
                result = self.function(*self.args)
                if isinstance(result, Awaitable):
                    result = await result
        except BaseException as raised:
            # Kept from the loop: there, a SystemExit would end it for everybody.
            error = raised
        self.resolve(error, result)
        if self._ended is not None:
            self._ended.set()

    def resolve(self, error: BaseException | None, result: Any = None) -> None:
        # Done before: whoever held the future cancelled it, or the loop's end was noted.
        with contextlib.suppress(Exception):
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)

    def describe(self) -> str:
        return ""

    def owns(self, frame: Any) -> bool:
        return frame.f_code is _Call.run.__code__ and frame.f_locals.get("self") is self

    def cancel(self) -> None:
        if self.scope is not None:
            self.scope.cancel()

    async def wait_ended(self) -> None:
        if not self.future.done():
            self._ended = anyio.Event()
            await self._ended.wait()


class Portal:
    """An event loop in a daemon thread of its own, and the only way into it.

    The thread enters an :class:`anyio.from_thread.BlockingPortal`, but calls are posted to the
    loop directly: anyio's own way waits for the loop to take a call, and a blocked one never does.

    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param timeout: deadline in seconds of :meth:`call` and its like, ``None`` for none
    :ivar interrupted: whether a wait was broken off, so that nobody should wait again
    """

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
        self._timeout = timeout
        self._started: Future[None] = Future()
        self._stopping = False
        self._stop_wanted: anyio.Event | None = None
        self._failure: BaseException | None = None
        self._abandoned = ""
        self._leftovers: list[str] = []
        self._own_tasks: set[int] = set()
        self._pending: set[_Call] = set()
        self._call_soon: Callable[..., object] = _not_running
        self._loop: Any = None
        self._tasks: Any = None
        self._blocking: Any = None
        self.generators = GeneratorCloser(self.spawn)
        self._thread = threading.Thread(
            target=self._run_loop, name=f"{_THREAD_NAME} {next(_numbers)}", daemon=True
        )

    # -- starting and stopping -------------------------------------------------------------

    def start(self) -> None:
        """Start the thread and its loop.

        :raises ImportError: if the backend is not installed
        """
        _stop_at_exit(self)
        self._thread.start()
        self._started.result()

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
        for thread in threading.enumerate():
            # anyio's workers on asyncio know their loop; trio's belong to all loops.
            if getattr(thread, "loop", self) is self._loop:
                thread.join(seconds)

    @property
    def thread_name(self) -> str:
        """Name of the loop's thread."""
        return self._thread.name

    def post_stop(self) -> None:
        """Have the loop cancel everything and end; does not wait, safe in a finalizer."""
        with contextlib.suppress(RuntimeError):
            self._call_soon(self._want_stop)

    def stop(self, seconds: float | None) -> list[str]:
        """Cancel what is left on the loop, end it, and wait for its threads.

        :param seconds: how long to wait for the threads, ``None`` for ever
        :return: descriptions of the tasks that were left
        :raises ASGITestError: if the thread does not end; it is abandoned then
        """
        self.post_stop()
        self.join(seconds)
        if self._thread.is_alive():
            self._abandon(f"it did not end within {seconds:g} s of being stopped")
            raise ASGITestError(
                f"the event loop did not end within {seconds:g} s: {self._abandoned}\n"
                f"{describe_thread(self._thread)}{self._describe_threads()}"
            )
        return self._leftovers

    def _abandon(self, reason: str) -> None:
        self._abandoned = f"thread {self.thread_name!r} was abandoned, for {reason}"
        # Should it ever come back to life, it ends.
        self.post_stop()

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
        call = _Call(function, args)
        self._begin(call)
        try:
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
                f"itself ({waiting_for}). In the application, call what you need directly, or "
                f"make the client call in a worker thread (anyio.to_thread.run_sync)."
            )

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function on the loop without waiting for it; dropped if the loop ended.

        :param function: a function that does not raise
        :param args: its positional arguments
        """
        with contextlib.suppress(RuntimeError):
            self._call_soon(function, *args)

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Start a task on the loop, in a copy of the caller's context, without waiting.

        :param function: a coroutine function that does not raise
        :param args: its positional arguments
        :raises RuntimeError: if the loop has ended
        """
        context = contextvars.copy_context()
        context.run(_mark_backend, self._backend)
        self._call_soon(context.run, self.start_soon, function, *args)

    def confirm_alive(self) -> None:
        """Tell a cancellation that an application made up from one of a loop that ends.

        :raises ASGITestError: if the loop is about to end, or has ended
        """
        answer: Future[bool] = Future()
        self.post(lambda: answer.set_result(self._stopping))
        try:
            stopping = answer.result(GRACE)
        except FutureTimeoutError:
            stopping = True
        if stopping:
            self._thread.join(GRACE)
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
        call = _Call(function, args)
        call.future.add_done_callback(
            lambda future: self.post(call.cancel) if future.cancelled() else None
        )
        self._begin(call)
        call.future.add_done_callback(lambda future: self._pending.discard(call))
        return call.future

    def start_task(
        self, function: Callable[..., Any], *args: Any, name: object = None
    ) -> tuple[Future[Any], Any]:
        """Start a coroutine function on the loop and wait for its ``task_status.started()``.

        :param function: a coroutine function that takes ``task_status``
        :param args: its positional arguments
        :param name: name of the task
        :return: a future for its result, and the value given to ``started()``
        """
        result: tuple[Future[Any], Any] = self._blocking.start_task(function, *args, name=name)
        return result

    def wrap_async_context_manager(
        self, manager: AbstractAsyncContextManager[T]
    ) -> AbstractContextManager[T]:
        """Present an asynchronous context manager as a plain one, entered on the loop.

        :param manager: entered and left in one task
        """
        return held_open(self.spawn, self.call, manager)

    # -- on the loop -------------------------------------------------------------------------

    def _run_loop(self) -> None:
        try:
            with _policy_restored(self._options):
                anyio.run(self._serve, backend=self._backend, backend_options=self._options)
        except BaseException as error:
            self._failure = error
        finally:
            self._stopping = True
            if not self._started.done():
                self._started.set_exception(self._start_error())
            for call in list(self._pending):
                call.resolve(self._ended_error())

    async def _serve(self) -> None:
        try:
            async with anyio.from_thread.BlockingPortal() as self._blocking:
                async with anyio.create_task_group() as self._tasks:
                    self._stop_wanted = anyio.Event()
                    self._own_tasks = {task.id for task in anyio.get_running_tasks()}
                    self.generators.install()
                    self._loop, self._call_soon = _running_loop(self._backend)
                    self._started.set_result(None)
                    await self._stop_wanted.wait()
                    self._tasks.cancel_scope.cancel()
                await self._note_leftovers()
                await self._blocking.stop(cancel_remaining=True)
        finally:
            self._stopping = True

    def _want_stop(self) -> None:
        self._stopping = True
        if self._stop_wanted is not None:
            self._stop_wanted.set()

    def start_soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Start a task; called on the loop.

        :param function: a coroutine function that does not raise
        :param args: its positional arguments
        """
        # A loop that is stopping takes no more tasks; its end resolves the calls it has.
        with contextlib.suppress(RuntimeError):
            self._tasks.start_soon(function, *args)

    async def _note_leftovers(self) -> None:
        # What ends by itself within its next few steps was not left.
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        self._leftovers = [
            f"{task.name}:\n{describe_chain(task.coro)}"
            for task in anyio.get_running_tasks()
            if task.id not in self._own_tasks
        ]

    def _begin(self, call: _Call) -> None:
        self._pending.add(call)
        try:
            self.spawn(call.run)
        except RuntimeError:
            self._pending.discard(call)
            raise self._ended_error() from None
        if not self._thread.is_alive():
            call.resolve(self._ended_error())

    def _result(self, call: _Call, wait: Wait) -> Any:
        while True:
            try:
                error = call.future.exception(wait.seconds)
            except FutureTimeoutError:
                if call.future.done() or is_debugging():
                    continue
                raise self._expire(call, wait) from None
            except BaseException:
                # Ctrl-C, or whatever a signal handler raises: the wait is over at once.
                self.interrupted = True
                self.post(self._cancel, call, wait)
                raise
            if error is None:
                return call.future.result()
            if is_cancellation(error):
                self.confirm_alive()
            raise error

    # -- when a deadline passes ----------------------------------------------------------------

    def _expire(self, call: _Call, wait: Wait) -> DeadlineExceeded:
        subject = wait.subject or call
        report: Future[str] = Future()
        stopped: Future[None] = Future()
        self.spawn(self._report_and_cancel, call, wait, subject, report, stopped)
        text = [f"{wait.seconds:g} s passed while waiting for {wait.waiting_for}."]
        try:
            text.append(report.result(GRACE))
            text.append(self._describe_threads())
            if wait.cancels_subject:
                stopped.result(2 * GRACE)
        except FutureTimeoutError:
            text.append(self._describe_abandonment(subject, report.done()))
        return wait.error("\n".join(filter(None, text)), waiting_for=wait.waiting_for)

    def _describe_abandonment(self, subject: Subject, answered: bool) -> str:
        if answered:
            self._abandon(f"its task did not stop within {GRACE:g} s of being cancelled")
            return f"The application did not stop when it was cancelled: {self._abandoned}."
        # Nothing runs on the loop now, so that reading the subject from here is safe.
        stack = describe_thread(self._thread)
        self._abandon("its event loop is blocked by a synchronous call")
        return (
            f"{subject.describe()}\n"
            f"The event loop is blocked; its thread stands here:\n{stack}\n"
            f"{self._describe_threads()}\n"
            f"{self._abandoned[0].upper()}{self._abandoned[1:]}."
        )

    def _cancel(self, call: _Call, wait: Wait) -> None:
        call.cancel()
        if wait.subject is not None and wait.cancels_subject:
            wait.subject.cancel()

    async def _report_and_cancel(
        self,
        call: _Call,
        wait: Wait,
        subject: Subject,
        report: Future[str],
        stopped: Future[None],
    ) -> None:
        report.set_result(self._report(subject))
        self._cancel(call, wait)
        with anyio.move_on_after(GRACE):
            await call.wait_ended()
            if wait.cancels_subject:
                await subject.wait_ended()
            stopped.set_result(None)

    def _report(self, subject: Subject) -> str:
        lines = [subject.describe()]
        others = []
        own_tasks = {*self._own_tasks, anyio.get_current_task().id}
        for task in anyio.get_running_tasks():
            if task.id in own_tasks:
                continue
            coroutine: Any = task.coro
            stack = describe_chain(coroutine)
            if not stack:
                continue
            if any(subject.owns(frame) for frame in await_chain(coroutine)):
                lines.append(f"The application stands here:\n{stack}")
            else:
                others.append(f"Task {task.name!r} stands here:\n{stack}")
        return "\n".join(filter(None, [*lines, *others]))

    def _describe_threads(self) -> str:
        excluded = [threading.current_thread(), threading.main_thread()]
        return "\n".join(
            f"Thread {thread.name!r} stands here:\n{describe_thread(thread)}"
            for thread in busy_threads(excluded)
            if not thread.name.startswith(_THREAD_NAME)
        )

    def _ended_error(self) -> ASGITestError:
        if self._abandoned:
            return ASGITestError(f"the event loop is out of use: {self._abandoned}")
        if self._failure is None:
            return ASGITestError("the event loop has ended, for its client was closed")
        error = ASGITestError(
            f"the event loop has ended: a task that the application started raised "
            f"{self._failure!r}, and that ends every task on the loop"
        )
        error.__cause__ = self._failure
        return error

    def _start_error(self) -> BaseException:
        failure = self._failure
        if isinstance(failure, (LookupError, ImportError)):
            name = "uvloop" if self._options.get("use_uvloop") else self._backend
            error = ImportError(
                f"the backend {name!r} is not installed; pip install asgitest[{name}]"
            )
            error.__cause__ = failure
            return error
        assert failure is not None
        return failure


def is_cancellation(error: BaseException) -> bool:
    """Tell whether an exception is a backend's cancellation.

    :param error: what was raised
    """
    return isinstance(error, asyncio.CancelledError) or (
        type(error).__name__ == "Cancelled" and type(error).__module__.startswith("trio")
    )


def _not_running(*args: Any) -> None:
    raise RuntimeError("the event loop does not run")


def _mark_backend(backend: str) -> None:
    # A callback of a loop runs in no task, and there anyio looks at this variable alone.
    if current_async_library_cvar is not None:
        current_async_library_cvar.set(backend)


def _running_loop(backend: str) -> tuple[Any, Callable[..., object]]:
    if backend == "trio":
        import trio

        token = trio.lowlevel.current_trio_token()
        return token, token.run_sync_soon
    loop = asyncio.get_running_loop()
    return loop, loop.call_soon_threadsafe


@contextlib.contextmanager
def _policy_restored(options: Mapping[str, Any]) -> Any:
    # anyio 3 makes uvloop the policy of the whole process, where the user's own loops would
    # find it; anyio 4 passes a loop factory.
    if not options.get("use_uvloop") or hasattr(anyio, "NoEventLoopError"):
        yield
        return
    policy = asyncio.get_event_loop_policy()
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(policy)


_running: weakref.WeakSet[Portal] = weakref.WeakSet()


def _stop_at_exit(portal: Portal) -> None:
    if not _running:
        # Worker threads of the loop are no daemons: the interpreter waits for them *before* it
        # calls what atexit knows, and they end only when their loop does.
        register: Any = getattr(threading, "_register_atexit", None)
        if register is not None:
            register(_post_stop_to_all)
    _running.add(portal)


def _post_stop_to_all() -> None:
    for portal in list(_running):
        portal.post_stop()
