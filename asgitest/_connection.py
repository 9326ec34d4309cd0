"""Run one application call: join a state machine to ``receive`` and ``send``, hold the outcome."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from ._backend import is_cancellation, take_cancellation
from ._calls import Call, Watch
from ._checkpoints import cancel_shielded_checkpoint, checkpoint
from ._generators import no_generators, watch
from ._interface import ASGIApplication
from ._outcome import comes_of_disconnect, unwrap_group
from ._portal import Portal
from ._protocol._machine import Protocol
from ._protocol._messages import Message
from ._protocol._texts import shorten, shorten_payload
from ._warn import Breach, Place, calling_place, defining_place
from .exceptions import ProtocolError

P = TypeVar("P", bound=Protocol)

# Turns of the loop by which a call that was cancelled beforehand has ended.
_GLANCE = 2
_LOGGED_MESSAGES = 40
_LOGGED_PAYLOAD = 120
_LOGGED_VALUE = 1000


class Connection(Generic[P]):
    """One call of the application, from its start to its end.

    Everything but the attributes set at the end belongs to the loop's thread.

    :param portal: the event loop
    :param application: the application
    :param scope: what the application is called with
    :param protocol: the rules of the connection
    :param name: what reports call it, such as ``"GET http://testserver/"``
    :ivar scope: the scope, with what the application has put there
    :ivar error: what the application raised, ``None`` if it returned or was cancelled
    :ivar ended: whether the application is through
    :ivar log: the last messages: when, in which direction, and which
    :ivar began: when this was made, on the same clock
    :ivar is_told: whether the test has heard how the call came out so far
    :ivar breaches: what is to be warned of; the test's thread takes from its left
    """

    title = "The application"
    #: What ``receive()`` waits for, in words.
    awaited = ""

    def __init__(
        self,
        portal: Portal,
        application: ASGIApplication,
        scope: dict[str, Any],
        protocol: P,
        name: str,
    ) -> None:
        self.protocol = protocol
        self.name = name
        self.error: BaseException | None = None
        self.ended = False
        self.is_told = False
        self.log: deque[tuple[float, str, Message]] = deque(maxlen=_LOGGED_MESSAGES)
        self.began = time.monotonic()
        self.breaches: deque[Breach] = deque()
        self.portal = portal
        self._application = application
        self.scope = scope
        self._cancel_scope: anyio.CancelScope | None = None
        self._cancelled = False
        self._broken_off = False
        self._change: anyio.Event | None = None
        self._watches: list[Watch] = []
        # The calls of receive() that wait, in the order they came (HTTP-REQ-09).
        self._receivers: deque[_Receiver] = deque()
        self._sending = 0
        self._iterated = no_generators()

    # -- the application's side --------------------------------------------------------------

    async def run(self) -> None:
        """Call the application and keep what comes of it; raises nothing."""
        __tracebackhide__ = True
        try:
            with anyio.CancelScope() as self._cancel_scope:
                if self._broken_off:
                    self._cancel_scope.cancel()
                await self._call_application()
        except RuntimeError as error:
            self._give_loop_up()
            self.error = error
        await take_cancellation(self.portal.is_trio)
        if self.portal.generators.is_closing:
            # What the application dropped may clean up slowly, and that is part of its work.
            with anyio.move_on_after(self.portal.grace):
                await self.portal.generators.settle(self._iterated)
        self.ended = True
        self.notify()

    async def _call_application(self) -> None:
        __tracebackhide__ = True
        try:
            result = await self._application(self.scope, self._receive, self._send)
        except BaseException as error:
            self.protocol.finish(raised=True)
            self._keep(error)
        else:
            self.protocol.note_result(result)
            self.protocol.finish(raised=False)
            if self.protocol.judge.warnings:
                self._note_breaches(defining_place(self._application.app))

    def _give_loop_up(self) -> None:
        # On trio, neither this task nor the group that it belongs to can come to its end any more,
        # and on asyncio the scope goes on without it; whoever waits for the loop is told why, and
        # the next call has a new one.
        self.portal.abandon(
            f"the application left a cancel scope or a task group open when it was through "
            f"({self.name}); leave each with the block that entered it"
        )

    def _keep(self, error: BaseException) -> None:
        if self._cancelled and is_cancellation(error):
            return
        # ERR-06: that the client is gone is no failure, in whichever guise it comes back.
        try:
            if self._client_left() and comes_of_disconnect(error):
                return
            kept = unwrap_group(error)
            # Here alone, for it brings the signals that only inline loops take.
            from ._interruptions import LoopBlocked

            # Whoever waited when it was raised got the deadline.
            self.error = None if isinstance(kept, LoopBlocked) else kept
        except Exception:
            # Of a class that cannot be looked into, or nested too deep: it is raised as it is.
            self.error = error

    def _client_left(self) -> bool:
        return bool(getattr(self.protocol, "disconnected", False))

    async def _receive(self) -> Message:
        __tracebackhide__ = True
        self._check_thread("receive()")
        # APP-03: a checkpoint even when an event is at hand, and before one is taken, so that a
        # cancelled call loses nothing (HTTP-REQ-07). It is shielded, because frameworks look for a
        # disconnect by cancelling the call beforehand, and get what is at hand from a server; who
        # asks again and again after the end has to be cancellable, though.
        if self.protocol.is_repeating:
            await checkpoint(self.portal.is_trio)
        else:
            await cancel_shielded_checkpoint(self.portal.is_trio)
        event = None if self._receivers else self.protocol.next_event()
        if event is None:
            event = await self._wait_for_event()
        event = dict(event)
        self.log.append((time.monotonic(), "received", _brief(event)))
        return event

    async def _wait_for_event(self) -> Message:
        __tracebackhide__ = True
        receiver = _Receiver()
        ahead = list(self._receivers)
        self._receivers.append(receiver)
        try:
            if ahead:
                await self._check_queue(ahead)
            # Once, for two that wait would wake each other for ever.
            self._note_waiting()
            self.notify()
            event = self._event_for(receiver)
            while event is None:
                await self._changed()
                event = self._event_for(receiver)
            receiver.is_served = True
        finally:
            self._receivers.remove(receiver)
            if self._receivers:
                self.notify()
        return event

    def _event_for(self, receiver: _Receiver) -> Message | None:
        return self.protocol.next_event() if self._receivers[0] is receiver else None

    async def _check_queue(self, ahead: list[_Receiver]) -> None:
        __tracebackhide__ = True
        # Who only looks for a disconnect cancels its call at once, and takes nothing from anybody;
        # and who was cancelled before may not have heard of it.
        for _ in range(_GLANCE):
            await anyio.lowlevel.checkpoint()
        if any(receiver.is_served or receiver in self._receivers for receiver in ahead):
            self.protocol.refuse_queue()
        if self.protocol.judge.warnings:
            self._note_breaches(calling_place())

    async def _send(self, message: Any) -> None:
        __tracebackhide__ = True
        self._check_thread("send()")
        await checkpoint(self.portal.is_trio)
        try:
            taken = self.protocol.send(message)
        except BaseException:
            self.notify()
            raise
        if self.protocol.judge.warnings:
            self._note_breaches(calling_place())
        if taken is not None:
            self.log.append((time.monotonic(), "sent", _brief(taken)))
            self._take(taken)
            self.notify()
            delivery = self._deliver(taken)
            if delivery is not None:
                await delivery

    def _deliver(self, message: Message) -> Awaitable[None] | None:
        """Return what ``send()`` has to wait for, ``None`` for nothing.

        :param message: what was taken
        """
        return self._wait_for_reader() if self._is_full() else None

    def _note_breaches(self, place: Place | None) -> None:
        warnings = self.protocol.judge.warnings
        self.breaches.extend(Breach(breach, place) for breach in warnings)
        warnings.clear()

    def _note_waiting(self) -> None:
        """Note that the application waits for an event, having dealt with all before."""

    def _check_thread(self, function: str) -> None:
        if self.portal.is_current():
            return
        violation = ProtocolError(
            f"{function} was called in thread {threading.current_thread().name!r}, outside the "
            f"event loop of its connection; anyio.from_thread.run() brings a call there",
            rule="APP-08",
        )
        self.protocol.latch(violation)
        raise violation

    def _take(self, message: Message) -> None:
        """Keep what the test will read of a message."""

    def _is_full(self) -> bool:
        """Tell whether so much lies unread that ``send()`` has to wait."""
        return False

    async def _wait_for_reader(self) -> None:
        self._sending += 1
        try:
            while self._is_full() and not self._client_left():
                await self._changed()
        finally:
            self._sending -= 1

    # -- the test's side, on the loop ----------------------------------------------------------

    def start(self) -> None:
        """Start the application in a task of its own."""
        self.portal.start_call(self.as_call(), self.name)

    def as_call(self) -> ApplicationCall:
        """Return the call that runs the application in a task of its own."""
        return ApplicationCall(self, self.run_watched)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, or cannot any more: ended, or broken a rule.

        :param condition: looks at this connection
        """
        while not self.is_at(condition):
            await self._changed()

    def is_at(self, condition: Callable[[], bool]) -> bool:
        """Tell whether a condition holds, or cannot any more: ended, or broken a rule.

        :param condition: looks at this connection
        """
        return condition() or self.ended or self.protocol.violation is not None

    def attach(self, watch: Watch) -> None:
        """Have a watch look now, and after each change until it has seen what it waits for.

        :param watch: looks at this connection
        """
        if not watch.look():
            self._watches.append(watch)

    def _start_watched(self, watch: Watch) -> None:
        self.start()
        self.attach(watch)

    async def wait_ended(self) -> None:
        """Wait until the application is through."""
        while not self.ended:
            await self._changed()

    def cancel(self) -> None:
        """Cancel the application, whose cancellation then is no outcome."""
        self._cancelled = True
        self.break_off()

    def break_off(self) -> None:
        """Have the application get a cancellation, which is an outcome if it raises it."""
        self._broken_off = True
        if self._cancel_scope is not None:
            self._cancel_scope.cancel()

    def describe(self) -> str:
        """Tell, in lines, what the application waits for and what was exchanged."""
        lines = [f"State: {self.protocol.describe()}."]
        if self.protocol.violation is not None:
            lines.append(f"A rule was broken before: {self.protocol.violation}")
        if self._receivers:
            lines.append(f"The application waits in receive(): {self.awaited}.")
        if self._sending:
            lines.append("The application waits in send() for the client to read.")
        return "\n".join([*lines, self.describe_log()])

    def describe_log(self) -> str:
        """Return the last messages of both directions, one a line, with seconds from the start."""
        # Copied in one step, for the application may talk on while the test's thread looks.
        log = list(self.log)
        if not log:
            return "The application received and sent no message so far."
        lines = [
            f"  {moment - self.began:.3f} s  {direction:>8} {_line(message)}"
            for moment, direction, message in log
        ]
        return "\n".join(["The application's last messages:", *lines])

    def owns(self, frame: Any) -> bool:
        """Tell whether a frame of a task is the one that runs this application.

        :param frame: any frame
        """
        return frame.f_code is _RUN_CODE and frame.f_locals.get("self") is self

    def notify(self) -> None:
        """Have everybody who waits for a change look again."""
        if self._change is not None:
            self._change.set()
            self._change = None
        if self._watches:
            self._watches = [watch for watch in self._watches if not watch.look()]

    async def lose(self) -> None:
        """Let the application know that its client is gone, and wait for its end."""
        raise NotImplementedError

    @property
    def is_settled(self) -> bool:
        """Whether :meth:`settle` has no generators to wait for."""
        return not (self._iterated or self.portal.generators.is_closing)

    async def settle(self) -> None:
        """Wait until the application is through, and the generators it dropped are closed."""
        await self.wait_ended()
        await self.portal.generators.settle(self._iterated)

    async def run_watched(self) -> None:
        """Do as :meth:`run`, in a task of its own; :meth:`settle` waits for its generators."""
        self._iterated = watch()
        await self.run()

    async def _changed(self) -> None:
        if self._change is None:
            self._change = anyio.Event()
        await self._change.wait()


