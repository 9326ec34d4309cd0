"""Every exception and warning that asgitest raises.

This module knows no other: neither the protocol, nor the event loop, nor requests.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar

__all__ = [
    "ASGITestError",
    "ASGIWarning",
    "ClientDisconnected",
    "DeadlineExceeded",
    "LeftoverError",
    "LifespanError",
    "ProtocolError",
    "UnexpectedMessage",
    "WebSocketDenied",
    "WebSocketDisconnect",
]


class ASGITestError(Exception):
    """Base of what asgitest raises in a test; raised itself when the library is used wrongly."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Test runners that use several processes send exceptions from one to the other, and the
        # usual way calls the class with the arguments that its text was made of.
        kind = next(cls for cls in type(self).__mro__ if "_is_combined" not in vars(cls))
        return _rebuild, (kind, self.args, self.__dict__.copy())


class ProtocolError(ASGITestError, AssertionError):
    """Raised when the application breaks a rule of the ASGI text or of the protocol it carries.

    It is raised out of the application's ``send()``, and again by the client's call.

    :ivar rule: id of the broken rule, such as ``"HTTP-START-05"``
    :ivar message_type: type of the offending message, such as ``"http.response.start"``;
        ``None`` when it is not one message that breaks the rule
    """

    def __init__(self, text: str, *, rule: str, message_type: str | None = None) -> None:
        super().__init__(f"{text} [{rule}]")
        self.rule = rule
        self.message_type = message_type


class LifespanError(ASGITestError, AssertionError):
    """Raised when the application reports that its startup or shutdown failed.

    :ivar stage: ``"startup"`` or ``"shutdown"``
    :ivar message: the application's own words, ``""`` if it gave none
    """

    def __init__(self, text: str, *, stage: str, message: str = "") -> None:
        # Not super(), which in a class made of this one and of a cause's may be anybody's.
        Exception.__init__(self, text)
        self.stage = stage
        self.message = message


class LeftoverError(ASGITestError, AssertionError):
    """Raised with ``strict=True`` when something is left running or open behind a test."""


class DeadlineExceeded(ASGITestError, AssertionError, TimeoutError):
    """Raised when a wait lasted longer than its deadline; the text shows where everything stood.

    :ivar waiting_for: what was awaited, in words
    """

    def __init__(self, text: str, *, waiting_for: str) -> None:
        super().__init__(text)
        self.waiting_for = waiting_for


class UnexpectedMessage(ASGITestError, AssertionError):
    """Raised when a WebSocket message of another kind came than the one that was asked for.

    :ivar event: the ``websocket.send`` message that came
    """

    def __init__(self, text: str, *, event: dict[str, Any]) -> None:
        super().__init__(text)
        self.event = event


class WebSocketDisconnect(ASGITestError):
    """Raised in a test when its WebSocket is closed and nothing more can be exchanged.

    :ivar code: close code (RFC 6455, section 7.4)
    :ivar reason: close reason, ``""`` when there is none
    :ivar explanation: who closed it, in words
    """

    def __init__(
        self,
        code: int = 1000,
        reason: str | None = None,
        explanation: str = "the WebSocket is closed",
    ) -> None:
        self.code = code
        self.reason = reason or ""
        self.explanation = explanation

    # What is shown behind the text, where Python has no notes.
    _addition = ""

    def __str__(self) -> str:
        return f"{self._words()}{self._addition}"

    def _words(self) -> str:
        reason = f", reason {self.reason!r}" if self.reason else ""
        return f"{self.explanation}: code {self.code}{reason}"


class WebSocketDenied(WebSocketDisconnect):
    """Raised when the application refuses the handshake of a WebSocket.

    :ivar response: the answer to the handshake, a :class:`requests.Response`
    :ivar code: close code that the application gave; it never reaches a client on a network
    """

    response: Any = None

    def _words(self) -> str:
        reason = f", reason {self.reason!r}" if self.reason else ""
        if self.response is None:
            return f"the application denied the WebSocket: close code {self.code}{reason}"
        # It sent a close message or a response, of which the one has a code, the other a body.
        words = self.response.text
        if len(words) > _SHOWN_BODY:
            words = f"{words[:_SHOWN_BODY]}..."
        more = f": {words}" if words else f" (close code {self.code}{reason})"
        return (
            f"the application denied the WebSocket ws{self.response.url[4:]}: it answered the "
            f"handshake with status {self.response.status_code}{more}"
        )


