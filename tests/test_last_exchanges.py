"""The last exchanges in what a test fails with."""

from __future__ import annotations

import importlib.util
import pickle
import sys
import textwrap
import traceback
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import requests

from asgitest import ASGITestCase, ASGITestMixin, TestClient
from asgitest._exception_text import amend, append_text, remove_text, restore, text_of
from asgitest._last_exchanges import tell_last_exchanges
from asgitest._shown_exchanges import note_shown, take_shown
from asgitest.exceptions import websocket_denied, websocket_disconnect

from .assertion_case import Plain
from .base import CleanTestCase, without_times
from .suites import SuiteTestCase

HEADING = "The last exchanges before this, the oldest first:"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo what comes, or fail in the way that the path says."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await talk(receive, send)
        return
    path = scope["path"]
    body = (await receive())["body"]
    if path == "/fail":
        raise KeyError("no room")
    if path == "/hang":
        await receive()
    headers = [(b"location", b"/round")] if path == "/round" else []
    status = 302 if headers else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def talk(receive: Any, send: Any) -> None:
    """Answer a WebSocket's messages in capitals."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"].upper()})


class Outcomes(unittest.TestResult):
    """A result that keeps what tests failed with as it would be shown.

    :ivar texts: the exceptions as text, without times
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        """Keep the text of an error."""
        self._keep(err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        """Keep the text of a failure."""
        self._keep(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        """Keep the text of a subtest that failed."""
        if err is not None:
            self._keep(err)

    def _keep(self, err: Any) -> None:
        lines = traceback.format_exception_only(*err[:2])
        self.texts.append(without_times("".join(lines)))


class FailingTestCase(CleanTestCase):
    """Lets tests fail, and looks at what is shown."""

    maxDiff = None

    def texts(self, case: type[unittest.TestCase]) -> list[str]:
        """Return what the tests of a class fail with, as text.

        :param case: the class
        """
        outcomes = Outcomes()
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcomes)
        return outcomes.texts

    def shown(self, case: type[unittest.TestCase]) -> str:
        """Return what is shown of the exchanges when the one test of a class fails.

        :param case: the class
        """
        (text,) = self.texts(case)
        _, heading, shown = text.partition(f"\n\n{HEADING}\n\n")
        self.assertTrue(heading, text)
        return shown


class ShownTest(FailingTestCase):
    """What is shown, and when."""

    def test_any_failure(self) -> None:
        """Whatever a test fails with, its exchanges stand behind that, bodies and all."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.post("/rooms", json={"name": "lobby"})
                self.assertEqual(1, 2)

        self.assertEqual(
            textwrap.dedent(
                """\
                AssertionError: 1 != 2

                The last exchanges before this, the oldest first:

                POST http://testserver/rooms
                  content-length: 17
                  content-type: application/json
                Request body:
                {
                  "name": "lobby"
                }
                Response: 200 OK, after  s
                Body:
                {
                  "name": "lobby"
                }
                """
            ),
            self.texts(Case)[0],
        )

    def test_exceptions(self) -> None:
        """An exception of the application, too: its exchange has no response."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/fail")

        (text,) = self.texts(Case)

        self.assertTrue(text.startswith("KeyError: 'no room'\n\n"), text)
        self.assertTrue(text.endswith("\n\nGET http://testserver/fail\nNo response, after  s\n"))

    def test_empty_exception(self) -> None:
        """An exception without a text has the exchanges for one."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/")
                raise AssertionError

        self.assertRegex(self.texts(Case)[0], rf"^AssertionError:? ?\n\n{HEADING}\n\nGET ")

    def test_websocket(self) -> None:
        """Of a WebSocket the messages are shown, the last twenty."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                with self.client.websocket_connect("/chat") as session:
                    for number in range(15):
                        session.send_text(f"a{number}")
                        session.receive_text()
                    raise LookupError

        messages = [f"  sent 'a{n}'\n  received 'A{n}'\n" for n in range(5, 15)]
        self.assertEqual(
            "GET ws://testserver/chat\nResponse: 101 Switching Protocols, after  s\n"
            "  (11 older messages are not shown)\n"
            + "".join(messages).removeprefix("  sent 'a5'\n")
            + "  the test closed: code 1000\n",
            self.shown(Case),
        )

    def test_nothing_was_exchanged(self) -> None:
        """Without an exchange there is nothing to show."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.fail("early")

        self.assertEqual(["AssertionError: early\n"], self.texts(Case))

    def test_switch(self) -> None:
        """``show_transcript = False`` leaves the exchanges out."""

        class Case(ASGITestCase):
            app = app
            show_transcript = False

            def test(self) -> None:
                self.client.get("/")
                self.fail("late")

        self.assertEqual(["AssertionError: late\n"], self.texts(Case))

    def test_no_failures(self) -> None:
        """A test that is skipped has not failed."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/")
                self.skipTest("enough")

            def test_subtest(self) -> None:
                self.client.get("/")
                with self.subTest():
                    self.skipTest("enough")

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

        self.assertEqual(["enough", "enough"], [reason for _, reason in result.skipped])

    def test_interruption(self) -> None:
        """Ctrl-C is passed on as it is."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/")
                raise KeyboardInterrupt("stop")

        case = Case("test")
        with self.assertRaises(KeyboardInterrupt) as caught:
            case.run(unittest.TestResult())
        # unittest leaves the cleanups undone then, for the process ends.
        case.doCleanups()
        self.assertEqual("stop", text_of(caught.exception))


class BoundTest(FailingTestCase):
    """How much is shown."""

    def test_many(self) -> None:
        """Of many exchanges three are shown whole, seven as a line, and the others are counted."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                for number in range(12):
                    self.client.get(f"/{number}", data=f"body {number}")
                self.fail()

        shown = self.shown(Case)

        lines = "".join(f"GET http://testserver/{number}: 200 OK\n" for number in range(2, 9))
        self.assertTrue(shown.startswith(f"(2 before these)\n{lines}\nGET http://"), shown)
        for number in range(12):
            self.assertIs(f"Body:\nbody {number}\n" in shown, number > 8)

    def test_large(self) -> None:
        """Bodies are cut, and when some KiB are full, what is older is named in a line."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                headers = {"x-large": "y" * 3000}
                for name in ("first", "second", "third"):
                    self.client.post(f"/{name}?{'z' * 400}", data="x" * 1500, headers=headers)
                self.fail()

        shown = self.shown(Case)

        for name in ("first", "second"):
            url = f"http://testserver/{name}?"
            self.assertIn(f"POST {url + 'z' * (200 - len(url))}... (", shown)
        whole = shown.partition("\n\n")[2]
        self.assertIn(f"x-large: {'y' * 300}... (3000 in all)\n", whole)
        self.assertIn("... (500 more characters)\nResponse: 200 OK", whole)
        self.assertEqual(1, whole.count("POST"))
        self.assertLess(len(shown), 5000)


class OnceTest(FailingTestCase):
    """What the text shows already is not shown again."""

    def assert_mentioned(self, case: type[unittest.TestCase], *urls: str) -> None:
        """Fail unless a failure shows no exchange whole, but names some as shown.

        :param case: a class with one test
        :param urls: the URLs of those that are named
        """
        (text,) = self.texts(case)
        shown = text.partition(HEADING)[2]
        lines = [line.rpartition(": ")[0] for line in shown.splitlines() if "shown above" in line]
        self.assertEqual([*urls], lines, text)
        self.assertEqual(0, shown.count("Response:"), text)

    def test_assertion_about_a_response(self) -> None:
        """An assertion that shows the only exchange shows it once."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 404)

        (text,) = self.texts(Case)
        self.assertNotIn(HEADING, text)
        self.assertEqual(1, text.count("GET http://testserver/"))

    def test_assertion_after_others(self) -> None:
        """What came before what an assertion shows is shown, and where that one stands."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/login")
                self.assertStatus(self.client.get("/"), 404)

        self.assertEqual(
            "GET http://testserver/login\nResponse: 200 OK, after  s\n\n"
            "GET http://testserver/: 200 OK (shown above)\n",
            self.shown(Case),
        )

    def test_own_words(self) -> None:
        """Where a test's own words replace the text, the exchange is shown behind them."""

        class Case(ASGITestCase):
            app = app
            longMessage = False

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 404, "gone")

        self.assertEqual("GET http://testserver/\nResponse: 200 OK, after  s\n", self.shown(Case))

    def test_failure_that_was_caught(self) -> None:
        """A failure that is caught shows nothing for the one that comes after it."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                response = self.client.get("/")
                with self.assertRaises(AssertionError):
                    self.assertStatus(response, 404)
                self.fail()

        self.assertEqual("GET http://testserver/\nResponse: 200 OK, after  s\n", self.shown(Case))

    def test_exceptions_that_travel(self) -> None:
        """What a test fails with can be sent to another process, as some runners do."""
        client = self.enter_client(app, lifespan="off")
        client.get("/")
        with client.websocket_connect("/chat") as session:
            session.send_text("a")
            with self.assertRaises(AssertionError) as caught:
                Plain().assertWebSocketReceives(session, "a")
        error = caught.exception
        told = pickle.loads(pickle.dumps(error))
        self.assertEqual(str(error), str(told))

        tell_last_exchanges(error, [client.new_client().transcript, client.transcript], 0.0)
        told = pickle.loads(pickle.dumps(error))
        self.assertIn(HEADING, text_of(told))
        self.assertEqual(text_of(error), text_of(told))

    def test_redirects(self) -> None:
        """Redirects that a text lists are not shown again."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/round")

        (text,) = self.texts(Case)
        self.assertIn("They go round in a circle", text)
        self.assertNotIn(HEADING, text)

    def test_websocket_assertion(self) -> None:
        """An assertion about a WebSocket shows its messages."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                with self.client.websocket_connect("/chat") as session:
                    session.send_text("a")
                    self.assertWebSocketReceives(session, "a")

        (text,) = self.texts(Case)
        self.assertNotIn(HEADING, text)

    def test_deadlines(self) -> None:
        """A deadline tells of the exchange, by the messages of the application."""

        class Case(ASGITestCase):
            app = app
            timeout = 0.1

            def test_request(self) -> None:
                self.client.get("/hang")

            def test_websocket(self) -> None:
                with self.client.websocket_connect("/chat") as session:
                    session.receive_text()

        for text in self.texts(Case):
            self.assertIn("The application's last messages", text)
            self.assertNotIn(HEADING, text)

    def test_deadline_of_leaving(self) -> None:
        """So does the deadline of leaving a WebSocket."""

        async def lingering(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            while True:
                await receive()

        self.hurry()

        class Case(ASGITestCase):
            app = lingering
            lifespan = "off"
            timeout = 0.1
            ignore_rules = ("WS-DISC-01",)

            def test(self) -> None:
                with self.client.websocket_connect("/"):
                    pass

        (text,) = self.texts(Case)
        self.assertNotIn(HEADING, text)

    def test_response_of_another_session(self) -> None:
        """A response that nobody recorded can be shown, too."""
        error = AssertionError()
        note_shown(error, requests.Response())

        self.assertEqual([], take_shown(error))


class PartsTest(FailingTestCase):
    """The parts of a test that can fail."""

    def test_each_part(self) -> None:
        """setUp(), tearDown(), a cleanup and a subtest tell the exchanges as the test does."""

        class Case(ASGITestCase):
            app = app
            part = ""

            def setUp(self) -> None:
                super().setUp()
                self.request("setUp")
                self.addCleanup(self.request, "cleanup")

            def request(self, part: str) -> None:
                if part == self.part:
                    self.client.get(f"/{part}")
                    self.fail()

            def tearDown(self) -> None:
                self.request("tearDown")
                super().tearDown()
                if self.part == "late":
                    self.fail()

            def test(self) -> None:
                if self.part == "late":
                    self.client.get("/late")
                with self.subTest("one"):
                    self.request("subtest")

        for name in ("setUp", "tearDown", "cleanup", "subtest", "late"):
            with self.subTest(name):
                case = type(name, (Case,), {"part": name})
                self.assertEqual(
                    f"GET http://testserver/{name}\nResponse: 200 OK, after  s\n", self.shown(case)
                )

    def test_asynchronous_parts(self) -> None:
        """So do the asynchronous parts."""

        class Case(ASGITestCase):
            app = app
            part = ""

            async def asyncSetUp(self) -> None:
                await self.request("asyncSetUp")
                self.addAsyncCleanup(self.request, "asyncCleanup")

            async def request(self, part: str) -> None:
                if part == self.part:
                    await self.async_client.get(f"/{part}")
                    self.fail()

            async def asyncTearDown(self) -> None:
                await self.request("asyncTearDown")

            async def test(self) -> None:
                with self.subTest("one"):
                    await self.request("subtest")
                await self.request("test")

        for name in ("asyncSetUp", "asyncTearDown", "asyncCleanup", "subtest", "test"):
            with self.subTest(name):
                case = type(name, (Case,), {"part": name})
                self.assertEqual(
                    f"GET http://testserver/{name}\nResponse: 200 OK, after  s\n", self.shown(case)
                )

    def test_cleanup_that_takes_any_name(self) -> None:
        """A cleanup may have arguments of any name."""
        called: list[dict[str, int]] = []

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.addCleanup(note, part=1, function=1, name=1)
                self.addAsyncCleanup(note_later, part=2, function=2, name=2)

        def note(**names: int) -> None:
            called.append(names)

        async def note_later(**names: int) -> None:
            called.append(names)

        self.assertEqual([], self.texts(Case))
        names = ("part", "function", "name")
        self.assertEqual([dict.fromkeys(names, 2), dict.fromkeys(names, 1)], called)

    def test_subtest_without_support(self) -> None:
        """Where subtests are no results of their own, the exchanges are told once."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                with self.subTest():
                    self.client.get("/")
                    self.fail()

        case = Case("test")
        with self.assertRaises(AssertionError) as caught:
            case.debug()
        case.doCleanups()
        text = text_of(caught.exception)
        self.assertEqual(1, text.count(HEADING), text)

    def test_bases(self) -> None:
        """A class with any base has them, one of asyncio's too."""

        class Plain(ASGITestMixin, unittest.TestCase):
            app = app

            def test(self) -> None:
                self.asgi_client.get("/")
                self.fail()

        class Isolated(ASGITestMixin, unittest.IsolatedAsyncioTestCase):
            app = app

            async def test(self) -> None:
                self.asgi_client.get("/")
                self.fail()

        class Both(ASGITestCase, unittest.IsolatedAsyncioTestCase):
            app = app

            async def test(self) -> None:
                self.client.get("/")
                self.fail()

        for case in (Plain, Isolated, Both):
            with self.subTest(case.__name__):
                self.assertIn("GET http://testserver/\n", self.shown(case))


