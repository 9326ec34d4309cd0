"""Applications that end with a cancel scope or a task group open, which breaks their loop."""

from __future__ import annotations

import threading
from typing import Any

import anyio

from asgitest import ASGITestError, TestClient
from tests.base import CleanTestCase, running_threads

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"ok"}


async def leave_open(path: str) -> None:
    """Enter what the path names, and never leave it."""
    if path == "/group":
        await anyio.create_task_group().__aenter__()
    elif path == "/scope":
        anyio.CancelScope().__enter__()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with a scope open, or orderly on any other path."""
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
    elif scope["type"] == "http":
        await send(START)
        await leave_open(scope["path"])
        await send(END)
    else:
        await receive()
        await send({"type": "websocket.accept"})
        await leave_open(scope["path"])


class OpenScopeTest(CleanTestCase):
    """The client's call says what is wrong, and the next one has a new loop."""

    def setUp(self) -> None:
        """Join in the end what had to be abandoned."""
        super().setUp()
        self.addCleanup(self.join_threads, running_threads())

    def join_threads(self, before: set[threading.Thread]) -> None:
        """Wait for the abandoned threads."""
        for thread in running_threads() - before:
            thread.join(10)

    def assert_told(self, client: TestClient, call: Any) -> None:
        """Check that a call tells of the scope, and that the next one works."""
        text = "the application left a cancel scope or a task group open when it was through"
        with self.assertRaisesRegex(ASGITestError, text):
            call()
        self.assertEqual("ok", client.get("/").text)

    def test_buffered(self) -> None:
        """A request tells of it, in the block and without one."""
        for path in ("/group", "/scope"):
            for client in (self.enter_client(app), self.new_client(app)):
                with self.subTest(path):
                    self.assert_told(client, lambda: client.get(path))  # noqa: B023

    def test_streamed(self) -> None:
        """Reading a streamed response tells of it."""
        for path in ("/group", "/scope"):
            with self.subTest(path):
                client = self.enter_client(app)

                def read() -> None:
                    with client.get(path, stream=True) as response:  # noqa: B023
                        self.assertEqual(b"ok", response.content)
                        client.call(anyio.lowlevel.checkpoint)  # noqa: B023

                self.assert_told(client, read)

    def test_websocket(self) -> None:
        """Receiving from a WebSocket, or leaving it, tells of it."""
        for path in ("/group", "/scope"):
            with self.subTest(path):
                client = self.enter_client(app)

                def receive() -> None:
                    with client.websocket_connect(path) as session:  # noqa: B023
                        session.receive_text()

                self.assert_told(client, receive)
