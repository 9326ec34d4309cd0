"""One request: feed its body, collect or stream its response, close it early."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import anyio

from ._calls import Watch
from ._connection import Connection
from ._gathering import Gathering
from ._interface import ASGIApplication
from ._portal import Portal
from ._protocol._headers import Headers
from ._protocol._http import HTTPProtocol
from ._protocol._messages import Message
from ._protocol._response_extras import ResponseExtras
from .exceptions import ASGITestError, ProtocolError

# What stands for a file instead of being part of the body.
_FILES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
#: Bytes that a response may come to when it is not streamed.
BUFFER_LIMIT = 1024 * 1024 * 1024


class HTTPProgress(NamedTuple):
    """What the test's thread is told of an HTTP connection; nothing of it changes any more.

    :ivar reached: whether what was waited for is there
    :ivar wants_body: whether the application waits for more of the request's body
    :ivar started: whether the response was started
    :ivar sent_body: whether a first body message was sent
    :ivar complete: whether its last part was sent
    :ivar whole: whether the client has all of it; one to HEAD is whole at its start
    :ivar ended: whether the application is through
    :ivar status: status of the response
    :ivar headers: headers of the response, list of ``(bytes, bytes)``
    :ivar debug: ``info`` of the debug message
    :ivar extras: what came along by means of extensions
    :ivar pieces: bodies of the messages since the last time, empty ones left out
    :ivar violation: the first broken rule
    :ivar error: what the application raised
    """

    reached: bool
    wants_body: bool
    started: bool
    sent_body: bool
    complete: bool
    whole: bool
    ended: bool
    status: int
    headers: Headers
    debug: dict[str, object] | None
    extras: ResponseExtras
    pieces: list[bytes]
    violation: ProtocolError | None
    error: BaseException | None


class HTTPConnection(Connection[HTTPProtocol]):
    """One request and its response.

    :param streamed: whether the response is read while the application runs
    """

    awaited = "nothing comes before the response is complete or the client leaves"

    def __init__(
        self,
        portal: Portal,
        application: ASGIApplication,
        scope: dict[str, Any],
        protocol: HTTPProtocol,
        name: str,
        *,
        streamed: bool,
    ) -> None:
        super().__init__(portal, application, scope, protocol, name)
        self._streamed = streamed
        self._pieces: list[bytes] = []
        self._unread = 0

    async def exchange(self, body: bytes) -> HTTPProgress:
        """Run the application to its end with a body that lies in memory.

        :param body: the request's body
        """
        __tracebackhide__ = True
        self.protocol.add_body(body, False)
        await self.run()
        return self._progress()

    def step(
        self, chunk: bytes | None, more_body: bool, goal: Callable[[HTTPConnection], bool]
    ) -> Watch:
        """Return what hands over a part of the request's body, and watches for something to do.

        :param chunk: the bytes, ``None`` to hand over nothing
        :param more_body: whether more will follow
        :param goal: what to wait for; a wish for more of the body ends the wait as well
        """
        # Whoever waits for the start reads nothing so far, and the limit counts what is unread.
        takes = goal is not HTTPConnection.has_started
        return Watch(
            lambda: self.is_at(lambda: goal(self) or self._wants_body()),
            lambda: self._progress(reached=goal(self), takes=takes),
            partial(self._hand_over, chunk, more_body),
        )

    def _hand_over(self, chunk: bytes | None, more_body: bool, watch: Watch) -> None:
        if chunk is not None:
            self.protocol.add_body(chunk, more_body)
            self.notify()
        self.attach(watch)

    def read(self) -> Watch:
        """Return what watches for pieces of the body, or its end, or something to do."""
        return Gathering(
            lambda: self.is_at(lambda: self.is_readable() or self._wants_body()),
            lambda: self._progress(reached=self.is_readable()),
            self.attach,
            count=lambda: len(self._pieces),
            is_enough=self._can_get_no_more,
            post=self.portal.post_on_loop,
        )

    def _can_get_no_more(self) -> bool:
        # One that broke a rule is let come to its end, or to what it raises because of that.
        protocol = self.protocol
        return self._is_full() or self.ended or protocol.whole or self._wants_body()

    def describe(self) -> str:
        """Tell, in lines, where the exchange stands."""
        lines = [super().describe()]
        if not self._streamed and self.protocol.started and not self.protocol.complete:
            lines.append("The response goes on; stream=True reads one that is meant to.")
        return "\n".join(lines)

    def has_started(self) -> bool:
        """Tell whether the response was started."""
        return self.protocol.started

    def has_ended(self) -> bool:
        """Tell whether the application is through."""
        return self.ended

    def is_readable(self) -> bool:
        """Tell whether a piece of the body, or its end, can be read."""
        return bool(self._pieces) or self.protocol.whole

    async def read_end(self) -> HTTPProgress:
        """Let the application return after its last message, as most do at once.

        What it raises then belongs to the response. One that goes on (background work) is not
        waited for here: closing the response does that.
        """
        with anyio.move_on_after(self.portal.grace):
            await self.wait_ended()
        return self._progress()

    async def leave(self) -> tuple[HTTPProgress, bool]:
        """Close the client's side and wait for the application.

        Before the response is complete the application is told, has a second to return, and is
        cancelled then; after that it may go on for as long as it wants.

        :return: how it came out, and whether the application had to be cancelled
        """
        self._pieces.clear()
        self._unread = 0
        self.protocol.disconnect()
        self.notify()
        if self.protocol.disconnected:
            with anyio.move_on_after(self.portal.grace):
                await self.wait_ended()
        had_to_cancel = self.protocol.disconnected and not self.ended
        if had_to_cancel:
            self.cancel()
        await self.settle()
        return self._progress(), had_to_cancel

    async def abandon(self, parts: list[bytes], more_body: bool) -> tuple[HTTPProgress, bool]:
        """Run the application for a client that has left already.

        :param parts: what the client has sent of the request's body
        :param more_body: whether more would have followed
        :return: as :meth:`leave`
        """
        # A body without parts is whole with an empty event.
        for number, part in enumerate(parts or ([] if more_body else [b""]), 1):
            self.protocol.add_body(part, more_body or number < len(parts))
        self.protocol.disconnect()
        self.start()
        return await self.leave()

    async def lose(self) -> None:
        """Close the client's side and wait for the application."""
        await self.leave()

    def cancel(self) -> None:
        """Cancel the application; where it is shielded from that, ``receive()`` lets it go."""
        super().cancel()
        self.protocol.disconnect()
        self.notify()

    def _wants_body(self) -> bool:
        return bool(self._receivers) and self.protocol.wants_body

    def _take(self, message: Message) -> None:
        body = message.get("body")
        if body:
            self._pieces.append(body)
            self._unread += len(body)
            if not self._streamed and self._unread > BUFFER_LIMIT:
                self.error = ASGITestError(
                    f"the response's body came to more than {BUFFER_LIMIT // 2**20} MiB and did "
                    f"not end; read it with stream=True"
                )
                self.cancel()

    def _deliver(self, message: Message) -> Awaitable[None] | None:
        return self._send_file(message) if message["type"] in _FILES else super()._deliver(message)

    async def _send_file(self, message: Message) -> None:
        """Send a file, in parts that are read as there is room for them (HTTP-BODY-08)."""
        __tracebackhide__ = True
        # Few applications send files, and nobody else waits for this to be imported.
        from ._files import FileReader, unreadable

        try:
            async with FileReader(message) as reader:
                more = True
                while more and not self.protocol.disconnected:
                    part = b"" if self.protocol.drops_body else await reader.read()
                    more = part != b""
                    self._take_part(part, more)
                    await self._wait_for_reader()
        except OSError as error:
            violation = unreadable(message["type"], error)
            self.protocol.refuse_file(violation)
            self.notify()
            raise violation from error

    def _take_part(self, part: bytes, more: bool) -> None:
        try:
            self._take(self.protocol.add_file_part(part, more))
        finally:
            self.notify()

    def _is_full(self) -> bool:
        return self._streamed and self._unread >= self.protocol.profile.unread_limit

    def _progress(self, *, reached: bool = True, takes: bool = True) -> HTTPProgress:
        pieces: list[bytes] = []
        if takes:
            pieces, self._pieces = self._pieces, []
            self._unread = 0
            if self._sending:
                self.notify()
        protocol = self.protocol
        return HTTPProgress(
            reached=reached,
            wants_body=self._wants_body(),
            started=protocol.started,
            sent_body=protocol.sent_body,
            complete=protocol.complete,
            whole=protocol.whole,
            ended=self.ended,
            status=protocol.status,
            headers=protocol.headers,
            debug=protocol.debug,
            extras=protocol.extras,
            pieces=pieces,
            violation=protocol.violation,
            error=self.error,
        )
