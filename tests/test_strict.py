"""Strict clients, warnings and relaxed rules, seen through the client."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel

from asgitest import (
    ASGIAdapter,
    ASGITestCase,
    ASGIWarning,
    DeadlineExceeded,
    LeftoverError,
    ProtocolError,
    TestClient,
    WebSocketDisconnect,
)
from asgitest._connection import _Receiver
from asgitest._http_connection import HTTPConnection
from asgitest._interface import ASGIApplication
from asgitest._portal import Portal
from asgitest._protocol._http import HTTPProtocol
from asgitest._protocol._rules import Strictness

from .base import CleanTestCase, on_thread

START = {"type": "http.response.start", "status": 200}
END = {"type": "http.response.body", "body": b"end"}
ACCEPT = {"type": "websocket.accept"}


def here(function: Any, text: str) -> int:
    """Return the line of a function's source that holds a text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


async def returns_something(scope: Any, receive: Any, send: Any) -> int:
    """Answer, and return what nobody asked for."""
    await receive()
    await send(START)
    await send(END)
    return 42


class Method:
    """An application in a method, or that can be called itself."""

    async def serve(self, scope: Any, receive: Any, send: Any) -> int:
        """Answer, and return what nobody asked for."""
        return await returns_something(scope, receive, send)

    __call__ = serve


async def upgrades(scope: Any, receive: Any, send: Any) -> None:
    """Send a header that is the server's."""
    await receive()
    await send({**ACCEPT, "headers": [(b"upgrade", b"websocket")]})  # is the server's
    await receive()


async def queues(scope: Any, receive: Any, send: Any) -> None:
    """Wait in two tasks."""
    await receive()
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(waits, receive)
        await anyio.wait_all_tasks_blocked()
        await send(START)
        await send(END)


async def waits(receive: Any) -> None:
    """Wait for the disconnect."""
    await receive()  # waits behind another


async def polls(scope: Any, receive: Any, send: Any) -> None:
    """Look for a disconnect while another task waits for one, as frameworks do."""
    await receive()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            with anyio.CancelScope() as scope_:
                scope_.cancel()
                await receive()
        await send(START)
        await send(END)


class WarningTest(CleanTestCase):
    """What is accepted with a warning."""

    def caught(self, action: Any) -> list[warnings.WarningMessage]:
        """Return the warnings of an action."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            action()
        return caught

    def test_place_of_send(self) -> None:
        """A warning about a message has the application's line that sent it as its place."""
        client = self.new_client(upgrades)

        def action() -> None:
            with client.websocket_connect("/"):
                pass

        (warning,) = self.caught(action)
        self.assertIs(ASGIWarning, warning.category)
        self.assertIn("[WS-ACC-05]", str(warning.message))
        self.assertEqual(__file__, warning.filename)
        self.assertEqual(here(upgrades, "# is the server's"), warning.lineno)

    def test_place_of_receive(self) -> None:
        """A warning about a call of receive() has that call as its place."""
        client = self.new_client(queues)

        (warning,) = self.caught(lambda: client.get("/"))

        self.assertIn("[HTTP-REQ-09]", str(warning.message))
        self.assertEqual(__file__, warning.filename)
        self.assertEqual(here(waits, "# waits behind"), warning.lineno)

    def test_place_of_a_return(self) -> None:
        """A warning about a return has the line where a function is defined as its place."""
        for app, function in (
            (returns_something, returns_something),
            (functools.partial(returns_something), returns_something),
            (Method().serve, Method.serve),
        ):
            client = self.new_client(app)
            (warning,) = self.caught(lambda client=client: client.get("/"))
            self.assertIn("must return None, not int: 42 [APP-10]", str(warning.message))
            self.assertEqual(__file__, warning.filename)
            self.assertEqual(here(function, "async def"), warning.lineno)

    def test_place_of_an_object(self) -> None:
        """A warning about the return of what is no function has the line of the test."""
        client = self.new_client(Method(), interface="asgi3")

        (warning,) = self.caught(lambda: client.get("/"))  # the place

        self.assertEqual(__file__, warning.filename)
        self.assertEqual(here(self.test_place_of_an_object, "# the place"), warning.lineno)

    def test_place_of_an_exception(self) -> None:
        """A warning about an exception has the line that raised it as its place."""

        def action() -> None:
            with TestClient(takes_and_raises):
                pass

        (warning,) = self.caught(action)
        self.assertEqual(__file__, warning.filename)
        self.assertEqual(here(takes_and_raises, "raise "), warning.lineno)

    def test_filter(self) -> None:
        """A filter of the standard library makes an error of one rule, and hides another."""
        client = self.new_client(returns_something)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", r".*\[APP-10\]", ASGIWarning)
            with self.assertRaisesRegex(ASGIWarning, "APP-10"):
                client.get("/")
            warnings.filterwarnings("ignore", r".*\[APP-10\]", ASGIWarning)
            self.assertEqual("end", client.get("/").text)

    def test_a_failure_comes_first(self) -> None:
        """What failed is raised, and what is warned of is warned of all the same."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(queues, scope, receive, send)
            raise ValueError("boom")

        client = self.new_client(app)
        with self.assertRaisesRegex(ValueError, "boom"):
            client.get("/")
        with self.assertWarnsRegex(ASGIWarning, "HTTP-REQ-09"):
            with self.assertRaisesRegex(ValueError, "boom"):
                client.get("/")

    def test_queue_that_is_accepted(self) -> None:
        """Two that wait are served without a word if that rule is ignored."""
        for strict in (False, True):
            client = self.new_client(queues, strict=strict, ignore_rules=["HTTP-REQ-09"])
            self.assertEqual("end", client.get("/").text)

    def test_cancelled_before(self) -> None:
        """A call whose forerunner was cancelled meanwhile is no second waiter."""
        protocol = HTTPProtocol("GET", strictness=Strictness(strict=True))
        app: Any = ASGIApplication(queues)
        portal: Any = None
        connection = HTTPConnection(portal, app, {}, protocol, "GET /", streamed=False)
        gone, served = _Receiver(), _Receiver()
        served.is_served = True

        anyio.run(connection._check_queue, [gone])
        with self.assertRaisesRegex(ProtocolError, "HTTP-REQ-09"):
            anyio.run(connection._check_queue, [gone, served])

    def test_looking_for_a_disconnect(self) -> None:
        """A call that is cancelled at once is no second waiter."""
        self.assertEqual("end", self.new_client(polls).get("/").text)
        self.assertEqual("end", self.new_client(polls, strict=True).get("/").text)

    def test_accepted_websocket(self) -> None:
        """What follows an accept is warned of where the test gets to see it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)

        client = self.new_client(app)
        with client.websocket_connect("/") as session:
            with self.assertWarnsRegex(ASGIWarning, "WS-CLOSE-08"):
                with self.assertRaises(WebSocketDisconnect):
                    session.receive()


