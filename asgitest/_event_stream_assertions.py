"""The assertion about server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ._event_stream import EventStreamReader, ServerSentEvent
from ._failing import TestCaseMixin, fail_exchange, fail_late
from ._json_differences import find_differences
from ._protocol._texts import shorten
from ._raw_response import describe_status
from ._response_assertions import is_of_type
from ._response_content import is_read
from .exceptions import DeadlineExceeded

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

_KEYS = ("data", "event", "id", "retry")
# Events that a failure shows, the last ones.
_SHOWN_EVENTS = 10


class EventStreamAssertions(TestCaseMixin):
    """The assertion about server-sent events."""

    def assertEventStream(self, response: Any, events: Sequence[Any], msg: Any = None) -> None:
        """Fail unless a response is an event stream with the expected events.

        It has to have status 200 and content type ``text/event-stream``, or no browser reads it.
        Of a streamed response (``stream=True``) only as many events are read as are expected, so
        that it may be endless; a further call goes on behind them. Any other response has to have
        no more than these.

        :param response: a :class:`requests.Response`
        :param events: for each event a ``str``, its data, if its type is to be ``"message"``; or a
            mapping with some of ``data``, ``event``, ``id`` and ``retry``, of which those that are
            given count. Data that is no ``str`` is expected as JSON
        :param msg: what to say beside it
        :raises TypeError: if an event is none of these
        :raises DeadlineExceeded: if the next event does not come
        """
        for event in events:
            _check_event(event)
        _check_response(self, response, msg)
        reader = _reader_of(response)
        came: list[ServerSentEvent] = []
        for number, expected in enumerate(events, 1):
            headline = f"expected event {number} to have {_describe_event(expected)}"
            try:
                event = reader.next_event()
            except DeadlineExceeded as error:
                headline += f", but it did not come.\n{_describe_events(came)}\nThe reason"
                fail_late(self, msg, headline, error)
            if event is None:
                _fail_stream(self, msg, f"{headline}, but {_describe_end(reader)}", came, response)
            came.append(event)
            problems = _find_problems(expected, event)
            if problems:
                _fail_stream(self, msg, f"{headline}, but {problems}", came, response)
        if is_read(response):
            further = reader.next_event()
            if further is not None:
                came.append(further)
                problem = f"expected {len(events)} events, but there are more"
                _fail_stream(self, msg, problem, came, response)


def _check_event(expected: Any) -> None:
    if isinstance(expected, str):
        return
    if isinstance(expected, Mapping) and expected and not expected.keys() - set(_KEYS):
        return
    raise TypeError(
        f"an event must be expected as a str or a mapping with some of {', '.join(_KEYS)}, "
        f"not {expected!r}"
    )


def _check_response(case: Any, response: Any, msg: Any) -> None:
    content_type = response.headers.get("content-type", "")
    if response.status_code != 200:
        status = describe_status(response.status_code)
        problem = f"expected an event stream, but the response has {status}"
        fail_exchange(case, msg, problem, response)
    if not is_of_type(content_type, "text/event-stream"):
        came = repr(content_type) if content_type else "missing"
        problem = (
            f"expected an event stream, but the content type is {came}; browsers read "
            f"text/event-stream only"
        )
        fail_exchange(case, msg, problem, response)


def _reader_of(response: Any) -> EventStreamReader:
    if is_read(response) and response._content is not False:
        return EventStreamReader(iter([response.content]))
    reader: EventStreamReader | None = getattr(response, "_event_stream", None)
    if reader is None:
        # Kept with the response, so that the next assertion goes on where this one ends.
        reader = response._event_stream = EventStreamReader(response.iter_content(None))
    return reader


def _find_problems(expected: Any, event: ServerSentEvent) -> str:
    wanted = {"data": expected, "event": "message"} if isinstance(expected, str) else expected
    problems = []
    for key, value in wanted.items():
        came = getattr(event, key)
        if key == "data" and not isinstance(value, str):
            problems += _find_data_problems(value, came)
        elif came != value:
            problems.append(f"its {key} is {shorten(came)}")
    return "; ".join(problems)


def _find_data_problems(expected: Any, data: str) -> list[str]:
    try:
        came = json.loads(data)
    except ValueError as error:
        return [f"its data is no JSON ({error}): {shorten(data)}"]
    return [
        f"of its data {difference.path} {difference.text}"
        for difference in find_differences(expected, came)
    ]


def _describe_event(expected: Any) -> str:
    if isinstance(expected, str):
        return f"data {shorten(expected)}"
    return ", ".join(f"{key} {shorten(value)}" for key, value in expected.items())


def _describe_end(reader: EventStreamReader) -> str:
    if reader.is_inside:
        return "the stream ended inside an event: an empty line has to follow it"
    return "the stream ended"


def _describe_events(came: list[ServerSentEvent]) -> str:
    if not came:
        return "No event came."
    lines = ["The events that came:"]
    if len(came) > _SHOWN_EVENTS:
        lines.append(f"  ... ({len(came) - _SHOWN_EVENTS} before these)")
    for event in came[-_SHOWN_EVENTS:]:
        # What is the same without being sent goes without saying.
        others = event._asdict().items() - ServerSentEvent(event.data)._asdict().items()
        fields = [f"data={shorten(event.data)}"]
        fields += [f"{key}={value!r}" for key, value in sorted(others)]
        lines.append("  " + " ".join(fields))
    return "\n".join(lines)


def _fail_stream(
    case: Any, msg: Any, problem: str, came: list[ServerSentEvent], response: Any
) -> NoReturn:
    fail_exchange(case, msg, f"{problem}\n{_describe_events(came)}", response)
