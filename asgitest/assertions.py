"""The assertions, as a mixin that needs nothing but ``unittest.TestCase``."""

from __future__ import annotations

import difflib
import json
import pprint
import traceback
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from ._options import CLIENT_TIMEOUT
from ._raw_response import reason_phrase
from .exceptions import DeadlineExceeded, UnexpectedMessage
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
        timeout: Any = CLIENT_TIMEOUT,
        msg: Any = None,
    ) -> Any:
        """Fail unless the next message of a WebSocket is the expected one.

        :param session: an open session
        :param expected: ``str`` for a text message, ``bytes`` for a binary one, anything else for
            a text message of JSON
        :param timeout: seconds to wait, ``None`` for no deadline
        :param msg: what to say beside it
        :return: what came
        """
        try:
            came = _receive_like(session, expected, timeout)
        except UnexpectedMessage as error:
            problem = str(error)
        except DeadlineExceeded as error:
            error.args = (f"expected the message {expected!r}, but none came: {error}",)
            raise
        else:
            if came == expected and isinstance(came, bytes) == isinstance(expected, bytes):
                return came
            problem = _describe_difference(expected, came)
        standard = f"expected the message {expected!r}\n{problem}\n\n{session.describe()}"
        self.fail(self._formatMessage(msg, standard))


# -- statuses ----------------------------------------------------------------------------------


def _matches(status: int, expected: Any) -> bool:
    if isinstance(expected, str):
        return status // 100 == _status_class(expected)
    if isinstance(expected, int) and not isinstance(expected, bool):
        return status == int(expected)
    if isinstance(expected, Collection) and not isinstance(expected, (bytes, bytearray)):
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
    return "one of " + ", ".join(_describe_expected(one) for one in expected)


def _describe_status(status: int) -> str:
    return f"{status} {reason_phrase(status)}".rstrip()


# -- exchanges ---------------------------------------------------------------------------------


def describe_exchange(response: Any) -> str:
    """Return a response and what led to it as text.

    :param response: a :class:`requests.Response`
    """
    parts = [f"{response.request.method} {response.request.url}"]
    if response.history:
        parts += ["Redirects:", *map(_describe_redirect, response.history)]
    parts.append(f"Response: {_describe_status(response.status_code)}")
    parts += [f"  {name}: {value}" for name, value in _header_pairs(response)]
    parts.append(describe_body(response))
    hidden = getattr(response, "server_exception", None)
    if hidden is not None:
        parts.append("The application raised, and raise_server_exceptions=False hid it:")
        parts.append("".join(traceback.format_exception(hidden)).rstrip())
    return "\n".join(parts)


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
    content: bytes = response.content
    if not content:
        return "The body is empty."
    text = _decode(content, response)
    if text is None:
        return f"The body is binary: {len(content)} bytes, which begin with {content[:32]!r}"
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        pass
    if len(text) > _BODY_LIMIT:
        omitted = len(text) - _BODY_LIMIT
        text = f"{text[:_BODY_LIMIT]}\n... ({omitted} more characters)"
    return f"Body:\n{text}"


def _decode(content: bytes, response: Any) -> str | None:
    try:
        text = content.decode(response.encoding or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return None
    is_printable = all(character.isprintable() or character in "\r\n\t" for character in text)
    return text if is_printable else None


# -- messages ----------------------------------------------------------------------------------


def _receive_like(session: WebSocketSession, expected: Any, timeout: Any) -> Any:
    if isinstance(expected, str):
        return session.receive_text(timeout)
    if isinstance(expected, (bytes, bytearray, memoryview)):
        return session.receive_bytes(timeout)
    return session.receive_json(timeout=timeout)


def _describe_difference(expected: Any, came: Any) -> str:
    lines = difflib.ndiff(_lines(expected), _lines(came))
    return f"but this one came: {came!r}\n" + "\n".join(lines)


def _lines(value: Any) -> list[str]:
    return value.splitlines() if isinstance(value, str) else pprint.pformat(value).splitlines()
