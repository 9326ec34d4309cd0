"""The state machine of one WebSocket: handshake, data, close, denial, and the events."""

from __future__ import annotations

import enum
from typing import Any

from asgitest._protocol._machine import MAXIMUM_REPEATS
from asgitest._protocol._websocket import WebSocketProtocol, WebSocketState
from asgitest.exceptions import ClientDisconnected, ProtocolError
from tests.protocol_case import Message, ProtocolTestCase, Refused, Taken

DENIAL = ("websocket.http.response",)
ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close"}
CONNECT: Message = {"type": "websocket.connect"}


class Code(enum.IntEnum):
    """Codes with names."""

    GOING_AWAY = 1001


def accept(**fields: Any) -> Message:
    """Return an accept message."""
    return {"type": "websocket.accept", **fields}


def close(**fields: Any) -> Message:
    """Return a close message."""
    return {"type": "websocket.close", **fields}


def send(**fields: Any) -> Message:
    """Return a message of data."""
    return {"type": "websocket.send", **fields}


def denial_start(status: Any = 403, **fields: Any) -> Message:
    """Return the start of a denial response."""
    return {"type": "websocket.http.response.start", "status": status, **fields}


def denial_body(content: Any = b"", more_body: Any = False) -> Message:
    """Return a part of a denial response's body."""
    return {"type": "websocket.http.response.body", "body": content, "more_body": more_body}


def receive(text: str) -> Message:
    """Return a message of the client, as the application receives it."""
    return {"type": "websocket.receive", "text": text}


def disconnect(code: int, **fields: Any) -> Message:
    """Return a disconnect event."""
    return {"type": "websocket.disconnect", "code": code, **fields}


def protocol(
    version: str = "2.4", subprotocols: Any = ("chat", "superchat"), extensions: Any = DENIAL
) -> WebSocketProtocol:
    """Return a fresh state machine."""
    return WebSocketProtocol(subprotocols, version, extensions)


#: How a connection gets into each state.
REACHED = {
    WebSocketState.CONNECTING: [],
    WebSocketState.OPEN: [ACCEPT],
    WebSocketState.CLOSED: [ACCEPT, CLOSE],
    WebSocketState.DENYING: [denial_start()],
    WebSocketState.DENIED: [denial_start(), denial_body()],
}

FIRST = (
    "the application must answer with websocket.accept, websocket.close or "
    "websocket.http.response.start first"
)
ACCEPTED = "was sent although the WebSocket is accepted"
CLOSED = "was sent after websocket.close"
DENYING = (
    "was sent although a denial response was started; websocket.http.response.body must follow"
)
DENIED = "was sent after the WebSocket was denied"

#: State, message, rule id, text.
ORDER = (
    (WebSocketState.CONNECTING, send(text="a"), "WS-CONN-02", FIRST),
    (WebSocketState.CONNECTING, denial_body(), "WS-DENY-02", FIRST),
    (WebSocketState.OPEN, ACCEPT, "WS-ACC-01", ACCEPTED),
    (WebSocketState.OPEN, denial_start(), "WS-DENY-01", ACCEPTED),
    (WebSocketState.OPEN, denial_body(), "WS-DENY-01", ACCEPTED),
    (WebSocketState.CLOSED, ACCEPT, "WS-ACC-01", CLOSED),
    (WebSocketState.CLOSED, send(text="a"), "WS-SEND-03", CLOSED),
    (WebSocketState.CLOSED, CLOSE, "WS-CLOSE-07", CLOSED),
    (WebSocketState.CLOSED, denial_start(), "WS-DENY-01", CLOSED),
    (WebSocketState.CLOSED, denial_body(), "WS-DENY-01", CLOSED),
    (WebSocketState.DENYING, ACCEPT, "WS-DENY-02", DENYING),
    (WebSocketState.DENYING, send(text="a"), "WS-DENY-02", DENYING),
    (WebSocketState.DENYING, CLOSE, "WS-DENY-02", DENYING),
    (WebSocketState.DENYING, denial_start(), "WS-DENY-02", DENYING),
    (WebSocketState.DENIED, ACCEPT, "WS-ACC-01", DENIED),
    (WebSocketState.DENIED, send(text="a"), "WS-SEND-03", DENIED),
    (WebSocketState.DENIED, CLOSE, "WS-CLOSE-07", DENIED),
    (WebSocketState.DENIED, denial_start(), "WS-DENY-02", DENIED),
    (WebSocketState.DENIED, denial_body(), "WS-DENY-02", DENIED),
)

OFFERED = "subprotocol must be one that the client offered (['chat', 'superchat'])"
SEC_PROTOCOL = "headers must not hold sec-websocket-protocol; the subprotocol key is for that"
ONE_OF_BOTH = "exactly one of text and bytes must be given"
CODES = "code must be one that may be sent (1000 to 1003, 1007 to 1014, 3000 to 4999)"

