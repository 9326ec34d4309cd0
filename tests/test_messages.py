"""The table of messages: keys, types, defaults, versions, and what belongs to no row of it."""

from __future__ import annotations

import collections
import enum
import http
import types
import unittest
from collections.abc import Mapping
from typing import Any

from asgitest._protocol._http import HTTPProtocol
from asgitest._protocol._lifespan import LifespanProtocol
from asgitest._protocol._machine import Protocol
from asgitest._protocol._messages import EVENTS, MESSAGES, check_message, parse_version
from asgitest._protocol._rules import Judge
from asgitest._protocol._websocket import WebSocketProtocol
from asgitest.exceptions import ProtocolError
from tests.protocol_case import ProtocolTestCase, Refused

KNOWN = {
    "http": "http.response.body, http.response.debug, http.response.early_hint, "
    "http.response.pathsend, http.response.push, http.response.start, http.response.template, "
    "http.response.trailers, http.response.zerocopysend",
    "websocket": "websocket.accept, websocket.close, websocket.http.response.body, "
    "websocket.http.response.start, websocket.send",
    "lifespan": "lifespan.shutdown.complete, lifespan.shutdown.failed, lifespan.startup.complete, "
    "lifespan.startup.failed",
}
NO_TYPE = "is no message type that a server knows"
AN_EVENT = "is an event, which an application receives and never sends"


class Text(str):
    """A string of a class of its own."""


class Number(enum.IntEnum):
    """Codes with names."""

    GOING_AWAY = 1001


def check(
    message: object,
    *,
    scope_type: str = "http",
    version: str = "2.5",
    extensions: Any = (
        "http.response.debug",
        "http.response.template",
        "websocket.http.response",
    ),
) -> dict[str, Any]:
    """Check a message alone, with the extensions that the client announces."""
    checked = check_message(
        message,
        scope_type=scope_type,
        spec_version=parse_version(version),
        extensions=extensions,
        judge=Judge(),
    )
    assert checked is not None
    return checked


def machines() -> dict[str, Protocol]:
    """Return a fresh state machine of each kind, by its scope type."""
    return {
        "http": HTTPProtocol("GET", extensions=("http.response.debug",)),
        "websocket": WebSocketProtocol(extensions=("websocket.http.response",)),
        "lifespan": LifespanProtocol(),
    }


def with_type(message_type: object, **fields: Any) -> dict[str, Any]:
    """Return a message."""
    return {"type": message_type, **fields}


class NoMessageTest(ProtocolTestCase):
    """What is no message at all, on each of the scopes."""

    def test_no_dict(self) -> None:
        """A message is a ``dict``, and nothing that only looks like one (EVT-01)."""
        proxy: Mapping[str, Any] = types.MappingProxyType({"type": "http.response.start"})
        user = collections.UserDict({"type": "http.response.start"})
        for message, shown in (
            (None, "NoneType: None"),
            ("http.response.start", "str: 'http.response.start'"),
            (b"a", "bytes: b'a'"),
            (1, "int: 1"),
            ([], "list: []"),
            ([("type", "http.response.start")], "list: [('type', 'http.response.start')]"),
            (proxy, "mappingproxy: mappingproxy({'type': 'http.response.start'})"),
            (user, "UserDict: {'type': 'http.response.start'}"),
        ):
            row = Refused("EVT-01", f"send(): the message must be dict, not {shown}", message)
            for scope_type, machine in machines().items():
                with self.subTest(shown, scope_type=scope_type):
                    self.assert_refused(machine, row)

    def test_no_type(self) -> None:
        """A message has a ``type`` (EVT-01)."""
        for message in ({}, {"status": 200}, {"Type": "http.response.start"}):
            row = Refused(
                "EVT-01", f"send(): the message must have a 'type' key: {message!r}", message
            )
            for scope_type, machine in machines().items():
                with self.subTest(message, scope_type=scope_type):
                    self.assert_refused(machine, row)

    def test_a_type_that_is_no_string(self) -> None:
        """The ``type`` is a ``str`` (EVT-01)."""
        for value, shown in (
            (None, "NoneType: None"),
            (b"http.response.start", "bytes: b'http.response.start'"),
            (1, "int: 1"),
            ([], "list: []"),
            (["http.response.start"], "list: ['http.response.start']"),
        ):
            row = Refused(
                "EVT-01", f"send(): the message's type must be str, not {shown}", with_type(value)
            )
            for scope_type, machine in machines().items():
                with self.subTest(shown, scope_type=scope_type):
                    self.assert_refused(machine, row)


