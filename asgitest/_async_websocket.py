"""``AsyncWebSocketSession``: the WebSocket session in the hand of a coroutine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import requests

from ._options import CLIENT_TIMEOUT
from ._stepwise import MovingDeadline
from .exceptions import WebSocketDisconnect
from .websocket import NORMAL_CLOSES, WebSocketSession, check_mode, decode_json

T = TypeVar("T")
#: A coroutine function that must be awaited; it calls what it is given as soon as it begins.
Watched = Callable[[Callable[[], Any]], Coroutine[Any, Any, T]]


class SessionsClient(Protocol):
    """What a session needs of its client.

    :ivar deadline: deadline of the part of the test that is running
    """

    @property
    def deadline(self) -> MovingDeadline:
        """Deadline of the part of the test that is running."""

    def run(self, function: Callable[..., T], *args: Any) -> Coroutine[Any, Any, T]:
        """Run a function in a worker thread."""

    def watch(self, name: str, function: Watched[T]) -> Coroutine[Any, Any, T]:
        """Return a coroutine that must not be forgotten."""


class AsyncWebSocketSession:
    """One WebSocket, to be used in an ``async with`` block.

    It is to :class:`asgitest.WebSocketSession` what a coroutine function is to a plain one: the
    methods have the same names, parameters and exceptions, and are awaited. They run on the
    application's own loop.

    :param session: the session
    :param client: the client that opens it
    """

    def __init__(self, session: WebSocketSession, client: SessionsClient) -> None:
        self._session = session
        self._client = client

    # -- the block -----------------------------------------------------------------------------

    async def __aenter__(self) -> AsyncWebSocketSession:
        __tracebackhide__ = True
        await self._client.run(self._session.__enter__)
        self._session._handshake().is_on_loop = True
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: object,
    ) -> None:
        __tracebackhide__ = True
        session = self._session
        websocket = session._begin_to_leave(error)
        if websocket is not None:
            seconds = session._seconds_to_leave(error)
            with session._leaving(error), self._client.deadline.held_up(seconds):
                await websocket.leave_on_loop(1000, "", seconds)

    # -- sending -------------------------------------------------------------------------------

    async def send_text(self, data: str) -> None:
        """Send a text message.

        :param data: the text
        """
        self._session.send_text(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        :param data: the bytes
        """
        self._session.send_bytes(data)

    async def send_json(self, data: Any, mode: str = "text") -> None:
        """Send data as JSON.

        :param data: anything that :func:`json.dumps` takes
        :param mode: ``"text"`` or ``"binary"``, the kind of the message
        """
        self._session.send_json(data, mode)

    async def send(self, event: dict[str, Any]) -> None:
        """Hand the application an event as it is, a wrong one too (ERR-02).

        :param event: the event; a ``websocket.disconnect`` closes the session
        """
        self._session.send(event)

    # -- receiving -----------------------------------------------------------------------------

    async def receive_text(self, timeout: Any = CLIENT_TIMEOUT) -> str:
        """Wait for the next message, which has to be text.

        :param timeout: seconds to wait, ``None`` for no deadline
        :return: the text
        """
        __tracebackhide__ = True
        text: str = self._session._payload("text", await self.receive(timeout))
        return text

    async def receive_bytes(self, timeout: Any = CLIENT_TIMEOUT) -> bytes:
        """Wait for the next message, which has to be binary.

        :param timeout: seconds to wait, ``None`` for no deadline
        :return: the bytes
        """
        __tracebackhide__ = True
        data: bytes = self._session._payload("bytes", await self.receive(timeout))
        return data

    async def receive_json(self, mode: str = "text", timeout: Any = CLIENT_TIMEOUT) -> Any:
        """Wait for the next message, which has to be JSON.

        :param mode: ``"text"`` or ``"binary"``, the kind of message that has to come
        :param timeout: seconds to wait, ``None`` for no deadline
        :return: the decoded data
        """
        __tracebackhide__ = True
        check_mode(mode)
        kind = "text" if mode == "text" else "bytes"
        return decode_json(kind, self._session._payload(kind, await self.receive(timeout)))

    async def receive(self, timeout: Any = CLIENT_TIMEOUT) -> dict[str, Any]:
        """Wait for the next message of the application and return it as it is.

        :param timeout: seconds to wait, ``None`` for no deadline
        :return: a ``websocket.send``, with ``text`` or ``bytes``, or a ``websocket.close``
        """
        __tracebackhide__ = True
        session = self._session
        websocket, seconds = session._begin_to_receive(timeout)
        with session._receiving(websocket), self._client.deadline.held_up(seconds):
            message = await websocket.take_on_loop(seconds)
        return session._received(message)

    async def has_message(self, within: float) -> bool:
        """Tell whether a message comes within some seconds; it can still be received.

        :param within: how long to wait, in seconds
        :return: whether the next thing to be received is a message, and not the end
        """
        __tracebackhide__ = True
        websocket, seconds = self._session._begin_to_look(within)
        with self._session._looking(websocket), self._client.deadline.held_up(seconds):
            return await websocket.has_message_on_loop(seconds)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield the messages, ``str`` or ``bytes``, until a normal close (1000 or 1001)."""
        while True:
            try:
                message = await self.receive()
            except WebSocketDisconnect as error:
                if error.code in NORMAL_CLOSES:
                    return
                raise
            if message["type"] == "websocket.send":
                yield message["text"] if "text" in message else message["bytes"]

    # -- closing -------------------------------------------------------------------------------

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket; what the application has sent can still be received.

        :param code: close code that the application is given
        :param reason: close reason; the application is given it from version 2.5 on
        """
        self._session.close(code, reason)

    async def disconnect(self, code: int = 1006) -> None:
        """Lose the connection without a word, as a client does that is unplugged.

        :param code: close code that the application is given
        """
        self._session.disconnect(code)

    def watch(self, name: str, function: Watched[T]) -> Coroutine[Any, Any, T]:
        """Return a coroutine that asks the session; the test fails if it is never awaited.

        :param name: what the failure calls it
        :param function: a coroutine function, which calls what it is given as soon as it begins
        """
        return self._client.watch(name, function)

    # -- what is known of it ---------------------------------------------------------------------

    @property
    def response(self) -> requests.Response:
        """The answer to the handshake: status 101, or a denial."""
        return self._session.response

    @property
    def scope(self) -> dict[str, Any]:
        """The scope that the application was given, with what it has put there since."""
        return self._session.scope

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the application accepted, ``None`` for none."""
        return self._session.accepted_subprotocol

    @property
    def extra_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that the application sent with its accept, list of ``(bytes, bytes)``."""
        return self._session.extra_headers

    @property
    def close_code(self) -> int | None:
        """Code of the close, ``None`` as long as the test knows of none."""
        return self._session.close_code

    @property
    def close_reason(self) -> str | None:
        """Reason of the close, ``None`` as long as the test knows of no close."""
        return self._session.close_reason

    @property
    def server_exception(self) -> BaseException | None:
        """What the application raised, if ``raise_server_exceptions=False`` hid it."""
        return self._session.server_exception

    def describe(self) -> str:
        """Return the last messages of both directions, one a line, as failures show them."""
        return self._session.describe()

    def __repr__(self) -> str:
        return repr(self._session).replace(type(self._session).__name__, type(self).__name__, 1)


# References show it by the name it is imported by.
AsyncWebSocketSession.__module__ = __package__ or __name__
