"""One application on one event loop with one lifespan: what all clients of it share."""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from ._backend import is_cancellation
from ._calls import Wait
from ._connection import Connection
from ._interface import ASGIApplication
from ._lifespan_connection import LifespanConnection, LifespanProgress
from ._portal import Portal
from ._protocol._lifespan import LifespanProtocol, LifespanState
from ._protocol._messages import Message
from ._protocol._rules import Judge, Strictness
from ._protocol._scope import lifespan_scope
from ._protocol._texts import shorten
from ._shared_loop import SharedLoop
from ._thread_portal import ThreadPortal
from ._warn import Breach, raising_place, warn, warn_of
from .exceptions import (
    ASGITestError,
    DeadlineExceeded,
    LeftoverError,
    LifespanError,
    ProtocolError,
    lifespan_error,
)

# Id of the application that the current context starts up; itself, it would never be collected,
# for the context lasts as long as the lifespan.
_starting: ContextVar[int] = ContextVar("asgitest_starting", default=0)

# Lifespans whose messages are kept; there is more than one if a loop had to be abandoned.
_LIFESPANS = 8

LIFESPAN_MODES = ("auto", "on", "off")


class RunningApplication:
    """An application with its event loop, which is started when it is first needed.

    :param application: the application
    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param lifespan: ``"auto"``, ``"on"`` or ``"off"``
    :param timeout: deadline of each wait in seconds, ``None`` for none
    :param strictness: how strictly to judge its lifespan, and what it leaves behind
    :param portal: where the loop runs, ``"thread"`` or ``"inline"``
    :ivar state: the lifespan's state, which every scope gets a copy of
    :ivar lifespan_logs: messages of the last lifespans: when, in which direction, and which
    :ivar lifespan_error: what the application raised instead of supporting lifespans
    """

    def __init__(
        self,
        application: ASGIApplication,
        *,
        backend: str,
        backend_options: Mapping[str, Any] | None,
        lifespan: str,
        timeout: float | None,
        strictness: Strictness,
        portal: str = "thread",
    ) -> None:
        self.application = application
        self.backend = backend
        self.backend_options = backend_options
        self.lifespan_mode = lifespan
        self.timeout = timeout
        self.strictness = strictness
        self.portal_kind = portal
        self.state: dict[str, Any] = {}
        self.lifespan_error: BaseException | None = None
        self._portal: Portal | None = None
        self._finalizer: Any = None
        self._is_ready = False
        self._wants_lifespan = False
        self._lifespan: LifespanConnection | None = None
        self._open: dict[Connection[Any], bool] = {}
        self.lifespan_logs: deque[Iterable[tuple[float, str, Message]]] = deque(maxlen=_LIFESPANS)
        self._dropped: weakref.WeakSet[Connection[Any]] = weakref.WeakSet()
        self._left_open: list[str] = []
        self._shared_loop: SharedLoop | None = None
        self._lock = threading.RLock()

    def use_loop(self, loop: SharedLoop) -> None:
        """Run on a loop that others run on before and afterwards, and that does not end here.

        :param loop: the loop
        """
        self._shared_loop = loop

    # -- the loop ------------------------------------------------------------------------------

    def portal(self) -> Portal:
        """Return the event loop, started if there is none that can be used.

        After a loop that ended, or had to be abandoned, the application starts again on a new
        one, its lifespan included.
        """
        portal = self._portal
        # A loop does not become unusable under itself; a client call from it is refused later.
        if portal is not None and (portal.is_current() or (self._is_ready and portal.usable)):
            return portal
        if _starting.get() == id(self) and not self._is_ready:
            # In a worker thread of the startup, which would wait for the startup to end.
            raise ASGITestError(
                "a client call was made in the application's own startup; requests are served "
                "when that is complete"
            )
        with self._lock:
            if self._portal is None or not self._portal.usable:
                if self._portal is not None:
                    self._portal.raise_unreported_failure()
                self._start_portal()
            assert self._portal is not None
            return self._portal

    def _start_portal(self) -> None:
        self._is_ready = False
        self._open.clear()
        self._lifespan = None
        self._portal = portal = self._new_portal()
        self._start_lifespan_if_wanted(portal)
        self._is_ready = True

    def _new_portal(self) -> Portal:
        if self._shared_loop is not None:
            return self._shared_loop.portal()
        portal = portal_class(self.portal_kind)(self.backend, self.backend_options, self.timeout)
        portal.start()
        # Nobody has to call close(): when the client is collected, its loop ends by itself.
        self._finalizer = weakref.finalize(self, portal.post_stop)
        self._finalizer.atexit = False
        return portal

    # -- lifespan ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start loop and lifespan.

        :raises LifespanError: if the application reports that its startup failed, or does not
            support lifespans and the mode is ``"on"``
        """
        with self._lock:
            self._wants_lifespan = True
            try:
                if self._portal is not None and self._portal.usable:
                    # That of requests without a block; the block's requests go on in it.
                    self._start_lifespan_if_wanted(self._portal)
                else:
                    self.portal()
            except BaseException:
                self._wants_lifespan = False
                raise

    def _start_lifespan_if_wanted(self, portal: Portal) -> None:
        if not self._wants_lifespan:
            return
        try:
            self._start_lifespan(portal)
        except BaseException:
            # What went wrong first is what the test has to see.
            with contextlib.suppress(Exception):
                self._stop_portal(portal)
            raise

    def _start_lifespan(self, portal: Portal) -> None:
        if self.lifespan_mode == "off":
            return
        self.state = {}
        self.lifespan_error = None
        scope = lifespan_scope(self.state, self.application.version)
        lifespan = LifespanConnection(
            portal,
            self.application,
            scope,
            LifespanProtocol(self.state, self.strictness),
            "the lifespan",
        )
        self.lifespan_logs.append(lifespan.log)
        wait = Wait(self.timeout, "the application to answer lifespan.startup", lifespan)
        token = _starting.set(id(self))
        try:
            progress = portal.wait_for(wait, lifespan.start_up())
        finally:
            _starting.reset(token)
        if progress.state is LifespanState.START_FAILED and progress.violation is None:
            raise self._reported_failure(portal, lifespan, "startup")
        if self._is_started(portal, progress):
            self._lifespan = lifespan
        warn_of(lifespan.breaches)

    def _is_started(self, portal: Portal, progress: LifespanProgress) -> bool:
        if progress.violation is not None:
            raise progress.violation
        if progress.error is not None and is_cancellation(progress.error):
            portal.confirm_alive()
        if progress.state is not LifespanState.STARTING:
            return True
        self._refuse_or_continue(progress)
        return False

    def _refuse_or_continue(self, progress: LifespanProgress) -> None:
        """Take the application as one without lifespan (LIFE-06, LIFE-08)."""
        error = self.lifespan_error = progress.error
        if self.lifespan_mode == "on":
            if error is not None:
                raise error
            raise LifespanError(
                "the application returned without answering lifespan.startup, and "
                "lifespan='on' demands that it supports lifespans",
                stage="startup",
            )
        if error is not None and progress.startup_received:
            # LIFE-07: whoever takes the event knows the protocol, so this may well be a bug.
            breach = ProtocolError(
                f"the application raised {shorten(error)} after it received lifespan.startup; it "
                f"is taken for one that does not support lifespans. lifespan='on' raises this.",
                rule="LIFE-07",
            )
            breach.__cause__ = error
            judge = Judge(self.strictness)
            judge(breach)
            warn_of(deque(Breach(accepted, raising_place(error)) for accepted in judge.warnings))

    def _shut_down_lifespan(self, portal: Portal) -> None:
        lifespan = self._lifespan
        if lifespan is None or not portal.usable:
            return
        wait = Wait(self.timeout, "the application to answer lifespan.shutdown", lifespan)
        progress = portal.wait_for(wait, lifespan.shut_down())
        if progress.state is LifespanState.STOP_FAILED and progress.violation is None:
            raise self._reported_failure(portal, lifespan, "shutdown")
        if not progress.ended:
            wait = Wait(self.timeout, "the application to end after its shutdown", lifespan)
            progress = portal.run(wait, lifespan.end)
        if progress.violation is not None:
            raise progress.violation
        if progress.error is not None:
            if is_cancellation(progress.error):
                portal.confirm_alive()
            raise progress.error
        warn_of(lifespan.breaches)

    def _reported_failure(
        self, portal: Portal, lifespan: LifespanConnection, stage: str
    ) -> LifespanError:
        """Wait for the end of an application that reported a failure, and return that."""
        wait = Wait(self.timeout, f"the application to end after its {stage} failed", lifespan)
        try:
            progress = portal.run(wait, lifespan.end)
            if progress.violation is not None:
                raise progress.violation
            message, cause = progress.message, progress.error
        except DeadlineExceeded as late:
            message, cause = lifespan.protocol.message, late
        return lifespan_error(
            f"the application reported that its {stage} failed: "
            f"{message or '(it gave no message)'}",
            stage=stage,
            message=message,
            cause=cause,
        )

    # -- connections ---------------------------------------------------------------------------

    def add(self, connection: Connection[Any], *, raises: bool) -> None:
        """Note a connection that outlives the call that opened it.

        :param connection: a streamed response or a WebSocket
        :param raises: whether the test wants the application's own exceptions
        """
        self._open[connection] = raises

    def discard(self, connection: Connection[Any]) -> None:
        """Forget a connection that was closed.

        :param connection: what was added
        """
        self._open.pop(connection, None)

    def drop(self, portal: Portal, connection: Connection[Any]) -> None:
        """Lose a connection that nobody closed, and warn of it; waits for nothing.

        :param portal: the event loop of the connection
        :param connection: what was added
        """
        if connection.ended or not portal.usable:
            # One that failed stays noted: the client's end tells of it.
            if _failure(connection, self._open.get(connection, False)) is None:
                self._open.pop(connection, None)
            return
        # It stays open, so that the client's end waits for the application.
        self._dropped.add(connection)
        with contextlib.suppress(RuntimeError):
            portal.spawn(connection.lose)
        if self.strictness.strict:
            # Nobody would see what a finalizer raises.
            self._left_open.append(_unclosed(connection))
        else:
            warn(_unclosed(connection), ResourceWarning)

    def _close_open(self, portal: Portal, left: list[str]) -> BaseException | None:
        """Close what is open; return the first failure of which nobody was told."""
        failures = []
        for connection, raises in list(self._open.items()):
            if not connection.ended:
                seconds = None if self.timeout is None else self.timeout + portal.grace
                wait = Wait(seconds, f"{connection.name} to end when it was closed", connection)
                portal.run(wait, connection.lose)
                if connection not in self._dropped:
                    left.append(_unclosed(connection))
            failure = _failure(connection, raises)
            if failure is not None and not connection.is_told:
                failures.append(failure)
        return failures[0] if failures else None

    # -- the end -------------------------------------------------------------------------------

    def stop(self, *, abruptly: bool = False) -> None:
        """Close what is open, end the lifespan, then the loop; the next use starts anew.

        What had to be closed, and what was left running, is warned of at the end, or raised by a
        strict client.

        :param abruptly: only cancel everything, as after Ctrl-C
        :raises LeftoverError: if something was left, and the client is strict
        :raises BaseException: what the application raised in its shutdown, or since its start
        """
        with self._lock:
            portal = self._portal
            if portal is None:
                return
            portal.check_thread("the client to close")
            left: list[str] = []
            try:
                if portal.usable and not (abruptly or portal.interrupted):
                    self._wind_down(portal, left)
            finally:
                self._wants_lifespan = False
                self._lifespan = None
                self._open.clear()
                # Ctrl-C may have come at any time, not only while something was waited for.
                is_interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
                left += self._stop_portal(portal, abruptly=abruptly or is_interrupted)
            self._report(left)

    def known_tasks(self) -> dict[int, Any]:
        """Return what runs on the loop before a test, for :meth:`end_test`."""
        return self.portal().known_tasks()

    def end_test(self, known: Collection[int]) -> None:
        """Close what a test left open, and tell what it left running; the application goes on.

        :param known: what ran on the loop before the test
        :raises LeftoverError: if something was left, and the client is strict
        :raises BaseException: what the application raised, and nobody was told of
        :raises ASGITestError: if the loop ended while nobody waited
        """
        with self._lock:
            portal = self._portal
            if portal is None:
                return
            if not portal.usable:
                portal.raise_unreported_failure()
                return
            left: list[str] = []
            failure = self._close_open(portal, left)
            self._open.clear()
            if failure is not None:
                raise failure
            left += [f"the test left something running: {text}" for text in portal.leftovers(known)]
            self._report(left)

    def _report(self, left: list[str]) -> None:
        left += self._left_open
        self._left_open = []
        if left and self.strictness.strict:
            raise LeftoverError("\n".join(left))
        for text in left:
            warn(text, ResourceWarning)

    def _wind_down(self, portal: Portal, left: list[str]) -> None:
        try:
            failure = self._close_open(portal, left)
        except Exception:
            self._shut_down_lifespan(portal)
            raise
        try:
            self._shut_down_lifespan(portal)
        except Exception:
            if failure is None:
                raise
        if failure is not None:
            # What went wrong first is what the test has to see.
            raise failure

    def _stop_portal(self, portal: Portal, *, abruptly: bool = False) -> list[str]:
        self._is_ready = False
        if self._finalizer is not None:
            self._finalizer.detach()
        try:
            portal.raise_unreported_failure()
            if abruptly or portal.interrupted:
                portal.post_stop()
                portal.join(portal.grace)
            elif portal.usable:
                shares = self._shared_loop is not None
                left = portal.leftovers() if shares else portal.stop(self.timeout)
                return [
                    f"the application left something running; what can be, was cancelled: {text}"
                    for text in left
                ]
            return []
        finally:
            # Not before: what still runs on the loop may ask for it, and must not wait for us.
            self._portal = None


def _failure(connection: Connection[Any], raises: bool) -> BaseException | None:
    if connection.protocol.violation is not None:
        violation: BaseException = connection.protocol.violation
        return violation
    error = connection.error
    # A cancellation at this time is no exception of the application's.
    return None if error is None or is_cancellation(error) or not raises else error


def _unclosed(connection: Connection[Any]) -> str:
    return f"{connection.name} was left open; use it in a with block"


def portal_class(kind: str) -> type[Portal]:
    """Return the class of a kind of portal.

    :param kind: ``"thread"`` or ``"inline"``
    """
    if kind == "thread":
        return ThreadPortal
    # Few ask for it, and what it takes to interrupt a loop is a module of its own.
    from ._inline_portal import InlinePortal

    return InlinePortal


def check_lifespan_mode(lifespan: str) -> str:
    """Return a lifespan mode as it is.

    :param lifespan: ``"auto"``, ``"on"`` or ``"off"``
    :raises ValueError: if it is none of these
    """
    if lifespan not in LIFESPAN_MODES:
        raise ValueError(f"lifespan must be one of {', '.join(LIFESPAN_MODES)}, not {lifespan!r}")
    return lifespan
