"""The test case: its client, its options, its end, and the runners it works under."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http
import importlib.util
import inspect
import os
import threading
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

from asgitest import (
    ASGIAssertions,
    ASGITestCase,
    LifespanError,
    TestClient,
    WebSocketDisconnect,
)

from .base import CleanTestCase, on_thread, running_threads
from .suites import SuiteTestCase


class Recorder:
    """An application that notes its lifespan events, and answers a request with status 200.

    It receives WebSocket messages until the client leaves.

    :ivar events: types of the lifespan events, and whatever a test adds
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            self.events.append("websocket.disconnect")
        else:
            self.scopes.append(scope)
            await respond(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        for event_type in ("lifespan.startup", "lifespan.shutdown"):
            event = await receive()
            self.events.append(event["type"])
            await send({"type": f"{event_type}.complete"})


async def respond(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request with status 200, and refuse anything else."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": loop_name().encode()})


def loop_name() -> str:
    """Name the backend that runs the caller."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return "trio"
    return "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"


def run_case(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run the tests of a class.

    :param case: a class whose name no loader sees
    """
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


class CaseTestCase(CleanTestCase):
    """Runs classes of tests, and looks at what becomes of them."""

    def assert_passes(self, case: type[unittest.TestCase], tests: int = 1) -> None:
        """Fail unless all tests of a class pass.

        :param case: the class
        :param tests: how many there are
        """
        result = run_case(case)
        self.assertEqual([], [text for _, text in result.failures + result.errors])
        self.assertEqual(tests, result.testsRun)

    def only_failure(self, case: type[unittest.TestCase]) -> str:
        """Return the text of the one FAIL that running a class gives.

        :param case: the class
        """
        result = run_case(case)
        self.assertEqual([], [text for _, text in result.errors])
        self.assertEqual(1, len(result.failures), result)
        return result.failures[0][1]

    def only_error(self, case: type[unittest.TestCase]) -> str:
        """Return the text of the one ERROR that running a class gives.

        :param case: the class
        """
        result = run_case(case)
        self.assertEqual([], [text for _, text in result.failures])
        self.assertEqual(1, len(result.errors), result)
        return result.errors[0][1]


