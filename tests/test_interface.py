"""Which interface an application has, and how it is called."""

from __future__ import annotations

import functools
import gc
import types
import unittest
import warnings
from collections.abc import Awaitable, Callable, Generator
from typing import Any
from unittest import mock

from asgitest._interface import ASGIApplication, resolve_interface
from asgitest.exceptions import ProtocolError


async def send_type(scope: Any, receive: Any, send: Any) -> None:
    """Send the type of the scope."""
    await send(scope["type"])


def old(scope: Any) -> Callable[[Any, Any], Awaitable[None]]:
    """Do as :func:`send_type`, in two steps."""

    async def instance(receive: Any, send: Any) -> None:
        await send(scope["type"])

    return instance


class OldClass:
    """An application in two steps, as Channels had them."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await send(self.scope["type"])


class OldClassOfAnything(OldClass):
    """The same, with a signature that tells nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class OldInstance:
    """An instance that is an application in two steps."""

    def __call__(self, scope: Any) -> Callable[[Any, Any], Awaitable[None]]:
        return old(scope)


class Endpoint:
    """A class whose instances are awaited, as Starlette's endpoints are."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.send = scope, send

    def __await__(self) -> Generator[Any, None, None]:
        return self.dispatch().__await__()

    async def dispatch(self) -> None:
        await self.send(self.scope["type"])


class EndpointOfAnything(Endpoint):
    """The same, with a signature that tells nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class Made:
    """A class that is called like a function, and gives a coroutine."""

    def __new__(cls, scope: Any, receive: Any, send: Any) -> Any:
        return send_type(scope, receive, send)


class Instance:
    """An instance that is an application, with methods that are."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send(scope["type"])

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        await send(scope["type"])

    @staticmethod
    async def static(scope: Any, receive: Any, send: Any) -> None:
        await send(scope["type"])

    @classmethod
    async def of_class(cls, scope: Any, receive: Any, send: Any) -> None:
        await send(scope["type"])

    def old_method(self, scope: Any) -> Callable[[Any, Any], Awaitable[None]]:
        return old(scope)


class PlainInstance:
    """An instance whose ``__call__`` is no coroutine function, but returns a coroutine."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        return send_type(scope, receive, send)


class InstanceOfAnything:
    """An instance whose ``__call__`` takes whatever comes."""

    async def __call__(self, *args: Any) -> None:
        await send_type(*args)


