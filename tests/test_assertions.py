"""The assertions: what they accept, and every word of what they say when they fail."""

from __future__ import annotations

import gzip
import http
import json
import re
import textwrap
import unittest
from typing import Any

import anyio
import requests

from asgitest import (
    ASGIAdapter,
    ASGIAssertions,
    ASGITestError,
    DeadlineExceeded,
    ProtocolError,
    TestClient,
)

from .assertion_case import Application, AssertionsTestCase, WebSocketTestCase, answering, talking
from .base import CleanTestCase

CONNECT = "  received websocket.connect\n      sent websocket.accept subprotocol=None headers=[]"


class StatusTest(AssertionsTestCase):
    """The statuses that assertStatus() takes."""

    def test_met(self) -> None:
        """A status is met by itself, its class, and any collection that holds one of these."""
        ok, created = self.get(answering()), self.get(answering(status=201))
        for response, expected in (
            (ok, 200),
            (ok, http.HTTPStatus.OK),
            (ok, "2xx"),
            (ok, "2XX"),
            (created, (200, 201)),
            (created, [200, 201]),
            (created, {200, 201}),
            (created, frozenset({http.HTTPStatus.CREATED})),
            (created, range(200, 300)),
            (created, ["4xx", "2xx"]),
            (created, [[200], [201]]),
            (created, {200: "found", 201: "made"}.keys()),
        ):
            with self.subTest(status=response.status_code, expected=expected):
                self.case.assertStatus(response, expected)

    def test_not_met(self) -> None:
        """The failure names what was expected, with phrases, and what there is."""
        response = self.get(answering(status=404))
        for expected, described in (
            (200, "200 OK"),
            (http.HTTPStatus.CREATED, "201 Created"),
            (599, "599"),
            ("2xx", "2xx"),
            ([200, "3xx"], "one of 200 OK, 3xx"),
            ((403,), "one of 403 Forbidden"),
            (range(200, 300), "from 200 to 299"),
        ):
            with self.subTest(expected=expected):
                headline = self.failure(self.case.assertStatus, response, expected).splitlines()[0]
                self.assertEqual(
                    f"expected status {described}, but the response has 404 Not Found", headline
                )

    def test_status_without_phrase(self) -> None:
        """A status that has no phrase is shown by its number."""
        response = self.get(answering(status=299))

        self.assertTrue(
            self.failure(self.case.assertStatus, response, 200).startswith(
                "expected status 200 OK, but the response has 299\n"
            )
        )

    def test_no_status(self) -> None:
        """Anything that is no status is an error of the test, met or not."""
        response = self.get(answering())
        for expected in (
            None,
            True,
            200.0,
            "200",
            "2x",
            "xx2",
            "",
            b"2xx",
            bytearray(b"2xx"),
            {200: "OK"},
            (),
            [],
            [200, None],
            [404, "OK"],
            [200, []],
        ):
            with self.subTest(expected=expected):
                with self.assertRaisesRegex(TypeError, "an expected status must be an int"):
                    self.case.assertStatus(response, expected)


