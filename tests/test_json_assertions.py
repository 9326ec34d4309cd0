"""The assertions about JSON: what they accept, and which differences they name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

from .assertion_case import AssertionsTestCase, answering


class JSONTestCase(AssertionsTestCase):
    """Gets responses of JSON."""

    def sending(self, value: Any) -> Any:
        """Return a response of JSON.

        :param value: what it holds
        """
        return self.get(answering(json.dumps(value).encode(), "application/json"))

    def differences(self, assertion: Callable[..., Any], came: Any, expected: Any) -> list[str]:
        """Return the lines of a failure that name differences.

        :param assertion: what has to fail
        :param came: what the response holds
        :param expected: what was expected
        """
        failure = self.failure(assertion, self.sending(came), expected)
        problem, _, exchange = failure.partition("\n\n")
        self.assertTrue(exchange.startswith("GET http://testserver/\nResponse: 200 OK\n"))
        return [line.removeprefix("  ") for line in problem.splitlines()[1:]]


class JSONTest(JSONTestCase):
    """assertJSON()."""

    def test_met(self) -> None:
        """Equal data is met, whatever its order of keys; a tuple is a list, ANY is anything."""
        for came, expected in (
            (None, None),
            ("text", "text"),
            (1, 1.0),
            (True, True),
            ({"a": 1, "b": [1, {"c": None}]}, {"b": [1, {"c": None}], "a": 1}),
            ([1, 2], (1, 2)),
            ([[]], [[]]),
            ({"id": 17, "done": True, "at": "now"}, dict.fromkeys(("id", "done", "at"), mock.ANY)),
            ([1, 2], mock.ANY),
        ):
            with self.subTest(came=came, expected=expected):
                self.case.assertJSON(self.sending(came), expected)

    def test_values(self) -> None:
        """Each value that is another is named by its path."""
        for came, expected, lines in (
            (1, 2, ["$ expected 2, but it is 1"]),
            ("1", 1, ["$ expected 1, but it is '1'"]),
            (True, 1, ["$ expected 1, but it is True"]),
            (1, True, ["$ expected True, but it is 1"]),
            (None, {}, ["$ expected {}, but it is None"]),
            ({"a": []}, {"a": {}}, ["$.a expected {}, but it is []"]),
            (
                {"rooms": [{"name": "lobby"}, {"name": "hall", "full name": 1}]},
                {"rooms": [{"name": "lobby"}, {"name": "bar", "full name": 2}]},
                [
                    "$.rooms[1].name expected 'bar', but it is 'hall'",
                    "$.rooms[1]['full name'] expected 2, but it is 1",
                ],
            ),
        ):
            with self.subTest(came=came, expected=expected):
                self.assertEqual(lines, self.differences(self.case.assertJSON, came, expected))

    def test_keys(self) -> None:
        """Keys that are missing, and keys that are not expected, are named."""
        self.assertEqual(
            [
                "$.first_name is missing, expected 'Ada'",
                "$[1] is missing, expected 2",
                "$.firstName is not expected: 'Ada'",
            ],
            self.differences(
                self.case.assertJSON,
                {"age": 36, "firstName": "Ada"},
                {"age": 36, "first_name": "Ada", 1: 2},
            ),
        )

    def test_swapped(self) -> None:
        """Two values that stand in each other's place are said to be swapped."""
        self.assertEqual(
            [
                "$.first expected 'Ada', but it is 'Lovelace'",
                "$.last expected 'Lovelace', but it is 'Ada'",
                "$.born expected 1815, but it is 1816",
                "The values of $.first and $.last are swapped.",
            ],
            self.differences(
                self.case.assertJSON,
                {"first": "Lovelace", "last": "Ada", "born": 1816},
                {"first": "Ada", "last": "Lovelace", "born": 1815},
            ),
        )

    def test_lists_of_other_lengths(self) -> None:
        """Lists of different lengths are aligned, so that what was moved is no difference."""
        for came, expected, lines in (
            (["b", "c"], ["a", "b", "c"], ["$ lacks an item, expected at [0]: 'a'"]),
            (["x", "b", "c"], ["b", "c"], ["$[0] is not expected: 'x'"]),
            (
                [{"n": 1}, {"n": 2}, {"n": 3}],
                [{"n": 1}, {"n": 9}],
                ["$[1].n expected 9, but it is 2", "$[2] is not expected: {'n': 3}"],
            ),
            ([], [1], ["$ lacks an item, expected at [0]: 1"]),
        ):
            with self.subTest(came=came, expected=expected):
                first, *rest = self.differences(self.case.assertJSON, came, expected)
                count = "1 item" if len(expected) == 1 else f"{len(expected)} items"
                self.assertEqual(f"$ expected {count}, but there are {len(came)}", first)
                self.assertEqual(lines, rest)

    def test_long_lists(self) -> None:
        """Long lists are compared item by item, for aligning them takes too long."""
        self.case.maxDiff = None
        came = [number + 1 for number in range(600)]

        first, second, *_, last = self.differences(self.case.assertJSON, came, [0, *came])

        self.assertEqual("$ expected 601 items, but there are 600", first)
        self.assertEqual("$[0] expected 0, but it is 1", second)
        self.assertEqual("$ lacks an item, expected at [600]: 600", last)

    def test_any_in_a_list(self) -> None:
        """ANY stands for an item of a list of another length, too."""
        self.assertEqual(
            ["$ expected 2 items, but there are 3", "$[2] is not expected: 3"],
            self.differences(self.case.assertJSON, [1, 2, 3], [mock.ANY, 2]),
        )

    def test_long_texts(self) -> None:
        """Of long texts the place is shown from which on they differ."""
        came = "x" * 100 + "left" + "y" * 100
        expected = "x" * 100 + "right" + "y" * 100
        (line,) = self.differences(self.case.assertJSON, came, expected)

        self.assertIn("; from character 100 on they differ: ", line)
        self.assertTrue(line.endswith(f"'{'x' * 20}right{'y' * 15}', '{'x' * 20}left{'y' * 16}'"))

        (line,) = self.differences(self.case.assertJSON, "x" * 100, "x" * 99)
        self.assertIn(f"; from character 99 on they differ: {'x' * 20!r}, {'x' * 21!r}", line)

    def test_max_diff(self) -> None:
        """Differences are shown up to maxDiff, the first one anyway."""
        came, expected = dict.fromkeys("abcdef", 1), dict.fromkeys("abcdef", 2)
        for limit, shown in ((None, 6), (0, 1), (40, 2)):
            self.case.maxDiff = limit
            with self.subTest(limit):
                lines = self.differences(self.case.assertJSON, came, expected)
                self.assertEqual(shown, sum(" expected 2" in line for line in lines))
                self.assertEqual(limit is not None, "maxDiff" in lines[-1])
        self.assertEqual("... (4 more lines; set self.maxDiff to None to see them all)", lines[-1])

    def test_no_json(self) -> None:
        """A body that is no JSON fails, whatever Python would make of it."""
        for body, problem in (
            (b"hello", "Expecting value: line 1 column 1 (char 0)"),
            (b"", "Expecting value: line 1 column 1 (char 0)"),
            (b'{"a": NaN}', "NaN is no JSON (RFC 8259, section 6)"),
            (b"[-Infinity]", "-Infinity is no JSON (RFC 8259, section 6)"),
            (b'"\xff"', "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"),
        ):
            for assertion in (self.case.assertJSON, self.case.assertJSONContains):
                with self.subTest(body=body, assertion=assertion.__name__):
                    failure = self.failure(assertion, self.get(answering(body)), {}, "really?")
                    headline = f"expected JSON, but the body is none: {problem}\n\nGET "
                    self.assertTrue(failure.startswith(headline), failure)
                    self.assertTrue(failure.endswith(" : really?"), failure)


