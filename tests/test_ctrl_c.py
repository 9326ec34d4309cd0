"""Ctrl-C in a test that waits, in process: the application sends the signal itself."""

from __future__ import annotations

import os
import signal
import threading
import unittest
from typing import Any

import anyio

from asgitest import TestClient
from tests.base import CleanTestCase

START = {"type": "http.response.start", "status": 200, "headers": []}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Press Ctrl-C and go on, or wait for ever; notes that the lifespan was shut down."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        scope["state"].setdefault("notes", []).append("shut down")
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()
    elif scope["path"] == "/interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()
    elif scope["path"] == "/endless":
        await send(START)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await scope["state"]["release"].wait()
    else:
        await send(START)
        await send({"type": "http.response.body", "body": b"ok"})


@unittest.skipUnless(
    threading.current_thread() is threading.main_thread() and os.name == "posix",
    "signals are delivered to the main thread, on POSIX",
)
class InterruptTest(CleanTestCase):
    """The first press ends the wait."""

    def test_request(self) -> None:
        """A request ends with KeyboardInterrupt, and the client can be used again."""
        client = self.enter_client(app)
        with self.assertRaises(KeyboardInterrupt):
            client.get("/interrupt")

        self.assertEqual("ok", client.get("/").text)

    def test_websocket(self) -> None:
        """A receive ends with KeyboardInterrupt; the block's end does not wait."""
        client = self.enter_client(app)
        with self.assertRaises(KeyboardInterrupt):
            with client.websocket_connect("/") as session:
                session.send_text("go")
                session.receive_text()

    def test_client_block(self) -> None:
        """Leaving the client's block by Ctrl-C shuts nothing down."""
        with self.assertRaises(KeyboardInterrupt):
            with TestClient(app) as client:
                client.get("/interrupt")

        self.assertNotIn("notes", client.state)

    def test_block_that_is_left_on_the_way(self) -> None:
        """What a block on the way out waits for is given a moment, and then up."""
        with self.assertRaises(KeyboardInterrupt):
            with TestClient(app) as client:
                release = client.call(anyio.Event)
                client.state["release"] = release
                try:
                    with client.get("/endless", stream=True):
                        client.get("/interrupt")
                finally:
                    client.portal.post(release.set)
