"""Archives read by a library for them, and command lines run by curl against a real server."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import threading
import unittest
from typing import Any

import haralyzer

from asgitest import TestClient

from .base import CleanTestCase

# What is of the connection, or of the program that makes the request.
_OF_THE_CLIENT = {b"host", b"content-length", b"transfer-encoding"}


class Recorder:
    """An application that keeps what it is asked.

    :ivar requests: method, path, query, headers and body of each request
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, bytes, list[tuple[bytes, bytes]], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            event = await receive()
            body += event["body"]
            if not event["more_body"]:
                break
        headers = sorted(pair for pair in scope["headers"] if pair[0] not in _OF_THE_CLIENT)
        target = (scope["method"], scope["raw_path"], scope["query_string"])
        self.requests.append((*target, headers, body))
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})


def why_not_curl() -> str:
    """Return what is missing to run curl against a server, ``""`` if nothing is."""
    if shutil.which("curl") is None:
        return "the program curl is not installed"
    return "" if importlib.util.find_spec("uvicorn") else "uvicorn is not installed"


@unittest.skipIf(why_not_curl(), why_not_curl())
class CurlTest(CleanTestCase):
    """A command line that curl runs."""

    maxDiff = None

    def setUp(self) -> None:
        """Start a server whose application keeps what it is asked."""
        super().setUp()
        import uvicorn

        self.served = Recorder()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.served, lifespan="off", ws="none", http="h11", log_config=None, loop="asyncio"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(setattr, server, "should_exit", True)

    def assert_repeated(self, **options: Any) -> None:
        """Fail unless curl makes a request as the client made it.

        :param options: those of the request
        """
        here = Recorder()
        self.served.requests.clear()
        with TestClient(here, lifespan="off") as client:
            client.request(**{"method": "GET", "url": "/", **options})
            command = client.transcript.to_curl()
        # To where the server is, whatever the URL says.
        command += f" --connect-to ::127.0.0.1:{self.port} --silent --show-error --max-time 30"
        curl = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual("", curl.stderr)
        self.assertEqual(0, curl.returncode)
        self.assertEqual(here.requests, self.served.requests)

    def test_requests(self) -> None:
        """curl makes the same request: method, URL, headers and body."""
        for options in (
            {},
            {"url": "/it's/%7Eada?q=a%20b&q=c&empty=#part", "params": {"x": "[1-3]"}},
            {"url": "/a[1-3]{x,y}"},
            {"headers": {"X-Room": "a 'b' $HOME `c`", "X-Empty": "", "Accept": "text/html"}},
            {"headers": [("x-twice", "1"), ("x-twice", "2")]},
            {"cookies": {}, "headers": {"accept": None, "user-agent": None}},
            {"method": "HEAD"},
            {"method": "DELETE"},
            {"method": "POST"},
            {"method": "POST", "data": {"name": "ada", "words": "a&b=c \xe4"}},
            {"method": "POST", "json": {"name": "it's \u20ac", "at": "@file", "line": "a\nb"}},
            {"method": "PUT", "data": "@it's"},
            {"method": "POST", "data": bytes(range(256)) + b"%s\\n'"},
            {"method": "POST", "data": b"-n"},
            {"method": "PATCH", "files": {"file": ("a.bin", b"\x00\xff")}},
            {"method": "GET", "data": "with a body"},
            {"method": "POST", "data": iter([b"piece by ", b"piece"])},
        ):
            with self.subTest(**options):
                self.assert_repeated(**options)


class ReaderTest(CleanTestCase):
    """An archive that a library reads."""

    def test_archive(self) -> None:
        """A reader of archives finds every exchange, with its headers, body, status and time."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
                await receive()
                return
            body = (await receive())["body"]
            headers = [(b"content-type", b"text/plain"), (b"x-room", b"lobby")]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        client = self.enter_client(app, lifespan="off")
        client.post("/rooms?page=2", data={"name": "lobby"})
        with client.websocket_connect("/chat"):
            pass

        parser = haralyzer.HarParser(json.loads(client.transcript.to_har()))

        (page,) = parser.pages
        posted, talk = page.entries
        self.assertEqual("http://testserver/rooms?page=2", posted.url)
        self.assertEqual("POST", posted.request.method)
        self.assertEqual([{"name": "page", "value": "2"}], posted.request.queryString)
        self.assertEqual("name=lobby", posted.request.text)
        self.assertEqual("testserver", posted.request.host)
        self.assertEqual((201, "Created"), (posted.response.status, posted.response.statusText))
        self.assertEqual("lobby", posted.response.get_header_value("x-room"))
        self.assertEqual("name=lobby", posted.response.text)
        self.assertEqual("text/plain", posted.response.mimeType)
        self.assertEqual([posted], page.post_requests)
        self.assertGreater(posted.time, 0)
        self.assertLessEqual(posted.startTime, talk.startTime)
        self.assertEqual(101, talk.status)
