"""What every framework's application has to answer, as tests.

A framework's test case names its application, and which of the features it has.
"""

from __future__ import annotations

import os
import unittest
import warnings
from typing import Any

from asgitest import ASGIWarning, WebSocketDenied, WebSocketDisconnect

#: Set by the environment that has the frameworks.
_SWITCH = "ASGITEST_FRAMEWORKS"


def need_frameworks() -> None:
    """Skip the module that calls this, unless it is run where the frameworks are.

    :raises unittest.SkipTest: if it is not
    """
    if not os.environ.get(_SWITCH):
        raise unittest.SkipTest(f"needs the newest frameworks; {_SWITCH} says that they are there")


class FrameworkSuite(unittest.TestCase):
    """Requests, the first half of what an application answers.

    :cvar needs_asyncio: why the framework does not run on trio, ``""`` if it does
    :cvar has_lifespan: whether the application has one, with a state
    :cvar has_background: whether work goes on after the response
    """

    client: Any
    needs_asyncio = ""
    has_lifespan = True
    has_background = True

    def setUp(self) -> None:
        """Make a false alarm an error."""
        if self.needs_asyncio and os.environ.get("ASGITEST_BACKEND") == "trio":
            self.skipTest(self.needs_asyncio)
        catcher = warnings.catch_warnings()
        catcher.__enter__()
        self.addCleanup(catcher.__exit__, None, None, None)
        warnings.simplefilter("error", ASGIWarning)
        warnings.simplefilter("error", ResourceWarning)
        super().setUp()

    def test_query(self) -> None:
        """A route reads the query; HEAD has no body."""
        response = self.client.get("/hello", params={"name": "J\u00f6rg & Co"})

        self.assertEqual((200, "hello J\u00f6rg & Co"), (response.status_code, response.text))
        self.assertEqual(b"", self.client.head("/hello", params={"name": "x"}).content)

    def test_missing(self) -> None:
        """What has no route is not found."""
        self.assertEqual(404, self.client.get("/no/such/route").status_code)

    def test_empty(self) -> None:
        """A response may have no content."""
        response = self.client.get("/empty")

        self.assertEqual((204, b""), (response.status_code, response.content))

    def test_form(self) -> None:
        """A form is read."""
        response = self.client.post("/form", data={"a": "1", "b": "\u00e9"})

        self.assertEqual({"a": "1", "b": "\u00e9"}, response.json())

    def test_json(self) -> None:
        """JSON is read and answered."""
        data = {"text": "\u00e9", "numbers": [1, 2.5, None]}

        self.assertEqual(data, self.client.post("/json", json=data).json())

    def test_upload(self) -> None:
        """A file is uploaded; a large one, too."""
        for size in (0, 10, 300_000):
            with self.subTest(size):
                files = {"file": ("notes.txt", b"x" * size, "text/plain")}
                response = self.client.post("/upload", files=files)

                self.assertEqual({"name": "notes.txt", "size": size}, response.json())

    def test_cookies(self) -> None:
        """Cookies are set, kept and sent."""
        self.client.get("/set-cookies")

        self.assertEqual({"one": "1", "two": "2"}, self.client.cookies.get_dict())
        self.assertEqual("1 2", self.client.get("/read-cookies").text)

    def test_redirect(self) -> None:
        """A redirect is followed, or not."""
        response = self.client.get("/redirect")
        unfollowed = self.client.get("/redirect", allow_redirects=False)

        self.assertEqual("hello you", response.text)
        self.assertEqual(1, len(response.history))
        self.assertIn(unfollowed.status_code, (302, 303, 307))

    def test_stream(self) -> None:
        """A stream is read whole, and piece by piece."""
        self.assertEqual("0\n1\n2\n", self.client.get("/stream").text)
        with self.client.get("/stream", stream=True) as response:
            self.assertEqual([b"0", b"1", b"2"], list(response.iter_lines()))

    def test_stream_that_is_left(self) -> None:
        """A stream is left before its end."""
        with self.client.get("/stream", stream=True) as response:
            self.assertEqual(200, response.status_code)

        self.assertEqual("hello you", self.client.get("/hello?name=you").text)

    def test_events(self) -> None:
        """Server-sent events arrive."""
        with self.client.get("/events", stream=True) as response:
            lines = [line for line in response.iter_lines() if line.startswith(b"data:")]

        self.assertEqual([b"data: 0", b"data: 1"], lines)
        self.assertIn("text/event-stream", response.headers["content-type"])

    def test_error(self) -> None:
        """An exception of the application becomes a 500 if the test asks for that."""
        forgiving = self.client.new_client(raise_server_exceptions=False)

        self.assertEqual(500, forgiving.get("/error").status_code)

    def test_synchronous(self) -> None:
        """A plain function serves a request."""
        self.assertEqual("from a thread", self.client.get("/sync").text)

    def test_background(self) -> None:
        """Work that follows the response is done when the call returns."""
        if not self.has_background:
            self.skipTest("the framework has no work after a response")
        self.assertIn(self.client.post("/background").status_code, (200, 201, 202))

        self.assertEqual("done", self.client.get("/background").text)

    def test_state(self) -> None:
        """What the lifespan has made is there for requests."""
        if not self.has_lifespan:
            self.skipTest("the framework has no lifespan")
        self.assertEqual("started", self.client.get("/state").text)


class WebSocketSuite(FrameworkSuite):
    """WebSockets, the other half.

    :cvar denial_status: status of the answer to a handshake that is refused
    """

    denial_status = 403

    def test_echo(self) -> None:
        """Text and bytes are echoed, under the subprotocol that was chosen."""
        with self.client.websocket_connect("/echo", subprotocols=["other", "chat"]) as session:
            session.send_text("h\u00e9llo")
            text = session.receive_text()
            session.send_bytes(b"\x00\xff")
            data = session.receive_bytes()

        self.assertEqual(("h\u00e9llo", b"\x00\xff"), (text, data))
        self.assertEqual("chat", session.accepted_subprotocol)

    def test_close(self) -> None:
        """The application closes with a code and a reason."""
        with self.client.websocket_connect("/echo", subprotocols=["chat"]) as session:
            session.send_text("close")
            with self.assertRaises(WebSocketDisconnect) as caught:
                session.receive_text()

        self.assertEqual((4000, "as asked"), (caught.exception.code, caught.exception.reason))

    def test_lost(self) -> None:
        """A lost connection ends the application."""
        with self.client.websocket_connect("/echo", subprotocols=["chat"]) as session:
            session.disconnect()

        self.assertEqual(1006, session.close_code)

    def test_denial(self) -> None:
        """A handshake is refused."""
        with self.assertRaises(WebSocketDenied) as caught:
            with self.client.websocket_connect("/deny"):
                self.fail("it was accepted")

        self.assertEqual(self.denial_status, caught.exception.response.status_code)
