"""``AsyncClient``: a client for coroutines that run on the application's own loop."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import requests

from ._async_websocket import AsyncWebSocketSession, Watched
from ._options import CLIENT_TIMEOUT, check_timeout
from ._stacks import is_ours
from ._stepwise import MovingDeadline
from ._workers import Workers
from .client import TestClient
from .exceptions import ASGITestError

T = TypeVar("T")

_END = object()


class _Shared:
    """What an asynchronous client and the further ones that it made have in common."""

    def __init__(self, deadline: MovingDeadline) -> None:
        self.deadline = deadline
        self.forgotten: dict[object, tuple[str, Coroutine[Any, Any, Any]]] = {}
        self.workers = Workers()


class AsyncClient:
    """The client of an asynchronous test: what :class:`asgitest.TestClient` does, to be awaited.

    A request runs the test's client in a worker thread, so that it is that one's cookies, headers
    and options which count. A WebSocket is awaited on the loop itself.

    :param client: the client that makes the requests
    :param deadline: deadline of the part of the test that is running
    :ivar client: the client that makes the requests
    """

    def __init__(self, client: TestClient, deadline: MovingDeadline) -> None:
        self.client = client
        self._shared = _Shared(deadline)

    @property
    def deadline(self) -> MovingDeadline:
        """Deadline of the part of the test that is running."""
        return self._shared.deadline

    @property
    def cookies(self) -> Any:
        """The client's cookie jar."""
        return self.client.cookies

    @property
    def headers(self) -> Any:
        """Headers of every request."""
        return self.client.headers

    @property
    def state(self) -> dict[str, Any]:
        """The lifespan's state."""
        return self.client.state

    def new_client(self, **overrides: Any) -> AsyncClient:
        """Return another client of the same running application, as a second user has.

        :param overrides: options that differ from this client's
        """
        other = AsyncClient(self.client.new_client(**overrides), self.deadline)
        other._shared = self._shared
        return other

    # -- requests ------------------------------------------------------------------------------

    def request(
        self, method: str, url: str, **options: Any
    ) -> Coroutine[Any, Any, requests.Response]:
        """Send a request.

        :param method: its method
        :param url: its URL, relative to ``base_url`` or absolute
        :param options: those of :meth:`asgitest.TestClient.request`
        :return: to be awaited: the response
        """
        return self._send(self.client.request, method, url, **options)

    def get(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send a GET request; parameters are those of :meth:`request`."""
        return self._send(self.client.get, url, **options)

    def options(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send an OPTIONS request; parameters are those of :meth:`request`."""
        return self._send(self.client.options, url, **options)

    def head(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send a HEAD request; parameters are those of :meth:`request`."""
        return self._send(self.client.head, url, **options)

    def post(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send a POST request; parameters are those of :meth:`request`."""
        return self._send(self.client.post, url, **options)

    def put(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send a PUT request; parameters are those of :meth:`request`."""
        return self._send(self.client.put, url, **options)

    def patch(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send a PATCH request; parameters are those of :meth:`request`."""
        return self._send(self.client.patch, url, **options)

    def delete(self, url: str, **options: Any) -> Coroutine[Any, Any, requests.Response]:
        """Send a DELETE request; parameters are those of :meth:`request`."""
        return self._send(self.client.delete, url, **options)

    def send(
        self, request: requests.PreparedRequest, **options: Any
    ) -> Coroutine[Any, Any, requests.Response]:
        """Send a prepared request.

        :param request: a prepared request
        :param options: those of :meth:`asgitest.TestClient.send`
        :return: to be awaited: the response
        """
        return self._send(self.client.send, request, **options)

    def run(self, function: Callable[..., T], *args: Any) -> Coroutine[Any, Any, T]:
        """Run a function that makes client calls, in a worker thread.

        :param function: a plain function, such as a method of a streamed response
        :param args: its positional arguments
        :return: to be awaited: what the function returns
        """
        return self._noted(function, partial(function, *args), self.client.timeout)

    async def iterate(self, iterable: Iterable[T]) -> AsyncIterator[T]:
        """Yield what an iterable does that waits for the application.

        :param iterable: such as ``response.iter_lines()`` of a streamed response
        """
        iterator = iter(iterable)
        while (item := await self.run(next, iterator, _END)) is not _END:
            yield item

    # -- WebSocket -----------------------------------------------------------------------------

    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        timeout: Any = CLIENT_TIMEOUT,
        **options: Any,
    ) -> AsyncWebSocketSession:
        """Prepare a WebSocket; the ``async with`` block of what is returned opens it.

        :param url: its URL, relative to ``base_url`` or absolute
        :param subprotocols: what to offer, in order
        :param timeout: seconds for every single wait, ``None`` for no deadline
        :param options: those of :meth:`asgitest.TestClient.websocket_connect`
        :return: the session
        :raises ASGITestError: if called anywhere but on the application's own loop
        """
        if not self.client.portal.is_current():
            raise ASGITestError(
                "an asynchronous WebSocket is awaited on the application's own event loop, where "
                "the asynchronous parts of an ASGITestCase run, and this is not that loop; "
                "client.websocket_connect() works anywhere else"
            )
        session = self.client.websocket_connect(url, subprotocols, timeout, **options)
        return AsyncWebSocketSession(session, self)

    # -- inside --------------------------------------------------------------------------------

    def watch(self, name: str, function: Watched[T]) -> Coroutine[Any, Any, T]:
        """Return a coroutine; the test fails if it is never awaited.

        :param name: what the failure calls it
        :param function: a coroutine function, which calls what it is given as soon as it begins
        """
        key = object()
        # What begins was not forgotten.
        coroutine = function(partial(self._shared.forgotten.pop, key, None))
        self._shared.forgotten[key] = (f"  {name}() in {_place()}", coroutine)
        return coroutine

    def take_forgotten(self) -> list[str]:
        """Return the calls that nobody awaited, each with its line, and forget them."""
        forgotten = list(self._shared.forgotten.values())
        self._shared.forgotten.clear()
        for _, coroutine in forgotten:
            coroutine.close()
        return [note for note, _ in forgotten]

    def _send(
        self, method: Callable[..., requests.Response], *args: Any, **options: Any
    ) -> Coroutine[Any, Any, requests.Response]:
        timeout = options.get("timeout", CLIENT_TIMEOUT)
        seconds = self.client.timeout if timeout is CLIENT_TIMEOUT else check_timeout(timeout)
        return self._noted(method, partial(method, *args, **options), seconds)

    def _noted(
        self, named: Callable[..., Any], function: Callable[[], T], seconds: float | None
    ) -> Coroutine[Any, Any, T]:
        name = getattr(named, "__name__", repr(named))
        return self.watch(name, partial(self._call, function, seconds))

    async def _call(
        self, function: Callable[[], T], seconds: float | None, begin: Callable[[], Any]
    ) -> T:
        begin()
        with self.deadline.held_up(seconds):
            return await self._shared.workers.run(self.client.portal, function)


def _place() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    code = frame.f_code
    return f'{code.co_name}, File "{code.co_filename}", line {frame.f_lineno}'


# References show it by the name it is imported by.
AsyncClient.__module__ = __package__ or __name__
