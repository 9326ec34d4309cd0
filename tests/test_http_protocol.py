"""The state machine of one request: which message may come when, and which event comes next."""

from __future__ import annotations

import http
from typing import Any

from asgitest._protocol._http import HTTPProtocol, HTTPState
from asgitest._protocol._machine import MAXIMUM_REPEATS
from asgitest.exceptions import ClientDisconnected, ProtocolError
from tests.protocol_case import Message, ProtocolTestCase, Refused, Taken

EXTENSIONS = ("http.response.debug", "http.response.template")


def start(status: Any = 200, **fields: Any) -> Message:
    """Return a response start."""
    return {"type": "http.response.start", "status": status, **fields}


def body(content: Any = b"", more_body: Any = False) -> Message:
    """Return a part of the response's body."""
    return {"type": "http.response.body", "body": content, "more_body": more_body}


def length(*values: bytes) -> list[tuple[bytes, bytes]]:
    """Return headers with these content lengths."""
    return [(b"content-length", value) for value in values]


def protocol(
    method: str = "GET", version: str = "2.3", extensions: Any = EXTENSIONS
) -> HTTPProtocol:
    """Return a fresh state machine."""
    return HTTPProtocol(method, version, extensions)


def request(content: bytes = b"", more_body: bool = False) -> Message:
    """Return a part of the request's body, as the application receives it."""
    return {"type": "http.request", "body": content, "more_body": more_body}


GONE: Message = {"type": "http.disconnect"}
INFO: Message = {"type": "http.response.debug", "info": {"template": object()}}
TEMPLATE: Message = {"type": "http.response.template", "template": "a", "context": {"b": 1}}
FINAL = "status must be a final one, from 200 to 599"
INTEGER = "content-length must be one non-negative integer"

ORDER = (
    Refused(
        "HTTP-START-01",
        "http.response.body: must come after http.response.start, which was not sent",
        body(b"a"),
    ),
    Refused(
        "HTTP-START-01",
        "http.response.body: must come after http.response.start, which was not sent",
        {"type": "http.response.body"},
        [INFO],
    ),
    Refused(
        "HTTP-START-01",
        "http.response.start: was sent a second time; a response starts once",
        start(),
        [start()],
    ),
    Refused(
        "HTTP-START-01",
        "http.response.start: was sent a second time; a response starts once",
        start(500),
        [start(), body(b"a", True)],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.start: was sent after the response was complete",
        start(),
        [start(), body()],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.body: was sent after the response was complete",
        body(b"a"),
        [start(), body()],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.body: was sent after the response was complete",
        {"type": "http.response.body"},
        [start(), body(b"a", True), {"type": "http.response.body"}],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.debug: was sent after the response was complete",
        INFO,
        [start(), body()],
    ),
    Refused("EXT-DEBUG-01", "http.response.debug: was sent a second time", INFO, [INFO]),
    Refused(
        "EXT-DEBUG-01",
        "http.response.debug: must be sent before http.response.start",
        INFO,
        [start()],
    ),
    Refused(
        "EXT-DEBUG-01",
        "http.response.debug: must be sent before http.response.start",
        INFO,
        [INFO, start(), body(b"a", True)],
    ),
    Refused(
        "EXT-DEBUG-01",
        "http.response.template: must be sent before http.response.start",
        TEMPLATE,
        [start()],
    ),
    Refused(
        "HTTP-BODY-05",
        "http.response.template: was sent after the response was complete",
        TEMPLATE,
        [start(), body()],
    ),
)

