"""The table of what servers do otherwise than asgitest.

A row tells what a server shows where asgitest shows something else. With the rows of a server
applied to what asgitest shows, the outcome has to be what the server shows, to the last byte. The
table is printed in ``docs/servers.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlparse

from .observation import MISSING, Matching, Observation

UVICORN = ("uvicorn-h11", "uvicorn-httptools")
ALL = (*UVICORN, "hypercorn", "daphne", "granian")


@dataclass(frozen=True)
class Difference:
    """One row.

    :ivar name: what it is called
    :ivar servers: the servers that differ
    :ivar path: where it shows in an observation
    :ivar text: what asgitest does, and what they do, for the docs
    :ivar shown: turns what asgitest shows there into what they show; is given the whole
        observation, too
    """

    name: str
    servers: tuple[str, ...]
    path: str
    text: str
    shown: Callable[[Any, Observation], Any]


def _grouped(headers: Any, observation: Observation) -> Any:
    """Put headers of one name together, at the place of the first."""
    grouped: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        grouped.setdefault(name, []).append(value)
    return [(name, value) for name, values in grouped.items() for value in values]


def _without_underscores(headers: Any, observation: Observation) -> Any:
    return [(name, value) for name, value in headers if b"_" not in name]


def _missing(value: Any, observation: Observation) -> Any:
    return MISSING


def _text_port(address: Any, observation: Observation) -> Any:
    return [address[0], address[1].replace("int ", "str ")]


def _extensions(value: Any, observation: Observation) -> Any:
    return Matching(
        lambda extensions: extensions == MISSING or isinstance(extensions, dict),
        "missing, or a dict",
    )


def _version(value: Any, observation: Observation) -> Any:
    return Matching(
        lambda version: version in (MISSING, "2.0", "2.1", "2.2", "2.3", "2.4", "2.5"),
        "missing, or a version that there is",
    )


def _with_length(headers: Any, observation: Observation) -> Any:
    """Add the length that is known when a response is one message."""
    length = observation["plan.whole"]
    has_none = observation["response.status"] in (204, 304) or (
        observation["scope.method"] == "HEAD" and not length
    )
    if length is None or has_none or any(name == b"content-length" for name, _ in headers):
        return headers
    return [*headers, (b"content-length", str(length).encode())]


def _surplus(value: Any, observation: Observation) -> Any:
    return observation["plan.later"] if observation["scope.method"] == "HEAD" else value


def _refused(value: Any, observation: Observation) -> Any:
    return any(b"\x85" in value for _, value in observation["scope.headers"])


#: Servers that are asked for no denial response: in granian 2.8.7 one can end the process.
WITHOUT_DENIALS = ("granian",)

COMMON_DIFFERENCES = (
    Difference(
        "refused byte",
        ("daphne",),
        "refused",
        "daphne answers 400 to the byte 0x85 in the value of a header, which RFC 9110 allows; "
        "asgitest passes it on",
        _refused,
    ),
    Difference(
        "state",
        ("daphne",),
        "scope.state",
        "daphne runs no lifespan, so there is no state (SC-15)",
        _missing,
    ),
    Difference(
        "ports as text",
        ("granian",),
        "scope.client",
        "granian gives the client's port as str, which the text forbids (SC-13)",
        _text_port,
    ),
    Difference(
        "ports as text",
        ("granian",),
        "scope.server",
        "granian gives the server's port as str, which the text forbids (SC-14)",
        _text_port,
    ),
    Difference(
        "underscores",
        ("daphne",),
        "scope.headers",
        "daphne drops request headers with an underscore in their names, which frameworks could "
        "take for others; asgitest passes them on",
        _without_underscores,
    ),
)

HTTP_DIFFERENCES = (
    *COMMON_DIFFERENCES,
    Difference(
        "extensions",
        ALL,
        "scope.extensions",
        "each announces its own; uvicorn and daphne have no such key on HTTP scopes (EXT-01)",
        _extensions,
    ),
    Difference(
        "version of the HTTP text",
        ("hypercorn", "daphne"),
        "scope.asgi.spec_version",
        "asgitest announces what uvicorn and granian do; hypercorn announces an older version, "
        "daphne none (SC-02)",
        _version,
    ),
    Difference(
        "grouped headers",
        ("daphne", "granian"),
        "scope.headers",
        "they put headers of the same name together; asgitest keeps the order of the request "
        "(SC-09)",
        _grouped,
    ),
    Difference(
        "grouped headers",
        ("daphne", "granian"),
        "response.headers",
        "they put headers of the same name together; asgitest keeps the application's order "
        "(HTTP-START-10)",
        _grouped,
    ),
    Difference(
        "known length",
        ("granian",),
        "response.headers",
        "granian adds a content-length to a response whose body is a single message; asgitest adds "
        "no header (HTTP-FRAME-01)",
        _with_length,
    ),
    Difference(
        "HEAD in parts",
        ("daphne",),
        "response.surplus",
        "daphne drops the first part of a body that answers HEAD and writes the others; asgitest "
        "drops all (HTTP-FRAME-04)",
        _surplus,
    ),
)


def _joined(headers: Any, observation: Observation) -> Any:
    """Join the values of headers with one name by commas."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b"," + value if name in joined else value
    return list(joined.items())


