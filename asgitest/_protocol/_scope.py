"""Build the ``http``, ``websocket`` and ``lifespan`` scopes from plain values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from ._extensions import FOR_TESTS, Announcement, announce
from ._headers import Headers
from ._messages import parse_version
from ._profiles import DEFAULT, Profile

Scope = dict[str, Any]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}
# RFC 9113, section 8.2.2: what concerns the connection is not for HTTP/2 to say in headers.
_NOT_IN_HTTP_2 = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
# RFC 8441, section 5: nor has the handshake there a key.
_NO_HANDSHAKE_IN_HTTP_2 = _NOT_IN_HTTP_2 | {b"sec-websocket-key"}
_ANNOUNCED = announce(None, FOR_TESTS | DEFAULT.http_extensions | DEFAULT.websocket_extensions)


class ScopeOptions(NamedTuple):
    """What the scopes of one client have in common.

    :ivar root_path: where the application is mounted; given on as it is (SC-08)
    :ivar http_version: ``"1.0"``, ``"1.1"`` or ``"2"`` (SC-03)
    :ivar http_spec_version: announced on HTTP scopes, ``None`` for nothing (SC-02)
    :ivar websocket_spec_version: announced on WebSocket scopes, ``None`` for nothing (SC-02)
    :ivar client_address: host and port of the client, ``None`` to withhold it (SC-13)
    :ivar server_address: host and port of the server; ``None`` takes the URL's (SC-14)
    :ivar extensions: what is announced (EXT-01)
    :ivar profile: the shape that the scopes have
    :ivar extra: merged over each scope's own keys
    """

    root_path: str = ""
    http_version: str = "1.1"
    http_spec_version: str | None = "2.3"
    websocket_spec_version: str | None = "2.4"
    client_address: tuple[str, int] | None = ("127.0.0.1", 50000)
    server_address: tuple[str, int | None] | None = None
    extensions: Announcement = _ANNOUNCED
    profile: Profile = DEFAULT
    extra: Mapping[str, Any] = MappingProxyType({})


def http_scope(
    options: ScopeOptions,
    *,
    method: str,
    url: str,
    headers: Headers,
    state: Mapping[str, Any],
    asgi_version: str = "3.0",
) -> Scope:
    """Build the scope of one request.

    :param options: what the client's scopes have in common
    :param method: the request's method
    :param url: absolute ``http`` or ``https`` URL, percent-encoded
    :param headers: the request's headers, list of ``(bytes, bytes)``, names in lower case
    :param state: the lifespan's state; the scope gets a shallow copy (LIFE-13)
    :param asgi_version: ``"2.0"`` for an application in two steps (SC-01)
    """
    scheme = request_target(url).scheme
    return _shaped(
        {
            "type": "http",
            "asgi": _asgi(asgi_version, options.http_spec_version),
            "http_version": options.http_version,
            "method": method.upper(),
            "scheme": scheme,
            **_common(options, url, options.http_spec_version, state),
            "headers": _shaped_headers(options, headers, _NOT_IN_HTTP_2),
            "extensions": options.extensions.on("http", scheme),
        },
        options,
        options.profile.left_out,
    )


def websocket_scope(
    options: ScopeOptions,
    *,
    url: str,
    headers: Headers,
    state: Mapping[str, Any],
    subprotocols: Sequence[str] = (),
    asgi_version: str = "3.0",
) -> Scope:
    """Build the scope of one WebSocket; it has no ``method`` (SC-18).

    :param options: what the client's scopes have in common
    :param url: absolute ``http`` or ``https`` URL of the handshake, percent-encoded
    :param headers: the handshake's headers, list of ``(bytes, bytes)``, names in lower case
    :param state: the lifespan's state; the scope gets a shallow copy (LIFE-13)
    :param subprotocols: what the client offers, in order (SC-17)
    :param asgi_version: ``"2.0"`` for an application in two steps (SC-01)
    :raises ValueError: if the HTTP version has no WebSockets
    """
    # SC-03: there are none in the first HTTP, which cannot change to another protocol.
    if options.http_version == "1.0":
        raise ValueError("http_version='1.0' has no WebSockets; they need '1.1' or '2'")
    scheme = _WEBSOCKET_SCHEMES[request_target(url).scheme]
    return _shaped(
        {
            "type": "websocket",
            "asgi": _asgi(asgi_version, options.websocket_spec_version),
            "http_version": options.http_version,
            "scheme": scheme,
            **_common(options, url, options.websocket_spec_version, state),
            "headers": _shaped_headers(options, headers, _NO_HANDSHAKE_IN_HTTP_2),
            "subprotocols": list(subprotocols),
            "extensions": options.extensions.on("websocket", scheme),
        },
        options,
        options.profile.left_out | options.profile.websocket_left_out,
    )


def lifespan_scope(state: dict[str, Any], asgi_version: str = "3.0") -> Scope:
    """Build the scope of a lifespan (LIFE-02).

    :param state: the very dict that the application fills (LIFE-12)
    :param asgi_version: ``"2.0"`` for an application in two steps (SC-01)
    """
    return {
        "type": "lifespan",
        "asgi": {"version": asgi_version, "spec_version": "2.0"},
        "state": state,
    }


def _asgi(version: str, spec_version: str | None) -> dict[str, str]:
    if spec_version is None:
        return {"version": version}
    return {"version": version, "spec_version": spec_version}


def _common(
    options: ScopeOptions, url: str, spec_version: str | None, state: Mapping[str, Any]
) -> Scope:
    target = request_target(url)
    return {
        "path": target.path,
        "raw_path": target.raw_path,
        "query_string": target.query_string,
        "root_path": options.root_path,
        "client": options.client_address,
        "server": _server(options, target.server, spec_version),
        "state": dict(state),
    }


def _server(
    options: ScopeOptions, of_url: tuple[str, int], spec_version: str | None
) -> tuple[str, int | None] | None:
    if options.server_address is None:
        return of_url
    # SC-14: that of a Unix socket, which has no port, cannot be said in earlier versions.
    has_port = options.server_address[1] is not None
    return options.server_address if has_port or _is_since_2_2(spec_version) else None


def _is_since_2_2(spec_version: str | None) -> bool:
    return spec_version is not None and parse_version(spec_version) >= (2, 2)


def _shaped(scope: Scope, options: ScopeOptions, left_out: Collection[str]) -> Scope:
    for key in left_out:
        scope.pop(key, None)
    if not (scope["extensions"] or options.profile.empty_extensions):
        del scope["extensions"]
    if options.profile.address_lists:
        for key in ("client", "server"):
            if scope[key] is not None:
                scope[key] = list(scope[key])
    scope.update(options.extra)
    return scope


def _shaped_headers(
    options: ScopeOptions, headers: Headers, not_in_http_2: Collection[bytes]
) -> Headers:
    if options.http_version != "2":
        return headers
    kept = [pair for pair in headers if pair[0] not in not_in_http_2]
    if not options.profile.split_cookies:
        return kept
    return [
        (name, part)
        for name, value in kept
        for part in (value.split(b"; ") if name == b"cookie" else [value])
    ]


class Target(NamedTuple):
    """What a URL says of a request.

    :ivar scheme: ``"http"`` or ``"https"``
    :ivar path: decoded once, and what is not UTF-8 is replaced, as every server does (SC-05)
    :ivar raw_path: as it is sent (SC-06)
    :ivar query_string: what follows the first question mark (SC-07)
    :ivar server: host and port, the port of the scheme if the URL names none (SC-14)
    :ivar host: value of the ``host`` header, with the port unless that is the scheme's (SC-11)
    """

    scheme: str
    path: str
    raw_path: bytes
    query_string: bytes
    server: tuple[str, int]
    host: bytes


# A suite asks for the same few URLs again and again.
@lru_cache(maxsize=1024)
def request_target(url: str) -> Target:
    """Take a URL apart.

    :param url: absolute ``http`` or ``https`` URL, percent-encoded
    """
    parts = urlsplit(url)
    raw_path = parts.path or "/"
    default_port = _DEFAULT_PORTS[parts.scheme]
    port = default_port if parts.port is None else parts.port
    return Target(
        scheme=parts.scheme,
        path=unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        raw_path=raw_path.encode(),
        query_string=parts.query.encode(),
        server=(parts.hostname or "", port),
        host=parts.netloc.rpartition("@")[2].removesuffix(f":{default_port}").encode(),
    )
