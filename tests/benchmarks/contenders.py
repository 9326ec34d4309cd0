"""The clients that are compared, each behind the same few functions.

A contender has the cases that its client can do; the others are left out of the table.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from asgitest import TestClient

from . import suite
from .application import PIECE, app

#: Runs an action so many times.
Batch = Callable[[int], None]

URL = "http://testserver"
_THREADS = "400 requests of 20 threads"
_ITEMS = json.dumps(list(range(150_000))).encode()


def repeat(action: Callable[[], Any]) -> Batch:
    """Return a batch of a plain function.

    :param action: what is to be measured
    """

    def batch(times: int) -> None:
        for _ in range(times):
            action()

    return batch


class Contender:
    """One client, prepared for measuring.

    :ivar name: what the table calls it
    :ivar batches: batches by name of the case
    :ivar exits: what is closed at the end
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: dict[str, Batch] = {}
        self.exits = ExitStack()
        self._opened = ExitStack()
        self._clients: dict[Callable[[], Any], Any] = {}

    def opened(self, build: Callable[[], Any]) -> Any:
        """Return a client that is open until the end of the case.

        :param build: builds it, as a context manager
        """
        if build not in self._clients:
            self._clients[build] = self._opened.enter_context(build())
        return self._clients[build]

    def rest(self) -> None:
        """Close the clients, for a test process has none beside those of the test."""
        self._opened.close()
        self._clients.clear()

    def close(self) -> None:
        """Close what was opened for it."""
        self.rest()
        self.exits.close()


def synchronous(name: str, build: Callable[[], Any], *, content: str) -> Contender:
    """Return a contender with an interface like that of requests.

    :param name: what the table calls it
    :param build: builds a client
    :param content: name of the parameter that takes a body of bytes
    """
    contender = Contender(name)
    case = suite.case_of_others(build)

    def client() -> Any:
        return contender.opened(build)

    def alone() -> Any:
        return contender.opened(unentered)

    @contextmanager
    def unentered() -> Iterator[Any]:
        client = build()
        yield client
        # Of some, the adapter cannot be closed.
        with suppress(AttributeError):
            client.close()

    def per_test() -> None:
        with build() as entered:
            entered.get("/")

    def connect() -> None:
        with client().websocket_connect("/"):
            pass

    def burst() -> None:
        with client().websocket_connect("/") as session:
            session.send_text("burst 10000")
            for _ in range(10_000):
                session.receive_text()

    contender.batches = {
        "GET in with": repeat(lambda: client().get("/")),
        "GET without with": repeat(lambda: alone().get("/")),
        "client per test": repeat(per_test),
        "POST of 1 MB of JSON": repeat(lambda: client().post("/json", **{content: _ITEMS})),
        "redirect": repeat(lambda: client().get("/redirect")),
        "cookies": repeat(lambda: client().get("/cookies")),
        "WebSocket connect and close": repeat(connect),
        "WebSocket echo": lambda times: echo(client(), times),
        "WebSocket burst of 10,000": repeat(burst),
        "streamed upload of 64 MiB": repeat(lambda: client().post("/", **{content: pieces(1024)})),
        "suite of 500 tests": repeat(lambda: suite.run(case)),
    }
    return contender


def echo(client: Any, times: int) -> None:
    """Open a WebSocket, and have each of some messages sent back.

    :param client: opens it
    :param times: how many messages
    """
    # Left open, the session of some client keeps its thread busy, at the cost of all others.
    with client.websocket_connect("/") as session:
        for _ in range(times):
            session.send_text("hello")
            session.receive_text()


