"""Faults on purpose: clients that leave, and clients that are slow."""

from __future__ import annotations

import unittest
from typing import Any

import anyio
import requests

from asgitest import (
    ASGIAdapter,
    ASGIWarning,
    ClientDisconnected,
    DeadlineExceeded,
    Profile,
    ProtocolError,
    TestClient,
    leave_after,
)
from tests.base import CleanTestCase


class Uploads:
    """An application that receives until the client has left.

    :ivar events: what it received
    :ivar answers: whether it answers then
    """

    def __init__(self, answers: bool = False) -> None:
        self.events: list[Any] = []
        self.answers = answers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Receive all there is."""
        while True:
            event = await receive()
            self.events.append((event.get("body"), event.get("more_body")))
            if event["type"] == "http.disconnect":
                break
        if self.answers:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"nobody reads this"})


GONE = (None, None)


class LeaveAfterTest(CleanTestCase):
    """leave_after()."""

    def test_events(self) -> None:
        """The application receives the parts, and then that the client has left."""
        rows: tuple[tuple[Any, list[Any]], ...] = (
            (leave_after(), [GONE]),
            (leave_after(b"a"), [(b"a", True), GONE]),
            (leave_after(b"a", "\xe9"), [(b"a", True), (b"\xc3\xa9", True), GONE]),
            (leave_after(bytearray(b"a")), [(b"a", True), GONE]),
            (leave_after(more_body=False), [(b"", False), GONE]),
            (leave_after(b"a", b"b", more_body=False), [(b"a", True), (b"b", False), GONE]),
        )
        for data, expected in rows:
            for stream in (False, True):
                app = Uploads()
                client = self.enter_client(app, lifespan="off")
                with self.subTest(data=data, stream=stream):
                    response = client.post("/", data=data, stream=stream)
                    self.assertEqual(expected, app.events)
                    self.assertEqual((499, b""), (response.status_code, response.content))

    def test_response(self) -> None:
        """What stands for the response says that there is none."""
        client = self.enter_client(Uploads(answers=True), lifespan="off")
        response: Any = client.put("/a", data=leave_after(b"a"))
        self.assertEqual("Client Closed Request", response.reason)
        self.assertEqual([], response.raw_headers)
        self.assertEqual("/a", response.scope["path"])
        self.assertEqual([], response.trailers)
        with self.assertRaisesRegex(requests.HTTPError, "499 Client Error: Client Closed Request"):
            response.raise_for_status()

    def test_send(self) -> None:
        """What is sent reaches nobody; from 2.4 on send() says so (HTTP-DISC-04)."""
        for version in ("2.3", "2.4"):
            raised: list[type[BaseException]] = []

            async def app(scope: Any, receive: Any, send: Any) -> None:
                try:
                    await send({"type": "http.response.start", "status": 200})
                except OSError as error:
                    raised.append(type(error))  # noqa: B023 - called in this turn
                    raise

            client = self.enter_client(app, lifespan="off", spec_version=version)
            self.assertEqual(499, client.get("/", data=leave_after()).status_code)
            self.assertEqual([ClientDisconnected] * (version == "2.4"), raised)

    def test_failures(self) -> None:
        """What the application raises is raised, or kept, and so is a broken rule."""

        async def raises(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError("in the clean-up")

        client = self.enter_client(raises, lifespan="off")
        with self.assertRaisesRegex(LookupError, "clean-up"):
            client.post("/", data=leave_after(b"a"))
        hiding = client.new_client(raise_server_exceptions=False)
        response: Any = hiding.post("/", data=leave_after(b"a"))
        self.assertIsInstance(response.server_exception, LookupError)
        self.assertEqual(499, response.status_code)

        async def asks_for_ever(scope: Any, receive: Any, send: Any) -> None:
            while True:
                await receive()

        with self.assertRaisesRegex(ProtocolError, "HTTP-REQ-08"):
            self.enter_client(asks_for_ever, lifespan="off").post("/", data=leave_after())

    def test_deaf(self) -> None:
        """An application that does not heed it is cancelled, and the test warned."""
        ends: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                ends.append("cleaned up")

        client = self.enter_client(app, lifespan="off")
        client.portal.grace = 0.05
        with self.assertWarnsRegex(ASGIWarning, "its client left POST http://testserver/, and it"):
            client.post("/", data=leave_after(b"a"))
        self.assertEqual(["cleaned up"], ends)

        strict = self.enter_client(app, lifespan="off", strict=True)
        strict.portal.grace = 0.05
        with self.assertRaisesRegex(DeadlineExceeded, "its client left"):
            strict.post("/", data=leave_after(b"a"))

    def test_the_next_request(self) -> None:
        """The client goes on, and a body may be sent twice."""
        app = Uploads()
        client = self.enter_client(app, lifespan="off")
        body = leave_after(b"a")
        for _ in range(2):
            client.post("/", data=body)
        self.assertEqual([(b"a", True), GONE] * 2, app.events)

    def test_in_a_plain_session(self) -> None:
        """The adapter knows it, too."""
        app = Uploads()
        with ASGIAdapter(app, lifespan="off") as adapter, requests.Session() as session:
            session.trust_env = False
            session.mount("http://a.test", adapter)
            self.assertEqual(499, session.post("http://a.test", data=leave_after()).status_code)

    def test_elsewhere(self) -> None:
        """Whoever else sends such a body breaks off behind its parts."""
        parts = iter(leave_after(b"a"))
        self.assertEqual(b"a", next(parts))
        with self.assertRaisesRegex(ConnectionAbortedError, "the client leaves here"):
            next(parts)

    def test_refused(self) -> None:
        """A part is bytes or text."""
        with self.assertRaisesRegex(TypeError, "bytes or str, not int: 5"):
            leave_after(5)  # type: ignore[arg-type]
        self.assertEqual(
            "leave_after(*[b'a'], more_body=False)", repr(leave_after("a", more_body=False))
        )


class SlowTest(CleanTestCase):
    """Clients that are slow to read."""

    def slow_client(self, app: Any) -> TestClient:
        """Return a client of whom one message at a time lies unread."""
        return self.enter_client(app, lifespan="off", profile=Profile(unread_limit=1))

    def test_response(self) -> None:
        """The application waits behind each part until that was read."""
        sent: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            for number in range(5):
                body = {"type": "http.response.body", "body": b"%d" % number}
                await send({**body, "more_body": number < 4})
                sent.append(number)

        with self.slow_client(app).get("/", stream=True) as response:
            pieces = response.iter_content(None)
            for number in range(5):
                self.assertLessEqual(len(sent), number)
                self.assertEqual(b"%d" % number, next(pieces))
        self.assertEqual([0, 1, 2, 3, 4], sent)

    def test_websocket(self) -> None:
        """The same with the messages of a WebSocket."""
        sent: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            for number in range(5):
                await send({"type": "websocket.send", "text": str(number)})
                sent.append(number)
            await send({"type": "websocket.close"})

        with self.slow_client(app).websocket_connect("/") as session:
            for number in range(5):
                self.assertLessEqual(len(sent), number)
                self.assertEqual(str(number), session.receive_text())


if __name__ == "__main__":
    unittest.main()
