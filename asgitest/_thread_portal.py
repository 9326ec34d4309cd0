"""An event loop in a thread of its own."""

from __future__ import annotations

import importlib
import itertools
import math
import threading
from collections.abc import Mapping
from typing import Any

import anyio

from ._backend import PolicyKeeper
from ._calls import WAIT_PART, Answer
from ._portal import Portal
from ._report import THREAD_NAME
from ._stacks import describe_thread

_numbers = itertools.count(1)


class ThreadPortal(Portal):
    """A portal whose loop runs in a daemon thread, whether somebody waits for it or not.

    Calls are posted to the loop directly: anyio's own portal waits for the loop to take a call,
    and a blocked one never does. Nor can the thread that anyio makes for one be abandoned.

    :param backend: ``"asyncio"``, ``"uvloop"`` or ``"trio"``
    :param backend_options: keyword arguments for the backend's ``run``
    :param timeout: deadline in seconds of :meth:`call` and its like, ``None`` for none
    """

    def __init__(
        self,
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        timeout: float | None = 10.0,
    ) -> None:
        super().__init__(backend, backend_options, timeout)
        self._policy = PolicyKeeper(self._options)
        self._started = Answer()
        # A daemon, and so are the worker threads that its loop starts: none of them keeps the
        # interpreter from ending, not even when it is stuck.
        self._thread = threading.Thread(
            target=self._run_loop, name=f"{THREAD_NAME} {next(_numbers)}", daemon=True
        )

    def start(self) -> None:
        """Start the thread and its loop.

        :raises ImportError: if the backend is not installed
        """
        self._thread.start()
        self._started.wait(None)
        if self._failure is not None and self._served.loop is None:
            raise self._start_error()

    def is_current(self) -> bool:
        """Tell whether the caller runs on the loop's own thread."""
        return threading.current_thread() is self._thread

    def await_answer(self, answer: Answer, seconds: float | None) -> bool:
        """Wait for something that is given on the loop.

        :param answer: what is given there
        :param seconds: how long, ``None`` for ever
        :return: whether it came
        """
        return answer.wait(seconds)

    def describe_place(self) -> str:
        """Return the stack of the loop's thread."""
        return describe_thread(self._thread)

    @property
    def place(self) -> str:
        """Where the loop runs, in words."""
        return f"thread {self._thread.name!r}"

    @property
    def has_ended(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def _join_loop(self, seconds: float | None) -> None:
        left = math.inf if seconds is None else seconds
        while self._thread.is_alive() and left > 0:
            self._thread.join(min(WAIT_PART, left))
            left -= WAIT_PART

    def _run_loop(self) -> None:
        failure: BaseException | None = None
        try:
            if self._options.get("use_uvloop"):
                # anyio 3 would do without it, and say nothing.
                importlib.import_module("uvloop")
            self._policy.save()
            anyio.run(self._serve, backend=self._backend, backend_options=self._options)
        except BaseException as error:
            failure = error
        finally:
            self._policy.restore()
            # Before those are told who wait for the loop, and after they can know why it ended.
            self._end(failure)
            self._started.give()

    async def _serve(self) -> None:
        self._policy.restore()
        await self._served.serve(self._started.give)