class ExchangeTest(AssertionsTestCase):
    """What a failure tells of the exchange."""

    def exchange(self, response: requests.Response) -> str:
        """Return what a failure tells, without its headline.

        :param response: a response with any status but 418
        """
        headline, exchange = self.failure(self.case.assertStatus, response, 418).split("\n\n", 1)
        self.assertTrue(headline.startswith("expected status 418 I"))
        return exchange

    def assert_exchange(self, response: requests.Response, expected: str) -> None:
        """Fail unless a failure tells exactly this, the headline left out.

        :param response: a response
        :param expected: text, indented
        """
        self.assertEqual(textwrap.dedent(expected).strip("\n"), self.exchange(response))

    def test_json(self) -> None:
        """JSON is indented; the URL is shown with its query."""
        body = '{"detail":"no such room","rooms":["lobby","café"]}'.encode()

        self.assert_exchange(
            self.get(answering(body, "application/json", 404), "/rooms/x", params={"page": 2}),
            """
            GET http://testserver/rooms/x?page=2
            Response: 404 Not Found
              content-type: application/json
            Body:
            {
              "detail": "no such room",
              "rooms": [
                "lobby",
                "café"
              ]
            }
            """,
        )

    def test_headers(self) -> None:
        """Headers are shown as they were sent, duplicates and their order included."""
        headers = [(b"set-cookie", b"a=1"), (b"x-room", b"caf\xe9"), (b"set-cookie", b"b=2")]

        self.assert_exchange(
            self.get(answering(content_type=None, headers=headers), method="DELETE"),
            """
            DELETE http://testserver/
            Response: 200 OK
              set-cookie: a=1
              x-room: café
              set-cookie: b=2
            The body is empty.
            """,
        )

    def test_long_text(self) -> None:
        """Of a long text the first 2000 characters are shown, and how many there are more."""
        self.assert_exchange(
            self.get(answering(b"x" * 1999 + b"yz" + b"!" * 499)),
            f"""
            GET http://testserver/
            Response: 200 OK
              content-type: text/plain
            Body:
            {"x" * 1999}y
            ... (500 more characters)
            """,
        )

    def test_binary(self) -> None:
        """Binary data is described by its length and its first bytes."""
        self.assert_exchange(
            self.get(answering(b"\x89PNG\r\n\x1a\n" + bytes(92), "image/png")),
            r"""
            GET http://testserver/
            Response: 200 OK
              content-type: image/png
            The body is binary: 100 bytes, which begin with b'\x89PNG\r\n\x1a\n"""
            + r"\x00" * 24
            + "'",
        )

    def test_compressed(self) -> None:
        """A body that was sent compressed is shown as the test reads it."""
        app = answering(gzip.compress(b"hello"), headers=[(b"content-encoding", b"gzip")])

        self.assertTrue(self.exchange(self.get(app)).endswith("\nBody:\nhello"))

    def test_text_is_not_taken_for_binary(self) -> None:
        """Text is what has no control characters: spaces and joiners of any kind are text."""
        for text in (
            "un\u00a0café\u202f!",
            "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}",
            "soft\u00adhyphen",
            "\ufeffwith a mark",
            "a\tb\r\nc\x0cd",
            "\x1b[1mbold\x1b[0m",
        ):
            with self.subTest(text=text):
                response = self.get(answering(text.encode(), "text/plain; charset=utf-8"))
                self.assertTrue(self.exchange(response).endswith(f"\nBody:\n{text}"))

    def test_charsets(self) -> None:
        """A body is decoded as its charset says, without one as UTF-8, and shown in any case."""
        for content_type, body, shown in (
            ("text/plain", "Grüße".encode(), "Body:\nGrüße"),
            ("text/plain", "Grüße".encode("latin-1"), "Body:\nGrüße"),
            (None, "Grüße".encode(), "Body:\nGrüße"),
            ("text/plain; charset=latin-1", "Grüße".encode("latin-1"), "Body:\nGrüße"),
            ("text/plain; charset=utf-16-le", "Grüße".encode("utf-16-le"), "Body:\nGrüße"),
            (
                "text/plain; charset=utf-8",
                b"\xff\xfe",
                r"The body is binary: 2 bytes, which begin with b'\xff\xfe'",
            ),
            (
                "text/plain; charset=klingon",
                b"Qapla'",
                'The body is binary: 6 bytes, which begin with b"Qapla\'"',
            ),
        ):
            with self.subTest(content_type=content_type, body=body):
                exchange = self.exchange(self.get(answering(body, content_type)))
                self.assertTrue(exchange.endswith(f"\n{shown}"), exchange)

    def test_what_only_looks_like_json(self) -> None:
        """A body is shown unchanged unless it is a JSON object or array."""
        for body in (b"1e5", b"1.10", b'"hello"', b"null", b"{room}", b"[" * 100_000):
            with self.subTest(body=body[:20]):
                exchange = self.exchange(self.get(answering(body)))
                self.assertIn(f"\nBody:\n{body[:1000].decode()}", exchange)

    def test_streamed_and_not_read(self) -> None:
        """A streamed body is left alone, so that the test can still read it."""
        with self.get(answering(b"hello"), stream=True) as response:
            self.assert_exchange(
                response,
                """
                GET http://testserver/
                Response: 200 OK
                  content-type: text/plain
                The body is streamed and was not read to its end.
                """,
            )
            self.assertEqual("hello", response.text)

    def test_streamed_and_read(self) -> None:
        """A streamed body that was read at once is shown like any other."""
        with self.get(answering(b"hello"), stream=True) as response:
            self.assertEqual(b"hello", response.content)

            self.assertTrue(self.exchange(response).endswith("\nBody:\nhello"))

    def test_streamed_and_read_in_pieces(self) -> None:
        """Of a streamed body that was read in pieces there is nothing left to show."""
        with self.get(answering(b"hello"), stream=True) as response:
            self.assertEqual([b"hello"], list(response.iter_content(None)))

            self.assert_exchange(
                response,
                """
                GET http://testserver/
                Response: 200 OK
                  content-type: text/plain
                The body was streamed and read piece by piece; nothing of it was kept.
                """,
            )

    def test_redirects(self) -> None:
        """The redirects that led to the response are shown in their order."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            targets = {"/old": b"/older", "/older": b"http://testserver/rooms"}
            target = targets.get(scope["path"])
            headers = [] if target is None else [(b"location", target)]
            status = 410 if target is None else 302 if scope["path"] == "/old" else 308
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"gone for good"})

        self.assert_exchange(
            self.get(application, "/old"),
            """
            GET http://testserver/rooms
            Redirects:
              GET http://testserver/old -> 302 Found, location /older
              GET http://testserver/older -> 308 Permanent Redirect, location http://testserver/rooms
            Response: 410 Gone
            Body:
            gone for good
            """,
        )

    def test_hidden_exception(self) -> None:
        """What raise_server_exceptions=False hid is shown with the application's traceback."""

        async def look_up(room: str) -> None:
            raise LookupError(f"no room {room}")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await look_up(scope["path"])

        first, second = application.__code__.co_firstlineno, look_up.__code__.co_firstlineno
        client = self.enter_client(application, lifespan="off", raise_server_exceptions=False)

        exchange = self.exchange(client.get("/lobby"))

        # Python 3.13 marks the call in a line of its own.
        lines = [line for line in exchange.splitlines() if line.strip(" ^~")]
        self.assertEqual(
            textwrap.dedent(
                f"""
                GET http://testserver/lobby
                Response: 500 Internal Server Error
                  content-type: text/plain; charset=utf-8
                  content-length: 21
                  connection: close
                Body:
                Internal Server Error
                The application raised, and raise_server_exceptions=False hid it:
                Traceback (most recent call last):
                  File "{__file__}", line {first + 1}, in application
                    await look_up(scope["path"])
                  File "{__file__}", line {second + 1}, in look_up
                    raise LookupError(f"no room {{room}}")
                LookupError: no room /lobby
                """
            ).strip(),
            "\n".join(lines),
        )

    def test_foreign_response(self) -> None:
        """A response of any other session of requests is shown as well."""
        response = requests.Response()
        response.status_code = 403
        response.headers["X-Room"] = "lobby"
        response._content = b"members only"
        response._content_consumed = True  # type: ignore[attr-defined]
        response.request = requests.Request("PUT", "http://chat.example/", json=[1]).prepare()

        self.assert_exchange(
            response,
            """
            PUT http://chat.example/
            Request body:
            [
              1
            ]
            Response: 403 Forbidden
              X-Room: lobby
            Body:
            members only
            """,
        )


