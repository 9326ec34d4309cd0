"""What a recorded exchange holds, as text: headers, bodies."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from email.message import Message
from typing import Any

from urllib3.exceptions import HTTPError

from ._raw_response import MemoryBody, RawResponse
from ._recorded import RecordedBody, RecordedExchange

HeaderTexts = list[tuple[str, str]]


def header_texts(headers: Iterable[tuple[Any, Any]]) -> HeaderTexts:
    """Return headers as text; latin-1 keeps every octet.

    :param headers: pairs of text or bytes
    """
    return [(_text(name), _text(value)) for name, value in headers]


def header_value(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return the first value of a header, ``""`` if there is none of that name.

    :param headers: headers as text
    :param name: name of the header, in lower case
    """
    return next((value for key, value in headers if key.lower() == name), "")


def request_text(exchange: RecordedExchange) -> str | None:
    """Return what was kept of a request's body as text, ``None`` if it is not text.

    :param exchange: an exchange
    """
    content_type = header_value(header_texts(exchange.request_headers), "content-type")
    return body_text(exchange.request_body.content, content_type)


def response_content(exchange: RecordedExchange) -> bytes:
    """Return what was kept of a response's body, its content coding undone if that can be.

    :param exchange: an exchange
    """
    body: RecordedBody = exchange.response_body
    raw = RawResponse(
        MemoryBody([body.content]),
        status=exchange.status or 200,
        headers=list(exchange.response_headers),
        http_version=exchange.http_version,
        method=exchange.method,
    )
    try:
        # Piece by piece: of one that is cut, what there is comes out before the complaint.
        return b"".join(raw.stream(decode_content=True))
    except HTTPError:
        return body.content


def response_text(exchange: RecordedExchange) -> str | None:
    """Return what was kept of a response's body as text, ``None`` if it is not text.

    :param exchange: an exchange
    """
    content_type = header_value(header_texts(exchange.response_headers), "content-type")
    return body_text(response_content(exchange), content_type)


def body_text(content: bytes, content_type: str) -> str | None:
    """Return a body, or its beginning, as text; ``None`` if it is not text.

    :param content: the bytes
    :param content_type: value of the header; without a charset, text is UTF-8
    """
    header = Message()
    header["content-type"] = content_type
    charset = header.get_param("charset") or "utf-8"
    try:
        # One whose end may be missing, and with it a part of the last character.
        text: str = codecs.getincrementaldecoder(str(charset))().decode(content)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\x00" in text else text


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
