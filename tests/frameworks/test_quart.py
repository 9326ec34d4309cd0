"""Quart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

from quart import Quart, Response, abort, redirect, request, websocket  # noqa: E402

app = Quart(__name__)
done: list[str] = []


@app.before_serving
async def start() -> None:
    done.clear()
    app.config["WORD"] = "started"


@app.get("/hello")
async def hello() -> str:
    return f"hello {request.args['name']}"


@app.get("/empty")
async def empty() -> Any:
    return "", 204


@app.post("/form")
async def form() -> Any:
    return dict(await request.form)


@app.post("/json")
async def echo_json() -> Any:
    return await request.get_json()


@app.post("/upload")
async def upload() -> Any:
    file = (await request.files)["file"]
    return {"name": file.filename, "size": len(file.read())}


@app.get("/set-cookies")
async def set_cookies() -> Any:
    response = Response("set")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


@app.get("/read-cookies")
async def read_cookies() -> str:
    return f"{request.cookies['one']} {request.cookies['two']}"


@app.get("/redirect")
async def go_on() -> Any:
    return redirect("/hello?name=you")


async def numbers() -> AsyncIterator[str]:
    for number in range(3):
        yield f"{number}\n"


@app.get("/stream")
async def stream() -> Any:
    return numbers(), 200


async def sent_events() -> AsyncIterator[str]:
    for number in range(2):
        yield f"data: {number}\n\n"


@app.get("/events")
async def events() -> Any:
    return sent_events(), {"content-type": "text/event-stream"}


@app.get("/error")
async def error() -> str:
    raise ValueError("broken")


@app.get("/sync")
def synchronous() -> str:
    return "from a thread"


async def work() -> None:
    done.append("done")


@app.post("/background")
async def start_work() -> Any:
    app.add_background_task(work)
    return "", 202


@app.get("/background")
async def finished_work() -> str:
    return " ".join(done)


@app.get("/state")
async def state() -> Any:
    return app.config["WORD"]


@app.websocket("/echo")
async def echo() -> None:
    await websocket.accept(subprotocol="chat")
    while True:
        data = await websocket.receive()
        if data == "close":
            await websocket.close(4000, "as asked")
            return
        await websocket.send(data)


@app.websocket("/deny")
async def deny() -> None:
    abort(401)


class QuartTest(suite.WebSocketSuite, ASGITestCase):
    """An application of Quart."""

    app = app
    needs_asyncio = "Quart is made of tasks of asyncio"
    denial_status = 401
