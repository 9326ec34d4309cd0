"""FastAPI."""

# Annotations are evaluated by the framework, so they are not postponed here.

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

from fastapi import (  # noqa: E402
    BackgroundTasks,
    Body,
    Cookie,
    FastAPI,
    Form,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse  # noqa: E402

done: list[str] = []


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
    done.clear()
    yield {"word": "started"}


app = FastAPI(lifespan=lifespan)


@app.api_route("/hello", methods=["GET", "HEAD"], response_class=PlainTextResponse)
async def hello(name: str) -> str:
    return f"hello {name}"


@app.get("/empty", status_code=204)
async def empty() -> None:
    return None


@app.post("/form")
async def form(a: Annotated[str, Form()], b: Annotated[str, Form()]) -> dict[str, str]:
    return {"a": a, "b": b}


@app.post("/json")
async def echo_json(data: Annotated[Any, Body()]) -> Any:
    return data


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, Any]:
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/set-cookies")
async def set_cookies(response: Response) -> str:
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return "set"


@app.get("/read-cookies", response_class=PlainTextResponse)
async def read_cookies(one: Annotated[str, Cookie()], two: Annotated[str, Cookie()]) -> str:
    return f"{one} {two}"


@app.get("/redirect")
async def redirect() -> RedirectResponse:
    return RedirectResponse("/hello?name=you")


async def numbers() -> AsyncIterator[str]:
    for number in range(3):
        yield f"{number}\n"


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(numbers())


async def sent_events() -> AsyncIterator[str]:
    for number in range(2):
        yield f"data: {number}\n\n"


@app.get("/events")
async def events() -> StreamingResponse:
    return StreamingResponse(sent_events(), media_type="text/event-stream")


@app.get("/error")
async def error() -> None:
    raise ValueError("broken")


@app.get("/sync", response_class=PlainTextResponse)
def synchronous() -> str:
    return "from a thread"


@app.post("/background", status_code=202)
async def start_work(tasks: BackgroundTasks) -> None:
    tasks.add_task(done.append, "done")


@app.get("/background", response_class=PlainTextResponse)
async def finished_work() -> str:
    return " ".join(done)


@app.get("/state", response_class=PlainTextResponse)
async def state(request: Request) -> str:
    return str(request.state.word)


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocol="chat")
    with contextlib.suppress(WebSocketDisconnect):
        while (text := await socket.receive())["type"] == "websocket.receive":
            if text.get("text") == "close":
                await socket.close(4000, "as asked")
                return
            if text.get("text") is not None:
                await socket.send_text(text["text"])
            else:
                await socket.send_bytes(text["bytes"])


@app.websocket("/deny")
async def deny(socket: WebSocket) -> None:
    raise WebSocketException(code=1008, reason="no")


@app.websocket("/typed/{number}")
async def typed(socket: WebSocket, number: int) -> None:
    await socket.accept()


class FastAPITest(suite.WebSocketSuite, ASGITestCase):
    """An application of FastAPI."""

    app = app

    def test_exception(self) -> None:
        """The application's exception reaches the test."""
        with self.assertRaisesRegex(ValueError, "broken"):
            self.client.get("/error")

    def test_validation_of_a_websocket(self) -> None:
        """A path that fits no parameter refuses the handshake."""
        from asgitest import WebSocketDenied

        with self.assertRaises(WebSocketDenied), self.client.websocket_connect("/typed/word"):
            self.fail("it was accepted")
