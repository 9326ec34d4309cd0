"""Await something on the loop within a deadline, as a thread waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ._calls import Wait
from ._debugger import is_debugging
from ._portal import Portal

T = TypeVar("T")


async def await_within(portal: Portal, wait: Wait, function: Callable[[], Awaitable[T]]) -> T:
    """Await a coroutine function in the current task of the loop.

    :param portal: the event loop
    :param wait: the deadline, and what to report when it passes
    :param function: a coroutine function; under a debugger it may be called again
    :raises DeadlineExceeded: if the deadline passes; the function is cancelled then
    """
    while True:
        with anyio.move_on_after(wait.seconds):
            return await function()
        if not is_debugging():
            break
    assert wait.subject is not None
    report = portal.describe(wait.subject)
    if wait.cancels_subject:
        wait.subject.cancel()
        with anyio.move_on_after(portal.grace):
            await wait.subject.wait_ended()
    raise wait.error(
        f"{wait.seconds:g} s passed while waiting for {wait.waiting_for}.\n{report}",
        waiting_for=wait.waiting_for,
    )
