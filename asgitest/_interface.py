"""Present every application as an ASGI 3 callable, whatever its interface."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any

from .exceptions import ProtocolError

__all__ = ["ASGIApplication", "Application", "resolve_interface"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
#: An ASGI 3 application.
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[Any]]

# By value, each of which a call gives.
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_INTERFACES = ("auto", "asgi2", "asgi3")


class ASGIApplication:
    """One application, called as ASGI 3.

    :param app: an ASGI 2 or ASGI 3 application
    :param interface: ``"asgi2"``, ``"asgi3"``, or ``"auto"`` to find out
    :raises TypeError: if the application cannot be called
    :raises ValueError: if the interface is none of the three
    :ivar version: ``asgi.version`` of its scopes, ``"2.0"`` for ASGI 2 (APP-06)
    """

    def __init__(self, app: Any, interface: str = "auto") -> None:
        if not callable(app):
            raise TypeError(
                f"app must be an ASGI application, which is callable, "
                f"not {type(app).__name__}: {app!r} [APP-01]"
            )
        self.app = app
        self.version = "2.0" if resolve_interface(app, interface) == "asgi2" else "3.0"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> Any:
        """Run the application for one connection.

        :param scope: the connection's scope
        :param receive: gives it its events
        :param send: takes its messages
        :raises ProtocolError: if the call gives nothing that can be awaited (APP-01)
        """
        __tracebackhide__ = True
        if self.version == "2.0":
            instance = self.app(scope)
            if not callable(instance):
                if inspect.iscoroutine(instance):
                    instance.close()
                raise _not_as_expected("its first call must return a callable", instance)
            return await _awaitable(instance(receive, send))
        return await _awaitable(self.app(scope, receive, send))


def resolve_interface(app: Any, interface: str = "auto") -> str:
    """Tell how an application is called.

    Its parameters decide: three are ASGI 3, one is ASGI 2. Where both calls would fit, or the
    signature is not to be had, a class is ASGI 2 unless its instances can be awaited, and
    anything else is ASGI 3: a wrapper around ``*args`` returns a coroutine today.

    :param app: a callable
    :param interface: ``"asgi2"``, ``"asgi3"``, or ``"auto"``
    :return: ``"asgi2"`` or ``"asgi3"``
    :raises ValueError: if the interface is none of the three
    """
    if check_interface(interface) != "auto":
        return interface
    return (
        _by_parameters(app, follow_wrapped=False)
        or _by_kind(app)
        # Whatever a wrapper takes it passes on to what it wraps.
        or _by_parameters(app, follow_wrapped=True)
        or ("asgi2" if _is_old_class(app) else "asgi3")
    )


def check_interface(interface: str) -> str:
    """Return an interface as it is.

    :param interface: ``"asgi2"``, ``"asgi3"``, or ``"auto"``
    :raises ValueError: if it is none of these
    """
    if interface not in _INTERFACES:
        raise ValueError(f"interface must be one of {', '.join(_INTERFACES)}, not {interface!r}")
    return interface


def _by_parameters(app: Any, *, follow_wrapped: bool) -> str | None:
    try:
        signature = inspect.signature(app, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):
        return None
    takes_three, takes_one = _takes(signature, 3), _takes(signature, 1)
    if takes_three == takes_one:
        return None
    return "asgi3" if takes_three else "asgi2"


def _takes(signature: inspect.Signature, count: int) -> bool:
    least, most = 0, 0.0
    for parameter in signature.parameters.values():
        needs_value = parameter.default is parameter.empty
        if parameter.kind in _POSITIONAL:
            least, most = least + needs_value, most + 1
        elif parameter.kind is parameter.VAR_POSITIONAL:
            most = math.inf
        elif parameter.kind is parameter.KEYWORD_ONLY and needs_value:
            return False
    return least <= count <= most


def _by_kind(app: Any) -> str | None:
    app = _unwrapped(app)
    if getattr(app, "_asgi_double_callable", False) is True:
        # The mark that asgiref's decorator leaves.
        return "asgi2"
    # That of the type, for functools.wraps may have copied another one into the callable.
    called = getattr(type(app), "__call__", None)  # noqa: B004 - not asked whether, but what
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(called):
        return "asgi3"
    return None


def _is_old_class(app: Any) -> bool:
    app = _unwrapped(app)
    return inspect.isclass(app) and not hasattr(app, "__await__")


def _unwrapped(app: Any) -> Any:
    while isinstance(app, functools.partial):
        app = app.func
    return app


def _awaitable(result: Any) -> Awaitable[Any]:
    if not inspect.isawaitable(result):
        raise _not_as_expected("it must return an awaitable", result)
    return result


def _not_as_expected(expected: str, result: Any) -> ProtocolError:
    return ProtocolError(
        f"the application was called, and {expected}, not {type(result).__name__}: {result!r}; "
        f"interface='asgi2' or 'asgi3' says how to call it",
        rule="APP-01",
    )
