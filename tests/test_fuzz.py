"""Generated applications: whatever they do, the client says so by name, and goes on working.

``ASGITEST_FUZZ`` is the number of examples of each test, and has them differ from run to run.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgitest import (
    ASGITestError,
    ASGIWarning,
    DeadlineExceeded,
    LeftoverError,
    LifespanError,
    ProtocolError,
    TestClient,
    UnexpectedMessage,
    WebSocketDisconnect,
)
from asgitest._portal import Portal

from .base import running_threads
from .fuzz_messages import IGNORED_RULES, SUBPROTOCOLS
from .fuzz_programs import DEADLY, Program, Raise, programs, walk

WANTED = os.environ.get("ASGITEST_FUZZ")
SETTINGS = settings(
    max_examples=int(WANTED or 40),
    derandomize=not WANTED,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
#: Deadline of what an application makes wait, and of what has to work.
SHORT, LONG = 0.1, 10.0
#: Seconds that what cannot be cancelled is waited for.
GRACE = 0.1

OPTIONS = st.fixed_dictionaries(
    {
        "raise_server_exceptions": st.booleans(),
        "spec_version": st.sampled_from([None, "2.0", "2.3", "2.5"]),
        "lifespan": st.sampled_from(["auto", "auto", "on", "off"]),
        "strict": st.sampled_from([False, False, True]),
        "ignore_rules": IGNORED_RULES,
    }
)


class InTest(Exception):
    """What a test raises itself."""


class InTestBase(BaseException):
    """What a test raises itself, and ``except Exception`` does not catch."""


# -- requests -----------------------------------------------------------------------------------


class Reading(NamedTuple):
    """How a request is made and its response read.

    :ivar method: method of the request
    :ivar parts: parts of the request's body, ``None`` for no body
    :ivar generated: whether the body comes from a generator
    :ivar upload_fails: whether that generator raises at its end
    :ivar way: how the response is read
    """

    method: str
    parts: list[bytes] | None
    generated: bool
    upload_fails: bool
    way: str

    def run(self, client: TestClient) -> None:
        """Make the request and read the response."""
        data = self._body()
        if self.way == "buffered":
            client.request(self.method, "/", data=data)
            return
        with client.request(self.method, "/", data=data, stream=True) as response:
            if self.way == "all":
                _ = response.content
            elif self.way == "lines":
                for _ in response.iter_lines():
                    pass
            elif self.way == "piece":
                next(response.iter_content(None), b"")
            elif self.way == "raise":
                raise InTest

    def _body(self) -> Any:
        if self.parts is None or self.generated:
            return None if self.parts is None else self._generate(self.parts)
        return b"".join(self.parts)

    def _generate(self, parts: list[bytes]) -> Iterator[bytes]:
        yield from parts
        if self.upload_fails:
            raise InTest


READINGS = st.builds(
    Reading,
    st.sampled_from(["GET", "POST", "HEAD"]),
    st.none() | st.lists(st.sampled_from([b"", b"a", b"bc"]), max_size=3),
    generated=st.booleans(),
    upload_fails=st.booleans(),
    way=st.sampled_from(["buffered", "buffered", "all", "lines", "piece", "close", "raise"]),
)


# -- WebSockets ---------------------------------------------------------------------------------


def _raise(error: BaseException) -> None:
    raise error


#: What a test may do with a WebSocket, by name.
ACTS: dict[str, Callable[[Any], object]] = {
    "send_text": lambda session: session.send_text("a"),
    "send_bytes": lambda session: session.send_bytes(b"a"),
    "send_event": lambda session: session.send({"type": "unheard of"}),
    "receive": lambda session: session.receive(),
    "receive_text": lambda session: session.receive_text(),
    "receive_json": lambda session: session.receive_json(),
    "iterate": lambda session: next(iter(session), None),
    "close": lambda session: session.close(3000, "enough"),
    "disconnect": lambda session: session.disconnect(),
    "raise": lambda session: _raise(InTest()),
    "raise_base": lambda session: _raise(InTestBase()),
    "close_response": lambda session: session.response.close(),
}
SCRIPTS = st.lists(st.sampled_from(sorted(ACTS)), max_size=5)


def converse(client: TestClient, script: list[str]) -> None:
    """Open a WebSocket, do what the script says, and leave it."""
    with client.websocket_connect("/", subprotocols=SUBPROTOCOLS) as session:
        for name in script:
            ACTS[name](session)


# -- the tests ----------------------------------------------------------------------------------


class FuzzTest(unittest.TestCase):
    """Whatever an application does, the client ends with a response or an error by name."""

    def setUp(self) -> None:
        """Hear of what is raised where nobody can catch it; wait for little."""
        self.unraisable: list[BaseException | None] = []
        self.threads_before = running_threads()
        for target, name, hook in (
            (sys, "unraisablehook", lambda found: self.unraisable.append(found.exc_value)),
            (threading, "excepthook", lambda found: self.unraisable.append(found.exc_value)),
            (Portal, "grace", GRACE),
        ):
            patch = mock.patch.object(target, name, hook)
            patch.start()
            self.addCleanup(patch.stop)
        # asyncio tells there of the tasks that an application has left behind with an exception.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        self.addCleanup(logging.getLogger("asyncio").setLevel, logging.NOTSET)

    def tearDown(self) -> None:
        """Fail if a loop does not end when its application does."""
        left = {thread for thread in running_threads() if thread.name.startswith("asgitest")}
        for thread in left - self.threads_before:
            thread.join(LONG)
            self.assertFalse(thread.is_alive(), f"{thread.name} was left")

    @SETTINGS
    @given(programs("http"), READINGS, OPTIONS)
    def test_http(self, program: Program, reading: Reading, options: dict[str, Any]) -> None:
        """A request to it ends with a response or an error by name."""
        self.check(program, options, reading.run)

    @SETTINGS
    @given(programs("websocket"), SCRIPTS, OPTIONS)
    def test_websocket(self, program: Program, script: list[str], options: dict[str, Any]) -> None:
        """A WebSocket to it ends quietly or with an error by name."""
        self.check(program, options, lambda client: converse(client, script))

    @SETTINGS
    @given(programs("lifespan"), OPTIONS)
    def test_lifespan(self, program: Program, options: dict[str, Any]) -> None:
        """A client of it starts and stops, or raises an error by name."""
        self.check(program, options, lambda client: None)

    def check(
        self, program: Program, options: dict[str, Any], act: Callable[[TestClient], None]
    ) -> None:
        """Act on an application; afterwards the same client has to serve a request.

        :param program: the application
        :param options: options of the client
        :param act: what the test does in the client's block
        """
        del self.unraisable[:]
        client = TestClient(program, timeout=SHORT, **options)
        with self.warnings_are_errors(program):
            try:
                with self.named_errors(program), client:
                    with self.named_errors(program):
                        act(client)
                    self.assert_serves(client)
                self.assert_serves(client)
            finally:
                client.close()
            # What it left behind, before another one is blamed for it.
            gc.collect()
        self.assertEqual([], self.unraisable)

    @contextlib.contextmanager
    def warnings_are_errors(self, program: Program) -> Iterator[None]:
        """Let every warning raise but those that tell of what an application did."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ResourceWarning)
            warnings.simplefilter("ignore", ASGIWarning)
            if _is_deadly(program):
                # What anyio had not started when its group was ended with the loop.
                message = "coroutine '.*' was never awaited"
                warnings.filterwarnings("ignore", message, RuntimeWarning)
            yield

    @contextlib.contextmanager
    def named_errors(self, program: Program) -> Iterator[None]:
        """Let errors pass that say what the application did wrong."""
        try:
            yield
        except BaseException as error:
            if not self.is_named(program, error):
                raise

    def is_named(self, program: Program, error: BaseException) -> bool:
        """Tell whether an error is one that a client may raise on account of an application."""
        if isinstance(error, ProtocolError):
            return bool(error.rule) and str(error).endswith(f"[{error.rule}]")
        if isinstance(error, (LifespanError, DeadlineExceeded, WebSocketDisconnect)):
            return bool(str(error))
        if isinstance(error, (InTest, InTestBase, UnexpectedMessage)):
            return True
        if isinstance(error, LeftoverError):
            return "which the application dropped before its end" in str(error)
        if isinstance(error, ASGITestError):
            return "the event loop has ended" in str(error) and _is_deadly(program)
        # requests' own, for a response that breaks off and whose exception is not wanted.
        is_broken = isinstance(error, requests.exceptions.ChunkedEncodingError)
        return is_broken or program.made(error)

    def assert_serves(self, client: TestClient) -> None:
        """Check that an ordinary request works."""
        self.assertEqual("ok", client.get("/ok", timeout=LONG).text)


def _is_deadly(program: Program) -> bool:
    return any(isinstance(step, Raise) and step.kind in DEADLY for step in walk(program.steps))
