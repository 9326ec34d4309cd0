"""The assertions about JSON, silence, the close and the handshake of a WebSocket."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from asgitest import (
    ASGIAssertions,
    ASGITestCase,
    ASGITestError,
    DeadlineExceeded,
    WebSocketDenied,
    WebSocketSession,
)

from .assertion_case import Plain, WebSocketTestCase, talking
from .base import on_thread, without_times

CONNECT = "  received websocket.connect\n      sent websocket.accept subprotocol=None headers=[]"


#: For applications that return without closing their WebSocket, which is warned of.
UNCLOSED: dict[str, Any] = {"ignore_rules": ["WS-CLOSE-08"]}


async def echoing(scope: Any, receive: Any, send: Any) -> None:
    """Accept, and send each text back.

    :param scope: of a WebSocket
    :param receive: gives its events
    :param send: takes the messages
    """
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


async def raising(scope: Any, receive: Any, send: Any) -> None:
    """Accept, and raise when a message comes.

    :param scope: of a WebSocket
    :param receive: gives its events
    :param send: takes the messages
    """
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    raise LookupError("no such room")


class ReceivesJSONTest(WebSocketTestCase):
    """assertWebSocketReceivesJSON()."""

    def test_met(self) -> None:
        """What came is returned; a str is JSON here, too, and a binary message if it has to be."""
        for message, expected, options in (
            ({"text": '{"a": [1, 2]}'}, {"a": [1, 2]}, {}),
            ({"text": '"hello"'}, "hello", {}),
            ({"bytes": b"[1]"}, [1], {"mode": "binary"}),
            ({"text": "null"}, None, {"timeout": 5}),
        ):
            with self.subTest(message):
                session = self.connect(talking(message))
                receives = self.case.assertWebSocketReceivesJSON
                self.assertEqual(expected, receives(session, expected, **options))

    def test_not_met(self) -> None:
        """The failure names each difference by its path, and shows the messages."""
        session = self.connect(talking({"text": '{"name": "lobby", "open": true}'}))

        failure = self.failure(
            self.case.assertWebSocketReceivesJSON, session, {"name": "hall", "open": 1}
        )

        self.assertEqual(
            "expected a message of the JSON {'name': 'hall', 'open': 1}\n"
            "but other JSON came:\n"
            "  $.name expected 'hall', but it is 'lobby'\n"
            "  $.open expected 1, but it is True\n\n"
            f"The application's last messages:\n{CONNECT}\n"
            '      sent websocket.send text=\'{"name": "lobby", "open": true}\'',
            failure,
        )

    def test_no_json(self) -> None:
        """A message of another kind, one that is no JSON, and an end are failures."""
        for message, problem in (
            ({"bytes": b"{}"}, "but a binary message came: b'{}'"),
            ({"text": "hello"}, "but a message came that is no JSON "),
            ({"code": 1000}, "but the application closed the WebSocket: code 1000"),
        ):
            with self.subTest(message):
                session = self.connect(talking(message))
                failure = self.failure(self.case.assertWebSocketReceivesJSON, session, {})
                headline, line = failure.splitlines()[:2]
                self.assertEqual("expected a message of the JSON {}", headline)
                self.assertTrue(line.startswith(problem), line)

    def test_nothing_comes(self) -> None:
        """A deadline that passes is a failure that shows what was expected."""
        session = self.connect(talking())

        with self.assertRaisesRegex(DeadlineExceeded, r"JSON \{\}, but none came: 0.1 s passed"):
            self.case.assertWebSocketReceivesJSON(session, {}, timeout=0.1)


class ReceivesNothingTest(WebSocketTestCase):
    """assertWebSocketReceivesNothing()."""

    def test_silence(self) -> None:
        """It waits as long as it was told, and the WebSocket can be used further."""
        session = self.connect(echoing)
        begin = time.monotonic()

        self.case.assertWebSocketReceivesNothing(session, within=0.15)

        self.assertGreater(time.monotonic() - begin, 0.14)
        session.send_text("hello")
        self.case.assertWebSocketReceives(session, "hello")
        self.case.assertWebSocketReceivesNothing(session, 0.05)

    def test_message(self) -> None:
        """A message is a failure that shows it, whether it lies there or comes; it is taken."""
        session = self.connect(echoing)
        for word in ("one", "two"):
            session.send_text(word)
            with self.subTest(word):
                failure = self.failure(
                    self.case.assertWebSocketReceivesNothing, session, 5, "silence"
                )
                self.assertTrue(
                    failure.startswith(
                        f"expected no message within 5 s\nbut this one came: '{word}'\n\n"
                        f"The application's last messages:\n{CONNECT}\n"
                    ),
                    failure,
                )
                self.assertTrue(failure.endswith(f"text='{word}' : silence"), failure)

    def test_binary_message(self) -> None:
        """A binary message is shown as bytes."""
        session = self.connect(talking({"bytes": b"\x00"}))
        failure = self.failure(self.case.assertWebSocketReceivesNothing, session)
        self.assertIn("within 0.1 s\nbut this one came: b'\\x00'\n", failure)

    def test_end(self) -> None:
        """It returns at once when nothing can come any more; the close can still be expected."""
        for messages, code in (((), 1006), (({"code": 4000},), 4000)):
            with self.subTest(messages):
                session = self.connect(talking(*messages, stays=False), **UNCLOSED)
                self.case.assertWebSocketReceivesNothing(session, within=600)
                self.case.assertWebSocketCloses(session, code)
                self.case.assertWebSocketReceivesNothing(session, within=600)

    def test_closed_by_the_test(self) -> None:
        """It returns at once when the test has closed the WebSocket."""
        session = self.connect(echoing)
        session.close()

        self.case.assertWebSocketReceivesNothing(session, within=600)

    def test_raised(self) -> None:
        """What the application raises meanwhile comes out as itself, and is hidden if it has to."""
        client = self.enter_client(raising, lifespan="off")
        with self.assertRaisesRegex(LookupError, "no such room"):
            with client.websocket_connect("/") as session:
                session.send_text("enter")
                self.case.assertWebSocketReceivesNothing(session, within=600)
        self.assertEqual(1011, session.close_code)

        hidden = self.connect(raising, raise_server_exceptions=False)
        hidden.send_text("enter")
        self.case.assertWebSocketReceivesNothing(hidden, within=600)

    def test_no_time(self) -> None:
        """A time that is none is an error of the test."""
        session = self.connect(echoing)
        for within in (0, -1, None, "1", True, float("inf")):
            with self.subTest(within), self.assertRaisesRegex(ValueError, "positive number"):
                self.case.assertWebSocketReceivesNothing(session, within)

    def test_not_open(self) -> None:
        """A session outside its with block is an error of the test."""
        session = self.enter_client(echoing, lifespan="off").websocket_connect("/")
        with self.assertRaisesRegex(ASGITestError, "in its with block only"):
            self.case.assertWebSocketReceivesNothing(session)

    @on_thread("a blocked inline loop that goes on may answer in the same turn")
    def test_blocked_loop(self) -> None:
        """A loop that is blocked meanwhile is reported as a deadline that passed."""

        async def blocking(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            time.sleep(0.5)

        session = self.connect(blocking, timeout=0.1, **UNCLOSED)
        session.send_text("now")

        with self.assertRaisesRegex(DeadlineExceeded, "waiting for the event loop to see whether"):
            self.case.assertWebSocketReceivesNothing(session, within=0.05)

    def test_without_a_deadline(self) -> None:
        """A session without a deadline waits as long as it is told, all the same."""
        session = self.connect(echoing, timeout=None)

        self.case.assertWebSocketReceivesNothing(session, within=0.05)


class ClosesTest(WebSocketTestCase):
    """assertWebSocketCloses()."""

    def test_met(self) -> None:
        """Code and reason are met by themselves, by None, the reason by a pattern."""
        for message, expected in (
            ({"code": 1000}, ()),
            ({"code": 4001, "reason": "full"}, (4001,)),
            ({"code": 4001, "reason": "full"}, (4001, "full")),
            ({"code": 4001, "reason": "full"}, (None, re.compile("^f"))),
            ({"code": 1000}, (1000, "")),
        ):
            with self.subTest(message=message, expected=expected):
                session = self.connect(talking(message))
                self.case.assertWebSocketCloses(session, *expected)
                # It is closed for good.
                self.case.assertWebSocketCloses(session, *expected)

    def test_other_close(self) -> None:
        """The failure names both closes, and shows the messages."""
        for message, expected, headline, problem in (
            (
                {"code": 1001, "reason": "restart"},
                (),
                "expected the application to close the WebSocket with code 1000",
                "but it did so with code 1001, reason 'restart'",
            ),
            (
                {"code": 1000},
                (1000, "bye"),
                "expected the application to close the WebSocket with code 1000, reason 'bye'",
                "but it did so with code 1000, no reason",
            ),
            (
                {"code": 1000, "reason": "bye"},
                (None, ""),
                "expected the application to close the WebSocket with no reason",
                "but it did so with code 1000, reason 'bye'",
            ),
        ):
            with self.subTest(message=message, expected=expected):
                session = self.connect(talking(message))
                failure = self.failure(self.case.assertWebSocketCloses, session, *expected)
                self.assertTrue(
                    failure.startswith(
                        f"{headline}\n{problem}\n\nThe application's last messages:\n{CONNECT}\n"
                    ),
                    failure,
                )

    def test_message(self) -> None:
        """A message that comes instead is a failure that shows it."""
        for message, shown in (({"text": "hello"}, "'hello'"), ({"bytes": b"\x00"}, r"b'\x00'")):
            with self.subTest(message):
                failure = self.failure(
                    self.case.assertWebSocketCloses, self.connect(talking(message)), None
                )
                self.assertTrue(
                    failure.startswith(
                        "expected the application to close the WebSocket\n"
                        f"but a message came: {shown}\n"
                    ),
                    failure,
                )

    def test_returned(self) -> None:
        """An application that returned closes nothing; code 1006 is what a client sees of it."""
        session = self.connect(talking(stays=False), **UNCLOSED)

        failure = self.failure(self.case.assertWebSocketCloses, session)
        self.assertIn("but the application returned without closing the WebSocket: code", failure)
        self.case.assertWebSocketCloses(session, 1006)

    def test_raised_and_hidden(self) -> None:
        """Code 1011 is what a client sees of an exception; the failure shows its traceback."""
        session = self.connect(raising, raise_server_exceptions=False)
        session.send_text("enter")

        failure = self.failure(self.case.assertWebSocketCloses, session, 4000)
        self.assertIn("but the application raised an exception: code 1011", failure)
        self.assertTrue(failure.endswith("\nLookupError: no such room"), failure)
        self.case.assertWebSocketCloses(session, 1011)

    def test_closed_by_the_test(self) -> None:
        """What the test closed, the application did not."""
        session = self.connect(echoing)
        session.close(1000)

        failure = self.failure(self.case.assertWebSocketCloses, session, 1000)
        self.assertIn("\nbut the test closed the WebSocket: code 1000\n", failure)

    def test_it_does_not(self) -> None:
        """A deadline that passes is a failure that shows what was expected."""
        session = self.connect(echoing)

        with self.assertRaises(DeadlineExceeded) as caught:
            self.case.assertWebSocketCloses(session, 4000, timeout=0.1)
        self.assertTrue(
            str(caught.exception).startswith(
                "expected the application to close the WebSocket with code 4000, "
                "but it did not: 0.1 s passed"
            )
        )

    def test_no_reason(self) -> None:
        """A reason that is no text is an error of the test."""
        with self.assertRaisesRegex(TypeError, "the reason of a close must be expected as"):
            self.case.assertWebSocketCloses(self.connect(echoing), 1000, b"bye")


class SubprotocolTest(WebSocketTestCase):
    """assertWebSocketSubprotocol()."""

    def test_subprotocol(self) -> None:
        """It is what was accepted, None for none; a failure shows what was offered."""

        async def choosing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(
                {"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[-1]}
            )
            await receive()

        client = self.enter_client(choosing, lifespan="off")
        with client.websocket_connect("/", subprotocols=["v1", "v2"]) as session:
            self.case.assertWebSocketSubprotocol(session, "v2")
            failure = self.failure(self.case.assertWebSocketSubprotocol, session, "v1")
        with client.websocket_connect("/") as plain:
            self.case.assertWebSocketSubprotocol(plain, None)
            other = self.failure(self.case.assertWebSocketSubprotocol, plain, "v1", "which?")

        self.assertEqual(
            "expected the application to accept subprotocol 'v1'\n"
            "but it accepted 'v2'; the client offered ['v1', 'v2']\n\n"
            "The application's last messages:\n"
            "  received websocket.connect\n"
            "      sent websocket.accept subprotocol='v2' headers=[]",
            failure,
        )
        self.assertIn("but it accepted None; the client offered none\n", other)
        self.assertTrue(other.endswith(" : which?"))


async def choosy(scope: Any, receive: Any, send: Any) -> None:
    """Deny some WebSockets, by their path, and accept the others.

    :param scope: of a WebSocket
    :param receive: gives its events
    :param send: takes the messages
    """
    await receive()
    if scope["path"] == "/close":
        await send({"type": "websocket.close", "code": 4003})
    elif scope["path"] == "/response":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"log in first"})
    else:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "welcome"})
        await receive()


class DeniedTest(WebSocketTestCase):
    """assertWebSocketDenied()."""

    def setUp(self) -> None:
        """Enter a client."""
        super().setUp()
        self.client = self.enter_client(choosy, lifespan="off")

    def test_met(self) -> None:
        """A session, and a function that opens or returns one, are denied; the answer is given."""
        denied = self.case.assertWebSocketDenied

        def open_it() -> None:
            with self.client.websocket_connect("/response"):
                raise NotImplementedError

        self.assertEqual(403, denied(self.client.websocket_connect("/close")).status_code)
        for target in (
            self.client.websocket_connect("/response"),
            lambda: self.client.websocket_connect("/response"),
            open_it,
        ):
            response = denied(target, status="4xx")
            self.assertEqual("log in first", response.text)

    def test_url(self) -> None:
        """A URL is one for the client of the test case, whatever that is called."""
        for name in ("client", "asgi_client"):
            with self.subTest(name):
                case: Any = Plain()
                case.client = object()
                setattr(case, name, self.client)
                case.assertWebSocketDenied("/close")
                case.assertWebSocketDenied("/response", 401, headers={"x": "y"})

        with self.assertRaisesRegex(TypeError, "Plain has no client that a URL could be for"):
            Plain().assertWebSocketDenied("/close")

    def test_test_case(self) -> None:
        """On an ASGITestCase it is self.client."""

        class DenialTest(ASGITestCase):
            app = choosy
            lifespan = "off"

            def runTest(self) -> None:
                self.assertWebSocketDenied("/close", subprotocols=["v1"])

        result = self.defaultTestResult()
        DenialTest().run(result)
        self.assertTrue(result.wasSuccessful(), result.failures + result.errors)
        self.assertEqual(1, result.testsRun)

    def test_other_status(self) -> None:
        """The failure names both, and shows the exchange."""
        failure = self.failure(
            self.case.assertWebSocketDenied, self.client.websocket_connect("/response")
        )

        headline, _, exchange = failure.partition("\n\n")
        self.assertEqual(
            "expected the WebSocket to be denied with status 403 Forbidden, "
            "but it was with 401 Unauthorized",
            headline,
        )
        self.assertEqual(
            "GET http://testserver/response\nResponse: 401 Unauthorized\nBody:\nlog in first",
            exchange,
        )

    def test_accepted(self) -> None:
        """A WebSocket that is accepted is a failure that shows its messages, and is left."""
        session = self.client.websocket_connect("/lobby")

        failure = self.failure(self.case.assertWebSocketDenied, session, msg="members only")

        self.assertTrue(
            failure.startswith(
                "expected the application to deny the WebSocket\n"
                "but it accepted it\n\n"
                "GET http://testserver/lobby\n"
                f"The application's last messages:\n{CONNECT}"
            ),
            failure,
        )
        self.assertTrue(failure.endswith(" : members only"))
        with self.assertRaisesRegex(ASGITestError, "is over"):
            session.receive()

    def test_accepted_in_a_function(self) -> None:
        """A function that opened a WebSocket itself, and was not refused, is a failure."""

        def open_it() -> None:
            with self.client.websocket_connect("/lobby"):
                pass

        self.assertEqual(
            "expected the application to deny the WebSocket\nbut it accepted it",
            self.failure(self.case.assertWebSocketDenied, open_it),
        )

    def test_no_target(self) -> None:
        """What cannot be opened, and options of what is opened elsewhere, are errors."""
        with self.assertRaisesRegex(TypeError, "takes a URL, a session or a function, not 17"):
            self.case.assertWebSocketDenied(17)
        with self.assertRaisesRegex(TypeError, "options are for a URL"):
            self.case.assertWebSocketDenied(self.client.websocket_connect("/close"), params={})

    def test_denial_within(self) -> None:
        """What a WebSocketDenied is elsewhere stays one."""
        with self.assertRaises(WebSocketDenied):
            with self.client.websocket_connect("/close"):
                pass


class TracebackTest(WebSocketTestCase):
    """The frames that a failure shows."""

    def test_every_assertion_hides_its_frames(self) -> None:
        """No module that an assertion stands in appears in a failure's traceback."""
        for cls in ASGIAssertions.__mro__[:-1]:
            with self.subTest(cls.__name__):
                self.assertTrue(vars(sys.modules[cls.__module__])["__unittest"])

    def test_session_is_a_session(self) -> None:
        """describe() gives what the failure shows, times included."""
        session: WebSocketSession = self.connect(talking())
        self.assertEqual(
            f"The application's last messages:\n{CONNECT}", without_times(session.describe())
        )
