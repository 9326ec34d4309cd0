"""The calling thread's end of one request: post, wait, pull the body, read the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import requests

from ._application import RunningApplication
from ._calls import Wait
from ._connection import ApplicationCall
from ._extras import Extras
from ._failure import RequestDeadlineExceeded, broken_response, raise_failure
from ._http_connection import HTTPConnection, HTTPProgress
from ._options import CLIENT_TIMEOUT, ClientOptions
from ._portal import Portal
from ._raw_response import Body
from ._request import body_chunks
from ._warn import warn
from .exceptions import ASGIWarning, DeadlineExceeded

_CLOSING = "to end after its response was closed"
#: Is called with each part of a request's body that is taken, and with ``b""`` at its end.
BodyObserver = Callable[[bytes], None]


class Exchange:
    """The calling thread's end of one request: it posts, waits, and pulls the request's body."""

    def __init__(
        self,
        portal: Portal,
        connection: HTTPConnection,
        request: requests.PreparedRequest,
        seconds: float | None,
        observer: BodyObserver | None = None,
    ) -> None:
        self.portal = portal
        self.connection = connection
        self._request = request
        self._seconds = seconds
        self._observer = observer
        self._chunks: Iterator[bytes] = iter(())

    def run_through(self, body: bytes) -> HTTPProgress:
        """Run the application to its end, in one hop.

        :param body: the request's body
        """
        __tracebackhide__ = True
        call = ApplicationCall(self.connection, self.connection.exchange, body)
        progress: HTTPProgress = self.portal.wait_for(self._wait("to answer"), call)
        return progress

    def begin(self, body: bytes | None, goal: Any, doing: str) -> HTTPProgress:
        """Start the application and wait.

        :param body: the request's body, ``None`` if it has to be read piece by piece
        :param goal: what to wait for
        :param doing: what the application is to do, in words
        """
        __tracebackhide__ = True
        # Before anything is started that nobody would wait for.
        self.check_thread(doing)
        self.portal.spawn_call(self.connection.as_call(), self.connection.name)
        if body is None:
            self._chunks = body_chunks(self._request.body)
        progress = self.advance(goal, doing, body)
        if progress.reached or progress.ended:
            return progress
        # A broken rule ended the wait, and nobody will read what the application goes on with.
        return self.leave()[0]

    def advance(self, goal: Any, doing: str, body: bytes | None = None) -> HTTPProgress:
        """Wait, and hand over parts of the request's body as the application asks for them.

        :param goal: what to wait for
        :param doing: what the application is to do, in words
        :param body: the whole body of the request
        """
        __tracebackhide__ = True
        wait = self._wait(doing)
        progress = self._step(wait, body, False, goal)
        while progress.wants_body and not progress.reached:
            pieces = progress.pieces
            chunk = self._next_chunk()
            progress = self._step(wait, chunk, bool(chunk), goal)
            # Whatever was sent meanwhile comes first; the list is nobody else's.
            progress.pieces[:0] = pieces
        return progress

    def read_end(self) -> HTTPProgress:
        """Let the application return after its last message."""
        progress: HTTPProgress = self.portal.run(self.wait_for_close(), self.connection.read_end)
        return progress

    def leave(self) -> tuple[HTTPProgress, bool]:
        """Close the client's side and wait for the application."""
        result: tuple[HTTPProgress, bool] = self.portal.run(
            self.wait_for_close(), self.connection.leave
        )
        return result

    def abandon(self, parts: list[bytes], more_body: bool) -> tuple[HTTPProgress, bool]:
        """Run the application for a client that is gone, and wait for its end.

        :param parts: what the client has sent of the request's body
        :param more_body: whether more would have followed
        """
        __tracebackhide__ = True
        result: tuple[HTTPProgress, bool] = self.portal.run(
            self.wait_for_close(), self.connection.abandon, parts, more_body
        )
        return result

    def settle(self) -> None:
        """Wait until the application is through."""
        self.portal.run(self.wait_for_close(), self.connection.settle)

    def wait_for_close(self) -> Wait:
        """Return the deadline of a wait for the application's end, its second included."""
        seconds = None if self._seconds is None else self._seconds + self.portal.grace
        return self._wait(_CLOSING, seconds)

    def check_thread(self, doing: str) -> None:
        """Refuse a wait in a thread that cannot wait; whatever is awaited is as it was then.

        :param doing: what the application is to do, in words
        :raises ASGITestError: if this is such a thread
        """
        self.portal.check_thread(self._title(doing))

    def _step(self, wait: Wait, chunk: bytes | None, more_body: bool, goal: Any) -> HTTPProgress:
        connection = self.connection
        progress: HTTPProgress
        if chunk is None and goal is HTTPConnection.is_readable:
            progress = self.portal.wait_for(wait, connection.read())
        else:
            progress = self.portal.wait_for(wait, connection.step(chunk, more_body, goal))
        return progress

    def _next_chunk(self) -> bytes:
        try:
            chunk = next(self._chunks, b"")
        except Exception:
            # To the application it is a client that leaves in mid-upload (HTTP-DISC-02).
            self.leave()
            raise
        except BaseException:
            self.portal.post(self.connection.cancel)
            raise
        if self._observer is not None:
            self._observer(chunk)
        return chunk

    def _wait(self, doing: str, seconds: Any = CLIENT_TIMEOUT) -> Wait:
        return Wait(
            self._seconds if seconds is CLIENT_TIMEOUT else seconds,
            self._title(doing),
            subject=self.connection,
            error=partial(RequestDeadlineExceeded, request=self._request),
        )

    def _title(self, doing: str) -> str:
        return f"the application {doing} ({self.connection.name})"


