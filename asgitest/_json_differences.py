"""The differences between two pieces of JSON, each with its path."""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ._protocol._texts import shorten

_MISSING: Any = object()
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Characters of a value that a difference shows.
_VALUE_LIMIT = 120
# Characters that a difference of long texts shows before and behind the first that differs.
_CONTEXT = 20
# Pairs of items up to which lists of different lengths are aligned before they are compared.
_ALIGNED_PAIRS = 250_000
# Differences among which those are looked for that amount to a swap.
_SWAP_CANDIDATES = 30


class Difference(NamedTuple):
    """One place in which a piece of JSON is not as expected.

    :ivar path: where it is, as a JSONPath
    :ivar text: what is wrong there
    :ivar expected: the value that was expected, if one was and another came
    :ivar came: the value that came, if it did
    """

    path: str
    text: str
    expected: Any = _MISSING
    came: Any = _MISSING


def find_differences(expected: Any, came: Any, path: str = "$") -> Iterator[Difference]:
    """Yield the differences between two pieces of JSON.

    ``True`` is no ``1`` here. A tuple is a list; any other object is compared by its ``==``.

    :param expected: what was expected
    :param came: what came
    :param path: where the two are
    """
    if isinstance(expected, dict) and isinstance(came, dict):
        yield from _compare_objects(expected, came, path)
    elif isinstance(expected, (list, tuple)) and isinstance(came, list):
        yield from _compare_lists(expected, came, path)
    elif not _is_equal(expected, came):
        yield _other_value(expected, came, path)


def find_missing(subset: Any, came: Any, path: str = "$") -> Iterator[Difference]:
    """Yield what a piece of JSON does not contain.

    An object contains one with some of its keys, if their values contain each other. A list
    contains one whose items are contained in some of its own, in the same order.

    :param subset: what it has to contain
    :param came: what came
    :param path: where the two are
    """
    if isinstance(subset, dict) and isinstance(came, dict):
        for key, value in subset.items():
            if key in came:
                yield from find_missing(value, came[key], _member(path, key))
            else:
                yield Difference(
                    _member(path, key), f"is missing, expected {_show(value)}{_keys_of(came)}"
                )
    elif isinstance(subset, (list, tuple)) and isinstance(came, list):
        yield from _find_missing_items(subset, came, path)
    elif not _is_equal(subset, came):
        yield _other_value(subset, came, path)


def describe_differences(differences: Sequence[Difference], limit: int | None) -> str:
    """Return differences one a line.

    :param differences: at least one
    :param limit: characters to show, ``None`` for all; the first difference is shown anyway
    """
    lines = [
        line
        for difference in differences
        for line in f"{difference.path} {difference.text}".splitlines()
    ]
    lines += _find_swaps(differences[:_SWAP_CANDIDATES])
    shown, length = 0, 0
    while shown < len(lines) and (limit is None or not shown or length < limit):
        length += len(lines[shown]) + 1
        shown += 1
    if shown < len(lines):
        more = len(lines) - shown
        lines[shown:] = [f"... ({more} more lines; set self.maxDiff to None to see them all)"]
    return textwrap.indent("\n".join(lines), "  ")


# -- comparing -----------------------------------------------------------------------------------


def _is_equal(expected: Any, came: Any) -> bool:
    # JSON tells true from 1, and Python does not.
    if isinstance(expected, (bool, int, float)) and isinstance(came, bool) is not isinstance(
        expected, bool
    ):
        return False
    return bool(expected == came)


def _compare_objects(
    expected: dict[Any, Any], came: dict[str, Any], path: str
) -> Iterator[Difference]:
    for key, value in expected.items():
        if key in came:
            yield from find_differences(value, came[key], _member(path, key))
        else:
            yield Difference(_member(path, key), f"is missing, expected {_show(value)}")
    for key, value in came.items():
        if key not in expected:
            yield Difference(_member(path, key), f"is not expected: {_show(value)}")


