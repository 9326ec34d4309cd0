"""Test cases that let assertions fail, and applications to be asserted about."""

from __future__ import annotations

import unittest
from collections.abc import Awaitable, Callable
from typing import Any

import requests

from asgitest import ASGIAssertions, WebSocketSession

from .base import CleanTestCase, without_times

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Plain(ASGIAssertions, unittest.TestCase):
    """The mixin with nothing but a unittest.TestCase."""

    def runTest(self) -> None:
        """Exist, so that the class can be instantiated by itself."""


def answering(
    body: bytes = b"",
    content_type: str | None = "text/plain",
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> Application:
    """Build an application that answers every request alike.

    :param body: of the response
    :param content_type: of the response, ``None`` for none
    :param status: of the response
    :param headers: further headers
    """
    all_headers = list(headers or [])
    if content_type is not None:
        all_headers.insert(0, (b"content-type", content_type.encode()))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": all_headers})
        await send({"type": "http.response.body", "body": body})

    return application


def talking(*messages: dict[str, Any], stays: bool = True) -> Application:
    """Build an application that accepts a WebSocket and sends messages.

    :param messages: ``websocket.send`` and ``websocket.close`` messages, without their type
    :param stays: whether it waits for the client to leave, or returns
    """

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for message in messages:
            message_type = "websocket.close" if "code" in message else "websocket.send"
            await send({"type": message_type, **message})
        if stays:
            await receive()

    return application


class AssertionsTestCase(CleanTestCase):
    """Lets assertions fail, and looks at what they say."""

    maxDiff = None

    def setUp(self) -> None:
        """Build the case whose assertions are looked at."""
        super().setUp()
        self.case = Plain()

    def failure(self, assertion: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        """Return the text of the failure of an assertion, without the times of messages.

        :param assertion: what has to fail
        :param args: its positional arguments
        :param kwargs: its keyword arguments
        """
        with self.assertRaises(AssertionError) as caught:
            assertion(*args, **kwargs)
        self.assertIs(self.case.failureException, type(caught.exception))
        self.assertIsNone(caught.exception.__cause__)
        self.assertIsNone(caught.exception.__context__)
        return without_times(str(caught.exception))

    def get(self, app: Application, path: str = "/", **kwargs: Any) -> requests.Response:
        """Return the response of an application to a request.

        :param app: the application
        :param path: what to ask for
        :param kwargs: further arguments of the request
        """
        client = self.enter_client(app, lifespan="off")
        response: requests.Response = client.request(kwargs.pop("method", "GET"), path, **kwargs)
        return response


class WebSocketTestCase(AssertionsTestCase):
    """Opens WebSockets."""

    def connect(self, app: Application, **options: Any) -> WebSocketSession:
        """Return a session that is open, and left at the end of the test.

        :param app: the application
        :param options: those of the client
        """
        client = self.enter_client(app, lifespan="off", **options)
        session: WebSocketSession = client.websocket_connect("/")
        session.__enter__()
        self.addCleanup(session.__exit__, None, None, None)
        return session
