"""The lifespan of one application as a state machine."""

from __future__ import annotations

import enum

from ..exceptions import ProtocolError
from ._machine import Protocol
from ._messages import Message


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

    :ivar state: how far the application has come
    :ivar message: the application's words about a failure
    :ivar startup_received: whether the application has taken the startup event
    """

    scope_type = "lifespan"

    def __init__(self) -> None:
        super().__init__("2.0")
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
        """Note that the application is through; in a lifespan that is never a violation.

        :param raised: whether it raised
        """

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
        self.state = state
        self.message = message.get("message", "")
        return message
