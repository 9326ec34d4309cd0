"""The assertions about templates, trailers and early hints."""

from __future__ import annotations

import re
import types
from typing import Any

from .assertion_case import AssertionsTestCase, answering


class ExtensionTest(AssertionsTestCase):
    """What extensions of ASGI add to a response."""

    def setUp(self) -> None:
        """Get a response."""
        super().setUp()
        self.response: Any = self.get(answering(b"hello"))

    def headline(self, *args: Any) -> str:
        """Return the first line of a failure.

        :param args: the assertion and its arguments
        """
        headline, _, exchange = self.failure(*args).partition("\n\n")
        self.assertTrue(exchange.startswith("GET http://testserver/\n"))
        return headline

    def test_template(self) -> None:
        """A template is met by its name, or by that of one of several."""
        used = self.case.assertTemplateUsed
        self.assertEqual(
            "expected the template x.html to be used, but the application told of none",
            self.headline(used, self.response, "x.html"),
        )
        template = types.SimpleNamespace(name="room.html")
        for told in (template, "room.html", [template, "base.html"]):
            self.response.template = told
            used(self.response, "room.html")
        self.assertEqual(
            "expected the template x.html to be used, but it was room.html, base.html",
            self.headline(used, self.response, "x.html"),
        )

    def test_trailer(self) -> None:
        """A trailer is met as a header is."""
        self.response.trailers = [(b"x-digest", b"abc")]
        self.case.assertTrailer(self.response, "X-Digest")
        self.case.assertTrailer(self.response, "x-digest", re.compile("^a"))
        self.assertEqual(
            "expected trailer x-digest: 'xyz', but it is 'abc'",
            self.headline(self.case.assertTrailer, self.response, "x-digest", "xyz"),
        )

    def test_early_hints(self) -> None:
        """All links are met in their order."""
        hints = self.case.assertEarlyHints
        hints(self.response, [])
        self.assertEqual(
            "expected early hints with '</a>', but they are: there are none",
            self.headline(hints, self.response, ["</a>"]),
        )
        self.response.early_hints = [b"</a.css>; rel=preload", b"</b>"]
        hints(self.response, [re.compile(r"a\.css"), "</b>"])
        for links, wanted in (
            (["</b>"], "'</b>'"),
            (["x", "</b>"], "'x', '</b>'"),
            ([], "no links"),
        ):
            self.assertEqual(
                f"expected early hints with {wanted}, but they are: "
                f"'</a.css>; rel=preload', '</b>'",
                self.headline(hints, self.response, links),
            )
