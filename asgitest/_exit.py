"""End event loops when the interpreter does, early enough."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Protocol


class Stoppable(Protocol):
    """What can be told to end without waiting for it."""

    def post_stop(self) -> None:
        """Begin to end."""


_running: weakref.WeakSet[Any] = weakref.WeakSet()
_registered: list[bool] = []


def stop_at_exit(portal: Stoppable) -> None:
    """Have an event loop end with the interpreter, unless it is collected before.

    Worker threads of a loop are no daemons: the interpreter waits for them before it calls what
    :mod:`atexit` knows, and they end only when their loop does.

    :param portal: the owner of the loop
    """
    if not _registered:
        # Without a public name so far; concurrent.futures ends its own threads by it.
        register: Any = getattr(threading, "_register_atexit")  # noqa: B009
        register(_post_stop_to_all)
        _registered.append(True)
    _running.add(portal)


def _post_stop_to_all() -> None:
    for portal in list(_running):
        portal.post_stop()
