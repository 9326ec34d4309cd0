"""``ASGITestCase``: a ``unittest.TestCase`` with a client for each test."""

from __future__ import annotations

import inspect
import sys
import unittest
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ._options import DEFAULT_TIMEOUT
from .assertions import ASGIAssertions
from .client import TestClient

__all__ = ["ASGITestCase"]

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

T = TypeVar("T")

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


class ASGITestCase(ASGIAssertions, unittest.TestCase):
    """A test case whose tests have a client to an ASGI application.

    ``setUp`` builds the client and starts the application, ``tearDown`` shuts it down. A subclass
    names the application and, if need be, options; each is a class attribute named as the
    parameter of :class:`asgitest.TestClient`.

    .. code-block:: python

        class RoomTest(ASGITestCase):
            app = chat.app
            timeout = 5

            def test_room(self):
                response = self.client.get("/rooms/lobby")
                self.assertStatus(response, 200)
    """

    #: The application; a plain function on the class will do.
    app: Any = None
    #: What ``setUp`` builds; a subclass of :class:`asgitest.TestClient` for special needs.
    client_class: type[TestClient] = TestClient

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

    _client: TestClient | None = None

    @property
    def client(self) -> TestClient:
        """The client of the running test."""
        if self._client is None:
            raise AttributeError(
                f"{type(self).__name__}.client does not exist: setUp() builds it, and tearDown() "
                f"ends it; a setUp() of your own has to call super().setUp() first",
                # So that Python proposes no private name instead.
                name="client",
                obj=None,
            )
        return self._client

    @client.setter
    def client(self, client: TestClient | None) -> None:
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
        if inspect.isfunction(app) and [*inspect.signature(app).parameters][:1] == ["self"]:
            raise TypeError(
                f"{type(self).__name__}.app is a method; override get_app() to build the "
                f"application in a method"
            )
        return app

    def build_client(self) -> TestClient:
        """Return a new client with this case's application and options, not yet entered."""
        options = {name: _class_attribute(self, name) for name in _OPTIONS}
        return self.client_class(self.get_app(), **options)

    def setUp(self) -> None:
        """Build the client and start the application."""
        super().setUp()
        client = self.build_client()
        # Registered first and so called last, whatever else fails from here on.
        self.addCleanup(self._leave_client, client)
        client.__enter__()
        self._client = client

    def tearDown(self) -> None:
        """Run the cleanups, as long as the client lives, and then shut the application down."""
        # Not where unittest itself is to run them: an asynchronous test case enters its context
        # for each, which it is in here, and debug() lets their exceptions through. It does so
        # right after this, and the client's cleanup is the last.
        is_debugging = getattr(self, "_outcome", None) is None
        if not (is_debugging or isinstance(self, unittest.IsolatedAsyncioTestCase)):
            self.doCleanups()
        super().tearDown()

    def _leave_client(self, client: TestClient) -> None:
        self._client = None
        client.__exit__(None, None, None)

    if sys.version_info < (3, 11):

        def enterContext(self, cm: AbstractContextManager[T]) -> T:
            """Enter a context manager, to be left in the cleanups.

            :param cm: the context manager
            :return: what it gives
            """
            value = cm.__enter__()
            self.addCleanup(cm.__exit__, None, None, None)
            return value

        @classmethod
        def enterClassContext(cls, cm: AbstractContextManager[T]) -> T:
            """Enter a context manager, to be left in the class's cleanups.

            :param cm: the context manager
            :return: what it gives
            """
            value = cm.__enter__()
            cls.addClassCleanup(cm.__exit__, None, None, None)
            return value


def _class_attribute(case: unittest.TestCase, name: str) -> Any:
    """Return an attribute without making a bound method of a function."""
    if name in vars(case):
        return vars(case)[name]
    attribute = inspect.getattr_static(type(case), name)
    is_method = isinstance(attribute, (staticmethod, classmethod))
    if is_method or (hasattr(type(attribute), "__get__") and not callable(attribute)):
        return getattr(case, name)
    return attribute
