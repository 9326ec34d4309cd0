"""One call into the event loop: what runs there, how long to wait, what to report about."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

import anyio

from .exceptions import DeadlineExceeded

#: Seconds that what was cancelled, or asked to report, is given to come to its end.
GRACE = 1.0


class Subject(Protocol):
    """What a thread waits for, as far as a report about it is concerned."""

    def describe(self) -> str:
        """Tell, in lines, where the subject stands."""

    def owns(self, frame: FrameType) -> bool:
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


class Call:
    """One function that runs on the loop while a thread holds a future for its result.

    :param function: a coroutine function, or a plain one
    :param args: its positional arguments
    :ivar future: the result
    """

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.future: Future[Any] = Future()
        self._function = function
        self._args = args
        self._scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None

    async def run(self) -> None:
        """Run the function and resolve the future; raises nothing."""
        error: BaseException | None = None
        result: Any = None
        try:
            with anyio.CancelScope() as self._scope:
                result = self._function(*self._args)
                if isinstance(result, Awaitable):
                    result = await result
        except BaseException as raised:
            # Kept from the loop: there, a SystemExit would end it for everybody.
            error = raised
        self.resolve(error, result)
        if self._ended is not None:
            self._ended.set()

    def resolve(self, error: BaseException | None, result: Any = None) -> None:
        """Resolve the future, unless it is done.

        :param error: what to raise, ``None`` to return
        :param result: what to return
        """
        # Done before: whoever held the future cancelled it, or the loop's end was noted.
        with contextlib.suppress(Exception):
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)

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
        if self._scope is not None:
            self._scope.cancel()

    async def wait_ended(self) -> None:
        """Wait until the function has ended."""
        if not self.future.done():
            self._ended = anyio.Event()
            await self._ended.wait()
