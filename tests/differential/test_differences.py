"""The table of differences is what the documentation prints."""

from __future__ import annotations

from pathlib import Path

from ..base import CleanTestCase
from .differences import HTTP_DIFFERENCES, WEBSOCKET_DIFFERENCES, documented

_PAGE = Path(__file__).resolve().parents[2] / "docs/servers.rst"


class DocumentedTest(CleanTestCase):
    """``docs/servers.rst``."""

    def test_every_difference_is_documented(self) -> None:
        """The page prints each row of the tables, in their order, and no other."""
        for title, table in (("HTTP", HTTP_DIFFERENCES), ("WebSocket", WEBSOCKET_DIFFERENCES)):
            with self.subTest(title):
                page = _PAGE.read_text(encoding="utf-8")
                section = page.partition(f"\n{title}\n{'-' * len(title)}\n")[2].partition("\n\n\n")[
                    0
                ]
                rows = section.partition("     - what differs\n")[2]

                self.assertEqual("".join(documented(table)).strip("\n"), rows.strip("\n"))
