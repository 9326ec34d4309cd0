"""Test ASGI applications from unittest."""

from __future__ import annotations

from ._adapter import ASGIAdapter, RequestDeadlineExceeded
from ._async_client import AsyncClient
from ._async_websocket import AsyncWebSocketSession
from ._extras import Push
from ._faults import leave_after
from ._protocol._profiles import Profile
from ._version import __version__ as __version__
from .assertions import ASGIAssertions
from .backends import on_backends
from .case import ASGITestCase
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
from .mixin import ASGITestMixin
from .transcript import Transcript
from .websocket import WebSocketSession

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
