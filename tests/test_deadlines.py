"""Deadlines: every wait has one, the error shows where everything stands, and life goes on."""

from __future__ import annotations

import asyncio
import bdb
import contextlib
import io
import linecache
import os
import sys
import threading
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import requests
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from asgitest import (
    ASGIAdapter,
    ASGITestCase,
    ASGITestError,
    DeadlineExceeded,
    RequestDeadlineExceeded,
    TestClient,
)
from asgitest._debugger import is_debugging
from asgitest._inline_portal import end_forgotten

from .base import CleanTestCase, on_thread

ON_TRIO = os.environ.get("ASGITEST_BACKEND") == "trio"
#: A deadline that is meant to pass.
SHORT = 0.2

START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
END = {"type": "http.response.body", "body": b"ok"}
ACCEPT = {"type": "websocket.accept"}


class App:
    """An application that waits for ever in all the places where one can.

    Its path says where; on any other path it answers.
    """

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.release = threading.Event()
        self.startups = 0
        self.event: Any = None
        self.hangs_in = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection."""
        await getattr(self, f"serve_{scope['type']}")(scope, receive, send)

    async def serve_lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        """Start and stop, or hang once in the stage that ``hangs_in`` names."""
        for stage in ("startup", "shutdown"):
            await receive()
            if self.hangs_in == stage:
                self.hangs_in = ""
                await anyio.sleep_forever()  # hangs in its lifespan
            await send({"type": f"lifespan.{stage}.complete"})

    async def serve_http(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or hang."""
        await getattr(self, scope["path"][1:], self.answer)(receive, send)

    async def serve_websocket(self, scope: Any, receive: Any, send: Any) -> None:
        """Echo, or hang."""
        await receive()
        await getattr(self, scope["path"][1:], self.echo)(receive, send)

    async def answer(self, receive: Any, send: Any) -> None:
        """Answer."""
        await send(START)
        await send(END)

    async def redirect(self, receive: Any, send: Any) -> None:
        """Send the client to where it hangs."""
        await send({**START, "status": 302, "headers": [(b"location", b"/sleep")]})
        await send({**END, "body": b""})

    async def sleep(self, receive: Any, send: Any) -> None:
        """Hang before everything else."""
        await anyio.sleep_forever()  # hangs before the start

    async def wait(self, receive: Any, send: Any) -> None:
        """Answer, or accept and send, when the test says so."""
        self.event = anyio.Event()
        self.begun.set()
        await self.event.wait()
        await self.answer(receive, send)

    async def sleep_in_body(self, receive: Any, send: Any) -> None:
        """Hang in the middle of the body."""
        await send(START)
        await send(PART)
        await anyio.sleep_forever()  # hangs in mid-body

    async def flood(self, receive: Any, send: Any) -> None:
        """Send more than a client leaves unread."""
        await send(START)
        await send({**PART, "body": b"x" * 256 * 1024})
        await send(END)

    async def sleep_behind_body(self, receive: Any, send: Any) -> None:
        """Hang when everything is sent."""
        await send(START)
        await send(END)
        await anyio.sleep_forever()  # hangs behind the body

    async def second_body(self, receive: Any, send: Any) -> None:
        """Read a body that has come to its end."""
        while True:
            await receive()  # asks for too much

    async def ignore_body(self, receive: Any, send: Any) -> None:
        """Take one part of the request's body, and hang."""
        await receive()
        await anyio.sleep_forever()  # hangs in mid-upload

    async def block(self, receive: Any, send: Any) -> None:
        """Block the loop."""
        self.release.wait()  # blocks the loop

    async def deaf(self, receive: Any, send: Any) -> None:
        """Swallow every cancellation."""
        while not self.release.is_set():
            with contextlib.suppress(BaseException):
                await anyio.to_thread.run_sync(self.release.wait)  # is deaf

    async def thread(self, receive: Any, send: Any) -> None:
        """Wait for a worker thread."""
        await anyio.to_thread.run_sync(self.endpoint)

    def endpoint(self) -> None:
        """Block a worker thread."""
        self.release.wait()  # blocks a thread

    async def tasks(self, receive: Any, send: Any) -> None:
        """Wait for a task."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.child)

    async def child(self) -> None:
        """Hang in a task of its own."""
        await anyio.sleep_forever()  # hangs in a task

    async def echo(self, receive: Any, send: Any) -> None:
        """Send back what comes."""
        await send(ACCEPT)
        while (event := await receive())["type"] == "websocket.receive":  # awaits a message
            await send({"type": "websocket.send", "text": event["text"]})

    async def deaf_to_disconnect(self, receive: Any, send: Any) -> None:
        """Accept, and take no notice of the disconnect."""
        await send(ACCEPT)
        await anyio.sleep_forever()  # ignores the disconnect

    async def send_later(self, receive: Any, send: Any) -> None:
        """Accept, and send when the test says so."""
        await send(ACCEPT)
        self.event = anyio.Event()
        self.begun.set()
        await self.event.wait()
        await send({"type": "websocket.send", "text": "at last"})
        await send({"type": "websocket.close"})


class DeadlineTestCase(CleanTestCase):
    """A test case with such an application, which lets go of abandoned threads in the end."""

    def setUp(self) -> None:
        """Make the application."""
        super().setUp()
        self.app = App()
        self.addCleanup(self.end_threads)

    def end_threads(self) -> None:
        """Release what blocks, and wait for the threads to end."""
        self.app.release.set()
        end_forgotten()
        for thread in threading.enumerate():
            if thread not in self._threads_before and thread.name.startswith(("asgitest", "AnyIO")):
                thread.join(10)

    @contextlib.contextmanager
    def assert_deadline(
        self, waiting_for: str, *shown: str, error: type[Exception] = DeadlineExceeded
    ) -> Iterator[None]:
        """Check that a deadline passes in the block, and what its text shows.

        :param waiting_for: part of the words for what was awaited
        :param shown: parts of the text
        :param error: class of the error
        """
        with self.assertRaises(DeadlineExceeded) as caught:
            yield
        self.assertIs(error, type(caught.exception))
        self.assertIn(waiting_for, caught.exception.waiting_for)
        text = str(caught.exception)
        self.assertIn(f"passed while waiting for {caught.exception.waiting_for}.\n", text)
        for part in shown:
            self.assertIn(part, text)

    def assert_works(self, client: Any) -> None:
        """Check that a client works."""
        self.assertEqual("ok", client.get("/").text)
        with client.websocket_connect("/") as websocket:
            websocket.send_text("hello")
            self.assertEqual("hello", websocket.receive_text())


def place(comment: str) -> str:
    """Return the line of this file with a comment as a traceback shows it, function included.

    :param comment: the comment
    """
    lines = linecache.getlines(__file__)
    numbers = [index for index, line in enumerate(lines) if line.endswith(f"  # {comment}\n")]
    (index,) = numbers
    above = (line for line in reversed(lines[:index]) if line.lstrip().startswith(_DEFINITIONS))
    name = next(above).split("def ")[1].split("(")[0]
    return f'  File "{__file__}", line {index + 1}, in {name}\n    {lines[index].strip()}'


_DEFINITIONS = ("def ", "async def ")


class WaitTest(DeadlineTestCase):
    """Each wait has a deadline, and the same client works after it."""

    def setUp(self) -> None:
        """Make a client."""
        super().setUp()
        self.client = self.enter_client(self.app, timeout=SHORT)

    def tearDown(self) -> None:
        """Check that the client works, whatever happened."""
        self.assert_works(self.client)
        super().tearDown()

    def test_request(self) -> None:
        """The wait for a response has a deadline."""
        with self.assert_deadline(
            "the application to answer (GET http://testserver/sleep)",
            place("hangs before the start"),
            error=RequestDeadlineExceeded,
        ):
            self.client.get("/sleep")

    def test_request_with_generator(self) -> None:
        """The wait for a response to a streamed upload has a deadline."""
        with self.assert_deadline(
            "the application to answer (POST http://testserver/ignore_body)",
            place("hangs in mid-upload"),
            error=RequestDeadlineExceeded,
        ):
            self.client.post("/ignore_body", data=iter([b"a", b"b"]))

    def test_start_of_stream(self) -> None:
        """The wait for the start of a streamed response has a deadline."""
        with self.assert_deadline(
            "the application to start its response",
            place("hangs before the start"),
            error=RequestDeadlineExceeded,
        ):
            self.client.get("/sleep", stream=True)

    def test_piece_of_stream(self) -> None:
        """The wait for a piece of a streamed response has a deadline."""
        with self.client.get("/sleep_in_body", stream=True) as response:
            pieces = response.iter_content(None)
            self.assertEqual(b"part", next(pieces))
            with self.assert_deadline(
                "the application to send more of its response",
                place("hangs in mid-body"),
                error=RequestDeadlineExceeded,
            ):
                next(pieces)

    def test_content_of_stream(self) -> None:
        """The wait for the whole content of a streamed response has a deadline."""
        with self.client.get("/sleep_in_body", stream=True) as response:
            with self.assert_deadline("to send more", error=RequestDeadlineExceeded):
                response.content  # noqa: B018

    def test_close_of_stream(self) -> None:
        """The wait for an application that goes on behind its response has a deadline."""
        self.hurry()
        response = self.client.get("/sleep_behind_body", stream=True)
        self.assertEqual(b"ok", response.content)
        with self.assert_deadline(
            "the application to end after its response was closed",
            place("hangs behind the body"),
            error=RequestDeadlineExceeded,
        ):
            response.close()

    def test_accept(self) -> None:
        """The wait for the answer to a handshake has a deadline."""
        with self.assert_deadline(
            "the application to accept or close the WebSocket ws://testserver/sleep",
            place("hangs before the start"),
            error=RequestDeadlineExceeded,
        ):
            with self.client.websocket_connect("/sleep"):
                self.fail("the block was entered")

    def test_receive(self) -> None:
        """The wait for a message has a deadline, however it is received."""
        with self.client.websocket_connect("/echo") as websocket:
            for receive in (
                websocket.receive,
                websocket.receive_text,
                websocket.receive_bytes,
                websocket.receive_json,
                lambda: next(iter(websocket)),
            ):
                with self.assert_deadline(
                    "a message from the application (the WebSocket ws://testserver/echo)",
                    "The application waits in receive()",
                    place("awaits a message"),
                ):
                    receive()
            websocket.send_text("still open")
            self.assertEqual("still open", websocket.receive_text())

    def test_leave(self) -> None:
        """The wait for an application to end with its WebSocket has a deadline."""
        with self.assert_deadline(
            "the application to end after the WebSocket", place("ignores the disconnect")
        ):
            with self.client.websocket_connect("/deaf_to_disconnect"):
                pass

    def test_leave_after_receive(self) -> None:
        """A message that does not come is shown, and not that the application does not end."""
        with self.assert_deadline("a message from the application"):
            with self.client.websocket_connect("/deaf_to_disconnect") as websocket:
                websocket.receive_text()

    def test_call(self) -> None:
        """The wait for a function on the loop has a deadline."""
        with self.assert_deadline("App.child() to return", place("hangs in a task")):
            self.client.call(self.app.child)

    def test_async_context(self) -> None:
        """The waits for an asynchronous context manager have a deadline."""

        @contextlib.asynccontextmanager
        async def manager(entered: bool) -> AsyncIterator[None]:
            if entered:
                yield
            await self.app.child()
            yield

        for entered, doing in ((False, "to be entered"), (True, "to be left")):
            with self.assert_deadline(doing, place("hangs in a task")):
                with self.client.async_context(manager(entered)):
                    self.assertTrue(entered)

    def test_startup(self) -> None:
        """The wait for the startup has a deadline; the client can be entered afterwards."""
        self.app.hangs_in = "startup"
        client = TestClient(self.app, timeout=SHORT)
        with self.assert_deadline(
            "the application to answer lifespan.startup",
            place("hangs in its lifespan"),
            "received lifespan.startup",
        ):
            client.__enter__()
        with client:
            self.assert_works(client)

    def test_shutdown(self) -> None:
        """The wait for the shutdown has a deadline; the client can be entered afterwards."""
        client = TestClient(self.app, timeout=SHORT)
        with self.assert_deadline(
            "lifespan.shutdown",
            place("hangs in its lifespan"),
            "received lifespan.shutdown",
        ):
            with client:
                self.app.hangs_in = "shutdown"
        with client:
            self.assert_works(client)

    @on_thread("a blocked loop has its thread abandoned")
    def test_blocked_loop(self) -> None:
        """A blocked loop is shown with the stack of its thread, which is abandoned."""
        self.hurry()
        with self.assert_deadline(
            "to answer",
            "The event loop is blocked; its thread stands here:\n",
            place("blocks the loop"),
            "was abandoned",
            error=RequestDeadlineExceeded,
        ):
            self.client.get("/block")

    def test_blocked_loop_on_websocket(self) -> None:
        """A WebSocket that blocks the loop meets its deadline once, and the block can be left."""
        self.hurry()
        with self.assert_deadline("to accept or close", place("blocks the loop"), error=_REQUEST):
            with self.client.websocket_connect("/block"):
                self.fail("the block was entered")

    def test_deaf_application(self) -> None:
        """An application that swallows its cancellation is named and abandoned."""
        self.hurry()
        with self.assert_deadline(
            "to answer",
            place("is deaf"),
            "The application did not stop when it was cancelled",
            error=RequestDeadlineExceeded,
        ):
            self.client.get("/deaf")

    def test_second_body(self) -> None:
        """An application that asks for more of the body is told that none will come."""
        with self.assert_deadline(
            "to answer",
            "the request body was received whole (its last event had more_body=False)",
            "The application waits in receive()",
            place("asks for too much"),
            "received http.request body=b'abc' more_body=False",
            error=RequestDeadlineExceeded,
        ):
            self.client.post("/second_body", data="abc")


_REQUEST = RequestDeadlineExceeded


class CatchTest(DeadlineTestCase):
    """What catches the error, and what a test runner makes of it."""

    def test_except_lines(self) -> None:
        """It is an assertion's failure, a timeout of Python, and one of requests."""
        client = self.enter_client(self.app, timeout=SHORT)
        for kind in (AssertionError, TimeoutError, requests.Timeout, ASGITestError, OSError):
            with self.assertRaises(kind):
                client.get("/sleep")

    def test_not_of_requests(self) -> None:
        """What is no request's deadline is no error of requests."""
        client = self.enter_client(self.app, timeout=SHORT)
        with self.assertRaises(DeadlineExceeded) as caught:
            client.call(anyio.sleep_forever)
        self.assertNotIsInstance(caught.exception, requests.RequestException)

    def test_stream(self) -> None:
        """requests does not make something else of a deadline that passes in mid-body."""
        client = self.enter_client(self.app, timeout=SHORT)
        for read in (
            lambda response: response.content,
            lambda response: list(response.iter_content(1)),
            lambda response: list(response.iter_lines()),
            lambda response: response.raw.read(),
        ):
            with client.get("/sleep_in_body", stream=True) as response:
                with self.assertRaises(RequestDeadlineExceeded):
                    read(response)

    def test_redirect(self) -> None:
        """Each hop has the deadline, also that of a prepared request."""
        client = self.enter_client(self.app, timeout=SHORT)
        prepared = client.prepare_request(requests.Request("GET", "/redirect"))
        for send in (lambda: client.get("/redirect"), lambda: client.send(prepared)):
            with self.assert_deadline("GET http://testserver/sleep", error=_REQUEST):
                send()

    def test_test_runner(self) -> None:
        """unittest counts it as a failure, and shows the place."""
        app = self.app

        class Case(ASGITestCase):
            """A case of a user's."""

            timeout = SHORT

            def get_app(self) -> Any:
                """Return the application."""
                return app

            def test_request(self) -> None:
                """Hang."""
                self.client.get("/sleep")

        result = unittest.TestResult()
        Case("test_request").run(result)
        self.assertEqual([], result.errors)
        ((_, text),) = result.failures
        self.assertIn(place("hangs before the start"), text)


