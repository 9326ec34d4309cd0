"""Profiles: the shapes of scopes and events in which servers differ."""

from __future__ import annotations

import dataclasses
import re
import unittest
from pathlib import Path
from typing import Any

from asgitest import ASGITestCase, ASGIWarning, Profile, TestClient, WebSocketDisconnect
from asgitest._protocol._profiles import DEFAULT, PROFILES, find_profile
from tests.base import CleanTestCase

PAGE = Path(__file__).resolve().parents[1] / "docs" / "profiles.rst"


class Recorder:
    """An application that keeps its scopes and events, and answers.

    :ivar scopes: what it was called with
    :ivar events: what it received
    """

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Receive all there is."""
        self.scopes.append(scope)
        if scope["type"] == "http":
            await self.receive_until(receive, lambda event: not event.get("more_body"))
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})
            return
        self.events.append(await receive())
        await send({"type": "websocket.accept"})
        if scope["path"] == "/returns":
            return
        if scope["path"] == "/raises":
            raise LookupError
        await self.receive_until(receive, lambda event: event["type"] == "websocket.disconnect")

    async def receive_until(self, receive: Any, is_last: Any) -> None:
        """Keep events up to the last one."""
        while True:
            event = await receive()
            self.events.append(event)
            if is_last(event):
                return


class ProfileTest(unittest.TestCase):
    """Profile."""

    def test_default(self) -> None:
        """A profile that nobody changed is that of a client without one."""
        self.assertEqual(Profile(), DEFAULT)
        self.assertIs(DEFAULT, find_profile(None))

    def test_by_name(self) -> None:
        """Each server has a profile, and a profile stands for itself."""
        self.assertEqual(["uvicorn", "hypercorn", "daphne", "granian"], [*PROFILES])
        for name, profile in PROFILES.items():
            self.assertIs(profile, find_profile(name))
            self.assertIs(profile, find_profile(profile))
            self.assertNotEqual(DEFAULT, profile)

    def test_of(self) -> None:
        """Single values of a server's profile can be changed."""
        profile = Profile.of("hypercorn", body_chunk=10)
        self.assertEqual(10, profile.body_chunk)
        self.assertEqual(PROFILES["hypercorn"], dataclasses.replace(profile, body_chunk=65536))
        with self.assertRaises(TypeError):
            Profile.of("hypercorn", colour="red")

    def test_refused(self) -> None:
        """What is no profile is refused, with those that there are."""
        with self.assertRaisesRegex(ValueError, "one of uvicorn, .*, granian, not 'gunicorn'"):
            TestClient(Recorder(), profile="gunicorn")
        with self.assertRaisesRegex(TypeError, "a Profile or None, not int: 5"):
            TestClient(Recorder(), profile=5)  # type: ignore[arg-type]
        for name in ("body_chunk", "unread_limit"):
            with self.assertRaisesRegex(ValueError, f"{name} must be a positive number of bytes"):
                Profile(**{name: 0})

    def test_documented(self) -> None:
        """The page has the table of the code."""
        text = PAGE.read_text(encoding="utf-8").partition("What the servers do")[2]
        rows = re.findall(r"^   \* - (\S+)\n((?:     - .+\n)+)", text, re.MULTILINE)
        table = {
            name.strip("`"): re.findall(r"^     - (.+)$", cells, re.MULTILINE)
            for name, cells in rows
        }
        profiles = [DEFAULT, *PROFILES.values()]
        for field in dataclasses.fields(Profile):
            with self.subTest(field.name):
                values = [getattr(profile, field.name) for profile in profiles]
                self.assertEqual([shown(value) for value in values], table[field.name])
        self.assertEqual(["without", *PROFILES], table["value"])


def shown(value: object) -> str:
    """Return a value as the page shows it."""
    if isinstance(value, frozenset):
        return ", ".join(f"``{name}``" for name in sorted(value)) or "none"
    return f"``{value!r}``"


