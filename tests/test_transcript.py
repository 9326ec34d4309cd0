"""What a client keeps of its exchanges, as text, as an archive, as command lines."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import jsonschema
import requests

from asgitest import ASGITestError, TestClient, WebSocketDenied, leave_after, transcript
from asgitest._har_file import HARFile, process_path
from asgitest._masking import mask_body, mask_headers, mask_json, mask_url
from asgitest._recorded import BODY_LIMIT, MESSAGES_LIMIT
from asgitest.transcript import TRANSCRIPT_LIMIT

from .base import CleanTestCase
from .har_schema import HAR_SCHEMA

COOKIE = b"sid=crumbs; Path=/; HttpOnly; Secure; Expires=Wed, 09 Jun 2100 10:18:14 GMT"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo what comes, on a path that says how."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await talk(scope, receive, send)
    else:
        await answer(scope, receive, send)


async def talk(scope: Any, receive: Any, send: Any) -> None:
    """Echo the messages of a WebSocket, and close it when told to."""
    await receive()
    if scope["path"] == "/denied":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/fail":
        await send({"type": "websocket.close"})
        raise RuntimeError("no room")
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4001, "reason": "told to"})
            return
        if "other" not in event:
            await send({**event, "type": "websocket.send"})


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the request's body, or as the path says."""
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event["body"]
        if not event["more_body"]:
            break
    headers = [(b"content-type", dict(scope["headers"]).get(b"content-type", b"text/plain"))]
    if scope["path"] == "/fail":
        raise RuntimeError("no room")
    if scope["path"] == "/cookie":
        headers.append((b"set-cookie", COOKIE))
    if scope["path"] == "/odd":
        headers += [
            (b"set-cookie", b"a=1; Expires=never; Max-Age=1"),
            (b"content-encoding", b"gzip"),
        ]
    if scope["path"] == "/zipped":
        headers.append((b"content-encoding", b"gzip"))
        body = gzip.compress(body)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class TranscriptTestCase(CleanTestCase):
    """A test case with a client for an application that echoes."""

    def setUp(self) -> None:
        """Start the application."""
        super().setUp()
        self.client = self.enter_client(app)
        self.transcript = self.client.transcript

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the archive, after a look whether it is one."""
        archive = json.loads(self.transcript.to_har())
        jsonschema.validate(archive, HAR_SCHEMA)
        entries: list[dict[str, Any]] = archive["log"]["entries"]
        return entries


class TextTest(TranscriptTestCase):
    """A transcript as text."""

    def test_exchange(self) -> None:
        """An exchange shows the request, the response, and both bodies, JSON indented."""
        self.client.post("/rooms", json={"name": "lobby"})

        text = str(self.transcript)

        for part in (
            "  POST http://testserver/rooms\n",
            "content-type: application/json",
            'Request body:\n{\n  "name": "lobby"\n}\nResponse: 200 OK, after 0.',
            'Body:\n{\n  "name": "lobby"\n}',
        ):
            self.assertIn(part, text)
        self.assertNotIn("accept-encoding", text)

    def test_lifespan(self) -> None:
        """The lifespan's messages stand where they belong, and in no transcript of a new client."""
        self.client.get("/")

        text = str(self.transcript)

        self.assertLess(text.index("received lifespan.startup"), text.index("GET http://"))
        self.assertNotIn("lifespan", str(self.client.new_client().transcript))

    def test_websocket(self) -> None:
        """A WebSocket shows its messages in both directions, and who closed it."""
        with self.client.websocket_connect("/chat") as session:
            session.send_text("hello")
            session.receive_text()
            session.send_bytes(b"\xff")
            session.receive_bytes()
        with self.client.websocket_connect("/chat") as session:
            session.send_text("bye")
            list_of = session.receive()
        self.assertEqual(4001, list_of["code"])

        text = str(self.transcript)

        self.assertRegex(
            text,
            r"GET ws://testserver/chat\nResponse: 101 Switching Protocols, after \d\.\d{3} s\n"
            r"  \d+\.\d{3} s  sent 'hello'\n  \d+\.\d{3} s  received 'hello'\n"
            r"  \d+\.\d{3} s  sent b'\\xff'\n  \d+\.\d{3} s  received b'\\xff'\n"
            r"  \d+\.\d{3} s  the test closed: code 1000",
        )
        self.assertIn("the application closed: code 4001, reason 'told to'", text)

    def test_odd_event(self) -> None:
        """An event that is no message is shown as it is."""
        with self.client.websocket_connect("/chat") as session:
            session.send({"type": "websocket.receive", "other": 1})

        self.assertIn("'other': 1", str(self.transcript))

    def test_denial(self) -> None:
        """A handshake that is denied shows the denial, and what was raised behind it."""
        client = self.client.new_client(raise_server_exceptions=False)
        with self.assertRaises(WebSocketDenied), client.websocket_connect("/denied"):
            pass
        with self.assertRaises(WebSocketDenied), client.websocket_connect("/fail"):
            pass

        text = str(client.transcript)
        self.assertIn("Response: 403 Forbidden", text)
        self.assertIn("RuntimeError('no room')", text)

    def test_failure(self) -> None:
        """An exchange whose application raises is kept, too, with what it raised."""
        with self.assertRaises(RuntimeError):
            self.client.get("/fail")
        hiding = self.client.new_client(raise_server_exceptions=False)
        hiding.get("/fail")

        self.assertRegex(str(self.transcript), r"No response, after \d\.\d{3} s\n.*RuntimeError")
        self.assertIn("Response: 500 Internal Server Error", str(hiding.transcript))
        self.assertIn("RuntimeError('no room')", str(hiding.transcript))

    def test_streams(self) -> None:
        """Of a streamed response what was read is kept, of a request what was asked for."""
        with self.client.get("/", data=iter([b"one", b"two"]), stream=True) as response:
            self.assertEqual("", "".join(chr(b) for b in self.body()))
            self.assertEqual(b"onetwo", response.content)

        self.assertEqual(b"onetwo", self.body())
        self.assertEqual(b"onetwo", self.transcript.exchanges[-1].request_body.content)
        self.assertIn("Request body:\nonetwo\nResponse", str(self.transcript))

    def test_request_that_is_not_read(self) -> None:
        """Of a streamed request whose end nobody asks for, the text says so."""

        async def hasty(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(int(scope["path"][1:])):
                await receive()
            await send({"type": "http.response.start", "status": 413})
            await send({"type": "http.response.body"})

        client = self.enter_client(hasty, lifespan="off")
        for parts, kept in ((0, ""), (1, "one"), (2, "onetwo")):
            with self.subTest(parts=parts):
                client.post(f"/{parts}", data=iter([b"one", b"two"]))
                shown = f"Request body:\n{kept}\n" if kept else ""
                self.assertIn(
                    f"{shown}(of the request's body {len(kept)} bytes were streamed, "
                    f"and not the end)\nResponse: 413",
                    str(client.transcript),
                )
        client.post("/3", data=iter([b"one", b"two"]))
        self.assertTrue(client.transcript.exchanges[-1].request_body.has_ended)

    def test_client_that_leaves(self) -> None:
        """Of a client that leaves, what it sent is kept."""
        self.client.post("/", data=leave_after(b"one", b"two"))
        self.assertIn(
            "Request body:\nonetwo\n(of the request's body 6 bytes were streamed",
            str(self.transcript),
        )
        self.client.post("/", data=leave_after(b"three", more_body=False))
        self.assertIn("Request body:\nthree\nResponse: 499", str(self.transcript))

    def test_large_streamed_body(self) -> None:
        """Of a file the beginning is kept."""
        self.client.post("/", data=io.BytesIO(b"x" * (BODY_LIMIT + 5)))

        body = self.transcript.exchanges[-1].request_body
        self.assertEqual((BODY_LIMIT, BODY_LIMIT + 5), (len(body.content), body.size))
        self.assertTrue(body.has_ended)

    def body(self) -> bytes:
        """Return what is kept of the last response's body."""
        return self.transcript.exchanges[-1].response_body.content

    def test_binary(self) -> None:
        """A binary body is described."""
        self.client.post("/", data=b"\xff\x00\x01")

        self.assertIn("binary, 3 bytes, which begin with b'\\xff\\x00\\x01'", str(self.transcript))

    def test_secrets_are_shown(self) -> None:
        """The text keeps what a failure needs: nothing is masked."""
        self.client.post("/", data={"password": "hunter2"}, auth=("ada", "lovelace"))

        self.assertIn("hunter2", str(self.transcript))

    def test_nothing(self) -> None:
        """A transcript of nothing says so."""
        client = self.client.new_client()

        self.assertEqual("Nothing was exchanged so far.", str(client.transcript))
        self.assertTrue(client.transcript)
        self.assertEqual(0, len(client.transcript))
        self.assertEqual("<Transcript of 0 exchanges>", repr(client.transcript))


class BoundTest(TranscriptTestCase):
    """The bound of a transcript."""

    def test_large_bodies(self) -> None:
        """Of a large body the beginning is kept, and the text says how large it was."""
        self.client.post("/", data=b"x" * (BODY_LIMIT + 5))

        (exchange,) = self.transcript.exchanges
        self.assertEqual(BODY_LIMIT, len(exchange.response_body.content))
        self.assertIn(f"({BODY_LIMIT} of {BODY_LIMIT + 5} bytes were kept)", str(self.transcript))

    def test_many_exchanges(self) -> None:
        """The oldest exchanges go first."""
        for number in range(40):
            self.client.post(f"/{number}", data=b"x" * BODY_LIMIT)

        urls = [exchange.url for exchange in self.transcript.exchanges]
        self.assertEqual("http://testserver/39", urls[-1])
        self.assertNotIn("http://testserver/0", urls)
        size = sum(exchange.cost for exchange in self.transcript.exchanges)
        self.assertLessEqual(size, TRANSCRIPT_LIMIT)

    def test_many_messages(self) -> None:
        """The oldest messages of a WebSocket go first, and are counted."""
        with self.client.websocket_connect("/chat") as session:
            for _ in range(40):
                session.send_text("x" * 1000)
                session.receive_text()

        (exchange,) = self.transcript.exchanges
        assert exchange.messages is not None
        kept = exchange.messages.listed()
        self.assertLessEqual(sum(message.size for message in kept), MESSAGES_LIMIT)
        self.assertEqual(81, exchange.messages.dropped + len(kept))
        self.assertIn(f"({exchange.messages.dropped} older messages", str(self.transcript))

    def test_clear(self) -> None:
        """What is forgotten is gone."""
        self.client.get("/")

        self.transcript.clear()

        self.assertEqual([], self.transcript.exchanges)


class ArchiveTest(TranscriptTestCase):
    """A transcript as an HTTP archive."""

    def test_exchange(self) -> None:
        """An entry has the request and the response, secrets masked."""
        self.client.post(
            "/cookie?q=a%20b&token=1",
            data={"user": "ada", "password": "hunter2"},
            headers={"Authorization": "Bearer key", "Cookie": "a=crumbs; b=crumbs"},
        )

        (entry,) = self.entries()
        request, response = entry["request"], entry["response"]
        self.assertEqual("http://testserver/cookie?q=a%20b&token=***", request["url"])
        self.assertIn({"name": "q", "value": "a b"}, request["queryString"])
        self.assertIn({"name": "authorization", "value": "Bearer ***"}, request["headers"])
        self.assertIn({"name": "b", "value": "***"}, request["cookies"])
        self.assertIn({"name": "password", "value": "***"}, request["postData"]["params"])
        self.assertEqual("user=ada&password=***", request["postData"]["text"])
        (cookie,) = response["cookies"]
        self.assertEqual("2100-06-09T10:18:14+00:00", cookie["expires"])
        self.assertTrue(cookie["httpOnly"] and cookie["secure"])
        self.assertEqual("OK", response["statusText"])
        for secret in ("hunter2", 'key"', "crumbs"):
            self.assertNotIn(secret, self.transcript.to_har())

    def test_bodies(self) -> None:
        """Binary bodies are in base64, compressed ones decoded, and long ones say so."""
        for path, body, text in (
            ("/", b"\xff\x00", base64.b64encode(b"\xff\x00").decode()),
            ("/zipped", b"hello", "hello"),
            ("/", b"x" * (BODY_LIMIT + 1), "x" * BODY_LIMIT),
        ):
            with self.subTest(body=body[:5]):
                self.client.post(path, data=body)
                entry = self.entries()[-1]
                self.assertEqual(text, entry["response"]["content"]["text"])
                self.assertEqual(len(body), entry["request"]["bodySize"])
                self.assertEqual(len(body), entry["response"]["content"]["size"])

    def test_websocket(self) -> None:
        """Messages of a WebSocket stand in the form that browsers read."""
        with self.client.websocket_connect("/chat") as session:
            session.send_json({"password": "hunter2"})
            session.receive_text()
            session.send_bytes(b"\xff")
            session.receive_bytes()

        (entry,) = self.entries()
        self.assertEqual("ws://testserver/chat", entry["request"]["url"])
        self.assertEqual("websocket", entry["_resourceType"])
        self.assertEqual(
            [
                ("send", 1, '{"password": "***"}'),
                ("receive", 1, '{"password": "***"}'),
                ("send", 2, "/w=="),
                ("receive", 2, "/w=="),
                ("send", 8, "1000"),
            ],
            [
                (message["type"], message["opcode"], message["data"])
                for message in entry["_webSocketMessages"]
            ],
        )

    def test_without_response(self) -> None:
        """An exchange without a response has status 0 and what was raised."""
        with self.assertRaises(RuntimeError):
            self.client.get("/fail")
        self.client.post("/", data=iter([b"one"]))
        self.client.post("/", data=leave_after(b"one"))

        failed, streamed, left = self.entries()
        self.assertEqual(0, failed["response"]["status"])
        self.assertEqual("RuntimeError('no room')", failed["_error"])
        self.assertEqual({"mimeType": "", "text": "one"}, streamed["request"]["postData"])
        self.assertEqual(3, streamed["request"]["bodySize"])
        self.assertIn("was not streamed to its end", left["request"]["postData"]["comment"])
        self.assertEqual(-1, left["request"]["bodySize"])

    def test_odd_cookies_and_codings(self) -> None:
        """An expiry that is none is left out, and a content coding that cannot be undone stays."""
        with self.assertRaises(requests.exceptions.ContentDecodingError):
            self.client.post("/odd", data=b"no gzip")

        (entry,) = self.entries()
        self.assertEqual([{"name": "a", "value": "***"}], entry["response"]["cookies"])
        self.assertEqual("no gzip", entry["response"]["content"]["text"])

    def test_many_messages(self) -> None:
        """An archive tells how many messages are missing."""
        with self.client.websocket_connect("/chat") as session:
            for _ in range(40):
                session.send_text("x" * 1000)
                session.receive_text()

        (entry,) = self.entries()
        self.assertRegex(entry["comment"], r"^\d+ older messages were not kept$")

    def test_file(self) -> None:
        """What clients exchange is written once it is asked for, and a forked process forgets."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "run")
            file = HARFile()
            with (
                mock.patch.dict(os.environ, ASGITEST_HAR=path),
                mock.patch.object(transcript, "har_file", file),
                mock.patch("atexit.register") as register,
            ):
                self.client.new_client().get("/1")
                self.client.new_client().get("/2")
            register.assert_called_once_with(file.write)
            file.write()
            written = process_path(path)
            self.assertEqual(f"run.{os.getpid()}.har", written.name)
            archive = json.loads(written.read_text(encoding="utf-8"))
            written.unlink()
            file.clear()
            file.write()
            self.assertFalse(written.exists())
        self.assertEqual(2, len(archive["log"]["entries"]))

    def test_no_file(self) -> None:
        """Without the variable, nothing is kept for a file."""
        with mock.patch.dict(os.environ, ASGITEST_HAR=""):
            self.assertIsNone(HARFile().store())

    def test_file_of_a_process(self) -> None:
        """ASGITEST_HAR has each process write its exchanges to a file of its own."""
        program = (
            "from tests.test_transcript import app\n"
            "from asgitest import TestClient\n"
            "for number in range(2):\n"
            "    with TestClient(app) as client:\n"
            "        client.get(f'/{number}')\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.har"
            subprocess.run(
                [sys.executable, "-c", program],
                check=True,
                env={**os.environ, "ASGITEST_HAR": str(path)},
                cwd=Path(__file__).resolve().parents[1],
            )
            (written,) = Path(folder).iterdir()
            archive = json.loads(written.read_text(encoding="utf-8"))
        self.assertRegex(written.name, r"^run\.\d+\.har$")
        jsonschema.validate(archive, HAR_SCHEMA)
        urls = [entry["request"]["url"] for entry in archive["log"]["entries"]]
        self.assertEqual(["http://testserver/0", "http://testserver/1"], urls)


class CommandLineTest(TranscriptTestCase):
    """A request as a command line."""

    def words(self, **options: Any) -> list[str]:
        """Return the words of the command line of a request.

        :param options: those of the request
        """
        self.client.request(**{"method": "GET", "url": "/", **options})
        return shlex.split(self.transcript.to_curl())

    def test_url_and_headers(self) -> None:
        """A command line has the URL and the headers, and no method that curl chooses itself."""
        words = self.words(url="/it's?a=1&token=2", headers={"X-Room": "a b", "X-Empty": ""})

        self.assertEqual(["curl", "http://testserver/it's?a=1&token=***"], words[:2])
        for header in ("x-room: a b", "x-empty;"):
            self.assertEqual("--header", words[words.index(header) - 1])

    def test_methods(self) -> None:
        """Other methods are named."""
        for method, words in (("PUT", ["-X", "PUT"]), ("HEAD", ["--head"])):
            with self.subTest(method):
                self.assertEqual(["curl", *words], self.words(method=method)[: 1 + len(words)])

    def test_bodies(self) -> None:
        """A body is given as it is, apart from secrets."""
        form = {"user": "ada", "password": "hunter2"}
        self.assertEqual(
            ["--data-raw", "user=ada&password=***"], self.words(method="POST", data=form)[-2:]
        )
        words = self.words(method="POST", data="@it's")
        self.assertEqual(["--header", "Content-Type:", "--data-raw", "@it's"], words[-4:])
        self.assertNotIn("-X", words)

    def test_streamed_body(self) -> None:
        """A body that was streamed to its end is given as any other."""
        self.assertEqual(["--data-raw", "onetwo"], self.words(data=iter([b"one", b"two"]))[-2:])

    def test_one_of_several(self) -> None:
        """The command line of an earlier exchange can be had."""
        for path in ("/1", "/2"):
            self.client.get(path)

        command = self.transcript.to_curl(self.transcript.exchanges[0])

        self.assertIn("http://testserver/1", command)

    def test_binary_body(self) -> None:
        """A binary body comes from the shell's printf, byte for byte."""
        body = bytes(range(256)) + b"%s\\"
        self.client.post("/", data=body)

        printf, _, curl = self.transcript.to_curl().partition(" | ")

        printed = subprocess.run(["sh", "-c", printf], check=True, capture_output=True).stdout
        self.assertEqual(body, printed)
        self.assertEqual(["--data-binary", "@-"], shlex.split(curl)[-2:])

    def test_impossible(self) -> None:
        """A request whose body is not there has no command line, nor has no request."""
        for data, problem in (
            (None, "no request was made"),
            (leave_after(b"x"), "its body was not streamed to its end"),
            (b"x" * (BODY_LIMIT + 1), f"only {BODY_LIMIT} were kept"),
        ):
            with self.subTest(problem), self.assertRaisesRegex(ASGITestError, problem):
                if data is not None:
                    self.client.post("/", data=data)
                self.transcript.to_curl()


class MaskingTest(CleanTestCase):
    """Secrets in what leaves the process."""

    def test_cut_json(self) -> None:
        """JSON whose end is missing is masked, too."""
        for text, masked in (
            ('{"password": "hun', '{"password": "***"'),
            ('{"api_key": 12, "a": [', '{"api_key": "***", "a": ['),
            ('{"a": 1', '{"a": 1'),
        ):
            with self.subTest(text):
                self.assertEqual(masked, mask_json(text))

    def test_json(self) -> None:
        """Members of JSON are masked at any depth; what has no secret stays as it is written."""
        secret = '{"users": [{"password": ["a"], "name": "ada"}]}'
        for kind in ("application/json", "application/problem+json; charset=utf-8"):
            with self.subTest(kind):
                masked = mask_body(secret, kind)
                self.assertEqual('{"users": [{"password": "***", "name": "ada"}]}', masked)
        for kept in ('{"a":1}', '["token"]'):
            self.assertEqual(kept, mask_body(kept, "application/json"))
        self.assertEqual(secret, mask_body(secret, "text/plain"))

    def test_headers(self) -> None:
        """Headers with URLs are masked as URLs are, and those with the name of a secret whole."""
        headers = [("Location", "/in?token=1"), ("X-API-Key", "1"), ("Authorization", "1")]

        masked = [value for _, value in mask_headers(headers)]

        self.assertEqual(["/in?token=***", "***", "***"], masked)

    def test_multipart(self) -> None:
        """A field of a form with files is masked, and the others are not."""
        body = (
            '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n'
            '--b\r\nContent-Disposition: form-data; name="user"\r\n\r\nada\r\n--b--\r\n'
        )

        masked = mask_body(body, "multipart/form-data; boundary=b")

        self.assertEqual(body.replace("hunter2", "***"), masked)

    def test_credentials_of_a_url(self) -> None:
        """A URL is shown without its credentials."""
        self.assertEqual("http://***@a.test/b@c", mask_url("http://ada:pw@a.test/b@c"))


class ClientsTest(CleanTestCase):
    """Transcripts of several clients."""

    def test_own(self) -> None:
        """Each client of an application has a transcript of its own."""
        client = self.enter_client(app)
        other = client.new_client()
        client.get("/1")
        other.get("/2")

        urls = [[exchange.url for exchange in one.transcript.exchanges] for one in (client, other)]
        self.assertEqual([["http://testserver/1"], ["http://testserver/2"]], urls)

    def test_dropped_client(self) -> None:
        """Recording makes no cycle that would keep a client's loop alive."""
        client = TestClient(app)
        client.get("/")
        portal = client.portal

        del client

        portal.join(5)
        self.assertFalse(portal.usable)
