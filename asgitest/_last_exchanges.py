"""The last exchanges of a test, in the text of what it fails with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ._body_text import cut
from ._exception_text import append_text, remove_text
from ._protocol._texts import shorten
from ._recorded import RecordedExchange
from ._shown_exchanges import take_shown
from ._transcript_text import Detail, describe_exchange, summarize_exchange
from .transcript import Transcript

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

_HEADING = "The last exchanges before this, the oldest first:"
# Exchanges that are named, and how many of them are shown whole.
_NAMED = 10
_WHOLE = 3
# Characters that those may take, what is shown of a body and of a line, messages of a WebSocket.
_TEXT_LIMIT = 4096
_BODY_LIMIT = 1000
_LINE_LIMIT = 300
_MESSAGE_LIMIT = 20


# Where an exception keeps what was added to it.
_TOLD = "_asgitest_told"


class _Told(NamedTuple):
    # When the test began that the exception failed.
    since: float
    text: str


class _Entry(NamedTuple):
    exchange: RecordedExchange
    # Position of the client among those that exchanged something, from 1 on.
    client: int


def tell_last_exchanges(
    error: BaseException, transcripts: Iterable[Transcript], since: float
) -> None:
    """Add the last exchanges to the text of an exception, unless that shows them all.

    :param error: what a test fails with
    :param transcripts: those of the test's clients
    :param since: when the test began, on the monotonic clock
    """
    shown = take_shown(error)
    told: _Told | None = error.__dict__.get(_TOLD)
    if told is not None:
        if told.since == since:
            # It came by here before, out of a subtest.
            return
        # One that is raised again and again.
        remove_text(error, told.text)
    entries, is_one_client = _entries_of(transcripts, since)
    last = entries[-_NAMED:]
    if all(entry.exchange in shown for entry in last):
        return
    detail = Detail(_BODY_LIMIT, _LINE_LIMIT, _MESSAGE_LIMIT, shorten(error))
    blocks = list(_describe_entries(last, shown, since, detail, is_one_client))
    if len(entries) > len(last):
        blocks.append(f"({len(entries) - len(last)} before these)")
    text = f"\n{_HEADING}\n\n{_join(reversed(blocks))}"
    append_text(error, text)
    error.__dict__[_TOLD] = _Told(since, text)


def _describe_entries(
    entries: list[_Entry],
    shown: list[RecordedExchange],
    since: float,
    detail: Detail,
    is_one_client: bool,
) -> Iterator[str]:
    """Yield the text of each entry, from the last one on, which is the most likely to tell why."""
    whole, room = _WHOLE, _TEXT_LIMIT
    for exchange, client in reversed(entries):
        start = f"{exchange.began - since:.3f} s  {'' if is_one_client else f'client {client}: '}"
        if exchange in shown:
            yield f"{start}{summarize_exchange(exchange)} (shown above)"
            continue
        text = describe_exchange(exchange, since, detail) if whole else ""
        if whole == _WHOLE or (whole and len(text) <= room):
            yield f"{start}{cut(text, _TEXT_LIMIT)}"
            whole, room = whole - 1, room - len(text)
        else:
            yield f"{start}{summarize_exchange(exchange)}"
            whole = 0


def _entries_of(transcripts: Iterable[Transcript], since: float) -> tuple[list[_Entry], bool]:
    of_clients = (
        [exchange for exchange in transcript.exchanges if exchange.began >= since]
        for transcript in transcripts
    )
    entries = [
        _Entry(exchange, client)
        for client, exchanges in enumerate(filter(None, of_clients), 1)
        for exchange in exchanges
    ]
    entries.sort(key=lambda entry: entry.exchange.began)
    return entries, all(entry.client == 1 for entry in entries)


def _join(blocks: Iterable[str]) -> str:
    """Put an empty line between blocks, unless both are single lines."""
    text = ""
    before = ""
    for block in blocks:
        if text:
            text += "\n\n" if "\n" in before or "\n" in block else "\n"
        text += block
        before = block
    return text
