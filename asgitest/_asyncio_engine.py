"""An asyncio loop that stands still, unless it is advanced in the calling thread."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from asyncio import base_events
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import Any

from ._backend import PolicyKeeper, new_asyncio_loop
from ._calls import Answer
from ._generators import GeneratorCloser
from ._interruptions import LoopStopped

# What asyncio.run() hangs on its task. By it anyio knows the root task, which its worker threads
# live as long as; and it ends the run, as it is meant to.
_is_root: Callable[[Any], object] | None = getattr(base_events, "_run_until_complete_cb", None)


class AsyncioEngine:
    """One loop of asyncio or uvloop, and the root task of one client on it.

    :param options: the backend's options
    :param generators: closes the async generators that tasks of the loop drop
    :ivar running: whether the loop is being advanced
    :ivar done: whether the root task has ended
    :ivar failure: what it, or the loop, raised
    """

    starts_at_once = True

    def __init__(self, options: Mapping[str, Any], generators: GeneratorCloser) -> None:
        policy = PolicyKeeper(options)
        policy.save()
        try:
            self._loop = new_asyncio_loop(options)
        finally:
            policy.restore()
        self.running = False
        self.failure: BaseException | None = None
        self._generators = generators
        self._thread = threading.get_ident()
        # Of callbacks that are not the caller's, so that they keep nothing of its context.
        self._context = Context()
        self._end = math.inf
        # When the timer comes due; it outlasts the wait that it was set for.
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._has_expired = False
        self._is_stopped = False
        self._renews_hooks = False
        self._root: asyncio.Task[None]

    def start(self, serve: Callable[[], Awaitable[bool]]) -> None:
        """Make the root task; it takes its first step when the loop is advanced.

        :param serve: what the root task runs; tells whether other tasks are left
        """
        self._renew_hooks()
        self._root = self._loop.create_task(self._main(serve), name="asgitest root")
        self._root.add_done_callback(_is_root or self._stop_at_end)

    @property
    def done(self) -> bool:
        """Whether the root task has ended."""
        return self._root.done()

    def is_interruptible(self) -> bool:
        """Tell whether an exception may be raised where the loop stands."""
        return True

    def foreign_tasks(self) -> set[int]:
        """Return the ids of the tasks on the loop that belong to other clients: none."""
        return set()

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function on the loop, from any thread.

        :param function: a function that does not raise
        :param args: its positional arguments
        :raises RuntimeError: if the loop has ended
        """
        if threading.get_ident() == self._thread:
            self._loop.call_soon(function, *args)
        else:
            self._loop.call_soon_threadsafe(function, *args)

    def advance(self, answer: Answer, seconds: float | None) -> None:
        """Run the loop until an answer is given, the root task ends, or time is over.

        :param answer: what is given on the loop
        :param seconds: how long, ``None`` for ever
        """
        loop = self._loop
        self._has_expired = False
        self._set_timer(seconds)
        answer.when_given = self._answered
        self.running = True
        try:
            # Who was too slow to end the last run may end this one.
            while not (answer.given or self._has_expired or self._root.done()):
                self._renew_hooks()
                self._is_stopped = False
                loop.run_forever()
                if not (self._is_stopped or self._root.done()):
                    raise LoopStopped("the application stopped the event loop")
        finally:
            self.running = False
            answer.when_given = None
            self._end = math.inf
        if self._root.done():
            self._note_end()

    def fail(self, error: BaseException) -> None:
        """End all tasks because of what one of the application's raised, as asyncio.run() does.

        :param error: what came out of the loop
        """
        self.failure = error
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def close(self) -> None:
        """Free what the loop holds, once the root task has ended."""
        self._loop.close()

    def silence(self) -> None:
        """Let the interpreter drop the loop's tasks without a word; they never run again.

        It would wait for the worker threads, which live as long as the loop.
        """
        for thread in threading.enumerate():
            if getattr(thread, "loop", None) is self._loop and hasattr(thread, "stop"):
                thread.stop()
        for task in asyncio.all_tasks(self._loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def wake(self) -> None:
        """Have :meth:`advance` return, whatever else there is to do; called in its thread."""
        self._has_expired = True
        self.post(self._stop)

    def _answered(self) -> None:
        if threading.get_ident() == self._thread:
            # At once, for it costs a turn of the loop to stop it in the next one.
            self._stop()
        else:
            self.post(self._stop)

    def _set_timer(self, seconds: float | None) -> None:
        """Have the loop wake when time is over; a timer that comes due before will do for that.

        Most waits end long before, and none of them has to set one, and to cancel it.
        """
        if seconds is None:
            return
        self._end = time.monotonic() + seconds
        if self._end < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = self._end
            self._timer = self._loop.call_later(seconds, self._look_at_time, context=self._context)

    def _look_at_time(self) -> None:
        self._due, self._timer = math.inf, None
        left = self._end - time.monotonic()
        if left > 0:
            # Set for an earlier wait, or a little early; of no wait at all it is set no more.
            self._set_timer(None if left == math.inf else left)
        else:
            self._has_expired = True
            self._stop()

    def _stop(self) -> None:
        # Once: the second one would end the next run of uvloop, as if the application had.
        if not self._is_stopped:
            self._is_stopped = True
            # Now, for what is to run from here on comes behind it.
            self._renew_hooks()
            self._loop.stop()

    def _renew_hooks(self) -> None:
        """Have our hooks for async generators put in place first thing, when the loop runs again.

        It puts its own ones in place whenever it begins to run, and a generator keeps those that it
        was first iterated with.
        """
        if not self._renews_hooks:
            self._renews_hooks = True
            self._loop.call_soon(self._install_hooks, context=self._context)

    def _install_hooks(self) -> None:
        self._renews_hooks = False
        self._generators.install()
        if self._is_stopped:
            # uvloop takes another turn before it stops, and this is part of it.
            self._renew_hooks()

    def _stop_at_end(self, root: asyncio.Task[None]) -> None:
        self._loop.stop()

    def _note_end(self) -> None:
        if not self._root.cancelled():
            self.failure = self.failure or self._root.exception()

    async def _main(self, serve: Callable[[], Awaitable[bool]]) -> None:
        has_others = True
        try:
            has_others = await serve()
        finally:
            # As asyncio.run() does at its end.
            if has_others:
                await self._end_tasks()
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()

    async def _end_tasks(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not self._root]
        # After a failure they are cancelled already, and may be cleaning up.
        for task in others if self.failure is None else ():
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