FIELDS = (
    Refused(
        "WS-ACC-02",
        "websocket.accept: subprotocol must be str or None, not list: ['chat']",
        accept(subprotocol=["chat"]),
    ),
    Refused("WS-ACC-03", f"websocket.accept: {OFFERED}, not 'other'", accept(subprotocol="other")),
    Refused("WS-ACC-03", f"websocket.accept: {OFFERED}, not 'Chat'", accept(subprotocol="Chat")),
    Refused(
        "WS-ACC-04",
        "websocket.accept: headers must be an iterable of (name, value) pairs of bytes, "
        "not NoneType: None",
        accept(headers=None),
    ),
    Refused(
        "WS-ACC-04",
        "websocket.accept: headers[0] name must be bytes, not str: 'a'",
        accept(headers=[("a", b"b")]),
    ),
    Refused(
        "WS-ACC-04",
        "websocket.accept: headers[0] name must not be a pseudo header: b':status'",
        accept(headers=[(b":status", b"101")]),
    ),
    Refused(
        "WS-ACC-04",
        "websocket.accept: headers[0] value of b'a' must not hold CR, LF or NUL: b'b\\n'",
        accept(headers=[(b"a", b"b\n")]),
    ),
    Refused(
        "WS-ACC-05",
        f"websocket.accept: {SEC_PROTOCOL}",
        accept(subprotocol="chat", headers=[(b"Sec-WebSocket-Protocol", b"chat")]),
    ),
    Refused(
        "WS-ACC-05",
        f"websocket.accept: {SEC_PROTOCOL}",
        accept(headers=[(b"a", b"b"), (b"sec-websocket-protocol", b"chat")]),
    ),
    Refused("WS-SEND-01", f"websocket.send: {ONE_OF_BOTH}; neither is there", send(), [ACCEPT]),
    Refused(
        "WS-SEND-01",
        f"websocket.send: {ONE_OF_BOTH}; neither is there",
        send(text=None, bytes=None),
        [ACCEPT],
    ),
    Refused(
        "WS-SEND-01",
        f"websocket.send: {ONE_OF_BOTH}; both are there",
        send(text="a", bytes=b"a"),
        [ACCEPT],
    ),
    Refused(
        "WS-SEND-01",
        f"websocket.send: {ONE_OF_BOTH}; both are there",
        send(text="", bytes=b""),
        [ACCEPT],
    ),
    Refused(
        "WS-SEND-02",
        "websocket.send: text must be str or None, not bytes: b'a'",
        send(text=b"a"),
        [ACCEPT],
    ),
    Refused(
        "WS-SEND-02",
        "websocket.send: bytes must be bytes or None, not str: 'a'",
        send(bytes="a"),
        [ACCEPT],
    ),
    Refused(
        "WS-SEND-04",
        "websocket.send: text must be encodable as UTF-8, and its character 2 is not: '\\ud800'",
        send(text="ab\ud800c"),
        [ACCEPT],
    ),
    Refused(
        "WS-CLOSE-04",
        "websocket.close: code must be int, not NoneType: None",
        close(code=None),
        [ACCEPT],
    ),
    Refused(
        "WS-CLOSE-04",
        "websocket.close: code must be int, not str: '1000'",
        close(code="1000"),
        [ACCEPT],
    ),
    *(
        Refused("WS-CLOSE-05", f"websocket.close: {CODES}, not {code}", close(code=code), [ACCEPT])
        for code in (-1, 0, 200, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65536)
    ),
    *(
        Refused(
            "WS-CLOSE-06",
            f"websocket.close: reason must be str or None, not {shown}",
            close(reason=reason),
            [ACCEPT],
        )
        for reason, shown in (
            (b"bye", "bytes: b'bye'"),
            (b"", "bytes: b''"),
            (["bye"], "list: ['bye']"),
            ([], "list: []"),
            (0, "int: 0"),
            (1, "int: 1"),
            (False, "bool: False"),
        )
    ),
    Refused(
        "WS-CLOSE-06",
        f"websocket.close: reason must be at most 123 bytes of UTF-8, not 124: {'a' * 60!r}... "
        "(124 in all)",
        close(reason="a" * 124),
        [ACCEPT],
    ),
    Refused(
        "WS-CLOSE-06",
        f"websocket.close: reason must be at most 123 bytes of UTF-8, not 124: {'é' * 62!r}",
        close(reason="é" * 62),
        [ACCEPT],
    ),
    Refused(
        "WS-CLOSE-06",
        "websocket.close: reason must be encodable as UTF-8, and its character 0 is not: '\\udfff'",
        close(reason="\udfff"),
        [ACCEPT],
    ),
)