START = (
    *(
        Refused("HTTP-START-03", f"http.response.start: {FINAL}, not {status}", start(status))
        for status in (-1, 0, 99, 100, 101, 103, 199, 600, 999)
    ),
    Refused(
        "HTTP-START-02", "http.response.start: status must be int, not str: '200'", start("200")
    ),
    Refused(
        "HTTP-START-04",
        "http.response.start: headers must be an iterable of (name, value) pairs of bytes, "
        "not dict: {b'a': b'b'}",
        start(headers={b"a": b"b"}),
    ),
    Refused(
        "HTTP-START-05",
        "http.response.start: headers[0] name must be bytes, not str: 'content-type'",
        start(headers=[("content-type", b"text/plain")]),
    ),
    Refused(
        "HTTP-START-07",
        "http.response.start: headers[0] name must not be a pseudo header: b':status'",
        start(headers=[(b":status", b"200")]),
    ),
    Refused(
        "HTTP-START-08",
        "http.response.start: headers[0] value of b'location' must not hold CR, LF or NUL: "
        "b'/\\r\\nset-cookie: a=1'",
        start(headers=[(b"location", b"/\r\nset-cookie: a=1")]),
    ),
    Refused(
        "HTTP-START-14",
        "http.response.start: trailers must be bool, not str: 'yes'",
        start(trailers="yes"),
    ),
    Refused(
        "HTTP-START-14",
        "http.response.start: trailers must be False, for the 'http.response.trailers' "
        "extension is not announced",
        start(trailers=True),
    ),
    *(
        Refused(
            "HTTP-FRAME-02",
            f"http.response.start: {INTEGER}, not {shown}",
            start(headers=length(*values)),
        )
        for values, shown in (
            ((b"abc",), "b'abc'"),
            ((b"-1",), "b'-1'"),
            ((b"+1",), "b'+1'"),
            ((b"1.0",), "b'1.0'"),
            ((b"1_0",), "b'1_0'"),
            ((b"0x1",), "b'0x1'"),
            ((b"1 0",), "b'1 0'"),
            ((b"1, 1",), "b'1, 1'"),
            ((b"\xb2",), "b'\\xb2'"),
            ((b"",), "b''"),
            ((b"2", b"1"), "b'1, 2'"),
            ((b"1", b"1", b"01"), "b'01, 1'"),
            ((b"1", b"abc"), "b'1, abc'"),
        )
    ),
)

BODY = (
    Refused(
        "HTTP-BODY-01",
        "http.response.body: body must be bytes, not str: 'a'",
        body("a"),
        [start()],
    ),
    Refused(
        "HTTP-BODY-01",
        "http.response.body: body must be bytes, not NoneType: None",
        body(None),
        [start(), body(b"a", True)],
    ),
    Refused(
        "HTTP-BODY-03",
        "http.response.body: more_body must be bool, not int: 1",
        body(b"a", 1),
        [start()],
    ),
    Refused(
        "HTTP-FRAME-03",
        "http.response.body: the body comes to more than the content-length of 2 bytes: "
        "5 bytes were sent",
        body(b"abcde"),
        [start(headers=length(b"2"))],
    ),
    Refused(
        "HTTP-FRAME-03",
        "http.response.body: the body comes to more than the content-length of 2 bytes: "
        "3 bytes were sent",
        body(b"c", True),
        [start(headers=length(b"2")), body(b"ab", True)],
    ),
    Refused(
        "HTTP-FRAME-03",
        "http.response.body: the body comes to more than the content-length of 0 bytes: "
        "1 bytes were sent",
        body(b"a"),
        [start(headers=length(b"0", b"0"))],
    ),
    Refused(
        "HTTP-FRAME-03",
        "http.response.body: the body ends before the content-length of 10 bytes: "
        "5 bytes were sent",
        body(b"abcde"),
        [start(headers=[(b"Content-Length", b" 10 ")])],
    ),
    Refused(
        "HTTP-FRAME-03",
        "http.response.body: the body ends before the content-length of 10 bytes: "
        "5 bytes were sent",
        body(),
        [start(headers=length(b"10")), body(b"abcde", True)],
    ),
    *(
        Refused(
            "HTTP-FRAME-05",
            f"http.response.body: body must be empty with status {status}, not b'a'",
            body(b"a", more_body),
            [start(status)],
        )
        for status in (204, 304)
        for more_body in (False, True)
    ),
)


