"""Calls whose result is had from a future, and tasks that say when they are started."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

import anyio

from ._backend import is_cancellation
from ._calls import Call


class FutureCall(Call):
    """A call whose result is had from a future, as anyio's portal gives one.

    :param function: a coroutine function, or a plain one
    :param args: its positional arguments
    :param keywords: its keyword arguments
    :param future: what to resolve
    :param is_stopping: tells whether the loop is about to end
    :param post: runs a function on the loop, a little later
    :ivar future: the result
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any] | None = None,
        *,
        future: Future[Any],
        is_stopping: Callable[[], bool],
        post: Callable[..., None],
    ) -> None:
        super().__init__(function, args, keywords)
        self.future = future
        self._is_stopping = is_stopping
        self._post = post

    async def run(self) -> None:
        """Run the function and resolve the future; raises nothing."""
        await super().run()
        error, _ = self.answer.value
        if error is not None and is_cancellation(error):
            # Perhaps the loop ends, of which not every task knows at once.
            self._post(self._resolve_unless_stopping)
        else:
            self._resolve()

    def _resolve_unless_stopping(self) -> None:
        # fail() tells of the loop's end better than the cancellation that it came by.
        if not self._is_stopping():
            self._resolve()

    @property
    def is_over(self) -> bool:
        """Whether the future is resolved."""
        return self.future.done()

    def fail(self, error: BaseException) -> None:
        """Resolve the future with an error, if it is not resolved so far.

        :param error: what its holder is to see
        """
        super().fail(error)
        self._resolve(error)

    def _resolve(self, ended: BaseException | None = None) -> None:
        error, result = self.answer.value
        if error is not None and ended is not None:
            error = ended
        # Done before: whoever holds the future cancelled it.
        with contextlib.suppress(InvalidStateError):
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)


class TaskStatus:
    """What a task that is started is given, to say when it is.

    :ivar is_started: whether it did
    """

    def __init__(self) -> None:
        self.is_started = False
        self._value: Any = None
        self._is_over = False
        self._event: anyio.Event | None = None

    def started(self, value: Any = None) -> None:
        """Say that the task is started; a second time, this does nothing.

        :param value: what to hand to who started it
        """
        if not self.is_started:
            self.is_started, self._value = True, value
            self.end()

    def end(self) -> None:
        """Wait no longer, for the task has ended."""
        self._is_over = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> Any:
        """Wait until the task is started, or has ended, and return its value."""
        if not self._is_over:
            self._event = anyio.Event()
            await self._event.wait()
        return self._value