# Characters of a denial response's body that its exception shows.
_SHOWN_BODY = 200


class ClientDisconnected(OSError):
    """Raised inside the application, out of ``send()``, when the client has left.

    Sources: HTTP-DISC-04, WS-DISC-05. An application may let it escape: that is no failure.
    """


class ASGIWarning(UserWarning):
    """Warned of what a server accepts although it hints at a mistake in the application."""


def websocket_disconnect(code: int, reason: str, explanation: str) -> WebSocketDisconnect:
    """Build the exception for a closed WebSocket.

    :param code: close code
    :param reason: close reason
    :param explanation: who closed it, in words
    :return: a :class:`WebSocketDisconnect`; while :mod:`starlette.websockets` is loaded, one that
        ``except starlette.websockets.WebSocketDisconnect`` catches as well
    """
    return _catchable(WebSocketDisconnect)(code, reason, explanation)


def websocket_denied(response: Any, code: int, reason: str) -> WebSocketDenied:
    """Build the exception for a refused handshake.

    :param response: the answer to the handshake
    :param code: close code that the application gave
    :param reason: close reason that the application gave
    :return: a :class:`WebSocketDenied`, catchable as :func:`websocket_disconnect` says
    """
    denied = _catchable(WebSocketDenied)(code, reason)
    denied.response = response
    return denied


def lifespan_error(
    text: str, *, stage: str, message: str, cause: BaseException | None
) -> LifespanError:
    """Build the exception for a startup or shutdown that failed.

    :param text: what to say
    :param stage: ``"startup"`` or ``"shutdown"``
    :param message: the application's own words
    :param cause: what the application raised, ``None`` for nothing
    :return: a :class:`LifespanError`, which ``except`` lines for the cause catch as well
    """
    kind: type[LifespanError] = LifespanError
    if isinstance(cause, Exception) and not isinstance(cause, LifespanError):
        kind = _combine(LifespanError, type(cause))
    error = _blank(kind, text)
    if kind is not LifespanError:
        # Whoever catches it as what it was reads its attributes, too.
        error.__dict__.update(vars(cause))
    LifespanError.__init__(error, text, stage=stage, message=message)
    error.__cause__ = cause
    return error


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, where Python shows notes (from 3.11 on).

    :param error: an exception that is about to reach the test
    :param note: what to say beside its text
    """
    if sys.version_info >= (3, 11):
        error.add_note(note)


_Disconnect = TypeVar("_Disconnect", bound=WebSocketDisconnect)
_Error = TypeVar("_Error", bound=ASGITestError)


def _catchable(ours: type[_Disconnect]) -> type[_Disconnect]:
    theirs = getattr(sys.modules.get("starlette.websockets"), "WebSocketDisconnect", None)
    return ours if theirs is None else _combine(ours, theirs)


def _combine(ours: type[_Error], theirs: type[BaseException]) -> type[_Error]:
    # Suites that move here keep their ``except`` lines, so the class has to be both.
    if (ours, theirs) not in _combined:
        _combined[ours, theirs] = _made_of(ours, theirs)
    combined: type[_Error] = _combined[ours, theirs]
    return combined


# The flag of a class that was made by a class statement.
_HEAP_TYPE = 1 << 9
_combined: dict[tuple[type, type], Any] = {}


def _made_of(ours: type[_Error], theirs: type[BaseException]) -> type[_Error]:
    attributes = {"__module__": __name__, "__str__": ours.__str__, "_is_combined": True}
    # A traceback shows a SyntaxError by fields that ours does not have.
    if issubclass(theirs, SyntaxError):
        return ours
    try:
        combined = type(ours.__name__, (ours, theirs), attributes)
        _blank(combined, "")
    except Exception:
        # Not every class may be a base, and not every instance be made without its arguments.
        return ours
    return combined


def _blank(kind: type[_Error], *args: Any) -> _Error:
    # Without __init__, which may be anybody's; and by the __new__ of the builtin class that gives
    # instances their layout, for Python refuses every other.
    builtin: type = kind
    while builtin.__flags__ & _HEAP_TYPE and builtin.__base__ is not None:
        builtin = builtin.__base__
    error: _Error = builtin.__new__(kind, *args)
    return error


def _rebuild(kind: Any, args: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    if issubclass(kind, WebSocketDisconnect):
        kind = _catchable(kind)
    error = _blank(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error