class RequestBodyTest(AssertionsTestCase):
    """What a failure tells of the request's body."""

    def described(self, **kwargs: Any) -> str:
        """Return what a failure tells between the URL and the response.

        :param kwargs: arguments of the request
        """
        response = self.get(answering(status=422), method="POST", **kwargs)
        failure = self.failure(self.case.assertStatus, response, 200)
        _, _, described = failure.partition("POST http://testserver/\n")
        return described.partition("Response: 422")[0].rstrip("\n")

    def test_text(self) -> None:
        """JSON is indented, other text shown as it is, and a long one cut after 500 characters."""
        self.assertEqual(
            'Request body:\n{\n  "name": "lobby"\n}', self.described(json={"name": "lobby"})
        )
        self.assertEqual(
            "Request body:\nname=lobby&user=ann",
            self.described(data={"name": "lobby", "user": "ann"}),
        )
        self.assertEqual("Request body:\nGrüße", self.described(data="Grüße".encode()))
        self.assertEqual(
            f"Request body:\n{'x' * 500}\n... (100 more characters)",
            self.described(data="x" * 600),
        )

    def test_binary(self) -> None:
        """Binary data is described."""
        self.assertEqual(
            r"The request's body is binary: 3 bytes, which begin with b'\x00\x01\xff'",
            self.described(data=b"\x00\x01\xff"),
        )

    def test_streamed(self) -> None:
        """Of a body that was streamed what was taken of it is shown, as far as it was recorded."""
        for parts, shown in (
            ([b"hel", b"lo"], "\nRequest body:\nhello"),
            ([b"\xff" * 20000], "\nThe request's body is binary: 20000 bytes, which begin with "),
            ([], ""),
        ):
            with self.subTest(parts=parts[:1]):
                described = self.described(data=iter(parts))
                self.assertEqual(
                    f"The request's body was streamed.{shown}", described.partition("b'")[0]
                )

    def test_streamed_by_another_session(self) -> None:
        """Where nothing is recorded, only that it was streamed is told."""
        with ASGIAdapter(answering(), lifespan="off") as adapter, requests.Session() as session:
            session.mount("http://", adapter)
            response = session.post("http://testserver/", data=iter([b"hello"]))

        text = self.failure(self.case.assertStatus, response, 404)
        self.assertIn("/\nThe request's body was streamed.\nResponse: 200 OK", text)

    def test_none(self) -> None:
        """Without a body nothing is told of one."""
        self.assertEqual("", self.described())


