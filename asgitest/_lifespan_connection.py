"""The lifespan of one application: start it up, shut it down."""

from __future__ import annotations

from typing import NamedTuple

import anyio.lowlevel

from ._calls import Watch
from ._connection import Connection
from ._protocol._lifespan import LifespanProtocol, LifespanState
from .exceptions import ProtocolError

# Of the loop, from an application's last message to its end.
_STEPS = 3


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

    def start_up(self) -> Watch:
        """Return what starts the application, and watches for its answer."""
        return Watch(
            lambda: self.is_at(lambda: self.protocol.startup_answered),
            self._progress,
            self._start_watched,
            starts_task=True,
        )

    async def shut_down(self) -> LifespanProgress:
        """Have the application shut down, and wait for its answer.

        Most applications end within a step of it, which need not cost the thread another hop.
        """
        self.protocol.shut_down()
        self.notify()
        await self.until(lambda: self.protocol.shutdown_answered)
        for _ in range(_STEPS):
            if self.ended:
                await self.settle()
                break
            await anyio.lowlevel.checkpoint()
        return self._progress()

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