class ClientTest(CaseTestCase):
    """``self.client``."""

    def test_every_test_has_a_client_of_its_own(self) -> None:
        """Each test has a new client, for which the application starts up and shuts down."""
        recorder = Recorder()
        clients = []

        class Case(ASGITestCase):
            app = recorder

            def use_client(self) -> None:
                clients.append(self.client)
                recorder.events.append("test")
                self.assertEqual(200, self.client.get("/").status_code)

            test_one = use_client
            test_two = use_client

        self.assert_passes(Case, tests=2)

        lifespan = ["lifespan.startup", "test", "lifespan.shutdown"]
        self.assertEqual(lifespan + lifespan, recorder.events)
        self.assertIsNot(clients[0], clients[1])
        self.assertIs(TestClient, type(clients[0]))

    def test_state_of_the_lifespan(self) -> None:
        """The client shows the state that the lifespan made."""

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                scope["state"]["rooms"] = ["lobby"]
            await Recorder()(scope, receive, send)

        class Case(ASGITestCase):
            app = with_state

            def test(self) -> None:
                self.assertEqual({"rooms": ["lobby"]}, self.client.state)

        self.assert_passes(Case)

    def test_set_up_without_super(self) -> None:
        """A test whose setUp() did not call super() is told to."""

        class Case(ASGITestCase):
            app = respond

            def setUp(self) -> None:
                pass

            def test(self) -> None:
                self.client.get("/")

        error = self.only_error(Case)

        self.assertIn("AttributeError: Case.client does not exist", error)
        self.assertIn("has to call super().setUp()", error)

    def test_client_used_before_super(self) -> None:
        """A setUp() that uses the client too early is told so."""

        class Case(ASGITestCase):
            app = respond

            def setUp(self) -> None:
                self.client.get("/")
                super().setUp()

            def test(self) -> None:
                raise NotImplementedError

        self.assertIn("has to call super().setUp()", self.only_error(Case))

    def test_client_is_gone_after_the_test(self) -> None:
        """After a test its case keeps no client, so that nothing keeps the application alive."""

        class Case(ASGITestCase):
            app = respond

            def test(self) -> None:
                self.client.get("/")

        case = Case("test")
        case.run(unittest.TestResult())

        with self.assertRaises(AttributeError):
            case.client  # noqa: B018

    def test_client_replaced(self) -> None:
        """A test may put another client in the place of its own, which is closed all the same."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                self.client = self.client.new_client(headers={"x-user": "ann"})
                self.client.get("/")

        self.assert_passes(Case)

        self.assertIn((b"x-user", b"ann"), recorder.scopes[0]["headers"])
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)

    def test_client_class(self) -> None:
        """``client_class`` is what setUp() builds."""

        class RoomClient(TestClient):
            def enter_room(self) -> Any:
                return self.get("/rooms/lobby")

        class Case(ASGITestCase):
            app = respond
            client_class = RoomClient
            client: RoomClient

            def test(self) -> None:
                self.assertStatus(self.client.enter_room(), 200)

        self.assert_passes(Case)

    def test_build_client_overridden(self) -> None:
        """A class may override build_client() to choose the options of each test."""

        class Case(ASGITestCase):
            app = respond

            def build_client(self) -> TestClient:
                client = super().build_client()
                client.auth = ("ann", self.id().rpartition(".")[2])
                return client

            def test(self) -> None:
                response = self.client.get("/")
                self.assertEqual("Basic YW5uOnRlc3Q=", response.request.headers["authorization"])

        self.assert_passes(Case)


class ApplicationTest(CaseTestCase):
    """``app`` and ``get_app()``."""

    def test_forms_of_the_attribute(self) -> None:
        """The attribute may hold any application, a plain function too."""

        class Instance:
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await respond(scope, receive, send)

            async def method(self, scope: Any, receive: Any, send: Any) -> None:
                await respond(scope, receive, send)

        class Awaitable3:
            def __init__(self, scope: Any, receive: Any, send: Any) -> None:
                self._call = respond(scope, receive, send)

            def __await__(self) -> Any:
                return self._call.__await__()

        class DoubleCallable:
            def __init__(self, scope: Any) -> None:
                self.scope = scope

            async def __call__(self, receive: Any, send: Any) -> None:
                await respond(self.scope, receive, send)

        def plain(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
            return respond(scope, receive, send)

        async def with_prefix(prefix: str, scope: Any, receive: Any, send: Any) -> None:
            await respond(scope, receive, send)

        def first_argument_is_the_scope(self: Any, receive: Any, send: Any) -> Awaitable[None]:
            return respond(self, receive, send)

        @functools.wraps(respond)
        async def decorated(*args: Any) -> None:
            await respond(*args)

        forms: dict[str, Any] = {
            "coroutine function": respond,
            "function that returns a coroutine": plain,
            "decorated function": decorated,
            "lambda": lambda scope, receive, send: respond(scope, receive, send),
            "staticmethod": staticmethod(respond),
            "partial": functools.partial(with_prefix, "/api"),
            "instance": Instance(),
            "bound method": Instance().method,
            "class": Awaitable3,
            "double callable": DoubleCallable,
            "property": property(lambda case: respond),
            "static lambda": staticmethod(lambda *args: respond(*args)),
        }
        for name, form in forms.items():
            with self.subTest(name):

                class Case(ASGITestCase):
                    app = form

                    def test(self) -> None:
                        self.assertStatus(self.client.get("/"), 200)

                self.assert_passes(Case)

    def test_cached_property(self) -> None:
        """The attribute may be a cached property, which builds one application for each test."""
        built = []

        class Case(ASGITestCase):
            @functools.cached_property
            def app(self) -> Any:
                built.append(self.id())
                return respond

            def test_one(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

            def test_two(self) -> None:
                self.assertIs(respond, self.app)

        self.assert_passes(Case, tests=2)
        self.assertEqual(["test_one", "test_two"], [name.rpartition(".")[2] for name in built])

    def test_class_method(self) -> None:
        """A class method may be the application."""

        class Case(ASGITestCase):
            @classmethod
            async def app(cls, scope: Any, receive: Any, send: Any) -> None:
                await respond(scope, receive, send)

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Case)

    def test_attribute_of_a_base_class(self) -> None:
        """The attribute is inherited, a plain function too."""

        class Base(ASGITestCase):
            app = respond

        class Case(Base):
            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Case)

    def test_attribute_of_the_instance(self) -> None:
        """The attribute may be set on the instance, before super().setUp()."""

        class Case(ASGITestCase):
            def setUp(self) -> None:
                self.app = respond
                super().setUp()

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Case)

    def test_attribute_of_the_class_set_in_set_up_class(self) -> None:
        """The attribute may be set in setUpClass(), for one application in all tests."""
        recorder = Recorder()

        class Case(ASGITestCase):
            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                cls.app = recorder

            def test(self) -> None:
                self.assertIs(recorder, self.client.app)

        self.assert_passes(Case)

    def test_get_app(self) -> None:
        """get_app() is called once for each test, and may use what setUp() made before."""
        built = []

        class Case(ASGITestCase):
            def setUp(self) -> None:
                self.rooms = ["lobby"]
                super().setUp()

            def get_app(self) -> Any:
                built.append(self.rooms)
                return respond

            def test_one(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

            def test_two(self) -> None:
                self.assertIs(respond, self.client.app)

        self.assert_passes(Case, tests=2)
        self.assertEqual([["lobby"], ["lobby"]], built)

    def test_no_application(self) -> None:
        """A class without application is told what to set."""

        class Case(ASGITestCase):
            def test(self) -> None:
                raise NotImplementedError

        error = self.only_error(Case)

        self.assertEqual(
            "TypeError: Case has no application: set the class attribute 'app', or override "
            "get_app()",
            error.strip().splitlines()[-1],
        )

    def test_no_application_from_get_app(self) -> None:
        """A get_app() that forgets to return the application is an error in setUp()."""

        class Case(ASGITestCase):
            def get_app(self) -> Any:
                pass

            def test(self) -> None:
                raise NotImplementedError

        self.assertIn("TypeError: app must be", self.only_error(Case))

    def test_method(self) -> None:
        """A method named ``app`` is taken for the mistake it is, and get_app() suggested."""

        class Factory(ASGITestCase):
            def app(self) -> Any:
                return respond

            def test(self) -> None:
                raise NotImplementedError

        class Application(ASGITestCase):
            async def app(self, scope: Any, receive: Any, send: Any) -> None:
                await respond(scope, receive, send)

            def test(self) -> None:
                raise NotImplementedError

        for case in (Factory, Application):
            with self.subTest(case.__name__):
                error = self.only_error(case)
                self.assertIn(f"TypeError: {case.__name__}.app is a method", error)
                self.assertIn("get_app()", error)


class OptionsTest(CaseTestCase):
    """The client's options as class attributes."""

    def test_names_and_defaults(self) -> None:
        """Every parameter of the client is a class attribute with the same default."""
        for name, parameter in inspect.signature(TestClient).parameters.items():
            if name == "app":
                continue
            with self.subTest(name):
                self.assertEqual(parameter.default, getattr(ASGITestCase, name))

    def test_options_reach_the_client(self) -> None:
        """Each class attribute is given to the client under its name."""
        options: dict[str, Any] = {
            name: mock.sentinel.__getattr__(name)
            for name in inspect.signature(TestClient).parameters
            if name != "app"
        }
        given: dict[str, Any] = {}

        class Client(TestClient):
            def __init__(self, app: Any, **options: Any) -> None:
                given.update(options)
                super().__init__(app)

        case = type("Case", (ASGITestCase,), {"app": Recorder(), "client_class": Client, **options})
        client = case("run").build_client()
        self.addCleanup(client.close)

        self.assertEqual(options, given)

    def test_options_take_effect(self) -> None:
        """What a class sets is what the application and the test see."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder
            base_url = "https://chat.example:8443/"
            root_path = "/api"
            http_version = "2"
            spec_version = "2.5"
            client_address = ("192.0.2.7", 4711)
            server_address = ("chat.internal", 80)
            headers = {"x-user": "ann"}
            cookies = {"session": "abc"}
            scope = {"tenant": "north"}
            lifespan = "off"

            def test(self) -> None:
                self.assertEqual("https://chat.example:8443/x", self.client.get("x").url)

        self.assert_passes(Case)

        (scope,) = recorder.scopes
        headers = dict(scope["headers"])
        self.assertEqual("/api", scope["root_path"])
        self.assertEqual("2", scope["http_version"])
        self.assertEqual("2.5", scope["asgi"]["spec_version"])
        self.assertEqual(["192.0.2.7", 4711], list(scope["client"]))
        self.assertEqual(["chat.internal", 80], list(scope["server"]))
        self.assertEqual("north", scope["tenant"])
        self.assertEqual((b"ann", b"session=abc"), (headers[b"x-user"], headers[b"cookie"]))
        self.assertEqual([], recorder.events)

    def test_option_as_property(self) -> None:
        """An option may be a property, or set on the instance before super().setUp()."""

        class Case(ASGITestCase):
            app = respond

            @property
            def headers(self) -> Any:
                return {"x-test": self._testMethodName}

            def setUp(self) -> None:
                self.base_url = "http://chat.example"
                super().setUp()

            def test(self) -> None:
                request = self.client.get("/").request
                self.assertEqual("test", request.headers["x-test"])
                self.assertEqual("http://chat.example/", request.url)

        self.assert_passes(Case)

    def test_server_exceptions(self) -> None:
        """``raise_server_exceptions = False`` makes a 500 of the application's exception."""

        async def broken(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError("no such room")

        class Case(ASGITestCase):
            app = broken
            raise_server_exceptions = False

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 500)

        self.assert_passes(Case)

    def test_wrong_value(self) -> None:
        """A value that cannot be is an error of each test, with its name."""

        class Case(ASGITestCase):
            app = respond
            lifespan = "sometimes"

            def test(self) -> None:
                raise NotImplementedError

        self.assertIn("ValueError: lifespan must be one of", self.only_error(Case))


