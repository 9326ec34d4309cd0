"""What a prepared request holds, as plain values."""

from __future__ import annotations

import io
import unittest
from collections.abc import Iterator
from typing import Any

import urllib3
from requests import PreparedRequest, Request
from requests.exceptions import InvalidHeader
from requests.structures import CaseInsensitiveDict

from asgitest._request import (
    FILE_CHUNK,
    HeaderPairs,
    body_chunks,
    body_in_memory,
    header_pairs,
    scope_headers,
)

#: How requests sends text: urllib3 2 as UTF-8, urllib3 1.26 leaves it to http.client.
TEXT_ENCODING = "latin-1" if urllib3.__version__.startswith("1.") else "utf-8"


def prepared(
    url: str = "http://testserver/", headers: Any = None, body: Any = None
) -> PreparedRequest:
    """Return a prepared request.

    :param url: its URL
    :param headers: its headers, as they are
    :param body: its body, as it is
    """
    request = Request("POST", url).prepare()
    request.headers = headers if headers is not None else CaseInsensitiveDict()
    request.body = body
    return request


class HeaderPairsTest(unittest.TestCase):
    """HeaderPairs: a dict of requests that keeps duplicates."""

    def setUp(self) -> None:
        """Build one with duplicates."""
        self.pairs = [("X-A", "1"), ("X-B", "2"), ("x-a", "3")]
        self.headers = HeaderPairs(self.pairs)

    def test_is_a_dict_of_requests(self) -> None:
        """requests takes it for one of its own."""
        self.assertIsInstance(self.headers, CaseInsensitiveDict)

    def test_keeps_pairs(self) -> None:
        """Order, duplicates and case are kept, in a list of its own."""
        self.assertEqual(self.pairs, self.headers.pairs)
        self.assertIsNot(self.pairs, self.headers.pairs)

    def test_from_a_mapping(self) -> None:
        """It can be made of a mapping, or of nothing."""
        self.assertEqual([("a", "1")], HeaderPairs({"a": "1"}).pairs)
        self.assertEqual([], HeaderPairs().pairs)

    def test_get(self) -> None:
        """Reading joins duplicates and ignores case."""
        self.assertEqual("1, 3", self.headers["x-A"])
        self.assertEqual("2", self.headers["x-b"])
        self.assertEqual("1, 3", self.headers.get("X-A"))
        self.assertIsNone(self.headers.get("x-c"))
        with self.assertRaises(KeyError):
            self.headers["x-c"]

    def test_get_bytes(self) -> None:
        """A single value is given as it is, bytes among duplicates are joined as latin-1."""
        headers = HeaderPairs([("a", b"\xff"), ("b", b"\xff"), ("b", "1")])

        self.assertEqual(b"\xff", headers["a"])
        self.assertEqual("\xff, 1", headers["b"])

    def test_set(self) -> None:
        """Setting replaces all of a name, in the place of the first."""
        self.headers["x-A"] = "new"
        self.assertEqual([("x-A", "new"), ("X-B", "2")], self.headers.pairs)

        self.headers["X-C"] = "4"
        self.assertEqual(("X-C", "4"), self.headers.pairs[-1])

    def test_delete(self) -> None:
        """Deleting removes all of a name."""
        del self.headers["x-a"]
        self.assertEqual([("X-B", "2")], self.headers.pairs)
        with self.assertRaises(KeyError):
            del self.headers["x-a"]

    def test_contains_and_length(self) -> None:
        """Names count once."""
        self.assertIn("x-A", self.headers)
        self.assertNotIn("x-c", self.headers)
        self.assertEqual(2, len(self.headers))
        self.assertEqual(["X-A", "X-B"], list(self.headers))

    def test_items(self) -> None:
        """Items are those of a dict: each name once."""
        self.assertEqual([("X-A", "1, 3"), ("X-B", "2")], list(self.headers.items()))
        self.assertEqual([("x-a", "1, 3"), ("x-b", "2")], list(self.headers.lower_items()))

    def test_equality(self) -> None:
        """It equals a mapping that says the same."""
        self.assertEqual(self.headers, {"x-a": "1, 3", "x-b": "2"})
        self.assertEqual(self.headers, HeaderPairs(self.pairs))
        self.assertNotEqual(self.headers, {"x-a": "1"})

    def test_copy(self) -> None:
        """A copy has the duplicates, and a life of its own."""
        copied = self.headers.copy()
        del self.headers["x-a"]

        self.assertIsInstance(copied, HeaderPairs)
        self.assertEqual(self.pairs, copied.pairs)

    def test_methods_of_a_mapping(self) -> None:
        """pop(), update(), setdefault() and clear() work as in a dict."""
        self.assertEqual("1, 3", self.headers.pop("x-a"))
        self.assertIsNone(self.headers.pop("x-a", None))
        self.headers.update({"x-b": "5", "x-c": "6"})
        self.assertEqual("5", self.headers.setdefault("x-b", "7"))
        self.assertEqual([("x-b", "5"), ("x-c", "6")], self.headers.pairs)
        self.headers.clear()
        self.assertEqual([], self.headers.pairs)

    def test_repr(self) -> None:
        """It is shown as a dict."""
        self.assertEqual("{'X-A': '1, 3', 'X-B': '2'}", repr(self.headers))


