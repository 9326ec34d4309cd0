"""What interrupts an event loop that runs in the calling thread: Ctrl-C, and blocking for ever."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from types import FrameType
from typing import Protocol

from ._debugger import is_debugging
from ._stacks import describe_frame

_HAS_TIMER = hasattr(signal, "setitimer")
# Seconds until another attempt, where the first one could not be made, or was swallowed.
_AGAIN = 0.05
# Seconds from the deadline to the first attempt.
_LATER = 0.02


class LoopBlocked(BaseException):
    """Raised in a synchronous call of the application that blocks its loop for too long."""


class LoopStopped(RuntimeError):
    """Raised when the application stops the loop that it runs on."""


class Interruptible(Protocol):
    """What is known of the loop that is interrupted."""

    def is_interruptible(self) -> bool:
        """Tell whether an exception may be raised where the loop stands."""

    def wake(self) -> None:
        """Have who advances the loop return."""


class Interruptions:
    """The signals of one loop, in force while it is advanced.

    In the main thread a timer of the system ends what blocks the loop. Elsewhere nothing can: a
    watchdog prints where it stands.

    :param engine: the loop
    :ivar pressed: whether Ctrl-C came while the loop was advanced
    :ivar blocked_at: the stack of what had to be ended, ``""`` for nothing
    :ivar was_debugged: whether somebody was debugging when the time was over
    """

    def __init__(self, engine: Interruptible) -> None:
        self.pressed = False
        self.blocked_at = ""
        self.was_debugged = False
        self._end = math.inf
        self._engine = engine
        self._owns_signals = False
        self._has_timer = False

    def open(self) -> None:
        """Take the signals over for as long as the loop lives; a press is otherwise as before."""
        self._owns_signals = handlers.hold()

    def close(self) -> None:
        """Give the signals back, unless another loop needs them."""
        if self._owns_signals:
            self._owns_signals = False
            handlers.let_go()

    def arm(self, seconds: float | None, grace: float) -> None:
        """Put the signals in force.

        :param seconds: when the loop itself would report, ``None`` for never
        :param grace: how much later it is taken for blocked
        """
        self.pressed = False
        self.blocked_at = ""
        self.was_debugged = False
        if self._owns_signals:
            handlers.current = self
        if seconds is not None:
            self._end = time.monotonic() + seconds + grace
            if not self._set_timer(seconds):
                watchdog.watch(self, seconds)

    def disarm(self) -> None:
        """Let the signals be as they are between two calls."""
        watchdog.forget(self)
        if self._has_timer:
            self._has_timer = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self._owns_signals:
            handlers.current = None

    def interrupt(self) -> None:
        """Break off what runs, or what waits, because of Ctrl-C."""
        self.pressed = True
        # What is interrupted may swallow it, and go on for ever.
        self._engine.wake()
        if self._engine.is_interruptible():
            raise KeyboardInterrupt

    def is_ctrl_c(self) -> bool:
        """Tell whether a KeyboardInterrupt that leaves the loop is Ctrl-C, and not a task's own."""
        # A handler that is not ours does not tell.
        return self.pressed or (self._owns_signals and not handlers.has_interrupt)

    @property
    def is_blocked(self) -> bool:
        """Whether the loop is taken for blocked, unless somebody is debugging."""
        return time.monotonic() >= self._end

    def end_block(self, frame: FrameType | None) -> None:
        """Break off what blocks the loop, if it does so by now.

        :param frame: where it stands
        """
        if not self._has_timer:
            return
        if is_debugging():
            self.was_debugged = True
        elif self.is_blocked and self._engine.is_interruptible():
            self.blocked_at = self.blocked_at or describe_frame(frame)
            raise LoopBlocked("the deadline has passed, and the event loop is blocked here")

    def _set_timer(self, seconds: float) -> bool:
        if not (self._owns_signals and handlers.has_alarm):
            return False
        # A little later than the loop itself would notice. Should a signal come at the very end of
        # SimpleQueue.get()'s time, that waits for ever; and no time at all would mean no timer.
        before = signal.setitimer(signal.ITIMER_REAL, seconds + _LATER, _AGAIN)
        self._has_timer = before[0] == 0
        if not self._has_timer:
            # Somebody else's, who goes on as if nothing had been.
            signal.setitimer(signal.ITIMER_REAL, *before)
        return self._has_timer


class Handlers:
    """The handlers of the process's signals, ours while there is a loop in the main thread.

    :ivar current: whose loop is advanced, ``None`` between the calls
    :ivar has_interrupt: whether the signal of Ctrl-C is ours
    :ivar has_alarm: whether the timer's signal is ours
    """

    def __init__(self) -> None:
        self.current: Interruptions | None = None
        self.has_alarm = False
        self.has_interrupt = False
        self._holders = 0

    def hold(self) -> bool:
        """Install the handlers where those of the system are in place.

        :return: whether this is the main thread, where it can be done
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        self._holders += 1
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self.has_interrupt = True
        if _HAS_TIMER and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            signal.signal(signal.SIGALRM, self._on_alarm)
            self.has_alarm = True
        return True

    def let_go(self) -> None:
        """Put back the handlers of the system, if no loop is left; nobody else's are touched."""
        self._holders -= 1
        if self._holders:
            return
        if self.has_interrupt and signal.getsignal(signal.SIGINT) == self._on_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.has_alarm and signal.getsignal(signal.SIGALRM) == self._on_alarm:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self.has_interrupt = self.has_alarm = False

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.current is None:
            signal.default_int_handler(number, frame)
        else:
            self.current.interrupt()

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self.current is not None:
            self.current.end_block(frame)


handlers = Handlers()


class Watchdog:
    """A thread that prints where loops are blocked; it lives while there is one to watch."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._ends: dict[Interruptions, tuple[float, threading.Thread]] = {}
        self._thread: threading.Thread | None = None

    def watch(self, interruptions: Interruptions, seconds: float) -> None:
        """Watch the current thread.

        :param interruptions: stands for its loop
        :param seconds: when to begin to look at it
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
                    if end > now:
                        continue
                    if is_debugging():
                        interruptions.was_debugged = True
                    elif interruptions.is_blocked:
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
