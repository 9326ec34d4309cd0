"""The exceptions and warnings of the package."""

from __future__ import annotations

import builtins
import contextlib
import copy
import pickle
import sys
import traceback
import types
import unittest
from collections.abc import Iterator

import requests
from pydantic import BaseModel, ValidationError
from requests.structures import CaseInsensitiveDict

import asgitest
from asgitest import exceptions
from asgitest.exceptions import (
    ASGITestError,
    ASGIWarning,
    ClientDisconnected,
    DeadlineExceeded,
    LifespanError,
    ProtocolError,
    UnexpectedMessage,
    WebSocketDenied,
    WebSocketDisconnect,
    lifespan_error,
    websocket_denied,
    websocket_disconnect,
)

CLOSED = "the application closed the WebSocket"


class RoomError(Exception):
    """An application's exception, with fields and arguments of its own."""

    def __init__(self, room: str, *, code: int) -> None:
        super().__init__(f"no room {room}")
        self.code = code
        self.stage = "of the play"


class FinalError(Exception):
    """An application's exception that lets nobody derive from it."""

    def __init_subclass__(cls) -> None:
        raise ValueError("this class is final")


class SubclassedError(ASGITestError):
    """An exception that somebody made of ours."""


# As in most programs; the name of a class must do.
SubclassedError.__doc__ = None


class TheirDisconnect(Exception):
    """Has the shape of the exception that Starlette has for this."""

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason or ""


@contextlib.contextmanager
def starlettes_module(module: types.ModuleType | None) -> Iterator[None]:
    """Let another module stand in for :mod:`starlette.websockets`, or none."""
    name = "starlette.websockets"
    real = sys.modules.pop(name, None)
    if module is not None:
        sys.modules[name] = module
    try:
        yield
    finally:
        sys.modules.pop(name, None)
        if real is not None:
            sys.modules[name] = real


def their_module() -> types.ModuleType:
    """Return a stand-in for :mod:`starlette.websockets`, with the exception of that name."""
    module = types.ModuleType("starlette.websockets")
    module.__dict__["WebSocketDisconnect"] = TheirDisconnect
    return module


def response_with(status: int, body: bytes = b"") -> requests.Response:
    """Return a response that has nothing but a status and a body."""
    response = requests.Response()
    response.status_code = status
    response.url = "http://testserver/room"
    response.encoding = "utf-8"
    response._content = body
    response.headers = CaseInsensitiveDict()
    return response


class FamilyTest(unittest.TestCase):
    """What each exception is, beside itself."""

    def test_kinds(self) -> None:
        """Each exception can be caught as what it means to unittest, Python and requests."""
        for kind, bases in (
            (ASGITestError, (Exception,)),
            (ProtocolError, (ASGITestError, AssertionError)),
            (LifespanError, (ASGITestError, AssertionError)),
            (DeadlineExceeded, (ASGITestError, AssertionError, TimeoutError)),
            (asgitest.RequestDeadlineExceeded, (DeadlineExceeded, requests.Timeout)),
            (UnexpectedMessage, (ASGITestError, AssertionError)),
            (WebSocketDisconnect, (ASGITestError,)),
            (WebSocketDenied, (WebSocketDisconnect,)),
            (ClientDisconnected, (OSError,)),
            (ASGIWarning, (UserWarning,)),
        ):
            for base in bases:
                with self.subTest(kind=kind.__name__, base=base.__name__):
                    self.assertTrue(issubclass(kind, base))

    def test_a_closed_websocket_is_no_failure(self) -> None:
        """A WebSocket that is closed is what happened, not a failed assertion."""
        self.assertFalse(issubclass(WebSocketDisconnect, AssertionError))

    def test_the_client_that_left_is_no_error_of_the_test(self) -> None:
        """What is raised inside the application is not caught with the library's own errors."""
        self.assertFalse(issubclass(ClientDisconnected, ASGITestError))

    def test_all_are_public(self) -> None:
        """Every exception of the module is exported by the module and by the package."""
        defined = {
            name
            for name, value in vars(exceptions).items()
            if isinstance(value, type)
            and issubclass(value, Exception)
            and value.__module__ == exceptions.__name__
        }
        self.assertEqual(defined, set(exceptions.__all__))
        self.assertLessEqual(defined, set(asgitest.__all__))
        for name in sorted(defined):
            with self.subTest(name):
                self.assertIs(getattr(exceptions, name), getattr(asgitest, name))


