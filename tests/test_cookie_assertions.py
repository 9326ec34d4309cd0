"""The assertions about cookies: what they accept, and what they say."""

from __future__ import annotations

import datetime
import re
from http.cookies import SimpleCookie
from typing import Any

from .assertion_case import AssertionsTestCase, answering

MOMENT = datetime.datetime(2015, 10, 21, 7, 28, tzinfo=datetime.timezone.utc)
FUTURE = datetime.datetime(2915, 10, 21, 7, 28, tzinfo=datetime.timezone.utc)


class CookieTestCase(AssertionsTestCase):
    """Gets responses that set cookies."""

    def setting(self, *lines: str) -> Any:
        """Return a response that sets cookies.

        :param lines: values of its Set-Cookie headers
        """
        return self.get(answering(headers=[(b"set-cookie", line.encode()) for line in lines]))

    def problem(self, response: Any, *args: Any, **kwargs: Any) -> str:
        """Return what a failure of assertCookie() says behind its "but".

        :param response: the response
        :param args: the assertion's further arguments
        :param kwargs: its keyword arguments
        """
        failure = self.failure(self.case.assertCookie, response, *args, **kwargs)
        headline, _, exchange = failure.partition("\n\n")
        self.assertTrue(exchange.startswith("GET http://testserver/\nResponse: 200 OK\n"))
        start = "expected the response to set the cookie session, but "
        self.assertTrue(headline.startswith(start), headline)
        return headline.removeprefix(start)