class RefusedTest(ProtocolTestCase):
    """Messages that break a rule: refused, latched, and without a trace in the state."""

    def test_order(self) -> None:
        """The debug message, then one start, then the body to its end, then nothing."""
        for row in ORDER:
            with self.subTest(row.text):
                self.assert_refused(protocol(), row)

    def test_start(self) -> None:
        """A start has a final status, headers that a server can send, and no unknown trailers."""
        for row in START:
            with self.subTest(row.text):
                self.assert_refused(protocol(), row)

    def test_body(self) -> None:
        """A body is made of bytes, of as many as were promised."""
        for row in BODY:
            with self.subTest(row.text):
                self.assert_refused(protocol(), row)

    def test_every_version(self) -> None:
        """No version of the text takes any of these."""
        for version in ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5"):
            for row in (*ORDER, *START, *BODY):
                with self.subTest(row.text, version=version):
                    self.assert_refused(protocol(version=version), row)

    def test_numbers_without_end(self) -> None:
        """Numbers that are too long to be shown are refused like others."""
        for message, rule in (
            (start(10**5000), "HTTP-START-03"),
            (start(-(10**5000)), "HTTP-START-03"),
            (start(headers=length(b"1" * 20)), "HTTP-FRAME-02"),
            (start(headers=length(b"1" * 5000)), "HTTP-FRAME-02"),
        ):
            with self.subTest(rule=rule):
                machine = protocol()
                with self.assertRaises(ProtocolError) as caught:
                    machine.send(message)
                self.assertEqual(rule, caught.exception.rule)
                self.assertIs(caught.exception, machine.violation)

    def test_the_connection_goes_on(self) -> None:
        """After a refused message the right one is taken, and the violation is kept (ERR-03)."""
        for refused in (body(), start(99), start(headers=None), start(headers=length(b"x")), None):
            with self.subTest(refused):
                machine = protocol()
                with self.assertRaises(ProtocolError) as caught:
                    machine.send(refused)
                for message in (start(201, headers=length(b"1")), body(b"a")):
                    self.assertIsNotNone(machine.send(message))
                machine.finish()
                self.assertTrue(machine.complete)
                self.assertEqual(201, machine.status)
                self.assertIs(caught.exception, machine.violation)

    def test_the_first_violation_is_kept(self) -> None:
        """Later violations are raised, and do not replace the first (ERR-03)."""
        machine = protocol()
        with self.assertRaises(ProtocolError) as first:
            machine.send(body())
        for message, rule in ((start("200"), "HTTP-START-02"), (None, "EVT-01")):
            with self.assertRaises(ProtocolError) as later:
                machine.send(message)
            self.assertEqual(rule, later.exception.rule)
            self.assertIs(first.exception, machine.violation)
        machine.finish()
        self.assertIs(first.exception, machine.violation)


