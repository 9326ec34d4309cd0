"""Applications made of random steps: strategies for them, and what runs them."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from hypothesis import strategies as st

from asgitest.exceptions import ClientDisconnected, ProtocolError

from .fuzz_messages import SUBPROTOCOLS, messages

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup


#: Seconds for which a step can shield others from cancellation: more than a client waits.
SHIELDED = 0.5


class Planned(Exception):
    """What an application of ours raises."""


class PlannedExit(BaseException):
    """What an application of ours raises, and ``except Exception`` does not catch."""


@dataclass
class Call:
    """One call of an application.

    :ivar raised: every exception that the application made
    """

    scope: Any
    receive: Any
    send: Any
    raised: list[BaseException]


class Step:
    """One thing an application does."""

    async def run(self, call: Call) -> None:
        """Do it."""
        raise NotImplementedError


async def run_all(call: Call, steps: Sequence[Step]) -> None:
    """Do one step after the other."""
    for step in steps:
        await step.run(call)


@dataclass(frozen=True)
class Send(Step):
    """Send a message."""

    message: Any

    async def run(self, call: Call) -> None:
        await call.send(self.message)


@dataclass(frozen=True)
class SendFromThread(Step):
    """Send a message from a worker thread, the right way or a wrong one."""

    message: Any
    properly: bool

    async def run(self, call: Call) -> None:
        await anyio.to_thread.run_sync(self._in_thread, call)

    def _in_thread(self, call: Call) -> None:
        if self.properly:
            anyio.from_thread.run(call.send, self.message)
        else:
            # A coroutine may be stepped in any thread.
            coroutine = call.send(self.message)
            try:
                coroutine.send(None)
            finally:
                coroutine.close()


@dataclass(frozen=True)
class Receive(Step):
    """Receive an event."""

    async def run(self, call: Call) -> None:
        await call.receive()


@dataclass(frozen=True)
class Look(Step):
    """Receive an event if there is one, as frameworks look for a disconnect."""

    async def run(self, call: Call) -> None:
        with anyio.move_on_after(0):
            await call.receive()


@dataclass(frozen=True)
class ReceiveToEnd(Step):
    """Receive up to the disconnect."""

    async def run(self, call: Call) -> None:
        while not (await call.receive())["type"].endswith("disconnect"):
            pass


@dataclass(frozen=True)
class Wait(Step):
    """Let the others run."""

    times: int
    in_thread: bool

    async def run(self, call: Call) -> None:
        for _ in range(self.times):
            await anyio.lowlevel.checkpoint()
        if self.in_thread:
            await anyio.to_thread.run_sync(int)


@dataclass(frozen=True)
class Raise(Step):
    """Raise an exception."""

    kind: Any
    grouped: int

    async def run(self, call: Call) -> None:
        if not self.grouped:
            error: BaseException = self.kind("planned")
        else:
            members = [self.kind("planned") for _ in range(self.grouped)]
            call.raised += members
            error = BaseExceptionGroup("planned", members)
        call.raised.append(error)
        raise error


@dataclass(frozen=True)
class Return(Step):
    """Return early."""

    async def run(self, call: Call) -> None:
        raise _Returned


class _Returned(BaseException):
    """The way out of nested steps."""


def _is_return(error: BaseException) -> bool:
    members = getattr(error, "exceptions", None)
    if members is not None:
        return all(map(_is_return, members))
    return isinstance(error, _Returned)


@dataclass(frozen=True)
class Scoped(Step):
    """Do steps in a cancel scope that is cancelled before or behind them."""

    steps: tuple[Step, ...]
    early: bool
    shield: bool

    async def run(self, call: Call) -> None:
        # A shield ends after a while, so that no thread stays for ever that had to be abandoned.
        with anyio.move_on_after(SHIELDED if self.shield else None, shield=self.shield) as scope:
            if self.early:
                scope.cancel()
            await run_all(call, self.steps)
            scope.cancel()
            await anyio.lowlevel.checkpoint()


@dataclass(frozen=True)
class Timed(Step):
    """Do steps with no time to do them in."""

    steps: tuple[Step, ...]
    fails: bool

    async def run(self, call: Call) -> None:
        if not self.fails:
            with anyio.move_on_after(0):
                await run_all(call, self.steps)
            return
        try:
            with anyio.fail_after(0):
                await run_all(call, self.steps)
        except TimeoutError as error:
            call.raised.append(error)
            raise


@dataclass(frozen=True)
class Group(Step):
    """Do steps in several tasks at once; perhaps cancel them."""

    tasks: tuple[tuple[Step, ...], ...]
    steps: tuple[Step, ...]
    cancels: bool

    async def run(self, call: Call) -> None:
        try:
            async with anyio.create_task_group() as group:
                for steps in self.tasks:
                    group.start_soon(_run_task, call, steps)
                await run_all(call, self.steps)
                if self.cancels:
                    group.cancel_scope.cancel()
        except BaseException as error:
            # anyio makes the group; it is the application's all the same.
            call.raised.append(error)
            raise


async def _run_task(call: Call, steps: Sequence[Step]) -> None:
    try:
        await run_all(call, steps)
    except BaseException as error:
        if not _is_return(error):
            raise


@dataclass(frozen=True)
class Swallow(Step):
    """Do steps and take no notice of what they raise."""

    steps: tuple[Step, ...]
    everything: bool

    async def run(self, call: Call) -> None:
        kind = BaseException if self.everything else Exception
        try:
            await run_all(call, self.steps)
        except kind as error:
            if _is_return(error):
                raise


@dataclass(frozen=True)
class Finally(Step):
    """Do steps whatever becomes of others."""

    steps: tuple[Step, ...]
    cleanup: tuple[Step, ...]

    async def run(self, call: Call) -> None:
        try:
            await run_all(call, self.steps)
        finally:
            await run_all(call, self.cleanup)


@dataclass(frozen=True)
class Iterate(Step):
    """Do steps in an async generator, of which no more than the first few are asked for."""

    steps: tuple[Step, ...]
    taken: int
    cleanup: tuple[Step, ...]

    async def run(self, call: Call) -> None:
        if not self.taken:
            return
        taken = 0
        async for _ in self._iterate(call):
            taken += 1
            if taken >= self.taken:
                break

    async def _iterate(self, call: Call) -> Any:
        try:
            for step in self.steps:
                await step.run(call)
                yield step
        finally:
            await run_all(call, self.cleanup)


@dataclass(frozen=True)
class InThread(Step):
    """Do steps on the loop, on behalf of a worker thread."""

    steps: tuple[Step, ...]

    async def run(self, call: Call) -> None:
        try:
            await anyio.to_thread.run_sync(self._in_thread, call)
        except BaseException as error:
            # On its way through the thread, asyncio makes another one of a TimeoutError.
            call.raised.append(error)
            raise

    def _in_thread(self, call: Call) -> None:
        for step in self.steps:
            anyio.from_thread.run(step.run, call)


@dataclass(frozen=True)
class SpoilScope(Step):
    """Make itself at home in the scope."""

    async def run(self, call: Call) -> None:
        kept = call.scope["type"]
        call.scope.clear()
        call.scope["type"] = kept


@dataclass
class Program:
    """An application; it serves ``/ok`` and a plain lifespan beside its steps.

    :ivar scope_type: type of the scope on which it does its steps
    :ivar steps: what it does
    :ivar raised: every exception it made
    """

    scope_type: str
    steps: tuple[Step, ...]
    raised: list[BaseException] = field(default_factory=list, repr=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application."""
        if scope["type"] == self.scope_type and scope.get("path") != "/ok":
            call = Call(scope, receive, send, self.raised)
            await _run_task(call, self.steps)
        elif scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
        else:
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"ok"})

    def made(self, error: BaseException) -> bool:
        """Tell whether an exception is the application's own, or a group of such.

        :param error: what a client raised
        """
        # trio makes new groups of the rest when it takes its cancellations out of one.
        members = getattr(error, "exceptions", None)
        return any(error is raised for raised in self.raised) or (
            bool(members) and all(map(self._belongs, members))
        )

    def _belongs(self, error: BaseException) -> bool:
        return self.made(error) or isinstance(error, (ProtocolError, ClientDisconnected))


