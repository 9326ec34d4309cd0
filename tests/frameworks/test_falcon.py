"""Falcon."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

import falcon  # noqa: E402
import falcon.asgi  # noqa: E402

done: list[str] = []


class Lifespan:
    word = ""

    async def process_startup(self, scope: Any, event: Any) -> None:
        done.clear()
        self.word = "started"

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        self.word = ""


class Hello:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = f"hello {request.get_param('name')}"
        response.content_type = falcon.MEDIA_TEXT

    on_head = on_get


class Empty:
    async def on_get(self, request: Any, response: Any) -> None:
        response.status = 204


class Media:
    async def on_post(self, request: Any, response: Any) -> None:
        response.media = await request.get_media()


class Upload:
    async def on_post(self, request: Any, response: Any) -> None:
        async for part in await request.get_media():
            data = await part.stream.read()
            response.media = {"name": part.filename, "size": len(data)}


class SetCookies:
    async def on_get(self, request: Any, response: Any) -> None:
        response.set_cookie("one", "1", secure=False)
        response.set_cookie("two", "2", secure=False)


class ReadCookies:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = f"{request.cookies['one']} {request.cookies['two']}"


class Redirect:
    async def on_get(self, request: Any, response: Any) -> None:
        raise falcon.HTTPSeeOther("/hello?name=you")


async def numbers() -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"%d\n" % number


class Stream:
    async def on_get(self, request: Any, response: Any) -> None:
        response.stream = numbers()


async def sent_events() -> AsyncIterator[falcon.asgi.SSEvent]:
    for number in range(2):
        yield falcon.asgi.SSEvent(data=str(number).encode())


class Events:
    async def on_get(self, request: Any, response: Any) -> None:
        response.sse = sent_events()


class Error:
    async def on_get(self, request: Any, response: Any) -> None:
        raise ValueError("broken")


class Synchronous:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = await falcon.sync_to_async(str, "from a thread")


async def work() -> None:
    done.append("done")


class Background:
    async def on_post(self, request: Any, response: Any) -> None:
        response.schedule(work)
        response.status = 202

    async def on_get(self, request: Any, response: Any) -> None:
        response.text = " ".join(done)


lifespan = Lifespan()


class State:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = lifespan.word


class Echo:
    async def on_websocket(self, request: Any, socket: Any) -> None:
        await socket.accept(subprotocol="chat")
        with contextlib.suppress(falcon.WebSocketDisconnected):
            while True:
                try:
                    data: Any = await socket.receive_text()
                except falcon.PayloadTypeError:
                    await socket.send_data(b"\x00\xff")
                    continue
                if data == "close":
                    await socket.close(4000, "as asked")
                    return
                await socket.send_text(data)


class Deny:
    async def on_websocket(self, request: Any, socket: Any) -> None:
        raise falcon.HTTPForbidden


app = falcon.asgi.App(middleware=[lifespan])
for route, resource in {
    "/hello": Hello(),
    "/empty": Empty(),
    "/form": Media(),
    "/json": Media(),
    "/upload": Upload(),
    "/set-cookies": SetCookies(),
    "/read-cookies": ReadCookies(),
    "/redirect": Redirect(),
    "/stream": Stream(),
    "/events": Events(),
    "/error": Error(),
    "/sync": Synchronous(),
    "/background": Background(),
    "/state": State(),
    "/echo": Echo(),
    "/deny": Deny(),
}.items():
    app.add_route(route, resource)


class FalconTest(suite.WebSocketSuite, ASGITestCase):
    """An application of Falcon."""

    app = app
    needs_asyncio = "Falcon's WebSockets and scheduled work are tasks of asyncio"