class SourceTest(DeadlineTestCase):
    """Where a deadline comes from."""

    def assert_short(self, use: Callable[[], Any], seconds: float = SHORT) -> None:
        """Check that a wait has the short deadline."""
        with self.assertRaisesRegex(DeadlineExceeded, f"^{seconds} s passed"):
            use()

    @contextlib.contextmanager
    def released_late(self, client: TestClient) -> Iterator[None]:
        """Let the application go on when, after it has begun to wait, a short deadline passed."""

        def release() -> None:
            self.app.begun.wait(10)
            with contextlib.suppress(DeadlineExceeded):
                client.get("/sleep", timeout=SHORT)
            client.call(lambda: self.app.event.set() and None)

        releasing = threading.Thread(target=release)
        releasing.start()
        try:
            yield
        finally:
            releasing.join(10)

    def test_client(self) -> None:
        """The client's timeout counts for everything."""
        client = self.enter_client(self.app, timeout=SHORT)
        self.assert_short(lambda: client.get("/sleep"))

    def test_call(self) -> None:
        """The timeout of a request comes before that of the client."""
        client = self.enter_client(self.app)
        self.assert_short(lambda: client.get("/sleep", timeout=SHORT))
        self.assert_short(lambda: client.request("GET", "/sleep", timeout=SHORT))
        prepared = client.prepare_request(requests.Request("GET", "/sleep"))
        self.assert_short(lambda: client.send(prepared, timeout=SHORT))

    def test_pair(self) -> None:
        """Of a pair, the second one counts: there is nothing to connect to."""
        client = self.enter_client(self.app)
        self.assert_short(lambda: client.get("/sleep", timeout=(30, SHORT)))

    def test_streamed_call(self) -> None:
        """The timeout of a streamed request counts for its pieces, too."""
        client = self.enter_client(self.app)
        with client.get("/sleep_in_body", stream=True, timeout=SHORT) as response:
            self.assert_short(lambda: response.content)

    def test_websocket(self) -> None:
        """The timeout of a WebSocket counts for its handshake and its messages."""
        client = self.enter_client(self.app)
        self.assert_short(lambda: client.websocket_connect("/sleep", timeout=SHORT).__enter__())
        with client.websocket_connect("/echo", timeout=SHORT) as websocket:
            self.assert_short(websocket.receive_text)

    def test_receive(self) -> None:
        """The timeout of a receive comes before that of the WebSocket."""
        client = self.enter_client(self.app)
        with client.websocket_connect("/echo", timeout=30) as websocket:
            for receive in (
                websocket.receive,
                websocket.receive_text,
                websocket.receive_bytes,
                websocket.receive_json,
            ):
                self.assert_short(lambda receive=receive: receive(timeout=SHORT))

    def test_new_client(self) -> None:
        """A further client may have a timeout of its own."""
        client = self.enter_client(self.app).new_client(timeout=SHORT)
        self.assert_short(lambda: client.get("/sleep"))

    def test_environment(self) -> None:
        """Without an argument, the environment's timeout counts."""
        with mock.patch.dict(os.environ, ASGITEST_TIMEOUT=str(SHORT)):
            client = self.enter_client(self.app)
            self.assert_short(lambda: client.get("/sleep"))
            other = self.enter_client(self.app, timeout=0.3)
            self.assert_short(lambda: other.get("/sleep"), 0.3)

    def test_wrong_environment(self) -> None:
        """A timeout in the environment that is none is an error that names the variable."""
        for value in ("soon", "0", "-1"):
            with mock.patch.dict(os.environ, ASGITEST_TIMEOUT=value):
                with self.assertRaisesRegex(ValueError, f"ASGITEST_TIMEOUT .* not '{value}'"):
                    TestClient(self.app)

    def test_class_attribute(self) -> None:
        """The class attribute of a case comes before the environment."""
        for environment, attributes, seconds in (
            ({}, {"timeout": SHORT}, SHORT),
            ({"ASGITEST_TIMEOUT": "30"}, {"timeout": SHORT}, SHORT),
            ({"ASGITEST_TIMEOUT": str(SHORT)}, {}, SHORT),
        ):
            case = type("Case", (ASGITestCase,), {"app": self.app, **attributes})()
            with mock.patch.dict(os.environ, environment):
                case.setUp()
            self.addCleanup(case.doCleanups)
            self.assert_short(lambda case=case: case.client.get("/sleep"), seconds)

    def test_adapter(self) -> None:
        """In a plain session, no timeout is that of the adapter."""
        with requests.Session() as session:
            session.mount("http://api.test", ASGIAdapter(self.app, timeout=SHORT))
            self.assert_short(lambda: session.get("http://api.test/sleep"))
            self.assert_short(lambda: session.get("http://api.test/sleep", timeout=0.3), 0.3)

    @on_thread("threads of the test use one client")
    def test_none_for_call(self) -> None:
        """An explicit None for a request is no deadline."""
        client = self.enter_client(self.app, timeout=SHORT)
        with self.released_late(client):
            self.assertEqual("ok", client.get("/wait", timeout=None).text)

    @on_thread("threads of the test use one client")
    def test_none_for_prepared_request(self) -> None:
        """An explicit None for a prepared request is no deadline."""
        client = self.enter_client(self.app, timeout=SHORT)
        prepared = client.prepare_request(requests.Request("GET", "/wait"))
        with self.released_late(client):
            self.assertEqual("ok", client.send(prepared, timeout=None).text)

    @on_thread("threads of the test use one client")
    def test_none_for_receive(self) -> None:
        """An explicit None for a receive is no deadline."""
        client = self.enter_client(self.app, timeout=SHORT)
        with self.released_late(client), client.websocket_connect("/send_later") as websocket:
            self.assertEqual("at last", websocket.receive_text(timeout=None))

    @on_thread("threads of the test use one client")
    def test_none_for_websocket(self) -> None:
        """An explicit None for a WebSocket is no deadline for its messages."""
        client = self.enter_client(self.app, timeout=SHORT)
        connect = client.websocket_connect("/send_later", timeout=None)
        with self.released_late(client), connect as websocket:
            self.assertEqual("at last", websocket.receive_text())

    @on_thread("threads of the test use one client")
    def test_none_for_client(self) -> None:
        """None for the client is no deadline."""
        client = self.enter_client(self.app, timeout=None)
        with self.released_late(client):
            self.assertEqual("ok", client.get("/wait").text)

    @on_thread("threads of the test use one client")
    def test_none_in_environment(self) -> None:
        """The word none in the environment is no deadline."""
        with mock.patch.dict(os.environ, ASGITEST_TIMEOUT="none"):
            client = self.enter_client(self.app)
        with self.released_late(client):
            self.assertEqual("ok", client.get("/wait").text)