class EnvironmentTest(CaseTestCase):
    """The environment variables, which count where a class says nothing."""

    def loop_names(self, backend_of_class: str | None, **environment: str) -> str:
        """Return the backend that a class of tests runs on.

        :param backend_of_class: its class attribute
        :param environment: variables
        """
        names = []

        class Case(ASGITestCase):
            app = respond
            backend = backend_of_class

            def test(self) -> None:
                names.append(self.client.get("/").text)

        with mock.patch.dict(os.environ, environment):
            self.assert_passes(Case)
        (name,) = names
        return name

    def test_backend(self) -> None:
        """ASGITEST_BACKEND names the backend of a class that names none."""
        self.assertEqual("asyncio", self.loop_names(None, ASGITEST_BACKEND="asyncio"))
        self.assertEqual("trio", self.loop_names(None, ASGITEST_BACKEND="trio"))
        self.assertEqual("asyncio", self.loop_names(None, ASGITEST_BACKEND=""))

    def test_backend_of_the_class(self) -> None:
        """A class attribute comes before the environment."""
        self.assertEqual("trio", self.loop_names("trio", ASGITEST_BACKEND="asyncio"))
        self.assertEqual("asyncio", self.loop_names("asyncio", ASGITEST_BACKEND="trio"))

    def test_unknown_backend(self) -> None:
        """A backend that does not exist is an error that lists those that do."""

        class Case(ASGITestCase):
            app = respond

            def test(self) -> None:
                raise NotImplementedError

        with mock.patch.dict(os.environ, ASGITEST_BACKEND="curio"):
            error = self.only_error(Case)

        self.assertIn("ValueError: backend must be one of asyncio, uvloop, trio", error)

    def failure_of_a_silent_application(self, timeout_of_class: dict[str, Any], value: str) -> str:
        """Return the failure of a test whose application never answers.

        :param timeout_of_class: the class attribute, if there is one
        :param value: of ASGITEST_TIMEOUT
        """

        async def silent(scope: Any, receive: Any, send: Any) -> None:
            while scope["type"] == "http":
                await receive()
            raise NotImplementedError

        def test(case: ASGITestCase) -> None:
            case.client.get("/")

        namespace = {"app": silent, "test": test, **timeout_of_class}
        with mock.patch.dict(os.environ, ASGITEST_TIMEOUT=value):
            return self.only_failure(type("Case", (ASGITestCase,), namespace))

    def test_timeout(self) -> None:
        """ASGITEST_TIMEOUT is the deadline of a class that sets none, in seconds."""
        self.assertIn(
            "0.125 s passed while waiting for", self.failure_of_a_silent_application({}, "0.125")
        )

    def test_timeout_of_the_class(self) -> None:
        """A class attribute comes before the environment."""
        self.assertIn(
            "0.125 s passed while waiting for",
            self.failure_of_a_silent_application({"timeout": 0.125}, "none"),
        )

    def test_wrong_timeout(self) -> None:
        """A timeout that is no number is an error that shows it."""

        class Case(ASGITestCase):
            app = respond

            def test(self) -> None:
                raise NotImplementedError

        with mock.patch.dict(os.environ, ASGITEST_TIMEOUT="soon"):
            error = self.only_error(Case)

        self.assertIn("ValueError: ASGITEST_TIMEOUT must be", error)
        self.assertIn("'soon'", error)


