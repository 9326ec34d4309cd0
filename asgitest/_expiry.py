"""End a call whose deadline has passed, and tell where everything stood."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from typing import Any, Protocol

import anyio

from ._calls import Answer, Call, Subject, Wait
from ._protocol._texts import shorten
from ._report import describe_tasks, describe_threads
from .exceptions import DeadlineExceeded


class ExpiringPortal(Protocol):
    """What the end of a call needs of the portal that the call went through."""

    grace: float

    @property
    def own_tasks(self) -> Collection[int]:
        """Ids of the loop's tasks that are not the application's."""

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Start a task on the loop."""

    def await_answer(self, answer: Answer, seconds: float | None) -> bool:
        """Wait for something that is given on the loop; tell whether it came."""

    def describe_place(self) -> str:
        """Return the stack of the loop's thread."""

    def describe_block(self) -> str:
        """Tell where a synchronous call was that had to be broken off, if one was."""

    def abandon(self, reason: str) -> str:
        """Give the loop up; tell what became of it."""


class Expiry:
    """The end of one call that took too long.

    The loop is asked to report and to cancel; one that does not answer is blocked.

    :param portal: the event loop
    :param call: what runs there
    :param wait: the deadline, and what to report about
    """

    def __init__(self, portal: ExpiringPortal, call: Call, wait: Wait) -> None:
        self._portal = portal
        self._call = call
        self._wait = wait
        self._subject: Subject = wait.subject or call
        self._report = Answer()
        self._stopped = Answer()

    def error(self) -> DeadlineExceeded:
        """Report and cancel; return what to raise."""
        wait = self._wait
        with contextlib.suppress(RuntimeError):
            self._portal.spawn(self._report_and_cancel)
        text = [
            f"{wait.seconds:g} s passed while waiting for {wait.waiting_for}.",
            self._portal.describe_block(),
        ]
        if self._portal.await_answer(self._report, self._portal.grace):
            text += [self._report.value, describe_threads()]
        if not self._report.given:
            text.append(self._give_up_blocked_loop())
        elif wait.cancels_subject and not self._has_stopped():
            text.append(self._give_up_deaf_application())
        return wait.error("\n".join(filter(None, text)), waiting_for=wait.waiting_for)

    def cancel(self) -> None:
        """Cancel the call, and the subject if it is not to outlive the call; on the loop."""
        self._call.cancel()
        if self._wait.subject is not None and self._wait.cancels_subject:
            self._wait.subject.cancel()

    def _has_stopped(self) -> bool:
        return (
            self._portal.await_answer(self._stopped, 2 * self._portal.grace)
            and self._stopped.value is True
        )

    def _give_up_deaf_application(self) -> str:
        abandoned = self._portal.abandon(
            f"its task did not stop within {self._portal.grace:g} s of being cancelled"
        )
        return f"The application did not stop when it was cancelled: {abandoned}."

    def _give_up_blocked_loop(self) -> str:
        # Nothing runs on the loop now, so that reading the subject from here is safe.
        stack = self._portal.describe_place()
        abandoned = self._portal.abandon("its event loop is blocked by a synchronous call")
        return (
            f"{self._subject.describe()}\n"
            f"The event loop is blocked; its thread stands here:\n{stack}\n"
            f"{describe_threads()}\n"
            f"{abandoned[0].upper()}{abandoned[1:]}."
        )

    async def _report_and_cancel(self) -> None:
        try:
            self._report.give(describe_tasks(self._subject, self._portal.own_tasks))
        except Exception as error:
            self._report.give(f"(The report could not be written: {shorten(error)})")
        self.cancel()
        has_stopped = False
        with anyio.move_on_after(self._portal.grace):
            await self._call.wait_ended()
            if self._wait.cancels_subject:
                await self._subject.wait_ended()
            has_stopped = True
        self._stopped.give(has_stopped)
