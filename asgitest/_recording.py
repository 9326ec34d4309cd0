"""The adapter of a client, which records what it exchanges."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests

from ._adapter import ASGIAdapter
from ._faults import LeavingBody
from ._protocol._texts import shorten
from ._recorded import RecordedExchange, RecordedMessages
from ._request import body_in_memory, scope_headers
from ._shown_exchanges import note_shown
from ._websocket_connection import WebSocketConnection
from ._withheld import withheld_cookies
from .exceptions import DeadlineExceeded

if TYPE_CHECKING:
    from .transcript import Transcript


class RecordingAdapter(ASGIAdapter):
    """An adapter that records in a transcript what it sends, and what comes of it."""

    def record(self, transcript: Transcript) -> None:
        """Begin to record.

        :param transcript: where to
        """
        self._transcript = transcript

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Run the application for a request, and record that.

        :param request: a prepared request
        :param stream: whether to return at the start of the response
        :param timeout: seconds for every single wait; ``None`` takes the adapter's own
        :param verify: ignored
        :param cert: ignored
        :param proxies: ignored
        :return: the response
        """
        __tracebackhide__ = True
        exchange = self._begin(request)
        try:
            response = self._send(request, stream, timeout, exchange.request_body.observe)
            _note_response(exchange, response)
        except BaseException as error:
            exchange.error = shorten(error)
            if isinstance(error, DeadlineExceeded):
                note_shown(error, exchange)
            with contextlib.suppress(ValueError):
                # Those that were refused can hardly be shown.
                exchange.note_headers(scope_headers(request))
            raise
        finally:
            exchange.end()
            self._transcript.add(exchange)
        return response

    def _begin(self, request: requests.PreparedRequest) -> RecordedExchange:
        exchange = RecordedExchange(
            str(request.method),
            str(request.url),
            body_in_memory(request),
            self._options.http_version,
        )
        exchange.withheld = withheld_cookies(request)
        if isinstance(request.body, LeavingBody):
            for part in request.body.parts:
                exchange.request_body.observe(part)
            exchange.request_body.has_ended = not request.body.more_body
        return exchange

    def _watch(self, connection: WebSocketConnection) -> None:
        connection.observer = RecordedMessages()


def _note_response(exchange: RecordedExchange, response: Any) -> None:
    raw = response.raw
    content = raw.peek()
    # They exist already, and are what the application was given.
    exchange.note_headers(response.scope["headers"])
    exchange.answer(response.status_code, response.raw_headers, content)
    if content is None:
        raw.observer = exchange.response_body.add
    if response.server_exception is not None:
        exchange.error = shorten(response.server_exception)
    websocket = raw.websocket
    if websocket is not None:
        if websocket.is_open:
            exchange.upgrade(websocket.connection.observer)
        if websocket.hidden_error is not None:
            exchange.error = shorten(websocket.hidden_error)
    response.recorded = exchange