class TextTest(DeadlineTestCase):
    """What the text shows beside the place."""

    def setUp(self) -> None:
        """Make a client."""
        super().setUp()
        self.client = self.enter_client(self.app, timeout=SHORT)

    def test_state_and_messages(self) -> None:
        """The text shows how far the response has come, and the messages of both directions."""
        with self.client.get("/sleep_in_body", stream=True) as response:
            with self.assert_deadline(
                "to send more",
                "State: the response is in the middle of its body; the request was not received",
                "    sent http.response.start status=200 headers=[]",
                "    sent http.response.body body=b'part' more_body=True",
                error=_REQUEST,
            ):
                response.content  # noqa: B018

    def test_messages_of_websocket(self) -> None:
        """The text shows the messages of a WebSocket in their order."""
        with self.client.websocket_connect("/echo") as websocket:
            websocket.send_text("hello")
            websocket.receive_text()
            with self.assertRaises(DeadlineExceeded) as caught:
                websocket.receive_text()
        self.assertIn("State: the WebSocket is open", str(caught.exception))
        self.assertRegex(
            str(caught.exception),
            r"(?s)received websocket.connect.*sent websocket.accept"
            r".*received websocket.receive text='hello'.*sent websocket.send text='hello'",
        )

    @on_thread("a blocked loop has its thread abandoned")
    def test_back_pressure(self) -> None:
        """The text says so if the application waits for the client to read."""
        self.hurry()
        response = self.client.get("/flood", stream=True)
        self.client.call(anyio.wait_all_tasks_blocked)
        # Before what the reader asks for, on each loop.
        self.client.portal.post(self.app.release.wait)
        with self.assert_deadline(
            "to send more",
            "The application waits in send() for the client to read.",
            error=_REQUEST,
        ):
            response.content  # noqa: B018

    def test_nothing_exchanged(self) -> None:
        """The text says so if no message was exchanged."""
        with self.assert_deadline("to answer", "received and sent no message", error=_REQUEST):
            self.client.get("/sleep")

    def test_other_tasks(self) -> None:
        """The text shows the other tasks on the loop, each by its name."""
        with self.assert_deadline(
            "to answer", "Task 'tests.test_deadlines.App.child' stands here:", error=_REQUEST
        ):
            self.client.get("/tasks")

    def test_tasks_of_other_requests(self) -> None:
        """The text shows the tasks that other requests left."""
        task = self.client.portal.start_task_soon(self.app.child)
        with self.assert_deadline("to answer", place("hangs in a task"), error=_REQUEST):
            self.client.get("/sleep")
        task.cancel()

    def test_threads(self) -> None:
        """The text shows the worker threads that do something, each by its name."""
        self.hurry()
        with self.assert_deadline(
            "to answer", "Thread '", place("blocks a thread"), error=_REQUEST
        ):
            self.client.get("/thread")

    def test_idle_threads(self) -> None:
        """The text leaves out worker threads without work, and the machinery around them."""
        self.client.call(anyio.to_thread.run_sync, int)
        with self.assertRaises(DeadlineExceeded) as caught:
            self.client.get("/sleep")
        self.assertNotIn("Thread '", str(caught.exception))
        self.assertNotIn(os.path.join("asgitest", "_"), str(caught.exception))

    def test_unprintable_value(self) -> None:
        """A value that cannot be printed costs the text nothing else."""

        class Unprintable:
            def __repr__(self) -> str:
                raise ValueError("no")

        with self.client.websocket_connect("/echo") as websocket:
            websocket.send({"type": "websocket.receive", "text": "a", "more": Unprintable()})
            websocket.receive_text()
            with self.assert_deadline("a message", "text='a'", place("awaits a message")):
                websocket.receive_text()
        self.assert_works(self.client)

    def test_long_values(self) -> None:
        """A long value is cut."""
        with self.client.websocket_connect("/echo") as websocket:
            websocket.send_text("x" * 100_000)
            websocket.receive_text()
            with self.assertRaises(DeadlineExceeded) as caught:
                websocket.receive_text()
        self.assertLess(len(str(caught.exception)), 10_000)

    def test_application_of_its_own_thread(self) -> None:
        """Two clients' loops do not get into each other's text."""
        other = self.enter_client(App(), timeout=SHORT)
        task = other.portal.start_task_soon(self.app.child)
        with self.assertRaises(DeadlineExceeded) as caught:
            self.client.get("/sleep")
        self.assertNotIn("in child", str(caught.exception))
        task.cancel()


