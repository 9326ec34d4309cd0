"""What differs between asyncio and trio, as far as anyio does not level it.

Each function imports the library that it asks: a test run has one of them, and whoever only
imports this package, none.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    import asyncio

try:
    from sniffio import current_async_library_cvar as _current_library
except ImportError:  # pragma: no cover - newer versions of anyio need it for trio only
    _current_library = None  # type: ignore[assignment]


#: What has to be installed for the backends.
BACKEND_MODULES = ("trio", "uvloop")


def is_cancellation(error: BaseException) -> bool:
    """Tell whether an exception is a backend's cancellation.

    :param error: what was raised
    """
    # Not imported for this: an error of asyncio's says that it was, and a response that is dropped
    # at the interpreter's end asks when nothing can be.
    cancelled: Any = getattr(sys.modules.get("asyncio"), "CancelledError", ())
    return isinstance(error, cancelled) or (
        type(error).__name__ == "Cancelled" and type(error).__module__.startswith("trio")
    )


async def take_cancellation(backend_is_trio: bool) -> None:
    """Take a cancellation that an application asked for its own task, and returned before it came.

    Left where it is, it would break off what is done behind the application. One that a cancel
    scope asked for is asked for again.

    :param backend_is_trio: whether there is no such thing, for trio cancels by scopes alone
    """
    if backend_is_trio:
        return
    import asyncio

    if getattr(asyncio.current_task(), "_must_cancel", False):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


def running_loop(backend: str) -> tuple[object, Callable[..., object], Callable[..., object]]:
    """Return the running loop, its function that posts from any thread, and from its own.

    :param backend: ``"asyncio"`` or ``"trio"``
    """
    if backend == "trio":
        import trio

        token = trio.lowlevel.current_trio_token()
        return token, token.run_sync_soon, token.run_sync_soon
    import asyncio

    loop = asyncio.get_running_loop()
    return loop, loop.call_soon_threadsafe, loop.call_soon


def new_asyncio_loop(options: Mapping[str, Any]) -> asyncio.AbstractEventLoop:
    """Make a loop as ``anyio.run`` does.

    :param options: anyio's options for asyncio
    :raises ImportError: if uvloop is asked for and not installed
    """
    import asyncio

    factory = options.get("loop_factory")
    if factory is None and options.get("use_uvloop"):
        factory = importlib.import_module("uvloop").new_event_loop
    loop: asyncio.AbstractEventLoop = (factory or asyncio.new_event_loop)()
    if options.get("debug") is not None:
        loop.set_debug(options["debug"])
    return loop


def loop_in_this_thread() -> str:
    """Return the name of the library whose loop runs in this thread, ``""`` for none."""
    if _current_trio_task() is not None:
        return "trio"
    import asyncio

    # It says None where the public function raises, and this is asked before each call.
    return "" if asyncio._get_running_loop() is None else "asyncio"


def mark_backend(backend: str) -> None:
    """Let anyio know the backend in the current context.

    A callback of a loop runs in no task, and there anyio looks at this mark alone.

    :param backend: ``"asyncio"`` or ``"trio"``
    """
    if _current_library is not None:  # pragma: no branch - see above
        _current_library.set(backend)


async def wait_for_tasks(tasks: Collection[Any]) -> None:
    """Wait until no task is left in a collection that they leave at their end.

    :param tasks: tasks of asyncio
    """
    import asyncio

    while tasks:
        await asyncio.wait(list(tasks))


def notice_tasks(backend: str, note: Callable[[Any], None]) -> Callable[[], None]:
    """Have a function called with each new task of the running loop, in the call that creates it.

    :param backend: ``"asyncio"`` or ``"trio"``
    :param note: takes the task
    :return: is called on the loop when nobody is interested any more
    """
    if backend == "trio":
        import trio

        instrument: Any = _Instrument(note)
        trio.lowlevel.add_instrument(instrument)
        return partial(_remove_instrument, instrument)
    import asyncio

    loop = asyncio.get_running_loop()
    # That of a loop factory of the user's comes first.
    create: Any = loop.get_task_factory()
    task_class = asyncio.Task

    def create_and_note(loop: Any, coro: Any, **options: Any) -> Any:
        if create is None:
            task = task_class(coro, loop=loop, **options)
        else:
            task = create(loop, coro, **options)
        note(task)
        return task

    loop.set_task_factory(create_and_note)
    return _leave_to_the_end_of_the_loop


def _remove_instrument(instrument: Any) -> None:
    import trio

    # A run in guest mode goes on for other clients. Dropped without an end, it has no instruments.
    with contextlib.suppress(RuntimeError):
        trio.lowlevel.remove_instrument(instrument)


def _leave_to_the_end_of_the_loop() -> None:
    """Do nothing, for a loop of asyncio ends with its client."""


class _Instrument:
    """An instrument of trio: it calls the methods that it knows by their names."""

    def __init__(self, note: Callable[[Any], None]) -> None:
        self._note = note

    def task_spawned(self, task: Any) -> None:
        self._note(task)


async def cancel_tasks(tasks: Collection[int]) -> None:
    """Cancel tasks of the running loop, and wait for their end; trio has no way to.

    :param tasks: their ids
    """
    if tasks and _current_trio_task() is None:
        import asyncio

        cancelled = [task for task in asyncio.all_tasks() if id(task) in tasks]
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)


def innermost_scope() -> object:
    """Return what stands for the innermost cancel scope of the current task.

    anyio tells nothing of it; where the libraries do not either, it is always the same.
    """
    task = _current_trio_task()
    if task is not None:
        return getattr(task, "_cancel_status", None)
    import asyncio

    states = getattr(sys.modules.get("anyio._backends._asyncio"), "_task_states", {})
    return getattr(states.get(asyncio.current_task()), "cancel_scope", None)


def is_scope_cancelled() -> bool:
    """Tell whether a cancel scope round the current place of the current task is cancelled."""
    return anyio.current_effective_deadline() == -math.inf or any(
        # anyio 3 tells of deadlines alone.
        getattr(scope, "cancel_called", False)
        for scope in _and_parents(innermost_scope())
    )


def _and_parents(scope: object) -> Iterator[object]:
    while scope is not None:
        yield scope
        scope = getattr(scope, "_parent_scope", None)


def _current_trio_task() -> object:
    # Another thread may be in the midst of importing it; then it runs in none so far.
    current_task = getattr(sys.modules.get("trio.lowlevel"), "current_task", None)
    try:
        return None if current_task is None else current_task()
    except RuntimeError:
        # Nothing of trio runs here.
        return None


class PolicyKeeper:
    """Keep uvloop from becoming the policy of the whole process.

    anyio 3 makes it that, and the user's own loops would find it; anyio 4 passes a loop factory.
    From :meth:`save` to :meth:`restore` no other portal may start, or it would save the wrong one.

    :param options: the backend's options
    """

    _lock = threading.Lock()

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._is_needed = bool(options.get("use_uvloop")) and hasattr(anyio, "ExceptionGroup")
        self._policy: Any = None

    def save(self) -> None:
        """Remember the policy, before the loop is made."""
        if self._is_needed:  # pragma: no cover - anyio 3
            import asyncio

            self._lock.acquire()
            self._policy = asyncio.get_event_loop_policy()

    def restore(self) -> None:
        """Put the policy back, once the loop is made; again, this does nothing."""
        if self._policy is not None:  # pragma: no cover - anyio 3
            import asyncio

            asyncio.set_event_loop_policy(self._policy)
            self._policy = None
            self._lock.release()
