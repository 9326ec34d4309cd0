"""Tell what an exception that left the application amounts to."""

from __future__ import annotations

from collections.abc import Sequence

from .exceptions import ClientDisconnected

_GROUPS = ("BaseExceptionGroup", "ExceptionGroup", "MultiError")


def comes_of_disconnect(error: BaseException) -> bool:
    """Tell whether an exception is our ``ClientDisconnected``, or was made of it (ERR-06).

    :param error: what left the application; a group counts if all its exceptions do
    """
    return _comes_of_disconnect(error, set())


def _comes_of_disconnect(error: BaseException, seen: set[int]) -> bool:
    link: BaseException | None = error
    # A member of a group may have the group as its context.
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, ClientDisconnected):
            return True
        members = _members(link)
        if members and all(_comes_of_disconnect(member, seen) for member in members):
            return True
        link = link.__cause__ or link.__context__
    return False


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
