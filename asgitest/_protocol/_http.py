"""One HTTP request and its response as a state machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from ..exceptions import ClientDisconnected, ProtocolError
from ._headers import Headers
from ._machine import Protocol
from ._messages import Message
from ._profiles import DEFAULT, Profile
from ._response_extras import NO_EXTRAS
from ._response_order import STATE_AFTER, HTTPState, out_of_order
from ._rule import Verdict
from ._rules import Judge, Strictness
from ._texts import shorten

_LONGEST_LENGTH = 19


class HTTPProtocol(Protocol):
    """The rules of one request and its response.

    :param method: the request's method, in upper case
    :param spec_version: announced version of the sub-specification
    :param extensions: names of the announced extensions
    :param strictness: how strictly to judge, ``None`` for the usual
    :param profile: the shape of the events
    :ivar profile: the same
    :ivar state: how far the response has come
    :ivar status: status of the response, ``0`` before its start
    :ivar headers: headers of the response, list of ``(bytes, bytes)``
    :ivar debug: ``info`` of the debug message, ``None`` without one
    :ivar extras: what came along with the response by means of extensions
    :ivar disconnected: whether the client left before the response was complete
    """

    scope_type = "http"

    def __init__(
        self,
        method: str,
        spec_version: str = "2.3",
        extensions: Collection[str] = (),
        strictness: Strictness | None = None,
        profile: Profile = DEFAULT,
    ) -> None:
        super().__init__(spec_version, extensions, strictness)
        self.profile = profile
        self.state = HTTPState.NOT_STARTED
        self.status = 0
        self.headers: Headers = []
        self.debug: dict[str, object] | None = None
        self.extras = NO_EXTRAS
        self.disconnected = False
        self._method = method
        self._request_events: deque[Message] = deque()
        self._request_complete = False
        self._request_received = False
        self._finished = False
        self._has_no_body = False
        self._declared_length: int | None = None
        self._sent_length = 0
        self._last_part = ""
        self._promised_trailers = False
        self._file: Message = {}
        self._before_file = self.state

    @property
    def started(self) -> bool:
        """Whether ``http.response.start`` was sent."""
        return self.state is not HTTPState.NOT_STARTED

    @property
    def sent_body(self) -> bool:
        """Whether a first body message was sent."""
        return self.state not in (HTTPState.NOT_STARTED, HTTPState.STARTED)

    @property
    def complete(self) -> bool:
        """Whether the last part of the response was sent (HTTP-BODY-04)."""
        return self.state is HTTPState.COMPLETE

    @property
    def whole(self) -> bool:
        """Whether the client has all of the response: what has no body is whole at its start."""
        if self.state is HTTPState.COMPLETE:
            return True
        return self._has_no_body and self.started

    @property
    def wants_body(self) -> bool:
        """Whether ``receive()`` would have to wait for more of the request's body."""
        return not (
            self._request_events or self._request_complete or self.disconnected or self.complete
        )

    def add_body(self, chunk: bytes, more_body: bool) -> None:
        """Take a part of the request's body from the client.

        :param chunk: the bytes
        :param more_body: whether more will follow
        """
        self._request_events.extend(self.profile.request_events(chunk, more_body))
        self._request_complete = not more_body

    def disconnect(self) -> None:
        """Note that the client has left."""
        self.disconnected = self.disconnected or not self.complete

    def next_event(self) -> Message | None:
        """Return the event that ``receive()`` gives now, ``None`` if it has to wait.

        :raises ProtocolError: if the application asks for ever after the end (HTTP-REQ-08)
        """
        # HTTP-REQ-06: once the response is complete, a body that was never read is not offered.
        # After the application's end a task of its own may still ask, and must not wait for ever.
        if self.complete or self._finished:
            return self._repeat({"type": "http.disconnect"})
        if self._request_events:
            self._request_received = True
            return self._request_events.popleft()
        # HTTP-DISC-02: what was sent before the client left comes first.
        if self.disconnected:
            return self._repeat({"type": "http.disconnect"})
        # HTTP-REQ-05: nothing more will come before the response is complete.
        return None

    def is_deaf(self) -> bool:
        """Tell whether the client has left; raise that from version 2.4 on (HTTP-DISC-04)."""
        if self.disconnected and self.spec_version >= (2, 4):
            raise ClientDisconnected("the client has left; nothing can be sent to it any more")
        return self.disconnected

    def finish(self, *, raised: bool = False) -> None:
        """Note that the application is through (HTTP-BODY-06, HTTP-BODY-07).

        :param raised: whether it raised, and so has an excuse
        """
        self._finished = True
        # HTTP-DISC-05: whom nobody listens to may stop where it is.
        if raised or self.complete or self.disconnected:
            return
        if self.state is HTTPState.BEFORE_TRAILERS:
            self.note(
                ProtocolError(
                    "the application returned without sending the last of the trailers that its "
                    "http.response.start promised (trailers=True); an http.response.trailers with "
                    "more_trailers=False is missing",
                    rule="EXT-TRAIL-01",
                )
            )
        elif self.started:
            said = (
                f"its last {self._last_part} said more_body=True"
                if self._last_part
                else "no http.response.body was sent"
            )
            self.note(
                ProtocolError(
                    f"the application returned without completing the response: status "
                    f"{self.status} and {self._sent_length} bytes of body came, and {said}",
                    rule="HTTP-BODY-06",
                )
            )
        else:
            self.note(
                ProtocolError(
                    "the application returned without starting a response; "
                    "was every send() awaited?",
                    rule="HTTP-BODY-07",
                )
            )

    def describe(self) -> str:
        """Tell in one sentence where request and response stand."""
        if not self._request_received:
            request = "the request was not received"
        elif self._request_events and not self.complete:
            request = "parts of the request body wait to be received"
        elif self._request_complete and not self._request_events:
            request = "the request body was received whole (its last event had more_body=False)"
        else:
            request = "the request body was not received whole"
        left = "; the client has left" if self.disconnected else ""
        return f"the response is {self.state.value}; {request}{left}"

    def _apply(self, message: Message) -> Message | None:
        message_type = message["type"]
        state = STATE_AFTER[self.state].get(message_type)
        if state is None:
            self.judge(out_of_order(self.state, message_type, self._promised_trailers))
            return None
        if message_type == "http.response.body":
            state = self._body(message, state)
        elif message_type == "http.response.start":
            self._start(message)
        elif message_type == "http.response.debug":
            self._debug(message)
        elif message_type == "http.response.template":
            self.debug = {"template": message["template"], "context": message["context"]}
        elif state is HTTPState.IN_FILE:
            self._file, self._before_file = message, self.state
        else:
            state = self._extra(message, state)
        self.state = state
        return message

    def _extra(self, message: Message, state: HTTPState) -> HTTPState:
        message_type = message["type"]
        if message_type == "http.response.push" and state is HTTPState.NOT_STARTED:
            self.judge(
                ProtocolError(
                    "http.response.push: must come after http.response.start",
                    rule="EXT-PUSH-01",
                    message_type=message_type,
                ),
                Verdict.LENIENT,
            )
        self.extras = self.extras.with_message(message)
        is_last = message_type == "http.response.trailers" and not message["more_trailers"]
        return HTTPState.COMPLETE if is_last else state

    def add_file_part(self, part: bytes, more: bool) -> Message:
        """Take a part of the file that the application sends.

        :param part: the bytes
        :param more: whether more of the file will follow
        :return: the part, as a body message
        :raises ProtocolError: if it breaks a rule about bodies; the file is then given up
        """
        message_type = self._file["type"]
        more_body = more or self._file.get("more_body", False)
        message: Message = {"type": message_type, "body": part, "more_body": more_body}
        try:
            self.state = self._body(message, HTTPState.IN_FILE if more else HTTPState.IN_BODY)
        except ProtocolError as violation:
            self.refuse_file(violation)
            raise
        return message

    def refuse_file(self, violation: ProtocolError) -> None:
        """Give up the file that the application sends, for it breaks a rule.

        :param violation: the broken rule
        """
        self.state = self._before_file
        self.latch(violation)

    @property
    def drops_body(self) -> bool:
        """Whether nothing of the response's body is sent (HTTP-FRAME-04)."""
        return self._method == "HEAD"

    def _start(self, message: Message) -> None:
        self._check_received()
        status = check_status(message, self.judge)
        if message["trailers"] and "http.response.trailers" not in self.extensions:
            self.judge(
                ProtocolError(
                    "http.response.start: trailers must be False, for the "
                    "'http.response.trailers' extension is not announced",
                    rule="HTTP-START-14",
                    message_type="http.response.start",
                )
            )
            message["trailers"] = False
        self._promised_trailers = message["trailers"]
        length = declared_length(message, self.judge)
        # RFC 9110, section 8.6: these three carry the length of a body that is not sent.
        self._has_no_body = self._method == "HEAD" or status in (204, 304)
        self._declared_length = None if self._has_no_body else length
        self.status = status
        # HTTP-START-12: framing is the server's, so this header must not reach the client.
        self.headers = [pair for pair in message["headers"] if pair[0] != b"transfer-encoding"]

    def _check_received(self) -> None:
        # Frameworks answer a request without a body before they ask for one, and servers take it.
        if self.judge.strict and not self._request_received:
            self.judge(
                ProtocolError(
                    "http.response.start: was sent before the application received an event",
                    rule="HTTP-REQ-03",
                    message_type="http.response.start",
                ),
                Verdict.LENIENT,
            )

    def _debug(self, message: Message) -> None:
        if self.debug is not None:
            raise ProtocolError(
                "http.response.debug: was sent a second time",
                rule="EXT-DEBUG-01",
                message_type="http.response.debug",
            )
        self.debug = message["info"]

    def _body(self, message: Message, state: HTTPState) -> HTTPState:
        body: bytes = message["body"]
        if body and self.status in (204, 304):
            self.judge(
                ProtocolError(
                    f"{message['type']}: body must be empty with status {self.status}, "
                    f"not {shorten(body)}",
                    rule="HTTP-FRAME-05",
                    message_type=message["type"],
                )
            )
            body = message["body"] = b""
        length = self._sent_length + len(body)
        if self._declared_length is not None:
            self._check_length(message, length, self._declared_length)
        self._sent_length = length
        self._last_part = message["type"]
        if self.drops_body:
            # HTTP-FRAME-04: frameworks send the body all the same, and servers drop it.
            message["body"] = b""
        if message["more_body"]:
            return state
        return HTTPState.BEFORE_TRAILERS if self._promised_trailers else HTTPState.COMPLETE

    def _check_length(self, message: Message, length: int, declared: int) -> None:
        if length == declared:
            return
        if length < declared and message["more_body"]:
            return
        problem = "comes to more than" if length > declared else "ends before"
        self.judge(
            ProtocolError(
                f"{message['type']}: the body {problem} the content-length of {declared} bytes: "
                f"{length} bytes were sent",
                rule="HTTP-FRAME-03",
                message_type=message["type"],
            )
        )


