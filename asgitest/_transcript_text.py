"""Recorded exchanges as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ._body_text import cut, indent_json, readable
from ._protocol._texts import shorten
from ._raw_response import describe_status
from ._recorded import RecordedBody, RecordedExchange, RecordedLifespan, RecordedMessage
from ._recorded_content import header_texts, request_text, response_content, response_text
from ._withheld import refused_cookies


class Detail(NamedTuple):
    """How much of an exchange is shown.

    :ivar body: characters of a body
    :ivar line: characters of the URL, and of the value of a header
    :ivar messages: messages of a WebSocket, the last ones; ``None`` for all
    :ivar raised: what the reader knows to have been raised, as :func:`shorten` shows it
    """

    body: int = 2000
    line: int = 8000
    messages: int | None = None
    raised: str | None = None


_ALL = Detail()
# Characters of a URL that a summary has room for.
_URL_LIMIT = 200
# What every request says, or every handshake, and nobody wants to read each time.
_USUAL_HEADERS = {
    ("accept", "*/*"),
    ("connection", "keep-alive"),
    ("user-agent", "testclient"),
}
_USUAL_NAMES = {"accept-encoding", "host", "sec-websocket-key", "sec-websocket-version"}


def describe_entry(entry: RecordedExchange | RecordedLifespan, start: float) -> str:
    """Return an entry of a transcript as text.

    :param entry: the entry
    :param start: what times count from, on the monotonic clock
    """
    moment = f"{entry.began - start:.3f} s"
    if isinstance(entry, RecordedLifespan):
        fields = "".join(
            f" {key}={shorten(value)}" for key, value in entry.message.items() if key != "type"
        )
        return f"{moment}  {entry.direction} {entry.message.get('type')}{fields}"
    return f"{moment}  {describe_exchange(entry, start)}"


def describe_exchange(exchange: RecordedExchange, start: float, detail: Detail = _ALL) -> str:
    """Return an exchange as text: the request, the response, the messages of a WebSocket.

    :param exchange: the exchange
    :param start: what the times of messages count from, on the monotonic clock
    :param detail: how much of it to show
    """
    return "\n".join(
        [
            f"{exchange.method} {_cut_line(exchange.shown_url, detail.line)}",
            *_request_lines(exchange, detail),
            *_response_lines(exchange, detail),
            *_message_lines(exchange, start, detail),
        ]
    )


def summarize_exchange(exchange: RecordedExchange) -> str:
    """Return an exchange in one line.

    :param exchange: the exchange
    """
    came = "no response" if exchange.status is None else describe_status(exchange.status)
    return f"{exchange.method} {_cut_line(exchange.shown_url, _URL_LIMIT)}: {came}"


def _cut_line(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} in all)"


def _request_lines(exchange: RecordedExchange, detail: Detail) -> Iterator[str]:
    for name, value in header_texts(exchange.request_headers):
        lower = name.lower()
        is_usual = lower in _USUAL_NAMES or (lower, value) in _USUAL_HEADERS
        if not (is_usual or (lower in ("connection", "upgrade") and exchange.is_handshake)):
            yield f"  {name}: {_cut_line(value, detail.line)}"
    body = exchange.request_body
    if body.size:
        yield _describe_body("Request body", request_text(exchange), body.content, body, detail)
    if not body.has_ended:
        yield f"(of the request's body {body.size} bytes were streamed, and not the end)"


def _response_lines(exchange: RecordedExchange, detail: Detail) -> Iterator[str]:
    headers = header_texts(exchange.response_headers)
    if exchange.status is not None:
        yield f"Response: {describe_status(exchange.status)}, after {exchange.duration:.3f} s"
        for name, value in headers:
            yield f"  {name}: {_cut_line(value, detail.line)}"
    else:
        yield f"No response, after {exchange.duration:.3f} s"
    body = exchange.response_body
    if body.size:
        content = response_content(exchange)
        yield _describe_body("Body", response_text(exchange), content, body, detail)
    yield from map(str, exchange.withheld)
    cookies = [value for name, value in headers if name.lower() == "set-cookie"]
    yield from refused_cookies(exchange.url, cookies)
    if exchange.error is not None and exchange.error != detail.raised:
        yield f"The application raised, or broke a rule: {exchange.error}"


def _describe_body(
    title: str, text: str | None, content: bytes, body: RecordedBody, detail: Detail
) -> str:
    shown = None if text is None else readable(text.encode("utf-8", "replace"), ["utf-8"])
    if shown is None:
        description = f"{title}: binary, {body.size} bytes, which begin with {content[:32]!r}"
    else:
        description = f"{title}:\n{cut(indent_json(shown), detail.body)}"
    if body.is_whole:
        return description
    return f"{description}\n({len(body.content)} of {body.size} bytes were kept)"


def _message_lines(exchange: RecordedExchange, start: float, detail: Detail) -> Iterator[str]:
    if exchange.messages is None:
        return
    messages = exchange.messages.listed()
    if exchange.messages.dropped:
        yield f"  ({exchange.messages.dropped} older messages were not kept)"
    if detail.messages is not None and len(messages) > detail.messages:
        yield f"  ({len(messages) - detail.messages} older messages are not shown)"
        messages = messages[-detail.messages :]
    for message in messages:
        yield f"  {message.moment - start:.3f} s  {_describe_message(message)}"


def _describe_message(message: RecordedMessage) -> str:
    payload: Any = message.payload
    if message.code is not None:
        who = "the test" if message.is_sent else "the application"
        reason = f", reason {payload!r}" if payload else ""
        return f"{who} closed: code {message.code}{reason}"
    direction = "sent" if message.is_sent else "received"
    missing = "" if len(payload) == message.size else f"... ({message.size} in all)"
    return f"{direction} {shorten(payload, 500)}{missing}"
