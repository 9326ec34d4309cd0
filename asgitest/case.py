"""``ASGITestCase``: a ``unittest.TestCase`` with a client for each test."""

from __future__ import annotations

import sys
import unittest
from contextlib import AbstractContextManager
from typing import TypeVar

from ._async_case import AsyncMethods
from .assertions import ASGIAssertions
from .client import TestClient

__all__ = ["ASGITestCase"]

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

T = TypeVar("T")


class ASGITestCase(AsyncMethods, ASGIAssertions, unittest.TestCase):
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

    #: What ``setUp`` builds; a subclass of :class:`asgitest.TestClient` for special needs.
    client_class: type[TestClient] = TestClient

    _client_name = "client"

    @property
    def client(self) -> TestClient:
        """The client of the running test."""
        return self.asgi_client

    @client.setter
    def client(self, client: TestClient | None) -> None:
        self._client = client

    def _get_client_class(self) -> type[TestClient]:
        return self.client_class

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
