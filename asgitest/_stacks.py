"""Tell where tasks and threads stand, as text; knows no event loop."""

from __future__ import annotations

import gc
import inspect
import itertools
import linecache
import os
import queue
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anyio

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_ANYIO = os.path.dirname(os.path.abspath(anyio.__file__)) + os.sep
_SUSPENDED = (types.CoroutineType, types.AsyncGeneratorType)
# What wraps them in C: ``async for``, ``anext()``, ``aclose()``, ``coroutine.__await__()``.
_WRAPPERS = (
    "anext_awaitable",
    "async_generator_asend",
    "async_generator_athrow",
    "coroutine_wrapper",
)
# Functions of this package that run what is not of this package.
_ENTRIES = (
    "run",
    "_perform",
    "_call_application",
    "run_watched",
    "exchange",
    "take_steps",
    "__call__",
)


def await_chain(awaitable: Any) -> Iterator[types.FrameType]:
    """Yield the frames of a suspended awaitable, from the outermost to the innermost.

    :param awaitable: a coroutine, generator or async generator; objects that wrap one, such as
        what ``async for`` awaits, are looked through
    """
    seen: set[int] = set()
    # An awaitable may refer back to who awaits it.
    while awaitable is not None and id(awaitable) not in seen:
        seen.add(id(awaitable))
        frame, awaitable = _step(awaitable)
        if frame is not None:
            yield frame


def _step(awaitable: Any) -> tuple[types.FrameType | None, Any]:
    if inspect.iscoroutine(awaitable):
        return awaitable.cr_frame, awaitable.cr_await
    if inspect.isasyncgen(awaitable):
        return awaitable.ag_frame, awaitable.ag_await
    if inspect.isgenerator(awaitable):
        return awaitable.gi_frame, awaitable.gi_yieldfrom
    # ``async for`` awaits an object that has no public way to its generator.
    for referent in gc.get_referents(awaitable):
        if isinstance(referent, _SUSPENDED) or type(referent).__name__ in _WRAPPERS:
            return None, referent
    return None, None


def describe_chain(awaitable: Any) -> str:
    """Return the await chain of a task as a traceback shows it, from the application's code on.

    :param awaitable: the task's coroutine
    :return: ``""`` if the task runs nothing but this package's code
    """
    frames = list(await_chain(awaitable))
    while frames and _is_entry(frames[0]):
        del frames[0]
    for index, frame in enumerate(frames):
        # Behind it lies receive() or send(), and the subject's description tells of these.
        if _runs_ours(frame):
            del frames[index:]
            break
    return _format(frames)


def is_ours(filename: str) -> bool:
    """Tell whether a file belongs to this package.

    :param filename: that of a frame's code
    """
    return filename.startswith(_PACKAGE + os.sep)


def _runs_ours(frame: types.FrameType) -> bool:
    return is_ours(frame.f_code.co_filename)


def _is_entry(frame: types.FrameType) -> bool:
    if _runs_ours(frame):
        return frame.f_code.co_name in _ENTRIES
    return frame.f_code.co_filename.startswith(_ANYIO)


def describe_thread(thread: threading.Thread) -> str:
    """Return the stack of a thread as a traceback shows it.

    :param thread: a thread that runs
    :return: from the application's code on; ``""`` if the thread has ended
    """
    return describe_frame(sys._current_frames().get(thread.ident or 0))


def describe_frame(frame: types.FrameType | None) -> str:
    """Return the stack that leads to a frame as a traceback shows it.

    :param frame: the innermost frame
    :return: from the application's code on
    """
    frames = _stack(frame)
    first = 0
    # What runs a thread, or the loop in it, says nothing about the application.
    while first < len(frames) and _is_idle(frames[first]):
        first += 1
    for index, frame in enumerate(frames):
        if _runs_ours(frame) and _is_entry(frame):
            first = index + 1
    return _format(frames[first:] or frames)


def describe_line(code: types.CodeType, line: int) -> str:
    """Return one line of code as a traceback shows it.

    :param code: the code
    :param line: number of the line
    """
    entry = traceback.FrameSummary(code.co_filename, line, code.co_name)
    return "".join(traceback.format_list([entry])).rstrip("\n")


def busy_threads(excluded: Iterable[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that do something, idle workers of a pool left out.

    :param excluded: threads to leave out
    """
    left_out = set(excluded)
    return [
        thread for thread in threading.enumerate() if thread not in left_out and is_busy(thread)
    ]


def is_busy(thread: threading.Thread) -> bool:
    """Tell whether a thread does something, unlike an idle worker of a pool.

    :param thread: any thread
    """
    return _is_busy(_stack(sys._current_frames().get(thread.ident or 0)))


def has_local(thread: threading.Thread, name: str, is_meant: Callable[[Any], bool]) -> bool:
    """Tell whether a function that a thread runs has a certain value as a local variable.

    :param thread: any thread
    :param name: name of the variable
    :param is_meant: tells whether a value is the one
    """
    frames = _stack(sys._current_frames().get(thread.ident or 0))
    return any(
        name in frame.f_code.co_varnames + frame.f_code.co_freevars
        and is_meant(frame.f_locals.get(name))
        for frame in frames
    )


def _idle_files() -> frozenset[str]:
    """Return the files that the whole stack of a worker thread without work lies in.

    One that gives its result to the loop has none any more.
    """
    modules = [threading, queue]
    # Not imported for this: a loop that has worker threads has done so.
    for name in (
        "concurrent.futures.thread",
        "anyio._backends._asyncio",
        "asyncio.base_events",
        "asyncio.selector_events",
        "trio._core._thread_cache",
        "trio._core._entry_queue",
        "trio._core._wakeup_socketpair",
        "trio._threads",
    ):
        modules += [sys.modules[name]] if name in sys.modules else []
    return frozenset(str(module.__file__) for module in modules)


def _is_busy(stack: list[types.FrameType]) -> bool:
    if not all(map(_is_idle, stack)):
        return True
    # A worker without work waits for its queue. One that was given something of threading to run,
    # such as the wait() of an event, looks alike but for that.
    files = [frame.f_code.co_filename for frame in stack]
    others = (threading.__file__, queue.__file__)
    return any(
        caller not in others and called == threading.__file__
        for caller, called in itertools.pairwise(files)
    )


def _is_idle(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename in _idle_files()


def _stack(frame: types.FrameType | None) -> list[types.FrameType]:
    frames: list[types.FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _format(frames: Iterable[types.FrameType]) -> str:
    entries = []
    for frame in frames:
        code = frame.f_code
        linecache.lazycache(code.co_filename, frame.f_globals)
        entries.append(traceback.FrameSummary(code.co_filename, frame.f_lineno, code.co_name))
    return "".join(traceback.format_list(entries)).rstrip("\n")
