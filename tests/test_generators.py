"""Tests of the closing of async generators, as far as no application is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel

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


class FirstStepTest(CleanTestCase):
    """Generators that are iterated as soon as the loop runs on."""

    def test_generator_behind_the_start(self) -> None:
        """One that is begun right behind a message that the test waited for is closed by us."""
        closed: list[str] = []

        async def lines() -> AsyncIterator[bytes]:
            try:
                yield b"line"
            finally:
                await anyio.lowlevel.checkpoint()
                closed.append("closed")

        async def iterate(send: Any) -> None:
            async for line in lines():
                await send({"type": "http.response.body", "body": line, "more_body": True})
                break

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            async with anyio.create_task_group() as tasks:
                # Begins in the next turn of the loop.
                tasks.start_soon(iterate, send)
            await send({"type": "http.response.body"})

        client = self.new_client(app)
        closer = client.portal.generators
        with mock.patch.object(closer, "_close", wraps=closer._close) as close:
            with client.get("/", stream=True) as response:
                self.assertEqual(b"line", response.content)
            self.assertEqual(1, close.call_count)
        self.assertEqual(["closed"], closed)


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
