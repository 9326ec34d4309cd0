"""The imports of the package, read from its source: layers, and who may know what."""

from __future__ import annotations

import ast
import gc
import sys
import unittest
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import asgitest

PACKAGE = "asgitest"
FOLDER = Path(asgitest.__file__).parent

#: Each module of the package, by layer. A module imports from its own layer and from lower ones.
LAYERS: tuple[tuple[str, frozenset[str]], ...] = (
    ("exceptions", frozenset({"_version", "exceptions"})),
    (
        "protocol",
        frozenset(
            {
                "_interface",
                "_protocol",
                "_protocol._extension_fields",
                "_protocol._extensions",
                "_protocol._general_rules",
                "_protocol._headers",
                "_protocol._http",
                "_protocol._http_rules",
                "_protocol._lifespan",
                "_protocol._lifespan_rules",
                "_protocol._machine",
                "_protocol._messages",
                "_protocol._profiles",
                "_protocol._response_extras",
                "_protocol._response_order",
                "_protocol._rule",
                "_protocol._rules",
                "_protocol._scope",
                "_protocol._texts",
                "_protocol._tls",
                "_protocol._values",
                "_protocol._websocket",
                "_protocol._websocket_rules",
            }
        ),
    ),
    (
        "runtime",
        frozenset(
            {
                "_application",
                "_asyncio_engine",
                "_awaiting",
                "_backend",
                "_calls",
                "_checkpoints",
                "_connection",
                "_contexts",
                "_debugger",
                "_expiry",
                "_files",
                "_future_calls",
                "_gathering",
                "_generators",
                "_guest_engine",
                "_http_connection",
                "_inline_portal",
                "_interruptions",
                "_lifespan_connection",
                "_origins",
                "_outcome",
                "_portal",
                "_report",
                "_served_loop",
                "_shared_loop",
                "_stacks",
                "_started_tasks",
                "_stepwise",
                "_thread_portal",
                "_warn",
                "_websocket_connection",
                "_workers",
            }
        ),
    ),
    (
        "client",
        frozenset(
            {
                "_adapter",
                "_async_client",
                "_async_websocket",
                "_body_text",
                "_curl",
                "_exchange",
                "_extras",
                "_failure",
                "_input",
                "_faults",
                "_exchange_store",
                "_har",
                "_har_file",
                "_masking",
                "_opened_websocket",
                "_options",
                "_raw_response",
                "_recorded",
                "_recorded_content",
                "_recording",
                "_redirects",
                "_request",
                "_session",
                "_set_cookie",
                "_shown_exchanges",
                "_transcript_text",
                "_withheld",
                "client",
                "transcript",
                "websocket",
            }
        ),
    ),
    (
        "test case",
        frozenset(
            {
                "__main__",
                "_asking",
                "_async_case",
                "_command",
                "_cookie_assertions",
                "_cookies",
                "_descriptions",
                "_differences",
                "_event_stream",
                "_event_stream_assertions",
                "_exception_text",
                "_expectations",
                "_extension_assertions",
                "_failing",
                "_failing_case",
                "_json_assertions",
                "_json_differences",
                "_last_exchanges",
                "_lifespan_assertions",
                "_process",
                "_redirect_assertions",
                "_response_assertions",
                "_response_content",
                "_scopes",
                "_statuses",
                "_websocket_assertions",
                "_websocket_expectations",
                "assertions",
                "backends",
                "case",
                "mixin",
            }
        ),
    ),
    # The package itself gives the public names of all layers.
    ("package", frozenset({""})),
)

#: The modules of the runtime that cannot do without anyio. The others leave the loop to them.
ANYIO_MODULES = frozenset(
    {
        "_awaiting",
        "_backend",
        "_calls",
        "_checkpoints",
        "_connection",
        "_contexts",
        "_expiry",
        "_files",
        "_future_calls",
        "_generators",
        "_guest_engine",
        "_http_connection",
        "_report",
        "_served_loop",
        "_stacks",
        "_started_tasks",
        "_stepwise",
        "_thread_portal",
        "_websocket_connection",
        "_workers",
    }
)

#: The modules that know what differs between the event loops, and those that drive one kind each.
BACKEND_MODULES = frozenset({"_asyncio_engine", "_backend", "_checkpoints", "_guest_engine"})

#: What is imported where trio is asked for, and by nobody else.
TRIO_MODULES = frozenset({"_guest_engine"})

#: What a pure state machine has no use for: input and output, clocks, threads, event loops.
IMPURE = frozenset(
    {
        "_thread",
        "anyio",
        "asyncio",
        "concurrent",
        "contextvars",
        "datetime",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "queue",
        "random",
        "requests",
        "select",
        "selectors",
        "signal",
        "sniffio",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "time",
        "trio",
        "urllib3",
        "uvloop",
    }
)


def setUpModule() -> None:
    """Collect what other tests left: CPython 3.11 loses count if that is done while it parses."""
    gc.collect()


class Import(NamedTuple):
    """One imported module.

    :ivar name: absolute name of the module, or of a name in it
    :ivar line: line of the import
    :ivar guarded: whether the module can be imported without it: the import stands in a function,
        in a ``try`` or under ``TYPE_CHECKING``
    """

    name: str
    line: int
    guarded: bool


