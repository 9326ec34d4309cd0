"""The command line that runs unittest once per backend, each time in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._options import BACKENDS
from .backends import reason_to_skip

_LINE = "=" * 70
# What a shell calls a process that a signal ended.
_SIGNALLED = 128
_INTERRUPTED = 130


@dataclass
class Outcome:
    """What became of the run on one backend.

    :ivar backend: name of the backend
    :ivar text: what the summary says of it
    :ivar status: exit status, 0 for success
    :ivar stops: whether no further backend shall run
    """

    backend: str
    text: str
    status: int = 0
    stops: bool = False


def main(arguments: Sequence[str]) -> int:
    """Run unittest once per backend, and sum up.

    :param arguments: the command line behind the program's name
    :return: the exit status: 0 if the tests passed on all backends
    """
    options, passed_on = _parser().parse_known_args(arguments)
    asked: list[str] = options.backends or list(BACKENDS)
    outcomes: list[Outcome] = []
    for backend in dict.fromkeys(asked):
        if outcomes and outcomes[-1].stops:
            outcomes.append(Outcome(backend, "not run"))
            outcomes[-1].stops = True
            continue
        reason = reason_to_skip(backend)
        if reason is not None:
            # Who asks for a backend by its name wants it to be there.
            outcomes.append(Outcome(backend, f"skipped: {reason}", int(bool(options.backends))))
        else:
            outcomes.append(_run(backend, passed_on))
    _print([_LINE, *(f"{each.backend}: {each.text}" for each in outcomes)])
    return next((each.status for each in outcomes if each.status), 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m asgitest",
        description="Run unittest once per backend, each time in a process of its own.",
        epilog="Everything else is passed on to unittest: names of tests, 'discover', -v, -f, -k, "
        "--durations, and --buffer, whose short form is taken here; see python -m unittest --help.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-b",
        "--backend",
        action="append",
        dest="backends",
        choices=BACKENDS,
        help="a backend to run the tests on, may be repeated; unless given, all that are installed",
    )
    return parser


def _run(backend: str, arguments: Sequence[str]) -> Outcome:
    _print([_LINE, f"backend {backend}", _LINE])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "counts.json")
        command = [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]
        command += ["-m", f"{__package__}._process", path, *arguments]
        status = _wait(subprocess.Popen(command, env={**os.environ, "ASGITEST_BACKEND": backend}))
        try:
            with open(path, encoding="utf-8") as file:
                counts: dict[str, Any] = json.load(file)
        except FileNotFoundError:
            counts = {}
    if status < 0:
        status = _SIGNALLED - status
    if not counts:
        text = f"ended with status {status}, before unittest was through"
        return Outcome(backend, text, status, stops=status in (2, _INTERRUPTED))
    stops = status == _INTERRUPTED or (bool(status) and counts["failfast"])
    return Outcome(backend, counts["text"], status, stops)


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The process was sent it, too, and has more to say about it.
            continue


def _print(lines: Sequence[str]) -> None:
    # Where unittest prints.
    print("\n".join(lines), file=sys.stderr, flush=True)
