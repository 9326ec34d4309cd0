"""Warn at the line that led to it, of the application or of the test."""

from __future__ import annotations

import functools
import sys
import traceback
import warnings
from collections import deque
from types import FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

from ._stacks import is_ours
from .exceptions import ASGIWarning, ProtocolError

# What stands between us and the test, such as where a context manager or a cleanup is ours.
_BETWEEN = ("contextlib", "unittest", "requests", "urllib3")


def warn(text: str, category: type[Warning]) -> None:
    """Warn, with the innermost line outside this package as the place.

    :param text: what to say
    :param category: class of the warning
    """
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        is_ours(frame.f_code.co_filename) or _module(frame).partition(".")[0] in _BETWEEN
    ):
        frame = frame.f_back
        level += 1
    warnings.warn(text, category, stacklevel=level)


class Place(NamedTuple):
    """A line of code, as :func:`warnings.warn_explicit` wants to know it.

    :ivar filename: the file
    :ivar line: number of the line
    :ivar module: name of the module
    :ivar module_globals: the module's variables, where Python notes what it has warned of
    """

    filename: str
    line: int
    module: str
    module_globals: dict[str, Any]


class Breach(NamedTuple):
    """A breach of a rule that is accepted with a warning.

    :ivar error: what the application did
    :ivar place: the line of the application that did it, ``None`` if that is not known
    """

    error: ProtocolError
    place: Place | None


def calling_place() -> Place:
    """Return the innermost line outside this package that the calling code was called from."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno, _module(frame), frame.f_globals)


def defining_place(application: object) -> Place | None:
    """Return the line where an application is defined, ``None`` if it is no function.

    :param application: what a client was given
    """
    while isinstance(application, functools.partial):
        application = application.func
    if not isinstance(application, (FunctionType, MethodType)):
        return None
    function = application.__func__ if isinstance(application, MethodType) else application
    code, module_globals = function.__code__, function.__globals__
    return Place(code.co_filename, code.co_firstlineno, function.__module__, module_globals)


def raising_place(error: BaseException) -> Place | None:
    """Return the line that an exception was raised in, ``None`` if that is not known.

    :param error: what the application raised
    """
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not is_ours(frame.f_code.co_filename):
            place = Place(frame.f_code.co_filename, line, _module(frame), frame.f_globals)
    return place


def warn_of(breaches: deque[Breach]) -> None:
    """Warn of breaches, each at the application's own line where that is known, and forget them.

    :param breaches: what is to be told
    :raises ASGIWarning: if warnings are errors
    """
    while breaches:
        breach = breaches.popleft()
        place = breach.place
        if place is None:
            warn(str(breach.error), ASGIWarning)
        else:
            warnings.warn_explicit(
                str(breach.error),
                ASGIWarning,
                place.filename,
                place.line,
                module=place.module,
                registry=place.module_globals.setdefault("__warningregistry__", {}),
                module_globals=place.module_globals,
            )


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
