"""The parts of a test as unittest calls them; what one fails with tells the last exchanges."""

from __future__ import annotations

import contextlib
import time
import unittest
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ._failing import hide_frames
from ._last_exchanges import tell_last_exchanges
from .client import TestClient
from .transcript import Transcript

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

# It stands in front of a test case, and its methods call those behind it.
if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object

# With these a test does not fail.
_NO_FAILURES = (KeyboardInterrupt, unittest.SkipTest)


class TellingCase(_Base):
    """A test case that tells of the last exchanges when a test fails."""

    #: Whether what a test fails with shows the last exchanges.
    show_transcript: bool = True

    # Of the running test, a client that leads to all of its application.
    _client: TestClient | None = None
    # When the running test began, on the monotonic clock.
    _began = 0.0

    # -- what unittest calls -------------------------------------------------------------------

    def _callSetUp(self) -> None:
        self._began = time.monotonic()
        self._tell_failure(self._run_set_up)

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        self._tell_failure(self._run_test_method, method)

    def _callTearDown(self) -> None:
        self._tell_failure(self._run_tear_down)

    def _callCleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self._tell_failure(self._run_cleanup, function, *args, **kwargs)

    @contextlib.contextmanager
    def subTest(self, *args: Any, **params: Any) -> Iterator[None]:
        """Do as unittest's own; what fails in the block tells the last exchanges.

        :param args: a message
        :param params: what the failure is to name
        """
        with super().subTest(*args, **params):
            try:
                yield
            except _NO_FAILURES:
                raise
            except BaseException as error:
                self._tell(error, self._transcripts())
                raise

    # -- what a derived case may do otherwise --------------------------------------------------

    def _run_set_up(self) -> None:
        super()._callSetUp()  # type: ignore[misc]

    def _run_test_method(self, method: Callable[[], Any]) -> None:
        super()._callTestMethod(method)  # type: ignore[misc]

    def _run_tear_down(self) -> None:
        super()._callTearDown()  # type: ignore[misc]

    def _run_cleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        super()._callCleanup(function, *args, **kwargs)  # type: ignore[misc]

    # -- inside --------------------------------------------------------------------------------

    def _tell_failure(self, part: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        # Before the part runs, which may be what the client ends with.
        before = self._transcripts()
        try:
            part(*args, **kwargs)
        except _NO_FAILURES:
            raise
        except BaseException as error:
            self._tell(error, self._transcripts() or before)
            raise

    def _tell(self, error: BaseException, transcripts: list[Transcript]) -> None:
        hide_frames(error)
        if self.show_transcript:
            tell_last_exchanges(error, transcripts, self._began)

    def _transcripts(self) -> list[Transcript]:
        if self._client is None:
            return []
        return [client.transcript for client in self._client.clients]