INTEGER = "content-length must be one non-negative integer"
DENIALS = (
    Refused(
        "WS-DENY-02",
        "websocket.http.response.start: status must be int, not str: '403'",
        denial_start("403"),
    ),
    *(
        Refused(
            "HTTP-START-03",
            "websocket.http.response.start: status must be a final one, from 200 to 599, "
            f"not {status}",
            denial_start(status),
        )
        for status in (99, 101, 600)
    ),
    Refused(
        "HTTP-START-05",
        "websocket.http.response.start: headers[0] name must be bytes, not str: 'a'",
        denial_start(headers=[("a", b"b")]),
    ),
    Refused(
        "HTTP-FRAME-02",
        f"websocket.http.response.start: {INTEGER}, not b'x'",
        denial_start(headers=[(b"content-length", b"x")]),
    ),
    Refused(
        "WS-DENY-02",
        "websocket.http.response.body: body must be bytes, not str: 'no'",
        denial_body("no"),
        [denial_start()],
    ),
    Refused(
        "WS-DENY-02",
        "websocket.http.response.body: more_body must be bool, not int: 1",
        denial_body(b"no", 1),
        [denial_start()],
    ),
    Refused(
        "HTTP-FRAME-03",
        "websocket.http.response.body: the body comes to more than the content-length of 1 bytes: "
        "2 bytes were sent",
        denial_body(b"no"),
        [denial_start(headers=[(b"content-length", b"1")])],
    ),
    Refused(
        "HTTP-FRAME-03",
        "websocket.http.response.body: the body ends before the content-length of 3 bytes: "
        "2 bytes were sent",
        denial_body(),
        [denial_start(headers=[(b"content-length", b"3")]), denial_body(b"no", True)],
    ),
    Refused(
        "HTTP-FRAME-05",
        "websocket.http.response.body: body must be empty with status 204, not b'no'",
        denial_body(b"no"),
        [denial_start(204)],
    ),
)


class RefusedTest(ProtocolTestCase):
    """Messages that break a rule: refused, latched, and without a trace in the state."""

    def test_order(self) -> None:
        """An answer to the handshake comes first, then what fits it, and nothing after the end."""
        for state, message, rule, text in ORDER:
            with self.subTest(state=state, message=message):
                machine = protocol()
                row = Refused(rule, f"{message['type']}: {text}", message, REACHED[state])
                self.assert_refused(machine, row)
                self.assertIs(state, machine.state)

    def test_after_a_close_in_the_handshake(self) -> None:
        """A WebSocket that was closed instead of accepted is denied."""
        for state, message, rule, text in ORDER:
            if state is WebSocketState.DENIED:
                with self.subTest(message=message):
                    row = Refused(rule, f"{message['type']}: {text}", message, [CLOSE])
                    self.assert_refused(protocol(), row)

    def test_every_state_and_message_is_in_a_table(self) -> None:
        """Each of the messages is refused or taken in each of the states."""
        for state, before in REACHED.items():
            refused = {message["type"] for each, message, _, _ in ORDER if each is state}
            for message in (ACCEPT, send(text="a"), CLOSE, denial_start(), denial_body()):
                if message["type"] not in refused:
                    with self.subTest(state=state, message=message):
                        machine = protocol()
                        for each in before:
                            machine.send(each)
                        self.assertIs(state, machine.state)
                        self.assertIsNotNone(machine.send(message))

    def test_fields(self) -> None:
        """Accept, data and close hold what may be said on a wire."""
        for row in FIELDS:
            with self.subTest(row.text):
                self.assert_refused(protocol(), row)

    def test_denials(self) -> None:
        """A denial response is held to the rules of a response, under its own message types."""
        for row in DENIALS:
            with self.subTest(row.text):
                self.assert_refused(protocol(), row)

    def test_every_version(self) -> None:
        """No version of the text from 2.3 on takes any of these."""
        for version in ("2.3", "2.4", "2.5"):
            for row in (*FIELDS, *DENIALS):
                with self.subTest(row.text, version=version):
                    self.assert_refused(protocol(version), row)

    def test_nothing_was_offered(self) -> None:
        """Without an offer no subprotocol can be accepted (WS-ACC-03)."""
        row = Refused(
            "WS-ACC-03",
            "websocket.accept: subprotocol must be one that the client offered ([]), not 'chat'",
            accept(subprotocol="chat"),
        )
        self.assert_refused(protocol(subprotocols=()), row)

    def test_messages_of_http(self) -> None:
        """A plain response does not deny a WebSocket (EVT-03)."""
        for state, before in REACHED.items():
            with self.subTest(state=state):
                row = Refused(
                    "EVT-03",
                    "http.response.start: must be sent on the 'http' scope it belongs to, "
                    "not on a 'websocket' scope",
                    {"type": "http.response.start", "status": 403},
                    before,
                )
                self.assert_refused(protocol(), row)

    def test_a_denial_that_was_not_announced(self) -> None:
        """Without the extension there is no denial response (WS-DENY-01, EXT-02)."""
        row = Refused(
            "EXT-02",
            "websocket.http.response.start: needs the 'websocket.http.response' extension, which "
            'this client does not announce: look for it in scope["extensions"] before sending, or '
            "have it announced with the option extensions={'websocket.http.response': True}",
            denial_start(),
        )
        self.assert_refused(protocol(extensions=()), row)

    def test_numbers_without_end(self) -> None:
        """A code that is too long to be shown is refused like others."""
        machine = protocol()
        machine.send(ACCEPT)
        with self.assertRaises(ProtocolError) as caught:
            machine.send(close(code=10**5000))
        self.assertEqual("WS-CLOSE-05", caught.exception.rule)

    def test_the_connection_goes_on(self) -> None:
        """After a refused message the right one is taken, and the violation is kept (ERR-03)."""
        for refused in (send(text="a"), accept(subprotocol="x"), denial_start(99), denial_body()):
            with self.subTest(refused):
                machine = protocol()
                with self.assertRaises(ProtocolError) as caught:
                    machine.send(refused)
                for message in (accept(subprotocol="chat"), send(text="a"), close(code=4000)):
                    self.assertIsNotNone(machine.send(message))
                machine.finish()
                self.assertIs(WebSocketState.CLOSED, machine.state)
                self.assertIsNone(machine.denial)
                self.assertIs(caught.exception, machine.violation)

    def test_the_first_violation_is_kept(self) -> None:
        """Later violations are raised, and do not replace the first (ERR-03)."""
        machine = protocol()
        with self.assertRaises(ProtocolError) as first:
            machine.send(send(text="a"))
        for message, rule in ((accept(subprotocol="x"), "WS-ACC-03"), (None, "EVT-01")):
            with self.assertRaises(ProtocolError) as later:
                machine.send(message)
            self.assertEqual(rule, later.exception.rule)
            self.assertIs(first.exception, machine.violation)
        machine.finish()
        self.assertIs(first.exception, machine.violation)


