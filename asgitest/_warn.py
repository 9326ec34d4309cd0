"""Warn at the line of the test that led to it."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from ._stacks import is_ours

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


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