class TakenTest(ProtocolTestCase):
    """What frameworks send and servers take."""

    def test_start(self) -> None:
        """A start comes out with its defaults and its headers in order."""
        for row in (
            Taken("HTTP-START-02", start(), {"status": 200, "headers": [], "trailers": False}),
            Taken(
                "HTTP-START-02",
                start(http.HTTPStatus.CREATED),
                {"status": 201, "headers": [], "trailers": False},
            ),
            Taken("HTTP-START-03", start(599), {"status": 599, "headers": [], "trailers": False}),
            # RFC 9110 knows no such status, and every server sends it.
            Taken("HTTP-START-03", start(299), {"status": 299, "headers": [], "trailers": False}),
            Taken(
                "HTTP-START-04",
                start(headers=iter([[b"a", b"b"]])),
                {"status": 200, "headers": [(b"a", b"b")], "trailers": False},
            ),
            # Django and Channels
            Taken(
                "HTTP-START-06",
                start(headers=[(b"Content-Type", b"text/html"), (b"Set-Cookie", b"a=1")]),
                {
                    "status": 200,
                    "headers": [(b"content-type", b"text/html"), (b"set-cookie", b"a=1")],
                    "trailers": False,
                },
            ),
            Taken(
                "HTTP-START-09",
                start(headers=[(b"a", b" b ")]),
                {"status": 200, "headers": [(b"a", b"b")], "trailers": False},
            ),
            Taken(
                "HTTP-START-14",
                start(trailers=False),
                {"status": 200, "headers": [], "trailers": False},
            ),
            # BaseHTTPMiddleware and templates of Starlette
            Taken(
                "EXT-DEBUG-01", start(), {"status": 200, "headers": [], "trailers": False}, [INFO]
            ),
        ):
            with self.subTest(rule=row.rule, message=row.message):
                machine = protocol()
                self.assert_taken(machine, row)
                self.assertEqual(row.result["status"], machine.status)
                self.assertEqual(row.result["headers"], machine.headers)
                self.assertIs(HTTPState.STARTED, machine.state)

    def test_body(self) -> None:
        """A body comes out as bytes."""
        whole = {"body": b"ab", "more_body": False}
        for row in (
            Taken("HTTP-BODY-01", body(b"ab"), whole, [start()]),
            # Django's last message
            Taken(
                "HTTP-BODY-01",
                {"type": "http.response.body"},
                {"body": b"", "more_body": False},
                [start(), body(b"a", True)],
            ),
            Taken("HTTP-BODY-02", body(bytearray(b"ab")), whole, [start()]),
            # Starlette
            Taken("HTTP-BODY-02", body(memoryview(b"ab")), whole, [start()]),
            Taken("HTTP-FRAME-02", body(b"ab"), whole, [start(headers=length(b"2", b"2"))]),
            Taken("HTTP-FRAME-02", body(b"ab"), whole, [start(headers=length(b"2".zfill(19)))]),
            Taken(
                "HTTP-FRAME-03",
                body(b"b"),
                {"body": b"b", "more_body": False},
                [start(headers=length(b"2")), body(b"a", True), body(b"", True)],
            ),
            Taken(
                "HTTP-FRAME-03",
                body(b""),
                {"body": b"", "more_body": False},
                [start(headers=length(b"2")), body(b"ab", True)],
            ),
            Taken("HTTP-FRAME-05", body(), {"body": b"", "more_body": False}, [start(204)]),
            Taken(
                "HTTP-FRAME-05",
                body(),
                {"body": b"", "more_body": False},
                [start(304, headers=length(b"10")), body(b"", True)],
            ),
            Taken(
                "HTTP-FRAME-03",
                body(),
                {"body": b"", "more_body": False},
                [start(204, headers=length(b"10"))],
            ),
        ):
            with self.subTest(rule=row.rule, before=row.before):
                machine = protocol()
                self.assert_taken(machine, row)
                self.assertTrue(machine.complete)

    def test_head(self) -> None:
        """The body that frameworks send for HEAD is dropped, its length header kept (FRAME-04)."""
        for headers in ([], length(b"2"), length(b"10"), length(b"1")):
            with self.subTest(headers=headers):
                machine = protocol("HEAD")
                first = Taken(
                    "HTTP-FRAME-04",
                    body(b"a", True),
                    {"body": b"", "more_body": True},
                    [start(headers=headers)],
                )
                self.assert_taken(machine, first)
                self.assert_taken(
                    machine,
                    Taken("HTTP-FRAME-04", body(b"b"), {"body": b"", "more_body": False}),
                )
                machine.finish()
                self.assertIsNone(machine.violation)
                self.assertEqual(headers, machine.headers)

    def test_head_with_a_wrong_length_header(self) -> None:
        """A content-length that is no number is refused for HEAD, too."""
        row = Refused(
            "HTTP-FRAME-02",
            f"http.response.start: {INTEGER}, not b'x'",
            start(headers=length(b"x")),
        )
        self.assert_refused(protocol("HEAD"), row)

    def test_transfer_encoding_is_dropped(self) -> None:
        """Framing is the server's: the header does not reach the client (HTTP-START-12)."""
        machine = protocol()
        machine.send(
            start(headers=[(b"a", b"b"), (b"Transfer-Encoding", b"chunked"), (b"c", b"d")])
        )
        self.assertEqual([(b"a", b"b"), (b"c", b"d")], machine.headers)

    def test_trailers_with_the_extension(self) -> None:
        """``trailers=True`` is taken where the extension is announced."""
        machine = protocol(extensions=("http.response.trailers",))
        row = Taken(
            "HTTP-START-14",
            start(trailers=True),
            {"status": 200, "headers": [], "trailers": True},
        )
        self.assert_taken(machine, row)

    def test_debug(self) -> None:
        """The debug message comes once, first, and its values may be anything."""
        machine = protocol()
        self.assertIsNone(machine.debug)
        self.assert_taken(machine, Taken("EXT-DEBUG-01", INFO, {"info": INFO["info"]}))
        self.assertIs(INFO["info"], machine.debug)
        self.assertFalse(machine.started)
        empty = protocol()
        empty.send({"type": "http.response.debug", "info": {}})
        self.assertEqual({}, empty.debug)
        with self.assertRaises(ProtocolError) as caught:
            empty.send(INFO)
        self.assertEqual("EXT-DEBUG-01", caught.exception.rule)

    def test_template(self) -> None:
        """What older versions of Starlette say of a template is kept as debug information."""
        machine = protocol()
        content = {"template": "a", "context": {"b": 1}}
        self.assert_taken(machine, Taken("EXT-DEBUG-01", TEMPLATE, content))
        self.assertEqual(content, machine.debug)
        self.assertFalse(machine.started)

    def test_an_answer_before_anything_was_received(self) -> None:
        """An application may answer without calling ``receive()`` (HTTP-REQ-03)."""
        machine = protocol()
        machine.add_body(b"never read", False)
        machine.send(start())
        machine.send(body())
        machine.finish()
        self.assertIsNone(machine.violation)