class TakenTest(ProtocolTestCase):
    """What frameworks send and servers take."""

    def test_accept(self) -> None:
        """An accept comes out with its defaults and its headers in order."""
        for row in (
            Taken("WS-ACC-01", ACCEPT, {"subprotocol": None, "headers": []}),
            # Channels
            Taken("WS-ACC-02", accept(subprotocol=None), {"subprotocol": None, "headers": []}),
            # Starlette
            Taken(
                "WS-ACC-04",
                accept(subprotocol=None, headers=[]),
                {"subprotocol": None, "headers": []},
            ),
            Taken(
                "WS-ACC-03",
                accept(subprotocol="superchat"),
                {"subprotocol": "superchat", "headers": []},
            ),
            Taken(
                "WS-ACC-04",
                accept(headers=((name, b" b ") for name in (b"Set-Cookie", b"set-cookie"))),
                {"subprotocol": None, "headers": [(b"set-cookie", b"b"), (b"set-cookie", b"b")]},
            ),
        ):
            with self.subTest(rule=row.rule, message=row.message):
                machine = protocol()
                self.assert_taken(machine, row)
                self.assertIs(WebSocketState.OPEN, machine.state)
                self.assertEqual(row.result["subprotocol"], machine.subprotocol)
                self.assertEqual(row.result["headers"], machine.headers)

    def test_framing_of_accept(self) -> None:
        """Headers about a body's framing do not reach the client: an upgrade has no body."""
        framing = [(b"content-length", b"0"), (b"Content-Length", b"1"), (b"a", b"b")]
        machine = protocol()
        machine.send(accept(headers=[*framing, (b"transfer-encoding", b"chunked")]))
        self.assertEqual([(b"a", b"b")], machine.headers)
        self.assertIsNone(machine.violation)

    def test_data(self) -> None:
        """A message of data comes out with the one key that it is about, empty ones too."""
        for row in (
            Taken("WS-SEND-01", send(text="a"), {"text": "a"}, [ACCEPT]),
            Taken("WS-SEND-01", send(text=""), {"text": ""}, [ACCEPT]),
            Taken("WS-SEND-01", send(text="a", bytes=None), {"text": "a"}, [ACCEPT]),
            Taken("WS-SEND-01", send(bytes=b"a"), {"bytes": b"a"}, [ACCEPT]),
            Taken("WS-SEND-01", send(bytes=b""), {"bytes": b""}, [ACCEPT]),
            Taken("WS-SEND-01", send(bytes=b"a", text=None), {"bytes": b"a"}, [ACCEPT]),
            Taken("WS-SEND-02", send(bytes=bytearray(b"a")), {"bytes": b"a"}, [ACCEPT]),
            Taken("WS-SEND-02", send(bytes=memoryview(b"a")), {"bytes": b"a"}, [ACCEPT]),
            Taken("WS-SEND-04", send(text="\U0001f600"), {"text": "\U0001f600"}, [ACCEPT]),
        ):
            with self.subTest(rule=row.rule, message=row.message):
                machine = protocol()
                self.assert_taken(machine, row)
                self.assertIs(WebSocketState.OPEN, machine.state)

    def test_close(self) -> None:
        """A close has one of the codes that may be sent, and a short reason or none."""
        for message, code, reason in (
            (CLOSE, 1000, ""),
            (close(reason=None), 1000, ""),
            # Starlette
            (close(code=1000, reason=""), 1000, ""),
            (close(code=Code.GOING_AWAY, reason="bye"), 1001, "bye"),
            (close(reason="é" * 61), 1000, "é" * 61),
            (close(reason="a" * 123), 1000, "a" * 123),
            *(
                (close(code=code), code, "")
                for code in (1000, 1003, 1007, 1014, 3000, 3999, 4000, 4999)
            ),
        ):
            with self.subTest(message):
                machine = protocol()
                row = Taken("WS-CLOSE-05", message, {"code": code, "reason": reason}, [ACCEPT])
                self.assert_taken(machine, row)
                self.assertIs(WebSocketState.CLOSED, machine.state)
                self.assertEqual((code, reason), (machine.close_code, machine.close_reason))

    def test_close_in_the_handshake(self) -> None:
        """A close before the accept may have any code and reason; they are kept (WS-CLOSE-01)."""
        errors = [{"loc": ["query", "a"], "msg": "Field required"}]
        for message, code, reason in (
            (CLOSE, 1000, ""),
            # Channels
            (close(code=4003), 4003, ""),
            (close(code=403, reason=None), 403, ""),
            (close(code=1006, reason="no"), 1006, "no"),
            # FastAPI (WS-CLOSE-02)
            (close(code=1008, reason=errors), 1008, str(errors)),
            (close(reason=[]), 1000, ""),
            (close(reason=0), 1000, ""),
            (close(reason="a" * 500), 1000, "a" * 500),
            (close(reason="\ud800"), 1000, "\ud800"),
        ):
            with self.subTest(message):
                machine = protocol()
                self.assert_taken(
                    machine, Taken("WS-CLOSE-02", message, {"code": code, "reason": reason})
                )
                self.assertIs(WebSocketState.DENIED, machine.state)
                self.assertEqual((code, reason), (machine.close_code, machine.close_reason))
                self.assertIsNone(machine.denial)

    def test_an_answer_before_anything_was_received(self) -> None:
        """An application may answer without calling ``receive()`` (WS-CONN-03)."""
        for message in (ACCEPT, CLOSE, denial_start()):
            with self.subTest(message):
                self.assertIsNotNone(protocol().send(message))

    def test_denial(self) -> None:
        """A denial response is kept whole, whatever its parts (WS-DENY-01, WS-DENY-02)."""
        machine = protocol()
        start = denial_start(
            401, headers=[(b"WWW-Authenticate", b"Basic"), (b"Transfer-Encoding", b"chunked")]
        )
        self.assert_taken(
            machine,
            Taken(
                "WS-DENY-01",
                start,
                {
                    "status": 401,
                    "headers": [
                        (b"www-authenticate", b"Basic"),
                        (b"transfer-encoding", b"chunked"),
                    ],
                },
            ),
        )
        self.assertIs(WebSocketState.DENYING, machine.state)
        self.assertFalse(machine.answered)
        for content, more_body in ((b"a", True), (memoryview(b"b"), True), (b"", False)):
            self.assert_taken(
                machine,
                Taken(
                    "WS-DENY-02",
                    denial_body(content, more_body),
                    {"body": bytes(content), "more_body": more_body},
                ),
            )
        self.assertIs(WebSocketState.DENIED, machine.state)
        self.assertTrue(machine.answered)
        assert machine.denial is not None
        self.assertEqual(401, machine.denial.status)
        self.assertEqual([(b"www-authenticate", b"Basic")], machine.denial.headers)
        machine.finish()
        self.assertIsNone(machine.violation)


