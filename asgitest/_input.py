"""Refuse bad input of a test before an application is called with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http.cookiejar import CookieJar
from typing import Any

from ._protocol._texts import shorten
from ._protocol._websocket import LONGEST_REASON, SENDABLE_CODES

# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 6455, section 7.4.1: no client sends these, but they are what an application is told.
_TOLD_CODES = (1005, 1006, 1015)
_PORTS = range(2**16)


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false.

    :param name: name of the option
    :param value: its value
    :raises TypeError: if it is no ``bool``
    """
    if not isinstance(value, bool):
        raise _type_error(name, "True or False", value)


def check_root_path(root_path: object) -> None:
    """Refuse a path at which nothing can be mounted (SC-08).

    :param root_path: where the application is mounted
    :raises TypeError: if it is no ``str``
    :raises ValueError: if it does not begin with a slash, or ends with one
    """
    if not isinstance(root_path, str):
        raise _type_error("root_path", "str", root_path)
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ValueError(
            f"root_path must be empty, or begin with a slash and not end with one, such as "
            f"'/api', not {root_path!r}"
        )


def check_client_address(address: object) -> None:
    """Refuse what is no address of a client (SC-13).

    :param address: host and port, or ``None``
    :raises TypeError: if it is neither
    :raises ValueError: if the port is none
    """
    if address is not None:
        _check_address("client_address", "a pair of host (str) and port (int)", address, int)


def check_server_address(address: object) -> None:
    """Refuse what is no address of a server (SC-14).

    :param address: host and port, path and ``None``, or ``None``
    :raises TypeError: if it is none of these
    :raises ValueError: if the port is none
    """
    if address is not None:
        expected = "a pair of host (str) and port (int), or of the path of a socket and None"
        _check_address("server_address", expected, address, (int, type(None)))


def _check_address(name: str, expected: str, address: object, port_types: Any) -> None:
    if not isinstance(address, (tuple, list)) or len(address) != 2:
        raise _type_error(name, f"{expected}, or None", address)
    host, port = address
    if not isinstance(host, str) or isinstance(port, bool) or not isinstance(port, port_types):
        raise _type_error(name, f"{expected}, or None", address)
    if port is not None and port not in _PORTS:
        raise ValueError(f"{name} must have a port from 0 to 65535, not {port}")


def check_scope(scope: object) -> None:
    """Refuse what cannot be merged over a scope (APP-02).

    :param scope: keys and values, or ``None``
    :raises TypeError: if it is no mapping with keys of type ``str``
    """
    if scope is None:
        return
    if not isinstance(scope, Mapping):
        raise _type_error("scope", "a mapping of keys to merge over each scope's own", scope)
    for key in scope:
        if not isinstance(key, str):
            raise _type_error("scope", "a mapping whose keys are str", scope)


def check_mapping(name: str, value: object) -> None:
    """Refuse what is no mapping.

    :param name: name of the option
    :param value: its value
    :raises TypeError: if it is neither a mapping nor ``None``
    """
    if value is not None and not isinstance(value, Mapping):
        raise _type_error(name, "a mapping, or None", value)


def check_cookies(cookies: object) -> None:
    """Refuse what are no cookies.

    :param cookies: a mapping of names to values, a jar, or ``None``
    :raises TypeError: if they are none of these
    """
    if cookies is not None and not isinstance(cookies, (Mapping, CookieJar)):
        raise _type_error("cookies", "a mapping of names to values or a cookie jar", cookies)


def check_data(data: object) -> None:
    """Refuse what is no body of a request.

    :param data: form fields, bytes, text, a file, an iterable, or ``None``
    :raises TypeError: if it is none of these
    """
    expected = "form fields, bytes, str, a file or an iterable of bytes"
    if isinstance(data, (list, tuple)):
        for item in data:
            if not isinstance(item, (list, tuple)) or len(item) != 2:
                raise _type_error("data", "a list of (name, value) if it is a list", data)
    elif data is not None and not (isinstance(data, Iterable) or hasattr(data, "read")):
        raise _type_error("data", expected, data)


def check_body(body: object) -> None:
    """Refuse a body that is no body, of a request that is prepared.

    :param body: the body
    :raises TypeError: if it is neither bytes, nor text, nor a file, nor an iterable
    """
    kinds = (bytes, str, bytearray, memoryview, Iterable)
    if body is not None and not isinstance(body, kinds) and not hasattr(body, "read"):
        raise _type_error("a request's body", "bytes, str, a file or an iterable of bytes", body)


def check_subprotocols(subprotocols: object) -> list[str]:
    """Return the subprotocols to offer (SC-17).

    :param subprotocols: an iterable of ``str``, or ``None``
    :raises TypeError: if it is neither
    :raises ValueError: if one of them is no token (RFC 6455, section 4.1)
    """
    if subprotocols is None:
        return []
    if isinstance(subprotocols, str):
        raise _type_error("subprotocols", "a list of str, not one", subprotocols)
    if not isinstance(subprotocols, Iterable):
        raise _type_error("subprotocols", "a list of str", subprotocols)
    offered = list(subprotocols)
    for subprotocol in offered:
        if not isinstance(subprotocol, str):
            raise _type_error("each of the subprotocols", "str", subprotocol)
        if not _TOKEN.fullmatch(subprotocol):
            raise ValueError(
                f"each of the subprotocols must be a token (letters, digits and "
                f"!#$%&'*+-.^_`|~), not {subprotocol!r}"
            )
    return offered


def check_close(code: object, reason: object) -> tuple[int, str]:
    """Return code and reason of a close that a client may send (RFC 6455, section 7.4).

    :param code: the code
    :param reason: the reason, ``None`` for none
    :raises TypeError: if the code is no ``int``, or the reason no ``str``
    :raises ValueError: if the code may not be sent, or the reason is too long
    """
    number = _close_code(code)
    if number not in SENDABLE_CODES:
        raise ValueError(
            f"a close code must be one that may be sent (1000 to 1003, 1007 to 1014, 3000 to "
            f"4999), not {number}; disconnect() loses the connection without one"
        )
    if reason is None:
        return number, ""
    if not isinstance(reason, str):
        raise _type_error("a close reason", "str or None", reason)
    try:
        length = len(reason.encode())
    except UnicodeEncodeError:
        raise ValueError(
            f"a close reason must be encodable as UTF-8, not {shorten(reason)}"
        ) from None
    if length > LONGEST_REASON:
        raise ValueError(
            f"a close reason must be at most {LONGEST_REASON} bytes of UTF-8, "
            f"not {length}: {shorten(reason)}"
        )
    return number, reason


def check_lost_code(code: object) -> int:
    """Return the code that an application is told of a lost connection (WS-DISC-02).

    :param code: the code
    :raises TypeError: if it is no ``int``
    :raises ValueError: if no application is ever told that
    """
    number = _close_code(code)
    if number not in SENDABLE_CODES and number not in _TOLD_CODES:
        raise ValueError(
            f"a close code must be 1005, 1006 or 1015, or one that may be sent (1000 to 1003, "
            f"1007 to 1014, 3000 to 4999), not {number}"
        )
    return number


def _close_code(code: object) -> int:
    if isinstance(code, bool) or not isinstance(code, int):
        raise _type_error("a close code", "int", code)
    return int(code)


def _type_error(name: str, expected: str, value: object) -> TypeError:
    return TypeError(f"{name} must be {expected}, not {type(value).__name__}: {shorten(value)}")
