"""Measure memory and throughput at length: each case in a process of its own."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asgitest import TestClient

from .application import app
from .contenders import pieces

# Pieces of 64 KiB.
_GIBIBYTE = 16 * 1024
_PROCESS = Path("/proc/self")


def _resident() -> int:
    """Return the bytes that the process holds now; forget how many they were at the most."""
    # What getrusage() tells begins with the peak of the parent process, and is never less.
    (_PROCESS / "clear_refs").write_text("5")
    return _status("VmRSS")


def _status(key: str) -> int:
    lines = (_PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024


def _peak() -> int:
    return _status("VmHWM")


def _download(client: TestClient) -> None:
    with client.get(f"/download/{_GIBIBYTE}", stream=True) as response:
        for _ in response.iter_content(None):
            pass


def _upload(client: TestClient) -> None:
    client.post("/", data=pieces(_GIBIBYTE))


def _growth(stream: Callable[[TestClient], None]) -> Callable[[TestClient], float]:
    def measure(client: TestClient) -> float:
        client.post("/", data=pieces(16))
        client.get("/download/16", stream=True).close()
        before = _resident()
        stream(client)
        return (_peak() - before) / 2**20

    return measure


def _rate(stream: Callable[[TestClient], None]) -> Callable[[TestClient], float]:
    def measure(client: TestClient) -> float:
        start = time.perf_counter()
        stream(client)
        return 1024 / (time.perf_counter() - start)

    return measure


def _requests(client: TestClient) -> float:
    for _ in range(1_000):
        client.get("/")
    gc.collect()
    before = _resident()
    for _ in range(49_000):
        client.get("/")
    gc.collect()
    return (_resident() - before) / 2**20


def _websockets(client: TestClient) -> float:
    with client.websocket_connect("/"):
        pass
    gc.collect()
    before, threads = _resident(), threading.active_count()
    with ExitStack() as sessions:
        for _ in range(1_000):
            sessions.enter_context(client.websocket_connect("/"))
        each = (_resident() - before) / 1024 / 1_000
        more = threading.active_count() - threads
    if more:
        raise RuntimeError(f"1,000 open WebSockets have {more} more threads than one")
    return each


#: What is measured, by what the figure is; the last part is its unit.
CASES: dict[str, Callable[[TestClient], float]] = {
    "growth of the peak during 1 GiB down, MiB": _growth(_download),
    "growth of the peak during 1 GiB up, MiB": _growth(_upload),
    "1 GiB down, MiB/s": _rate(_download),
    "1 GiB up, MiB/s": _rate(_upload),
    "growth during 49,000 requests after 1,000, MiB": _requests,
    "each of 1,000 open WebSockets, KiB": _websockets,
}

#: Figures by case.
Figures = dict[str, float]


def _run(case: str, options: dict[str, Any], results: Any) -> None:
    with TestClient(app, **options) as client:
        results.put(CASES[case](client))


def measure(backend: str, portal: str) -> Figures:
    """Return what each case takes, measured in a process of its own.

    :param backend: the backend
    :param portal: the portal
    """
    context = multiprocessing.get_context("spawn")
    figures = {}
    for case in CASES:
        results = context.Queue()
        options = {"backend": backend, "portal": portal}
        process = context.Process(target=_run, args=(case, options, results))
        process.start()
        while process.is_alive() and results.empty():
            process.join(0.1)
        if results.empty():
            raise RuntimeError(f"{case}: the process ended with {process.exitcode}")
        figures[case] = results.get()
        process.join()
    return figures


def table(memory: dict[str, Figures]) -> str:
    """Return figures as text.

    :param memory: figures by contender
    """
    lines = []
    for case in CASES:
        lines.append(case)
        lines += [f"  {name:44} {figures[case]:12.1f}" for name, figures in memory.items()]
    return "\n".join(lines)
