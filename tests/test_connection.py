"""Tests of corners of running connections that behaviour suites reach by luck only."""

from __future__ import annotations

import pickle
from typing import Any

import anyio

from asgitest import DeadlineExceeded, LifespanError, TestClient, WebSocketDenied
from asgitest._http_connection import HTTPConnection
from asgitest._interface import ASGIApplication
from asgitest._protocol._http import HTTPProtocol
from asgitest._thread_portal import ThreadPortal
from tests.base import CleanTestCase


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Accept a WebSocket, or break a rule of HTTP, and never listen again."""
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan")
    await receive()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        try:
            await send({"type": "http.response.body"})
        except AssertionError:
            pass
    await anyio.sleep_forever()


class CornerTest(CleanTestCase):
    """What happens in between."""

    def test_cancelled_before_it_began(self) -> None:
        """A connection that is cancelled before its first step ends at its first wait."""
        portal = ThreadPortal()
        portal.start()
        self.addCleanup(portal.stop, None)
        connection = HTTPConnection(
            portal, ASGIApplication(deaf), {"type": "http"}, HTTPProtocol("GET"), "GET /",
            streamed=False,
        )  # fmt: skip
        connection.cancel()
        portal.call(connection.run)

        self.assertTrue(connection.ended)
        self.assertIsNone(connection.error)

    def test_deadline_after_a_violation(self) -> None:
        """The text of a deadline tells of a rule that was broken before."""
        client = self.new_client(deaf, timeout=0.2)
        with self.assertRaises(DeadlineExceeded) as caught:
            client.get("/")

        self.assertIn("A rule was broken before: http.response.body:", str(caught.exception))

    def test_expired_receive_hurries_the_end(self) -> None:
        """After a receive that expired, leaving the block gives a deaf application a second."""
        self.hurry()
        client = self.new_client(deaf, timeout=30)
        with self.assertRaises(DeadlineExceeded) as caught:
            with client.websocket_connect("/") as session:
                session.receive_text(timeout=0.1)

        self.assertIn("0.1 s passed", str(caught.exception))

    def test_long_values(self) -> None:
        """What is logged for a report holds no long values."""

        async def fails(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no " * 10_000})

        client = TestClient(fails)
        with self.assertRaises(LifespanError):
            client.__enter__()
        [log] = client.running.lifespan_logs
        self.assertLess(len(pickle.dumps(log[-1][2])), 1_000)

    def test_deaf_application_at_the_clients_end(self) -> None:
        """A WebSocket that was left open is told, given a second, and cancelled."""
        self.hurry()
        client = TestClient(deaf)
        session = client.websocket_connect("/")
        session.__enter__()
        with self.assertWarnsRegex(ResourceWarning, "ws://testserver/ was left open"):
            client.close()

    def test_answer_of_another_adapter(self) -> None:
        """A handshake that something else answers is a denial."""
        client = self.new_client(deaf)
        other = self.new_client(self.ok)
        adapter = other.get_adapter("http://testserver/")

        class Plain(type(adapter)):  # type: ignore[misc]
            def send(self, request: Any, **options: Any) -> Any:
                for name in ("upgrade", "sec-websocket-key"):
                    del request.headers[name]
                return adapter.send(request, **options)

            def __init__(self) -> None:
                pass

            def close(self) -> None:
                pass

        client.mount("http://", Plain())
        with self.assertRaises(WebSocketDenied) as caught:
            client.websocket_connect("/").__enter__()

        self.assertEqual(1006, caught.exception.code)

    @staticmethod
    async def ok(scope: Any, receive: Any, send: Any) -> None:
        """Answer with nothing."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})
