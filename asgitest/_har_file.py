"""The file that a process writes its exchanges to, as ``ASGITEST_HAR`` asks for."""

from __future__ import annotations

import atexit
import json
import os
from pathlib import Path

from ._exchange_store import ExchangeStore
from ._version import __version__

#: Bytes that the exchanges of a process may take.
PROCESS_LIMIT = 64 * 1024 * 1024


class HARFile:
    """The exchanges of all clients of a process, written when it ends."""

    def __init__(self) -> None:
        self._stores: dict[str, ExchangeStore] = {}

    def store(self) -> ExchangeStore | None:
        """Return where clients made from now on record, ``None`` if no file is asked for."""
        path = os.environ.get("ASGITEST_HAR")
        if not path:
            return None
        if not self._stores:
            atexit.register(self.write)
        # Where the process stands now, for tests may change that.
        return self._stores.setdefault(os.path.abspath(path), ExchangeStore(PROCESS_LIMIT))

    def clear(self) -> None:
        """Forget what the parent of a forked process exchanged."""
        for store in self._stores.values():
            store.clear()

    def write(self) -> None:
        """Write the file of this process."""
        for path, store in self._stores.items():
            exchanges = store.listed()
            if exchanges:
                from ._har import har_archive

                archive = json.dumps(har_archive(exchanges, __version__))
                process_path(path).write_text(archive, encoding="utf-8")


def process_path(path: str) -> Path:
    """Return the path of this process's file: its id stands before the extension.

    :param path: what the environment says
    """
    named = Path(path)
    return named.with_name(f"{named.stem}.{os.getpid()}{named.suffix or '.har'}")


#: The file of this process.
har_file = HARFile()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=har_file.clear)