KINDS = st.sampled_from(
    [
        *(Planned, Planned, Planned, PlannedExit, OSError, AssertionError, KeyError),
        *(asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit, TimeoutError),
    ]
)
#: Those that asyncio lets end a loop when they leave a task that an application started.
DEADLY = (SystemExit, KeyboardInterrupt)


def _plain_steps(scope_type: str) -> st.SearchStrategy[Step]:
    sent = messages(scope_type)
    sends = st.builds(Send, sent)
    others = st.one_of(
        st.builds(SendFromThread, sent, properly=st.booleans()),
        st.builds(Receive),
        st.builds(Look),
        st.builds(Look),
        st.builds(ReceiveToEnd),
        st.builds(Wait, st.integers(0, 2), in_thread=st.booleans()),
        st.builds(Raise, KINDS, grouped=st.sampled_from([0, 0, 0, 1, 2])),
        st.builds(Return),
        st.builds(SpoilScope),
    )
    return st.one_of(sends, sends, others)


def _nested_steps(inner: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    steps = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Scoped, steps, early=st.booleans(), shield=st.booleans()),
        st.builds(Timed, steps, fails=st.booleans()),
        st.builds(Group, st.lists(steps, max_size=3).map(tuple), steps, cancels=st.booleans()),
        st.builds(Swallow, steps, everything=st.booleans()),
        st.builds(Finally, steps, steps),
        st.builds(Iterate, steps, st.integers(0, 3), steps),
    )


def steps(scope_type: str) -> st.SearchStrategy[Step]:
    """Return single steps, nested ones too."""
    return st.recursive(_plain_steps(scope_type), _nested_steps, max_leaves=5)


