"""``python -m asgitest``."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import unittest
from typing import Any
from unittest import mock

from asgitest import _command, _process

from .suites import SuiteTestCase

SUITE = """
    import os

    from asgitest import ASGITestCase


    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})


    class RoomTest(ASGITestCase):
        app = app
        lifespan = "off"

        def test_backend(self):
            print("on", os.environ["ASGITEST_BACKEND"])
            self.assertStatus(self.client.get("/"), 200)

        def test_rooms(self):
            if os.environ["ASGITEST_BACKEND"] == os.environ.get("FAIL"):
                self.fail("as it was told to")

        def test_skipped(self):
            self.skipTest("not today")
"""


class CommandTest(SuiteTestCase):
    """The command, in processes of its own."""

    def setUp(self) -> None:
        """Write a suite."""
        super().setUp()
        self.write("test_rooms.py", SUITE)

    def run_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in the directory of the suite.

        :param arguments: its command line
        """
        return self.run_python("-m", "asgitest", *arguments)

    def test_all_backends(self) -> None:
        """Unless told otherwise it runs on all backends, and sums up at the end."""
        process = self.run_command()

        self.assertEqual(0, process.returncode, process.stdout)
        *_, first, second, third = process.stdout.splitlines()
        self.assertEqual("asyncio: ran 3 tests: OK (skipped=1)", first)
        self.assertEqual("uvloop: ran 3 tests: OK (skipped=1)", second)
        self.assertEqual("trio: ran 3 tests: OK (skipped=1)", third)
        self.assertEqual(3, process.stdout.count("Ran 3 tests"))
        for backend in ("asyncio", "uvloop", "trio"):
            self.assertIn(f"on {backend}\n", process.stdout)

    def test_failures(self) -> None:
        """One failure on one backend is a failure of the whole; the others run all the same."""
        with mock.patch.dict(os.environ, FAIL="asyncio"):
            process = self.run_command("-b", "asyncio", "-b", "trio")

        self.assertEqual(1, process.returncode, process.stdout)
        *_, first, second = process.stdout.splitlines()
        self.assertEqual("asyncio: ran 3 tests: FAILED (failures=1, skipped=1)", first)
        self.assertEqual("trio: ran 3 tests: OK (skipped=1)", second)
        self.assertIn("FAIL: test_rooms (test_rooms.RoomTest", process.stdout)

    def test_fail_fast(self) -> None:
        """``-f`` stops the tests, and the backends."""
        with mock.patch.dict(os.environ, FAIL="asyncio"):
            process = self.run_command("-f", "-b", "asyncio", "-b", "uvloop", "-b", "trio")

        self.assertEqual(1, process.returncode, process.stdout)
        *_, first, second, third = process.stdout.splitlines()
        self.assertEqual("asyncio: ran 2 tests: FAILED (failures=1)", first)
        self.assertEqual(["uvloop: not run", "trio: not run"], [second, third])

    def test_arguments_of_unittest(self) -> None:
        """Discovery, names, -k and -v are unittest's."""
        process = self.run_command("-b", "trio", "discover", "-v", "-s", ".", "-p", "test_r*.py")
        self.assertIn("trio: ran 3 tests: OK", process.stdout)
        self.assertIn("test_rooms (test_rooms.RoomTest", process.stdout)

        process = self.run_command("test_rooms.RoomTest.test_rooms", "--backend", "trio", "-q")
        self.assertIn("trio: ran 1 test: OK", process.stdout)

        process = self.run_command("-b", "trio", "-k", "*backend", "--buffer")
        self.assertIn("trio: ran 1 test: OK", process.stdout)
        self.assertNotIn("on trio\n", process.stdout)

    def test_no_tests(self) -> None:
        """A run without tests ends as unittest ends one."""
        process = self.run_command("-b", "trio", "-k", "nothing")

        self.assertIn("trio: ran 0 tests: OK", process.stdout)
        self.assertEqual(5 if sys.version_info >= (3, 12) else 0, process.returncode)

    def test_wrong_arguments(self) -> None:
        """What nobody knows is an error once, and no further backend is tried."""
        process = self.run_command("--nothing")

        self.assertEqual(2, process.returncode, process.stdout)
        self.assertEqual(1, process.stdout.count("unrecognized arguments: --nothing"))
        self.assertIn("asyncio: ended with status 2, before unittest was through", process.stdout)

        process = self.run_command("-b", "curio")
        self.assertEqual(2, process.returncode, process.stdout)
        self.assertIn("invalid choice: 'curio'", process.stdout)

    def test_process_that_dies(self) -> None:
        """A process that ends without a word is told of with its status."""
        self.write("test_dies.py", "import os\nos.kill(os.getpid(), 9)\n")
        process = self.run_command("-b", "asyncio", "-b", "trio", "test_dies")

        self.assertEqual(128 + 9, process.returncode, process.stdout)
        *_, first, second = process.stdout.splitlines()
        self.assertEqual("asyncio: ended with status 137, before unittest was through", first)
        self.assertEqual("trio: ended with status 137, before unittest was through", second)


