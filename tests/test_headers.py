"""Headers that an application sends: what is put in order, and what is refused."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from typing import Any, NamedTuple

from asgitest._protocol._headers import ACCEPT_RULES, RESPONSE_RULES, normalise_headers
from asgitest.exceptions import ProtocolError

PAIRS = "an iterable of (name, value) pairs of bytes"
PAIR = "a (name, value) pair of bytes"
TOKEN = "must be a token (RFC 9110, section 5.6.2)"
ONE_LINE = "must not hold CR, LF or NUL"


class Items:
    """A header of a class of its own, which can only be iterated."""

    def __init__(self, *items: bytes) -> None:
        self._items = items

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._items)


class Refused(NamedTuple):
    """One row: headers that break a rule; the ids are those of a response and of an accept."""

    rules: tuple[str, str]
    text: str
    headers: Any


SHAPE = ("HTTP-START-04", "WS-ACC-04")
STRINGS = ("HTTP-START-05", "WS-ACC-04")
PSEUDO = ("HTTP-START-07", "WS-ACC-04")
CHARACTERS = ("HTTP-START-08", "WS-ACC-04")

REFUSED = (
    Refused(SHAPE, f"headers must be {PAIRS}, not NoneType: None", None),
    Refused(SHAPE, f"headers must be {PAIRS}, not dict: {{b'a': b'b'}}", {b"a": b"b"}),
    Refused(SHAPE, f"headers must be {PAIRS}, not dict: {{}}", {}),
    Refused(SHAPE, f"headers must be {PAIRS}, not str: 'a: b'", "a: b"),
    Refused(SHAPE, f"headers must be {PAIRS}, not bytes: b'a: b'", b"a: b"),
    Refused(SHAPE, f"headers must be {PAIRS}, not int: 1", 1),
    Refused(SHAPE, f"headers[0] must be {PAIR}, not NoneType: None", [None]),
    Refused(SHAPE, f"headers[0] must be {PAIR}, not int: 97", bytearray(b"a")),
    Refused(SHAPE, f"headers[0] must be {PAIR}, not bytes: b'ab'", [b"ab"]),
    Refused(SHAPE, f"headers[0] must be {PAIR}, not str: 'ab'", ["ab"]),
    Refused(SHAPE, f"headers[1] must be {PAIR}, not dict: {{1: 2}}", [(b"a", b"b"), {1: 2}]),
    Refused(SHAPE, f"headers[0] must be {PAIR}, not 0 items: ()", [()]),
    Refused(SHAPE, f"headers[0] must be {PAIR}, not 1 items: [b'a']", [[b"a"]]),
    Refused(
        SHAPE,
        f"headers[1] must be {PAIR}, not 3 items: (b'a', b'b', b'c')",
        [(b"a", b"b"), (b"a", b"b", b"c")],
    ),
    Refused(
        SHAPE,
        f"headers[0] must be {PAIR}, not 3 items: [b'a', b'b', b'c']",
        [Items(b"a", b"b", b"c")],
    ),
    Refused(
        STRINGS,
        "headers[0] name must be bytes, not str: 'content-type'",
        [("content-type", b"text/plain")],
    ),
    Refused(STRINGS, "headers[0] name must be bytes, not NoneType: None", [(None, b"a")]),
    Refused(STRINGS, "headers[0] name must be bytes, not int: 97", [bytearray(b"ab")]),
    Refused(
        STRINGS,
        "headers[1] value of b'content-length' must be bytes, not int: 12",
        [(b"a", b"b"), (b"Content-Length", 12)],
    ),
    Refused(
        STRINGS,
        "headers[0] value of b'location' must be bytes, not str: '/a'",
        [(b"location", "/a")],
    ),
    Refused(STRINGS, "headers[0] value of b'a' must be bytes, not NoneType: None", [(b"a", None)]),
    Refused(
        PSEUDO,
        "headers[0] name must not be a pseudo header: b':status'",
        [(b":status", b"200")],
    ),
    Refused(PSEUDO, "headers[0] name must not be a pseudo header: b':'", [(b":", b"200")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b''", [(b"", b"a")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b'a b'", [(b"a b", b"a")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b'a:'", [(b"a:", b"a")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b'a\\n'", [(b"a\n", b"a")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b'a\\r\\nb'", [(b"a\r\nb", b"a")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b'caf\\xe9'", [(b"caf\xe9", b"a")]),
    Refused(CHARACTERS, f"headers[0] name {TOKEN}, not b'a\\x00'", [(b"a\x00", b"a")]),
    Refused(
        CHARACTERS,
        f"headers[0] value of b'x' {ONE_LINE}: b'a\\r\\nset-cookie: b'",
        [(b"X", b"a\r\nset-cookie: b")],
    ),
    Refused(CHARACTERS, f"headers[0] value of b'x' {ONE_LINE}: b'a\\r'", [(b"x", b"a\r")]),
    Refused(CHARACTERS, f"headers[0] value of b'x' {ONE_LINE}: b'\\na'", [(b"x", b"\na")]),
    Refused(CHARACTERS, f"headers[0] value of b'x' {ONE_LINE}: b'a\\x00b'", [(b"x", b"a\x00b")]),
)

TAKEN: tuple[tuple[str, str, Any, list[tuple[bytes, bytes]]], ...] = (
    ("HTTP-START-04", "nothing", [], []),
    ("HTTP-START-04", "tuples in a list", [(b"a", b"b")], [(b"a", b"b")]),
    ("HTTP-START-04", "lists in a tuple", ([b"a", b"b"],), [(b"a", b"b")]),
    ("HTTP-START-04", "the items of a dict", {b"a": b"b"}.items(), [(b"a", b"b")]),
    ("HTTP-START-04", "an iterator", iter([(b"a", b"b")]), [(b"a", b"b")]),
    (
        "HTTP-START-04",
        "a generator",
        ((n, b"b") for n in (b"a", b"c")),
        [(b"a", b"b"), (b"c", b"b")],
    ),
    ("HTTP-START-04", "pairs of another class", [Items(b"a", b"b")], [(b"a", b"b")]),
    ("HTTP-START-04", "pairs that are iterators", [iter((b"a", b"b"))], [(b"a", b"b")]),
    ("HTTP-START-05", "bytearrays", [(bytearray(b"a"), bytearray(b"b"))], [(b"a", b"b")]),
    ("HTTP-START-05", "memoryviews", [(memoryview(b"A"), memoryview(b"b"))], [(b"a", b"b")]),
    (
        "HTTP-START-06",
        "mixed case",
        [(b"Content-Type", b"Text/Plain")],
        [(b"content-type", b"Text/Plain")],
    ),
    (
        "HTTP-START-08",
        "every character of a token",
        [(b"!#$%&'*+-.^_`|~09az", b"")],
        [(b"!#$%&'*+-.^_`|~09az", b"")],
    ),
    ("HTTP-START-09", "space round a value", [(b"a", b" \tb c\t ")], [(b"a", b"b c")]),
    ("HTTP-START-09", "nothing but space", [(b"a", b" ")], [(b"a", b"")]),
    (
        "HTTP-START-10",
        "duplicates",
        [(b"Set-Cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2"), (b"Set-Cookie", b"a=1")],
        [(b"set-cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1")],
    ),
    (
        "HTTP-START-11",
        "opaque octets",
        [(b"a", b"caf\xe9 \xff\x80")],
        [(b"a", b"caf\xe9 \xff\x80")],
    ),
)


class HeadersTest(unittest.TestCase):
    """``normalise_headers``."""

    maxDiff = None

    def test_refused(self) -> None:
        """Headers that break a rule are refused with the rule of the message they stand in."""
        for row in REFUSED:
            for message_type, rules, rule in (
                ("http.response.start", RESPONSE_RULES, row.rules[0]),
                ("websocket.accept", ACCEPT_RULES, row.rules[1]),
            ):
                with self.subTest(row.text, message_type=message_type):
                    with self.assertRaises(ProtocolError) as caught:
                        normalise_headers(message_type, row.headers, rules)
                    self.assertEqual(f"{message_type}: {row.text} [{rule}]", str(caught.exception))
                    self.assertEqual(rule, caught.exception.rule)
                    self.assertEqual(message_type, caught.exception.message_type)

    def test_taken(self) -> None:
        """What servers take is put in order: pairs of bytes, names in lower case."""
        for rule, title, headers, expected in TAKEN:
            with self.subTest(title, rule=rule):
                result = normalise_headers("http.response.start", headers, RESPONSE_RULES)
                self.assertEqual(expected, result)
                for pair in result:
                    self.assertEqual([tuple, bytes, bytes], [type(pair), *map(type, pair)])

    def test_read_once(self) -> None:
        """An iterable is iterated exactly once."""
        read: list[int] = []

        class Headers:
            def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
                read.append(1)
                return iter([(b"a", b"b")])

        normalise_headers("http.response.start", Headers(), RESPONSE_RULES)
        self.assertEqual([1], read)

    def test_a_copy(self) -> None:
        """The application's own list is neither changed nor kept."""
        headers = [(b"A", b" b ")]
        result = normalise_headers("http.response.start", headers, RESPONSE_RULES)
        result.append((b"c", b"d"))
        self.assertEqual([(b"A", b" b ")], headers)

    def test_an_iterable_that_raises(self) -> None:
        """What the application's own iterable raises comes out as it is."""

        def headers() -> Iterator[tuple[bytes, bytes]]:
            yield b"a", b"b"
            raise LookupError("no more")

        with self.assertRaisesRegex(LookupError, "^no more$"):
            normalise_headers("http.response.start", headers(), RESPONSE_RULES)
