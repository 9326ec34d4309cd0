"""A trio loop in guest mode that stands still, unless it is advanced in the calling thread."""

from __future__ import annotations

import contextvars
import queue
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import trio

from ._backend import mark_backend
from ._calls import WAIT_PART, Answer
from ._generators import GeneratorCloser
from .exceptions import ASGITestError


class GuestRun:
    """The one run of trio in a thread, on which all inline clients there have a task each.

    Between two calls of a client a task of ours keeps it runnable, for a run that has nothing to
    do waits in another thread for something to happen.

    :param options: options of the run
    :ivar roots: the clients' tasks
    :ivar hooks: trio's hooks for async generators, in force while the run is advanced
    :ivar done: whether the run has ended
    :ivar failure: what ended it, if that was no client
    """

    _of_thread = threading.local()

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = dict(options)
        self.roots: set[int] = set()
        self.done = False
        self._thread = threading.get_ident()
        self.failure: BaseException | None = None
        self._callbacks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._is_advanced = False
        self._call_is_over: trio.Event | None = None
        self._nursery: trio.Nursery
        self._own_tasks: set[int] = set()
        hooks_before = sys.get_asyncgen_hooks()
        handler = _interrupt_handler()
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self.post,
            done_callback=self._note_end,
            # It is for us to say what becomes of signals, between the calls above all.
            host_uses_signal_set_wakeup_fd=True,
            **self.options,
        )
        if handler is not None and signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)
        self.advance(Answer(), None, lambda: hasattr(self, "_nursery"))
        self.hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(*hooks_before)

    @classmethod
    def of_this_thread(cls, options: Mapping[str, Any]) -> GuestRun:
        """Return the run of the current thread, started if there is none.

        :param options: options of the run
        :raises ASGITestError: if there is one that has other options
        """
        run: GuestRun | None = getattr(cls._of_thread, "run", None)
        if run is None or run.done:
            run = cls._of_thread.run = cls(options)
        elif run.options != dict(options):
            raise ASGITestError(
                f"inline clients on trio share one run in a thread, and the one that was there "
                f"first has backend_options={run.options!r}, this one {dict(options)!r}; close "
                f"the other client first, or use portal='thread'"
            )
        return run

    def post(self, function: Callable[[], object]) -> None:
        """Have whoever advances the run call a function, from any thread.

        :param function: takes and returns nothing
        """
        self._callbacks.put(function)

    def start_soon(self, function: Callable[[], Awaitable[object]]) -> None:
        """Start the task of a client.

        :param function: a coroutine function that does not raise
        """
        context = contextvars.copy_context()
        # Old versions of trio say in the context what runs there, and this is none of theirs.
        context.run(mark_backend, "trio")
        context.run(self._nursery.start_soon, function)

    def advance(
        self, answer: Answer, seconds: float | None, is_over: Callable[[], bool] = bool
    ) -> None:
        """Go on until an answer is given, the run ends, or time is over.

        :param answer: what is given in the run
        :param seconds: how long, ``None`` for ever
        :param is_over: tells whether there is nothing more to wait for
        """
        end = None if seconds is None else time.monotonic() + seconds
        answer.when_given = self._answered
        self._is_advanced = True
        try:
            while not (answer.given or self.done or is_over()):
                callback = self._next_callback(end)
                if callback is None:
                    return
                callback()
                if end is not None and time.monotonic() >= end:
                    # Late, although there is more to do.
                    return
        finally:
            answer.when_given = None
            self._pause()

    def wake(self) -> None:
        """Have :meth:`advance` look whether to go on."""
        self.post(_do_nothing)

    def foreign_tasks(self, root: int) -> set[int]:
        """Return the ids of all tasks but those that descend from one.

        :param root: id of the task of one client
        """
        parents = {task.id: task.parent_id for task in anyio.get_running_tasks()}
        foreign = set()
        for task in parents:
            ancestor: int | None = task
            while ancestor is not None and ancestor != root:
                ancestor = parents.get(ancestor)
            if ancestor is None:
                foreign.add(task)
        return foreign

    def leave(self, root: int) -> None:
        """Note that the task of a client has ended; the last one ends the run.

        :param root: id of the task
        """
        self.roots.discard(root)
        if not self.roots:
            self._nursery.cancel_scope.cancel()
        # Who waits for something of that client waits in vain.
        self._pause()
        self.wake()

    def _next_callback(self, end: float | None) -> Callable[[], object] | None:
        try:
            return self._callbacks.get_nowait()
        except queue.Empty:
            pass
        while True:
            left = WAIT_PART if end is None else end - time.monotonic()
            if left <= 0:
                return None
            try:
                return self._callbacks.get(timeout=min(left, WAIT_PART))
            except queue.Empty:
                continue

    def _answered(self) -> None:
        if threading.get_ident() == self._thread:
            self._pause()
        else:
            # Such as one that cancels a future; trio takes nothing from it.
            self.post(self._pause)

    def _pause(self) -> None:
        self._is_advanced = False
        if self._call_is_over is not None and not self.done:
            self._call_is_over.set()
            self._call_is_over = None

    async def _main(self) -> None:
        async with trio.open_nursery() as self._nursery:
            # Until the last client leaves, and cancels it.
            while True:
                if self._is_advanced:
                    self._call_is_over = trio.Event()
                    await self._call_is_over.wait()
                else:
                    await trio.lowlevel.checkpoint()

    def _note_end(self, outcome: Any) -> None:
        self.done = True
        self.failure = getattr(outcome, "error", None)


