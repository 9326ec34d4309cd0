"""The WebSocket session in a test's hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from ._input import check_close, check_lost_code
from ._opened_websocket import OpenedWebSocket
from ._options import CLIENT_TIMEOUT, check_timeout
from ._protocol._texts import shorten
from ._protocol._websocket import WebSocketState
from ._shown_exchanges import note_shown
from .exceptions import (
    ASGITestError,
    DeadlineExceeded,
    UnexpectedMessage,
    WebSocketDisconnect,
    add_note,
    websocket_denied,
    websocket_disconnect,
)

__all__ = ["WebSocketSession"]

#: What is said of a session that the test itself closed.
CLOSED_BY_TEST = "the test closed the WebSocket"
_CLOSED_BY_APPLICATION = "the application closed the WebSocket"
#: Close codes that end the iteration over a session.
NORMAL_CLOSES = (1000, 1001)
_JSON_MODES = ("text", "binary")
#: Seconds an application has to end when the test is over because it did not answer.
_HURRIED = 1.0


class WebSocketSession:
    """One WebSocket, to be used in a ``with`` block.

    Entering the block performs the handshake. Leaving it closes the WebSocket, unless that was
    done before, waits until the application has ended, and raises what it raised.

    Sessions come from :meth:`asgitest.TestClient.websocket_connect`.

    :param send_handshake: sends the handshake's request and returns the response
    """

    def __init__(self, send_handshake: Callable[[], requests.Response]) -> None:
        self._send_handshake = send_handshake
        self._response: requests.Response | None = None
        self._websocket: OpenedWebSocket | None = None
        self._entered = False
        self._code: int | None = None
        self._reason = ""
        self._explanation = ""
        self._timed_out = False
        self._left = False

    # -- the block -----------------------------------------------------------------------------

    def __enter__(self) -> WebSocketSession:
        __tracebackhide__ = True
        if self._entered:
            raise ASGITestError(
                "this WebSocket session was entered before; call websocket_connect() for another"
            )
        self._entered = True
        self._take_answer(self._send_handshake())
        return self

    def _take_answer(self, response: requests.Response) -> None:
        self._response = response
        websocket: OpenedWebSocket | None = getattr(response.raw, "websocket", None)
        if websocket is None:
            # Of another adapter; a denial is whole, and this is one.
            _ = response.content
        if websocket is None or not websocket.is_open:
            code, reason = 1006, ""
            if websocket is not None:
                code, reason = (
                    websocket.progress.close_code or 1006,
                    websocket.progress.close_reason,
                )
            denied = websocket_denied(response, code, reason)
            denied.__cause__ = websocket.hidden_error if websocket is not None else None
            raise denied
        self._websocket = websocket

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: object,
    ) -> None:
        __tracebackhide__ = True
        websocket = self._begin_to_leave(error)
        if websocket is not None:
            with self._leaving(error):
                websocket.leave(1000, "", self._seconds_to_leave(error))

    def _begin_to_leave(self, error: BaseException | None) -> OpenedWebSocket | None:
        """Return what has to be left, ``None`` if nobody shall wait for that."""
        websocket = self._open()
        self._left = True
        if error is not None and not isinstance(error, Exception):
            websocket.abort()
            return None
        return websocket

    def _seconds_to_leave(self, error: BaseException | None) -> float | None:
        seconds = self._handshake().seconds
        if error is not None and self._timed_out and (seconds is None or seconds > _HURRIED):
            return _HURRIED
        return seconds

    @contextmanager
    def _leaving(self, error: BaseException | None) -> Iterator[None]:
        __tracebackhide__ = True
        try:
            yield
        except BaseException as leaving_error:
            if isinstance(leaving_error, DeadlineExceeded):
                note_shown(leaving_error, self.response)
            # What went wrong in the block came first, and explains more.
            if error is None or not isinstance(leaving_error, Exception):
                raise
            add_note(error, f"Leaving the WebSocket raised, too: {shorten(leaving_error)}")
        finally:
            self._note_end()

    # -- sending -------------------------------------------------------------------------------

    def send_text(self, data: str) -> None:
        """Send a text message.

        :param data: the text
        :raises TypeError: if it is not ``str``
        :raises WebSocketDisconnect: if the WebSocket is closed
        """
        if not isinstance(data, str):
            raise TypeError(f"send_text() takes str, not {type(data).__name__}: {data!r}")
        self._writable().post_message("text", data)

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        :param data: the bytes
        :raises TypeError: if they are not bytes
        :raises WebSocketDisconnect: if the WebSocket is closed
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}: {data!r}")
        self._writable().post_message("bytes", bytes(data))

    def send_json(self, data: Any, mode: str = "text") -> None:
        """Send data as JSON.

        :param data: anything that :func:`json.dumps` takes
        :param mode: ``"text"`` or ``"binary"``, the kind of the message
        :raises ValueError: if the mode is neither
        :raises WebSocketDisconnect: if the WebSocket is closed
        """
        check_mode(mode)
        text = json.dumps(data)
        if mode == "text":
            self.send_text(text)
        else:
            self.send_bytes(text.encode())

    def send(self, event: dict[str, Any]) -> None:
        """Hand the application an event as it is, a wrong one too (ERR-02).

        :param event: the event; a ``websocket.disconnect`` closes the session
        """
        if not isinstance(event, dict):
            raise TypeError(f"send() takes an event, which is a dict, not {event!r}")
        if event.get("type") == "websocket.disconnect":
            self._close(event.get("code", 1005), event.get("reason") or "")
        else:
            self._writable().post(dict(event))

    # -- receiving -----------------------------------------------------------------------------

    def receive_text(self, timeout: Any = CLIENT_TIMEOUT) -> str:
        """Wait for the next message, which has to be text.

        :param timeout: seconds to wait, ``None`` for no deadline
        :return: the text
        :raises UnexpectedMessage: if a binary message came
        :raises WebSocketDisconnect: if the WebSocket is closed
        :raises DeadlineExceeded: if the deadline passes
        :raises BaseException: what the application raised
        """
        __tracebackhide__ = True
        text: str = self._receive_kind("text", timeout)
        return text

    def receive_bytes(self, timeout: Any = CLIENT_TIMEOUT) -> bytes:
        """Wait for the next message, which has to be binary.

        :param timeout: seconds to wait, ``None`` for no deadline
        :return: the bytes
        :raises UnexpectedMessage: if a text message came; otherwise as :meth:`receive_text`
        """
        __tracebackhide__ = True
        data: bytes = self._receive_kind("bytes", timeout)
        return data

    def receive_json(self, mode: str = "text", timeout: Any = CLIENT_TIMEOUT) -> Any:
        """Wait for the next message, which has to be JSON.

        :param mode: ``"text"`` or ``"binary"``, the kind of message that has to come
        :param timeout: seconds to wait, ``None`` for no deadline
        :return: the decoded data
        :raises UnexpectedMessage: if it is of the other kind, or no JSON; otherwise as
            :meth:`receive_text`
        """
        __tracebackhide__ = True
        check_mode(mode)
        kind = "text" if mode == "text" else "bytes"
        return decode_json(kind, self._receive_kind(kind, timeout))

    def receive(self, timeout: Any = CLIENT_TIMEOUT) -> dict[str, Any]:
        """Wait for the next message of the application and return it as it is.

        Its ``websocket.close`` is returned too, once; after that, and when it ends without one,
        this raises as the other methods do.

        :param timeout: seconds to wait, ``None`` for no deadline
        :return: a ``websocket.send``, with ``text`` or ``bytes``, or a ``websocket.close``
        :raises WebSocketDisconnect: if the WebSocket is closed
        :raises DeadlineExceeded: if the deadline passes
        :raises BaseException: what the application raised
        """
        __tracebackhide__ = True
        websocket, seconds = self._begin_to_receive(timeout)
        with self._receiving(websocket):
            message = websocket.take(seconds)
        return self._received(message)

    def _begin_to_receive(self, timeout: Any) -> tuple[OpenedWebSocket, float | None]:
        websocket = self._open()
        seconds = websocket.seconds if timeout is CLIENT_TIMEOUT else check_timeout(timeout)
        if self._code is not None and not websocket.connection.mailbox:
            raise self._disconnect()
        return websocket, seconds

    @contextmanager
    def _receiving(self, websocket: OpenedWebSocket) -> Iterator[None]:
        __tracebackhide__ = True
        try:
            yield
        except DeadlineExceeded as error:
            self._timed_out = True
            note_shown(error, self.response)
            raise
        except BaseException:
            if websocket.has_failed:
                self._note_end()
            raise

    def _received(self, message: dict[str, Any] | None) -> dict[str, Any]:
        __tracebackhide__ = True
        if message is None:
            self._note_end()
            raise self._disconnect()
        if message["type"] == "websocket.close":
            self._note_close(message["code"], message["reason"], _CLOSED_BY_APPLICATION)
        return dict(message)

    def has_message(self, within: float) -> bool:
        """Tell whether a message comes within some seconds; it can still be received.

        This waits for less if a message comes, the WebSocket is closed, or the application ends.

        :param within: how long to wait, in seconds
        :return: whether the next thing to be received is a message, and not the end
        :raises ValueError: if that is no positive number
        :raises BaseException: what the application raised
        """
        __tracebackhide__ = True
        websocket, seconds = self._begin_to_look(within)
        with self._looking(websocket):
            return websocket.has_message(seconds)

    def _begin_to_look(self, within: float) -> tuple[OpenedWebSocket, float]:
        seconds = check_timeout(within)
        if seconds is None:
            raise ValueError("within must be a positive number of seconds, for it is waited for")
        return self._open(), seconds

    @contextmanager
    def _looking(self, websocket: OpenedWebSocket) -> Iterator[None]:
        __tracebackhide__ = True
        try:
            yield
        except BaseException:
            if websocket.has_failed:
                self._note_end()
            raise

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield the messages, ``str`` or ``bytes``, until a normal close (1000 or 1001)."""
        while True:
            try:
                message = self.receive()
            except WebSocketDisconnect as error:
                if error.code in NORMAL_CLOSES:
                    return
                raise
            if message["type"] == "websocket.send":
                yield message["text"] if "text" in message else message["bytes"]

    # -- closing -------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket; what the application has sent can still be received.

        Closing it again has no effect.

        :param code: close code that the application is given
        :param reason: close reason; the application is given it from version 2.5 on
        :raises TypeError: if the code is no ``int``, or the reason no ``str``
        :raises ValueError: if the code may not be sent, or the reason is over 123 bytes
        """
        self._close(*check_close(code, reason))

    def disconnect(self, code: int = 1006) -> None:
        """Lose the connection without a word, as a client does that is unplugged.

        :param code: close code that the application is given
        :raises TypeError: if it is no ``int``
        :raises ValueError: if it is none that an application is ever given
        """
        self._close(check_lost_code(code), "")

    # -- what is known of it ---------------------------------------------------------------------

    @property
    def response(self) -> requests.Response:
        """The answer to the handshake: status 101, or a denial."""
        if self._response is None:
            raise self._not_entered()
        return self._response

    @property
    def scope(self) -> dict[str, Any]:
        """The scope that the application was given, with what it has put there since."""
        if self._websocket is not None:
            return self._websocket.connection.scope
        scope: dict[str, Any] = self.response.scope  # type: ignore[attr-defined]
        return scope

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the application accepted, ``None`` for none."""
        return self._handshake().progress.subprotocol

    @property
    def extra_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that the application sent with its accept, list of ``(bytes, bytes)``."""
        return list(self._handshake().progress.headers)

    @property
    def close_code(self) -> int | None:
        """Code of the close, ``None`` as long as the test knows of none."""
        return self._code

    @property
    def close_reason(self) -> str | None:
        """Reason of the close, ``None`` as long as the test knows of no close."""
        return None if self._code is None else self._reason

    @property
    def server_exception(self) -> BaseException | None:
        """What the application raised, if ``raise_server_exceptions=False`` hid it."""
        return self._handshake().hidden_error

    def describe(self) -> str:
        """Return the last messages of both directions, one a line, as failures show them."""
        return self._handshake().connection.describe_log()

    def __repr__(self) -> str:
        if self._response is None:
            state = "not entered"
        elif self._code is not None:
            state = f"closed with {self._code}"
        else:
            state = "open" if self._websocket is not None else "denied"
        return f"<{type(self).__name__} [{state}]>"

    # -- inside --------------------------------------------------------------------------------

    def _open(self) -> OpenedWebSocket:
        if self._left:
            raise ASGITestError(
                "this WebSocket session is over, for its with block was left; call "
                "websocket_connect() for another"
            )
        return self._handshake()

    def _handshake(self) -> OpenedWebSocket:
        if self._websocket is None:
            raise self._not_entered()
        return self._websocket

    def _not_entered(self) -> ASGITestError:
        return ASGITestError(
            "a WebSocket session is open in its with block only: "
            "'with client.websocket_connect(url) as session: ...'"
        )

    def _writable(self) -> OpenedWebSocket:
        websocket = self._open()
        if self._code is not None:
            raise self._disconnect()
        return websocket

    def _receive_kind(self, kind: str, timeout: Any) -> Any:
        __tracebackhide__ = True
        return self._payload(kind, self.receive(timeout))

    def _payload(self, kind: str, message: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        if message["type"] == "websocket.close":
            raise self._disconnect()
        if kind not in message:
            names = {"text": "text", "bytes": "binary"}
            came = "bytes" if kind == "text" else "text"
            raise UnexpectedMessage(
                f"expected a {names[kind]} message, but a {names[came]} one came: "
                f"{message[came]!r}",
                event=message,
            )
        return message[kind]

    def _close(self, code: int, reason: str) -> None:
        websocket = self._handshake()
        if self._code is None:
            websocket.post_disconnect(code, reason)
            self._note_close(code, reason, CLOSED_BY_TEST)

    def _note_end(self) -> None:
        websocket = self._handshake()
        if self._code is not None:
            return
        progress = websocket.progress
        if progress.state is WebSocketState.CLOSED:
            explanation = _CLOSED_BY_APPLICATION
        elif progress.disconnected:
            explanation = "the test left the WebSocket"
        elif progress.close_code is None:
            explanation = "the application broke a rule"
        elif progress.error is not None:
            explanation = "the application raised an exception"
        else:
            explanation = "the application returned without closing the WebSocket"
        self._note_close(progress.close_code or 1006, progress.close_reason, explanation)

    def _note_close(self, code: int, reason: str, explanation: str) -> None:
        if self._code is None:
            self._code, self._reason, self._explanation = code, reason, explanation

    def _disconnect(self) -> WebSocketDisconnect:
        assert self._code is not None
        error = websocket_disconnect(self._code, self._reason, self._explanation)
        error.__cause__ = self.server_exception
        return error


def check_mode(mode: str) -> None:
    """Refuse what is no kind of message for JSON.

    :param mode: ``"text"`` or ``"binary"``
    :raises ValueError: if it is neither
    """
    if mode not in _JSON_MODES:
        raise ValueError(f"mode must be 'text' or 'binary', not {mode!r}")


def decode_json(kind: str, payload: Any) -> Any:
    """Return what a message of JSON says.

    :param kind: ``"text"`` or ``"bytes"``
    :param payload: what the message holds
    :raises UnexpectedMessage: if it is no JSON
    """
    try:
        return json.loads(payload)
    except ValueError as error:
        raise UnexpectedMessage(
            f"expected a message of JSON, but this is none ({error}): {payload!r}",
            event={"type": "websocket.send", kind: payload},
        ) from error
