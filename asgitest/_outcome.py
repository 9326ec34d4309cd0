"""Tell what an exception that left the application amounts to."""

from __future__ import annotations

from collections.abc import Sequence

from .exceptions import ClientDisconnected

_GROUPS = ("BaseExceptionGroup", "ExceptionGroup", "MultiError")


def comes_of_disconnect(error: BaseException) -> bool:
    """Tell whether an exception is our ``ClientDisconnected``, or was made of it (ERR-06).

    :param error: what left the application; a group counts if all its exceptions do
    """
    return _comes_of_disconnect(error, {})


def _comes_of_disconnect(error: BaseException, verdicts: dict[int, bool]) -> bool:
    # A member of a group may have the group as its context: no link is walked twice, and one whose
    # walk is under way adds nothing to itself.
    if id(error) not in verdicts:
        verdicts[id(error)] = False
        members = _members(error)
        following = error.__cause__ or error.__context__
        verdicts[id(error)] = (
            isinstance(error, ClientDisconnected)
            or (bool(members) and all(_comes_of_disconnect(each, verdicts) for each in members))
            or (following is not None and _comes_of_disconnect(following, verdicts))
        )
    return verdicts[id(error)]


def unwrap_group(error: BaseException) -> BaseException:
    """Return the only exception of a group, of nested groups too; anything else as it is.

    :param error: what left the application
    """
    members = _members(error)
    if len(members) != 1:
        return error
    only = unwrap_group(members[0])
    if only.__context__ is None:
        only.__context__ = error
    return only


def _members(error: BaseException) -> Sequence[BaseException]:
    # By name, for anyio 3 and old trio have groups of their own.
    if any(cls.__name__ in _GROUPS for cls in type(error).__mro__):
        members: Sequence[BaseException] = getattr(error, "exceptions", ())
        return members
    return ()
