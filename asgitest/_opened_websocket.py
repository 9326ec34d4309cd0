"""The calling thread's end of one WebSocket, from its handshake on."""

from __future__ import annotations

from functools import partial

from ._application import RunningApplication
from ._awaiting import await_within
from ._calls import Wait
from ._failure import RequestDeadlineExceeded, raise_failure
from ._options import ClientOptions
from ._portal import Portal
from ._protocol._messages import Message
from ._protocol._websocket import WebSocketState
from ._raw_response import Body
from ._websocket_connection import WebSocketConnection, WebSocketProgress
from .exceptions import DeadlineExceeded


class OpenedWebSocket(Body):
    """What an answered handshake leaves: for a response a body without bytes, for a session all.

    :param running: the application
    :param portal: the event loop
    :param connection: the WebSocket
    :param options: the client's options
    :param seconds: deadline of each wait, ``None`` for none
    :ivar progress: how far the WebSocket came
    :ivar hidden_error: what the application raised, if the test does not want it
    :ivar is_on_loop: whether the session is in the hand of a coroutine on the loop
    """

    def __init__(
        self,
        running: RunningApplication,
        portal: Portal,
        connection: WebSocketConnection,
        options: ClientOptions,
        seconds: float | None,
    ) -> None:
        self.connection = connection
        self.seconds = seconds
        self.progress: WebSocketProgress
        self.hidden_error: BaseException | None = None
        self.is_on_loop = False
        self._running = running
        self._portal = portal
        self._raises = options.raise_server_exceptions
        self._profile = connection.protocol.profile
        self._told: BaseException | None = None

    def handshake(self) -> None:
        """Run the application until it has answered.

        :raises ProtocolError: if it breaks a rule
        :raises BaseException: what it raises, unless the test does not want it
        """
        __tracebackhide__ = True
        wait = Wait(
            self.seconds,
            f"the application to accept or close {self.connection.name}",
            subject=self.connection,
            error=RequestDeadlineExceeded,
        )
        self.progress = self._portal.wait_for(wait, self.connection.handshake())
        if self.progress.violation is not None and not self.progress.ended:
            # Whatever the application goes on with, nobody is there for it (ERR-04).
            self.progress = self._portal.run(wait, self.connection.refuse)
        if self.progress.state is WebSocketState.DENIED and self.progress.violation is None:
            # The denial is the answer; what was raised behind it becomes its cause.
            self.hidden_error = self._told = self.progress.error
        if not self.is_open or self.progress.violation is not None:
            # Behind an accept, what there is to warn of belongs to the receives to come.
            self._raise_failure()
        if self.is_open:
            self._running.add(self.connection, raises=self._raises)

    @property
    def is_open(self) -> bool:
        """Whether the application accepted the handshake; it may have closed since."""
        return self.progress.state in (WebSocketState.OPEN, WebSocketState.CLOSED)

    @property
    def has_failed(self) -> bool:
        """Whether the application broke a rule or raised, and the test was told."""
        return self._told is not None

    def post_message(self, kind: str, payload: str | bytes) -> None:
        """Hand the application a message; does not wait.

        :param kind: ``"text"`` or ``"bytes"``
        :param payload: the message
        """
        self.post(self._profile.receive_event(kind, payload))

    def post(self, event: Message) -> None:
        """Hand the application an event; does not wait.

        :param event: the event
        """
        if self.is_on_loop:
            self.connection.add_event(event)
            return
        self._portal.check_thread("an event to be sent")
        self._portal.notify(self.connection.add_event, event)

    def post_disconnect(self, code: int, reason: str) -> None:
        """Close the client's side; does not wait.

        :param code: code of the close
        :param reason: reason of the close
        """
        if self.is_on_loop:
            self.connection.disconnect(code, reason)
            return
        self._portal.check_thread("the WebSocket to close")
        self._portal.notify(self.connection.disconnect, code, reason)

    def take(self, seconds: float | None) -> Message | None:
        """Take the next message, and wait for one if there is none.

        :param seconds: the deadline, ``None`` for none
        :return: a ``websocket.send`` or ``websocket.close``; ``None`` when nothing will come
        :raises ProtocolError: if the application broke a rule
        :raises BaseException: what the application raised, unless the test does not want it
        """
        __tracebackhide__ = True
        message = self._take()
        is_over = False
        # Another thread may have been quicker to take what this one waited for.
        while message is None and not is_over:
            wait = self._wait_for_message(seconds)
            self.progress = self._portal.wait_for(wait, self.connection.message())
            is_over = self.progress.is_over
            message = self._take()
        if message is None:
            self._raise_failure()
        return message

    async def take_on_loop(self, seconds: float | None) -> Message | None:
        """Do as :meth:`take`, in a coroutine on the loop.

        :param seconds: the deadline, ``None`` for none
        """
        __tracebackhide__ = True
        message = self._take()
        is_over = False
        while message is None and not is_over:
            wait = self._wait_for_message(seconds)
            self.progress = await await_within(self._portal, wait, self.connection.wait_message)
            is_over = self.progress.is_over
            message = self._take()
        if message is None:
            self._raise_failure()
        return message

    def _wait_for_message(self, seconds: float | None) -> Wait:
        return Wait(
            seconds,
            f"a message from the application ({self.connection.name})",
            subject=self.connection,
            # The test may go on with this WebSocket; leaving it ends the application.
            cancels_subject=False,
            error=DeadlineExceeded,
        )

    def has_message(self, within: float) -> bool:
        """Tell whether a message comes within some seconds; it stays in the mailbox.

        :param within: how long to wait, in seconds; a WebSocket that has ended has no message
        :raises ProtocolError: if the application broke a rule
        :raises BaseException: what the application raised, unless the test does not want it
        :raises DeadlineExceeded: if the loop is blocked for longer
        """
        __tracebackhide__ = True
        if not self.connection.mailbox:
            wait = self._wait_to_look(within)
            self.progress = self._portal.run(wait, self.connection.wait_message_within, within)
        return self._is_message_next()

    async def has_message_on_loop(self, within: float) -> bool:
        """Do as :meth:`has_message`, in a coroutine on the loop.

        :param within: how long to wait, in seconds
        """
        __tracebackhide__ = True
        if not self.connection.mailbox:
            wait = self._wait_to_look(within)
            look = partial(self.connection.wait_message_within, within)
            self.progress = await await_within(self._portal, wait, look)
        return self._is_message_next()

    def _wait_to_look(self, within: float) -> Wait:
        return Wait(
            None if self.seconds is None else within + self.seconds,
            f"the event loop to see whether a message comes ({self.connection.name})",
            subject=self.connection,
            cancels_subject=False,
        )

    def _is_message_next(self) -> bool:
        __tracebackhide__ = True
        mailbox = self.connection.mailbox
        if not mailbox:
            self._raise_failure()
        return bool(mailbox) and mailbox[0]["type"] == "websocket.send"

    def leave(self, code: int, reason: str, seconds: float | None) -> None:
        """End the WebSocket and wait for the application.

        :param code: code of the close, if nobody closed before
        :param reason: reason of the close
        :param seconds: the deadline, ``None`` for none
        :raises DeadlineExceeded: if the application does not end
        :raises BaseException: what the application raised, unless it was raised already
        """
        __tracebackhide__ = True
        wait = self._wait_for_end(seconds)
        if self._portal.usable and not self.closed:
            # Where it cannot be awaited, it stays open for those who can.
            self._portal.check_thread(wait.waiting_for)
        if self._begin_to_leave():
            self.progress = self._portal.run(wait, self.connection.leave, code, reason)
            self._raise_failure()

    async def leave_on_loop(self, code: int, reason: str, seconds: float | None) -> None:
        """Do as :meth:`leave`, in a coroutine on the loop.

        :param code: code of the close, if nobody closed before
        :param reason: reason of the close
        :param seconds: the deadline, ``None`` for none
        """
        __tracebackhide__ = True
        wait = self._wait_for_end(seconds)
        if self._begin_to_leave():
            leave = partial(self.connection.leave, code, reason)
            self.progress = await await_within(self._portal, wait, leave)
            self._raise_failure()

    def _begin_to_leave(self) -> bool:
        """Tell whether there is anybody to leave."""
        if self.closed:
            return False
        super().close()
        self._running.discard(self.connection)
        return self._portal.usable

    def _wait_for_end(self, seconds: float | None) -> Wait:
        return Wait(
            seconds,
            f"the application to end after {self.connection.name} was closed",
            subject=self.connection,
        )

    def abort(self) -> None:
        """Cancel the application without waiting for it."""
        super().close()
        self._running.discard(self.connection)
        self._portal.post(self.connection.cancel)

    def peek(self) -> bytes | None:
        """Return no bytes: what follows an upgrade is not HTTP."""
        return b""

    def next_piece(self) -> bytes:
        """Return the end: what follows an upgrade is not HTTP."""
        return b""

    def close(self) -> None:
        """Lose the connection, as a response that is closed does."""
        self.leave(1006, "", self.seconds)

    def drop(self) -> None:
        """Lose the connection; warn that nobody left the session's block."""
        super().close()
        self._running.drop(self._portal, self.connection)

    def _take(self) -> Message | None:
        try:
            message = self.connection.mailbox.popleft()
        except IndexError:
            return None
        self.connection.note_taken(message)
        return message

    def _raise_failure(self) -> None:
        __tracebackhide__ = True
        failure = self.progress.violation or self.progress.error
        if failure is not None and failure is self._told:
            return
        self._told = failure
        self.hidden_error = raise_failure(self.connection, self.progress, self._raises)
