"""Assertions about a response: its status, its headers, its text."""

from __future__ import annotations

import difflib
import re
from typing import Any

from ._differences import describe_difference
from ._expectations import check_expectation, describe_expectation, matches_text
from ._failing import TestCaseMixin, fail_exchange
from ._protocol._texts import shorten
from ._raw_response import describe_status
from ._response_content import body_text, header_pairs, values_of
from ._statuses import describe_expected_status, matches_status

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

# Header fields whose lines cannot be joined to one (RFC 9110, section 5.3).
_NEVER_JOINED = ("set-cookie",)


class ResponseAssertions(TestCaseMixin):
    """Assertions about the status, the headers and the text of a response."""

    def assertStatus(self, response: Any, expected: Any, msg: Any = None) -> None:
        """Fail unless a response has the expected status.

        The failure shows the exchange: request, redirects, status, headers, body, and the
        traceback of the application if ``raise_server_exceptions=False`` hid one. So do the
        failures of all assertions about responses.

        :param response: a :class:`requests.Response`
        :param expected: a status as an ``int`` or an :class:`http.HTTPStatus`, a class of statuses
            such as ``"2xx"``, or a collection of these
        :param msg: what to say beside it
        :raises TypeError: if what is expected is none of these
        """
        if not matches_status(response.status_code, expected):
            problem = (
                f"expected status {describe_expected_status(expected)}, "
                f"but the response has {describe_status(response.status_code)}"
            )
            fail_exchange(self, msg, problem, response)

    def assertHeader(self, response: Any, name: str, value: Any = ..., msg: Any = None) -> None:
        """Fail unless a response has a header, with the expected value if one is given.

        :param response: a :class:`requests.Response`
        :param name: name of the header, in any case
        :param value: the value as a ``str`` or an ``int``, or a compiled pattern that has to be
            found in it. Of a header that was sent repeatedly it is the values joined by commas; a
            list expects them one by one, in their order. Not given, any value will do
        :param msg: what to say beside it
        :raises TypeError: if the value is none of these
        """
        pairs = header_pairs(response)
        problem = find_header_problem(pairs, name, value, "header")
        if problem:
            fail_exchange(self, msg, problem, response)

    def assertNotHeader(self, response: Any, name: str, msg: Any = None) -> None:
        """Fail if a response has a header.

        :param response: a :class:`requests.Response`
        :param name: name of the header, in any case
        :param msg: what to say beside it
        """
        values = values_of(header_pairs(response), name)
        if values:
            problem = f"expected no header {name}, but the response has it: {_join(values)}"
            fail_exchange(self, msg, problem, response)

    def assertContentType(self, response: Any, expected: str, msg: Any = None) -> None:
        """Fail unless a response has the expected content type.

        :param response: a :class:`requests.Response`
        :param expected: a media type such as ``"text/html"``, or ``"image/*"``. Parameters behind
            it, such as ``"; charset=utf-8"``, have to be there; others may be
        :param msg: what to say beside it
        """
        values = values_of(header_pairs(response), "content-type")
        if len(values) == 1 and is_of_type(values[0], expected):
            return
        came = f"it is {_join(values)}" if values else "the response has none"
        problem = f"expected content type {expected!r}, but {came}"
        fail_exchange(self, msg, problem, response)

    def assertText(self, response: Any, expected: Any, msg: Any = None) -> None:
        """Fail unless the body of a response is the expected text.

        A body without a charset is taken for UTF-8 if it can be. One that is streamed is read to
        its end.

        :param response: a :class:`requests.Response`
        :param expected: the whole text, or a compiled pattern that has to be found in it
        :param msg: what to say beside it
        :raises TypeError: if it is neither
        """
        check_expectation(expected, "a text")
        text = body_text(response)
        if matches_text(text, expected):
            return
        if isinstance(expected, re.Pattern):
            problem = f"expected text {describe_expectation(expected)}, but there is none"
        else:
            difference = describe_difference(str(expected), text, self.maxDiff)
            problem = (
                f"expected the text {shorten(str(expected))}, but it is {shorten(text)}\n"
                f"{difference}"
            )
        fail_exchange(self, msg, problem, response)

    def assertContains(
        self,
        response: Any,
        text: Any,
        count: int | None = None,
        status_code: Any = 200,
        msg: Any = None,
    ) -> None:
        """Fail unless a response has a status, and its body contains a text.

        :param response: a :class:`requests.Response`; one that is streamed is read to its end
        :param text: a ``str``, ``bytes``, or a compiled pattern for ``str``; anything else is
            turned into a ``str``
        :param count: how often it has to occur; ``None`` for once or more
        :param status_code: as :meth:`assertStatus` takes it, ``None`` for any. It counts because
            the page of an error may contain the text, too
        :param msg: what to say beside it
        """
        self._check_status(response, status_code, msg)
        found = _count(response, text)
        if found == count or (count is None and found):
            return
        times = "" if count is None else f" {_times(count)}"
        came = "it does not occur" if not found else f"it occurs {_times(found)}"
        problem = f"expected the body to contain {_describe_text(text)}{times}, but {came}"
        fail_exchange(self, msg, problem, response)

    def assertNotContains(
        self, response: Any, text: Any, status_code: Any = 200, msg: Any = None
    ) -> None:
        """Fail unless a response has a status, and its body does not contain a text.

        :param response: a :class:`requests.Response`; one that is streamed is read to its end
        :param text: as :meth:`assertContains` takes it
        :param status_code: as :meth:`assertStatus` takes it, ``None`` for any
        :param msg: what to say beside it
        """
        self._check_status(response, status_code, msg)
        found = _count(response, text)
        if found:
            problem = (
                f"expected the body not to contain {_describe_text(text)}, "
                f"but it occurs {_times(found)}"
            )
            fail_exchange(self, msg, problem, response)

    def _check_status(self, response: Any, status_code: Any, msg: Any) -> None:
        if status_code is not None:
            ResponseAssertions.assertStatus(self, response, status_code, msg)