class StateTest(ProtocolTestCase):
    """How the response goes on."""

    def test_the_way_of_a_response(self) -> None:
        """Not started, started, in its body, complete (HTTP-BODY-04)."""
        machine = protocol()
        for message, state, answers in (
            (INFO, HTTPState.NOT_STARTED, (False, False, False)),
            (start(), HTTPState.STARTED, (True, False, False)),
            (body(b"", True), HTTPState.IN_BODY, (True, True, False)),
            (body(b"a", True), HTTPState.IN_BODY, (True, True, False)),
            (body(), HTTPState.COMPLETE, (True, True, True)),
        ):
            with self.subTest(message):
                machine.send(message)
                self.assertIs(state, machine.state)
                self.assertEqual(answers, (machine.started, machine.sent_body, machine.complete))

    def test_before_the_start(self) -> None:
        """Before the start there is neither a status nor a header."""
        machine = protocol()
        self.assertEqual((0, [], None), (machine.status, machine.headers, machine.debug))

    def test_one_body_message_completes(self) -> None:
        """A body message without ``more_body`` is the last one."""
        machine = protocol()
        machine.send(start())
        machine.send({"type": "http.response.body", "body": b"a"})
        self.assertIs(HTTPState.COMPLETE, machine.state)


class FinishTest(ProtocolTestCase):
    """The application has returned."""

    def test_complete(self) -> None:
        """After a complete response nothing is missing."""
        machine = protocol()
        machine.send(start())
        machine.send(body())
        machine.finish()
        self.assertIsNone(machine.violation)

    def test_incomplete(self) -> None:
        """A response that is missing, or not complete, is a violation that tells what came."""
        for before, rule, text in (
            (
                [],
                "HTTP-BODY-07",
                "the application returned without starting a response; was every send() awaited?",
            ),
            (
                [INFO],
                "HTTP-BODY-07",
                "the application returned without starting a response; was every send() awaited?",
            ),
            (
                [start()],
                "HTTP-BODY-06",
                "the application returned without completing the response: status 200 and 0 bytes "
                "of body came, and no http.response.body was sent",
            ),
            (
                [start(404), body(b"abc", True), body(b"de", True)],
                "HTTP-BODY-06",
                "the application returned without completing the response: status 404 and 5 bytes "
                "of body came, and its last http.response.body said more_body=True",
            ),
            (
                [start(404, headers=length(b"5")), body(b"abcde", True)],
                "HTTP-BODY-06",
                "the application returned without completing the response: status 404 and 5 bytes "
                "of body came, and its last http.response.body said more_body=True",
            ),
        ):
            with self.subTest(text):
                machine = protocol()
                for message in before:
                    machine.send(message)
                machine.finish()
                assert machine.violation is not None
                self.assertEqual(f"{text} [{rule}]", str(machine.violation))
                self.assertEqual(rule, machine.violation.rule)
                self.assertIsNone(machine.violation.message_type)

    def test_an_exception_is_an_excuse(self) -> None:
        """What an application that raised left undone is no violation (ERR-04)."""
        for before in ([], [start()], [start(), body(b"a", True)], [start(), body()]):
            with self.subTest(before=len(before)):
                machine = protocol()
                for message in before:
                    machine.send(message)
                state = machine.state
                machine.finish(raised=True)
                self.assertIsNone(machine.violation)
                self.assertIs(state, machine.state)

    def test_an_exception_excuses_nothing_else(self) -> None:
        """A violation is kept when the application raises afterwards (ERR-03)."""
        machine = protocol()
        with self.assertRaises(ProtocolError) as caught:
            machine.send(body())
        machine.finish(raised=True)
        self.assertIs(caught.exception, machine.violation)

    def test_after_the_client_left(self) -> None:
        """Nobody waits for an answer that the client did not wait for (HTTP-DISC-03, -05)."""
        for before in ([], [start()], [start(), body(b"a", True)]):
            with self.subTest(before=len(before)):
                machine = protocol()
                for message in before:
                    machine.send(message)
                machine.disconnect()
                machine.finish()
                self.assertIsNone(machine.violation)


