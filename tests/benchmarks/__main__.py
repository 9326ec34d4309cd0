"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path

from . import fragment, imports, memory, plot, shares
from .contenders import PEERS, Contender, asgitest, asgitest_sharing
from .floors import FLOORS
from .measure import Medians, measure
from .report import Results, table

Kinds = list[tuple[str, str]]

_BACKENDS = ["asyncio", "uvloop", "trio"]
_IMPORT_ROUNDS = 31


def main() -> None:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    kinds = [
        (backend, portal)
        for backend in options.backend or (_BACKENDS if options.docs else _BACKENDS[:1])
        for portal in options.portal or ["thread", "inline"]
    ]
    only = options.memory or options.imports or options.calls
    if options.read:
        results = Results.read(options.read)
    else:
        results = Results(options.reference, options.rounds)
        if options.docs or not only:
            results.seconds = compare(kinds, options.rounds, options.case)
        if options.docs or options.memory:
            results.memory = {f"asgitest {p} {b}": memory.measure(b, p) for b, p in kinds}
        if options.docs or options.imports:
            results.imports = imports.medians(_IMPORT_ROUNDS)
        if options.docs or options.calls:
            results.calls = shares.measure()
    show(results)
    write(results, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--backend", action="append", help="asyncio (default), uvloop, trio; all for --docs"
    )
    parser.add_argument("--portal", action="append", help="thread and inline unless given")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each case")
    parser.add_argument("--case", action="append", default=[], help="only this case")
    parser.add_argument("--reference", default="Starlette", help="what ratios refer to")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--import", dest="imports", action="store_true", help="measure imports")
    parser.add_argument("--calls", action="store_true", help="count calls instead")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    parser.add_argument("--svg", type=Path, help="draw the times")
    parser.add_argument(
        "--docs",
        type=Path,
        metavar="FOLDER",
        help="measure all there is, and write speed.json, speed.svg and speed.inc to a folder",
    )
    parser.add_argument(
        "--read", type=Path, metavar="JSON", help="measure nothing, take figures from a file"
    )
    return parser


def compare(kinds: Kinds, rounds: int, cases: list[str]) -> Medians:
    """Return the medians of all contenders that are installed.

    :param kinds: backends and portals of ours
    :param rounds: rounds of each case
    :param cases: names of the cases, empty for all
    """
    builders: list[Callable[[], Contender]] = [*FLOORS, *PEERS]
    builders += [lambda kind=kind: asgitest(*kind) for kind in kinds]
    builders += [
        lambda kind=kind, scope=scope: asgitest_sharing(*kind, scope)
        for kind in kinds
        if kind[0] == kinds[0][0]
        for scope in ("portal_scope", "lifespan_scope")
    ]
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
        return measure(contenders, rounds, cases)


def show(results: Results) -> None:
    """Print the tables.

    :param results: what was measured
    """
    if results.seconds:
        print(table(results))
    if results.memory:
        print(memory.table(results.memory))
    if results.imports:
        print(imports.table(results.imports))
    if results.calls:
        print(shares.table(results.calls))


def write(results: Results, options: argparse.Namespace) -> None:
    """Write the files that were asked for.

    :param results: what was measured
    :param options: the command line's
    """
    if options.json:
        results.write(options.json)
    if options.svg:
        plot.write(options.svg, results)
    if options.docs:
        results.write(options.docs / "speed.json")
        plot.write(options.docs / "speed.svg", results)
        fragment.write(options.docs / "speed.inc", results)


if __name__ == "__main__":
    main()