class ApplicationCall(Call):
    """A call that runs an application, and is cancelled by the cancel scope that this has anyway.

    :param connection: the connection of the application
    :param function: one of its coroutine functions, which runs the application to its end
    :param args: its positional arguments
    """

    def __init__(
        self, connection: Connection[Any], function: Callable[..., Any], *args: Any
    ) -> None:
        super().__init__(function, args)
        self._connection = connection

    async def _perform(self) -> Any:
        __tracebackhide__ = True
        result = await self._function(*self._args)
        self._has_returned = True
        return result

    def cancel(self) -> None:
        """Cancel the application; called on the loop."""
        self._connection.break_off()


class _Receiver:
    """One call of ``receive()`` that waits.

    :ivar is_served: whether it was given an event
    """

    is_served = False


_RUN_CODE = Connection.run.__code__
_PAYLOADS = (bytes, str)


class _Beginning:
    """The beginning of a payload, and its length; prints as the payload does in a text."""

    __slots__ = ("_payload", "_size")

    def __init__(self, payload: bytes | str) -> None:
        self._payload = payload[:_LOGGED_PAYLOAD]
        self._size = len(payload)

    def __repr__(self) -> str:
        return shorten_payload(self._payload, self._size, _LOGGED_PAYLOAD)


def _brief(message: Message) -> Message:
    brief = dict(message)
    for key, value in message.items():
        # By their types, for a call for each value of each message adds up.
        if type(value) in _PAYLOADS and len(value) > _LOGGED_PAYLOAD:
            brief[key] = _Beginning(value)
    return brief


def _line(message: Message) -> str:
    fields = (
        f"{key}={shorten(value, _LOGGED_VALUE)}" for key, value in message.items() if key != "type"
    )
    return " ".join([str(message.get("type")), *fields])
