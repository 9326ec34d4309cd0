"""Starlette."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

from starlette.applications import Starlette  # noqa: E402
from starlette.background import BackgroundTask  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import (  # noqa: E402
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute  # noqa: E402
from starlette.websockets import WebSocket, WebSocketDisconnect  # noqa: E402

done: list[str] = []


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
    done.clear()
    yield {"word": "started"}


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.query_params['name']}")


async def empty(request: Request) -> Response:
    return Response(status_code=204)


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse(dict(fields))


async def echo_json(request: Request) -> Response:
    return JSONResponse(await request.json())


async def upload(request: Request) -> Response:
    async with request.form() as fields:
        file: Any = fields["file"]
        return JSONResponse({"name": file.filename, "size": len(await file.read())})


async def set_cookies(request: Request) -> Response:
    response = PlainTextResponse("set")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


async def read_cookies(request: Request) -> Response:
    return PlainTextResponse(f"{request.cookies['one']} {request.cookies['two']}")


async def redirect(request: Request) -> Response:
    return RedirectResponse("/hello?name=you")


async def numbers() -> AsyncIterator[str]:
    for number in range(3):
        yield f"{number}\n"


async def stream(request: Request) -> Response:
    return StreamingResponse(numbers())


async def sent_events() -> AsyncIterator[str]:
    for number in range(2):
        yield f"data: {number}\n\n"


async def events(request: Request) -> Response:
    return StreamingResponse(sent_events(), media_type="text/event-stream")


async def error(request: Request) -> Response:
    raise ValueError("broken")


def synchronous(request: Request) -> Response:
    return PlainTextResponse("from a thread")


async def background(request: Request) -> Response:
    if request.method == "GET":
        return PlainTextResponse(" ".join(done))
    return Response(status_code=202, background=BackgroundTask(done.append, "done"))


async def state(request: Request) -> Response:
    return PlainTextResponse(request.state.word)


async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocol="chat")
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "close":
                await socket.close(4000, "as asked")
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])


async def deny(socket: WebSocket) -> None:
    await socket.send_denial_response(PlainTextResponse("no", status_code=401))


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/hello", hello),
        Route("/empty", empty),
        Route("/form", form, methods=["POST"]),
        Route("/json", echo_json, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/set-cookies", set_cookies),
        Route("/read-cookies", read_cookies),
        Route("/redirect", redirect),
        Route("/stream", stream),
        Route("/events", events),
        Route("/error", error),
        Route("/sync", synchronous),
        Route("/background", background, methods=["GET", "POST"]),
        Route("/state", state),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/deny", deny),
    ],
)


class StarletteTest(suite.WebSocketSuite, ASGITestCase):
    """An application of Starlette."""

    app = app
    denial_status = 401

    def test_exception(self) -> None:
        """The application's exception reaches the test."""
        with self.assertRaisesRegex(ValueError, "broken"):
            self.client.get("/error")