class StrictTest(CleanTestCase):
    """``strict=True``."""

    def test_warned(self) -> None:
        """What is warned of is an error."""
        for app, rule in ((returns_something, "APP-10"), (queues, "HTTP-REQ-09")):
            with self.subTest(rule), self.assertRaises(ProtocolError) as caught:
                self.new_client(app, strict=True).get("/")
            self.assertEqual(rule, caught.exception.rule)

    def test_accepted(self) -> None:
        """What is accepted in silence is an error, raised at the line that did it."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({**START, "headers": [(b"X-Name", b"a")]})
            await send(END)

        self.assertEqual("a", self.new_client(app).get("/").headers["x-name"])
        with self.assertRaises(ProtocolError) as caught:
            self.new_client(app, strict=True).get("/")
        self.assertEqual("HTTP-START-06", caught.exception.rule)

    def test_ignored(self) -> None:
        """A rule that is ignored is accepted by a strict client, too."""
        for options in ({"strict": True}, {"strict": False}):
            client = self.new_client(returns_something, ignore_rules={"APP-10"}, **options)
            self.assertEqual("end", client.get("/").text)

    def test_test_case(self) -> None:
        """A test case has both as class attributes."""

        class StrictCase(ASGITestCase):
            app = returns_something
            lifespan = "off"
            strict = True

            def test(self) -> None:
                self.assertEqual("end", self.client.get("/").text)

        class RelaxedCase(StrictCase):
            ignore_rules = ("APP-10",)

        for case, succeeds in ((StrictCase, False), (RelaxedCase, True)):
            result = case("test").run()
            assert result is not None
            self.assertEqual(succeeds, result.wasSuccessful())

    def test_adapter(self) -> None:
        """An adapter has both as options."""
        with self.enter_session(ASGIAdapter(returns_something, strict=True)) as session:
            with self.assertRaisesRegex(ProtocolError, "APP-10"):
                session.get("http://testserver/")
        adapter = ASGIAdapter(returns_something, strict=True, ignore_rules=["APP-10"])
        with self.enter_session(adapter) as session:
            self.assertEqual("end", session.get("http://testserver/").text)

    def enter_session(self, adapter: ASGIAdapter) -> Any:
        """Return a session of requests with an adapter."""
        import requests

        session = requests.Session()
        session.mount("http://", adapter)
        return session

    def test_further_client(self) -> None:
        """A further client may be stricter than the first one."""
        client = self.new_client(returns_something, ignore_rules=["APP-10"])
        client.get("/")
        with self.assertRaisesRegex(ProtocolError, "APP-10"):
            client.new_client(strict=True, ignore_rules=()).get("/")


class LeftoverTest(CleanTestCase):
    """What is left at a client's end."""

    def test_open_response(self) -> None:
        """A response that nobody closed is raised by a strict client, and warned of by another."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(START)
            await receive()

        client = TestClient(app, strict=True)
        response = client.get("/", stream=True)
        with self.assertRaisesRegex(LeftoverError, "GET http://testserver/ was left open"):
            client.close()
        response.close()
        client = TestClient(app)
        response = client.get("/", stream=True)
        with self.assertWarnsRegex(ResourceWarning, "was left open"):
            client.close()
        response.close()

    @on_thread("a system task of trio belongs to no client of an inline loop")
    def test_task(self) -> None:
        """A task that goes on is raised by a strict client, with where it stands."""

        async def leaves_a_task(scope: Any, receive: Any, send: Any) -> None:
            if os.environ.get("ASGITEST_BACKEND") == "trio":
                import trio

                trio.lowlevel.spawn_system_task(anyio.sleep_forever)
            else:
                import asyncio

                tasks.append(asyncio.ensure_future(anyio.sleep_forever()))
            await receive()
            await send(START)
            await send(END)

        tasks: list[Any] = []
        client = TestClient(leaves_a_task, strict=True)
        client.get("/")
        with self.assertRaisesRegex(LeftoverError, "left something running"):
            client.close()

    def test_what_failed_comes_first(self) -> None:
        """What the block raised is raised, and a strict client adds to it what was left."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(START)
            await receive()

        with self.assertRaisesRegex(KeyError, "first") as caught:
            with TestClient(app, strict=True, lifespan="off") as client:
                response = client.get("/", stream=True)
                raise KeyError("first")
        response.close()
        notes = getattr(caught.exception, "__notes__", ["LeftoverError"])
        self.assertIn("LeftoverError", notes[0])

    def test_cancelled_application(self) -> None:
        """An application that does not heed its client's leaving is an error of a strict client."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(START)
            await anyio.sleep_forever()

        with mock.patch.object(Portal, "grace", 0.05):
            client = self.new_client(app, strict=True)
            response = client.get("/", stream=True)
            with self.assertRaisesRegex(DeadlineExceeded, "had to be cancelled"):
                response.close()


async def takes_and_raises(scope: Any, receive: Any, send: Any) -> None:
    """Take the startup event and raise."""
    await receive()
    raise LookupError("no database")


async def returns_at_once(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing."""


