"""What importing the package brings along."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest

import asgitest

#: What no import of the package is to bring along: who needs it imports it then. Event loops, all
#: that the test case is made of, and what reads a transcript or explains a failure.
ON_DEMAND = frozenset(
    {
        "argparse",
        "asgitest._async_case",
        "asgitest._asyncio_engine",
        "asgitest._curl",
        "asgitest._files",
        "asgitest._guest_engine",
        "asgitest._har",
        "asgitest._inline_portal",
        "asgitest._masking",
        "asgitest._redirects",
        "asgitest._set_cookie",
        "asgitest._transcript_text",
        "asgitest.assertions",
        "asgitest.case",
        "asyncio",
        "concurrent.futures.thread",
        "difflib",
        "http.server",
        "pprint",
        "shlex",
        "signal",
        "subprocess",
        "tempfile",
        "trio",
        "unittest",
        "unittest.mock",
        "uvloop",
    }
)

_PROGRAM = """
import json, sys
import requests, anyio.from_thread
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def brought_by(statement: str) -> set[str]:
    """Return the modules that a statement imports beyond requests and anyio, in a new process."""
    program = [sys.executable, "-c", _PROGRAM.format(statement=statement)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


class ImportTest(unittest.TestCase):
    """A fresh interpreter that imports the package."""

    def test_a_client_brings_what_it_needs(self) -> None:
        """No event loop, no unittest and nothing that only explains failures is imported."""
        brought = brought_by("import asgitest")

        self.assertEqual(set(), ON_DEMAND & brought)
        self.assertIn("asgitest.client", brought)

    def test_a_case_brings_no_event_loop(self) -> None:
        """The test case imports unittest, and still no event loop."""
        brought = brought_by("from asgitest import ASGITestCase")

        self.assertIn("unittest", brought)
        self.assertEqual(set(), {"asyncio", "trio", "uvloop", "asgitest._har"} & brought)

    def test_every_name_is_there(self) -> None:
        """A star imports each public name, whether its module was imported or not."""
        brought = brought_by(
            "import asgitest\nfrom asgitest import *\n"
            "assert set(asgitest.__all__) <= set(globals())"
        )

        self.assertIn("asgitest.case", brought)

    def test_names_are_listed_before_they_are_used(self) -> None:
        """``dir()`` tells of each public name, and asking for the names imports nothing."""
        brought = brought_by("import asgitest\nassert set(asgitest.__all__) <= set(dir(asgitest))")

        self.assertNotIn("asgitest.case", brought)

    def test_other_names_are_unknown(self) -> None:
        """What is no name of the package is told as Python tells it."""
        with self.assertRaisesRegex(
            AttributeError, "module 'asgitest' has no attribute 'TestCase'"
        ):
            asgitest.TestCase  # type: ignore[attr-defined]  # noqa: B018

    def test_a_name_is_the_one_of_its_module(self) -> None:
        """A name is looked up once; from then on the package has it."""
        case = asgitest.ASGITestCase

        self.assertIs(case, vars(asgitest)["ASGITestCase"])
        self.assertEqual("asgitest.case", case.__module__)
