"""Hold an asynchronous context manager open on the loop for a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


class _HeldOpen:
    """One asynchronous context manager, entered and left in one task, as task groups demand."""

    def __init__(self, manager: AbstractAsyncContextManager[Any]) -> None:
        self._manager = manager
        self._entered = anyio.Event()
        self._leave = anyio.Event()
        self._left = anyio.Event()
        self._value: Any = None
        self._body_error: BaseException | None = None
        self._own_error: BaseException | None = None

    async def run(self) -> None:
        try:
            async with self._manager as self._value:
                self._entered.set()
                await self._leave.wait()
                if self._body_error is not None:
                    raise self._body_error
        except BaseException as error:
            self._own_error = error
        finally:
            self._entered.set()
            self._left.set()

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


@contextlib.contextmanager
def held_open(
    spawn: Callable[..., None],
    call: Callable[..., Any],
    manager: AbstractAsyncContextManager[T],
) -> Iterator[T]:
    """Present an asynchronous context manager as a plain one.

    :param spawn: starts a coroutine function on the loop
    :param call: runs a coroutine function on the loop and waits for its result
    :param manager: the context manager
    """
    held = call(_HeldOpen, manager)
    spawn(held.run)
    value = call(held.enter)
    try:
        yield value
    except BaseException as error:
        if not call(held.leave, error):
            raise
    else:
        call(held.leave, None)
