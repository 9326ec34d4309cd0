"""Assertions about a WebSocket: its messages, its end, its handshake."""

from __future__ import annotations

from typing import Any

from ._differences import describe_difference
from ._failing import TestCaseMixin, fail_late, fail_session
from ._options import CLIENT_TIMEOUT
from ._protocol._texts import shorten
from .exceptions import DeadlineExceeded, UnexpectedMessage, WebSocketDisconnect
from .websocket import WebSocketSession

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True


class WebSocketAssertions(TestCaseMixin):
    """Assertions about WebSockets."""

    def assertWebSocketReceives(
        self,
        session: WebSocketSession,
        expected: Any,
        timeout: float | None = None,
        msg: Any = None,
    ) -> Any:
        """Fail unless the next message of a WebSocket is the expected one.

        :param session: an open session
        :param expected: ``str`` for a text message, ``bytes`` for a binary one, anything else for
            a text message of JSON
        :param timeout: seconds to wait; ``None`` takes the session's own deadline
        :param msg: what to say beside it
        :return: what came
        :raises BaseException: what the application raised
        """
        if isinstance(expected, (bytearray, memoryview)):
            expected = bytes(expected)
        headline = f"expected the message {shorten(expected)}"
        try:
            came = _receive_like(session, expected, timeout)
        except (UnexpectedMessage, WebSocketDisconnect) as error:
            problem = _describe_end(error)
        except DeadlineExceeded as error:
            fail_late(self, msg, f"{headline}, but none came", error)
        else:
            if came == expected:
                return came
            difference = describe_difference(expected, came, self.maxDiff)
            problem = f"but this one came: {shorten(came)}\n{difference}"
        fail_session(self, msg, f"{headline}\n{problem}", session)


def _receive_like(session: WebSocketSession, expected: Any, timeout: float | None) -> Any:
    seconds = CLIENT_TIMEOUT if timeout is None else timeout
    if isinstance(expected, str):
        return session.receive_text(seconds)
    if isinstance(expected, bytes):
        return session.receive_bytes(seconds)
    return session.receive_json(timeout=seconds)


def _describe_end(error: UnexpectedMessage | WebSocketDisconnect) -> str:
    if isinstance(error, WebSocketDisconnect):
        return f"but {error}"
    payload = error.event.get("text", error.event.get("bytes"))
    kind = "a text" if "text" in error.event else "a binary"
    if isinstance(error.__cause__, ValueError):
        return f"but a message came that is no JSON ({error.__cause__}): {shorten(payload)}"
    return f"but {kind} message came: {shorten(payload)}"