class MessageTest(AssertionsTestCase):
    """``msg`` and ``longMessage``."""

    def test_msg(self) -> None:
        """The message of the test is put beside the failure, as unittest does."""
        response = self.get(answering(b"hello"))

        failure = self.failure(self.case.assertStatus, response, 404, "who is there?")

        self.assertTrue(failure.startswith("expected status 404 Not Found, but"))
        self.assertTrue(failure.endswith("Body:\nhello : who is there?"))

    def test_without_long_message(self) -> None:
        """With longMessage = False it replaces the failure."""
        self.case.longMessage = False
        response = self.get(answering(b"hello"))

        self.assertEqual(
            "who is there?",
            self.failure(self.case.assertStatus, response, 404, msg="who is there?"),
        )
        self.assertIn("Body:\nhello", self.failure(self.case.assertStatus, response, 404))

    def test_msg_about_a_websocket(self) -> None:
        """The message is put beside a failure about a WebSocket, whatever came or did not."""
        client = self.enter_client(talking({"text": "hello"}, {"bytes": b"x"}), lifespan="off")

        with client.websocket_connect("/") as session:
            receives = self.case.assertWebSocketReceives
            for _ in range(2):
                failure = self.failure(receives, session, "goodbye", msg="the farewell")
                self.assertTrue(failure.endswith(" : the farewell"), failure)
            with self.assertRaisesRegex(DeadlineExceeded, "(?s)'goodbye'.* : the farewell$"):
                receives(session, "goodbye", timeout=0.2, msg="the farewell")


