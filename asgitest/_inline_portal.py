"""An event loop that is advanced in the calling thread while that waits, and stands still else."""

from __future__ import annotations

import atexit
import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol

from ._backend import loop_in_this_thread
from ._calls import Answer, Call
from ._interruptions import Interruptions, LoopBlocked, LoopStopped
from ._portal import Portal
from ._stacks import describe_thread, has_local
from .exceptions import ASGITestError

# Id of the portal whose loop started the current context. Worker threads have their caller's.
_served_by: ContextVar[int] = ContextVar("asgitest_served_by", default=0)


class Engine(Protocol):
    """An event loop that can be advanced."""

    running: bool
    #: Whether tasks can be made, and callbacks posted, while the loop stands still.
    starts_at_once: bool
    failure: BaseException | None

    @property
    def done(self) -> bool:
        """Whether the root task has ended."""

    def start(self, serve: Callable[[], Any]) -> None:
        """Make the root task."""

    def advance(self, answer: Answer, seconds: float | None) -> None:
        """Run the loop until an answer is given, the root task ends, or time is over."""

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function on the loop, from any thread."""

    def wake(self) -> None:
        """Have :meth:`advance` look whether it is to go on."""

    def fail(self, error: BaseException) -> None:
        """End the root task because of what came out of the loop."""

    def is_interruptible(self) -> bool:
        """Tell whether an exception may be raised where the loop stands."""

    def foreign_tasks(self) -> set[int]:
        """Return the ids of the tasks on the loop that belong to other clients."""

    def close(self) -> None:
        """Free what the loop holds."""

    def silence(self) -> None:
        """Let the interpreter drop the loop without a word."""


# Seconds that an abandoned loop is given to show that it can end after all.
_AT_ONCE = 0.01
# Those whose loop is not closed: a client that nobody closes leaves its loop to whichever comes
# next in the thread, or to the end of the interpreter.
_open: list[InlinePortal] = []


class InlinePortal(Portal):
    """A portal whose loop belongs to the thread that starts it, and runs while that waits.

    :ivar place: where the loop runs, in words
    """

    def start(self) -> None:
        """Make the loop and its root task, which begins with the first call where it can wait.

        :raises ImportError: if the backend is not installed
        :raises ASGITestError: if a loop runs in this thread
        """
        self._thread = threading.current_thread()
        self._ident = threading.get_ident()
        self._refuse_running_loop("the loop to start")
        end_forgotten()
        try:
            self._engine: Engine = self._new_engine()
        except BaseException as error:
            self._failure = error
            self._has_ended = True
            told = self._start_error()
            raise told from told.__cause__
        self._has_ended = False
        self._interruptions = Interruptions(self._engine)
        self._interruptions.open()
        self._served.foreign_tasks = self._engine.foreign_tasks
        _open.append(self)
        self._served.post_by(self._engine.post)
        started = Answer()
        self._engine.start(lambda: self._served.serve(started.give))
        if not self._engine.starts_at_once:
            self.await_answer(started, None)

    def _new_engine(self) -> Engine:
        # Each imports its library, and a run has one of them.
        if self._backend == "asyncio":
            from ._asyncio_engine import AsyncioEngine

            return AsyncioEngine(self._options, self.generators)
        if self._backend != "trio":
            raise LookupError(f"No such backend: {self._backend}")
        from ._guest_engine import GuestEngine

        return GuestEngine(self._options, self.generators)

    def is_current(self) -> bool:
        """Tell whether the caller runs on the loop."""
        return self._engine.running and threading.get_ident() == self._ident

    @property
    def place(self) -> str:
        """Where the loop runs, in words."""
        return f"the event loop in thread {self._thread.name!r}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing runs on the loop any more."""
        return self._has_ended

    @property
    def own_tasks(self) -> Collection[int]:
        """Ids of the loop's tasks that are not the application's."""
        return self._served.own_tasks | self._served.foreign_tasks()

    def describe_place(self) -> str:
        """Return the stack of the loop's thread, where it was blocked."""
        return self._interruptions.blocked_at or describe_thread(self._thread)

    def describe_block(self) -> str:
        """Tell where a synchronous call was that kept the loop from its work, if one was."""
        stack = self._interruptions.blocked_at
        return f"The event loop was blocked; it stood here:\n{stack}" if stack else ""

    # -- who may call ----------------------------------------------------------------------------

    def check_thread(self, waiting_for: str) -> None:
        """Refuse a call that could not be waited for.

        :param waiting_for: what would be awaited
        :raises ASGITestError: if it comes from the loop itself, from a thread that is neither the
            loop's nor one that the loop started, or from where another loop runs
        """
        super().check_thread(waiting_for)
        if threading.get_ident() == self._ident:
            self._refuse_running_loop(waiting_for)
        elif not self._is_worker():
            raise ASGITestError(
                f"a client call was made in thread {threading.current_thread().name!r}, but this "
                f"client's event loop belongs to thread {self._thread.name!r}, which made its "
                f"first call ({waiting_for}). Use a client for each thread, or portal='thread'."
            )

    def _is_worker(self) -> bool:
        return _served_by.get() == id(self)

    def _refuse_running_loop(self, waiting_for: str) -> None:
        library = loop_in_this_thread()
        if library:
            raise ASGITestError(
                f"a client call was made where an event loop of {library} runs; a client with "
                f"portal='inline' needs the thread for its own loop ({waiting_for}). Make the "
                f"call in a worker thread, or use portal='thread'."
            )

    def _works_for_loop(self, thread: threading.Thread) -> bool:
        if not super()._works_for_loop(thread):
            return False
        # The run of trio is that of other clients, too; a worker's context tells whose it is.
        return not self.is_trio or has_local(thread, "context", self._is_own)

    def _is_own(self, context: Any) -> bool:
        return isinstance(context, Context) and context.get(_served_by) == id(self)

    def _mark_context(self) -> None:
        super()._mark_context()
        _served_by.set(id(self))

    # -- advancing ---------------------------------------------------------------------------------

    def await_answer(self, answer: Answer, seconds: float | None) -> bool:
        """Advance the loop until something is given there.

        :param answer: what is given there
        :param seconds: how long, ``None`` for ever
        :return: whether it came, and no synchronous call had to be broken off
        """
        if threading.get_ident() != self._ident:
            # A worker thread of the application's: the loop is advanced by its own one.
            return answer.wait(seconds)
        while not (answer.given or self._has_ended):
            self._advance(answer, seconds)
            if not self._interruptions.was_debugged:
                break
            # At a prompt, which stopped the clock; what was interrupted there is to go on.
        return answer.given and not self._interruptions.blocked_at

    def _advance(self, answer: Answer, seconds: float | None) -> None:
        engine = self._engine
        self._interruptions.arm(seconds, self.grace)
        try:
            self._run_engine(answer, seconds)
        finally:
            self._interruptions.disarm()
        if engine.failure is not None and not engine.done:
            self._finish(self.grace)
            if not self._has_ended:
                # Some task takes its time; whoever waits for another one does not.
                self._end(engine.failure)
        elif engine.done:
            self._note_end()

    def _finish(self, seconds: float | None) -> None:
        """Advance the loop to its end, as far as it comes."""
        end = math.inf if seconds is None else time.monotonic() + seconds
        self._interruptions.arm(seconds, self.grace)
        try:
            # Each of the tasks may raise something that ends the run, not only the first one.
            while not self._engine.done and time.monotonic() < end:
                left = end - time.monotonic()
                self._run_engine(Answer(), None if left == math.inf else left)
        finally:
            self._interruptions.disarm()
        if self._engine.done:
            self._note_end()

    def _run_engine(self, answer: Answer, seconds: float | None) -> None:
        try:
            self._engine.advance(answer, seconds)
        except LoopBlocked:  # pragma: no cover - seldom: it hits the loop's own code
            pass
        except BaseException as error:
            if not self._is_of_task(error):
                # Of a signal handler, such as a test runner's own limit: the wait is over.
                raise
            # It ends the loop, and the loop ends first.
            self._note_failure(error)
        if self._interruptions.pressed:
            # The application has got it, or nobody. What swallows it may go on for ever.
            raise KeyboardInterrupt

    def _is_of_task(self, error: BaseException) -> bool:
        """Tell what a task of the application raised from what a signal handler did."""
        if isinstance(error, KeyboardInterrupt):
            return not self._interruptions.is_ctrl_c()
        return isinstance(error, (SystemExit, LoopStopped))

    def _note_failure(self, error: BaseException) -> None:
        if self._served.stopping:
            self._engine.failure = self._engine.failure or error
        else:
            self._engine.fail(error)

    def _note_end(self) -> None:
        self._has_ended = True
        _open.remove(self)
        self._engine.close()
        self._interruptions.close()
        self._end(self._engine.failure)

    def _ended_error(self) -> ASGITestError:
        engine = self._engine
        is_own_thread = threading.get_ident() == self._ident
        if engine.done and is_own_thread and not (engine.running or self._has_ended):
            # While another client of the thread advanced it.
            self._note_end()
        return super()._ended_error()

    def _join_loop(self, seconds: float | None) -> None:
        if threading.get_ident() == self._ident and not self._has_ended:
            if loop_in_this_thread():
                # Of a worker, or a finalizer; the next one in this thread ends it.
                return
            self._finish(seconds)

    def _start_call(self, call: Call) -> None:
        if not self._stands_still():
            super()._start_call(call)
        elif call.starts_task:
            copy_context().run(self._run_marked, self._served.start_call, call)
        else:
            self._served.start_call(call)

    def notify(self, function: Callable[..., object], *args: Any) -> None:
        """Do as :meth:`post`, or at once while the loop stands still, which saves it a turn.

        :param function: as there
        :param args: its positional arguments
        """
        if self._stands_still():
            function(*args)
        else:
            self.post(function, *args)

    def _stands_still(self) -> bool:
        """Tell whether the caller may do what else the loop does, as long as that stands still."""
        return (
            self._engine.starts_at_once
            # Before its first step, the root task has nothing ready for others.
            and self._served.loop is not None
            and threading.get_ident() == self._ident
            and not (self._engine.running or self._has_ended)
        )

    def _new_future(self) -> Future[Any]:
        return InlineFuture(self)

    def end_silently(self) -> None:
        """End the loop when the interpreter ends, or let it be."""
        self.post_stop()
        with contextlib.suppress(BaseException):
            self._join_loop(self.grace)
        if not self._has_ended:
            self._engine.silence()


