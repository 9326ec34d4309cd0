"""Base class of the suite: a test leaves nothing behind."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import unittest
import warnings
from typing import Any

from asgitest import TestClient

# uvloop opens a pipe for the whole process with its first loop, and keeps it.
with contextlib.suppress(ImportError):
    import uvloop

    uvloop.new_event_loop().close()

#: Threads that belong to nobody: trio keeps idle workers for all its loops, and ends them itself.
_SHARED_THREADS = ("Trio thread", "Trio worker thread")


class CleanTestCase(unittest.TestCase):
    """A test case that fails when a test leaves a thread or an open file behind.

    Warnings are errors, unless a test catches them.
    """

    def setUp(self) -> None:
        """Note what there is; checked last of all cleanups."""
        super().setUp()
        catcher = warnings.catch_warnings()
        catcher.__enter__()
        self.addCleanup(catcher.__exit__, None, None, None)
        warnings.simplefilter("error")
        self._threads_before = running_threads()
        self._files_before = open_files()
        self.addCleanup(self.assert_nothing_left)

    def assert_nothing_left(self) -> None:
        """Fail if there is a thread or an open file that was not there before the test."""
        left = running_threads() - self._threads_before
        self.assertEqual(set(), left, "threads were left behind")
        gc.collect()
        self.assertEqual(set(), open_files() - self._files_before, "files were left open")

    def enter_client(self, app: Any, **options: Any) -> TestClient:
        """Return a client that is entered, and left at the end of the test.

        :param app: the application
        :param options: those of the client
        """
        client = TestClient(app, **options)
        client.__enter__()
        self.addCleanup(client.__exit__, None, None, None)
        return client

    def new_client(self, app: Any, **options: Any) -> TestClient:
        """Return a client that is not entered, and closed at the end of the test.

        :param app: the application
        :param options: those of the client
        """
        client = TestClient(app, **options)
        self.addCleanup(client.close)
        return client


def running_threads() -> set[threading.Thread]:
    """Return the running threads that belong to somebody."""
    return {
        thread for thread in threading.enumerate() if not thread.name.startswith(_SHARED_THREADS)
    }


def open_files() -> set[tuple[str, str]]:
    """Return the file descriptors of the process with what they refer to, where /proc tells."""
    folder = "/proc/self/fd"
    found = set()
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            found.add((name, os.readlink(os.path.join(folder, name))))
        except FileNotFoundError:
            # That of the listing itself.
            continue
    return found
