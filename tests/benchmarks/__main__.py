"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path

from . import imports, memory, suite
from .contenders import FLOORS, PEERS, Contender, asgitest
from .measure import measure
from .report import table, write_json, write_plot


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--backend", action="append", help="asyncio (default), uvloop, trio")
    parser.add_argument("--portal", action="append", help="thread and inline unless given")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each case")
    parser.add_argument("--case", action="append", default=[], help="only this case")
    parser.add_argument("--reference", default="Starlette", help="what ratios refer to")
    parser.add_argument("--json", type=Path, help="write the medians to a file")
    parser.add_argument("--svg", type=Path, help="draw the ratios")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--import", dest="imports", action="store_true", help="measure imports")
    parser.add_argument("--suite", action="store_true", help="measure a suite of tests instead")
    options = parser.parse_args()
    kinds = [
        (backend, portal)
        for backend in options.backend or ["asyncio"]
        for portal in options.portal or ["thread", "inline"]
    ]
    if options.memory:
        print("\n".join(memory.report(*kind) for kind in kinds))
    elif options.imports:
        print(imports.table(imports.medians(options.rounds)))
    elif options.suite:
        run_suites(kinds)
    else:
        compare(kinds, options)


def run_suites(kinds: list[tuple[str, str]]) -> None:
    """Print how long the suite of tests takes.

    :param kinds: backends and portals
    """
    for backend, portal in kinds:
        for scope in ({}, {"portal_scope": "class"}, {"lifespan_scope": "class"}):
            elapsed = suite.seconds(backend=backend, portal=portal, **scope)
            print(f"500 tests, {portal} {backend} {scope or ''}: {elapsed:.2f} s")


def compare(kinds: list[tuple[str, str]], options: argparse.Namespace) -> None:
    """Measure all contenders, print the table and write what was asked for.

    :param kinds: backends and portals of ours
    :param options: the command line's
    """
    builders: list[Callable[[], Contender]] = [*FLOORS, *PEERS]
    builders += [lambda kind=kind: asgitest(*kind) for kind in kinds]
    with warnings.catch_warnings(), contextlib.ExitStack() as exits:
        warnings.simplefilter("ignore")
        contenders = []
        for build in builders:
            try:
                contender = build()
            except (ImportError, RuntimeError, AttributeError) as error:
                print(f"left out: {getattr(build, '__name__', build)}: {error}")
                continue
            exits.callback(contender.close)
            contenders.append(contender)
        medians = measure(contenders, options.rounds, options.case)
    print(table(medians, options.reference))
    if options.json:
        write_json(options.json, medians, options.reference)
    if options.svg:
        write_plot(options.svg, medians, options.reference)


if __name__ == "__main__":
    main()
