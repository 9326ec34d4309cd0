"""One call into the event loop: what runs there, how long to wait, what to report about."""

from __future__ import annotations

import contextlib
import inspect
import math
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple, Protocol

import anyio

from .exceptions import DeadlineExceeded

#: Seconds of one part of a wait: a signal that comes between the last look at signals and the
#: kernel's wait does not end that wait, and is seen when the part is over.
WAIT_PART = 0.25


class Subject(Protocol):
    """What a thread waits for, as far as a report about it is concerned.

    :ivar title: what reports call it
    """

    title: str

    def describe(self) -> str:
        """Tell, in lines, where the subject stands."""

    def owns(self, frame: FrameType) -> bool:
        """Tell whether a frame of a task is the one that runs the subject."""

    def cancel(self) -> None:
        """Cancel the subject; called on the loop."""

    async def wait_ended(self) -> None:
        """Wait until the subject has ended."""


class Wait(NamedTuple):
    """One wait of a thread for something on the loop.

    :ivar seconds: deadline in seconds, ``None`` for no deadline
    :ivar waiting_for: what is awaited, in words
    :ivar subject: what is reported about, ``None`` if the call itself is all there is
    :ivar cancels_subject: whether the subject ends when the deadline passes
    :ivar error: builds the exception to raise then, from a text and ``waiting_for``
    :ivar moved: tells how many seconds are left, if the deadline was moved meanwhile
    """

    seconds: float | None
    waiting_for: str
    subject: Subject | None = None
    cancels_subject: bool = True
    error: Callable[..., DeadlineExceeded] = DeadlineExceeded
    moved: Callable[[], float] | None = None

    def seconds_left(self) -> float:
        """Return how long to wait on when ``seconds`` have passed; nothing is left of most."""
        return 0.0 if self.moved is None else self.moved()


class Answer:
    """A value that one thread gives, once, and another waits for.

    A bare lock tells by value whether it came in time. What a signal handler raises during the
    wait, a ``TimeoutError`` of a test runner too, comes out as itself.

    :ivar value: what was given
    :ivar given: whether it was given
    :ivar when_given: called by whoever gives it, ``None`` to call nothing
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.given = False
        self.when_given: Callable[[], object] | None = None
        self._lock = threading.Lock()
        self._lock.acquire()

    def give(self, value: Any = None) -> None:
        """Give the value; a second one is ignored.

        :param value: the value
        """
        if not self.given:
            self.value = value
            self.given = True
            # Two threads may come this far, and the second release is one too many.
            with contextlib.suppress(RuntimeError):
                self._lock.release()
            when_given = self.when_given
            if when_given is not None:
                when_given()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the value.

        :param seconds: how long, ``None`` for ever
        :return: whether it came
        """
        left = math.inf if seconds is None else seconds
        while not self._lock.acquire(timeout=min(WAIT_PART, left)):
            left -= WAIT_PART
            if left <= 0:
                return self.given
        # Whoever asks again has it at once.
        self._lock.release()
        return self.given


class Call:
    """One function that runs on the loop for a thread.

    :param function: a coroutine function, or a plain one
    :param args: its positional arguments
    :param keywords: its keyword arguments
    :ivar answer: ``(error, result)``, of which one is ``None``
    :ivar thread: identifier of the thread that waits
    :ivar starts_task: whether a task comes of it, which runs in the context of the caller
    """

    title = "The application"
    starts_task = True

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any] | None = None,
    ) -> None:
        self.answer = Answer()
        self.thread = threading.get_ident()
        self._function = function
        self._args = args
        self._keywords = keywords or {}
        self._scope: anyio.CancelScope | None = None
        self._cancelled = False
        self._loop_ends = False
        self._has_returned = False
        self._ended: anyio.Event | None = None

    async def run(self) -> None:
        """Run the function and answer; raises nothing."""
        if self.answer.given:
            # Nobody waits any more, for the loop was blocked; it must not be made up for later.
            return
        error: BaseException | None = None
        result: Any = None
        try:
            result = await self._perform()
        except BaseException as raised:
            # Kept from the loop: there, a SystemExit would end it for everybody.
            error = raised
        if self._loop_ends and not self._has_returned:
            # Not for the asking of whoever waits, so it is an outcome.
            error = error or anyio.get_cancelled_exc_class()()
        self.answer.give((error, result))
        if self._ended is not None:
            self._ended.set()

    async def _perform(self) -> Any:
        """Run the function where it can be cancelled, and note whether it returned."""
        result: Any = None
        with anyio.CancelScope() as self._scope:
            if self._cancelled:
                self._scope.cancel()
            result = self._function(*self._args, **self._keywords)
            if inspect.isawaitable(result) and not _is_deprecated(result):
                result = await result
            self._has_returned = True
        return result

    @property
    def is_over(self) -> bool:
        """Whether whoever waits for the call knows how it came out."""
        return self.answer.given

    def fail(self, error: BaseException) -> None:
        """Answer with an error, if there is no answer so far.

        :param error: what the waiting thread is to raise
        """
        self.answer.give((error, None))

    def describe(self) -> str:
        """Tell nothing: the stack of the function says it all."""
        return ""

    def owns(self, frame: FrameType) -> bool:
        """Tell whether a frame of a task is the one that runs this function.

        :param frame: any frame
        """
        return frame.f_code is Call.run.__code__ and frame.f_locals.get("self") is self

    def cancel(self) -> None:
        """Cancel the function; called on the loop."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    def cancel_with_loop(self) -> None:
        """Cancel the function because its asyncio loop ends; called on the loop."""
        self._loop_ends = True
        self.cancel()

    async def wait_ended(self) -> None:
        """Wait until the function has ended."""
        if not self.answer.given:
            self._ended = anyio.Event()
            await self._ended.wait()


class Watch(Call):
    """A condition on the loop that a thread waits for; it costs no task.

    :param condition: looks whether it holds; called on the loop
    :param result: returns what the thread is given then; called on the loop
    :param attach: has :meth:`look` called after each change; called on the loop
    :param starts_task: whether ``attach`` starts what is watched
    """

    def __init__(
        self,
        condition: Callable[[], bool],
        result: Callable[[], Any],
        attach: Callable[[Watch], object],
        *,
        starts_task: bool = False,
    ) -> None:
        super().__init__(condition, ())
        self.starts_task = starts_task
        self._result = result
        self._attach = attach

    def begin(self) -> None:
        """Answer at once, or as soon as the condition holds."""
        self._attach(self)

    def look(self) -> bool:
        """Answer if the condition holds; tell whether there is nothing more to look for."""
        if not self.answer.given and self._function():
            self.answer.give((None, self._result()))
        return self.answer.given

    def cancel(self) -> None:
        """Answer with what there is."""
        if not self.answer.given:
            self.answer.give((None, self._result()))


def _is_deprecated(result: object) -> bool:
    # anyio 3 lets what is a plain function by now be awaited, and warns when it is.
    return type(result).__name__.startswith("Deprecated")
