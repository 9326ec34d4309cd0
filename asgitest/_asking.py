"""Asking the session of a WebSocket, at once or as something to be awaited."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from ._async_websocket import AsyncWebSocketSession
from .exceptions import DeadlineExceeded, UnexpectedMessage, WebSocketDisconnect
from .websocket import WebSocketSession

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

T = TypeVar("T")

#: What an assertion does: it yields functions that ask a session, and is sent what they return,
#: or thrown what they raise.
Steps = Generator[Callable[[], Any], Any, T]

# What a session says when something else came than was asked for.
_ANSWERS = (UnexpectedMessage, WebSocketDisconnect, DeadlineExceeded)


def is_session(value: Any) -> bool:
    """Tell whether a value is the session of a WebSocket.

    :param value: any object
    """
    return isinstance(value, (WebSocketSession, AsyncWebSocketSession))


def carry_out(name: str, session: Any, steps: Steps[T]) -> Any:
    """Take steps that ask a session.

    :param name: name of the assertion
    :param session: the session
    :param steps: what to do
    :return: what the steps return; for an asynchronous session, a coroutine that does
    :raises TypeError: if it is no session
    """
    if isinstance(session, AsyncWebSocketSession):
        return session.watch(name, partial(_await_steps, steps))
    if not isinstance(session, WebSocketSession):
        raise TypeError(
            f"{name}() takes a WebSocketSession or an AsyncWebSocketSession, not {session!r}"
        )
    return take_steps(steps)


def take_steps(steps: Steps[T]) -> T:
    """Take steps that ask a synchronous session.

    :param steps: what to do
    :return: what they return
    """
    talk = _Talk(steps)
    while (question := talk.next_question()) is not None:
        try:
            talk.answer = question()
        except _ANSWERS as error:
            talk.error = error
        if inspect.iscoroutine(talk.answer):
            talk.answer.close()
            raise TypeError(
                "the function returned an asynchronous session: give that session itself, or a "
                "coroutine function, and await the assertion"
            )
    return talk.result


async def _await_steps(steps: Steps[T], begin: Callable[[], Any]) -> T:
    begin()
    talk = _Talk(steps)
    while (question := talk.next_question()) is not None:
        try:
            answer = question()
            talk.answer = await answer if inspect.isawaitable(answer) else answer
        except _ANSWERS as error:
            talk.error = error
    return talk.result


class _Talk(Generic[T]):
    """Steps that are being taken.

    :ivar answer: what the last question gave
    :ivar error: what it raised instead
    :ivar result: what the steps return
    """

    def __init__(self, steps: Steps[T]) -> None:
        self.answer: Any = None
        self.error: BaseException | None = None
        self.result: T
        self._steps = steps

    def next_question(self) -> Callable[[], Any] | None:
        """Return what to ask next, ``None`` if the steps have returned."""
        answer, self.answer = self.answer, None
        error, self.error = self.error, None
        try:
            # Outside of any except block, or what the steps raise would have a context.
            return self._steps.send(answer) if error is None else self._steps.throw(error)
        except StopIteration as end:
            self.result = end.value
            return None


def watch_steps(name: str, case: Any, steps: Steps[T]) -> Any:
    """Return a coroutine that takes steps; the test fails if it is never awaited.

    :param name: name of the assertion
    :param case: the test case
    :param steps: what to do
    :raises TypeError: if it has no asynchronous tests
    """
    client = getattr(case, "async_client", None)
    if client is None:
        raise TypeError(
            f"{name}() takes a coroutine function in an asynchronous test of an ASGITestCase, and "
            f"{type(case).__name__} is none"
        )
    return client.watch(name, partial(_await_steps, steps))
