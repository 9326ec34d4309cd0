"""The assertions about headers and text: what they accept, and what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import requests

from .assertion_case import AssertionsTestCase, answering


class HeadlineTestCase(AssertionsTestCase):
    """Looks at the first line of a failure, and that the exchange follows."""

    def headline(self, assertion: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        """Return the first line of the failure of an assertion.

        :param assertion: what has to fail
        :param args: its positional arguments
        :param kwargs: its keyword arguments
        """
        headline, _, rest = self.failure(assertion, *args, **kwargs).partition("\n")
        self.assertIn("\nGET http://testserver/", rest)
        self.assertIn("\nResponse: ", rest)
        return headline


class HeaderTest(HeadlineTestCase):
    """assertHeader() and assertNotHeader()."""

    def setUp(self) -> None:
        """Get a response with headers."""
        super().setUp()
        self.response = self.get(
            answering(
                headers=[
                    (b"x-room", b"lobby"),
                    (b"vary", b"accept"),
                    (b"content-length", b"0"),
                    (b"vary", b"cookie"),
                    (b"set-cookie", b"a=1"),
                    (b"set-cookie", b"b=2"),
                ]
            )
        )

    def test_met(self) -> None:
        """A value is met by itself, a pattern that is found in it, or the list of all values."""
        for name, value in (
            ("x-room", "lobby"),
            ("X-Room", re.compile("^l.bb")),
            ("x-room", ["lobby"]),
            ("content-length", 0),
            ("vary", "accept, cookie"),
            ("vary", ["accept", "cookie"]),
            ("Vary", ("accept", re.compile("oo"))),
            ("vary", re.compile(r"\bcookie\b")),
            # Its lines cannot be joined.
            ("set-cookie", "b=2"),
            ("x-none", []),
        ):
            with self.subTest(name=name, value=value):
                self.case.assertHeader(self.response, name, value)
        self.case.assertHeader(self.response, "x-room")

    def test_not_met(self) -> None:
        """The failure names what was expected, and what there is."""
        for name, value, headline in (
            ("x-room", "hall", "expected header x-room: 'hall', but it is 'lobby'"),
            ("x-room", "LOBBY", "expected header x-room: 'LOBBY', but it is 'lobby'"),
            (
                "x-room",
                re.compile(r"^\d"),
                r"expected header x-room: matching '^\\d', but it is 'lobby'",
            ),
            ("vary", "accept", "expected header vary: 'accept', but it is 'accept', 'cookie'"),
            (
                "vary",
                ["cookie", "accept"],
                "expected header vary: values 'cookie', 'accept', but it is 'accept', 'cookie'",
            ),
            (
                "vary",
                ["accept"],
                "expected header vary: values 'accept', but it is 'accept', 'cookie'",
            ),
            ("set-cookie", "c=3", "expected header set-cookie: 'c=3', but it is 'a=1', 'b=2'"),
            ("content-length", 1, "expected header content-length: '1', but it is '0'"),
        ):
            with self.subTest(name=name, value=value):
                self.assertEqual(
                    headline, self.headline(self.case.assertHeader, self.response, name, value)
                )

    def test_absent(self) -> None:
        """A header that is not there is named, with one that has a similar name."""
        for name, value, headline in (
            (
                "x-rooms",
                "lobby",
                "expected header x-rooms: 'lobby', but the response has none of that name; "
                "it has x-room",
            ),
            ("etag", ..., "expected header etag, but the response has none of that name"),
        ):
            with self.subTest(name):
                self.assertEqual(
                    headline, self.headline(self.case.assertHeader, self.response, name, value)
                )

    def test_no_value(self) -> None:
        """Anything that no header can be is an error of the test, met or not."""
        for value in (None, True, b"lobby", re.compile(b"lobby"), 1.5, [None], {"lobby"}):
            with self.subTest(value=value), self.assertRaisesRegex(TypeError, "must be expected"):
                self.case.assertHeader(self.response, "x-room", value)

    def test_not_header(self) -> None:
        """assertNotHeader() fails for a header of that name, whatever its value."""
        self.case.assertNotHeader(self.response, "x-rooms")

        self.assertEqual(
            "expected no header Vary, but the response has it: 'accept', 'cookie'",
            self.headline(self.case.assertNotHeader, self.response, "Vary"),
        )

    def test_foreign_response(self) -> None:
        """Of a response of another session the headers that requests knows are taken."""
        response = requests.Response()
        response.headers["X-Room"] = "lobby"

        self.case.assertHeader(response, "x-room", "lobby")


class ContentTypeTest(HeadlineTestCase):
    """assertContentType()."""

    def test_met(self) -> None:
        """The type counts, and those parameters that are named; case and quotes do not."""
        for content_type, expected in (
            ("text/html", "text/html"),
            ("text/html; charset=utf-8", "text/html"),
            ("text/html; charset=utf-8", "Text/HTML;charset=UTF-8"),
            ('multipart/mixed; boundary="a b"; x=y', "multipart/mixed; boundary=a b"),
            ("image/png", "image/*"),
        ):
            with self.subTest(content_type=content_type, expected=expected):
                self.case.assertContentType(self.get(answering(b"", content_type)), expected)

    def test_not_met(self) -> None:
        """The failure names both."""
        for content_type, expected, headline in (
            (
                "text/html; charset=utf-8",
                "text/html; charset=latin-1",
                "expected content type 'text/html; charset=latin-1', but it is "
                "'text/html; charset=utf-8'",
            ),
            (
                "text/plain",
                "text/html",
                "expected content type 'text/html', but it is 'text/plain'",
            ),
            ("text/plain", "image/*", "expected content type 'image/*', but it is 'text/plain'"),
            (None, "text/html", "expected content type 'text/html', but the response has none"),
        ):
            with self.subTest(content_type=content_type, expected=expected):
                response = self.get(answering(b"", content_type))
                self.assertEqual(
                    headline, self.headline(self.case.assertContentType, response, expected)
                )

    def test_repeated(self) -> None:
        """A content type that is sent twice is none."""
        response = self.get(answering(headers=[(b"content-type", b"text/html")]))

        self.assertEqual(
            "expected content type 'text/html', but it is 'text/plain', 'text/html'",
            self.headline(self.case.assertContentType, response, "text/html"),
        )


class TextTest(HeadlineTestCase):
    """assertText()."""

    def test_met(self) -> None:
        """The whole text counts, or that a pattern is found; without a charset it is UTF-8."""
        for body, content_type, expected in (
            (b"hello", "text/plain", "hello"),
            (b"", "text/plain", ""),
            (b"17", "text/plain", 17),
            (b"hello", "text/plain", re.compile("ell")),
            ("Grüße".encode(), "text/plain", "Grüße"),
            ("Grüße".encode(), None, "Grüße"),
            ("Grüße".encode("latin-1"), "text/plain; charset=latin-1", "Grüße"),
            (b"a\x00b", None, "a\x00b"),
            (b"a\xffb", "text/plain; charset=utf-8", "a\ufffdb"),
        ):
            with self.subTest(body=body, expected=expected):
                self.case.assertText(self.get(answering(body, content_type)), expected)

    def test_streamed(self) -> None:
        """A streamed response is read to its end."""
        with self.get(answering(b"hello"), stream=True) as response:
            self.case.assertText(response, "hello")

    def test_not_met(self) -> None:
        """The failure shows the difference."""
        failure = self.failure(
            self.case.assertText, self.get(answering(b"hello, ann")), "hello, bob"
        )

        self.assertTrue(
            failure.startswith(
                "expected the text 'hello, bob', but it is 'hello, ann'\n"
                "- hello, bob\n"
                "+ hello, ann\n"
            ),
            failure,
        )
        self.assertTrue(failure.endswith("\nBody:\nhello, ann"), failure)

    def test_pattern_is_not_found(self) -> None:
        """The failure names the pattern."""
        response = self.get(answering(b"hello"))

        self.assertEqual(
            r"expected text matching '^\\d+$', but there is none",
            self.headline(self.case.assertText, response, re.compile(r"^\d+$")),
        )

    def test_no_text(self) -> None:
        """Anything that no text can be is an error of the test."""
        response = self.get(answering(b"hello"))
        for expected in (b"hello", None, {"a": 1}):
            with self.subTest(expected=expected), self.assertRaisesRegex(TypeError, "a text must"):
                self.case.assertText(response, expected)


class ContainsTest(HeadlineTestCase):
    """assertContains() and assertNotContains()."""

    def setUp(self) -> None:
        """Get a response with a text."""
        super().setUp()
        self.response = self.get(answering("Grüße, Ann, Ann and 3 more".encode()))

    def test_met(self) -> None:
        """Text, bytes, patterns and what can be turned into text are found, and counted."""
        for text, count in (
            ("Ann", None),
            ("Ann", 2),
            ("Grüße", 1),
            ("Grüße".encode(), 1),
            (bytearray(b"Ann"), 2),
            (3, 1),
            (re.compile(r"\bA\w+"), 2),
            ("Bob", 0),
        ):
            with self.subTest(text=text, count=count):
                self.case.assertContains(self.response, text, count)

    def test_not_met(self) -> None:
        """The failure says how often it was expected to occur, and how often it does."""
        for text, count, headline in (
            ("Bob", None, "expected the body to contain 'Bob', but it does not occur"),
            ("Bob", 1, "expected the body to contain 'Bob' once, but it does not occur"),
            ("Ann", 3, "expected the body to contain 'Ann' 3 times, but it occurs twice"),
            ("Ann", 0, "expected the body to contain 'Ann' no times, but it occurs twice"),
            (b"\xff", None, r"expected the body to contain b'\xff', but it does not occur"),
            (
                re.compile(r"\d"),
                2,
                r"expected the body to contain text matching '\\d' twice, but it occurs once",
            ),
        ):
            with self.subTest(text=text, count=count):
                self.assertEqual(
                    headline, self.headline(self.case.assertContains, self.response, text, count)
                )

    def test_not_contains(self) -> None:
        """assertNotContains() fails if it occurs."""
        self.case.assertNotContains(self.response, "Bob")

        self.assertEqual(
            "expected the body not to contain 'Ann', but it occurs twice",
            self.headline(self.case.assertNotContains, self.response, "Ann"),
        )

    def test_status(self) -> None:
        """The status has to be 200, another one that is named, or any."""
        response = self.get(answering(b"no Ann", status=404))
        for assertion, text in (
            (self.case.assertContains, "Ann"),
            (self.case.assertNotContains, "Bob"),
        ):
            with self.subTest(assertion.__name__):
                assertion(response, text, status_code=404)
                assertion(response, text, status_code="4xx")
                assertion(response, text, status_code=None)
                self.assertEqual(
                    "expected status 200 OK, but the response has 404 Not Found",
                    self.headline(assertion, response, text),
                )
