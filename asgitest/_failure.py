"""What the test is shown when an application fails."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import requests
from urllib3.exceptions import ProtocolError as BrokenResponse

from ._backend import is_cancellation
from ._connection import Connection
from ._http_connection import HTTPProgress
from ._protocol._texts import shorten
from ._warn import warn_of
from ._websocket_connection import WebSocketProgress
from .exceptions import ASGITestError, ASGIWarning, DeadlineExceeded


class RequestDeadlineExceeded(DeadlineExceeded, requests.Timeout):
    """Raised when the deadline of a request passes; ``except requests.Timeout`` catches it."""

    def __init__(
        self, text: str, *, waiting_for: str, request: requests.PreparedRequest | None = None
    ) -> None:
        requests.Timeout.__init__(self, text, request=request)
        self.waiting_for = waiting_for


# Failures show it by the name it is imported by.
RequestDeadlineExceeded.__module__ = __package__ or __name__


def raise_failure(
    connection: Connection[Any],
    progress: HTTPProgress | WebSocketProgress,
    raise_server_exceptions: bool,
) -> BaseException | None:
    """Raise what the test has to see; else warn of what it should see.

    A violation comes first, whatever the application did about it (ERR-03), then the
    application's own exception.

    :param connection: has the breaches to warn of, and the event loop, which is asked whether a
        cancellation is its own end
    :param progress: how far the connection came
    :param raise_server_exceptions: whether the test wants the application's own exceptions
    :return: the exception that the test does not want
    """
    __tracebackhide__ = True
    connection.is_told = True
    try:
        hidden = _raise_failure(connection, progress, raise_server_exceptions)
    except BaseException:
        # What failed comes first, also where warnings are errors.
        with contextlib.suppress(ASGIWarning):
            warn_of(connection.breaches)
        raise
    warn_of(connection.breaches)
    return hidden


def _raise_failure(
    connection: Connection[Any],
    progress: HTTPProgress | WebSocketProgress,
    raise_server_exceptions: bool,
) -> BaseException | None:
    __tracebackhide__ = True
    error, violation = progress.error, progress.violation
    if violation is not None:
        if not progress.ended:
            # unittest's assertRaises clears the frames of what it catches, and clearing the frame
            # of a coroutine closes it: the application, which swallowed the violation, still runs
            # in these. Those of the cause are left alone.
            raise copy.copy(violation).with_traceback(None) from violation
        if error is not None and not _follows_from(error, violation):
            violation.__context__ = error
        raise violation
    if error is None:
        return None
    if is_cancellation(error):
        connection.portal.confirm_alive()
    if raise_server_exceptions or isinstance(error, ASGITestError):
        raise error
    return error


def broken_response(error: BaseException) -> BrokenResponse:
    """Build the error of a response that breaks off; requests raises its own for it.

    :param error: what the application raised
    """
    broken = BrokenResponse(f"the response broke off, for the application raised {shorten(error)}")
    broken.__cause__ = error
    return broken


def _follows_from(error: BaseException, violation: BaseException) -> bool:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        if link is violation:
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False
