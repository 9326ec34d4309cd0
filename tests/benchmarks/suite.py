"""A suite of tests that is run end to end: each has a client of its own, and makes one request."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

from asgitest import ASGITestCase

from .application import app

_TESTS = 500


def case_of_ours(**attributes: Any) -> type[unittest.TestCase]:
    """Return a test case whose client is ours.

    :param attributes: its class attributes
    """

    def get(self: ASGITestCase) -> None:
        self.assertStatus(self.client.get("/"), 200)

    return _with_tests(ASGITestCase, get, app=staticmethod(app), **attributes)


def case_of_others(build: Callable[[], Any]) -> type[unittest.TestCase]:
    """Return a test case whose client is another one, entered for each test.

    :param build: builds a client
    """

    class Base(unittest.TestCase):
        def setUp(self) -> None:
            self.client = build()
            self.client.__enter__()
            self.addCleanup(self.client.__exit__, None, None, None)

    def get(self: Base) -> None:
        self.assertEqual(200, self.client.get("/").status_code)

    return _with_tests(Base, get)


def _with_tests(base: type, get: Callable[[Any], None], **attributes: Any) -> Any:
    tests = {f"test_{number}": get for number in range(_TESTS)}
    return type("BenchmarkTest", (base,), {**attributes, **tests})


def run(case: type[unittest.TestCase]) -> None:
    """Run all tests of a case.

    :param case: the test case
    :raises RuntimeError: if one fails
    """
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    result = unittest.TestResult()
    suite.run(result)
    if not result.wasSuccessful():
        raise RuntimeError(str((result.failures + result.errors)[:1]))