def module_name(path: Path) -> str:
    """Return a file's module name inside the package, ``""`` for the package itself."""
    parts = list(path.relative_to(FOLDER).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def package_sources() -> dict[str, str]:
    """Return the source of each module of the package."""
    return {module_name(path): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py")}


def find_imports(source: str, package: str) -> list[Import]:
    """Return the imports anywhere in a module, relative ones made absolute.

    :param source: the module's source
    :param package: absolute name of the package that relative imports start from
    """
    return list(_walk(ast.parse(source), package, guarded=False))


def _walk(node: ast.AST, package: str, guarded: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, guarded)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node, package)
        # ``from . import name`` may import a module as well as a name.
        for alias in node.names:
            yield Import(f"{base}.{alias.name}", node.lineno, guarded)
    guarded = guarded or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Try, ast.If))
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package, guarded)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def internal_imports(imports: Collection[Import], modules: Collection[str]) -> dict[str, int]:
    """Return the package's modules among imports, with the line of the import.

    :param imports: imports of one module
    :param modules: names of the package's modules
    """
    found: dict[str, int] = {}
    for name, line, _ in imports:
        if name.partition(".")[0] != PACKAGE:
            continue
        inner = name.partition(".")[2]
        # The last part may be a name in the module before it.
        module = inner if inner in modules else inner.rpartition(".")[0]
        found.setdefault(module, line)
    return found


def find_cycle(graph: Mapping[str, Collection[str]]) -> list[str]:
    """Return the modules of an import cycle, the first one at both ends; nothing if there is none.

    :param graph: for each module those that it imports
    """
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                cycle = visit(imported, [*path, module])
                if cycle:
                    return cycle
            done.add(module)
        return []

    for module in sorted(graph):
        cycle = visit(module, [])
        if cycle:
            return cycle
    return []


def find_climbs(graph: Mapping[str, Collection[str]], layer_of: Mapping[str, int]) -> list[str]:
    """Return the imports that point up.

    :param graph: for each module those that it imports
    :param layer_of: number of each module's layer; a module without one is left out
    """
    return [
        f"{module or PACKAGE} imports {imported or PACKAGE}"
        for module in sorted(graph)
        for imported in sorted(graph[module])
        if module in layer_of and imported in layer_of and layer_of[imported] > layer_of[module]
    ]


SOURCES = package_sources()
IMPORTS = {
    name: find_imports(
        source,
        f"{PACKAGE}.{name}".rstrip(".")
        if name in ("", "_protocol")
        else f"{PACKAGE}.{name}".rpartition(".")[0],
    )
    for name, source in SOURCES.items()
}
GRAPH = {name: internal_imports(imports, SOURCES) for name, imports in IMPORTS.items()}
LAYER_OF = {module: number for number, (_, names) in enumerate(LAYERS) for module in names}


def importers(*libraries: str) -> set[str]:
    """Return the modules that import one of some libraries, whole or in part."""
    return {
        module
        for module, imports in IMPORTS.items()
        if any(name.partition(".")[0] in libraries for name, _, _ in imports)
    }


def layer(name: str) -> frozenset[str]:
    """Return the modules of the layer with a name."""
    return dict(LAYERS)[name]


class LayerTest(unittest.TestCase):
    """The layers of the package."""

    def test_every_module_has_a_layer(self) -> None:
        """Every module of the package stands in one layer, and no layer names another module."""
        self.assertEqual(set(), set(SOURCES) - set(LAYER_OF), "modules without a layer")
        self.assertEqual(set(), set(LAYER_OF) - set(SOURCES), "there are no such modules")

    def test_no_module_has_two_layers(self) -> None:
        """No two layers name the same module."""
        self.assertEqual(len(LAYER_OF), sum(len(names) for _, names in LAYERS))

    def test_imports_point_down(self) -> None:
        """A module imports from its own layer and from lower ones."""
        self.assertEqual([], find_climbs(GRAPH, LAYER_OF))

    def test_there_is_no_import_cycle(self) -> None:
        """No module imports itself, be it by way of others."""
        self.assertEqual([], find_cycle(GRAPH))

    def test_the_exceptions_know_no_other_module(self) -> None:
        """The module of the exceptions imports nothing of the package."""
        self.assertEqual({}, GRAPH["exceptions"])

    def test_packages_are_empty(self) -> None:
        """The package of the state machines holds modules, and no code of its own."""
        body = ast.parse(SOURCES["_protocol"]).body
        self.assertEqual(1, len(body), "more than a docstring")