class TextTest(unittest.TestCase):
    """The texts of the exceptions, and what they carry."""

    def test_without_arguments(self) -> None:
        """An exception without arguments has no text."""
        self.assertEqual("", str(ASGITestError()))

    def test_a_protocol_error_names_its_rule(self) -> None:
        """The rule id stands at the end of the text and in an attribute."""
        error = ProtocolError("a: b", rule="HTTP-START-05", message_type="http.response.start")
        self.assertEqual("a: b [HTTP-START-05]", str(error))
        self.assertEqual("HTTP-START-05", error.rule)
        self.assertEqual("http.response.start", error.message_type)

    def test_a_protocol_error_may_be_about_no_message(self) -> None:
        """Without a message there is no message type."""
        self.assertIsNone(ProtocolError("a", rule="HTTP-BODY-07").message_type)

    def test_a_lifespan_error_has_stage_and_message(self) -> None:
        """Stage and message are attributes; the message is empty unless given."""
        error = LifespanError("it failed", stage="startup", message="no database")
        self.assertEqual(
            ("it failed", "startup", "no database"), (str(error), error.stage, error.message)
        )
        self.assertEqual("", LifespanError("it failed", stage="shutdown").message)

    def test_an_exceeded_deadline_tells_what_was_awaited(self) -> None:
        """What was awaited is an attribute."""
        error = DeadlineExceeded("too long", waiting_for="the response")
        self.assertEqual(("too long", "the response"), (str(error), error.waiting_for))

    def test_an_unexpected_message_is_kept(self) -> None:
        """The message that came is an attribute."""
        event = {"type": "websocket.send", "text": "a"}
        error = UnexpectedMessage("text came", event=event)
        self.assertEqual("text came", str(error))
        self.assertIs(event, error.event)

    def test_a_client_that_left_has_a_text(self) -> None:
        """Its text is what it was given, and it has no error number."""
        error = ClientDisconnected("the client has left")
        self.assertEqual("the client has left", str(error))
        self.assertIsNone(error.errno)

    def test_texts_of_a_closed_websocket(self) -> None:
        """The text tells who closed it, the code, and the reason if there is one."""
        for error, text in (
            (WebSocketDisconnect(), "the WebSocket is closed: code 1000"),
            (WebSocketDisconnect(4001), "the WebSocket is closed: code 4001"),
            (WebSocketDisconnect(1001, ""), "the WebSocket is closed: code 1001"),
            (
                WebSocketDisconnect(code=1001, reason="bye"),
                "the WebSocket is closed: code 1001, reason 'bye'",
            ),
            (
                WebSocketDisconnect(1001, "bye", "the application closed the WebSocket"),
                "the application closed the WebSocket: code 1001, reason 'bye'",
            ),
            (
                websocket_disconnect(1006, "", "the application returned"),
                "the application returned: code 1006",
            ),
        ):
            with self.subTest(text):
                self.assertEqual(text, str(error))

    def test_a_missing_reason_is_empty(self) -> None:
        """The reason is a string, whatever was given."""
        self.assertEqual((1000, ""), (WebSocketDisconnect().code, WebSocketDisconnect().reason))
        self.assertEqual("", WebSocketDisconnect(1001, None).reason)
        self.assertEqual("bye", WebSocketDisconnect(1001, "bye").reason)

    def test_texts_of_a_denied_websocket(self) -> None:
        """The text shows the status, and what the application gave: a code, or a body."""
        answered = (
            "the application denied the WebSocket ws://testserver/room: it answered the handshake "
            "with status"
        )
        for body, code, reason, text in (
            (b"", 4003, "", f"{answered} 403 (close code 4003)"),
            (b"", 4003, "not you", f"{answered} 403 (close code 4003, reason 'not you')"),
            ("für dich nicht".encode(), 1006, "", f"{answered} 403: für dich nicht"),
        ):
            with self.subTest(body=body, reason=reason):
                error = websocket_denied(response_with(403, body), code, reason)
                self.assertEqual(text, str(error))

    def test_a_long_answer_is_cut(self) -> None:
        """The text does not show a whole page."""
        for length, shown in (
            (200, "x" * 200),
            (201, "x" * 200 + "..."),
            (100_000, "x" * 200 + "..."),
        ):
            with self.subTest(length):
                error = websocket_denied(response_with(403, b"x" * length), 1006, "")
                self.assertTrue(str(error).endswith(f"with status 403: {shown}"), str(error))

    def test_the_address_of_a_denied_websocket(self) -> None:
        """The text names the WebSocket, not the request of its handshake."""
        for url, shown in (
            ("http://testserver/room", "the WebSocket ws://testserver/room: "),
            ("https://testserver/room", "the WebSocket wss://testserver/room: "),
        ):
            with self.subTest(url):
                response = response_with(403)
                response.url = url
                self.assertIn(shown, str(websocket_denied(response, 1000, "")))

    def test_a_denied_websocket_made_by_hand(self) -> None:
        """One that a test makes itself has no response, and a text that does not speak of it."""
        self.assertIsNone(WebSocketDenied(4003).response)
        for error, text in (
            (WebSocketDenied(4003), "the application denied the WebSocket: close code 4003"),
            (
                WebSocketDenied(4003, "not you"),
                "the application denied the WebSocket: close code 4003, reason 'not you'",
            ),
        ):
            with self.subTest(text):
                self.assertEqual(text, str(error))


