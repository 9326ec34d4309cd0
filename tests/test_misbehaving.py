"""Misbehaving applications: one row for each, with what the client has to show for it.

After every row an ordinary request on the same client has to work.
"""

from __future__ import annotations

import asyncio
import functools
import http
import itertools
import os
import sys
import threading
import unittest
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import requests

from asgitest import (
    ASGITestError,
    ASGIWarning,
    DeadlineExceeded,
    LifespanError,
    ProtocolError,
    RequestDeadlineExceeded,
    TestClient,
    WebSocketDenied,
    WebSocketDisconnect,
)
from asgitest._inline_portal import end_forgotten

from .base import CleanTestCase

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

ON_TRIO = os.environ.get("ASGITEST_BACKEND") == "trio"
#: A deadline that is meant to pass.
SHORT = 0.2

Message = dict[str, Any]

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"end"}
PART: Message = {"type": "http.response.body", "body": b"part", "more_body": True}
ACCEPT: Message = {"type": "websocket.accept"}


class Call:
    """One call of a misbehaving application, with what it may use.

    :ivar release: set when the test is over, for what cannot be cancelled
    """

    def __init__(self, scope: Any, receive: Any, send: Any, release: threading.Event) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.release = release

    async def send_all(self, *messages: Any) -> None:
        """Send messages one by one."""
        for message in messages:
            await self.send(message)


Behaviour = Callable[[Call], Awaitable[Any]]


class Application:
    """Serve ``/ok`` and, except for one that has its own, a lifespan; misbehave otherwise."""

    def __init__(self, scope_type: str, behaviour: Behaviour) -> None:
        self.scope_type = scope_type
        self.behaviour = behaviour
        self.release = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve or misbehave."""
        call = Call(scope, receive, send, self.release)
        if scope["type"] == self.scope_type and scope.get("path") != "/ok":
            return await self.behaviour(call)
        if scope["type"] == "lifespan":
            return await good_lifespan(call)
        await call.send_all(START, {**END, "body": b"ok"})
        return None


async def good_lifespan(call: Call) -> None:
    """Start and stop as the text says."""
    for stage in ("startup", "shutdown"):
        await call.receive()
        await call.send({"type": f"lifespan.{stage}.complete"})


@dataclass(frozen=True)
class Row:
    """One application and what it leads to.

    :ivar name: name of its tests
    :ivar fact: what the tests show
    :ivar behaviour: what the application does
    :ivar raises: what the client raises, ``None`` if it has to put up with it
    :ivar rule: id of the rule that the error names
    :ivar text: part of the error's text, or of the response's
    :ivar options: options of the client
    :ivar method: method of the request
    :ivar ways: how the response is read
    :ivar act: what the test does with the WebSocket
    :ivar never: what must not stand in the error's text
    """

    name: str
    fact: str
    behaviour: Behaviour
    raises: type[BaseException] | None = None
    rule: str | None = None
    text: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    ways: tuple[str, ...] = ("buffered", "streamed")
    act: Callable[[Any], Any] = lambda websocket: websocket.receive()
    never: str = "an internal error"


def sends(*messages: Any) -> Behaviour:
    """Return the behaviour of sending messages and returning."""

    async def behaviour(call: Call) -> None:
        await call.send_all(*messages)

    return behaviour


def starts(**changes: Any) -> Behaviour:
    """Return the behaviour of a response whose start is not the usual one."""
    return sends({**START, **changes}, END)


def raises(make: Callable[[], BaseException], *messages: Any) -> Behaviour:
    """Return the behaviour of sending messages and raising."""

    async def behaviour(call: Call) -> None:
        await call.send_all(*messages)
        raise make()

    return behaviour


def swallows(*messages: Any) -> Behaviour:
    """Return the behaviour of sending messages and taking no notice of what send() says."""

    async def behaviour(call: Call) -> None:
        for message in messages:
            try:
                await call.send(message)
            except Exception:
                continue

    return behaviour


# -- what a table cannot say --------------------------------------------------------------------


class Refusal(Exception):
    """What some of the applications raise."""


class Silent(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no text")

    __repr__ = __str__


class Frozen(Exception):
    """An exception that nothing can be noted at."""

    def __setattr__(self, name: str, value: object) -> None:
        """Fail."""
        raise RuntimeError("frozen")


class ExceptionGroupOfNothing(Exception):
    """An exception that calls itself a group, and whose members are none."""

    exceptions = 5


ExceptionGroupOfNothing.__name__ = "ExceptionGroup"


def nested_group() -> BaseException:
    """Return a group that is nested deeper than Python can recurse."""
    error: BaseException = Refusal()
    for _ in range(sys.getrecursionlimit() + 100):
        error = group(error)  # type: ignore[arg-type]
    return error


class Failures(Exception):
    """An exception that keeps others, and is no group."""

    def __init__(self) -> None:
        super().__init__("several")
        self.exceptions = [ValueError("one of them")]


def group(*errors: Exception) -> BaseException:
    """Return an exception group of the kind that this version of anyio raises."""
    if hasattr(anyio, "ExceptionGroup"):
        result: BaseException = anyio.ExceptionGroup()
        result.exceptions = list(errors)  # type: ignore[attr-defined]
        return result
    return ExceptionGroup("failures", list(errors))


async def receives_for_ever(call: Call) -> None:
    """Take no notice of the disconnect."""
    await call.send_all(START, END)
    while True:
        await call.receive()


async def receives_and_swallows_for_ever(call: Call) -> None:
    """Take no notice of the disconnect, nor of what receive() raises."""
    await call.send_all(START, END)
    while True:
        try:
            await call.receive()
        except Exception:
            continue


async def waits_for_second_body(call: Call) -> None:
    """Read on behind the end of the body."""
    while True:
        await call.receive()


async def sleeps(call: Call) -> None:
    """Never come back."""
    await anyio.sleep_forever()


async def sleeps_in_body(call: Call) -> None:
    """Never come back once the response is begun."""
    await call.send_all(START, PART)
    await anyio.sleep_forever()


async def blocks(call: Call) -> None:
    """Block the thread of the loop."""
    call.release.wait()


async def blocks_in_body(call: Call) -> None:
    """Block the thread of the loop once the response is begun."""
    await call.send_all(START, PART)
    call.release.wait()


async def spins(call: Call) -> None:
    """Keep the thread of the loop busy."""
    while not call.release.is_set():
        pass


async def swallows_cancellation(call: Call) -> None:
    """Go on after a cancellation."""
    while not call.release.is_set():
        try:
            await anyio.to_thread.run_sync(call.release.wait)
        except BaseException:
            continue


async def receives_in_shield(call: Call) -> None:
    """Ask for events where no cancellation arrives."""
    with anyio.CancelScope(shield=True):
        while not (await call.receive())["type"].endswith("disconnect"):
            continue


async def blocks_in_worker_thread(call: Call) -> None:
    """Wait for a thread that does not end."""

    def endpoint() -> None:
        call.release.wait()

    await anyio.to_thread.run_sync(endpoint)


async def forgets_to_await(call: Call) -> None:
    """Drop the coroutine of send()."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call.send(START)
        call.send(END)


