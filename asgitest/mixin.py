"""``ASGITestMixin``: a client for each test of a class whose base is somebody else's."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from ._failing_case import TellingCase
from ._options import DEFAULT_TIMEOUT, ClientOptions, build_options
from ._scopes import ClassScope, build_class_scope, needs_class_scope
from .backends import add_variants, backend_of, reason_to_skip
from .client import TestClient
from .exceptions import ASGITestError

__all__ = ["ASGITestMixin"]

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

_OPTIONS = (
    "base_url",
    "raise_server_exceptions",
    "root_path",
    "backend",
    "backend_options",
    "portal",
    "lifespan",
    "timeout",
    "strict",
    "ignore_rules",
    "interface",
    "spec_version",
    "http_version",
    "profile",
    "client_address",
    "server_address",
    "headers",
    "cookies",
    "extensions",
    "scope",
)


class ASGITestMixin(TellingCase):
    """A client to an ASGI application for any ``unittest.TestCase``, as ``self.asgi_client``.

    It stands in front of the base class, and takes no name that Django's test cases have a use
    for. The options are class attributes, as :class:`asgitest.ASGITestCase` has them.

    .. code-block:: python

        class RoomTest(ASGITestMixin, django.test.TestCase):
            app = chat.app

            def test_room(self):
                self.assertEqual(200, self.asgi_client.get("/rooms/lobby").status_code)
    """

    #: The application; a plain function on the class will do.
    app: Any = None
    #: What ``setUp`` builds; a subclass of :class:`asgitest.TestClient` for special needs.
    asgi_client_class: type[TestClient] = TestClient

    base_url: str = "http://testserver"
    raise_server_exceptions: bool = True
    root_path: str = ""
    backend: str | None = None
    backend_options: Mapping[str, Any] | None = None
    portal: str | None = None
    lifespan: str = "auto"
    timeout: Any = DEFAULT_TIMEOUT
    strict: bool = False
    ignore_rules: Any = ()
    interface: str = "auto"
    spec_version: str | None = None
    http_version: str = "1.1"
    profile: str | None = None
    client_address: tuple[str, int] | None = ("127.0.0.1", 50000)
    server_address: tuple[str, int | None] | None = None
    headers: Any = None
    cookies: Any = None
    extensions: Any = None
    scope: Mapping[str, Any] | None = None

    #: ``"class"`` starts the application once for all tests of the class.
    lifespan_scope: str = "test"
    #: ``"class"`` shares the event loop among the tests of the class, and nothing else.
    portal_scope: str = "test"

    #: Backends to run each test on, such as ``("asyncio", "trio")``; the first one in this class,
    #: the others in classes beside it.
    backends: Sequence[str] | None = None

    # Set in the classes beside one that asks for several backends.
    _variant_backend: str | None = None
    _class_scope: ClassScope | None = None
    # What the client is called in the class at hand.
    _client_name = "asgi_client"

    def __init_subclass__(cls, **options: Any) -> None:
        """Put classes for further backends beside a test case that asks for them."""
        super().__init_subclass__(**options)
        add_variants(cls)

    @property
    def asgi_client(self) -> TestClient:
        """The client of the running test."""
        if self._client is None:
            raise AttributeError(
                f"{type(self).__name__}.{self._client_name} does not exist: setUp() builds it, "
                f"and tearDown() ends it; a setUp() of your own has to call super().setUp() first",
                # So that Python proposes no private name instead.
                name=self._client_name,
                obj=None,
            )
        return self._client

    @asgi_client.setter
    def asgi_client(self, client: TestClient | None) -> None:
        self._client = client

    def get_app(self) -> Any:
        """Return the application; override this to build one for each test.

        :return: the class attribute ``app``
        :raises TypeError: if there is none, or if it is a method
        """
        app = _class_attribute(self, "app")
        if app is None:
            raise TypeError(
                f"{type(self).__name__} has no application: set the class attribute 'app', or "
                f"override get_app()"
            )
        if inspect.isfunction(app) and _is_method(app):
            raise TypeError(
                f"{type(self).__name__}.app is a method; override get_app() to build the "
                f"application in a method"
            )
        return app

    def build_client(self) -> TestClient:
        """Return a new client with this case's application and options, not yet entered."""
        return self._get_client_class()(self.get_app(), **self._options())

    def client_options(self) -> ClientOptions:
        """Return the options of this case's client, each with the value in force."""
        return build_options(**self._options()).resolved()

    def _options(self) -> dict[str, Any]:
        options = {name: _class_attribute(self, name) for name in _OPTIONS}
        backend = backend_of(type(self), self._testMethodName)
        if backend is not None:
            options["backend"] = backend
        return options

    def _skip_unless_installed(self) -> None:
        backend = backend_of(type(self), self._testMethodName)
        reason = None if backend is None else reason_to_skip(backend)
        if reason is not None:
            raise unittest.SkipTest(reason)

    def new_client(self, **overrides: Any) -> TestClient:
        """Return another client of the same running application, as a second user has.

        Its cookies and headers are its own, and the test's end closes it.

        :param overrides: options that differ from those of the test's client
        :raises TypeError: if an option is one that all clients of an application share
        """
        return self.asgi_client.new_client(**overrides)

    @classmethod
    def setUpClass(cls) -> None:
        """Start what the tests of the class share.

        :raises ValueError: if a scope is none that there is
        """
        super().setUpClass()
        if needs_class_scope(cls):
            case = cls("runTest")
            case._skip_unless_installed()
            scope = build_class_scope(case)
            cls._class_scope = scope
            cls.addClassCleanup(cls._leave_class_scope, scope)
            scope.enter()

    @classmethod
    def _leave_class_scope(cls, scope: ClassScope) -> None:
        cls._class_scope = None
        scope.leave()

    def setUp(self) -> None:
        """Build the client and start the application, unless it runs for the whole class."""
        super().setUp()
        self._skip_unless_installed()
        scope = self._get_class_scope()
        if scope is not None and scope.client is not None:
            self._join_running(scope.client)
            return
        client = self.build_client()
        if scope is not None and scope.loop is not None:
            client.running.use_loop(scope.loop)
        # Registered first and so called last, whatever else fails from here on.
        self.addCleanup(self._leave_client, client)
        client.__enter__()
        self._client = client

    def _join_running(self, shared: TestClient) -> None:
        # It starts anew, if the test before ended its loop.
        known = shared.running.known_tasks()
        client = shared.new_client()
        self.addCleanup(shared.running.end_test, known)
        self.addCleanup(self._leave_client, client)
        self._client = client

    def _get_class_scope(self) -> ClassScope | None:
        if not needs_class_scope(self):
            return None
        scope: ClassScope | None = vars(type(self)).get("_class_scope")
        if scope is None:
            raise ASGITestError(
                f"{type(self).__name__} has class scope, and setUpClass() starts what its tests "
                f"share: a setUpClass() of your own has to call super().setUpClass(), and a test "
                f"that is run by itself is run as part of a suite"
            )
        return scope

    def tearDown(self) -> None:
        """Run the cleanups, as long as the client lives, and then shut the application down."""
        # Not where unittest itself is to run them: an asynchronous test case enters its context
        # for each, which it is in here, and debug() lets their exceptions through. It does so
        # right after this, and the client's cleanup is the last.
        is_debugging = getattr(self, "_outcome", None) is None
        if not (is_debugging or isinstance(self, unittest.IsolatedAsyncioTestCase)):
            self.doCleanups()
        super().tearDown()

    def _get_client_class(self) -> type[TestClient]:
        return self.asgi_client_class

    def _leave_client(self, client: TestClient) -> None:
        self._client = None
        client.__exit__(None, None, None)
        client.retire()


def _is_method(function: FunctionType) -> bool:
    # Of the code, for each test asks, and a signature takes long to build.
    code = getattr(inspect.unwrap(function), "__code__", function.__code__)
    return code.co_argcount > 0 and code.co_varnames[0] == "self"


def _class_attribute(case: unittest.TestCase, name: str) -> Any:
    """Return an attribute without making a bound method of a function."""
    if name in vars(case):
        return vars(case)[name]
    # There is one: the mixin has a default for each.
    attribute = next(vars(cls)[name] for cls in type(case).__mro__ if name in vars(cls))
    is_method = isinstance(attribute, (staticmethod, classmethod))
    if is_method or (hasattr(type(attribute), "__get__") and not callable(attribute)):
        return getattr(case, name)
    return attribute