class UnknownTypeTest(ProtocolTestCase):
    """Types that are in no row, or in one of another scope."""

    def test_invented_types(self) -> None:
        """A type that no server knows is refused, with those that one knows (EVT-05)."""
        for message_type in (
            "mychat.message",
            "http.response",
            "HTTP.RESPONSE.START",
            "http.response.start ",
            "http",
            "",
            "it's",
        ):
            for scope_type, machine in machines().items():
                with self.subTest(message_type, scope_type=scope_type):
                    text = (
                        f"{message_type}: {NO_TYPE}; "
                        f"on this {scope_type!r} scope it takes {KNOWN[scope_type]}"
                    )
                    self.assert_refused(machine, Refused("EVT-05", text, with_type(message_type)))

    def test_events(self) -> None:
        """An event, which only servers send, is refused as such (EVT-05)."""
        for message_type in sorted(EVENTS):
            for scope_type, machine in machines().items():
                with self.subTest(message_type, scope_type=scope_type):
                    text = (
                        f"{message_type}: {AN_EVENT}; "
                        f"on this {scope_type!r} scope it takes {KNOWN[scope_type]}"
                    )
                    self.assert_refused(machine, Refused("EVT-05", text, with_type(message_type)))

    def test_the_events_are_those_of_the_specification(self) -> None:
        """Seven types are a server's to send."""
        self.assertEqual(
            {
                "http.request",
                "http.disconnect",
                "websocket.connect",
                "websocket.receive",
                "websocket.disconnect",
                "lifespan.startup",
                "lifespan.shutdown",
            },
            EVENTS,
        )

    def test_a_long_type_is_cut(self) -> None:
        """A type without an end does not hide the rest of the text."""
        for length, shown in (
            (80, "x" * 80),
            (81, "x" * 80 + "..."),
            (100_000, "x" * 80 + "..."),
        ):
            with self.subTest(length):
                with self.assertRaises(ProtocolError) as caught:
                    check(with_type("x" * length))
                self.assertEqual(
                    f"{shown}: {NO_TYPE}; on this 'http' scope it takes {KNOWN['http']} [EVT-05]",
                    str(caught.exception),
                )
                self.assertEqual("x" * length, caught.exception.message_type)

    def test_a_message_of_another_scope(self) -> None:
        """A message is sent on the scope that its type names (EVT-03, LIFE-17)."""
        articles = {"http": "an", "websocket": "a", "lifespan": "a"}
        for message_type, row in MESSAGES.items():
            for scope_type, machine in machines().items():
                if scope_type == row.scope_type:
                    continue
                with self.subTest(message_type, scope_type=scope_type):
                    text = (
                        f"{message_type}: must be sent on the {row.scope_type!r} scope it belongs "
                        f"to, not on {articles[scope_type]} {scope_type!r} scope"
                    )
                    rule = "LIFE-17" if scope_type == "lifespan" else "EVT-03"
                    self.assert_refused(machine, Refused(rule, text, with_type(message_type)))

    def test_the_type_names_its_scope(self) -> None:
        """Every type of the table begins with the scope type that it stands for."""
        for message_type, row in MESSAGES.items():
            with self.subTest(message_type):
                self.assertEqual(row.scope_type, message_type.partition(".")[0])


class ExtensionTest(ProtocolTestCase):
    """Messages that need an extension."""

    EXTENSIONS = {
        "http.response.debug": "http.response.debug",
        "http.response.early_hint": "http.response.early_hint",
        "http.response.pathsend": "http.response.pathsend",
        "http.response.push": "http.response.push",
        "http.response.template": "http.response.template",
        "http.response.trailers": "http.response.trailers",
        "http.response.zerocopysend": "http.response.zerocopysend",
        "websocket.http.response.body": "websocket.http.response",
        "websocket.http.response.start": "websocket.http.response",
    }

    def test_the_table_names_them(self) -> None:
        """The messages of extensions are the only ones that need one."""
        found = {name: row.extension for name, row in MESSAGES.items() if row.extension}
        self.assertEqual(self.EXTENSIONS, found)

    def test_not_announced(self) -> None:
        """The message of an extension that was not announced is refused (EXT-02)."""
        for message_type, extension in self.EXTENSIONS.items():
            protocol: Protocol = (
                HTTPProtocol("GET") if message_type.startswith("http") else WebSocketProtocol()
            )
            row = Refused(
                "EXT-02",
                f"{message_type}: needs the {extension!r} extension, which this client does not "
                f'announce: look for it in scope["extensions"] before sending, or have it '
                f"announced with the option extensions={{{extension!r}: True}}",
                with_type(message_type),
            )
            with self.subTest(message_type):
                self.assert_refused(protocol, row)

    def test_announced(self) -> None:
        """The message of an extension that was announced is looked at."""
        debug = with_type("http.response.debug", info={"a": 1})
        for extensions in (
            {"http.response.debug": {}},
            ["http.response.debug"],
            {"http.response.debug"},
        ):
            with self.subTest(extensions=extensions):
                self.assertEqual(debug, check(debug, extensions=extensions))