class JSONContainsTest(JSONTestCase):
    """assertJSONContains()."""

    ROOMS = {
        "rooms": [
            {"name": "lobby", "users": [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}]},
            {"name": "hall", "users": []},
            {"name": "bar", "users": [{"id": 3, "name": "Cyd"}], "open": True},
        ],
        "next": None,
    }

    def test_met(self) -> None:
        """Objects may have further keys, lists further items, on each level."""
        response = self.sending(self.ROOMS)
        for subset in (
            {},
            self.ROOMS,
            {"next": None},
            {"rooms": []},
            {"rooms": [{}]},
            {"rooms": [{"name": "lobby"}, {"name": "bar"}]},
            {"rooms": ({"users": [{"name": "Bob"}]},)},
            {"rooms": [{"open": mock.ANY}]},
            mock.ANY,
        ):
            with self.subTest(subset):
                self.case.assertJSONContains(response, subset)

    def test_not_met(self) -> None:
        """The path of what is missing is named, and of the closest item."""
        for subset, lines in (
            ([], ["$ expected [], but it is " + repr(self.ROOMS)[:120] + "..."]),
            ({"next": 1}, ["$.next expected 1, but it is None"]),
            (
                {"page": 1},
                ["$.page is missing, expected 1; the keys there are ['rooms', 'next']"],
            ),
            (
                {"rooms": [{"name": "hall", "users": [{"name": "Ann"}]}]},
                [
                    "$.rooms has no item that contains {'name': 'hall', 'users': [{'name': "
                    "'Ann'}]}; the closest one:",
                    "  $.rooms[0].name expected 'hall', but it is 'lobby'",
                ],
            ),
            (
                {"rooms": [{"name": "hall"}, {"name": "lobby"}]},
                [
                    "$.rooms has no item behind [1] that contains {'name': 'lobby'}; the "
                    "closest one:",
                    "  $.rooms[2].name expected 'lobby', but it is 'bar'",
                ],
            ),
            (
                {"rooms": [{"name": "hall", "users": [1]}]},
                [
                    "$.rooms has no item that contains {'name': 'hall', 'users': [1]}; the "
                    "closest one:",
                    "  $.rooms[1].users has no item that contains 1; it has 0",
                ],
            ),
        ):
            with self.subTest(subset):
                self.assertEqual(
                    lines, self.differences(self.case.assertJSONContains, self.ROOMS, subset)
                )

    def test_true_is_no_one(self) -> None:
        """True is not contained where a 1 is, nor a 1 where True is."""
        self.assertEqual(
            ["$.open expected 1, but it is True"],
            self.differences(self.case.assertJSONContains, {"open": True}, {"open": 1}),
        )