async def leaves_early(scope: Any, receive: Any, send: Any) -> None:
    """Start, and return."""
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def answers_no_shutdown(scope: Any, receive: Any, send: Any) -> None:
    """Start, and return when it is to stop."""
    await leaves_early(scope, receive, send)
    await receive()


async def has_a_number(scope: Any, receive: Any, send: Any) -> None:
    """Have a key in its state that is no text."""
    scope["state"][1] = "one"
    await answers_no_shutdown(scope, receive, send)
    await send({"type": "lifespan.shutdown.complete"})


class LifespanTest(CleanTestCase):
    """The lifespan of an application that does not keep to the rules."""

    ROWS = (
        ("LIFE-07", "raised LookupError('no database') after it received", takes_and_raises),
        ("LIFE-08", "without answering lifespan.startup", returns_at_once),
        ("LIFE-09", "left its lifespan early", leaves_early),
        ("LIFE-11", "without answering lifespan.shutdown", answers_no_shutdown),
        ("LIFE-15", "keys of type str, not int: 1", has_a_number),
    )

    def run_lifespan(self, app: Any, **options: Any) -> None:
        """Enter and leave a client."""
        with TestClient(app, interface="asgi3", **options):
            pass

    def test_usual(self) -> None:
        """What servers go on with is warned of."""
        for rule, text, app in self.ROWS:
            with self.subTest(rule), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.run_lifespan(app)
                (warning,) = caught
                self.assertIs(ASGIWarning, warning.category)
                self.assertIn(text, str(warning.message))
                self.assertIn(f"[{rule}]", str(warning.message))
                self.assertEqual(__file__, warning.filename)

    def test_strict(self) -> None:
        """A strict client raises it."""
        for rule, text, app in self.ROWS:
            with self.subTest(rule):
                with self.assertRaises(ProtocolError) as caught:
                    self.run_lifespan(app, strict=True)
                self.assertEqual(rule, caught.exception.rule)
                self.assertIn(text, str(caught.exception))

    def test_cause(self) -> None:
        """What the application raised in its startup is the cause of the violation."""
        with self.assertRaises(ProtocolError) as caught:
            self.run_lifespan(takes_and_raises, strict=True)
        self.assertIsInstance(caught.exception.__cause__, LookupError)

    def test_ignored(self) -> None:
        """A rule that is ignored is accepted without a word, by a strict client too."""
        for rule, _, app in self.ROWS:
            for strict in (False, True):
                with self.subTest(rule, strict=strict):
                    self.run_lifespan(app, strict=strict, ignore_rules=[rule])
