"""The assertion about redirects."""

from __future__ import annotations

from typing import Any

from ._failing import TestCaseMixin, fail_exchange
from ._raw_response import describe_status
from ._redirects import absolute_url, comparable_url, fetch_target, redirect_url, same_origin
from ._statuses import describe_expected_status, matches_status

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True


class RedirectAssertions(TestCaseMixin):
    """The assertion about redirects."""

    def assertRedirects(
        self,
        response: Any,
        url: str,
        status: Any = None,
        target_status: Any = 200,
        msg: Any = None,
        fetch: bool | None = None,
    ) -> None:
        """Fail unless a response is a redirect to a URL, or was reached by redirects to it.

        A redirect that was not followed (``allow_redirects=False``) is followed here, by a request
        with the cookies and headers with which its session would. The session does not notice.

        :param response: a :class:`requests.Response`
        :param url: the URL, absolute or relative to the one that the test asked for. The order of
            its query's parameters does not count
        :param status: status of the redirect, of the first one if there were several, as
            :meth:`assertStatus` takes it; ``None`` for any
        :param target_status: status of what it leads to
        :param msg: what to say beside it
        :param fetch: whether to fetch what a redirect leads to that was not followed; ``None``
            fetches it if it is of the same origin, as the application serves no other
        :raises TypeError: if a status is none
        :raises BaseException: what the application raises when it is fetched
        """
        asked = (*response.history, response)[0]
        expected = absolute_url(asked.request.url, url)
        came = response.request.url if response.history else redirect_url(response)
        problem = _find_problem(asked, expected, came, status)
        if problem:
            fail_exchange(self, msg, problem, response)
        target = response
        if not response.history:
            if fetch is None:
                fetch = same_origin(asked.request.url, expected)
            if not fetch:
                return
            target = fetch_target(response)
        if not matches_status(target.status_code, target_status):
            problem = (
                f"expected a redirect to {expected} that leads to status "
                f"{describe_expected_status(target_status)}, but what it leads to has "
                f"{describe_status(target.status_code)}"
            )
            fail_exchange(self, msg, problem, target)


def _find_problem(asked: Any, expected: str, came: str | None, status: Any) -> str | None:
    wanted = f"expected a redirect to {expected}"
    if came is None:
        why = f"but the response has {describe_status(asked.status_code)}"
        if asked.status_code // 100 == 3 and "location" not in asked.headers:
            why += " and no location"
        return f"{wanted}, {why}"
    if comparable_url(came) != comparable_url(expected):
        return f"{wanted}, but it leads to {came}"
    if status is not None and not matches_status(asked.status_code, status):
        return (
            f"{wanted} with status {describe_expected_status(status)}, "
            f"but it has {describe_status(asked.status_code)}"
        )
    return None
