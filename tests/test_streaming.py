"""Responses that are read while the application runs, and what becomes of its exceptions."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.metadata
import io
import os
import sys
import threading
import tracemalloc
import unittest
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import anyio.to_thread
import requests
from starlette.requests import Request
from starlette.responses import StreamingResponse

from asgitest import (
    ASGITestError,
    ASGIWarning,
    ClientDisconnected,
    ProtocolError,
    RequestDeadlineExceeded,
    TestClient,
    _http_connection,
)
from tests.base import CleanTestCase, on_thread

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

MIB = 1024 * 1024
#: Bytes that may lie unread before send() waits.
LIMIT = 256 * 1024

#: Whether the tests run on asyncio or uvloop, by name of the environment's choice.
ON_ASYNCIO = os.environ.get("ASGITEST_BACKEND") != "trio"

#: Whether worker threads of asyncio keep what they ran last until they run something else.
WORKERS_KEEP = ON_ASYNCIO and importlib.metadata.version("anyio").startswith("3.")

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
END: dict[str, Any] = {"type": "http.response.body", "body": b""}


def piece(body: bytes) -> dict[str, Any]:
    """Return a body message after which more will come."""
    return {"type": "http.response.body", "body": body, "more_body": True}


async def wait_for_disconnect(receive: Any) -> None:
    """Receive until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def clean_up(log: list[str]) -> None:
    """Clean up as applications do: with awaits, cancelled or not."""
    with anyio.CancelScope(shield=True):
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
    log.append("cleaned up")


class Gate:
    """An event between test and application; each side may open it or wait for it.

    :param client: the client whose application waits
    """

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self._event = client.call(anyio.Event)

    async def wait(self) -> None:
        """Wait in the application until the test opens the gate."""
        await self._event.wait()

    def open(self) -> None:
        """Open the gate, from the test."""
        self._client.call(self.open_on_the_loop)

    def open_on_the_loop(self) -> None:
        """Open the gate, on the loop."""
        self._event.set()


class StreamTestCase(CleanTestCase):
    """A test case with shorthands for streams."""

    def stream(self, app: Any, url: str = "/", **options: Any) -> requests.Response:
        """Return a streamed response, which the test closes.

        :param app: the application
        :param url: URL of the request
        :param options: those of the client
        """
        return self.new_client(app, **options).get(url, stream=True)

    def settle(self, client: TestClient) -> None:
        """Let the application run until it waits for something."""
        client.call(anyio.wait_all_tasks_blocked)