class StreamedBody(Body):
    """The body of a response that is read while the application runs.

    :param running: the application
    :param exchange: the exchange that the body belongs to
    :param progress: how far it came
    :param options: the client's options
    :param extras: grow with what comes along with the response
    """

    def __init__(
        self,
        running: RunningApplication,
        exchange: Exchange,
        progress: HTTPProgress,
        options: ClientOptions,
        extras: Extras,
    ) -> None:
        self._running = running
        self._extras = extras
        extras.update(progress.extras)
        self._exchange = exchange
        self._raises = options.raise_server_exceptions
        self._progress = progress
        self._pieces: list[bytes] = []
        self._has_read = False
        self._failure: BaseException | None = None
        running.add(exchange.connection, raises=self._raises)

    def next_piece(self) -> bytes:
        """Return what the application sent in one message, as soon as it was sent."""
        __tracebackhide__ = True
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self.closed:
                return b""
            # The progress that came with the start says nothing of what can be read.
            if self._has_read and (self._progress.whole or self._is_over()):
                return self._end()
            self._read()
        return self._pieces.pop(0)

    def close(self) -> None:
        """Tell the application that the client leaves, and wait for it."""
        if self.closed:
            return
        portal = self._exchange.portal
        if portal.usable and (self._failure is not None or not self._progress.ended):
            # Where the end cannot be awaited, the response stays open for those who can.
            self._exchange.check_thread(_CLOSING)
        super().close()
        self._pieces.clear()
        self._running.discard(self._exchange.connection)
        if not portal.usable:
            return
        if self._failure is not None:
            # It was cancelled when that was raised, and may clean up still.
            self._exchange.settle()
            return
        progress, had_to_cancel = self._progress, False
        if not progress.ended:
            progress, had_to_cancel = self._exchange.leave()
        if had_to_cancel:
            tell_of_cancellation(
                self._exchange,
                "closed the response to",
                is_error=self._running.strictness.strict,
            )
        self._extras.update(progress.extras)
        raise_failure(self._exchange.connection, progress, self._raises)

    def drop(self) -> None:
        """Tell the application that the client leaves; warn that nobody closed the response."""
        super().close()
        if self._failure is None and not self._progress.whole:
            self._running.drop(self._exchange.portal, self._exchange.connection)

    def _is_over(self) -> bool:
        return self._progress.ended or self._progress.violation is not None

    def _read(self) -> None:
        __tracebackhide__ = True
        doing = "to send more of its response"
        self._exchange.check_thread(doing)
        try:
            self._progress = self._exchange.advance(HTTPConnection.is_readable, doing)
        except BaseException as error:
            self._fail(error)
            raise
        self._has_read = True
        self._extras.update(self._progress.extras)
        self._pieces = list(self._progress.pieces)

    def _end(self) -> bytes:
        __tracebackhide__ = True
        progress = self._progress
        if progress.whole and not progress.ended:
            progress = self._progress = self._exchange.read_end()
            self._extras.update(progress.extras)
        if progress.ended:
            self._running.discard(self._exchange.connection)
        try:
            error = raise_failure(self._exchange.connection, progress, self._raises)
        except BaseException as failure:
            # Kept and raised by each further read: requests reads on after some exceptions.
            self._fail(failure)
            raise
        if error is not None and not progress.whole:
            self.closed = True
            raise broken_response(error)
        return b""

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        connection = self._exchange.connection
        self._running.discard(connection)
        # Nobody will read on, so that the application has nobody left to work for.
        self._exchange.portal.post(connection.cancel)


def tell_of_cancellation(exchange: Exchange, deed: str, *, is_error: bool) -> None:
    """Warn that an application did not end when its client was gone.

    :param exchange: the exchange
    :param deed: what the client did to the request, in words
    :param is_error: whether to raise that instead
    :raises DeadlineExceeded: if it is an error
    """
    text = (
        f"the application had to be cancelled: its client {deed} {exchange.connection.name}, and "
        f"it did not end within {exchange.portal.grace:g} s of being told (http.disconnect from "
        f"receive())"
    )
    if is_error:
        raise DeadlineExceeded(text, waiting_for="the application to end")
    warn(text, ASGIWarning)