class StarletteTest(unittest.TestCase):
    """The exceptions for WebSockets next to those of Starlette."""

    def test_alone(self) -> None:
        """While Starlette's module is not loaded, the classes are our own."""
        with starlettes_module(None):
            self.assertIs(WebSocketDisconnect, type(websocket_disconnect(1001, "bye", CLOSED)))
            self.assertIs(WebSocketDenied, type(websocket_denied(response_with(403), 1000, "")))

    def test_beside_a_module_without_the_name(self) -> None:
        """A module of that name without the exception changes nothing."""
        with starlettes_module(types.ModuleType("starlette.websockets")):
            self.assertIs(WebSocketDisconnect, type(websocket_disconnect(1000, "", CLOSED)))

    def test_both_except_lines_work(self) -> None:
        """While Starlette's module is loaded, the exception is of both classes."""
        with starlettes_module(their_module()):
            closed = websocket_disconnect(1001, "bye", CLOSED)
            denied = websocket_denied(response_with(403), 4003, "not you")
        for error, kinds, code, reason in (
            (closed, (WebSocketDisconnect, TheirDisconnect), 1001, "bye"),
            (denied, (WebSocketDenied, WebSocketDisconnect, TheirDisconnect), 4003, "not you"),
        ):
            for kind in kinds:
                with self.subTest(error=error, kind=kind):
                    self.assertIsInstance(error, kind)
                    self.assertEqual((code, reason), (error.code, error.reason))

    def test_the_name_stays_ours(self) -> None:
        """A class of both is shown as ours, and its text is ours."""
        with starlettes_module(their_module()):
            error = websocket_disconnect(1001, "bye", CLOSED)
        self.assertEqual("asgitest.exceptions", type(error).__module__)
        self.assertEqual("WebSocketDisconnect", type(error).__qualname__)
        self.assertEqual(f"{CLOSED}: code 1001, reason 'bye'", str(error))

    def test_the_classes_are_made_once(self) -> None:
        """Two exceptions of a kind are of the same class."""
        with starlettes_module(their_module()):
            self.assertIs(
                type(websocket_disconnect(1000, "", CLOSED)),
                type(websocket_disconnect(1001, "", CLOSED)),
            )
            first, second = (
                websocket_denied(response_with(403), code, "") for code in (1000, 1001)
            )
            self.assertIs(type(first), type(second))

    def test_the_real_one(self) -> None:
        """The exception of the installed Starlette catches ours."""
        from starlette.websockets import WebSocketDisconnect as Starlettes

        with self.assertRaises(Starlettes) as caught:
            raise websocket_disconnect(4001, "bye", CLOSED)
        self.assertEqual((4001, "bye"), (caught.exception.code, caught.exception.reason))
        self.assertIsInstance(websocket_denied(response_with(403), 1000, ""), Starlettes)

    def test_the_response_of_a_denial(self) -> None:
        """A denial holds the answer to the handshake."""
        response = response_with(418)
        self.assertIs(response, websocket_denied(response, 1000, "").response)


def failed_validation() -> Exception:
    """Return an exception whose class is not written in Python, where pydantic is recent."""

    class Settings(BaseModel):
        port: int

    try:
        Settings(port="none")  # type: ignore[arg-type]
    except ValidationError as error:
        return error
    raise AssertionError("it was valid")


def startup_failed(cause: BaseException | None) -> LifespanError:
    """Return the exception for a startup that failed for a reason."""
    return lifespan_error("it failed", stage="startup", message="no database", cause=cause)


