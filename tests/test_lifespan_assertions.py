"""The assertions about startup and shutdown: what they accept, and what they say."""

from __future__ import annotations

import re
from typing import Any

from asgitest import ASGIWarning, DeadlineExceeded, LifespanError, ProtocolError

from .assertion_case import Application, AssertionsTestCase


def living(
    startup: dict[str, Any] | BaseException | None = None,
    shutdown: dict[str, Any] | BaseException | None = None,
) -> Application:
    """Build an application with a lifespan.

    :param startup: the message that answers the startup, or what is raised instead
    :param shutdown: the same for the shutdown
    """

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["state"]["open"] = True
        if isinstance(startup, BaseException):
            raise startup
        await send(startup or {"type": "lifespan.startup.complete"})
        if startup is None:
            await receive()
            scope["state"]["open"] = False
            if isinstance(shutdown, BaseException):
                raise shutdown
            await send(shutdown or {"type": "lifespan.shutdown.complete"})

    return application


async def without(scope: Any, receive: Any, send: Any) -> None:
    """Know nothing of lifespans.

    :param scope: of anything
    :param receive: never called
    :param send: never called
    """
    raise LookupError(scope["type"])


def failed(stage: str, message: str) -> dict[str, Any]:
    """Return the message that reports a failure.

    :param stage: ``"startup"`` or ``"shutdown"``
    :param message: the words
    """
    return {"type": f"lifespan.{stage}.failed", "message": message}


class StartsTest(AssertionsTestCase):
    """assertStarts()."""

    def test_met(self) -> None:
        """The application is started up and shut down; the state it left is returned."""
        self.assertEqual({"open": False}, self.case.assertStarts(living()))

    def test_without_lifespan(self) -> None:
        """An application without lifespan starts, unless lifespan="on" demands one."""
        self.assertEqual({}, self.case.assertStarts(without))

        failure = self.failure(self.case.assertStarts, without, lifespan="on")
        self.assertTrue(
            failure.startswith(
                "expected the application to start, but it raised:\n"
                "Traceback (most recent call last):\n"
            ),
            failure,
        )
        self.assertTrue(failure.endswith("\nLookupError: lifespan"), failure)
        self.assertNotIn("_connection.py", failure)

    def test_failures(self) -> None:
        """The failure says at which stage, and what the application reported."""
        for app, text in (
            (
                living(failed("startup", "no database")),
                "expected the application to start, but the application reported that its "
                "startup failed: no database",
            ),
            (
                living(shutdown=failed("shutdown", "still busy")),
                "expected the application to shut down, but the application reported that its "
                "shutdown failed: still busy",
            ),
        ):
            with self.subTest(text):
                self.assertEqual(text, self.failure(self.case.assertStarts, app))
                other = self.failure(self.case.assertStarts, app, "really?")
                self.assertEqual(f"{text} : really?", other)

    def test_raised_on_shutdown(self) -> None:
        """What it raises is shown with its traceback."""
        failure = self.failure(
            self.case.assertStarts, living(shutdown=LookupError("no such table"))
        )

        self.assertTrue(
            failure.startswith("expected the application to shut down, but it raised:\nTraceback"),
            failure,
        )
        self.assertTrue(failure.endswith("\nLookupError: no such table"), failure)

    def test_raised_and_reported(self) -> None:
        """What it raises beside its report is shown, too."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(failed("startup", "no settings"))
            raise KeyError("DATABASE_URL")

        failure = self.failure(self.case.assertStarts, application)

        self.assertTrue(
            failure.startswith(
                "expected the application to start, but the application reported that its startup "
                "failed: no settings\nIt raised, too:\nTraceback (most recent call last):\n"
            ),
            failure,
        )
        self.assertTrue(failure.endswith("\nKeyError: 'DATABASE_URL'"), failure)

    def test_broken_rule(self) -> None:
        """A broken rule comes out as such."""
        for assertion in (self.case.assertStarts, self.case.assertStartupFails):
            with self.subTest(assertion.__name__), self.assertRaises(ProtocolError):
                assertion(living({"type": "lifespan.startup.complet"}))

    def test_no_answer(self) -> None:
        """A deadline that passes comes out as such; that of the test case's class is in force."""

        async def silent(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await receive()

        case: Any = self.case
        case.timeout = 0.1
        for assertion in (case.assertStarts, case.assertStartupFails):
            with self.subTest(assertion.__name__):
                with self.assertRaisesRegex(DeadlineExceeded, r"^0\.1 s passed"):
                    assertion(silent)
                with self.assertRaisesRegex(DeadlineExceeded, r"^0\.05 s passed"):
                    assertion(silent, timeout=0.05)


class StartupFailsTest(AssertionsTestCase):
    """assertStartupFails()."""

    def test_met(self) -> None:
        """A startup fails that is reported to, or raises; a part of its message is enough."""
        reported = living(failed("startup", "no database at db:5432"))
        for message in (None, "no database", re.compile(r"db:\d+$")):
            with self.subTest(message):
                error = self.case.assertStartupFails(reported, message)
                self.assertIsInstance(error, LifespanError)
        raised = living(KeyError("DATABASE_URL"))
        self.assertIsInstance(self.case.assertStartupFails(raised, "DATABASE_URL"), KeyError)
        self.assertIsInstance(self.case.assertStartupFails(without), LookupError)

    def test_started(self) -> None:
        """An application that starts is a failure; it is shut down."""
        for message, wanted in (
            (None, ""),
            ("no database", " with a message that contains 'no database'"),
        ):
            with self.subTest(message):
                self.assertEqual(
                    f"expected the startup of the application to fail{wanted}, but it started "
                    f": really?",
                    self.failure(self.case.assertStartupFails, living(), message, "really?"),
                )

    def test_other_message(self) -> None:
        """One that fails otherwise is a failure that shows why it did."""
        failure = self.failure(
            self.case.assertStartupFails, living(failed("startup", "no cache")), "no database"
        )
        self.assertEqual(
            "expected the startup of the application to fail with a message that contains "
            "'no database', but the application reported that its startup failed: no cache",
            failure,
        )
        failure = self.failure(
            self.case.assertStartupFails, living(KeyError("CACHE_URL")), re.compile("^DATA")
        )
        self.assertTrue(failure.endswith("\nKeyError: 'CACHE_URL'"), failure)
        self.assertIn("to fail with a message matching '^DATA', but it raised:\nTraceback", failure)

    def test_options(self) -> None:
        """Options are the client's; with lifespan="auto" one that raises does start."""
        with self.assertWarnsRegex(ASGIWarning, "LIFE-07"):
            failure = self.failure(
                self.case.assertStartupFails, living(KeyError("x")), lifespan="auto"
            )
        self.assertTrue(failure.endswith(", but it started"), failure)

    def test_no_message(self) -> None:
        """A message that is no text is an error of the test."""
        with self.assertRaisesRegex(TypeError, "the message of a startup that fails must be"):
            self.case.assertStartupFails(living(), b"no database")
