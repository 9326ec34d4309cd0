"""Recorded exchanges as an HTTP archive, version 1.2."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from ._masking import MASK, mask_body, mask_headers, mask_json, mask_url
from ._raw_response import reason_phrase
from ._recorded import RecordedExchange, RecordedLifespan, RecordedMessage
from ._recorded_content import (
    HeaderTexts,
    header_texts,
    header_value,
    request_text,
    response_content,
    response_text,
)

# RFC 6455, section 11.8.
_TEXT, _BINARY, _CLOSE = 1, 2, 8
# What the format has for a number that nobody knows.
_UNKNOWN = -1


def har_archive(
    entries: Iterable[RecordedExchange | RecordedLifespan], version: str
) -> dict[str, Any]:
    """Return an archive, as data for JSON; secrets are masked.

    :param entries: what was recorded, the oldest first
    :param version: that of asgitest
    """
    exchanges = []
    lifespan = []
    for entry in entries:
        if isinstance(entry, RecordedExchange):
            exchanges.append(_entry(entry))
        else:
            lifespan.append(_lifespan_message(entry))
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "asgitest", "version": version},
            "entries": exchanges,
            "_lifespanMessages": lifespan,
        }
    }


def _entry(exchange: RecordedExchange) -> dict[str, Any]:
    milliseconds = round(exchange.duration * 1000, 3)
    entry: dict[str, Any] = {
        "startedDateTime": _moment(exchange.time),
        "time": milliseconds,
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        # In process, nothing is sent, and all the time is the application's.
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }
    if exchange.error is not None:
        entry["_error"] = exchange.error
    if exchange.messages is not None:
        entry["_resourceType"] = "websocket"
        entry["_webSocketMessages"] = [
            _websocket_message(message) for message in exchange.messages.listed()
        ]
        if exchange.messages.dropped:
            entry["comment"] = f"{exchange.messages.dropped} older messages were not kept"
    return entry


def _request(exchange: RecordedExchange) -> dict[str, Any]:
    headers = header_texts(exchange.request_headers)
    url = mask_url(exchange.shown_url)
    body = exchange.request_body
    request: dict[str, Any] = {
        "method": exchange.method,
        "url": url,
        "httpVersion": _http_version(exchange),
        "cookies": _request_cookies(headers),
        "headers": _pairs(mask_headers(headers)),
        "queryString": _pairs(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
        "headersSize": _UNKNOWN,
        "bodySize": body.size if body.has_ended else _UNKNOWN,
    }
    if body.size or not body.has_ended:
        request["postData"] = _post_data(exchange, header_value(headers, "content-type"))
    return request


def _post_data(exchange: RecordedExchange, content_type: str) -> dict[str, Any]:
    body = exchange.request_body
    data: dict[str, Any] = {"mimeType": content_type, "text": ""}
    text = request_text(exchange)
    if text is None:
        # The format has no word for it here; a name of one's own begins with an underscore.
        data |= {"text": base64.b64encode(body.content).decode(), "_encoding": "base64"}
    else:
        data["text"] = mask_body(text, content_type)
        if content_type.startswith("application/x-www-form-urlencoded"):
            data["params"] = _form_fields(data["text"])
    if not body.is_whole:
        data["comment"] = _cut_comment(len(body.content), body.size)
    elif not body.has_ended:
        data["comment"] = "the body was not streamed to its end"
    return data


def _response(exchange: RecordedExchange) -> dict[str, Any]:
    headers = header_texts(exchange.response_headers)
    status = exchange.status or 0
    return {
        "status": status,
        "statusText": reason_phrase(status),
        "httpVersion": _http_version(exchange),
        "cookies": [_set_cookie(value) for name, value in headers if name.lower() == "set-cookie"],
        "headers": _pairs(mask_headers(headers)),
        "content": _content(exchange, header_value(headers, "content-type")),
        "redirectURL": mask_url(header_value(headers, "location")),
        "headersSize": _UNKNOWN,
        "bodySize": exchange.response_body.size,
    }


def _content(exchange: RecordedExchange, content_type: str) -> dict[str, Any]:
    body = exchange.response_body
    decoded = response_content(exchange)
    content: dict[str, Any] = {
        "size": len(decoded) if body.is_whole else body.size,
        "mimeType": content_type or "x-unknown",
    }
    text = response_text(exchange)
    if text is None:
        content |= {"text": base64.b64encode(decoded).decode(), "encoding": "base64"}
    else:
        content["text"] = mask_body(text, content_type)
    if not body.is_whole:
        content["comment"] = _cut_comment(len(body.content), body.size)
    return content


def _websocket_message(message: RecordedMessage) -> dict[str, Any]:
    payload = message.payload
    if message.code is not None:
        opcode, data = _CLOSE, f"{message.code} {payload!s}".rstrip()
    elif isinstance(payload, str):
        opcode, data = _TEXT, mask_json(payload)
    else:
        opcode, data = _BINARY, base64.b64encode(payload).decode()
    return {
        "type": "send" if message.is_sent else "receive",
        "time": round(message.time, 6),
        "opcode": opcode,
        "data": data,
    }


def _lifespan_message(entry: RecordedLifespan) -> dict[str, Any]:
    # Seen as the others are, from outside of the application.
    direction = "send" if entry.direction == "received" else "receive"
    return {
        "type": direction,
        "time": round(entry.time, 6),
        "data": str(entry.message.get("type")),
    }


def _request_cookies(headers: HeaderTexts) -> list[dict[str, str]]:
    header = "; ".join(value for name, value in headers if name.lower() == "cookie")
    names = [pair.partition("=")[0].strip() for pair in header.split(";")]
    return [{"name": name, "value": MASK} for name in names if name]


def _set_cookie(value: str) -> dict[str, Any]:
    pair, *attributes = value.split(";")
    cookie: dict[str, Any] = {"name": pair.partition("=")[0].strip(), "value": MASK}
    for attribute in attributes:
        name, _, text = (part.strip() for part in attribute.partition("="))
        name = name.lower()
        if name in ("path", "domain"):
            cookie[name] = text
        elif name == "expires":
            cookie |= _expiry(text)
        elif name in ("httponly", "secure"):
            cookie["httpOnly" if name == "httponly" else name] = True
    return cookie


def _expiry(text: str) -> dict[str, str]:
    try:
        return {"expires": parsedate_to_datetime(text).isoformat()}
    except (TypeError, ValueError):
        return {}


def _form_fields(text: str) -> list[dict[str, str]]:
    fields = (field.partition("=") for field in text.split("&") if field)
    return _pairs((unquote_plus(name), unquote_plus(value)) for name, _, value in fields)


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _http_version(exchange: RecordedExchange) -> str:
    return f"HTTP/{exchange.http_version}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def _cut_comment(kept: int, size: int) -> str:
    return f"{kept} of {size} bytes were kept"