def plain(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    """Return a coroutine."""
    return send_type(scope, receive, send)


def future(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    """Return what can be awaited and is no coroutine."""
    return Endpoint(scope, receive, send)


@types.coroutine
def generator_based(scope: Any, receive: Any, send: Any) -> Generator[Any, None, None]:
    """Do as :func:`send_type`, as a coroutine made of a generator."""
    yield from send(scope["type"]).__await__()


def passing_on(app: Any) -> Any:
    """Decorate an application with a function that passes on whatever it is given."""

    @functools.wraps(app)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return app(*args, **kwargs)

    return wrapper


def awaiting(app: Any) -> Any:
    """Decorate an application with a coroutine function that passes on what it is given."""

    @functools.wraps(app)
    async def wrapper(*args: Any) -> Any:
        return await app(*args)

    return wrapper


def anonymous(app: Any) -> Any:
    """Decorate an application with a function that tells nothing of what it wraps."""

    def wrapper(*args: Any) -> Any:
        return app(*args)

    return wrapper


def modernised(app: Any) -> Any:
    """Decorate an application in two steps so that it is called in one."""

    @functools.wraps(app)
    async def wrapper(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return wrapper


def modernised_at_will(app: Any) -> Any:
    """Do as :func:`modernised`, with a signature that tells nothing."""

    @functools.wraps(app)
    async def wrapper(*args: Any) -> None:
        await app(args[0])(*args[1:])

    return wrapper


class Modernised:
    """Do as :func:`modernised_at_will`, as an instance."""

    def __init__(self, app: Any) -> None:
        self.app = app
        functools.update_wrapper(self, app, updated=())

    async def __call__(self, *args: Any) -> None:
        await self.app(args[0])(*args[1:])


def outdated(app: Any) -> Any:
    """Decorate an application so that it is called in two steps."""

    @functools.wraps(app)
    def wrapper(scope: Any) -> Any:
        return functools.partial(app, scope)

    return wrapper


def with_options(scope: Any, prefix: str = "", *, option: bool = False) -> Any:
    """Do as :func:`old`, with options."""
    return old(scope)


def marked() -> Any:
    """Return an application that bears asgiref's mark, with a signature that tells nothing."""
    wrapper = anonymous(old)
    wrapper._asgi_double_callable = True
    return wrapper


def marked_instance() -> Any:
    """Return an instance that bears asgiref's mark."""

    class Marked:
        _asgi_double_callable = True

        def __call__(self, *args: Any) -> Any:
            return old(*args)

    return Marked()


ASGI3: tuple[tuple[str, Any], ...] = (
    ("a function", send_type),
    ("a function that returns a coroutine", plain),
    ("a function that returns an awaitable", future),
    ("a coroutine made of a generator", generator_based),
    ("a lambda", lambda scope, receive, send: send_type(scope, receive, send)),
    ("a lambda of anything", lambda *args: send_type(*args)),
    ("an instance", Instance()),
    ("an instance with a plain __call__", PlainInstance()),
    ("an instance of anything", InstanceOfAnything()),
    ("a method", Instance().method),
    ("a static method", Instance.static),
    ("a class method", Instance.of_class),
    ("an endpoint", Endpoint),
    ("an endpoint of anything", EndpointOfAnything),
    ("a class that gives a coroutine", Made),
    ("a decorated endpoint", passing_on(Endpoint)),
    ("a partial", functools.partial(send_type)),
    ("a partial of a partial", functools.partial(functools.partial(plain))),
    ("a partial of an instance", functools.partial(Instance())),
    ("a partial of an endpoint", functools.partial(Endpoint)),
    ("a partial of an endpoint of anything", functools.partial(EndpointOfAnything)),
    (
        "a partial that binds the first",
        functools.partial(lambda prefix, *args: send_type(*args), ""),
    ),
    (
        "a partial that binds a name",
        functools.partial(lambda a, b, c, prefix: send_type(a, b, c), prefix=""),
    ),
    ("a decorated function", passing_on(send_type)),
    ("a function behind a coroutine function", awaiting(plain)),
    ("a function behind anything", anonymous(send_type)),
    ("twice decorated", passing_on(awaiting(send_type))),
    ("an old class in a new suit", modernised(OldClass)),
    ("an old function in a new suit", modernised(old)),
    ("an old class in a suit of anything", modernised_at_will(OldClass)),
    ("an old function in an instance of anything", Modernised(old)),
    ("an async mock", mock.AsyncMock(side_effect=send_type)),
    ("an async mock that wraps", mock.AsyncMock(wraps=send_type)),
    ("an async mock with a spec", mock.AsyncMock(spec=send_type, side_effect=send_type)),
    ("an autospec", mock.create_autospec(send_type, side_effect=send_type)),
    ("a mock", mock.Mock(side_effect=send_type)),
    ("a magic mock", mock.MagicMock(side_effect=send_type)),
    ("a partial of a mock", functools.partial(mock.AsyncMock(side_effect=send_type))),
)

ASGI2: tuple[tuple[str, Any], ...] = (
    ("a class", OldClass),
    ("a class of anything", OldClassOfAnything),
    ("a function", old),
    ("a function with options", with_options),
    ("a lambda", lambda scope: old(scope)),
    ("an instance", OldInstance()),
    ("a method", Instance().old_method),
    ("a partial of a class", functools.partial(OldClass)),
    ("a partial of a class of anything", functools.partial(OldClassOfAnything)),
    ("a partial of a partial", functools.partial(functools.partial(old))),
    ("a decorated class", passing_on(OldClass)),
    ("a decorated function", passing_on(old)),
    ("a new function in an old suit", outdated(send_type)),
    ("a callable with a mark", marked()),
    ("an instance with a mark", marked_instance()),
    ("a partial of one with a mark", functools.partial(marked())),
    ("an autospec", mock.create_autospec(old, side_effect=old)),
)


def call(application: ASGIApplication, scope_type: str, send: Any) -> Any:
    """Return what an application returns that never waits, so that it needs no event loop."""
    try:
        application({"type": scope_type}, mock.Mock(), send).send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the application waits")


def run(application: ASGIApplication, scope_type: str = "http") -> list[Any]:
    """Return what an application sends."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    call(application, scope_type, send)
    return sent


class InterfaceTest(unittest.TestCase):
    """``resolve_interface``, and applications of each interface at work."""

    def test_asgi3(self) -> None:
        """What takes three arguments, or whatever comes, is called once (APP-01)."""
        for title, app in ASGI3:
            with self.subTest(title):
                self.assertEqual("asgi3", resolve_interface(app))
                application = ASGIApplication(app)
                self.assertEqual("3.0", application.version)
                self.assertEqual(["http"], run(application))

    def test_asgi2(self) -> None:
        """What takes one argument, or is a class of the old kind, is called twice (APP-06)."""
        for title, app in ASGI2:
            with self.subTest(title):
                self.assertEqual("asgi2", resolve_interface(app))
                application = ASGIApplication(app)
                self.assertEqual("2.0", application.version)
                self.assertEqual(["http"], run(application))

    def test_again(self) -> None:
        """An application can be called any number of times."""
        for app in (send_type, old, OldClass, Endpoint):
            with self.subTest(app):
                application = ASGIApplication(app)
                self.assertEqual(["http"], run(application))
                self.assertEqual(["websocket"], run(application, "websocket"))

    def test_a_mock_without_a_behaviour(self) -> None:
        """A mock is ASGI 3, and an async one can be awaited."""
        for app in (mock.AsyncMock(), mock.Mock(), mock.MagicMock()):
            with self.subTest(app):
                self.assertEqual("asgi3", resolve_interface(app))
        app = mock.AsyncMock()
        self.assertEqual([], run(ASGIApplication(app)))
        app.assert_awaited_once()

    def test_no_signature(self) -> None:
        """A callable without a signature is ASGI 3, a class of that kind ASGI 2."""

        class Hidden:
            __signature__ = "none"

            def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
                return send_type(scope, receive, send)

        self.assertEqual("asgi3", resolve_interface(Hidden()))
        self.assertEqual("asgi2", resolve_interface(Hidden))

    def test_neither_call_fits(self) -> None:
        """A callable that takes neither one argument nor three is called as ASGI 3."""

        def two(scope: Any, receive: Any) -> None:
            """Take two arguments."""

        def none() -> None:
            """Take no argument."""

        def named(scope: Any, *, option: bool) -> None:
            """Take an argument by its name."""

        for app in (two, none, named):
            with self.subTest(app):
                self.assertEqual("asgi3", resolve_interface(app))
                with self.assertRaisesRegex(TypeError, "positional argument"):
                    run(ASGIApplication(app))

    def test_override(self) -> None:
        """What the test says counts, whatever the application looks like."""
        for app in (send_type, old, OldClass, Endpoint, anonymous(old), mock.AsyncMock()):
            for interface, version in (("asgi2", "2.0"), ("asgi3", "3.0")):
                with self.subTest(app=app, interface=interface):
                    self.assertEqual(interface, resolve_interface(app, interface))
                    self.assertEqual(version, ASGIApplication(app, interface).version)

    def test_override_of_what_cannot_be_known(self) -> None:
        """A wrapper that hides an application in two steps works when the test says so."""
        self.assertEqual("asgi3", resolve_interface(anonymous(old)))
        self.assertEqual(["http"], run(ASGIApplication(anonymous(old), "asgi2")))

    def test_no_interface(self) -> None:
        """There are three values and no other."""
        for interface in ("", "asgi", "ASGI3", "3", None, 3):
            with self.subTest(interface):
                with self.assertRaises(ValueError) as caught:
                    ASGIApplication(send_type, interface)  # type: ignore[arg-type]
                self.assertEqual(
                    f"interface must be one of auto, asgi2, asgi3, not {interface!r}",
                    str(caught.exception),
                )


class RefusedTest(unittest.TestCase):
    """What is no application."""

    def test_not_callable(self) -> None:
        """What cannot be called is refused at once (APP-01)."""
        for app, shown in (
            (None, "NoneType: None"),
            ("module:app", "str: 'module:app'"),
            ({}, "dict: {}"),
            (1, "int: 1"),
        ):
            with self.subTest(app=app):
                with self.assertRaises(TypeError) as caught:
                    ASGIApplication(app)
                self.assertEqual(
                    f"app must be an ASGI application, which is callable, not {shown} [APP-01]",
                    str(caught.exception),
                )

    def assert_refused(self, application: ASGIApplication, text: str) -> None:
        """Fail if running an application is not refused with a text."""
        with self.assertRaises(ProtocolError) as caught:
            run(application)
        self.assertEqual(
            f"the application was called, and {text}; interface='asgi2' or 'asgi3' says how to "
            "call it [APP-01]",
            str(caught.exception),
        )
        self.assertEqual("APP-01", caught.exception.rule)
        self.assertIsNone(caught.exception.message_type)

    def test_nothing_to_await(self) -> None:
        """The call of an ASGI 3 application gives something that can be awaited (APP-01)."""

        async def generator(scope: Any, receive: Any, send: Any) -> Any:
            yield None

        for title, app, shown in (
            ("nothing", lambda scope, receive, send: None, r"NoneType: None"),
            ("a number", lambda scope, receive, send: 1, r"int: 1"),
        ):
            with self.subTest(title):
                self.assert_refused(
                    ASGIApplication(app), f"it must return an awaitable, not {shown}"
                )
        with self.assertRaisesRegex(ProtocolError, "must return an awaitable, not async_generator"):
            run(ASGIApplication(generator))
        with self.assertRaisesRegex(ProtocolError, "must return an awaitable, not Mock"):
            run(ASGIApplication(mock.Mock()))

    def test_the_second_step_gives_nothing_to_await(self) -> None:
        """Nor does an ASGI 2 application's second call give anything else."""
        app = ASGIApplication(lambda scope: lambda receive, send: 1)
        self.assert_refused(app, "it must return an awaitable, not int: 1")

    def test_the_first_step_gives_no_callable(self) -> None:
        """An ASGI 2 application's first call gives a callable."""
        app = ASGIApplication(lambda scope: None)
        self.assert_refused(app, "its first call must return a callable, not NoneType: None")

    def test_a_coroutine_function_with_one_parameter(self) -> None:
        """Its coroutine is no callable, and Python does not warn that nobody awaits it."""

        async def app(scope: Any) -> None:
            """Take the scope alone."""

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with self.assertRaisesRegex(ProtocolError, "must return a callable, not coroutine"):
                run(ASGIApplication(app))
            gc.collect()
        self.assertEqual([], [str(warning.message) for warning in caught])

    def test_what_the_application_raises(self) -> None:
        """An exception of either step comes out as it is."""

        def first(scope: Any) -> Any:
            raise LookupError("first step")

        def second(scope: Any) -> Any:
            def instance(receive: Any, send: Any) -> Any:
                raise LookupError("second step")

            return instance

        for app, text in ((first, "first step"), (second, "second step")):
            with self.subTest(text):
                with self.assertRaisesRegex(LookupError, f"^{text}$"):
                    run(ASGIApplication(app))

    def test_the_result(self) -> None:
        """What the application returns is handed on (APP-10)."""

        async def app(scope: Any, receive: Any, send: Any) -> str:
            return "done"

        self.assertEqual("done", call(ASGIApplication(app), "http", mock.Mock()))