class EventTest(ProtocolTestCase):
    """What ``receive()`` gives."""

    def test_a_body_in_one_piece(self) -> None:
        """The body comes, even if empty, and then nothing until the end (HTTP-REQ-01, -05)."""
        for content in (b"", b"abc"):
            with self.subTest(content):
                machine = protocol()
                machine.add_body(content, False)
                self.assertEqual(request(content), machine.next_event())
                for _ in range(3):
                    self.assertIsNone(machine.next_event())

    def test_a_body_in_pieces(self) -> None:
        """The pieces come in their order, and after the last one nothing (HTTP-REQ-02)."""
        machine = protocol()
        self.assertIsNone(machine.next_event())
        machine.add_body(b"a", True)
        machine.add_body(b"b", True)
        self.assertEqual(request(b"a", True), machine.next_event())
        self.assertEqual(request(b"b", True), machine.next_event())
        self.assertIsNone(machine.next_event())
        machine.add_body(b"", False)
        self.assertEqual(request(b"", False), machine.next_event())
        self.assertIsNone(machine.next_event())

    def test_more_body_is_wanted(self) -> None:
        """More is wanted while nothing is at hand and the end has not come."""
        machine = protocol()
        self.assertTrue(machine.wants_body)
        machine.add_body(b"a", True)
        self.assertFalse(machine.wants_body, "there is a piece at hand")
        machine.next_event()
        self.assertTrue(machine.wants_body)
        machine.add_body(b"b", False)
        machine.next_event()
        self.assertFalse(machine.wants_body, "that was the last piece")

    def test_no_more_body_is_wanted(self) -> None:
        """Nothing is wanted after the client left, or after the response."""
        left = protocol()
        left.disconnect()
        self.assertFalse(left.wants_body)
        answered = protocol()
        answered.send(start())
        self.assertTrue(answered.wants_body, "an application may answer while it reads")
        answered.send(body())
        self.assertFalse(answered.wants_body)

    def test_after_the_response(self) -> None:
        """After the last message comes the disconnect, each time again (HTTP-REQ-06)."""
        machine = protocol()
        machine.add_body(b"a", False)
        machine.next_event()
        machine.send(start())
        self.assertIsNone(machine.next_event())
        machine.send(body(b"a", True))
        self.assertIsNone(machine.next_event())
        machine.send(body())
        self.assertEqual([GONE] * 3, [machine.next_event() for _ in range(3)])

    def test_a_body_that_was_not_read(self) -> None:
        """After the response the rest of the request's body is not offered (HTTP-REQ-06)."""
        machine = protocol()
        machine.add_body(b"a", True)
        machine.add_body(b"b", False)
        machine.next_event()
        machine.send(start())
        machine.send(body())
        self.assertEqual(GONE, machine.next_event())

    def test_the_client_leaves_first(self) -> None:
        """The disconnect can be the first event (HTTP-DISC-01, -03)."""
        machine = protocol()
        machine.disconnect()
        self.assertEqual([GONE, GONE], [machine.next_event(), machine.next_event()])

    def test_the_client_leaves_during_its_upload(self) -> None:
        """What was sent comes first, without an end, then the disconnect (HTTP-DISC-02)."""
        machine = protocol()
        machine.add_body(b"a", True)
        machine.add_body(b"b", True)
        machine.disconnect()
        events = [machine.next_event() for _ in range(4)]
        self.assertEqual([request(b"a", True), request(b"b", True), GONE, GONE], events)

    def test_the_client_leaves_during_the_response(self) -> None:
        """The disconnect comes as soon as the client has left (HTTP-DISC-01)."""
        machine = protocol()
        machine.add_body(b"", False)
        machine.next_event()
        machine.send(start())
        self.assertIsNone(machine.next_event())
        machine.disconnect()
        self.assertEqual(GONE, machine.next_event())

    def test_endless_calls(self) -> None:
        """An application that asks for ever after the end is told to stop (HTTP-REQ-08)."""
        text = (
            "the application keeps calling receive() after http.disconnect: 1000 times so far "
            "[HTTP-REQ-08]"
        )
        complete, left = protocol(), protocol()
        complete.send(start())
        complete.send(body())
        left.disconnect()
        for machine in (complete, left):
            with self.subTest(machine.state):
                for _ in range(MAXIMUM_REPEATS):
                    self.assertEqual(GONE, machine.next_event())
                self.assertIsNone(machine.violation)
                for _ in range(2):
                    with self.assertRaises(ProtocolError) as caught:
                        machine.next_event()
                    self.assertEqual(text, str(caught.exception))
                    self.assertEqual("HTTP-REQ-08", caught.exception.rule)
                self.assertEqual(text, str(machine.violation))

    def test_many_calls(self) -> None:
        """A hundred calls after the end are the most that anybody needs."""
        machine = protocol()
        machine.disconnect()
        for _ in range(100):
            machine.next_event()
        self.assertFalse(machine.is_repeating)
        machine.next_event()
        self.assertTrue(machine.is_repeating)

    def test_the_limit(self) -> None:
        """The limit is the thousand that the text of the error names."""
        self.assertEqual(1000, MAXIMUM_REPEATS)


