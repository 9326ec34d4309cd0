"""Assertions about the cookies that a response sets."""

from __future__ import annotations

import difflib
from typing import Any

from ._cookies import check_attributes, cookies_of, find_problems
from ._failing import TestCaseMixin, fail_exchange
from ._set_cookie import SetCookie

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True


class CookieAssertions(TestCaseMixin):
    """Assertions about the cookies that a response sets."""

    def assertCookie(
        self, response: Any, name: str, value: Any = ..., msg: Any = None, **attributes: Any
    ) -> None:
        """Fail unless a response sets a cookie, with the attributes that are given.

        The redirects that led to the response count as well. A cookie that is deleted is not set,
        unless ``max_age`` or ``expires`` says that it shall be.

        :param response: a :class:`requests.Response`
        :param name: name of the cookie
        :param value: its value, or a compiled pattern that has to be found in it; not given, any
            value will do
        :param msg: what to say beside it
        :param attributes: ``secure``, ``httponly`` and ``partitioned`` as ``bool``; ``max_age`` as
            ``int`` or a :class:`datetime.timedelta`, in seconds; ``expires`` as a ``str`` or a
            :class:`datetime.datetime`; ``samesite``, ``path``, ``domain`` and ``priority`` as
            ``str``. ``None`` is for one that must not be there
        :raises TypeError: if there is no such attribute
        """
        check_attributes(attributes)
        cookies = cookies_of(response)
        named = [cookie for cookie in cookies if cookie.name == name]
        problems = [_problems_of(cookie, value, attributes) for cookie in named]
        if [] not in problems:
            problem = f"expected the response to set the cookie {name}, but "
            # Of several, what was set last is what a browser would most likely have.
            problem += "; ".join(problems[-1]) if named else _describe_others(cookies, name)
            fail_exchange(self, msg, problem, response)

    def assertNotCookie(self, response: Any, name: str, msg: Any = None) -> None:
        """Fail if a response, or a redirect that led to it, sets a cookie; deleting it is allowed.

        :param response: a :class:`requests.Response`
        :param name: name of the cookie
        :param msg: what to say beside it
        """
        for cookie in cookies_of(response):
            if cookie.name == name and not cookie.is_deleted:
                problem = (
                    f"expected the response not to set the cookie {name}, but it does, "
                    f"with the value {cookie.plain_value!r}"
                )
                fail_exchange(self, msg, problem, response)


def _problems_of(cookie: SetCookie, value: Any, attributes: dict[str, Any]) -> list[str]:
    problems = list(find_problems(cookie, value, attributes))
    if cookie.is_deleted and not attributes.keys() & {"max_age", "expires"}:
        problems.append("it is deleted: it has expired when it arrives")
    return problems


def _describe_others(cookies: list[SetCookie], name: str) -> str:
    names = [cookie.name for cookie in cookies]
    if not names:
        return "it sets none"
    similar = difflib.get_close_matches(name, names, 1)
    return f"it sets {similar[0] if similar else ', '.join(dict.fromkeys(names))}"
