"""Normalise and validate the header iterables that an application sends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..exceptions import ProtocolError
from ._texts import shorten, wrong_type

Headers = list[tuple[bytes, bytes]]

# RFC 9110, section 5.6.2: a field name is a token.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110, section 5.5: these three end a field line, or are worse.
_FORBIDDEN_IN_VALUE = re.compile(rb"[\r\n\x00]")


@dataclass(frozen=True)
class HeaderRules:
    """Ids of the rules that one message type's headers are held to.

    :ivar shape: what the iterable and its items have to be
    :ivar strings: that names and values are byte strings
    :ivar pseudo: that no name starts with a colon
    :ivar characters: that names are tokens, and values one line
    """

    shape: str
    strings: str
    pseudo: str
    characters: str


RESPONSE_RULES = HeaderRules(
    shape="HTTP-START-04",
    strings="HTTP-START-05",
    pseudo="HTTP-START-07",
    characters="HTTP-START-08",
)
ACCEPT_RULES = HeaderRules(
    shape="WS-ACC-04", strings="WS-ACC-04", pseudo="WS-ACC-04", characters="WS-ACC-04"
)


def normalise_headers(message_type: str, value: Any, rules: HeaderRules) -> Headers:
    """Return an application's headers as a list of pairs, names in lower case.

    The iterable is read once, so a generator will do (HTTP-START-04). Mixed case in names and
    space round values pass, because frameworks send them and servers take them (HTTP-START-06,
    HTTP-START-09).

    :param message_type: type of the message that holds the headers
    :param value: what stands under its ``headers`` key
    :param rules: ids of the rules to name
    :raises ProtocolError: if a rule is broken
    """
    expected = "an iterable of (name, value) pairs of bytes"
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise wrong_type(message_type, "headers", expected, value, rules.shape)
    return [_normalise_pair(message_type, index, pair, rules) for index, pair in enumerate(value)]


def _normalise_pair(
    message_type: str, index: int, pair: Any, rules: HeaderRules
) -> tuple[bytes, bytes]:
    path = f"headers[{index}]"
    if isinstance(pair, (str, bytes, dict)) or not isinstance(pair, Iterable):
        raise wrong_type(message_type, path, "a (name, value) pair of bytes", pair, rules.shape)
    items = pair if isinstance(pair, (tuple, list)) else list(pair)
    if len(items) != 2:
        raise ProtocolError(
            f"{message_type}: {path} must be a (name, value) pair of bytes, "
            f"not {len(items)} items: {shorten(items)}",
            rule=rules.shape,
            message_type=message_type,
        )
    name = _byte_string(message_type, f"{path} name", items[0], rules).lower()
    value = _byte_string(message_type, f"{path} value of {name!r}", items[1], rules)
    _check_characters(message_type, path, name, value, rules)
    return name, value.strip(b" \t")


def _byte_string(message_type: str, path: str, value: Any, rules: HeaderRules) -> bytes:
    if isinstance(value, bytes):
        return value
    # HTTP-START-05: most servers take these two, so they are no reason to fail a test.
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise wrong_type(message_type, path, "bytes", value, rules.strings)


def _check_characters(
    message_type: str, path: str, name: bytes, value: bytes, rules: HeaderRules
) -> None:
    if name.startswith(b":"):
        raise ProtocolError(
            f"{message_type}: {path} name must not be a pseudo header: {shorten(name)}",
            rule=rules.pseudo,
            message_type=message_type,
        )
    if not _TOKEN.fullmatch(name):
        raise ProtocolError(
            f"{message_type}: {path} name must be a token (RFC 9110, section 5.6.2), "
            f"not {shorten(name)}",
            rule=rules.characters,
            message_type=message_type,
        )
    if _FORBIDDEN_IN_VALUE.search(value):
        raise ProtocolError(
            f"{message_type}: {path} value of {name!r} must not hold CR, LF or NUL: "
            f"{shorten(value)}",
            rule=rules.characters,
            message_type=message_type,
        )
