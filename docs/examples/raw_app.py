"""A chat server in plain ASGI: rooms, their messages, and everybody who listens."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import anyio

SUBPROTOCOL = "chat.v1"
LARGEST_PICTURE = 1_000_000


class Room:
    """A room; what is said in it reaches everybody who listens at that time."""

    def __init__(self) -> None:
        self.listeners: set[Any] = set()
        self.picture_size = 0

    async def say(self, text: str) -> None:
        for listener in list(self.listeners):
            await listener.send(text)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Any]:
        sender, receiver = anyio.create_memory_object_stream(math.inf)
        async with sender, receiver:
            self.listeners.add(sender)
            try:
                yield receiver
            finally:
                self.listeners.discard(sender)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer for everything: the application that a server is given."""
    if scope["type"] == "lifespan":
        await live(scope, receive, send)
    elif scope["type"] == "websocket":
        await chat(scope, receive, send)
    elif scope["path"] == "/rooms":
        await list_or_create(scope, receive, send)
    else:
        await visit(scope, receive, send)


async def live(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    scope["state"]["rooms"] = {"lobby": Room()}
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


# -- HTTP --------------------------------------------------------------------------------------


async def list_or_create(scope: Any, receive: Any, send: Any) -> None:
    rooms = scope["state"]["rooms"]
    if scope["method"] == "GET":
        await respond(send, 200, sorted(rooms))
        return
    name = json.loads(await read_body(receive))["name"]
    if name in rooms:
        await respond(send, 409, {"error": f"there is a room {name} already"})
        return
    rooms[name] = Room()
    location = (b"location", f"/rooms/{name}".encode())
    await respond(send, 201, {"name": name}, headers=[location])


async def visit(scope: Any, receive: Any, send: Any) -> None:
    _, _, name, *rest = scope["path"].split("/")
    room = scope["state"]["rooms"].get(name)
    action = (scope["method"], *rest)
    if room is None:
        await respond(send, 404, {"error": f"there is no room {name}"})
    elif action == ("POST", "messages"):
        await room.say((await read_body(receive)).decode())
        await respond(send, 202, {"listeners": len(room.listeners)})
    elif action == ("GET", "events"):
        await stream_events(room, receive, send)
    elif action == ("PUT", "picture"):
        await take_picture(room, receive, send)
    else:
        await respond(send, 405, {"error": "this cannot be done with a room"})


async def stream_events(room: Room, receive: Any, send: Any) -> None:
    """Send what is said in a room as server-sent events, until the client leaves."""
    async with room.listen() as messages, anyio.create_task_group() as tasks:
        tasks.start_soon(cancel_when_client_leaves, receive, tasks.cancel_scope)
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for text in messages:
            event = f"data: {text}\n\n".encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def cancel_when_client_leaves(receive: Any, cancel_scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    cancel_scope.cancel()


async def take_picture(room: Room, receive: Any, send: Any) -> None:
    """Take an upload piece by piece, and refuse it as soon as it is too large."""
    size, more_body = 0, True
    while more_body:
        event = await receive()
        size += len(event.get("body", b""))
        more_body = event.get("more_body", False)
        if size > LARGEST_PICTURE:
            await respond(send, 413, {"error": "the picture is too large"})
            return
    room.picture_size = size
    await respond(send, 200, {"size": size})


async def read_body(receive: Any) -> bytes:
    body, more_body = b"", True
    while more_body:
        event = await receive()
        body += event.get("body", b"")
        more_body = event.get("more_body", False)
    return body


async def respond(
    send: Any, status: int, data: Any, *, headers: Any = (), prefix: str = ""
) -> None:
    body = json.dumps(data).encode()
    all_headers = [(b"content-type", b"application/json"), *headers]
    await send({"type": f"{prefix}http.response.start", "status": status, "headers": all_headers})
    await send({"type": f"{prefix}http.response.body", "body": body})


# -- WebSocket ---------------------------------------------------------------------------------


async def chat(scope: Any, receive: Any, send: Any) -> None:
    """Pass on what is said in a room, in both directions."""
    await receive()
    name = scope["path"].rpartition("/")[2]
    room = scope["state"]["rooms"].get(name)
    if room is None:
        # A denial response tells more than a plain close, which a client sees as status 403.
        await respond(send, 404, {"error": f"there is no room {name}"}, prefix="websocket.")
    elif SUBPROTOCOL not in scope["subprotocols"]:
        await send({"type": "websocket.close"})
    else:
        user = parse_qs(scope["query_string"].decode()).get("user", ["guest"])[0]
        await talk(room, user, receive, send)


async def talk(room: Room, user: str, receive: Any, send: Any) -> None:
    async with room.listen() as messages, anyio.create_task_group() as tasks:
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        tasks.start_soon(pass_on, messages, send)
        while (event := await receive())["type"] == "websocket.receive":
            if event["text"] == "/quit":
                await send({"type": "websocket.close", "code": 4000, "reason": "goodbye"})
                break
            await room.say(f"{user}: {event['text']}")
        tasks.cancel_scope.cancel()


async def pass_on(messages: Any, send: Any) -> None:
    async for text in messages:
        await send({"type": "websocket.send", "text": text})