class StartTest(StreamTestCase):
    """A streamed call returns at the start of the response."""

    def test_returns_at_the_start(self) -> None:
        """The call returns when http.response.start was sent, before any body."""
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "status": 201, "headers": [(b"x-a", b"1")]})
            await gates[0].wait()
            await send({"type": "http.response.body", "body": b"late"})

        client = self.new_client(application)
        gates.append(Gate(client))
        with client.get("/", stream=True) as response:
            self.assertEqual(201, response.status_code)
            self.assertEqual("1", response.headers["x-a"])
            gates[0].open()

            self.assertEqual(b"late", response.content)

    def test_buffered_call_holds_the_start_back(self) -> None:
        """Without stream=True the call returns when the application has returned."""
        order: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(END)
            await anyio.lowlevel.checkpoint()
            order.append("background work")

        self.new_client(application).get("/")
        order.append("returned")

        self.assertEqual(["background work", "returned"], order)

    def test_session_that_streams(self) -> None:
        """stream = True on the client does it for every request."""
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await gates[0].wait()
            await send(END)

        client = self.new_client(application)
        client.stream = True
        gates.append(Gate(client))
        with client.get("/"):
            gates[0].open()

    def test_two_streams_at_once(self) -> None:
        """Several responses may stream at the same time, and other requests be made meanwhile."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            name = scope["path"][1:].encode()
            await send(START)
            if name == b"plain":
                await send({"type": "http.response.body", "body": name})
                return
            for number in range(3):
                await send(piece(name + b"%d " % number))
            await send(END)

        client = self.new_client(application)
        with client.get("/a", stream=True) as first, client.get("/b", stream=True) as second:
            self.assertEqual("plain", client.get("/plain").text)
            self.assertEqual(b"b0 b1 b2 ", second.content)
            self.assertEqual(b"a0 a1 a2 ", first.content)

    def test_no_response(self) -> None:
        """An application that returns without a response breaks its rule in a stream, too."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            return

        with self.assertRaisesRegex(ProtocolError, "HTTP-BODY-07"):
            self.stream(application)

    def test_deadline_of_the_start(self) -> None:
        """The wait for the start has a deadline."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await anyio.sleep_forever()

        with self.assertRaisesRegex(RequestDeadlineExceeded, "to start its response"):
            self.stream(application, timeout=0.2)


class PiecesTest(StreamTestCase):
    """Each piece can be read as soon as it was sent."""

    def test_each_piece_at_once(self) -> None:
        """A piece is there before the application goes on to the next."""
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            for number in range(3):
                await send(piece(b"%d" % number))
                await gates[number].wait()
            await send(END)

        client = self.new_client(application)
        gates.extend(Gate(client) for _ in range(3))
        for read in (
            lambda response: response.iter_content(None),
            lambda response: response.iter_content(512),
            lambda response: response.iter_content(1),
            lambda response: response.raw.stream(4096),
            lambda response: iter(lambda: response.raw.read(1), b""),
            lambda response: iter(lambda: response.raw.read1(100), b""),
        ):
            gates[:] = [Gate(client) for _ in range(3)]
            with client.get("/", stream=True) as response:
                pieces = read(response)
                for number in range(3):
                    self.assertEqual(b"%d" % number, next(pieces))
                    gates[number].open()

                self.assertEqual([], list(pieces))

    def test_pieces_that_lie_ready(self) -> None:
        """Pieces that were sent one after the other come in order, and none is lost."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            for number in range(100):
                await send(piece(b"%d," % number))
            await send(END)

        client = self.new_client(application)
        with client.get("/", stream=True) as response:
            self.settle(client)

            self.assertEqual(
                b"".join(b"%d," % number for number in range(100)),
                b"".join(response.iter_content(None)),
            )

    def test_one_hop_for_all_that_lies_ready(self) -> None:
        """Whatever lies ready is fetched from the loop at once, not piece by piece."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            for _ in range(100):
                await send(piece(b"x"))
            await send(END)

        client = self.new_client(application)
        with client.get("/", stream=True) as response:
            self.settle(client)
            portal = client.portal
            with mock.patch.object(portal, "wait_for", wraps=portal.wait_for) as wait_for:
                pieces = list(response.iter_content(None))

            self.assertEqual(100, len(pieces))
            self.assertEqual(1, wait_for.call_count)

    def test_empty_pieces(self) -> None:
        """A message without bytes is no piece, and no end."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            for body in (b"", b"a", b"", b"b", b""):
                await send(piece(body))
            await send(END)

        with self.stream(application) as response:
            pieces = list(response.iter_content(None))

        self.assertEqual(b"ab", b"".join(pieces))
        self.assertNotIn(b"", pieces)

    def test_server_sent_events(self) -> None:
        """iter_lines() gives the lines of an event without waiting for the next event."""
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "headers": [(b"content-type", b"text/event-stream")]})
            for number, gate in enumerate(gates):
                await send(piece(b"event: tick\ndata: %d\n\n" % number))
                await gate.wait()
            await send(END)

        client = self.new_client(application)
        for options in ({}, {"chunk_size": 1}, {"decode_unicode": True}):
            gates[:] = [Gate(client) for _ in range(3)]
            with client.get("/", stream=True) as response:
                response.encoding = "utf-8"
                lines = response.iter_lines(**options)
                for number in range(3):
                    with self.subTest(options=options, number=number):
                        # The empty line that ends an event came with it.
                        event = [next(lines), next(lines), next(lines)]
                        text = [line if isinstance(line, str) else line.decode() for line in event]

                        self.assertEqual(["event: tick", f"data: {number}", ""], text)
                    gates[number].open()

    def test_publish_and_read(self) -> None:
        """A test opens a stream, publishes with the same client, then reads."""
        queues: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] == "POST":
                await queues[0][0].send((await receive())["body"])
                await send(START)
                await send(END)
                return
            await send(START)
            async for message in queues[0][1]:
                await send(piece(b"data: " + message + b"\n\n"))
            await send(END)

        client = self.new_client(application)
        queues.append(client.call(anyio.create_memory_object_stream, 10))
        with client.get("/events", stream=True) as response:
            lines = (line for line in response.iter_lines() if line)
            for message in (b"one", b"two"):
                client.post("/publish", data=message)

                self.assertEqual(b"data: " + message, next(lines))
            client.call(queues[0][0].close)

            self.assertEqual([], list(lines))
        client.call(queues[0][1].close)

    def test_compressed_pieces(self) -> None:
        """A compressed stream that is flushed after each event can be read event by event."""
        import zlib

        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            compressor = zlib.compressobj(wbits=31)
            await send({**START, "headers": [(b"content-encoding", b"gzip")]})
            for number, gate in enumerate(gates):
                text = compressor.compress(b"%d\n" % number) + compressor.flush(zlib.Z_SYNC_FLUSH)
                await send(piece(text))
                await gate.wait()
            await send({"type": "http.response.body", "body": compressor.flush()})

        client = self.new_client(application)
        gates.extend(Gate(client) for _ in range(2))
        with client.get("/", stream=True) as response:
            lines = response.iter_lines()
            for number, gate in enumerate(gates):
                self.assertEqual(b"%d" % number, next(lines))
                gate.open()

            self.assertEqual([], list(lines))

    def test_deadline_of_a_piece(self) -> None:
        """Each wait for a piece has its deadline; what was sent before can be read."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"a"))
            await anyio.sleep_forever()

        with self.stream(application, timeout=0.2) as response:
            pieces = response.iter_content(None)

            self.assertEqual(b"a", next(pieces))
            with self.assertRaisesRegex(RequestDeadlineExceeded, "to send more of its response"):
                next(pieces)

    def test_timeout_of_the_request_is_that_of_its_pieces(self) -> None:
        """The timeout= of a streamed call holds for the reading as well."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await anyio.sleep_forever()

        with self.new_client(application).get("/", stream=True, timeout=0.2) as response:
            with self.assertRaisesRegex(RequestDeadlineExceeded, "^0.2 s passed"):
                response.content  # noqa: B018 - to read it

    def test_end_before_the_application_returns(self) -> None:
        """The end of the body can be read although the application goes on (HTTP-BODY-04)."""
        self.hurry()
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"whole"))
            await gates[0].wait()
            await send(END)
            await gates[1].wait()

        client = self.new_client(application)
        gates.extend(Gate(client) for _ in range(2))
        with client.get("/", stream=True) as response:
            pieces = response.iter_content(None)
            self.assertEqual(b"whole", next(pieces))
            gates[0].open()

            self.assertEqual([], list(pieces))

            gates[1].open()