class VersionTest(ProtocolTestCase):
    """What the versions of the text differ in."""

    def test_keys(self) -> None:
        """``headers`` came with 2.1, ``reason`` with 2.3."""
        text = "needs version {} of the sub-specification, and the scope announces {}"
        for message, before, rule, key, since in (
            (accept(headers=[(b"a", b"b")]), [], "WS-ACC-04", "headers", "2.1"),
            (close(reason="bye"), [ACCEPT], "WS-CLOSE-06", "reason", "2.3"),
        ):
            for version in ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5"):
                with self.subTest(key, version=version):
                    machine = protocol(version)
                    if version < since:
                        told = f"{message['type']}: {key} {text.format(since, version)}"
                        self.assert_refused(machine, Refused(rule, told, message, before))
                    else:
                        for each in before:
                            machine.send(each)
                        self.assertIsNotNone(machine.send(message))

    def test_reason_of_the_disconnect(self) -> None:
        """The disconnect event has a ``reason`` from 2.5 on (WS-DISC-03)."""
        for version in ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5"):
            reason = {"reason": "bye"} if version == "2.5" else {}
            with self.subTest(version=version, by="the client"):
                machine = protocol(version)
                machine.next_event()
                machine.disconnect(4000, "bye")
                self.assertEqual(disconnect(4000, **reason), machine.next_event())
            if version < "2.3":
                continue
            with self.subTest(version=version, by="the application"):
                machine = protocol(version)
                machine.next_event()
                machine.send(ACCEPT)
                machine.send(close(code=4000, reason="bye"))
                self.assertEqual(disconnect(4000, **reason), machine.next_event())

    def test_no_reason_is_an_empty_one(self) -> None:
        """From 2.5 on the ``reason`` is there, even if it is empty."""
        machine = protocol("2.5")
        machine.next_event()
        machine.disconnect(1005)
        self.assertEqual(disconnect(1005, reason=""), machine.next_event())

    def test_send_to_a_client_that_left(self) -> None:
        """``send()`` raises from 2.4 on, and does nothing before (WS-DISC-05)."""
        for version, raises in (
            ("2.0", False),
            ("2.1", False),
            ("2.2", False),
            ("2.3", False),
            ("2.4", True),
            ("2.5", True),
        ):
            for before, message in (
                ([], ACCEPT),
                ([], CLOSE),
                ([], denial_start()),
                ([denial_start()], denial_body()),
                ([ACCEPT], send(text="a")),
                ([ACCEPT], CLOSE),
            ):
                with self.subTest(version=version, message=message):
                    machine = protocol(version)
                    for each in before:
                        machine.send(each)
                    state = machine.state
                    machine.disconnect(1001, "bye")
                    if raises:
                        with self.assertRaisesRegex(
                            ClientDisconnected,
                            "^the client has left; nothing can be sent to it any more$",
                        ):
                            machine.send(message)
                    else:
                        self.assertIsNone(machine.send(message))
                    self.assertIs(state, machine.state)
                    self.assertEqual((1001, "bye"), (machine.close_code, machine.close_reason))
                    self.assertIsNone(machine.violation)

    def test_nothing_is_checked_any_more(self) -> None:
        """What nobody hears is not held to the rules (ERR-05)."""
        for message in (send(), accept(headers=None), {"type": "mychat.message"}, None):
            with self.subTest(message):
                machine = protocol("2.3")
                machine.disconnect(1001)
                self.assertIsNone(machine.send(message))
                self.assertIsNone(machine.violation)


