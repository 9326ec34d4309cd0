"""Hold an asynchronous context manager open on the loop for a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any, TypeVar

import anyio

from ._calls import Wait
from ._protocol._texts import shorten

T = TypeVar("T")


class _HeldOpen:
    """One asynchronous context manager, entered and left in one task, as task groups demand."""

    title = "The application"

    def __init__(self, manager: AbstractAsyncContextManager[Any]) -> None:
        self._manager = manager
        self._entered = anyio.Event()
        self._leave = anyio.Event()
        self._left = anyio.Event()
        self._scope = anyio.CancelScope()
        self._value: Any = None
        self._body_error: BaseException | None = None
        self._own_error: BaseException | None = None

    async def run(self) -> None:
        try:
            with self._scope:
                async with self._manager as self._value:
                    self._entered.set()
                    await self._end_of_body()
        except BaseException as error:
            self._own_error = error
        finally:
            self._entered.set()
            self._left.set()

    async def _end_of_body(self) -> None:
        await self._leave.wait()
        if self._body_error is not None:
            raise self._body_error

    async def enter(self) -> Any:
        await self._entered.wait()
        if self._own_error is not None:
            raise self._own_error
        return self._value

    async def leave(self, error: BaseException | None) -> bool:
        """Leave the manager; tell whether it swallowed the error of the block."""
        self._body_error = error
        self._leave.set()
        await self._left.wait()
        if self._own_error is not None and self._own_error is not error:
            raise self._own_error
        return error is not None and self._own_error is None

    def describe(self) -> str:
        return ""

    def owns(self, frame: FrameType) -> bool:
        return frame.f_code is _HeldOpen.run.__code__ and frame.f_locals.get("self") is self

    def cancel(self) -> None:
        self._scope.cancel()

    async def wait_ended(self) -> None:
        await self._left.wait()


@contextlib.contextmanager
def held_open(
    spawn: Callable[..., None],
    run: Callable[..., Any],
    manager: AbstractAsyncContextManager[T],
    seconds: float | None,
) -> Iterator[T]:
    """Present an asynchronous context manager as a plain one.

    :param spawn: starts a coroutine function on the loop
    :param run: runs a coroutine function on the loop and waits for its result
    :param manager: the context manager
    :param seconds: deadline of entering and of leaving, ``None`` for none
    """
    name = shorten(manager)
    held = run(Wait(seconds, f"the loop to take {name}"), _HeldOpen, manager)
    spawn(held.run)
    value = run(Wait(seconds, f"{name} to be entered", held), held.enter)
    leaving = Wait(seconds, f"{name} to be left", held)
    try:
        yield value
    except BaseException as error:
        if not run(leaving, held.leave, error):
            raise
    else:
        run(leaving, held.leave, None)
