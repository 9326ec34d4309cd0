"""Decide what a breach of a rule leads to: an error, a warning, or silent acceptance.

A rule id that the state machines name has to be in :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..exceptions import ProtocolError
from ._general_rules import CALL_RULES, EVENT_RULES, EXTENSION_RULES, SCOPE_RULES
from ._http_rules import BODY_RULES, DISCONNECT_RULES, REQUEST_RULES, START_RULES
from ._lifespan_rules import LIFESPAN_RULES
from ._rule import Rule, Verdict
from ._websocket_rules import CLOSE_RULES, DATA_RULES, HANDSHAKE_RULES

#: Every rule by its id, in the order of the documentation.
RULES: dict[str, Rule] = {
    rule.id: rule
    for rules in (
        CALL_RULES,
        EVENT_RULES,
        SCOPE_RULES,
        REQUEST_RULES,
        START_RULES,
        BODY_RULES,
        DISCONNECT_RULES,
        HANDSHAKE_RULES,
        DATA_RULES,
        CLOSE_RULES,
        LIFESPAN_RULES,
        EXTENSION_RULES,
    )
    for rule in rules
}


class Strictness(NamedTuple):
    """How strictly a client judges.

    :ivar strict: whether what is usually accepted, with a warning or without, is an error
    :ivar ignored: ids of the rules that are relaxed, even so
    """

    strict: bool = False
    ignored: frozenset[str] = frozenset()

    def verdict(self, rule_id: str, usual: Verdict | None = None) -> Verdict:
        """Return what a breach leads to.

        :param rule_id: id of the rule
        :param usual: verdict of the rule's part that was not kept, ``None`` for its first one
        :return: ``ERROR``, ``WARNING`` or ``LENIENT``
        """
        clause = RULES[rule_id].clause(usual)
        if rule_id in self.ignored and clause.acceptance is not None:
            return Verdict.LENIENT
        if self.strict and clause.verdict in (Verdict.WARNING, Verdict.LENIENT):
            return Verdict.ERROR
        return clause.verdict


class Judge:
    """What becomes of the breaches on one connection.

    :param strictness: how strictly to judge
    :ivar strictness: the same
    :ivar strict: whether a lenient part is worth looking at
    :ivar warnings: what was accepted with a warning, not yet shown to the test
    """

    def __init__(self, strictness: Strictness | None = None) -> None:
        self.strictness = strictness or Strictness()
        self.strict = self.strictness.strict
        self.warnings: list[ProtocolError] = []

    def __call__(self, breach: ProtocolError, usual: Verdict | None = None) -> None:
        """Raise a breach, or return if it is accepted; a caller goes on with what that means.

        :param breach: what the application did
        :param usual: verdict of the rule's part that was not kept, ``None`` for its first one
        :raises ProtocolError: the breach, unless it is accepted
        """
        verdict = self.strictness.verdict(breach.rule, usual)
        if verdict is Verdict.ERROR:
            raise breach
        if verdict is Verdict.WARNING:
            self.warnings.append(breach)


def check_ignored(rule_ids: object) -> frozenset[str]:
    """Return the ids of rules to relax.

    :param rule_ids: a collection of ids
    :raises TypeError: if it is no collection of ``str``
    :raises ValueError: if a rule does not exist, or cannot be relaxed
    """
    if isinstance(rule_ids, (str, bytes)) or not isinstance(rule_ids, Collection):
        raise TypeError(
            f"ignore_rules must be a collection of rule ids such as {{'HTTP-BODY-05'}}, "
            f"not {type(rule_ids).__name__}: {rule_ids!r}"
        )
    for rule_id in rule_ids:
        if not isinstance(rule_id, str):
            raise TypeError(
                f"ignore_rules must hold rule ids, which are str, "
                f"not {type(rule_id).__name__}: {rule_id!r}"
            )
        if rule_id not in RULES:
            raise ValueError(f"ignore_rules: there is no rule {rule_id!r}{_near(rule_id)}")
        if not RULES[rule_id].can_be_relaxed:
            raise ValueError(f"ignore_rules: {rule_id} cannot be relaxed: {_reason(rule_id)}")
    return frozenset(rule_ids)


def _near(rule_id: str) -> str:
    # Nobody but who misspells a rule waits for it to be imported.
    import difflib

    matches = difflib.get_close_matches(rule_id.upper(), RULES, n=3)
    return f"; there is {', '.join(matches)}" if matches else "; the page Rules lists them all"


def _reason(rule_id: str) -> str:
    clause = RULES[rule_id].clause()
    if clause.verdict is Verdict.PROVIDED:
        return f"it says what the client provides. ({clause.text})"
    return f"there is nothing that the client could take in its place. ({clause.text})"
