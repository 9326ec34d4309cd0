"""Shapes of WebSocket conversations, for hypothesis to fill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from .http_shapes import header_names, request_headers, targets

#: What the application sends last, so that the client knows that nothing else will come.
END = "the end"

# What every server takes from an application; one of them refuses the rest of RFC 6455's codes.
_APPLICATION_CODES = st.just(1000) | st.integers(3000, 4999)
_CLIENT_CODES = st.sampled_from((1000, 1001, 1003, 1008, 1011)) | st.integers(3000, 4999)
_REASONS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_DENIALS = (400, 401, 403, 404, 418, 503)


@dataclass(frozen=True)
class WebSocketShape:
    """A handshake, what is said, and the end.

    :ivar target: path and query
    :ivar headers: headers of the handshake, list of ``(str, bytes)``
    :ivar offered: the subprotocols that are offered
    :ivar answer: ``"accept"``, ``"close"``, or ``"deny"`` with a response
    :ivar chosen: the subprotocol that is accepted, ``None`` for none
    :ivar answer_headers: headers of the accept or of the denial, list of ``(bytes, bytes)``
    :ivar status: status of a denial
    :ivar body: body of a denial, in parts
    :ivar from_client: what the client says
    :ivar from_application: what the application says after it has heard all
    :ivar ending: who closes: ``"client"``, ``"application"``, or ``"nobody"`` for a lost connection
    :ivar code: code of the close
    :ivar reason: its reason
    """

    target: str
    headers: list[tuple[str, bytes]]
    offered: list[str]
    answer: str
    chosen: str | None
    answer_headers: list[tuple[bytes, bytes]]
    status: int
    body: list[bytes]
    from_client: list[str | bytes]
    from_application: list[str | bytes]
    ending: str
    code: int
    reason: str

    @property
    def denial_body(self) -> list[bytes]:
        """The body of a denial, one part for each message."""
        return self.body or [b""]

    def plan(self, key: str, *, announced: bool) -> dict[str, Any]:
        """Return the instructions for the recorder.

        :param key: what to keep the record under
        :param announced: whether the record will be asked for with a request
        """
        steps = ["receive", *self._answer()]
        if self.answer == "accept":
            steps += ["receive"] * len(self.from_client)
            steps += [_send(message) for message in self.from_application]
            steps += self._end()
        return {"key": key, "announced": announced, "steps": steps}

    def _answer(self) -> list[Any]:
        if self.answer == "close":
            return [{"type": "websocket.close", "code": self.code, "reason": self.reason}]
        if self.answer == "accept":
            return [
                {
                    "type": "websocket.accept",
                    "subprotocol": self.chosen,
                    "headers": self.answer_headers,
                }
            ]
        start = {
            "type": "websocket.http.response.start",
            "status": self.status,
            "headers": self.answer_headers,
        }
        *parts, last = self.denial_body
        message = "websocket.http.response.body"
        return [
            start,
            *({"type": message, "body": part, "more_body": True} for part in parts),
            {"type": message, "body": last, "more_body": False},
        ]

    def _end(self) -> list[Any]:
        if self.ending == "application":
            return [{"type": "websocket.close", "code": self.code, "reason": self.reason}]
        return [_send(END), "receive"]


def _send(message: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}


def _messages() -> st.SearchStrategy[list[str | bytes]]:
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    return st.lists(st.one_of(texts, st.binary(max_size=12)), max_size=4)


@st.composite
def websocket_shapes(draw: st.DrawFn) -> WebSocketShape:
    """Return conversations."""
    names = st.from_regex(r"[a-z][a-z0-9.-]{0,5}", fullmatch=True)
    offered = draw(st.lists(names, max_size=3, unique=True))
    ending = draw(st.sampled_from(("client", "application", "nobody")))
    values = st.from_regex(rb"[!-~]{0,6}", fullmatch=True)
    return WebSocketShape(
        target=draw(targets()),
        # That of a browser is a URL, and one of the servers refuses any other.
        headers=[pair for pair in draw(request_headers()) if pair[0] != "Origin"],
        offered=offered,
        answer=draw(st.sampled_from(("accept", "accept", "accept", "close", "deny"))),
        chosen=draw(st.sampled_from((None, *offered))),
        answer_headers=draw(
            st.lists(st.tuples(header_names().map(str.encode), values), max_size=2)
        ),
        status=draw(st.sampled_from(_DENIALS)),
        body=draw(st.lists(st.binary(max_size=12), max_size=2)),
        from_client=draw(_messages()),
        from_application=draw(_messages()),
        ending=ending,
        code=draw(_APPLICATION_CODES if ending == "application" else _CLIENT_CODES),
        reason=draw(_REASONS),
    )


_PLAIN = WebSocketShape(
    target="/",
    headers=[],
    offered=[],
    answer="accept",
    chosen=None,
    answer_headers=[],
    status=403,
    body=[],
    from_client=["text", b"bytes"],
    from_application=["text", b"bytes"],
    ending="client",
    code=3000,
    reason="because",
)

#: Shapes that show every difference there is between the servers and asgitest.
NOTABLE_SHAPES = (
    _PLAIN,
    replace(_PLAIN, offered=["one", "two"], chosen="two", answer_headers=[(b"x-a", b"1")]),
    replace(_PLAIN, ending="application"),
    replace(_PLAIN, ending="nobody"),
    replace(_PLAIN, from_application=["", b""]),
    replace(_PLAIN, from_client=["", b""]),
    replace(_PLAIN, answer="close", code=4000),
    replace(_PLAIN, answer="deny", status=404, body=[b"no", b"thing"]),
    replace(_PLAIN, headers=[("a", b"1"), ("b", b"2"), ("a", b"3")]),
    replace(_PLAIN, target="//a/b"),
    replace(_PLAIN, headers=[("a_b", b"1")]),
    replace(_PLAIN, headers=[("a", b"\x85")]),
)