async def never_ends_its_body(call: Call) -> None:
    """Send one piece after the other to a client that wants all of them."""
    await call.send(START)
    while not call.release.is_set():
        await call.send({**PART, "body": b"x" * 65536})


async def sends_from_thread(call: Call) -> None:
    """Send from a worker thread, as anyio allows."""

    def answer() -> None:
        anyio.from_thread.run(call.send, START)
        anyio.from_thread.run(call.send, END)

    await anyio.to_thread.run_sync(answer)


async def sends_from_loop_of_another_thread(call: Call) -> None:
    """Send from an event loop that is not the one of the connection."""
    backend = os.environ.get("ASGITEST_BACKEND") or "asyncio"
    backend = "trio" if backend == "trio" else "asyncio"
    answer = functools.partial(anyio.run, call.send_all, START, END, backend=backend)
    await anyio.to_thread.run_sync(answer)


async def runs_nested_loop(call: Call) -> None:
    """Start an event loop within the event loop."""

    async def nothing() -> None:
        return None

    coroutine = nothing()
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()
    await call.send_all(START, END)


async def changes_scope(call: Call) -> None:
    """Make itself at home in the scope."""
    call.scope["headers"].clear()
    call.scope["state"]["mine"] = True
    call.scope["path"] = "/elsewhere"
    del call.scope["asgi"]
    await call.send_all(START, END)


async def receives_twice_at_once(call: Call) -> None:
    """Let two tasks wait for the next event."""
    await call.receive()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.receive)
        tasks.start_soon(call.receive)
        await anyio.wait_all_tasks_blocked()
        await call.send_all(START, END)


async def recurses(call: Call) -> None:
    """Call itself until Python has had enough."""
    await recurses(call)


