"""The table of the messages an application may send: keys, types, defaults, rules.

A new message is a new row of :data:`MESSAGES`; nothing else has to learn of it before the state
machine that takes it does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ..exceptions import ProtocolError
from ._extension_fields import amount, file_path, links, open_file, url_path
from ._headers import (
    ACCEPT_RULES,
    PUSH_RULES,
    RESPONSE_RULES,
    TRAILER_RULES,
    HeaderRules,
    normalise_headers,
)
from ._rule import Verdict
from ._rules import Judge
from ._texts import shorten, wrong_type
from ._values import check_values

Message = dict[str, Any]

#: A field check takes message type, key, value, rule id and judge; it returns the value to go on
#: with.
FieldCheck = Callable[[str, str, Any, str, Judge], Any]

_REQUIRED = object()
_LONGEST_TYPE = 80
_NORMAL_CLOSE = 1000


def _integer(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> int:
    # bool is an int to Python and to no server; an IntEnum such as HTTPStatus is welcome.
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(message_type, key, "int", value, rule)
    return int(value)


def _close_code(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> int:
    try:
        return _integer(message_type, key, value, rule, judge)
    except ProtocolError as breach:
        judge(breach)
        return _NORMAL_CLOSE


def _boolean(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> bool:
    if not isinstance(value, bool):
        judge(wrong_type(message_type, key, "bool", value, rule))
    return bool(value)


def _byte_string(lenient_rule: str, expected: str = "bytes") -> FieldCheck:
    """Return the check of a byte string; a rule of its own tells what passes for one."""

    def check_bytes(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> bytes:
        if isinstance(value, bytes):
            return value
        # Frameworks send these two and all servers but one take them.
        if not isinstance(value, (bytearray, memoryview)):
            raise wrong_type(message_type, key, expected, value, rule)
        if judge.strict:
            judge(wrong_type(message_type, key, expected, value, lenient_rule), Verdict.LENIENT)
        return bytes(value)

    return check_bytes


def _text(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> str:
    if not isinstance(value, str):
        raise wrong_type(message_type, key, "str", value, rule)
    return value


def _text_or_none(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> str | None:
    if value is not None and not isinstance(value, str):
        raise wrong_type(message_type, key, "str or None", value, rule)
    return value


def _bytes_or_none(
    message_type: str, key: str, value: Any, rule: str, judge: Judge
) -> bytes | None:
    if value is None:
        return None
    data: bytes = _payload(message_type, key, value, rule, judge)
    return data


def _dictionary(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong_type(message_type, key, "dict", value, rule)
    return value


def _anything(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> Any:
    return value


def _headers(rules: HeaderRules) -> FieldCheck:
    def check_headers(message_type: str, key: str, value: Any, rule: str, judge: Judge) -> Any:
        return normalise_headers(message_type, value, rules, judge)

    return check_headers


_body = _byte_string("HTTP-BODY-02")
_payload = _byte_string("WS-SEND-02", expected="bytes or None")


class Field(NamedTuple):
    """One key of a message.

    :ivar key: the key
    :ivar check: validates and normalises the value
    :ivar rule: id of the rule about the key
    :ivar default: value when the key is missing; without one the key is required
    :ivar since: version of the sub-specification that brought the key, ``None`` for the first
    :ivar plain: type whose values need no check; those of a subclass are checked
    """

    key: str
    check: FieldCheck
    rule: str
    default: Any = _REQUIRED
    since: tuple[int, int] | None = None
    plain: type | None = None

    def default_value(self) -> Any:
        """Return the default, a list that nobody else has if it is one."""
        return list(self.default) if isinstance(self.default, tuple) else self.default


class MessageType(NamedTuple):
    """One row of the table.

    :ivar scope_type: type of the scope that the message belongs to
    :ivar fields: its keys, ``type`` apart
    :ivar extension: name of the extension that has to be announced, ``None`` for a core message
    """

    scope_type: str
    fields: tuple[Field, ...] = ()
    extension: str | None = None


def _body_fields(body_rule: str, more_rule: str) -> tuple[Field, ...]:
    return (
        Field("body", _body, body_rule, default=b"", plain=bytes),
        Field("more_body", _boolean, more_rule, default=False, plain=bool),
    )


MESSAGES: dict[str, MessageType] = {
    "http.response.start": MessageType(
        "http",
        (
            Field("status", _integer, "HTTP-START-02", plain=int),
            Field("headers", _headers(RESPONSE_RULES), "HTTP-START-04", default=()),
            Field("trailers", _boolean, "HTTP-START-14", default=False),
        ),
    ),
    "http.response.body": MessageType("http", _body_fields("HTTP-BODY-01", "HTTP-BODY-03")),
    "http.response.debug": MessageType(
        "http", (Field("info", _dictionary, "EXT-DEBUG-01"),), extension="http.response.debug"
    ),
    # That of Starlette before the one above was registered; templates are handed over by it.
    "http.response.template": MessageType(
        "http",
        (
            Field("template", _anything, "EXT-DEBUG-01", default=None),
            Field("context", _anything, "EXT-DEBUG-01", default=None),
        ),
        extension="http.response.template",
    ),
    "http.response.trailers": MessageType(
        "http",
        (
            Field("headers", _headers(TRAILER_RULES), "EXT-TRAIL-01", default=()),
            Field("more_trailers", _boolean, "EXT-TRAIL-01", default=False),
        ),
        extension="http.response.trailers",
    ),
    "http.response.push": MessageType(
        "http",
        (
            Field("path", url_path, "EXT-PUSH-01"),
            Field("headers", _headers(PUSH_RULES), "EXT-PUSH-01"),
        ),
        extension="http.response.push",
    ),
    "http.response.early_hint": MessageType(
        "http", (Field("links", links, "EXT-HINT-01"),), extension="http.response.early_hint"
    ),
    "http.response.pathsend": MessageType(
        "http", (Field("path", file_path, "EXT-PATH-01"),), extension="http.response.pathsend"
    ),
    "http.response.zerocopysend": MessageType(
        "http",
        (
            Field("file", open_file, "EXT-ZERO-01"),
            Field("offset", amount, "EXT-ZERO-01", default=None),
            Field("count", amount, "EXT-ZERO-01", default=None),
            Field("more_body", _boolean, "EXT-ZERO-01", default=False),
        ),
        extension="http.response.zerocopysend",
    ),
    "websocket.accept": MessageType(
        "websocket",
        (
            Field("subprotocol", _text_or_none, "WS-ACC-02", default=None),
            Field("headers", _headers(ACCEPT_RULES), "WS-ACC-04", default=(), since=(2, 1)),
        ),
    ),
    "websocket.send": MessageType(
        "websocket",
        (
            Field("text", _text_or_none, "WS-SEND-02", default=None, plain=str),
            Field("bytes", _bytes_or_none, "WS-SEND-02", default=None, plain=bytes),
        ),
    ),
    "websocket.close": MessageType(
        "websocket",
        (
            Field("code", _close_code, "WS-CLOSE-04", default=_NORMAL_CLOSE),
            # WS-CLOSE-02: what a reason may be depends on the state; the machine checks it.
            Field("reason", _anything, "WS-CLOSE-06", default="", since=(2, 3)),
        ),
    ),
    "websocket.http.response.start": MessageType(
        "websocket",
        (
            Field("status", _integer, "WS-DENY-02"),
            Field("headers", _headers(RESPONSE_RULES), "HTTP-START-04", default=()),
        ),
        extension="websocket.http.response",
    ),
    "websocket.http.response.body": MessageType(
        "websocket",
        _body_fields("WS-DENY-02", "WS-DENY-02"),
        extension="websocket.http.response",
    ),
    "lifespan.startup.complete": MessageType("lifespan"),
    "lifespan.startup.failed": MessageType(
        "lifespan", (Field("message", _text, "LIFE-04", default=""),)
    ),
    "lifespan.shutdown.complete": MessageType("lifespan"),
    "lifespan.shutdown.failed": MessageType(
        "lifespan", (Field("message", _text, "LIFE-11", default=""),)
    ),
}

#: What a server sends and an application only receives.
EVENTS = frozenset(
    {
        "http.request",
        "http.disconnect",
        "websocket.connect",
        "websocket.receive",
        "websocket.disconnect",
        "lifespan.startup",
        "lifespan.shutdown",
    }
)


def parse_version(spec_version: str) -> tuple[int, int]:
    """Return ``"2.3"`` as ``(2, 3)``, so that versions compare as numbers.

    :param spec_version: version of a sub-specification
    :raises ValueError: if it is not two numbers with a dot between them
    """
    major, _, minor = spec_version.partition(".")
    return int(major), int(minor)


def check_message(
    message: object,
    *,
    scope_type: str,
    spec_version: tuple[int, int],
    extensions: Collection[str],
    judge: Judge,
) -> Message | None:
    """Return what the application sent with each value checked and each default filled in.

    :param message: what was passed to ``send()``
    :param scope_type: type of the scope it was sent on
    :param spec_version: announced version of the sub-specification
    :param extensions: names of the announced extensions
    :param judge: knows what is accepted
    :return: the message; ``None`` if it is to be dropped
    :raises ProtocolError: if the message is none, does not belong here, or is malformed
    """
    message_type = _type_of(message)
    assert isinstance(message, dict)
    try:
        row = _find_row(message_type, scope_type, extensions)
    except ProtocolError as breach:
        judge(breach)
        return None
    checked: Message = {"type": message_type}
    for field in row.fields:
        value = message.get(field.key)
        if type(value) is field.plain:
            # As most are, and a call for each of them adds up.
            checked[field.key] = value
        else:
            checked[field.key] = _check_field(message_type, message, field, spec_version, judge)
    if judge.strict:
        check_values(message_type, message, [field.key for field in row.fields], judge)
    return checked


def _type_of(message: object) -> str:
    if not isinstance(message, dict):
        raise _no_message("the message", "dict", message)
    message_type = message.get("type")
    if not isinstance(message_type, str):
        if "type" not in message:
            raise ProtocolError(
                f"send(): the message must have a 'type' key: {shorten(message)}", rule="EVT-01"
            )
        raise _no_message("the message's type", "str", message_type)
    return message_type


def _find_row(message_type: str, scope_type: str, extensions: Collection[str]) -> MessageType:
    row = MESSAGES.get(message_type)
    if row is None:
        raise _unknown(message_type, scope_type)
    if row.scope_type != scope_type:
        raise ProtocolError(
            f"{message_type}: must be sent on the {row.scope_type!r} scope it belongs to, "
            f"not on {_article(scope_type)} {scope_type!r} scope",
            rule="LIFE-17" if scope_type == "lifespan" else "EVT-03",
            message_type=message_type,
        )
    if row.extension is not None and row.extension not in extensions:
        raise ProtocolError(
            f"{message_type}: needs the {row.extension!r} extension, which this client does not "
            f'announce: look for it in scope["extensions"] before sending, or have it announced '
            f"with the option extensions={{{row.extension!r}: True}}",
            rule="EXT-02",
            message_type=message_type,
        )
    return row


def _no_message(path: str, expected: str, value: object) -> ProtocolError:
    error = wrong_type("send()", path, expected, value, "EVT-01")
    error.message_type = None
    return error


def _article(word: str) -> str:
    return "an" if word.startswith("http") else "a"


def _unknown(message_type: str, scope_type: str) -> ProtocolError:
    known = ", ".join(
        sorted(name for name, row in MESSAGES.items() if row.scope_type == scope_type)
    )
    problem = (
        "is an event, which an application receives and never sends"
        if message_type in EVENTS
        else "is no message type that a server knows"
    )
    shown = (
        message_type if len(message_type) <= _LONGEST_TYPE else f"{message_type[:_LONGEST_TYPE]}..."
    )
    return ProtocolError(
        f"{shown}: {problem}; on this {scope_type!r} scope it takes {known}",
        rule="EVT-05",
        message_type=message_type,
    )


def _check_field(
    message_type: str,
    message: Message,
    field: Field,
    spec_version: tuple[int, int],
    judge: Judge,
) -> Any:
    if field.key not in message:
        if field.default is _REQUIRED:
            raise ProtocolError(
                f"{message_type}: {field.key} is required and missing",
                rule=field.rule,
                message_type=message_type,
            )
        return field.default_value()
    value = field.check(message_type, field.key, message[field.key], field.rule, judge)
    # An empty value says what a missing key says, and frameworks send it to every server.
    if value and field.since is not None and spec_version < field.since:
        judge(
            ProtocolError(
                f"{message_type}: {field.key} needs version {field.since[0]}.{field.since[1]} of "
                f"the sub-specification, and the scope announces "
                f"{spec_version[0]}.{spec_version[1]}",
                rule=field.rule,
                message_type=message_type,
            )
        )
        return field.default_value()
    return value
