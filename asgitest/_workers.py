"""Run a plain function that makes client calls in a worker thread, for a coroutine on the loop."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from ._portal import Portal

T = TypeVar("T")

# anyio 4.1 renamed what lets a cancelled caller go before the thread is through.
_PARAMETERS = inspect.signature(anyio.to_thread.run_sync).parameters
_LEAVES_THREAD = "abandon_on_cancel" if "abandon_on_cancel" in _PARAMETERS else "cancellable"


class Workers:
    """The worker threads of asynchronous tests.

    Their limiter is one that the application's worker threads have no part in, so that the calls
    leave it those it needs to answer them. It lets any number through, for a call may wait for
    what another one does.
    """

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, portal: Portal, function: Callable[[], T]) -> T:
        """Run a function and return its result.

        If the caller is cancelled, so is what the function waits for on the loop.

        :param portal: the event loop
        :param function: a plain function
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(math.inf)
        worker = _Worker(portal, function)
        options: dict[str, Any] = {"limiter": self._limiter, _LEAVES_THREAD: True}
        try:
            return await anyio.to_thread.run_sync(worker.call, **options)
        finally:
            await worker.settle()


class _Worker:
    """One function in a worker thread."""

    def __init__(self, portal: Portal, function: Callable[[], Any]) -> None:
        self._portal = portal
        self._function = function
        self._thread: int | None = None
        self._has_ended = False
        self._ended = anyio.Event()

    def call(self) -> Any:
        self._thread = threading.get_ident()
        try:
            return self._function()
        finally:
            self._has_ended = True
            self._portal.post(self._ended.set)

    async def settle(self) -> None:
        """End the client call that the thread waits in, if its caller did not wait for it."""
        if self._thread is not None and not self._has_ended:
            self._portal.break_off(self._thread)
            with anyio.move_on_after(self._portal.grace, shield=True):
                await self._ended.wait()