async def cancels_itself(call: Call) -> None:
    """Cancel the very task that runs the application."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await anyio.sleep_forever()


async def cancels_itself_and_returns(call: Call) -> None:
    """Cancel the very task that runs the application, as its last act."""
    await call.send_all(START, END)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def stops_loop(call: Call) -> None:
    """Stop the event loop of asyncio."""
    asyncio.get_running_loop().stop()
    await anyio.sleep_forever()


async def cancels_all_tasks(call: Call) -> None:
    """Cancel every task of the event loop, those of the client too."""
    for task in asyncio.all_tasks():
        task.cancel()
    await anyio.sleep_forever()


async def exits_in_task(call: Call) -> None:
    """Raise SystemExit in a task of its own."""

    async def leave() -> None:
        raise SystemExit(3)

    task = asyncio.create_task(leave())
    await anyio.sleep_forever()
    del task


async def fails_in_thread(call: Call) -> None:
    """Raise SystemExit in a worker thread."""

    def leave() -> None:
        raise SystemExit(3)

    await anyio.to_thread.run_sync(leave)


async def returns_generator(call: Call) -> None:
    """Answer in the first step of an async generator, and drop it."""

    async def pieces() -> Any:
        try:
            yield b"one"
            yield b"two"
        finally:
            await anyio.lowlevel.checkpoint()

    await call.send(START)
    async for piece in pieces():
        await call.send({**PART, "body": piece})
        break
    await call.send(END)


# -- HTTP ---------------------------------------------------------------------------------------
# The tables are laid out by hand, so that a row is one thing to the eye.

QUICKLY = {"timeout": SHORT}
ABANDONED = "did not stop when it was cancelled"

# fmt: off
HTTP_ROWS = (
    Row("body_before_start", "A body before the start is refused.", sends(END), ProtocolError,
        "HTTP-START-01", "http.response.body: must come after http.response.start"),
    Row("second_start", "A second start is refused.", sends(START, START, END), ProtocolError,
        "HTTP-START-01", "http.response.start: was sent a second time"),
    Row("no_response",
        "An application that returns without a response is told to await its send().", sends(),
        ProtocolError, "HTTP-BODY-07", "without starting a response; was every send() awaited?"),
    Row("start_only", "A start without a body is no response.", sends(START), ProtocolError,
        "HTTP-BODY-06", "status 200 and 0 bytes of body came, and no http.response.body was sent"),
    Row("body_not_ended", "A body whose last part promises more is no response.",
        sends(START, PART, PART), ProtocolError, "HTTP-BODY-06",
        "status 200 and 8 bytes of body came, and its last http.response.body said more_body=True"),
    Row("raises_first", "An exception before the start is raised.", raises(Refusal), Refusal),
    Row("raises_after_start", "An exception after the start is raised.", raises(Refusal, START),
        Refusal),
    Row("raises_in_body", "An exception in mid-body is raised, and no short success is shown.",
        raises(Refusal, START, PART), Refusal),
    Row("raises_behind_500", "An exception behind a whole response of status 500 is raised.",
        raises(Refusal, {**START, "status": 500}, END), Refusal),
    Row("hidden_first", "A hidden exception before the start is a 500.", raises(Refusal),
        text="Internal Server Error", options={"raise_server_exceptions": False}),
    Row("hidden_after_start", "A hidden exception between start and body is a 500.",
        raises(Refusal, START), text="Internal Server Error",
        options={"raise_server_exceptions": False}, ways=("buffered",)),
    Row("hidden_in_body", "A hidden exception in mid-body breaks the response off.",
        raises(Refusal, START, PART), requests.exceptions.ChunkedEncodingError, text="broke off",
        options={"raise_server_exceptions": False}),
    Row("hidden_behind_500", "A hidden exception behind a whole response changes nothing of it.",
        raises(Refusal, {**START, "status": 500}, END), text="end",
        options={"raise_server_exceptions": False}),
    Row("violation_with_hidden_exceptions",
        "A broken rule is raised, whatever is done with exceptions.", sends(END), ProtocolError,
        "HTTP-START-01", options={"raise_server_exceptions": False}),
    Row("text_body", "A body of text is refused.", sends(START, {**END, "body": "text"}),
        ProtocolError, "HTTP-BODY-01", "http.response.body: body must be bytes, not str: 'text'"),
    Row("no_body_but_none", "None is no body.", sends(START, {**END, "body": None}),
        ProtocolError, "HTTP-BODY-01",
        "http.response.body: body must be bytes, not NoneType: None"),
    Row("body_missing", "A missing body is an empty one.",
        sends(START, {"type": "http.response.body"})),
    Row("memoryview_body", "A memoryview passes for bytes.",
        sends(START, {**END, "body": memoryview(b"seen")}), text="seen"),
    Row("more_body_is_a_number", "more_body is a bool and nothing else.",
        sends(START, {**END, "more_body": 1}), ProtocolError, "HTTP-BODY-03",
        "http.response.body: more_body must be bool, not int: 1"),
    Row("text_header_name", "A header name of text is refused, by its index.",
        starts(headers=[(b"a", b"1"), ("b", b"2")]), ProtocolError, "HTTP-START-05",
        "http.response.start: headers[1] name must be bytes, not str: 'b'"),
    Row("text_header_value", "A header value of text is refused, by its index and name.",
        starts(headers=[(b"content-type", "text/plain")]), ProtocolError, "HTTP-START-05",
        "headers[0] value of b'content-type' must be bytes, not str: 'text/plain'"),
    Row("headers_are_a_dict", "Headers in a dict are refused.", starts(headers={b"a": b"1"}),
        ProtocolError, "HTTP-START-04", "not dict"),
    Row("headers_are_none", "None is no headers.", starts(headers=None), ProtocolError,
        "HTTP-START-04", "not NoneType"),
    Row("headers_of_three", "A header has two items.", starts(headers=[(b"a", b"1", b"2")]),
        ProtocolError, "HTTP-START-04",
        "headers[0] must be a (name, value) pair of bytes, not 3 items"),
    Row("headers_from_generator", "Headers from a generator are taken.",
        lambda call: call.send_all({**START, "headers": iter([(b"a", b"1")])}, END), text="end"),
    Row("headers_without_end", "Headers that come without end are refused.",
        lambda call: call.send({**START, "headers": itertools.repeat((b"a", b"1"))}),
        ProtocolError, "HTTP-START-04", "headers must come to an end, and 131072 of them came"),
    Row("header_injection", "A line break in a header value is refused, and shown.",
        starts(headers=[(b"location", b"/\r\nset-cookie: a=1")]), ProtocolError, "HTTP-START-08",
        r"must not hold CR, LF or NUL: b'/\r\nset-cookie: a=1'"),
    Row("header_name_with_space", "A space in a header name is refused.",
        starts(headers=[(b"content type", b"a")]), ProtocolError, "HTTP-START-08",
        "must be a token"),
    Row("header_without_name", "An empty header name is refused.", starts(headers=[(b"", b"a")]),
        ProtocolError, "HTTP-START-08", "must be a token"),
    Row("pseudo_header", "A pseudo header is refused.", starts(headers=[(b":status", b"200")]),
        ProtocolError, "HTTP-START-07", "must not be a pseudo header"),
    Row("mixed_case", "A header name in mixed case is taken.",
        starts(headers=[(b"Content-Type", b"text/plain")]), text="end"),
    *(
        Row(f"status_{name}", f"A status of {status!r} is refused.", starts(status=status),
            ProtocolError, "HTTP-START-02",
            f"http.response.start: status must be int, not {type(status).__name__}: {status!r}")
        for name, status in (("text", "200"), ("float", 200.0), ("bool", True), ("none", None))
    ),
    Row("status_missing", "A start without a status is refused.",
        sends({"type": "http.response.start"}, END), ProtocolError, "HTTP-START-02",
        "http.response.start: status is required and missing"),
    Row("status_enum", "A status from the enum is taken.", starts(status=http.HTTPStatus.CREATED),
        text="end"),
    *(
        Row(f"status_{status}", f"A status of {status} is not final, or none at all.",
            starts(status=status), ProtocolError, "HTTP-START-03",
            f"status must be a final one, from 200 to 599, not {status}")
        for status in (99, 101, 103, 600, 999, -1)
    ),
    Row("length_too_big",
        "A body that ends before its content-length is refused, with both numbers.",
        sends({**START, "headers": [(b"content-length", b"10")]}, {**END, "body": b"12345"}),
        ProtocolError, "HTTP-FRAME-03",
        "the body ends before the content-length of 10 bytes: 5 bytes were sent"),
    Row("length_too_small",
        "A body that goes beyond its content-length is refused, with both numbers.",
        sends({**START, "headers": [(b"content-length", b"2")]}, {**END, "body": b"12345"}),
        ProtocolError, "HTTP-FRAME-03",
        "the body comes to more than the content-length of 2 bytes: 5 bytes were sent"),
    *(
        Row(f"length_{name}", "A content-length is one non-negative integer.",
            starts(headers=[(b"content-length", value) for value in values]), ProtocolError,
            "HTTP-FRAME-02", "content-length must be one non-negative integer")
        for name, values in (
            ("twice", (b"1", b"2")),
            ("no_number", (b"abc",)),
            ("negative", (b"-1",)),
        )
    ),
    Row("head_with_body", "The body of an answer to HEAD is dropped.",
        starts(headers=[(b"content-length", b"3")]), method="HEAD"),
    Row("body_of_204", "A 204 has no body.", starts(status=204), ProtocolError, "HTTP-FRAME-05",
        "body must be empty with status 204"),
    Row("empty_body_of_204", "A 204 may have an empty body.",
        sends({**START, "status": 204}, {**END, "body": b""})),
    Row("body_after_end", "A body after the end is refused.", sends(START, END, END),
        ProtocolError, "HTTP-BODY-05",
        "http.response.body: was sent after the response was complete"),
    Row("start_after_end", "A start after the end is refused.", sends(START, END, START),
        ProtocolError, "HTTP-BODY-05",
        "http.response.start: was sent after the response was complete"),
    *(
        Row(f"message_{name}", f"send() refuses {message!r}.", sends(message), ProtocolError,
            rule, text)
        for name, message, rule, text in (
            ("unknown", {"type": "mychat.message"}, "EVT-05", "no message type that a server"),
            ("event", {"type": "http.request"}, "EVT-05", "receives and never sends"),
            ("without_type", {"status": 200}, "EVT-01", "must have a 'type' key"),
            ("bytes_type", {"type": b"http.response.start"}, "EVT-01", "must be str, not bytes"),
            ("none", None, "EVT-01", "must be dict, not NoneType"),
            ("list", ["http.response.start"], "EVT-01", "must be dict, not list"),
        )
    ),
    Row("accept_on_http", "A WebSocket's message does not belong to a request.", sends(ACCEPT),
        ProtocolError, "EVT-03", "must be sent on the 'websocket' scope"),
    *(
        Row(f"unannounced_{name}", f"http.response.{name} needs an extension that was announced.",
            sends(START, {"type": f"http.response.{name}"}, END), ProtocolError, "EXT-02",
            f"needs the 'http.response.{name}' extension")
        for name in ("push", "pathsend", "zerocopysend", "early_hint")
    ),
    Row("trailers_promised_by_nobody", "Trailers are promised by the start.",
        sends(START, END, {"type": "http.response.trailers"}), ProtocolError, "EXT-TRAIL-01",
        "must be promised by http.response.start with trailers=True"),
    Row("trailers_that_never_come", "An application that promised trailers sends them.",
        sends({**START, "trailers": True}, END), ProtocolError, "EXT-TRAIL-01",
        "returned without sending the last of the trailers"),
    Row("debug_after_start", "A debug message comes before the start.",
        sends(START, {"type": "http.response.debug", "info": {}}, END), ProtocolError,
        "EXT-DEBUG-01", "must be sent before http.response.start"),
    Row("debug_twice", "A debug message comes once.",
        sends(*[{"type": "http.response.debug", "info": {}}] * 2, START, END), ProtocolError,
        "EXT-DEBUG-01", "was sent a second time"),
    Row("swallowed_violation", "A violation that the application swallows is raised in the test.",
        swallows({**START, "status": "200"}, START, END), ProtocolError, "HTTP-START-02",
        "status must be int, not str"),
    Row("first_violation_counts", "Of several violations the first one is raised.",
        swallows(END, {**START, "status": 99}, START, END), ProtocolError, "HTTP-START-01"),
    Row("deaf_to_disconnect", "An application that keeps asking after the end is stopped.",
        receives_for_ever, ProtocolError, "HTTP-REQ-08",
        "keeps calling receive() after http.disconnect"),
    Row("deaf_to_everything",
        "An application that keeps asking, whatever receive() raises, is stopped.",
        receives_and_swallows_for_ever, RequestDeadlineExceeded,
        text="keeps calling receive() after http.disconnect", options=QUICKLY, ways=("buffered",)),
    Row("second_body", "The text tells that no further part of the request's body will come.",
        waits_for_second_body, RequestDeadlineExceeded,
        text="the request body was received whole (its last event had more_body=False).\n"
        "The application waits in receive(): nothing comes before the response is complete",
        options=QUICKLY),
    Row("sleeps", "Of an application that never comes back the text tells where it stands.",
        sleeps, RequestDeadlineExceeded, text=", in sleeps\n    await anyio.sleep_forever()",
        options=QUICKLY),
    Row("sleeps_in_body", "The deadline counts in mid-body, too.", sleeps_in_body,
        RequestDeadlineExceeded, text=", in sleeps_in_body\n    await anyio.sleep_forever()",
        options=QUICKLY),
    Row("blocks", "Of an application that blocks its loop the text tells where it stands.",
        blocks, RequestDeadlineExceeded, text=", in blocks\n    call.release.wait()",
        options=QUICKLY, ways=("buffered",)),
    Row("blocks_in_body", "A blocked loop is found out in mid-body, too.", blocks_in_body,
        RequestDeadlineExceeded, text=", in blocks_in_body\n    call.release.wait()",
        options=QUICKLY, ways=("streamed",)),
    Row("spins", "Of an application that only computes the text tells where it stands.", spins,
        RequestDeadlineExceeded, text=", in spins\n", options=QUICKLY, ways=("buffered",)),
    Row("sleeps_with_hidden_exceptions", "A deadline is raised, whatever is done with exceptions.",
        sleeps, RequestDeadlineExceeded,
        options={"timeout": SHORT, "raise_server_exceptions": False}),
    Row("swallows_cancellation",
        "An application that swallows its cancellation is named and abandoned.",
        swallows_cancellation, RequestDeadlineExceeded, text="did not stop when it was cancelled",
        options=QUICKLY, ways=("buffered",)),
    Row("receives_in_shield", "An application whose receive() is shielded is let go in time.",
        receives_in_shield, RequestDeadlineExceeded, text=", in receives_in_shield\n",
        options=QUICKLY, never=ABANDONED),
    Row("worker_thread", "Of a worker thread that blocks the text tells where it stands.",
        blocks_in_worker_thread, RequestDeadlineExceeded,
        text=", in endpoint\n    call.release.wait()", options=QUICKLY, ways=("streamed",)),
    *(
        Row(f"raises_{error.__name__}", f"{error.__name__} is an exception like any other.",
            raises(error), error)
        for error in (
            SystemExit,
            KeyboardInterrupt,
            asyncio.CancelledError,
            GeneratorExit,
            MemoryError,
            TimeoutError,
            OSError,
            AssertionError,
        )
    ),
    Row("raises_stop_iteration",
        "A StopIteration is raised as Python makes it of one in a coroutine.",
        raises(StopIteration), RuntimeError, text="coroutine raised StopIteration"),
    Row("raises_silent", "An exception that cannot be printed is raised.", raises(Silent), Silent),
    Row("raises_group_of_one", "A group of one exception is that exception.",
        raises(lambda: group(Refusal())), Refusal),
    Row("raises_frozen", "A group of one that nothing can be noted at is raised.",
        raises(lambda: group(Frozen())), type(group(Refusal()))),
    Row("raises_false_group", "An exception that only calls itself a group is raised as it is.",
        raises(ExceptionGroupOfNothing), ExceptionGroupOfNothing),
    Row("raises_nested_group", "A group that is nested without end is raised as it is.",
        raises(nested_group), type(group(Refusal()))),
    Row("raises_no_group", "An exception with an attribute like a group's is raised as it is.",
        raises(Failures), Failures),
    Row("recursion", "A RecursionError is raised.", recurses, RecursionError),
    Row("exits_in_thread", "SystemExit in a thread is raised.", fails_in_thread, SystemExit),
    Row("forgets_to_await", "Of an application that forgot its await the text says so.",
        forgets_to_await, ProtocolError, "HTTP-BODY-07", "was every send() awaited?"),
    Row("sends_from_thread", "An application may send by way of anyio.from_thread.",
        sends_from_thread, text="end"),
    Row("sends_from_another_loop",
        "An application that sends from another thread's loop is told so.",
        sends_from_loop_of_another_thread, ProtocolError, "APP-08", "send() was called in thread"),
    Row("changes_scope", "The scope belongs to the application.", changes_scope, text="end"),
    Row("receives_twice", "Two tasks that wait for the disconnect are warned of.",
        receives_twice_at_once, ASGIWarning, text="[HTTP-REQ-09]"),
    Row("drops_generator", "An async generator may be dropped before its end.", returns_generator,
        text="oneend"),
)
# fmt: on

# fmt: off
ASYNCIO_ROWS = (
    Row("nested_loop", "What asyncio says of a nested loop is raised.", runs_nested_loop,
        RuntimeError, text="cannot be called from a running event loop"),
    Row("exits_in_task", "SystemExit in a task, which ends the loop, is named.", exits_in_task,
        ASGITestError, text="SystemExit(3)"),
    Row("cancels_itself", "A cancellation that the application made up is raised.",
        cancels_itself, asyncio.CancelledError),
    Row("cancels_itself_and_returns", "A cancellation that comes too late is nobody's.",
        cancels_itself_and_returns, text="end"),
    Row("stops_loop",
        "A loop that the application stopped is the end of the request, not of the client.",
        stops_loop, ASGITestError, text="the event loop has ended"),
    Row("cancels_all_tasks",
        "That all tasks were cancelled is the end of the request, not of the client.",
        cancels_all_tasks, ASGITestError, text="the event loop has ended"),
)
# fmt: on


# -- WebSockets ---------------------------------------------------------------------------------


async def ignores_disconnect(call: Call) -> None:
    """Sleep on when the client has left."""
    await call.send(ACCEPT)
    await anyio.sleep_forever()


async def receives_for_ever_on_websocket(call: Call) -> None:
    """Take no notice of the disconnect."""
    await call.send(ACCEPT)
    while True:
        await call.receive()


async def blocks_on_websocket(call: Call) -> None:
    """Block the thread of the loop."""
    await call.send(ACCEPT)
    call.release.wait()


async def exits_in_websocket_task(call: Call) -> None:
    """Raise SystemExit in a task of its own."""
    await call.send(ACCEPT)
    await exits_in_task(call)


def accepts(*messages: Any) -> Behaviour:
    """Return the behaviour of accepting, sending messages and returning."""
    return sends(ACCEPT, *messages)


def leave(websocket: Any) -> None:
    """Do nothing, so that the block is left at once."""


def receive_all(websocket: Any) -> None:
    """Take messages until something is raised."""
    while True:
        websocket.receive()


def send_message(**fields: Any) -> Message:
    """Return a websocket.send."""
    return {"type": "websocket.send", **fields}


def close_message(**fields: Any) -> Message:
    """Return a websocket.close."""
    return {"type": "websocket.close", **fields}


# fmt: off
WEBSOCKET_ROWS = (
    Row("returns_first",
        "An application that returns without an answer to the handshake is told so.", sends(),
        ProtocolError, "WS-CONN-05", "without accepting or closing the WebSocket"),
    Row("raises_first", "An exception in the handshake is raised.", raises(Refusal), Refusal),
    Row("sends_first", "Data before the accept is refused.", sends(send_message(text="early")),
        ProtocolError, "WS-CONN-02", "must answer with websocket.accept"),
    Row("sends_first_and_swallows",
        "Data before the accept is raised, although the application goes on.",
        swallows(send_message(text="early"), ACCEPT), ProtocolError, "WS-CONN-02"),
    Row("accepts_twice", "A second accept is refused.", accepts(ACCEPT), ProtocolError,
        "WS-ACC-01", "although the WebSocket is accepted", act=receive_all),
    Row("closes_first", "A close before the accept denies the handshake.",
        sends(close_message(code=4003)), WebSocketDenied, text="close code 4003"),
    Row("never_answers", "An application that never answers the handshake meets the deadline.",
        sleeps, RequestDeadlineExceeded, text=", in sleeps\n    await anyio.sleep_forever()",
        options=QUICKLY),
    Row("receives_in_shield", "An application whose receive() is shielded is let go in time.",
        receives_in_shield, RequestDeadlineExceeded, text=", in receives_in_shield\n",
        options=QUICKLY, never=ABANDONED),
    Row("blocks_in_handshake",
        "An application that blocks its loop in the handshake meets the deadline.", blocks,
        RequestDeadlineExceeded, text=", in blocks\n    call.release.wait()", options=QUICKLY),
    Row("accepts_and_returns", "An application that returns without a close is warned of.",
        accepts(), ASGIWarning, text="[WS-CLOSE-08]"),
    Row("accepts_and_returns_accepted", "An application that returns has lost the connection.",
        accepts(), WebSocketDisconnect, text="1006", options={"ignore_rules": ["WS-CLOSE-08"]}),
    Row("accepts_and_raises", "An exception after the accept is raised.", raises(Refusal, ACCEPT),
        Refusal, act=receive_all),
    Row("raises_unseen", "An exception that no receive() met is raised when the block is left.",
        raises(Refusal, ACCEPT), Refusal, act=leave),
    Row("never_sends", "A message that never comes meets the deadline.",
        receives_for_ever_on_websocket, DeadlineExceeded,
        text="The application waits in receive(): the client has sent nothing more.",
        options=QUICKLY),
    Row("ignores_disconnect",
        "An application that ignores the disconnect is cancelled, and named.", ignores_disconnect,
        DeadlineExceeded, text=", in ignores_disconnect\n    await anyio.sleep_forever()",
        options=QUICKLY, act=leave),
    Row("deaf_to_disconnect", "An application that keeps asking after the disconnect is stopped.",
        receives_for_ever_on_websocket, ProtocolError, "HTTP-REQ-08",
        "keeps calling receive() after websocket.disconnect", act=leave),
    Row("blocks_after_accept", "An application that blocks its loop meets the deadline.",
        blocks_on_websocket, DeadlineExceeded,
        text=", in blocks_on_websocket\n    call.release.wait()", options=QUICKLY),
    Row("text_and_bytes", "A message has one payload.",
        accepts(send_message(text="a", bytes=b"a")), ProtocolError, "WS-SEND-01",
        "both are there", act=receive_all),
    Row("neither_text_nor_bytes", "A message has a payload.", accepts(send_message()),
        ProtocolError, "WS-SEND-01", "neither is there", act=receive_all),
    Row("bytes_as_text", "Text is str.", accepts(send_message(text=b"a")), ProtocolError,
        "WS-SEND-02", "websocket.send: text must be str or None, not bytes: b'a'",
        act=receive_all),
    Row("text_as_bytes", "Binary data is bytes.", accepts(send_message(bytes="a")), ProtocolError,
        "WS-SEND-02", "websocket.send: bytes must be bytes or None, not str: 'a'",
        act=receive_all),
    Row("lone_surrogate", "Text can be encoded.", accepts(send_message(text="\ud800")),
        ProtocolError, "WS-SEND-04", "text must be encodable as UTF-8", act=receive_all),
    Row("unoffered_subprotocol", "A subprotocol is one of those offered.",
        sends({**ACCEPT, "subprotocol": "other"}), ProtocolError, "WS-ACC-03",
        "must be one that the client offered (['chat']), not 'other'"),
    Row("subprotocol_of_bytes", "A subprotocol is text.",
        sends({**ACCEPT, "subprotocol": b"chat"}), ProtocolError, "WS-ACC-02",
        "subprotocol must be str or None, not bytes: b'chat'"),
    *(
        Row(f"close_code_{code}", f"{code} is no code that goes on a wire.",
            accepts(close_message(code=code)), ProtocolError, "WS-CLOSE-05",
            f"one that may be sent (1000 to 1003, 1007 to 1014, 3000 to 4999), not {code}",
            act=receive_all)
        for code in (999, 1004, 1005, 1006, 1015, 5000)
    ),
    *(
        Row(f"close_code_{type(code).__name__}", "A close code is an int.",
            accepts(close_message(code=code)), ProtocolError, "WS-CLOSE-04",
            f"websocket.close: code must be int, not {type(code).__name__}: {code!r}",
            act=receive_all)
        for code in ("1000", None, True)
    ),
    Row("long_reason", "A reason has its limit.", accepts(close_message(reason="x" * 200)),
        ProtocolError, "WS-CLOSE-06", "reason must be at most 123 bytes of UTF-8, not 200",
        act=receive_all),
    Row("sends_after_close", "Data after the close is refused.",
        accepts(close_message(), send_message(text="late")), ProtocolError, "WS-SEND-03",
        "was sent after websocket.close", act=leave),
    Row("closes_twice", "A second close is refused.", accepts(close_message(), close_message()),
        ProtocolError, "WS-CLOSE-07", "was sent after websocket.close", act=leave),
    Row("response_start_on_websocket", "A request's message does not belong to a WebSocket.",
        sends(START), ProtocolError, "EVT-03", "must be sent on the 'http' scope"),
    Row("denial_without_body", "A denial response is completed.",
        sends({"type": "websocket.http.response.start", "status": 401}), ProtocolError,
        "WS-DENY-02", "without completing its denial response"),
    Row("denial_body_first", "A denial response is started first.",
        sends({"type": "websocket.http.response.body"}), ProtocolError, "WS-DENY-02"),
    Row("accepts_in_denial", "Who denies does not accept.",
        sends({"type": "websocket.http.response.start", "status": 401}, ACCEPT), ProtocolError,
        "WS-DENY-02", "although a denial response was started"),
    *(
        Row(f"raises_{error.__name__}", f"{error.__name__} is an exception like any other.",
            raises(error, ACCEPT), error, act=receive_all)
        for error in (SystemExit, KeyboardInterrupt, asyncio.CancelledError)
    ),
)
# fmt: on

# fmt: off
ASYNCIO_WEBSOCKET_ROWS = (
    Row("exits_in_task", "SystemExit in a task, which ends the loop, is named.",
        exits_in_websocket_task, ASGITestError, text="SystemExit(3)"),
)
# fmt: on


# -- lifespan -----------------------------------------------------------------------------------


def answers(*answers_: Any, received: int = 1) -> Behaviour:
    """Return the behaviour of receiving events, and then sending messages and returning."""

    async def behaviour(call: Call) -> None:
        for _ in range(received):
            await call.receive()
        await call.send_all(*answers_)

    return behaviour


def in_shutdown(then: Behaviour) -> Behaviour:
    """Return the behaviour of starting well, and going on at the shutdown event."""

    async def behaviour(call: Call) -> Any:
        await call.receive()
        await call.send({"type": "lifespan.startup.complete"})
        await call.receive()
        return await then(call)

    return behaviour


async def starts_late_task(call: Call) -> None:
    """Leave a task running."""
    task = asyncio.ensure_future(anyio.sleep_forever())
    await good_lifespan(call)
    del task


async def receives_and_raises(call: Call) -> None:
    """Raise on the startup event."""
    await call.receive()
    raise Refusal("bug")


COMPLETE = {"type": "lifespan.startup.complete"}

# fmt: off
LIFESPAN_ROWS = (
    Row("complete_twice", "A second startup.complete is refused.", answers(COMPLETE, COMPLETE),
        ProtocolError, "LIFE-04", "was sent although the application is started"),
    Row("complete_after_failed", "A startup that failed is not complete.",
        answers({"type": "lifespan.startup.failed"}, COMPLETE), ProtocolError, "LIFE-04"),
    Row("shutdown_first", "shutdown.complete answers the shutdown event.",
        answers({"type": "lifespan.shutdown.complete"}), ProtocolError, "LIFE-11",
        "before the lifespan.shutdown event was received"),
    Row("startup_failed", "A failed startup is raised with the application's words.",
        answers({"type": "lifespan.startup.failed", "message": "no database"}), LifespanError,
        text="no database"),
    Row("startup_failed_and_raises",
        "A failed startup is raised, and not as an application without lifespan.",
        raises(Refusal, {"type": "lifespan.startup.failed", "message": "no database"}),
        LifespanError, text="no database"),
    Row("message_of_bytes", "The words about a failure are text.",
        answers({"type": "lifespan.startup.failed", "message": b"no database"}), ProtocolError,
        "LIFE-04", "message must be str, not bytes"),
    Row("http_message", "A request's message does not belong to a lifespan.", answers(START),
        ProtocolError, "LIFE-17"),
    Row("unknown_message", "An unknown message is no sign of an application without lifespan.",
        answers({"type": "lifespan.startup.completed"}), ProtocolError, "EVT-05",
        "lifespan.startup.completed"),
    Row("raises_on_scope", "Who raises on the scope has no lifespan.", raises(Refusal), text="ok"),
    Row("returns_at_once", "Who returns at once is warned of.", sends(), ASGIWarning,
        text="[LIFE-08]"),
    Row("returns_at_once_accepted", "Who returns at once has no lifespan.", sends(), text="ok",
        options={"ignore_rules": ["LIFE-08"]}),
    Row("raises_on_scope_demanded", "Who raises on the scope fails if a lifespan is demanded.",
        raises(Refusal), Refusal, options={"lifespan": "on"}),
    Row("returns_at_once_demanded", "Who returns at once fails if a lifespan is demanded.",
        sends(), LifespanError, text="lifespan='on'", options={"lifespan": "on"}),
    Row("raises_on_event", "Who raises after it took the startup event is suspected of a bug.",
        receives_and_raises, ASGIWarning, text="[LIFE-07]"),
    Row("never_answers", "A startup that never ends meets the deadline.", sleeps,
        DeadlineExceeded, text=", in sleeps\n    await anyio.sleep_forever()", options=QUICKLY),
    Row("blocks", "A startup that blocks the loop meets the deadline.", blocks, DeadlineExceeded,
        text=", in blocks\n    call.release.wait()", options=QUICKLY),
    Row("swallows_cancellation",
        "A startup that swallows its cancellation is named and abandoned.", swallows_cancellation,
        DeadlineExceeded, text="did not stop when it was cancelled", options=QUICKLY),
    Row("crashes_after_startup", "A crash after the startup surfaces.", raises(Refusal, COMPLETE),
        Refusal),
    Row("crashes_in_shutdown", "A crash in the shutdown surfaces.", in_shutdown(raises(Refusal)),
        Refusal),
    Row("shutdown_failed", "A failed shutdown is raised with the application's words.",
        in_shutdown(sends({"type": "lifespan.shutdown.failed", "message": "still busy"})),
        LifespanError, text="still busy"),
    Row("startup_complete_in_shutdown", "A startup is complete once.",
        in_shutdown(sends(COMPLETE)), ProtocolError, "LIFE-04"),
    Row("silent_in_shutdown", "A shutdown that never ends meets the deadline.",
        in_shutdown(sleeps), DeadlineExceeded,
        text=", in sleeps\n    await anyio.sleep_forever()", options=QUICKLY),
    Row("receives_in_shutdown", "The text tells that nothing comes after the shutdown event.",
        in_shutdown(waits_for_second_body), DeadlineExceeded,
        text="the shutdown event was received.\nThe application waits in receive(): nothing comes",
        options=QUICKLY),
    Row("blocks_in_shutdown", "A shutdown that blocks the loop meets the deadline.",
        in_shutdown(blocks), DeadlineExceeded, text=", in blocks\n    call.release.wait()",
        options=QUICKLY),
    *(
        Row(f"raises_{error.__name__}",
            f"{error.__name__} in the shutdown is an exception like any other.",
            in_shutdown(raises(error)), error)
        for error in (SystemExit, KeyboardInterrupt, asyncio.CancelledError)
    ),
)
# fmt: on

# fmt: off
ASYNCIO_LIFESPAN_ROWS = (
    Row("leaves_task", "A task that outlives the shutdown is named with its line.",
        starts_late_task, ResourceWarning,
        text="the application left something running; what can be, was cancelled: task "),
    Row("exits_in_task", "SystemExit in a task, which ends the loop, is named.", exits_in_task,
        ASGITestError, text="SystemExit(3)"),
)
# fmt: on


# -- the tests ----------------------------------------------------------------------------------


# Rows whose application no report and no cancellation will reach.
_OUT_OF_REACH = ("blocks", "swallows_cancellation")


class MisbehavingTestCase(CleanTestCase):
    """A test case that runs rows."""

    def start(self, scope_type: str, row: Row, *, entered: bool = True) -> TestClient:
        """Return a client for a row's application."""
        if row.name.startswith(_OUT_OF_REACH):
            self.hurry()
        app = Application(scope_type, row.behaviour)
        self.addCleanup(self.end_threads, app.release)
        new = self.enter_client if entered else self.new_client
        return new(app, **row.options)

    def end_threads(self, release: threading.Event) -> None:
        """Let go of the threads that had to be abandoned, and wait for them."""
        release.set()
        end_forgotten()
        for thread in threading.enumerate():
            if thread not in self._threads_before and thread.name.startswith(("asgitest", "AnyIO")):
                thread.join(10)

    def check(self, row: Row, error: BaseException) -> None:
        """Check that an error is the one a row tells of."""
        self.assertEqual(row.rule, getattr(error, "rule", None))
        if row.text:
            self.assertIn(row.text, str(error))
            self.assertNotIn(row.never, str(error))