class WebSocketReceivesTest(WebSocketTestCase):
    """Messages that are expected, or not, by assertWebSocketReceives()."""

    def test_met(self) -> None:
        """str expects text, bytes binary, anything else JSON; what came is returned."""
        for message, expected in (
            ({"text": "hello"}, "hello"),
            ({"text": ""}, ""),
            ({"text": '{"a": 1}'}, '{"a": 1}'),
            ({"bytes": b"\x00\x01"}, b"\x00\x01"),
            ({"bytes": b""}, b""),
            ({"text": '{"a": [1, 2]}'}, {"a": [1, 2]}),
            ({"text": "[]"}, []),
            ({"text": "17"}, 17),
            ({"text": "1.5"}, 1.5),
            ({"text": "true"}, True),
            ({"text": "null"}, None),
        ):
            with self.subTest(message=message):
                session = self.connect(talking(message))
                came = self.case.assertWebSocketReceives(session, expected)
                self.assertEqual(expected, came)
                self.assertIs(type(expected), type(came))

    def test_bytes_of_any_kind(self) -> None:
        """A bytearray or a memoryview expects a binary message, too; bytes are returned."""
        for expected in (bytearray(b"abc"), memoryview(b"abc")):
            with self.subTest(type=type(expected)):
                session = self.connect(talking({"bytes": b"abc"}))
                self.assertEqual(b"abc", self.case.assertWebSocketReceives(session, expected))

    def test_next_message(self) -> None:
        """Each assertion is about the next message, after one that failed too."""
        session = self.connect(talking({"text": "one"}, {"text": "two"}, {"text": "three"}))
        receives = self.case.assertWebSocketReceives

        receives(session, "one")
        self.failure(receives, session, "one")
        receives(session, "three")

    def test_another_text(self) -> None:
        """A failure shows what was expected, what came, their difference, and the messages."""
        session = self.connect(talking({"text": "hello, ann\nhow are you?"}))

        failure = self.failure(
            self.case.assertWebSocketReceives, session, "hello, bob\nhow are you?"
        )

        self.assertEqual(
            "expected the message 'hello, bob\\nhow are you?'\n"
            "but this one came: 'hello, ann\\nhow are you?'\n"
            "- hello, bob\n"
            "+ hello, ann\n"
            "  how are you?\n"
            "\n"
            "The application's last messages:\n"
            f"{CONNECT}\n"
            "      sent websocket.send text='hello, ann\\nhow are you?'",
            failure,
        )

    def test_another_json(self) -> None:
        """JSON is compared as data, and its difference shown as Python data."""
        session = self.connect(talking({"text": '{"users": ["ann", "bob"], "name": "lobby"}'}))

        failure = self.failure(
            self.case.assertWebSocketReceives, session, {"name": "lobby", "users": ["ann"]}
        )

        self.assertEqual(
            "expected the message {'name': 'lobby', 'users': ['ann']}\n"
            "but this one came: {'users': ['ann', 'bob'], 'name': 'lobby'}\n"
            "- {'name': 'lobby', 'users': ['ann']}\n"
            "+ {'name': 'lobby', 'users': ['ann', 'bob']}\n"
            "?                                  +++++++\n"
            "\n\n"
            "The application's last messages:\n"
            f"{CONNECT}\n"
            "      sent websocket.send "
            'text=\'{"users": ["ann", "bob"], "name": "lobby"}\'',
            failure,
        )

    def test_other_bytes(self) -> None:
        """Binary messages are shown as bytes."""
        session = self.connect(talking({"bytes": b"\x00\x02"}))

        failure = self.failure(self.case.assertWebSocketReceives, session, b"\x00\x01")

        self.assertTrue(
            failure.startswith(
                "expected the message b'\\x00\\x01'\n"
                "but this one came: b'\\x00\\x02'\n"
                "- b'\\x00\\x01'\n"
            ),
            failure,
        )

    def test_wrong_kind(self) -> None:
        """A message of the other kind is told from one with another content."""
        for message, expected, problem in (
            ({"bytes": b"hello"}, "hello", "but a binary message came: b'hello'"),
            ({"text": "hello"}, b"hello", "but a text message came: 'hello'"),
            ({"bytes": b"{}"}, {}, "but a binary message came: b'{}'"),
            (
                {"text": "hello"},
                {},
                "but a message came that is no JSON "
                "(Expecting value: line 1 column 1 (char 0)): 'hello'",
            ),
        ):
            with self.subTest(message=message, expected=expected):
                session = self.connect(talking(message))
                (payload,) = message.items()

                failure = self.failure(self.case.assertWebSocketReceives, session, expected)

                self.assertEqual(
                    f"expected the message {expected!r}\n"
                    f"{problem}\n\n"
                    f"The application's last messages:\n"
                    f"{CONNECT}\n"
                    f"      sent websocket.send {payload[0]}={payload[1]!r}",
                    failure,
                )

    def test_session_that_is_not_open(self) -> None:
        """A session outside its with block is an error of the test."""
        client = self.enter_client(talking(), lifespan="off")

        with self.assertRaisesRegex(ASGITestError, "in its with block only"):
            self.case.assertWebSocketReceives(client.websocket_connect("/"), "hello")


