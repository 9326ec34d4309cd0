"""The mixin in front of Django's own test cases, with a database."""

from __future__ import annotations

import os
import unittest
from typing import Any

from asgitest import ASGITestMixin

from . import suite

suite.need_frameworks()

from . import django_settings  # noqa: E402

django_settings.set_up()

import django.test  # noqa: E402
from asgiref.sync import ThreadSensitiveContext, sync_to_async  # noqa: E402
from django import http  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.test.utils import get_runner  # noqa: E402
from django.urls import path  # noqa: E402

_DATABASES: list[Any] = []

if os.environ.get("ASGITEST_BACKEND") == "trio":
    raise unittest.SkipTest("Django's handler starts tasks of asyncio")


def setUpModule() -> None:
    """Make a database, as Django's runner does."""
    runner = get_runner(django.conf.settings)(verbosity=0, interactive=False)
    _DATABASES.append((runner, runner.setup_databases()))


def tearDownModule() -> None:
    """Drop the database."""
    runner, config = _DATABASES.pop()
    runner.teardown_databases(config)


def show_names(request: Any) -> http.HttpResponse:
    """Show what is in the database; in a thread of Django's."""
    names = ContentType.objects.filter(app_label="rooms").values_list("model", flat=True)
    return http.HttpResponse(" ".join(sorted(names)))


async def add_name(request: Any) -> http.HttpResponse:
    """Put something into the database."""
    await ContentType.objects.acreate(app_label="rooms", model=request.GET["name"])
    return http.HttpResponse(status=201)


def show_mode(request: Any) -> http.HttpResponse:
    """Show a setting."""
    return http.HttpResponse(str(django.conf.settings.APPEND_SLASH))


urlpatterns = [path("names", show_names), path("add", add_name), path("mode", show_mode)]


class SharedConnection:
    """An application whose requests use the database connection of the test's thread.

    :param application: the application of Django
    :param shared: the connection
    """

    def __init__(self, application: Any, shared: Any) -> None:
        self.application = application
        self.shared = shared

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext():
            # The thread that all of the request's synchronous work is done in.
            await sync_to_async(connections.__setitem__)("default", self.shared)
            await self.application(scope, receive, send)


@django.test.override_settings(ROOT_URLCONF=__name__)
class DjangoCaseTest(ASGITestMixin, django.test.TestCase):
    """A test case of Django, whose transaction the application takes part in."""

    def setUp(self) -> None:
        """Let other threads use the connection, until the test is over."""
        connection.inc_thread_sharing()
        self.addCleanup(connection.dec_thread_sharing)
        super().setUp()

    def get_app(self) -> Any:
        """Return the application, on the connection of the test."""
        return SharedConnection(get_asgi_application(), connections["default"])

    @classmethod
    def setUpTestData(cls) -> None:
        """Create what all tests find."""
        ContentType.objects.create(app_label="rooms", model="lobby")

    def test_clients(self) -> None:
        """Django's client keeps its name and assertions, and both clients see the same."""
        self.assertContains(self.client.get("/names"), "lobby")
        self.assertEqual("lobby", self.asgi_client.get("/names").text)

    def test_own_data(self) -> None:
        """The application sees what the test created, and the test what the application did."""
        ContentType.objects.create(app_label="rooms", model="garden")
        self.assertEqual("garden lobby", self.asgi_client.get("/names").text)

        self.assertEqual(201, self.asgi_client.get("/add?name=hall").status_code)
        self.assertTrue(ContentType.objects.filter(model="hall").exists())

    def test_rolled_back(self) -> None:
        """Nothing is left of what another test created."""
        self.assertEqual("lobby", self.asgi_client.get("/names").text)

    def test_settings(self) -> None:
        """Settings that a test overrides are those of the application."""
        with self.settings(APPEND_SLASH="maybe"):
            self.assertEqual("maybe", self.asgi_client.get("/mode").text)

    def test_failure(self) -> None:
        """A failure shows the last exchanges."""

        class Case(ASGITestMixin, django.test.SimpleTestCase):
            app = get_asgi_application()

            def test(self) -> None:
                self.asgi_client.get("/mode")
                self.fail("on purpose")

        result = self.defaultTestResult()
        Case("test").run(result)

        self.assertIn("GET http://testserver/mode", result.failures[0][1])

    async def test_coroutine(self) -> None:
        """Django runs coroutine functions on a loop of its own; the client has another one."""
        if self.client_options().portal == "inline":
            self.skipTest("an inline loop is advanced in a thread that has no other one")
        response = self.asgi_client.get("/names")

        self.assertEqual("lobby", response.text)


@django.test.override_settings(ROOT_URLCONF=__name__)
class TransactionCaseTest(ASGITestMixin, django.test.TransactionTestCase):
    """A test case that flushes the database needs no such sharing."""

    app = get_asgi_application()
    lifespan_scope = "class"

    def test_data(self) -> None:
        """The application sees what was committed."""
        self.assertEqual(201, self.asgi_client.get("/add?name=garden").status_code)
        self.assertEqual("garden", self.asgi_client.get("/names").text)
        self.assertTrue(ContentType.objects.filter(model="garden").exists())