# -- frameworks -----------------------------------------------------------------------------------

#: Set when a test is over, for the functions below that block.
released = threading.Event()


async def hanging_handler(request: Request) -> Response:
    """Hang."""
    await anyio.sleep_forever()  # hanging handler
    return Response()


def blocking_endpoint(request: Request) -> Response:
    """Block a worker thread."""
    released.wait()  # blocking endpoint
    return Response()


async def hanging_generator() -> AsyncIterator[bytes]:
    """Hang between two pieces."""
    yield b"one"
    await anyio.sleep_forever()  # hanging generator
    yield b"two"


def blocking_generator() -> Iterator[bytes]:
    """Block a worker thread behind the first piece."""
    yield b"one"
    released.wait()  # blocking generator


async def stream_hanging(request: Request) -> Response:
    """Stream from the async generator."""
    return StreamingResponse(hanging_generator())


async def stream_blocking(request: Request) -> Response:
    """Stream from the plain generator."""
    return StreamingResponse(blocking_generator())


async def greet(request: Request) -> Response:
    """Answer."""
    return PlainTextResponse("ok")


async def pass_on(request: Request, call_next: Any) -> Response:
    """Do what most middleware does."""
    response: Response = await call_next(request)
    return response


@contextlib.asynccontextmanager
async def hanging_lifespan(app: Any) -> AsyncIterator[None]:
    """Hang at the startup."""
    await anyio.sleep_forever()  # hanging lifespan
    yield


