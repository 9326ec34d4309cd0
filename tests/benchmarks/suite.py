"""Measure a suite of 500 tests end to end, each with a client of its own."""

from __future__ import annotations

import time
import unittest
from typing import Any

from asgitest import ASGITestCase

from .application import app

_TESTS = 500


def _case(**attributes: Any) -> type[ASGITestCase]:
    def get(self: ASGITestCase) -> None:
        self.assertStatus(self.client.get("/"), 200)

    tests = {f"test_{number}": get for number in range(_TESTS)}
    return type("BenchmarkTest", (ASGITestCase,), {"app": staticmethod(app), **attributes, **tests})


def seconds(**attributes: Any) -> float:
    """Return how long the suite takes.

    :param attributes: class attributes of the test case
    """
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(_case(**attributes))
    result = unittest.TestResult()
    start = time.perf_counter()
    suite.run(result)
    elapsed = time.perf_counter() - start
    if not result.wasSuccessful():
        raise RuntimeError(str((result.failures + result.errors)[:1]))
    return elapsed
