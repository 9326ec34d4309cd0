"""What an exception that left the application amounts to."""

from __future__ import annotations

import sys
import unittest

from asgitest import ClientDisconnected
from asgitest._outcome import comes_of_disconnect, unwrap_group

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup


class OldGroup(BaseException):
    """A group as anyio 3 has one: known by the name of its base."""

    def __init__(self, exceptions: list[BaseException]) -> None:
        self.exceptions = exceptions


OldGroup.__name__ = "ExceptionGroup"


class MultiError(BaseException):
    """A group as old versions of trio have one."""

    def __init__(self, exceptions: list[BaseException]) -> None:
        self.exceptions = exceptions


class Validation(Exception):
    """An exception that has exceptions, and is no group."""

    def __init__(self, exceptions: list[Exception]) -> None:
        super().__init__("two fields are wrong")
        self.exceptions = exceptions


def chained(
    error: BaseException,
    *,
    cause: BaseException | None = None,
    context: BaseException | None = None,
) -> BaseException:
    """Return an exception with a cause or a context."""
    error.__cause__ = cause
    error.__context__ = context
    return error


class ComesOfDisconnectTest(unittest.TestCase):
    """comes_of_disconnect()."""

    def test_true(self) -> None:
        """The exception itself, and what was made of it, in whatever way."""
        gone = ClientDisconnected("gone")
        table: dict[str, BaseException] = {
            "itself": gone,
            "cause": chained(RuntimeError(), cause=gone),
            "context": chained(RuntimeError(), context=gone),
            "further down": chained(RuntimeError(), cause=chained(ValueError(), context=gone)),
            "group": ExceptionGroup("group", [gone]),
            "group of two": ExceptionGroup("group", [gone, ClientDisconnected("gone, too")]),
            "nested groups": ExceptionGroup("outer", [ExceptionGroup("inner", [gone])]),
            "in a member": ExceptionGroup("group", [chained(RuntimeError(), context=gone)]),
            "context of a group": chained(ExceptionGroup("group", [ValueError()]), context=gone),
            "cause is a group": chained(RuntimeError(), cause=ExceptionGroup("group", [gone])),
            "group of anyio 3": OldGroup([gone]),
            "group of old trio": MultiError([gone, gone]),
        }
        for name, error in table.items():
            with self.subTest(name):
                self.assertTrue(comes_of_disconnect(error))

    def test_false(self) -> None:
        """Anything else, and a group in which there is anything else."""
        gone = ClientDisconnected("gone")
        table: dict[str, BaseException] = {
            "another": ValueError(),
            "another OSError": ConnectionResetError(),
            "chain": chained(RuntimeError(), cause=ValueError(), context=KeyError()),
            "group": ExceptionGroup("group", [ValueError()]),
            "mixed group": ExceptionGroup("group", [gone, ValueError()]),
            "mixed nested group": ExceptionGroup(
                "outer", [gone, ExceptionGroup("inner", [gone, ValueError()])]
            ),
            "no group": Validation([gone]),
            "base exception": SystemExit(),
        }
        for name, error in table.items():
            with self.subTest(name):
                self.assertFalse(comes_of_disconnect(error))

    def test_circle(self) -> None:
        """A chain that leads back to itself comes to an end."""
        one, two = RuntimeError("one"), RuntimeError("two")
        one.__context__, two.__context__ = two, one

        self.assertFalse(comes_of_disconnect(one))


class UnwrapGroupTest(unittest.TestCase):
    """unwrap_group()."""

    def test_no_group(self) -> None:
        """What is no group stays what it is, whatever attributes it has."""
        for error in (ValueError(), SystemExit(), Validation([ValueError()])):
            with self.subTest(error=error):
                self.assertIs(error, unwrap_group(error))
                self.assertIsNone(error.__context__)

    def test_group_of_one(self) -> None:
        """The only exception of a group, with the group as its context."""
        for make in (
            lambda error: ExceptionGroup("group", [error]),
            lambda error: BaseExceptionGroup("group", [error]),
            lambda error: OldGroup([error]),
            lambda error: MultiError([error]),
        ):
            error = ValueError("mine")
            group = make(error)
            with self.subTest(group=type(group)):
                self.assertIs(error, unwrap_group(group))
                self.assertIs(group, error.__context__)

    def test_nested_groups(self) -> None:
        """Groups in groups are unwrapped to the innermost exception."""
        error = ValueError("mine")
        group = ExceptionGroup("1", [ExceptionGroup("2", [ExceptionGroup("3", [error])])])

        self.assertIs(error, unwrap_group(group))

    def test_own_context_is_kept(self) -> None:
        """An exception that has a context keeps it."""
        context = KeyError("first")
        error = chained(ValueError("mine"), context=context)

        self.assertIs(error, unwrap_group(ExceptionGroup("group", [error])))  # type: ignore[list-item]
        self.assertIs(context, error.__context__)

    def test_larger_groups(self) -> None:
        """A larger group stays a group; a group of one around it goes."""
        two = ExceptionGroup("two", [ValueError(), KeyError()])

        self.assertIs(two, unwrap_group(two))
        self.assertIs(two, unwrap_group(ExceptionGroup("one", [two])))

    def test_groups_in_a_larger_group(self) -> None:
        """The members of a larger group stay as they are."""
        inner = ExceptionGroup("inner", [ValueError()])
        two = ExceptionGroup("two", [inner, KeyError()])

        self.assertIs(two, unwrap_group(two))
        self.assertIs(inner, two.exceptions[0])