class GuestEngine:
    """The part of one client in the run of trio of its thread.

    :param options: the backend's options
    :param generators: closes the async generators that tasks of the loop drop
    :ivar running: whether the run is being advanced for this client
    :ivar done: whether the client's task has ended
    :ivar failure: what it raised
    """

    starts_at_once = False

    def __init__(self, options: Mapping[str, Any], generators: GeneratorCloser) -> None:
        self.running = False
        self.failure: BaseException | None = None
        self._generators = generators
        self._has_ended = False
        self._is_broken_off = False
        self._root = 0
        self._scope = trio.CancelScope()
        self._run = GuestRun.of_this_thread(options)

    @property
    def done(self) -> bool:
        """Whether the client's task has ended, or the run itself."""
        return self._has_ended or self._run.done

    def start(self, serve: Callable[[], Awaitable[bool]]) -> None:
        """Start the client's task; it takes its first step when the run is advanced.

        :param serve: what the task runs
        """

        async def main() -> None:
            await self._main(serve)

        self._run.start_soon(main)

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function on the loop, from any thread.

        :param function: a function that does not raise
        :param args: its positional arguments
        :raises RuntimeError: if the client's task has ended
        """
        if self.done:
            self._note_failure()
            raise RuntimeError("the event loop has ended")
        self._run.post(lambda: function(*args))

    def advance(self, answer: Answer, seconds: float | None) -> None:
        """Advance the run until an answer is given, the client's task ends, or time is over.

        :param answer: what is given in the run
        :param seconds: how long, ``None`` for ever
        """
        hooks_between = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(*self._run.hooks)
        self._generators.install()
        self.running = True
        self._is_broken_off = False
        try:
            self._run.advance(answer, seconds, lambda: self.done or self._is_broken_off)
        finally:
            self.running = False
            sys.set_asyncgen_hooks(*hooks_between)
        self._note_failure()

    def wake(self) -> None:
        """Have :meth:`advance` return, whatever else there is to do."""
        self._is_broken_off = True
        self._run.wake()

    def fail(self, error: BaseException) -> None:
        """End the client's task because of what came out of the run.

        :param error: what came out
        """
        self.failure = error
        self._scope.cancel()

    def is_interruptible(self) -> bool:
        """Tell whether an exception may be raised where the run stands: not within trio."""
        return not trio.lowlevel.currently_ki_protected()

    def foreign_tasks(self) -> set[int]:
        """Return the ids of the tasks of the run that belong to other clients, or to nobody."""
        return self._run.foreign_tasks(self._root)

    def close(self) -> None:
        """End the run if this was its last client."""
        if not self._run.roots:
            self._run.advance(Answer(), 1)

    def silence(self) -> None:
        """Do nothing: trio warns of a run that is let be, as it ought to."""

    def _note_failure(self) -> None:
        # One of trio itself ends the run for all clients.
        self.failure = self.failure or self._run.failure

    async def _main(self, serve: Callable[[], Awaitable[bool]]) -> None:
        self._root = id(trio.lowlevel.current_task())
        self._run.roots.add(self._root)
        try:
            with self._scope:
                await serve()
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            self._has_ended = True
            self._run.leave(self._root)


def _interrupt_handler() -> Any:
    # Trio takes the default one over, for the whole run.
    if threading.current_thread() is threading.main_thread():
        return signal.getsignal(signal.SIGINT)
    return None


def _do_nothing() -> None:
    pass
