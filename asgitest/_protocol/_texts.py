"""Put values into the texts of errors: short, and without a way to fail."""

from __future__ import annotations

from ..exceptions import ProtocolError


def shorten(value: object, limit: int = 120) -> str:
    """Return the ``repr`` of a value, cut so that a message stays readable.

    :param value: any object
    :param limit: characters of the ``repr`` to keep
    """
    if isinstance(value, (bytes, bytearray, str)) and len(value) > limit:
        return shorten_payload(value, len(value), limit)
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def shorten_payload(beginning: bytes | bytearray | str, size: int, limit: int) -> str:
    """Return the ``repr`` of the beginning of something long, and how long it is.

    :param beginning: as much of it as is known
    :param size: its length
    :param limit: characters of the ``repr`` of something shorter
    """
    return f"{beginning[: limit // 2]!r}... ({size} in all)"


def wrong_type(
    message_type: str | None, path: str, expected: str, value: object, rule: str
) -> ProtocolError:
    """Build the error for a value of the wrong type.

    :param message_type: type of the message that holds the value
    :param path: where in the message the value is, such as ``"headers[0] name"``
    :param expected: what the value must be, in words
    :param value: what the value is
    :param rule: id of the broken rule
    """
    return ProtocolError(
        f"{message_type}: {path} must be {expected}, not {type(value).__name__}: {shorten(value)}",
        rule=rule,
        message_type=message_type,
    )
