"""Assertions about the startup and the shutdown of an application."""

from __future__ import annotations

import re
from typing import Any

from ._descriptions import describe_traceback
from ._expectations import check_expectation, describe_expectation
from ._failing import TestCaseMixin, fail
from .client import TestClient
from .exceptions import DeadlineExceeded, LifespanError, ProtocolError

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

# Options that a client has from the class of the test case, where that has them.
_INHERITED = ("backend", "backend_options", "portal", "timeout")


class LifespanAssertions(TestCaseMixin):
    """Assertions about the startup and the shutdown of an application."""

    def assertStarts(self, app: Any, msg: Any = None, **options: Any) -> dict[str, Any]:
        """Fail unless an application starts up, and shuts down.

        :param app: the application
        :param msg: what to say beside it
        :param options: those of :class:`asgitest.TestClient`. ``lifespan="on"`` demands that the
            application supports lifespans; a test case's own backend and timeout are in force
        :return: the state that it left
        :raises DeadlineExceeded: if it does not answer
        """
        stage = "start"
        try:
            with _client(self, app, options) as client:
                stage = "shut down"
            return client.state
        except (DeadlineExceeded, ProtocolError):
            # They explain themselves.
            raise
        except Exception as error:
            problem = f"expected the application to {stage}, but {_explain(error)}"
        fail(self, msg, problem)

    def assertStartupFails(
        self, app: Any, message: Any = None, msg: Any = None, **options: Any
    ) -> BaseException:
        """Fail unless the startup of an application fails.

        That is so if it answers ``lifespan.startup.failed``, or raises before it has answered.

        :param app: the application
        :param message: a part of the message of the failure, or of the exception; or a compiled
            pattern that has to be found there. ``None`` for any
        :param msg: what to say beside it
        :param options: those of :class:`asgitest.TestClient`; ``lifespan`` is ``"on"`` if it is
            not given
        :return: what the client raised, a :class:`asgitest.LifespanError` or the exception
        :raises DeadlineExceeded: if the application does not answer
        """
        if message is not None:
            check_expectation(message, "the message of a startup that fails")
        problem = f"expected the startup of the application to fail{_describe_message(message)}"
        client = _client(self, app, {"lifespan": "on", **options})
        try:
            client.__enter__()
        except (DeadlineExceeded, ProtocolError):
            raise
        except Exception as error:
            if message is None or _is_found(message, error):
                return error
            problem += f", but {_explain(error)}"
        else:
            client.close()
            problem += ", but it started"
        fail(self, msg, problem)


def _client(case: Any, app: Any, options: dict[str, Any]) -> TestClient:
    inherited = {name: getattr(case, name) for name in _INHERITED if hasattr(case, name)}
    return TestClient(app, **{**inherited, **options})


def _describe_message(message: Any) -> str:
    if message is None:
        return ""
    contains = "" if isinstance(message, re.Pattern) else "that contains "
    return f" with a message {contains}{describe_expectation(message)}"


def _is_found(message: Any, error: BaseException) -> bool:
    words = error.message if isinstance(error, LifespanError) else str(error)
    if isinstance(message, re.Pattern):
        return message.search(words) is not None
    return str(message) in words


def _explain(error: Exception) -> str:
    """Tell what the application reported or raised, with the traceback of the latter."""
    if not isinstance(error, LifespanError):
        return f"it raised:\n{describe_traceback(error)}"
    if error.__cause__ is None:
        return str(error)
    return f"{error}\nIt raised, too:\n{describe_traceback(error.__cause__)}"
