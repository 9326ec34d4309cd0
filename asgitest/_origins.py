"""Know the line that created a task."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from ._backend import notice_tasks
from ._stacks import describe_line

# What stands between whoever wants a task and the function that makes it.
_MACHINERY = frozenset({"anyio", "asyncio", "contextlib", "trio", "uvloop"})
_PACKAGE = __name__.partition(".")[0]


def _not_installed() -> None:
    """Do nothing."""


class Origins:
    """The lines that created the tasks of one event loop.

    They are noted in the creating call itself, for nobody knows them later.
    """

    def __init__(self) -> None:
        self._lines: weakref.WeakKeyDictionary[Any, tuple[CodeType, int]] = (
            weakref.WeakKeyDictionary()
        )
        #: Ends the noting of new tasks; called on the loop.
        self.uninstall: Callable[[], None] = _not_installed

    def install(self, backend: str) -> None:
        """Begin to note the tasks of the running loop.

        :param backend: ``"asyncio"`` or ``"trio"``
        """
        self.uninstall = notice_tasks(backend, self._note)

    def describe(self, task: int) -> str:
        """Return the line that created a task as a traceback shows it, ``""`` if nobody knows.

        :param task: id of the task
        """
        for known, (code, line) in list(self._lines.items()):
            if id(known) == task:
                return describe_line(code, line)
        return ""

    def _note(self, task: Any) -> None:
        # From behind this function and the one of _backend that calls it.
        frame: FrameType | None = sys._getframe(2)
        module = _PACKAGE
        while (
            frame is not None
            and (module := frame.f_globals.get("__name__", "").partition(".")[0]) in _MACHINERY
        ):
            frame = frame.f_back
        # Those of ours nobody leaves behind.
        if frame is not None and module != _PACKAGE:
            self._lines[task] = (frame.f_code, frame.f_lineno)
