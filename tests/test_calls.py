"""Tests of what a thread hands to the loop, and how it waits for the answer."""

from __future__ import annotations

from concurrent.futures import Future

import anyio

from asgitest._calls import Answer, Call, Wait
from asgitest._future_calls import FutureCall
from asgitest._started_tasks import PlainTasks
from asgitest._thread_portal import ThreadPortal
from asgitest.exceptions import DeadlineExceeded
from tests.base import CleanTestCase


class AnswerTest(CleanTestCase):
    """A value that is given once."""

    def test_first_value_counts(self) -> None:
        """A second value is ignored."""
        answer = Answer()
        answer.give(1)
        answer.give(2)

        self.assertTrue(answer.wait(None))
        self.assertEqual(1, answer.value)

    def test_asked_twice(self) -> None:
        """Whoever asks again has the value at once."""
        answer = Answer()
        answer.give()

        self.assertTrue(answer.wait(None))
        self.assertTrue(answer.wait(0.01))

    def test_no_value(self) -> None:
        """A wait that ends without a value says so."""
        self.assertFalse(Answer().wait(0.01))


class PlainTasksTest(CleanTestCase):
    """The tasks of calls on a loop of asyncio."""

    def test_no_loop(self) -> None:
        """Before the block and behind it there is no loop to start a task on."""
        tasks = PlainTasks()

        async def enter_and_leave() -> None:
            async with tasks:
                pass

        for _ in range(2):
            with self.assertRaisesRegex(RuntimeError, "the event loop has ended"):
                tasks.start(Call(int, ()), "never")
            anyio.run(enter_and_leave)


class CallTest(CleanTestCase):
    """A function that runs on the loop."""

    def setUp(self) -> None:
        """Start a loop."""
        super().setUp()
        self.portal = ThreadPortal()
        self.portal.start()
        self.addCleanup(self.portal.stop, None)

    def test_cancelled_before_it_began(self) -> None:
        """A call that is cancelled before its first step ends at its first wait."""
        call = Call(anyio.sleep_forever, ())
        call.cancel()
        self.portal.call(call.run)

        self.assertTrue(call.answer.given)

    def test_answered_before_it_began(self) -> None:
        """A call that nobody waits for any more is not made."""
        made: list[str] = []
        call = Call(made.append, ("made",))
        call.fail(ValueError("given up"))
        self.portal.call(call.run)

        self.assertEqual([], made)

    def test_end_that_came_before(self) -> None:
        """Whoever waits for the end of a call that has ended does not wait."""
        call = Call(lambda: None, ())
        self.portal.call(call.run)
        self.portal.call(call.wait_ended)

    def test_failing_future_call(self) -> None:
        """A future is told of the loop's end rather than of the cancellation it came by."""
        call = FutureCall(
            anyio.sleep_forever,
            (),
            future=Future(),
            is_stopping=lambda: True,
            post=self.portal.post,
        )
        call.answer.give((ValueError("cancelled"), None))
        call.fail(KeyError("ended"))

        with self.assertRaises(KeyError):
            call.future.result()

    def test_report_that_fails(self) -> None:
        """A subject that cannot be described ends with the deadline all the same."""

        class Subject(Call):
            def describe(self) -> str:
                raise ValueError("no words")

        subject = Subject(anyio.sleep_forever, ())
        self.portal.spawn(subject.run)
        with self.assertRaises(DeadlineExceeded) as caught:
            self.portal.run(Wait(0.1, "nothing", subject), anyio.sleep_forever)

        self.assertIn(
            "The report could not be written: ValueError('no words')", str(caught.exception)
        )
        self.assertTrue(subject.answer.given)