class BackPressureTest(StreamTestCase):
    """The application waits while much lies unread."""

    def setUp(self) -> None:
        """Note what was sent."""
        super().setUp()
        self.sent = 0
        self.sizes: list[int] = []

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Send pieces of the sizes that the test names; count those whose send() returned."""
        await send(START)
        for size in self.sizes:
            await send(piece(b"x" * size))
            self.sent += 1
        await send(END)

    def test_waits_at_the_limit(self) -> None:
        """send() returns while less than 256 KiB is unread, and waits from there on."""
        table = [
            ([LIMIT - 1, 1, 1], 1),
            ([LIMIT, 1], 0),
            ([LIMIT - 1, 0, 0, 1, 1], 3),
            ([64 * 1024] * 10, 3),
            ([2 * LIMIT, 1], 0),
            ([LIMIT // 2] * 4, 1),
            ([1] * 100, 100),
        ]
        for sizes, returned in table:
            with self.subTest(sizes=sizes):
                self.sizes, self.sent = sizes, 0
                client = self.new_client(self.application)
                with client.get("/", stream=True) as response:
                    self.settle(client)

                    self.assertEqual(returned, self.sent)
                    self.assertEqual(sum(sizes), len(response.content))
                self.assertEqual(len(sizes), self.sent)

    def test_reader_takes_all_there_is(self) -> None:
        """One read takes all that lies ready, and the application can go on."""
        self.sizes = [LIMIT // 4] * 12
        client = self.new_client(self.application)
        with client.get("/", stream=True) as response:
            self.settle(client)
            self.assertEqual(3, self.sent)
            next(response.iter_content(1))
            self.settle(client)

            # Four pieces went to the reader, three more may lie here.
            self.assertEqual(7, self.sent)

            response.close()

    def test_not_without_streaming(self) -> None:
        """A buffered response is not held up."""
        self.sizes = [LIMIT] * 8

        self.assertEqual(8 * LIMIT, len(self.new_client(self.application).get("/").content))

    def test_report_says_what_is_awaited(self) -> None:
        """An application that ignores the reader's absence is found waiting in send()."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                await send(piece(b"x" * LIMIT))
                log.append("went on")
                await send(END)
            finally:
                log.append("ended")

        client = self.new_client(application)
        with client.get("/", stream=True) as response:
            self.settle(client)
            self.assertEqual([], log)
            self.assertEqual(LIMIT, len(response.content))

        self.assertEqual(["went on", "ended"], log)

    def test_close_frees_the_waiting_application(self) -> None:
        """Closing the response lets a send() that waits return."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"x" * LIMIT))
            log.append("returned")
            log.append((await receive())["type"])
            log.append((await receive())["type"])

        client = self.new_client(application)
        response = client.get("/", stream=True)
        self.settle(client)
        self.assertEqual([], log)
        response.close()

        self.assertEqual(["returned", "http.request", "http.disconnect"], log)


class EndlessTest(StreamTestCase):
    """Responses without an end."""

    async def endless(self, scope: Any, receive: Any, send: Any) -> None:
        """Send for ever, as long as somebody is there."""
        await send(START)
        while True:
            await send(piece(bytes(64 * 1024)))

    def test_constant_memory(self) -> None:
        """64 MiB of an endless response pass through a few MiB of memory."""
        client = self.new_client(self.endless, spec_version="2.4")
        client.get("/", stream=True).close()
        tracemalloc.start()
        try:
            with client.get("/", stream=True) as response:
                size = 0
                for part in response.iter_content(None):
                    size += len(part)
                    if size >= 64 * MIB:
                        break
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        self.assertLess(peak, 4 * MIB)

    def test_few_lines_of_many(self) -> None:
        """A test may read a few lines of an endless response and leave."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            number = 0
            while True:
                await send(piece(b"%d\n" % number))
                number += 1

        with self.stream(application, spec_version="2.4") as response:
            lines = response.iter_lines()

            self.assertEqual([b"0", b"1", b"2"], [next(lines) for _ in range(3)])

    def test_buffered(self) -> None:
        """An endless response that is not streamed ends at a limit, with a hint."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            try:
                await self.endless(scope, receive, send)
            finally:
                await clean_up(log)

        for raises in (True, False):
            log.clear()
            client = self.new_client(application, raise_server_exceptions=raises)
            with mock.patch.object(_http_connection, "BUFFER_LIMIT", 2 * MIB):
                with self.subTest(raises=raises):
                    with self.assertRaisesRegex(ASGITestError, r"2 MiB.*stream=True"):
                        client.get("/")

                    self.assertEqual(["cleaned up"], log)

    def test_buffered_up_to_the_limit(self) -> None:
        """A response of just that size is none too large."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(bytes(1000)))
            await send({"type": "http.response.body", "body": bytes(24)})

        client = self.new_client(application)
        with mock.patch.object(_http_connection, "BUFFER_LIMIT", 1024):
            self.assertEqual(1024, len(client.get("/").content))
        with mock.patch.object(_http_connection, "BUFFER_LIMIT", 1023):
            with self.assertRaises(ASGITestError):
                client.get("/")
            self.assertEqual(1024, len(client.get("/", stream=True).content))


