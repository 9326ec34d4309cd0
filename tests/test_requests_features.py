"""What requests can do, a client can do: each feature with an application at the other end."""

from __future__ import annotations

import datetime
import email.parser
import email.policy
import gzip
import http.cookiejar
import importlib
import io
import json
import os
import pathlib
import socket
import tempfile
import zlib
from typing import Any
from unittest import mock, skipUnless

import requests
import requests.auth
import requests.exceptions
import urllib3.util

from asgitest import (
    ASGITestError,
    DeadlineExceeded,
    LifespanError,
    ProtocolError,
    RequestDeadlineExceeded,
    TestClient,
    WebSocketDenied,
    WebSocketDisconnect,
)
from tests.base import CleanTestCase

#: The content codings that the installed urllib3 can undo.
CODINGS = urllib3.util.make_headers(accept_encoding=True)["accept-encoding"].split(",")


async def answer(send: Any, body: bytes = b"", headers: Any = (), status: int = 200) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Any) -> bytes:
    """Receive the whole body of a request."""
    body, more_body = b"", True
    while more_body:
        event = await receive()
        body += event["body"]
        more_body = event["more_body"]
    return body


class Recorder:
    """An application that notes what it gets and answers as its table says.

    :param answers: for a path: status, headers and body
    """

    def __init__(self, answers: dict[str, tuple[int, list[Any], bytes]] | None = None) -> None:
        self.answers = answers or {}
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Note a request and answer it."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        self.scopes.append(scope)
        self.bodies.append(await read_body(receive))
        status, headers, body = self.answers.get(scope["path"], (200, [], b""))
        await answer(send, body, headers, status)

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the last request."""
        return dict(self.scopes[-1]["headers"])

    @property
    def paths(self) -> list[str]:
        """The paths of all requests."""
        return [scope["path"] for scope in self.scopes]


class RecorderTestCase(CleanTestCase):
    """A test case with a recorder and a client to it."""

    answers: dict[str, tuple[int, list[Any], bytes]] = {}

    def setUp(self) -> None:
        """Build the application and its client."""
        super().setUp()
        self.app = Recorder(self.answers)
        self.client = self.new_client(self.app)


class MethodTest(RecorderTestCase):
    """Methods, common and uncommon."""

    def test_every_verb(self) -> None:
        """Each verb of a session is the method of its scope."""
        for verb in ("get", "options", "head", "post", "put", "patch", "delete"):
            getattr(self.client, verb)("/")

            self.assertEqual(verb.upper(), self.app.scopes[-1]["method"])

    def test_custom_methods(self) -> None:
        """Any method will do; it reaches the application in upper case."""
        for method, expected in (
            ("PURGE", "PURGE"),
            ("propfind", "PROPFIND"),
            (b"REPORT", "REPORT"),
            ("M-SEARCH", "M-SEARCH"),
        ):
            self.client.request(method, "/")

            self.assertEqual(expected, self.app.scopes[-1]["method"])

    def test_lower_case_in_a_prepared_request(self) -> None:
        """The method of a request that was prepared by hand is in upper case, too."""
        prepared = self.client.prepare_request(requests.Request("GET", "/"))
        prepared.method = "get"
        self.client.send(prepared)

        self.assertEqual("GET", self.app.scopes[-1]["method"])


class ParamsTest(RecorderTestCase):
    """Query parameters."""

    def test_forms(self) -> None:
        """A mapping, pairs, text and bytes become the query string."""
        table: list[tuple[Any, bytes]] = [
            ({"a": "1", "b": 2}, b"a=1&b=2"),
            ({"a": ["1", "2"]}, b"a=1&a=2"),
            ([("a", "1"), ("b", "2"), ("a", "3")], b"a=1&b=2&a=3"),
            ("a=1&b", b"a=1&b"),
            (b"a=1", b"a=1"),
            ({"a": None}, b""),
            ({"a b": "\xe9&="}, b"a+b=%C3%A9%26%3D"),
            ({}, b""),
        ]
        for params, expected in table:
            with self.subTest(params=params):
                self.client.get("/", params=params)

                self.assertEqual(expected, self.app.scopes[-1]["query_string"])

    def test_added_to_the_url(self) -> None:
        """Parameters are added to those of the URL."""
        self.client.get("/a?x=1#here", params={"y": "2"})

        self.assertEqual(b"x=1&y=2", self.app.scopes[-1]["query_string"])

    def test_of_the_session(self) -> None:
        """Parameters of the session go with each request."""
        self.client.params = {"key": "1"}
        self.client.get("/", params={"q": "2"})

        self.assertEqual(b"key=1&q=2", self.app.scopes[-1]["query_string"])


class DataTest(RecorderTestCase):
    """Forms and JSON."""

    def test_form(self) -> None:
        """A mapping or pairs become a form."""
        table: list[tuple[Any, bytes]] = [
            ({"a": "1", "b": "\xe9 "}, b"a=1&b=%C3%A9+"),
            ({"a": ["1", "2"]}, b"a=1&a=2"),
            ([("a", "1"), ("a", "2")], b"a=1&a=2"),
        ]
        for data, expected in table:
            with self.subTest(data=data):
                self.client.post("/", data=data)

                self.assertEqual(expected, self.app.bodies[-1])
                self.assertEqual(
                    b"application/x-www-form-urlencoded", self.app.headers[b"content-type"]
                )
                self.assertEqual(str(len(expected)).encode(), self.app.headers[b"content-length"])

    def test_json(self) -> None:
        """JSON is encoded, with its content type."""
        for value in ({"a": [1, None, "\xe9"]}, [], "text", 0, False):
            with self.subTest(value=value):
                self.client.put("/", json=value)

                self.assertEqual(value, json.loads(self.app.bodies[-1]))
                self.assertEqual(b"application/json", self.app.headers[b"content-type"])

    def test_json_response(self) -> None:
        """A JSON response is decoded by json()."""
        self.app.answers["/json"] = (200, [], b'{"a": "\xc3\xa9"}')

        self.assertEqual({"a": "\xe9"}, self.client.get("/json").json())

    def test_no_json_response(self) -> None:
        """A response that is no JSON raises requests' own error."""
        self.app.answers["/text"] = (200, [], b"text")

        with self.assertRaises(requests.exceptions.JSONDecodeError):
            self.client.get("/text").json()

    def test_without_a_body(self) -> None:
        """A POST without a body has a length of zero, a GET has no length."""
        self.client.post("/")
        self.assertEqual(b"0", self.app.headers[b"content-length"])

        self.client.get("/")
        self.assertNotIn(b"content-length", self.app.headers)
        self.assertEqual([b"", b""], self.app.bodies)


