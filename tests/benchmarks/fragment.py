"""The tables of the documentation, written anew with each run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .imports import FLOOR
from .memory import CASES
from .report import Results, duration
from .shares import PARTS


def write(path: Path, results: Results) -> None:
    """Write the figures as reStructuredText, to be included in a page.

    :param path: the file
    :param results: what was measured
    """
    lines = [*_origin(results), *_times(results), *_memory(results)]
    lines += [*_imports(results), *_calls(results)]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _origin(results: Results) -> Iterator[str]:
    packages = ", ".join(f"{name} {version}" for name, version in results.packages.items())
    yield f"All figures on this page come from one run on **{results.python}**"
    yield f"({results.machine}): medians of up to {results.rounds} rounds, in each of which all"
    yield f"clients took turns. With {packages}."
    yield ""


def _times(results: Results) -> Iterator[str]:
    yield from _table(
        f"Median time of one repetition, and its ratio to {results.reference}'s client",
        ("case", "client", "time", "ratio"),
        _time_rows(results),
    )


def _time_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for case in results.cases():
        base = results.seconds[results.reference][case]
        title = case
        for name, seconds in results.ranking(case):
            yield title, _name(name), duration(seconds), f"{seconds / base:.2f}"
            title = ""


def _memory(results: Results) -> Iterator[str]:
    if results.memory:
        rows = (
            (case, *(f"{figures[case]:.1f}" for figures in results.memory.values()))
            for case in CASES
        )
        yield from _table("Memory and throughput", ("", *map(_name, results.memory)), rows)


def _imports(results: Results) -> Iterator[str]:
    if results.imports:
        floor = results.imports[FLOOR]
        rows = (
            (f"``{statement}``", duration(seconds), f"{seconds / floor:.2f}")
            for statement, seconds in results.imports.items()
        )
        yield from _table("Import in a new process", ("statement", "time", "ratio"), rows)


def _calls(results: Results) -> Iterator[str]:
    if results.calls:
        rows = (
            (title, *(f"{own[part]:.0f}" for part in PARTS), f"{sum(own.values()):.0f}")
            for title, own in results.calls.items()
        )
        yield from _table("Calls of functions behind one repetition", ("", *PARTS, "all"), rows)


def _name(name: str) -> str:
    return f"**{name}**" if name.startswith("asgitest") else name


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f".. list-table:: {title}"
    yield "   :header-rows: 1"
    yield ""
    for row in (head, *rows):
        for number, cell in enumerate(row):
            yield f"   {'- ' if number else '* - '}{cell}".replace("   - ", "     - ").rstrip()
    yield ""