def check_status(message: Message, judge: Judge) -> int:
    """Return the status of a response start.

    :param message: a checked ``http.response.start``
    :param judge: knows what is accepted
    :raises ProtocolError: if it is no final status (RFC 9110, section 15)
    """
    status: int = message["status"]
    if not 200 <= status <= 599:
        judge(
            ProtocolError(
                f"{message['type']}: status must be a final one, from 200 to 599, "
                f"not {shorten(status)}",
                rule="HTTP-START-03",
                message_type=message["type"],
            )
        )
    return status


def declared_length(message: Message, judge: Judge) -> int | None:
    """Return the ``content-length`` of a response start in bytes, ``None`` without one.

    :param message: a checked ``http.response.start``
    :param judge: knows what is accepted
    :raises ProtocolError: if it is not one non-negative integer (RFC 9110, section 8.6)
    """
    values = {value for name, value in message["headers"] if name == b"content-length"}
    if not values:
        return None
    value = values.pop()
    # More digits than these are no length of anything, and too many to make an int of.
    if values or not value.isdigit() or len(value) > _LONGEST_LENGTH:
        shown = b", ".join(sorted({value, *values}))
        judge(
            ProtocolError(
                f"{message['type']}: content-length must be one non-negative integer, "
                f"not {shorten(shown)}",
                rule="HTTP-FRAME-02",
                message_type=message["type"],
            )
        )
        return None
    return int(value)
