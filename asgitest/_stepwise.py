"""Run the asynchronous parts of a test in one task of the loop, one after the other."""

from __future__ import annotations

import contextlib
import inspect
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any

import anyio

from ._backend import innermost_scope, is_cancellation, is_scope_cancelled
from ._calls import Wait
from ._portal import Portal
from .exceptions import ASGITestError

# Seconds that a wait is given on top of its deadline, to report on it.
_REPORTING = 3.0


class MovingDeadline:
    """The deadline of a part of a test: the time that may pass without a step forward.

    Each wait within the part has a deadline of its own. As long as one is under way that one
    counts, and when it is over the time begins anew.

    :param seconds: that time, ``None`` for no deadline
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = math.inf
        self.move()

    def move(self) -> None:
        """Let the time begin anew."""
        self._end = _time_after(self.seconds)

    @contextlib.contextmanager
    def held_up(self, seconds: float | None) -> Iterator[None]:
        """Let a wait within the part take the time that it has, in the block.

        :param seconds: deadline of the wait, ``None`` for none
        """
        # The wait reports on itself; should it fail to, the deadline of the part still comes.
        self._end = max(self._end, _time_after(seconds) + _REPORTING)
        try:
            yield
        finally:
            self.move()

    def seconds_left(self) -> float:
        """Return the time that is left, at most that of one part."""
        return min(self._end - time.monotonic(), self.seconds or math.inf)


def _time_after(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds


class Step:
    """One asynchronous part of a test.

    :param name: what reports call it
    :param function: a function, whose result is awaited if it can be
    :param args: its positional arguments
    :param keywords: its keyword arguments
    :ivar error: what it raised, without the frames that are ours
    :ivar result: what it returned
    :ivar is_over: whether it was run
    """

    def __init__(
        self, name: str, function: Callable[..., Any], /, *args: Any, **keywords: Any
    ) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.result: Any = None
        self.is_over = False
        self._function = function
        self._args = args
        self._keywords = keywords

    async def run(self) -> None:
        """Run the part and keep what comes of it; raises nothing."""
        try:
            result = self._function(*self._args, **self._keywords)
            self.result = await result if inspect.isawaitable(result) else result
        except BaseException as error:
            assert error.__traceback__ is not None
            self.error = error.with_traceback(error.__traceback__.tb_next)
        self.is_over = True


class EnteredContext:
    """An asynchronous context manager that a step entered, for a later one to leave.

    :param manager: the context manager
    """

    def __init__(self, manager: AbstractAsyncContextManager[Any]) -> None:
        #: Whether it opened a cancel scope, and so can be left in the task alone that entered it.
        self.is_bound = False
        self._manager = manager
        self._is_left = False

    async def enter(self) -> Any:
        """Enter the context manager and return its value.

        :raises TypeError: if it is none
        """
        kind = type(self._manager)
        if not (hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")):
            raise TypeError(
                f"enterAsyncContext() takes an asynchronous context manager, not "
                f"{kind.__module__}.{kind.__qualname__}"
            )
        scope = innermost_scope()
        value = await kind.__aenter__(self._manager)
        self.is_bound = innermost_scope() is not scope
        return value

    async def leave(self, error: BaseException | None = None) -> None:
        """Leave the context manager; a second time, this does nothing.

        :param error: what leaves its block
        """
        if not self._is_left:
            self._is_left = True
            details = (None, None, None) if error is None else _details(error)
            await type(self._manager).__aexit__(self._manager, *details)


def _left_open(name: str) -> ASGITestError:
    return ASGITestError(
        f"{name} left an asynchronous context open, such as a task group or a cancel scope: leave "
        f"it where it was entered, or enter it with enterAsyncContext()"
    )


def _details(error: BaseException) -> tuple[Any, Any, Any]:
    return type(error), error, error.__traceback__


class StepwiseTask:
    """One task of the loop, which runs the steps that a thread gives it.

    Whatever a step opens, a later one may close: a task group belongs to the task that entered it.
    One cancel scope is round all of them; when the deadline of a step passes it is cancelled, and
    the task ends. What belongs to it alone is left then, as ``async with`` does it.

    :param portal: the event loop
    :param name: what reports call the task
    :param deadline: deadline of each step
    :ivar ended: whether the task takes no step any more
    """

    title = "The test"

    def __init__(self, portal: Portal, name: str, deadline: MovingDeadline) -> None:
        self.deadline = deadline
        self.ended = False
        self._portal = portal
        self._name = name
        self._steps: deque[Step | None] = deque()
        self._scope: anyio.CancelScope | None = None
        self._change: anyio.Event | None = None
        self._running: Step | None = None
        self._entered: list[EnteredContext] = []
        self._error: BaseException | None = None

    # -- the test's side -----------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether the task takes another step."""
        return not self.ended and self._portal.usable

    def start(self) -> None:
        """Start the task, in a copy of the caller's context."""
        # A loop that has ended is told of by whoever waits for a step.
        with contextlib.suppress(RuntimeError):
            self._portal.spawn(self.run, name=self._name)

    def take(self, step: Step) -> None:
        """Run a step, and wait until it is over.

        :param step: what to run; it holds the outcome
        :raises DeadlineExceeded: if its deadline passes; the task has ended then
        :raises ASGITestError: if the loop has ended
        """
        self.deadline.move()
        self._portal.run(self._wait(f"{step.name}() to return"), self._run_step, step)
        if not step.is_over:
            # Something else ended the task, before or behind the step before.
            raise self._error or ASGITestError(f"the task of {self._name} has ended")
        if step.error is not None and is_cancellation(step.error):
            self._portal.confirm_alive()

    def hold(self, context: EnteredContext) -> None:
        """Note a context that has to be left before the task ends; called by a step.

        :param context: what the step entered
        """
        self._entered.append(context)

    def finish(self) -> None:
        """Let the task end.

        :raises BaseException: if its end fails, for a step left open what it should have closed
        """
        self.deadline.move()
        self._portal.run(self._wait(f"the task of {self._name} to end"), self._run_step, None)
        if self._error is not None and not is_cancellation(self._error):
            raise self._error

    def _wait(self, waiting_for: str) -> Wait:
        seconds = self.deadline.seconds
        return Wait(seconds, waiting_for, subject=self, moved=self.deadline.seconds_left)

    # -- on the loop ---------------------------------------------------------------------------

    async def _run_step(self, step: Step | None) -> None:
        self._steps.append(step)
        self._notify()
        while not self.ended and (step is None or step in self._steps or step is self._running):
            await self._changed()

    async def run(self) -> None:
        """Take steps until there are no more; raises nothing."""
        try:
            with anyio.CancelScope() as self._scope:
                await self.take_steps(self._scope)
        except BaseException as error:
            self._error = self._error or error
        self.ended = True
        self._notify()

    async def take_steps(self, scope: anyio.CancelScope) -> None:
        """Take steps until there are no more, or a deadline has passed.

        :param scope: what is cancelled then
        """
        innermost = innermost_scope()
        while True:
            step = await self._next_step(scope)
            if step is None:
                if innermost_scope() is not innermost:
                    self._error = _left_open(self._name)
                    # Sooner or later that ends the loop, too; this way it is told of by its cause.
                    self._portal.abandon(str(self._error))
                break
            self._running = step
            await step.run()
            self._running = None
            if scope.cancel_called:
                await self._leave_entered(step.error)
                break
            self._notify()

    async def _leave_entered(self, error: BaseException | None) -> None:
        while self._entered:
            try:
                await self._entered.pop().leave(error)
            except BaseException as leaving_error:
                error = leaving_error

    async def _next_step(self, scope: anyio.CancelScope) -> Step | None:
        try:
            await self._any_step()
        except BaseException as error:
            if not (is_cancellation(error) and self._is_cancelled_inside(scope)):
                raise
            # Something that the test holds open, such as a task group with a failed task. It waits
            # to be closed, by a step to come.
            with anyio.CancelScope(shield=True):
                await self._any_step()
        return self._steps.popleft()

    def _is_cancelled_inside(self, scope: anyio.CancelScope) -> bool:
        return is_scope_cancelled() and not scope.cancel_called and self._portal.usable

    async def _any_step(self) -> None:
        while not self._steps:
            await self._changed()

    def describe(self) -> str:
        """Tell nothing: the stack of the step says it all."""
        return ""

    def owns(self, frame: FrameType) -> bool:
        """Tell whether a frame of a task is the one that runs this one.

        :param frame: any frame
        """
        return frame.f_code is StepwiseTask.run.__code__ and frame.f_locals.get("self") is self

    def cancel(self) -> None:
        """Cancel the task, which has begun; called on the loop."""
        assert self._scope is not None
        self._scope.cancel()

    async def wait_ended(self) -> None:
        """Wait until the task has ended."""
        while not self.ended:
            await self._changed()

    def _notify(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None

    async def _changed(self) -> None:
        if self._change is None:
            self._change = anyio.Event()
        await self._change.wait()
