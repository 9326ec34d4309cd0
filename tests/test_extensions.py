"""Extensions: what is announced, what they send, and what a test reads of it."""

from __future__ import annotations

import io
import os
import tempfile
import unittest
from typing import Any

import anyio
import requests

from asgitest import ASGIAdapter, ASGITestCase, ProtocolError, TestClient
from asgitest._files import PART
from asgitest._protocol._extensions import EXTENSIONS, announce
from asgitest._protocol._http import HTTPProtocol, HTTPState
from asgitest._protocol._rules import Strictness
from tests.base import CleanTestCase
from tests.protocol_case import Message, ProtocolTestCase, Refused, Taken

START: Message = {"type": "http.response.start", "status": 200}
PROMISE: Message = {**START, "trailers": True}
END: Message = {"type": "http.response.body"}
MORE: Message = {"type": "http.response.body", "body": b"a", "more_body": True}
TRAILERS: Message = {"type": "http.response.trailers", "headers": [(b"X-Sum", b"1")]}
HINT: Message = {"type": "http.response.early_hint", "links": [b"</a>", b"</b>"]}
PUSH: Message = {"type": "http.response.push", "path": "/a", "headers": [(b"A", b"b")]}
PATH: Message = {"type": "http.response.pathsend", "path": os.path.abspath(__file__)}

CERTIFICATE: dict[str, Any] = {"server_cert": None, "tls_version": 772, "cipher_suite": 4865}


def file_message(file: Any, **fields: Any) -> Message:
    """Return a message that sends an open file."""
    return {"type": "http.response.zerocopysend", "file": file, **fields}


