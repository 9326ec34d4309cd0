"""Shapes of requests and of the responses to them, for hypothesis to fill."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND", "PURGE")

# RFC 3986, section 3.3: what a segment of a path holds without being encoded.
_SEGMENT_CHARACTERS = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@"
# RFC 9110, section 5.6.2.
_TOKEN_CHARACTERS = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
# RFC 9110, section 5.5: visible characters and those beyond ASCII, but for two that Python takes
# for space, and one of the servers strips or refuses; spaces are set between.
_VISIBLE = bytes({*range(0x21, 0x7F), *range(0x80, 0x100)} - {0x85, 0xA0}).decode("latin-1")

_NOTABLE_SEGMENTS = (
    "",
    ".",
    "..",
    ";p=1",
    "a;p=1",
    "%2F",
    "a%2Fb",
    "%25",
    "%2525",
    "%20",
    "+",
    "%3F",
    "%23",
    "%C3%A9",
    "%c3%a9",
    "%F0%9F%92%A1",
    "%FF",
    "%C3",
    "%00",
    "caf%E9",
)

_REQUEST_HEADERS = (
    "Accept",
    "accept-language",
    "Authorization",
    "Content-Type",
    "Cookie",
    "Forwarded",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
)
_RESPONSE_HEADERS = (
    b"cache-control",
    b"content-language",
    b"content-type",
    b"etag",
    b"link",
    b"set-cookie",
    b"vary",
    b"www-authenticate",
    b"x-content-type-options",
)
_STATUSES = (
    *(200, 201, 202, 203, 206, 207, 226),
    *(300, 301, 302, 303, 307, 308),
    *(400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 451),
    *(500, 501, 503, 599),
)
_EMPTY_STATUSES = (204, 304)


@dataclass(frozen=True)
class HTTPShape:
    """A request, and what the application is to answer.

    :ivar method: the request's method
    :ivar target: its path and query, as they are to stand in the request line
    :ivar headers: its headers, list of ``(str, bytes)``
    :ivar chunks: its body; ``None`` for none
    :ivar chunked: whether the body is sent in chunked coding, else with a content-length
    :ivar reads: whether the application reads the request's events
    :ivar status: the response's status
    :ivar response_headers: its headers, list of ``(bytes, bytes)``
    :ivar body: its body, one part for each message but the last
    :ivar last: the body in the last message
    """

    method: str
    target: str
    headers: list[tuple[str, bytes]]
    chunks: list[bytes] | None
    chunked: bool
    reads: bool
    status: int
    response_headers: list[tuple[bytes, bytes]]
    body: list[bytes]
    last: bytes

    @property
    def is_last(self) -> bool:
        """Whether a server may be unable to take another request on the same connection.

        Some close one whose request was not read; and one of them writes parts of a body that
        belongs to a HEAD.
        """
        return (bool(self.chunks) and not self.reads) or (self.method == "HEAD" and bool(self.body))

    def plan(self, key: str, *, announced: bool) -> dict[str, Any]:
        """Return the instructions for the recorder.

        :param key: what to keep the record under
        :param announced: whether the record will be asked for with a request
        """
        return {
            "key": key,
            "announced": announced,
            "reads": self.reads,
            "status": self.status,
            "headers": self.response_headers,
            "body": self.body,
            "last": self.last,
        }


def targets() -> st.SearchStrategy[str]:
    """Return the paths, with queries or without, as a request line holds them."""
    encoded = st.text(max_size=4).map(_quote)
    segments = st.one_of(
        st.sampled_from(_NOTABLE_SEGMENTS),
        st.text(_SEGMENT_CHARACTERS, min_size=1, max_size=6),
        encoded,
    )
    paths = st.lists(segments, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
    query_parts = st.one_of(
        st.sampled_from(("a=1", "a", "=", "&&", "?", "/", "a=%26", "q=%C3%A9", "q=%FF", "+")),
        st.text(_SEGMENT_CHARACTERS + "/?", max_size=6),
        encoded,
    )
    queries = st.lists(query_parts, max_size=4).map("&".join).map("?".__add__) | st.just("")
    return st.builds("{}{}".format, paths, queries)


def _quote(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def header_values() -> st.SearchStrategy[bytes]:
    """Return the values of headers: words with spaces or tabs between, or nothing."""
    words = st.text(_VISIBLE, min_size=1, max_size=6)
    gaps = st.sampled_from((" ", "\t", "  ", ", ", "; "))
    texts = st.one_of(st.just(""), words, st.builds("{}{}{}".format, words, gaps, words))
    return texts.map(lambda text: text.encode("latin-1"))


def header_names() -> st.SearchStrategy[str]:
    """Return names of headers that mean nothing to anybody."""
    return st.text(_TOKEN_CHARACTERS, min_size=1, max_size=8).map("X-".__add__)


def request_headers() -> st.SearchStrategy[list[tuple[str, bytes]]]:
    """Return the headers of requests, some of them more than once."""
    names = st.one_of(st.sampled_from(_REQUEST_HEADERS), header_names())
    return st.lists(st.tuples(names, header_values()), max_size=5).flatmap(
        lambda pairs: st.permutations([*pairs, *pairs[:1]]).map(list)
    )


def response_headers() -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    """Return the headers of responses, some of them more than once."""
    names = st.one_of(st.sampled_from(_RESPONSE_HEADERS), header_names().map(str.encode))
    pairs = st.tuples(names, header_values())
    # requests follows a location, and takes it for UTF-8.
    locations = st.tuples(st.just(b"location"), targets().map(str.encode))
    return st.lists(st.one_of(pairs, pairs, pairs, locations), max_size=5)


_pieces = st.one_of(
    st.just(b""),
    st.binary(max_size=12),
    st.builds(bytes.__mul__, st.binary(max_size=3), st.just(700)),
)


@st.composite
def http_shapes(draw: st.DrawFn) -> HTTPShape:
    """Return requests together with the responses to them."""
    method = draw(st.sampled_from(METHODS))
    chunked = draw(st.booleans())
    # An empty chunk would end the body.
    chunks = draw(
        st.none() | st.lists(_pieces.filter(bool) if chunked else _pieces, min_size=1, max_size=3)
    )
    status = draw(st.sampled_from(_STATUSES) | st.sampled_from(_EMPTY_STATUSES))
    empty = status in _EMPTY_STATUSES
    body = [] if empty else draw(st.lists(_pieces, max_size=3))
    last = b"" if empty else draw(_pieces)
    headers = draw(response_headers())
    if not empty and draw(st.booleans()):
        headers.append((b"content-length", str(len(b"".join(body) + last)).encode()))
    return HTTPShape(
        method=method,
        target=draw(targets()),
        headers=draw(request_headers()),
        chunks=chunks,
        chunked=chunked,
        reads=draw(st.booleans()),
        status=status,
        response_headers=headers,
        body=body,
        last=last,
    )


_PLAIN = HTTPShape(
    method="GET",
    target="/",
    headers=[],
    chunks=None,
    chunked=False,
    reads=True,
    status=200,
    response_headers=[],
    body=[],
    last=b"",
)
_REPEATED = [("a", b"1"), ("b", b"2"), ("a", b"3")]

#: Shapes that show every difference there is between the servers and asgitest.
NOTABLE_SHAPES = (
    _PLAIN,
    replace(_PLAIN, headers=_REPEATED),
    replace(_PLAIN, headers=[("a_b", b"1")]),
    replace(_PLAIN, headers=[("a", b"\x85")]),
    replace(_PLAIN, response_headers=[(name.encode(), value) for name, value in _REPEATED]),
    replace(_PLAIN, method="HEAD", body=[b"first", b"second"], last=b"last"),
)
