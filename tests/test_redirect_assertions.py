"""The assertion about redirects, and what is said of too many of them."""

from __future__ import annotations

import http.cookies
import textwrap
from typing import Any

import requests

from asgitest import ASGIAdapter

from .assertion_case import AssertionsTestCase


async def moving(scope: Any, receive: Any, send: Any) -> None:
    """Redirect from most paths to others, and remember who was there.

    :param scope: of a request
    :param receive: gives its events
    :param send: takes the messages
    """
    path = scope["path"]
    redirects = {
        "/old": (302, b"/rooms?b=2&a=1"),
        "/older": (301, b"old"),
        "/here": (303, b"?page=2"),
        "/away": (302, b"http://elsewhere.example/rooms"),
        "/same": (307, b"http://testserver:80/rooms"),
        "/broken": (302, b"/missing"),
        "/quoted": (308, b"/caf%C3%A9 au lait"),
        "/fragment": (302, b"/rooms#top"),
        "/back": (302, b"/forth"),
        "/forth": (302, b"/back"),
        "/members": (302, b"/secret"),
    }
    cookies = dict(scope["headers"]).get(b"cookie", b"").decode()
    headers = [(b"set-cookie", b"seen=yes")]
    status, body = 200, b"welcome"
    if path in redirects and not scope["query_string"]:
        status, location = redirects[path]
        headers = [(b"location", location), (b"set-cookie", b"token=1")]
    elif path == "/nowhere":
        status = 302
    elif path == "/choice":
        status, headers = 300, [(b"location", b"/rooms")]
    elif path == "/missing" or (path == "/secret" and "token=1" not in cookies):
        status = 404
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class RedirectsTest(AssertionsTestCase):
    """assertRedirects()."""

    def ask(self, path: str, *, follows: bool) -> requests.Response:
        """Return the response to a request.

        :param path: what to ask for
        :param follows: whether to follow redirects
        """
        return self.get(moving, path, allow_redirects=follows)

    def headline(self, response: requests.Response, *args: Any, **kwargs: Any) -> str:
        """Return the first line of the failure.

        :param response: the response
        :param args: the assertion's further arguments
        :param kwargs: its keyword arguments
        """
        failure = self.failure(self.case.assertRedirects, response, *args, **kwargs)
        headline, _, exchange = failure.partition("\n\n")
        self.assertTrue(exchange.startswith("GET http://"), exchange)
        return headline

    def test_met(self) -> None:
        """A redirect is met by its URL, followed or not, and its status."""
        for path, url, status in (
            ("/old", "/rooms?a=1&b=2", None),
            ("/old", "http://testserver/rooms?b=2&a=1", 302),
            ("/old", "rooms?b=2&a=1", "3xx"),
            ("/here", "?page=2", 303),
            ("/here", "/here?page=2", None),
            ("/same", "/rooms", (307, 308)),
            ("/same", "HTTP://TestServer/rooms", 307),
            ("/quoted", "/café au lait", 308),
            ("/quoted", "/caf%c3%a9%20au%20lait", 308),
            ("/fragment", "/rooms#top", 302),
        ):
            for follows in (True, False):
                with self.subTest(path=path, url=url, follows=follows):
                    self.case.assertRedirects(self.ask(path, follows=follows), url, status)

    def test_chain(self) -> None:
        """Of several redirects the first one's status counts, and the last one's URL."""
        response = self.ask("/older", follows=True)

        self.case.assertRedirects(response, "/rooms?a=1&b=2", 301)
        self.assertEqual(
            "expected a redirect to http://testserver/rooms?a=1&b=2 with status 302 Found, "
            "but it has 301 Moved Permanently",
            self.headline(response, "/rooms?a=1&b=2", 302),
        )

    def test_other_url(self) -> None:
        """The failure shows where the redirect leads to, and the whole exchange."""
        failure = self.failure(
            self.case.assertRedirects, self.ask("/old", follows=True), "/hall", msg="moved?"
        )

        self.assertEqual(
            textwrap.dedent(
                """
                expected a redirect to http://testserver/hall, but it leads to {url}

                GET http://testserver/rooms?b=2&a=1
                Redirects:
                  GET http://testserver/old -> 302 Found, location /rooms?b=2&a=1
                Response: 200 OK
                  set-cookie: seen=yes
                Body:
                welcome : moved?
                """
            )
            .strip()
            .format(url="http://testserver/rooms?b=2&a=1"),
            failure,
        )
        for path, url, came in (
            ("/old", "/rooms?a=1", "http://testserver/rooms?b=2&a=1"),
            ("/away", "/rooms", "http://elsewhere.example/rooms"),
            ("/same", "https://testserver/rooms", "http://testserver:80/rooms"),
            ("/fragment", "/rooms", "http://testserver/rooms#top"),
        ):
            with self.subTest(path):
                headline = self.headline(self.ask(path, follows=False), url)
                self.assertTrue(headline.endswith(f", but it leads to {came}"), headline)

    def test_no_redirect(self) -> None:
        """A response that redirects nowhere fails."""
        for path, problem in (
            ("/rooms", "but the response has 200 OK"),
            ("/missing", "but the response has 404 Not Found"),
            ("/nowhere", "but the response has 302 Found and no location"),
            ("/choice", "but the response has 300 Multiple Choices"),
        ):
            with self.subTest(path):
                self.assertEqual(
                    f"expected a redirect to http://testserver/rooms, {problem}",
                    self.headline(self.ask(path, follows=False), "/rooms"),
                )

    def test_target(self) -> None:
        """What it leads to has to have a status; if it has another, its exchange is shown."""
        for follows in (True, False):
            with self.subTest(follows=follows):
                response = self.ask("/broken", follows=follows)
                self.case.assertRedirects(response, "/missing", target_status=404)
                failure = self.failure(self.case.assertRedirects, response, "/missing")
                self.assertTrue(
                    failure.startswith(
                        "expected a redirect to http://testserver/missing that leads to status "
                        "200 OK, but what it leads to has 404 Not Found\n\n"
                        "GET http://testserver/missing\n"
                    ),
                    failure,
                )

    def test_target_that_redirects(self) -> None:
        """What it leads to is fetched once: a redirect behind a redirect is followed by nobody."""
        self.assertEqual(
            "expected a redirect to http://testserver/old that leads to status 200 OK, "
            "but what it leads to has 302 Found",
            self.headline(self.ask("/older", follows=False), "/old"),
        )

    def test_fetch(self) -> None:
        """fetch says whether it is fetched; if nothing is said, it is if it is of one origin."""
        response = self.ask("/broken", follows=False)
        self.case.assertRedirects(response, "/missing", fetch=False)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            hosts.append(dict(scope["headers"])[b"host"])
            await moving(scope, receive, send)

        hosts: list[bytes] = []
        client = self.enter_client(application, lifespan="off")
        response = client.get("/away", allow_redirects=False)
        url = "http://elsewhere.example/rooms"

        self.case.assertRedirects(response, url)
        self.assertEqual([b"testserver"], hosts)
        self.case.assertRedirects(response, url, fetch=True)
        self.assertEqual([b"testserver", b"elsewhere.example"], hosts)

    def test_cookies(self) -> None:
        """It is fetched with the session's cookies, those of the redirect too; none are kept."""
        client = self.enter_client(moving, lifespan="off")
        response = client.get("/members", allow_redirects=False)

        self.case.assertRedirects(response, "/secret")

        self.assertEqual({"token": "1"}, client.cookies.get_dict())
        morsels = http.cookies.SimpleCookie(response.next.headers["cookie"])
        self.assertEqual(["token"], list(morsels))

    def test_without_a_session(self) -> None:
        """A redirect that no session received cannot be followed, and the error says so."""
        with ASGIAdapter(moving, lifespan="off") as adapter:
            request = requests.Request("GET", "http://testserver/same").prepare()
            response = adapter.send(request)

            self.case.assertRedirects(response, "/rooms", fetch=False)
            with self.assertRaisesRegex(TypeError, "307 .*only if a session.*pass fetch=False"):
                self.case.assertRedirects(response, "/rooms")

    def test_no_status(self) -> None:
        """What is no status is an error of the test."""
        response = self.ask("/old", follows=True)
        for options in ({"status": True}, {"target_status": None}):
            with self.subTest(options), self.assertRaisesRegex(TypeError, "must be an int"):
                self.case.assertRedirects(response, "/rooms?a=1&b=2", **options)