class OddExceptionTest(FailingTestCase):
    """Exceptions that are not raised once and let go."""

    def test_raised_again(self) -> None:
        """An exception that several tests fail with shows the exchanges of each alone."""
        for error in (LookupError("no room"), websocket_disconnect(4000, "", "closed")):

            class Case(ASGITestCase):
                app = app

                def fail_after(self, path: str, error: Exception = error) -> None:
                    self.client.get(path)
                    raise error

                def test_1(self) -> None:
                    self.fail_after("/1")

                def test_2(self) -> None:
                    self.fail_after("/2")

            with self.subTest(repr(error)):
                first, second = self.texts(Case)
                self.assertEqual(first.replace("/1", "/2"), second)

    def test_nothing_to_be_changed(self) -> None:
        """An exception that lets nothing be changed fails the test as it is."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                self.client.get("/")
                raise Frozen("no room")

        self.assertIn("no room", self.texts(Case)[0])


class Frozen(Exception):
    """An exception whose attributes cannot be set."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError


class ClientsTest(FailingTestCase):
    """Several clients."""

    def test_new_clients(self) -> None:
        """Exchanges of several clients stand in the order they began, and say whose they are."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                idle, other = self.new_client(), self.new_client()
                for client, path in ((other, "/1"), (self.client, "/2"), (other, "/3")):
                    client.get(path)
                self.assertIsNot(idle, other)
                self.fail()

        urls = [line for line in self.shown(Case).splitlines() if "GET" in line]
        self.assertEqual(
            [
                "client 2: GET http://testserver/1",
                "client 1: GET http://testserver/2",
                "client 2: GET http://testserver/3",
            ],
            urls,
        )

    def test_class_scope(self) -> None:
        """While the application is shared, a test shows exchanges of its own and no others'."""

        class Case(ASGITestCase):
            app = app
            lifespan_scope = "class"

            def test_1(self) -> None:
                self.client.get("/1")
                self.new_client().get("/2")

            def test_2(self) -> None:
                self.client.get("/3")
                self.fail()

        self.assertIn("GET http://testserver/3\n", self.shown(Case))
        self.assertEqual(1, self.shown(Case).count("GET"))

    def test_client_replaced(self) -> None:
        """A client that a test puts in the place of its own counts."""

        class Case(ASGITestCase):
            app = app

            def test(self) -> None:
                with TestClient(app) as other:
                    self.client = other
                    self.client.get("/other")
                    self.fail()

        self.assertIn("GET http://testserver/other\n", self.shown(Case))


