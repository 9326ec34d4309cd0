"""Measure memory: each case in a process of its own, which tells how much it grew."""

from __future__ import annotations

import gc
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asgitest import TestClient

from .application import app
from .contenders import pieces

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


def _download(client: TestClient) -> str:
    client.get("/download/16", stream=True).close()
    before = _resident()
    with client.get(f"/download/{_GIBIBYTE}", stream=True) as response:
        for _ in response.iter_content(None):
            pass
    return f"1 GiB down: peak grew by {(_peak() - before) / 2**20:.1f} MiB"


def _upload(client: TestClient) -> str:
    client.post("/", data=pieces(16))
    before = _resident()
    client.post("/", data=pieces(_GIBIBYTE))
    return f"1 GiB up: peak grew by {(_peak() - before) / 2**20:.1f} MiB"


def _requests(client: TestClient) -> str:
    for _ in range(1_000):
        client.get("/")
    gc.collect()
    before = _resident()
    for _ in range(49_000):
        client.get("/")
    gc.collect()
    return f"50,000 requests: grew by {(_resident() - before) / 2**20:.2f} MiB after 1,000"


def _websockets(client: TestClient) -> str:
    with client.websocket_connect("/"):
        pass
    gc.collect()
    before, threads = _resident(), threading.active_count()
    with ExitStack() as sessions:
        for _ in range(1_000):
            sessions.enter_context(client.websocket_connect("/"))
        each = (_resident() - before) / 1024 / 1_000
        more = threading.active_count() - threads
    return f"1,000 open WebSockets: {each:.1f} KiB each, {more} more threads"


def _threads(client: TestClient) -> str:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(100):
                client.get("/")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"20 threads with 100 requests each: {len(failures)} failures"


#: The cases, and whether each can be done on the inline portal.
CASES: tuple[tuple[Callable[[TestClient], str], bool], ...] = (
    (_download, True),
    (_upload, True),
    (_requests, True),
    (_websockets, True),
    (_threads, False),
)


def _run(case: Callable[[TestClient], str], options: dict[str, Any], results: Any) -> None:
    with TestClient(app, **options) as client:
        results.put(case(client))


def report(backend: str, portal: str) -> str:
    """Return what each case said, one a line.

    :param backend: the backend
    :param portal: the portal
    """
    context = multiprocessing.get_context("spawn")
    lines = [f"memory, asgitest {portal} {backend}"]
    for case, is_inline in CASES:
        if portal == "inline" and not is_inline:
            continue
        results = context.Queue()
        options = {"backend": backend, "portal": portal}
        process = context.Process(target=_run, args=(case, options, results))
        process.start()
        lines.append(f"  {results.get()}")
        process.join()
    return "\n".join(lines)
