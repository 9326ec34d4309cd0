"""Suites that are written to a directory and run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap

import asgitest

from .base import ChoosingTestCase

# anyio 3 imports a name that trio 0.22, of the same time, warns of.
WARNINGS = ("-W", "error", "-W", "ignore:trio.MultiError is deprecated")
PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(asgitest.__file__)))


class SuiteTestCase(ChoosingTestCase):
    """A test case with a directory for a suite.

    :ivar directory: its path
    """

    def setUp(self) -> None:
        """Make the directory."""
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name: str, text: str) -> None:
        """Write a module to the directory.

        :param name: its file name
        :param text: its text, indented
        """
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def run_python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an interpreter in the directory; warnings are errors.

        :param arguments: its command line
        """
        environment = unmeasured_environment("PYTEST_")
        environment["PYTHONPATH"] = PROJECT
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return subprocess.run(
            [sys.executable, *WARNINGS, *arguments],
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )

    def run_pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pytest in the directory; warnings are errors.

        :param arguments: its command line
        """
        return self.run_python(
            "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *WARNINGS, *arguments
        )


def unmeasured_environment(*prefixes: str) -> dict[str, str]:
    """Return the environment for a process whose coverage is not measured.

    Measuring takes its time, and works at the end of a process, which some tests are about.

    :param prefixes: of further names to leave out
    """
    left_out = ("COVERAGE_PROCESS_", *prefixes)
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