def add_tests(rows: tuple[Row, ...], ways: tuple[str, ...] = ("",)) -> Callable[[type], type]:
    """Give a class one test for each row and way, which calls its method ``run_row``."""

    def decorate(case: type) -> type:
        for row in rows:
            for way in ways:
                if way and way not in row.ways:
                    continue
                setattr(case, f"test_{row.name}_{way}".rstrip("_"), _test_of(row, way))
        return case

    return decorate


def _test_of(row: Row, way: str) -> Callable[[Any], None]:
    def test(self: Any) -> None:
        self.run_row(row, way)

    test.__doc__ = row.fact
    return test


class HTTPTest(MisbehavingTestCase):
    """Requests."""

    def run_row(self, row: Row, way: str) -> None:
        """Request, look at what comes, and request something ordinary."""
        client = self.start("http", row)
        if row.raises is None:
            self.assertIn(row.text, self.fetch(client, row, way).text)
        else:
            with self.assertRaises(row.raises) as caught:
                self.fetch(client, row, way)
            self.check(row, caught.exception)
        self.assertEqual("ok", client.get("/ok").text)

    def fetch(self, client: TestClient, row: Row, way: str) -> requests.Response:
        """Return the response, read to its end."""
        if way == "buffered":
            response = client.request(row.method, "/")
        else:
            with client.request(row.method, "/", stream=True) as response:
                self.assertIsNotNone(response.content)
        return response


