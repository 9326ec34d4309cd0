"""Tests of letting other tasks run."""

from __future__ import annotations

import types
from unittest import mock

import anyio

from asgitest._checkpoints import cancel_shielded_checkpoint, checkpoint
from tests.base import CleanTestCase

_STATES = "anyio._backends._asyncio._task_states"


class CheckpointTest(CleanTestCase):
    """A step of a task, in which others come to theirs."""

    def setUp(self) -> None:
        """Start a loop."""
        super().setUp()
        self.client = self.new_client(lambda scope, receive, send: None, interface="asgi3")
        self.is_trio = self.client.portal.is_trio

    def test_others_run(self) -> None:
        """Both kinds let a task that is ready come to its first step."""
        for step in checkpoint, cancel_shielded_checkpoint:
            seen: list[str] = []

            async def note(seen: list[str] = seen) -> None:
                seen.append("other")

            async def main(step=step, note=note, seen=seen) -> None:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(note)
                    # trio changes the order of the tasks from one turn to the next.
                    await step(self.is_trio)
                    await step(self.is_trio)
                    seen.append("this")

            with self.subTest(step=step.__name__):
                self.client.call(main)

                self.assertEqual(["other", "this"], seen)

    def test_cancelled_before(self) -> None:
        """A task that was cancelled ends at a checkpoint, and passes one that is shielded."""
        passed: list[str] = []

        async def main() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await cancel_shielded_checkpoint(self.is_trio)
                passed.append("shielded")
                await checkpoint(self.is_trio)
                passed.append("other")

        self.client.call(main)

        self.assertEqual(["shielded"], passed)

    def test_outer_scope_cancelled_before(self) -> None:
        """Which of the scopes round a task is cancelled makes no difference."""
        passed: list[str] = []

        async def main() -> None:
            with anyio.CancelScope() as outer, anyio.CancelScope(), anyio.CancelScope():
                outer.cancel()
                await cancel_shielded_checkpoint(self.is_trio)
                passed.append("shielded")

        self.client.call(main)

        self.assertEqual(["shielded"], passed)

    def test_cancelled_scope_of_a_group(self) -> None:
        """A task of a group that is cancelled passes a shielded checkpoint."""
        passed: list[str] = []

        async def work(tasks) -> None:
            with anyio.CancelScope():
                tasks.cancel_scope.cancel()
                await cancel_shielded_checkpoint(self.is_trio)
                passed.append("shielded")

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work, tasks)

        self.client.call(main)

        self.assertEqual(["shielded"], passed)


class UnknownScopesTest(CleanTestCase):
    """What anyio does not tell of its scopes on asyncio."""

    def passes(self, states: object) -> bool:
        """Tell whether a cancelled task passes a shielded checkpoint with such states."""
        passed: list[bool] = []

        async def main() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                with mock.patch(_STATES, states):
                    step = cancel_shielded_checkpoint(False)
                await step
                passed.append(True)

        anyio.run(main)
        return bool(passed)

    def test_no_states(self) -> None:
        """Where there is no way to the scopes, the shield is raised."""
        self.assertTrue(self.passes(None))

    def test_no_link_to_the_outer_scope(self) -> None:
        """Where a scope does not know the one round it, the shield is raised."""
        state = types.SimpleNamespace(cancel_scope=types.SimpleNamespace(cancel_called=False))

        class States:
            def get(self, task: object) -> object:
                return state

        self.assertTrue(self.passes(States()))

    def test_no_scope(self) -> None:
        """Without a scope there is nothing to be shielded from."""
        self.assertFalse(self.passes({}))
