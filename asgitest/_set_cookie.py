"""A cookie as a response sets it."""

from __future__ import annotations

import datetime
import email.utils
import re
from http.cookies import SimpleCookie
from typing import NamedTuple

# The older form of a date (RFC 6265, section 5.1.1, takes it), which email.utils does not know.
_DASHED_DATE = re.compile(r"\b(\d\d?)-(\w{3})-(\d{2,4})\b")


class SetCookie(NamedTuple):
    """A cookie as a response sets it (RFC 6265, section 5.2).

    :ivar name: its name
    :ivar value: its value, as it was sent
    :ivar attributes: its attributes by their names in lower case, ``""`` for one without value
    """

    name: str
    value: str
    attributes: dict[str, str]

    @property
    def plain_value(self) -> str:
        """The value without the quotes and escapes in which Python's own library sends it."""
        value: str = SimpleCookie().value_decode(self.value)[0]
        return value

    @property
    def is_deleted(self) -> bool:
        """Whether the client is told to forget it: it has expired when it arrives."""
        if "max-age" in self.attributes:
            # Of the two this one counts.
            age = self.attributes["max-age"]
            return age.lstrip("-").isdecimal() and int(age) <= 0
        expires = parse_date(self.attributes.get("expires", ""))
        return expires is not None and expires <= datetime.datetime.now(datetime.timezone.utc)


def parse_cookie(line: str) -> SetCookie:
    """Return what one line of Set-Cookie sets.

    :param line: the value of the header
    """
    pair, *rest = line.split(";")
    name, _, value = pair.partition("=")
    attributes = {}
    for attribute in rest:
        key, _, content = attribute.partition("=")
        attributes[key.strip().lower()] = content.strip()
    return SetCookie(name.strip(), value.strip(), attributes)


def parse_date(text: str) -> datetime.datetime | None:
    """Return a date of HTTP, ``None`` for what is none.

    :param text: the date, also in the older form with dashes
    """
    try:
        date = email.utils.parsedate_to_datetime(_DASHED_DATE.sub(r"\1 \2 \3", text))
    except (TypeError, ValueError, IndexError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.timezone.utc)
    return date.astimezone(datetime.timezone.utc)