class DisconnectTest(ProtocolTestCase):
    """The client has left, and the application sends."""

    def test_versions(self) -> None:
        """``send()`` raises from 2.4 on, and does nothing before (HTTP-DISC-04)."""
        for version, raises in (
            ("2.0", False),
            ("2.1", False),
            ("2.2", False),
            ("2.3", False),
            ("2.4", True),
            ("2.5", True),
            ("3.0", True),
        ):
            for before, message in (
                ([], start()),
                ([start()], body(b"a", True)),
                ([start(), body(b"a", True)], body()),
            ):
                with self.subTest(version=version, message=message):
                    machine = protocol(version=version)
                    for each in before:
                        machine.send(each)
                    state = machine.state
                    machine.disconnect()
                    if raises:
                        with self.assertRaisesRegex(
                            ClientDisconnected,
                            "^the client has left; nothing can be sent to it any more$",
                        ):
                            machine.send(message)
                    else:
                        self.assertIsNone(machine.send(message))
                    self.assertIs(state, machine.state)
                    self.assertIsNone(machine.violation)

    def test_nothing_is_checked_any_more(self) -> None:
        """What nobody hears is not held to the rules (ERR-05)."""
        for message in (body(), start("200"), {"type": "mychat.message"}, None):
            with self.subTest(message):
                machine = protocol()
                machine.disconnect()
                self.assertIsNone(machine.send(message))
                self.assertIsNone(machine.violation)

    def test_an_earlier_violation_is_kept(self) -> None:
        """That the client left does not excuse what was sent before."""
        machine = protocol()
        with self.assertRaises(ProtocolError) as caught:
            machine.send(body())
        machine.disconnect()
        machine.send(body())
        machine.finish()
        self.assertIs(caught.exception, machine.violation)

    def test_a_client_that_has_everything(self) -> None:
        """To leave after the last message is no disconnect: the rules go on."""
        machine = protocol(version="2.4")
        machine.send(start())
        machine.send(body())
        machine.disconnect()
        self.assertFalse(machine.disconnected)
        with self.assertRaises(ProtocolError) as caught:
            machine.send(body())
        self.assertEqual("HTTP-BODY-05", caught.exception.rule)

    def test_to_leave_twice(self) -> None:
        """To leave again changes nothing."""
        machine = protocol()
        machine.disconnect()
        machine.disconnect()
        self.assertTrue(machine.disconnected)


