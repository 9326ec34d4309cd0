"""Floors: what the parts of the way cost by themselves, whoever goes it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import anyio.from_thread
import requests
from requests.adapters import BaseAdapter

from .application import app
from .contenders import URL, Contender, asynchronous, repeat

_REQUEST = {"type": "http.request", "body": b"", "more_body": False}
# Bytes that may lie unread, as with servers.
_UNREAD_LIMIT = 256 * 1024


class EmptyAdapter(BaseAdapter):
    """An adapter that answers without asking anybody."""

    def send(self, request: Any, **options: Any) -> Any:
        """Answer."""
        response = requests.Response()
        response.status_code, response._content = 200, b"ok"
        response.headers["content-type"] = "text/plain"
        response.request, response.url = request, request.url
        return response

    def close(self) -> None:
        """Close nothing."""


def empty_adapter() -> Contender:
    """Return requests with an adapter that does nothing."""
    contender = Contender("floor: requests with an empty adapter")
    session = contender.exits.enter_context(requests.Session())
    session.trust_env = False
    session.mount("http://", EmptyAdapter())
    for case in ("GET in with", "GET without with", "WebSocket connect and close"):
        # A handshake is a request as well.
        contender.batches[case] = repeat(lambda: session.get(f"{URL}/"))
    return contender


def empty_call() -> Contender:
    """Return a call of an empty coroutine function through anyio's own portal."""
    contender = Contender("floor: portal.call of nothing")
    portal = contender.exits.enter_context(anyio.from_thread.start_blocking_portal())
    for case in ("GET in with", "GET without with", "WebSocket echo"):
        contender.batches[case] = repeat(lambda: portal.call(_nothing))
    return contender


def two_empty_calls() -> Contender:
    """Return two such calls: one to open a WebSocket, and one to wait for its end."""
    contender = Contender("floor: portal.call of nothing, twice")
    portal = contender.exits.enter_context(anyio.from_thread.start_blocking_portal())

    def call_twice() -> None:
        portal.call(_nothing)
        portal.call(_nothing)

    contender.batches["WebSocket connect and close"] = repeat(call_twice)
    return contender


async def _nothing() -> None:
    """Do nothing."""


def awaited_directly() -> Contender:
    """Return the application awaited without a client."""
    scope = {"type": "http", "path": "/"}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        """Take a message."""

    return asynchronous(
        "floor: the application awaited directly", lambda: app(dict(scope), receive, send)
    )


def empty_portal() -> Contender:
    """Return anyio's own portal, started for one call of nothing."""
    contender = Contender("floor: a portal of anyio, started and ended")

    def start_and_end() -> None:
        with anyio.from_thread.start_blocking_portal() as portal:
            portal.call(_nothing)

    contender.batches["client per test"] = repeat(start_and_end)
    return contender


def empty_run() -> Contender:
    """Return a loop of asyncio, made for one run of nothing."""
    contender = Contender("floor: asyncio.run of nothing")
    contender.batches["client per test"] = repeat(lambda: asyncio.run(_nothing()))
    return contender


class BareConnection:
    """The application on a loop of asyncio that runs while somebody waits.

    Each message takes a turn of the loop, as on a server. Nothing is checked, kept or built.

    :param loop: the loop
    :param scope: what the application is called with
    :param events: what it receives first
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, scope: dict[str, Any], *events: Any
    ) -> None:
        self._loop = loop
        self._events = deque(events)
        self._sent: list[Any] = []
        self._unread = 0
        self._changed = loop.create_future()
        self._arrived = loop.create_future()
        self.task = loop.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        await asyncio.sleep(0)
        while not self._events:
            await self._changed
        return self._events.popleft()

    async def _send(self, message: Any) -> None:
        await asyncio.sleep(0)
        self._sent.append(message)
        self._unread += len(message.get("body", b""))
        is_enough = self._unread >= _UNREAD_LIMIT or not message.get("more_body")
        if is_enough and not self._arrived.done():
            self._arrived.set_result(None)
        while self._unread >= _UNREAD_LIMIT:
            await self._changed

    def _note_change(self) -> None:
        self._changed.set_result(None)
        self._changed = self._loop.create_future()

    def put(self, event: Any) -> None:
        """Hand the application an event.

        :param event: the event
        """
        self._events.append(event)
        self._note_change()

    def take(self) -> list[Any]:
        """Return what was sent, as soon as no more of it will follow, or so much is unread."""
        self._loop.run_until_complete(self._arrived)
        self._arrived = self._loop.create_future()
        sent, self._sent, self._unread = self._sent, [], 0
        self._note_change()
        return sent

    def end(self) -> None:
        """Wait for the application's end."""
        self._loop.run_until_complete(self.task)


def bare_download(loop: asyncio.AbstractEventLoop, count: int) -> None:
    """Read a response on a loop that does nothing but run the application.

    :param loop: the loop
    :param count: how many pieces the response has
    """
    connection = BareConnection(loop, {"type": "http", "path": f"/download/{count}"}, _REQUEST)
    last: Any = connection.take()[-1]
    while last["type"] != "http.response.body" or last.get("more_body"):
        last = connection.take()[-1]
    connection.end()


def bare_loop() -> Contender:
    """Return a loop that runs in the calling thread, and does nothing but run the application."""
    contender = Contender("floor: a bare event loop in the calling thread")
    loop = asyncio.new_event_loop()
    contender.exits.callback(loop.close)

    def get() -> None:
        BareConnection(loop, {"type": "http", "path": "/"}, _REQUEST).end()

    def opened() -> BareConnection:
        connection = BareConnection(loop, {"type": "websocket"}, {"type": "websocket.connect"})
        connection.take()
        return connection

    def close(connection: BareConnection) -> None:
        connection.put({"type": "websocket.disconnect", "code": 1000})
        connection.end()

    def echo(times: int) -> None:
        connection = opened()
        for _ in range(times):
            connection.put({"type": "websocket.receive", "text": "hello"})
            connection.take()
        close(connection)

    contender.batches = {
        "GET in with": repeat(get),
        "GET without with": repeat(get),
        "WebSocket connect and close": repeat(lambda: close(opened())),
        "WebSocket echo": echo,
        "streamed download of 64 MiB": repeat(lambda: bare_download(loop, 1024)),
    }
    return contender


FLOORS = (
    empty_adapter,
    empty_call,
    two_empty_calls,
    awaited_directly,
    empty_portal,
    empty_run,
    bare_loop,
)
