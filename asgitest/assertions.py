"""The assertions, as a mixin that needs nothing but ``unittest.TestCase``."""

from __future__ import annotations

import difflib
import json
import pprint
import re
import traceback
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from ._options import CLIENT_TIMEOUT
from ._protocol._texts import shorten
from ._raw_response import reason_phrase
from ._stacks import is_ours
from .exceptions import DeadlineExceeded, UnexpectedMessage, WebSocketDisconnect
from .websocket import WebSocketSession

if TYPE_CHECKING:
    import unittest

    _TestCase = unittest.TestCase
else:
    _TestCase = object

__all__ = ["ASGIAssertions"]

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

# Characters of a body that a failure shows.
_BODY_LIMIT = 2000
# Characters of a request's body that a failure shows.
_REQUEST_BODY_LIMIT = 500
# Characters of two values up to which their difference is shown character by character.
_FINE_DIFFERENCE_LIMIT = 4000
# All but line ends, tabulators, form feeds and the escapes of a terminal.
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
_NO_COLLECTIONS = (bytes, bytearray, dict)


class ASGIAssertions(_TestCase):
    """Assertions about responses and WebSockets; each takes ``msg`` as unittest's do."""

    def assertStatus(self, response: Any, expected: Any, msg: Any = None) -> None:
        """Fail unless a response has the expected status.

        The failure shows the exchange: request, redirects, status, headers, body, and the
        traceback of the application if ``raise_server_exceptions=False`` hid one.

        :param response: a :class:`requests.Response`
        :param expected: a status as an ``int`` or an :class:`http.HTTPStatus`, a class of statuses
            such as ``"2xx"``, or a collection of these
        :param msg: what to say beside it
        :raises TypeError: if what is expected is none of these
        """
        if not _matches(response.status_code, expected):
            standard = (
                f"expected status {_describe_expected(expected)}, "
                f"but the response has {_describe_status(response.status_code)}\n\n"
                f"{describe_exchange(response)}"
            )
            self.fail(self._formatMessage(msg, standard))

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
        try:
            came = _receive_like(session, expected, timeout)
        except (UnexpectedMessage, WebSocketDisconnect) as error:
            problem = _describe_end(error)
        except DeadlineExceeded as error:
            standard = f"expected the message {shorten(expected)}, but none came: {error}"
            error.args = (self._formatMessage(msg, standard),)
            raise error.with_traceback(None)  # noqa: B904
        else:
            if came == expected:
                return came
            difference = describe_difference(expected, came, self.maxDiff)
            problem = f"but this one came: {shorten(came)}\n{difference}"
        hidden = _describe_hidden(session.server_exception)
        transcript = "\n".join([session.describe(), *hidden])
        standard = f"expected the message {shorten(expected)}\n{problem}\n\n{transcript}"
        self.fail(self._formatMessage(msg, standard))


# -- statuses ----------------------------------------------------------------------------------


def _matches(status: int, expected: Any) -> bool:
    if isinstance(expected, str):
        return status // 100 == _status_class(expected)
    if isinstance(expected, int) and not isinstance(expected, bool):
        return status == int(expected)
    if isinstance(expected, Collection) and expected and not isinstance(expected, _NO_COLLECTIONS):
        # A list, so that every item is checked to be a status.
        return True in [_matches(status, one) for one in expected]
    raise _not_a_status(expected)


def _status_class(expected: str) -> int:
    digit, rest = expected[:1], expected[1:].lower()
    if digit.isdecimal() and rest == "xx":
        return int(digit)
    raise _not_a_status(expected)


def _not_a_status(expected: Any) -> TypeError:
    return TypeError(
        f"an expected status must be an int, an HTTPStatus, a class such as '2xx', or a "
        f"collection of these, not {expected!r}"
    )


def _describe_expected(expected: Any) -> str:
    if isinstance(expected, str):
        return expected
    if isinstance(expected, int):
        return _describe_status(int(expected))
    if isinstance(expected, range) and expected.step == 1:
        return f"from {expected[0]} to {expected[-1]}"
    return "one of " + ", ".join(_describe_expected(one) for one in expected)


def _describe_status(status: int) -> str:
    return f"{status} {reason_phrase(status)}".rstrip()


# -- exchanges ---------------------------------------------------------------------------------


