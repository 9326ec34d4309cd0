"""The programs in the documentation: each is run, and each failure it shows is what a run gives."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import sys
import tempfile
import textwrap
import threading
import traceback
import unittest
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, TypeAlias

import asgitest

from .base import CleanTestCase, on_thread, running_threads, without_times

with warnings.catch_warnings():
    # The programs import it, and its old versions warn while they are imported.
    warnings.simplefilter("ignore")
    import starlette.applications  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(asgitest.__file__).parent
PAGES = sorted((ROOT / "docs").glob("*.rst"))

#: Programs whose page tells of a loop in a thread, or that run another loop in the test's.
ABOUT_THREADS = {"test_blocked.py", "test_jobs.py", "test_mixin.py"}

#: What the README's example imports, and does not show.
CHAT = """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await chat(receive, send)
        return
    assert scope["type"] == "http" and scope["method"] == "POST"
    await send({"type": "http.response.start", "status": 201})
    await send({"type": "http.response.body"})


async def chat(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
"""

#: The folder that the documentation's programs seem to lie in.
FOLDER = "/project"
#: What differs between backends and runs in a text that is shown, with what stands for it.
VARIABLE = (
    (re.compile(r"0x[0-9a-f]+"), "0x0"),
    (re.compile(r"Task '[^']*'"), "Task 'name'"),
    (re.compile(r"[Tt]hread '[^']*'"), "thread 'name'"),
    (re.compile(r'File "(?!/project)[^"]*", line \d+'), 'File "library", line 0'),
    # Python 3.11 and later mark the place in a line.
    (re.compile(r"\n +[~^]+(?=\n|$)"), ""),
)

_ErrorInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType]


class Block(NamedTuple):
    """One piece of code, or of output, on a page.

    :ivar line: line of the page on which it begins
    :ivar language: what it is
    :ivar caption: name of the file that it is, ``""`` for none
    :ivar comment: the comment right above it, ``""`` for none
    :ivar text: what it says
    """

    line: int
    language: str
    caption: str
    comment: str
    text: str

    @property
    def is_program(self) -> bool:
        """Whether it is Python to be run."""
        return self.language == "python" and self.comment != "fragment"

    @property
    def is_module(self) -> bool:
        """Whether later blocks of its page import it."""
        return self.is_program and bool(self.caption) and not self.caption.startswith("test_")


_DIRECTIVE = re.compile(r"(?P<indent> *)\.\. code-block:: (?P<language>\S+)$")
_COMMENT = re.compile(r" *\.\. (?P<comment>fragment|output|failure: \S+)$")
_OPTION = re.compile(r" +:(?P<name>[a-z-]+): *(?P<value>.*)$")


def read_blocks(page: Path) -> Iterator[Block]:
    """Yield the code blocks of a page of reStructuredText.

    :param page: the file
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    comment = ""
    for number, line in enumerate(lines):
        directive = _DIRECTIVE.match(line)
        if directive is None:
            found = _COMMENT.match(line)
            if line.strip():
                comment = found["comment"] if found else ""
            continue
        options, first = _read_options(lines, number + 1)
        text = _read_indented(lines[first:], len(directive["indent"]))
        yield Block(first + 1, directive["language"], options.get("caption", ""), comment, text)
        comment = ""


def _read_options(lines: list[str], number: int) -> tuple[dict[str, str], int]:
    options = {}
    while found := _OPTION.match(lines[number]):
        options[found["name"]] = found["value"]
        number += 1
    while not lines[number]:
        number += 1
    return options, number


def _read_indented(lines: list[str], indent: int) -> str:
    taken = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        taken.append(line)
    return textwrap.dedent("\n".join(taken)).strip("\n") + "\n"


class Outcome(unittest.TestResult):
    """The result of a block's tests: the exceptions of those that failed, by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.raised: dict[str, BaseException] = {}

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        """Keep the exception; unittest keeps its text only."""
        super().addFailure(test, err)
        self._keep(test, err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        """Keep the exception of an error, too."""
        super().addError(test, err)
        self._keep(test, err)

    def _keep(self, test: unittest.TestCase, err: _ErrorInfo) -> None:
        self.raised[".".join(test.id().split(".")[-2:])] = err[1]


class DocumentationTestCase(CleanTestCase):
    """A test case that runs pieces of the documentation."""

    maxDiff = None

    def setUp(self) -> None:
        """Make a folder for programs, from which modules can be imported."""
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        modules = set(sys.modules)
        self.addCleanup(self._forget_modules, modules)
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        threads = running_threads()
        self.addCleanup(self._join_threads, threads)

    def _forget_modules(self, before: set[str]) -> None:
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == self.folder:
                del sys.modules[name]

    def _join_threads(self, before: set[threading.Thread]) -> None:
        # A thread that had to be abandoned ends as soon as what held it up lets it go, and then
        # the threads do that its loop started.
        for is_awaited in (_runs_a_loop, _runs_anything):
            for thread in filter(is_awaited, running_threads() - before):
                thread.join(10)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder.

        :param name: its name
        :param text: what it holds
        :return: where it is
        """
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def run_program(self, path: Path) -> tuple[Outcome, str]:
        """Import a file and run its test cases.

        :param path: the file
        :return: the result of the tests, and what the program printed
        """
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        outcome = Outcome()
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            spec.loader.exec_module(module)
            cases_of(module).run(outcome)
        return outcome, printed.getvalue()

    def assert_shown(self, shown: str, real: str) -> None:
        """Fail unless a text that the documentation shows is the real one.

        :param shown: what it shows; a line of ``...`` stands for any number of lines
        :param real: what a run gave
        """
        shown, real = self.comparable(shown), self.comparable(real)
        lines = [
            "(.*\n)*?" if line.strip() == "..." else re.escape(line)
            for line in shown.splitlines(keepends=True)
        ]
        if not re.fullmatch("".join(lines), real):
            self.assertEqual(shown, real)

    def comparable(self, text: str) -> str:
        """Return a text without what differs from run to run.

        :param text: any text
        """
        text = text.replace(str(self.folder), FOLDER)
        for pattern, replacement in VARIABLE:
            text = pattern.sub(replacement, text)
        text = without_times(text)
        return text.rstrip("\n") + "\n"


def _runs_a_loop(thread: threading.Thread) -> bool:
    return thread.name.startswith("asgitest")


def _runs_anything(thread: threading.Thread) -> bool:
    return True


def cases_of(module: ModuleType) -> unittest.TestSuite:
    """Return the tests of the test cases that a module defines itself.

    :param module: a module
    """
    loader = unittest.TestLoader()
    return unittest.TestSuite(
        loader.loadTestsFromTestCase(value)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, unittest.TestCase)
        and value.__module__ == module.__name__
    )


