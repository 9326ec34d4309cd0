"""What the three state machines have in common: check, apply, keep the first violation."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from ..exceptions import ProtocolError
from ._messages import Message, check_message, parse_version
from ._rule import Verdict
from ._rules import Judge, Strictness
from ._texts import shorten

#: HTTP-REQ-08: an application that asks this often after the end will never stop asking.
MAXIMUM_REPEATS = 1000
# Polling for a disconnect, a framework and its middleware come to a few.
_USUAL_REPEATS = 100


class Protocol:
    """One connection seen by the rules alone; a subclass for each scope type.

    :param spec_version: announced version of the sub-specification, such as ``"2.3"``
    :param extensions: names of the announced extensions
    :param strictness: how strictly to judge, ``None`` for the usual
    :ivar judge: raises what breaks a rule, or notes it, or accepts it
    :ivar violation: the first broken rule. It is kept, because an application may swallow the
        error that ``send()`` raises (ERR-03)
    """

    scope_type: ClassVar[str]

    def __init__(
        self,
        spec_version: str,
        extensions: Collection[str] = (),
        strictness: Strictness | None = None,
    ) -> None:
        self.spec_version = parse_version(spec_version)
        self.extensions = extensions
        self.judge = Judge(strictness)
        self.violation: ProtocolError | None = None
        self._repeats = 0

    def send(self, message: object) -> Message | None:
        """Take a message from the application.

        :param message: what was passed to ``send()``
        :return: the message, checked and with its defaults; ``None`` if it is dropped
        :raises ProtocolError: if it breaks a rule; the state is then what it was before
        :raises ClientDisconnected: if the client has left and the announced version says so
        """
        try:
            if self.is_deaf():
                return None
            checked = check_message(
                message,
                scope_type=self.scope_type,
                spec_version=self.spec_version,
                extensions=self.extensions,
                judge=self.judge,
            )
            return None if checked is None else self._apply(checked)
        except ProtocolError as violation:
            self.latch(violation)
            raise

    def latch(self, violation: ProtocolError) -> None:
        """Keep a violation, unless there is an earlier one.

        :param violation: a broken rule
        """
        if self.violation is None:
            self.violation = violation

    def note(self, breach: ProtocolError, usual: Verdict | None = None) -> None:
        """Judge what no ``send()`` can raise: an error is latched.

        :param breach: what the application did
        :param usual: verdict of the rule's part that was not kept, ``None`` for its first one
        """
        try:
            self.judge(breach, usual)
        except ProtocolError as violation:
            self.latch(violation)

    def note_result(self, result: object) -> None:
        """Judge what the application returned (APP-10).

        :param result: what it returned
        """
        if result is not None:
            self.note(
                ProtocolError(
                    f"the application must return None, "
                    f"not {type(result).__name__}: {shorten(result)}",
                    rule="APP-10",
                )
            )

    def refuse_queue(self) -> None:
        """Judge that a call of ``receive()`` waits behind another one (HTTP-REQ-09).

        :raises ProtocolError: if that is an error here
        """
        try:
            self.judge(
                ProtocolError(
                    "receive() was called while another call of it was waiting; "
                    "which of them an event goes to is left to chance on a server",
                    rule="HTTP-REQ-09",
                )
            )
        except ProtocolError as violation:
            self.latch(violation)
            raise

    @property
    def is_repeating(self) -> bool:
        """Whether the application has asked for events more often than anybody needs to."""
        return self._repeats > _USUAL_REPEATS

    def is_deaf(self) -> bool:
        """Tell whether what the application sends no longer reaches anybody.

        :raises ClientDisconnected: instead of answering true, if the announced version says so
        """
        return False

    def next_event(self) -> Message | None:
        """Return the event that ``receive()`` gives now, ``None`` if it has to wait."""
        raise NotImplementedError

    def finish(self, *, raised: bool = False) -> None:
        """Note that the application is through; latches what it left undone by returning.

        :param raised: whether it raised, and so has an excuse
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Tell in one sentence where the connection stands."""
        raise NotImplementedError

    def _apply(self, message: Message) -> Message | None:
        raise NotImplementedError

    def _repeat(self, event: Message) -> Message:
        self._repeats += 1
        if self._repeats <= MAXIMUM_REPEATS:
            return event
        violation = ProtocolError(
            f"the application keeps calling receive() after {event['type']}: "
            f"{MAXIMUM_REPEATS} times so far",
            rule="HTTP-REQ-08",
            message_type=event["type"],
        )
        self.latch(violation)
        raise violation
