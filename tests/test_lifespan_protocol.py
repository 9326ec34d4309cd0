"""The state machine of one lifespan: startup, shutdown, and what answers them."""

from __future__ import annotations

from asgitest._protocol._lifespan import LifespanProtocol, LifespanState
from asgitest.exceptions import ProtocolError
from tests.protocol_case import Message, ProtocolTestCase, Refused, Taken

STARTUP: Message = {"type": "lifespan.startup"}
SHUTDOWN: Message = {"type": "lifespan.shutdown"}
STARTED: Message = {"type": "lifespan.startup.complete"}
NOT_STARTED: Message = {"type": "lifespan.startup.failed", "message": "no database"}
STOPPED: Message = {"type": "lifespan.shutdown.complete"}
NOT_STOPPED: Message = {"type": "lifespan.shutdown.failed", "message": "no end"}

#: How a lifespan gets into each state.
REACHED = {
    LifespanState.STARTING: [],
    LifespanState.STARTED: [STARTED],
    LifespanState.START_FAILED: [NOT_STARTED],
    LifespanState.STOPPED: [STARTED, STOPPED],
    LifespanState.STOP_FAILED: [STARTED, NOT_STOPPED],
}


def protocol(*, shut_down: bool = False) -> LifespanProtocol:
    """Return a state machine whose application has received the startup event.

    :param shut_down: whether it has received the shutdown event, too
    """
    machine = LifespanProtocol()
    machine.next_event()
    if shut_down:
        machine.shut_down()
        machine.next_event()
    return machine


def told_to_shut_down() -> LifespanProtocol:
    """Return a state machine whose shutdown event waits to be received."""
    machine = protocol()
    machine.shut_down()
    return machine


class RefusedTest(ProtocolTestCase):
    """Answers that break a rule: refused, latched, and without a trace in the state."""

    def test_startup(self) -> None:
        """The startup is answered once (LIFE-04)."""
        for state, text in (
            (LifespanState.STARTED, "was sent although the application is started"),
            (LifespanState.START_FAILED, "was sent although the application failed to start"),
            (LifespanState.STOPPED, "was sent although the application is shut down"),
            (LifespanState.STOP_FAILED, "was sent although the application failed to shut down"),
        ):
            for message in (STARTED, NOT_STARTED):
                with self.subTest(state=state, message=message):
                    row = Refused("LIFE-04", f"{message['type']}: {text}", message, REACHED[state])
                    self.assert_refused(protocol(shut_down=True), row)

    def test_shutdown_before_its_event(self) -> None:
        """The shutdown is not answered before the application was told to shut down (LIFE-11)."""
        for title, build in (
            ("nothing was received", LifespanProtocol),
            ("the startup event was received", protocol),
            ("the shutdown event was not received yet", told_to_shut_down),
        ):
            for message in (STOPPED, NOT_STOPPED):
                for before in ([], [STARTED], [NOT_STARTED]):
                    with self.subTest(title, message=message, before=before):
                        row = Refused(
                            "LIFE-11",
                            f"{message['type']}: was sent before the lifespan.shutdown event "
                            "was received",
                            message,
                            before,
                        )
                        self.assert_refused(build(), row)

    def test_shutdown(self) -> None:
        """The shutdown is answered once, by an application that has started (LIFE-11)."""
        for state, text in (
            (LifespanState.STARTING, "was sent although the application is starting"),
            (LifespanState.START_FAILED, "was sent although the application failed to start"),
            (LifespanState.STOPPED, "was sent although the application is shut down"),
            (LifespanState.STOP_FAILED, "was sent although the application failed to shut down"),
        ):
            for message in (STOPPED, NOT_STOPPED):
                with self.subTest(state=state, message=message):
                    row = Refused("LIFE-11", f"{message['type']}: {text}", message, REACHED[state])
                    self.assert_refused(protocol(shut_down=True), row)

    def test_words_that_are_no_text(self) -> None:
        """The message about a failure is a ``str``."""
        for message_type, rule, before in (
            ("lifespan.startup.failed", "LIFE-04", []),
            ("lifespan.shutdown.failed", "LIFE-11", [STARTED]),
        ):
            for value, shown in (
                (b"no", "bytes: b'no'"),
                (None, "NoneType: None"),
                (ValueError("no"), "ValueError: ValueError('no')"),
            ):
                with self.subTest(message_type, value=value):
                    row = Refused(
                        rule,
                        f"{message_type}: message must be str, not {shown}",
                        {"type": message_type, "message": value},
                        before,
                    )
                    self.assert_refused(protocol(shut_down=True), row)

    def test_messages_of_other_scopes(self) -> None:
        """What belongs to a request or a WebSocket is refused here (LIFE-17)."""
        for message_type, scope_type in (
            ("http.response.start", "http"),
            ("http.response.body", "http"),
            ("websocket.accept", "websocket"),
            ("websocket.http.response.start", "websocket"),
        ):
            with self.subTest(message_type):
                row = Refused(
                    "LIFE-17",
                    f"{message_type}: must be sent on the {scope_type!r} scope it belongs to, "
                    "not on a 'lifespan' scope",
                    {"type": message_type},
                )
                self.assert_refused(protocol(), row)

    def test_the_first_violation_is_kept(self) -> None:
        """After a violation the lifespan goes on, and keeps it (ERR-03)."""
        machine = protocol()
        with self.assertRaises(ProtocolError) as first:
            machine.send(STOPPED)
        machine.send(STARTED)
        with self.assertRaises(ProtocolError) as second:
            machine.send(STARTED)
        self.assertEqual("LIFE-04", second.exception.rule)
        machine.shut_down()
        machine.next_event()
        machine.send(STOPPED)
        machine.finish()
        self.assertIs(LifespanState.STOPPED, machine.state)
        self.assertIs(first.exception, machine.violation)