HTTP_START, HTTP_BODY = "http.response.start", "http.response.body"
DENIAL_START, DENIAL_BODY = "websocket.http.response.start", "websocket.http.response.body"
PAIRS = "an iterable of (name, value) pairs of bytes"

#: Message type, its fields, rule id, text after the type.
MALFORMED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    (HTTP_START, {}, "HTTP-START-02", "status is required and missing"),
    (HTTP_START, {"Status": 200}, "HTTP-START-02", "status is required and missing"),
    (HTTP_START, {"status": "200"}, "HTTP-START-02", "status must be int, not str: '200'"),
    (HTTP_START, {"status": 200.0}, "HTTP-START-02", "status must be int, not float: 200.0"),
    (HTTP_START, {"status": True}, "HTTP-START-02", "status must be int, not bool: True"),
    (HTTP_START, {"status": None}, "HTTP-START-02", "status must be int, not NoneType: None"),
    (HTTP_START, {"status": b"200"}, "HTTP-START-02", "status must be int, not bytes: b'200'"),
    (
        HTTP_START,
        {"status": 200, "headers": None},
        "HTTP-START-04",
        f"headers must be {PAIRS}, not NoneType: None",
    ),
    (
        HTTP_START,
        {"status": 200, "headers": [("a", b"b")]},
        "HTTP-START-05",
        "headers[0] name must be bytes, not str: 'a'",
    ),
    (
        HTTP_START,
        {"status": 200, "trailers": None},
        "HTTP-START-14",
        "trailers must be bool, not NoneType: None",
    ),
    (
        HTTP_START,
        {"status": 200, "trailers": 1},
        "HTTP-START-14",
        "trailers must be bool, not int: 1",
    ),
    (HTTP_BODY, {"body": "a"}, "HTTP-BODY-01", "body must be bytes, not str: 'a'"),
    (HTTP_BODY, {"body": ""}, "HTTP-BODY-01", "body must be bytes, not str: ''"),
    (HTTP_BODY, {"body": None}, "HTTP-BODY-01", "body must be bytes, not NoneType: None"),
    (HTTP_BODY, {"body": [b"a"]}, "HTTP-BODY-01", "body must be bytes, not list: [b'a']"),
    (HTTP_BODY, {"body": 1}, "HTTP-BODY-01", "body must be bytes, not int: 1"),
    (
        HTTP_BODY,
        {"body": "a" * 200},
        "HTTP-BODY-01",
        f"body must be bytes, not str: '{'a' * 60}'... (200 in all)",
    ),
    (HTTP_BODY, {"more_body": 1}, "HTTP-BODY-03", "more_body must be bool, not int: 1"),
    (HTTP_BODY, {"more_body": 0}, "HTTP-BODY-03", "more_body must be bool, not int: 0"),
    (
        HTTP_BODY,
        {"more_body": None},
        "HTTP-BODY-03",
        "more_body must be bool, not NoneType: None",
    ),
    (
        HTTP_BODY,
        {"more_body": "false"},
        "HTTP-BODY-03",
        "more_body must be bool, not str: 'false'",
    ),
    ("http.response.debug", {}, "EXT-DEBUG-01", "info is required and missing"),
    (
        "http.response.debug",
        {"info": None},
        "EXT-DEBUG-01",
        "info must be dict, not NoneType: None",
    ),
    ("http.response.debug", {"info": [1]}, "EXT-DEBUG-01", "info must be dict, not list: [1]"),
    (
        "websocket.accept",
        {"subprotocol": 1},
        "WS-ACC-02",
        "subprotocol must be str or None, not int: 1",
    ),
    (
        "websocket.accept",
        {"subprotocol": b"chat"},
        "WS-ACC-02",
        "subprotocol must be str or None, not bytes: b'chat'",
    ),
    (
        "websocket.accept",
        {"subprotocol": ["chat"]},
        "WS-ACC-02",
        "subprotocol must be str or None, not list: ['chat']",
    ),
    (
        "websocket.accept",
        {"headers": None},
        "WS-ACC-04",
        f"headers must be {PAIRS}, not NoneType: None",
    ),
    (
        "websocket.accept",
        {"headers": [(b"a", "b")]},
        "WS-ACC-04",
        "headers[0] value of b'a' must be bytes, not str: 'b'",
    ),
    ("websocket.send", {"text": b"a"}, "WS-SEND-02", "text must be str or None, not bytes: b'a'"),
    ("websocket.send", {"text": 1}, "WS-SEND-02", "text must be str or None, not int: 1"),
    (
        "websocket.send",
        {"text": {"a": 1}},
        "WS-SEND-02",
        "text must be str or None, not dict: {'a': 1}",
    ),
    (
        "websocket.send",
        {"bytes": "a"},
        "WS-SEND-02",
        "bytes must be bytes or None, not str: 'a'",
    ),
    (
        "websocket.send",
        {"text": None, "bytes": 1},
        "WS-SEND-02",
        "bytes must be bytes or None, not int: 1",
    ),
    ("websocket.close", {"code": "1000"}, "WS-CLOSE-04", "code must be int, not str: '1000'"),
    ("websocket.close", {"code": None}, "WS-CLOSE-04", "code must be int, not NoneType: None"),
    ("websocket.close", {"code": True}, "WS-CLOSE-04", "code must be int, not bool: True"),
    ("websocket.close", {"code": 1000.0}, "WS-CLOSE-04", "code must be int, not float: 1000.0"),
    (DENIAL_START, {}, "WS-DENY-02", "status is required and missing"),
    (DENIAL_START, {"status": "403"}, "WS-DENY-02", "status must be int, not str: '403'"),
    (DENIAL_START, {"status": True}, "WS-DENY-02", "status must be int, not bool: True"),
    (
        DENIAL_START,
        {"status": 403, "headers": None},
        "HTTP-START-04",
        f"headers must be {PAIRS}, not NoneType: None",
    ),
    (DENIAL_BODY, {"body": "no"}, "WS-DENY-02", "body must be bytes, not str: 'no'"),
    (DENIAL_BODY, {"body": None}, "WS-DENY-02", "body must be bytes, not NoneType: None"),
    (DENIAL_BODY, {"more_body": 1}, "WS-DENY-02", "more_body must be bool, not int: 1"),
    (
        "lifespan.startup.failed",
        {"message": b"a"},
        "LIFE-04",
        "message must be str, not bytes: b'a'",
    ),
    (
        "lifespan.startup.failed",
        {"message": None},
        "LIFE-04",
        "message must be str, not NoneType: None",
    ),
    (
        "lifespan.shutdown.failed",
        {"message": 1},
        "LIFE-11",
        "message must be str, not int: 1",
    ),
)

