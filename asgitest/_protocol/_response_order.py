"""In which order the messages of a response may come."""

from __future__ import annotations

import enum

from ..exceptions import ProtocolError


class HTTPState(enum.Enum):
    """How far the response has come."""

    NOT_STARTED = "not started"
    STARTED = "started, without a body so far"
    IN_BODY = "in the middle of its body"
    IN_FILE = "in the middle of a file"
    BEFORE_TRAILERS = "complete but for its trailers"
    COMPLETE = "complete"


_FILES = {
    "http.response.zerocopysend": HTTPState.IN_FILE,
    "http.response.pathsend": HTTPState.IN_FILE,
}

#: The state that each message leads to; one that is missing may not come.
STATE_AFTER: dict[HTTPState, dict[str, HTTPState]] = {
    HTTPState.NOT_STARTED: {
        "http.response.debug": HTTPState.NOT_STARTED,
        "http.response.template": HTTPState.NOT_STARTED,
        # Frameworks send these out of an endpoint, which comes before its response; the text has
        # them after the start (EXT-HINT-01, EXT-PUSH-01).
        "http.response.early_hint": HTTPState.NOT_STARTED,
        "http.response.push": HTTPState.NOT_STARTED,
        "http.response.start": HTTPState.STARTED,
    },
    # What leads to COMPLETE is the last part of the body; the table cannot see that.
    HTTPState.STARTED: {
        "http.response.early_hint": HTTPState.STARTED,
        "http.response.push": HTTPState.STARTED,
        "http.response.body": HTTPState.IN_BODY,
        **_FILES,
    },
    HTTPState.IN_BODY: {
        "http.response.early_hint": HTTPState.IN_BODY,
        "http.response.push": HTTPState.IN_BODY,
        "http.response.body": HTTPState.IN_BODY,
        # EXT-ZERO-01: this one mixes with other parts of the body, pathsend does not.
        "http.response.zerocopysend": HTTPState.IN_FILE,
    },
    HTTPState.IN_FILE: {},
    HTTPState.BEFORE_TRAILERS: {"http.response.trailers": HTTPState.BEFORE_TRAILERS},
    HTTPState.COMPLETE: {},
}

# What breaks which rule before the start of the response.
_BEFORE_START = {
    "http.response.body": "HTTP-START-01",
    "http.response.zerocopysend": "EXT-ZERO-01",
    "http.response.pathsend": "EXT-PATH-01",
}


def out_of_order(state: HTTPState, message_type: str, promised: bool) -> ProtocolError:
    """Build the error for a message that may not come now.

    :param state: how far the response has come
    :param message_type: type of the message
    :param promised: whether the start of the response promised trailers
    """
    problem, rule = _problem(state, message_type, promised)
    return ProtocolError(f"{message_type}: {problem}", rule=rule, message_type=message_type)


def _problem(state: HTTPState, message_type: str, promised: bool) -> tuple[str, str]:
    if message_type == "http.response.trailers" and not promised:
        return "must be promised by http.response.start with trailers=True", "EXT-TRAIL-01"
    if state is HTTPState.COMPLETE:
        return "was sent after the response was complete", "HTTP-BODY-05"
    if message_type in ("http.response.debug", "http.response.template"):
        return "must be sent before http.response.start", "EXT-DEBUG-01"
    if message_type == "http.response.start":
        return "was sent a second time; a response starts once", "HTTP-START-01"
    if message_type == "http.response.trailers":
        return "must come after the last part of the body", "EXT-TRAIL-01"
    if state is HTTPState.NOT_STARTED:
        problem = "must come after http.response.start, which was not sent"
        return problem, _BEFORE_START[message_type]
    return _problem_in_response(state, message_type)


def _problem_in_response(state: HTTPState, message_type: str) -> tuple[str, str]:
    if state is HTTPState.IN_FILE:
        problem = "was sent while a file was being sent; await the send() of that first"
        return problem, "EXT-ZERO-01"
    if state is HTTPState.BEFORE_TRAILERS:
        problem = "was sent after the end of the body; http.response.trailers must follow"
        return problem, "EXT-TRAIL-01"
    return "must be all of the body, and other parts were sent before", "EXT-PATH-01"
