"""Assertions about a WebSocket: its messages, its end, its handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._descriptions import describe_session
from ._differences import describe_difference
from ._expectations import check_expectation, describe_expectation, matches_text
from ._failing import TestCaseMixin, fail, fail_exchange, fail_late, fail_session
from ._json_differences import describe_differences, find_differences
from ._options import CLIENT_TIMEOUT
from ._protocol._texts import shorten
from ._raw_response import describe_status
from ._statuses import describe_expected_status, matches_status
from .exceptions import (
    DeadlineExceeded,
    UnexpectedMessage,
    WebSocketDenied,
    WebSocketDisconnect,
)
from .websocket import CLOSED_BY_TEST, WebSocketSession

if TYPE_CHECKING:
    import unittest

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

    def assertWebSocketReceivesJSON(
        self,
        session: WebSocketSession,
        expected: Any,
        timeout: float | None = None,
        msg: Any = None,
        mode: str = "text",
    ) -> Any:
        """Fail unless the next message of a WebSocket is the expected JSON.

        The failure names each difference by its path, as :meth:`assertJSON` does.

        :param session: an open session
        :param expected: what :func:`json.loads` has to make of it, a ``str`` too
        :param timeout: seconds to wait; ``None`` takes the session's own deadline
        :param msg: what to say beside it
        :param mode: ``"text"`` or ``"binary"``, the kind of message that has to come
        :return: what came
        :raises BaseException: what the application raised
        """
        headline = f"expected a message of the JSON {shorten(expected)}"
        try:
            came = session.receive_json(mode, _seconds(timeout))
        except (UnexpectedMessage, WebSocketDisconnect) as error:
            problem = _describe_end(error)
        except DeadlineExceeded as error:
            fail_late(self, msg, f"{headline}, but none came", error)
        else:
            differences = list(find_differences(expected, came))
            if not differences:
                return came
            described = describe_differences(differences, self.maxDiff)
            problem = f"but other JSON came:\n{described}"
        fail_session(self, msg, f"{headline}\n{problem}", session)

    def assertWebSocketReceivesNothing(
        self, session: WebSocketSession, within: float = 0.1, msg: Any = None
    ) -> None:
        """Fail if a message comes within some seconds; the WebSocket stays as it is.

        This returns earlier only if the application has closed the WebSocket, or ended: then
        nothing can come any more.

        :param session: an open session
        :param within: how long to wait, in seconds
        :param msg: what to say beside it
        :raises BaseException: what the application raised
        """
        if session.has_message(within):
            message = session.receive()
            came = shorten(message.get("text", message.get("bytes")))
            problem = f"expected no message within {within:g} s\nbut this one came: {came}"
            fail_session(self, msg, problem, session)

    def assertWebSocketCloses(
        self,
        session: WebSocketSession,
        code: int | None = 1000,
        reason: Any = None,
        timeout: float | None = None,
        msg: Any = None,
    ) -> None:
        """Fail unless the application closes a WebSocket, and sends no message before that.

        :param session: an open session
        :param code: the code that is expected, ``None`` for any. 1006 is that of an application
            that returned without closing, 1011 that of one whose exception was hidden
        :param reason: the reason, or a compiled pattern that has to be found in it; ``None`` for
            any
        :param timeout: seconds to wait; ``None`` takes the session's own deadline
        :param msg: what to say beside it
        :raises BaseException: what the application raised
        """
        if reason is not None:
            check_expectation(reason, "the reason of a close")
        headline = f"expected the application to close the WebSocket{_describe_close(code, reason)}"
        try:
            event = session.receive(_seconds(timeout))
        except WebSocketDisconnect as error:
            came: tuple[int, str] = error.code, error.reason
            problem = f"but {error}"
            is_closed = error.explanation != CLOSED_BY_TEST
        except DeadlineExceeded as error:
            fail_late(self, msg, f"{headline}, but it did not", error)
        else:
            is_closed = event["type"] == "websocket.close"
            if is_closed:
                came = event["code"], event["reason"]
                problem = f"but it did so{_describe_close(*came)}"
            else:
                payload = event.get("text", event.get("bytes"))
                problem = f"but a message came: {shorten(payload)}"
        if not (is_closed and _is_close(came, code, reason)):
            fail_session(self, msg, f"{headline}\n{problem}", session)

    def assertWebSocketSubprotocol(
        self, session: WebSocketSession, expected: str | None, msg: Any = None
    ) -> None:
        """Fail unless the application accepted a WebSocket with the expected subprotocol.

        :param session: an open session
        :param expected: the subprotocol, ``None`` for none
        :param msg: what to say beside it
        """
        came = session.accepted_subprotocol
        if came != expected:
            offered = session.scope.get("subprotocols") or "none"
            problem = (
                f"expected the application to accept subprotocol {expected!r}\n"
                f"but it accepted {came!r}; the client offered {offered}"
            )
            fail_session(self, msg, problem, session)

    def assertWebSocketDenied(
        self, target: Any, status: Any = 403, msg: Any = None, **options: Any
    ) -> Any:
        """Fail unless the application denies the handshake of a WebSocket.

        :param target: a URL, for the client of the test case; or a session that was not entered;
            or a function that opens a WebSocket, or returns such a session
        :param status: status of the answer, as :meth:`assertStatus` takes it. It is 403 unless the
            application sent a denial response
        :param msg: what to say beside it
        :param options: for a URL, those of :meth:`asgitest.TestClient.websocket_connect`
        :return: the answer to the handshake, a :class:`requests.Response`
        :raises TypeError: if the target is none of these, or the test case has no client
        :raises BaseException: what the application raised
        """
        response, messages = _ask(self, target, options)
        if response is None:
            problem = "expected the application to deny the WebSocket\nbut it accepted it"
            fail(self, msg, f"{problem}{messages}")
        if not matches_status(response.status_code, status):
            problem = (
                f"expected the WebSocket to be denied with status "
                f"{describe_expected_status(status)}, "
                f"but it was with {describe_status(response.status_code)}"
            )
            fail_exchange(self, msg, problem, response)
        return response


def _receive_like(session: WebSocketSession, expected: Any, timeout: float | None) -> Any:
    seconds = _seconds(timeout)
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


def _seconds(timeout: float | None) -> Any:
    return CLIENT_TIMEOUT if timeout is None else timeout


# -- the end -------------------------------------------------------------------------------------


def _is_close(came: tuple[int, str], code: int | None, reason: Any) -> bool:
    if code is not None and came[0] != code:
        return False
    return reason is None or matches_text(came[1], reason)


def _describe_close(code: int | None, reason: Any) -> str:
    parts = [] if code is None else [f"code {code}"]
    if reason is not None and reason != "":
        parts.append(f"reason {describe_expectation(reason)}")
    elif reason == "":
        parts.append("no reason")
    return f" with {', '.join(parts)}" if parts else ""


# -- the handshake -------------------------------------------------------------------------------


def _ask(case: unittest.TestCase, target: Any, options: dict[str, Any]) -> tuple[Any, str]:
    """Return the denial; or nothing, and the messages of a WebSocket that was accepted."""
    try:
        session = _session_of(case, target, options)
        if not isinstance(session, WebSocketSession):
            return None, ""
        with session:
            return None, f"\n\nGET {session.response.url}\n{describe_session(session)}"
    except WebSocketDenied as denied:
        # A handshake is asked for as a stream, and a denial is whole.
        _ = denied.response.content
        return denied.response, ""


def _session_of(case: unittest.TestCase, target: Any, options: dict[str, Any]) -> Any:
    if isinstance(target, str):
        return _client_of(case).websocket_connect(target, **options)
    if options:
        raise TypeError("options are for a URL; a session or a function has its own")
    if isinstance(target, WebSocketSession):
        return target
    if callable(target):
        return target()
    raise TypeError(f"assertWebSocketDenied() takes a URL, a session or a function, not {target!r}")


def _client_of(case: unittest.TestCase) -> Any:
    # The one of a mixin comes first: its base class may have a client of another kind.
    for name in ("asgi_client", "client"):
        client = getattr(case, name, None)
        if hasattr(client, "websocket_connect"):
            return client
    raise TypeError(
        f"{type(case).__name__} has no client that a URL could be for; give a session: "
        f"assertWebSocketDenied(client.websocket_connect(url))"
    )