class MainTest(unittest.TestCase):
    """The command in this process."""

    def run_main(self, *arguments: str) -> tuple[int, str]:
        """Run the command; return its exit status and what it prints.

        :param arguments: its command line
        """
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            status = _command.main(arguments)
        return status, printed.getvalue()

    def test_missing_backend(self) -> None:
        """A backend that is not installed is skipped, unless it was asked for by its name."""
        text = "the backend 'trio' is not installed; pip install asgitest[trio]"

        def reason(backend: str) -> str | None:
            return text if backend == "trio" else None

        outcome = _command.Outcome("asyncio", "ran 3 tests: OK")
        with mock.patch.object(_command, "reason_to_skip", reason):
            with mock.patch.object(_command, "_run", return_value=outcome):
                status, printed = self.run_main()
                self.assertEqual(0, status)
                self.assertIn(f"trio: skipped: {text}\n", printed)
                status, printed = self.run_main("-b", "trio")
                self.assertEqual(1, status)

    def test_summary(self) -> None:
        """What the process of a backend wrote down is what the summary says."""
        quiet = functools.partial(
            subprocess.Popen, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with mock.patch("subprocess.Popen", quiet):
            status, printed = self.run_main("-b", "asyncio", "string")

        self.assertEqual(5 if sys.version_info >= (3, 12) else 0, status)
        self.assertEqual("asyncio: ran 0 tests: OK", printed.splitlines()[-1])

    def test_program(self) -> None:
        """``python -m asgitest`` is this command, and its exit status that of the process."""
        with mock.patch.object(sys, "argv", ["asgitest", "--help"]):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                with self.assertRaises(SystemExit) as caught:
                    runpy.run_module("asgitest", run_name="__main__")

        self.assertEqual(0, caught.exception.code)
        self.assertIn("Run unittest once per backend", printed.getvalue())

    def test_interrupt(self) -> None:
        """After Ctrl-C the process is waited for, and no further backend runs."""
        process = mock.Mock()
        process.wait.side_effect = [KeyboardInterrupt, -signal.SIGINT]
        with mock.patch("subprocess.Popen", return_value=process):
            status, printed = self.run_main()

        self.assertEqual(130, status)
        self.assertIn("asyncio: ended with status 130, before unittest was through", printed)
        self.assertIn("uvloop: not run\ntrio: not run\n", printed)


class ProcessTest(SuiteTestCase):
    """What runs in the process of one backend."""

    def run_unittest(self, text: str) -> tuple[int, dict[str, Any]]:
        """Run a suite; return the exit status and the counts.

        :param text: the suite
        """
        name = f"test_{self._testMethodName}"
        self.write(f"{name}.py", text)
        path = os.path.join(self.directory, "counts.json")
        with mock.patch.object(sys, "path", [self.directory, *sys.path]):
            with contextlib.redirect_stderr(io.StringIO()), mock.patch("warnings.filters", []):
                status = _process.run(path, [name])
        sys.modules.pop(name, None)
        with open(path, encoding="utf-8") as file:
            counts: dict[str, Any] = json.load(file)
        return status, counts

    def test_counts(self) -> None:
        """The counts are in unittest's own words."""
        status, counts = self.run_unittest(
            """
            import unittest


            class RoomTest(unittest.TestCase):
                def test_1(self):
                    self.fail()

                def test_2(self):
                    raise LookupError

                @unittest.expectedFailure
                def test_3(self):
                    self.fail()

                @unittest.expectedFailure
                def test_4(self):
                    pass
            """
        )
        words = "failures=1, errors=1, expected failures=1, unexpected successes=1"
        self.assertEqual(1, status)
        self.assertEqual({"text": f"ran 4 tests: FAILED ({words})", "failfast": False}, counts)

    def test_success(self) -> None:
        """Tests that pass are a success, and none at all what unittest takes it for."""
        passing = """
            import unittest


            class RoomTest(unittest.TestCase):
                def test_1(self):
                    pass
        """
        self.assertEqual((0, "ran 1 test: OK"), self.words(passing))
        expected = 5 if sys.version_info >= (3, 12) else 0
        self.assertEqual((expected, "ran 0 tests: OK"), self.words("import unittest"))

    def words(self, text: str) -> tuple[int, str]:
        """Run a suite; return the exit status and what the summary says.

        :param text: the suite
        """
        status, counts = self.run_unittest(text)
        return status, str(counts["text"])