@add_tests(HTTP_ROWS, ("buffered", "streamed"))
class HTTPRowsTest(HTTPTest):
    """Applications that misbehave on a request."""


@unittest.skipIf(ON_TRIO, "the application uses asyncio")
@add_tests(ASYNCIO_ROWS, ("buffered", "streamed"))
class AsyncioRowsTest(HTTPTest):
    """Applications that misuse asyncio."""


class WebSocketTest(MisbehavingTestCase):
    """WebSockets."""

    def run_row(self, row: Row, way: str) -> None:
        """Connect, look at what comes, and request something ordinary."""
        client = self.start("websocket", row)
        assert row.raises is not None
        with self.assertRaises(row.raises) as caught:
            with client.websocket_connect("/", subprotocols=["chat"]) as websocket:
                row.act(websocket)
        self.check(row, caught.exception)
        self.assertEqual("ok", client.get("/ok").text)


@add_tests(WEBSOCKET_ROWS)
class WebSocketRowsTest(WebSocketTest):
    """Applications that misbehave on a WebSocket."""


@unittest.skipIf(ON_TRIO, "the application uses asyncio")
@add_tests(ASYNCIO_WEBSOCKET_ROWS)
class AsyncioWebSocketRowsTest(WebSocketTest):
    """Applications that misuse asyncio on a WebSocket."""


