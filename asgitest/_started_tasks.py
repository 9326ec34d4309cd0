"""Start tasks on a loop, and end all of them together."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from ._backend import running_loop, wait_for_tasks
from ._calls import Call


class StartedTasks(AbstractAsyncContextManager[Any]):
    """The tasks of calls; its ``async with`` block lasts until the last one has ended.

    Leaving the block by an exception cancels them.
    """

    @abstractmethod
    def start(self, call: Call, name: str) -> None:
        """Start the task of a call; called on the loop.

        :param call: what runs in it
        :param name: what reports call the task
        :raises RuntimeError: if the block was left
        """

    @abstractmethod
    def cancel(self) -> None:
        """Cancel all tasks, and those to come."""


def started_tasks(backend: str) -> StartedTasks:
    """Return what starts tasks on a loop.

    :param backend: ``"asyncio"`` or ``"trio"``
    """
    return GroupedTasks() if backend == "trio" else PlainTasks()


class GroupedTasks(StartedTasks):
    """Tasks in a task group, without which trio has none."""

    def __init__(self) -> None:
        self._group: Any = None

    async def __aenter__(self) -> None:
        """Begin to take calls."""
        self._group = anyio.create_task_group()
        await self._group.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        """Wait until the last task has ended."""
        await self._group.__aexit__(*raised)

    def start(self, call: Call, name: str) -> None:
        """Start the task of a call; called on the loop.

        :param call: what runs in it
        :param name: what reports call the task
        """
        self._group.start_soon(call.run, name=name)

    def cancel(self) -> None:
        """Cancel all tasks, and those to come."""
        self._group.cancel_scope.cancel()


class PlainTasks(StartedTasks):
    """Tasks of asyncio in no task group, for one costs as much as all the rest of a call.

    Each has a cancel scope of its own, in its call.
    """

    def __init__(self) -> None:
        # asyncio keeps no task that waits for something which nobody else knows.
        self._calls: dict[Any, Call] = {}
        self._is_cancelled = False
        self._loop: Any = None

    async def __aenter__(self) -> None:
        """Begin to take calls."""
        self._loop, _, _ = running_loop("asyncio")

    async def __aexit__(self, *raised: Any) -> None:
        """Wait until the last task has ended."""
        if raised[0] is not None:
            self.cancel()
        if self._calls:
            with anyio.CancelScope(shield=True):
                await wait_for_tasks(self._calls)
        # As a task group does at its end.
        self._loop = None

    def start(self, call: Call, name: str) -> None:
        """Start the task of a call; called on the loop, or while it stands still.

        :param call: what runs in it
        :param name: what reports call the task
        :raises RuntimeError: if the block is left
        """
        if self._loop is None:
            raise RuntimeError("the event loop has ended")
        task = self._loop.create_task(call.run(), name=name)
        self._calls[task] = call
        task.add_done_callback(self._calls.pop)
        if self._is_cancelled:
            call.cancel_with_loop()

    def cancel(self) -> None:
        """Cancel all tasks, and those to come."""
        self._is_cancelled = True
        for call in list(self._calls.values()):
            call.cancel_with_loop()
