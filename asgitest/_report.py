"""Tell where everything on a loop stands when a deadline has passed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

import anyio

from ._calls import Subject
from ._stacks import await_chain, busy_threads, describe_chain, describe_thread

#: How the names of the threads begin that run an event loop of ours.
THREAD_NAME = "asgitest portal"


def describe_tasks(subject: Subject, own_tasks: Collection[int]) -> str:
    """Return where a subject and all other tasks of the running loop stand.

    :param subject: what was waited for; it comes first
    :param own_tasks: ids of the loop's own tasks, which are left out
    """
    ours = []
    others = []
    for _, name, coroutine, stack in _stacks(own_tasks):
        if any(subject.owns(frame) for frame in await_chain(coroutine)):
            ours.append(f"{subject.title} stands here:\n{stack}")
        else:
            others.append(f"Task {name!r} stands here:\n{stack}")
    return "\n".join(filter(None, [subject.describe(), *ours, *others]))


def describe_leftovers(
    own_tasks: Collection[int], origin: Callable[[int], str], known: Collection[int] = ()
) -> dict[int, str]:
    """Return the tasks of the running loop, each with its stack and the line that created it.

    :param own_tasks: ids of the loop's own tasks, which are left out
    :param origin: returns the line that created a task, by its id
    :param known: ids of coroutines whose tasks are left out
    :return: the texts, by the ids of the tasks
    """
    return {
        task: f"task {name!r} stands here:\n{stack}{_created(origin(task))}"
        for task, name, coroutine, stack in _stacks(own_tasks)
        if id(coroutine) not in known
    }


def _created(line: str) -> str:
    return f"\nIt was created here:\n{line}" if line else ""


def describe_threads() -> str:
    """Return the stacks of the threads that do something, but for loops, main and this one."""
    excluded = [threading.current_thread(), threading.main_thread()]
    return "\n".join(
        f"Thread {thread.name!r} stands here:\n{describe_thread(thread)}"
        for thread in busy_threads(excluded)
        if not thread.name.startswith(THREAD_NAME)
    )


def _stacks(own_tasks: Collection[int]) -> Iterator[tuple[int, str, Any, str]]:
    for task in anyio.get_running_tasks():
        if task.id not in own_tasks:
            stack = describe_chain(task.coro)
            if stack:
                yield task.id, str(task.name), task.coro, stack