class HeaderPairsFunctionTest(unittest.TestCase):
    """header_pairs(): what a caller may give."""

    def test_forms(self) -> None:
        """None, mappings, pairs and HeaderPairs become a list of pairs."""
        pairs = [("a", "1"), ("b", "2"), ("A", "3")]
        table: list[tuple[Any, list[tuple[str, str]]]] = [
            (None, []),
            ({}, []),
            ({"a": "1", "b": "2"}, pairs[:2]),
            (CaseInsensitiveDict({"a": "1"}), pairs[:1]),
            (pairs, pairs),
            (tuple(pairs), pairs),
            (iter(pairs), pairs),
            ([["a", "1"]], pairs[:1]),
            (HeaderPairs(pairs), pairs),
        ]
        for headers, expected in table:
            with self.subTest(headers=headers):
                self.assertEqual(expected, header_pairs(headers))

    def test_a_list_of_its_own(self) -> None:
        """The result can be changed."""
        pairs = [("a", "1")]
        headers = HeaderPairs(pairs)

        self.assertIsNot(pairs, header_pairs(pairs))
        self.assertIsNot(headers.pairs, header_pairs(headers))

    def test_bytes(self) -> None:
        """Names become text, values stay what they are."""
        self.assertEqual([("a\xe9", b"\xff")], header_pairs([(b"a\xe9", b"\xff")]))

    def test_none_as_a_value(self) -> None:
        """A value of None, which keeps a header back, passes."""
        self.assertEqual([("a", None)], header_pairs([("a", None)]))

    def test_no_pairs(self) -> None:
        """What is no pair is refused and shown."""
        for item in ("a: b", ("a",), ("a", "b", "c"), None, 5):
            with self.subTest(item=item), self.assertRaises(ValueError) as caught:
                header_pairs([item])
            self.assertIn(repr(item), str(caught.exception))

    def test_invalid(self) -> None:
        """What no request can hold is refused as requests refuses it."""
        for pair in (("a", 5), ("a", "b\r\nc: d"), ("a", " b"), (":a", "b")):
            with self.subTest(pair=pair), self.assertRaises(InvalidHeader):
                header_pairs([pair])


class ScopeHeadersTest(unittest.TestCase):
    """scope_headers()."""

    def test_names_and_values(self) -> None:
        """Names are in lower case, values are latin-1 or as given, without outer space."""
        headers = {"X-A": "Caf\xe9", "X-B": b"\xff ", b"X-C": "\t1 2\t"}

        self.assertEqual(
            [
                (b"host", b"testserver"),
                (b"x-a", b"Caf\xe9"),
                (b"x-b", b"\xff"),
                (b"x-c", b"1 2"),
            ],
            scope_headers(prepared(headers=headers)),
        )

    def test_duplicates(self) -> None:
        """Duplicates are kept in their places."""
        headers = HeaderPairs([("X-A", "1"), ("X-B", "2"), ("x-a", "3")])

        self.assertEqual(
            [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")],
            scope_headers(prepared(headers=headers))[1:],
        )

    def test_host(self) -> None:
        """The host comes first: that of the URL, or the one that was given."""
        for url, host in (
            ("http://testserver/", b"testserver"),
            ("https://testserver:443/", b"testserver"),
            ("http://[::1]:8000/", b"[::1]:8000"),
        ):
            self.assertEqual([(b"host", host)], scope_headers(prepared(url)))
        headers = {"X-A": "1", "Host": "given.test"}
        self.assertEqual(
            [(b"host", b"given.test"), (b"x-a", b"1")], scope_headers(prepared(headers=headers))
        )

    def test_not_latin_1(self) -> None:
        """What latin-1 cannot hold is refused, with the header's name."""
        with self.assertRaisesRegex(ValueError, "'X-A'.*'\u20ac'"):
            scope_headers(prepared(headers={"X-A": "\u20ac"}))
        with self.assertRaisesRegex(ValueError, "'X-\u20ac'"):
            scope_headers(prepared(headers={"X-\u20ac": "1"}))

    def test_pseudo_headers(self) -> None:
        """A pseudo header is refused (SC-10)."""
        for name in (":method", b":path"):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, "pseudo header"):
                scope_headers(prepared(headers={name: "x"}))

    def test_refused_every_time(self) -> None:
        """What was refused once is refused again: only lines that passed are remembered."""
        request = prepared(headers={"X-A": "\u20ac"})
        for attempt in range(2):
            with self.subTest(attempt=attempt), self.assertRaisesRegex(ValueError, "latin-1"):
                scope_headers(request)