class StateTest(ProtocolTestCase):
    """How a WebSocket goes on."""

    def test_the_states(self) -> None:
        """Only what is open, closed or denied is answered; the last two are closed."""
        for state, before in REACHED.items():
            with self.subTest(state=state):
                machine = protocol()
                for message in before:
                    machine.send(message)
                self.assertIs(state, machine.state)
                answered = state not in (WebSocketState.CONNECTING, WebSocketState.DENYING)
                self.assertEqual(answered, machine.answered)
                closed = state in (WebSocketState.CLOSED, WebSocketState.DENIED)
                self.assertEqual(closed, machine.closed)
                self.assertFalse(machine.disconnected)

    def test_there_is_no_code_before_the_close(self) -> None:
        """Code and reason are not there before the close."""
        for before in ([], [ACCEPT], [ACCEPT, send(text="a")], [denial_start()]):
            with self.subTest(before=before):
                machine = protocol()
                for message in before:
                    machine.send(message)
                self.assertEqual((None, ""), (machine.close_code, machine.close_reason))


class FinishTest(ProtocolTestCase):
    """The application has returned."""

    def test_receive(self) -> None:
        """A task that outlives the application's call finds the connection lost."""
        machine = protocol()
        self.assertEqual(CONNECT, machine.next_event())
        machine.send(ACCEPT)
        machine.finish()
        self.assertEqual(disconnect(1006), machine.next_event())

    def test_violations(self) -> None:
        """A handshake without an answer, or with half a denial, is a violation."""
        for before, rule, text in (
            (
                [],
                "WS-CONN-05",
                "the application returned without accepting or closing the WebSocket",
            ),
            (
                [denial_start()],
                "WS-DENY-02",
                "the application returned without completing its denial response: "
                "a websocket.http.response.body with more_body=False is missing",
            ),
            (
                [denial_start(), denial_body(b"a", True)],
                "WS-DENY-02",
                "the application returned without completing its denial response: "
                "a websocket.http.response.body with more_body=False is missing",
            ),
        ):
            with self.subTest(text):
                machine = protocol()
                for message in before:
                    machine.send(message)
                machine.finish()
                assert machine.violation is not None
                self.assertEqual(f"{text} [{rule}]", str(machine.violation))
                self.assertEqual(rule, machine.violation.rule)
                self.assertIsNone(machine.violation.message_type)

    def test_no_violations(self) -> None:
        """After a close or a denial nothing is missing, and the codes stay."""
        for before, code in (
            ([ACCEPT, close(code=4000)], 4000),
            ([close(code=4003)], 4003),
            ([denial_start(), denial_body()], 1006),
        ):
            with self.subTest(before=before):
                machine = protocol()
                for message in before:
                    machine.send(message)
                machine.finish()
                self.assertIsNone(machine.violation)
                self.assertEqual(code, machine.close_code)

    def test_a_return_without_a_close(self) -> None:
        """To return from an open WebSocket loses the connection: code 1006 (WS-CLOSE-08)."""
        machine = protocol()
        machine.send(ACCEPT)
        machine.finish()
        self.assertIsNone(machine.violation)
        self.assertEqual((1006, ""), (machine.close_code, machine.close_reason))

    def test_an_exception(self) -> None:
        """To raise ends an open WebSocket with 1011, and excuses what was left undone (ERR-04)."""
        for before, code in (
            ([], None),
            ([denial_start()], None),
            ([denial_start(), denial_body()], 1006),
            ([ACCEPT], 1011),
            ([ACCEPT, close(code=4000)], 4000),
            ([close(code=4003)], 4003),
        ):
            with self.subTest(before=before):
                machine = protocol()
                for message in before:
                    machine.send(message)
                machine.finish(raised=True)
                self.assertIsNone(machine.violation)
                self.assertEqual((code, ""), (machine.close_code, machine.close_reason))

    def test_an_exception_after_the_client_left(self) -> None:
        """The code stays that of the client."""
        machine = protocol()
        machine.send(ACCEPT)
        machine.disconnect(1001, "bye")
        machine.finish(raised=True)
        self.assertEqual((1001, "bye"), (machine.close_code, machine.close_reason))

    def test_the_client_comes_too_late(self) -> None:
        """A client that leaves after the application returned changes nothing."""
        machine = protocol()
        machine.send(ACCEPT)
        machine.finish()
        machine.add_event(receive("a"))
        machine.disconnect(1000, "bye")
        self.assertEqual((1006, ""), (machine.close_code, machine.close_reason))
        self.assertFalse(machine.disconnected)

    def test_after_the_client_left(self) -> None:
        """Nobody waits for an answer that the client did not wait for."""
        for before in ([], [ACCEPT], [denial_start()]):
            with self.subTest(before=before):
                machine = protocol()
                for message in before:
                    machine.send(message)
                machine.disconnect(1001, "bye")
                machine.finish()
                self.assertIsNone(machine.violation)
                self.assertEqual((1001, "bye"), (machine.close_code, machine.close_reason))