def _no_accept_headers(headers: Any, observation: Observation) -> Any:
    return [] if observation["response.status"] == 101 else headers


def _with_own_headers(headers: Any, observation: Observation) -> Any:
    if observation["response.status"] == 101:
        return headers
    return Matching(
        lambda theirs: (
            [pair for pair in theirs if pair in headers] == headers
            and {name for name, _ in theirs if name not in dict(headers)}
            <= {b"content-length", b"content-type"}
        ),
        f"{headers} and headers about the body",
    )


def _denied_by_closing(value: Any, observation: Observation) -> Any:
    if observation["plan.denial parts"] == 0:
        return value
    if isinstance(value, int):
        return 403
    if isinstance(value, bytes):
        return b""
    return Matching(lambda theirs: isinstance(theirs, list), "the server's own headers")


def _without_empty(messages: Any, observation: Observation) -> Any:
    return [message for message in messages if message]


def _without_reason(close: Any, observation: Observation) -> Any:
    return close and (close[0], "")


def _parsed_as_url(path: Any, observation: Observation) -> Any:
    parsed = urlparse(observation["scope.raw_path"]).path
    return unquote_to_bytes(parsed).decode("utf-8", "replace") if isinstance(path, str) else parsed


def _with_reason(events: Any, observation: Observation) -> Any:
    if events[-1]["type"] != "websocket.disconnect" or observation["plan.ending"] != "client":
        return events
    return [*events[:-1], {**events[-1], "reason": observation["plan.reason"]}]


def _lost_with(code: int, *endings: str) -> Callable[[Any, Observation], Any]:
    def shown(events: Any, observation: Observation) -> Any:
        if events[-1]["type"] != "websocket.disconnect":
            return events
        if observation["plan.ending"] not in endings:
            return events
        return [*events[:-1], {**events[-1], "code": code}]

    return shown


