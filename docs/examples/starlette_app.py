"""A club with Starlette: members log in, upload pictures, follow a feed and chat."""

from __future__ import annotations

import math
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


class Club:
    """What the lifespan opens and closes.

    :ivar members: names of who is logged in, by the value of their cookie
    :ivar followers: streams of those who follow the feed
    :ivar thumbnails: pictures that the background work is through with
    """

    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self.followers: set[Any] = set()
        self.thumbnails: list[str] = []

    async def announce(self, text: str) -> None:
        for follower in list(self.followers):
            await follower.send(text)

    async def shrink(self, names: list[str]) -> None:
        for name in names:
            self.thumbnails.append(f"small-{name}")
            await self.announce(f"new picture: {name}")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    yield {"club": Club()}


def member_of(connection: HTTPConnection) -> str | None:
    members: dict[str, str] = connection.state.club.members
    return members.get(connection.cookies.get("session", ""))


async def home(request: Request) -> Response:
    member = member_of(request)
    if member is None:
        return RedirectResponse("/login", status_code=303)
    return JSONResponse({"member": member})


async def log_in(request: Request) -> Response:
    if request.method == "GET":
        return Response("<form method=post><input name=name></form>", media_type="text/html")
    async with request.form() as form:
        name = str(form["name"])
    session = secrets.token_hex()
    request.state.club.members[session] = name
    response = RedirectResponse("/", status_code=303)
    response.set_cookie("session", session, httponly=True)
    return response


async def log_out(request: Request) -> Response:
    request.state.club.members.pop(request.cookies.get("session"), None)
    response = Response(status_code=204)
    response.delete_cookie("session")
    return response


async def upload(request: Request) -> Response:
    """Take the files of the field ``pictures``; their thumbnails are made in the background."""
    if member_of(request) is None:
        return JSONResponse({"error": "members only"}, status_code=401)
    async with request.form() as form:
        sizes = {file.filename: len(await file.read()) for file in form.getlist("pictures")}
        title = form.get("title")
    work = BackgroundTask(request.state.club.shrink, list(sizes))
    return JSONResponse({"title": title, "sizes": sizes}, status_code=201, background=work)


async def feed(request: Request) -> Response:
    return StreamingResponse(events(request.state.club), media_type="text/event-stream")


async def events(club: Club) -> AsyncIterator[str]:
    sender, receiver = anyio.create_memory_object_stream(math.inf)
    async with sender, receiver:
        club.followers.add(sender)
        try:
            yield "data: welcome\n\n"
            async for text in receiver:
                yield f"data: {text}\n\n"
        finally:
            club.followers.discard(sender)


async def chat(websocket: WebSocket) -> None:
    """Answer a member in JSON; who is not logged in is turned away with status 403."""
    member = member_of(websocket)
    if member is None:
        await websocket.close()
        return
    await websocket.accept(subprotocol="json", headers=[(b"x-member", member.encode())])
    try:
        while True:
            message = await websocket.receive_json()
            await websocket.send_json({"from": member, **message})
    except WebSocketDisconnect:
        await websocket.state.club.announce(f"{member} has left")


app = Starlette(
    routes=[
        Route("/", home),
        Route("/login", log_in, methods=["GET", "POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/pictures", upload, methods=["POST"]),
        Route("/feed", feed),
        WebSocketRoute("/chat", chat),
    ],
    lifespan=lifespan,
)