class InlineFuture(Future[Any]):
    """A future whose holder advances the loop by asking for the result.

    :param portal: the event loop
    """

    def __init__(self, portal: InlinePortal) -> None:
        super().__init__()
        self._portal = portal

    def result(self, timeout: float | None = None) -> Any:
        """Return the result, for which the loop is advanced.

        :param timeout: seconds to wait, ``None`` for ever
        """
        self._advance(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what was raised, for which the loop is advanced.

        :param timeout: seconds to wait, ``None`` for ever
        """
        self._advance(timeout)
        return super().exception(timeout)

    def _advance(self, timeout: float | None) -> None:
        if not self.done():
            self._portal.check_thread("the result of a future")
            answer = Answer()
            self.add_done_callback(lambda future: answer.give())
            if not self._portal.await_answer(answer, timeout) and not self.done():
                raise TimeoutError(f"{timeout:g} s passed" if timeout else "the loop has ended")


def end_forgotten() -> None:
    """End the loops of this thread whose clients were dropped, or that nobody can use any more.

    Of those that were abandoned, the ones that do not end at once are left as they are.
    """
    for portal in list(_open):
        if portal.stop_asked or not portal.usable:
            portal._join_loop(_AT_ONCE if portal.is_given_up else portal.grace)


def _end_all() -> None:
    for portal in list(_open):
        portal.end_silently()
        sys.stderr.flush()


# Before the interpreter waits for threads, among which are the workers of these loops: on asyncio
# they end with their loop, idle ones too.
_register_at_exit: Callable[[Callable[[], None]], object]
_register_at_exit = getattr(threading, "_register_atexit", atexit.register)
_register_at_exit(_end_all)