class ScopeTest(CleanTestCase):
    """Scopes."""

    def scopes_of(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the scope of a request and that of a WebSocket."""
        recorder = Recorder()
        client = self.enter_client(recorder, lifespan="off", **options)
        client.get("/", headers={"x-a": "1"})
        with client.websocket_connect("/"):
            pass
        http, websocket = recorder.scopes
        return http, websocket

    def test_versions(self) -> None:
        """Each server announces versions of its own; an option comes before them."""
        announced = {
            name: tuple(scope["asgi"].get("spec_version") for scope in self.scopes_of(profile=name))
            for name in PROFILES
        }
        self.assertEqual(
            {
                "uvicorn": ("2.3", "2.4"),
                "hypercorn": ("2.1", "2.3"),
                "daphne": (None, None),
                "granian": ("2.3", "2.3"),
            },
            announced,
        )
        for name in PROFILES:
            for scope in self.scopes_of(profile=name, spec_version="2.5"):
                self.assertEqual({"version": "3.0", "spec_version": "2.5"}, scope["asgi"])

    def test_extensions(self) -> None:
        """Each server announces extensions of its own, HTTP/2 has more, and tests have theirs."""
        own = {"http.response.debug", "http.response.template"}
        h2 = {"http.response.early_hint", "http.response.push", "http.response.trailers"}
        denial = {"websocket.http.response"}
        for name, http_version, http, websocket in (
            (None, "1.1", {"http.response.trailers"}, denial),
            ("uvicorn", "1.1", set(), denial),
            ("hypercorn", "1.1", set(), denial),
            ("hypercorn", "2", h2, denial),
            ("daphne", "1.1", set(), None),
            ("granian", "1.1", {"http.response.pathsend"}, denial),
        ):
            with self.subTest(name, http_version=http_version):
                found = self.scopes_of(profile=name, http_version=http_version)
                self.assertEqual(own | http, set(found[0]["extensions"]))
                self.assertEqual(websocket, websocket and set(found[1]["extensions"]))
                self.assertEqual(websocket is None, "extensions" not in found[1])

    def test_nothing_announced(self) -> None:
        """Where nothing is announced, there is an empty dict, or no key, as on the server."""
        off = {"http.response.debug": False, "http.response.template": False}
        for name, expected in (("uvicorn", None), ("hypercorn", {})):
            recorder = Recorder()
            client = self.enter_client(recorder, lifespan="off", profile=name, extensions=off)
            response: Any = client.get("/")
            for scope in (recorder.scopes[0], response.scope):
                self.assertEqual(expected, scope.get("extensions"))
                self.assertEqual(expected is None, "extensions" not in scope)

    def test_keys(self) -> None:
        """daphne leaves keys out, and has lists for addresses."""
        http, websocket = self.scopes_of(profile="daphne")
        plain, plain_websocket = self.scopes_of()
        self.assertEqual({"state"}, set(plain) - set(http))
        self.assertEqual(
            {"state", "http_version", "scheme", "extensions"},
            set(plain_websocket) - set(websocket),
        )
        for scope in (http, websocket):
            self.assertEqual(["127.0.0.1", 50000], scope["client"])
            self.assertEqual(["testserver", 80], scope["server"])
        http, _ = self.scopes_of(profile="daphne", client_address=None)
        self.assertIsNone(http["client"])

    def test_the_option_scope_comes_last(self) -> None:
        """What a test puts into the scope is there whatever the profile."""
        http, _ = self.scopes_of(profile="daphne", scope={"state": {"a": 1}, "client": ("a", 1)})
        self.assertEqual(({"a": 1}, ("a", 1)), (http["state"], http["client"]))

    def test_unix_socket(self) -> None:
        """A server address without a port is there from version 2.2 on (SC-14)."""
        address = ("/run/app.sock", None)
        for options, expected in (
            ({"spec_version": "2.0"}, (None, None)),
            ({"spec_version": "2.1"}, (None, None)),
            ({"spec_version": "2.2"}, (address, address)),
            ({}, (address, address)),
            ({"profile": "hypercorn"}, (None, address)),
            ({"profile": "daphne"}, (None, None)),
        ):
            with self.subTest(options=options):
                scopes = self.scopes_of(server_address=address, **options)
                self.assertEqual(expected, tuple(scope["server"] for scope in scopes))
        http, _ = self.scopes_of(server_address=("a", 1), spec_version="2.0")
        self.assertEqual(("a", 1), http["server"])

    def test_http_2(self) -> None:
        """HTTP/2 has no headers that concern the connection, and its handshake no key."""
        http, websocket = self.scopes_of(http_version="2")
        names = [name for name, _ in http["headers"]]
        self.assertEqual([b"host", b"user-agent", b"accept-encoding", b"accept", b"x-a"], names)
        names = [name for name, _ in websocket["headers"]]
        self.assertIn(b"sec-websocket-version", names)
        for name in (b"connection", b"upgrade", b"sec-websocket-key"):
            self.assertNotIn(name, names)
        recorder = Recorder()
        client = self.enter_client(recorder, lifespan="off", http_version="2")
        client.post("/", data=iter([b"a"]))
        self.assertNotIn(b"transfer-encoding", dict(recorder.scopes[0]["headers"]))

    def test_http_1_0(self) -> None:
        """There is no WebSocket in HTTP/1.0; the application is not called (SC-03)."""
        recorder = Recorder()
        client = self.enter_client(recorder, lifespan="off", http_version="1.0")
        client.get("/")
        self.assertEqual("1.0", recorder.scopes[0]["http_version"])
        with self.assertRaisesRegex(ValueError, "has no WebSockets; they need '1.1' or '2'"):
            client.websocket_connect("/").__enter__()
        self.assertEqual(1, len(recorder.scopes))

    def test_cookies(self) -> None:
        """Cookies share a header, and have one each in HTTP/2 where the server leaves it so."""
        for options, expected in (
            ({}, [b"a=1; b=2"]),
            ({"http_version": "2"}, [b"a=1; b=2"]),
            ({"profile": "granian"}, [b"a=1; b=2"]),
            ({"profile": "granian", "http_version": "2"}, [b"a=1", b"b=2"]),
            ({"profile": Profile(split_cookies=True), "http_version": "2"}, [b"a=1", b"b=2"]),
        ):
            for scope in self.scopes_of(cookies={"a": "1", "b": "2"}, **options):
                cookies = [value for name, value in scope["headers"] if name == b"cookie"]
                self.assertEqual(expected, cookies, options)


def request(body: bytes, more_body: bool = False) -> dict[str, Any]:
    """Return a part of a request's body."""
    return {"type": "http.request", "body": body, "more_body": more_body}


class EventsTest(CleanTestCase):
    """Events."""

    def events_of(self, profile: Any, data: Any) -> list[dict[str, Any]]:
        """Return the events of a request."""
        recorder = Recorder()
        client = self.enter_client(recorder, lifespan="off", profile=profile)
        client.post("/", data=data)
        return recorder.events

    def test_bodies(self) -> None:
        """A body falls into events as the profile says (HTTP-REQ-02)."""
        bare = Profile(default_keys=False)
        rows: tuple[tuple[Any, Any, list[dict[str, Any]]], ...] = (
            (None, b"abcde", [request(b"abcde")]),
            (None, b"", [request(b"")]),
            ("uvicorn", b"abcde", [request(b"abcde")]),
            ("hypercorn", b"abcde", [request(b"abcde", True), request(b"")]),
            ("hypercorn", b"", [request(b"")]),
            (
                "hypercorn",
                iter([b"ab", b"c"]),
                [request(b"ab", True), request(b"c", True), request(b"")],
            ),
            (
                Profile(body_chunk=2),
                b"abcde",
                [request(b"ab", True), request(b"cd", True), request(b"e")],
            ),
            (Profile(body_chunk=2), b"abcd", [request(b"ab", True), request(b"cd")]),
            (
                Profile.of("granian", body_chunk=2),
                b"abc",
                [request(b"ab", True), request(b"c", True), request(b"")],
            ),
            (
                Profile(body_chunk=2),
                iter([b"abc"]),
                [request(b"ab", True), request(b"c", True), request(b"")],
            ),
            (bare, b"", [{"type": "http.request"}]),
            (bare, b"a", [{"type": "http.request", "body": b"a"}]),
            (
                bare,
                iter([b"a"]),
                [
                    {"type": "http.request", "body": b"a", "more_body": True},
                    {"type": "http.request"},
                ],
            ),
        )
        for profile, data, expected in rows:
            with self.subTest(profile=profile, data=data):
                self.assertEqual(expected, self.events_of(profile, data))

    def test_sizes(self) -> None:
        """A large body comes in events of the size that the server reads."""
        for name, size in (("uvicorn", 65536), ("hypercorn", 65536), ("daphne", 8192)):
            events = self.events_of(name, b"x" * 100_000)
            self.assertEqual(size, len(events[0]["body"]))
            self.assertEqual(100_000, sum(len(event["body"]) for event in events))

    def test_messages(self) -> None:
        """A message of the client has one key, or both (WS-RECV-01)."""
        for name, text, data in (
            ("daphne", {"text": "a"}, {"bytes": b"b"}),
            ("hypercorn", {"text": "a", "bytes": None}, {"text": None, "bytes": b"b"}),
        ):
            recorder = Recorder()
            client = self.enter_client(recorder, lifespan="off", profile=name)
            with client.websocket_connect("/") as session:
                session.send_text("a")
                session.send_bytes(b"b")
                session.send({"type": "websocket.receive", "text": "raw"})
            received = recorder.events[1:4]
            expected = [
                {"type": "websocket.receive", **fields} for fields in (text, data, {"text": "raw"})
            ]
            self.assertEqual(expected, received)

    def test_reason(self) -> None:
        """The reason of a disconnect is there from 2.5 on, and on uvicorn (WS-DISC-03)."""
        for options, expected in (
            ({}, False),
            ({"spec_version": "2.4"}, False),
            ({"spec_version": "2.5"}, True),
            ({"profile": "uvicorn"}, True),
            ({"profile": Profile(disconnect_reason=False), "spec_version": "2.5"}, False),
        ):
            recorder = Recorder()
            client = self.enter_client(recorder, lifespan="off", **options)
            with client.websocket_connect("/") as session:
                session.close(3000, "bye")
            event = {"type": "websocket.disconnect", "code": 3000}
            if expected:
                event["reason"] = "bye"
            self.assertEqual(event, recorder.events[-1])


class CodesTest(CleanTestCase):
    """What a client sees of a WebSocket whose application ended."""

    CODES = {
        None: (1006, 1011),
        "uvicorn": (1006, 1006),
        "hypercorn": (1011, 1011),
        "daphne": (1006, 1011),
        "granian": (1005, 1005),
    }

    def test_returned(self) -> None:
        """The code of an application that returned (WS-CLOSE-08)."""
        for name, (code, _) in self.CODES.items():
            client = self.enter_client(Recorder(), lifespan="off", profile=name)
            with self.subTest(name), self.assertWarnsRegex(ASGIWarning, f"sees code {code}"):
                with client.websocket_connect("/returns") as session:
                    with self.assertRaisesRegex(WebSocketDisconnect, "returned without") as caught:
                        session.receive()
                    self.assertEqual(code, caught.exception.code)

    def test_raised(self) -> None:
        """The code of an application that raised (WS-CLOSE-09)."""
        for name, (_, code) in self.CODES.items():
            client = self.enter_client(
                Recorder(), lifespan="off", profile=name, raise_server_exceptions=False
            )
            with self.subTest(name), client.websocket_connect("/raises") as session:
                with self.assertRaisesRegex(WebSocketDisconnect, "raised an exception") as caught:
                    session.receive()
                self.assertEqual(code, caught.exception.code)


class CaseTest(ASGITestCase):
    """The option of a test case."""

    app = Recorder()
    lifespan = "off"
    profile = "hypercorn"

    def test_profile(self) -> None:
        """The class attribute selects."""
        response: Any = self.client.get("/")
        self.assertEqual("2.1", response.scope["asgi"]["spec_version"])


if __name__ == "__main__":
    unittest.main()
