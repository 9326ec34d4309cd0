"""Cookies that were not sent, or not taken, and why: in failures and transcripts."""

from __future__ import annotations

import time
from http.cookiejar import CookieJar
from typing import Any

import requests
from requests.cookies import create_cookie

from asgitest import TestClient, WebSocketDenied
from asgitest._withheld import note_withheld, refused_cookies, withheld_cookies

from .assertion_case import Plain
from .base import CleanTestCase

INSECURE = "The cookie session was not sent: it is Secure, and the connection is not."


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Log in by a cookie, and send who lacks one to the login."""
    headers = dict(scope["headers"])
    if scope["type"] == "websocket":
        await receive()
        if b"cookie" in headers:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "hello"})
            await receive()
        else:
            await send({"type": "websocket.close"})
        return
    answer: list[tuple[bytes, bytes]]
    status = 303
    if scope["path"] == "/login":
        answer = [(b"location", b"/"), (b"set-cookie", b"session=abc; Secure; Path=/")]
    elif scope["path"] == "/odd":
        status, answer = 200, [(b"set-cookie", b"theme=dark; Domain=other.test")]
    elif b"cookie" in headers:
        status, answer = 200, []
    else:
        answer = [(b"location", b"/login")]
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body"})


class WithheldTest(CleanTestCase):
    """Cookies that were not sent."""

    def withheld(self, url: str, *cookies: Any, **options: Any) -> list[str]:
        """Return what is said of the cookies that a session does not send.

        :param url: what is asked for
        :param cookies: those of the session
        :param options: those of the request
        """
        with requests.Session() as session:
            for cookie in cookies:
                session.cookies.set_cookie(cookie)
            request = session.prepare_request(requests.Request("GET", url, **options))
            note_withheld(request, session.cookies)
        return [str(cookie) for cookie in withheld_cookies(request)]

    def test_reasons(self) -> None:
        """Each reason is told: it has expired, the domain, the path, Secure."""
        domain = "www.a.test"
        for cookie, reason in (
            (create_cookie("c", "", expires=int(time.time()) - 9), "it has expired"),
            (
                create_cookie("c", "", domain="b.test"),
                "its domain is b.test, and the host is www.a.test",
            ),
            (create_cookie("c", "", domain=domain, path="/in"), "it is for the path /in"),
            (
                create_cookie("c", "", domain=domain, secure=True),
                "it is Secure, and the connection is not",
            ),
        ):
            with self.subTest(reason):
                self.assertEqual(
                    [f"The cookie c was not sent: {reason}."],
                    self.withheld("http://www.a.test/", cookie),
                )

    def test_host_without_dot(self) -> None:
        """Python's jars match no domain without a dot, which is told."""
        self.assertEqual(
            [
                "The cookie c was not sent: its domain is testserver, and Python's cookie jars "
                "match no domain without a dot."
            ],
            self.withheld("http://testserver/", create_cookie("c", "", domain="testserver")),
        )
        # What the jar itself makes of a cookie of such a host.
        cookie = create_cookie("c", "", domain="testserver.local")
        self.assertEqual([], self.withheld("http://testserver/", cookie))
        self.assertEqual(
            ["The cookie c was not sent: its domain is testserver, and the host is a.test."],
            self.withheld("http://a.test/", cookie),
        )

    def test_sent(self) -> None:
        """Nothing is said of cookies that were sent, nor of others of the same name."""
        cookies = [create_cookie("c", "1"), create_cookie("c", "2", path="/in")]

        self.assertEqual([], self.withheld("http://testserver/", *cookies))
        self.assertEqual([], self.withheld("http://testserver/"))

    def test_header_of_its_own(self) -> None:
        """A request with a Cookie header of its own leaves out those of the jar."""
        for header in ("a=1; b=2", b"a=1; b=2"):
            with self.subTest(header=header):
                said = self.withheld(
                    "http://testserver/",
                    create_cookie("a", ""),
                    create_cookie("c", ""),
                    headers={"Cookie": header},
                    cookies={"d": ""},
                )
                reason = "the request has a Cookie header of its own"
                self.assertEqual(
                    [f"The cookie {name} was not sent: {reason}." for name in "cd"], said
                )

    def test_request_that_is_sent_again(self) -> None:
        """A request that is sent again tells what was withheld this time."""
        request = requests.Request("GET", "http://testserver/").prepare()
        cookie = create_cookie("c", "", secure=True)
        for jar, names in (([cookie], ["c"]), ([], [])):
            note_withheld(request, jar)
            self.assertEqual(names, [withheld.name for withheld in withheld_cookies(request)])

    def test_request_of_somebody_else(self) -> None:
        """A request that was prepared without the jar tells nothing about it."""
        jar = CookieJar()
        jar.set_cookie(create_cookie("c", ""))
        request = requests.Request("GET", "http://testserver/").prepare()

        note_withheld(request, jar)

        self.assertEqual([], withheld_cookies(request))