class LifespanErrorTest(unittest.TestCase):
    """The exception for a failed startup or shutdown next to the application's own."""

    def assert_complete(self, error: LifespanError, cause: BaseException | None) -> None:
        """Fail if an error does not have everything that a ``LifespanError`` has."""
        self.assertIsInstance(error, LifespanError)
        self.assertIs(cause, error.__cause__)
        self.assertEqual(
            ("it failed", ("it failed",), "startup", "no database"),
            (str(error), error.args, error.stage, error.message),
        )
        with self.assertRaisesRegex(LifespanError, "^it failed$"):
            raise error
        last_line = traceback.format_exception(LifespanError, error, None)[-1]
        self.assertEqual("asgitest.exceptions.LifespanError: it failed\n", last_line)

    def test_alone(self) -> None:
        """Without an exception of the application it is of our class alone."""
        error = startup_failed(None)
        self.assertIs(LifespanError, type(error))
        self.assert_complete(error, None)

    def test_both_except_lines_work(self) -> None:
        """It is of the class of the application's exception, too."""
        for cause in (
            RoomError("lobby", code=3),
            Exception("no"),
            ValueError("no"),
            KeyError("no"),
            AssertionError("no"),
            OSError(2, "no"),
            TimeoutError("no"),
            ImportError("no", name="module"),
            UnicodeDecodeError("utf-8", b"a", 0, 1, "no"),
        ):
            with self.subTest(cause=cause):
                error = startup_failed(cause)
                self.assertIsInstance(error, type(cause))
                self.assert_complete(error, cause)

    def test_attributes(self) -> None:
        """What an ``except`` line for the application's exception reads is there; ours win."""
        with self.assertRaises(RoomError) as caught:
            raise startup_failed(RoomError("lobby", code=3))
        self.assertEqual(3, caught.exception.code)
        self.assertEqual("startup", caught.exception.stage)

    def test_classes_that_cannot_be_combined(self) -> None:
        """Where no class of both can be made, or must not be, it is ours, with the cause."""
        causes: list[BaseException] = [
            FinalError("no"),
            # These two would end the interpreter.
            SystemExit(1),
            KeyboardInterrupt(),
            LifespanError("no", stage="startup"),
        ]
        if hasattr(builtins, "ExceptionGroup"):
            causes.append(builtins.ExceptionGroup("no", [ValueError("a"), TypeError("b")]))
        for cause in causes:
            with self.subTest(cause=cause):
                error = startup_failed(cause)
                self.assertIs(LifespanError, type(error))
                self.assert_complete(error, cause)

    def test_settings_that_are_not_valid(self) -> None:
        """The exception of a validation is the cause, whatever its class allows."""
        cause = failed_validation()
        self.assert_complete(startup_failed(cause), cause)

    def test_a_mistake_in_the_source(self) -> None:
        """The text is not lost to the way in which a ``SyntaxError`` is printed."""
        cause = SyntaxError("invalid syntax", ("plugin.py", 1, 2, "x ="))
        self.assert_complete(startup_failed(cause), cause)

    def test_the_classes_are_made_once(self) -> None:
        """Two errors with causes of one class are of one class."""
        first, second = (startup_failed(RoomError("lobby", code=code)) for code in (1, 2))
        self.assertIs(type(first), type(second))

    def test_a_copy(self) -> None:
        """A copy is of our class, with stage, message and text."""
        error = startup_failed(RoomError("lobby", code=3))
        for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            self.assertIsInstance(other, LifespanError)
            self.assertEqual(
                ("it failed", "startup", "no database"), (str(other), other.stage, other.message)
            )


class CopyTest(unittest.TestCase):
    """The exceptions pass between processes, as a parallel test runner needs it."""

    def assert_survives(self, error: Exception) -> None:
        """Fail if a copied or pickled exception is not what it was."""
        for name, other in (
            ("pickle", pickle.loads(pickle.dumps(error))),
            ("copy", copy.copy(error)),
        ):
            with self.subTest(error=error, by=name):
                self.assertEqual(
                    [base for base in type(error).__mro__ if base.__module__ != "builtins"],
                    [base for base in type(other).__mro__ if base.__module__ != "builtins"],
                )
                self.assertEqual(str(error), str(other))
                self.assertEqual(error.args, other.args)
                attributes, others = dict(vars(error)), dict(vars(other))
                for each in (attributes, others):
                    if each.get("response") is not None:
                        each["response"] = each["response"].status_code
                self.assertEqual(attributes, others)

    def test_own_classes(self) -> None:
        """A copy, pickled or not, has class, text and attributes of the original."""
        for error in (
            ASGITestError("a"),
            ASGITestError(),
            SubclassedError("a"),
            ProtocolError("a", rule="HTTP-START-01", message_type="http.response.start"),
            LifespanError("a", stage="startup", message="b"),
            DeadlineExceeded("a", waiting_for="b"),
            asgitest.RequestDeadlineExceeded("a", waiting_for="b"),
            UnexpectedMessage("a", event={"type": "websocket.send", "text": "b"}),
            WebSocketDisconnect(1001, "bye"),
            WebSocketDisconnect(code=1001, reason="bye"),
            ClientDisconnected("a"),
            ASGIWarning("a"),
        ):
            with starlettes_module(None):
                self.assert_survives(error)

    def test_beside_starlette(self) -> None:
        """The exceptions for WebSockets survive with and without Starlette's."""
        with starlettes_module(their_module()):
            self.assert_survives(websocket_disconnect(1001, "bye", CLOSED))
            self.assert_survives(websocket_denied(response_with(403), 4003, "not you"))
        with starlettes_module(None):
            self.assert_survives(websocket_disconnect(1001, "bye", CLOSED))
            self.assert_survives(websocket_denied(response_with(403), 4003, "not you"))
