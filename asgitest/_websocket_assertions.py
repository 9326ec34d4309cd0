"""Assertions about a WebSocket: its messages, its end, its handshake."""

from __future__ import annotations

import inspect
from typing import Any

from ._asking import carry_out, is_session, take_steps, watch_steps
from ._async_websocket import AsyncWebSocketSession
from ._expectations import check_expectation
from ._failing import TestCaseMixin, fail_session
from ._websocket_expectations import (
    expect_close,
    expect_denial,
    expect_json,
    expect_message,
    expect_nothing,
)
from .websocket import WebSocketSession

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

Session = WebSocketSession | AsyncWebSocketSession


class WebSocketAssertions(TestCaseMixin):
    """Assertions about WebSockets.

    Given an :class:`asgitest.AsyncWebSocketSession`, those that wait have to be awaited.
    """

    def assertWebSocketReceives(
        self,
        session: Session,
        expected: Any,
        timeout: float | None = None,
        msg: Any = None,
    ) -> Any:
        """Fail unless the next message of a WebSocket is the expected one.

        :param session: an open session; with an asynchronous one, await the assertion
        :param expected: ``str`` for a text message, ``bytes`` for a binary one, anything else for
            a text message of JSON
        :param timeout: seconds to wait; ``None`` takes the session's own deadline
        :param msg: what to say beside it
        :return: what came
        :raises BaseException: what the application raised
        """
        if isinstance(expected, (bytearray, memoryview)):
            expected = bytes(expected)
        steps = expect_message(self, session, expected, timeout, msg)
        return carry_out("assertWebSocketReceives", session, steps)

    def assertWebSocketReceivesJSON(
        self,
        session: Session,
        expected: Any,
        timeout: float | None = None,
        msg: Any = None,
        mode: str = "text",
    ) -> Any:
        """Fail unless the next message of a WebSocket is the expected JSON.

        The failure names each difference by its path, as :meth:`assertJSON` does.

        :param session: an open session; with an asynchronous one, await the assertion
        :param expected: what :func:`json.loads` has to make of it, a ``str`` too
        :param timeout: seconds to wait; ``None`` takes the session's own deadline
        :param msg: what to say beside it
        :param mode: ``"text"`` or ``"binary"``, the kind of message that has to come
        :return: what came
        :raises BaseException: what the application raised
        """
        steps = expect_json(self, session, expected, timeout, msg, mode)
        return carry_out("assertWebSocketReceivesJSON", session, steps)

    def assertWebSocketReceivesNothing(
        self, session: Session, within: float = 0.1, msg: Any = None
    ) -> Any:
        """Fail if a message comes within some seconds; the WebSocket stays as it is.

        This returns earlier only if the application has closed the WebSocket, or ended: then
        nothing can come any more.

        :param session: an open session; with an asynchronous one, await the assertion
        :param within: how long to wait, in seconds
        :param msg: what to say beside it
        :raises BaseException: what the application raised
        """
        steps = expect_nothing(self, session, within, msg)
        return carry_out("assertWebSocketReceivesNothing", session, steps)

    def assertWebSocketCloses(
        self,
        session: Session,
        code: int | None = 1000,
        reason: Any = None,
        timeout: float | None = None,
        msg: Any = None,
    ) -> Any:
        """Fail unless the application closes a WebSocket, and sends no message before that.

        :param session: an open session; with an asynchronous one, await the assertion
        :param code: the code that is expected, ``None`` for any. 1006 is that of an application
            that returned without closing, 1011 that of one whose exception was hidden
        :param reason: the reason, or a compiled pattern that has to be found in it; ``None`` for
            any
        :param timeout: seconds to wait; ``None`` takes the session's own deadline
        :param msg: what to say beside it
        :raises BaseException: what the application raised
        """
        if reason is not None:
            check_expectation(reason, "the reason of a close")
        steps = expect_close(self, session, code, reason, timeout, msg)
        return carry_out("assertWebSocketCloses", session, steps)

    def assertWebSocketSubprotocol(
        self, session: Session, expected: str | None, msg: Any = None
    ) -> None:
        """Fail unless the application accepted a WebSocket with the expected subprotocol.

        It waits for nothing, and is never awaited.

        :param session: an open session
        :param expected: the subprotocol, ``None`` for none
        :param msg: what to say beside it
        """
        came = session.accepted_subprotocol
        if came != expected:
            offered = session.scope.get("subprotocols") or "none"
            problem = (
                f"expected the application to accept subprotocol {expected!r}\n"
                f"but it accepted {came!r}; the client offered {offered}"
            )
            fail_session(self, msg, problem, session)

    def assertWebSocketDenied(
        self, target: Any, status: Any = 403, msg: Any = None, **options: Any
    ) -> Any:
        """Fail unless the application denies the handshake of a WebSocket.

        :param target: a URL, for the client of the test case; or a session that was not entered;
            or a function that opens a WebSocket, or returns such a session. With an asynchronous
            session, a coroutine function, or a URL in an asynchronous test, await the assertion
        :param status: status of the answer, as :meth:`assertStatus` takes it. It is 403 unless the
            application sent a denial response
        :param msg: what to say beside it
        :param options: for a URL, those of :meth:`asgitest.TestClient.websocket_connect`
        :return: the answer to the handshake, a :class:`requests.Response`
        :raises TypeError: if the target is none of these, or the test case has no client
        :raises BaseException: what the application raised
        """
        name = "assertWebSocketDenied"
        if isinstance(target, str):
            target = _client_of(self).websocket_connect(target, **options)
        elif options:
            raise TypeError("options are for a URL; a session or a function has its own")
        steps = expect_denial(self, target, status, msg)
        if is_session(target):
            return carry_out(name, target, steps)
        if not callable(target):
            raise TypeError(f"{name}() takes a URL, a session or a function, not {target!r}")
        if inspect.iscoroutinefunction(target):
            return watch_steps(name, self, steps)
        return take_steps(steps)


def _client_of(case: Any) -> Any:
    # The one of a mixin comes first: its base class may have a client of another kind.
    for name in ("asgi_client", "client"):
        client: Any = getattr(case, name, None)
        if hasattr(client, "websocket_connect"):
            # On the application's loop, the one that is awaited.
            is_on_loop = hasattr(case, "async_client") and client.portal.is_current()
            return case.async_client if is_on_loop else client
    raise TypeError(
        f"{type(case).__name__} has no client that a URL could be for; give a session: "
        f"assertWebSocketDenied(client.websocket_connect(url))"
    )
