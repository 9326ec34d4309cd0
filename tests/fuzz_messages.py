"""Strategies for what an application may send, made from the table of messages.

A new row of the table is fuzzed as soon as it is there: the values that fit a key are those of a
pool that its own check takes. Only where a value has to fit more than its key is there a list.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import strategies as st

from asgitest._protocol._messages import EVENTS, MESSAGES, Field
from asgitest._protocol._rules import RULES, Judge, Strictness
from asgitest.exceptions import ProtocolError

Message = dict[str, Any]

SUBPROTOCOLS = ["chat", "superchat"]
VERSIONS = st.sampled_from(["2.0", "2.1", "2.2", "2.3", "2.4", "2.5"])
#: Every extension that a row of the table needs.
EXTENSIONS = sorted({row.extension for row in MESSAGES.values() if row.extension is not None})
#: Every rule that a test can relax.
RELAXABLE = sorted(rule.id for rule in RULES.values() if rule.can_be_relaxed)
IGNORED_RULES = st.one_of(st.just([]), st.lists(st.sampled_from(RELAXABLE), max_size=5))

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 6000),
    st.sampled_from([10**30, -(10**30)]),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.sampled_from(["\ud800", "a" * 200, "é" * 62]),
    st.binary(max_size=3),
    st.sampled_from([bytearray(b"a"), memoryview(b"a"), memoryview(b"abc")[::2], object, object()]),
)
JUNK = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=2),
    ),
    max_leaves=4,
)
HEADER_NAMES = st.sampled_from([b"a", b"Content-Type", b"content-length", b"transfer-encoding"])
HEADERS = st.lists(st.tuples(HEADER_NAMES, st.sampled_from([b"0", b"1", b"3", b" 2 "])), max_size=2)
BODIES = st.sampled_from([b"", b"a", b"ab", b"abc"])


class EmptyFile:
    """A file without content, which is never closed."""

    _descriptor = os.open(os.devnull, os.O_RDONLY)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor


#: Values of keys where most of what the key's check takes would be refused later.
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from([200, 200, 200, 204, 304, 404, 500]),
    "headers": HEADERS,
    "body": BODIES,
    "subprotocol": st.sampled_from([None, *SUBPROTOCOLS]),
    "code": st.sampled_from([1000, 1001, 3000, 4999]),
    "reason": st.sampled_from(["", None, "bye"]),
    "file": st.builds(EmptyFile),
    "path": st.sampled_from([os.path.abspath(__file__), "/a"]),
}
#: What the values of all other keys are drawn from.
POOL: tuple[Any, ...] = (
    *(True, False, None, 0, 1, 7, 10**30, 1.5, "", "a", "/a", "é", b"", b"a", [], ["a"], [b"a"]),
    *([(b"a", b"1")], {}, {"a": 1}, {"a": None, "b": []}),
)


def _takes(message_type: str, field: Field, value: Any) -> bool:
    judge = Judge(Strictness(strict=True))
    try:
        field.check(message_type, field.key, value, field.rule, judge)
    except ProtocolError:
        return False
    return True


def _values(message_type: str, field: Field) -> st.SearchStrategy[Any]:
    fitting = FITTING.get(field.key)
    if fitting is not None:
        return fitting
    return st.sampled_from([value for value in POOL if _takes(message_type, field, value)])


def _is_required(field: Field) -> bool:
    # A field says so by having no default; what stands there instead is nobody's business.
    return field.default is Field("key", field.check, "").default


def _fields(message_type: str) -> st.SearchStrategy[Message]:
    row = MESSAGES[message_type]
    values = {field.key: _values(message_type, field) for field in row.fields}
    required = {field.key for field in row.fields if _is_required(field)}
    return st.fixed_dictionaries(
        {"type": st.just(message_type), **{key: values[key] for key in required}},
        optional={key: values[key] for key in values.keys() - required},
    )


def _websocket_send() -> st.SearchStrategy[Message]:
    # Of its two keys, both with a default, exactly one has to be there.
    text = st.fixed_dictionaries({"text": st.text(max_size=2)}, optional={"bytes": st.none()})
    data = st.fixed_dictionaries({"bytes": BODIES}, optional={"text": st.none()})
    return st.one_of(text, data).map(lambda payload: {"type": "websocket.send", **payload})


GOOD: dict[str, st.SearchStrategy[Message]] = {
    **{message_type: _fields(message_type) for message_type in MESSAGES},
    "websocket.send": _websocket_send(),
}
ALL_KEYS = sorted({field.key for row in MESSAGES.values() for field in row.fields})


def good_messages(scope_type: str) -> st.SearchStrategy[Message]:
    """Return messages that are well-formed, whether or not it is time for them.

    :param scope_type: type of the scope that they belong to
    """
    own = [name for name, row in MESSAGES.items() if row.scope_type == scope_type]
    return st.sampled_from(own).flatmap(_good)


def _good(message_type: str) -> st.SearchStrategy[Message]:
    return GOOD[message_type]


def messages(scope_type: str) -> st.SearchStrategy[Any]:
    """Return whatever an application may take it into its head to send on a scope.

    :param scope_type: type of the scope
    """
    good = good_messages(scope_type)
    junk = st.dictionaries(st.sampled_from(ALL_KEYS), JUNK, max_size=2)
    message_types = st.one_of(st.sampled_from(sorted({*MESSAGES, *EVENTS})), JUNK)
    damaged = st.builds(lambda message, fields: {**message, **fields}, good, junk)
    foreign = st.builds(lambda name, fields: {"type": name, **fields}, message_types, junk)
    # Mostly well-formed, so that a connection gets anywhere.
    return st.one_of(good, good, good, good, good, damaged, foreign, JUNK)
