"""What is expected of a WebSocket, as steps that ask its session."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ._asking import Steps, is_session
from ._async_websocket import AsyncWebSocketSession
from ._descriptions import describe_session
from ._differences import describe_difference
from ._expectations import describe_expectation, matches_text
from ._failing import fail, fail_exchange, fail_late, fail_session
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
from .websocket import CLOSED_BY_TEST

if TYPE_CHECKING:
    import unittest

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

_METHODS = ((str, "receive_text"), (bytes, "receive_bytes"), (object, "receive_json"))


def expect_message(
    case: unittest.TestCase, session: Any, expected: Any, timeout: float | None, msg: Any
) -> Steps[Any]:
    """Expect a message.

    :param case: the test case
    :param session: an open session
    :param expected: the message; its type says of which kind it has to be
    :param timeout: seconds to wait, ``None`` for the session's own deadline
    :param msg: what the test wants to be said beside a failure, or instead
    :return: the message that came
    """
    method = next(name for kind, name in _METHODS if isinstance(expected, kind))
    headline = f"expected the message {shorten(expected)}"
    try:
        came = yield partial(getattr(session, method), timeout=_seconds(timeout))
    except (UnexpectedMessage, WebSocketDisconnect) as error:
        problem = _describe_end(error)
    except DeadlineExceeded as error:
        fail_late(case, msg, f"{headline}, but none came", error)
    else:
        if came == expected:
            return came
        difference = describe_difference(expected, came, case.maxDiff)
        problem = f"but this one came: {shorten(came)}\n{difference}"
    fail_session(case, msg, f"{headline}\n{problem}", session)


def expect_json(
    case: unittest.TestCase,
    session: Any,
    expected: Any,
    timeout: float | None,
    msg: Any,
    mode: str,
) -> Steps[Any]:
    """Expect a message of JSON.

    :param case: the test case
    :param session: an open session
    :param expected: what the JSON has to say
    :param timeout: seconds to wait, ``None`` for the session's own deadline
    :param msg: what the test wants to be said beside a failure, or instead
    :param mode: the kind of the message
    :return: what came
    """
    headline = f"expected a message of the JSON {shorten(expected)}"
    try:
        came = yield partial(session.receive_json, mode, _seconds(timeout))
    except (UnexpectedMessage, WebSocketDisconnect) as error:
        problem = _describe_end(error)
    except DeadlineExceeded as error:
        fail_late(case, msg, f"{headline}, but none came", error)
    else:
        differences = list(find_differences(expected, came))
        if not differences:
            return came
        problem = f"but other JSON came:\n{describe_differences(differences, case.maxDiff)}"
    fail_session(case, msg, f"{headline}\n{problem}", session)


def expect_nothing(case: unittest.TestCase, session: Any, within: float, msg: Any) -> Steps[None]:
    """Expect no message.

    :param case: the test case
    :param session: an open session
    :param within: how long to wait, in seconds
    :param msg: what the test wants to be said beside a failure, or instead
    """
    if (yield partial(session.has_message, within)):
        message = yield session.receive
        came = shorten(message.get("text", message.get("bytes")))
        problem = f"expected no message within {within:g} s\nbut this one came: {came}"
        fail_session(case, msg, problem, session)


def expect_close(
    case: unittest.TestCase,
    session: Any,
    code: int | None,
    reason: Any,
    timeout: float | None,
    msg: Any,
) -> Steps[None]:
    """Expect the application to close the WebSocket.

    :param case: the test case
    :param session: an open session
    :param code: the code, ``None`` for any
    :param reason: the reason, or a pattern; ``None`` for any
    :param timeout: seconds to wait, ``None`` for the session's own deadline
    :param msg: what the test wants to be said beside a failure, or instead
    """
    headline = f"expected the application to close the WebSocket{_describe_close(code, reason)}"
    try:
        event = yield partial(session.receive, _seconds(timeout))
    except WebSocketDisconnect as error:
        came: tuple[int, str] = error.code, error.reason
        problem = f"but {error}"
        is_closed = error.explanation != CLOSED_BY_TEST
    except DeadlineExceeded as error:
        fail_late(case, msg, f"{headline}, but it did not", error)
    else:
        is_closed = event["type"] == "websocket.close"
        if is_closed:
            came = event["code"], event["reason"]
            problem = f"but it did so{_describe_close(*came)}"
        else:
            payload = event.get("text", event.get("bytes"))
            problem = f"but a message came: {shorten(payload)}"
    if not (is_closed and _is_close(came, code, reason)):
        fail_session(case, msg, f"{headline}\n{problem}", session)


def expect_denial(case: unittest.TestCase, target: Any, status: Any, msg: Any) -> Steps[Any]:
    """Expect the application to deny the handshake.

    :param case: the test case
    :param target: a session that was not entered, or a function that opens a WebSocket, or returns
        such a session
    :param status: status of the answer
    :param msg: what the test wants to be said beside a failure, or instead
    :return: the answer to the handshake, a :class:`requests.Response`
    """
    problem = "expected the application to deny the WebSocket\nbut it accepted it"
    try:
        session = target if is_session(target) else (yield target)
        if not is_session(session):
            fail(case, msg, problem)
        yield _enter(session)
    except WebSocketDenied as denied:
        response = denied.response
        # A handshake is asked for as a stream, and a denial is whole.
        _ = response.content
    else:
        messages = f"GET {session.response.url}\n{describe_session(session)}"
        yield _leave(session)
        fail(case, msg, f"{problem}\n\n{messages}", session.response)
    if not matches_status(response.status_code, status):
        problem = (
            f"expected the WebSocket to be denied with status "
            f"{describe_expected_status(status)}, "
            f"but it was with {describe_status(response.status_code)}"
        )
        fail_exchange(case, msg, problem, response)
    return response


def _enter(session: Any) -> Any:
    is_async = isinstance(session, AsyncWebSocketSession)
    return session.__aenter__ if is_async else session.__enter__


def _leave(session: Any) -> Any:
    is_async = isinstance(session, AsyncWebSocketSession)
    return partial(session.__aexit__ if is_async else session.__exit__, None, None, None)


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