@contextlib.asynccontextmanager
async def hanging_end_of_lifespan(app: Any) -> AsyncIterator[None]:
    """Hang at the shutdown."""
    yield
    await anyio.sleep_forever()  # hanging end of lifespan


ROUTES = [
    Route("/", greet),
    Route("/handler", hanging_handler),
    Route("/endpoint", blocking_endpoint),
    Route("/stream", stream_hanging),
    Route("/stream_blocking", stream_blocking),
]


async def hanging_dependency() -> AsyncIterator[None]:
    """Hang before there is anything to depend on."""
    await anyio.sleep_forever()  # hanging dependency
    yield


async def hanging_background_task() -> None:
    """Hang behind the response."""
    await anyio.sleep_forever()  # hanging background task


def fastapi_app() -> FastAPI:
    """Return an application of FastAPI's that hangs in many places."""
    app = FastAPI()

    @app.get("/", response_class=PlainTextResponse)
    async def greet() -> str:
        return "ok"

    @app.get("/endpoint")
    def blocking_path_operation() -> None:
        released.wait()  # blocking path operation

    @app.get("/dependency")
    async def depend(value: None = Depends(hanging_dependency)) -> None:
        return value

    @app.get("/background")
    async def work_on(tasks: BackgroundTasks) -> None:
        tasks.add_task(hanging_background_task)

    return app


