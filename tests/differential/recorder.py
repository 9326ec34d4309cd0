"""An application that records what it is given, and answers as the request tells it to.

A request holds its instructions in the ``x-plan`` header. What the application was given is kept
under the plan's key, and read by a request to ``/-/record/KEY``, which waits until the application
is done with the first one. Values are written as Python writes them, so that the reader sees their
exact types.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Plan = dict[str, Any]
Record = dict[str, Any]

#: Where a record is read.
RECORD_PATH = "/-/record/"
#: What is answered as soon as the server is ready.
READY_PATH = "/-/ready"
#: What the lifespan puts into its state, for requests to find.
STATE = {"started by": "the lifespan"}

records: dict[str, Record] = {}
_finished: dict[str, asyncio.Event] = {}


def encode_plan(plan: Plan) -> str:
    """Return a plan as the value of a header.

    :param plan: instructions, of plain values
    """
    return base64.b64encode(zlib.compress(repr(plan).encode())).decode()


def read_plan(scope: Scope) -> Plan:
    """Return the instructions that a request or a handshake holds.

    :param scope: its scope
    """
    [value] = [value for name, value in scope["headers"] if bytes(name).lower() == b"x-plan"]
    plan: Plan = ast.literal_eval(zlib.decompress(base64.b64decode(value)).decode())
    return plan


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a lifespan, a request for a record, or a request that holds a plan."""
    if scope["type"] == "lifespan":
        await _live(scope, receive, send)
    elif scope["path"] == READY_PATH:
        await _tell(None, send)
    elif scope["path"].startswith(RECORD_PATH):
        await _tell(scope["path"].removeprefix(RECORD_PATH), send)
    else:
        await _record(scope, receive, send)


async def _live(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    scope.get("state", {}).update(STATE)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _tell(key: str | None, send: Send) -> None:
    body = b""
    if key in _finished:
        await _finished.pop(key).wait()
    if key is not None:
        # None, if a server has refused the request by itself.
        body = repr(records.pop(key, None)).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _record(scope: Scope, receive: Receive, send: Send) -> None:
    plan = read_plan(scope)
    record: Record = {"scope": plain(scope), "events": [], "outcome": "returned"}
    finished = None
    if plan["announced"]:
        finished = _finished[plan["key"]] = asyncio.Event()
    conversation = _answer if scope["type"] == "http" else _converse
    try:
        await conversation(scope, plan, record["events"], receive, send)
    except Exception as error:
        record["outcome"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        records[plan["key"]] = record
        if finished is not None:
            finished.set()


async def _answer(
    scope: Scope, plan: Plan, events: list[Any], receive: Receive, send: Send
) -> None:
    while plan["reads"]:
        event = await receive()
        events.append(plain(event))
        if not event.get("more_body", False):
            break
    await send(
        {"type": "http.response.start", "status": plan["status"], "headers": plan["headers"]}
    )
    for body in plan["body"]:
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": plan["last"]})
    if plan["reads"]:
        events.append(plain(await receive()))


async def _converse(
    scope: Scope, plan: Plan, events: list[Any], receive: Receive, send: Send
) -> None:
    can_deny = "websocket.http.response" in (scope.get("extensions") or {})
    for step in plan["steps"]:
        if step == "receive":
            events.append(plain(await receive()))
        elif "websocket.http.response" in step["type"] and not can_deny:
            # As frameworks do.
            await send({"type": "websocket.close"})
            return
        else:
            await send(step)


def plain(value: Any) -> Any:
    """Return a value as literals can express it; what they cannot is named by its type.

    :param value: a scope, an event, or a part of one
    """
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, int):
        # An IntEnum, as uvicorn has for close codes.
        return int(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return f"<{type(value).__name__}: {value}>"