class CloseTest(StreamTestCase):
    """Closing a streamed response tells the application."""

    def test_disconnect(self) -> None:
        """After close() receive() gives http.disconnect, once and again."""
        for spec_version in ("2.3", "2.4"):
            events: list[str] = []

            async def application(
                scope: Any, receive: Any, send: Any, events: list[str] = events
            ) -> None:
                await send(START)
                for _ in range(4):
                    events.append((await receive())["type"])

            with self.subTest(spec_version=spec_version):
                self.stream(application, spec_version=spec_version).close()

                self.assertEqual(["http.request", *["http.disconnect"] * 3], events)

    def test_close_waits_for_the_application(self) -> None:
        """When close() returns, the application has come to its end."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            try:
                await send(START)
                await wait_for_disconnect(receive)
            finally:
                await clean_up(log)

        for leave in (
            lambda response: response.close(),
            lambda response: response.raw.close(),
            lambda response: response.__exit__(None, None, None),
        ):
            log.clear()
            leave(self.stream(application))

            self.assertEqual(["cleaned up"], log)

    def test_use_on_the_loop(self) -> None:
        """Reading and closing on the loop, which would wait for itself, is refused and harmless."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"a"))
            await wait_for_disconnect(receive)
            log.append("disconnected")

        client = self.new_client(application)
        response = client.get("/", stream=True)
        for use in (response.close, lambda: next(response.iter_content(None))):
            with self.assertRaisesRegex(ASGITestError, "own thread"):
                client.call(use)
        self.assertEqual(b"a", next(response.iter_content(None)))
        self.assertEqual([], log)
        response.close()
        self.assertEqual(["disconnected"], log)

    def test_leaving_the_block(self) -> None:
        """Leaving the block of the response closes it, with an error in it too."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            try:
                await send(START)
                await send(piece(b"a"))
                await wait_for_disconnect(receive)
            finally:
                await clean_up(log)

        with self.stream(application) as response:
            next(response.iter_content(None))
        self.assertEqual(["cleaned up"], log)

        with self.assertRaisesRegex(ValueError, "mine"):
            with self.stream(application):
                raise ValueError("mine")
        self.assertEqual(["cleaned up"] * 2, log)

    def test_send_raises_from_2_4_on(self) -> None:
        """send() to a client that left raises ClientDisconnected, an OSError (HTTP-DISC-04)."""
        errors: list[BaseException] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                while True:
                    await send(piece(b"a"))
            except OSError as error:
                errors.append(error)
                raise

        for spec_version in ("2.4", "2.5"):
            with self.subTest(spec_version=spec_version):
                with self.stream(application, spec_version=spec_version) as response:
                    next(response.iter_content(None))

                self.assertIs(ClientDisconnected, type(errors[-1]))
                self.assertIsInstance(errors[-1], OSError)

    def test_disconnect_is_no_failure(self) -> None:
        """The error may come out of the application in whatever guise (ERR-06)."""

        def in_a_group(error: OSError) -> BaseException:
            return ExceptionGroup("group", [ExceptionGroup("inner", [error])])

        def as_context(error: OSError) -> BaseException:
            other = RuntimeError("the client is gone")
            other.__context__ = error
            return other

        def as_cause(error: OSError) -> BaseException:
            other = RuntimeError("the client is gone")
            other.__cause__ = error
            return other

        guises: list[Callable[[OSError], BaseException]] = [
            lambda error: error,
            in_a_group,
            as_context,
            as_cause,
            lambda error: in_a_group(as_cause(error)),  # type: ignore[arg-type]
        ]
        for guise in guises:

            async def application(scope: Any, receive: Any, send: Any, guise: Any = guise) -> None:
                await send(START)
                try:
                    while True:
                        await send(piece(b"a"))
                except OSError as error:
                    disguised = guise(error)
                raise disguised

            with self.subTest(guise=guise):
                self.stream(application, spec_version="2.4").close()

    def test_disconnect_while_the_client_is_there(self) -> None:
        """An application that raises the error although nobody left has failed."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise ClientDisconnected("made up")

        with self.assertRaisesRegex(ClientDisconnected, "made up"):
            self.new_client(application).get("/")

    def test_other_errors_are_failures(self) -> None:
        """An error of the application's own is raised by close(), also beside a disconnect."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await wait_for_disconnect(receive)
            raise LookupError("in the clean-up")

        async def both(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                while True:
                    await send(piece(b"a"))
            except OSError as error:
                group = ExceptionGroup("both", [error, LookupError("in the clean-up")])
            raise group

        for app, kind in ((application, LookupError), (both, ExceptionGroup)):
            response = self.stream(app, spec_version="2.4")
            with self.assertRaises(kind):
                response.close()
            # It was raised, and is not raised again.
            response.close()

    def test_hidden_errors_of_the_clean_up(self) -> None:
        """With raise_server_exceptions=False an error after close() is nobody's business."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await wait_for_disconnect(receive)
            raise LookupError("hidden")

        self.stream(application, raise_server_exceptions=False).close()

    def test_incomplete_response_is_no_violation(self) -> None:
        """After the disconnect an application may return where it stands (HTTP-DISC-05)."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await wait_for_disconnect(receive)

        self.stream(application).close()

    def test_violation_before_close(self) -> None:
        """A rule that was broken before close() is raised by it."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            with contextlib.suppress(Exception):
                await send(START)
            await wait_for_disconnect(receive)

        client = self.new_client(application)
        response = client.get("/", stream=True)
        self.settle(client)
        with self.assertRaisesRegex(ProtocolError, "HTTP-START-01"):
            response.close()

    def test_had_to_be_cancelled(self) -> None:
        """An application that ignores the disconnect is cancelled, and the test is warned."""
        self.hurry()
        log: list[str] = []

        async def ignores(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                await anyio.sleep_forever()
            finally:
                await clean_up(log)

        async def floods(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                while True:
                    await send(piece(b"x" * 1000))
            finally:
                await clean_up(log)

        for application in (ignores, floods):
            with self.subTest(application=application.__name__):
                log.clear()
                response = self.stream(application, url="/abandoned", spec_version="2.3")
                with self.assertWarnsRegex(
                    ASGIWarning, "had to be cancelled.*/abandoned"
                ) as caught:
                    response.close()

                self.assertEqual(__file__, caught.filename)
                self.assertEqual(["cleaned up"], log)

    def test_client_goes_on(self) -> None:
        """After an early close the client makes further requests."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            if scope["path"] == "/endless":
                await wait_for_disconnect(receive)
            else:
                await send({"type": "http.response.body", "body": b"fine"})

        client = self.new_client(application)
        for _ in range(3):
            client.get("/endless", stream=True).close()

            self.assertEqual("fine", client.get("/").text)

    def test_close_twice(self) -> None:
        """A response can be closed twice, and after it was read."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"whole"})

        response = self.stream(application)
        self.assertEqual(b"whole", response.content)
        response.close()
        response.close()

        self.assertEqual(b"whole", response.content)

    def test_reading_after_close(self) -> None:
        """A response that was closed early has nothing more to read."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"a" * 10))
            await wait_for_disconnect(receive)

        response = self.stream(application)
        pieces = response.iter_content(5)
        next(pieces)
        response.close()

        self.assertEqual([], [part for part in pieces if part != b"a" * 5])
        self.assertEqual(b"", response.raw.read())

    def test_unclosed(self) -> None:
        """A response that is open when its client is closed is closed, with a ResourceWarning."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise NotImplementedError(scope["type"])
            await send(START)
            try:
                await wait_for_disconnect(receive)
            finally:
                await clean_up(log)

        client = TestClient(application)
        with self.assertWarnsRegex(ResourceWarning, "GET http://testserver/forgotten"):
            with client:
                response = client.get("/forgotten", stream=True)
        self.assertEqual(["cleaned up"], log)
        response.close()

    def test_forgotten(self) -> None:
        """A response that nobody holds any more tells the application that the client left."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                await wait_for_disconnect(receive)
            finally:
                await clean_up(log)

        client = self.new_client(application)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client.get("/forgotten", stream=True)
            gc.collect()
            client.close()

        self.assertEqual(["cleaned up"], log)
        self.assertEqual([ResourceWarning], [warning.category for warning in caught])

    @on_thread("threads of the test use one client")
    def test_close_in_another_thread(self) -> None:
        """A response may be closed by another thread than the one that opened it."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await wait_for_disconnect(receive)
            await clean_up(log)

        response = self.stream(application)
        thread = threading.Thread(target=response.close)
        thread.start()
        thread.join()

        self.assertEqual(["cleaned up"], log)

    def test_upload_that_is_unfinished(self) -> None:
        """Closing the response in mid-upload is a disconnect, and the generator is left."""
        events: list[str] = []
        made: list[int] = []

        def body() -> Iterator[bytes]:
            for number in range(100):
                made.append(number)
                yield b"a"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            events.append((await receive())["type"])
            await send(START)
            while events[-1] != "http.disconnect":
                events.append((await receive())["type"])

        self.new_client(application).post("/", data=body(), stream=True).close()

        self.assertEqual(["http.request", "http.disconnect"], events)
        self.assertEqual([0], made)


class GeneratorsTest(StreamTestCase):
    """finally blocks of generators have run when close() returns."""

    def check(self, application: Callable[[list[str]], Any], spec_version: str) -> None:
        """Assert that an application has cleaned up when an early close returns.

        :param application: builds one that sends for ever, given the list to log to
        :param spec_version: what to announce
        """
        log: list[str] = []
        client = self.new_client(application(log), spec_version=spec_version)
        with self.subTest(spec_version=spec_version):
            with client.get("/", stream=True) as response:
                self.assertEqual(b"first", next(response.iter_lines()))
            if WORKERS_KEEP:
                client.call(anyio.to_thread.run_sync, int)
            self.assertEqual(["cleaned up"], log)

    def test_raw_application(self) -> None:
        """An async generator that a raw application iterates is closed."""

        def application(log: list[str]) -> Any:
            async def lines() -> AsyncIterator[bytes]:
                try:
                    yield b"first\n"
                    while True:
                        await anyio.lowlevel.checkpoint()
                        yield b"next\n"
                finally:
                    await clean_up(log)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await send(START)
                async for line in lines():
                    await send(piece(line))

            return app

        self.check(application, "2.4")

    def test_raw_application_that_listens(self) -> None:
        """On version 2.3 an application listens for the disconnect beside its work."""

        def application(log: list[str]) -> Any:
            async def lines() -> AsyncIterator[bytes]:
                try:
                    yield b"first\n"
                    while True:
                        await anyio.lowlevel.checkpoint()
                        yield b"next\n"
                finally:
                    await clean_up(log)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await send(START)
                async with anyio.create_task_group() as tasks:

                    async def work() -> None:
                        async for line in lines():
                            await send(piece(line))

                    tasks.start_soon(work)
                    await wait_for_disconnect(receive)
                    tasks.cancel_scope.cancel()

            return app

        for spec_version in ("2.3", "2.4"):
            self.check(application, spec_version)

    def test_starlette_async_generator(self) -> None:
        """Starlette's StreamingResponse with an async generator, on both of its branches."""

        def application(log: list[str]) -> Any:
            async def lines() -> AsyncIterator[bytes]:
                try:
                    yield b"first\n"
                    while True:
                        await anyio.lowlevel.checkpoint()
                        yield b"next\n"
                finally:
                    await clean_up(log)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await StreamingResponse(lines())(scope, receive, send)

            return app

        for spec_version in ("2.3", "2.4"):
            self.check(application, spec_version)

    def test_starlette_async_generator_that_waits(self) -> None:
        """It waits for something while the client leaves: listening, Starlette ends it."""

        def application(log: list[str]) -> Any:
            async def lines() -> AsyncIterator[bytes]:
                try:
                    yield b"first\n"
                    await anyio.sleep_forever()
                finally:
                    await clean_up(log)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await StreamingResponse(lines())(scope, receive, send)

            return app

        self.check(application, "2.3")

    def test_starlette_sync_generator(self) -> None:
        """Starlette's StreamingResponse with a plain generator, which runs in threads."""

        def application(log: list[str]) -> Any:
            def lines() -> Iterator[bytes]:
                try:
                    yield b"first\n"
                    while True:
                        yield b"next\n"
                finally:
                    log.append("cleaned up")

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await StreamingResponse(lines())(scope, receive, send)

            return app

        for spec_version in ("2.3", "2.4"):
            self.check(application, spec_version)

    def test_nested_generators(self) -> None:
        """Generators that generators iterate are closed, the outer first or the inner first."""

        def application(log: list[str]) -> Any:
            ends: list[str] = []

            async def inner() -> AsyncIterator[bytes]:
                try:
                    while True:
                        await anyio.lowlevel.checkpoint()
                        yield b"first\n"
                finally:
                    await clean_up(ends)

            async def outer() -> AsyncIterator[bytes]:
                try:
                    async for line in inner():
                        yield line
                finally:
                    await clean_up(ends)
                    if len(ends) == 2:
                        log.append("cleaned up")

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await StreamingResponse(outer())(scope, receive, send)

            async def logged(scope: Any, receive: Any, send: Any) -> None:
                await app(scope, receive, send)

            self.ends = ends
            return logged

        for spec_version in ("2.3", "2.4"):
            log: list[str] = []
            with self.stream(application(log), spec_version=spec_version) as response:
                next(response.iter_lines())

            self.assertEqual(["cleaned up"] * 2, self.ends)

    def test_dropped_by_the_application(self) -> None:
        """A generator that the application itself drops is closed when its call is over."""
        log: list[str] = []

        async def lines() -> AsyncIterator[bytes]:
            try:
                yield b"first\n"
                yield b"never read\n"
            finally:
                await clean_up(log)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            async for line in lines():
                await send(piece(line))
                break
            await send(END)

        client = self.new_client(application)
        self.assertEqual(b"first\n", client.get("/").content)
        self.assertEqual(["cleaned up"], log)

        with client.get("/", stream=True) as response:
            self.assertEqual(b"first\n", response.content)
        self.assertEqual(["cleaned up"] * 2, log)

    def test_clean_up_that_fails(self) -> None:
        """What a generator raises while it is closed is told when the client is closed."""

        async def lines() -> AsyncIterator[bytes]:
            try:
                while True:
                    await anyio.lowlevel.checkpoint()
                    yield b"first\n"
            finally:
                await anyio.lowlevel.checkpoint()
                raise LookupError("in the clean-up")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            async for line in lines():
                await send(piece(line))

        client = self.new_client(application, spec_version="2.4")
        with client.get("/", stream=True) as response:
            next(response.iter_lines())
        with self.assertWarnsRegex(ResourceWarning, "async generator.*in the clean-up"):
            client.close()


class BackgroundTest(StreamTestCase):
    """Work after the last body message."""

    @on_thread("the test waits for the application without the client")
    def test_close_waits_and_cancels_nothing(self) -> None:
        """After the whole response, close() waits for the application's own end."""
        log: list[str] = []
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"whole"})
            try:
                await gates[0].wait()
                await anyio.lowlevel.checkpoint()
                log.append("worked")
            except BaseException:
                log.append("cancelled")
                raise

        client = self.new_client(application)
        gates.append(Gate(client))
        response = client.get("/", stream=True)
        self.settle(client)
        opener = threading.Thread(target=gates[0].open)
        with response:
            opener.start()
        opener.join()

        self.assertEqual(["worked"], log)

    def test_buffered_call_waits(self) -> None:
        """A buffered call waits for the work, in worker threads too."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(END)
            await anyio.to_thread.run_sync(log.append, "worked")

        self.new_client(application).get("/")

        self.assertEqual(["worked"], log)

    def test_exception_in_the_background(self) -> None:
        """What the work raises is raised by the call; read or unread, a stream raises it."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"whole"})
            raise LookupError("in the background")

        client = self.new_client(application)
        with self.assertRaisesRegex(LookupError, "in the background"):
            client.get("/")
        with self.assertRaisesRegex(LookupError, "in the background"):
            with client.get("/", stream=True) as response:
                list(response.iter_content(None))
        with self.assertRaisesRegex(LookupError, "in the background"):
            client.get("/", stream=True).close()

    def test_end_of_the_body_waits_a_moment(self) -> None:
        """Reading the end gives the application a moment to return, or to raise."""
        gates: list[Gate] = []
        read_end = _http_connection.HTTPConnection.read_end

        async def read_end_and_open(connection: Any) -> Any:
            gates[0].open_on_the_loop()
            return await read_end(connection)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"whole"})
            await gates[0].wait()
            raise LookupError("in the background")

        client = self.new_client(application)
        gates.append(Gate(client))
        with mock.patch.object(_http_connection.HTTPConnection, "read_end", read_end_and_open):
            with client.get("/", stream=True) as response:
                pieces = response.iter_content(None)

                self.assertEqual(b"whole", next(pieces))
                with self.assertRaisesRegex(LookupError, "in the background"):
                    next(pieces)

    def test_exception_after_a_while(self) -> None:
        """What late work raises is raised by close(), at the latest."""
        gates: list[Gate] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"whole"})
            await gates[0].wait()
            raise LookupError("in the background")

        client = self.new_client(application)
        gates.append(Gate(client))
        response = client.get("/", stream=True)
        self.settle(client)
        gates[0].open()
        with self.assertRaisesRegex(LookupError, "in the background"):
            response.close()

    def test_starlette_background_task(self) -> None:
        """Starlette's background tasks have run when the call returns."""
        from starlette.background import BackgroundTask

        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope, receive)
            task = BackgroundTask(log.append, request.url.path)
            response = StreamingResponse(iter([b"a"]), background=task)
            await response(scope, receive, send)

        client = self.new_client(application)
        client.get("/1")
        with client.get("/2", stream=True) as response:
            self.assertEqual(b"a", response.content)

        self.assertEqual(["/1", "/2"], log)