class RefusedTest(CleanTestCase):
    """Cookies that were not taken."""

    def test_domain(self) -> None:
        """A cookie for another domain is refused."""
        self.assertEqual(
            [
                "The cookie c was refused by the jar: its domain is b.test, "
                "and the host is www.a.test."
            ],
            list(refused_cookies("http://www.a.test/", ["c=1; Domain=.b.test"])),
        )

    def test_domain_without_dot(self) -> None:
        """So is one for a domain without a dot."""
        self.assertEqual(
            [
                "The cookie c was refused by the jar: its domain is test, and Python's cookie jars "
                "match no domain without a dot."
            ],
            list(refused_cookies("http://a.test/", ["c=1; Domain=test"])),
        )

    def test_uncertain(self) -> None:
        """Nothing is said of what was taken, deleted, or refused for who knows what."""
        lines = [
            "a=1",
            "b=1; Domain=a.test",
            "c=1; Domain=b.test; Max-Age=0",
            "=1",
            "d=1; Version=1",
        ]
        lines.append("e=1; Domain=www.a.test; Expires=Wednesday 09-Jun-99 10:18:14 GMT")

        self.assertEqual([], list(refused_cookies("http://www.a.test/", lines)))
        self.assertEqual([], list(refused_cookies("http://www.a.test/", [])))


class TextTest(CleanTestCase):
    """Where it is told."""

    def setUp(self) -> None:
        """Log in, so that there is a cookie that no plain connection gets."""
        super().setUp()
        self.client = self.enter_client(app, lifespan="off")
        self.case = Plain()
        self.login = self.client.get("/login", allow_redirects=False)

    def failure(self, *args: Any, **kwargs: Any) -> str:
        """Return the text of a failure of assertRedirects() or assertStatus()."""
        assertion = args[0]
        with self.assertRaises(AssertionError) as caught:
            assertion(*args[1:], **kwargs)
        return str(caught.exception)

    def test_assertion(self) -> None:
        """The failure of an assertion about a response names the cookie."""
        response = self.client.get("/", allow_redirects=False)

        self.assertIn(INSECURE, self.failure(self.case.assertStatus, response, 200))

    def test_fetched_redirect(self) -> None:
        """So does that of an assertion which fetches what a redirect leads to."""
        self.assertIn(INSECURE, self.failure(self.case.assertRedirects, self.login, "/"))

    def test_redirects(self) -> None:
        """A redirect that was followed names the cookies that were withheld on the way."""
        self.client.cookies.clear()
        response = self.client.get("/login", headers={"x": "y"}, allow_redirects=False)
        target = self.client.get("https://testserver/", allow_redirects=False)
        self.assertEqual(200, target.status_code)

        followed = self.client.get("/odd")
        followed.history = [response, self.client.get("/", allow_redirects=False)]

        lines = self.failure(self.case.assertStatus, followed, 404).splitlines()
        place = lines.index("  GET http://testserver/ -> 303 See Other, location /login")
        self.assertEqual(f"    {INSECURE}", lines[place + 1])
        self.assertEqual("Response: 200 OK", lines[place + 2])

    def test_circle(self) -> None:
        """A circle of redirects names the cookie that would have ended it."""
        with self.assertRaises(requests.TooManyRedirects) as caught:
            self.client.get("/")

        # Older versions of requests leave out the first redirect, so that the circle begins later.
        text = str(caught.exception)
        self.assertIn(f"location /\n    {INSECURE}\n", text)
        self.assertTrue(text.endswith(f", for the second time\n    {INSECURE}"), text)

    def test_transcript(self) -> None:
        """A transcript names cookies that were withheld or refused."""
        self.client.get("/odd")

        first, second = (str(part) for part in str(self.client.transcript).split("\n\n"))
        self.assertNotIn(INSECURE, first)
        self.assertIn(f"\n{INSECURE}\n", second)
        self.assertIn("The cookie theme was refused by the jar: its domain is other.test", second)

    def test_secure_connection(self) -> None:
        """Over https the cookie is sent, and nothing is said."""
        response = self.client.get("https://testserver/")

        self.assertEqual(200, response.status_code)
        self.assertEqual([], withheld_cookies(response.request))

    def test_websocket(self) -> None:
        """The handshake of a WebSocket is asked, too; wss is secure."""
        with self.assertRaises(WebSocketDenied), self.client.websocket_connect("/"):
            pass
        with self.client.websocket_connect("wss://testserver/") as session:
            self.assertEqual("hello", session.receive_text())
        self.assertEqual(2, str(self.client.transcript).count("GET ws"))
        self.assertEqual(1, str(self.client.transcript).count(INSECURE))

        text = self.failure(
            self.case.assertWebSocketDenied, self.client.websocket_connect("/"), status=401
        )
        self.assertIn(INSECURE, text)

    def test_websocket_assertion(self) -> None:
        """The failure of an assertion about a WebSocket names the cookie."""
        self.client.cookies.set("other", "1")

        with self.client.websocket_connect("/") as session:
            text = self.failure(self.case.assertWebSocketReceives, session, "hello ada")

        self.assertTrue(text.endswith(INSECURE), text)

    def test_other_adapter(self) -> None:
        """A response of another adapter has no such headers as can be looked into."""
        response = requests.Response()
        response.status_code = 200
        response._content = b""
        response.request = requests.Request("GET", "http://testserver/").prepare()

        self.assertIn("Response: 200", self.failure(self.case.assertStatus, response, 404))

    def test_own_jar(self) -> None:
        """A client may have any jar of Python's."""
        client = TestClient(app, lifespan="off")
        self.addCleanup(client.close)
        client.cookies = CookieJar()  # type: ignore[assignment]
        client.cookies.set_cookie(create_cookie("session", "1", secure=True))

        client.get("/odd")

        self.assertIn(INSECURE, str(client.transcript))
