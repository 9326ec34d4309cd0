"""What the tests of the state machines share: tables of messages that are refused or taken."""

from __future__ import annotations

import enum
import unittest
from collections.abc import Sequence
from typing import Any, NamedTuple

from asgitest._protocol._machine import Protocol
from asgitest.exceptions import ProtocolError

Message = dict[str, Any]


class Refused(NamedTuple):
    """One row: a message that breaks a rule.

    :ivar rule: id of the rule
    :ivar text: text of the error, without the rule id
    :ivar message: the offending message
    :ivar before: the messages sent before it, which are all right
    """

    rule: str
    text: str
    message: object
    before: Sequence[Message] = ()


class Taken(NamedTuple):
    """One row: a message that is taken.

    :ivar rule: id of the rule that says so
    :ivar message: the message
    :ivar result: what ``send`` makes of it, ``type`` apart
    :ivar before: the messages sent before it
    """

    rule: str
    message: Message
    result: Message
    before: Sequence[Message] = ()


def snapshot(value: object) -> object:
    """Return a copy of a state machine's state to compare with; violations are left out."""
    if isinstance(value, Protocol):
        return {name: snapshot(item) for name, item in vars(value).items() if name != "violation"}
    if isinstance(value, enum.Enum):
        return value
    if isinstance(value, dict):
        return {key: snapshot(item) for key, item in value.items()}
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return value
    return [snapshot(item) for item in value]


class ProtocolTestCase(unittest.TestCase):
    """A test case with the two assertions about messages."""

    maxDiff = None

    def assert_refused(self, protocol: Protocol, row: Refused) -> ProtocolError:
        """Send what comes before, then the offending message; check all there is to its error.

        :param protocol: a state machine, fresh
        :param row: the row of the table
        :return: the error
        """
        for message in row.before:
            protocol.send(message)
        self.assertIsNone(protocol.violation, "a message before broke a rule")
        state = snapshot(protocol)
        with self.assertRaises(ProtocolError) as caught:
            protocol.send(row.message)
        error = caught.exception
        self.assertEqual(f"{row.text} [{row.rule}]", str(error))
        self.assertEqual(row.rule, error.rule)
        self.assertEqual(message_type_of(row.message), error.message_type)
        self.assertIs(error, protocol.violation, "it was not latched")
        self.assertEqual(state, snapshot(protocol), "the refused message changed the state")
        return error

    def assert_taken(self, protocol: Protocol, row: Taken) -> None:
        """Send what comes before, then the message; check what comes out.

        :param protocol: a state machine, fresh
        :param row: the row of the table
        """
        for message in row.before:
            protocol.send(message)
        self.assertEqual({"type": row.message["type"], **row.result}, protocol.send(row.message))
        self.assertIsNone(protocol.violation)


def message_type_of(message: object) -> str | None:
    """Return the type of what was sent, ``None`` if it has none that is a string."""
    message_type = message.get("type") if isinstance(message, dict) else None
    return message_type if isinstance(message_type, str) else None