#: Message type, its fields, all fields as they come out.
WELL_FORMED: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    (HTTP_START, {"status": 200}, {"status": 200, "headers": [], "trailers": False}),
    (
        HTTP_START,
        {"status": http.HTTPStatus.CREATED, "headers": [(b"A", b"b")], "trailers": True},
        {"status": 201, "headers": [(b"a", b"b")], "trailers": True},
    ),
    (HTTP_BODY, {}, {"body": b"", "more_body": False}),
    (HTTP_BODY, {"body": b"a", "more_body": True}, {"body": b"a", "more_body": True}),
    (HTTP_BODY, {"body": bytearray(b"a")}, {"body": b"a", "more_body": False}),
    (HTTP_BODY, {"body": memoryview(b"abc")[::2]}, {"body": b"ac", "more_body": False}),
    ("http.response.debug", {"info": {}}, {"info": {}}),
    ("http.response.template", {}, {"template": None, "context": None}),
    (
        "http.response.template",
        {"template": "a", "context": {"b": 1}},
        {"template": "a", "context": {"b": 1}},
    ),
    ("websocket.accept", {}, {"subprotocol": None, "headers": []}),
    (
        "websocket.accept",
        {"subprotocol": "chat", "headers": ([b"A", b"b"],)},
        {"subprotocol": "chat", "headers": [(b"a", b"b")]},
    ),
    ("websocket.send", {"text": ""}, {"text": "", "bytes": None}),
    ("websocket.send", {"bytes": b"", "text": None}, {"text": None, "bytes": b""}),
    ("websocket.send", {"bytes": bytearray(b"a")}, {"text": None, "bytes": b"a"}),
    ("websocket.send", {"bytes": memoryview(b"a")}, {"text": None, "bytes": b"a"}),
    ("websocket.close", {}, {"code": 1000, "reason": ""}),
    (
        "websocket.close",
        {"code": Number.GOING_AWAY, "reason": "bye"},
        {"code": 1001, "reason": "bye"},
    ),
    (DENIAL_START, {"status": 403}, {"status": 403, "headers": []}),
    (DENIAL_BODY, {}, {"body": b"", "more_body": False}),
    (DENIAL_BODY, {"body": memoryview(b"no")}, {"body": b"no", "more_body": False}),
    ("lifespan.startup.complete", {}, {}),
    ("lifespan.startup.failed", {}, {"message": ""}),
    ("lifespan.startup.failed", {"message": Text("a")}, {"message": "a"}),
    ("lifespan.shutdown.complete", {}, {}),
    ("lifespan.shutdown.failed", {"message": "a"}, {"message": "a"}),
)


