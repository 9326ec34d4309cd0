"""Test ASGI applications from unittest."""

from __future__ import annotations

from ._adapter import ASGIAdapter, RequestDeadlineExceeded
from .assertions import ASGIAssertions
from .case import ASGITestCase
from .client import TestClient
from .exceptions import (
    ASGITestError,
    ASGIWarning,
    ClientDisconnected,
    DeadlineExceeded,
    LifespanError,
    ProtocolError,
    UnexpectedMessage,
    WebSocketDenied,
    WebSocketDisconnect,
)
from .mixin import ASGITestMixin
from .websocket import WebSocketSession

__version__ = "0.1.0"

__all__ = [
    "ASGIAdapter",
    "ASGIAssertions",
    "ASGITestCase",
    "ASGITestError",
    "ASGITestMixin",
    "ASGIWarning",
    "ClientDisconnected",
    "DeadlineExceeded",
    "LifespanError",
    "ProtocolError",
    "RequestDeadlineExceeded",
    "TestClient",
    "UnexpectedMessage",
    "WebSocketDenied",
    "WebSocketDisconnect",
    "WebSocketSession",
]