class EventTest(ProtocolTestCase):
    """What ``receive()`` gives."""

    def test_the_connect_event_comes_first(self) -> None:
        """The first event is the connect, whatever happened before (WS-CONN-01)."""
        for state, before in REACHED.items():
            for left in (False, True):
                with self.subTest(state=state, left=left):
                    machine = protocol("2.3")
                    machine.add_event(receive("a"))
                    for message in before:
                        machine.send(message)
                    if left:
                        machine.disconnect(1001)
                    self.assertEqual(CONNECT, machine.next_event())

    def test_nothing_before_the_answer(self) -> None:
        """Between connect and answer there is nothing to receive (WS-CONN-04)."""
        machine = protocol()
        machine.add_event(receive("a"))
        machine.next_event()
        self.assertIsNone(machine.next_event())
        machine.send(ACCEPT)
        self.assertEqual(receive("a"), machine.next_event())

    def test_nothing_during_a_denial(self) -> None:
        """While a denial response is sent there is nothing to receive."""
        machine = protocol()
        machine.add_event(receive("a"))
        machine.next_event()
        machine.send(denial_start())
        self.assertIsNone(machine.next_event())

    def test_messages_in_order(self) -> None:
        """The client's messages come in their order, then nothing."""
        machine = protocol()
        machine.next_event()
        machine.send(ACCEPT)
        self.assertIsNone(machine.next_event())
        for text in ("a", "b"):
            machine.add_event(receive(text))
        self.assertEqual([receive("a"), receive("b"), None], [machine.next_event() for _ in "123"])

    def test_a_client_that_vanishes_in_the_handshake(self) -> None:
        """The disconnect may come before the answer; what else was sent does not."""
        for before in ([], [denial_start()]):
            with self.subTest(before=before):
                machine = protocol()
                machine.next_event()
                for message in before:
                    machine.send(message)
                machine.add_event(receive("a"))
                machine.disconnect(1006)
                self.assertEqual([disconnect(1006)] * 2, [machine.next_event() for _ in "12"])

    def test_the_client_leaves(self) -> None:
        """What the client sent before it left comes first, the disconnect then, and again."""
        machine = protocol()
        machine.next_event()
        machine.send(ACCEPT)
        machine.add_event(receive("a"))
        machine.disconnect(1005, "bye")
        machine.add_event(receive("too late"))
        machine.disconnect(1000)
        self.assertEqual(
            [receive("a"), disconnect(1005), disconnect(1005)],
            [machine.next_event() for _ in "123"],
        )
        self.assertEqual((1005, "bye"), (machine.close_code, machine.close_reason))

    def test_after_a_close(self) -> None:
        """The application gets its own code back, and nothing of the client (WS-DISC-04)."""
        machine = protocol()
        machine.next_event()
        machine.send(ACCEPT)
        machine.add_event(receive("a"))
        machine.send(close(code=Code.GOING_AWAY, reason="bye"))
        machine.add_event(receive("b"))
        machine.disconnect(4000)
        events = [machine.next_event() for _ in "12"]
        self.assertEqual([disconnect(1001)] * 2, events)
        assert events[0] is not None
        self.assertIs(int, type(events[0]["code"]), "a plain int (WS-DISC-02)")
        self.assertEqual((1001, "bye"), (machine.close_code, machine.close_reason))
        self.assertFalse(machine.disconnected)

    def test_after_a_denial(self) -> None:
        """After a denial the event is a lost connection (WS-CLOSE-03, WS-DENY-03)."""
        for version, reason in (("2.4", {}), ("2.5", {"reason": ""})):
            for before in ([close(code=4003, reason="no")], [denial_start(), denial_body()]):
                with self.subTest(version=version, before=before):
                    machine = protocol(version)
                    machine.next_event()
                    for message in before:
                        machine.send(message)
                    machine.disconnect(4000)
                    self.assertFalse(machine.disconnected)
                    self.assertEqual(
                        [disconnect(1006, **reason)] * 2, [machine.next_event() for _ in "12"]
                    )

    def test_whether_events_wait(self) -> None:
        """From the connect event on it is known whether there is something to receive."""
        machine = protocol()
        self.assertTrue(machine.has_events)
        machine.next_event()
        self.assertFalse(machine.has_events)
        machine.send(ACCEPT)
        machine.add_event(receive("a"))
        self.assertTrue(machine.has_events)
        machine.next_event()
        self.assertFalse(machine.has_events)

    def test_any_event_can_be_fed(self) -> None:
        """A test may feed whatever it wants (ERR-02)."""
        machine = protocol()
        machine.next_event()
        machine.send(ACCEPT)
        machine.add_event({"type": "mychat.message"})
        self.assertEqual({"type": "mychat.message"}, machine.next_event())

    def test_endless_calls(self) -> None:
        """An application that asks for ever after the end is told to stop (WS-DISC-06)."""
        text = (
            "the application keeps calling receive() after websocket.disconnect: "
            "1000 times so far [HTTP-REQ-08]"
        )
        for title, before in (
            ("closed", [ACCEPT, CLOSE]),
            ("denied", [CLOSE]),
            ("left", [ACCEPT]),
        ):
            with self.subTest(title):
                machine = protocol()
                machine.next_event()
                for message in before:
                    machine.send(message)
                machine.disconnect(1000)
                for _ in range(MAXIMUM_REPEATS):
                    self.assertIsNotNone(machine.next_event())
                self.assertIsNone(machine.violation)
                with self.assertRaises(ProtocolError) as caught:
                    machine.next_event()
                self.assertEqual(text, str(caught.exception))
                self.assertIs(caught.exception, machine.violation)