# -- headers -----------------------------------------------------------------------------------


def find_header_problem(
    pairs: list[tuple[str, str]], name: str, value: Any, kind: str
) -> str | None:
    """Return why headers are not as expected, ``None`` if they are.

    :param pairs: all headers
    :param name: the name that is expected
    :param value: the value, as :meth:`ResponseAssertions.assertHeader` takes it
    :param kind: what the headers are, in words
    """
    values = values_of(pairs, name)
    if isinstance(value, (list, tuple)):
        for one in value:
            check_expectation(one, f"each value of a {kind}")
        is_met = len(values) == len(value) and all(map(matches_text, values, value))
        described = "values " + ", ".join(map(describe_expectation, value))
    elif value is ...:
        is_met, described = bool(values), ""
    else:
        check_expectation(value, f"the value of a {kind}")
        is_met = bool(values) and _is_met_joined(values, name, value)
        described = describe_expectation(value)
    if is_met:
        return None
    expected = f"expected {kind} {name}{': ' if described else ''}{described}"
    if values:
        return f"{expected}, but it is {_join(values)}"
    return f"{expected}, but the response has none of that name{_similar(pairs, name)}"


def _is_met_joined(values: list[str], name: str, value: Any) -> bool:
    if name.lower() in _NEVER_JOINED:
        return any(matches_text(one, value) for one in values)
    return matches_text(", ".join(values), value)


def _join(values: list[str]) -> str:
    return ", ".join(map(repr, values))


def _similar(pairs: list[tuple[str, str]], name: str) -> str:
    similar = difflib.get_close_matches(name.lower(), [key.lower() for key, _ in pairs], 1)
    return f"; it has {similar[0]}" if similar else ""


def is_of_type(value: str, expected: str) -> bool:
    """Tell whether a content type is the expected one.

    :param value: the content type of a response
    :param expected: a media type, or a class of them, and the parameters that count
    """
    media_type, parameters = _parse_media_type(value)
    wanted_type, wanted = _parse_media_type(expected)
    if wanted_type.endswith("/*"):
        is_met = media_type.startswith(wanted_type[:-1])
    else:
        is_met = media_type == wanted_type
    return is_met and wanted.items() <= parameters.items()


def _parse_media_type(value: str) -> tuple[str, dict[str, str]]:
    # RFC 9110, section 8.3.1: names and charsets in any case, values quoted or not.
    media_type, *rest = value.split(";")
    parameters = {}
    for parameter in rest:
        name, _, content = parameter.strip().partition("=")
        name, content = name.lower(), content.strip('"')
        parameters[name] = content.lower() if name == "charset" else content
    return media_type.strip().lower(), parameters


# -- texts -------------------------------------------------------------------------------------


def _count(response: Any, text: Any) -> int:
    if isinstance(text, (bytes, bytearray)):
        content: bytes = response.content
        return content.count(text)
    body = body_text(response)
    if isinstance(text, re.Pattern):
        check_expectation(text, "a text")
        return sum(1 for _ in text.finditer(body))
    return body.count(str(text))


def _describe_text(text: Any) -> str:
    if isinstance(text, re.Pattern):
        return f"text {describe_expectation(text)}"
    return shorten(text if isinstance(text, (bytes, bytearray)) else str(text))


def _times(count: int) -> str:
    return {0: "no times", 1: "once", 2: "twice"}.get(count, f"{count} times")