class WebSocketEndTest(WebSocketTestCase):
    """What assertWebSocketReceives() says when no message comes."""

    def assert_end(self, app: Application, problem: str, *messages: str, **options: Any) -> None:
        """Fail unless an assertion fails with this end of the WebSocket.

        :param app: the application
        :param problem: what came instead
        :param messages: what the transcript shows after the handshake
        :param options: those of the client
        """
        session = self.connect(app, **options)

        failure = self.failure(self.case.assertWebSocketReceives, session, "hello")

        transcript = "\n".join(["The application's last messages:", CONNECT, *messages])
        self.assertEqual(f"expected the message 'hello'\n{problem}\n\n{transcript}", failure)

    def test_closed(self) -> None:
        """The application's close is a failure that shows its code and reason."""
        self.assert_end(
            talking({"code": 4001, "reason": "room is full"}, stays=False),
            "but the application closed the WebSocket: code 4001, reason 'room is full'",
            "      sent websocket.close code=4001 reason='room is full'",
        )

    def test_returned(self) -> None:
        """An application that returns instead is a failure that says so."""
        self.assert_end(
            talking(stays=False),
            "but the application returned without closing the WebSocket: code 1006",
            ignore_rules=["WS-CLOSE-08"],
        )

    def test_closed_by_the_test(self) -> None:
        """A test that closed the WebSocket itself, and expects a message, is told so."""
        session = self.connect(talking())
        session.close(1001)

        failure = self.failure(self.case.assertWebSocketReceives, session, "hello")

        self.assertIn("\nbut the test closed the WebSocket: code 1001\n", failure)

    def test_message_before_the_close(self) -> None:
        """What the application sent before its close can still be expected."""
        session = self.connect(talking({"text": "goodbye"}, {"code": 1000}))

        self.case.assertWebSocketReceives(session, "goodbye")

    def test_raised(self) -> None:
        """An exception of the application comes out as itself."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            await receive()
            await receive()
            raise LookupError("no such room")

        client = self.enter_client(application, lifespan="off")

        with self.assertRaisesRegex(LookupError, "no such room"):
            with client.websocket_connect("/") as session:
                session.send_text("enter")
                self.case.assertWebSocketReceives(session, "welcome")

    def test_raised_and_hidden(self) -> None:
        """With raise_server_exceptions=False it is the close that a client sees."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            raise LookupError("no such room")

        session = self.connect(application, raise_server_exceptions=False)

        failure = self.failure(self.case.assertWebSocketReceives, session, "welcome")

        self.assertIn("code 1011", failure)
        self.assertIn("no such room", failure)

    def test_broken_rule(self) -> None:
        """A broken rule comes out as such."""
        client = self.enter_client(talking({"text": "hello", "bytes": b"hello"}), lifespan="off")

        with self.assertRaisesRegex(ProtocolError, r"\[WS-SEND-01\]"):
            with client.websocket_connect("/") as session:
                self.case.assertWebSocketReceives(session, "hello")

    def test_nothing_comes(self) -> None:
        """A deadline that passes is a failure that shows what was expected, and the messages."""
        session = self.connect(talking({"text": "one"}))
        self.case.assertWebSocketReceives(session, "one")

        with self.assertRaises(DeadlineExceeded) as caught:
            self.case.assertWebSocketReceives(session, "two", timeout=0.2)

        text = str(caught.exception)
        self.assertTrue(
            text.startswith("expected the message 'two', but none came: 0.2 s passed"), text
        )
        self.assertIn("ws://testserver/", text)
        self.assertIn("The application waits in receive()", text)
        self.assertIn("      sent websocket.send text='one'", text)
        self.assertIsInstance(caught.exception, AssertionError)

    def test_deadline_of_the_session(self) -> None:
        """Without a timeout the deadline is that of the session, and of its client."""
        client = self.enter_client(talking(), lifespan="off", timeout=0.15)

        for options, seconds in (({}, "0.15"), ({"timeout": 0.2}, "0.2")):
            with self.subTest(options):
                with client.websocket_connect("/", **options) as session:
                    with self.assertRaisesRegex(DeadlineExceeded, f"came: {seconds} s passed"):
                        self.case.assertWebSocketReceives(session, "hello")

    def test_going_on_after_the_deadline(self) -> None:
        """A test may expect nothing for a while, and go on with the same WebSocket."""

        async def echo(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": event["text"]})

        session = self.connect(echo)

        with self.assertRaises(DeadlineExceeded):
            self.case.assertWebSocketReceives(session, "hello", timeout=0.2)
        session.send_text("hello")
        self.case.assertWebSocketReceives(session, "hello")


class TranscriptTest(WebSocketTestCase):
    """The messages that a failure about a WebSocket shows."""

    def test_both_directions(self) -> None:
        """What the application received and sent is shown in its order."""

        async def echo(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": event["text"].upper()})

        session = self.connect(echo)
        for word in ("one", "two"):
            session.send_text(word)
            self.case.assertWebSocketReceives(session, word.upper())
        session.send_text("three")

        failure = self.failure(self.case.assertWebSocketReceives, session, "FOUR")

        self.assertTrue(
            failure.endswith(
                f"The application's last messages:\n{CONNECT}\n"
                "  received websocket.receive text='one'\n"
                "      sent websocket.send text='ONE'\n"
                "  received websocket.receive text='two'\n"
                "      sent websocket.send text='TWO'\n"
                "  received websocket.receive text='three'\n"
                "      sent websocket.send text='THREE'"
            ),
            failure,
        )

    def test_times(self) -> None:
        """Each message is shown with the seconds since the application was called."""
        session = self.connect(talking({"text": "one"}))

        with self.assertRaises(AssertionError) as caught:
            self.case.assertWebSocketReceives(session, "two")

        text = str(caught.exception)
        found = re.findall(r"^  (\d+\.\d{3}) s  +(?:received|sent) (\S+)", text, re.MULTILINE)
        self.assertEqual(
            ["websocket.connect", "websocket.accept", "websocket.send"], [name for _, name in found]
        )
        moments = [float(seconds) for seconds, _ in found]
        self.assertEqual(sorted(moments), moments)
        self.assertLess(moments[-1], 60)

    def test_application_that_goes_on_talking(self) -> None:
        """An application may go on sending while a failure is described."""
        events: dict[str, anyio.Event] = {}

        class Provoking(str):
            """A text that has the application send another message whenever it is shown."""

            def __repr__(self) -> str:
                client.call(let_it_talk)
                return super().__repr__()

        async def let_it_talk() -> None:
            events["done"] = anyio.Event()
            events["wanted"].set()
            await events["done"].wait()

        async def talk(send: Any) -> None:
            while True:
                await events["wanted"].wait()
                events["wanted"] = anyio.Event()
                await send({"type": "websocket.send", "text": "I was not finished"})
                events["done"].set()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            events["wanted"] = anyio.Event()
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": Provoking("hello")})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talk, send)
                await receive()
                tasks.cancel_scope.cancel()

        client = self.enter_client(application, lifespan="off")
        with client.websocket_connect("/") as session:
            failure = self.failure(self.case.assertWebSocketReceives, session, b"")

            self.assertIn("sent websocket.send text='hello'", failure)

    def test_long_messages(self) -> None:
        """Long messages are cut wherever they are shown; the difference is what counts."""
        users = [{"id": number, "name": f"user {number}"} for number in range(300)]
        session = self.connect(talking({"text": json.dumps(users)}))
        expected = [*users[:150], {"id": 150, "name": "somebody else"}, *users[151:]]
        self.case.maxDiff = None

        failure = self.failure(self.case.assertWebSocketReceives, session, expected)

        self.assertLess(len(failure), 3000)
        self.assertIn("- {'id': 150, 'name': 'somebody else'}", failure.replace("- [", "- "))
        self.assertIn("+ {'id': 150, 'name': 'user 150'}", failure.replace("+ [", "+ "))
        self.assertNotIn("{'id': 148, 'name': 'user 148'}", failure)
        # Marks below characters take time that grows faster than the messages.
        self.assertNotIn("\n? ", failure)

    def test_max_diff(self) -> None:
        """A difference longer than maxDiff is cut, and the failure says how to see it all."""
        expected = "\n".join(f"{number} bottles" for number in range(100))
        came = "\n".join(f"{number} glasses" for number in range(100))
        app = talking({"text": came})

        failure = self.failure(self.case.assertWebSocketReceives, self.connect(app), expected)
        self.case.maxDiff = None
        whole = self.failure(self.case.assertWebSocketReceives, self.connect(app), expected)

        self.assertIn("maxDiff", failure)
        self.assertRegex(failure, "(?m)^- ?0 bottles$")
        self.assertNotIn("99 bottles", failure)
        self.assertLess(len(failure), 640 + 1000)
        self.assertNotIn("maxDiff", whole)
        for number in range(100):
            self.assertRegex(whole, f"(?m)^- ?{number} bottles$")
            self.assertRegex(whole, f"(?m)^\\+ ?{number} glasses$")


class MixinTest(CleanTestCase):
    """The mixin in other classes of unittest."""

    def run_case(self, case: unittest.TestCase) -> None:
        """Run a test case and fail unless it fails once, with the exchange.

        :param case: a test case
        """
        result = unittest.TestResult()
        case.run(result)
        self.assertEqual([], result.errors)
        ((_, failure),) = result.failures
        self.assertIn("GET http://testserver/rooms\nResponse: 404 Not Found", failure)
        self.assertNotIn("in assertStatus", failure)

    def test_plain_test_case(self) -> None:
        """The mixin needs nothing but unittest.TestCase, before or behind it."""

        class TestRooms:
            def runTest(self) -> None:
                with TestClient(answering(status=404), lifespan="off") as client:
                    self.assertStatus(client.get("/rooms"), 200)  # type: ignore[attr-defined]

        class Before(TestRooms, ASGIAssertions, unittest.TestCase):
            pass

        class Behind(TestRooms, unittest.TestCase, ASGIAssertions):
            pass

        self.run_case(Before())
        self.run_case(Behind())

    def test_asynchronous_test_case(self) -> None:
        """It can be used in an asynchronous test, on the client's own loop."""

        class Asynchronous(ASGIAssertions, unittest.IsolatedAsyncioTestCase):
            async def runTest(self) -> None:
                app = answering(status=404)
                # In its own thread, as this one has a loop that runs.
                with TestClient(app, lifespan="off", portal="thread") as client:
                    self.assertStatus(client.get("/rooms"), 200)

        self.run_case(Asynchronous())
