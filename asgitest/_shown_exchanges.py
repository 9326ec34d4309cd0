"""Which exchanges the text of an exception shows already."""

from __future__ import annotations

from typing import Any

from ._recorded import RecordedExchange

# Kept with the exception itself: another one may be raised in its place.
_ATTRIBUTE = "_asgitest_shown_exchanges"


def note_shown(error: BaseException, *responses: Any) -> None:
    """Note that the text of an exception shows what led to responses.

    :param error: the exception
    :param responses: each a :class:`requests.Response`, one that a redirect led to shows that too;
        or a :class:`RecordedExchange`
    """
    shown = error.__dict__.setdefault(_ATTRIBUTE, [])
    for response in responses:
        if isinstance(response, RecordedExchange):
            shown.append(response)
            continue
        for one in (*response.history, response):
            # Of another session, nothing was recorded.
            exchange = getattr(one, "recorded", None)
            if exchange is not None:
                shown.append(exchange)


def take_shown(error: BaseException) -> list[RecordedExchange]:
    """Return the exchanges that the text of an exception shows, and forget them.

    :param error: the exception
    """
    shown: list[RecordedExchange] = error.__dict__.pop(_ATTRIBUTE, [])
    return shown