class ExceptionTest(StreamTestCase):
    """Exceptions of the application reach the test."""

    async def failing(self, scope: Any, receive: Any, send: Any) -> None:
        """Fail where the path says."""
        if scope["path"] == "/at-once":
            raise LookupError("mine")
        await send(START)
        if scope["path"] == "/after-start":
            raise LookupError("mine")
        await send(piece(b"some"))
        if scope["path"] == "/in-body":
            raise LookupError("mine")
        await send({"type": "http.response.body", "body": b" more"})
        raise LookupError("mine")

    def test_buffered(self) -> None:
        """A buffered call raises it, wherever it happens."""
        client = self.new_client(self.failing)
        for path in ("/at-once", "/after-start", "/in-body", "/after-end"):
            with self.subTest(path=path), self.assertRaisesRegex(LookupError, "mine"):
                client.get(path)

    def test_traceback(self) -> None:
        """The traceback leads to the application's own line."""
        client = self.new_client(self.failing)
        for stream in (False, True):
            with self.subTest(stream=stream):
                try:
                    client.get("/in-body", stream=stream).close()
                    self.fail("nothing was raised")
                except LookupError as error:
                    names = []
                    traceback = error.__traceback__
                    while traceback is not None:
                        names.append(traceback.tb_frame.f_code.co_name)
                        traceback = traceback.tb_next

                self.assertEqual("failing", names[-1])

    def test_streamed_before_the_start(self) -> None:
        """Before the start a streamed call raises it."""
        with self.assertRaisesRegex(LookupError, "mine"):
            self.stream(self.failing, "/at-once")

    def test_streamed_after_the_start(self) -> None:
        """After the start the call returns, and the next read raises it."""
        response = self.stream(self.failing, "/after-start")

        self.assertEqual(200, response.status_code)
        with self.assertRaisesRegex(LookupError, "mine"):
            next(response.iter_content(None))
        response.close()

    def test_streamed_in_the_body(self) -> None:
        """What was sent before can be read, then it is raised: never a short success."""
        with self.stream(self.failing, "/in-body") as response:
            pieces = response.iter_content(None)

            self.assertEqual(b"some", next(pieces))
            with self.assertRaisesRegex(LookupError, "mine"):
                next(pieces)

    def test_streamed_content(self) -> None:
        """Reading the content at once raises it; so does each further read of the raw response."""
        with self.stream(self.failing, "/in-body") as response:
            with self.assertRaisesRegex(LookupError, "mine"):
                response.content  # noqa: B018 - to read it
            with self.assertRaisesRegex(LookupError, "mine"):
                response.raw.read()

    def test_streamed_after_the_end(self) -> None:
        """After the end the whole body can be read, then it is raised."""
        with self.stream(self.failing, "/after-end") as response:
            received = b""
            with self.assertRaisesRegex(LookupError, "mine"):
                for part in response.iter_content(None):
                    received += part

        self.assertEqual(b"some more", received)

    def test_streamed_and_never_read(self) -> None:
        """A response that is closed without being read raises it, whenever it happened."""
        client = self.new_client(self.failing)
        for path in ("/after-start", "/in-body", "/after-end"):
            for settles in (False, True):
                with self.subTest(path=path, settles=settles):
                    response = client.get(path, stream=True)
                    if settles:
                        self.settle(client)
                    with self.assertRaisesRegex(LookupError, "mine"):
                        response.close()
                    response.close()

    def test_raised_once(self) -> None:
        """What a read has raised, close() does not raise again."""
        response = self.stream(self.failing, "/in-body")
        with self.assertRaises(LookupError):
            response.content  # noqa: B018 - to read it
        response.close()

    def test_redirect(self) -> None:
        """An exception in a redirect is raised, even one that requests catches itself."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await send({**START, "status": 302, "headers": [(b"location", b"/next")]})
                raise RuntimeError("mine")
            await send(START)
            await send(END)

        client = self.new_client(application)
        for stream in (False, True):
            with self.subTest(stream=stream), self.assertRaisesRegex(RuntimeError, "mine"):
                client.get("/", stream=stream)

    def test_error_response_and_exception(self) -> None:
        """An application that answers 500 and raises, as Starlette does, raises by default."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "status": 500})
            await send({"type": "http.response.body", "body": b"oops"})
            raise LookupError("mine")

        with self.assertRaisesRegex(LookupError, "mine"):
            self.new_client(application).get("/")
        response = self.new_client(application, raise_server_exceptions=False).get("/")

        self.assertEqual((500, b"oops"), (response.status_code, response.content))

    def test_violation_comes_first(self) -> None:
        """A broken rule comes before the exception that followed it, which is its context."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            with contextlib.suppress(Exception):
                await send({"type": "http.response.body", "body": "text"})
            raise LookupError("mine")

        client = self.new_client(application)
        for stream in (False, True):
            with self.subTest(stream=stream):
                with self.assertRaisesRegex(ProtocolError, "HTTP-BODY-01") as caught:
                    with client.get("/", stream=stream) as response:
                        list(response.iter_content(None))
                self.assertIsInstance(caught.exception.__context__, LookupError)

    def test_violation_after_what_was_sent(self) -> None:
        """A broken rule in mid-body is raised after what was sent before it."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"some"))
            await send({"type": "http.response.body", "body": 5})

        with self.stream(application) as response:
            pieces = response.iter_content(None)

            self.assertEqual(b"some", next(pieces))
            with self.assertRaisesRegex(ProtocolError, "HTTP-BODY-01"):
                next(pieces)

    def test_violation_ends_the_application(self) -> None:
        """An application that goes on after a broken rule has ended when the response is closed."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                with contextlib.suppress(Exception):
                    await send({"type": "http.response.body", "body": 5})
                await anyio.sleep_forever()
            finally:
                await clean_up(log)

        with self.stream(application) as response:
            with self.assertRaisesRegex(ProtocolError, "HTTP-BODY-01"):
                list(response.iter_content(None))
        self.assertEqual(["cleaned up"], log)

    def test_violation_before_the_start(self) -> None:
        """After a broken rule the call raises, when the application has ended."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            with contextlib.suppress(Exception):
                await send(END)
            try:
                await wait_for_disconnect(receive)
            finally:
                await clean_up(log)

        with self.assertRaisesRegex(ProtocolError, "HTTP-START-01"):
            self.stream(application)
        self.assertEqual(["cleaned up"], log)

    def test_incomplete(self) -> None:
        """An application that returns in mid-body breaks a rule; the data comes first."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(piece(b"some"))

        with self.stream(application) as response:
            pieces = response.iter_content(None)

            self.assertEqual(b"some", next(pieces))
            with self.assertRaisesRegex(ProtocolError, "HTTP-BODY-06"):
                next(pieces)


class HiddenExceptionTest(StreamTestCase):
    """raise_server_exceptions=False: what a server would make of exceptions."""

    def setUp(self) -> None:
        """Build the client."""
        super().setUp()
        self.client = self.new_client(self.failing, raise_server_exceptions=False)

    async def failing(self, scope: Any, receive: Any, send: Any) -> None:
        """Send as many messages as the path names, then fail."""
        body = {"type": "http.response.body", "body": b" more"}
        messages = [{**START, "headers": [(b"x-a", b"1")]}, piece(b"some"), body]
        for message in messages[: int(scope["path"][1:])]:
            await send(message)
        raise LookupError("mine")

    def assert_is_500(self, response: requests.Response) -> None:
        """Assert that a response is the one of a server whose application failed."""
        self.assertEqual(500, response.status_code)
        self.assertEqual("Internal Server Error", response.text)
        self.assertEqual("21", response.headers["content-length"])
        self.assertNotIn("x-a", response.headers)

    def test_nothing_sent(self) -> None:
        """Nothing was sent: a 500, streamed or not."""
        for stream in (False, True):
            with self.subTest(stream=stream), self.client.get("/0", stream=stream) as response:
                self.assert_is_500(response)

    def test_before_the_body(self) -> None:
        """Buffered, and raised before the first body message: a 500, as nothing was flushed."""
        self.assert_is_500(self.client.get("/1"))

    def test_streamed_after_the_start(self) -> None:
        """Streamed after the start: the start as sent, then a broken response."""
        with self.client.get("/1", stream=True) as response:
            self.assertEqual(200, response.status_code)
            self.assertEqual("1", response.headers["x-a"])
            with self.assertRaises(requests.exceptions.ChunkedEncodingError):
                response.content  # noqa: B018 - to read it

    def test_in_the_body(self) -> None:
        """Buffered in mid-body: a broken response."""
        with self.assertRaises(requests.exceptions.ChunkedEncodingError) as caught:
            self.client.get("/2")
        self.assertIn("mine", str(caught.exception))

    def test_streamed_in_the_body(self) -> None:
        """Streamed in mid-body: what was sent, then a broken response."""
        with self.client.get("/2", stream=True) as response:
            pieces = response.iter_content(None)

            self.assertEqual(b"some", next(pieces))
            with self.assertRaises(requests.exceptions.ChunkedEncodingError):
                next(pieces)

    def test_after_the_end(self) -> None:
        """After the whole response: the response as sent."""
        for stream in (False, True):
            with self.subTest(stream=stream), self.client.get("/3", stream=stream) as response:
                self.assertEqual(200, response.status_code)
                self.assertEqual(b"some more", response.content)

    def test_closed_early(self) -> None:
        """A stream that is closed early raises nothing."""
        for path in ("/1", "/2", "/3"):
            self.client.get(path, stream=True).close()

    def test_cause_is_told(self) -> None:
        """The broken response names the application's exception as a cause, for who looks."""
        with self.assertRaises(requests.exceptions.ChunkedEncodingError) as caught:
            self.client.get("/2")
        causes: list[BaseException] = []
        link: BaseException | None = caught.exception
        while link is not None:
            causes.append(link)
            link = link.__cause__ or link.__context__

        self.assertIn(LookupError, [type(error) for error in causes])

    def test_redirect_that_breaks_off(self) -> None:
        """A streamed redirect whose body breaks off is followed, as requests follows it."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/":
                await send({**START, "status": 302, "headers": [(b"location", b"/next")]})
                raise LookupError("mine")
            await send(START)
            await send({"type": "http.response.body", "body": b"next"})

        client = self.new_client(application, raise_server_exceptions=False)
        with client.get("/", stream=True) as response:
            self.assertEqual(b"next", response.content)

    def test_violations_are_raised(self) -> None:
        """A broken rule is raised all the same."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": "200"})

        client = self.new_client(application, raise_server_exceptions=False)
        for stream in (False, True):
            with self.subTest(stream=stream):
                with self.assertRaisesRegex(ProtocolError, "HTTP-START-02"):
                    client.get("/", stream=stream)

    def test_violation_that_was_swallowed(self) -> None:
        """Also one that the application swallowed and answered 500 to."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            try:
                await send({"type": "http.response.start", "status": "200"})
            except Exception:
                await send({**START, "status": 500})
                await send(END)

        with self.assertRaisesRegex(ProtocolError, "HTTP-START-02"):
            self.new_client(application, raise_server_exceptions=False).get("/")

    def test_deadlines_are_raised(self) -> None:
        """A deadline is no exception of the application."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await anyio.sleep_forever()

        with self.assertRaises(RequestDeadlineExceeded):
            self.new_client(application, raise_server_exceptions=False, timeout=0.2).get("/")

    def test_every_kind(self) -> None:
        """Every kind of exception becomes a 500, those that end programs included."""
        for kind in (ValueError, AssertionError, SystemExit, KeyboardInterrupt, GeneratorExit):

            async def application(
                scope: Any, receive: Any, send: Any, kind: type[BaseException] = kind
            ) -> None:
                raise kind

            with self.subTest(kind=kind):
                client = self.new_client(application, raise_server_exceptions=False)

                self.assert_is_500(client.get("/"))
                self.assert_is_500(client.get("/"))


