"""What a prepared request holds, as plain values for a scope and its events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import urllib3
from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity

from ._protocol._headers import Headers
from ._protocol._scope import request_target

#: Bytes of a file that make one ``http.request`` event.
FILE_CHUNK = 64 * 1024


# RFC 9110, sections 5.6.2 and 5.5.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(rb"[\r\n\x00]")
# What urllib3 makes of text, since version 2 and before, and what requests has counted for the
# content-length.
_TEXT_ENCODING = "utf-8" if hasattr(urllib3, "BaseHTTPResponse") else "latin-1"

# Header lines that a suite sends again and again.
_REMEMBERED = 1024


class HeaderPairs(CaseInsensitiveDict[Any]):
    """Request headers that keep order and duplicates; to requests, a dict like its own.

    :param pairs: list of ``(name, value)``
    """

    def __init__(self, pairs: Any = None, **kwargs: Any) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        super().__init__(None, **kwargs)
        if pairs is not None:
            items = pairs.items() if hasattr(pairs, "items") else pairs
            self.pairs.extend((name, value) for name, value in items)

    def __setitem__(self, name: str, value: Any) -> None:
        indexes = self._indexes(name)
        if not indexes:
            self.pairs.append((name, value))
            return
        self.pairs[indexes[0]] = (name, value)
        for index in reversed(indexes[1:]):
            del self.pairs[index]

    def __getitem__(self, name: str) -> Any:
        values = [self.pairs[index][1] for index in self._indexes(name)]
        if not values:
            raise KeyError(name)
        return values[0] if len(values) == 1 else ", ".join(map(_text, values))

    def __delitem__(self, name: str) -> None:
        indexes = self._indexes(name)
        if not indexes:
            raise KeyError(name)
        for index in reversed(indexes):
            del self.pairs[index]

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for name, _ in self.pairs:
            if _text(name).lower() not in seen:
                seen.add(_text(name).lower())
                yield name

    def __len__(self) -> int:
        return len({_text(name).lower() for name, _ in self.pairs})

    def lower_items(self) -> Iterator[tuple[str, Any]]:
        """Yield each name in lower case with its value, duplicates joined."""
        return ((_text(name).lower(), self[name]) for name in self)

    def copy(self) -> HeaderPairs:
        """Return a copy."""
        return HeaderPairs(self.pairs)

    def _indexes(self, name: str) -> list[int]:
        wanted = _text(name).lower()
        return [
            index for index, (other, _) in enumerate(self.pairs) if _text(other).lower() == wanted
        ]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def header_pairs(headers: Any) -> list[tuple[Any, Any]]:
    """Return headers as a list of pairs.

    :param headers: a mapping, an iterable of pairs, or ``None``
    :raises TypeError: if it is neither
    :raises ValueError: if an item of an iterable is no pair
    :raises requests.exceptions.InvalidHeader: if a name or a value is none
    """
    if headers is None or headers == {}:
        return []
    if isinstance(headers, HeaderPairs):
        return list(headers.pairs)
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(
            f"headers must be a mapping or a list of (name, value), "
            f"not {type(headers).__name__}: {headers!r}"
        )
    items: list[Any] = list(headers.items() if isinstance(headers, Mapping) else headers)
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise ValueError(f"headers must be a mapping or a list of (name, value), not {item!r}")
        if item[1] is not None:
            # Here, because joining duplicates would make text of anything.
            check_line(item[0], item[1])
    return [(_text(name), value) for name, value in items]


def check_line(name: Any, value: Any) -> None:
    """Refuse what requests does not take for a header.

    :param name: its name
    :param value: its value
    :raises requests.exceptions.InvalidHeader: if one of them cannot be one
    """
    if type(name) is str is type(value):
        _check_known_line(name, value)
    else:
        check_header_validity((name, value))


@lru_cache(maxsize=_REMEMBERED)
def _check_known_line(name: str, value: str) -> None:
    check_header_validity((name, value))


def header_lines(headers: Mapping[str, Any]) -> Iterable[tuple[Any, Any]]:
    """Return the names and values of headers as they were set, in order.

    :param headers: a mapping
    """
    if type(headers) is CaseInsensitiveDict:
        # The view that items() gives looks each name up again.
        return headers._store.values()
    return headers.items()


def scope_headers(request: PreparedRequest) -> Headers:
    """Return the headers of a request as its scope holds them.

    Names are in lower case, and ``host`` comes first, made of the URL unless the request has one
    of its own (SC-09, SC-11).

    :param request: a prepared request
    :raises ValueError: if a name or a value cannot be encoded as latin-1, a name is no token, or a
        value does not fit into one line
    """
    held = request.headers
    lines = held.pairs if isinstance(held, HeaderPairs) else header_lines(held)
    headers = [
        (_known_line if type(name) is str is type(value) else _line)(name, value)
        for name, value in lines
    ]
    hosts = [pair for pair in headers if pair[0] == b"host"]
    if not hosts:
        return [(b"host", request_target(str(request.url)).host), *headers]
    return [*hosts, *(pair for pair in headers if pair[0] != b"host")]


def _line(name: str | bytes, value: str | bytes) -> tuple[bytes, bytes]:
    encoded = _encode(name, name).lower()
    line = _encode(name, value).strip(b" \t")
    if encoded.startswith(b":"):
        # SC-10: a server turns these into other keys of the scope.
        raise ValueError(f"a request cannot have the pseudo header {encoded.decode('latin-1')!r}")
    if not _TOKEN.fullmatch(encoded) or _FORBIDDEN_IN_VALUE.search(line):
        raise ValueError(
            f"request header {encoded.decode('latin-1')!r}: its name must be a token, and its "
            f"value hold neither CR, LF nor NUL: {line!r}"
        )
    return encoded, line


# A suite sends the same few lines again and again.
_known_line = lru_cache(maxsize=_REMEMBERED)(_line)


def _encode(name: str | bytes, value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(
            f"request header {name!r}: must be encodable as latin-1, or given as bytes, "
            f"not {value!r}"
        ) from None


def body_in_memory(request: PreparedRequest) -> bytes | None:
    """Return the body of a request as bytes, ``None`` if it has to be read piece by piece.

    :param request: a prepared request
    """
    body = request.body
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode(_TEXT_ENCODING)
    return None


def body_chunks(body: Any) -> Iterator[bytes]:
    """Yield the parts of a body that is a file or an iterable; empty ones are left out.

    :param body: body of a prepared request
    :raises TypeError: if a part is neither bytes nor text
    """
    parts: Iterable[Any] = iter(lambda: body.read(FILE_CHUNK), b"") if _is_file(body) else body
    for part in parts:
        if isinstance(part, str):
            part = part.encode(_TEXT_ENCODING)
        if not isinstance(part, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"the parts of a request's body must be bytes or str, "
                f"not {type(part).__name__}: {part!r}"
            )
        # An empty part would end a body in chunked coding, so that no server ever sees one.
        if part:
            yield bytes(part)
        elif _is_file(body):
            return


def _is_file(body: Any) -> bool:
    return hasattr(body, "read")