class BodyInMemoryTest(unittest.TestCase):
    """body_in_memory()."""

    def test_in_memory(self) -> None:
        """What lies in memory is bytes."""
        table: list[tuple[Any, bytes]] = [
            (None, b""),
            (b"", b""),
            (b"\x00\xff", b"\x00\xff"),
            (bytearray(b"a"), b"a"),
            (memoryview(b"a"), b"a"),
            ("", b""),
            ("caf\xe9", "caf\xe9".encode(TEXT_ENCODING)),
        ]
        for body, expected in table:
            with self.subTest(body=body):
                result = body_in_memory(prepared(body=body))

                self.assertEqual(expected, result)
                self.assertIs(bytes, type(result))

    def test_not_in_memory(self) -> None:
        """A file, a generator and an iterable are read piece by piece."""
        for body in (io.BytesIO(b"a"), iter([b"a"]), [b"a"]):
            with self.subTest(body=body):
                self.assertIsNone(body_in_memory(prepared(body=body)))


class BodyChunksTest(unittest.TestCase):
    """body_chunks()."""

    def test_iterables(self) -> None:
        """The parts of an iterable come one by one, as bytes."""
        for body in ([b"a", b"b"], iter([b"a", bytearray(b"b")]), (b"a", memoryview(b"b"))):
            with self.subTest(body=body):
                chunks = list(body_chunks(body))

                self.assertEqual([b"a", b"b"], chunks)
                self.assertEqual({bytes}, {type(chunk) for chunk in chunks})

    def test_text(self) -> None:
        """Text is encoded as requests encodes it."""
        self.assertEqual(["\xe9".encode(TEXT_ENCODING)], list(body_chunks(["\xe9"])))

    def test_empty_parts(self) -> None:
        """Empty parts of an iterable are left out, and do not end it."""
        self.assertEqual([b"a", b"b"], list(body_chunks([b"", b"a", "", b"b", bytearray()])))

    def test_on_demand(self) -> None:
        """A part is made when it is asked for."""
        made: list[int] = []

        def parts() -> Iterator[bytes]:
            for number in range(3):
                made.append(number)
                yield b"a"

        chunks = body_chunks(parts())
        self.assertEqual([], made)
        next(chunks)

        self.assertEqual([0], made)

    def test_file(self) -> None:
        """A file is read in parts of 64 KiB, until it gives nothing."""
        chunks = list(body_chunks(io.BytesIO(b"x" * (2 * FILE_CHUNK + 1))))

        self.assertEqual([FILE_CHUNK, FILE_CHUNK, 1], [len(chunk) for chunk in chunks])
        self.assertEqual(64 * 1024, FILE_CHUNK)

    def test_text_file(self) -> None:
        """A text file is encoded, and its end is noticed."""
        self.assertEqual([b"text"], list(body_chunks(io.StringIO("text"))))
        self.assertEqual([], list(body_chunks(io.StringIO(""))))

    def test_wrong_parts(self) -> None:
        """A part of another type is refused and shown, behind the parts before it."""
        for part in (5, None, [b"a"]):
            chunks = body_chunks([b"a", part])
            self.assertEqual(b"a", next(chunks))
            with self.subTest(part=part), self.assertRaises(TypeError) as caught:
                next(chunks)
            self.assertIn(f"not {type(part).__name__}: {part!r}", str(caught.exception))

    def test_wrong_file(self) -> None:
        """A file that reads something else is refused as well."""

        class Wrong:
            def read(self, size: int) -> Any:
                return 5

        with self.assertRaises(TypeError):
            list(body_chunks(Wrong()))
