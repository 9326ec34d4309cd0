"""What was measured, as a table on the terminal and as JSON."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

from .measure import Medians
from .memory import Figures
from .shares import Shares

_PACKAGES = (
    "requests",
    "anyio",
    "starlette",
    "starlette-testclient",
    "httpx",
    "httpx2",
    "async-asgi-testclient",
    "asgi-tools",
    "falcon",
    "litestar",
    "django",
    "channels",
)


@dataclass
class Results:
    """The figures of one run, and where they come from.

    :ivar reference: name of the contender that the others are compared with
    :ivar rounds: how often each case was measured
    :ivar seconds: medians by contender and case
    :ivar memory: figures by contender and case
    :ivar imports: medians of seconds by statement
    :ivar calls: calls behind one repetition by what is repeated and by part
    :ivar python: the interpreter and its version
    :ivar machine: the machine's architecture, system and processors
    :ivar packages: versions of the packages that were compared
    """

    reference: str
    rounds: int
    seconds: Medians = field(default_factory=dict)
    memory: dict[str, Figures] = field(default_factory=dict)
    imports: dict[str, float] = field(default_factory=dict)
    calls: dict[str, Shares] = field(default_factory=dict)
    python: str = f"{platform.python_implementation()} {platform.python_version()}"
    machine: str = f"{platform.machine()}, {platform.system()}, {os.cpu_count()} processors"
    packages: dict[str, str] = field(default_factory=lambda: dict(_versions()))

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return the results that :meth:`write` wrote.

        :param path: the file
        """
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write the results as JSON.

        :param path: the file
        """
        text = json.dumps(dataclasses.asdict(self), indent=2)
        path.write_text(f"{text}\n", encoding="utf-8")

    def cases(self) -> list[str]:
        """Return the names of the cases in which there is something to compare with."""
        return [case for case in _all_cases(self.seconds) if case in self.seconds[self.reference]]

    def ranking(self, case: str) -> list[tuple[str, float]]:
        """Return the contenders in a case with their medians, the fastest first.

        :param case: name of the case
        """
        rows = [(name, own[case]) for name, own in self.seconds.items() if case in own]
        return sorted(rows, key=lambda row: row[1])


def _versions() -> list[tuple[str, str]]:
    found = []
    for package in _PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _all_cases(medians: Medians) -> list[str]:
    return sorted({case for own in medians.values() for case in own})


def table(results: Results) -> str:
    """Return the medians as text, with the ratio to one contender.

    :param results: what was measured
    """
    lines = []
    for case in _all_cases(results.seconds):
        lines.append(case)
        base = results.seconds.get(results.reference, {}).get(case)
        for name, seconds in results.ranking(case):
            ratio = "" if base is None else f"{seconds / base:8.2f}"
            lines.append(f"  {name:44} {seconds * 1e6:12.0f} us{ratio}")
        lines.append("")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a duration with a unit that suits it.

    :param seconds: the duration
    """
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.0f} µs"
