"""One WebSocket, its handshake included, as a state machine."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Collection, Sequence

from ..exceptions import ClientDisconnected, ProtocolError
from ._headers import Headers
from ._http import HTTPProtocol
from ._machine import Protocol
from ._messages import Message
from ._profiles import DEFAULT, Profile
from ._rule import Verdict
from ._rules import Judge, Strictness
from ._texts import shorten, wrong_type


class WebSocketState(enum.Enum):
    """How far the application has come."""

    CONNECTING = "neither accepted nor closed"
    OPEN = "open"
    CLOSED = "closed by the application"
    DENYING = "being denied with a response that is not complete"
    DENIED = "denied"


_STATE_AFTER: dict[WebSocketState, dict[str, WebSocketState]] = {
    WebSocketState.CONNECTING: {
        "websocket.accept": WebSocketState.OPEN,
        "websocket.close": WebSocketState.DENIED,
        "websocket.http.response.start": WebSocketState.DENYING,
    },
    WebSocketState.OPEN: {
        "websocket.send": WebSocketState.OPEN,
        "websocket.close": WebSocketState.CLOSED,
    },
    WebSocketState.CLOSED: {},
    # What leads to DENIED is the last body message; the table cannot see that, _deny can.
    WebSocketState.DENYING: {"websocket.http.response.body": WebSocketState.DENYING},
    WebSocketState.DENIED: {},
}

_RULE_OUT_OF_ORDER: dict[WebSocketState, dict[str, str]] = {
    WebSocketState.CONNECTING: {
        "websocket.send": "WS-CONN-02",
        "websocket.http.response.body": "WS-DENY-02",
    },
    WebSocketState.OPEN: {
        "websocket.accept": "WS-ACC-01",
        "websocket.http.response.start": "WS-DENY-01",
        "websocket.http.response.body": "WS-DENY-01",
    },
    WebSocketState.CLOSED: {
        "websocket.accept": "WS-ACC-01",
        "websocket.send": "WS-SEND-03",
        "websocket.close": "WS-CLOSE-07",
        "websocket.http.response.start": "WS-DENY-01",
        "websocket.http.response.body": "WS-DENY-01",
    },
    WebSocketState.DENYING: {
        "websocket.accept": "WS-DENY-02",
        "websocket.send": "WS-DENY-02",
        "websocket.close": "WS-DENY-02",
        "websocket.http.response.start": "WS-DENY-02",
    },
    WebSocketState.DENIED: {
        "websocket.accept": "WS-ACC-01",
        "websocket.send": "WS-SEND-03",
        "websocket.close": "WS-CLOSE-07",
        "websocket.http.response.start": "WS-DENY-02",
        "websocket.http.response.body": "WS-DENY-02",
    },
}

_EXPECTED: dict[WebSocketState, str] = {
    WebSocketState.CONNECTING: "the application must answer with websocket.accept, "
    "websocket.close or websocket.http.response.start first",
    WebSocketState.OPEN: "was sent although the WebSocket is accepted",
    WebSocketState.CLOSED: "was sent after websocket.close",
    WebSocketState.DENYING: "was sent although a denial response was started; "
    "websocket.http.response.body must follow",
    WebSocketState.DENIED: "was sent after the WebSocket was denied",
}

#: RFC 6455, section 7.4: 1004 is reserved; 1005, 1006 and 1015 never go on a wire.
SENDABLE_CODES = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
# Headers of the handshake's answer that a server makes itself.
_SERVER_HEADERS = (b"sec-websocket-accept", b"connection", b"upgrade")
#: RFC 6455, section 5.5: a control frame holds 125 bytes, and the code takes two.
LONGEST_REASON = 123
_FRAMING = (b"content-length", b"transfer-encoding")


class WebSocketProtocol(Protocol):
    """The rules of one WebSocket.

    :param subprotocols: what the client offers, in order
    :param spec_version: announced version of the sub-specification
    :param extensions: names of the announced extensions
    :param strictness: how strictly to judge, ``None`` for the usual
    :param profile: the shape of the events
    :ivar profile: the same
    :ivar state: how far the application has come
    :ivar subprotocol: what the application accepted, ``None`` for nothing
    :ivar headers: headers of the accept message, list of ``(bytes, bytes)``
    :ivar denial: the state machine of the denial response, ``None`` without one
    :ivar close_code: code of the close, whoever sent it; ``None`` before it
    :ivar close_reason: reason of the close
    :ivar disconnected: whether the client left first
    """

    scope_type = "websocket"

    def __init__(
        self,
        subprotocols: Sequence[str] = (),
        spec_version: str = "2.4",
        extensions: Collection[str] = (),
        strictness: Strictness | None = None,
        profile: Profile = DEFAULT,
    ) -> None:
        super().__init__(spec_version, extensions, strictness)
        self.profile = profile
        self.state = WebSocketState.CONNECTING
        self.subprotocol: str | None = None
        self.headers: Headers = []
        self.denial: HTTPProtocol | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.disconnected = False
        self._subprotocols = list(subprotocols)
        # WS-CONN-01: this one comes before anything else.
        self._events: deque[Message] = deque([{"type": "websocket.connect"}])
        self._connect_received = False
        self._finished = False

    @property
    def answered(self) -> bool:
        """Whether the handshake has its whole answer."""
        return self.state not in (WebSocketState.CONNECTING, WebSocketState.DENYING)

    @property
    def closed(self) -> bool:
        """Whether the application closed or denied the WebSocket."""
        return self.state in (WebSocketState.CLOSED, WebSocketState.DENIED)

    @property
    def has_events(self) -> bool:
        """Whether events of the client wait to be received."""
        return bool(self._events)

    def add_event(self, event: Message) -> None:
        """Take an event from the client; what comes after the end is dropped, as on a wire.

        :param event: a ``websocket.receive``, or whatever a test wants to feed (ERR-02)
        """
        if self.disconnected or self.closed or self._finished:
            return
        self._events.append(event)

    def disconnect(self, code: int, reason: str = "") -> None:
        """Note that the client has left.

        :param code: code for the ``websocket.disconnect`` event (WS-DISC-02)
        :param reason: its reason, given from version 2.5 on (WS-DISC-03)
        """
        if self.disconnected or self.closed or self._finished:
            return
        self.disconnected = True
        self.close_code = code
        self.close_reason = reason

    def next_event(self) -> Message | None:
        """Return the event that ``receive()`` gives now, ``None`` if it has to wait.

        :raises ProtocolError: if the application asks for ever after the end (WS-DISC-06)
        """
        if not self._connect_received:
            self._connect_received = True
            return self._events.popleft()
        # WS-CLOSE-03, WS-DENY-03: nothing of the client's will come after that.
        if self.state is WebSocketState.DENIED:
            return self._repeat(self._disconnect_event(1006, ""))
        # WS-DISC-04: the application is given its own code and reason back.
        if self.state is WebSocketState.CLOSED:
            assert self.close_code is not None
            return self._repeat(self._disconnect_event(self.close_code, self.close_reason))
        if self._events and self.state is WebSocketState.OPEN:
            return self._events.popleft()
        if self.disconnected:
            assert self.close_code is not None
            return self._repeat(self._disconnect_event(self.close_code, self.close_reason))
        if self._finished:
            # Asked by a task of the application that outlives its call.
            return self._repeat(self._disconnect_event(self.close_code or 1006, ""))
        # WS-CONN-04: between the connect event and the answer there is nothing to give.
        return None

    def is_deaf(self) -> bool:
        """Tell whether the client has left; raise that from version 2.4 on (WS-DISC-05)."""
        if self.disconnected and self.spec_version >= (2, 4):
            raise ClientDisconnected("the client has left; nothing can be sent to it any more")
        return self.disconnected

    def finish(self, *, raised: bool = False) -> None:
        """Note that the application is through (WS-CONN-05, WS-DENY-02, WS-CLOSE-08).

        :param raised: whether it raised, and so has an excuse (WS-CLOSE-09)
        """
        self._finished = True
        if self.disconnected:
            return
        if raised:
            if self.state is WebSocketState.OPEN:
                self.close_code = self.profile.raised_code
            return
        if self.state is WebSocketState.CONNECTING:
            self.note(
                ProtocolError(
                    "the application returned without accepting or closing the WebSocket",
                    rule="WS-CONN-05",
                )
            )
        elif self.state is WebSocketState.DENYING:
            self.note(
                ProtocolError(
                    "the application returned without completing its denial response: "
                    "a websocket.http.response.body with more_body=False is missing",
                    rule="WS-DENY-02",
                )
            )
        elif self.state is WebSocketState.OPEN:
            self.close_code = self.profile.returned_code
            self.note(
                ProtocolError(
                    f"the application returned without closing the WebSocket that it accepted; "
                    f"its client sees code {self.close_code}",
                    rule="WS-CLOSE-08",
                )
            )

    def describe(self) -> str:
        """Tell in one sentence where the WebSocket stands."""
        waiting = 0 if self.closed else len(self._events)
        verb = "event waits" if waiting == 1 else "events wait"
        events = f"; {waiting} {verb} to be received" if waiting else ""
        left = "; the client has left" if self.disconnected else ""
        return f"the WebSocket is {self.state.value}{events}{left}"

    def _disconnect_event(self, code: int, reason: str) -> Message:
        event: Message = {"type": "websocket.disconnect", "code": code}
        has_reason = self.profile.disconnect_reason
        if self.spec_version >= (2, 5) if has_reason is None else has_reason:
            event["reason"] = reason
        return event

    def _apply(self, message: Message) -> Message | None:
        message_type = message["type"]
        state = _STATE_AFTER[self.state].get(message_type)
        if state is None:
            self.judge(
                ProtocolError(
                    f"{message_type}: {_EXPECTED[self.state]}",
                    rule=_RULE_OUT_OF_ORDER[self.state][message_type],
                    message_type=message_type,
                )
            )
            return None
        self._check_received(message_type)
        if message_type == "websocket.accept":
            self._accept(message)
        elif message_type == "websocket.send":
            if not self._send(message):
                return None
        elif message_type == "websocket.close":
            self._close(message)
        else:
            state = self._deny(message)
        self.state = state
        return message

    def _check_received(self, message_type: str) -> None:
        # Frameworks close before they ask for an event, and servers take it.
        if self.judge.strict and not self._connect_received:
            self.judge(
                ProtocolError(
                    f"{message_type}: was sent before the application received websocket.connect",
                    rule="WS-CONN-03",
                    message_type=message_type,
                ),
                Verdict.LENIENT,
            )

    def _accept(self, message: Message) -> None:
        subprotocol = message["subprotocol"]
        if subprotocol is not None and subprotocol not in self._subprotocols:
            self.judge(
                ProtocolError(
                    f"websocket.accept: subprotocol must be one that the client offered "
                    f"({self._subprotocols}), not {shorten(subprotocol)}",
                    rule="WS-ACC-03",
                    message_type="websocket.accept",
                )
            )
        _check_names(message["headers"], self.judge)
        self.subprotocol = subprotocol
        # RFC 9110, section 8.6: what follows an upgrade has neither length nor coding.
        self.headers = [pair for pair in message["headers"] if pair[0] not in _FRAMING]

    def _send(self, message: Message) -> bool:
        """Check a data message and tell whether there is anything to send."""
        text, data = message["text"], message["bytes"]
        if (text is None) == (data is None):
            problem = "neither is there" if text is None else "both are there"
            self.judge(
                ProtocolError(
                    f"websocket.send: exactly one of text and bytes must be given; {problem}",
                    rule="WS-SEND-01",
                    message_type="websocket.send",
                )
            )
        if data is not None:
            del message["text"]
        elif text is not None:
            _check_encodable("websocket.send", "text", text, "WS-SEND-04")
            del message["bytes"]
        return text is not None or data is not None

    def _close(self, message: Message) -> None:
        if self.state is WebSocketState.CONNECTING:
            _check_early_close(message, self.judge)
        else:
            _check_close(message, self.judge)
        self.close_code = message["code"]
        self.close_reason = message["reason"]

    def _deny(self, message: Message) -> WebSocketState:
        denial = self.denial or self._new_denial()
        message_type = message["type"].removeprefix("websocket.")
        try:
            denial.send({**message, "type": message_type})
        except ProtocolError as error:
            text = str(error).removesuffix(f" [{error.rule}]")
            raise ProtocolError(
                f"websocket.{text}", rule=error.rule, message_type=message["type"]
            ) from None
        self.denial = denial
        if denial.complete:
            self.close_code = 1006
            return WebSocketState.DENIED
        return WebSocketState.DENYING

    def _new_denial(self) -> HTTPProtocol:
        denial = HTTPProtocol("GET", extensions=self.extensions, strictness=self.judge.strictness)
        # The handshake is a request, and whether it was received is asked of the WebSocket.
        denial.add_body(b"", False)
        denial.next_event()
        return denial


def _check_names(headers: Headers, judge: Judge) -> None:
    for name, _ in headers:
        if name == b"sec-websocket-protocol":
            hint, verdict = "the subprotocol key is for that", Verdict.ERROR
        elif name in _SERVER_HEADERS:
            hint, verdict = "the server sends that", Verdict.WARNING
        else:
            continue
        breach = ProtocolError(
            f"websocket.accept: headers must not hold {name.decode()}; {hint}",
            rule="WS-ACC-05",
            message_type="websocket.accept",
        )
        judge(breach, verdict)


def _check_early_close(message: Message, judge: Judge) -> None:
    reason = message["reason"]
    if reason is not None and not isinstance(reason, str):
        # One of any type passes, for it never leaves the server.
        judge(wrong_type("websocket.close", "reason", "str or None", reason, "WS-CLOSE-02"))
    message["reason"] = reason if isinstance(reason, str) else str(reason or "")


def _check_close(message: Message, judge: Judge) -> None:
    code = message["code"]
    if code not in SENDABLE_CODES:
        judge(
            ProtocolError(
                f"websocket.close: code must be one that may be sent "
                f"(1000 to 1003, 1007 to 1014, 3000 to 4999), not {shorten(code)}",
                rule="WS-CLOSE-05",
                message_type="websocket.close",
            )
        )
    try:
        message["reason"] = _check_reason(message["reason"])
    except ProtocolError as breach:
        judge(breach)
        message["reason"] = _mended_reason(message["reason"])


def _check_reason(reason: object) -> str:
    if reason is None:
        return ""
    if not isinstance(reason, str):
        raise wrong_type("websocket.close", "reason", "str or None", reason, "WS-CLOSE-06")
    encoded = _check_encodable("websocket.close", "reason", reason, "WS-CLOSE-06")
    if len(encoded) > LONGEST_REASON:
        raise ProtocolError(
            f"websocket.close: reason must be at most {LONGEST_REASON} bytes of UTF-8, "
            f"not {len(encoded)}: {shorten(reason)}",
            rule="WS-CLOSE-06",
            message_type="websocket.close",
        )
    return reason


def _mended_reason(reason: object) -> str:
    if not isinstance(reason, str):
        return ""
    return reason.encode("utf-8", "ignore")[:LONGEST_REASON].decode("utf-8", "ignore")


def _check_encodable(message_type: str, key: str, text: str, rule: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(
            f"{message_type}: {key} must be encodable as UTF-8, and its character "
            f"{error.start} is not: {shorten(text[error.start])}",
            rule=rule,
            message_type=message_type,
        ) from None
