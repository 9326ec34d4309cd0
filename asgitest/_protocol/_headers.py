"""Normalise and validate the header iterables that an application sends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..exceptions import ProtocolError
from ._rule import Verdict
from ._rules import Judge
from ._texts import shorten, wrong_type

Headers = list[tuple[bytes, bytes]]

# RFC 9110, section 5.6.2: a field name is a token.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110, section 5.5: these three end a field line, or are worse.
_FORBIDDEN_IN_VALUE = re.compile(rb"[\r\n\x00]")
# What needs no normalising: a token in lower case, and a line without space round it.
_PLAIN_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_PLAIN_VALUE = re.compile(rb"(?![ \t])[^\r\n\x00]*(?<![ \t])")


# More than any server takes, and no more than memory does.
_MOST_HEADERS = 2**17


class HeaderRules(NamedTuple):
    """Ids of the rules that one message type's headers are held to.

    :ivar shape: what the iterable and its items have to be
    :ivar strings: that names and values are byte strings
    :ivar case: that names are in lower case
    :ivar pseudo: that no name starts with a colon
    :ivar characters: that names are tokens, and values one line
    :ivar space: that there is none round values
    """

    shape: str
    strings: str
    case: str
    pseudo: str
    characters: str
    space: str


RESPONSE_RULES = HeaderRules(
    shape="HTTP-START-04",
    strings="HTTP-START-05",
    case="HTTP-START-06",
    pseudo="HTTP-START-07",
    characters="HTTP-START-08",
    space="HTTP-START-09",
)
ACCEPT_RULES = HeaderRules(*["WS-ACC-04"] * 6)
TRAILER_RULES = HeaderRules(*["EXT-TRAIL-01"] * 6)
PUSH_RULES = HeaderRules(*["EXT-PUSH-01"] * 6)


def normalise_headers(
    message_type: str, value: Any, rules: HeaderRules, judge: Judge | None = None
) -> Headers:
    """Return an application's headers as a list of pairs, names in lower case.

    The iterable is read once, so a generator will do (HTTP-START-04). Mixed case in names and
    space round values usually pass, because frameworks send them and servers take them
    (HTTP-START-06, HTTP-START-09).

    :param message_type: type of the message that holds the headers
    :param value: what stands under its ``headers`` key
    :param rules: ids of the rules to name
    :param judge: knows what is accepted, ``None`` for the usual
    :raises ProtocolError: if a rule is broken
    """
    return _Normaliser(message_type, rules, judge or Judge()).headers(value)


def _is_plain(pair: Any) -> bool:
    """Tell whether there is nothing to say about a pair, as about most."""
    if type(pair) not in (tuple, list) or len(pair) != 2:
        return False
    name, value = pair
    return (
        type(name) is bytes
        and type(value) is bytes
        and _PLAIN_NAME.fullmatch(name) is not None
        and _PLAIN_VALUE.fullmatch(value) is not None
    )


class _Normaliser:
    """Normalises the headers of one message; what is accepted without being one is left out."""

    def __init__(self, message_type: str, rules: HeaderRules, judge: Judge) -> None:
        self._message_type = message_type
        self._rules = rules
        self._judge = judge

    def headers(self, value: Any) -> Headers:
        """Return the headers in an iterable."""
        if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
            expected = "an iterable of (name, value) pairs of bytes"
            self._judge(self._wrong_type("headers", expected, value, self._rules.shape))
            return []
        self._check_container("headers", value)
        headers: Headers = []
        for index, pair in enumerate(value):
            if index == _MOST_HEADERS:
                # Nothing could end a generator that goes on: it holds the loop while it is read.
                problem = f"headers must come to an end, and {index} of them came without one"
                raise self._error(problem, self._rules.shape)
            if _is_plain(pair):
                headers.append((pair[0], pair[1]))
            elif (normalised := self._pair(f"headers[{index}]", pair)) is not None:
                headers.append(normalised)
        return headers

    def _pair(self, path: str, pair: Any) -> tuple[bytes, bytes] | None:
        expected = "a (name, value) pair of bytes"
        if isinstance(pair, (str, bytes, dict)) or not isinstance(pair, Iterable):
            self._judge(self._wrong_type(path, expected, pair, self._rules.shape))
            return None
        self._check_container(path, pair)
        items = pair if isinstance(pair, (tuple, list)) else list(pair)
        if len(items) != 2:
            count = f"not {len(items)} items: {shorten(items)}"
            self._judge(self._error(f"{path} must be {expected}, {count}", self._rules.shape))
            return None
        name = self._byte_string(f"{path} name", items[0])
        if name is None:
            return None
        name = self._lower(path, name)
        value = self._byte_string(f"{path} value of {name!r}", items[1])
        if value is None or self._is_pseudo(path, name):
            return None
        return name, self._stripped(path, name, self._one_line(path, name, value))

    def _check_container(self, path: str, value: object) -> None:
        if self._judge.strict and not isinstance(value, (list, tuple)):
            # One server's check of the types eats a generator and sends no header.
            breach = self._wrong_type(path, "a list or tuple", value, self._rules.shape)
            self._judge(breach, Verdict.LENIENT)

    def _byte_string(self, path: str, value: Any) -> bytes | None:
        if isinstance(value, bytes):
            return value
        breach = self._wrong_type(path, "bytes", value, self._rules.strings)
        # HTTP-START-05: most servers take these two, so they are no reason to fail a test.
        if isinstance(value, (bytearray, memoryview)):
            self._judge(breach, Verdict.LENIENT)
            return bytes(value)
        self._judge(breach)
        return value.encode("latin-1", "replace") if isinstance(value, str) else None

    def _lower(self, path: str, name: bytes) -> bytes:
        lower = name.lower()
        if self._judge.strict and name != lower:
            problem = f"{path} name must be in lower case, not {shorten(name)}"
            self._judge(self._error(problem, self._rules.case), Verdict.LENIENT)
        return lower

    def _is_pseudo(self, path: str, name: bytes) -> bool:
        if not name.startswith(b":"):
            return False
        problem = f"{path} name must not be a pseudo header: {shorten(name)}"
        self._judge(self._error(problem, self._rules.pseudo))
        return True

    def _one_line(self, path: str, name: bytes, value: bytes) -> bytes:
        if not _TOKEN.fullmatch(name):
            problem = f"{path} name must be a token (RFC 9110, section 5.6.2), not {shorten(name)}"
            self._judge(self._error(problem, self._rules.characters))
        if not _FORBIDDEN_IN_VALUE.search(value):
            return value
        problem = f"{path} value of {name!r} must not hold CR, LF or NUL: {shorten(value)}"
        self._judge(self._error(problem, self._rules.characters))
        # RFC 9110, section 5.5: what a recipient may do with them.
        return _FORBIDDEN_IN_VALUE.sub(b" ", value)

    def _stripped(self, path: str, name: bytes, value: bytes) -> bytes:
        stripped = value.strip(b" \t")
        if self._judge.strict and value != stripped:
            problem = f"{path} value of {name!r} must not have space round it: {shorten(value)}"
            self._judge(self._error(problem, self._rules.space), Verdict.LENIENT)
        return stripped

    def _wrong_type(self, path: str, expected: str, value: object, rule: str) -> ProtocolError:
        return wrong_type(self._message_type, path, expected, value, rule)

    def _error(self, problem: str, rule: str) -> ProtocolError:
        return ProtocolError(
            f"{self._message_type}: {problem}", rule=rule, message_type=self._message_type
        )
