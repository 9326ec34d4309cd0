"""Server-sent events, parsed as the HTML standard says (section 9.2.6)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple


class ServerSentEvent(NamedTuple):
    """One event of an event stream.

    :ivar data: its data, lines joined by line feeds
    :ivar event: its type
    :ivar id: the last id that was sent, with it or before it
    :ivar retry: the reconnection time that was sent with it, in milliseconds, ``None`` for none
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None


class EventStreamParser:
    """Turns the bytes of an event stream into events, however they are cut.

    :ivar is_inside: whether there is something that no empty line has ended, and that is dropped
        if nothing follows
    """

    def __init__(self) -> None:
        self.is_inside = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._is_first = True
        self._was_return = False
        self._last_id = ""
        self._data: list[str] = []
        self._event = ""
        self._retry: int | None = None
        self._has_fields = False

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that are complete with some more bytes.

        :param data: the bytes
        """
        text = self._decoder.decode(data)
        if self._is_first and text:
            self._is_first = False
            text = text.removeprefix("\ufeff")
        for line in self._complete_lines(text):
            event = self._take(line)
            if event is not None:
                yield event

    def _complete_lines(self, text: str) -> Iterator[str]:
        if self._was_return and text:
            # The second half of a line end, of which the first one ended the line already.
            self._was_return = False
            text = text.removeprefix("\n")
        if text.endswith("\r"):
            self._was_return = True
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines[0] = self._line + lines[0]
        self._line = lines.pop()
        yield from lines
        self.is_inside = self._has_fields or bool(self._line)

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        if field:
            self._has_fields = True
            self._take_field(field, value.removeprefix(" "))
        return None

    def _take_field(self, field: str, value: str) -> None:
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._last_id = value
        elif field == "retry" and value.isascii() and value.isdecimal():
            self._retry = int(value)

    def _dispatch(self) -> ServerSentEvent | None:
        event = None
        if self._data:
            data = "\n".join(self._data)
            event = ServerSentEvent(data, self._event or "message", self._last_id, self._retry)
        self._clear()
        return event

    def _clear(self) -> None:
        self._data = []
        self._event = ""
        self._retry = None
        self._has_fields = False


class EventStreamReader:
    """Reads the events of a response, one by one, as far as they are asked for.

    :param pieces: the body, in pieces as they come
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._parser = EventStreamParser()
        self._events: list[ServerSentEvent] = []

    @property
    def is_inside(self) -> bool:
        """Whether the body stopped inside an event."""
        return self._parser.is_inside

    def next_event(self) -> ServerSentEvent | None:
        """Return the next event, ``None`` at the end of the body.

        :raises BaseException: what reading the body raises
        """
        while not self._events:
            piece = next(self._pieces, b"")
            if not piece:
                return None
            self._events += self._parser.feed(piece)
        return self._events.pop(0)
