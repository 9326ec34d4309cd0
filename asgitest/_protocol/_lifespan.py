"""The lifespan of one application as a state machine."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from ..exceptions import ProtocolError
from ._machine import Protocol
from ._messages import Message
from ._rule import Verdict
from ._rules import Strictness
from ._texts import shorten


class LifespanState(enum.Enum):
    """How far the application has come."""

    STARTING = "is starting"
    STARTED = "is started"
    START_FAILED = "failed to start"
    STOPPED = "is shut down"
    STOP_FAILED = "failed to shut down"


_STATE_AFTER: dict[LifespanState, dict[str, LifespanState]] = {
    LifespanState.STARTING: {
        "lifespan.startup.complete": LifespanState.STARTED,
        "lifespan.startup.failed": LifespanState.START_FAILED,
    },
    # LIFE-11: only after the shutdown event; _apply sees to that.
    LifespanState.STARTED: {
        "lifespan.shutdown.complete": LifespanState.STOPPED,
        "lifespan.shutdown.failed": LifespanState.STOP_FAILED,
    },
    LifespanState.START_FAILED: {},
    LifespanState.STOPPED: {},
    LifespanState.STOP_FAILED: {},
}


class LifespanProtocol(Protocol):
    """The rules of one lifespan.

    :param state: what the application fills
    :param strictness: how strictly to judge, ``None`` for the usual
    :ivar state: how far the application has come
    :ivar message: the application's words about a failure
    :ivar startup_received: whether the application has taken the startup event
    """

    scope_type = "lifespan"

    def __init__(
        self, state: Mapping[Any, Any] | None = None, strictness: Strictness | None = None
    ) -> None:
        super().__init__("2.0", strictness=strictness)
        self._state: Mapping[Any, Any] = {} if state is None else state
        self.state = LifespanState.STARTING
        self.message = ""
        self.startup_received = False
        self._shutdown_wanted = False
        self._shutdown_received = False

    @property
    def startup_answered(self) -> bool:
        """Whether the application said how its startup went."""
        return self.state is not LifespanState.STARTING

    @property
    def shutdown_answered(self) -> bool:
        """Whether the application said how its shutdown went."""
        return self.state in (LifespanState.STOPPED, LifespanState.STOP_FAILED)

    def shut_down(self) -> None:
        """Let the application have its shutdown event."""
        self._shutdown_wanted = True

    def next_event(self) -> Message | None:
        """Return the event that ``receive()`` gives now, ``None`` if it has to wait."""
        if not self.startup_received:
            self.startup_received = True
            return {"type": "lifespan.startup"}
        if self._shutdown_wanted and not self._shutdown_received:
            self._shutdown_received = True
            return {"type": "lifespan.shutdown"}
        # LIFE-16: nothing comes after the shutdown event.
        return None

    def finish(self, *, raised: bool = False) -> None:
        """Note that the application is through (LIFE-08, LIFE-09, LIFE-11).

        :param raised: whether it raised, and so has an excuse
        """
        if raised:
            return
        if self.state is LifespanState.STARTING:
            self.note(
                ProtocolError(
                    "the application returned without answering lifespan.startup; "
                    "it is taken for one that does not support lifespans",
                    rule="LIFE-08",
                )
            )
        elif self.state is LifespanState.STARTED and self._shutdown_received:
            self.note(
                ProtocolError(
                    "the application returned without answering lifespan.shutdown",
                    rule="LIFE-11",
                ),
                Verdict.WARNING,
            )
        elif self.state is LifespanState.STARTED:
            self.note(
                ProtocolError(
                    "the application left its lifespan early: it returned before it received "
                    "lifespan.shutdown",
                    rule="LIFE-09",
                )
            )

    def describe(self) -> str:
        """Tell in one sentence where the lifespan stands."""
        if self._shutdown_received:
            event = "the shutdown event was received"
        elif self.startup_received:
            event = "the startup event was received"
        else:
            event = "no event was received"
        return f"the application {self.state.value}; {event}"

    def _apply(self, message: Message) -> Message:
        message_type = message["type"]
        is_shutdown = message_type.startswith("lifespan.shutdown")
        if is_shutdown and not self._shutdown_received:
            raise ProtocolError(
                f"{message_type}: was sent before the lifespan.shutdown event was received",
                rule="LIFE-11",
                message_type=message_type,
            )
        state = _STATE_AFTER[self.state].get(message_type)
        if state is None:
            raise ProtocolError(
                f"{message_type}: was sent although the application {self.state.value}",
                rule="LIFE-11" if is_shutdown else "LIFE-04",
                message_type=message_type,
            )
        if state is LifespanState.STARTED:
            self._check_state()
        self.state = state
        self.message = message.get("message", "")
        return message

    def _check_state(self) -> None:
        for key in self._state:
            if not isinstance(key, str):
                self.judge(
                    ProtocolError(
                        f"the lifespan's state must have keys of type str, "
                        f"not {type(key).__name__}: {shorten(key)}",
                        rule="LIFE-15",
                    )
                )
