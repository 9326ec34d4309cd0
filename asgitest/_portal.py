"""The way into the event loop that an application runs on: call, start tasks, stop."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeVar

from ._backend import BACKEND_MODULES, is_cancellation, mark_backend
from ._calls import Answer, Call, Subject, Wait
from ._contexts import held_open
from ._debugger import is_debugging
from ._expiry import Expiry
from ._future_calls import FutureCall, TaskStatus
from ._generators import GeneratorCloser
from ._protocol._texts import shorten
from ._report import describe_tasks, describe_threads
from ._served_loop import ServedLoop
from ._stacks import describe_thread, has_local, is_busy
from .exceptions import ASGITestError, DeadlineExceeded

T = TypeVar("T")


class Portal:
    """An event loop of ours, and the only way into it; where the loop runs, subclasses know.

    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param timeout: deadline in seconds of :meth:`call` and its like, ``None`` for none
    :cvar grace: seconds that what was cancelled, or asked to report, is given to come to its end
    :ivar interrupted: whether a wait was broken off, so that nobody should wait again
    :ivar generators: closes what the application drops
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
        self._timeout = timeout
        self._stop_asked = False
        self._failure: BaseException | None = None
        self._is_failure_reported = False
        self._abandoned = ""
        self._pending: set[Call] = set()
        self.generators = GeneratorCloser(self.spawn)
        self._served = ServedLoop(self._backend, self.generators)

    # -- what the kinds of portals differ in -----------------------------------------------

    def start(self) -> None:
        """Start the loop.

        :raises ImportError: if the backend is not installed
        """
        raise NotImplementedError

    def is_current(self) -> bool:
        """Tell whether the caller runs on the loop's own thread."""
        raise NotImplementedError

    def await_answer(self, answer: Answer, seconds: float | None) -> bool:
        """Wait for something that is given on the loop.

        :param answer: what is given there
        :param seconds: how long, ``None`` for ever
        :return: whether it came
        """
        raise NotImplementedError

    def describe_place(self) -> str:
        """Return the stack of the loop's thread."""
        raise NotImplementedError

    @property
    def is_trio(self) -> bool:
        """Whether the loop is trio's."""
        return self._backend == "trio"

    @property
    def place(self) -> str:
        """Where the loop runs, in words."""
        raise NotImplementedError

    @property
    def has_ended(self) -> bool:
        """Whether nothing runs on the loop any more."""
        raise NotImplementedError

    def _join_loop(self, seconds: float | None) -> None:
        """Wait for the loop's end."""
        raise NotImplementedError

    # -- starting and stopping -------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether calls still have a chance: neither stopped, nor ended, nor abandoned."""
        return not (self._served.stopping or self._abandoned or self.has_ended)

    @property
    def own_tasks(self) -> Collection[int]:
        """Ids of the loop's tasks that are not the application's."""
        return self._served.own_tasks

    def join(self, seconds: float | None) -> None:
        """Wait for the loop's end, and then for the worker threads it started.

        :param seconds: how long to wait for each, ``None`` for ever
        """
        self._join_loop(seconds)
        for thread in self._worker_threads():
            # They cannot be cancelled, so that waiting for longer brings nothing.
            thread.join(self.grace)

    def post_stop(self) -> None:
        """Have the loop cancel everything and end; does not wait, safe in a finalizer."""
        self._stop_asked = True
        self.post(self._served.want_stop)

    def stop(self, seconds: float | None) -> list[str]:
        """Cancel what is left on the loop, end it, and wait for its threads.

        :param seconds: how long to wait for the threads, ``None`` for ever
        :return: descriptions of the tasks and of the worker threads that were left
        :raises ASGITestError: if the loop does not end, and is abandoned then, or ended only when
            something was broken off
        """
        self._stop_asked = True
        self.notify(self._served.want_stop)
        self.join(seconds)
        block = self.describe_block()
        if block and not self.has_ended:
            # What held it up is out of the way.
            self.join(self.grace)
        if not self.has_ended:
            where = self._describe_what_stays(block)
            self.abandon(f"it did not end within {seconds:g} s of being stopped")
            raise ASGITestError(
                f"the event loop did not end within {seconds:g} s: {self._abandoned}\n{where}"
            )
        if block:
            raise ASGITestError(
                f"the event loop did not end within {seconds:g} s, until the synchronous call that "
                f"blocked it was broken off. {block}"
            )
        return self._served.leftovers + self._describe_others()

    def known_tasks(self) -> dict[int, Any]:
        """Return the coroutines of the tasks on the loop, by their ids, for :meth:`leftovers`."""
        known: dict[int, Any] = self.run(self._wait_for_leftovers(), self._served.coroutines)
        return known

    def leftovers(self, known: Collection[int] | None = None) -> list[str]:
        """Return what is left on the loop, which goes on.

        :param known: ids of coroutines that may stay; ``None`` cancels all tasks there are
        """
        wait = self._wait_for_leftovers()
        if known is None:
            left = self.run(wait, self._served.cancel_leftovers, self.grace)
        else:
            left = self.run(wait, self._served.find_leftovers, known)
        return list(left.values()) + self._describe_others()

    def _wait_for_leftovers(self) -> Wait:
        return Wait(self._timeout, "the loop to tell what is left on it")

    def _describe_others(self) -> list[str]:
        here = threading.current_thread()
        working = [t for t in self._worker_threads() if t is not here and is_busy(t)]
        threads = [
            f"thread {thread.name!r}, which runs still and stands here:\n{describe_thread(thread)}"
            for thread in working
        ]
        return threads + self.generators.take_failures()

    def _describe_what_stays(self, block: str) -> str:
        answer = Answer()
        with contextlib.suppress(RuntimeError):
            self._post_marked(lambda: answer.give(self._served.describe_leftovers()))
        has_answered = self.await_answer(answer, self.grace)
        place = "\n".join(answer.value.values()) if has_answered else self.describe_place()
        return "\n".join(filter(None, [block, place, describe_threads()]))

    def _worker_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if self._works_for_loop(thread)]

    def _works_for_loop(self, thread: threading.Thread) -> bool:
        # anyio's workers on asyncio know their loop; trio's belong to all loops, and one that works
        # holds the token of its loop.
        if self._backend == "trio":
            return has_local(thread, "current_trio_token", lambda it: it is self._served.loop)
        return getattr(thread, "loop", self) is self._served.loop

    def abandon(self, reason: str) -> str:
        """Give the loop up; nobody waits for it any more.

        :param reason: what is wrong with it
        :return: what became of it, in words
        """
        self._abandoned = f"{self.place} was abandoned, for {reason}"
        # Should it ever come back to life, it ends.
        self.post_stop()
        for call in list(self._pending):
            call.fail(self._ended_error())
        return self._abandoned

    @property
    def stop_asked(self) -> bool:
        """Whether somebody wants the loop to end."""
        return self._stop_asked

    @property
    def is_given_up(self) -> bool:
        """Whether the loop was abandoned."""
        return bool(self._abandoned)

    def describe_block(self) -> str:
        """Tell where a synchronous call was that had to be broken off, if one was."""
        return ""

    def _mark_context(self) -> None:
        """Mark the current context as one of this loop."""
        mark_backend(self._backend)

    def _new_future(self) -> Future[Any]:
        return Future()

    def _end(self, failure: BaseException | None) -> None:
        """Note that the loop has ended, and tell all who wait."""
        self._failure = failure
        self._served.stopping = True
        for call in list(self._pending):
            if not call.is_over:
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
        return self.wait_for(wait, Call(function, args))

    def wait_for(self, wait: Wait, call: Call) -> Any:
        """Begin a call on the loop and wait for its result: one hop.

        :param wait: the deadline, and what to report when it passes
        :param call: what runs there, or a watch, which takes no task
        :return: the result
        :raises ASGITestError: as :meth:`run`
        :raises DeadlineExceeded: as :meth:`run`
        """
        self.check_thread(wait.waiting_for)
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
            self._served.call_soon(function, *args)

    def post_on_loop(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function in the loop's next turn; called on the loop, or as a watch begins.

        :param function: a function that does not raise
        :param args: its positional arguments
        """
        self._served.call_next(function, *args)

    def notify(self, function: Callable[..., object], *args: Any) -> None:
        """Do as :meth:`post`, or at once where nothing can run beside it.

        :param function: a function that does not raise, and does no more than to note something and
            to set events
        :param args: its positional arguments
        """
        self.post(function, *args)

    def spawn(self, function: Callable[..., Any], *args: Any, name: str | None = None) -> None:
        """Start a task on the loop, in a copy of the caller's context, without waiting.

        :param function: a coroutine function that does not raise
        :param args: its positional arguments
        :param name: what reports call the task
        :raises RuntimeError: if the loop has ended
        """
        self.spawn_call(Call(function, args), name)

    def spawn_call(self, call: Call, name: str | None = None) -> None:
        """Start the task of a call as :meth:`spawn` does that of a function.

        :param call: what runs in it
        :param name: what reports call the task
        :raises RuntimeError: if the loop has ended
        """
        self._post_marked(self._served.start_call, call, name)

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
        texts = [describe_tasks(subject, self._served.own_tasks), describe_threads()]
        return "\n".join(filter(None, texts))

    def start_call(self, call: Call, name: str | None = None) -> None:
        """Start the task of a call that nobody waits for; called on the loop.

        :param call: what runs in it
        :param name: what reports call the task
        """
        self._served.start_call(call, name)

    def confirm_alive(self) -> None:
        """Tell a cancellation that an application made up from one of a loop that ends.

        :raises ASGITestError: if the loop is about to end, or has ended
        """
        if self.is_current() and not self._served.stopping:
            return
        answer = Answer()
        self.post(lambda: answer.give(self._served.stopping))
        if self._served.stopping or not self.await_answer(answer, self.grace) or answer.value:
            self._join_loop(self.grace)
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
        task.future.add_done_callback(lambda future: self.post(status.end))
        self._begin_task(task)
        title = getattr(function, "__qualname__", repr(function))
        wait = Wait(self._timeout, f"{title}() to call task_status.started()", subject=task)
        value = self.run(wait, status.wait)
        if not status.is_started:
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
            function,
            args,
            keywords,
            future=self._new_future(),
            is_stopping=lambda: self._served.stopping,
            post=self.post,
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

    def _begin(self, call: Call) -> None:
        if self._abandoned:
            raise self._ended_error()
        self._pending.add(call)
        try:
            self._start_call(call)
        except RuntimeError:
            self._pending.discard(call)
            raise self._ended_error() from None
        if self.has_ended:
            call.fail(self._ended_error())

    def _start_call(self, call: Call) -> None:
        if call.starts_task:
            self._post_marked(self._served.start_call, call)
        else:
            self._served.call_soon(self._served.start_call, call)

    def _post_marked(self, function: Callable[..., object], *args: Any) -> None:
        """Run a function on the loop, in a copy of the caller's context that is marked as its."""
        context = contextvars.copy_context()
        self._served.call_soon(context.run, self._run_marked, function, *args)

    def _run_marked(self, function: Callable[..., object], *args: Any) -> None:
        self._mark_context()
        function(*args)

    def _result(self, call: Call, wait: Wait) -> Any:
        interrupt = sys.exc_info()[1]
        if isinstance(interrupt, KeyboardInterrupt):
            return self._hurried_result(call, wait, interrupt)
        seconds = wait.seconds
        try:
            while not self.await_answer(call.answer, seconds):
                if is_debugging():
                    continue
                seconds = wait.seconds_left()
                if seconds <= 0:
                    raise Expiry(self, call, wait).error()
        except DeadlineExceeded:
            raise
        except BaseException:
            # Ctrl-C, or whatever a signal handler raises: the wait is over at once.
            self.interrupted = True
            self.post(Expiry(self, call, wait).cancel)
            raise
        self.interrupted = False
        return self._outcome(call)

    def _hurried_result(self, call: Call, wait: Wait, interrupt: KeyboardInterrupt) -> Any:
        # Some with block or finally clause that Ctrl-C leaves; it must not become a wait.
        if not self.await_answer(call.answer, self.grace):
            self.interrupted = True
            self.post(Expiry(self, call, wait).cancel)
            raise interrupt
        return self._outcome(call)

    def _outcome(self, call: Call) -> Any:
        error, result = call.answer.value
        if error is None:
            return result
        if is_cancellation(error):
            self.confirm_alive()
        raise error

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
