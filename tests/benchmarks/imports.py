"""Measure what importing the package takes, each time in a process of its own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

FLOOR = "import requests, anyio.from_thread"
STATEMENTS = (FLOOR, "import asgitest", "from asgitest import ASGITestCase")

_PROGRAM = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def medians(rounds: int) -> dict[str, float]:
    """Return the median of the seconds that each statement takes.

    :param rounds: how many processes import each, in turn
    """
    samples: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    with tempfile.TemporaryDirectory() as cache:
        # Compiled once, wherever the interpreter would keep that or is told not to.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for statement in STATEMENTS:
                seconds = _seconds(statement, environment)
                if number:
                    samples[statement].append(seconds)
    return {statement: statistics.median(times) for statement, times in samples.items()}


def _seconds(statement: str, environment: dict[str, str]) -> float:
    program = [sys.executable, "-c", _PROGRAM.format(statement)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def table(seconds: dict[str, float]) -> str:
    """Return the medians as text, with the ratio to the imports that are needed anyway.

    :param seconds: what :func:`medians` returned
    """
    lines = [
        f"  {statement:44} {each * 1e6:12.0f} us{each / seconds[FLOOR]:8.2f}"
        for statement, each in seconds.items()
    ]
    return "\n".join(["import", *lines])
