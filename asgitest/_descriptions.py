"""What a failure shows of an exchange or a WebSocket, as text."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._body_text import cut, indent_json, readable
from ._raw_response import describe_status
from ._redirects import redirect_lines
from ._response_content import header_pairs, is_read, text_encodings
from ._stacks import is_ours
from ._withheld import describe_cookies

if TYPE_CHECKING:
    from ._async_websocket import AsyncWebSocketSession
    from .websocket import WebSocketSession

# Characters of a body that a failure shows.
_BODY_LIMIT = 2000
# Characters of a request's body that a failure shows.
_REQUEST_BODY_LIMIT = 500


def describe_exchange(response: Any) -> str:
    """Return a response and what led to it as text.

    :param response: a :class:`requests.Response`
    """
    request = response.request
    parts = [f"{request.method} {request.url}", *_describe_request_body(response)]
    if response.history:
        parts.append("Redirects:")
        parts += [f"  {line}" for one in response.history for line in redirect_lines(one)]
    parts.append(f"Response: {describe_status(response.status_code)}")
    parts += [f"  {name}: {value}" for name, value in header_pairs(response)]
    parts.append(describe_body(response))
    parts += describe_cookies(response)
    return "\n".join([*parts, *_describe_hidden(getattr(response, "server_exception", None))])


def describe_session(session: WebSocketSession | AsyncWebSocketSession) -> str:
    """Return the messages of a WebSocket as text, and what was raised and hidden behind it.

    :param session: a session that was entered
    """
    cookies = describe_cookies(session.response)
    return "\n".join([session.describe(), *cookies, *_describe_hidden(session.server_exception)])


def describe_body(response: Any) -> str:
    """Return a response's body as text: JSON indented, text cut, binary data described.

    :param response: a :class:`requests.Response`; a streamed one that was not read is left alone
    """
    if not is_read(response):
        return "The body is streamed and was not read to its end."
    if response._content is False:
        return "The body was streamed and read piece by piece; nothing of it was kept."
    content: bytes = response.content
    if not content:
        return "The body is empty."
    text = readable(content, text_encodings(response))
    if text is None:
        return f"The body is binary: {len(content)} bytes, which begin with {content[:32]!r}"
    return f"Body:\n{cut(indent_json(text), _BODY_LIMIT)}"


def describe_traceback(error: BaseException) -> str:
    """Return the traceback of what the application raised, from the application's frames on.

    :param error: what it raised
    """
    frames = error.__traceback__
    while (
        frames is not None
        and frames.tb_next is not None
        and is_ours(frames.tb_frame.f_code.co_filename)
    ):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def _describe_request_body(response: Any) -> Iterable[str]:
    body = response.request.body
    if isinstance(body, str):
        body = body.encode()
    if not body:
        return
    size = len(body) if isinstance(body, bytes) else 0
    if not isinstance(body, bytes):
        yield "The request's body was streamed."
        recorded = getattr(response, "recorded", None)
        if recorded is None or not recorded.request_body.size:
            return
        body, size = recorded.request_body.content, recorded.request_body.size
    text = readable(body, ["utf-8"])
    if text is None:
        yield f"The request's body is binary: {size} bytes, which begin with {body[:32]!r}"
    else:
        yield f"Request body:\n{cut(indent_json(text), _REQUEST_BODY_LIMIT)}"


def _describe_hidden(error: BaseException | None) -> Iterable[str]:
    if error is not None:
        yield "The application raised, and raise_server_exceptions=False hid it:"
        yield describe_traceback(error)