class LifespanTest(MisbehavingTestCase):
    """Lifespans."""

    def test_new_state(self) -> None:
        """An application that puts another dict under "state" changes nothing but its scope."""

        async def behaviour(call: Call) -> None:
            call.scope["state"]["kept"] = True
            call.scope["state"] = {"lost": True}
            await good_lifespan(call)

        row = Row("new_state", "", behaviour)
        with self.start("lifespan", row, entered=False) as client:
            self.assertEqual({"kept": True}, client.state)

    def run_row(self, row: Row, way: str) -> None:
        """Enter and leave the client, look at what comes, and request something ordinary."""
        client = self.start("lifespan", row, entered=False)
        if row.raises is None:
            with client:
                self.assertEqual("ok", client.get("/ok").text)
        else:
            with self.assertRaises(row.raises) as caught:
                with client:
                    pass
            self.check(row, caught.exception)
        self.assertEqual("ok", client.get("/ok").text)


@add_tests(LIFESPAN_ROWS)
class LifespanRowsTest(LifespanTest):
    """Applications that misbehave in their lifespan."""


@unittest.skipIf(ON_TRIO, "the application uses asyncio")
@add_tests(ASYNCIO_LIFESPAN_ROWS)
class AsyncioLifespanRowsTest(LifespanTest):
    """Applications that misuse asyncio in their lifespan."""