class GroupTest(StreamTestCase):
    """Exception groups."""

    @staticmethod
    def raising(error: BaseException) -> Any:
        """Return an application that raises an exception, after the start if it is asked to."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/started":
                await send(START)
            raise error

        return application

    def test_group_of_one(self) -> None:
        """The only exception of a group is raised, with the group as its context."""
        error = LookupError("mine")
        group = ExceptionGroup("group", [error])
        with self.assertRaises(LookupError) as caught:
            self.new_client(self.raising(group)).get("/")

        self.assertIs(error, caught.exception)
        self.assertIs(group, caught.exception.__context__)

    def test_nested_groups(self) -> None:
        """Groups in groups are unwrapped as well."""
        error = LookupError("mine")
        group = ExceptionGroup("1", [ExceptionGroup("2", [ExceptionGroup("3", [error])])])
        for path in ("/", "/started"):
            with self.subTest(path=path), self.assertRaises(LookupError) as caught:
                with self.new_client(self.raising(group)).get(path, stream=True) as response:
                    list(response.iter_content())
            self.assertIs(error, caught.exception)

    def test_larger_groups(self) -> None:
        """A group of two is raised as it is, also inside of a group of one."""
        two = ExceptionGroup("two", [LookupError("1"), ValueError("2")])
        for group in (two, ExceptionGroup("one", [two])):
            with self.subTest(group=group), self.assertRaises(ExceptionGroup) as caught:
                self.new_client(self.raising(group)).get("/")
            self.assertIs(two, caught.exception)

    def test_base_exception_group(self) -> None:
        """A group of one that ends programs is unwrapped, too."""
        with self.assertRaises(SystemExit):
            self.new_client(self.raising(BaseExceptionGroup("one", [SystemExit(3)]))).get("/")

    def test_task_group(self) -> None:
        """What one task of a task group raises is raised as itself."""
        # Old versions of anyio use what old versions of trio warn of.
        warnings.filterwarnings("ignore", "trio.MultiError is deprecated")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            async def fail() -> None:
                raise LookupError("mine")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)
                await anyio.sleep_forever()

        with self.assertRaisesRegex(LookupError, "mine"):
            self.new_client(application).get("/")

    def test_violation_in_a_group(self) -> None:
        """A broken rule that comes out in a group is raised as itself."""
        # Old versions of anyio use what old versions of trio warn of.
        warnings.filterwarnings("ignore", "trio.MultiError is deprecated")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send, {"type": "http.response.body"})
                await anyio.sleep_forever()

        with self.assertRaisesRegex(ProtocolError, "HTTP-START-01"):
            self.new_client(application).get("/")


class BaseExceptionTest(StreamTestCase):
    """Exceptions that end programs are the application's own, and end only its request."""

    def kinds(self) -> list[type[BaseException]]:
        """Return the kinds."""
        return [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]

    def application_for(self, kind: type[BaseException]) -> Any:
        """Return an application that raises an exception where the path says."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/fine":
                await send(START)
                await send({"type": "http.response.body", "body": b"fine"})
                return
            if scope["path"] == "/streamed":
                await send(START)
                await send(piece(b"some"))
            await anyio.lowlevel.checkpoint()
            raise kind("mine")

        return application

    def test_buffered(self) -> None:
        """A buffered call raises it, and the client goes on."""
        for kind in self.kinds():
            with self.subTest(kind=kind):
                client = self.new_client(self.application_for(kind))
                with self.assertRaisesRegex(kind, "mine"):
                    client.get("/")

                self.assertEqual("fine", client.get("/fine").text)

    def test_streamed(self) -> None:
        """A read of a streamed response raises it, and the client goes on."""
        for kind in self.kinds():
            with self.subTest(kind=kind):
                client = self.new_client(self.application_for(kind))
                with client.get("/streamed", stream=True) as response:
                    pieces = response.iter_content(None)

                    self.assertEqual(b"some", next(pieces))
                    with self.assertRaisesRegex(kind, "mine"):
                        next(pieces)

                self.assertEqual("fine", client.get("/fine").text)

    def test_with_an_upload(self) -> None:
        """A call with a generator raises it, and the client goes on."""
        for kind in self.kinds():
            with self.subTest(kind=kind):
                client = self.new_client(self.application_for(kind))
                with self.assertRaisesRegex(kind, "mine"):
                    client.post("/", data=iter([b"a"]))

                self.assertEqual("fine", client.get("/fine").text)

    def test_loop_goes_on(self) -> None:
        """It ends nobody else's request: one that waits meanwhile is answered."""
        gates: list[Gate] = []

        for kind in self.kinds():
            failing = self.application_for(kind)

            async def application(
                scope: Any, receive: Any, send: Any, failing: Any = failing
            ) -> None:
                if scope["path"] == "/waiting":
                    await send(START)
                    await gates[-1].wait()
                    await send({"type": "http.response.body", "body": b"waited"})
                else:
                    await failing(scope, receive, send)

            with self.subTest(kind=kind):
                client = self.new_client(application)
                gates.append(Gate(client))
                with client.get("/waiting", stream=True) as response:
                    with self.assertRaises(kind):
                        client.get("/")
                    gates[-1].open()

                    self.assertEqual(b"waited", response.content)

    @unittest.skipUnless(ON_ASYNCIO, "asyncio.Task belongs to asyncio and uvloop")
    def test_application_that_cancels_itself(self) -> None:
        """An application that cancels its own task raises CancelledError in the test."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/fine":
                await send(START)
                await send(END)
                return
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        client = self.new_client(application)
        with self.assertRaises(asyncio.CancelledError):
            client.get("/")

        self.assertEqual(200, client.get("/fine").status_code)

    def test_stop_iteration(self) -> None:
        """Python turns StopIteration into a RuntimeError, which comes out."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise StopIteration

        with self.assertRaisesRegex(RuntimeError, "StopIteration"):
            self.new_client(application).get("/")


class SavingTest(StreamTestCase):
    """A response can be saved as it comes."""

    def test_to_a_file(self) -> None:
        """The usual loop over iter_content() writes a file."""
        target = io.BytesIO()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            for number in range(50):
                await send(piece(bytes([number]) * 10_000))
            await send(END)

        with self.stream(application) as response:
            for part in response.iter_content(chunk_size=8192):
                target.write(part)

        self.assertEqual(
            b"".join(bytes([number]) * 10_000 for number in range(50)), target.getvalue()
        )
