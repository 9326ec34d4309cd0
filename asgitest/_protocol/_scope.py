"""Build the ``http``, ``websocket`` and ``lifespan`` scopes from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from ._headers import Headers

Scope = dict[str, Any]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}


@dataclass(frozen=True)
class ScopeOptions:
    """What the scopes of one client have in common.

    :ivar root_path: where the application is mounted; given on as it is (SC-08)
    :ivar http_version: ``"1.0"``, ``"1.1"`` or ``"2"`` (SC-03)
    :ivar http_spec_version: announced on HTTP scopes (SC-02)
    :ivar websocket_spec_version: announced on WebSocket scopes (SC-02)
    :ivar client_address: host and port of the client, ``None`` to withhold it (SC-13)
    :ivar server_address: host and port of the server; ``None`` takes the URL's (SC-14)
    :ivar extra: merged over each scope's own keys
    """

    root_path: str = ""
    http_version: str = "1.1"
    http_spec_version: str = "2.3"
    websocket_spec_version: str = "2.4"
    client_address: tuple[str, int] | None = ("127.0.0.1", 50000)
    server_address: tuple[str, int | None] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


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
    return {
        "type": "http",
        "asgi": {"version": asgi_version, "spec_version": options.http_spec_version},
        "http_version": options.http_version,
        "method": method.upper(),
        "scheme": request_target(url).scheme,
        **_common(options, url, headers, state),
        # Found by templates that hand their context to the test (EXT-DEBUG-01).
        "extensions": {"http.response.debug": {}, "http.response.template": {}},
        **options.extra,
    }


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
    """
    return {
        "type": "websocket",
        "asgi": {"version": asgi_version, "spec_version": options.websocket_spec_version},
        "http_version": options.http_version,
        "scheme": _WEBSOCKET_SCHEMES[request_target(url).scheme],
        **_common(options, url, headers, state),
        "subprotocols": list(subprotocols),
        # WS-DENY-01: frameworks deny with a response, and most servers announce it.
        "extensions": {"websocket.http.response": {}},
        **options.extra,
    }


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


def _common(options: ScopeOptions, url: str, headers: Headers, state: Mapping[str, Any]) -> Scope:
    target = request_target(url)
    return {
        "path": target.path,
        "raw_path": target.raw_path,
        "query_string": target.query_string,
        "root_path": options.root_path,
        "headers": headers,
        "client": options.client_address,
        "server": options.server_address or target.server,
        "state": dict(state),
    }


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
