"""Redirects: where one leads to, and what a list of them looks like."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import requests
from requests.sessions import SessionRedirectMixin

from ._raw_response import describe_status
from ._withheld import describe_cookies, note_withheld

_ESCAPE = re.compile("%[0-9a-f]{2}", re.IGNORECASE)
_RULES_OF_REQUESTS = SessionRedirectMixin()


def redirect_url(response: Any) -> str | None:
    """Return the absolute URL that a response redirects to, ``None`` if it does not.

    :param response: a :class:`requests.Response`
    """
    target = _RULES_OF_REQUESTS.get_redirect_target(response)
    return None if target is None else absolute_url(response.request.url, target)


def absolute_url(base: str, url: str) -> str:
    """Return a URL as a browser resolves and requests quotes it.

    :param base: what it is relative to
    :param url: the URL, which may be absolute
    """
    return requests.utils.requote_uri(urljoin(base, url))


def comparable_url(url: str) -> str:
    """Return a URL in a form that is the same for all that mean the same.

    The order of a query's parameters does not count, that of values of one parameter does.

    :param url: an absolute URL
    """
    scheme, netloc, path, query, fragment = urlsplit(url)
    # A stable sort by the name alone.
    pairs = sorted(parse_qsl(query, keep_blank_values=True), key=lambda pair: pair[0])
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    netloc = netloc.lower().removesuffix(default) if default else netloc.lower()
    path = _ESCAPE.sub(lambda escape: escape[0].upper(), path or "/")
    return urlunsplit((scheme, netloc, path, urlencode(pairs), fragment))


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs are of one origin: scheme, host and port.

    :param one: an absolute URL
    :param other: another one
    """
    return urlsplit(comparable_url(one))[:2] == urlsplit(comparable_url(other))[:2]


def fetch_target(response: Any) -> Any:
    """Fetch what a response redirects to, as its session would, which does not notice.

    :param response: a redirect that requests received in a session and did not follow
    :return: the :class:`requests.Response`
    :raises TypeError: if it was received without a session
    """
    if response.next is None:
        raise TypeError(
            f"what {describe_redirect(response)} leads to can be fetched only if a session "
            f"received the redirect; pass fetch=False"
        )
    note_withheld(response.next)
    target = response.connection.send(response.next)
    # So that it is whole, whatever adapter it came from.
    _ = target.content
    return target


def redirect_lines(response: Any) -> list[str]:
    """Return a redirect in one line, and in further ones the cookies that did not make it.

    :param response: the :class:`requests.Response` that redirects
    """
    return [describe_redirect(response), *(f"  {text}" for text in describe_cookies(response))]


def describe_redirect(response: Any) -> str:
    """Return a redirect in one line.

    :param response: the :class:`requests.Response` that redirects
    """
    return (
        f"{response.request.method} {response.request.url} -> "
        f"{describe_status(response.status_code)}, location {response.headers.get('location')}"
    )


def describe_chain(error: requests.TooManyRedirects) -> str:
    """Return what :mod:`requests` says of too many redirects, and which they were.

    :param error: what it raised
    """
    last: Any = error.response
    # Older versions of requests count the last one among them, and leave out the first.
    responses = [*(one for one in last.history if one is not last), last]
    words = str(error).rstrip(".")
    lines: list[str] = []
    seen: set[tuple[str, str]] = set()
    for response in responses:
        request = (str(response.request.method), str(response.request.url))
        if request in seen:
            lines.append(f"  {' '.join(request)}, for the second time")
            lines += [f"    {text}" for text in describe_cookies(response)]
            return "\n".join([f"{words}. They go round in a circle:", *lines])
        seen.add(request)
        lines += [f"  {line}" for line in redirect_lines(response)]
    return "\n".join([f"{words}:", *lines])