def _sends(*messages_: dict[str, Any]) -> list[Step]:
    return [Receive(), *map(Send, messages_)]


_START = {"type": "http.response.start", "status": 200}
_PART = {"type": "http.response.body", "body": b"part", "more_body": True}
_END = {"type": "http.response.body", "body": b"end"}
_DEBUG = {"type": "http.response.debug", "info": {}}
_ACCEPT = {"type": "websocket.accept", "subprotocol": SUBPROTOCOLS[0]}
_TEXT = {"type": "websocket.send", "text": "a"}
_BYTES = {"type": "websocket.send", "bytes": b"a"}
_CLOSE = {"type": "websocket.close", "code": 1001}
_DENIAL = {"type": "websocket.http.response.start", "status": 401}
_DENIAL_END = {"type": "websocket.http.response.body", "body": b"no"}
_STARTED = {"type": "lifespan.startup.complete"}
_START_FAILED = {"type": "lifespan.startup.failed", "message": "no"}
_STOPPED = {"type": "lifespan.shutdown.complete"}
_STOP_FAILED = {"type": "lifespan.shutdown.failed", "message": "no"}

#: What a scope's applications do when they behave.
_ORDERLY: dict[str, list[list[Step]]] = {
    "http": [
        _sends(_START, _END),
        _sends({**_START, "headers": [(b"content-length", b"3")]}, _END),
        _sends(_DEBUG, _START, _PART, _PART, _END),
        [*_sends(_START, _PART), ReceiveToEnd()],
    ],
    "websocket": [
        [*_sends(_ACCEPT), ReceiveToEnd()],
        [*_sends(_ACCEPT, _TEXT, _BYTES), Receive(), Send(_TEXT), ReceiveToEnd()],
        _sends(_ACCEPT, _TEXT, _CLOSE),
        _sends(_CLOSE),
        _sends(_DENIAL, _DENIAL_END),
    ],
    "lifespan": [
        [*_sends(_STARTED), *_sends(_STOPPED)],
        [*_sends(_STARTED), *_sends(_STOP_FAILED)],
        _sends(_START_FAILED),
    ],
}


_Steps = tuple[Step, ...]
#: What does steps, but not plainly.
_WRAPPERS: list[Callable[[_Steps], Step]] = [
    lambda inner: Scoped(inner, early=True, shield=False),
    lambda inner: Scoped(inner, early=False, shield=False),
    lambda inner: Scoped(inner, early=False, shield=True),
    lambda inner: Timed(inner, fails=False),
    lambda inner: Timed(inner, fails=True),
    lambda inner: Group((inner,), (), cancels=False),
    lambda inner: Group((inner,), (), cancels=True),
    lambda inner: Group((inner, inner), (), cancels=False),
    lambda inner: Swallow(inner, everything=False),
    lambda inner: Swallow(inner, everything=True),
    lambda inner: Finally((), inner),
    lambda inner: Iterate(inner, 1, ()),
    lambda inner: Iterate(inner, 9, ()),
    InThread,
]


def _changes(scope_type: str) -> st.SearchStrategy[list[Any]]:
    """Return changes to make to an orderly application: what, where, and of how much."""
    change = st.one_of(
        steps(scope_type), st.sampled_from(_WRAPPERS), st.sampled_from(["drop", "repeat"])
    )
    return st.lists(st.tuples(change, st.integers(0, 5), st.integers(0, 3)), max_size=4)


def programs(scope_type: str) -> st.SearchStrategy[Program]:
    """Return applications: orderly ones with a few changes, or steps without any order.

    :param scope_type: type of the scope on which they do their steps
    """
    orderly = st.builds(_change, st.sampled_from(_ORDERLY[scope_type]), _changes(scope_type))
    chaotic = st.lists(steps(scope_type), max_size=6).map(tuple)
    return st.builds(Program, st.just(scope_type), st.one_of(orderly, orderly, orderly, chaotic))


def _change(orderly: list[Step], changes: list[Any]) -> _Steps:
    done = list(orderly)
    for change, position, length in changes:
        end = position + length
        if isinstance(change, Step):
            done.insert(position, change)
        elif change == "drop":
            del done[position : position + 1]
        elif change == "repeat":
            done[position:position] = done[position : position + 1]
        else:
            done[position:end] = [change(tuple(done[position:end]))]
    return tuple(done)


def walk(steps_: Any) -> list[Step]:
    """Return all steps of an application, nested ones included."""
    found: list[Step] = []
    for step in steps_:
        if isinstance(step, tuple):
            found += walk(step)
        elif dataclasses.is_dataclass(step):
            found.append(step)  # type: ignore[arg-type]
            values = (getattr(step, each.name) for each in dataclasses.fields(step))
            # Some messages are tuples, too, with nothing in them that is a step.
            found += walk(value for value in values if isinstance(value, tuple))
    return found
