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
    :param is_stopping: tells whether the loop is about to end
    :ivar future: the result
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any] | None = None,
        *,
        is_stopping: Callable[[], bool],
    ) -> None:
        super().__init__(function, args, keywords)
        self.future: Future[Any] = Future()
        self._is_stopping = is_stopping

    async def run(self) -> None:
        """Run the function and resolve the future; raises nothing."""
        await super().run()
        error, _ = self.answer.value
        if not (error is not None and is_cancellation(error) and self._is_stopping()):
            self._resolve()
        # Else the loop ends, which fail() tells better than the cancellation it came by.

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
    """What a task that is started is given, to say when it is."""

    def __init__(self) -> None:
        self._value: Any = None
        self._is_started = False
        self._event: anyio.Event | None = None

    def started(self, value: Any = None) -> None:
        """Say that the task is started; a second time, this does nothing.

        :param value: what to hand to who started it
        """
        if not self._is_started:
            self._is_started, self._value = True, value
            if self._event is not None:
                self._event.set()

    async def wait(self) -> Any:
        """Wait until the task is started, and return its value."""
        if not self._is_started:
            self._event = anyio.Event()
            await self._event.wait()
        return self._value
