"""A board with FastAPI: topics, answers and attachments, for users with a password."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketException,
)
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

PASSWORDS = {"ann": "blue", "bob": "green"}

router = APIRouter()


class Topic(BaseModel):
    """A topic, as a client posts it and gets it."""

    title: str = Field(min_length=1, max_length=40)
    author: str = ""


class Board:
    """What the lifespan opens and closes."""

    def __init__(self) -> None:
        self.topics: dict[int, Topic] = {}
        self.answers: dict[int, list[str]] = {}
        self.mails: list[str] = []
        self.is_open = True


class TopicNotFound(Exception):
    """Raised for a topic that is not there; the client gets status 404."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    board = Board()
    yield {"board": board}
    board.is_open = False


def current_user(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    password = PASSWORDS.get(credentials.username, "")
    if not secrets.compare_digest(password, credentials.password):
        raise HTTPException(401, "wrong name or password")
    return credentials.username


def send_mail(board: Board, text: str) -> None:
    """Stand for slow work; a plain function runs in a worker thread."""
    board.mails.append(text)


@router.post("/topics", status_code=201)
async def create(
    topic: Topic,
    request: Request,
    response: Response,
    background: BackgroundTasks,
    user: Annotated[str, Depends(current_user)],
) -> Topic:
    board: Board = request.state.board
    number = len(board.topics) + 1
    topic.author = user
    board.topics[number], board.answers[number] = topic, []
    response.headers["location"] = f"/topics/{number}"
    background.add_task(send_mail, board, f"{user} asks: {topic.title}")
    return topic


@router.get("/topics/{number}")
def show(number: int, request: Request) -> Topic:
    topic: Topic | None = request.state.board.topics.get(number)
    if topic is None:
        raise TopicNotFound(number)
    return topic


@router.post("/topics/{number}/attachments")
async def attach(
    number: int, files: list[UploadFile], user: Annotated[str, Depends(current_user)]
) -> dict[str, int]:
    return {str(file.filename): len(await file.read()) for file in files}


@router.get("/topics/{number}/answers")
def download(number: int, request: Request) -> StreamingResponse:
    answers: list[str] = request.state.board.answers[number]

    def lines() -> Iterator[str]:
        for answer in answers:
            yield f"{answer}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@router.websocket("/topics/{number}/live")
async def discuss(websocket: WebSocket, number: int, user: str = "guest") -> None:
    board: Board = websocket.state.board
    if number not in board.topics:
        # Before the accept, this is a denial with status 403.
        raise WebSocketException(1008)
    await websocket.accept()
    async for text in websocket.iter_text():
        board.answers[number].append(f"{user}: {text}")
        await websocket.send_json({"answers": len(board.answers[number])})


async def not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"there is no topic {error}"}, status_code=404)


def create_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(TopicNotFound, not_found)
    return app
