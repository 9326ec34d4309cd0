"""Bodies of requests: in memory as one event, files and generators piece by piece."""

from __future__ import annotations

import contextlib
import io
import pathlib
import tempfile
import threading
import tracemalloc
import warnings
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import requests
import urllib3

from asgitest import ASGITestError, ClientDisconnected, ProtocolError, RequestDeadlineExceeded
from tests.base import CleanTestCase, on_thread

MIB = 1024 * 1024
#: Bytes that make one event of a file.
FILE_CHUNK = 64 * 1024
#: How requests sends text: urllib3 2 as UTF-8, urllib3 1.26 leaves it to http.client.
TEXT_ENCODING = "latin-1" if urllib3.__version__.startswith("1.") else "utf-8"


async def answer(send: Any, body: bytes = b"", headers: Any = (), status: int = 200) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


class BodyTestCase(CleanTestCase):
    """A test case whose application notes the events it gets."""

    def setUp(self) -> None:
        """Build the client."""
        super().setUp()
        self.events: list[dict[str, Any]] = []
        self.headers: dict[bytes, bytes] = {}
        self.client = self.new_client(self.read_all)

    async def read_all(self, scope: Any, receive: Any, send: Any) -> None:
        """Receive until the body ends or the client leaves, then answer."""
        self.headers = dict(scope["headers"])
        self.events.clear()
        while True:
            event = await receive()
            self.events.append(event)
            if not event.get("more_body"):
                break
        await answer(send, b"done")

    @property
    def chunks(self) -> list[tuple[bytes, bool]]:
        """Body and more_body of the events of the last request."""
        return [(event["body"], event["more_body"]) for event in self.events]

    @property
    def body(self) -> bytes:
        """The whole body of the last request."""
        return b"".join(event["body"] for event in self.events)


