"""Tests of the closing of async generators, as far as no application is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from asgitest._debugger import _is_stopped
from asgitest._generators import GeneratorCloser, watch
from tests.base import CleanTestCase


async def numbers() -> AsyncIterator[int]:
    """Yield one number."""
    yield 1


def refuse(*args: Any) -> None:
    """Be the spawn function of a loop that has ended."""
    raise RuntimeError("ended")


class GeneratorCloserTest(CleanTestCase):
    """The hooks, without a loop."""

    def test_loop_that_ended(self) -> None:
        """A generator that is dropped after the loop's end keeps nobody waiting."""
        closer = GeneratorCloser(refuse)
        closer._finalize(numbers())

        self.assertFalse(closer.is_closing)

    def test_no_hook_before(self) -> None:
        """Where there was no hook before, none is called."""
        closer = GeneratorCloser(refuse)
        generator = numbers()
        iterated = watch()
        closer._first_iteration(generator)

        self.assertIn(generator, iterated)


class StoppedFrameTest(CleanTestCase):
    """What a debugger that steps leaves in frames."""

    def test_traced_frame(self) -> None:
        """A frame that bdb traces is stopped in, unless it is the outermost one."""
        import bdb
        from types import SimpleNamespace

        trace = bdb.Bdb().trace_dispatch
        outer = SimpleNamespace(f_globals={"__name__": "app"}, f_trace=trace, f_back=None)
        inner = SimpleNamespace(f_globals={"__name__": "app"}, f_trace=trace, f_back=outer)

        self.assertTrue(_is_stopped(inner))
        self.assertFalse(_is_stopped(outer))
