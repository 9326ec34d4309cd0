"""Secrets in what leaves a test run as a file or a command line, replaced by asterisks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

#: What stands in place of a secret.
MASK = "***"

_SECRET = "passw|passphrase|pwd|secret|token|api[-_]?key|credential|authorization"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
# A member of JSON that was cut, so that no parser takes it: its name, then all of its value.
_JSON_MEMBER = re.compile(
    rf'("[^"]*(?:{_SECRET})[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?$)|[^\s,"\}}\]]+|[\[{{].*)',
    re.IGNORECASE | re.DOTALL,
)
_FORM_FIELD = re.compile(r"([^&=]*)=([^&]*)")
_PART = re.compile(
    rf'(content-disposition:[^\r\n]*\bname="[^"]*(?:{_SECRET})[^"]*".*?\r?\n\r?\n)(.*?)(?=\r?\n--|$)',
    re.IGNORECASE | re.DOTALL,
)
_CREDENTIALS = re.compile(r"^([a-z]+://)[^/?#@]*@", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Tell whether a field, parameter or header is likely to hold a secret.

    :param name: its name
    """
    return _SECRET_NAME.search(name) is not None


def mask_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers without credentials; names of cookies and schemes are kept.

    :param headers: headers as text
    """
    return [(name, _mask_header(name.lower(), value)) for name, value in headers]


def mask_url(url: str) -> str:
    """Return a URL without credentials, and without the values of parameters that are secret.

    :param url: an absolute URL
    """
    url = _CREDENTIALS.sub(rf"\g<1>{MASK}@", url)
    rest, hash_sign, fragment = url.partition("#")
    path, question_mark, query = rest.partition("?")
    return f"{path}{question_mark}{_mask_form(query)}{hash_sign}{fragment}"


def mask_body(text: str, content_type: str) -> str:
    """Return a body without the values of fields that are secret.

    :param text: the body, or its beginning
    :param content_type: value of the header
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _mask_form(text)
    if kind == "multipart/form-data":
        return _PART.sub(rf"\g<1>{MASK}", text)
    if kind.endswith("json"):
        return mask_json(text)
    return text


def mask_json(text: str) -> str:
    """Return JSON without the values of members that are secret; other text as it is.

    :param text: JSON, or its beginning
    """
    if not _SECRET_NAME.search(text):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _JSON_MEMBER.sub(rf'\g<1>"{MASK}"', text)
    masked = _mask_value(value)
    return text if masked == value else json.dumps(masked, ensure_ascii=False)


def mask_cookies(value: str) -> str:
    """Return the value of a ``cookie`` header with the names alone.

    :param value: the value
    """
    names = (pair.partition("=")[0].strip() for pair in value.split(";"))
    return "; ".join(f"{name}={MASK}" for name in names)


def _mask_header(name: str, value: str) -> str:
    if name == "cookie":
        return mask_cookies(value)
    if name == "set-cookie":
        cookie, semicolon, attributes = value.partition(";")
        return f"{mask_cookies(cookie)}{semicolon}{attributes}"
    if name in ("authorization", "proxy-authorization"):
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {MASK}" if space else MASK
    if name in ("location", "referer"):
        return mask_url(value)
    return MASK if is_secret(name) else value


def _mask_form(text: str) -> str:
    return _FORM_FIELD.sub(
        lambda field: f"{field[1]}={MASK}" if is_secret(field[1]) else field[0], text
    )


def _mask_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK if is_secret(name) else _mask_value(member) for name, member in value.items()
        }
    if isinstance(value, list):
        return [_mask_value(member) for member in value]
    return value
