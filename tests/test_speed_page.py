"""The figures on the page about speed."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from .benchmarks import fragment, memory, shares
from .benchmarks.report import Results, duration, table

DOCS = Path(__file__).resolve().parents[1] / "docs"


class SpeedPageTest(unittest.TestCase):
    """What the benchmarks write for the documentation."""

    def setUp(self) -> None:
        """Read the figures of the page."""
        self.results = Results.read(DOCS / "speed.json")

    def test_tables_are_those_of_the_figures(self) -> None:
        """The tables were written with the figures, and by nobody's hand."""
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "speed.inc"
            fragment.write(written, self.results)

            self.assertEqual(
                written.read_text(encoding="utf-8"),
                (DOCS / "speed.inc").read_text(encoding="utf-8"),
            )

    def test_figures_are_kept_as_they_are(self) -> None:
        """What was read and written again is the same file."""
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "speed.json"
            self.results.write(written)

            self.assertEqual((DOCS / "speed.json").read_bytes(), written.read_bytes())

    def test_plot_is_of_the_same_run(self) -> None:
        """The plot names the interpreter and has every case and every figure."""
        drawn = (DOCS / "speed.svg").read_text(encoding="utf-8")

        self.assertIn(self.results.python, drawn)
        for case in self.results.cases():
            with self.subTest(case):
                self.assertIn(f">{case}<", drawn)
                for _, seconds in self.results.ranking(case):
                    self.assertIn(f">{duration(seconds)} (", drawn)

    def test_everything_was_measured(self) -> None:
        """Both portals stand in every case of memory, all clients in the terminal's table."""
        shown = table(self.results)

        self.assertLessEqual(
            {"asgitest thread asyncio", "asgitest inline asyncio"}, set(self.results.memory)
        )
        for figures in self.results.memory.values():
            self.assertEqual(list(memory.CASES), list(figures))
        for name in self.results.seconds:
            self.assertIn(name, shown)

    def test_calls(self) -> None:
        """A request's calls are told apart by whose they are."""
        counted = shares.measure()

        nothing, request = (
            counted[title] for title in ("GET, requests with an empty adapter", "GET, inline")
        )
        self.assertEqual(0, nothing["asgitest"])
        self.assertTrue(all(request.values()), request)
        for title, own in counted.items():
            # A floor has nothing of ours, and what stands above it has.
            self.assertEqual("inline" in title, own["asgitest"] > 0, title)
        self.assertIn(f"{sum(request.values()):.0f}", shares.table(counted))


class DurationTest(unittest.TestCase):
    """How times read."""

    def test_units(self) -> None:
        """A time has the unit in which it is at least 1, and microseconds are whole."""
        for seconds, expected in (
            (2.5, "2.5 s"),
            (0.0123, "12.3 ms"),
            (42.4e-6, "42 µs"),
            (4e-7, "0 µs"),
        ):
            with self.subTest(seconds):
                self.assertEqual(expected, duration(seconds))