def from_threads(client: Any) -> None:
    """Make 400 requests, 20 from each of 20 threads at once.

    :param client: makes them
    :raises RuntimeError: if one fails
    """
    answered = []
    threads = [
        threading.Thread(target=lambda: answered.extend(client.get("/") for _ in range(20)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answered) < 400:
        raise RuntimeError(f"{len(answered)} of 400 requests were answered")


def asynchronous(name: str, get: Callable[[], Awaitable[Any]]) -> Contender:
    """Return a contender whose calls are awaited, many in one run of a loop.

    :param name: what the table calls it
    :param get: requests ``/``
    """
    contender = Contender(name)
    loop = asyncio.new_event_loop()
    contender.exits.callback(loop.close)

    async def several(times: int) -> None:
        for _ in range(times):
            await get()

    contender.batches["GET in with"] = lambda times: loop.run_until_complete(several(times))
    return contender


# -- ours --------------------------------------------------------------------------------------


def asgitest(backend: str, portal: str) -> Contender:
    """Return our client.

    :param backend: its backend
    :param portal: its portal
    """
    name = f"asgitest {portal} {backend}"

    def build() -> Any:
        return TestClient(app, backend=backend, portal=portal)

    contender = synchronous(name, build, content="data")

    def client() -> Any:
        return contender.opened(build)

    contender.batches["streamed download of 64 MiB"] = repeat(lambda: download(client()))
    options = {"backend": backend, "portal": portal}
    case = suite.case_of_ours(**options)
    contender.batches["suite of 500 tests"] = repeat(lambda: suite.run(case))
    if portal == "thread":
        contender.batches[_THREADS] = repeat(lambda: from_threads(client()))
    return contender


def asgitest_sharing(backend: str, portal: str, scope: str) -> Contender:
    """Return our test case with something that all its tests share.

    :param backend: its backend
    :param portal: its portal
    :param scope: ``"portal_scope"`` or ``"lifespan_scope"``
    """
    contender = Contender(f"asgitest {portal} {backend}, {scope}")
    case = suite.case_of_ours(backend=backend, portal=portal, **{scope: "class"})
    contender.batches["suite of 500 tests"] = repeat(lambda: suite.run(case))
    return contender


def download(client: Any, count: int = 1024) -> None:
    """Read a streamed response.

    :param client: makes the request
    :param count: how many pieces the response has
    """
    with client.get(f"/download/{count}", stream=True) as response:
        for _ in response.iter_content(None):
            pass


def pieces(count: int) -> Iterator[bytes]:
    """Yield pieces of a body."""
    for _ in range(count):
        yield PIECE


# -- peers -------------------------------------------------------------------------------------


def starlette() -> Contender:
    """Return Starlette's client."""
    module = importlib.import_module("starlette.testclient")

    def build() -> Any:
        return module.TestClient(app)

    contender = synchronous("Starlette", build, content="content")

    def client() -> Any:
        return contender.opened(build)

    def read() -> None:
        with client().stream("GET", "/download/1024") as response:
            for _ in response.iter_bytes():
                pass

    contender.batches["streamed download of 64 MiB"] = repeat(read)
    contender.batches[_THREADS] = repeat(lambda: from_threads(client()))
    return contender


def starlette_testclient() -> Contender:
    """Return the client of Starlette that was built on requests."""
    module = importlib.import_module("starlette_testclient")
    return synchronous("starlette-testclient", lambda: module.TestClient(app), content="data")


def httpx() -> Contender:
    """Return the transport of httpx."""
    module = importlib.import_module("httpx")
    client = module.AsyncClient(transport=module.ASGITransport(app), base_url=URL)
    return asynchronous("httpx ASGITransport, awaited", lambda: client.get("/"))


def async_asgi_testclient() -> Contender:
    """Return the client of async-asgi-testclient."""
    client = importlib.import_module("async_asgi_testclient").TestClient(app)
    return asynchronous("async-asgi-testclient, awaited", lambda: client.get("/"))


def asgi_tools() -> Contender:
    """Return the client of asgi-tools."""
    client = importlib.import_module("asgi_tools.tests").ASGITestClient(app)
    return asynchronous("asgi-tools, awaited", lambda: client.get("/"))


def falcon() -> Contender:
    """Return Falcon's client, on an application of Falcon's."""
    module = importlib.import_module("falcon.asgi")
    testing = importlib.import_module("falcon.testing")

    class Resource:
        async def on_get(self, request: Any, response: Any) -> None:
            response.text = "ok"

    application = module.App()
    application.add_route("/", Resource())
    client = testing.TestClient(application)
    contender = Contender("Falcon, its own framework")
    contender.batches["GET in with"] = repeat(lambda: client.simulate_get("/"))
    return contender


def litestar() -> Contender:
    """Return Litestar's client."""
    testing = importlib.import_module("litestar.testing")
    contender = Contender("Litestar")

    def build() -> Any:
        return testing.TestClient(app)

    contender.batches["GET in with"] = repeat(lambda: contender.opened(build).get("/"))
    return contender


def django() -> Contender:
    """Return Django's asynchronous client, on an application of Django's."""
    conf = importlib.import_module("django.conf")
    http = importlib.import_module("django.http")
    urls = importlib.import_module("django.urls")

    async def view(request: Any) -> Any:
        return http.HttpResponse("ok")

    conf.settings.configure(
        ROOT_URLCONF=(urls.path("", view),), ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark"
    )
    importlib.import_module("django").setup()
    client = importlib.import_module("django.test").AsyncClient()
    return asynchronous("Django, its own framework, awaited", lambda: client.get("/"))


def channels() -> Contender:
    """Return the communicator of Channels."""
    testing = importlib.import_module("channels.testing")

    async def get() -> None:
        await testing.HttpCommunicator(app, "GET", "/").get_response()

    return asynchronous("Channels' communicator, awaited", get)


PEERS: tuple[Callable[[], Contender], ...] = (
    starlette,
    starlette_testclient,
    httpx,
    async_asgi_testclient,
    asgi_tools,
    falcon,
    litestar,
    django,
    channels,
)
