"""The shapes that servers differ in, one set of values for each server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["PROFILES", "Profile", "find_profile"]

Event = dict[str, Any]

#: Bytes that may lie unread before ``send()`` waits for the reader, unless a profile says else.
UNREAD_LIMIT = 256 * 1024


@dataclass(frozen=True)
class Profile:
    """How one server presents connections to an application.

    Every shape is one that the ASGI text allows. The values of a profile that nobody changed are
    those of a client without one.

    :ivar http_spec_version: version of the text that HTTP scopes announce; ``None`` leaves the key
        out, which says 2.0 (SC-02)
    :ivar websocket_spec_version: version of the text that WebSocket scopes announce
    :ivar http_extensions: names of the extensions announced on HTTP scopes
    :ivar http2_extensions: names of those announced beside them when the HTTP version is 2
    :ivar websocket_extensions: names of the extensions announced on WebSocket scopes
    :ivar empty_extensions: whether ``extensions`` is there when nothing is announced (EXT-01)
    :ivar left_out: keys that no scope has
    :ivar websocket_left_out: keys that WebSocket scopes do not have
    :ivar address_lists: whether ``client`` and ``server`` are lists instead of tuples
    :ivar split_cookies: whether each cookie has a header of its own when the HTTP version is 2
        (SC-12)
    :ivar body_chunk: bytes of the largest ``http.request`` event that a body in memory makes,
        ``None`` for a body in one event (HTTP-REQ-02)
    :ivar closing_event: whether an empty event of its own says that a body was the whole
    :ivar default_keys: whether ``http.request`` has the keys whose value is the default
        (HTTP-REQ-01)
    :ivar both_keys: whether ``websocket.receive`` has both ``text`` and ``bytes``, of which one is
        ``None`` (WS-RECV-01)
    :ivar disconnect_reason: whether ``websocket.disconnect`` has a ``reason``; ``None`` for what
        the announced version says (WS-DISC-03)
    :ivar returned_code: what a client sees closed a WebSocket whose application returned
        (WS-CLOSE-08)
    :ivar raised_code: what a client sees closed a WebSocket whose application raised (WS-CLOSE-09)
    :ivar unread_limit: bytes that may lie unread before ``send()`` waits for the reader
        (HTTP-BODY-08)
    """

    http_spec_version: str | None = "2.3"
    websocket_spec_version: str | None = "2.4"
    http_extensions: frozenset[str] = frozenset({"http.response.trailers"})
    http2_extensions: frozenset[str] = frozenset()
    websocket_extensions: frozenset[str] = frozenset({"websocket.http.response"})
    empty_extensions: bool = True
    left_out: frozenset[str] = frozenset()
    websocket_left_out: frozenset[str] = frozenset()
    address_lists: bool = False
    split_cookies: bool = False
    body_chunk: int | None = None
    closing_event: bool = False
    default_keys: bool = True
    both_keys: bool = False
    disconnect_reason: bool | None = None
    returned_code: int = 1006
    raised_code: int = 1011
    unread_limit: int = UNREAD_LIMIT

    def __post_init__(self) -> None:
        for name in ("body_chunk", "unread_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be a positive number of bytes, not {value!r}")

    @classmethod
    def of(cls, name: str, **changes: Any) -> Profile:
        """Return the profile of a server with some of its values changed.

        :param name: ``"uvicorn"``, ``"hypercorn"``, ``"daphne"`` or ``"granian"``
        :param changes: other values, by name
        :raises ValueError: if there is no such server, or a value cannot be
        :raises TypeError: if there is no value of a name
        """
        return dataclasses.replace(find_profile(name), **changes)

    def request_events(self, body: bytes, more_body: bool) -> Iterator[Event]:
        """Yield the events for a body, or for a part of one.

        :param body: the bytes
        :param more_body: whether more will follow
        """
        size = self.body_chunk or len(body)
        closes_apart = self.closing_event and body != b""
        for start in range(0, len(body), size) if body else (0,):
            is_last = start + size >= len(body)
            yield self._request_event(
                body[start : start + size], more_body or closes_apart or not is_last
            )
        if closes_apart and not more_body:
            yield self._request_event(b"", False)

    def _request_event(self, body: bytes, more_body: bool) -> Event:
        event: Event = {"type": "http.request", "body": body, "more_body": more_body}
        if not self.default_keys:
            return {key: value for key, value in event.items() if value}
        return event

    def receive_event(self, kind: str, payload: str | bytes) -> Event:
        """Return the event for a message of the client of a WebSocket.

        :param kind: ``"text"`` or ``"bytes"``
        :param payload: the message
        """
        if self.both_keys:
            return {"type": "websocket.receive", "text": None, "bytes": None, kind: payload}
        return {"type": "websocket.receive", kind: payload}


#: What is in force unless a test asks for another one.
DEFAULT = Profile()

_DENIAL = frozenset({"websocket.http.response"})

#: The servers, as their newest releases were seen to behave; where one breaks the text, the text
#: is kept. The documentation shows the same table.
PROFILES: dict[str, Profile] = {
    "uvicorn": Profile(
        http_extensions=frozenset(),
        empty_extensions=False,
        body_chunk=64 * 1024,
        # It gives a reason although it announces 2.4.
        disconnect_reason=True,
        raised_code=1006,
    ),
    "hypercorn": Profile(
        http_spec_version="2.1",
        websocket_spec_version="2.3",
        http_extensions=frozenset(),
        http2_extensions=frozenset(
            {"http.response.early_hint", "http.response.push", "http.response.trailers"}
        ),
        body_chunk=64 * 1024,
        closing_event=True,
        both_keys=True,
        returned_code=1011,
    ),
    "daphne": Profile(
        http_spec_version=None,
        websocket_spec_version=None,
        http_extensions=frozenset(),
        websocket_extensions=frozenset(),
        empty_extensions=False,
        left_out=frozenset({"state"}),
        websocket_left_out=frozenset({"http_version", "scheme"}),
        address_lists=True,
        body_chunk=8 * 1024,
    ),
    "granian": Profile(
        websocket_spec_version="2.3",
        http_extensions=frozenset({"http.response.pathsend"}),
        split_cookies=True,
        body_chunk=16 * 1024,
        closing_event=True,
        returned_code=1005,
        raised_code=1005,
    ),
}


def find_profile(profile: str | Profile | None) -> Profile:
    """Return a profile by what a test says.

    :param profile: name of a server, a profile, or ``None`` for none in particular
    :raises ValueError: if there is no server of the name
    :raises TypeError: if it is something else
    """
    if profile is None:
        return DEFAULT
    if isinstance(profile, Profile):
        return profile
    if not isinstance(profile, str):
        raise TypeError(
            f"profile must be the name of a server, a Profile or None, "
            f"not {type(profile).__name__}: {profile!r}"
        )
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {profile!r}")
    return PROFILES[profile]
