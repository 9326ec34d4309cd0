"""Count the calls behind one repetition, by whose code they belong to.

Counts do not depend on what else the machine does. The inline portal has everything in one thread,
where the profiler sees it.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from typing import Any

from asgitest import TestClient

from .application import app
from .contenders import Batch, download, echo, repeat
from .floors import bare_download, bare_loop, empty_adapter, empty_run

_TIMES = 200
_PARTS = {
    "requests": ("requests", "urllib3", "http", "email", "idna", "urllib"),
    "asyncio": ("asyncio", "selectors"),
    "anyio": ("anyio", "sniffio"),
    "asgitest": ("asgitest",),
}
_OTHERS = "others"
#: Whose calls they are.
PARTS = (*_PARTS, _OTHERS)
#: Calls of one repetition by part.
Shares = dict[str, float]


def measure() -> dict[str, Shares]:
    """Return the calls behind one repetition, by what is repeated and by part."""
    with ExitStack() as exits:
        client = exits.enter_context(TestClient(app, backend="asyncio", portal="inline"))
        requests, run, bare = empty_adapter(), empty_run(), bare_loop()
        for floor in (requests, run, bare):
            exits.callback(floor.close)
        loop = asyncio.new_event_loop()
        exits.callback(loop.close)
        return {
            "GET, requests with an empty adapter": _shares(requests.batches["GET in with"]),
            "GET, inline": _shares(repeat(lambda: client.get("/"))),
            "asyncio.run of nothing": _shares(run.batches["client per test"]),
            "client per test, inline": _shares(repeat(_client_per_test)),
            "WebSocket echo, bare event loop": _shares(bare.batches["WebSocket echo"]),
            "WebSocket echo, inline": _shares(lambda times: echo(client, times)),
            "piece of a download, bare event loop": _shares(
                lambda times: bare_download(loop, times)
            ),
            "piece of a download, inline": _shares(lambda times: download(client, times)),
        }


def _client_per_test() -> None:
    with TestClient(app, backend="asyncio", portal="inline") as client:
        client.get("/")


def _shares(batch: Batch) -> Shares:
    batch(5)
    profile = cProfile.Profile()
    profile.runcall(batch, _TIMES)
    shares = dict.fromkeys(PARTS, 0.0)
    for function, (_, calls, _, _, callers) in _statistics(profile).items():
        if function[0] != "~":
            shares[_part(function[0])] += calls / _TIMES
            continue
        # What is written in C belongs to whoever calls it.
        for caller, (_, calls_of_it, *_) in callers.items():
            shares[_part(caller[0])] += calls_of_it / _TIMES
    return shares


def _statistics(profile: cProfile.Profile) -> dict[Any, Any]:
    statistics: Any = pstats.Stats(profile)
    found: dict[Any, Any] = statistics.stats
    return found


def _part(path: str) -> str:
    return next((part for part in _PARTS if path.startswith(_places(part))), _OTHERS)


@cache
def _places(part: str) -> tuple[str, ...]:
    # By where they are: a folder round all of them may have any name.
    places: list[str] = []
    for spec in filter(None, map(find_spec, _PARTS[part])):
        folders = spec.submodule_search_locations
        places += [str(spec.origin)] if folders is None else (f"{path}{os.sep}" for path in folders)
    return tuple(places)


def table(shares: dict[str, Shares]) -> str:
    """Return the counts as text.

    :param shares: what :func:`measure` returned
    """
    head = "".join(f"{part:>10}" for part in (*PARTS, "all"))
    lines = [f"{'calls':40}{head}"]
    for title, own in shares.items():
        counts = "".join(f"{count:10.0f}" for count in (*own.values(), sum(own.values())))
        lines.append(f"{title:40}{counts}")
    return "\n".join(lines)