def sends(*messages: Message) -> Any:
    """Return an application that sends these."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


class AnnounceTest(unittest.TestCase):
    """announce()."""

    def test_defaults(self) -> None:
        """Without a word the defaults are announced, on the scopes they belong to."""
        announced = announce(None, {"http.response.debug", "websocket.http.response"})
        self.assertEqual({"http.response.debug": {}}, announced.on("http", "http"))
        self.assertEqual({"websocket.http.response": {}}, announced.on("websocket", "ws"))

    def test_switches(self) -> None:
        """True and a dict switch on, False switches off, a list of names switches on."""
        announced = announce(
            {
                "http.response.push": True,
                "http.response.debug": False,
                "http.response.pathsend": {},
            },
            {"http.response.debug"},
        )
        self.assertEqual(
            {"http.response.push": {}, "http.response.pathsend": {}}, announced.on("http", "http")
        )
        for names in (["http.response.push"], {"http.response.push"}, iter(["http.response.push"])):
            self.assertEqual({"http.response.push": {}}, announce(names, ()).on("http", "https"))

    def test_content(self) -> None:
        """A dict is the content of the announcement, and each scope has its own."""
        announced = announce({"http.response.push": {"a": 1}}, ())
        first = announced.on("http", "http")
        first["http.response.push"]["a"] = 2
        self.assertEqual({"http.response.push": {"a": 1}}, announced.on("http", "http"))

    def test_refused(self) -> None:
        """What is no switch is refused, and an unknown name with those that there are."""
        rows: tuple[tuple[Any, type[Exception], str], ...] = (
            ("http.response.push", TypeError, "or a list of names, not str: 'http.response.push'"),
            (5, TypeError, "or a list of names, not int: 5"),
            ({"http.response.push": "yes"}, TypeError, "must be True, False or a dict, not str"),
            ({"http.response.push": None}, TypeError, "must be True, False or a dict, not None"),
            (["http.response.pull"], ValueError, "there is no extension 'http.response.pull'"),
            ({"x": True}, ValueError, ", ".join(sorted(EXTENSIONS))),
        )
        for switches, error, text in rows:
            with self.subTest(switches=switches):
                with self.assertRaisesRegex(error, text):
                    announce(switches, ())
                with self.assertRaisesRegex(error, text):
                    TestClient(sends(), extensions=switches)

    def test_tls(self) -> None:
        """tls is announced to encrypted connections alone (TLS-01)."""
        chain = ("pem",)
        given = {**CERTIFICATE, "client_cert_chain": chain, "client_cert_name": "CN=a", "x": 1}
        announced = announce({"tls": given}, ())
        for scope_type, scheme in (("http", "http"), ("websocket", "ws")):
            self.assertEqual({}, announced.on(scope_type, scheme))
        for scope_type, scheme in (("http", "https"), ("websocket", "wss")):
            content = announced.on(scope_type, scheme)
            self.assertEqual({"tls": {**given, "client_cert_chain": ["pem"]}}, content)
            content["tls"]["client_cert_chain"].clear()
        self.assertEqual({}, announce({"tls": False}, ()).on("http", "https"))
        unknown = {"server_cert": None, "tls_version": None, "cipher_suite": None}
        self.assertEqual({"tls": unknown}, announce({"tls": unknown}, ()).on("http", "https"))
        without = announce({"tls": {**CERTIFICATE, "client_cert_error": "bad"}}, ())
        self.assertEqual("bad", without.on("http", "https")["tls"]["client_cert_error"])

    def test_tls_refused(self) -> None:
        """What an application cannot rely on is refused (TLS-02, TLS-03)."""
        rows: tuple[tuple[Any, type[Exception], str], ...] = (
            (True, ValueError, r"must have the key 'server_cert'; .* \[TLS-02\]"),
            ({"server_cert": None}, ValueError, r"'tls_version'"),
            ({"server_cert": None, "tls_version": None}, ValueError, r"'cipher_suite'"),
            ({**CERTIFICATE, "server_cert": b"pem"}, TypeError, r"server_cert must be str or None"),
            ({**CERTIFICATE, "tls_version": "1.3"}, TypeError, r"tls_version must be int or None"),
            ({**CERTIFICATE, "tls_version": True}, TypeError, r"tls_version must be int or None"),
            ({**CERTIFICATE, "cipher_suite": 65536}, ValueError, r"a number of 16 bits"),
            ({**CERTIFICATE, "client_cert_name": 1}, TypeError, r"client_cert_name .* \[TLS-03\]"),
            ({**CERTIFICATE, "client_cert_error": ""}, ValueError, r"must not be empty"),
            ({**CERTIFICATE, "client_cert_chain": "pem"}, TypeError, r"an iterable of PEM str"),
            ({**CERTIFICATE, "client_cert_chain": 5}, TypeError, r"an iterable of PEM str"),
            ({**CERTIFICATE, "client_cert_chain": [b""]}, TypeError, r"client_cert_chain\[0\]"),
            ({**CERTIFICATE, "client_cert_chain": ["a"]}, ValueError, r"client_cert_name must be"),
        )
        for content, error, text in rows:
            with self.subTest(content=content), self.assertRaisesRegex(error, text):
                TestClient(sends(), extensions={"tls": content})
        no_chain = {**CERTIFICATE, "client_cert_chain": []}
        self.assertEqual(no_chain, announce({"tls": no_chain}, ()).on("http", "https")["tls"])


def protocol(method: str = "GET", *, strict: bool = False) -> HTTPProtocol:
    """Return a state machine with every extension."""
    machine = HTTPProtocol(method, "2.3", tuple(EXTENSIONS), Strictness(strict))
    machine.add_body(b"", False)
    machine.next_event()
    return machine


AFTER = "must come after http.response.start, which was not sent"
WHILE_SENDING = "was sent while a file was being sent; await the send() of that first"

REFUSED = (
    Refused(
        "EXT-TRAIL-01",
        "http.response.trailers: must be promised by http.response.start with trailers=True",
        TRAILERS,
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.trailers: must be promised by http.response.start with trailers=True",
        TRAILERS,
        [START, END],
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.trailers: must come after the last part of the body",
        TRAILERS,
        [PROMISE],
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.trailers: must come after the last part of the body",
        TRAILERS,
        [PROMISE, MORE],
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.body: was sent after the end of the body; "
        "http.response.trailers must follow",
        MORE,
        [PROMISE, END],
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.early_hint: was sent after the end of the body; "
        "http.response.trailers must follow",
        HINT,
        [PROMISE, END],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.trailers: was sent after the response was complete",
        TRAILERS,
        [PROMISE, END, TRAILERS],
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.trailers: more_trailers must be bool, not int: 1",
        {**TRAILERS, "more_trailers": 1},
        [PROMISE, END],
    ),
    Refused(
        "EXT-TRAIL-01",
        "http.response.trailers: headers must be an iterable of (name, value) "
        "pairs of bytes, not NoneType: None",
        {**TRAILERS, "headers": None},
        [PROMISE, END],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.early_hint: was sent after the response was complete",
        HINT,
        [START, END],
    ),
    Refused(
        "EXT-HINT-01",
        "http.response.early_hint: links is required and missing",
        {"type": "http.response.early_hint"},
    ),
    Refused(
        "EXT-HINT-01",
        "http.response.early_hint: links must be an iterable of bytes, not bytes: b'a'",
        {**HINT, "links": b"a"},
    ),
    Refused(
        "EXT-HINT-01",
        "http.response.early_hint: links must be an iterable of bytes, not int: 1",
        {**HINT, "links": 1},
    ),
    Refused(
        "EXT-HINT-01",
        "http.response.early_hint: links[1] must be bytes, not str: 'b'",
        {**HINT, "links": [b"a", "b"]},
    ),
    Refused(
        "EXT-HINT-01",
        r"http.response.early_hint: links[0] must not hold CR, LF or NUL: "
        r"b'a\n'",
        {**HINT, "links": [b"a\n"]},
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.push: was sent after the response was complete",
        PUSH,
        [START, END],
    ),
    Refused(
        "EXT-PUSH-01",
        "http.response.push: headers is required and missing",
        {"type": "http.response.push", "path": "/"},
    ),
    Refused(
        "EXT-PUSH-01",
        "http.response.push: path must be str, not bytes: b'/'",
        {**PUSH, "path": b"/"},
    ),
    Refused(
        "EXT-PUSH-01", "http.response.push: path must be absolute, not 'a'", {**PUSH, "path": "a"}
    ),
    Refused(
        "EXT-PUSH-01",
        "http.response.push: headers[0] name must not be a pseudo header: b':path'",
        {**PUSH, "headers": [(b":path", b"/")]},
    ),
    Refused("EXT-PATH-01", f"http.response.pathsend: {AFTER}", PATH),
    Refused(
        "EXT-PATH-01",
        "http.response.pathsend: must be all of the body, and other parts were sent before",
        PATH,
        [START, MORE],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.pathsend: was sent after the response was complete",
        PATH,
        [START, END],
    ),
    Refused("EXT-ZERO-01", f"http.response.pathsend: {WHILE_SENDING}", PATH, [START, PATH]),
    Refused("EXT-ZERO-01", f"http.response.body: {WHILE_SENDING}", END, [START, PATH]),
    Refused(
        "HTTP-START-01",
        "http.response.start: was sent a second time; a response starts once",
        START,
        [START, PATH],
    ),
    Refused(
        "EXT-PATH-01",
        "http.response.pathsend: path must be absolute, not 'a/b'",
        {**PATH, "path": "a/b"},
        [START],
    ),
    Refused(
        "EXT-PATH-01",
        "http.response.pathsend: path must be str, not bytes: b'/'",
        {**PATH, "path": b"/"},
        [START],
    ),
)


class OrderTest(ProtocolTestCase):
    """The state machine."""

    def test_refused(self) -> None:
        """These are refused, and change nothing."""
        for row in REFUSED:
            with self.subTest(row.text, before=len(row.before)):
                self.assert_refused(protocol(), row)

    def test_a_file_comes_after_the_start(self) -> None:
        """There is no file before the start of the response."""
        with tempfile.TemporaryFile() as file:
            row = Refused("EXT-ZERO-01", f"http.response.zerocopysend: {AFTER}", file_message(file))
            self.assert_refused(protocol(), row)

    def test_what_is_no_file(self) -> None:
        """A file has a number by which the operating system knows it."""
        with tempfile.TemporaryFile() as closed:
            pass
        for file in (io.BytesIO(b""), None, "/etc/passwd", closed, object, NumberedByText()):
            with self.subTest(file=file), self.assertRaises(ProtocolError) as caught:
                machine = protocol()
                machine.send(START)
                machine.send(file_message(file))
            self.assertIn(
                "file must be an open file, whose fileno() is a number", str(caught.exception)
            )
            self.assertEqual("EXT-ZERO-01", caught.exception.rule)

    def test_amounts(self) -> None:
        """Offset and count are numbers of bytes, or None."""
        with tempfile.TemporaryFile() as file:
            for key in ("offset", "count"):
                for value, text in (
                    ("1", "int or None, not str: '1'"),
                    (True, "int or None, not bool: True"),
                    (-1, "not be negative: -1"),
                ):
                    row = Refused(
                        "EXT-ZERO-01",
                        f"http.response.zerocopysend: {key} must {'be ' * (value != -1)}{text}",
                        file_message(file, **{key: value}),
                        [START],
                    )
                    with self.subTest(key, value=value):
                        self.assert_refused(protocol(), row)
            taken = {"file": file, "offset": 5, "count": None, "more_body": False}
            row_taken = Taken(
                "EXT-ZERO-01", file_message(file, offset=5, count=None), taken, [START]
            )
            self.assert_taken(protocol(), row_taken)

    def test_windows_paths(self) -> None:
        """A path with a drive is absolute."""
        for path in ("C:\\a", "C:/a"):
            self.assert_taken(
                protocol(), Taken("EXT-PATH-01", {**PATH, "path": path}, {"path": path}, [START])
            )

    def test_push_before_the_start(self) -> None:
        """Frameworks push out of an endpoint; that is an error with strict=True (EXT-PUSH-01)."""
        result = {"path": "/a", "headers": [(b"a", b"b")]}
        self.assert_taken(protocol(), Taken("EXT-PUSH-01", PUSH, result))
        plain = {**PUSH, "headers": [(b"a", b"b")]}
        self.assert_taken(protocol(strict=True), Taken("EXT-PUSH-01", plain, result, [START]))
        row = Refused(
            "EXT-PUSH-01", "http.response.push: must come after http.response.start", plain
        )
        self.assert_refused(protocol(strict=True), row)

    def test_a_missing_end(self) -> None:
        """Who promised trailers sends them, the last of them too."""
        for before in ([PROMISE, END], [PROMISE, END, {**TRAILERS, "more_trailers": True}]):
            machine = protocol()
            for message in before:
                machine.send(message)
            self.assertEqual(HTTPState.BEFORE_TRAILERS, machine.state)
            self.assertIn("complete but for its trailers", machine.describe())
            machine.finish()
            assert machine.violation is not None
            self.assertEqual("EXT-TRAIL-01", machine.violation.rule)

    def test_a_file_that_goes_on(self) -> None:
        """A file may say that more of the body follows, and then that has to."""
        machine = protocol()
        with tempfile.TemporaryFile() as file:
            machine.send(START)
            machine.send(file_message(file, more_body=True))
            self.assertEqual(HTTPState.IN_FILE, machine.state)
            machine.add_file_part(b"a", True)
            machine.add_file_part(b"", False)
        self.assertEqual(HTTPState.IN_BODY, machine.state)
        machine.finish()
        self.assertIn("its last http.response.zerocopysend said more_body", str(machine.violation))


class NumberedByText:
    """What has a fileno() that gives no number."""

    def fileno(self) -> str:
        """Return text."""
        return "5"


class MessagesTest(CleanTestCase):
    """Trailers, early hints and pushes of a running application."""

    def test_trailers(self) -> None:
        """Trailers reach who asked for them, and others find them withheld (EXT-TRAIL-02)."""
        app = sends(PROMISE, END, {**TRAILERS, "more_trailers": True}, TRAILERS)
        client = self.enter_client(app, lifespan="off")
        sent = [(b"x-sum", b"1")] * 2
        for te in ("trailers", "gzip, Trailers"):
            response: Any = client.get("/", headers={"te": te})
            self.assertEqual((sent, []), (response.trailers, response.withheld_trailers))
        for options in ({}, {"headers": {"te": "gzip"}}):
            response = client.get("/", **options)
            self.assertEqual(([], sent), (response.trailers, response.withheld_trailers))
        response = client.head("/", headers={"te": "trailers"})
        self.assertEqual([], response.trailers)
        old = client.new_client(http_version="1.0")
        response = old.get("/", headers={"te": "trailers"})
        self.assertEqual(sent, response.withheld_trailers)

    def test_streamed(self) -> None:
        """What comes along is on a streamed response when it has come."""
        app = sends(HINT, PROMISE, PUSH, END, TRAILERS)
        names = ["http.response.early_hint", "http.response.push"]
        client = self.enter_client(app, lifespan="off", extensions=names)
        with client.get("/", stream=True, headers={"te": "trailers"}) as response:
            streamed: Any = response
            self.assertEqual([b"</a>", b"</b>"], streamed.early_hints)
            self.assertEqual(b"", response.content)
            self.assertEqual([(b"x-sum", b"1")], streamed.trailers)
            self.assertEqual(["/a"], [push.path for push in streamed.pushes])

    def test_closed_early(self) -> None:
        """What came before a streamed response was closed is there."""
        client = self.enter_client(
            sends(START, PUSH, MORE, END), lifespan="off", extensions=["http.response.push"]
        )
        response: Any = client.get("/", stream=True)
        response.close()
        self.assertEqual(["/a"], [push.path for push in response.pushes])

    def test_push(self) -> None:
        """A push is recorded; following it makes the request that a server makes, once."""
        scopes: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            if scope["path"] == "/page":
                await send({**PUSH, "path": "/caf\xe9 %?a=1", "headers": [(b"x", b"caf\xe9")]})
            await sends(START, {**END, "body": scope["raw_path"]})(scope, receive, send)

        client = self.enter_client(app, lifespan="off", extensions=["http.response.push"])
        response: Any = client.get("https://shop.test:8443/page", headers={"host": "shop"})
        (push,) = response.pushes
        self.assertEqual("<Push [/caf\xe9 %?a=1]>", repr(push))
        self.assertEqual(1, len(scopes))
        self.assertIsNone(push.response)

        followed = push.follow()

        self.assertIs(followed, push.follow())
        self.assertIs(followed, push.response)
        self.assertEqual(2, len(scopes))
        self.assertEqual(b"/caf%C3%A9%20%25", followed.content)
        self.assertEqual("GET", scopes[1]["method"])
        self.assertEqual(b"a=1", scopes[1]["query_string"])
        self.assertEqual([(b"host", b"shop"), (b"x", b"caf\xe9")], scopes[1]["headers"])
        self.assertEqual(("shop.test", 8443), scopes[1]["server"])

        response = client.get("/page")
        response.pushes[0].follow()
        self.assertEqual((b"host", b"testserver"), scopes[-1]["headers"][0])

    def test_the_option_of_an_adapter(self) -> None:
        """The adapter takes the option, too."""
        app = sends(HINT, START, END)
        names = ["http.response.early_hint"]
        with ASGIAdapter(app, lifespan="off", extensions=names) as adapter:
            with requests.Session() as session:
                session.trust_env = False
                session.mount("http://a.test", adapter)
                response: Any = session.get("http://a.test")
        self.assertEqual([b"</a>", b"</b>"], response.early_hints)

    def test_denial_withheld(self) -> None:
        """A denial response can be withheld, like any extension."""
        start = {"type": "websocket.http.response.start", "status": 401}
        client = self.enter_client(
            sends(start), lifespan="off", extensions={"websocket.http.response": False}
        )
        with self.assertRaisesRegex(ProtocolError, "extensions={'websocket.http.response': True}"):
            client.websocket_connect("/").__enter__()

    def test_tls(self) -> None:
        """An application finds tls in the scopes of encrypted connections."""
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["extensions"].get("tls"))
            await sends(START, END)(scope, receive, send)

        client = self.enter_client(app, lifespan="off", extensions={"tls": CERTIFICATE})
        response: Any = client.get("https://a.test/")
        client.get("http://a.test/")
        self.assertEqual([CERTIFICATE, None], seen)
        self.assertEqual(CERTIFICATE, response.scope["extensions"]["tls"])


class CaseTest(ASGITestCase):
    """The option of a test case."""

    app = sends(HINT, START, END)
    lifespan = "off"
    extensions = ["http.response.early_hint"]

    def test_hint(self) -> None:
        """The class attribute announces."""
        response: Any = self.client.get("/")
        self.assertEqual([b"</a>", b"</b>"], response.early_hints)


FILES = ["http.response.pathsend", "http.response.zerocopysend"]


class FilesTest(CleanTestCase):
    """Files that an application sends."""

    def setUp(self) -> None:
        """Make a file of several parts."""
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "file")
        self.content = os.urandom(12 * PART + 5)
        with open(self.path, "wb") as file:
            file.write(self.content)

    def client_of(self, *messages: Message, **options: Any) -> TestClient:
        """Return a client of an application that sends these."""
        return self.enter_client(sends(*messages), lifespan="off", extensions=FILES, **options)

    def path_message(self, path: str | None = None) -> Message:
        """Return a message that sends a file by its path."""
        return {"type": "http.response.pathsend", "path": path or self.path}

    def test_by_path(self) -> None:
        """The file is the body; its trailers follow it."""
        self.assertEqual(self.content, self.client_of(START, self.path_message()).get("/").content)
        client = self.client_of(PROMISE, self.path_message(), TRAILERS)
        response: Any = client.get("/", headers={"te": "trailers"})
        self.assertEqual((self.content, 1), (response.content, len(response.trailers)))

    def test_by_descriptor(self) -> None:
        """Parts of files mix with other parts of the body, and the file stays open."""
        with open(self.path, "rb", buffering=0) as file:
            client = self.client_of(
                START,
                file_message(file, offset=10, count=5, more_body=True),
                MORE,
                file_message(file, count=PART + 1, more_body=True),
                file_message(file, more_body=True),
                file_message(file, offset=len(self.content) - 1, count=0),
            )
            body = client.get("/").content
            self.assertFalse(file.closed)
        self.assertEqual(self.content[10:15] + b"a" + self.content, body)

    def test_length(self) -> None:
        """The bytes of a file count (HTTP-FRAME-03)."""
        for difference, problem in ((0, None), (1, "ends before"), (-1, "comes to more than")):
            length = str(len(self.content) + difference).encode()
            start = {**START, "headers": [(b"content-length", length)]}
            client = self.client_of(start, self.path_message())
            with self.subTest(difference=difference):
                if problem is None:
                    self.assertEqual(self.content, client.get("/").content)
                    continue
                with self.assertRaisesRegex(ProtocolError, f"pathsend: the body {problem}"):
                    client.get("/")

    def test_no_body(self) -> None:
        """Nothing of a file is sent for HEAD, and none may be with status 204."""
        length = str(len(self.content)).encode()
        start = {**START, "headers": [(b"content-length", length)]}
        response = self.client_of(start, self.path_message()).head("/")
        self.assertEqual(
            (b"", length.decode()), (response.content, response.headers["content-length"])
        )
        with self.assertRaisesRegex(ProtocolError, "body must be empty with status 204"):
            self.client_of({**START, "status": 204}, self.path_message()).get("/")

    def test_what_cannot_be_read(self) -> None:
        """A path that leads to no file, or a file that is not to be read, is a violation."""
        for path in (os.path.join(self.folder, "none"), self.folder):
            client = self.client_of(START, self.path_message(path))
            for stream in (False, True):
                with self.subTest(path, stream=stream):
                    with self.assertRaisesRegex(ProtocolError, "pathsend: path must.*EXT-PATH-01"):
                        _ = client.get("/", stream=stream).content
        with open(self.path, "ab") as file:
            client = self.client_of(START, file_message(file))
            with self.assertRaisesRegex(ProtocolError, "zerocopysend: file must.*EXT-ZERO-01"):
                client.get("/")

    def test_the_application_may_go_on(self) -> None:
        """After a file that could not be read, something else may be sent; the violation stays."""
        missing = self.path_message(os.path.join(self.folder, "none"))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            try:
                await send(missing)
            except ProtocolError as error:
                self.assertIsInstance(error.__cause__, FileNotFoundError)
                await send(END)

        client = self.enter_client(app, lifespan="off", extensions=FILES)
        with self.assertRaisesRegex(ProtocolError, "EXT-PATH-01"):
            client.get("/")

    def test_back_pressure(self) -> None:
        """A file is read as its reader goes on, in constant memory."""
        taken: list[int] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            with open(self.path, "rb", buffering=0) as file:
                taken.append(file.fileno())
                await send(file_message(file))
                taken.append(file.tell())

        client = self.enter_client(app, lifespan="off", extensions=FILES)
        with client.get("/", stream=True) as response:
            pieces = response.iter_content(None)
            self.assertEqual(self.content[:PART], next(pieces)[:PART])
            # 256 KiB may lie unread, and one read takes as much.
            self.assertEqual(1, len(taken))
            self.assertLessEqual(os.lseek(taken[0], 0, os.SEEK_CUR), 6 * PART)
            _ = [*pieces]
        self.assertEqual(len(self.content), taken[1])

    def test_leaving(self) -> None:
        """Who leaves in mid-file ends its sending."""
        ends: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(self.path_message())
            ends.append((await receive())["type"])
            ends.append((await receive())["type"])

        client = self.enter_client(app, lifespan="off", extensions=FILES)
        client.get("/", stream=True).close()
        self.assertEqual(["http.request", "http.disconnect"], ends)

    def test_others_go_on(self) -> None:
        """A file that does not come holds up no other request, nor a full pool of threads."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            if scope["path"] == "/other":
                with anyio.move_on_after(5):
                    await send(END)
                os.close(write_end)
                return
            with os.fdopen(os.dup(read_end), "rb", buffering=0) as file:
                await send(file_message(file))

        client = self.enter_client(app, lifespan="off", extensions=FILES)
        os.write(write_end, b"some")
        with client.get("/", stream=True) as response:
            pieces = response.iter_content(None)
            self.assertEqual(b"some", next(pieces))
            self.assertEqual(200, client.get("/other").status_code)
            self.assertEqual([], [*pieces])


if __name__ == "__main__":
    unittest.main()
