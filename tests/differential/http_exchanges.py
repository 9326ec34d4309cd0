"""One shape of a request, sent through asgitest or to a server, and what was observed of it."""

from __future__ import annotations

import ast
import contextlib
import itertools
import socket
from collections.abc import Iterator
from typing import Any

import requests

from asgitest import TestClient

from .http_shapes import HTTPShape
from .http_wire import Headers, HTTPWire
from .observation import Observation, observe_http_events, observe_response, observe_scope
from .recorder import RECORD_PATH, app, encode_plan, records
from .servers import Server

#: Where asgitest's application seems to be.
HOST = "127.0.0.1:8000"

_keys = itertools.count()


def new_key() -> str:
    """Return a key under which nothing was recorded before."""
    return str(next(_keys))


def bare_client(**options: Any) -> TestClient:
    """Return a client for the recorder that adds no headers of its own.

    :param options: those of the client
    """
    client = TestClient(app, base_url=f"http://{HOST}", **options)
    client.headers.clear()
    return client


def prepare(client: TestClient, shape: HTTPShape, plan: str) -> requests.PreparedRequest:
    """Prepare a request of a shape, the target byte for byte.

    :param client: the client that will send it
    :param shape: what it is to be
    :param plan: the encoded instructions for the recorder
    """
    body: Any = None
    if shape.chunks is not None:
        body = iter(shape.chunks) if shape.chunked else b"".join(shape.chunks)
    headers: Any = [("x-plan", plan), *shape.headers]
    if shape.is_last:
        headers.append(("connection", "close"))
    request = requests.Request(shape.method, client.base_url, headers=headers, data=body)
    prepared = client.prepare_request(request)
    # requests would remove dots, and quote and unquote.
    prepared.url = client.base_url + shape.target
    return prepared


def wire_headers(prepared: requests.PreparedRequest, host: str, plan: str) -> Headers:
    """Return the headers of a prepared request as HTTP/1.1 has them on the wire.

    :param prepared: the request
    :param host: value of the host header
    :param plan: the encoded instructions for the recorder
    """
    pairs: Any = getattr(prepared.headers, "pairs", None) or list(prepared.headers.items())
    headers = [
        (
            name.encode("latin-1"),
            value if isinstance(value, bytes) else str(value).encode("latin-1"),
        )
        for name, value in pairs
        if name != "x-plan"
    ]
    return [(b"Host", host.encode()), (b"x-plan", plan.encode()), *headers]


def _observe(record: dict[str, Any], host: str, shape: HTTPShape) -> Observation:
    first, *later = [*shape.body, shape.last]
    return {
        **observe_scope(record["scope"], host),
        "events": observe_http_events(record["events"]),
        "outcome": record["outcome"],
        "refused": False,
        # For the rows that depend on what was sent.
        "plan.whole": None if later else len(first),
        "plan.later": b"".join(later),
    }


def through_asgitest(
    client: TestClient, shape: HTTPShape
) -> tuple[Observation, requests.PreparedRequest]:
    """Send a request through asgitest; return what was observed, and the request.

    :param client: one from :func:`bare_client`, entered
    :param shape: what the request is to be
    """
    key = new_key()
    prepared = prepare(client, shape, encode_plan(shape.plan(key, announced=False)))
    response: Any = client.send(prepared, allow_redirects=False)
    observation = _observe(records.pop(key), HOST, shape)
    observation |= observe_response(response.status_code, response.raw_headers, response.content)
    return {**observation, "response.surplus": b""}, prepared


class HTTPPeer:
    """A server, as a client sees it that keeps its connection.

    :param server: a running server
    :ivar host: its address and port, as a host header names them
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.host = server.host
        self._connections = contextlib.ExitStack()
        self._kept = self._connect(self._connections)

    def close(self) -> None:
        """Close the connection that was kept."""
        self._connections.close()

    def renew(self) -> None:
        """Take another connection, after an exchange that failed."""
        self._connections.close()
        self._kept = self._connect(self._connections)

    def observe(self, shape: HTTPShape, prepared: requests.PreparedRequest) -> Observation:
        """Send a request and return what was observed.

        :param shape: what the request is to be
        :param prepared: the request, as asgitest has sent it
        """
        key = new_key()
        headers = wire_headers(prepared, self.host, encode_plan(shape.plan(key, announced=True)))
        chunks = shape.chunks or []
        if not shape.chunked:
            chunks = [b"".join(chunks)]
        with self._connection(shape) as wire:
            response = wire.request(shape.method, shape.target, headers, chunks)
            surplus = wire.read_to_end() if shape.is_last else b""
        record = self.fetch(key)
        if record is None:
            return {"refused": True}
        observation = _observe(record, self.host, shape)
        observation |= observe_response(*response)
        return {**observation, "response.surplus": surplus}

    def fetch(self, key: str) -> dict[str, Any] | None:
        """Return what the recorder has kept, ``None`` if it was never called.

        :param key: what it was kept under
        """
        response = self._kept.request("GET", RECORD_PATH + key, [(b"Host", self.host.encode())])
        record: dict[str, Any] | None = ast.literal_eval(response.body.decode())
        return record

    def connect(self) -> socket.socket:
        """Return a connection of its own."""
        return self._server.connect()

    @contextlib.contextmanager
    def _connection(self, shape: HTTPShape) -> Iterator[HTTPWire]:
        if shape.is_last:
            with contextlib.ExitStack() as stack:
                yield self._connect(stack)
        else:
            yield self._kept

    def _connect(self, stack: contextlib.ExitStack) -> HTTPWire:
        connection: socket.socket = stack.enter_context(self._server.connect())
        return HTTPWire(connection)
