"""What a rule is: who is bound by it, and what the client does about a breach."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Verdict(enum.Enum):
    """What the client does when a rule is not kept."""

    #: It raises, and keeps the violation for the test.
    ERROR = "E"
    #: It accepts that and warns.
    WARNING = "W"
    #: It accepts that in silence, because frameworks do it and servers take it.
    LENIENT = "L"
    #: Nothing: the rule binds the server, and so the client, which provides what it says.
    PROVIDED = "P"


class Clause(NamedTuple):
    """One part of a rule that has a verdict of its own.

    :ivar verdict: what the client does by default when it is not kept
    :ivar text: what it says
    :ivar acceptance: what happens instead once it is relaxed; ``None`` if it cannot be
    """

    verdict: Verdict
    text: str
    acceptance: str | None = None


class Rule(NamedTuple):
    """One rule.

    :ivar id: its id, such as ``"HTTP-START-05"``
    :ivar bound: who has to keep it: ``"application"``, ``"server"`` or ``"both"``
    :ivar clauses: its parts, no two of them with the same verdict
    """

    id: str
    bound: str
    clauses: tuple[Clause, ...]

    @property
    def can_be_relaxed(self) -> bool:
        """Whether there is something to accept instead."""
        return any(clause.acceptance is not None for clause in self.clauses)

    def clause(self, verdict: Verdict | None = None) -> Clause:
        """Return a part of the rule.

        :param verdict: the verdict of the part, ``None`` for the first one
        """
        if verdict is None:
            return self.clauses[0]
        return next(clause for clause in self.clauses if clause.verdict is verdict)


def demand(rule_id: str, *clauses: Clause) -> Rule:
    """Return a rule that binds the application.

    :param rule_id: its id
    :param clauses: its parts
    """
    return Rule(rule_id, "application", clauses)


def provision(rule_id: str, text: str, bound: str = "server") -> Rule:
    """Return a rule that the client keeps.

    :param rule_id: its id
    :param text: what it says
    :param bound: who has to keep it
    """
    return Rule(rule_id, bound, (Clause(Verdict.PROVIDED, text),))


def refused(text: str, *, accepted: str | None = None) -> Clause:
    """Return a part whose breach is an error.

    :param text: what it says
    :param accepted: what happens once it is relaxed
    """
    return Clause(Verdict.ERROR, text, accepted)


def warned(text: str, *, accepted: str) -> Clause:
    """Return a part whose breach is warned of.

    :param text: what it says
    :param accepted: what happens once it is relaxed, and by default behind the warning
    """
    return Clause(Verdict.WARNING, text, accepted)


def lenient(text: str, *, accepted: str) -> Clause:
    """Return a part whose breach is an error with ``strict=True`` only.

    :param text: what it says
    :param accepted: what happens by default
    """
    return Clause(Verdict.LENIENT, text, accepted)
