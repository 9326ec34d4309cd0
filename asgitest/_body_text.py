"""How bytes read as text: decoded, JSON indented, cut to a length."""

from __future__ import annotations

import json
import re

# All but line ends, tabulators, form feeds and the escapes of a terminal.
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f-\x9f]")


def decode(content: bytes, encodings: list[str]) -> str | None:
    """Return bytes as text in the first encoding that fits, ``None`` if none does.

    :param content: the bytes
    :param encodings: names of encodings, unknown ones too
    """
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def readable(content: bytes, encodings: list[str]) -> str | None:
    """Return bytes as text that can be printed, ``None`` if they are none.

    :param content: the bytes
    :param encodings: names of encodings, unknown ones too
    """
    text = decode(content, encodings)
    return None if text is None or _CONTROL_CHARACTERS.search(text) else text


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text, and how much is missing.

    :param text: any text
    :param limit: characters to keep
    """
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n... ({len(text) - limit} more characters)"


def indent_json(text: str) -> str:
    """Return a JSON object or array on several lines, any other text as it is.

    :param text: any text
    """
    try:
        value = json.loads(text)
        if isinstance(value, (dict, list)):
            return json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return text
