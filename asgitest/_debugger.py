"""Tell whether somebody is debugging, for then no deadline counts."""

from __future__ import annotations

import sys
import threading
from typing import Any

_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "_pydev_bundle")


def is_debugging() -> bool:
    """Tell whether a debugger is attached, or waits at its prompt in any thread.

    A trace function alone is not enough, because measuring coverage sets one too.
    """
    return (
        _is_debugger(sys.gettrace())
        or _is_debugger(threading.gettrace())
        or _has_monitoring_debugger()
        or any(_is_stopped(frame) for frame in sys._current_frames().values())
    )


def _has_monitoring_debugger() -> bool:
    monitoring: Any = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def _is_debugger(trace: Any) -> bool:
    if trace is None:
        return False
    owner = getattr(trace, "__self__", trace)
    classes = type(owner).__mro__ if owner is not trace else ()
    modules = [getattr(trace, "__module__", None), *(cls.__module__ for cls in classes)]
    return any(_names_debugger(module) for module in modules)


def _names_debugger(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _DEBUGGERS


def _is_stopped(frame: Any) -> bool:
    while frame is not None:
        if _names_debugger(frame.f_globals.get("__name__")):
            return True
        # When it lets a program go on, bdb forgets its trace function in the outermost frame.
        if frame.f_back is not None and _is_debugger(frame.f_trace):
            return True
        frame = frame.f_back
    return False
