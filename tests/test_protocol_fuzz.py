"""The three state machines under random messages and events: whatever comes, they hold.

``ASGITEST_FUZZ`` sets the number of examples here as in the tests of generated applications; a
walk has more than ten times the steps of one of these, and costs less.
"""

from __future__ import annotations

import os
import unittest
from collections import deque
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from asgitest._protocol._http import HTTPProtocol, HTTPState
from asgitest._protocol._lifespan import LifespanProtocol, LifespanState
from asgitest._protocol._machine import Protocol
from asgitest._protocol._messages import EVENTS
from asgitest._protocol._rules import Strictness
from asgitest._protocol._websocket import WebSocketProtocol, WebSocketState
from asgitest.exceptions import ClientDisconnected, ProtocolError
from tests.fuzz_messages import (
    BODIES,
    EXTENSIONS,
    IGNORED_RULES,
    SUBPROTOCOLS,
    VERSIONS,
    messages,
)
from tests.protocol_case import snapshot

WANTED = os.environ.get("ASGITEST_FUZZ")
SETTINGS = settings(
    max_examples=int(WANTED or 50),
    stateful_step_count=60,
    derandomize=not WANTED,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


# -- machines ----------------------------------------------------------------------------------


class ProtocolMachine(RuleBasedStateMachine):
    """What holds for all three: refusals leave no trace, and the first violation is kept."""

    protocol: Protocol

    def __init__(self) -> None:
        super().__init__()
        self.first: ProtocolError | None = None
        self.left = False
        self.raises = False
        self.is_relaxed = False

    def judged(self, strict: bool, ignored: list[str]) -> Strictness:
        """Return how strictly to judge; what is relaxed need not be consistent any more."""
        self.is_relaxed = bool(ignored)
        return Strictness(strict, frozenset(ignored))

    def send_message(self, message: object) -> Any:
        """Send a message; check that a refusal changes nothing.

        :param message: anything
        :return: the message as it was taken, ``None`` if it was refused or dropped
        """
        before = snapshot(self.protocol)
        try:
            taken = self.protocol.send(message)
        except ClientDisconnected:
            assert self.left
            assert self.protocol.spec_version >= (2, 4)
            assert snapshot(self.protocol) == before
            return None
        except ProtocolError as violation:
            assert not self.left
            assert snapshot(self.protocol) == before
            self.note(violation)
            return None
        if self.left:
            assert self.protocol.spec_version < (2, 4)
            assert taken is None
            assert snapshot(self.protocol) == before
            return None
        if taken is None:
            # Whoever accepts a breach may drop what broke the rule.
            assert self.is_relaxed
            return None
        assert isinstance(message, dict)
        assert taken["type"] == message["type"]
        return taken

    def next_event(self) -> Any:
        """Receive an event; check that it is one."""
        event = self.protocol.next_event()
        if event is not None:
            assert event["type"] in EVENTS
            assert event["type"].startswith(f"{self.protocol.scope_type}.")
        return event

    def note(self, violation: ProtocolError) -> None:
        """Check a violation and remember it if it is the first."""
        assert str(violation).endswith(f"[{violation.rule}]")
        assert len(str(violation)) < 1000
        self.first = self.first or violation

    @invariant()
    def the_first_violation_is_kept(self) -> None:
        """Nothing replaces or drops the first violation."""
        if hasattr(self, "protocol"):
            assert self.protocol.violation is self.first

    @invariant()
    def it_can_be_described(self) -> None:
        """At any time there is a sentence about the connection."""
        if hasattr(self, "protocol"):
            assert self.protocol.describe()

    def teardown(self) -> None:
        """Let the application return or raise."""
        if not hasattr(self, "protocol"):
            return
        self.protocol.finish(raised=self.raises)
        if self.first is None and self.protocol.violation is not None:
            assert not self.left
            assert not self.raises
            self.note(self.protocol.violation)
        assert self.protocol.violation is self.first
        assert self.protocol.describe()


class HTTPMachine(ProtocolMachine):
    """One request."""

    ORDER = list(HTTPState)
    protocol: HTTPProtocol

    def __init__(self) -> None:
        super().__init__()
        self.uploaded: deque[dict[str, Any]] = deque()
        self.upload_complete = False
        self.bodies: list[bytes] = []
        self.furthest = 0

    @initialize(
        version=VERSIONS,
        method=st.sampled_from(["GET", "HEAD"]),
        announced=st.booleans(),
        raises=st.booleans(),
        strict=st.booleans(),
        ignored=IGNORED_RULES,
    )
    def start(
        self,
        version: str,
        method: str,
        announced: bool,
        raises: bool,
        strict: bool,
        ignored: list[str],
    ) -> None:
        """Begin."""
        self.raises = raises
        self.method = method
        self.protocol = HTTPProtocol(
            method, version, EXTENSIONS if announced else [], self.judged(strict, ignored)
        )

    @rule(message=messages("http"))
    def send(self, message: object) -> None:
        """Send anything; what is taken moves the response forward."""
        was_complete = self.protocol.complete
        taken = self.send_message(message)
        if taken is None or self.is_relaxed:
            return
        assert not was_complete
        if taken["type"] == "http.response.body":
            self.bodies.append(taken["body"])
            assert not (self.protocol.complete and taken["more_body"])
        if taken["type"] == "http.response.start":
            assert self.protocol.status == taken["status"]

    @precondition(lambda self: not self.upload_complete and not self.left)
    @rule(content=BODIES, more_body=st.booleans())
    def upload(self, content: bytes, more_body: bool) -> None:
        """Upload a part of the request's body."""
        self.protocol.add_body(content, more_body)
        self.uploaded.append({"type": "http.request", "body": content, "more_body": more_body})
        self.upload_complete = not more_body

    @rule()
    def leave(self) -> None:
        """Leave; that counts until the response is complete."""
        self.protocol.disconnect()
        self.left = self.left or not self.protocol.complete

    @rule()
    def receive(self) -> None:
        """Receive: what was uploaded, in its order, then the disconnect or nothing."""
        if self.protocol.complete:
            expected: Any = {"type": "http.disconnect"}
        elif self.uploaded:
            expected = self.uploaded.popleft()
        else:
            expected = {"type": "http.disconnect"} if self.left else None
        assert self.next_event() == expected

    @invariant()
    def it_is_consistent(self) -> None:
        """The response only goes forward, and what is complete has the length it promised."""
        if not hasattr(self, "protocol"):
            return
        protocol = self.protocol
        reached = self.ORDER.index(protocol.state)
        assert reached >= self.furthest
        self.furthest = reached
        assert protocol.started == (protocol.status != 0)
        assert protocol.disconnected is self.left
        assert not (self.left and protocol.complete)
        assert not (self.bodies and not protocol.sent_body)
        assert all(name == name.lower() != b"transfer-encoding" for name, _ in protocol.headers)
        if self.is_relaxed:
            return
        sent = b"".join(self.bodies)
        if self.method == "HEAD" or protocol.status in (204, 304):
            assert not sent
            return
        for name, value in protocol.headers:
            if name == b"content-length":
                assert len(sent) <= int(value)
                assert len(sent) == int(value) or not protocol.complete


class WebSocketMachine(ProtocolMachine):
    """One WebSocket."""

    AFTER = {
        WebSocketState.CONNECTING: {
            WebSocketState.OPEN,
            WebSocketState.DENYING,
            WebSocketState.DENIED,
        },
        WebSocketState.OPEN: {WebSocketState.CLOSED},
        WebSocketState.CLOSED: set(),
        WebSocketState.DENYING: {WebSocketState.DENIED},
        WebSocketState.DENIED: set(),
    }
    protocol: WebSocketProtocol

    def __init__(self) -> None:
        super().__init__()
        self.fed: deque[dict[str, Any]] = deque()
        self.connected = False

    @initialize(
        version=VERSIONS,
        announced=st.booleans(),
        raises=st.booleans(),
        strict=st.booleans(),
        ignored=IGNORED_RULES,
    )
    def start(
        self, version: str, announced: bool, raises: bool, strict: bool, ignored: list[str]
    ) -> None:
        """Begin."""
        self.raises = raises
        self.protocol = WebSocketProtocol(
            SUBPROTOCOLS, version, EXTENSIONS if announced else [], self.judged(strict, ignored)
        )
        self.state = self.protocol.state

    @rule(message=messages("websocket"))
    def send(self, message: object) -> None:
        """Send anything; nothing is taken once the application has closed."""
        was_closed = self.protocol.closed
        taken = self.send_message(message)
        if taken is None or self.is_relaxed:
            return
        assert not was_closed
        if taken["type"] == "websocket.send":
            assert len(taken) == 2
            assert isinstance(taken.get("text", taken.get("bytes")), (str, bytes))
        if taken["type"] == "websocket.close":
            assert isinstance(taken["code"], int)
            assert isinstance(taken["reason"], str)

    @rule(text=st.text(max_size=2))
    def feed(self, text: str) -> None:
        """Send something from the client; after the end it is lost."""
        event = {"type": "websocket.receive", "text": text}
        self.protocol.add_event(event)
        if not self.left and not self.protocol.closed:
            self.fed.append(event)

    @rule(code=st.sampled_from([1000, 1001, 1006, 4000]), reason=st.sampled_from(["", "bye"]))
    def leave(self, code: int, reason: str) -> None:
        """Leave; that counts once, and only until the application closes."""
        counts = not self.left and not self.protocol.closed
        self.protocol.disconnect(code, reason)
        if counts:
            self.left = True
            assert (self.protocol.close_code, self.protocol.close_reason) == (code, reason)

    @rule()
    def receive(self) -> None:
        """Receive: the connect, what was fed, in its order, then the disconnect or nothing."""
        event = self.next_event()
        if not self.connected:
            self.connected = True
            assert event == {"type": "websocket.connect"}
        elif self.protocol.state is WebSocketState.OPEN and self.fed:
            assert event == self.fed.popleft()
        elif self.left or self.protocol.closed:
            assert event["type"] == "websocket.disconnect"
            assert type(event["code"]) is int
            assert ("reason" in event) is (self.protocol.spec_version >= (2, 5))
        else:
            assert event is None

    @invariant()
    def it_is_consistent(self) -> None:
        """Only the steps of a WebSocket are taken, and what it knows fits where it stands."""
        if not hasattr(self, "protocol"):
            return
        protocol = self.protocol
        if protocol.state is not self.state:
            assert protocol.state in self.AFTER[self.state]
            self.state = protocol.state
        assert protocol.disconnected is self.left
        assert not (self.left and protocol.closed)
        assert (protocol.close_code is not None) is (self.left or protocol.closed)
        offered = protocol.subprotocol is None or protocol.subprotocol in SUBPROTOCOLS
        assert offered or self.is_relaxed
        if protocol.denial is None:
            assert protocol.state is not WebSocketState.DENYING
        else:
            assert protocol.state in (WebSocketState.DENYING, WebSocketState.DENIED)
            assert protocol.denial.started
            assert protocol.denial.complete is (protocol.state is WebSocketState.DENIED)


class LifespanMachine(ProtocolMachine):
    """One lifespan."""

    AFTER = {
        LifespanState.STARTING: {LifespanState.STARTED, LifespanState.START_FAILED},
        LifespanState.STARTED: {LifespanState.STOPPED, LifespanState.STOP_FAILED},
        LifespanState.START_FAILED: set(),
        LifespanState.STOPPED: set(),
        LifespanState.STOP_FAILED: set(),
    }
    protocol: LifespanProtocol

    def __init__(self) -> None:
        super().__init__()
        self.protocol = LifespanProtocol()
        self.state = self.protocol.state
        self.wanted = False
        self.expected = deque(["lifespan.startup"])

    @rule(message=messages("lifespan"))
    def send(self, message: object) -> None:
        """Send anything; what is taken was due."""
        shutdown_received = self.wanted and not self.expected
        taken = self.send_message(message)
        if taken is not None and taken["type"].startswith("lifespan.shutdown"):
            assert shutdown_received

    @rule()
    def shut_down(self) -> None:
        """Tell the application to shut down."""
        self.protocol.shut_down()
        if not self.wanted:
            self.wanted = True
            self.expected.append("lifespan.shutdown")

    @rule()
    def receive(self) -> None:
        """Receive: the startup, the shutdown when it is wanted, each once."""
        event = self.next_event()
        assert event == ({"type": self.expected.popleft()} if self.expected else None)

    @invariant()
    def it_is_consistent(self) -> None:
        """Only the steps of a lifespan are taken, and its answers fit where it stands."""
        if self.protocol.state is not self.state:
            assert self.protocol.state in self.AFTER[self.state]
            self.state = self.protocol.state
        assert self.protocol.startup_answered is (self.state is not LifespanState.STARTING)
        assert self.protocol.shutdown_answered is (
            self.state in (LifespanState.STOPPED, LifespanState.STOP_FAILED)
        )
        assert isinstance(self.protocol.message, str)


class FuzzTest(unittest.TestCase):
    """Random walks through the state machines."""

    def test_http(self) -> None:
        """A request holds its rules, whatever application and client do."""
        run_state_machine_as_test(HTTPMachine, settings=SETTINGS)

    def test_websocket(self) -> None:
        """A WebSocket holds its rules, whatever application and client do."""
        run_state_machine_as_test(WebSocketMachine, settings=SETTINGS)

    def test_lifespan(self) -> None:
        """A lifespan holds its rules, whatever the application does."""
        run_state_machine_as_test(LifespanMachine, settings=SETTINGS)