class ReadmeTest(DocumentationTestCase):
    """The README."""

    def test_example(self) -> None:
        """The README's example runs as it stands."""
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        (example,) = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
        self.write("chat.py", CHAT)

        outcome, _ = self.run_program(self.write("test_chat.py", example))

        self.assertEqual(1, outcome.testsRun)
        self.assertEqual([], outcome.errors + outcome.failures)


class PagesTest(DocumentationTestCase):
    """The pages of the documentation; each program of a page becomes a test of its own."""

    def run_block(self, page: Path, number: int) -> None:
        """Run a program; its tests pass, but for those whose failure the page shows.

        :param page: the page
        :param number: which of its blocks
        """
        blocks = list(read_blocks(page))
        block = blocks[number]
        for above in blocks[:number]:
            if above.is_module:
                self.write(above.caption, above.text)
        path = self.write(block.caption or f"example_{block.line}.py", block.text)

        outcome, printed = self.run_program(path)

        for shown in shown_with(blocks, number):
            kind, _, name = shown.comment.partition(": ")
            if kind == "output":
                self.assert_shown(shown.text, printed)
            else:
                self.assertIn(name, outcome.raised, f"{name} did not fail")
                error = outcome.raised.pop(name)
                lines = traceback.format_exception_only(type(error), error)
                self.assert_shown(shown.text, "".join(lines))
        for name, error in outcome.raised.items():
            raise AssertionError(f"{name} failed") from error

    def test_fragments(self) -> None:
        """What is no whole program is Python all the same."""
        for page in PAGES:
            for block in read_blocks(page):
                if block.language == "python" and not block.is_program:
                    with self.subTest(page=page.name, line=block.line):
                        ast.parse(block.text)

    def test_shown_text_belongs_to_a_program(self) -> None:
        """Each text is said to come from a run, and stands below the program it comes from."""
        for page in PAGES:
            blocks = list(read_blocks(page))
            # What is text and comes from nowhere is a drawing.
            is_drawn = page.name == "architecture.rst"
            marked = [block for block in blocks if block.language == "text" and not is_drawn]
            shown = [
                text
                for number, block in enumerate(blocks)
                if block.is_program
                for text in shown_with(blocks, number)
            ]
            self.assertEqual(marked, shown, page.name)