WEBSOCKET_DIFFERENCES = (
    *COMMON_DIFFERENCES,
    Difference(
        "extensions",
        ("hypercorn", "daphne", "granian"),
        "scope.extensions",
        "each announces its own; daphne has no such key (EXT-01)",
        _extensions,
    ),
    Difference(
        "version of the WebSocket text",
        ("hypercorn", "daphne", "granian"),
        "scope.asgi.spec_version",
        "asgitest announces what uvicorn does; hypercorn and granian announce an older version, "
        "daphne none (SC-02)",
        _version,
    ),
    *(
        Difference(
            "path parsed as a URL",
            ("daphne",),
            path,
            "daphne takes what follows two slashes at the start for the name of a host, and a "
            "semicolon in the last segment for the end of the path; asgitest keeps them (SC-05)",
            _parsed_as_url,
        )
        for path in ("scope.path", "scope.raw_path")
    ),
    Difference(
        "keys with defaults",
        ("daphne",),
        "scope.http_version",
        "daphne leaves the HTTP version out (SC-03)",
        _missing,
    ),
    Difference(
        "keys with defaults",
        ("daphne",),
        "scope.scheme",
        "daphne leaves the scheme out (SC-04)",
        _missing,
    ),
    Difference(
        "grouped headers",
        ("granian",),
        "scope.headers",
        "granian puts headers of the same name together; asgitest keeps the order of the "
        "handshake (SC-09)",
        _grouped,
    ),
    Difference(
        "joined headers",
        ("daphne",),
        "scope.headers",
        "daphne joins headers of the same name by commas; asgitest keeps them apart (SC-09)",
        _joined,
    ),
    Difference(
        "headers of an accept",
        ("daphne", "granian"),
        "response.headers",
        "they drop the headers that the application sends with its accept; asgitest keeps them "
        "(WS-ACC-04)",
        _no_accept_headers,
    ),
    Difference(
        "headers of a refusal",
        (*UVICORN, "hypercorn", "granian"),
        "response.headers",
        "they add headers about the body to the answer that refuses a handshake; asgitest adds "
        "none (WS-CLOSE-01)",
        _with_own_headers,
    ),
    *(
        Difference(
            "no denial response",
            ("daphne",),
            path,
            "daphne does not announce denial responses, and answers 403 without a body "
            "(WS-DENY-01)",
            _denied_by_closing,
        )
        for path in ("response.status", "response.headers", "response.body")
    ),
    Difference(
        "empty messages",
        ("daphne",),
        "messages",
        "daphne drops empty messages of the application; asgitest delivers them (WS-SEND-01)",
        _without_empty,
    ),
    Difference(
        "reason of the application's close",
        ("daphne",),
        "close",
        "daphne drops the reason; asgitest delivers it (WS-CLOSE-06)",
        _without_reason,
    ),
    Difference(
        "reason of the client's close",
        UVICORN,
        "events",
        "uvicorn gives a reason although it announces version 2.4; asgitest gives it from 2.5 on "
        "(WS-DISC-03)",
        _with_reason,
    ),
    Difference(
        "code of the client's close",
        ("hypercorn",),
        "events",
        "hypercorn gives 1006 instead of the client's code (WS-DISC-02)",
        _lost_with(1006, "client"),
    ),
    Difference(
        "code of a lost connection",
        (*UVICORN, "granian"),
        "events",
        "they give 1005 where asgitest, hypercorn and daphne give 1006 (WS-DISC-02)",
        _lost_with(1005, "nobody"),
    ),
)


def documented(table: Iterable[Difference]) -> list[str]:
    """Return a table's rows as ``docs/servers.rst`` prints them.

    :param table: the rows; those that say the same make one line
    """
    lines: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for row in table:
        lines.setdefault((row.name, row.servers, row.text), []).append(row.path)
    return [
        f"   * - {name}\n"
        f"     - {', '.join(f'``{path}``' for path in paths)}\n"
        f"     - {', '.join(servers)}\n"
        f"     - {text}\n"
        for (name, servers, text), paths in lines.items()
    ]


def expect(
    observation: Observation, server: str, table: Iterable[Difference]
) -> tuple[Observation, set[Difference]]:
    """Return what a server is expected to show, and the rows that made it differ.

    :param observation: what asgitest shows
    :param server: name of the server
    :param table: the rows
    """
    expected = dict(observation)
    used = set()
    for row in table:
        if server not in row.servers:
            continue
        before = expected.get(row.path, MISSING)
        if before is MISSING:
            continue
        after = row.shown(before, observation)
        if repr(before) != repr(after):
            used.add(row)
            if after is MISSING:
                expected.pop(row.path, None)
            else:
                expected[row.path] = after
    if expected["refused"]:
        expected = {"refused": True}
    return expected, used
