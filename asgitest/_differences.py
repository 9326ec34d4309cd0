"""The difference between two values, line by line."""

from __future__ import annotations

import difflib
import pprint
from typing import Any

# Characters of two values up to which their difference is shown character by character.
_FINE_DIFFERENCE_LIMIT = 4000


def describe_difference(expected: Any, came: Any, limit: int | None) -> str:
    """Return the difference between two values, line by line.

    :param expected: the one value
    :param came: the other
    :param limit: characters to show, ``None`` for all
    """
    lines = _lines(expected), _lines(came)
    difference = ""
    # The finer kind of difference takes time that grows with the square of the length.
    if sum(map(len, lines[0])) + sum(map(len, lines[1])) <= _FINE_DIFFERENCE_LIMIT:
        difference = "\n".join(difflib.ndiff(*lines))
    if not difference or (limit is not None and len(difference) > limit):
        # Without the lines that are equal, so that what is shown is the difference.
        unified = difflib.unified_diff(*lines, "expected", "came", n=1, lineterm="")
        difference = "\n".join(unified)
    if limit is None or len(difference) <= limit:
        return difference
    shown = difference[: difference.rfind("\n", 0, limit) + 1] or difference[:limit] + "\n"
    return (
        f"{shown}... (the difference is {len(difference)} characters long; set self.maxDiff to "
        f"None to see it all)"
    )


def _lines(value: Any) -> list[str]:
    return value.splitlines() if isinstance(value, str) else pprint.pformat(value).splitlines()
