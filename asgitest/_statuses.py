"""Which statuses an assertion expects: whether one is among them, and how they are called."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ._raw_response import describe_status

_NO_COLLECTIONS = (bytes, bytearray, dict)


def matches_status(status: int, expected: Any) -> bool:
    """Tell whether a status is an expected one.

    :param status: the status
    :param expected: an ``int``, an :class:`http.HTTPStatus`, a class of statuses such as
        ``"2xx"``, or a collection of these
    :raises TypeError: if what is expected is none of these
    """
    if isinstance(expected, str):
        return status // 100 == _status_class(expected)
    if isinstance(expected, int) and not isinstance(expected, bool):
        return status == int(expected)
    if isinstance(expected, Collection) and expected and not isinstance(expected, _NO_COLLECTIONS):
        # A list, so that every item is checked to be a status.
        return True in [matches_status(status, one) for one in expected]
    raise _not_a_status(expected)


def describe_expected_status(expected: Any) -> str:
    """Return what :func:`matches_status` takes, in words.

    :param expected: a status, a class or a collection of these
    """
    if isinstance(expected, str):
        return expected
    if isinstance(expected, int):
        return describe_status(int(expected))
    if isinstance(expected, range) and expected.step == 1:
        return f"from {expected[0]} to {expected[-1]}"
    return "one of " + ", ".join(describe_expected_status(one) for one in expected)


def _status_class(expected: str) -> int:
    digit, rest = expected[:1], expected[1:].lower()
    if digit.isdecimal() and rest == "xx":
        return int(digit)
    raise _not_a_status(expected)


def _not_a_status(expected: Any) -> TypeError:
    return TypeError(
        f"an expected status must be an int, an HTTPStatus, a class such as '2xx', or a "
        f"collection of these, not {expected!r}"
    )