class TakenTest(ProtocolTestCase):
    """The answers."""

    def test_startup(self) -> None:
        """The application says that it has started, or why it has not."""
        for message, result, state, words in (
            (STARTED, {}, LifespanState.STARTED, ""),
            (
                NOT_STARTED,
                {"message": "no database"},
                LifespanState.START_FAILED,
                "no database",
            ),
            (
                {"type": "lifespan.startup.failed"},
                {"message": ""},
                LifespanState.START_FAILED,
                "",
            ),
        ):
            with self.subTest(message):
                machine = protocol()
                self.assertFalse(machine.startup_answered)
                self.assert_taken(machine, Taken("LIFE-04", message, result))
                self.assertTrue(machine.startup_answered)
                self.assertFalse(machine.shutdown_answered)
                self.assertEqual((state, words), (machine.state, machine.message))

    def test_shutdown(self) -> None:
        """The application says that it has shut down, or why it has not."""
        for message, result, state, words in (
            (STOPPED, {}, LifespanState.STOPPED, ""),
            (NOT_STOPPED, {"message": "no end"}, LifespanState.STOP_FAILED, "no end"),
            (
                {"type": "lifespan.shutdown.failed"},
                {"message": ""},
                LifespanState.STOP_FAILED,
                "",
            ),
        ):
            with self.subTest(message):
                machine = protocol(shut_down=True)
                self.assert_taken(machine, Taken("LIFE-11", message, result, [STARTED]))
                self.assertTrue(machine.startup_answered)
                self.assertTrue(machine.shutdown_answered)
                self.assertEqual((state, words), (machine.state, machine.message))

    def test_an_answer_before_anything_was_received(self) -> None:
        """An application may say that it has started without calling ``receive()``."""
        machine = LifespanProtocol()
        self.assertEqual("", machine.message)
        self.assert_taken(machine, Taken("LIFE-04", STARTED, {}))
        self.assertFalse(machine.startup_received)

    def test_an_end_is_no_violation(self) -> None:
        """An application may return or raise at any time (LIFE-06, LIFE-08, LIFE-09, LIFE-11)."""
        for state, before in REACHED.items():
            for raised in (False, True):
                with self.subTest(state=state, raised=raised):
                    machine = protocol(shut_down=True)
                    for message in before:
                        machine.send(message)
                    machine.finish(raised=raised)
                    self.assertIsNone(machine.violation)
                    self.assertIs(state, machine.state)


class EventTest(ProtocolTestCase):
    """What ``receive()`` gives."""

    def test_startup_and_shutdown(self) -> None:
        """The startup comes at once, the shutdown when it is time, and then nothing (LIFE-16)."""
        machine = LifespanProtocol()
        self.assertFalse(machine.startup_received)
        self.assertEqual(STARTUP, machine.next_event())
        self.assertTrue(machine.startup_received)
        self.assertIsNone(machine.next_event())
        machine.send(STARTED)
        self.assertIsNone(machine.next_event())
        machine.shut_down()
        self.assertEqual(SHUTDOWN, machine.next_event())
        self.assertIsNone(machine.next_event())
        machine.send(STOPPED)
        self.assertIsNone(machine.next_event())

    def test_the_startup_comes_first(self) -> None:
        """An application that is told to shut down before it received anything starts first."""
        machine = LifespanProtocol()
        machine.shut_down()
        self.assertEqual([STARTUP, SHUTDOWN, None, None], [machine.next_event() for _ in range(4)])

    def test_to_shut_down_twice(self) -> None:
        """The shutdown event comes once."""
        machine = protocol(shut_down=True)
        machine.shut_down()
        self.assertIsNone(machine.next_event())


class DescribeTest(ProtocolTestCase):
    """The sentence that a report shows."""

    def test_the_states(self) -> None:
        """It tells how far the application has come."""
        for state, text in (
            (LifespanState.STARTING, "the application is starting"),
            (LifespanState.STARTED, "the application is started"),
            (LifespanState.START_FAILED, "the application failed to start"),
            (LifespanState.STOPPED, "the application is shut down"),
            (LifespanState.STOP_FAILED, "the application failed to shut down"),
        ):
            with self.subTest(state=state):
                machine = protocol(shut_down=True)
                for message in REACHED[state]:
                    machine.send(message)
                self.assertEqual(f"{text}; the shutdown event was received", machine.describe())

    def test_the_events(self) -> None:
        """It tells which event was received last."""
        machine = LifespanProtocol()
        self.assertEqual("the application is starting; no event was received", machine.describe())
        machine.next_event()
        self.assertEqual(
            "the application is starting; the startup event was received", machine.describe()
        )
        machine.shut_down()
        self.assertEqual(
            "the application is starting; the startup event was received", machine.describe()
        )
        machine.next_event()
        self.assertEqual(
            "the application is starting; the shutdown event was received", machine.describe()
        )