class CleanupTest(CaseTestCase):
    """What happens at the end of a test, and when."""

    def test_cleanups_run_while_the_client_lives(self) -> None:
        """Cleanups run last in, first out, and can use the client; then it is left."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def setUp(self) -> None:
                super().setUp()
                self.addCleanup(self.note, "first")
                self.addCleanup(self.note, "second")

            def test(self) -> None:
                self.addCleanup(self.note, "third")

            def tearDown(self) -> None:
                self.note("tearDown")
                super().tearDown()

            def note(self, word: str) -> None:
                recorder.events.append(word)
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Case)

        self.assertEqual(
            [
                "lifespan.startup",
                "tearDown",
                "third",
                "second",
                "first",
                "lifespan.shutdown",
            ],
            recorder.events,
        )

    def test_cleanup_added_by_a_cleanup(self) -> None:
        """A cleanup that a cleanup adds runs while the client lives, too."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                self.addCleanup(self.addCleanup, self.use_client)

            def use_client(self) -> None:
                recorder.events.append("cleanup")
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Case)

        self.assertEqual(["lifespan.startup", "cleanup", "lifespan.shutdown"], recorder.events)

    def test_failing_cleanup(self) -> None:
        """A cleanup that raises is reported, and neither later ones nor the shutdown are lost."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                self.addCleanup(recorder.events.append, "cleanup")
                self.addCleanup(self.give_up)

            def give_up(self) -> None:
                raise LookupError("nothing to clean")

        self.assertIn("LookupError: nothing to clean", self.only_error(Case))
        self.assertEqual(["lifespan.startup", "cleanup", "lifespan.shutdown"], recorder.events)

    def test_end_of_tear_down(self) -> None:
        """When super().tearDown() returns, the application has shut down."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                self.addCleanup(recorder.events.append, "cleanup")

            def tearDown(self) -> None:
                super().tearDown()
                recorder.events.append("end of tearDown")

        self.assert_passes(Case)

        self.assertEqual(
            ["lifespan.startup", "cleanup", "lifespan.shutdown", "end of tearDown"],
            recorder.events,
        )

    def test_tear_down_without_super(self) -> None:
        """A tearDown() that does not call super() closes the client all the same."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def setUp(self) -> None:
                super().setUp()
                self.addCleanup(self.note)

            def test(self) -> None:
                recorder.events.append("test")

            def tearDown(self) -> None:
                recorder.events.append("tearDown")

            def note(self) -> None:
                recorder.events.append("cleanup")
                self.assertStatus(self.client.get("/"), 200)

        self.assert_passes(Case)

        self.assertEqual(
            ["lifespan.startup", "test", "tearDown", "cleanup", "lifespan.shutdown"],
            recorder.events,
        )

    def test_failing_tear_down(self) -> None:
        """A tearDown() that raises closes the client all the same."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                recorder.events.append("test")

            def tearDown(self) -> None:
                raise LookupError("nothing to tear down")

        self.assertIn("LookupError: nothing to tear down", self.only_error(Case))
        self.assertEqual(["lifespan.startup", "test", "lifespan.shutdown"], recorder.events)

    def test_failing_set_up(self) -> None:
        """A subclass whose setUp() raises leaves no client behind."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def setUp(self) -> None:
                super().setUp()
                self.client.get("/")
                raise LookupError("no database")

            def test(self) -> None:
                raise NotImplementedError

        self.assertIn("LookupError: no database", self.only_error(Case))
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)

    def test_client_that_fails_to_start(self) -> None:
        """A client whose start fails in the end is left all the same."""
        recorder = Recorder()

        class Client(TestClient):
            def __enter__(self) -> TestClient:
                super().__enter__()
                raise LookupError("no user")

        class Case(ASGITestCase):
            app = recorder
            client_class = Client

            def test(self) -> None:
                raise NotImplementedError

        self.assertIn("LookupError: no user", self.only_error(Case))
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)

    def test_skipped_in_set_up(self) -> None:
        """A test that setUp() skips leaves no client behind, and counts as skipped."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def setUp(self) -> None:
                super().setUp()
                self.skipTest("not today")

            def test(self) -> None:
                raise NotImplementedError

        result = run_case(Case)

        self.assertTrue(result.wasSuccessful())
        self.assertEqual(["not today"], [reason for _, reason in result.skipped])
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)

    def test_failing_test(self) -> None:
        """A failing test is reported once, and its application shuts down."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                self.assertEqual(1, 2)

        self.assertIn("AssertionError: 1 != 2", self.only_failure(Case))
        self.assertEqual(["lifespan.startup", "lifespan.shutdown"], recorder.events)

    def test_failing_subtests(self) -> None:
        """The client lives on when a subtest fails."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                for expected in (200, 404, 200):
                    with self.subTest(expected=expected):
                        self.assertStatus(self.client.get("/"), expected)

        self.assertIn("expected status 404 Not Found", self.only_failure(Case))
        self.assertEqual(3, len(recorder.scopes))

    def test_open_websocket(self) -> None:
        """A WebSocket entered with enterContext() is left before the application shuts down."""
        recorder = Recorder()

        class Case(ASGITestCase):
            app = recorder

            def setUp(self) -> None:
                super().setUp()
                self.session = self.enterContext(self.client.websocket_connect("/"))

            def test(self) -> None:
                self.session.send_text("hello")

        self.assert_passes(Case)

        self.assertEqual(
            ["lifespan.startup", "websocket.disconnect", "lifespan.shutdown"], recorder.events
        )

    def test_asynchronous_fixture(self) -> None:
        """An asynchronous context manager entered on the loop is left before the shutdown."""
        recorder = Recorder()

        @contextlib.asynccontextmanager
        async def database() -> AsyncIterator[str]:
            recorder.events.append("open")
            yield loop_name()
            recorder.events.append("close")

        class Case(ASGITestCase):
            app = recorder

            def test(self) -> None:
                name = self.enterContext(self.client.async_context(database()))
                self.assertEqual(self.client.get("/").text, name)

        self.assert_passes(Case)

        self.assertEqual(
            ["lifespan.startup", "open", "close", "lifespan.shutdown"], recorder.events
        )

    def test_enter_context(self) -> None:
        """enterContext() returns the context's value, and leaves it even if setUp() fails."""
        events: list[str] = []

        @contextlib.contextmanager
        def context() -> Iterator[str]:
            events.append("enter")
            yield "value"
            events.append("leave")

        class Case(ASGITestCase):
            app = respond

            def setUp(self) -> None:
                super().setUp()
                events.append(self.enterContext(context()))
                raise LookupError("no database")

            def test(self) -> None:
                raise NotImplementedError

        self.only_error(Case)

        self.assertEqual(["enter", "value", "leave"], events)

    def test_enter_class_context(self) -> None:
        """enterClassContext() returns the context's value, and leaves it after all tests."""
        events: list[str] = []

        @contextlib.contextmanager
        def context() -> Iterator[str]:
            events.append("enter")
            yield "value"
            events.append("leave")

        class Case(ASGITestCase):
            app = respond

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                events.append(cls.enterClassContext(context()))

            def test_one(self) -> None:
                events.append("one")

            def test_two(self) -> None:
                events.append("two")

        self.assert_passes(Case, tests=2)

        self.assertEqual(["enter", "value", "one", "two", "leave"], events)

    def test_debug(self) -> None:
        """debug() lets errors come out, those of cleanups and of the shutdown too."""

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "not flushed"})

        class Case(ASGITestCase):
            app = failing

            def test(self) -> None:
                events.append(self.client.app)

        class Cleanup(ASGITestCase):
            app = Recorder()

            def test(self) -> None:
                self.addCleanup(self.give_up)

            def give_up(self) -> None:
                events.append(self.client.app)
                raise LookupError("nothing to clean")

        events: list[Any] = []

        with self.assertRaisesRegex(LifespanError, "not flushed"):
            Case("test").debug()
        case = Cleanup("test")
        with self.assertRaisesRegex(LookupError, "nothing to clean"):
            case.debug()
        # As unittest has it, what is left after such an error is for the caller to do.
        case.doCleanups()

        self.assertEqual([failing, Cleanup.app], events)


