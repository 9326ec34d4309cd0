"""Cookies that a jar did not send, or did not take, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import requests
from requests.cookies import MockRequest, MockResponse, RequestsCookieJar
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from ._set_cookie import SetCookie

# requests builds the header with a jar of its own, so that the policy of the client's has no say.
_POLICY: Any = DefaultCookiePolicy()
# What the standard library adds to a host without a dot.
_LOCAL = ".local"


class WithheldCookie(NamedTuple):
    """A cookie that was not sent.

    :ivar name: its name
    :ivar reason: why it was not, in words
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"The cookie {self.name} was not sent: {self.reason}."


def note_withheld(request: requests.PreparedRequest, jar: Iterable[Any] = ()) -> None:
    """Keep with a request which cookies its header lacks, as :func:`withheld_cookies` reads it.

    :param request: a prepared request
    :param jar: the cookies of its session, which may have changed since it was prepared
    """
    withheld = list(_find_withheld(request, jar))
    if withheld:
        cast(Any, request).withheld_cookies = withheld
    else:
        # Of a request that was sent before.
        vars(request).pop("withheld_cookies", None)


def withheld_cookies(request: requests.PreparedRequest) -> list[WithheldCookie]:
    """Return the cookies that a session had and did not send.

    :param request: a prepared request
    """
    withheld: list[WithheldCookie] = getattr(request, "withheld_cookies", [])
    return withheld


def refused_cookies(url: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield which cookies of a response a jar does not take, and why, as far as that is certain.

    :param url: URL of the request
    :param lines: the values of the response's Set-Cookie headers
    """
    lines = list(lines)
    if not lines:
        return
    # Only a failure asks; most clients are imported for tests that pass.
    from ._set_cookie import parse_cookie

    taken = {cookie.name for cookie in _take(url, lines)}
    for cookie in map(parse_cookie, lines):
        if cookie.name not in taken and not cookie.is_deleted:
            reason = _reason_to_refuse(cookie, _host(url))
            if reason:
                yield f"The cookie {cookie.name} was refused by the jar: {reason}."


def describe_cookies(response: Any) -> list[str]:
    """Return which cookies were withheld from a request and refused of its response, as text.

    :param response: a :class:`requests.Response`
    """
    request = response.request
    # Of another adapter, who knows.
    headers: Any = getattr(response.raw, "headers", None)
    lines = headers.getlist("set-cookie") if hasattr(headers, "getlist") else []
    return [*map(str, withheld_cookies(request)), *refused_cookies(str(request.url), lines)]


# -- sending -----------------------------------------------------------------------------------


def _find_withheld(
    request: requests.PreparedRequest, jar: Iterable[Any]
) -> Iterator[WithheldCookie]:
    # What its header was made of.
    own: Iterable[Any] | None = getattr(request, "_cookies", None)
    own = () if own is None else own
    if _is_empty(jar) and _is_empty(own):
        return
    cookies = [*jar, *own]
    header = request.headers.get("cookie")
    sent = _names_in(header)
    missing = {cookie.name: cookie for cookie in cookies if cookie.name not in sent}
    for name, cookie in missing.items():
        reason = _reason_to_withhold(cookie, request)
        if reason is None and header is not None:
            reason = "the request has a Cookie header of its own"
        # A request that was prepared elsewhere lacks those that nothing speaks against.
        if reason is not None:
            yield WithheldCookie(name, reason)


def _is_empty(jar: Iterable[Any]) -> bool:
    # Without a look at each cookie, for this is asked with every request.
    return not getattr(jar, "_cookies", jar)


def _names_in(header: str | bytes | None) -> set[str]:
    text = header.decode("latin-1") if isinstance(header, bytes) else header or ""
    return {pair.partition("=")[0].strip() for pair in text.split(";")}


def _reason_to_withhold(cookie: Cookie, request: requests.PreparedRequest) -> str | None:
    asked: Any = MockRequest(request)
    if cookie.is_expired():
        return "it has expired"
    if not (
        _POLICY.domain_return_ok(cookie.domain, asked) and _POLICY.return_ok_domain(cookie, asked)
    ):
        return _reason_of_domain(cookie.domain, _host(request.url))
    if not _POLICY.path_return_ok(cookie.path, asked):
        return f"it is for the path {cookie.path}"
    if not _POLICY.return_ok_secure(cookie, asked):
        return "it is Secure, and the connection is not"
    return None


def _reason_of_domain(domain: str, host: str) -> str:
    domain = domain.lstrip(".").lower()
    if domain == host and "." not in host:
        # The standard library calls the host testserver.local, and looks for that.
        return f"its domain is {domain}, and Python's cookie jars match no domain without a dot"
    return f"its domain is {domain.removesuffix(_LOCAL)}, and the host is {host}"


# -- receiving ---------------------------------------------------------------------------------


def _take(url: str, lines: list[str]) -> RequestsCookieJar:
    """Return a jar with what the jar of a session takes of a response."""
    request = requests.PreparedRequest()
    request.url = url
    request.headers = CaseInsensitiveDict()
    message = Message()
    for line in lines:
        message["Set-Cookie"] = line
    jar = RequestsCookieJar()
    response: Any = MockResponse(message)
    asked: Any = MockRequest(request)
    jar.extract_cookies(response, asked)
    return jar


def _reason_to_refuse(cookie: SetCookie, host: str) -> str | None:
    domain = cookie.attributes.get("domain", "").lstrip(".").lower()
    if not domain:
        return None
    is_matched = host == domain or host.endswith(f".{domain}")
    if is_matched and "." in domain:
        return None
    return _reason_of_domain(domain, domain if is_matched else host)


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or ""
