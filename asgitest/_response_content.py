"""What a response holds, as plain values: its headers as they were sent, its body as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ._body_text import decode


def header_pairs(response: Any) -> list[tuple[str, str]]:
    """Return the headers of a response, duplicates and their order kept where they are known.

    :param response: a :class:`requests.Response`
    """
    raw_headers = getattr(response, "raw_headers", None)
    if raw_headers is None:
        return list(response.headers.items())
    return text_pairs(raw_headers)


def text_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return pairs of bytes as pairs of text; latin-1 keeps every octet.

    :param pairs: headers or trailers
    """
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]


def values_of(pairs: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Return the values of all headers of a name, in their order.

    :param pairs: headers
    :param name: name of the header, in any case
    """
    lower = name.lower()
    return [value for key, value in pairs if key.lower() == lower]


def is_read(response: Any) -> bool:
    """Tell whether a response's body was read to its end.

    :param response: a :class:`requests.Response`
    """
    return bool(response._content_consumed)


def body_text(response: Any) -> str:
    """Return the body of a response as text; one that is streamed is read to its end.

    Without a charset it is UTF-8, if it can be, and otherwise what requests takes it for.

    :param response: a :class:`requests.Response`
    """
    content: bytes = response.content
    text = decode(content, text_encodings(response))
    return content.decode("utf-8", "replace") if text is None else text


def body_json(response: Any) -> Any:
    """Return the body of a response as JSON; one that is streamed is read to its end.

    :param response: a :class:`requests.Response`
    :raises ValueError: if it is no JSON; what Python adds to it, such as ``NaN``, is none
    """
    return json.loads(response.content, parse_constant=_refuse_constant)


def text_encodings(response: Any) -> list[str]:
    """Return the encodings in which to read a response's text, the likeliest first.

    :param response: a :class:`requests.Response`
    """
    named = "charset=" in response.headers.get("content-type", "").lower()
    # Without a charset requests says latin-1, as an old RFC did; what is UTF-8 is meant so.
    encodings = [response.encoding] if named else ["utf-8", response.encoding]
    return [encoding for encoding in encodings if encoding]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON (RFC 8259, section 6)")