class VerdictTest(CaseTestCase):
    """FAIL means that the application is wrong, ERROR that something raised."""

    def case_with_lifespan(self, lifespan_app: Callable[..., Awaitable[None]]) -> Any:
        """Return a class with one passing test and a given lifespan.

        :param lifespan_app: is called with ``receive`` and ``send``
        """

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "lifespan":
                raise NotImplementedError
            await lifespan_app(receive, send)

        class Case(ASGITestCase):
            app = application
            lifespan = "on"
            timeout = 0.2

            def test(self) -> None:
                pass

        return Case

    def test_startup_failed(self) -> None:
        """A startup that the application reports as failed is a FAIL with its message."""

        async def lifespan(receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        failure = self.only_failure(self.case_with_lifespan(lifespan))

        self.assertIn("LifespanError: the application reported that its startup failed", failure)
        self.assertIn("no database", failure)

    def test_startup_raised(self) -> None:
        """A startup that raises is an ERROR with the application's exception."""

        async def lifespan(receive: Any, send: Any) -> None:
            await receive()
            raise LookupError("no database")

        error = self.only_error(self.case_with_lifespan(lifespan))

        self.assertIn("LookupError: no database", error)
        self.assertIn('raise LookupError("no database")', error)

    def test_startup_not_answered(self) -> None:
        """A startup that is never answered is a FAIL after the deadline."""

        async def lifespan(receive: Any, send: Any) -> None:
            await receive()
            await receive()

        failure = self.only_failure(self.case_with_lifespan(lifespan))

        self.assertIn("0.2 s passed while waiting for the application to answer", failure)

    def test_startup_against_the_rules(self) -> None:
        """A startup that breaks a rule is a FAIL with the rule's id."""

        async def lifespan(receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": b"no database"})

        self.assertIn("[LIFE-04]", self.only_failure(self.case_with_lifespan(lifespan)))

    def test_shutdown_failed(self) -> None:
        """A shutdown that the application reports as failed is a FAIL with its message."""

        async def lifespan(receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "not flushed"})

        failure = self.only_failure(self.case_with_lifespan(lifespan))

        self.assertIn("LifespanError: the application reported that its shutdown failed", failure)
        self.assertIn("not flushed", failure)

    def test_shutdown_raised(self) -> None:
        """A shutdown that raises is an ERROR with the application's exception."""

        async def lifespan(receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise LookupError("not flushed")

        self.assertIn(
            "LookupError: not flushed", self.only_error(self.case_with_lifespan(lifespan))
        )

    def test_failing_test_and_failing_shutdown(self) -> None:
        """A test that fails and a shutdown that fails are both reported."""

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "not flushed"})

        class Case(ASGITestCase):
            app = failing

            def test(self) -> None:
                self.assertEqual(1, 2)

        failures = [text for _, text in run_case(Case).failures]

        self.assertEqual(2, len(failures))
        self.assertIn("AssertionError: 1 != 2", failures[0])
        self.assertIn("not flushed", failures[1])

    def test_lifespan_not_supported(self) -> None:
        """An application without lifespan is tested as it is, unless ``lifespan = "on"``."""

        class Auto(ASGITestCase):
            app = respond

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), 200)

        class On(Auto):
            lifespan = "on"

        self.assert_passes(Auto)
        self.assertIn("NotImplementedError: lifespan", self.only_error(On))

    def test_broken_rule(self) -> None:
        """An application that breaks a rule is a FAIL with the rule's id."""

        async def broken(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise NotImplementedError
            await send({"type": "http.response.start", "status": "200"})

        class Case(ASGITestCase):
            app = broken

            def test(self) -> None:
                self.client.get("/")

        self.assertIn("ProtocolError: http.response.start: status must be", self.only_failure(Case))

    def test_application_raises(self) -> None:
        """An exception of the application is an ERROR, and an assertion in it a FAIL."""

        async def broken(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise NotImplementedError
            if scope["path"] == "/assert":
                raise AssertionError("never empty")
            raise LookupError("no such room")

        class Case(ASGITestCase):
            app = broken

        class Raises(Case):
            def test(self) -> None:
                self.client.get("/")

        class Asserts(Case):
            def test(self) -> None:
                self.client.get("/assert")

        class Expected(Case):
            def test(self) -> None:
                with self.assertRaisesRegex(LookupError, "no such room"):
                    self.client.get("/")

        self.assertIn("LookupError: no such room", self.only_error(Raises))
        self.assertIn("AssertionError: never empty", self.only_failure(Asserts))
        self.assert_passes(Expected)

    def test_denied_websocket(self) -> None:
        """A WebSocket denied unexpectedly is an ERROR that shows the application's words."""

        async def denying(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "websocket":
                raise NotImplementedError
            await send({"type": "websocket.http.response.start", "status": 404})
            await send({"type": "websocket.http.response.body", "body": b"there is no cellar"})

        class Case(ASGITestCase):
            app = denying

            def test(self) -> None:
                with self.client.websocket_connect("/rooms/cellar"):
                    raise NotImplementedError

        error = self.only_error(Case)

        self.assertIn("WebSocketDenied: the application denied the WebSocket", error)
        self.assertIn("ws://testserver/rooms/cellar", error)
        self.assertIn("404", error)
        self.assertIn("there is no cellar", error)

    def test_deadline(self) -> None:
        """A deadline that passes is a FAIL, and an expected failure where one is expected."""

        async def silent(scope: Any, receive: Any, send: Any) -> None:
            while scope["type"] == "http":
                await receive()
            raise NotImplementedError

        class Case(ASGITestCase):
            app = silent
            timeout = 0.2

            def test(self) -> None:
                self.client.get("/")

        class Expected(Case):
            @unittest.expectedFailure
            def test(self) -> None:
                super().test()

        self.assertIn("0.2 s passed while waiting for the application", self.only_failure(Case))
        self.assertEqual(1, len(run_case(Expected).expectedFailures))

    def test_blocked_loop(self) -> None:
        """A test that blocks the loop fails once, and the next one has a working client."""
        self.hurry()
        release = threading.Event()
        before = running_threads()

        async def blocking(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] == "/block":
                release.wait()
            await respond(scope, receive, send)

        class Case(ASGITestCase):
            app = blocking
            timeout = 0.2

            def test_1_blocks(self) -> None:
                self.client.get("/block")

            def test_2_next(self) -> None:
                self.assertStatus(self.client.get("/", timeout=10), 200)

        try:
            result = run_case(Case)
        finally:
            release.set()
            for thread in running_threads() - before:
                thread.join()

        self.assertEqual(
            ["test_1_blocks"], [case._testMethodName for case, _ in result.failures + result.errors]
        )
        self.assertIn("release.wait()", result.failures[0][1])


class FramesTest(CaseTestCase):
    """The traceback of a failure."""

    def assert_frames(self, failure: str, *functions: str) -> None:
        """Fail unless a traceback shows exactly these functions.

        :param failure: text of the failure
        :param functions: their names, in order
        """
        frames = [
            line.rpartition(" in ")[2]
            for line in failure.splitlines()
            if line.startswith("  File ")
        ]
        self.assertEqual(list(functions), frames, failure)

    def test_failed_assertion(self) -> None:
        """The traceback of a failed assertion ends at the line of the test."""

        class Case(ASGITestCase):
            app = Recorder()

            def test_status(self) -> None:
                self.assertStatus(self.client.get("/"), 404)

        self.assert_frames(self.only_failure(Case), "test_status")

    def test_failed_assertion_about_a_websocket(self) -> None:
        """So does one about a message of a WebSocket, whatever came instead."""

        async def talking(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "websocket":
                raise NotImplementedError
            await send({"type": "websocket.accept"})
            for data in ({"text": "hello"}, {"bytes": b"hello"}):
                await send({"type": "websocket.send", **data})
            await send({"type": "websocket.close"})

        class Case(ASGITestCase):
            app = talking

            def test_message(self) -> None:
                with self.client.websocket_connect("/") as session:
                    for _ in range(3):
                        with self.subTest():
                            self.assertWebSocketReceives(session, "goodbye")

        result = run_case(Case)

        self.assertEqual((3, 0), (len(result.failures), len(result.errors)), result.errors)
        for _, failure in result.failures:
            self.assert_frames(failure, "test_message")

    def test_application_of_a_test(self) -> None:
        """The traceback of an error that a forgotten application makes shows no frame of ours."""

        class Case(ASGITestCase):
            def test(self) -> None:
                raise NotImplementedError

        self.assert_frames(self.only_error(Case))


SUITE = """
    import asyncio

    from asgitest import ASGITestCase, TestClient


    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for _ in range(2):
                event = await receive()
                await send({"type": event["type"] + ".complete"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            event = await receive()
            await send({"type": "websocket.send", "text": event["text"].upper()})
            await receive()
        else:
            if scope["path"] == "/raise":
                raise LookupError("no such room")
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b'{"name": "lobby"}'})


    class RoomTest(ASGITestCase):
        app = app

        def test_http(self):
            self.assertStatus(self.client.get("/"), 200)

        def test_websocket(self):
            with self.client.websocket_connect("/") as session:
                session.send_text("hello")
                self.assertWebSocketReceives(session, "HELLO")
"""

FAILING_SUITE = """
    from asgitest import ASGITestCase

    from test_rooms import app


    class WrongTest(ASGITestCase):
        app = app

        def test_status(self):
            self.assertStatus(self.client.get("/rooms"), 404)

        def test_application(self):
            self.client.get("/raise")
"""

ASYNCHRONOUS_SUITE = """
    import unittest

    from asgitest import ASGITestCase

    from test_rooms import app


    class AsynchronousTest(ASGITestCase, unittest.IsolatedAsyncioTestCase):
        app = app

        async def asyncSetUp(self):
            self.addAsyncCleanup(self.use_client)

        async def test_http(self):
            self.addCleanup(self.client.get, "/")
            await self.use_client()

        async def use_client(self):
            self.assertStatus(self.client.get("/"), 200)
"""

THREADED = """
    import threading
    import unittest

    from test_rooms import RoomTest

    THREADS = 4
    together = threading.Barrier(THREADS)
    results = []


    class MeetingTest(RoomTest):
        def setUp(self):
            super().setUp()
            # From here on, as many clients live as there are threads.
            together.wait(60)


    def run():
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(MeetingTest).run(result)
        results.append(result)


    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        print(result.testsRun, result.failures + result.errors)
"""


class RunnerTest(SuiteTestCase):
    """The runners that a suite works under, each in a process of its own."""

    def setUp(self) -> None:
        """Write a small suite to a directory."""
        super().setUp()
        self.write("test_rooms.py", SUITE)

    def test_unittest(self) -> None:
        """``python -m unittest discover`` finds and runs a suite."""
        process = self.run_python("-m", "unittest", "discover")

        self.assertEqual(0, process.returncode, process.stdout)
        self.assertIn("Ran 2 tests", process.stdout)
        self.assertIn("OK", process.stdout)

    def test_unittest_with_failures(self) -> None:
        """unittest prints FAIL for a wrong status, ERROR for an exception of the application."""
        self.write("test_wrong.py", FAILING_SUITE)

        process = self.run_python("-m", "unittest", "discover")

        self.assertEqual(1, process.returncode, process.stdout)
        self.assertIn("Ran 4 tests", process.stdout)
        self.assertIn("FAIL: test_status (test_wrong.WrongTest", process.stdout)
        self.assertIn("ERROR: test_application (test_wrong.WrongTest", process.stdout)
        self.assertIn("FAILED (failures=1, errors=1)", process.stdout)
        self.assertIn("GET http://testserver/rooms", process.stdout)
        self.assertIn('raise LookupError("no such room")', process.stdout)

    @on_thread("unittest's own loop runs in the thread of the test")
    def test_asynchronous_tests(self) -> None:
        """A class may be an asynchronous test case as well, whose cleanups can use the client."""
        self.write("test_rooms.py", SUITE.partition("class RoomTest")[0])
        self.write("test_asynchronous.py", ASYNCHRONOUS_SUITE)

        process = self.run_python("-m", "unittest", "test_asynchronous")

        self.assertEqual(0, process.returncode, process.stdout)
        self.assertIn("Ran 1 test", process.stdout)

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest(self) -> None:
        """pytest finds and runs a suite, and does not take the client for a test."""
        process = self.run_pytest()

        self.assertEqual(0, process.returncode, process.stdout)
        self.assertIn("2 passed", process.stdout)

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest_with_failures(self) -> None:
        """pytest shows the test's line and the exchange, and none of the assertion's code."""
        self.write("test_wrong.py", FAILING_SUITE)

        process = self.run_pytest("-k", "test_status")

        self.assertEqual(1, process.returncode, process.stdout)
        self.assertIn("1 failed", process.stdout)
        self.assertIn('>       self.assertStatus(self.client.get("/rooms"), 404)', process.stdout)
        self.assertIn("GET http://testserver/rooms", process.stdout)
        self.assertIn('"name": "lobby"', process.stdout)
        self.assertNotIn("assertions.py", process.stdout)

    @unittest.skipUnless(importlib.util.find_spec("xdist"), "pytest-xdist is not installed")
    def test_pytest_with_workers(self) -> None:
        """``pytest -n 2`` runs a suite in two processes."""
        self.write("test_wrong.py", FAILING_SUITE)

        process = self.run_pytest("-n", "2")

        self.assertEqual(1, process.returncode, process.stdout)
        self.assertIn("2 workers", process.stdout)
        self.assertIn("2 failed, 2 passed", process.stdout)

    def test_threads(self) -> None:
        """Tests run in several threads at once, each with its own client and loop."""
        self.write("run_in_threads.py", THREADED)

        process = self.run_python("run_in_threads.py")

        self.assertEqual(0, process.returncode, process.stdout)
        self.assertEqual("2 []\n" * 4, process.stdout)


class MixinTest(CaseTestCase):
    """The parts of the test case by themselves."""

    def test_status_enum(self) -> None:
        """The class is a unittest.TestCase with the assertions mixed in."""
        self.assertTrue(issubclass(ASGITestCase, unittest.TestCase))
        self.assertTrue(issubclass(ASGITestCase, ASGIAssertions))

        class Case(ASGITestCase):
            app = respond

            def test(self) -> None:
                self.assertStatus(self.client.get("/"), http.HTTPStatus.OK)
                with self.assertRaises(WebSocketDisconnect):
                    raise WebSocketDisconnect(1000)

        self.assert_passes(Case)