class ExceptionTextTest(CleanTestCase):
    """Text that is added to an exception."""

    def exceptions(self) -> Iterator[tuple[BaseException, str]]:
        """Yield exceptions, each with what is shown of it."""
        yield ValueError("wrong"), "wrong\nmore"
        yield ValueError(), "\nmore"
        yield ValueError(1, 2), "(1, 2)\nmore"
        yield KeyError("key"), "'key'\nmore"
        yield OSError("lost"), "lost\nmore"
        disconnect = websocket_disconnect(4000, "full", "the application closed it")
        yield disconnect, "the application closed it: code 4000, reason 'full'\nmore"
        denied = websocket_denied(None, 4003, "")
        yield denied, "the application denied the WebSocket: close code 4003\nmore"

    def test_amended(self) -> None:
        """Where Python knows no notes, the text becomes a part of the exception's own."""
        for error, text in self.exceptions():
            with self.subTest(repr(error)):
                before = (error.args, str(error))
                amend(error, "more")
                self.assertEqual(text, str(error))
                restore(error)
                self.assertEqual(before, (error.args, str(error)))

    def test_own_words(self) -> None:
        """An exception that makes its text of something else is left as it is."""
        error = OSError(2, "No such file")

        amend(error, "more")

        self.assertEqual((2, "No such file"), error.args)
        self.assertEqual("[Errno 2] No such file", str(error))

    def test_appended(self) -> None:
        """By notes, or else by amending, the text is shown behind the exception's."""
        makers: list[Callable[[], BaseException]] = [lambda: KeyError("key"), lambda: Silent()]
        for make in makers:
            with self.subTest(make=make):
                error = make()
                before = traceback.format_exception_only(type(error), error)
                append_text(error, "more")
                shown = "".join(traceback.format_exception_only(type(error), error))
                if sys.version_info >= (3, 11) or isinstance(error, KeyError):
                    self.assertTrue(shown.endswith("\nmore\n"), shown)
                remove_text(error, "more")
                self.assertEqual(before, traceback.format_exception_only(type(error), error))
                remove_text(error, "more")

    def test_no_text(self) -> None:
        """An exception whose text cannot be had has none."""
        self.assertEqual("", text_of(Silent()))


class Silent(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        raise RuntimeError


class RunnersTest(SuiteTestCase):
    """What runners show: the exchanges, and no lines of asgitest's own."""

    def setUp(self) -> None:
        """Write a suite that fails."""
        super().setUp()
        self.write(
            "test_rooms.py",
            """
            from asgitest import ASGITestCase
            from tests.test_last_exchanges import app

            class RoomTest(ASGITestCase):
                app = app

                def test_room(self):
                    self.client.get("/rooms")
                    assert 1 == 2

                async def test_async(self):
                    await self.async_client.get("/rooms")
                    self.assertEqual(1, 2)
            """,
        )

    def assert_shown(self, output: str) -> None:
        """Fail unless a runner shows the exchanges of both tests.

        :param output: what it wrote
        """
        self.assertEqual(2, output.count(HEADING), output)
        self.assertEqual(2, output.count("GET http://testserver/rooms"), output)
        self.assertNotIn("_failing_case", output)

    def test_unittest(self) -> None:
        """unittest shows them."""
        self.assert_shown(self.run_python("-m", "unittest").stdout)

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest(self) -> None:
        """pytest shows them."""
        self.assert_shown(self.run_pytest().stdout)
