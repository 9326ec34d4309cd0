"""One WebSocket conversation, through asgitest or with a server, and what was observed of it."""

from __future__ import annotations

import contextlib
from typing import Any

import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from asgitest import TestClient, WebSocketDenied, WebSocketDisconnect

from .http_exchanges import HOST, HTTPPeer, new_key
from .http_wire import Headers
from .observation import Observation, observe_response, observe_scope
from .recorder import encode_plan, records
from .websocket_shapes import END, WebSocketShape

#: Headers that make a request a handshake, which each client writes in its own order.
_HANDSHAKE = ("connection", "upgrade", "sec-websocket-")


def _without_handshake(headers: Headers) -> Headers:
    return [pair for pair in headers if not pair[0].decode("latin-1").startswith(_HANDSHAKE)]


def _observe(record: dict[str, Any], host: str, shape: WebSocketShape) -> Observation:
    observation = {**observe_scope(record["scope"], host), "refused": False}
    # For the rows that depend on what was sent.
    observation["plan.denial parts"] = len(shape.denial_body) if shape.answer == "deny" else 0
    observation["plan.ending"] = shape.ending
    observation["plan.reason"] = shape.reason
    observation["scope.headers"] = _without_handshake(observation["scope.headers"])
    observation["events"] = [
        # WS-RECV-01: a key that is not there and one that is None say the same.
        {key: value for key, value in event.items() if value is not None}
        for event in record["events"]
    ]
    observation["outcome"] = record["outcome"]
    return observation


def _handshake(status: int, headers: Headers, body: bytes) -> Observation:
    observation = observe_response(status, headers, body)
    observation["response.headers"] = _without_handshake(observation["response.headers"])
    return observation


# -- asgitest --------------------------------------------------------------------------------------


def through_asgitest(client: TestClient, shape: WebSocketShape) -> Observation:
    """Hold a conversation through asgitest and return what was observed.

    :param client: one from :func:`.http_exchanges.bare_client`, entered
    :param shape: what the conversation is to be
    """
    key = new_key()
    plan = encode_plan(shape.plan(key, announced=False))
    session = client.websocket_connect(
        "/", subprotocols=shape.offered, headers=[("x-plan", plan), *shape.headers]
    )
    # The target byte for byte, which requests would change.
    session = _with_target(client, session, client.base_url + shape.target)
    try:
        with session:
            seen = _talk(session, shape)
            response: Any = session.response
            seen["subprotocol"] = session.accepted_subprotocol
    except WebSocketDenied as denied:
        seen = {}
        response = denied.response
    observation = _observe(records.pop(key), HOST, shape)
    observation |= _handshake(response.status_code, response.raw_headers, response.content)
    return {**observation, **seen}


def _with_target(client: TestClient, session: Any, url: str) -> Any:
    send_handshake = session._send_handshake
    prepared = next(
        cell.cell_contents
        for cell in send_handshake.__closure__
        if hasattr(cell.cell_contents, "prepare_url")
    )
    prepared.url = url
    return session


def _talk(session: Any, shape: WebSocketShape) -> Observation:
    for message in shape.from_client:
        if isinstance(message, str):
            session.send_text(message)
        else:
            session.send_bytes(message)
    messages = []
    close = None
    with contextlib.suppress(WebSocketDisconnect):
        while (event := session.receive())["type"] == "websocket.send":
            message = event.get("text", event.get("bytes"))
            if message == END:
                break
            messages.append(message)
        else:
            close = (event["code"], event["reason"])
    if shape.ending == "client":
        session.close(shape.code, shape.reason)
    elif shape.ending == "nobody":
        session.disconnect()
    return {"messages": messages, "close": close}


# -- a server --------------------------------------------------------------------------------------


def over_the_wire(peer: HTTPPeer, shape: WebSocketShape) -> Observation:
    """Hold a conversation with a server and return what was observed.

    :param peer: the server
    :param shape: what the conversation is to be
    """
    key = new_key()
    plan = encode_plan(shape.plan(key, announced=True))
    with peer.connect() as connection:
        wire = _WebSocketWire(connection)
        seen = wire.open(peer.host, shape, plan)
        if wire.accepted:
            seen |= wire.talk(shape)
    record = peer.fetch(key)
    if record is None:
        return {"refused": True}
    return {**_observe(record, peer.host, shape), **seen}


class _WebSocketWire:
    """The client's end of one WebSocket on a socket.

    :param connection: a connected socket
    :ivar accepted: whether the handshake succeeded
    """

    def __init__(self, connection: Any) -> None:
        self._socket = connection
        self._wsproto = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._events: list[Event] = []
        self.accepted = False

    def open(self, host: str, shape: WebSocketShape, plan: str) -> Observation:
        """Send the handshake and return what came back."""
        headers = [(b"x-plan", plan.encode())]
        headers += [(name.encode(), value) for name, value in shape.headers]
        self._send(
            Request(
                host=host, target=shape.target, subprotocols=shape.offered, extra_headers=headers
            )
        )
        answer = self._receive()
        if isinstance(answer, AcceptConnection):
            self.accepted = True
            return {
                **_handshake(101, list(answer.extra_headers), b""),
                "subprotocol": answer.subprotocol,
            }
        assert isinstance(answer, RejectConnection), answer
        body = b""
        finished = not answer.has_body
        while not finished:
            part = self._receive()
            assert isinstance(part, RejectData), part
            body += part.data
            finished = part.body_finished
        return _handshake(answer.status_code, list(answer.headers), body)

    def talk(self, shape: WebSocketShape) -> Observation:
        """Say what the shape says; return what was heard."""
        for message in shape.from_client:
            kind = TextMessage if isinstance(message, str) else BytesMessage
            self._send(kind(data=message))
        messages = []
        close = None
        while (message := self._message()) != END:
            if isinstance(message, CloseConnection):
                close = (int(message.code), message.reason or "")
                # A server may be gone before it has the answer.
                with contextlib.suppress(ConnectionError):
                    self._send(message.response())
                break
            messages.append(message)
        if shape.ending == "client":
            self._send(CloseConnection(code=shape.code, reason=shape.reason))
            self._message()
        return {"messages": messages, "close": close}

    def _message(self) -> Any:
        parts: list[Any] = []
        while True:
            event = self._receive()
            if not isinstance(event, Message):
                return event
            parts.append(event.data)
            if event.message_finished:
                return type(event.data)().join(parts)

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._wsproto.send(event))

    def _receive(self) -> Event:
        while not self._events:
            self._wsproto.receive_data(self._socket.recv(65536) or None)
            self._events.extend(self._wsproto.events())
        return self._events.pop(0)