class PurityTest(unittest.TestCase):
    """What the layers may know of the world."""

    def test_the_protocol_is_pure(self) -> None:
        """The protocol layer imports no event loop, thread, clock, file, socket nor requests."""
        self.assertEqual(set(), importers(*IMPURE) & layer("protocol"))

    def test_the_exceptions_are_pure(self) -> None:
        """The exceptions import none of these either."""
        self.assertEqual(set(), importers(*IMPURE) & layer("exceptions"))

    def test_the_state_machines_never_wait(self) -> None:
        """There is no coroutine in the state machines."""
        waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
        for module in sorted(layer("protocol") - {"_interface"}):
            with self.subTest(module):
                nodes = ast.walk(ast.parse(SOURCES[module]))
                self.assertEqual([], [node.lineno for node in nodes if isinstance(node, waiting)])

    def test_only_the_runtime_knows_anyio(self) -> None:
        """Exactly those modules of the runtime import anyio that are listed here."""
        self.assertEqual(ANYIO_MODULES, importers("anyio"))
        self.assertLessEqual(ANYIO_MODULES, layer("runtime"))

    def test_few_modules_know_the_backends(self) -> None:
        """asyncio, uvloop and trio are imported by four modules of the runtime."""
        self.assertEqual(BACKEND_MODULES, importers("asyncio", "uvloop", "trio", "sniffio"))
        self.assertLessEqual(BACKEND_MODULES, layer("runtime"))

    def test_the_runtime_does_not_know_requests(self) -> None:
        """requests and urllib3 are imported by the client layer only."""
        self.assertLessEqual(importers("requests", "urllib3"), layer("client"))

    def test_only_the_test_case_knows_unittest(self) -> None:
        """unittest is imported by the topmost layer only."""
        self.assertLessEqual(importers("unittest"), layer("test case"))

    def test_requests_and_anyio_are_all_it_needs(self) -> None:
        """What is imported unconditionally is Python's own, requests with its urllib3, or anyio."""
        needed = {
            name.partition(".")[0]
            for module, imports in IMPORTS.items()
            for name, _, guarded in imports
            if not guarded and module not in TRIO_MODULES
        }
        foreign = needed - set(sys.stdlib_module_names) - {PACKAGE}
        self.assertEqual({"anyio", "requests", "urllib3"}, foreign)


class DocstringTest(unittest.TestCase):
    """What each module says of itself."""

    def test_every_module_has_a_docstring(self) -> None:
        """Every module begins with a docstring."""
        for module, source in sorted(SOURCES.items()):
            with self.subTest(module or PACKAGE):
                docstring = ast.get_docstring(ast.parse(source)) or ""
                self.assertRegex(docstring, r"\A\S.*\.\Z|\A\S[^\n]*\.\n\n")


class ReaderTest(unittest.TestCase):
    """The functions that read the imports find what they have to find."""

    def test_relative_imports_are_made_absolute(self) -> None:
        """Each form of a relative import gives the module that Python would import."""
        for source, expected in (
            ("from .a import b", ["asgitest._protocol.a.b"]),
            ("from . import a, b", ["asgitest._protocol.a", "asgitest._protocol.b"]),
            ("from ..a import b", ["asgitest.a.b"]),
            ("from .. import a", ["asgitest.a"]),
            ("import anyio.lowlevel as x, asyncio", ["anyio.lowlevel", "asyncio"]),
            ("from anyio import Event", ["anyio.Event"]),
        ):
            with self.subTest(source):
                found = find_imports(source, "asgitest._protocol")
                self.assertEqual(expected, [name for name, _, _ in found])

    def test_hidden_imports_are_found(self) -> None:
        """Imports in functions, classes, ``try`` and ``if`` count, and are told apart."""
        source = (
            "import a\n"
            "if TYPE_CHECKING:\n    import b\n"
            "def f():\n    import c\n"
            "async def g():\n    from d import e\n"
            "class C:\n    import f\n"
            "try:\n    import g\nexcept ImportError:\n    import h\n"
        )
        found = {name: guarded for name, _, guarded in find_imports(source, PACKAGE)}
        expected = {"a": False, "b": True, "c": True, "d.e": True, "f": False, "g": True, "h": True}
        self.assertEqual(expected, found)

    def test_a_name_is_told_from_a_module(self) -> None:
        """The last part of an import is a module or a name in one."""
        modules = ("", "client", "_protocol", "_protocol._http")
        for source, expected in (
            ("from .client import TestClient", {"client"}),
            ("from . import client", {"client"}),
            ("from . import TestClient", {""}),
            ("from ._protocol import _http", {"_protocol._http"}),
            ("from ._protocol._http import HTTPProtocol", {"_protocol._http"}),
            ("import asgitest.client", {"client"}),
            ("import requests.client", set()),
        ):
            with self.subTest(source):
                imports = find_imports(source, PACKAGE)
                self.assertEqual(expected, set(internal_imports(imports, modules)))

    def test_a_cycle_is_found(self) -> None:
        """A cycle is found wherever it is entered, and a diamond is none."""
        self.assertEqual([], find_cycle({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}))
        self.assertEqual(["b", "c", "b"], find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}))
        self.assertEqual(["a", "a"], find_cycle({"a": ["a"]}))

    def test_an_import_that_points_up_is_found(self) -> None:
        """An import from a higher layer is reported, one from the same layer is not."""
        layer_of = {"low": 0, "other": 0, "high": 1}
        graph = {"low": ["high", "other"], "other": [], "high": ["low"]}
        self.assertEqual(["low imports high"], find_climbs(graph, layer_of))