class DescribeTest(ProtocolTestCase):
    """The sentence that a report shows."""

    def test_the_request(self) -> None:
        """It tells how much of the request was received."""
        machine = protocol()
        nothing = "the response is not started; the request was not received"
        waiting = "the response is not started; parts of the request body wait to be received"
        self.assertEqual(nothing, machine.describe())
        machine.add_body(b"a", True)
        self.assertEqual(nothing, machine.describe())
        machine.next_event()
        self.assertEqual(
            "the response is not started; the request body was not received whole",
            machine.describe(),
        )
        machine.add_body(b"b", False)
        self.assertEqual(waiting, machine.describe())
        machine.next_event()
        self.assertEqual(
            "the response is not started; the request body was received whole (its last event "
            "had more_body=False)",
            machine.describe(),
        )

    def test_the_response(self) -> None:
        """It tells how far the response has come."""
        machine = protocol()
        machine.add_body(b"", False)
        machine.next_event()
        request_text = "the request body was received whole (its last event had more_body=False)"
        for message, text in (
            (INFO, "the response is not started"),
            (start(), "the response is started, without a body so far"),
            (body(b"a", True), "the response is in the middle of its body"),
            (body(), "the response is complete"),
        ):
            with self.subTest(text):
                machine.send(message)
                self.assertEqual(f"{text}; {request_text}", machine.describe())

    def test_a_client_that_left(self) -> None:
        """It tells that the client has left."""
        machine = protocol()
        machine.add_body(b"a", True)
        machine.add_body(b"b", True)
        machine.disconnect()
        for text in (
            "the request was not received",
            "parts of the request body wait to be received",
            "the request body was not received whole",
        ):
            with self.subTest(text):
                self.assertEqual(
                    f"the response is not started; {text}; the client has left",
                    machine.describe(),
                )
                machine.next_event()

    def test_a_request_that_was_not_read(self) -> None:
        """After the response the rest of the request waits for nobody."""
        for received, text in (
            (0, "the request was not received"),
            (1, "the request body was not received whole"),
        ):
            with self.subTest(text):
                machine = protocol()
                machine.add_body(b"a", True)
                machine.add_body(b"b", False)
                for _ in range(received):
                    machine.next_event()
                machine.send(start())
                machine.send(body())
                self.assertEqual(f"the response is complete; {text}", machine.describe())