class FieldTest(ProtocolTestCase):
    """The keys of the messages."""

    def test_malformed(self) -> None:
        """A value of the wrong type is refused with key, expectation, type and value (EVT-06)."""
        for message_type, fields, rule, text in MALFORMED:
            with self.subTest(f"{message_type}: {text}"):
                with self.assertRaises(ProtocolError) as caught:
                    check(
                        with_type(message_type, **fields),
                        scope_type=message_type.partition(".")[0],
                    )
                error = caught.exception
                self.assertEqual(f"{message_type}: {text} [{rule}]", str(error))
                self.assertEqual((rule, message_type), (error.rule, error.message_type))

    def test_well_formed(self) -> None:
        """Defaults are filled in, and values come out in the types that the text names."""
        for message_type, fields, expected in WELL_FORMED:
            with self.subTest(f"{message_type}: {fields}"):
                checked = check(
                    with_type(message_type, **fields), scope_type=message_type.partition(".")[0]
                )
                self.assertEqual({"type": message_type, **expected}, checked)
                for key, value in expected.items():
                    self.assertIsInstance(checked[key], type(value), key)

    def test_every_row_is_tested(self) -> None:
        """Each message that the state machines take is in the table of the well-formed ones."""
        later = {"early_hint", "pathsend", "push", "trailers", "zerocopysend"}
        expected = {name for name in MESSAGES if name.rpartition(".")[2] not in later}
        self.assertEqual(expected, {message_type for message_type, _, _ in WELL_FORMED})

    def test_numbers_lose_their_names(self) -> None:
        """A status or a code with a name becomes a plain ``int``."""
        start = check(with_type(HTTP_START, status=http.HTTPStatus.OK))
        close = check(with_type("websocket.close", code=Number.GOING_AWAY), scope_type="websocket")
        self.assertEqual([int, int], [type(start["status"]), type(close["code"])])

    def test_defaults_are_not_shared(self) -> None:
        """Two messages without headers do not get the same list."""
        first, second = (check(with_type(HTTP_START, status=200)) for _ in range(2))
        first["headers"].append((b"a", b"b"))
        self.assertEqual([], second["headers"])

    def test_extra_keys(self) -> None:
        """Keys that the text does not know are left out without a word (EVT-04)."""
        extra: dict[Any, Any] = {"reason_phrase": "Fine", "extra": object(), 1: None, None: 1}
        for message_type, fields, expected in WELL_FORMED:
            with self.subTest(message_type):
                message = {**extra, "type": message_type, **fields}
                checked = check(message, scope_type=message_type.partition(".")[0])
                self.assertEqual({"type": message_type, **expected}, checked)

    def test_the_message_of_the_application_is_left_alone(self) -> None:
        """What the application sent is not changed."""
        message = with_type(HTTP_START, status=200, headers=[(b"A", b" b ")])
        check(message)
        self.assertEqual(with_type(HTTP_START, status=200, headers=[(b"A", b" b ")]), message)

    def test_a_dict_of_another_class(self) -> None:
        """A message may be of a class derived from ``dict``, its type of one from ``str``."""
        message = collections.OrderedDict(type=Text(HTTP_BODY), body=b"a")
        self.assertEqual({"type": HTTP_BODY, "body": b"a", "more_body": False}, check(message))

    def test_a_value_whose_repr_raises(self) -> None:
        """A value that cannot be shown is refused all the same."""

        class Silent:
            def __repr__(self) -> str:
                raise RuntimeError("no repr")

        for message, rule in (
            (Silent(), "EVT-01"),
            (with_type(Silent()), "EVT-01"),
            ({"body": Silent()}, "EVT-01"),
            (with_type(HTTP_START, status=Silent()), "HTTP-START-02"),
            (with_type(HTTP_START, status=200, headers=[Silent()]), "HTTP-START-04"),
        ):
            with self.subTest(rule=rule):
                with self.assertRaises(ProtocolError) as caught:
                    check(message)
                self.assertEqual(rule, caught.exception.rule)


