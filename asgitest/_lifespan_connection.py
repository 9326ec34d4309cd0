"""The lifespan of one application: start it up, shut it down."""

from __future__ import annotations

from typing import NamedTuple

from ._calls import Watch
from ._connection import Connection
from ._protocol._lifespan import LifespanProtocol, LifespanState
from .exceptions import ProtocolError

# Of the loop, from an application's last message to its end.
_TURNS = 3


class LifespanProgress(NamedTuple):
    """What the test's thread is told of a lifespan; nothing of it changes any more.

    :ivar state: how far the application has come
    :ivar ended: whether the application is through
    :ivar startup_received: whether it took the startup event
    :ivar message: its words about a failure
    :ivar violation: the first broken rule
    :ivar error: what the application raised
    """

    state: LifespanState
    ended: bool
    startup_received: bool
    message: str
    violation: ProtocolError | None
    error: BaseException | None


class LifespanConnection(Connection[LifespanProtocol]):
    """The lifespan of one application on one loop."""

    awaited = "nothing comes but lifespan.shutdown, once, when the client is closed"
    _turns_left = 0

    def start_up(self) -> Watch:
        """Return what starts the application, and watches for its answer."""
        return Watch(
            lambda: self.is_at(lambda: self.protocol.startup_answered),
            self._progress,
            self._start_watched,
            starts_task=True,
        )

    def shut_down(self) -> Watch:
        """Return what has the application shut down, and watches for its answer.

        Most applications end within a step of it, which need not cost the thread another hop.
        """
        return Watch(self._is_down, self._settled_progress, self._begin_shut_down)

    def _begin_shut_down(self, watch: Watch) -> None:
        self._turns_left = _TURNS
        self.protocol.shut_down()
        self.notify()
        self.attach(watch)

    def _is_down(self) -> bool:
        if not self.is_at(lambda: self.protocol.shutdown_answered):
            return False
        if self.ended or not self._turns_left:
            return True
        self._turns_left -= 1
        self.portal.post_on_loop(self.notify)
        return False

    def _settled_progress(self) -> LifespanProgress:
        # One that dropped generators is through when these are closed, and that takes a wait.
        return self._progress()._replace(ended=self.ended and self.is_settled)

    async def end(self) -> LifespanProgress:
        """Wait for the application's end."""
        await self.settle()
        return self._progress()

    def _progress(self) -> LifespanProgress:
        protocol = self.protocol
        return LifespanProgress(
            state=protocol.state,
            ended=self.ended,
            startup_received=protocol.startup_received,
            message=protocol.message,
            violation=protocol.violation,
            error=self.error,
        )
