"""The cookies that a response sets, compared with what is expected of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from ._expectations import check_expectation, describe_expectation, matches_text
from ._protocol._texts import shorten
from ._response_content import header_pairs, values_of
from ._set_cookie import SetCookie, parse_cookie, parse_date

#: Attributes that have no value.
FLAGS = ("secure", "httponly", "partitioned")
#: Attributes that have one, by the names that keyword arguments can have.
VALUED = ("domain", "expires", "max_age", "path", "priority", "samesite")


def cookies_of(response: Any) -> list[SetCookie]:
    """Return the cookies that a response, or a redirect that led to it, sets.

    One that takes the place of another, being of the same name, domain and path, is the only one.

    :param response: a :class:`requests.Response`
    """
    cookies: dict[tuple[str, str, str], SetCookie] = {}
    for one in (*response.history, response):
        for line in values_of(header_pairs(one), "set-cookie"):
            cookie = parse_cookie(line)
            domain, path = (cookie.attributes.get(key, "") for key in ("domain", "path"))
            # To the end, so that the last one is the last that was set.
            cookies.pop((cookie.name, domain, path), None)
            cookies[cookie.name, domain, path] = cookie
    return list(cookies.values())


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Refuse attributes that no cookie has.

    :param attributes: what is expected, by the names of keyword arguments
    :raises TypeError: if there is another one
    """
    for name in attributes:
        if name not in (*FLAGS, *VALUED):
            raise TypeError(
                f"a cookie has no attribute {name!r}; it has {', '.join(sorted((*FLAGS, *VALUED)))}"
            )


def find_problems(cookie: SetCookie, value: Any, attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what a cookie is not as expected.

    :param cookie: the cookie
    :param value: its value as text or a compiled pattern, ``...`` for any
    :param attributes: the values of its attributes, ``None`` for one that must not be there
    """
    if value is not ...:
        check_expectation(value, "the value of a cookie")
        if not (matches_text(cookie.plain_value, value) or matches_text(cookie.value, value)):
            yield f"its value is {cookie.plain_value!r}, not {describe_expectation(value)}"
    for name, expected in attributes.items():
        key = name.replace("_", "-")
        came = cookie.attributes.get(key)
        if name in FLAGS:
            if bool(expected) is not (came is not None):
                yield f"it is {'not ' if expected else ''}{_WORDS[key]}"
        elif came is None:
            if expected is not None:
                yield f"it has no {_WORDS[key]}"
        elif expected is None:
            yield f"its {_WORDS[key]} is {came!r}"
        elif not _is_attribute(name, came, expected):
            yield f"its {_WORDS[key]} is {came!r}, not {shorten(expected)}"


_WORDS = {
    "secure": "Secure",
    "httponly": "HttpOnly",
    "partitioned": "Partitioned",
    "domain": "Domain",
    "expires": "Expires",
    "max-age": "Max-Age",
    "path": "Path",
    "priority": "Priority",
    "samesite": "SameSite",
}


def _is_attribute(name: str, came: str, expected: Any) -> bool:
    if isinstance(expected, datetime.datetime):
        return parse_date(came) == expected.astimezone(datetime.timezone.utc).replace(microsecond=0)
    if isinstance(expected, datetime.timedelta):
        expected = int(expected.total_seconds())
    if name == "path":
        return matches_text(came, expected)
    if name == "domain":
        # RFC 6265, section 5.2.3: a leading dot has no meaning.
        came, expected = came.lstrip("."), str(expected).lstrip(".")
    return came.lower() == str(expected).lower()
