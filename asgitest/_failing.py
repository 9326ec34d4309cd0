"""How an assertion of a mixin fails: as unittest's own do, with ``msg`` and ``longMessage``."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from ._descriptions import describe_exchange, describe_session
from ._shown_exchanges import note_shown
from .exceptions import DeadlineExceeded

if TYPE_CHECKING:
    import unittest

    from ._async_websocket import AsyncWebSocketSession
    from .websocket import WebSocketSession

    #: What the mixins are mixed into.
    TestCaseMixin = unittest.TestCase
else:
    TestCaseMixin = object

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

# Of an exception whose last frames are those of an assertion.
_IS_LATE = "_asgitest_is_late"


def fail(case: unittest.TestCase, msg: Any, text: str, *shown: Any) -> NoReturn:
    """Fail with a text.

    :param case: the test case
    :param msg: what the test wants to be said beside it, or instead
    :param text: what is wrong
    :param shown: responses whose exchange the text shows
    """
    error = case.failureException(case._formatMessage(msg, text))
    # With longMessage off, the test's own words may have taken its place.
    if text in str(error):
        note_shown(error, *shown)
    raise error


def fail_exchange(case: unittest.TestCase, msg: Any, problem: str, response: Any) -> NoReturn:
    """Fail because of a response, with what led to it.

    :param case: the test case
    :param msg: what the test wants to be said beside it, or instead
    :param problem: what was expected, and what came
    :param response: a :class:`requests.Response`
    """
    fail(case, msg, f"{problem}\n\n{describe_exchange(response)}", response)


def fail_session(
    case: unittest.TestCase,
    msg: Any,
    problem: str,
    session: WebSocketSession | AsyncWebSocketSession,
) -> NoReturn:
    """Fail because of a WebSocket, with its messages.

    :param case: the test case
    :param msg: what the test wants to be said beside it, or instead
    :param problem: what was expected, and what came
    :param session: the session, which was entered
    """
    fail(case, msg, f"{problem}\n\n{describe_session(session)}", session.response)


def fail_late(case: unittest.TestCase, msg: Any, problem: str, error: DeadlineExceeded) -> NoReturn:
    """Fail because a deadline passed; what is raised is still a :class:`DeadlineExceeded`.

    :param case: the test case
    :param msg: what the test wants to be said beside it, or instead
    :param problem: what was expected
    :param error: what was raised, its text a report of where everything stands
    """
    error.args = (case._formatMessage(msg, f"{problem}: {error}"),)
    error.__dict__[_IS_LATE] = True
    raise error.with_traceback(None)


def hide_frames(error: BaseException) -> None:
    """Leave an assertion's own frames out of the traceback of what :func:`fail_late` raised.

    unittest does so itself, but for ``failureException`` alone.

    :param error: what a test failed with
    """
    if not error.__dict__.pop(_IS_LATE, False):
        return
    # Those of unittest and of the test case come first, then the test, and behind that the rest.
    level = error.__traceback__
    while level is not None and _is_hidden(level):
        level = level.tb_next
    while level is not None and level.tb_next is not None:
        if _is_hidden(level.tb_next):
            level.tb_next = None
        level = level.tb_next


def _is_hidden(level: TracebackType) -> bool:
    return "__unittest" in level.tb_frame.f_globals
