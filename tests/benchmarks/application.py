"""The application that every client calls: small, written by hand, the same for all."""

from __future__ import annotations

import json
from typing import Any

PIECE = b"x" * 64 * 1024
_TEXT = [(b"content-type", b"text/plain")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve a lifespan, a request or a WebSocket."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await _echo(receive, send)
    else:
        await _answer(scope, receive, send)


async def _live(receive: Any, send: Any) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        text = event.get("text")
        if text is not None and text.startswith("burst "):
            for number in range(int(text[6:])):
                await send({"type": "websocket.send", "text": str(number)})
        else:
            await send({"type": "websocket.send", "text": text})


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    if path.startswith("/download/"):
        await send({"type": "http.response.start", "status": 200, "headers": _TEXT})
        for _ in range(int(path[10:])):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    headers, status, body = list(_TEXT), 200, b"ok"
    if path == "/redirect":
        status = 302
        headers.append((b"location", b"/"))
    elif path == "/cookies":
        headers.append((b"set-cookie", b"seen=1; Path=/"))
    received = await _read(receive)
    if path == "/json":
        body = str(len(json.loads(received))).encode()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Any) -> bytes:
    # What is uploaded as a stream is counted and not kept.
    parts = []
    size = 0
    while True:
        event = await receive()
        body = event.get("body", b"")
        size += len(body)
        if size <= 4 * 1024 * 1024:
            parts.append(body)
        if not event.get("more_body", False):
            return b"".join(parts)
