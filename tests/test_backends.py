"""Tests that run once per backend."""

from __future__ import annotations

import importlib.util
import pickle
import sys
import textwrap
import types
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from asgitest import ASGITestCase, on_backends

from .suites import SuiteTestCase
from .test_case import CaseTestCase, loop_name, respond

SUITE = """
    import unittest

    from asgitest import ASGITestCase, on_backends


    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})


    class RoomTest(ASGITestCase):
        '''Rooms.'''

        app = app
        lifespan = "off"
        backends = ("asyncio", "uvloop", "trio")

        def test_rooms(self):
            self.assertStatus(self.client.get("/"), 200)


    class AccountTest(ASGITestCase):
        app = app
        lifespan = "off"

        @on_backends("asyncio", "trio")
        def test_accounts(self):
            self.assertStatus(self.client.get("/"), 200)

        def test_plain(self):
            self.assertStatus(self.client.get("/"), 200)
"""


class BackendsTestCase(CaseTestCase):
    """Defines classes of tests in a module of its own."""

    def define(self, text: str) -> types.ModuleType:
        """Return a module that holds a class.

        :param text: statements of the class ``RoomTest``, indented
        """
        module = types.ModuleType("rooms")
        patch = mock.patch.dict(sys.modules, {"rooms": module})
        patch.start()
        self.addCleanup(patch.stop)
        vars(module).update(
            ASGITestCase=ASGITestCase, on_backends=on_backends, app=respond, loop_name=loop_name
        )
        head = "class RoomTest(ASGITestCase):\n    app = app\n    lifespan = 'off'\n"
        body = textwrap.indent(textwrap.dedent(text), "    ")
        vars(module)["names"] = []
        exec(head + body, vars(module))
        return module

    def names(self, module: types.ModuleType) -> list[str]:
        """Return the tests of a module's classes, in the order in which they run.

        :param module: the module
        """
        names = []
        for test in flatten(cases_of(module)):
            names.append(f"{type(test).__name__}.{test._testMethodName}")
        return names

    def run_all(self, module: types.ModuleType) -> list[str]:
        """Run all classes of a module, whose tests note something in ``names``; return that.

        :param module: the module
        """
        result = unittest.TestResult()
        cases_of(module).run(result)
        self.assertEqual([], [text for _, text in result.failures + result.errors])
        names: list[str] = module.names
        return names


def cases_of(module: types.ModuleType) -> unittest.TestSuite:
    """Return the tests of the classes that a module defines, in order of definition."""
    loader = unittest.TestLoader()
    return unittest.TestSuite(
        loader.loadTestsFromTestCase(value)
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    )


def flatten(suite: Any) -> Iterator[Any]:
    """Yield the tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


class ClassTest(BackendsTestCase):
    """``backends`` of a class."""

    def test_once_per_backend(self) -> None:
        """Each test runs on each backend, in the class or in one that is named after both."""
        module = self.define(
            """
            backends = ("uvloop", "asyncio", "trio")

            def test(self):
                names.append((type(self).__name__, self.client.get("/").text))

            async def test_asynchronous(self):
                names.append((type(self).__name__, loop_name()))
            """
        )
        expected = [("RoomTest", "uvloop"), ("RoomTest_asyncio", "asyncio")]
        expected += [("RoomTest_trio", "trio")]

        self.assertEqual([name for name in expected for _ in range(2)], self.run_all(module))

    def test_generated_classes(self) -> None:
        """They are found under their names, can be pickled, and have the class's docstring."""
        module = self.define(
            "__doc__ = 'Rooms.'\nbackends = ('asyncio', 'trio')\ndef test(self): pass"
        )
        variant = module.RoomTest_trio
        self.assertEqual(("rooms", "RoomTest_trio"), (variant.__module__, variant.__qualname__))
        self.assertEqual("Rooms.", variant.__doc__)
        self.assertIs(variant, pickle.loads(pickle.dumps(variant)))
        self.assertTrue(issubclass(variant, module.RoomTest))
        self.assertIn("RoomTest_trio", str(variant("test")))

    def test_subclass(self) -> None:
        """A subclass has the backends too, unless it settles for one; a base without tests none."""
        module = self.define("backends = ('asyncio', 'trio')")
        exec(
            textwrap.dedent(
                """
                class MoreTest(RoomTest):
                    def test(self): pass

                class BaseTest(MoreTest):
                    backend = "trio"
                    test = None

                class OneTest(BaseTest):
                    def test(self):
                        names.append(self.client.get("/").text)
                """
            ),
            vars(module),
        )
        names = ["MoreTest.test", "MoreTest_trio.test", "OneTest.test"]
        self.assertEqual(names, self.names(module))
        self.assertEqual(["trio"], self.run_all(module))

    def test_class_scope(self) -> None:
        """In class scope each of the classes has a loop of its own."""
        module = self.define(
            """
            backends = ("asyncio", "trio")
            lifespan_scope = "class"

            def test_1(self):
                names.append(self.client.get("/").text)

            test_2 = test_1
            """
        )
        self.assertEqual(["asyncio", "asyncio", "trio", "trio"], self.run_all(module))

    def test_one_backend(self) -> None:
        """One backend needs no further class, so that a local class may have it."""

        class Local(ASGITestCase):
            app = respond
            lifespan = "off"
            backends = ("trio",)

            def test(self) -> None:
                self.assertEqual("trio", self.client.get("/").text)

        self.assert_passes(Local)

    def test_missing_backend(self) -> None:
        """A backend that is not installed is a skip, with the command that installs it."""
        module = self.define("backends = ('asyncio', 'trio')\ndef test(self): pass")
        module.RoomTest_trio.lifespan_scope = "class"
        find_spec = importlib.util.find_spec
        for scope in ("test", "class"):
            module.RoomTest_trio.lifespan_scope = scope
            result = unittest.TestResult()
            with mock.patch(
                "importlib.util.find_spec", lambda name: None if name == "trio" else find_spec(name)
            ):
                cases_of(module).run(result)
            ((test, reason),) = result.skipped
            self.assertIn("RoomTest_trio", str(test))
            text = "the backend 'trio' is not installed; pip install asgitest[trio]"
            self.assertEqual(text, reason)
            self.assertEqual([], result.errors + result.failures)

    def test_wrong_backends(self) -> None:
        """A value that is no list of backends is an error with the names there are."""
        for value in ("'trio'", "('curio',)", "()", "('trio', 'trio')"):
            with self.subTest(value):
                with self.assertRaisesRegex(ValueError, "one or more of asyncio, uvloop, trio"):
                    self.define(f"backends = {value}\ndef test(self): pass")

    def test_both(self) -> None:
        """A class sets one backend or several."""
        with self.assertRaisesRegex(TypeError, "sets both 'backend' and 'backends'"):
            self.define("backend = 'trio'\nbackends = ('asyncio',)\ndef test(self): pass")

    def test_local_class(self) -> None:
        """A local class cannot have several backends, for nobody would find the others."""
        with self.assertRaisesRegex(TypeError, "no class of a module's top level"):

            class Local(ASGITestCase):
                backends = ("asyncio", "trio")

                def test(self) -> None:
                    raise NotImplementedError

    def test_name_that_is_taken(self) -> None:
        """A class of the name that a generated one would have is an error."""
        module = self.define("def test(self): pass")
        code = (
            "class {}(ASGITestCase):\n    backends = ('asyncio', 'trio')\n    def test(self): pass"
        )
        exec("class LobbyTest_trio: pass", vars(module))
        with self.assertRaisesRegex(TypeError, "its module has another LobbyTest_trio already"):
            exec(code.format("LobbyTest"), vars(module))
        # Of a module that is executed again, the generated classes are replaced.
        exec(code.format("GardenTest"), vars(module))
        before = module.GardenTest_trio
        exec(code.format("GardenTest"), vars(module))
        self.assertIsNot(before, module.GardenTest_trio)


