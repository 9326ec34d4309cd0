"""Start the servers on free ports of the loopback interface, and stop them."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from .recorder import READY_PATH

ROOT = Path(__file__).resolve().parents[2]

#: The servers, with the packages each needs.
PACKAGES = {
    "uvicorn-h11": ("uvicorn", "h11", "wsproto"),
    "uvicorn-httptools": ("uvicorn", "httptools", "websockets"),
    "hypercorn": ("hypercorn",),
    "daphne": ("daphne",),
    "granian": ("granian",),
}
#: What the clients of the tests are made of.
CLIENT_PACKAGES = ("h11", "wsproto", "hypothesis")
#: Seconds a server has to do as it is told; none needs more than a fraction.
PATIENCE = 10.0
#: Seconds it has to start, on a machine that has much else to do.
STARTING = 60.0


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Return those of some packages that are not installed.

    :param packages: names to import
    """
    return [name for name in packages if importlib.util.find_spec(name) is None]


def installed_servers() -> list[str]:
    """Return the names of the servers that are installed here."""
    return [name for name, packages in PACKAGES.items() if not missing_packages(packages)]


class Server:
    """A server in a process of its own.

    The socket listens before the server is started, so a client may connect at once: it waits in
    the socket's backlog until the server takes it.

    :param name: one of :data:`PACKAGES`
    :ivar host: address and port that it listens on, as a host header names them
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            self._address = listener.getsockname()
            self.host = "{}:{}".format(*self._address)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.differential.serve", name, str(listener.fileno())],
                cwd=ROOT,
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )

    def connect(self) -> socket.socket:
        """Return a new connection to the server."""
        connection = socket.create_connection(self._address, timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def wait(self) -> None:
        """Wait until it answers a request."""
        with self.connect() as connection, connection.makefile("rb") as lines:
            connection.settimeout(STARTING)
            connection.sendall(f"GET {READY_PATH} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
            status = lines.readline()
        assert b" 200 " in status, f"{self.name} is not ready; it wrote: {self.output()}"

    def output(self) -> str:
        """Return what the server has written so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def stop(self) -> None:
        """End the server's process."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            warnings.warn(f"{self.name} had to be killed", RuntimeWarning, stacklevel=2)
        finally:
            self._output.close()


@contextlib.contextmanager
def running_servers() -> Iterator[dict[str, Server]]:
    """Start every server that is installed; stop them when the block is left."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in installed_servers():
            servers[name] = server = Server(name)
            stack.callback(server.stop)
        for server in servers.values():
            server.wait()
        yield servers
