"""Read a file for the application, part by part, without holding up the event loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from ._protocol._messages import Message
from ._protocol._texts import shorten
from .exceptions import ProtocolError

T = TypeVar("T")

#: Bytes of one part.
PART = 128 * 1024


class FileReader:
    """The file that a message names; every access to it is made in a worker thread.

    The threads are counted apart from the application's own: where all of those are busy, a server
    sends files all the same.

    :param message: a checked ``http.response.pathsend`` or ``http.response.zerocopysend``
    """

    def __init__(self, message: Message) -> None:
        self._message = message
        self._number = -1
        self._offset: int | None = message.get("offset")
        self._left: int | None = message.get("count")
        self._limiter = anyio.CapacityLimiter(1)

    async def __aenter__(self) -> FileReader:
        """Open the file, unless the application did.

        :raises OSError: if it cannot be opened
        """
        if "path" in self._message:
            self._number = await self._in_thread(_open, self._message["path"])
        else:
            self._number = self._message["file"].fileno()
        return self

    async def __aexit__(self, *details: object) -> None:
        """Close the file if it was opened here; the application closes its own (EXT-ZERO-01)."""
        if "path" in self._message:
            os.close(self._number)

    async def read(self) -> bytes:
        """Return the next part, ``b""`` at the end.

        :raises OSError: if it cannot be read
        """
        size = PART if self._left is None else min(PART, self._left)
        part = await self._in_thread(self._read, size)
        if self._left is not None:
            self._left -= len(part)
        return part

    def _read(self, size: int) -> bytes:
        # EXT-ZERO-01: without an offset the file is read from where it stands, and moves on.
        if self._offset is None:
            return os.read(self._number, size)
        part = _read_at(self._number, size, self._offset)
        self._offset += len(part)
        return part

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await anyio.to_thread.run_sync(partial(function, *args), limiter=self._limiter)


def unreadable(message_type: str, error: OSError) -> ProtocolError:
    """Build the error for a file that cannot be read.

    :param message_type: type of the message that names the file
    :param error: what the operating system says
    """
    path, rule = ("file", "EXT-ZERO-01")
    if message_type == "http.response.pathsend":
        path, rule = ("path", "EXT-PATH-01")
    return ProtocolError(
        f"{message_type}: {path} must be that of a file that can be read: {shorten(error)}",
        rule=rule,
        message_type=message_type,
    )


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))


def _read_at(number: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(number, size, offset)
    stands_at = os.lseek(number, 0, os.SEEK_CUR)  # pragma: no cover - Windows
    try:  # pragma: no cover - Windows
        os.lseek(number, offset, os.SEEK_SET)
        return os.read(number, size)
    finally:  # pragma: no cover - Windows
        os.lseek(number, stands_at, os.SEEK_SET)