class VersionTest(ProtocolTestCase):
    """What a later version of the text brought."""

    VERSIONS = ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5")
    #: Message type, key, value, rule id, version that brought the key.
    KEYS: tuple[tuple[str, str, Any, str, str], ...] = (
        ("websocket.accept", "headers", [(b"a", b"b")], "WS-ACC-04", "2.1"),
        ("websocket.close", "reason", "bye", "WS-CLOSE-06", "2.3"),
    )

    def test_keys(self) -> None:
        """A key is taken from the version on that brought it, and refused before."""
        for message_type, key, value, rule, since in self.KEYS:
            for version in self.VERSIONS:
                with self.subTest(message_type, key=key, version=version):
                    message = with_type(message_type, **{key: value})
                    if version >= since:
                        checked = check(message, scope_type="websocket", version=version)
                        self.assertEqual(value, checked[key])
                        continue
                    with self.assertRaises(ProtocolError) as caught:
                        check(message, scope_type="websocket", version=version)
                    self.assertEqual(
                        f"{message_type}: {key} needs version {since} of the sub-specification, "
                        f"and the scope announces {version} [{rule}]",
                        str(caught.exception),
                    )
                    self.assertEqual(message_type, caught.exception.message_type)

    def test_empty_values(self) -> None:
        """An empty value says what a missing key says, in every version (frameworks send it)."""
        for message_type, key, value in (
            ("websocket.accept", "headers", []),
            ("websocket.close", "reason", ""),
            ("websocket.close", "reason", None),
        ):
            for version in self.VERSIONS:
                with self.subTest(message_type, value=value, version=version):
                    message = with_type(message_type, **{key: value})
                    checked = check(message, scope_type="websocket", version=version)
                    self.assertEqual(value, checked[key])

    def test_these_are_all(self) -> None:
        """No other key of the table has a version."""
        found = {
            (message_type, field.key): field.since
            for message_type, row in MESSAGES.items()
            for field in row.fields
            if field.since is not None
        }
        expected = {(row[0], row[1]): parse_version(row[4]) for row in self.KEYS}
        self.assertEqual(expected, found)

    def test_versions_compare_as_numbers(self) -> None:
        """A version of two digits is later than one of one digit."""
        self.assertEqual((2, 3), parse_version("2.3"))
        self.assertGreater(parse_version("2.10"), parse_version("2.9"))

    def test_no_version(self) -> None:
        """What is not two numbers with a dot between them is no version."""
        for value in ("", "2", "2.", ".3", "two.three", "2.3.1"):
            with self.subTest(value):
                with self.assertRaises(ValueError):
                    parse_version(value)


class AbstractProtocolTest(unittest.TestCase):
    """The class that the three state machines are made of."""

    def test_alone_it_does_nothing(self) -> None:
        """What each machine has to bring with it raises ``NotImplementedError``."""

        class Bare(Protocol):
            scope_type = "http"

        protocol = Bare("2.0")
        for action in (
            protocol.next_event,
            protocol.finish,
            protocol.describe,
            lambda: protocol.send({"type": HTTP_BODY}),
        ):
            with self.subTest(action):
                with self.assertRaises(NotImplementedError):
                    action()
        self.assertFalse(protocol.is_deaf())
