"""What interrupts an event loop that runs in the calling thread: Ctrl-C, and blocking for ever."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Protocol

from ._debugger import is_debugging
from ._stacks import describe_frame

_HAS_TIMER = hasattr(signal, "setitimer")
# Seconds until another attempt, where the first one could not be made, or was swallowed.
_AGAIN = 0.05


class LoopBlocked(BaseException):
    """Raised in a synchronous call of the application that blocks its loop for too long."""


class Interruptible(Protocol):
    """What is known of the loop that is interrupted."""

    def is_interruptible(self) -> bool:
        """Tell whether an exception may be raised where the loop stands."""

    def wake(self) -> None:
        """Have who advances the loop look whether to go on."""


class Interruptions:
    """The signals of one loop, in force while it is advanced.

    In the main thread a timer of the system ends what blocks the loop. Elsewhere nothing can: a
    watchdog prints where it stands.

    :param engine: the loop
    :ivar pressed: whether Ctrl-C came while the loop was advanced
    :ivar blocked_at: the stack of what had to be ended, ``""`` for nothing
    """

    def __init__(self, engine: Interruptible) -> None:
        self.pressed = False
        self.blocked_at = ""
        self._engine = engine
        self._alarm_before: Any = None
        self._interrupt_before: Any = None
        self._seconds: float | None = None

    def arm(self, seconds: float | None, grace: float) -> None:
        """Put the signals in force.

        :param seconds: when the loop itself would report, ``None`` for never
        :param grace: how much later it is taken for blocked
        """
        self.pressed = False
        self.blocked_at = ""
        self._seconds = None
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._interrupt_before = signal.signal(signal.SIGINT, self._on_interrupt)
        if seconds is None:
            return
        if not (is_main and _HAS_TIMER and self._is_timer_free()):
            watchdog.watch(self, seconds + grace)
        else:
            self._alarm_before = signal.signal(signal.SIGALRM, self._on_alarm)
            self._seconds = seconds + grace
            signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN)

    def disarm(self) -> None:
        """Put back what was in force before."""
        watchdog.forget(self)
        if self._seconds is not None:
            self._seconds = None
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm_before)
        if self._interrupt_before is not None:
            before, self._interrupt_before = self._interrupt_before, None
            signal.signal(signal.SIGINT, before)

    def _is_timer_free(self) -> bool:
        return (
            signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
            and signal.getitimer(signal.ITIMER_REAL)[0] == 0
        )

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        if self._engine.is_interruptible():
            raise KeyboardInterrupt
        self._engine.wake()

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self._seconds is None or is_debugging() or not self._engine.is_interruptible():
            return
        self.blocked_at = self.blocked_at or describe_frame(frame)
        raise LoopBlocked("the deadline has passed, and the event loop is blocked here")


class Watchdog:
    """A thread that prints where loops are blocked; it lives while there is one to watch."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._ends: dict[Interruptions, tuple[float, threading.Thread]] = {}
        self._thread: threading.Thread | None = None

    def watch(self, interruptions: Interruptions, seconds: float) -> None:
        """Watch the current thread.

        :param interruptions: stands for its loop
        :param seconds: when it counts as blocked
        """
        with self._condition:
            end = time.monotonic() + seconds
            self._ends[interruptions] = (end, threading.current_thread())
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="asgitest portal watchdog", daemon=True
                )
                self._thread.start()
            self._condition.notify()

    def forget(self, interruptions: Interruptions) -> None:
        """Watch it no more.

        :param interruptions: stands for its loop
        """
        if interruptions in self._ends:
            with self._condition:
                del self._ends[interruptions]
                self._condition.notify()
                thread = None if self._ends else self._thread
            if thread is not None:
                thread.join()

    def _run(self) -> None:
        with self._condition:
            while self._ends:
                now = time.monotonic()
                for interruptions, (end, thread) in list(self._ends.items()):
                    if end <= now and not is_debugging():
                        self._ends[interruptions] = (math.inf, thread)
                        self._print(thread)
                left = min(end for end, _ in self._ends.values()) - time.monotonic()
                self._condition.wait(None if left == math.inf else max(0.0, left) + _AGAIN)
            self._thread = None

    def _print(self, thread: threading.Thread) -> None:
        stack = describe_frame(sys._current_frames().get(thread.ident or 0))
        sys.stderr.write(
            f"asgitest: a deadline has passed, and the event loop in thread {thread.name!r} is "
            f"blocked by a synchronous call, which nothing can end there. It "
            f"stands here:\n{stack}\n"
        )


watchdog = Watchdog()