class FilesTest(RecorderTestCase):
    """Uploads as multipart/form-data."""

    def parts(self) -> list[tuple[str, str | None, str | None, bytes]]:
        """Return name, file name, type and content of each part of the last request."""
        head = b"Content-Type: " + self.app.headers[b"content-type"] + b"\r\n\r\n"
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            head + self.app.bodies[-1]
        )
        found = []
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            kind = part.get_content_type() if "content-type" in part else None
            found.append((name, part.get_filename(), kind, part.get_payload(decode=True)))
        return found

    def test_one_file(self) -> None:
        """A file is one part with its name."""
        self.client.post("/", files={"photo": ("a.png", b"\x89PNG\r\n\x00", "image/png")})

        self.assertEqual([("photo", "a.png", "image/png", b"\x89PNG\r\n\x00")], self.parts())

    def test_several_files_in_one_field(self) -> None:
        """A field may have several files."""
        files = [
            ("photo", ("a.png", b"a", "image/png")),
            ("photo", ("b.png", b"b", "image/png")),
            ("text", ("c.txt", "c")),
        ]
        self.client.post("/", files=files)

        self.assertEqual(
            [
                ("photo", "a.png", "image/png", b"a"),
                ("photo", "b.png", "image/png", b"b"),
                ("text", "c.txt", None, b"c"),
            ],
            self.parts(),
        )

    def test_files_and_fields(self) -> None:
        """Fields of a form stand beside the files, several values per field too."""
        self.client.post(
            "/", data={"title": "\xe9", "tag": ["1", "2"]}, files={"file": io.BytesIO(b"content")}
        )

        self.assertEqual(
            [
                ("title", None, None, "\xe9".encode()),
                ("tag", None, None, b"1"),
                ("tag", None, None, b"2"),
                ("file", "file", None, b"content"),
            ],
            self.parts(),
        )

    def test_open_file(self) -> None:
        """An open file gives its own name."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "notes.txt")
            path.write_bytes(b"notes")
            with path.open("rb") as file:
                self.client.post("/", files={"file": file})

        self.assertEqual([("file", "notes.txt", None, b"notes")], self.parts())

    def test_no_file_name(self) -> None:
        """A part without a file name is a plain field."""
        self.client.post("/", files={"field": (None, "value")})

        self.assertEqual([("field", None, None, b"value")], self.parts())


class AuthTest(RecorderTestCase):
    """Credentials: basic, digest, one's own."""

    answers = {
        "/redirect": (302, [(b"location", b"/next")], b""),
        "/away": (302, [(b"location", b"http://elsewhere.test/next")], b""),
    }

    def test_basic(self) -> None:
        """A pair is basic authentication."""
        for auth in (("user", "p\xe4ss"), requests.auth.HTTPBasicAuth("user", "p\xe4ss")):
            self.client.get("/", auth=auth)

            self.assertEqual(b"Basic dXNlcjpw5HNz", self.app.headers[b"authorization"])

    def test_in_the_url(self) -> None:
        """Credentials in the URL are used, and stay out of the scope's addresses."""
        self.client.get("http://user:secret@testserver/a")

        self.assertEqual(b"Basic dXNlcjpzZWNyZXQ=", self.app.headers[b"authorization"])
        self.assertEqual(b"testserver", self.app.headers[b"host"])
        self.assertEqual(("testserver", 80), self.app.scopes[-1]["server"])

    def test_of_the_session(self) -> None:
        """Credentials of the session go with each request, unless it has its own."""
        self.client.auth = ("user", "secret")
        self.client.get("/")
        self.assertEqual(b"Basic dXNlcjpzZWNyZXQ=", self.app.headers[b"authorization"])

        self.client.get("/", auth=("other", "secret"))
        self.assertEqual(b"Basic b3RoZXI6c2VjcmV0", self.app.headers[b"authorization"])

    def test_custom(self) -> None:
        """A callable changes the prepared request."""

        class Token(requests.auth.AuthBase):
            def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
                request.headers["Authorization"] = "Token abc"
                request.headers["X-Signed"] = str(request.path_url)
                return request

        self.client.get("/a?b=c", auth=Token())

        self.assertEqual(b"Token abc", self.app.headers[b"authorization"])
        self.assertEqual(b"/a?b=c", self.app.headers[b"x-signed"])

    def test_custom_beside_a_list_of_headers(self) -> None:
        """A callable may change a header that the request's list has."""

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["X-A"] = "signed"
            return request

        self.client.get("/", auth=sign, headers=[("x-a", "1"), ("x-b", "2"), ("x-b", "3")])

        headers = self.app.scopes[-1]["headers"]
        self.assertEqual([b"signed"], [value for name, value in headers if name == b"x-a"])
        self.assertEqual([b"2", b"3"], [value for name, value in headers if name == b"x-b"])

    def test_survives_a_redirect_on_the_host(self) -> None:
        """Credentials go with a redirect to the same host, and not with one to another."""
        self.client.get("/redirect", auth=("user", "secret"))
        self.assertIn(b"authorization", self.app.headers)

        self.client.get("/away", auth=("user", "secret"))
        self.assertNotIn(b"authorization", self.app.headers)
        self.assertEqual(b"elsewhere.test", self.app.headers[b"host"])


