"""One WebSocket: its handshake, the mailbox for the test, its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio

from ._calls import Watch
from ._connection import Connection
from ._gathering import Gathering
from ._interface import ASGIApplication
from ._portal import Portal
from ._protocol._headers import Headers
from ._protocol._messages import Message
from ._protocol._websocket import WebSocketProtocol, WebSocketState
from .exceptions import ProtocolError

# What a message costs beside its payload, so that empty ones count too.
_MESSAGE_COST = 64


class WebSocketProgress(NamedTuple):
    """What the test's thread is told of a WebSocket; nothing of it changes any more.

    :ivar state: how far the application has come
    :ivar ended: whether the application is through
    :ivar subprotocol: what the application accepted
    :ivar headers: headers of the accept message, list of ``(bytes, bytes)``
    :ivar denial: status, headers and body of a denial response, ``None`` without one
    :ivar disconnected: whether the client left first
    :ivar close_code: code of the close, ``None`` before it
    :ivar close_reason: reason of the close
    :ivar violation: the first broken rule
    :ivar error: what the application raised
    """

    state: WebSocketState
    ended: bool
    subprotocol: str | None
    headers: Headers
    denial: tuple[int, Headers, bytes] | None
    disconnected: bool
    close_code: int | None
    close_reason: str
    violation: ProtocolError | None
    error: BaseException | None

    @property
    def is_over(self) -> bool:
        """Whether the application will send nothing more that a test could read."""
        is_closed = self.state in (WebSocketState.CLOSED, WebSocketState.DENIED)
        return is_closed or self.ended or self.disconnected or self.violation is not None


class WebSocketConnection(Connection[WebSocketProtocol]):
    """One WebSocket.

    :ivar observer: called with each message that passes, and whether the client sent it
    :ivar mailbox: messages for the test, the application's close included. The test's thread takes
        from its left without a hop, and says so with :meth:`note_taken`
    """

    awaited = "the client has sent nothing more"

    def __init__(
        self,
        portal: Portal,
        application: ASGIApplication,
        scope: dict[str, Any],
        protocol: WebSocketProtocol,
        name: str,
    ) -> None:
        super().__init__(portal, application, scope, protocol, name)
        self.mailbox: deque[Message] = deque()
        self.observer: Callable[[bool, Message], None] = _observe_nothing
        self._accepted: WebSocketProgress | None = None
        self._body: list[bytes] = []
        self._is_read = True
        self._has_unanswered = False
        self._is_answering = True
        self._sent_cost = 0
        self._taken_cost = 0

    def handshake(self) -> Watch:
        """Return what starts the application, and watches for its answer to the handshake."""
        # What the application does since belongs to the receives to come.
        return Watch(
            self._has_answered,
            lambda: self._accepted or self._progress(),
            self._start_watched,
            starts_task=True,
        )

    def _has_answered(self) -> bool:
        if self.protocol.state is WebSocketState.DENIED:
            return self.ended
        return self.is_at(lambda: self.protocol.answered)

    def message(self) -> Watch:
        """Return what watches for a message in the mailbox, or that there will be none any more.

        An application that answers the client is not expected to send on. One that was not asked
        for what it sent last may be in the midst of many messages.
        """
        if self._is_answering:
            return Watch(lambda: self.is_at(self._is_readable), self._progress, self.attach)
        return Gathering(
            lambda: self.is_at(self._is_readable),
            self._progress,
            self.attach,
            count=lambda: len(self.mailbox),
            is_enough=self._can_get_no_more,
            post=self.portal.post_on_loop,
        )

    def _can_get_no_more(self) -> bool:
        # One that broke a rule is let come to its end, or to what it raises because of that.
        protocol = self.protocol
        return self._is_full() or self.ended or protocol.closed or protocol.disconnected

    async def wait_message(self) -> WebSocketProgress:
        """Wait for the same in a coroutine."""
        await self.until(self._is_readable)
        return self._progress()

    def _is_readable(self) -> bool:
        return bool(self.mailbox) or self.protocol.closed or self.protocol.disconnected

    async def wait_message_within(self, seconds: float) -> WebSocketProgress:
        """Do as :meth:`wait_message`, for some seconds at the most.

        :param seconds: how long
        """
        with anyio.move_on_after(seconds):
            await self.wait_message()
        return self._progress()

    async def leave(self, code: int, reason: str) -> WebSocketProgress:
        """Close the client's side, if nobody closed before, and wait for the application.

        :param code: code of the close
        :param reason: reason of the close
        """
        # What nobody will read must not hold the application up.
        self._is_read = False
        self.notify()
        await self._let_answer()
        self.disconnect(code, reason)
        await self.settle()
        return self._progress()

    async def _let_answer(self) -> None:
        """Let the application come to its next receive() before the client leaves.

        It may be at work on the client's last message, or on what follows its accept. On a network
        it is a race whether the client is still there for that; here, what the application does
        must not depend on luck.
        """
        if self._has_unanswered:
            with anyio.move_on_after(self.portal.grace):
                await self.until(lambda: not self._has_unanswered or self.protocol.closed)

    async def lose(self) -> None:
        """Lose the connection, give the application a moment to end, then cancel it."""
        self.disconnect(1006, "")
        with anyio.move_on_after(self.portal.grace):
            await self.wait_ended()
        if not self.ended:
            self.cancel()
        await self.leave(1006, "")

    def cancel(self) -> None:
        """Cancel the application; where it is shielded from that, ``receive()`` lets it go."""
        super().cancel()
        self.disconnect(1006, "")

    async def refuse(self) -> WebSocketProgress:
        """Lose a connection that broke a rule in its handshake (ERR-04)."""
        await self.lose()
        return self._progress()

    def add_event(self, event: Message) -> None:
        """Hand the application an event.

        :param event: a ``websocket.receive``, or whatever a test wants to feed (ERR-02)
        """
        self.protocol.add_event(event)
        self.observer(True, event)
        self._has_unanswered = self._is_answering = True
        self.notify()

    def disconnect(self, code: int, reason: str) -> None:
        """Close the client's side.

        :param code: code of the close
        :param reason: reason of the close
        """
        was_over = self.protocol.disconnected or self.protocol.closed
        self.protocol.disconnect(code, reason)
        if not was_over:
            self.observer(True, {"type": "websocket.disconnect", "code": code, "reason": reason})
        self.notify()

    def note_taken(self, message: Message) -> None:
        """Note that a message left the mailbox; called in the test's thread.

        :param message: what was taken
        """
        self._taken_cost += _cost(message)
        # Read after the line above, as the loop's thread writes before it looks: one sees the
        # other, and no sender is left waiting.
        if self._sending:
            self.portal.post(self.notify)

    def _take(self, message: Message) -> None:
        message_type = message["type"]
        if not self.protocol.has_events:
            # Whatever it sends after the client's last message is what it has to say to that.
            self._has_unanswered = False
        is_close = self.protocol.state is WebSocketState.CLOSED
        if message_type == "websocket.http.response.body":
            assert self.protocol.denial is not None
            self._body.append(message["body"])
        elif message_type == "websocket.accept":
            self._accepted = self._progress()
            # One that waits in receive() beside its work is told at once, as by a server.
            self._has_unanswered = not self._receivers
        elif self._is_read and (is_close or message_type == "websocket.send"):
            self.observer(False, message)
            self._sent_cost += _cost(message)
            self.mailbox.append(message)
            self._is_answering = False

    def _note_waiting(self) -> None:
        self._has_unanswered = False

    def _is_full(self) -> bool:
        unread = self._sent_cost - self._taken_cost
        return self._is_read and unread >= self.protocol.profile.unread_limit

    def _progress(self) -> WebSocketProgress:
        protocol = self.protocol
        denial = protocol.denial
        return WebSocketProgress(
            state=protocol.state,
            ended=self.ended,
            subprotocol=protocol.subprotocol,
            headers=protocol.headers,
            denial=None
            if denial is None
            else (denial.status, denial.headers, b"".join(self._body)),
            disconnected=protocol.disconnected,
            close_code=protocol.close_code,
            close_reason=protocol.close_reason,
            violation=protocol.violation,
            error=self.error,
        )


def _observe_nothing(is_sent: bool, message: Message) -> None:
    """Let a message pass that nobody looks at."""


def _cost(message: Message) -> int:
    return _MESSAGE_COST + len(message.get("text") or message.get("bytes") or "")