def describe_exchange(response: Any) -> str:
    """Return a response and what led to it as text.

    :param response: a :class:`requests.Response`
    """
    request = response.request
    parts = [f"{request.method} {request.url}", *_describe_request_body(request.body)]
    if response.history:
        parts += ["Redirects:", *map(_describe_redirect, response.history)]
    parts.append(f"Response: {_describe_status(response.status_code)}")
    parts += [f"  {name}: {value}" for name, value in _header_pairs(response)]
    parts.append(describe_body(response))
    return "\n".join([*parts, *_describe_hidden(getattr(response, "server_exception", None))])


def _describe_hidden(error: BaseException | None) -> Iterable[str]:
    if error is None:
        return
    yield "The application raised, and raise_server_exceptions=False hid it:"
    frames = error.__traceback__
    while (
        frames is not None
        and frames.tb_next is not None
        and is_ours(frames.tb_frame.f_code.co_filename)
    ):
        frames = frames.tb_next
    yield "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def _describe_redirect(response: Any) -> str:
    location = response.headers.get("location")
    return (
        f"  {response.request.method} {response.request.url} -> "
        f"{_describe_status(response.status_code)}, location {location}"
    )


def _header_pairs(response: Any) -> Iterable[tuple[str, str]]:
    raw_headers = getattr(response, "raw_headers", None)
    if raw_headers is None:
        return list(response.headers.items())
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw_headers]


def describe_body(response: Any) -> str:
    """Return a response's body as text: JSON indented, text cut, binary data described.

    :param response: a :class:`requests.Response`; a streamed one that was not read is left alone
    """
    if not response._content_consumed:
        return "The body is streamed and was not read to its end."
    if response._content is False:
        return "The body was streamed and read piece by piece; nothing of it was kept."
    content: bytes = response.content
    if not content:
        return "The body is empty."
    text = _decode(content, response)
    if text is None:
        return f"The body is binary: {len(content)} bytes, which begin with {content[:32]!r}"
    return f"Body:\n{_cut(_indent_json(text), _BODY_LIMIT)}"


def _describe_request_body(body: Any) -> Iterable[str]:
    if isinstance(body, str):
        body = body.encode()
    if not body:
        return
    if not isinstance(body, bytes):
        yield "The request's body was streamed."
        return
    text = _decode_as(body, ["utf-8"])
    if text is None:
        yield f"The request's body is binary: {len(body)} bytes, which begin with {body[:32]!r}"
    else:
        yield f"Request body:\n{_cut(_indent_json(text), _REQUEST_BODY_LIMIT)}"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n... ({len(text) - limit} more characters)"


def _indent_json(text: str) -> str:
    try:
        value = json.loads(text)
        if isinstance(value, (dict, list)):
            return json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return text


def _decode(content: bytes, response: Any) -> str | None:
    named = "charset=" in response.headers.get("content-type", "").lower()
    # Without a charset requests says latin-1, as an old RFC did; what is UTF-8 is meant so.
    encodings = [response.encoding] if named else ["utf-8", response.encoding]
    return _decode_as(content, [encoding for encoding in encodings if encoding])


def _decode_as(content: bytes, encodings: list[str]) -> str | None:
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return None if _CONTROL_CHARACTERS.search(text) else text
    return None


# -- messages ----------------------------------------------------------------------------------


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


def describe_difference(expected: Any, came: Any, limit: int | None) -> str:
    """Return the difference between two values, line by line.

    :param expected: the one value
    :param came: the other
    :param limit: characters to show, ``None`` for all
    """
    lines = _lines(expected), _lines(came)
    difference = ""
    # The finer kind of difference takes time that grows with the square of the length.
    if sum(map(len, lines[0])) + sum(map(len, lines[1])) <= _FINE_DIFFERENCE_LIMIT:
        difference = "\n".join(difflib.ndiff(*lines))
    if not difference or (limit is not None and len(difference) > limit):
        # Without the lines that are equal, so that what is shown is the difference.
        unified = difflib.unified_diff(*lines, "expected", "came", n=1, lineterm="")
        difference = "\n".join(unified)
    if limit is None or len(difference) <= limit:
        return difference
    shown = difference[: difference.rfind("\n", 0, limit) + 1] or difference[:limit] + "\n"
    return (
        f"{shown}... (the difference is {len(difference)} characters long; set self.maxDiff to "
        f"None to see it all)"
    )


def _lines(value: Any) -> list[str]:
    return value.splitlines() if isinstance(value, str) else pprint.pformat(value).splitlines()