class FrameworkTest(DeadlineTestCase):
    """The culprit's own function is in the text, however deep a framework hides it."""

    def setUp(self) -> None:
        """Forget the last test's release."""
        super().setUp()
        released.clear()

    def end_threads(self) -> None:
        """Release the functions of this file, too."""
        released.set()
        super().end_threads()

    def assert_shown(
        self, app: Any, path: str, comment: str, streamed: tuple[bool, ...] = (False, True)
    ) -> None:
        """Check that the text shows a line, buffered or streamed, and that the client works."""
        # Old versions of Starlette's middleware have two tasks that receive at once.
        client = self.enter_client(app, timeout=SHORT, ignore_rules=["HTTP-REQ-09"])
        for stream in streamed:
            with self.assert_deadline("the application to", place(comment), error=_REQUEST):
                with client.get(path, stream=stream) as response:
                    response.content  # noqa: B018
            released.set()
            self.assertEqual("ok", client.get("/").text)
            released.clear()

    def test_handler(self) -> None:
        """A handler of Starlette's is shown."""
        self.assert_shown(Starlette(routes=ROUTES), "/handler", "hanging handler")

    def test_plain_endpoint(self) -> None:
        """A plain endpoint of Starlette's is shown, which runs in a worker thread."""
        self.hurry()
        self.assert_shown(Starlette(routes=ROUTES), "/endpoint", "blocking endpoint", (False,))

    def test_async_generator(self) -> None:
        """The async generator of a StreamingResponse is shown."""
        self.assert_shown(Starlette(routes=ROUTES), "/stream", "hanging generator")

    def test_plain_generator(self) -> None:
        """The plain generator of a StreamingResponse is shown, which runs in a worker thread."""
        self.hurry()
        app = Starlette(routes=ROUTES)
        self.assert_shown(app, "/stream_blocking", "blocking generator", (True,))

    def test_middleware(self) -> None:
        """All of these are shown behind a BaseHTTPMiddleware, which runs them in other tasks."""
        self.hurry()
        middleware = [Middleware(BaseHTTPMiddleware, dispatch=pass_on)] * 2
        app = Starlette(routes=ROUTES, middleware=middleware)
        for path, comment, streamed in (
            ("/handler", "hanging handler", False),
            ("/endpoint", "blocking endpoint", True),
            ("/stream", "hanging generator", True),
            ("/stream_blocking", "blocking generator", False),
        ):
            self.assert_shown(app, path, comment, (streamed,))

    def test_fastapi(self) -> None:
        """A plain path operation of FastAPI's, a dependency and a background task are shown."""
        app = fastapi_app()
        for path, comment in (
            ("/endpoint", "blocking path operation"),
            ("/dependency", "hanging dependency"),
            ("/background", "hanging background task"),
        ):
            self.assert_shown(app, path, comment, (False,))

    def test_lifespan(self) -> None:
        """The generator of a lifespan is shown, at both ends, with Starlette and FastAPI."""
        for framework in (Starlette, FastAPI):
            client = TestClient(framework(lifespan=hanging_lifespan), timeout=SHORT)
            with self.assert_deadline("lifespan.startup", place("hanging lifespan")):
                client.__enter__()
            client = TestClient(framework(lifespan=hanging_end_of_lifespan), timeout=SHORT)
            with self.assert_deadline("lifespan.shutdown", place("hanging end of lifespan")):
                with client:
                    pass

    @unittest.skipIf(ON_TRIO, "the application uses asyncio")
    def test_tasks_of_asyncio(self) -> None:
        """A task that the application awaits in asyncio's own ways is shown."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/gather":
                await asyncio.gather(hanging_background_task(), asyncio.sleep(0))
            elif scope["path"] == "/wait_for":
                await asyncio.wait_for(hanging_background_task(), None)
            elif scope["path"] == "/task":
                await asyncio.create_task(hanging_background_task())
            elif scope["path"] == "/thread":
                await asyncio.to_thread(blocking_endpoint, Request(scope))
            else:
                await PlainTextResponse("ok")(scope, receive, send)

        for path in ("/gather", "/wait_for", "/task"):
            self.assert_shown(app, path, "hanging background task", (False,))
        self.assert_shown(app, "/thread", "blocking endpoint", (False,))


# -- debuggers ------------------------------------------------------------------------------------


class DebuggerTest(DeadlineTestCase):
    """No deadline counts while somebody is debugging."""

    def setUp(self) -> None:
        """Make a client, and restore what measures coverage."""
        super().setUp()
        self.client = self.enter_client(self.app, timeout=SHORT)
        self.addCleanup(sys.settrace, sys.gettrace())

    @contextlib.contextmanager
    def released_by_question(self, answer: Callable[[], bool]) -> Iterator[list[bool]]:
        """Let the application go on when it was asked for the third time who is debugging.

        :param answer: tells whether somebody is
        """
        asked: list[bool] = []

        def ask() -> bool:
            asked.append(answer())
            if len(asked) == 3:
                self.client.portal.post(lambda: self.app.event.set())
            return asked[-1]

        with mock.patch("asgitest._portal.is_debugging", ask):
            yield asked
        self.assertEqual([True] * 3, asked[:3])

    def test_request(self) -> None:
        """A request goes on for as long as the debugger is there."""
        with self.released_by_question(lambda: True):
            self.assertEqual("ok", self.client.get("/wait").text)

    def test_receive(self) -> None:
        """A receive goes on for as long as the debugger is there."""
        with self.client.websocket_connect("/send_later") as websocket:
            with self.released_by_question(lambda: True):
                self.assertEqual("at last", websocket.receive_text())

    def test_debugger_that_leaves(self) -> None:
        """The deadline counts again when the debugger is gone."""
        answers = iter([True, True, False])
        with mock.patch("asgitest._portal.is_debugging", lambda: next(answers)):
            with self.assertRaises(RequestDeadlineExceeded):
                self.client.get("/sleep")

    def test_bdb(self) -> None:
        """bdb's trace function in the test's thread is such a debugger."""
        debugger = bdb.Bdb()
        debugger.reset()
        with self.released_by_question(is_debugging):
            sys.settrace(debugger.trace_dispatch)
            try:
                response = self.client.get("/wait")
            finally:
                sys.settrace(None)
        self.assertEqual("ok", response.text)

    @unittest.skipIf(sys.version_info < (3, 12), "sys.monitoring came with Python 3.12")
    def test_monitoring(self) -> None:
        """A tool that took the debugger's id is such a debugger."""
        monitoring: Any = sys.monitoring
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "debugger of this test")
        try:
            with self.released_by_question(is_debugging):
                self.assertEqual("ok", self.client.get("/wait").text)
        finally:
            monitoring.free_tool_id(monitoring.DEBUGGER_ID)

    def test_coverage(self) -> None:
        """A tracer that only measures is none: the deadline counts."""

        def measure(frame: Any, event: str, argument: Any) -> Any:
            return measure

        sys.settrace(measure)
        try:
            with self.assertRaises(RequestDeadlineExceeded):
                self.client.get("/sleep")
        finally:
            sys.settrace(None)


class QuietTest(DeadlineTestCase):
    """A deadline writes nothing to the console."""

    def test_stderr(self) -> None:
        """Neither the application nor its loop is heard of on stderr, when all is over."""
        console = io.StringIO()
        with mock.patch("sys.stderr", console):
            with TestClient(self.app, timeout=SHORT) as client:
                for path in ("/sleep", "/block", "/deaf"):
                    with self.assertRaises(DeadlineExceeded):
                        client.get(path)
            self.end_threads()
        self.assertEqual("", console.getvalue())
