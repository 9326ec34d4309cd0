"""Run tests once per backend, as classes of their own beside the class that asks for it."""

from __future__ import annotations

import importlib.util
import sys
import unittest
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ._options import BACKENDS

__all__ = ["on_backends"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__asgitest_backends__"


def on_backends(*backends: str) -> Callable[[F], F]:
    """Decorate a test method, to be run once on each of some backends.

    In its class the test runs on the first of them; for each of the others there is a class beside
    it, named after class and backend: ``RoomTest`` and ``RoomTest_trio``.

    :param backends: ``"asyncio"``, ``"uvloop"``, ``"trio"``
    :raises ValueError: if one is none of these, or there is none
    """
    check_backends(backends)

    def mark(method: F) -> F:
        setattr(method, _MARK, backends)
        return method

    return mark


def check_backends(backends: Sequence[str]) -> None:
    """Refuse what is no list of backends.

    :param backends: what a class or a method asks for
    :raises ValueError: if it is empty, or a name is not that of a backend, or stands there twice
    """
    is_list = not isinstance(backends, str) and len(set(backends)) == len(backends) > 0
    if not is_list or not set(backends) <= set(BACKENDS):
        raise ValueError(
            f"backends must be one or more of {', '.join(BACKENDS)}, each once, not {backends!r}"
        )


def backend_of(case: Any, method: str) -> str | None:
    """Return the backend that a test was asked to run on.

    :param case: the test case's class
    :param method: name of its method
    :return: the name; ``None`` if nothing but the option ``backend`` says so
    """
    if case._variant_backend is not None:
        return str(case._variant_backend)
    backends = _backends_of(case, method)
    return backends[0] if backends else None


def reason_to_skip(backend: str) -> str | None:
    """Return why nothing can run on a backend, ``None`` if it is installed.

    :param backend: its name
    """
    if backend == "asyncio" or importlib.util.find_spec(backend) is not None:
        return None
    return f"the backend {backend!r} is not installed; pip install asgitest[{backend}]"


def add_variants(case: Any) -> None:
    """Put a class beside a test case for each backend but the first of its tests.

    :param case: a class that was just defined; most ask for no backends
    :raises TypeError: if it asks for some, and is no class of a module's top level, or has class
        scope and a method asks
    """
    if case._variant_backend is not None or not issubclass(case, unittest.TestCase):
        return
    if case.backends is not None:
        check_backends(case.backends)
    tests = unittest.TestLoader().getTestCaseNames(case)
    wanted = {test: _backends_of(case, test) for test in tests}
    others = [backend for backend in BACKENDS if any(backend in b[1:] for b in wanted.values())]
    if any(wanted.values()):
        _check_case(case, wanted)
    if others:
        namespace = _namespace(case)
        # The class itself gets its place first; tests run in this order.
        namespace.setdefault(case.__name__, case)
        for backend in others:
            hidden = [test for test, backends in wanted.items() if backend not in backends[1:]]
            name = f"{case.__name__}_{backend}"
            there = namespace.get(name)
            if there is not None and getattr(there, "_variant_backend", None) is None:
                raise TypeError(
                    f"{case.__qualname__} asks for the backend {backend!r}, for which the class "
                    f"{name} would stand beside it; its module has another {name} already"
                )
            namespace[name] = _variant(name, case, backend, hidden)


def _backends_of(case: Any, test: str) -> Sequence[str]:
    marked: Sequence[str] = getattr(getattr(case, test, None), _MARK, ())
    return marked or _backends_of_class(case)


def _backends_of_class(case: Any) -> Sequence[str]:
    # A subclass may settle for one, and its own subclasses with it; the mixin sets both.
    names = ("backend", "backends")
    settled = next(vars(cls) for cls in case.__mro__ if any(name in vars(cls) for name in names))
    return settled.get("backends") or ()


def _check_case(case: Any, wanted: dict[str, Sequence[str]]) -> None:
    name = case.__qualname__
    if {"backend", "backends"} <= set(vars(case)):
        raise TypeError(f"{name} sets both 'backend' and 'backends'; it can have one of them")
    marked = [test for test in wanted if hasattr(getattr(case, test), _MARK)]
    if marked and "class" in (case.lifespan_scope, case.portal_scope):
        raise TypeError(
            f"{name}.{marked[0]} is decorated with on_backends(), and its class has class scope: "
            f"the one loop of the class has one backend. Set 'backends' on the class, which gives "
            f"each backend a class of its own"
        )


def _namespace(case: Any) -> dict[str, Any]:
    module = sys.modules.get(case.__module__)
    if "." in case.__qualname__ or module is None:
        raise TypeError(
            f"{case.__qualname__} asks for several backends, and is no class of a module's top "
            f"level: the classes for the other backends stand beside it, where test loaders find "
            f"them. Move it there, or set 'backend'"
        )
    return vars(module)


def _variant(name: str, case: Any, backend: str, hidden: Sequence[str]) -> Any:
    attributes: dict[str, Any] = {
        "__module__": case.__module__,
        "__qualname__": name,
        "__doc__": case.__doc__,
        "_variant_backend": backend,
    }
    # What cannot be called is no test to any loader.
    attributes.update(dict.fromkeys(hidden))
    return type(case)(name, (case,), attributes)
