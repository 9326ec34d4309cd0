"""Base class of the suite: a test leaves nothing behind."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import threading
import unittest
import warnings
from collections.abc import Callable
from typing import Any, TypeVar
from unittest import mock

from asgitest import TestClient, _inline_portal
from asgitest._portal import Portal


def _warm_up() -> None:
    """Start a loop of each backend, so that no test sees what happens once in a process.

    uvloop opens pipes with its first loop and keeps them; old versions of anyio and trio warn of
    each other when they are imported.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for backend in ("uvloop", "trio"):
            with contextlib.suppress(ImportError):
                client = TestClient(_warm_up, backend=backend, interface="asgi3")
                client.call(_warm_up_done)
                client.close()


def _warm_up_done() -> None:
    """Do nothing, on the loop."""


_warm_up()

# A shell ignores it for what it runs in the background, and children inherit that.
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Whether the loop is advanced in the thread of the test, as the environment says.
INLINE = os.environ.get("ASGITEST_PORTAL") == "inline"

#: Threads that belong to nobody: trio keeps idle workers for all its loops, and ends them itself.
_SHARED_THREADS = ("Trio thread", "Trio worker thread")


Test = TypeVar("Test", bound=Callable[..., Any])


def on_thread(reason: str) -> Callable[[Test], Test]:
    """Run a test with a loop in a thread of its own, whatever the environment says.

    :param reason: what the test does that needs a loop which runs by itself
    """

    def mark(test: Test) -> Test:
        test.needs_thread = reason  # type: ignore[attr-defined]
        return test

    return mark


class ChoosingTestCase(unittest.TestCase):
    """A test case that runs all but its tests about threads where the environment says."""

    #: Why the tests of a class are about a loop that runs by itself, ``""`` if they are not.
    needs_thread = ""

    def setUp(self) -> None:
        """Choose where the loop runs."""
        super().setUp()
        method = getattr(self, self._testMethodName)
        if self.needs_thread or getattr(method, "needs_thread", ""):
            self.enter_patch(mock.patch.dict(os.environ, ASGITEST_PORTAL="thread"))

    def enter_patch(self, patch: Any) -> None:
        """Have a patch in force until the test ends.

        :param patch: what ``mock.patch`` and its like return
        """
        patch.start()
        self.addCleanup(patch.stop)


class CleanTestCase(ChoosingTestCase):
    """A test case that fails when a test leaves a thread, an open file or a tracer behind.

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
        self._tracer_before = sys.gettrace()
        self.addCleanup(self.assert_nothing_left)

    def assert_nothing_left(self) -> None:
        """Fail if there is a thread or an open file that was not there before the test.

        Likewise if what traces the test's thread is something else, or nothing: without a word, no
        line of the tests that follow would be measured.
        """
        end_abandoned_loops()
        left = running_threads() - self._threads_before
        self.assertEqual(set(), left, "threads were left behind")
        if open_files() - self._files_before:
            # Perhaps of a cycle that nobody has collected so far; too slow to do for every test.
            gc.collect()
        self.assertEqual(set(), open_files() - self._files_before, "files were left open")
        self.assertIs(self._tracer_before, sys.gettrace(), "another trace function was left")

    def hurry(self) -> None:
        """Let what is known not to come be waited for a short time only, until the test ends."""
        self.enter_patch(mock.patch.object(Portal, "grace", 0.15))

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


def end_abandoned_loops() -> None:
    """End the inline loops that were given up, which the next inline client would do else."""
    for portal in list(_inline_portal._open):
        if not portal.usable:
            portal.join(10)


_TIME = re.compile(
    r"^  \d+\.\d{3} s(?=  +(?:received|sent|the test|the application) )", re.MULTILINE
)
_TIME_OF_EXCHANGE = re.compile(r"^\d+\.\d{3} s  |(?<=, after )\d+\.\d{3}(?= s$)", re.MULTILINE)


def without_times(text: str) -> str:
    """Return a text without the times of exchanges and of the messages of WebSockets.

    :param text: any text that shows them
    """
    return _TIME_OF_EXCHANGE.sub("", _TIME.sub("", text))


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
