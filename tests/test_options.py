"""Options: from arguments, environment and built-in values to what is in force."""

from __future__ import annotations

import inspect
import math
import os
import unittest
from typing import Any
from unittest import mock

from asgitest import ASGIAdapter, ASGITestCase, TestClient
from asgitest._options import (
    CLIENT_TIMEOUT,
    DEFAULT_TIMEOUT,
    NO_DEADLINE,
    ClientOptions,
    check_timeout,
)


def environment(**values: str) -> Any:
    """Replace the variables of asgitest by the given ones."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("ASGITEST_")}
    return mock.patch.dict(os.environ, {**others, **values}, clear=True)


def resolved(**options: Any) -> ClientOptions:
    """Return options that are in force."""
    return ClientOptions(**options).resolved()


class ResolvedTest(unittest.TestCase):
    """resolved()."""

    def setUp(self) -> None:
        """Begin without variables."""
        patch = environment()
        patch.start()
        self.addCleanup(patch.stop)

    def test_built_in(self) -> None:
        """Without a word from anybody, these are in force."""
        options = resolved()

        self.assertEqual("asyncio", options.backend)
        self.assertEqual("thread", options.portal)
        self.assertEqual(10.0, options.timeout)

    def test_order(self) -> None:
        """An argument comes before the environment, that before what is built in."""
        table: list[tuple[str, str, Any, str, Any]] = [
            ("backend", "ASGITEST_BACKEND", "uvloop", "trio", "trio"),
            ("portal", "ASGITEST_PORTAL", "thread", "thread", "thread"),
            ("timeout", "ASGITEST_TIMEOUT", 3.0, "4.5", 4.5),
            ("timeout", "ASGITEST_TIMEOUT", None, "4", 4.0),
            ("timeout", "ASGITEST_TIMEOUT", 3, "none", None),
        ]
        for name, variable, argument, value, in_force in table:
            with self.subTest(name, value=value), environment(**{variable: value}):
                self.assertEqual(in_force, getattr(resolved(), name))
                self.assertEqual(argument, getattr(resolved(**{name: argument}), name))

    def test_empty_variables(self) -> None:
        """An empty variable is none."""
        with environment(ASGITEST_BACKEND="", ASGITEST_PORTAL="", ASGITEST_TIMEOUT=""):
            self.assertEqual(resolved(), resolved())
            self.assertEqual("asyncio", resolved().backend)
            self.assertEqual(10.0, resolved().timeout)

    def test_options_of_a_backend(self) -> None:
        """Options for no named backend are those of the built-in one."""
        with environment(ASGITEST_BACKEND="trio"):
            self.assertEqual("asyncio", resolved(backend_options={"debug": True}).backend)
            self.assertEqual("trio", resolved(backend_options={}, backend="trio").backend)

    def test_twice(self) -> None:
        """What is in force stays in force, whatever the environment says meanwhile."""
        with environment(ASGITEST_BACKEND="trio", ASGITEST_TIMEOUT="none"):
            options = resolved()

        self.assertEqual(options, options.resolved())

    def test_original_is_kept(self) -> None:
        """Options are values: resolving gives new ones."""
        options = ClientOptions()
        options.resolved()

        self.assertIs(DEFAULT_TIMEOUT, options.timeout)
        with self.assertRaises(AttributeError):
            options.timeout = 5  # type: ignore[misc]

    def test_good_values(self) -> None:
        """Every value that the documentation names is accepted."""
        good: dict[str, list[Any]] = {
            "backend": ["asyncio", "uvloop", "trio"],
            "portal": ["thread"],
            "lifespan": ["auto", "on", "off"],
            "interface": ["auto", "asgi2", "asgi3"],
            "http_version": ["1.0", "1.1", "2"],
            "spec_version": [None, "2.0", "2.1", "2.2", "2.3", "2.4", "2.5"],
            "timeout": [1, 0.5, None, (1, 2), (None, 2), (1, None)],
            "base_url": ["http://a", "https://a.b:1/c/", "http://[::1]:8000"],
            "root_path": ["", "/api", "/api/v1"],
        }
        for name, values in good.items():
            for value in values:
                with self.subTest(name, value=value):
                    resolved(**{name: value})

    def test_bad_values(self) -> None:
        """Any other is refused: the text names the option, what it may be and what it was."""
        bad: dict[str, list[Any]] = {
            "backend": ["curio", "ASYNCIO", 5],
            "portal": ["process"],
            "lifespan": ["yes", None, True],
            "interface": ["wsgi", None],
            "http_version": ["1", "2.0", "3", 2, None],
            "spec_version": ["1.0", "2", "2.6", "3.0", 2.3, ""],
            "timeout": [0, -1, "5", True, (1,), (1, 2, 3), [1, 2], math.nan],
            "base_url": ["", "testserver", "//testserver", "ftp://testserver", "http://"],
        }
        for name, values in bad.items():
            for value in values:
                with self.subTest(name, value=value):
                    with self.assertRaises(ValueError) as caught:
                        resolved(**{name: value})
                    self.assertIn(name, str(caught.exception))
                    self.assertIn(repr(value), str(caught.exception))

    def test_bad_variables(self) -> None:
        """A bad value of the environment is refused, and shown."""
        for variable, value in (
            ("ASGITEST_BACKEND", "curio"),
            ("ASGITEST_PORTAL", "process"),
            ("ASGITEST_TIMEOUT", "soon"),
            ("ASGITEST_TIMEOUT", "0"),
            ("ASGITEST_TIMEOUT", "-3"),
            ("ASGITEST_TIMEOUT", "nan"),
        ):
            with self.subTest(variable, value=value), environment(**{variable: value}):
                with self.assertRaisesRegex(ValueError, value):
                    resolved()


class ScopeOptionsTest(unittest.TestCase):
    """scope_options()."""

    def test_spec_versions(self) -> None:
        """Without a word each kind of scope has its own version, a string sets both (SC-02)."""
        options = resolved().scope_options()
        self.assertEqual(
            ("2.3", "2.4"), (options.http_spec_version, options.websocket_spec_version)
        )

        options = resolved(spec_version="2.1").scope_options()
        self.assertEqual(
            ("2.1", "2.1"), (options.http_spec_version, options.websocket_spec_version)
        )

    def test_the_others(self) -> None:
        """The other options of scopes are handed on."""
        extra = {"user": "alice"}
        options = resolved(
            root_path="/api",
            http_version="2",
            client_address=None,
            server_address=("a", 1),
            scope=extra,
        ).scope_options()

        self.assertEqual("/api", options.root_path)
        self.assertEqual("2", options.http_version)
        self.assertIsNone(options.client_address)
        self.assertEqual(("a", 1), options.server_address)
        self.assertEqual(extra, options.extra)
        self.assertIsNot(extra, options.extra)

    def test_no_extra_keys(self) -> None:
        """Without keys of its own a client adds none."""
        self.assertEqual({}, resolved().scope_options().extra)


class TimeoutTest(unittest.TestCase):
    """check_timeout()."""

    def test_seconds(self) -> None:
        """Seconds are a float; of a pair the second counts; None is no deadline."""
        table: list[tuple[Any, float | None]] = [
            (5, 5.0),
            (0.25, 0.25),
            ((1, 2), 2.0),
            ((None, 3), 3.0),
            ((3, None), None),
            (None, None),
            (NO_DEADLINE, None),
        ]
        for timeout, seconds in table:
            with self.subTest(timeout=timeout):
                result = check_timeout(timeout)

                self.assertEqual(seconds, result)
                self.assertIn(type(result), (float, type(None)))

    def test_refused(self) -> None:
        """Anything else is refused, and shown."""
        for timeout in (0, -0.5, "1", True, False, (1,), (1, 2, 3), (1, "2"), object(), math.nan):
            with self.subTest(timeout=timeout):
                with self.assertRaisesRegex(ValueError, "positive number of seconds"):
                    check_timeout(timeout)

    def test_for_ever(self) -> None:
        """More seconds than a lock can wait for are no deadline."""
        for timeout in (math.inf, 1e300, 10**30, (1, math.inf)):
            with self.subTest(timeout=timeout):
                self.assertIsNone(check_timeout(timeout))


class SignaturesTest(unittest.TestCase):
    """The options are the same wherever they are given."""

    FIELDS = set(ClientOptions._fields)

    def test_client(self) -> None:
        """The client takes each option by its name, and nothing else but the application."""
        parameters = set(inspect.signature(TestClient).parameters)

        self.assertEqual({"app"}, parameters - self.FIELDS)
        self.assertEqual(set(), self.FIELDS - parameters)

    def test_defaults(self) -> None:
        """The client's defaults are those of the options."""
        parameters = inspect.signature(TestClient).parameters
        for name, default in ClientOptions._field_defaults.items():
            with self.subTest(name):
                self.assertEqual(default, parameters[name].default)

    def test_case(self) -> None:
        """The test case has a class attribute for each option."""
        for name in sorted(self.FIELDS):
            with self.subTest(name):
                self.assertTrue(hasattr(ASGITestCase, name))

    def test_adapter(self) -> None:
        """The adapter takes each option by its name."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise NotImplementedError

        for name, default in ClientOptions._field_defaults.items():
            with self.subTest(name):
                ASGIAdapter(application, **{name: default})


class MarkerTest(unittest.TestCase):
    """The markers that stand for values."""

    def test_repr(self) -> None:
        """Each says in a signature what it stands for."""
        self.assertEqual("ASGITEST_TIMEOUT, or 10.0", repr(DEFAULT_TIMEOUT))
        self.assertEqual("the client's timeout", repr(CLIENT_TIMEOUT))
        self.assertEqual("no deadline", repr(NO_DEADLINE))