class CompletenessTest(CleanTestCase):
    """The tables of the documentation have a row for everything that there is."""

    def first_column(self, page: str) -> set[str]:
        """Return what stands first in the rows of a page's list tables.

        :param page: name of the page
        """
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        return {word.strip("`") for word in re.findall(r"^ +\* - (\S+)$", text, re.MULTILINE)}

    def test_modules(self) -> None:
        """Every module of the package is listed with what it is responsible for."""
        text = (ROOT / "docs" / "architecture.rst").read_text(encoding="utf-8")
        listed = re.findall(r"^   \* - \d\n     - ``([\w.]+)``\n     - \S", text, re.MULTILINE)
        modules = [
            ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            for path in package_files()
            if path.name != "__init__.py"
        ]
        self.assertEqual(sorted(modules), sorted(listed))

    def test_public_names(self) -> None:
        """The reference has every public name."""
        text = (ROOT / "docs" / "reference.rst").read_text(encoding="utf-8")
        pattern = r"^\.\. auto(?:class|exception|function):: (\w+)(?:\(\))?$"
        listed = re.findall(pattern, text, re.MULTILINE)
        self.assertEqual(sorted(asgitest.__all__), sorted(listed))

    def test_scope(self) -> None:
        """Every key of a scope is listed; the type goes without saying."""
        keys: set[str] = set()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            keys.update(scope)
            raise LookupError

        client = self.enter_client(app, lifespan="off")
        with self.assertRaises(LookupError):
            client.get("/")
        with self.assertRaises(LookupError), client.websocket_connect("/"):
            pass

        self.assertEqual(keys - {"type"}, self.first_column("http.rst") - {"key"})

    def test_environment(self) -> None:
        """Every variable of the environment that is read is listed."""
        pattern = re.compile(r"ASGITEST_[A-Z]+")
        text = (ROOT / "docs" / "testcase.rst").read_text(encoding="utf-8")
        read = {
            name
            for path in package_files()
            for name in pattern.findall(path.read_text(encoding="utf-8"))
        }
        self.assertEqual(read, set(re.findall(r"^``(ASGITEST_[A-Z]+)`` ", text, re.MULTILINE)))

    def test_examples(self) -> None:
        """Every example can be had from the page of examples."""
        text = (ROOT / "docs" / "examples.rst").read_text(encoding="utf-8")
        files = {path.name for path in (ROOT / "docs" / "examples").glob("*.py")}
        self.assertEqual(files, set(re.findall(r"<examples/(\w+\.py)>", text)))


def package_files() -> list[Path]:
    """Return the modules of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def shown_with(blocks: list[Block], number: int) -> Iterator[Block]:
    """Yield the blocks that show what a program gives.

    :param blocks: those of a page
    :param number: which of them is the program
    """
    for block in blocks[number + 1 :]:
        if block.is_program:
            return
        if block.comment == "output" or block.comment.startswith("failure"):
            yield block


def _add_tests() -> None:
    for page in PAGES:
        for number, block in enumerate(read_blocks(page)):
            if block.is_program:
                test = _make_test(page, number, block)
                setattr(PagesTest, test.__name__, test)


def _make_test(page: Path, number: int, block: Block) -> Callable[[PagesTest], None]:
    def test(self: PagesTest) -> None:
        self.run_block(page, number)

    if block.caption in ABOUT_THREADS:
        on_thread("the page tells of a loop in a thread of its own")(test)

    test.__name__ = f"test_{page.stem}_line_{block.line:03}"
    test.__qualname__ = f"PagesTest.{test.__name__}"
    test.__doc__ = f"The program on line {block.line} of docs/{page.name} runs."
    return test


_add_tests()


if __name__ == "__main__":
    unittest.main()
