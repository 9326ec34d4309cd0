"""The table of the rules' tests: for each part of a rule what breaks it, and what comes of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from asgitest._protocol._http import HTTPProtocol
from asgitest._protocol._lifespan import LifespanProtocol
from asgitest._protocol._machine import MAXIMUM_REPEATS, Protocol
from asgitest._protocol._rule import Verdict
from asgitest._protocol._rules import Strictness
from asgitest._protocol._websocket import WebSocketProtocol

Message = dict[str, Any]

E, W, L = Verdict.ERROR, Verdict.WARNING, Verdict.LENIENT

#: Stands for the result of a row whose acceptance changes nothing that send() returns.
ANYTHING = object()
EXTENSIONS = ("http.response.debug", "websocket.http.response")
SUBPROTOCOLS = ("chat",)

START: Message = {"type": "http.response.start", "status": 200}
BODY: Message = {"type": "http.response.body", "body": b"body"}
PART: Message = {**BODY, "more_body": True}
ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close"}
DENY: Message = {"type": "websocket.http.response.start", "status": 404}
DENY_BODY: Message = {"type": "websocket.http.response.body", "body": b""}
DEBUG: Message = {"type": "http.response.debug", "info": {}}
STARTED: Message = {"type": "lifespan.startup.complete"}
STOPPED: Message = {"type": "lifespan.shutdown.complete"}


class Row(NamedTuple):
    """One part of a rule.

    :ivar rule: id of the rule
    :ivar verdict: verdict of the part
    :ivar text: part of what the client says
    :ivar scope_type: kind of the connection
    :ivar act: breaks the rule, and returns what ``send()`` gave
    :ivar accepted: what that is when it is accepted
    """

    rule: str
    verdict: Verdict
    text: str
    scope_type: str
    act: Callable[[Any], object]
    accepted: object = ANYTHING


def machine(scope_type: str, strictness: Strictness, state: Any = None) -> Protocol:
    """Return a state machine whose application has received what comes first."""
    built: Protocol
    if scope_type == "http":
        built = http = HTTPProtocol("GET", "2.5", EXTENSIONS, strictness)
        http.add_body(b"", False)
    elif scope_type == "websocket":
        built = WebSocketProtocol(SUBPROTOCOLS, "2.5", EXTENSIONS, strictness)
    else:
        built = LifespanProtocol(state, strictness)
    built.next_event()
    return built


def sends(*messages: object) -> Callable[[Protocol], object]:
    """Return the act of sending messages, of which the last breaks the rule."""

    def act(protocol: Protocol) -> object:
        result = None
        for message in messages:
            result = protocol.send(message)
        return result

    return act


def returns(*messages: object) -> Callable[[Protocol], object]:
    """Return the act of sending messages and returning."""

    def act(protocol: Protocol) -> object:
        sends(*messages)(protocol)
        protocol.finish()
        if protocol.violation is not None:
            raise protocol.violation
        return None

    return act


def unreceived(message: Message) -> Callable[[Protocol], object]:
    """Return the act of sending a message before anything was received."""

    def act(protocol: Protocol) -> object:
        strictness = protocol.judge.strictness
        fresh = (
            HTTPProtocol("GET", strictness=strictness)
            if message["type"].startswith("http")
            else WebSocketProtocol(strictness=strictness)
        )
        return fresh.send(message)

    return act


def at_old_version(message: Message) -> Callable[[Protocol], object]:
    """Return the act of sending messages on a WebSocket of the first version."""

    def act(protocol: Protocol) -> object:
        old = WebSocketProtocol(spec_version="2.0", strictness=protocol.judge.strictness)
        old.next_event()
        return old.send(message)

    return act


def gives_back(protocol: Protocol) -> object:
    """Return something."""
    protocol.note_result(42)
    if protocol.violation is not None:
        raise protocol.violation
    return None


def asks_for_ever(protocol: Protocol) -> object:
    """Ask for events after the end."""
    sends(START, BODY)(protocol)
    for _ in range(MAXIMUM_REPEATS + 1):
        protocol.next_event()
    return None


def queues(protocol: Protocol) -> object:
    """Ask for an event while another task waits for one."""
    protocol.refuse_queue()
    return None


def names_a_key(protocol: Protocol) -> object:
    """Start with a state whose keys are no text."""
    lifespan = LifespanProtocol({1: "one"}, protocol.judge.strictness)
    lifespan.judge = protocol.judge
    lifespan.next_event()
    return lifespan.send(STARTED)


def leaves_unstopped(protocol: Any) -> object:
    """Return after the shutdown event, without an answer to it."""
    protocol.send(STARTED)
    protocol.shut_down()
    protocol.next_event()
    return returns()(protocol)


def start(**fields: Any) -> Callable[[Protocol], object]:
    """Return the act of sending a start."""
    return sends({**START, **fields})


def headers(*pairs: Any) -> Callable[[Protocol], object]:
    """Return the act of sending a start with headers."""
    return start(headers=list(pairs))


def accept(**fields: Any) -> Callable[[Protocol], object]:
    """Return the act of sending an accept."""
    return sends({**ACCEPT, **fields})


def data(**fields: Any) -> Callable[[Protocol], object]:
    """Return the act of sending a message on a WebSocket that is open."""
    return sends(ACCEPT, {"type": "websocket.send", **fields})


def close(**fields: Any) -> Callable[[Protocol], object]:
    """Return the act of closing a WebSocket that is open."""
    return sends(ACCEPT, {**CLOSE, **fields})


def started(*pairs: Any, status: int = 200) -> Message:
    """Return a start as the state machine takes it."""
    return {**START, "status": status, "headers": list(pairs), "trailers": False}


def accepted(subprotocol: str | None = None, *pairs: Any) -> Message:
    """Return an accept as the state machine takes it."""
    return {**ACCEPT, "subprotocol": subprotocol, "headers": list(pairs)}


def body(content: bytes, more_body: bool = False) -> Message:
    """Return a part of a body as the state machine takes it."""
    return {"type": "http.response.body", "body": content, "more_body": more_body}


def closed(code: int = 1000, reason: str = "") -> Message:
    """Return a close as the state machine takes it."""
    return {**CLOSE, "code": code, "reason": reason}


LENGTH: Sequence[Any] = [(b"content-length", b"2")]

GENERAL = (
    Row("APP-10", W, "must return None, not int: 42", "http", gives_back),
    Row("EVT-01", E, "the message must be dict, not NoneType: None", "http", sends(None)),
    Row("EVT-01", E, "must have a 'type' key", "http", sends({})),
    Row("EVT-02", L, "extra must be a value that can be passed on", "http",
        sends({**START, "extra": {1, 2}}), started()),
    Row("EVT-02", L, "extra[0]['a'] must be", "http", sends({**START, "extra": [{"a": 2**63}]}),
        started()),
    Row("EVT-02", L, "not float: nan", "http", start(extra=float("nan")), started()),
    Row("EVT-02", L, "a dict with the key 1", "http", start(extra={1: 2}), started()),
    Row("EVT-03", E, "must be sent on the 'websocket' scope", "http", sends(ACCEPT), None),
    Row("EVT-05", E, "is no message type that a server knows", "http",
        sends({"type": "http.response.end"}), None),
    Row("EVT-05", E, "is an event", "http", sends({"type": "http.request"}), None),
    Row("EXT-02", E, "needs the 'http.response.push' extension", "http",
        sends({"type": "http.response.push"}), None),
    Row("EXT-DEBUG-01", E, "must be sent before http.response.start", "http",
        sends(START, DEBUG)),
)  # fmt: skip

HTTP = (
    Row("HTTP-REQ-03", L, "before the application received an event", "http",
        unreceived(START), started()),
    Row("HTTP-REQ-08", E, "keeps calling receive() after http.disconnect", "http",
        asks_for_ever),
    Row("HTTP-REQ-09", W, "while another call of it was waiting", "http", queues),
    Row("HTTP-START-01", E, "must come after http.response.start", "http", sends(BODY)),
    Row("HTTP-START-01", E, "was sent a second time", "http", sends(START, START)),
    Row("HTTP-START-02", E, "status must be int, not str: '200'", "http", start(status="200")),
    Row("HTTP-START-02", E, "status is required and missing", "http",
        sends({"type": "http.response.start"})),
    Row("HTTP-START-03", E, "from 200 to 599, not 101", "http", start(status=101),
        started(status=101)),
    Row("HTTP-START-04", E, "headers must be an iterable", "http", start(headers=None)),
    Row("HTTP-START-04", E, "not 3 items", "http", headers((b"a", b"b", b"c"))),
    Row("HTTP-START-04", E, "headers[0] must be a (name, value) pair", "http", headers(None)),
    Row("HTTP-START-04", L, "headers must be a list or tuple", "http",
        lambda protocol: start(headers=iter([(b"a", b"b")]))(protocol), started((b"a", b"b"))),
    Row("HTTP-START-04", L, "headers[0] must be a list or tuple", "http",
        lambda protocol: headers(iter([b"a", b"b"]))(protocol), started((b"a", b"b"))),
    Row("HTTP-START-05", E, "name must be bytes, not str: 'a'", "http",
        headers(("a", b"b")), started((b"a", b"b"))),
    Row("HTTP-START-05", E, "value of b'a' must be bytes, not str", "http",
        headers((b"a", "\xe9\u20ac")), started((b"a", b"\xe9?"))),
    Row("HTTP-START-05", E, "value of b'a' must be bytes, not int: 5", "http",
        headers((b"a", 5)), started()),
    Row("HTTP-START-05", E, "name must be bytes, not int: 5", "http",
        headers((5, b"a")), started()),
    Row("HTTP-START-05", L, "name must be bytes, not bytearray", "http",
        headers((bytearray(b"a"), memoryview(b"b"))), started((b"a", b"b"))),
    Row("HTTP-START-06", L, "name must be in lower case, not b'X-A'", "http",
        headers((b"X-A", b"b")), started((b"x-a", b"b"))),
    Row("HTTP-START-07", E, "must not be a pseudo header", "http", headers((b":status", b"1"))),
    Row("HTTP-START-08", E, "must not hold CR, LF or NUL", "http",
        headers((b"a", b"b\r\nc\0d")), started((b"a", b"b  c d"))),
    Row("HTTP-START-08", E, "name must be a token", "http",
        headers((b"a b", b"c")), started((b"a b", b"c"))),
    Row("HTTP-START-09", L, "must not have space round it", "http",
        headers((b"a", b" b\t")), started((b"a", b"b"))),
    Row("HTTP-START-14", E, "trailers must be bool, not int: 1", "http", start(trailers=1),
        started()),
    Row("HTTP-START-14", E, "extension is not announced", "http", start(trailers=True),
        started()),
    Row("HTTP-BODY-01", E, "body must be bytes, not str", "http",
        sends(START, {**BODY, "body": "text"})),
    Row("HTTP-BODY-01", E, "body must be bytes, not NoneType", "http",
        sends(START, {**BODY, "body": None})),
    Row("HTTP-BODY-02", L, "body must be bytes, not memoryview", "http",
        sends(START, {**BODY, "body": memoryview(b"a")}), body(b"a")),
    Row("HTTP-BODY-03", E, "more_body must be bool, not int: 1", "http",
        sends(START, {**BODY, "more_body": 1}), body(b"body", True)),
    Row("HTTP-BODY-05", E, "after the response was complete", "http", sends(START, BODY, BODY),
        None),
    Row("HTTP-BODY-06", E, "without completing the response", "http", returns(START, PART)),
    Row("HTTP-BODY-07", E, "without starting a response", "http", returns()),
    Row("HTTP-FRAME-02", E, "content-length must be one non-negative integer, not b'-1'", "http",
        headers((b"content-length", b"-1")), started((b"content-length", b"-1"))),
    Row("HTTP-FRAME-03", E, "comes to more than the content-length of 2", "http",
        sends({**START, "headers": LENGTH}, BODY), body(b"body")),
    Row("HTTP-FRAME-03", E, "ends before the content-length of 2", "http",
        sends({**START, "headers": LENGTH}, {**BODY, "body": b"a"}), body(b"a")),
    Row("HTTP-FRAME-05", E, "body must be empty with status 204", "http",
        sends({**START, "status": 204}, BODY), body(b"")),
)  # fmt: skip

WEBSOCKET = (
    Row("WS-CONN-02", E, "must answer with", "websocket",
        sends({"type": "websocket.send", "text": "a"}), None),
    Row("WS-CONN-03", L, "before the application received websocket.connect", "websocket",
        unreceived(ACCEPT), accepted()),
    Row("WS-CONN-05", E, "without accepting or closing", "websocket", returns()),
    Row("WS-ACC-01", E, "although the WebSocket is accepted", "websocket",
        sends(ACCEPT, ACCEPT)),
    Row("WS-ACC-02", E, "subprotocol must be str or None, not bytes", "websocket",
        accept(subprotocol=b"chat")),
    Row("WS-ACC-03", E, "must be one that the client offered", "websocket",
        accept(subprotocol="other"), accepted("other")),
    Row("WS-ACC-04", E, "headers must be an iterable", "websocket", accept(headers=None),
        accepted()),
    Row("WS-ACC-04", E, "headers[0] must be a (name, value) pair", "websocket",
        accept(headers=[5, (b"a", b"b", b"c"), (b":a", b"b"), (b"d", b"e")]),
        accepted(None, (b"d", b"e"))),
    Row("WS-ACC-04", E, "headers needs version 2.1", "websocket",
        at_old_version({**ACCEPT, "headers": [(b"a", b"b")]}), accepted()),
    Row("WS-ACC-04", L, "name must be in lower case", "websocket",
        accept(headers=[(b"X-A", b"b ")]), accepted(None, (b"x-a", b"b"))),
    Row("WS-ACC-05", E, "must not hold sec-websocket-protocol", "websocket",
        accept(headers=[(b"sec-websocket-protocol", b"chat")]),
        accepted(None, (b"sec-websocket-protocol", b"chat"))),
    Row("WS-ACC-05", W, "must not hold upgrade; the server sends that", "websocket",
        accept(headers=[(b"upgrade", b"a")]), accepted(None, (b"upgrade", b"a"))),
    Row("WS-CLOSE-02", L, "reason must be str or None, not list", "websocket",
        sends({**CLOSE, "reason": [1]}), closed(1000, "[1]")),
    Row("WS-DENY-01", E, "although the WebSocket is accepted", "websocket",
        sends(ACCEPT, DENY)),
    Row("WS-DENY-02", E, "must answer with", "websocket", sends(DENY_BODY)),
    Row("WS-DENY-02", E, "without completing its denial response", "websocket", returns(DENY)),
    Row("WS-SEND-01", E, "both are there", "websocket", data(text="a", bytes=b"b"),
        {"type": "websocket.send", "bytes": b"b"}),
    Row("WS-SEND-01", E, "neither is there", "websocket", data(), None),
    Row("WS-SEND-02", E, "text must be str or None, not bytes", "websocket", data(text=b"a")),
    Row("WS-SEND-02", E, "bytes must be bytes or None, not str", "websocket", data(bytes="a")),
    Row("WS-SEND-02", L, "bytes must be bytes or None, not bytearray", "websocket",
        data(bytes=bytearray(b"a")), {"type": "websocket.send", "bytes": b"a"}),
    Row("WS-SEND-03", E, "after websocket.close", "websocket",
        sends(ACCEPT, CLOSE, {"type": "websocket.send", "text": "a"}), None),
    Row("WS-SEND-04", E, "must be encodable as UTF-8", "websocket", data(text="\ud800")),
    Row("WS-CLOSE-04", E, "code must be int, not NoneType", "websocket", close(code=None),
        closed()),
    Row("WS-CLOSE-05", E, "must be one that may be sent", "websocket", close(code=1006),
        closed(1006)),
    Row("WS-CLOSE-06", E, "at most 123 bytes of UTF-8, not 124", "websocket",
        close(reason="\xe9" * 62), closed(1000, "\xe9" * 61)),
    Row("WS-CLOSE-06", E, "reason must be str or None, not bytes", "websocket",
        close(reason=b"a"), closed()),
    Row("WS-CLOSE-06", E, "reason needs version 2.3", "websocket",
        at_old_version({**CLOSE, "reason": "a"}), closed()),
    Row("WS-CLOSE-07", E, "after websocket.close", "websocket", sends(ACCEPT, CLOSE, CLOSE),
        None),
    Row("WS-CLOSE-08", W, "without closing the WebSocket", "websocket", returns(ACCEPT)),
)  # fmt: skip

LIFESPAN = (
    Row("LIFE-04", E, "was sent although the application is started", "lifespan",
        sends(STARTED, STARTED)),
    Row("LIFE-08", W, "without answering lifespan.startup", "lifespan", returns()),
    Row("LIFE-09", W, "left its lifespan early", "lifespan", returns(STARTED)),
    Row("LIFE-11", E, "before the lifespan.shutdown event was received", "lifespan",
        sends(STARTED, STOPPED)),
    Row("LIFE-11", W, "without answering lifespan.shutdown", "lifespan", leaves_unstopped),
    Row("LIFE-15", W, "must have keys of type str, not int: 1", "lifespan", names_a_key,
        STARTED),
    Row("LIFE-17", E, "must be sent on the 'http' scope", "lifespan", sends(START), None),
)  # fmt: skip

#: Every row; what needs more than a state machine is tested in ``tests.test_rules`` itself.
ROWS = (*GENERAL, *HTTP, *WEBSOCKET, *LIFESPAN)
