"""Let other tasks run, as anyio's checkpoints do, without finding out each time what runs them.

Each message of an application passes one of these. On asyncio, the shield of the second one is
raised only where there is something to be shielded from.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable

import anyio.lowlevel


def checkpoint(backend_is_trio: bool) -> Awaitable[None]:
    """Let other tasks run once; a cancelled task is told.

    :param backend_is_trio: whether the loop is trio's
    """
    if backend_is_trio:
        import trio

        return trio.lowlevel.checkpoint()
    import asyncio

    return asyncio.sleep(0)


def cancel_shielded_checkpoint(backend_is_trio: bool) -> Awaitable[None]:
    """Let other tasks run once; a task that a cancel scope has cancelled before goes on.

    :param backend_is_trio: whether the loop is trio's
    """
    if backend_is_trio:
        import trio

        return trio.lowlevel.cancel_shielded_checkpoint()
    import asyncio

    if _may_be_cancelled(asyncio.current_task()):
        return anyio.lowlevel.cancel_shielded_checkpoint()
    return asyncio.sleep(0)


def _may_be_cancelled(task: object) -> bool:
    """Tell whether a cancel scope round a task of asyncio is cancelled, or nobody can tell."""
    # anyio says it in public as well, after it has found out on which library it runs.
    states = getattr(sys.modules.get("anyio._backends._asyncio"), "_task_states", None)
    if states is None:
        return True
    scope = getattr(states.get(task), "cancel_scope", None)
    while scope is not None:
        if scope.cancel_called or not hasattr(scope, "_parent_scope"):
            return True
        scope = scope._parent_scope
    return False
