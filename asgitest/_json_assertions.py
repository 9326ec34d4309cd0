"""Assertions about the JSON of a response."""

from __future__ import annotations

from typing import Any

from ._failing import TestCaseMixin, fail_exchange
from ._json_differences import describe_differences, find_differences, find_missing
from ._response_content import body_json

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True


class JSONAssertions(TestCaseMixin):
    """Assertions about the JSON of a response."""

    def assertJSON(self, response: Any, expected: Any, msg: Any = None) -> None:
        """Fail unless the body of a response is the expected JSON.

        The failure names each difference by its path. ``True`` is no ``1`` here, and ``NaN``,
        which Python writes and reads, is no JSON. :data:`unittest.mock.ANY` equals anything.

        :param response: a :class:`requests.Response`; one that is streamed is read to its end
        :param expected: what :func:`json.loads` has to make of it
        :param msg: what to say beside it
        """
        came = _read(self, response, msg)
        # Many times faster than looking into it, and as strict: the usual case.
        if repr(came) == repr(expected):
            return
        differences = list(find_differences(expected, came))
        if differences:
            described = describe_differences(differences, self.maxDiff)
            fail_exchange(self, msg, f"expected other JSON:\n{described}", response)

    def assertJSONContains(self, response: Any, subset: Any, msg: Any = None) -> None:
        """Fail unless the body of a response is JSON that contains the expected one.

        An object may have further keys, on each level. A list may have further items: each of the
        expected ones has to be contained in one of its own, in the same order.

        :param response: a :class:`requests.Response`; one that is streamed is read to its end
        :param subset: what it has to contain
        :param msg: what to say beside it
        """
        came = _read(self, response, msg)
        missing = list(find_missing(subset, came))
        if missing:
            described = describe_differences(missing, self.maxDiff)
            fail_exchange(self, msg, f"expected JSON that contains more:\n{described}", response)


def _read(case: Any, response: Any, msg: Any) -> Any:
    try:
        return body_json(response)
    except ValueError as error:
        problem = f"expected JSON, but the body is none: {error}"
    fail_exchange(case, msg, problem, response)