class CookieTest(CookieTestCase):
    """assertCookie()."""

    def test_met(self) -> None:
        """Name, value and attributes are met; their case does not count where it has no meaning."""
        line = (
            "session=abc; Path=/rooms; Domain=.Example.com; Max-Age=60; Secure; HttpOnly; "
            "SameSite=Lax; Priority=High; Expires=Wed, 21 Oct 2915 07:28:00 GMT"
        )
        response = self.setting("other=1", line)
        for expected in (
            {},
            {"value": "abc"},
            {"value": re.compile("^a")},
            {"secure": True, "httponly": True, "partitioned": False},
            {"samesite": "lax"},
            {"max_age": 60},
            {"max_age": "60"},
            {"max_age": datetime.timedelta(minutes=1)},
            {"path": "/rooms"},
            {"domain": "example.com"},
            {"priority": "high"},
            {"expires": FUTURE},
            {"expires": FUTURE.astimezone(datetime.timezone(datetime.timedelta(hours=2)))},
            {"expires": "Wed, 21 Oct 2915 07:28:00 GMT"},
        ):
            with self.subTest(expected):
                self.case.assertCookie(response, "session", **expected)
        self.case.assertCookie(response, "other", "1", None, max_age=None, secure=None)

    def test_not_met(self) -> None:
        """The failure says in what the cookie is not as expected, all of it."""
        response = self.setting("session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60")
        for expected, problem in (
            ({"value": "xyz"}, "its value is 'abc', not 'xyz'"),
            ({"value": re.compile("^b")}, "its value is 'abc', not matching '^b'"),
            ({"secure": True}, "it is not Secure"),
            ({"httponly": False}, "it is HttpOnly"),
            ({"samesite": "strict"}, "its SameSite is 'Lax', not 'strict'"),
            ({"samesite": None}, "its SameSite is 'Lax'"),
            ({"domain": "example.com"}, "it has no Domain"),
            ({"max_age": 61}, "its Max-Age is '60', not 61"),
            ({"path": "/Rooms"}, "its Path is '/', not '/Rooms'"),
            ({"expires": MOMENT}, "it has no Expires"),
            (
                {"value": "xyz", "secure": True, "max_age": 0},
                "its value is 'abc', not 'xyz'; it is not Secure; its Max-Age is '60', not 0",
            ),
        ):
            with self.subTest(expected):
                self.assertEqual(problem, self.problem(response, "session", **expected))

    def test_expires(self) -> None:
        """A date is compared as a date, in either form; what is no date equals none."""
        for line, is_met in (
            ("Wed, 21 Oct 2915 07:28:00 GMT", True),
            ("Wed, 21-Oct-2915 07:28:00 GMT", True),
            ("Wed, 21 Oct 2915 09:28:00 +0200", True),
            ("Wed, 21 Oct 2915 07:28:00 -0000", True),
            ("Wed, 21 Oct 2915 07:28:01 GMT", False),
            ("tomorrow", False),
        ):
            with self.subTest(line):
                response = self.setting(f"session=abc; expires={line}")
                if is_met:
                    self.case.assertCookie(response, "session", expires=FUTURE)
                else:
                    problem = self.problem(response, "session", expires=FUTURE)
                    self.assertTrue(problem.startswith(f"its Expires is '{line}', not datetime"))

    def test_absent(self) -> None:
        """A cookie that is not set is named, with those that are."""
        self.assertEqual("it sets none", self.problem(self.setting(), "session"))
        self.assertEqual(
            "it sets csrf, theme", self.problem(self.setting("csrf=1", "theme=2"), "session")
        )
        self.assertEqual(
            "it sets Session", self.problem(self.setting("csrf=1", "Session=2"), "session")
        )

    def test_deleted(self) -> None:
        """A cookie that has expired when it arrives is not set, unless that is expected."""
        past = "Wed, 21 Oct 2015 07:28:00 GMT"
        for line in (
            "session=; Max-Age=0",
            "session=; Max-Age=-1; Expires=Wed, 21 Oct 2915 07:28:00 GMT",
            f"session=; Expires={past}",
        ):
            with self.subTest(line):
                response = self.setting(line)
                self.assertEqual(
                    "it is deleted: it has expired when it arrives",
                    self.problem(response, "session"),
                )
                self.case.assertNotCookie(response, "session")
        self.case.assertCookie(self.setting("session=; Max-Age=0"), "session", "", max_age=0)
        self.case.assertCookie(self.setting(f"session=; Expires={past}"), "session", expires=MOMENT)
        # Of the two, Max-Age counts, if only it is a number.
        for line in (f"session=a; Max-Age=60; Expires={past}", "session=a; Max-Age=soon"):
            self.case.assertCookie(self.setting(line), "session")

    def test_quoted_values(self) -> None:
        """A value that Python's own library quoted is met by what it was, and as it was sent."""
        cookie: SimpleCookie = SimpleCookie({"session": 'a "b"; c'})
        response = self.setting(cookie["session"].OutputString())

        self.case.assertCookie(response, "session", 'a "b"; c')
        self.case.assertCookie(response, "session", cookie["session"].coded_value)

    def test_several_of_one_name(self) -> None:
        """One of several cookies of a name will do; one that was replaced does not count."""
        response = self.setting("session=a; Path=/", "session=b; Path=/x", "session=c; Path=/")

        self.case.assertCookie(response, "session", "b")
        self.case.assertCookie(response, "session", "c")
        self.assertEqual("its value is 'c', not 'a'", self.problem(response, "session", "a"))

    def test_redirects(self) -> None:
        """A cookie that a redirect on the way has set counts, too."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"location", b"/"), (b"set-cookie", b"session=abc")]
            is_login = scope["path"] == "/login"
            await send(
                {
                    "type": "http.response.start",
                    "status": 303 if is_login else 200,
                    "headers": headers if is_login else [],
                }
            )
            await send({"type": "http.response.body"})

        self.case.assertCookie(self.get(application, "/login"), "session", "abc")

    def test_unknown_attribute(self) -> None:
        """An attribute that no cookie has is an error of the test."""
        with self.assertRaisesRegex(TypeError, "no attribute 'same_site'; it has domain, expires"):
            self.case.assertCookie(self.setting("session=abc"), "session", same_site="lax")

    def test_no_value(self) -> None:
        """A value that no cookie can have is an error of the test."""
        with self.assertRaisesRegex(TypeError, "the value of a cookie must be expected as"):
            self.case.assertCookie(self.setting("session=abc"), "session", None)


class NotCookieTest(CookieTestCase):
    """assertNotCookie()."""

    def test_not_set(self) -> None:
        """It holds for a response that sets other cookies, or none."""
        self.case.assertNotCookie(self.setting(), "session")
        self.case.assertNotCookie(self.setting("other=1"), "session")

    def test_set(self) -> None:
        """The failure shows the value."""
        failure = self.failure(
            self.case.assertNotCookie, self.setting("session=abc"), "session", "logged out"
        )

        self.assertTrue(
            failure.startswith(
                "expected the response not to set the cookie session, but it does, with the value "
                "'abc'\n\nGET http://testserver/\n"
            ),
            failure,
        )
        self.assertTrue(failure.endswith(" : logged out"), failure)
