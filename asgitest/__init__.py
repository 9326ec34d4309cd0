"""Test ASGI applications from unittest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._adapter import ASGIAdapter, RequestDeadlineExceeded
from ._extras import Push
from ._faults import leave_after
from ._protocol._profiles import Profile
from ._version import __version__ as __version__
from .client import TestClient
from .exceptions import (
    ASGITestError,
    ASGIWarning,
    ClientDisconnected,
    DeadlineExceeded,
    LeftoverError,
    LifespanError,
    ProtocolError,
    UnexpectedMessage,
    WebSocketDenied,
    WebSocketDisconnect,
)
from .transcript import Transcript
from .websocket import WebSocketSession

if TYPE_CHECKING:
    from ._async_client import AsyncClient
    from ._async_websocket import AsyncWebSocketSession
    from .assertions import ASGIAssertions
    from .backends import on_backends
    from .case import ASGITestCase
    from .mixin import ASGITestMixin
else:
    # Not for type checkers, to which any name would be one of ours.
    def __getattr__(name: str) -> Any:
        if name not in _TEST_CASE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_TEST_CASE[name]}", __name__), name)
        globals()[name] = value
        return value


__all__ = [
    "ASGIAdapter",
    "ASGIAssertions",
    "ASGITestCase",
    "ASGITestError",
    "ASGITestMixin",
    "ASGIWarning",
    "AsyncClient",
    "AsyncWebSocketSession",
    "ClientDisconnected",
    "DeadlineExceeded",
    "LeftoverError",
    "LifespanError",
    "Profile",
    "ProtocolError",
    "Push",
    "RequestDeadlineExceeded",
    "TestClient",
    "Transcript",
    "UnexpectedMessage",
    "WebSocketDenied",
    "WebSocketDisconnect",
    "WebSocketSession",
    "leave_after",
    "on_backends",
]

# The names of the test case, with the modules that they are in: these are imported when a name is
# first asked for, so that a client alone does not bring unittest along.
_TEST_CASE = {
    "ASGIAssertions": "assertions",
    "ASGITestCase": "case",
    "ASGITestMixin": "mixin",
    "AsyncClient": "_async_client",
    "AsyncWebSocketSession": "_async_websocket",
    "on_backends": "backends",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
