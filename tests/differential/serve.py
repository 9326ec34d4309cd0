"""Serve the recorder with one of the servers, on a socket that was inherited.

.. code-block:: text

    python -m tests.differential.serve NAME FILENO
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable

from .recorder import app

#: Seconds for which a connection is kept that nobody uses; hypothesis may think for long.
KEEP_ALIVE = 60


def _serve_uvicorn(fileno: int, **options: str) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        # It would take the client's address from x-forwarded-for, as it trusts this machine.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        log_level="warning",
        **options,
    )  # type: ignore[arg-type]
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fileno)])


def serve_uvicorn_h11(fileno: int) -> None:
    """Serve with uvicorn, on h11 and wsproto.

    :param fileno: a listening socket
    """
    _serve_uvicorn(fileno, http="h11", ws="wsproto")


def serve_uvicorn_httptools(fileno: int) -> None:
    """Serve with uvicorn, on httptools and websockets.

    :param fileno: a listening socket
    """
    _serve_uvicorn(fileno, http="httptools", ws="websockets-sansio")


def serve_hypercorn(fileno: int) -> None:
    """Serve with hypercorn.

    :param fileno: a listening socket
    """
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{fileno}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = KEEP_ALIVE
    config.keep_alive_max_requests = 1_000_000
    # Else a client that is gone is waited for when the server is to stop.
    config.graceful_timeout = 0

    async def run() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        await serve(app, config, shutdown_trigger=stopping.wait)  # type: ignore[arg-type]

    asyncio.run(run())


def serve_daphne(fileno: int) -> None:
    """Serve with daphne.

    :param fileno: a listening socket
    """
    from daphne.server import Server

    Server(app, endpoints=[f"fd:fileno={fileno}"], verbosity=0).run()


def serve_granian(fileno: int) -> None:
    """Serve with granian.

    :param fileno: a listening socket
    """
    from granian._granian import SocketHolder
    from granian.constants import Interfaces
    from granian.server.embed import Server

    class InheritingServer(Server):
        """One that takes a socket instead of making it."""

        def _init_shared_socket(self) -> None:
            self._ssp = None
            self._shd = SocketHolder(fileno, False, 128)

    async def run() -> None:
        server = InheritingServer(app, interface=Interfaces.ASGI, log_enabled=False)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
        await server.serve()

    asyncio.run(run())


SERVERS: dict[str, Callable[[int], None]] = {
    "uvicorn-h11": serve_uvicorn_h11,
    "uvicorn-httptools": serve_uvicorn_httptools,
    "hypercorn": serve_hypercorn,
    "daphne": serve_daphne,
    "granian": serve_granian,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
