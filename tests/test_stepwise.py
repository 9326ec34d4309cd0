"""The task that runs the asynchronous parts of a test, by itself."""

from __future__ import annotations

import asyncio
import os
import unittest
from typing import Any

import anyio

from asgitest import ASGITestError
from asgitest._stepwise import MovingDeadline, Step, StepwiseTask
from asgitest._thread_portal import ThreadPortal

from .base import CleanTestCase

ON_TRIO = os.environ.get("ASGITEST_BACKEND") == "trio"


class StepwiseTaskTest(CleanTestCase):
    """What a task does that a test case takes care not to ask for."""

    def setUp(self) -> None:
        """Start a loop and a task on it."""
        super().setUp()
        self.portal = ThreadPortal(os.environ.get("ASGITEST_BACKEND") or "asyncio")
        self.portal.start()
        self.addCleanup(self.portal.stop, 10)
        self.task = StepwiseTask(self.portal, "the test", MovingDeadline(5))
        self.task.start()

    def take(self, function: Any, *args: Any) -> Step:
        """Run a function as a step.

        :param function: what to run
        :param args: its positional arguments
        """
        step = Step("function", function, *args)
        self.task.take(step)
        return step

    def test_results(self) -> None:
        """A step returns what a plain function returns, and a coroutine function."""

        async def double(number: int) -> int:
            return 2 * number

        self.assertEqual(3, self.take(abs, -3).result)
        self.assertEqual(4, self.take(double, 2).result)
        self.task.finish()
        self.assertFalse(self.task.usable)

    def test_step_of_an_ended_task(self) -> None:
        """A task that has ended runs no step, and says so."""
        self.task.finish()
        step = Step("function", abs, -3)
        with self.assertRaisesRegex(ASGITestError, "the task of the test has ended"):
            self.task.take(step)
        self.assertFalse(step.is_over)

    def test_end_of_the_loop(self) -> None:
        """A task that waits for its next step does not hold the loop up."""
        self.take(abs, -3)
        self.assertEqual([], self.portal.stop(5))
        self.assertTrue(self.task.ended)
        with self.assertRaisesRegex(ASGITestError, "the event loop has ended"):
            self.take(abs, -3)

    def test_cancelled_step(self) -> None:
        """A step that ends by a cancellation of its own hands it over, and the task goes on."""

        async def fail_soon() -> None:
            raise LookupError("no such room")

        async def hold_open() -> None:
            self.group = anyio.create_task_group()
            await self.group.__aenter__()
            self.group.start_soon(fail_soon)
            await anyio.sleep_forever()

        async def leave() -> None:
            await self.group.__aexit__(None, None, None)

        self.assertIn("Cancel", type(self.take(hold_open).error).__name__)
        self.assertIn("no such room", repr(self.take(leave).error))
        self.assertEqual(3, self.take(abs, -3).result)
        self.task.finish()

    @unittest.skipIf(ON_TRIO, "trio cancels by scopes alone")
    def test_cancelled_task(self) -> None:
        """A task that is cancelled itself, not by a scope, ends, and the next step says by what."""

        def cancel() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel("by a step")

        self.take(cancel)
        with self.assertRaises(asyncio.CancelledError):
            self.take(abs, -3)
        self.assertTrue(self.task.ended)
