"""What the tests of a class share: the running application, or the event loop alone."""

from __future__ import annotations

from typing import Any, Protocol

from ._application import portal_class
from ._options import ClientOptions
from ._shared_loop import SharedLoop
from .client import TestClient

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

#: The scopes there are.
SCOPES = ("test", "class")


class SharingCase(Protocol):
    """What a test case has to have, so that its tests can share something."""

    lifespan_scope: str
    portal_scope: str

    def build_client(self) -> TestClient:
        """Return a new client, not yet entered."""

    def client_options(self) -> ClientOptions:
        """Return the options of the client."""


class ClassScope:
    """What the tests of one class share: one of the two.

    :ivar client: a client of the application that runs for all of them
    :ivar loop: the loop that their applications run on, one after the other
    """

    def __init__(self, client: TestClient | None = None, loop: SharedLoop | None = None) -> None:
        self.client = client
        self.loop = loop

    def enter(self) -> None:
        """Start what is shared."""
        if self.client is not None:
            self.client.__enter__()
        else:
            assert self.loop is not None
            self.loop.portal()

    def leave(self) -> None:
        """End what is shared."""
        if self.client is not None:
            self.client.__exit__(None, None, None)
        else:
            assert self.loop is not None
            self.loop.stop()


def needs_class_scope(case: type[Any] | SharingCase) -> bool:
    """Tell whether the tests of a class share anything.

    :param case: the class, or a test of it
    :raises ValueError: if a scope is none that there is
    """
    for name in ("lifespan_scope", "portal_scope"):
        scope = getattr(case, name)
        if scope not in SCOPES:
            raise ValueError(f"{name} must be one of {', '.join(SCOPES)}, not {scope!r}")
    return "class" in (case.lifespan_scope, case.portal_scope)


def build_class_scope(case: SharingCase) -> ClassScope:
    """Return what the tests of a class share, not yet started.

    :param case: an instance of the class, which is asked for application and options
    """
    if case.lifespan_scope == "class":
        return ClassScope(client=case.build_client())
    options = case.client_options()
    return ClassScope(
        loop=SharedLoop(
            portal_class(str(options.portal)),
            str(options.backend),
            options.backend_options,
            options.timeout,
        )
    )
