"""Wait for what comes in pieces, and take those that follow at once along with the first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ._calls import Watch

# Seconds that a piece may wait for those that come right after it.
_LONGEST = 0.001
# Turns of the loop in which the next piece comes, if it comes at once: on trio, the order of the
# tasks changes from one turn to the next.
_TURNS = 2


class Gathering(Watch):
    """A watch that lets an application send on while the next turns of the loop bring more.

    A way into the loop and back costs more than many pieces. None waits for a later one for longer
    than nobody notices.

    :param condition: looks whether there is something
    :param result: returns what the thread is given then
    :param attach: has :meth:`look` called after each change
    :param count: counts the pieces
    :param is_enough: tells whether there is no point in waiting for more
    :param post: runs a function in the next turn of the loop
    """

    def __init__(
        self,
        condition: Callable[[], bool],
        result: Callable[[], Any],
        attach: Callable[[Watch], object],
        *,
        count: Callable[[], int],
        is_enough: Callable[[], bool],
        post: Callable[..., object],
    ) -> None:
        super().__init__(condition, result, attach)
        self._count = count
        self._is_enough = is_enough
        self._post = post
        self._end: float | None = None
        self._known = 0

    def look(self) -> bool:
        """Answer if there is no point in waiting for more; else see what the next turns bring."""
        if self._end is not None:
            return self.answer.given or (self._is_enough() and super().look())
        if self.answer.given or not self._function():
            return self.answer.given
        if self._is_enough():
            return super().look()
        self._end = time.monotonic() + _LONGEST
        self._wait_for_more()
        return False

    def _wait_for_more(self) -> None:
        self._known = self._count()
        self._post(self._pass_turn, _TURNS - 1)

    def _pass_turn(self, turns_left: int) -> None:
        assert self._end is not None
        if self.answer.given:
            return
        if turns_left:
            self._post(self._pass_turn, turns_left - 1)
        elif self._count() == self._known or time.monotonic() >= self._end:
            super().look()
        else:
            self._wait_for_more()
