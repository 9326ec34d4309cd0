"""Values in the texts of errors."""

from __future__ import annotations

import unittest

from asgitest._protocol._texts import shorten, wrong_type


class ShortenTest(unittest.TestCase):
    """``shorten`` and ``wrong_type``."""

    def test_short_values_are_whole(self) -> None:
        """A value whose ``repr`` is short is shown whole."""
        for value in (None, 1, "a", b"a", [1, 2], {"a": 1}, "x" * 118, b"x" * 117):
            with self.subTest(value=value):
                self.assertEqual(repr(value), shorten(value))

    def test_long_values_are_cut(self) -> None:
        """A long string keeps its beginning and tells its length; others are cut."""
        for value, expected in (
            ("x" * 121, "'" + "x" * 60 + "'... (121 in all)"),
            (b"x" * 1000, "b'" + "x" * 60 + "'... (1000 in all)"),
            (bytearray(b"x" * 1000), "bytearray(b'" + "x" * 60 + "')... (1000 in all)"),
            (list(range(100)), repr(list(range(100)))[:120] + "..."),
            (b"\x00" * 120, repr(b"\x00" * 120)[:120] + "..."),
        ):
            with self.subTest(expected):
                self.assertEqual(expected, shorten(value))

    def test_the_limit_can_be_set(self) -> None:
        """The number of characters to keep is a parameter."""
        self.assertEqual("'ab'... (5 in all)", shorten("abcde", limit=4))
        self.assertEqual("[1, ...", shorten([1, 2, 3], limit=4))

    def test_a_value_without_a_repr(self) -> None:
        """A value whose ``repr`` raises is shown by its class."""

        class Silent:
            def __repr__(self) -> str:
                raise RuntimeError("no repr")

        self.assertIn("Silent", shorten(Silent()))
        self.assertIn("int", shorten(10**5000) + "int")

    def test_wrong_type(self) -> None:
        """The error names message, path, what was expected, what came, and the rule."""
        error = wrong_type("http.response.start", "status", "int", "200", "HTTP-START-02")
        self.assertEqual(
            "http.response.start: status must be int, not str: '200' [HTTP-START-02]", str(error)
        )
        self.assertEqual(("HTTP-START-02", "http.response.start"), (error.rule, error.message_type))
