"""The suites in ``docs/examples``, run as a reader would run them."""

from __future__ import annotations

import importlib.util
import os
import sys
import unittest
import warnings

from .base import CleanTestCase

EXAMPLES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs/examples"
)


class ExamplesTest(CleanTestCase):
    """Each example: an application, and its suite of ASGITestCase classes."""

    def setUp(self) -> None:
        """Make the examples importable; their frameworks may warn of each other."""
        super().setUp()
        sys.path.insert(0, EXAMPLES)
        self.addCleanup(sys.path.remove, EXAMPLES)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)

    def assert_suite_passes(self, name: str) -> None:
        """Run the suite of an application.

        :param name: name of the application's module
        """
        suite = unittest.TestLoader().loadTestsFromName(f"test_{name}")
        result = unittest.TestResult()
        suite.run(result)
        for case, text in result.failures + result.errors:
            with self.subTest(case.id()):
                self.fail(text)
        self.assertEqual([], result.skipped)
        self.assertGreater(result.testsRun, 10)

    def test_every_example_is_run(self) -> None:
        """Every file there is an application, or the suite of one, that is run here."""
        run = {name.removeprefix("test_") for name in dir(type(self)) if name.endswith("_app")}

        self.assertEqual(
            {f"{prefix}{name}.py" for name in run for prefix in ("", "test_")},
            {name for name in os.listdir(EXAMPLES) if not name.startswith(("_", "."))},
        )

    def test_raw_app(self) -> None:
        """The suite of the application without a framework passes."""
        self.assert_suite_passes("raw_app")

    @unittest.skipUnless(importlib.util.find_spec("starlette"), "Starlette is not installed")
    def test_starlette_app(self) -> None:
        """The suite of the application with Starlette passes."""
        self.assert_suite_passes("starlette_app")

    @unittest.skipUnless(importlib.util.find_spec("fastapi"), "FastAPI is not installed")
    def test_fastapi_app(self) -> None:
        """The suite of the application with FastAPI passes."""
        self.assert_suite_passes("fastapi_app")