def _compare_lists(expected: Sequence[Any], came: list[Any], path: str) -> Iterator[Difference]:
    if len(expected) == len(came):
        for number, (one, other) in enumerate(zip(expected, came, strict=False)):
            yield from find_differences(one, other, f"{path}[{number}]")
        return
    yield Difference(path, f"expected {_count(expected)}, but there are {len(came)}")
    for first, last, begin, end in _unequal_parts(expected, came):
        paired = min(last - first, end - begin)
        for step in range(paired):
            number = begin + step
            yield from find_differences(expected[first + step], came[number], f"{path}[{number}]")
        for number in range(first + paired, last):
            lacking = f"lacks an item, expected at [{number}]: {_show(expected[number])}"
            yield Difference(path, lacking)
        for number in range(begin + paired, end):
            yield Difference(f"{path}[{number}]", f"is not expected: {_show(came[number])}")


def _unequal_parts(expected: Sequence[Any], came: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the parts in which two lists differ, so that what is equal stands beside itself."""
    if len(expected) * len(came) > _ALIGNED_PAIRS:
        yield 0, len(expected), 0, len(came)
        return
    lines = [[_canonical(item) for item in items] for items in (expected, came)]
    matcher = difflib.SequenceMatcher(None, lines[0], lines[1], autojunk=False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag != "equal":
            yield first, last, begin, end


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr, skipkeys=True)


def _find_missing_items(subset: Sequence[Any], came: list[Any], path: str) -> Iterator[Difference]:
    position = 0
    for item in subset:
        number = position
        while number < len(came) and next(find_missing(item, came[number], ""), None) is not None:
            number += 1
        if number < len(came):
            position = number + 1
        else:
            yield Difference(path, _describe_missing_item(item, came, position, path))


def _describe_missing_item(item: Any, came: list[Any], position: int, path: str) -> str:
    behind = f" behind [{position - 1}]" if position else ""
    text = f"has no item{behind} that contains {_show(item)}"
    candidates = [
        list(find_missing(item, came[number], f"{path}[{number}]"))
        for number in range(position, len(came))
    ]
    if not candidates:
        return f"{text}; it has {len(came)}"
    closest = min(candidates, key=len)[0]
    return f"{text}; the closest one:\n" + textwrap.indent(f"{closest.path} {closest.text}", "  ")


# -- texts ---------------------------------------------------------------------------------------


def _other_value(expected: Any, came: Any, path: str) -> Difference:
    text = f"expected {_show(expected)}, but it is {_show(came)}"
    if isinstance(expected, str) and isinstance(came, str) and max(len(expected), len(came)) > 60:
        text += _first_difference(expected, came)
    return Difference(path, text, expected, came)


def _first_difference(expected: str, came: str) -> str:
    pairs = enumerate(zip(expected, came, strict=False))
    shorter = min(len(expected), len(came))
    place = next((number for number, (one, other) in pairs if one != other), shorter)
    part = slice(max(place - _CONTEXT, 0), place + _CONTEXT)
    return f"; from character {place} on they differ: {expected[part]!r}, {came[part]!r}"


def _show(value: Any) -> str:
    return shorten(value, _VALUE_LIMIT)


def _count(items: Sequence[Any]) -> str:
    return "1 item" if len(items) == 1 else f"{len(items)} items"


def _keys_of(came: dict[str, Any]) -> str:
    return f"; the keys there are {shorten(list(came), _VALUE_LIMIT)}"


def _member(path: str, key: Any) -> str:
    if isinstance(key, str) and _NAME.fullmatch(key):
        return f"{path}.{key}"
    return f"{path}[{shorten(key, _VALUE_LIMIT)}]"


def _find_swaps(differences: Sequence[Difference]) -> Iterator[str]:
    others = [difference for difference in differences if difference.came is not _MISSING]
    for number, one in enumerate(others):
        for other in others[number + 1 :]:
            if _is_equal(one.expected, other.came) and _is_equal(other.expected, one.came):
                yield f"The values of {one.path} and {other.path} are swapped."
