"""The metadata of the distribution, and the files that have to agree with it."""

from __future__ import annotations

import configparser
import os
import re
import unittest

import asgitest

PACKAGE = os.path.dirname(os.path.abspath(asgitest.__file__))
PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(*path: str) -> str:
    """Return the text of a file of the project.

    :param path: its path, in parts
    """
    with open(os.path.join(PROJECT, *path), encoding="utf-8") as file:
        return file.read()


def read_config(name: str) -> configparser.ConfigParser:
    """Return a file of settings.

    :param name: its name
    """
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(read(name))
    return config


def lines(value: str) -> list[str]:
    """Return the lines of a value, comments left out."""
    return [line for line in value.splitlines() if line and not line.startswith("#")]


class MetadataTest(unittest.TestCase):
    """``setup.cfg``."""

    def setUp(self) -> None:
        """Read it."""
        self.config = read_config("setup.cfg")
        self.options = self.config["options"]

    def test_python(self) -> None:
        """CPython 3.10 to 3.13 are supported."""
        self.assertEqual(">=3.10", self.options["python_requires"])

        classifiers = lines(self.config["metadata"]["classifiers"])
        prefix = "Programming Language :: Python :: 3."
        self.assertEqual(
            ["10", "11", "12", "13"],
            [name.removeprefix(prefix) for name in classifiers if name.startswith(prefix)],
        )

    def test_dependencies(self) -> None:
        """requests and anyio are all that an installation needs."""
        self.assertEqual(
            ["requests >= 2.28", "anyio >= 3.6.2, < 5"], lines(self.options["install_requires"])
        )

    def test_extras(self) -> None:
        """The extras include one for each backend beside asyncio, and one for developers."""
        extras = self.config["options.extras_require"]

        self.assertLessEqual({"trio", "uvloop", "dev"}, set(extras))
        self.assertTrue(extras["trio"].strip().startswith("anyio[trio]"))
        self.assertTrue(extras["uvloop"].strip().startswith("uvloop"))

    def test_types(self) -> None:
        """The package tells type checkers that it is typed."""
        self.assertTrue(os.path.isfile(os.path.join(PACKAGE, "py.typed")))
        self.assertIn("py.typed", self.config["options.package_data"]["asgitest"])

    def test_setup_script(self) -> None:
        """setup.py is three lines, and holds no metadata."""
        self.assertEqual(
            ["from setuptools import setup", "", "setup()"], read("setup.py").splitlines()
        )

    def test_license(self) -> None:
        """The license is MIT, and its text is there."""
        self.assertEqual("MIT", self.config["metadata"]["license"])
        self.assertTrue(read("LICENSE").startswith("MIT License"))


class EnvironmentsTest(unittest.TestCase):
    """``tox.ini``, as far as it has to agree with the metadata."""

    def setUp(self) -> None:
        """Read both."""
        self.tox = read_config("tox.ini")
        self.options = read_config("setup.cfg")["options"]

    def test_backends_and_pythons(self) -> None:
        """Each supported Python is tested on each backend."""
        self.assertIn("py3{10,11,12,13}-{asyncio,uvloop,trio}", lines(self.tox["tox"]["env_list"]))
        for backend in ("asyncio", "uvloop", "trio"):
            self.assertIn(
                f"{backend}: ASGITEST_BACKEND = {backend}", lines(self.tox["testenv"]["set_env"])
            )

    def test_inline_portal(self) -> None:
        """The tests run on the inline portal as well, on each backend."""
        self.assertIn("inline: ASGITEST_PORTAL = inline", lines(self.tox["testenv"]["set_env"]))
        environments = "\n".join(lines(self.tox["tox"]["env_list"]))
        for backend in ("asyncio", "uvloop", "trio"):
            self.assertRegex(environments, rf"{backend}\}}?-inline")

    def test_oldest_dependencies(self) -> None:
        """What the metadata allows at the least is what the environment ``oldest`` installs."""
        installed = self.tox["testenv:oldest"]["deps"]
        pinned = dict(re.findall(r"^(\w+)(?:\[\w+\])? == ([\d.]+?)(?:\.\*)?$", installed, re.M))
        least = dict(re.findall(r"^(\w+) >= ([\d.]+)", self.options["install_requires"], re.M))

        self.assertEqual({"requests", "anyio"}, set(least))
        self.assertEqual(least, {name: pinned[name] for name in least})
        self.assertEqual("1.26", pinned["urllib3"])


class ChangesTest(unittest.TestCase):
    """``docs/changes.rst``."""

    def test_version(self) -> None:
        """The newest entry is the version of the metadata, or what is not released yet."""
        version = read_config("setup.cfg")["metadata"]["version"]
        headings = re.findall(r"^(.+)\n-+$", read("docs", "changes.rst"), re.M)

        self.assertIn(headings[0].split()[0], ("UNRELEASED", version))
        for heading in headings[1:]:
            self.assertRegex(heading, r"^\d+\.\d+\.\d+")


class ReadmeTest(unittest.TestCase):
    """``README.md``."""

    def test_commands(self) -> None:
        """One command runs the examples, and one, which ``.ci/run`` looks for, the tests."""
        for heading, environment in (
            ("Running the examples", "run -e examples"),
            ("Running the tests", "run-parallel"),
        ):
            with self.subTest(heading):
                section = read("README.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
                commands = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
                self.assertEqual(1, len(commands))
                self.assertEqual(1, len(commands[0].splitlines()))
                self.assertIn(environment, commands[0])
