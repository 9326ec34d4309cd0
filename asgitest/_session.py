"""A ``requests.Session`` that skips what cannot matter in process.

Environment, proxies and certificates have no meaning here, and most requests have nothing to merge.
Whatever is skipped would have had no effect that a user of requests can observe; whatever might
have one takes requests' own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any, cast

import requests
from requests.cookies import RequestsCookieJar, cookiejar_from_dict, merge_cookies
from requests.sessions import merge_hooks, merge_setting
from requests.structures import CaseInsensitiveDict

from ._request import check_line, header_lines

# URLs that a suite sends again and again.
_REMEMBERED = 1024


class InProcessSession(requests.Session):
    """A session whose requests stay in the process; its ``trust_env`` is false unless set."""

    def __init__(self) -> None:
        super().__init__()
        # Proxies, certificates and passwords of the machine are nobody's business here.
        self.trust_env = False

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request with the session's settings.

        :param request: a request with an absolute URL
        :return: the prepared request
        """
        if self.trust_env:
            return super().prepare_request(request)
        prepared = QuickPreparedRequest()
        prepared.prepare(
            method=cast(str, request.method).upper(),
            url=request.url,
            headers=_merged_headers(request.headers, self.headers),
            files=request.files,
            data=request.data,
            params=_merged(request.params, self.params),
            auth=merge_setting(request.auth, self.auth),
            cookies=_merged_cookies(request.cookies, self.cookies),
            hooks=merge_hooks(request.hooks, self.hooks),
            json=request.json,
        )
        return prepared

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Merge settings of a request with those of the session.

        :param url: URL of the request
        :param proxies: proxies of the request
        :param stream: whether to stream
        :param verify: ignored by the adapter, as nothing is encrypted
        :param cert: ignored by the adapter
        :return: the settings by name
        """
        if self.trust_env or proxies or self.proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        return {
            "proxies": {},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }


class QuickPreparedRequest(requests.PreparedRequest):
    """A prepared request that parses the URLs and header lines it has met before only once."""

    def prepare_url(self, url: Any, params: Any) -> None:
        """Prepare the URL.

        :param url: an absolute URL
        :param params: query parameters to add to it
        """
        if params or not isinstance(url, str):
            super().prepare_url(url, params)
        else:
            self.url = _prepared_url(url)

    def prepare_headers(self, headers: Any) -> None:
        """Check the headers and take them.

        :param headers: a mapping, ``None`` for no headers
        :raises requests.exceptions.InvalidHeader: if a name or a value cannot be one
        """
        self.headers = CaseInsensitiveDict()
        for name, value in header_lines(headers or {}):
            check_line(name, value)
            self.headers[name if type(name) is str else _native(name)] = value

    def prepare_cookies(self, cookies: Any) -> None:
        """Take the cookies, and build their header unless there are none.

        :param cookies: a jar
        """
        if len(cookies):
            super().prepare_cookies(cookies)
        else:
            self._cookies = cookies

    def prepare_auth(self, auth: Any, url: Any = "") -> None:
        """Let the credentials change the request.

        :param auth: credentials; ``None`` takes those of the URL, if it has any
        :param url: the URL
        """
        if auth is not None or "@" in str(self.url):
            super().prepare_auth(auth, url)


@lru_cache(maxsize=_REMEMBERED)
def _prepared_url(url: str) -> str:
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return str(prepared.url)


def _native(name: Any) -> str:
    return name.decode("ascii") if isinstance(name, bytes) else str(name)


def _merged_cookies(of_request: Any, of_session: Any) -> RequestsCookieJar:
    jar = RequestsCookieJar()
    if len(of_session):
        merge_cookies(jar, of_session)
    if of_request:
        # Of plain values, merging would let the session's come first.
        is_jar = isinstance(of_request, CookieJar)
        merge_cookies(jar, of_request if is_jar else cookiejar_from_dict(of_request))
    return jar


def _merged(of_request: Any, of_session: Any) -> Any:
    if not of_request and not of_session:
        return of_request
    return merge_setting(of_request, of_session)


def _merged_headers(of_request: Any, of_session: Any) -> Any:
    is_plain = _is_plain(of_session)
    if is_plain and not of_request:
        return of_session
    if is_plain and _is_plain(of_request):
        # As requests does, which asks first what each of them is, at some expense.
        merged = CaseInsensitiveDict(header_lines(of_session))
        merged.update(header_lines(of_request))
        return merged
    return merge_setting(of_request, of_session, dict_class=CaseInsensitiveDict)


def _is_plain(headers: Any) -> bool:
    # requests leaves out what is None, of the session's headers as well.
    return isinstance(headers, Mapping) and all(
        value is not None for _, value in header_lines(headers)
    )
