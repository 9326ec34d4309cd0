"""What an assertion expects of a text: that it is equal, or that a pattern is found in it."""

from __future__ import annotations

import re
from typing import Any


def check_expectation(expected: Any, what: str) -> None:
    """Refuse what no text can be compared with.

    :param expected: a ``str``, an ``int``, or a compiled pattern for ``str``
    :param what: what is expected to be so, in words
    :raises TypeError: if it is none of these
    """
    is_pattern = isinstance(expected, re.Pattern) and isinstance(expected.pattern, str)
    if not (isinstance(expected, (str, int)) or is_pattern) or isinstance(expected, bool):
        raise TypeError(
            f"{what} must be expected as a str, an int or a compiled pattern for str, "
            f"not {expected!r}"
        )


def matches_text(text: str, expected: Any) -> bool:
    """Tell whether a text is as expected.

    :param text: the text
    :param expected: the text, a number, or a pattern that has to be found in it
    """
    if isinstance(expected, re.Pattern):
        return expected.search(text) is not None
    return text == str(expected)


def describe_expectation(expected: Any) -> str:
    """Return what :func:`matches_text` takes, in words.

    :param expected: a text, a number, or a pattern
    """
    if isinstance(expected, re.Pattern):
        return f"matching {expected.pattern!r}"
    return repr(str(expected))
