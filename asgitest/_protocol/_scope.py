"""Build the ``http``, ``websocket`` and ``lifespan`` scopes from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
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
        "scheme": urlsplit(url).scheme,
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
        "scheme": _WEBSOCKET_SCHEMES[urlsplit(url).scheme],
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
    parts = urlsplit(url)
    raw_path = parts.path or "/"
    return {
        # SC-05: decoded once, and what is not UTF-8 is replaced, as every server does.
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path.encode(),
        "query_string": parts.query.encode(),
        "root_path": options.root_path,
        "headers": headers,
        "client": options.client_address,
        "server": options.server_address or server_address(url),
        "state": dict(state),
    }


def server_address(url: str) -> tuple[str, int]:
    """Return host and port of a URL, the port of its scheme if it names none (SC-14).

    :param url: absolute ``http`` or ``https`` URL
    """
    parts = urlsplit(url)
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.hostname or "", port


def host_header(url: str) -> bytes:
    """Return the value of the ``host`` header for a URL (SC-11).

    :param url: absolute ``http`` or ``https`` URL
    :return: the host, with the port unless that is the scheme's own
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    default = f":{_DEFAULT_PORTS[parts.scheme]}"
    return host.removesuffix(default).encode()