class DescribeTest(ProtocolTestCase):
    """The sentence that a report shows."""

    def test_the_states(self) -> None:
        """It tells how far the application has come."""
        for state, text in (
            (WebSocketState.CONNECTING, "the WebSocket is neither accepted nor closed"),
            (WebSocketState.OPEN, "the WebSocket is open"),
            (WebSocketState.CLOSED, "the WebSocket is closed by the application"),
            (
                WebSocketState.DENYING,
                "the WebSocket is being denied with a response that is not complete",
            ),
            (WebSocketState.DENIED, "the WebSocket is denied"),
        ):
            with self.subTest(state=state):
                machine = protocol()
                machine.next_event()
                for message in REACHED[state]:
                    machine.send(message)
                self.assertEqual(text, machine.describe())

    def test_the_events(self) -> None:
        """It tells how many events were not received."""
        machine = protocol()
        machine.send(ACCEPT)
        for count, text in (
            (1, "the WebSocket is open; 1 event waits to be received"),
            (2, "the WebSocket is open; 2 events wait to be received"),
            (3, "the WebSocket is open; 3 events wait to be received"),
        ):
            with self.subTest(count):
                self.assertEqual(text, machine.describe())
                machine.add_event(receive("a"))

    def test_events_that_nobody_will_get(self) -> None:
        """After the application's close, or its denial, no event waits."""
        for before, text in (
            ([ACCEPT, CLOSE], "the WebSocket is closed by the application"),
            ([CLOSE], "the WebSocket is denied"),
        ):
            with self.subTest(text):
                machine = protocol()
                machine.next_event()
                machine.add_event(receive("a"))
                for message in before:
                    machine.send(message)
                self.assertEqual(text, machine.describe())

    def test_a_client_that_left(self) -> None:
        """It tells that the client has left."""
        machine = protocol()
        machine.next_event()
        machine.send(ACCEPT)
        machine.add_event(receive("a"))
        machine.disconnect(1001)
        self.assertEqual(
            "the WebSocket is open; 1 event waits to be received; the client has left",
            machine.describe(),
        )