class MethodTest(BackendsTestCase):
    """``on_backends()``."""

    def test_methods(self) -> None:
        """A decorated test runs on its backends, and the others run once."""
        module = self.define(
            """
            backend = "uvloop"

            @on_backends("trio", "asyncio")
            def test_1(self):
                names.append(self.client.get("/").text)

            def test_2(self):
                names.append(self.client.get("/").text)
            """
        )
        expected = ["RoomTest.test_1", "RoomTest.test_2", "RoomTest_asyncio.test_1"]
        self.assertEqual(expected, self.names(module))
        self.assertEqual(["trio", "uvloop", "asyncio"], self.run_all(module))

    def test_method_in_a_class_with_backends(self) -> None:
        """The method's backends count for the method."""
        module = self.define(
            """
            backends = ("asyncio", "trio")

            @on_backends("trio")
            def test_1(self):
                names.append(self.client.get("/").text)

            def test_2(self):
                names.append(self.client.get("/").text)
            """
        )
        expected = ["RoomTest.test_1", "RoomTest.test_2", "RoomTest_trio.test_2"]
        self.assertEqual(expected, self.names(module))
        self.assertEqual(["trio", "asyncio", "trio"], self.run_all(module))

    def test_class_scope(self) -> None:
        """Class scope has one loop for all tests, and a method cannot have another one."""
        for scope in ("lifespan_scope", "portal_scope"):
            with self.subTest(scope), self.assertRaisesRegex(TypeError, "class has class scope"):
                self.define(
                    f"{scope} = 'class'\n@on_backends('asyncio', 'trio')\ndef test(self): pass"
                )

    def test_wrong_backends(self) -> None:
        """A name that is no backend's is an error at once."""
        with self.assertRaisesRegex(ValueError, "not \\('curio',\\)"):
            on_backends("curio")


class RunnerTest(SuiteTestCase):
    """What runners show and find."""

    NAMES = ("RoomTest", "RoomTest_trio", "RoomTest_uvloop")

    def setUp(self) -> None:
        """Write the suite."""
        super().setUp()
        self.write("test_rooms.py", SUITE)

    def test_unittest(self) -> None:
        """unittest finds, shows and selects each by its name."""
        process = self.run_python("-m", "unittest", "discover", "-v")
        self.assertIn("Ran 6 tests", process.stdout)
        self.assertEqual(0, process.returncode, process.stdout)
        for name in self.NAMES:
            self.assertRegex(process.stdout, rf"test_rooms \(test_rooms\.{name}\b.*ok")

        process = self.run_python("-m", "unittest", "-v", "test_rooms.RoomTest_trio.test_rooms")
        self.assertIn("Ran 1 test", process.stdout)
        process = self.run_python("-m", "unittest", "-v", "-k", "_trio", "test_rooms")
        self.assertIn("Ran 2 tests", process.stdout)

    @unittest.skipUnless(importlib.util.find_spec("xdist"), "pytest-xdist is not installed")
    def test_pytest(self) -> None:
        """pytest does, too, in one process and in two."""
        for arguments in (("-v",), ("-v", "-n", "2")):
            with self.subTest(arguments):
                process = self.run_pytest(*arguments)
                self.assertIn("6 passed", process.stdout)
                for name in self.NAMES:
                    self.assertIn(f"test_rooms.py::{name}::test_rooms", process.stdout)

        process = self.run_pytest("test_rooms.py::RoomTest_trio::test_rooms")
        self.assertIn("1 passed", process.stdout)
