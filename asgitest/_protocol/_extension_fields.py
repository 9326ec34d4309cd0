"""Check the values that only messages of extensions have."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from ..exceptions import ProtocolError
from ._texts import shorten, wrong_type


def links(message_type: str, key: str, value: Any, rule: str, judge: object) -> tuple[bytes, ...]:
    """Return the links of an early hint (EXT-HINT-01).

    :param message_type: type of the message
    :param key: key that the value stands under
    :param value: an iterable of bytes
    :param rule: id of the rule about the key
    :param judge: not asked, for none of this can be accepted
    :raises ProtocolError: if it is none
    """
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise wrong_type(message_type, key, "an iterable of bytes", value, rule)
    checked = []
    for index, link in enumerate(value):
        path = f"{key}[{index}]"
        if not isinstance(link, bytes):
            raise wrong_type(message_type, path, "bytes", link, rule)
        if any(byte in link for byte in b"\r\n\x00"):
            raise ProtocolError(
                f"{message_type}: {path} must not hold CR, LF or NUL: {shorten(link)}",
                rule=rule,
                message_type=message_type,
            )
        checked.append(link)
    return tuple(checked)


def url_path(message_type: str, key: str, value: Any, rule: str, judge: object) -> str:
    """Return the path of a push, which is that of a URL, decoded (EXT-PUSH-01).

    :param message_type: type of the message
    :param key: key that the value stands under
    :param value: a ``str`` that begins with a slash
    :param rule: id of the rule about the key
    :param judge: not asked, for none of this can be accepted
    :raises ProtocolError: if it is none
    """
    return _absolute(message_type, key, value, rule, isinstance(value, str) and value[:1] == "/")


def file_path(message_type: str, key: str, value: Any, rule: str, judge: object) -> str:
    """Return the path of a file to send (EXT-PATH-01).

    :param message_type: type of the message
    :param key: key that the value stands under
    :param value: a ``str``, absolute
    :param rule: id of the rule about the key
    :param judge: not asked, for none of this can be accepted
    :raises ProtocolError: if it is none
    """
    # ntpath as well: the rules know of no platform, and on one of them this is absolute.
    is_absolute = isinstance(value, str) and (posixpath.isabs(value) or value[1:3] in _DRIVES)
    return _absolute(message_type, key, value, rule, is_absolute)


_DRIVES = (":\\", ":/")


def _absolute(message_type: str, key: str, value: Any, rule: str, is_absolute: bool) -> str:
    if not isinstance(value, str):
        raise wrong_type(message_type, key, "str", value, rule)
    if not is_absolute:
        raise ProtocolError(
            f"{message_type}: {key} must be absolute, not {shorten(value)}",
            rule=rule,
            message_type=message_type,
        )
    return value


def open_file(message_type: str, key: str, value: Any, rule: str, judge: object) -> Any:
    """Return a file that the operating system knows (EXT-ZERO-01).

    :param message_type: type of the message
    :param key: key that the value stands under
    :param value: an object whose ``fileno()`` gives a number
    :param rule: id of the rule about the key
    :param judge: not asked, for none of this can be accepted
    :raises ProtocolError: if it has none, as a ``BytesIO``, or is closed
    """
    try:
        number = value.fileno()
    except (AttributeError, OSError, TypeError, ValueError):
        # A BytesIO has the method, and raises; so does a file that was closed.
        number = None
    if not isinstance(number, int):
        raise wrong_type(message_type, key, "an open file, whose fileno() is a number", value, rule)
    return value


def amount(message_type: str, key: str, value: Any, rule: str, judge: object) -> int | None:
    """Return an offset or a count of bytes, ``None`` if there is none (EXT-ZERO-01).

    :param message_type: type of the message
    :param key: key that the value stands under
    :param value: an ``int`` that is not negative, or ``None``
    :param rule: id of the rule about the key
    :param judge: not asked, for none of this can be accepted
    :raises ProtocolError: if it is something else
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(message_type, key, "int or None", value, rule)
    if value < 0:
        raise ProtocolError(
            f"{message_type}: {key} must not be negative: {value!r}",
            rule=rule,
            message_type=message_type,
        )
    return int(value)
