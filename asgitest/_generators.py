"""Close the async generators that an application drops, and wait until they are closed."""

from __future__ import annotations

import contextvars
import gc
import sys
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio

from ._protocol._texts import shorten

_Generator = AsyncGenerator[Any, Any]
_iterated_here: contextvars.ContextVar[weakref.WeakSet[_Generator] | None]
_iterated_here = contextvars.ContextVar("asgitest_generators", default=None)


class GeneratorCloser:
    """The hooks of one event loop for its async generators.

    A generator that is dropped before its end is closed in a task of its own, because its
    ``finally`` blocks may await. The loop's own hook would do that as well; it would not tell when
    it is done.

    :param spawn: starts a coroutine function with arguments on the loop, from any thread
    :ivar failures: what closing raised, in words
    """

    def __init__(self, spawn: Callable[..., object]) -> None:
        self._spawn = spawn
        self.failures: list[str] = []
        self._closing: set[int] = set()
        self._settled: anyio.Event | None = None
        self._first_iteration_before: Callable[[AsyncGenerator[Any, Any]], object] | None = None

    def install(self) -> None:
        """Take over the hooks of the running loop; it restores its own ones when it ends."""
        if sys.get_asyncgen_hooks().finalizer == self._finalize:
            return
        self._first_iteration_before = sys.get_asyncgen_hooks().firstiter
        sys.set_asyncgen_hooks(firstiter=self._first_iteration, finalizer=self._finalize)

    @property
    def is_closing(self) -> bool:
        """Whether a generator is being closed."""
        return bool(self._closing)

    def take_failures(self) -> list[str]:
        """Return what closing raised, in words, and forget it."""
        failures, self.failures = self.failures, []
        return failures

    async def settle(self, iterated: weakref.WeakSet[_Generator]) -> None:
        """Wait until the generators that nobody can reach any more are closed.

        :param iterated: what :func:`watch` returned to the task that is through
        """
        if len(iterated):
            # A reference cycle, such as an exception and its frame, may hold them, and what they
            # hold: a generator that is through, too, if it ended by an exception.
            gc.collect()
        while self._closing:
            if self._settled is None:
                self._settled = anyio.Event()
            await self._settled.wait()

    def _first_iteration(self, generator: _Generator) -> None:
        iterated = _iterated_here.get()
        if iterated is not None:
            iterated.add(generator)
        if self._first_iteration_before is not None:
            self._first_iteration_before(generator)

    def _finalize(self, generator: _Generator) -> None:
        # May run in whichever thread drops the last reference.
        self._closing.add(id(generator))
        try:
            self._spawn(self._close, generator)
        except RuntimeError:
            # The loop has ended, and so has all that the generator could wait for.
            self._closing.discard(id(generator))

    async def _close(self, generator: _Generator) -> None:
        try:
            await generator.aclose()
        except BaseException as error:
            # Kept from the loop, which it would end; told when the loop is stopped.
            self.failures.append(
                f"closing the async generator {shorten(generator)}, which the application dropped "
                f"before its end, raised {shorten(error)}"
            )
        finally:
            self._closing.discard(id(generator))
            if not self._closing and self._settled is not None:
                self._settled.set()
                self._settled = None


def no_generators() -> weakref.WeakSet[_Generator]:
    """Return an empty set, for a task that is not watched."""
    return weakref.WeakSet()


def watch() -> weakref.WeakSet[_Generator]:
    """Begin to note which generators the current task and its children iterate.

    :return: those that are still referenced, filled as time goes on
    """
    iterated = no_generators()
    _iterated_here.set(iterated)
    return iterated
