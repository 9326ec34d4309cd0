"""Asgitest and real servers agree on generated connections, but for the rows of the table."""

from __future__ import annotations

import contextlib
import os
import unittest
from collections.abc import Callable
from typing import Any

from ..base import CleanTestCase
from .servers import CLIENT_PACKAGES, Server, missing_packages, running_servers

_MISSING = missing_packages(CLIENT_PACKAGES)
if _MISSING:
    raise unittest.SkipTest(f"not installed: {', '.join(_MISSING)}")

from hypothesis import HealthCheck, given, settings  # noqa: E402

from . import http_exchanges, http_shapes, websocket_exchanges, websocket_shapes  # noqa: E402
from .differences import (  # noqa: E402
    HTTP_DIFFERENCES,
    WEBSOCKET_DIFFERENCES,
    WITHOUT_DENIALS,
    Difference,
    expect,
)
from .http_exchanges import HTTPPeer, bare_client  # noqa: E402
from .http_shapes import HTTPShape  # noqa: E402
from .observation import Observation, findings  # noqa: E402
from .websocket_shapes import WebSocketShape  # noqa: E402

_IS_LONG = os.environ.get("ASGITEST_DIFFERENTIAL") == "long"
#: How many requests are generated, and how many WebSocket conversations.
REQUESTS, CONVERSATIONS = (2000, 500) if _IS_LONG else (200, 50)

_module = contextlib.ExitStack()
_servers: dict[str, Server] = {}


def setUpModule() -> None:
    """Start the servers."""
    _servers.update(_module.enter_context(running_servers()))
    if not _servers:
        raise unittest.SkipTest("no server is installed")


def tearDownModule() -> None:
    """Stop the servers."""
    _servers.clear()
    _module.close()


_SETTINGS: Any = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}


class DifferentialTestCase(CleanTestCase):
    """A client of asgitest, and connections to the servers."""

    table: tuple[Difference, ...] = ()

    def setUp(self) -> None:
        """Connect to the servers, and start the application in asgitest."""
        super().setUp()
        self.client = bare_client()
        self.client.__enter__()
        self.addCleanup(self.client.__exit__)
        self.used: dict[str, set[Difference]] = {name: set() for name in _servers}
        self.peers = {}
        for name, server in _servers.items():
            self.peers[name] = peer = HTTPPeer(server)
            self.addCleanup(peer.close)

    def assert_agreement(
        self,
        ours: Observation,
        observe: Callable[[HTTPPeer], Observation],
        left_out: tuple[str, ...] = (),
    ) -> None:
        """Fail if a server shows what neither asgitest nor the table does.

        :param ours: what asgitest shows
        :param observe: finds out what a server shows
        :param left_out: servers that are not asked
        """
        for name, peer in self.peers.items():
            if name in left_out:
                continue
            expected, used = expect(ours, name, self.table)
            self.used[name] |= used
            try:
                theirs = observe(peer)
            except Exception as error:
                message = f"{name} failed; it wrote: {_servers[name].output()}"
                with contextlib.suppress(OSError):
                    peer.renew()
                raise AssertionError(message) from error
            found = list(findings(expected, theirs))
            self.assertEqual([], found, f"{name} differs; it wrote: {_servers[name].output()}")

    def assert_every_row_is_used(self) -> None:
        """Fail if a row of the table was not seen on one of its servers."""
        for row in self.table:
            for name in {*row.servers} & {*_servers}:
                with self.subTest(row=row.name, server=name):
                    self.assertIn(row, self.used[name])


class HTTPDifferentialTest(DifferentialTestCase):
    """Scope, events and response of requests, on every server that is installed."""

    table = HTTP_DIFFERENCES

    def assert_request_agrees(self, shape: HTTPShape) -> None:
        """Fail if servers and asgitest differ in a request.

        :param shape: the request to send
        """
        ours, prepared = http_exchanges.through_asgitest(self.client, shape)
        self.assert_agreement(ours, lambda peer: peer.observe(shape, prepared))

    def test_generated_requests(self) -> None:
        """A generated request leads to the same scope, events and response everywhere."""

        @settings(max_examples=REQUESTS, **_SETTINGS)
        @given(http_shapes.http_shapes())
        def check(shape: HTTPShape) -> None:
            self.assert_request_agrees(shape)

        check()

    def test_every_difference_is_there(self) -> None:
        """Each row of the table of requests is true of each of its servers."""
        for shape in http_shapes.NOTABLE_SHAPES:
            self.assert_request_agrees(shape)

        self.assert_every_row_is_used()


class WebSocketDifferentialTest(DifferentialTestCase):
    """Scope, events, messages and closes of WebSockets, on every server that is installed."""

    table = WEBSOCKET_DIFFERENCES

    def assert_conversation_agrees(self, shape: WebSocketShape) -> None:
        """Fail if servers and asgitest differ in a conversation.

        :param shape: the conversation to hold
        """
        ours = websocket_exchanges.through_asgitest(self.client, shape)
        self.assert_agreement(
            ours,
            lambda peer: websocket_exchanges.over_the_wire(peer, shape),
            WITHOUT_DENIALS if shape.answer == "deny" else (),
        )

    def test_generated_conversations(self) -> None:
        """A generated conversation leads to the same scope, events and messages everywhere."""

        @settings(max_examples=CONVERSATIONS, **_SETTINGS)
        @given(websocket_shapes.websocket_shapes())
        def check(shape: WebSocketShape) -> None:
            self.assert_conversation_agrees(shape)

        check()

    def test_every_difference_is_there(self) -> None:
        """Each row of the table of conversations is true of each of its servers."""
        for shape in websocket_shapes.NOTABLE_SHAPES:
            self.assert_conversation_agrees(shape)

        self.assert_every_row_is_used()
