"""What nobody reads, closes or leaves: the client's end tells how it came out."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import anyio

from asgitest import DeadlineExceeded, ProtocolError, TestClient

from .base import CleanTestCase

START: dict[str, Any] = {"type": "http.response.start", "status": 200}
PART: dict[str, Any] = {"type": "http.response.body", "body": b"part", "more_body": True}
ACCEPT: dict[str, Any] = {"type": "websocket.accept"}


class Refusal(Exception):
    """What the applications raise."""


class Stopped(Exception):
    """What an application raises in its shutdown."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Start to answer, then do as the path says."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send(ACCEPT if scope["type"] == "websocket" else START)
    if scope["path"] == "/raise":
        raise Refusal("unread")
    if scope["path"] == "/raise_late":
        await receive()
        raise Refusal("at the end")
    if scope["path"] == "/break":
        await send({"type": "http.response.body", "body": "text"})
    await send({"type": "http.response.body", "body": b"whole"})
    if scope["path"] == "/go_on":
        await anyio.sleep_forever()


class LeftOpenTest(CleanTestCase):
    """A failure that nobody met is raised when the client is left."""

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Take no notice of what is told of things left open."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield

    def settle(self, client: TestClient) -> None:
        """Let the application come as far as it can."""
        client.call(anyio.wait_all_tasks_blocked)

    def test_exception(self) -> None:
        """An exception behind the start of a response that nobody reads is raised."""
        with self.assertRaisesRegex(Refusal, "unread"):
            with TestClient(app) as client:
                response = client.get("/raise", stream=True)
                self.settle(client)
        self.assertEqual(200, response.status_code)

    def test_violation(self) -> None:
        """A broken rule behind the start of a response that nobody reads is raised."""
        with self.assertRaises(ProtocolError) as caught, self.unseen():
            with TestClient(app) as client:
                response = client.get("/break", stream=True)
                self.settle(client)
        self.assertEqual("HTTP-BODY-01", caught.exception.rule)
        self.assertEqual(200, response.status_code)

    def test_exception_at_disconnect(self) -> None:
        """What an application raises when the client's end closes its response is raised."""
        with self.assertRaisesRegex(Refusal, "at the end"):
            with TestClient(app) as client:
                response = client.get("/raise_late", stream=True)
        self.assertEqual(200, response.status_code)

    def test_collected_response(self) -> None:
        """So is an exception of a response that was dropped."""
        with self.assertRaisesRegex(Refusal, "unread"), self.unseen():
            with TestClient(app) as client:
                client.get("/raise", stream=True)
                gc.collect()
                self.settle(client)

    def test_websocket(self) -> None:
        """An exception of a WebSocket that nobody leaves is raised."""
        with self.assertRaisesRegex(Refusal, "unread"):
            with TestClient(app) as client:
                session = client.websocket_connect("/raise")
                session.__enter__()
                self.settle(client)

    def test_told(self) -> None:
        """What the test has met is not raised again."""
        with TestClient(app) as client:
            session = client.websocket_connect("/raise")
            session.__enter__()
            with self.assertRaises(Refusal):
                session.receive()
            response = client.get("/raise", stream=True)
            with self.assertRaises(Refusal):
                _ = response.content

    def test_hidden(self) -> None:
        """What the test does not want is not raised."""
        with TestClient(app, raise_server_exceptions=False) as client:
            response = client.get("/raise", stream=True)
            self.settle(client)
        self.assertEqual(200, response.status_code)

    def test_block_first(self) -> None:
        """What went wrong in the block comes first."""
        with self.assertRaisesRegex(ValueError, "block"):
            with TestClient(app) as client:
                response = client.get("/raise", stream=True)
                self.settle(client)
                raise ValueError("block")
        self.assertEqual(200, response.status_code)

    def test_lifespan(self) -> None:
        """The lifespan ends all the same, and what that raises comes second."""

        async def broken(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "lifespan":
                await app(scope, receive, send)
                return
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            log.append("stopped")
            raise Stopped

        log: list[str] = []
        with self.assertRaises(Refusal):
            with TestClient(broken) as client:
                response = client.get("/raise", stream=True)
                self.settle(client)
        self.assertEqual((200, ["stopped"]), (response.status_code, log))
        with self.assertRaises(Stopped):
            with TestClient(broken) as client:
                pass

    def test_deadline(self) -> None:
        """What goes on behind its response for too long is told of, behind the shutdown."""
        self.hurry()

        async def noting(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            log.append(scope["type"])

        log: list[str] = []
        with self.assertRaisesRegex(DeadlineExceeded, "GET .*/go_on to end when it was closed"):
            with TestClient(noting, timeout=0.1) as client:
                response = client.get("/go_on", stream=True)
        self.assertEqual((200, ["lifespan"]), (response.status_code, log))

    def test_served_well(self) -> None:
        """A whole response that nobody reads is no failure, and neither is a dropped one."""
        with TestClient(app) as client:
            response = client.get("/", stream=True)
            dropped = client.get("/", stream=True)
            # Until its application is through, it may not be whole.
            client.call(anyio.wait_all_tasks_blocked)
            del dropped
            gc.collect()
        self.assertEqual(200, response.status_code)


class HeadTest(CleanTestCase):
    """A response without a body is whole at its start."""

    def test_endless(self) -> None:
        """An answer to HEAD that goes on for ever ends at its start, its application too."""
        self.hurry()
        for status in (200, 204, 304):
            with self.subTest(status=status):
                log: list[str] = []

                async def ping(scope: Any, receive: Any, send: Any) -> None:
                    await send({**START, "status": status})  # noqa: B023 - called in this turn
                    while True:
                        body = b"ping" if status == 200 else b""  # noqa: B023
                        await send({**PART, "body": body})
                        with anyio.move_on_after(0):
                            if (await receive())["type"] == "http.disconnect":
                                log.append("told")  # noqa: B023
                                return

                client = self.new_client(ping)
                with client.request("HEAD" if status == 200 else "GET", "/", stream=True) as answer:
                    self.assertEqual(b"", answer.content)
                self.assertEqual(["told"], log)

    def test_exception(self) -> None:
        """What an application raises behind the start of such a response is raised."""
        client = self.new_client(app)
        with self.assertRaises(Refusal):
            with client.head("/raise", stream=True) as response:
                _ = response.content

    def test_hidden_exception(self) -> None:
        """Hidden, it breaks nothing off: the client has all that there is."""
        client = self.new_client(app, raise_server_exceptions=False)
        with client.head("/raise", stream=True) as response:
            self.assertEqual(b"", response.content)
