"""The asynchronous methods of a test case, which run on the application's loop."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from ._async_client import AsyncClient
from ._protocol._texts import shorten
from ._stepwise import EnteredContext, MovingDeadline, Step, StepwiseTask
from .client import TestClient
from .mixin import ASGITestMixin

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True

T = TypeVar("T")


class _OnLoop:
    """A cleanup that is called on the loop."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Exist, because unittest takes a cleanup that can be called; the case looks inside."""
        raise NotImplementedError


class AsyncMethods(ASGITestMixin):
    """Test methods, fixtures and cleanups as coroutine functions on the application's loop.

    Those of one test run in one task, one after the other. A class that derives from
    ``unittest.IsolatedAsyncioTestCase`` as well keeps that one's methods, and its loop.
    """

    _task: StepwiseTask | None = None
    _async_client: AsyncClient | None = None
    _has_passed = False

    @property
    def async_client(self) -> AsyncClient:
        """The client of the running test, for its asynchronous parts."""
        if self._async_client is None:
            client = self.asgi_client
            self._async_client = AsyncClient(client, MovingDeadline(client.timeout))
        return self._async_client

    async def asyncSetUp(self) -> None:
        """Prepare the test on the application's loop, after :meth:`setUp`."""

    async def asyncTearDown(self) -> None:
        """Clean up after the test on the application's loop, before :meth:`tearDown`."""

    def addAsyncCleanup(
        self, func: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any
    ) -> None:
        """Have a coroutine function called on the application's loop after the test.

        :param func: a coroutine function
        :param args: its positional arguments
        :param kwargs: its keyword arguments
        """
        if isinstance(self, unittest.IsolatedAsyncioTestCase):
            super().addAsyncCleanup(func, *args, **kwargs)  # type: ignore[misc]
        else:
            self.addCleanup(_OnLoop(func), *args, **kwargs)

    async def enterAsyncContext(self, cm: AbstractAsyncContextManager[T]) -> T:
        """Enter an asynchronous context manager, to be left in the cleanups.

        :param cm: the context manager
        :return: what it gives
        :raises TypeError: if it is none
        """
        context = EnteredContext(cm)
        value: T = await context.enter()
        if context.is_bound and self._task is not None:
            self._task.hold(context)
        self.addAsyncCleanup(context.leave)
        return value

    # -- the parts of a test -------------------------------------------------------------------

    def _run_set_up(self) -> None:
        if self._keeps_base_methods:
            super()._run_set_up()
            return
        self.setUp()
        if type(self).asyncSetUp is not AsyncMethods.asyncSetUp:
            self._run_step("asyncSetUp", self.asyncSetUp)

    def _run_test_method(self, method: Callable[[], Any]) -> None:
        if self._keeps_base_methods:
            super()._run_test_method(method)
            return
        name = self._testMethodName
        result = self._run_here_or_on_loop(name, method)
        if result is not None:
            raise self.failureException(
                f"{name}() returned {shorten(result)}: a test returns nothing, so that what it "
                f"means to check would be lost"
            )
        self._check_awaited()
        self._has_passed = True

    def _run_tear_down(self) -> None:
        if self._keeps_base_methods:
            super()._run_tear_down()
            return
        if type(self).asyncTearDown is not AsyncMethods.asyncTearDown:
            self._run_step("asyncTearDown", self.asyncTearDown)
        self.tearDown()

    def _run_cleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        if self._keeps_base_methods:
            super()._run_cleanup(function, *args, **kwargs)
        elif isinstance(function, _OnLoop):
            self._run_step(_name_of(function.function), function.function, *args, **kwargs)
        else:
            self._run_here_or_on_loop(_name_of(function), function, *args, **kwargs)

    # -- inside --------------------------------------------------------------------------------

    @property
    def _keeps_base_methods(self) -> bool:
        return isinstance(self, unittest.IsolatedAsyncioTestCase)

    def _run_here_or_on_loop(
        self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Call a function in this thread; what it returns, if a coroutine, runs on the loop."""
        result = function(*args, **kwargs)
        if not inspect.iscoroutine(result):
            return result
        try:
            return self._run_step(name, lambda: result)
        finally:
            # Of a loop that ended before, and then nobody will ever await it.
            if inspect.getcoroutinestate(result) == inspect.CORO_CREATED:
                result.close()

    def _run_step(
        self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        step = Step(name, function, *args, **kwargs)
        if self._task is None or not self._task.usable:
            # Of a task that ended, its deadline passed; what remains to be done runs in a new one.
            portal = self.asgi_client.portal
            self._task = StepwiseTask(portal, self.id(), self.async_client.deadline)
            self._task.start()
        self._task.take(step)
        if step.error is not None:
            raise step.error
        return step.result

    def _check_awaited(self) -> None:
        if self._async_client is not None:
            forgotten = self._async_client.take_forgotten()
            if forgotten:
                raise self.failureException(
                    "a call was never awaited, and so never made:\n" + "\n".join(forgotten)
                )

    def _leave_client(self, client: TestClient) -> None:
        try:
            self._finish_task()
        finally:
            super()._leave_client(client)

    def _finish_task(self) -> None:
        task, self._task = self._task, None
        try:
            if task is not None and task.usable:
                task.finish()
            if self._has_passed:
                self._check_awaited()
        finally:
            if self._async_client is not None:
                # Of a test that has failed already.
                self._async_client.take_forgotten()
            self._async_client = None


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
