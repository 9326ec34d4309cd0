"""Text that is added to an exception on its way to whoever shows it."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, cast

from .exceptions import WebSocketDisconnect


def text_of(error: BaseException) -> str:
    """Return what is shown of an exception beside its type, ``""`` if it cannot tell.

    :param error: the exception
    """
    try:
        text = str(error)
    except Exception:
        return ""
    return "\n".join([text, *getattr(error, "__notes__", ())])


def append_text(error: BaseException, text: str) -> None:
    """Have a text shown behind what an exception says, by unittest and pytest alike.

    :param error: the exception; one that lets nothing be changed stays as it is
    :param text: what to show
    """
    with contextlib.suppress(Exception):
        if sys.version_info < (3, 11) and not hasattr(error, "add_note"):
            amend(error, text)
            return
        cast(Any, error).add_note(text)


def remove_text(error: BaseException, text: str) -> None:
    """Take back what :func:`append_text` did.

    :param error: the exception
    :param text: what is shown
    """
    restore(error)
    notes = getattr(error, "__notes__", [])
    if text in notes:
        notes.remove(text)


# -- where Python knows no notes ---------------------------------------------------------------


def amend(error: BaseException, text: str) -> None:
    """Have a text be the end of what an exception says; one that says its own words stays.

    :param error: the exception
    :param text: what to show
    """
    if isinstance(error, WebSocketDisconnect):
        # It is made of its attributes.
        error._addition = f"\n{text}"
        return
    args = error.args
    amended = _Amended(f"{text_of(error)}\n{text}")
    amended.args = args
    error.args = (amended,)
    if not text_of(error).endswith(text):
        error.args = args


def restore(error: BaseException) -> None:
    """Take back what :func:`amend` did.

    :param error: the exception
    """
    if isinstance(error, WebSocketDisconnect):
        error._addition = ""
    elif error.args and isinstance(error.args[0], _Amended):
        error.args = error.args[0].args


class _Amended(str):
    """Text that is the same for ``repr``, by which a ``KeyError`` shows its key.

    :ivar args: the arguments in whose place it stands
    """

    args: tuple[Any, ...]

    def __repr__(self) -> str:
        return str(self)
