"""What stands on an event loop as long as an application runs there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from typing import Any

import anyio
import anyio.lowlevel

from ._backend import cancel_tasks, running_loop
from ._calls import Call, Watch
from ._generators import GeneratorCloser
from ._origins import Origins
from ._report import describe_leftovers
from ._started_tasks import started_tasks


class ServedLoop:
    """The root task on an event loop, and the group of all tasks that are started there.

    :param backend: ``"asyncio"`` or ``"trio"``
    :param generators: closes the async generators that tasks of the loop drop
    :ivar loop: the loop, ``None`` before it runs
    :ivar stopping: whether the loop takes no more tasks, for it is about to end
    :ivar own_tasks: ids of the tasks that are not the application's
    :ivar leftovers: descriptions of what did not end when it was cancelled
    """

    def __init__(self, backend: str, generators: GeneratorCloser) -> None:
        self.loop: Any = None
        self.stopping = False
        self.own_tasks: set[int] = set()
        self.leftovers: list[str] = []
        #: Ids of the tasks on the loop that belong to other clients.
        self.foreign_tasks: Callable[[], set[int]] = set
        self._backend = backend
        self._generators = generators
        self._origins = Origins()
        self._call_soon: Callable[..., object] = _not_running
        #: Runs a plain function in the next turn; called on the loop.
        self.call_next: Callable[..., object] = _not_running
        self._tasks = started_tasks(backend)
        self._stop_wanted: Any = None

    async def serve(self, ready: Callable[[], object]) -> bool:
        """Hold the loop open until :meth:`want_stop`, then cancel what is left on it.

        :param ready: called when tasks can be started
        :return: whether there were tasks on the loop that nobody waited for
        """
        try:
            async with self._tasks:
                self._stop_wanted = anyio.Event()
                self.own_tasks = {task.id for task in anyio.get_running_tasks()}
                self._generators.install()
                self._origins.install(self._backend)
                self.loop, call_soon, self.call_next = running_loop(self._backend)
                if self._call_soon is _not_running:
                    self._call_soon = call_soon
                ready()
                try:
                    await self._stop_wanted.wait()
                finally:
                    # Before the tasks are waited for: some of them clean up slowly.
                    self.stopping = True
                self._tasks.cancel()
            has_others = self._has_others()
            if has_others:
                self.leftovers = list((await self.find_leftovers()).values())
            return has_others
        finally:
            self.stopping = True
            self._origins.uninstall()

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Run a plain function on the loop, from any thread.

        :param function: a function that does not raise
        :param args: its positional arguments
        :raises RuntimeError: if the loop does not run, or has ended
        """
        self._call_soon(function, *args)

    def post_by(self, call_soon: Callable[..., object]) -> None:
        """Have :meth:`call_soon` take another way than the one that the running loop offers.

        :param call_soon: does the same, from any thread
        """
        self._call_soon = call_soon

    def start_call(self, call: Call, name: str | None = None) -> None:
        """Begin a call; called on the loop, or while an asyncio loop stands still.

        :param call: what runs on the loop
        :param name: what reports call its task
        """
        if isinstance(call, Watch):
            call.begin()
            return
        # A loop that has ended takes no more tasks; its end resolves the calls it has.
        with contextlib.suppress(RuntimeError):
            self._tasks.start(call, name or _CALL_NAME)

    def want_stop(self) -> None:
        """Have :meth:`serve` end; called on the loop."""
        self.stopping = True
        self._stop_wanted.set()

    def describe_leftovers(self, known: Collection[int] = ()) -> dict[int, str]:
        """Return texts about the application's tasks, by their ids; called on the loop.

        :param known: ids of coroutines whose tasks may stay
        """
        skipped = self.own_tasks | self.foreign_tasks()
        return describe_leftovers(skipped, self._origins.describe, known)

    def coroutines(self) -> dict[int, Any]:
        """Return the coroutines of all tasks, by their ids; called on the loop."""
        return {id(task.coro): task.coro for task in anyio.get_running_tasks()}

    async def find_leftovers(self, known: Collection[int] = ()) -> dict[int, str]:
        """Return texts about the tasks that do not end within their next few steps.

        :param known: ids of coroutines whose tasks may stay
        """
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        return self.describe_leftovers(known)

    def _has_others(self) -> bool:
        ids = {task.id for task in anyio.get_running_tasks()}
        return not ids <= self.own_tasks | self.foreign_tasks()

    async def cancel_leftovers(self, grace: float) -> dict[int, str]:
        """Do as :meth:`find_leftovers`, and cancel what was found.

        :param grace: seconds that it is given to end
        """
        left = await self.find_leftovers()
        with anyio.move_on_after(grace):
            await cancel_tasks(left)
        return left


_CALL_NAME = f"{Call.__module__}.{Call.run.__qualname__}"


def _not_running(*args: Any) -> None:
    raise RuntimeError("the event loop does not run")
