"""HTTP/1.1 over a socket, byte for byte as a test wants it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import NamedTuple

import h11

Headers = list[tuple[bytes, bytes]]


class WireResponse(NamedTuple):
    """A response as it came over the wire.

    :ivar status: its status
    :ivar headers: its headers as they were written, list of ``(bytes, bytes)``
    :ivar body: its body, the transfer coding undone
    """

    status: int
    headers: Headers
    body: bytes


class HTTPWire:
    """One connection to a server, for one request after another.

    :param connection: a connected socket, which is closed by the caller
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)

    def request(
        self, method: str, target: str, headers: Headers, chunks: Sequence[bytes] = ()
    ) -> WireResponse:
        """Send a request and return its response.

        :param method: its method
        :param target: its request target
        :param headers: its headers, those about its framing included
        :param chunks: the body; in chunked coding, each part is a chunk
        """
        events = [
            h11.Request(method=method, target=target, headers=headers),
            *(h11.Data(data=chunk) for chunk in chunks),
            h11.EndOfMessage(),
        ]
        # At once, for a server may answer and close before it has read the body.
        self._socket.sendall(b"".join(self._h11.send(event) or b"" for event in events))
        response = self._receive()
        while not isinstance(response, h11.Response):
            response = self._receive()
        body = b""
        while isinstance(event := self._receive(), h11.Data):
            body += event.data
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        return WireResponse(response.status_code, list(response.headers.raw_items()), body)

    def read_to_end(self) -> bytes:
        """Return what comes after the response until the server closes the connection."""
        surplus = self._h11.trailing_data[0]
        with contextlib.suppress(ConnectionResetError):
            while data := self._socket.recv(65536):
                surplus += data
        return surplus

    def _receive(self) -> h11.Event:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(self._socket.recv(65536))
        assert isinstance(event, h11.Event), event
        return event