class TooManyRedirectsTest(AssertionsTestCase):
    """What a client says when redirects do not end."""

    def test_circle(self) -> None:
        """The redirects are shown up to the first that repeats."""
        client = self.enter_client(moving, lifespan="off")

        with self.assertRaises(requests.TooManyRedirects) as caught:
            client.get("/back")

        headline, first, second, third = str(caught.exception).splitlines()
        self.assertEqual("Exceeded 30 redirects. They go round in a circle:", headline)
        # Older versions of requests tell nothing of the first one.
        back, forth = "http://testserver/back", "http://testserver/forth"
        lines = {
            back: (f"  GET {back} -> 302 Found, location /forth"),
            forth: (f"  GET {forth} -> 302 Found, location /back"),
        }
        begin, other = (back, forth) if first == lines[back] else (forth, back)
        self.assertEqual([lines[begin], lines[other]], [first, second])
        self.assertEqual(f"  GET {begin}, for the second time", third)
        self.assertEqual(302, caught.exception.response.status_code)

    def test_ever_further(self) -> None:
        """Redirects that lead ever further are shown as far as they were followed."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"location", f"{scope['path']}x".encode())]
            await send({"type": "http.response.start", "status": 302, "headers": headers})
            await send({"type": "http.response.body"})

        client = self.enter_client(application, lifespan="off")
        client.max_redirects = 2

        with self.assertRaises(requests.TooManyRedirects) as caught:
            client.get("/")

        lines = str(caught.exception).splitlines()
        self.assertEqual("Exceeded 2 redirects:", lines[0])
        self.assertEqual("  GET http://testserver/xx -> 302 Found, location /xxx", lines[-1])
