"""What was observed of one exchange, in a form that two of them can be compared in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Headers = list[tuple[bytes, bytes]]
Observation = dict[str, Any]

#: Stands for what is not there.
MISSING = "(missing)"


class Finding(NamedTuple):
    """One place in which a server differs from asgitest.

    :ivar path: what differs, for example ``scope.headers``
    :ivar expected: what asgitest has there, and what is known of the server
    :ivar theirs: what the server has there
    """

    path: str
    expected: Any
    theirs: Any


def observe_scope(scope: dict[str, Any], host: str) -> Observation:
    """Return a scope key by key, without what no two runs have in common.

    :param scope: the scope, as the recorder wrote it
    :param host: ``host:port`` of the server, for which ``HOST`` will stand
    """
    seen: Observation = {}
    for key, value in scope.items():
        if key == "asgi":
            seen.update({f"scope.asgi.{name}": item for name, item in value.items()})
        elif key == "headers":
            pairs = [tuple(pair) for pair in value]
            seen["scope.headers"] = [
                (name, b"HOST" if (name, item) == (b"host", host.encode()) else item)
                for name, item in pairs
                # Each has a key of its own in it.
                if name != b"x-plan"
            ]
        elif key == "server":
            seen["scope.server"] = [
                f"{type(item).__name__} {'HOST' if str(item) in host.split(':') else item}"
                for item in value
            ]
        elif key == "client":
            # A port is drawn by the system; its type is all that can be told of it.
            seen["scope.client"] = [f"str {value[0]}", f"{type(value[1]).__name__} PORT"]
        else:
            seen[f"scope.{key}"] = value
    return seen


def observe_http_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events with the parts of a body joined and the defaults filled in (HTTP-REQ-02).

    :param events: the events, as the recorder wrote them
    """
    joined: list[dict[str, Any]] = []
    for event in events:
        if event["type"] != "http.request":
            joined.append(event)
            continue
        event = {"body": b"", "more_body": False, **event}
        if joined and joined[-1]["type"] == "http.request" and joined[-1]["more_body"]:
            event["body"] = joined.pop()["body"] + event["body"]
        joined.append(event)
    return joined


#: Headers that are a server's own business, not the application's.
SERVERS_HEADERS = frozenset((b"connection", b"date", b"server", b"transfer-encoding"))


def observe_response(status: int, headers: Headers, body: bytes) -> Observation:
    """Return a response without what is the server's own business.

    :param status: its status
    :param headers: its headers, list of ``(bytes, bytes)``
    :param body: its body
    """
    lowered = [(name.lower(), value) for name, value in headers]
    return {
        "response.status": status,
        "response.headers": [pair for pair in lowered if pair[0] not in SERVERS_HEADERS],
        "response.body": body,
    }


class Matching:
    """Stands for every value that fulfils a condition.

    :param condition: tells whether a value does
    :param text: says what it has to be
    """

    def __init__(self, condition: Callable[[Any], bool], text: str) -> None:
        self._condition = condition
        self._text = text

    def __eq__(self, other: object) -> bool:
        return self._condition(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._text}>"


def findings(expected: Observation, theirs: Observation) -> Iterator[Finding]:
    """Yield the places in which an observation is not what was expected; types count, too.

    :param expected: that of asgitest, with what is known of a server
    :param theirs: that of the server
    """
    for path in sorted(expected.keys() | theirs.keys()):
        finding = Finding(path, expected.get(path, MISSING), theirs.get(path, MISSING))
        if isinstance(finding.expected, Matching):
            if finding.expected != finding.theirs:
                yield finding
        elif repr(finding.expected) != repr(finding.theirs):
            yield finding