class ShapeTest(CleanTestCase):
    """Applications that are no ASGI 3 callables, and such as only look like none."""

    def assert_refused(self, app: Any, text: str) -> None:
        """Check that a request tells what is wrong with an application."""
        client = self.new_client(app)
        with self.assertRaisesRegex(ProtocolError, text) as caught:
            client.get("/")
        self.assertEqual("APP-01", caught.exception.rule)

    def assert_served(self, app: Any) -> None:
        """Check that an application is served."""
        client = self.new_client(app)
        self.assertEqual("end", client.get("/").text)

    def test_not_callable(self) -> None:
        """What cannot be called is refused before anything runs."""
        with self.assertRaisesRegex(TypeError, "APP-01"):
            TestClient("app:app")

    def test_plain_function(self) -> None:
        """A function that returns nothing to await is refused."""

        def app(scope: Any, receive: Any, send: Any) -> None:
            """Return nothing."""

        self.assert_refused(app, "must return an awaitable, not NoneType")

    def test_async_generator(self) -> None:
        """A function that became an async generator by a yield is refused."""

        async def app(scope: Any, receive: Any, send: Any) -> Any:
            await send(START)
            yield

        self.assert_refused(app, "must return an awaitable, not async_generator")

    def test_function_that_returns_coroutine(self) -> None:
        """A function that returns a coroutine is served."""

        async def answer(send: Any) -> None:
            await send(START)
            await send(END)

        def app(scope: Any, receive: Any, send: Any) -> Any:
            return answer(send)

        self.assert_served(app)

    def test_returned_value(self) -> None:
        """What an application returns means nothing, and is warned of."""

        async def app(scope: Any, receive: Any, send: Any) -> str:
            await send(START)
            await send(END)
            return "something"

        with self.assertWarnsRegex(ASGIWarning, "None, not str: 'something' .APP-10."):
            self.assert_served(app)

    def test_two_steps(self) -> None:
        """An application of ASGI 2 is served."""

        class App:
            def __init__(self, scope: Any) -> None:
                self.scope = scope

            async def __call__(self, receive: Any, send: Any) -> None:
                await send(START)
                await send(END)

        self.assert_served(App)
