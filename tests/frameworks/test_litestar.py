"""Litestar."""

# Annotations are evaluated by the framework, so they are not postponed here.

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, route  # noqa: E402
from litestar import websocket as websocket_route  # noqa: E402
from litestar.background_tasks import BackgroundTask  # noqa: E402
from litestar.datastructures import UploadFile  # noqa: E402
from litestar.enums import RequestEncodingType  # noqa: E402
from litestar.exceptions import PermissionDeniedException, WebSocketDisconnect  # noqa: E402
from litestar.params import Body  # noqa: E402
from litestar.response import Redirect, ServerSentEvent, Stream  # noqa: E402

done: list[str] = []


@contextlib.asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    done.clear()
    app.state.word = "started"
    yield


@route("/hello", http_method=["GET", "HEAD"], media_type=MediaType.TEXT)
async def hello(name: str) -> Response[str]:
    return Response(f"hello {name}", media_type=MediaType.TEXT)


@get("/empty", status_code=204)
async def empty() -> None:
    return None


@post("/form", status_code=200)
async def form(
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, str]:
    return data


@post("/json", status_code=200)
async def echo_json(request: Request) -> Any:
    return await request.json()


@post("/upload", status_code=200)
async def upload(
    data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, Any]:
    file = data["file"]
    return {"name": file.filename, "size": len(await file.read())}


@get("/set-cookies")
async def set_cookies() -> Response[str]:
    response = Response("set")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


@get("/read-cookies", media_type=MediaType.TEXT)
async def read_cookies(request: Request) -> str:
    return f"{request.cookies['one']} {request.cookies['two']}"


@get("/redirect", status_code=302)
async def redirect() -> Redirect:
    return Redirect("/hello?name=you")


async def numbers() -> AsyncIterator[str]:
    for number in range(3):
        yield f"{number}\n"


@get("/stream")
async def stream() -> Stream:
    return Stream(numbers())


async def counted() -> AsyncIterator[str]:
    for number in range(2):
        yield str(number)


@get("/events")
async def events() -> ServerSentEvent:
    return ServerSentEvent(counted())


@get("/error")
async def error() -> None:
    raise ValueError("broken")


@get("/sync", media_type=MediaType.TEXT, sync_to_thread=True)
def synchronous() -> str:
    return "from a thread"


async def work() -> None:
    done.append("done")


@post("/background", status_code=202)
async def start_work() -> Response[None]:
    return Response(None, background=BackgroundTask(work))


@get("/background", media_type=MediaType.TEXT)
async def finished_work() -> str:
    return " ".join(done)


@get("/state", media_type=MediaType.TEXT)
async def state(request: Request) -> str:
    return str(request.app.state.word)


@websocket_route("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocols="chat")
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message: Any = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "close":
                await socket.close(4000, "as asked")
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])


@websocket_route("/deny")
async def deny(socket: WebSocket) -> None:
    raise PermissionDeniedException("no")


app = Litestar(
    [
        *(hello, empty, form, echo_json, upload, set_cookies, read_cookies, redirect, stream),
        *(events, error, synchronous, start_work, finished_work, state, echo, deny),
    ],
    lifespan=[lifespan],
    openapi_config=None,
)


class LitestarTest(suite.WebSocketSuite, ASGITestCase):
    """An application of Litestar, which makes a response of every exception."""

    app = app