class DigestTest(CleanTestCase):
    """Digest authentication takes two requests."""

    def setUp(self) -> None:
        """Build an application that asks for a digest."""
        super().setUp()
        self.found: list[dict[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.client = self.new_client(self.application)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Demand a digest."""
        headers = dict(scope["headers"])
        self.found.append(headers)
        self.bodies.append(await read_body(receive))
        if headers.get(b"authorization", b"").startswith(b'Digest username="user"'):
            await answer(send, b"welcome")
            return
        challenge = b'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
        cookie = (b"set-cookie", b"seen=1")
        await answer(send, headers=[(b"www-authenticate", challenge), cookie], status=401)

    def test_answers_the_challenge(self) -> None:
        """The challenge is answered, with the cookies of the first response."""
        auth = requests.auth.HTTPDigestAuth("user", "secret")
        response = self.client.get("/a?b=c", auth=auth)

        self.assertEqual("welcome", response.text)
        self.assertEqual([401], [hop.status_code for hop in response.history])
        self.assertIn(b'uri="/a?b=c"', self.found[1][b"authorization"])
        self.assertEqual(b"seen=1", self.found[1][b"cookie"])

    def test_body_is_sent_again(self) -> None:
        """The body goes with the second request: bytes, and a file that can be rewound."""
        for data in (b"body", io.BytesIO(b"body")):
            self.bodies.clear()
            self.client.post("/", data=data, auth=requests.auth.HTTPDigestAuth("user", "secret"))

            self.assertEqual([b"body", b"body"], self.bodies)

    def test_streamed(self) -> None:
        """A streamed response may need the second request as well."""
        auth = requests.auth.HTTPDigestAuth("user", "secret")
        with self.client.get("/", auth=auth, stream=True) as response:
            self.assertEqual(b"welcome", response.raw.read())

    def test_wrong_password(self) -> None:
        """Wrong credentials are answered once."""
        response = self.client.get("/", auth=requests.auth.HTTPDigestAuth("nobody", "secret"))

        self.assertEqual(401, response.status_code)
        self.assertEqual(2, len(self.found))

    def test_list_of_headers(self) -> None:
        """Duplicates of a list go with both requests."""
        found: list[list[bytes]] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append([value for name, value in scope["headers"] if name == b"x-a"])
            await self.application(scope, receive, send)

        self.new_client(application).get(
            "/",
            headers=[("x-a", "1"), ("x-a", "2")],
            auth=requests.auth.HTTPDigestAuth("user", "secret"),
        )

        self.assertEqual([[b"1", b"2"]] * 2, found)


class CookiesTest(CleanTestCase):
    """Cookies, of a request and of the session."""

    def setUp(self) -> None:
        """Build an application that sets the cookies that a request names."""
        super().setUp()
        self.found: list[bytes | None] = []
        self.to_set: list[bytes] = []
        self.client = self.new_client(self.application)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Note the cookies of the request and set what the test wants."""
        cookies = [value for name, value in scope["headers"] if name == b"cookie"]
        self.assertLessEqual(len(cookies), 1)
        self.found.append(cookies[0] if cookies else None)
        headers = [(b"set-cookie", cookie) for cookie in self.to_set]
        if scope["path"] == "/redirect":
            await answer(send, headers=[*headers, (b"location", b"/next")], status=302)
        else:
            await answer(send, headers=headers)

    def receive_cookies(self, *cookies: bytes, url: str = "/") -> requests.Response:
        """Have the application set cookies."""
        self.to_set = list(cookies)
        try:
            return self.client.get(url)
        finally:
            self.to_set = []

    def test_of_a_request(self) -> None:
        """Cookies of a request are sent with it alone, as one header."""
        self.client.get("/", cookies={"a": "1", "b": "2"})
        self.client.get("/")

        assert self.found[0] is not None
        self.assertEqual({b"a=1", b"b=2"}, set(self.found[0].split(b"; ")))
        self.assertIsNone(self.found[1])

    def test_persistent(self) -> None:
        """What one response sets, the next request sends."""
        response = self.receive_cookies(b"a=1", b"b=2; HttpOnly")
        self.client.get("/")

        self.assertEqual({"a": "1", "b": "2"}, response.cookies.get_dict())
        self.assertEqual({"a": "1", "b": "2"}, self.client.cookies.get_dict())
        assert self.found[1] is not None
        self.assertEqual({b"a=1", b"b=2"}, set(self.found[1].split(b"; ")))

    def test_of_the_constructor(self) -> None:
        """The constructor takes a mapping or a jar."""
        jar = requests.cookies.cookiejar_from_dict({"a": "1"})
        plain_jar = http.cookiejar.CookieJar()
        plain_jar.set_cookie(requests.cookies.create_cookie("a", "1"))
        for cookies in ({"a": "1"}, jar, plain_jar):
            client = self.new_client(self.application, cookies=cookies)
            client.get("/")

            self.assertEqual(b"a=1", self.found[-1])

    def test_request_before_session(self) -> None:
        """A cookie of a request comes before the session's of the same name."""
        self.client.cookies["a"] = "session"
        self.client.get("/", cookies={"a": "request"})

        self.assertEqual(b"a=request", self.found[0])

    def test_attributes(self) -> None:
        """The attributes of a cookie can be read from the jar."""
        response = self.receive_cookies(
            b"a=1; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax; Domain=shop.test",
            url="https://shop.test/",
        )
        (cookie,) = response.cookies

        self.assertEqual("a", cookie.name)
        self.assertEqual("/", cookie.path)
        self.assertEqual(".shop.test", cookie.domain)
        self.assertTrue(cookie.secure)
        self.assertIsNotNone(cookie.expires)
        self.assertTrue(cookie.has_nonstandard_attr("HttpOnly"))
        self.assertEqual("Lax", cookie.get_nonstandard_attr("SameSite"))

    def test_path(self) -> None:
        """A cookie with a path is sent below that path only."""
        self.receive_cookies(b"a=1; Path=/shop", url="/shop/cart")
        self.client.get("/shop/pay")
        self.client.get("/other")

        self.assertEqual([None, b"a=1", None], self.found)

    def test_secure(self) -> None:
        """A secure cookie is sent with https only."""
        self.receive_cookies(b"a=1; Secure", url="https://testserver/")
        self.client.get("http://testserver/")
        self.client.get("https://testserver/")

        self.assertEqual([None, None, b"a=1"], self.found)

    def test_domain(self) -> None:
        """A cookie of one host is not sent to another, unless its domain holds both."""
        self.receive_cookies(b"own=1", b"wide=1; Domain=shop.test", url="http://www.shop.test/")
        self.client.get("http://www.shop.test/")
        self.client.get("http://img.shop.test/")
        self.client.get("http://other.test/")

        assert self.found[1] is not None
        self.assertEqual({b"own=1", b"wide=1"}, set(self.found[1].split(b"; ")))
        self.assertEqual([b"wide=1", None], self.found[2:])

    def test_expired(self) -> None:
        """A cookie is removed by Max-Age=0 and by a date that has passed."""
        for removal in (b"a=; Max-Age=0", b"a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"):
            with self.subTest(removal=removal):
                self.receive_cookies(b"a=1")
                self.receive_cookies(removal)
                self.client.get("/")

                self.assertIsNone(self.found[-1])

    def test_comma_in_a_date(self) -> None:
        """Cookies with dates, which have commas, are kept apart."""
        response = self.receive_cookies(
            b"a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
            b"b=2; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
        )

        self.assertEqual({"a": "1", "b": "2"}, response.cookies.get_dict())

    def test_set_by_a_redirect(self) -> None:
        """A cookie that a redirect sets is sent with the request that follows it."""
        response = self.receive_cookies(b"a=1", url="/redirect")

        self.assertEqual([None, b"a=1"], self.found)
        self.assertEqual({"a": "1"}, response.history[0].cookies.get_dict())
        self.assertEqual({"a": "1"}, self.client.cookies.get_dict())

    def test_of_a_streamed_response(self) -> None:
        """The cookies of a streamed response are there before its body is read."""
        self.to_set = [b"a=1"]
        with self.client.get("/", stream=True):
            self.assertEqual({"a": "1"}, self.client.cookies.get_dict())

    def test_header_by_hand(self) -> None:
        """A cookie header can be given as any other; several in a list arrive apart."""
        self.client.get("/", headers={"cookie": "a=1"})
        self.assertEqual([b"a=1"], self.found)

        scopes: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await answer(send)

        self.new_client(application).get("/", headers=[("cookie", "a=1"), ("cookie", "b=2")])
        self.assertEqual(
            [b"a=1", b"b=2"],
            [value for name, value in scopes[0]["headers"] if name == b"cookie"],
        )


class RedirectTest(RecorderTestCase):
    """Redirects and their history."""

    answers = {
        "/301": (301, [(b"location", b"/end")], b"moved"),
        "/302": (302, [(b"location", b"http://testserver/end")], b"found"),
        "/303": (303, [(b"location", b"end?x=1#here")], b""),
        "/307": (307, [(b"location", b"/end")], b""),
        "/308": (308, [(b"location", b"/end")], b""),
        "/twice": (302, [(b"location", b"/301")], b""),
        "/loop": (302, [(b"location", b"/loop")], b""),
        "/latin": (302, [(b"location", b"/caf\xe9")], b""),
        "/utf-8": (302, [(b"location", "/caf\xe9".encode())], b""),
        "/nowhere": (302, [], b"no location"),
        "/https": (302, [(b"location", b"https://secure.test/end")], b""),
        "/end": (200, [], b"end"),
    }

    def test_followed(self) -> None:
        """A redirect is followed; the hops are in the history."""
        for path in ("/301", "/302", "/303", "/307", "/308"):
            with self.subTest(path=path):
                response = self.client.get(path)

                self.assertEqual("end", response.text)
                self.assertEqual([int(path[1:])], [hop.status_code for hop in response.history])
                self.assertEqual(self.answers[path][2], response.history[0].content)

    def test_fragment_and_query(self) -> None:
        """Query and fragment of a location are in the URL, the query is in the scope."""
        response = self.client.get("/303")

        self.assertEqual("http://testserver/end?x=1#here", response.url)
        self.assertEqual(b"x=1", self.app.scopes[-1]["query_string"])

    def test_several_hops(self) -> None:
        """Each hop is in the history, in order."""
        response = self.client.get("/twice")

        self.assertEqual(
            ["http://testserver/twice", "http://testserver/301"],
            [hop.url for hop in response.history],
        )
        self.assertEqual(["/twice", "/301", "/end"], self.app.paths)

    def test_not_followed(self) -> None:
        """allow_redirects=False gives the redirect, and the request that would follow."""
        response = self.client.get("/301", allow_redirects=False)

        self.assertTrue(response.is_redirect)
        self.assertTrue(response.is_permanent_redirect)
        self.assertEqual(["/301"], self.app.paths)
        assert response.next is not None
        self.assertEqual("http://testserver/end", response.next.url)
        self.assertEqual("end", self.client.send(response.next).text)

    def test_head_is_not_followed(self) -> None:
        """HEAD is not redirected unless asked for, as ever with requests."""
        self.assertEqual(301, self.client.head("/301").status_code)
        self.assertEqual(200, self.client.head("/301", allow_redirects=True).status_code)

    def test_method_and_body(self) -> None:
        """301, 302 and 303 make a GET of a POST; 307 and 308 keep method and body."""
        for path, method, body in (
            ("/301", "GET", b""),
            ("/302", "GET", b""),
            ("/303", "GET", b""),
            ("/307", "POST", b"data"),
            ("/308", "POST", b"data"),
        ):
            with self.subTest(path=path):
                self.client.post(path, data=b"data")

                self.assertEqual(method, self.app.scopes[-1]["method"])
                self.assertEqual(body, self.app.bodies[-1])
                self.assertEqual(method == "POST", b"content-length" in self.app.headers)

    def test_file_is_sent_again(self) -> None:
        """A file is rewound to where it stood and sent again."""
        file = io.BytesIO(b"skipped data")
        file.seek(8)
        self.client.post("/307", data=file)

        self.assertEqual([b"data", b"data"], self.app.bodies)

    def test_form_is_sent_again(self) -> None:
        """A form, JSON and files are sent again."""
        for options in (
            {"data": {"a": "1"}},
            {"json": {"a": 1}},
            {"files": {"a": ("a.txt", b"a")}},
        ):
            with self.subTest(options):
                self.client.post("/307", **options)

                self.assertNotEqual(b"", self.app.bodies[-1])
                self.assertEqual(self.app.bodies[-2], self.app.bodies[-1])

    def test_too_many(self) -> None:
        """An endless redirect ends as requests ends it."""
        self.client.max_redirects = 3
        with self.assertRaises(requests.exceptions.TooManyRedirects) as caught:
            self.client.get("/loop")

        self.assertEqual(["/loop"] * 4, self.app.paths)
        assert caught.exception.response is not None
        self.assertEqual(302, caught.exception.response.status_code)

    def test_without_a_location(self) -> None:
        """A redirect without a location is a response like any other."""
        response = self.client.get("/nowhere")

        self.assertEqual(302, response.status_code)
        self.assertEqual("no location", response.text)
        self.assertFalse(response.is_redirect)

    def test_octets_in_the_location(self) -> None:
        """A location that is UTF-8 leads to that path."""
        self.client.get("/utf-8")

        self.assertEqual("/caf\xe9", self.app.paths[-1])

    def test_to_https(self) -> None:
        """A redirect may lead to https and to another host."""
        response = self.client.get("/https")

        self.assertEqual("https://secure.test/end", response.url)
        self.assertEqual("https", self.app.scopes[-1]["scheme"])
        self.assertEqual(b"secure.test", self.app.headers[b"host"])

    def test_host_header_by_hand(self) -> None:
        """A host header that was given goes with the request that was asked for."""
        self.client.get("/end", headers={"Host": "given.test"})

        self.assertEqual(b"given.test", self.app.headers[b"host"])

    def test_streamed(self) -> None:
        """With stream=True the hops are read, and the last response streams."""
        with self.client.get("/301", stream=True) as response:
            self.assertEqual(b"moved", response.history[0].content)
            self.assertEqual(b"end", response.raw.read())


class HooksTest(RecorderTestCase):
    """Hooks on responses."""

    def test_of_a_request(self) -> None:
        """A hook of a request gets its response, and may replace it."""
        seen: list[str] = []

        def note(response: requests.Response, **options: Any) -> None:
            seen.append(response.url)

        def replace(response: requests.Response, **options: Any) -> requests.Response:
            response.status_code = 299
            return response

        response = self.client.get("/a", hooks={"response": [note, replace]})

        self.assertEqual(["http://testserver/a"], seen)
        self.assertEqual(299, response.status_code)

    def test_of_the_session(self) -> None:
        """A hook of the session gets each response, redirects included."""
        self.app.answers["/redirect"] = (302, [(b"location", b"/next")], b"")
        seen: list[int] = []
        self.client.hooks["response"].append(
            lambda response, **options: seen.append(response.status_code)
        )
        self.client.get("/redirect")

        self.assertEqual([302, 200], seen)

    def test_raise_for_status_as_a_hook(self) -> None:
        """What a hook raises comes out of the call."""
        self.app.answers["/gone"] = (410, [], b"")
        with self.assertRaisesRegex(requests.HTTPError, "410 Client Error: Gone"):
            self.client.get(
                "/gone",
                hooks={"response": lambda response, **options: response.raise_for_status()},
            )

    def test_request_from_a_hook(self) -> None:
        """A hook may use the client."""
        self.client.get(
            "/first",
            hooks={"response": lambda response, **options: self.client.get("/second") and None},
        )

        self.assertEqual(["/first", "/second"], self.app.paths)


class PreparedTest(RecorderTestCase):
    """Prepared requests."""

    def test_changed_before_it_is_sent(self) -> None:
        """A prepared request can be changed before it is sent."""
        prepared = self.client.prepare_request(requests.Request("POST", "/a", data="old"))
        prepared.body = b"new body"
        prepared.headers["Content-Length"] = "8"
        prepared.headers["X-A"] = "1"
        self.client.send(prepared)

        self.assertEqual(b"new body", self.app.bodies[0])
        self.assertEqual(b"1", self.app.headers[b"x-a"])

    def test_session_of_a_prepared_request(self) -> None:
        """Cookies and headers of the session are in a request that the client prepares."""
        self.client.cookies["a"] = "1"
        self.client.headers["X-A"] = "2"
        self.client.send(self.client.prepare_request(requests.Request("GET", "/")))

        self.assertEqual(b"a=1", self.app.headers[b"cookie"])
        self.assertEqual(b"2", self.app.headers[b"x-a"])

    def test_copy(self) -> None:
        """A prepared request with duplicates can be copied, the copy is its own."""
        prepared = self.client.prepare_request(
            requests.Request("GET", "/", headers=[("x-a", "1"), ("x-a", "2")])
        )
        copied = prepared.copy()
        prepared.headers["x-a"] = "changed"
        self.client.send(copied)

        self.assertEqual(
            [b"1", b"2"],
            [value for name, value in self.app.scopes[0]["headers"] if name == b"x-a"],
        )

    def test_options_of_send(self) -> None:
        """send() takes the options of requests, and ignores those of the way there."""
        prepared = self.client.prepare_request(requests.Request("GET", "/"))
        response = self.client.send(
            prepared,
            stream=True,
            verify=False,
            cert=None,
            proxies={},
            timeout=5,
            allow_redirects=False,
        )
        self.addCleanup(response.close)

        self.assertEqual(200, response.status_code)


class CodingTest(CleanTestCase):
    """Content codings."""

    TEXT = b"The quick brown fox. " * 1000

    def client_for(self, coding: bytes, coded: bytes, pieces: int = 1) -> TestClient:
        """Return a client to an application that sends a coded body."""
        size = max(1, -(-len(coded) // pieces))

        async def application(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"content-encoding", coding), (b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for index in range(0, len(coded), size):
                piece = coded[index : index + size]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})

        return self.new_client(application)

    def check(self, coding: bytes, coded: bytes) -> None:
        """Assert that a coding is undone, in one piece and in many, buffered and streamed."""
        for pieces in (1, 7):
            for stream in (False, True):
                with self.subTest(pieces=pieces, stream=stream):
                    client = self.client_for(coding, coded, pieces)
                    with client.get("/", stream=stream) as response:
                        self.assertEqual(self.TEXT, b"".join(response.iter_content(1000)))
                        self.assertEqual(coding.decode(), response.headers["content-encoding"])

    def test_gzip(self) -> None:
        """gzip is undone."""
        self.check(b"gzip", gzip.compress(self.TEXT))

    def test_capitals(self) -> None:
        """The name of a coding may be in capitals."""
        self.check(b"GZIP", gzip.compress(self.TEXT))

    def test_deflate(self) -> None:
        """deflate is undone, with and without its header."""
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self.check(b"deflate", zlib.compress(self.TEXT))
        self.check(b"deflate", compressor.compress(self.TEXT) + compressor.flush())

    def test_two_codings(self) -> None:
        """Codings on top of each other are undone in turn."""
        self.check(b"deflate, gzip", gzip.compress(zlib.compress(self.TEXT)))

    @skipUnless("br" in CODINGS, "urllib3 decodes br where brotli is installed")
    def test_brotli(self) -> None:
        """br is undone where urllib3 can."""
        import brotli

        self.check(b"br", brotli.compress(self.TEXT))

    @skipUnless("zstd" in CODINGS, "urllib3 decodes zstd where a package for it is installed")
    def test_zstd(self) -> None:
        """zstd is undone where urllib3 can."""
        for name in ("compression.zstd", "backports.zstd", "zstandard"):
            try:
                zstd = importlib.import_module(name)
            except ImportError:
                continue
            self.check(b"zstd", zstd.compress(self.TEXT))
            return
        self.fail("urllib3 decodes zstd, and no package that encodes it was found")

    def test_unknown_coding(self) -> None:
        """A coding that nobody knows is handed on as it is."""
        response = self.client_for(b"rot13", b"uryyb").get("/")

        self.assertEqual(b"uryyb", response.content)

    def test_broken_coding(self) -> None:
        """A body that is not what its header says is requests' ContentDecodingError."""
        client = self.client_for(b"gzip", b"this is not gzip")
        with self.assertRaises(requests.exceptions.ContentDecodingError):
            client.get("/")
        with client.get("/", stream=True) as response:
            with self.assertRaises(requests.exceptions.ContentDecodingError):
                list(response.iter_content(100))

    def test_accepted_codings(self) -> None:
        """The request says what can be undone."""
        found: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            found.append(dict(scope["headers"]))
            await answer(send)

        self.new_client(application).get("/")

        self.assertIn(b"gzip, deflate", found[0][b"accept-encoding"])

    def test_without_a_body(self) -> None:
        """A coded response without a body, as to HEAD, is empty, whatever the coding."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            status = 304 if scope["method"] == "GET" else 200
            coding = scope["path"][1:].encode()
            await answer(send, headers=[(b"content-encoding", coding)], status=status)

        client = self.new_client(application)
        for coding in ("gzip", "deflate", "br", "zstd"):
            for method in ("GET", "HEAD", "POST"):
                for stream in (False, True):
                    with self.subTest(coding=coding, method=method, stream=stream):
                        with client.request(method, f"/{coding}", stream=stream) as response:
                            self.assertEqual(b"", response.content)


class ReadingTest(CleanTestCase):
    """Reading a response in its many ways."""

    LINES = b"one\ntwo\nthree\n\nfive"

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with lines, in pieces of four bytes."""
        kind = (b"content-type", scope["query_string"] or b"text/plain")
        await send({"type": "http.response.start", "status": 200, "headers": [kind]})
        for index in range(0, len(self.LINES), 4):
            piece = self.LINES[index : index + 4]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    def setUp(self) -> None:
        """Build the client."""
        super().setUp()
        self.client = self.new_client(self.application)

    def test_iter_content(self) -> None:
        """iter_content() gives pieces of at most the size that is asked for."""
        for stream in (False, True):
            for size in (1, 3, 512, None):
                with self.subTest(stream=stream, size=size):
                    with self.client.get("/", stream=stream) as response:
                        pieces = list(response.iter_content(size))

                    self.assertEqual(self.LINES, b"".join(pieces))
                    self.assertNotIn(b"", pieces)
                    if size is not None:
                        self.assertLessEqual(max(map(len, pieces)), size)

    def test_iter_lines(self) -> None:
        """iter_lines() gives lines without their ends, of all of the body."""
        for stream in (False, True):
            with self.subTest(stream=stream), self.client.get("/", stream=stream) as response:
                self.assertEqual(self.LINES.splitlines(), list(response.iter_lines()))

    def test_iter_lines_decoded(self) -> None:
        """iter_lines() decodes if it is asked to."""
        with self.client.get("/", stream=True) as response:
            lines = list(response.iter_lines(decode_unicode=True))

        self.assertEqual(self.LINES.decode().splitlines(), lines)

    def test_iteration(self) -> None:
        """A response can be iterated."""
        with self.client.get("/", stream=True) as response:
            self.assertEqual(self.LINES, b"".join(response))

    def test_content_after_streaming_began(self) -> None:
        """The content of a streamed response is its whole body."""
        with self.client.get("/", stream=True) as response:
            self.assertEqual(self.LINES, response.content)
            self.assertEqual(self.LINES, response.content)

    def test_consumed(self) -> None:
        """A stream that was read is not there a second time."""
        with self.client.get("/", stream=True) as response:
            list(response.iter_content(5))
            with self.assertRaises(requests.exceptions.StreamConsumedError):
                next(response.iter_content(5))
            with self.assertRaises(RuntimeError):
                response.content  # noqa: B018 - reading it is what is tested

    def test_raw(self) -> None:
        """The raw response can be read to its end, in parts, and line by line."""
        with self.client.get("/", stream=True) as response:
            self.assertEqual(self.LINES[:5], response.raw.read(5))
            self.assertEqual(self.LINES[5:], response.raw.read())
            self.assertEqual(b"", response.raw.read())

    def test_content_twice(self) -> None:
        """The content of a buffered response stays."""
        response = self.client.get("/")

        self.assertEqual(self.LINES, response.content)
        self.assertEqual(self.LINES, response.content)
        response.close()
        self.assertEqual(self.LINES, response.content)

    def test_encoding(self) -> None:
        """The encoding is that of the header, as requests reads it."""
        for kind, encoding in (
            ("text/html; charset=utf-8", "utf-8"),
            ("text/html;charset=ISO-8859-15", "ISO-8859-15"),
            ("text/plain", "ISO-8859-1"),
            ("application/json", "utf-8"),
            ("image/png", None),
        ):
            with self.subTest(kind=kind):
                self.assertEqual(encoding, self.client.get(f"/?{kind}".replace(" ", "")).encoding)

    def test_text(self) -> None:
        """The text is the body in that encoding, or in the one that the test sets."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            kind = (b"content-type", b"text/plain; charset=utf-8")
            await answer(send, "caf\xe9".encode(), [kind])

        response = self.new_client(application).get("/")

        self.assertEqual("caf\xe9", response.text)
        response.encoding = "latin-1"
        self.assertEqual("caf\xc3\xa9", response.text)

    def test_elapsed(self) -> None:
        """The time that a request took is measured."""
        elapsed = self.client.get("/").elapsed

        self.assertIsInstance(elapsed, datetime.timedelta)
        self.assertGreater(elapsed, datetime.timedelta(0))

    def test_links(self) -> None:
        """Link headers are parsed, several of them too."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            links = [(b"link", b'</2>; rel="next"'), (b"link", b'</9>; rel="last"')]
            await answer(send, headers=links)

        links = self.new_client(application).get("/").links

        self.assertEqual("/2", links["next"]["url"])
        self.assertEqual("/9", links["last"]["url"])


class NoBodyTest(CleanTestCase):
    """Responses without a body."""

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with the status of the path, and with a body where one may be."""
        status = int(scope["path"][1:])
        body = b"" if status in (204, 304) else b"body"
        length = (b"content-length", b"4")
        await answer(send, body, [] if status == 204 else [length], status)

    def test_head(self) -> None:
        """A body that is sent to HEAD is dropped; its length header stays."""
        for stream in (False, True):
            with self.subTest(stream=stream):
                with self.new_client(self.application).head("/200", stream=stream) as response:
                    self.assertEqual(b"", response.content)
                    self.assertEqual("4", response.headers["content-length"])

    def test_204_and_304(self) -> None:
        """204 and 304 have no body; 304 may have the length of what it does not send."""
        client = self.new_client(self.application)
        for status in (204, 304):
            for stream in (False, True):
                with self.subTest(status=status, stream=stream):
                    with client.get(f"/{status}", stream=stream) as response:
                        self.assertEqual(status, response.status_code)
                        self.assertEqual(b"", response.content)
                        self.assertEqual(b"", response.raw.read())

    def test_empty_body(self) -> None:
        """An empty body is empty, in whatever way it is read."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await answer(send)

        client = self.new_client(application)
        for stream in (False, True):
            with self.subTest(stream=stream), client.get("/", stream=stream) as response:
                self.assertEqual([], list(response.iter_content(10)))
        self.assertEqual("", client.get("/").text)


class LatinTest(CleanTestCase):
    """Header values are octets."""

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the value of x-a back."""
        value = dict(scope["headers"])[b"x-a"]
        await answer(send, headers=[(b"x-a", value), (b"x-all", bytes(range(0x80, 0x100)))])

    def test_round_trip(self) -> None:
        """Every octet survives the way to the application and back."""
        octets = bytes(range(0x21, 0x7F)) + bytes(range(0x80, 0x100))
        client = self.new_client(self.application)
        for value in (octets, octets.decode("latin-1")):
            response = client.get("/", headers={"x-a": value})

            self.assertEqual((b"x-a", octets), response.raw_headers[0])
            self.assertEqual(octets.decode("latin-1"), response.headers["x-a"])
            self.assertEqual(bytes(range(0x80, 0x100)).decode("latin-1"), response.headers["x-all"])

    def test_utf_8_is_not_guessed(self) -> None:
        """A value that happens to be UTF-8 is still latin-1 text."""
        response = self.new_client(self.application).get("/", headers={"x-a": "\xe9".encode()})

        self.assertEqual("\xc3\xa9", response.headers["x-a"])


class ExceptionsTest(CleanTestCase):
    """The exceptions of the library, and those of requests."""

    def test_hierarchy(self) -> None:
        """What can be caught as what."""
        table: list[tuple[type[BaseException], tuple[type[BaseException], ...]]] = [
            (ProtocolError, (ASGITestError, AssertionError)),
            (LifespanError, (ASGITestError, AssertionError)),
            (DeadlineExceeded, (ASGITestError, AssertionError, TimeoutError)),
            (
                RequestDeadlineExceeded,
                (DeadlineExceeded, requests.Timeout, requests.RequestException, TimeoutError),
            ),
            (WebSocketDisconnect, (ASGITestError,)),
            (WebSocketDenied, (WebSocketDisconnect,)),
        ]
        for kind, bases in table:
            for base in bases:
                with self.subTest(kind=kind, base=base):
                    self.assertTrue(issubclass(kind, base))

    def test_own_exceptions_are_not_those_of_requests(self) -> None:
        """`except requests.RequestException` in a test does not hide a broken rule."""
        for kind in (ProtocolError, LifespanError, WebSocketDisconnect, DeadlineExceeded):
            with self.subTest(kind=kind):
                self.assertFalse(issubclass(kind, requests.RequestException))

    def test_exceptions_of_the_application_pass_requests(self) -> None:
        """An application's exception keeps its type, those that requests translates included."""
        import urllib3.exceptions

        kinds: list[tuple[type[Exception], tuple[Any, ...]]] = [
            (OSError, (5, "mine")),
            (ConnectionResetError, ()),
            (socket.timeout, ("mine",)),
            (TimeoutError, ("mine",)),
            (RuntimeError, ("mine",)),
            (urllib3.exceptions.ProtocolError, ("mine",)),
            (urllib3.exceptions.DecodeError, ("mine",)),
            (requests.ConnectionError, ("mine",)),
        ]
        for kind, arguments in kinds:
            error = kind(*arguments)

            async def application(
                scope: Any, receive: Any, send: Any, error: Exception = error
            ) -> None:
                raise error

            client = self.new_client(application)
            for stream in (False, True):
                with self.subTest(kind=kind, stream=stream), self.assertRaises(kind) as caught:
                    client.get("/", stream=stream)
                self.assertIs(error, caught.exception)

    def test_exceptions_of_the_stream_pass_requests(self) -> None:
        """An application's exception in mid-body keeps its type, too."""
        for error in (
            OSError(5, "mine"),
            ConnectionResetError("mine"),
            TimeoutError("mine"),
            RuntimeError("mine"),
            requests.ConnectionError("mine"),
        ):

            async def application(
                scope: Any, receive: Any, send: Any, error: Exception = error
            ) -> None:
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": b"a", "more_body": True})
                raise error

            client = self.new_client(application)
            with self.subTest(error=error):
                with client.get("/", stream=True) as response:
                    with self.assertRaises(type(error)) as caught:
                        list(response.iter_content(None))
                self.assertIs(error, caught.exception)

    def test_raise_for_status(self) -> None:
        """raise_for_status() raises requests' HTTPError with the response."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, status=404)

        response = self.new_client(application).get("/a")

        with self.assertRaisesRegex(requests.HTTPError, "404 Client Error: Not Found") as caught:
            response.raise_for_status()
        self.assertIs(response, caught.exception.response)

    def test_bad_urls(self) -> None:
        """A URL that is none is refused by requests."""
        client = self.new_client(Recorder())
        for url in ("http://[::1", "http://*.test/", "http://.test/"):
            with self.subTest(url=url):
                with self.assertRaises((requests.exceptions.InvalidURL, ValueError)):
                    client.get(url)


class EnvironmentTest(RecorderTestCase):
    """The machine has no influence, and hears nothing."""

    answers = {"/redirect": (302, [(b"location", b"/next")], b"")}

    def test_netrc(self) -> None:
        """Passwords of a ~/.netrc are not sent, neither at once nor after a redirect."""
        with tempfile.TemporaryDirectory() as folder:
            netrc = pathlib.Path(folder, ".netrc")
            netrc.write_text("machine testserver login user password secret\n")
            netrc.chmod(0o600)
            with mock.patch.dict(os.environ, {"HOME": folder, "NETRC": str(netrc)}):
                self.assertEqual(
                    ("user", "secret"), requests.utils.get_netrc_auth("http://testserver/")
                )
                self.client.get("/redirect")

        for scope in self.app.scopes:
            self.assertNotIn(b"authorization", dict(scope["headers"]))

    def test_proxies(self) -> None:
        """Proxy variables change neither the way nor the headers."""
        names = ("http_proxy", "https_proxy", "all_proxy")
        variables = dict.fromkeys(names, "http://user:secret@127.0.0.1:1")
        variables |= {name.upper(): value for name, value in variables.items()}
        self.client.get("/")
        with mock.patch.dict(os.environ, variables):
            self.client.get("/")
            self.client.get("https://testserver/redirect")

        self.assertEqual(self.app.scopes[0]["headers"], self.app.scopes[1]["headers"])
        for scope in self.app.scopes:
            self.assertNotIn(b"proxy-authorization", dict(scope["headers"]))

    def test_certificates(self) -> None:
        """Variables that name certificates which are not there change nothing."""
        variables = {
            "REQUESTS_CA_BUNDLE": "/does/not/exist",
            "CURL_CA_BUNDLE": "/does/not/exist",
            "SSL_CERT_FILE": "/does/not/exist",
        }
        with mock.patch.dict(os.environ, variables):
            self.assertEqual(200, self.client.get("https://testserver/").status_code)

    def test_options_of_the_way_there(self) -> None:
        """proxies, verify and cert are accepted and ignored."""
        response = self.client.get(
            "https://testserver/",
            proxies={"https": "http://127.0.0.1:1"},
            verify="/does/not/exist",
            cert=("/does/not/exist", "/does/not/exist"),
        )

        self.assertEqual(200, response.status_code)

    def test_no_socket(self) -> None:
        """No request connects a socket or looks up a host."""
        forbidden = mock.Mock(side_effect=AssertionError("the network was used"))
        client = self.enter_client(self.app)
        with (
            mock.patch.object(socket.socket, "connect", forbidden),
            mock.patch.object(socket.socket, "connect_ex", forbidden),
            mock.patch.object(socket.socket, "bind", forbidden),
            mock.patch.object(socket, "create_connection", forbidden),
            mock.patch.object(socket, "getaddrinfo", forbidden),
            mock.patch.object(socket, "gethostbyname", forbidden),
        ):
            with self.assertRaisesRegex(AssertionError, "network"):
                requests.get("http://127.0.0.1:1/")
            forbidden.reset_mock()
            client.get("http://example.com/")
            client.get("https://example.com/redirect", stream=True).close()
            client.post("http://[2001:db8::1]:8000/", data=iter([b"a"]))
            client.get("/", auth=requests.auth.HTTPDigestAuth("user", "secret"))

        forbidden.assert_not_called()