class MemoryTest(BodyTestCase):
    """Bodies that lie in memory."""

    def test_bytes(self) -> None:
        """Bytes are one event, of whatever size."""
        for data in (b"a", b"\x00\xff" * 5, b"x" * (3 * MIB)):
            self.client.post("/", data=data)

            self.assertEqual([(data, False)], self.chunks)
            self.assertEqual(str(len(data)).encode(), self.headers[b"content-length"])

    def test_bytearray(self) -> None:
        """A bytearray arrives as bytes."""
        self.client.post("/", data=bytearray(b"abc"))

        self.assertEqual([(b"abc", False)], self.chunks)
        self.assertIs(bytes, type(self.events[0]["body"]))

    def test_no_body(self) -> None:
        """No body, and an empty one, are one empty event."""
        for data in (None, b"", "", {}, []):
            with self.subTest(data=data):
                self.client.post("/", data=data)

                self.assertEqual([(b"", False)], self.chunks)

    def test_str(self) -> None:
        """Text is encoded, and its length is that of the octets."""
        for text in ("ascii", "caf\xe9"):
            with self.subTest(text=text):
                self.client.post("/", data=text)

                self.assertEqual([(text.encode(TEXT_ENCODING), False)], self.chunks)
                self.assertEqual(str(len(self.body)).encode(), self.headers[b"content-length"])

    def test_body_of_any_method(self) -> None:
        """Any method may have a body."""
        for method in ("GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "PURGE"):
            with self.subTest(method=method):
                self.client.request(method, "/", data=b"body")

                self.assertEqual([(b"body", False)], self.chunks)

    def test_multipart(self) -> None:
        """A multipart body is one event with its length."""
        self.client.post("/", files={"file": ("a.bin", b"x" * 100_000)})

        self.assertEqual(1, len(self.events))
        self.assertEqual(str(len(self.body)).encode(), self.headers[b"content-length"])
        self.assertIn(b"x" * 100_000, self.body)
        boundary = self.headers[b"content-type"].partition(b"boundary=")[2]
        self.assertTrue(self.body.startswith(b"--" + boundary + b"\r\n"))
        self.assertTrue(self.body.endswith(b"--" + boundary + b"--\r\n"))

    def test_set_on_a_prepared_request(self) -> None:
        """Text, bytes and memory that are put into a prepared request arrive."""
        for body in ("text", b"text", bytearray(b"text"), memoryview(b"text")):
            with self.subTest(body=body):
                prepared = self.client.prepare_request(requests.Request("POST", "/"))
                prepared.body = body  # type: ignore[assignment]
                self.client.send(prepared)

                self.assertEqual([(b"text", False)], self.chunks)


class FileTest(BodyTestCase):
    """Files."""

    def setUp(self) -> None:
        """Make a folder."""
        super().setUp()
        self.folder = pathlib.Path(self.enter(tempfile.TemporaryDirectory()))

    def enter(self, context: Any) -> Any:
        """Enter a context until the end of the test."""
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def file(self, content: bytes) -> Any:
        """Return an open file with a content."""
        path = self.folder / "file.bin"
        path.write_bytes(content)
        return self.enter(path.open("rb"))

    def test_binary(self) -> None:
        """A file is one event for each 64 KiB, and an empty one at its end."""
        content = bytes(range(256)) * (FILE_CHUNK // 128) + b"end"
        self.client.post("/", data=self.file(content))

        self.assertEqual(
            [(FILE_CHUNK, True), (FILE_CHUNK, True), (3, True), (0, False)],
            [(len(body), more_body) for body, more_body in self.chunks],
        )
        self.assertEqual(content, self.body)

    def test_length(self) -> None:
        """The length of a file is in the headers."""
        self.client.post("/", data=self.file(b"12345"))

        self.assertEqual(b"5", self.headers[b"content-length"])
        self.assertNotIn(b"transfer-encoding", self.headers)

    def test_from_where_it_stands(self) -> None:
        """A file is read from where it stands."""
        file = self.file(b"skipped, sent")
        file.seek(9)
        self.client.post("/", data=file)

        self.assertEqual(b"sent", self.body)
        self.assertEqual(b"4", self.headers[b"content-length"])

    def test_empty(self) -> None:
        """An empty file is one empty event."""
        self.client.post("/", data=self.file(b""))

        self.assertEqual([(b"", False)], self.chunks)

    def test_in_memory(self) -> None:
        """A BytesIO is a file, too."""
        self.client.post("/", data=io.BytesIO(b"x" * (FILE_CHUNK + 1)))

        self.assertEqual(
            [(FILE_CHUNK, True), (1, True), (0, False)],
            [(len(body), more_body) for body, more_body in self.chunks],
        )

    def test_text_file(self) -> None:
        """A file that is open for text is encoded as text is."""
        path = self.folder / "file.txt"
        path.write_text("caf\xe9\n" * 3, encoding="utf-8")
        with path.open(encoding="utf-8") as file, warnings.catch_warnings():
            # requests warns of the length of text files.
            warnings.simplefilter("ignore")
            self.client.post("/", data=file)

        self.assertEqual("caf\xe9\n" * 3, self.body.decode(TEXT_ENCODING))

    def test_text_in_memory(self) -> None:
        """A StringIO is a text file."""
        self.client.post("/", data=io.StringIO("text"))

        self.assertEqual([(b"text", True), (b"", False)], self.chunks)

    def test_anything_with_read(self) -> None:
        """An object with nothing but read() and iteration is a file; short reads are kept."""
        pieces = [b"ab", b"c"]

        class Source:
            def read(self, size: int = -1) -> bytes:
                return pieces.pop(0) if pieces else b""

            def __iter__(self) -> Iterator[bytes]:
                raise AssertionError("a file is read, not iterated")

        self.client.post("/", data=Source())

        self.assertEqual([(b"ab", True), (b"c", True), (b"", False)], self.chunks)

    def test_read_in_the_calling_thread(self) -> None:
        """A file is read in the thread that made the call."""
        threads: set[int] = set()

        class Source(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                threads.add(threading.get_ident())
                return super().read(size)

        self.client.post("/", data=Source(b"x" * 200_000))

        self.assertEqual({threading.get_ident()}, threads)

    def test_reading_fails(self) -> None:
        """What reading raises comes out of the call; the application sees the client leave."""

        class Source(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell():
                    raise OSError("the disk is gone")
                return super().read(size)

        with self.assertRaisesRegex(OSError, "the disk is gone"):
            self.client.post("/", data=Source(b"x" * 200_000))

        self.assertEqual(["http.request", "http.disconnect"], [e["type"] for e in self.events])


class GeneratorTest(BodyTestCase):
    """Generators and other iterables."""

    def test_one_event_for_each_chunk(self) -> None:
        """Each chunk is one event; the end is an empty one."""
        self.client.post("/", data=(chunk for chunk in [b"a", b"bc", b"def"]))

        self.assertEqual([(b"a", True), (b"bc", True), (b"def", True), (b"", False)], self.chunks)
        self.assertEqual(b"chunked", self.headers[b"transfer-encoding"])
        self.assertNotIn(b"content-length", self.headers)

    def test_large_chunks_are_not_split(self) -> None:
        """A chunk stays whole, whatever its size."""
        self.client.post("/", data=iter([b"x" * (2 * MIB)]))

        self.assertEqual([2 * MIB, 0], [len(body) for body, _ in self.chunks])

    def test_kinds_of_chunks(self) -> None:
        """Chunks may be bytes, bytearray, memoryview or text."""
        chunks = [b"a", bytearray(b"b"), memoryview(b"c"), "\xe9"]
        self.client.post("/", data=iter(chunks))

        expected = [b"a", b"b", b"c", "\xe9".encode(TEXT_ENCODING), b""]
        self.assertEqual(expected, [body for body, _ in self.chunks])
        self.assertEqual({bytes}, {type(body) for body, _ in self.chunks})

    def test_empty_chunks(self) -> None:
        """Empty chunks, which no network carries, are left out."""
        self.client.post("/", data=iter([b"", b"a", "", b"", b"b", bytearray()]))

        self.assertEqual([(b"a", True), (b"b", True), (b"", False)], self.chunks)

    def test_no_chunks(self) -> None:
        """A generator without a chunk is one empty event."""
        for chunks in ([], [b""]):
            self.client.post("/", data=iter(chunks))

            self.assertEqual([(b"", False)], self.chunks)

    def test_wrong_chunks(self) -> None:
        """A chunk of another type is refused with its type; the application sees a disconnect."""
        for chunk in (5, None, ["a"], {"a": 1}):
            with self.subTest(chunk=chunk):
                with self.assertRaises(TypeError) as caught:
                    self.client.post("/", data=iter([b"a", chunk]))

                self.assertIn(f"not {type(chunk).__name__}: {chunk!r}", str(caught.exception))
                self.assertEqual(
                    ["http.request", "http.disconnect"], [event["type"] for event in self.events]
                )

    def test_iterable_object(self) -> None:
        """An iterable that is no iterator will do; with a length it has a content length."""

        class Chunks:
            def __iter__(self) -> Iterator[bytes]:
                return iter([b"ab", b"c"])

        class SizedChunks(Chunks):
            def __len__(self) -> int:
                return 3

        self.client.post("/", data=Chunks())
        self.assertEqual(b"abc", self.body)
        self.assertNotIn(b"content-length", self.headers)

        self.client.post("/", data=SizedChunks())
        self.assertEqual(b"abc", self.body)
        self.assertEqual(b"3", self.headers[b"content-length"])

    def test_streamed_response(self) -> None:
        """A generator can be sent with stream=True as well."""
        with self.client.post("/", data=iter([b"a", b"b"]), stream=True) as response:
            self.assertEqual(b"done", response.content)
        self.assertEqual(b"ab", self.body)


class OnDemandTest(CleanTestCase):
    """Chunks are pulled when the application asks for them."""

    def test_pulled_one_by_one(self) -> None:
        """The next chunk is taken when the application waits for it, and not before."""
        order: list[str] = []

        def body() -> Iterator[bytes]:
            for name in ("1", "2"):
                order.append(f"made {name}")
                yield name.encode()
            order.append("at the end")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(3):
                order.append("asks")
                event = await receive()
                order.append(f"got {event['body'].decode()}")
            await answer(send)

        self.new_client(application).post("/", data=body())

        self.assertEqual(
            ["asks", "made 1", "got 1", "asks", "made 2", "got 2", "asks", "at the end", "got "],
            order,
        )

    def test_advanced_in_the_calling_thread(self) -> None:
        """The generator runs in the thread that made the call, with its context."""
        threads: set[int] = set()

        def body() -> Iterator[bytes]:
            for _ in range(3):
                threads.add(threading.get_ident())
                yield b"a"
            threads.add(threading.get_ident())

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["more_body"]:
                pass
            await answer(send)

        client = self.new_client(application)
        client.post("/", data=body())
        with client.post("/", data=body(), stream=True) as response:
            response.content  # noqa: B018 - to read it

        self.assertEqual({threading.get_ident()}, threads)

    def test_early_response(self) -> None:
        """A generator is left where it stands when the application has answered."""
        made: list[int] = []

        def body() -> Iterator[bytes]:
            for number in range(1000):
                made.append(number)
                yield b"a"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(int(scope["path"][1:])):
                await receive()
            await answer(send, b"too large", status=413)

        client = self.new_client(application)
        for wanted in (0, 1, 3):
            for stream in (False, True):
                with self.subTest(wanted=wanted, stream=stream):
                    made.clear()
                    chunks = body()
                    with client.post(f"/{wanted}", data=chunks, stream=stream) as response:
                        self.assertEqual(413, response.status_code)
                        self.assertEqual(b"too large", response.content)

                    self.assertEqual(wanted, len(made))
                    self.assertEqual(b"a", next(chunks))

    def test_not_pulled_after_the_response(self) -> None:
        """After the response is complete receive() tells of the end; nothing more is pulled."""
        made: list[int] = []
        events: list[str] = []

        def body() -> Iterator[bytes]:
            for number in range(3):
                made.append(number)
                yield b"a"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await answer(send)
            events.append((await receive())["type"])

        self.new_client(application).post("/", data=body())

        self.assertEqual(([0], ["http.disconnect"]), (made, events))

    def test_pulled_while_the_response_streams(self) -> None:
        """Request and response may stream at the same time."""
        made: list[bytes] = []

        def body() -> Iterator[bytes]:
            for number in range(3):
                made.append(b"%d" % number)
                yield made[-1]

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            more_body = True
            while more_body:
                event = await receive()
                more_body = event["more_body"]
                echo = b"<" + event["body"] + b">"
                await send({"type": "http.response.body", "body": echo, "more_body": more_body})

        client = self.new_client(application)
        with client.post("/", data=body(), stream=True) as response:
            self.assertEqual([], made)
            pieces = response.iter_content(None)
            received = b""
            while b"<0>" not in received:
                received += next(pieces)
            received += b"".join(pieces)

        self.assertEqual(b"<0><1><2><>", received)
        self.assertEqual(b"<0><1><2><>", client.post("/", data=body()).content)

    def test_client_call_in_the_generator(self) -> None:
        """The generator may use the client: it runs between the steps of the application."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/inner":
                await answer(send, b"inner")
                return
            await answer(send, (await receive())["body"])

        client = self.new_client(application)

        def body() -> Iterator[bytes]:
            yield client.get("/inner").content

        self.assertEqual(b"inner", client.post("/outer", data=body()).content)

    @on_thread("threads of the test use one client")
    def test_uploads_of_two_threads(self) -> None:
        """Uploads of two threads advance at the same time; each in its own thread."""
        both = threading.Barrier(2)
        threads: list[tuple[int, int]] = []

        def body(caller: int) -> Iterator[bytes]:
            both.wait()
            threads.append((caller, threading.get_ident()))
            yield b"a"
            both.wait()
            yield b"b"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            received = b""
            more_body = True
            while more_body:
                event = await receive()
                received += event["body"]
                more_body = event["more_body"]
            await answer(send, received)

        client = self.new_client(application)

        def upload(number: int) -> bytes:
            return client.post("/", data=body(threading.get_ident())).content

        with ThreadPoolExecutor(2) as pool:
            self.assertEqual([b"ab", b"ab"], list(pool.map(upload, range(2))))
        for caller, advanced_in in threads:
            self.assertEqual(caller, advanced_in)

    def test_waiting_for_more_than_there_is(self) -> None:
        """An application that waits for another event after the last runs into the deadline."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while True:
                await receive()

        client = self.new_client(application, timeout=0.2)

        with self.assertRaisesRegex(RequestDeadlineExceeded, "was received whole"):
            client.post("/", data=iter([b"a", b"b"]))

    def test_deadline_does_not_count_the_generator(self) -> None:
        """The time that the generator takes is not the application's."""
        let_a_deadline_pass = self.new_client(self.never, timeout=0.2)

        def body() -> Iterator[bytes]:
            with contextlib.suppress(RequestDeadlineExceeded):
                let_a_deadline_pass.get("/")
            yield b"late"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await answer(send, (await receive())["body"])

        client = self.new_client(application, timeout=0.2)

        self.assertEqual(b"late", client.post("/", data=body()).content)

    @staticmethod
    async def never(scope: Any, receive: Any, send: Any) -> None:
        """Answer nothing, ever."""
        await anyio.sleep_forever()


class BrokenUploadTest(BodyTestCase):
    """A generator that raises is a client that leaves in mid-upload."""

    @staticmethod
    def broken(error: BaseException, chunks: Iterable[bytes] = (b"a", b"b")) -> Iterator[bytes]:
        """Yield chunks, then raise."""
        yield from chunks
        raise error

    def test_disconnect(self) -> None:
        """The application gets what was sent, then http.disconnect (HTTP-DISC-02)."""
        error = ValueError("the user pulled the plug")
        for stream in (False, True):
            with self.subTest(stream=stream):
                with self.assertRaises(ValueError) as caught:
                    self.client.post("/", data=self.broken(error), stream=stream)

                self.assertIs(error, caught.exception)
                self.assertEqual(
                    [
                        {"type": "http.request", "body": b"a", "more_body": True},
                        {"type": "http.request", "body": b"b", "more_body": True},
                        {"type": "http.disconnect"},
                    ],
                    self.events,
                )

    def test_before_the_first_chunk(self) -> None:
        """The disconnect may be the very first event (HTTP-DISC-03)."""
        with self.assertRaisesRegex(ValueError, "mine"):
            self.client.post("/", data=self.broken(ValueError("mine"), []))

        self.assertEqual([{"type": "http.disconnect"}], self.events)

    def test_application_has_ended(self) -> None:
        """The application has come to its end when the call raises, its clean-up included."""
        ended: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            try:
                while (await receive())["type"] != "http.disconnect":
                    pass
            finally:
                with anyio.CancelScope(shield=True):
                    for _ in range(10):
                        await anyio.lowlevel.checkpoint()
                ended.append("ended")

        with self.assertRaisesRegex(ValueError, "mine"):
            self.new_client(application).post("/", data=self.broken(ValueError("mine")))
        self.assertEqual(["ended"], ended)

    def test_returning_without_a_response(self) -> None:
        """Nobody waits for the response any more, so that none is demanded (HTTP-DISC-05)."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        with self.assertRaisesRegex(ValueError, "mine"):
            self.new_client(application).post("/", data=self.broken(ValueError("mine")))

    def test_send_after_the_disconnect(self) -> None:
        """send() does nothing up to version 2.3, and raises from 2.4 on (HTTP-DISC-04)."""
        outcomes: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            try:
                outcomes.append(await send({"type": "http.response.start", "status": 200}))
            except OSError as error:
                outcomes.append(type(error))
                raise

        for spec_version in ("2.3", "2.4"):
            client = self.new_client(application, spec_version=spec_version)
            with self.assertRaisesRegex(ValueError, "mine"):
                client.post("/", data=self.broken(ValueError("mine")))

        self.assertEqual([None, ClientDisconnected], outcomes)

    def test_application_fails_on_the_disconnect(self) -> None:
        """The generator's own error comes out, even if the application fails because of it."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            raise RuntimeError("the application's")

        with self.assertRaisesRegex(ValueError, "mine"):
            self.new_client(application).post("/", data=self.broken(ValueError("mine")))

    def test_other_exceptions(self) -> None:
        """Whatever the generator raises comes out, and the client goes on."""
        for error in (KeyboardInterrupt(), SystemExit(3), GeneratorExit(), ASGITestError("mine")):
            with self.subTest(error=error), self.assertRaises(type(error)) as caught:
                self.client.post("/", data=self.broken(error))
            self.assertIs(error, caught.exception)
            self.client.close()

        self.assertEqual("done", self.client.post("/", data=b"a").text)

    def test_application_fails_in_mid_upload(self) -> None:
        """An application that raises in mid-upload raises out of the call; nothing is pulled."""
        made: list[int] = []

        def body() -> Generator[bytes, None, None]:
            for number in range(3):
                made.append(number)
                yield b"a"

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            raise RuntimeError("the application's")

        with self.assertRaisesRegex(RuntimeError, "the application's"):
            self.new_client(application).post("/", data=body())
        self.assertEqual([0], made)

    def test_violation_in_mid_upload(self) -> None:
        """A broken rule in mid-upload comes out of the call, even if it was swallowed."""
        log: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            with contextlib.suppress(Exception):
                await send({"type": "http.response.body"})
            try:
                while (await receive()).get("more_body"):
                    pass
                await answer(send)
            finally:
                with anyio.CancelScope(shield=True):
                    for _ in range(10):
                        await anyio.lowlevel.checkpoint()
                log.append("ended")

        with self.assertRaisesRegex(ProtocolError, "HTTP-START-01"):
            self.new_client(application).post("/", data=iter([b"a", b"b", b"c"]))
        # It went on, and has come to its end all the same.
        self.assertEqual(["ended"], log)


class ConstantMemoryTest(CleanTestCase):
    """Uploads take a constant amount of memory."""

    async def count(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with the size of the body."""
        size = 0
        more_body = True
        while more_body:
            event = await receive()
            size += len(event["body"])
            more_body = event["more_body"]
            # As real code would not, keep nothing alive while waiting for the next.
            del event
        await answer(send, str(size).encode())

    def peak_of(self, upload: Any) -> tuple[int, int]:
        """Return the size that an application counted, and the peak of memory meanwhile."""
        client = self.enter_client(self.no_lifespan)
        client.post("/", data=iter([b"warm up"]))
        tracemalloc.start()
        try:
            response = client.post("/", data=upload)
            return int(response.text), tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    async def no_lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        """Count, but support no lifespan."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await self.count(scope, receive, send)

    def test_generator(self) -> None:
        """64 MiB of a generator pass through a few MiB of memory."""
        size, peak = self.peak_of(bytes(MIB) for _ in range(64))

        self.assertEqual(64 * MIB, size)
        self.assertLess(peak, 8 * MIB)

    def test_file(self) -> None:
        """64 MiB of a file pass through less than a MiB or two of memory."""

        class Zeros:
            left = 64 * MIB

            def read(self, size: int) -> bytes:
                piece = bytes(min(size, self.left))
                self.left -= len(piece)
                return piece

            def __iter__(self) -> Iterator[bytes]:
                raise AssertionError("a file is read, not iterated")

        size, peak = self.peak_of(Zeros())

        self.assertEqual(64 * MIB, size)
        self.assertLess(peak, 2 * MIB)
