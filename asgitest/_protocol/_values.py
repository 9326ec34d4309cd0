"""Check that a message holds nothing but values that every server can pass on (EVT-02)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

from ..exceptions import ProtocolError
from ._rule import Verdict
from ._rules import Judge
from ._texts import shorten

# Signed, of 64 bits.
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def check_values(
    message_type: str, message: dict[Any, Any], known: Collection[str], judge: Judge
) -> None:
    """Judge the keys of a message that no rule of their own is about.

    :param message_type: type of the message
    :param message: what was passed to ``send()``
    :param known: keys that have rules of their own
    :param judge: knows what is accepted
    :raises ProtocolError: if a value is not accepted
    """
    others = {key: value for key, value in message.items() if key not in known}
    for path, problem in _problems("", others, set()):
        judge(
            ProtocolError(
                f"{message_type}: {path or 'the message'} must be a value that can be passed on "
                f"to another process (bytes, str, int of 64 bits, finite float, bool, None, list "
                f"or dict with str keys), not {problem}",
                rule="EVT-02",
                message_type=message_type,
            ),
            Verdict.LENIENT,
        )


def _problems(path: str, value: object, outer: set[int]) -> Iterator[tuple[str, str]]:
    if id(value) in outer:
        # It has no end.
        yield path, "one that holds itself"
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            inner = f"{path}[{key!r}]" if path else str(key)
            if isinstance(value, dict) and not isinstance(key, str):
                yield path, f"a dict with the key {shorten(key)}"
            else:
                yield from _problems(inner, item, outer | {id(value)})
    elif not _is_plain(value):
        yield path, f"{type(value).__name__}: {shorten(value)}"


def _is_plain(value: object) -> bool:
    if isinstance(value, bool) or value is None or isinstance(value, (bytes, str)):
        return True
    if isinstance(value, int):
        return _LEAST <= value <= _GREATEST
    return isinstance(value, float) and math.isfinite(value)
