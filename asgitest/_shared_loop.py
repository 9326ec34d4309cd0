"""Share one event loop among applications that run on it one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._portal import Portal


class SharedLoop:
    """An event loop that outlives the applications on it, and is replaced when it has ended.

    :param kind: what makes the loop, by where it runs
    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param timeout: deadline of each wait in seconds, ``None`` for none
    """

    def __init__(
        self,
        kind: type[Portal],
        backend: str,
        backend_options: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> None:
        self._kind = kind
        self._backend = backend
        self._backend_options = backend_options
        self._timeout = timeout
        self._portal: Portal | None = None

    def portal(self) -> Portal:
        """Return the loop, started if there is none that can be used.

        :raises ImportError: if the backend is not installed
        """
        if self._portal is None or not self._portal.usable:
            portal = self._kind(self._backend, self._backend_options, self._timeout)
            portal.start()
            self._portal = portal
        return self._portal

    def stop(self) -> None:
        """End the loop; what the applications left on it was cancelled when each of them ended."""
        portal, self._portal = self._portal, None
        if portal is not None and portal.usable:
            portal.stop(self._timeout)
