"""How often a call of the test goes into the event loop, shown by counting."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any
from unittest import mock

import anyio
import requests

from asgitest import ASGIAdapter, TestClient, _gathering
from asgitest._gathering import Gathering
from asgitest._portal import Portal
from tests.base import CleanTestCase

URL = "http://testserver"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo requests and WebSockets; end the lifespan as most applications do."""
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
    elif scope["type"] == "http":
        event = await receive()
        headers = [(b"location", b"/")] if scope["path"] == "/redirect" else []
        status = 307 if headers else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for _ in range(3):
            await send({"type": "http.response.body", "body": event["body"], "more_body": True})
        await send({"type": "http.response.body"})
    else:
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            for _ in range(int(event["text"])):
                await send({"type": "websocket.send", "text": event["text"]})


def application(pieces: int) -> Any:
    """Return an application that sends so many pieces at once."""

    async def send_pieces(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await app(scope, receive, send)
        await send({"type": "http.response.start", "status": 200})
        for _ in range(pieces):
            await send({"type": "http.response.body", "body": b"piece", "more_body": True})
        await send({"type": "http.response.body"})

    return send_pieces


class Hops:
    """What went into the loop.

    :ivar waits: calls that the test's thread waited for, in words
    :ivar posts: calls that it did not wait for
    """

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.posts = 0

    def take(self) -> tuple[int, int]:
        """Return both counts, and begin anew."""
        counts = len(self.waits), self.posts
        self.waits.clear()
        self.posts = 0
        return counts


@contextlib.contextmanager
def counting() -> Iterator[Hops]:
    """Count what goes into the loop."""
    hops = Hops()
    wait_for, post = Portal.wait_for, Portal.post

    def counted_wait_for(portal: Portal, wait: Any, call: Any) -> Any:
        hops.waits.append(wait.waiting_for)
        return wait_for(portal, wait, call)

    def counted_post(portal: Portal, function: Any, *args: Any) -> None:
        hops.posts += 1
        post(portal, function, *args)

    with mock.patch.object(Portal, "wait_for", counted_wait_for):
        with mock.patch.object(Portal, "post", counted_post):
            yield hops


class HTTPTest(CleanTestCase):
    """Requests."""

    def test_buffered(self) -> None:
        """A request that lies in memory is one call, whatever its method and its body."""
        client = self.enter_client(app)
        with counting() as hops:
            for method, options in (
                ("GET", {}),
                ("HEAD", {}),
                ("POST", {"json": {"a": 1}}),
                ("PUT", {"data": b"x" * 1_000_000}),
                ("POST", {"files": {"file": b"content"}}),
                ("DELETE", {"data": "text"}),
            ):
                with self.subTest(method, **options):
                    client.request(method, "/", **options)
                    self.assertEqual((1, 0), hops.take())

    def test_without_a_block(self) -> None:
        """Outside the block it is one call as well, the first one too."""
        client = self.new_client(app)
        with counting() as hops:
            for _ in range(2):
                client.get("/")
                self.assertEqual((1, 0), hops.take())

    def test_redirect(self) -> None:
        """Each request of a chain of redirects is one call."""
        client = self.enter_client(app)
        with counting() as hops:
            client.get("/redirect")
            self.assertEqual((2, 0), hops.take())

    def test_adapter(self) -> None:
        """From another session it is one call as well."""
        session = requests.Session()
        session.mount(URL, ASGIAdapter(app))
        self.addCleanup(session.close)
        with counting() as hops:
            session.get(f"{URL}/")
            self.assertEqual((1, 0), hops.take())

    def test_streamed_response(self) -> None:
        """What was sent while nobody read is taken in one call."""
        client = self.enter_client(app)
        with counting() as hops:
            with client.post("/", data=b"abc", stream=True) as response:
                self.assertEqual((1, 0), hops.take())
                pieces = list(response.iter_content(None))
                reading, _ = hops.take()
        self.assertEqual(b"abcabcabc", b"".join(pieces))
        # One that takes the pieces, one that lets the application return.
        self.assertLessEqual(reading, 2)

    def test_streamed_pieces(self) -> None:
        """A hundred pieces that are sent one after the other are taken in a few calls."""
        client = self.enter_client(application(pieces=100))
        # However busy the machine is.
        with mock.patch.object(_gathering, "_LONGEST", 60), counting() as hops:
            with client.get("/", stream=True) as response:
                pieces = list(response.iter_content(None))
                self.assertLessEqual(hops.take()[0], 4)
        self.assertEqual([b"piece"] * 100, pieces)

    def test_late_pieces(self) -> None:
        """A piece waits for no later ones if these take longer."""
        client = self.enter_client(application(pieces=3))
        with mock.patch.object(_gathering, "_LONGEST", 0):
            with client.get("/", stream=True) as response:
                self.assertEqual([b"piece"] * 3, list(response.iter_content(None)))

    def test_streamed_request(self) -> None:
        """Of a body that is read piece by piece, each piece that is asked for is one call."""
        client = self.enter_client(app)
        with counting() as hops:
            client.post("/", data=io.BytesIO(b"x" * 65536))
            self.assertLessEqual(hops.take()[0], 2)


class WebSocketTest(CleanTestCase):
    """WebSockets."""

    def test_session(self) -> None:
        """Opening and leaving are one call each, and sending waits for nothing."""
        client = self.enter_client(app)
        with counting() as hops:
            with client.websocket_connect("/") as session:
                self.assertEqual((1, 0), hops.take())
                session.send_text("0")
                session.send_text("0")
                waits, posts = hops.take()
                self.assertEqual(0, waits)
                self.assertLessEqual(posts, 2)
            self.assertEqual((1, 0), hops.take())

    def test_receive(self) -> None:
        """Receiving is at most one call, and none for what lies there already."""
        client = self.enter_client(app)
        with counting() as hops, client.websocket_connect("/") as session:
            session.send_text("1")
            hops.take()
            session.receive_text()
            self.assertLessEqual(hops.take()[0], 1)
            session.send_text("3")
            client.call(_nothing)
            hops.take()
            first = [session.receive_text() for _ in range(3)]
            self.assertEqual((0, 0), hops.take())
        self.assertEqual(["3"] * 3, first)

    def test_burst(self) -> None:
        """Messages that are sent one after the other are taken in a few calls, on both portals."""
        client = self.enter_client(app)
        with counting() as hops, client.websocket_connect("/") as session:
            # However busy the machine is.
            with mock.patch.object(_gathering, "_LONGEST", 60):
                session.send_text("100")
                hops.take()
                received = [session.receive_text() for _ in range(100)]
            self.assertLessEqual(hops.take()[0], 4)
        self.assertEqual(["100"] * 100, received)

    def test_answer(self) -> None:
        """Behind an answer to the client no further message is waited for, as in a burst."""
        client = self.enter_client(app)
        with client.websocket_connect("/") as session:
            connection: Any = session.response.raw.websocket.connection
            session.send_text("0")
            self.assertNotIsInstance(connection.message(), Gathering)
            session.send_text("1")
            session.receive_text()
            self.assertIsInstance(connection.message(), Gathering)


class LifespanTest(CleanTestCase):
    """Lifespans."""

    def test_block(self) -> None:
        """Startup and shutdown are one call each."""
        with counting() as hops:
            with TestClient(app):
                self.assertEqual((1, 0), hops.take())
            self.assertEqual(1, len(hops.waits), hops.waits)


async def _nothing() -> None:
    """Let everything on the loop go on that can."""
    await anyio.wait_all_tasks_blocked()
