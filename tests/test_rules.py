"""The rules: how strictly a breach is judged, and which rules there are."""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Any

import asgitest
from asgitest._protocol import _headers
from asgitest._protocol._headers import HeaderRules
from asgitest._protocol._http import HTTPProtocol
from asgitest._protocol._rule import Clause, Verdict
from asgitest._protocol._rules import RULES, Judge, Strictness, check_ignored
from asgitest._protocol._websocket import WebSocketProtocol
from asgitest.exceptions import ProtocolError

from .rule_rows import (
    ACCEPT,
    ANYTHING,
    BODY,
    CLOSE,
    DEBUG,
    DENY,
    DENY_BODY,
    PART,
    ROWS,
    START,
    Row,
    machine,
)
from .test_provisions import SHOWN

PACKAGE = Path(asgitest.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "rules.rst"
RULE_ID = re.compile(r"\b(?:APP|EVT|ERR|EXT|SC|HTTP|WS|LIFE|TLS)(?:-[A-Z]+)?-\d\d\b")
#: An entry of the page: the id, then the indented lines about it.
PAGE_ENTRY = re.compile(r"^``([A-Z]+(?:-[A-Z]+)?-\d\d)``\n((?:    .*\n|\n(?=    ))+)", re.MULTILINE)


def breach(rule: str) -> ProtocolError:
    """Return a breach of a rule."""
    return ProtocolError("something is wrong", rule=rule)


class TableTest(unittest.TestCase):
    """The table of the rules."""

    def test_texts(self) -> None:
        """Each part of a rule is said in a sentence, and so is what its acceptance means."""
        for rule in RULES.values():
            for clause in rule.clauses:
                with self.subTest(rule.id, verdict=clause.verdict):
                    self.assertRegex(clause.text, r"\A\S.*\.\Z")
                    self.assertRegex(clause.acceptance or "None.", r"\A[A-Z].*\.\Z")

    def test_parts(self) -> None:
        """No two parts of a rule have the same verdict, so that the verdict names the part."""
        for rule in RULES.values():
            with self.subTest(rule.id):
                verdicts = [clause.verdict for clause in rule.clauses]
                self.assertEqual(len(verdicts), len(set(verdicts)))
                for clause in rule.clauses:
                    self.assertIs(clause, rule.clause(clause.verdict))
                self.assertIs(rule.clauses[0], rule.clause())

    def test_acceptance(self) -> None:
        """What is accepted anyhow has an acceptance, what the client provides has none."""
        for rule in RULES.values():
            for clause in rule.clauses:
                with self.subTest(rule.id, verdict=clause.verdict):
                    if clause.verdict is Verdict.PROVIDED:
                        self.assertIsNone(clause.acceptance)
                    elif clause.verdict is not Verdict.ERROR:
                        self.assertIsNotNone(clause.acceptance)

    def test_headers(self) -> None:
        """Every rule about headers has a part for what is put into their form in silence."""
        tables = [each for each in vars(_headers).values() if isinstance(each, HeaderRules)]
        self.assertIn(_headers.RESPONSE_RULES, tables)
        for table in tables:
            for rule_id in (table.shape, table.strings, table.case, table.space):
                with self.subTest(rule_id):
                    RULES[rule_id].clause(Verdict.LENIENT)

    def test_who_is_bound(self) -> None:
        """A rule binds the application, the server or both; the client is the server."""
        for rule in RULES.values():
            with self.subTest(rule.id):
                self.assertIn(rule.bound, ("application", "server", "both"))
                if rule.clause().verdict is not Verdict.PROVIDED:
                    self.assertNotEqual("server", rule.bound)


class StrictnessTest(unittest.TestCase):
    """``Strictness``."""

    def test_usual(self) -> None:
        """Without a word, the verdict is that of the rule's part."""
        usual = Strictness()
        for rule in RULES.values():
            for clause in rule.clauses:
                self.assertIs(clause.verdict, usual.verdict(rule.id, clause.verdict))
            self.assertIs(rule.clause().verdict, usual.verdict(rule.id))

    def test_strict(self) -> None:
        """Strictness makes errors of what is accepted, with a warning or without."""
        strict = Strictness(strict=True)
        for rule in RULES.values():
            for clause in rule.clauses:
                if clause.verdict is not Verdict.PROVIDED:
                    self.assertIs(Verdict.ERROR, strict.verdict(rule.id, clause.verdict))

    def test_ignored(self) -> None:
        """A rule that is ignored is accepted in silence, in strictness too."""
        for rule in RULES.values():
            for clause in rule.clauses:
                for strict in (False, True):
                    ignoring = Strictness(strict, frozenset({rule.id}))
                    with self.subTest(rule.id, verdict=clause.verdict, strict=strict):
                        found = ignoring.verdict(rule.id, clause.verdict)
                        if clause.acceptance is not None:
                            self.assertIs(Verdict.LENIENT, found)
                        else:
                            self.assertIs(clause.verdict, found)


class JudgeTest(unittest.TestCase):
    """``Judge``."""

    def test_error(self) -> None:
        """An error is raised."""
        error = breach("HTTP-BODY-05")
        with self.assertRaises(ProtocolError) as caught:
            Judge()(error)
        self.assertIs(error, caught.exception)

    def test_warning(self) -> None:
        """What is warned of is kept, in order."""
        judge = Judge()
        first, second = breach("APP-10"), breach("WS-ACC-05")
        judge(first)
        judge(second, Verdict.WARNING)
        self.assertEqual([first, second], judge.warnings)

    def test_acceptance(self) -> None:
        """What is accepted leaves no trace."""
        judge = Judge(Strictness(ignored=frozenset({"HTTP-BODY-05", "APP-10"})))
        for rule in ("HTTP-BODY-05", "APP-10", "HTTP-START-06"):
            judge(breach(rule))
        self.assertEqual([], judge.warnings)


class IgnoredTest(unittest.TestCase):
    """``check_ignored``."""

    def test_every_rule(self) -> None:
        """A rule can be ignored if there is something to accept instead."""
        for rule in RULES.values():
            with self.subTest(rule.id):
                if rule.can_be_relaxed:
                    self.assertEqual(frozenset({rule.id}), check_ignored([rule.id]))
                else:
                    with self.assertRaisesRegex(ValueError, f"{rule.id} cannot be relaxed: "):
                        check_ignored([rule.id])

    def test_why_not(self) -> None:
        """The error says why a rule cannot be relaxed."""
        for rule, reason in (
            (
                "HTTP-BODY-07",
                "there is nothing that the client could take in its place. "
                "(An application answers.)",
            ),
            ("SC-16", "it says what the client provides. (method is in upper case.)"),
        ):
            with self.assertRaises(ValueError) as caught:
                check_ignored((rule,))
            self.assertEqual(
                f"ignore_rules: {rule} cannot be relaxed: {reason}", str(caught.exception)
            )

    def test_unknown(self) -> None:
        """An unknown id is an error that lists what is near."""
        with self.assertRaises(ValueError) as caught:
            check_ignored({"http-body-5"})
        self.assertRegex(
            str(caught.exception),
            r"\Aignore_rules: there is no rule 'http-body-5'; there is .*HTTP-BODY-05",
        )
        with self.assertRaises(ValueError) as caught:
            check_ignored({"xyz"})
        self.assertEqual(
            "ignore_rules: there is no rule 'xyz'; the page Rules lists them all",
            str(caught.exception),
        )

    def test_type(self) -> None:
        """One id alone, or what is no id, is a type error that shows what was expected."""
        for value, text in (
            ("HTTP-BODY-05", "a collection of rule ids such as {'HTTP-BODY-05'}, not str"),
            (None, "a collection of rule ids such as {'HTTP-BODY-05'}, not NoneType: None"),
            (iter([]), "a collection of rule ids"),
            ([5], "must hold rule ids, which are str, not int: 5"),
        ):
            with self.subTest(value), self.assertRaises(TypeError) as caught:
                check_ignored(value)
            self.assertIn(text, str(caught.exception))


class RowTest(unittest.TestCase):
    """Each rule that an application can break, in the three ways a client may judge it."""

    def judged(self, row: Row, strictness: Strictness) -> tuple[ProtocolError | None, Any, Any]:
        """Break a rule; return the error, what was warned of, and what send() gave."""
        protocol = machine(row.scope_type, strictness)
        try:
            result = row.act(protocol)
        except ProtocolError as error:
            return error, protocol.judge.warnings, None
        return None, protocol.judge.warnings, result

    def assert_error(self, row: Row, strictness: Strictness) -> None:
        """Fail unless a row is an error that says what was wrong."""
        error, _, _ = self.judged(row, strictness)
        self.assertIsNotNone(error, "it was accepted")
        assert error is not None
        self.assertEqual(row.rule, error.rule)
        self.assertIn(row.text, str(error))
        self.assertTrue(str(error).endswith(f" [{row.rule}]"))

    def assert_accepted(self, row: Row, strictness: Strictness, *, warned: bool) -> None:
        """Fail unless a row is accepted, with a warning or without."""
        error, warnings, result = self.judged(row, strictness)
        self.assertIsNone(error)
        self.assertEqual([row.rule] if warned else [], [each.rule for each in warnings])
        if warned:
            self.assertIn(row.text, str(warnings[0]))
        if row.accepted is not ANYTHING:
            self.assertEqual(row.accepted, result)

    def test_usual(self) -> None:
        """By default a breach has the verdict of the table."""
        for row in ROWS:
            with self.subTest(row.rule, text=row.text):
                if row.verdict is Verdict.ERROR:
                    self.assert_error(row, Strictness())
                else:
                    warned = row.verdict is Verdict.WARNING
                    self.assert_accepted(row, Strictness(), warned=warned)

    def test_strict(self) -> None:
        """In strictness every breach is an error."""
        for row in ROWS:
            with self.subTest(row.rule, text=row.text):
                self.assert_error(row, Strictness(strict=True))

    def test_ignored(self) -> None:
        """A rule that is ignored is accepted without a word, in strictness too."""
        for row in ROWS:
            if RULES[row.rule].clause(row.verdict).acceptance is None:
                continue
            for strict in (False, True):
                with self.subTest(row.rule, text=row.text, strict=strict):
                    ignoring = Strictness(strict, frozenset({row.rule}))
                    self.assert_accepted(row, ignoring, warned=False)

    def test_part_that_cannot_be_relaxed(self) -> None:
        """Ignoring a rule leaves its other part an error, where there is nothing in its place."""
        for row in ROWS:
            if RULES[row.rule].clause(row.verdict).acceptance is None:
                with self.subTest(row.rule, text=row.text):
                    self.assert_error(row, Strictness(ignored=frozenset({row.rule})))


class ValueTest(unittest.TestCase):
    """Values that can be passed on (EVT-02)."""

    def test_plain(self) -> None:
        """What ASGI has for values passes a strict client, at any depth."""
        values = [b"a", "a", 1, -(2**63), 2**63 - 1, 0.5, True, None, [1, (2, {"a": b"b"})], {}]
        for value in values:
            with self.subTest(value):
                protocol = machine("http", Strictness(strict=True))
                self.assertIsNotNone(protocol.send({**START, "extra": value}))

    def test_endless(self) -> None:
        """A list that holds itself is refused, and one that is there twice is not."""
        shared: list[Any] = []
        endless: list[Any] = [shared, shared]
        machine("http", Strictness(strict=True)).send({**START, "extra": endless})
        endless.append(endless)
        with self.assertRaisesRegex(ProtocolError, r"extra\[2\] must be .* one that holds itself"):
            machine("http", Strictness(strict=True)).send({**START, "extra": endless})


class CompletenessTest(unittest.TestCase):
    """The rules in the code, in the tests and in the documentation are the same."""

    #: Broken outside the state machines; the class of its test for each.
    ELSEWHERE = frozenset({"APP-01", "APP-08", "LIFE-07"})
    #: Those of extensions with a test module of their own.
    OF_EXTENSIONS = re.compile(r"EXT-(PUSH|ZERO|PATH|HINT|TRAIL)-\d\d|TLS-\d\d")

    def used(self) -> set[str]:
        """Return the ids that the code names, the tables of the rules left out."""
        return {
            rule_id
            for path in PACKAGE.rglob("*.py")
            if not path.name.endswith("_rules.py")
            for rule_id in RULE_ID.findall(path.read_text(encoding="utf-8"))
        }

    def test_code(self) -> None:
        """Every id that the code names is that of a rule."""
        self.assertEqual(set(), self.used() - set(RULES))

    def test_rows(self) -> None:
        """Every part of a rule that can be broken has a row, with the verdict of the table."""
        rows = {(row.rule, row.verdict) for row in ROWS}
        parts = {
            (rule.id, clause.verdict)
            for rule in RULES.values()
            for clause in rule.clauses
            if clause.verdict is not Verdict.PROVIDED
            and rule.id not in self.ELSEWHERE
            and not self.OF_EXTENSIONS.fullmatch(rule.id)
        }
        self.assertEqual(parts, rows)

    def test_provided(self) -> None:
        """Every rule that the client keeps has a test that shows what it provides."""
        provided = {
            rule.id
            for rule in RULES.values()
            if rule.clause().verdict is Verdict.PROVIDED
            and not self.OF_EXTENSIONS.fullmatch(rule.id)
        }
        self.assertEqual(provided, set(SHOWN))

    def test_page(self) -> None:
        """The page *Rules* has each rule as the table has it, and says why there is one."""
        entries = dict(PAGE_ENTRY.findall(PAGE.read_text(encoding="utf-8")))
        self.assertEqual(list(RULES), list(entries))
        for rule in RULES.values():
            with self.subTest(rule.id):
                said = " ".join(entries[rule.id].split())
                for clause in rule.clauses:
                    sentence = page_sentence(clause)
                    self.assertIn(sentence, said)
                    said = said.replace(sentence, "")
                self.assertRegex(said.strip(), r"\A[A-Za-z`*].*\.\Z", "it does not say why")


def page_sentence(clause: Clause) -> str:
    """Return a part of a rule as the page has it."""
    words = {
        Verdict.ERROR: ("*Error:*", "*Relaxed:*"),
        Verdict.WARNING: ("*Warning:*", "*Then:*"),
        Verdict.LENIENT: ("*Strict error:*", "*Else:*"),
        Verdict.PROVIDED: ("*Provided:*", ""),
    }
    verdict, acceptance = words[clause.verdict]
    sentence = f"{verdict} {clause.text}"
    return f"{sentence} {acceptance} {clause.acceptance}" if clause.acceptance else sentence


class HabitTest(unittest.TestCase):
    """What mainstream frameworks do is taken without a word."""

    END: dict[str, Any] = {"type": "http.response.body"}
    HABITS: tuple[tuple[str, str, tuple[dict[str, Any], ...]], ...] = (
        (
            "Django's headers in mixed case, and a last message without keys",
            "http",
            ({**START, "headers": [(b"Content-Type", b"a"), (b"X-Custom", b"1")]}, PART, END),
        ),
        (
            "Starlette's body of a memoryview",
            "http",
            ({**START, "headers": []}, {**BODY, "body": memoryview(b"a")}),
        ),
        ("middleware's debug message before the start", "http", (DEBUG, START, BODY)),
        (
            "an accept by Channels",
            "websocket",
            ({**ACCEPT, "subprotocol": None}, {**CLOSE, "reason": ""}),
        ),
        (
            "an accept by Starlette",
            "websocket",
            ({**ACCEPT, "headers": []}, {**CLOSE, "code": 1001}),
        ),
        ("a denial by Channels", "websocket", ({**CLOSE, "code": 4003},)),
        ("FastAPI's list of errors as a reason", "websocket", ({**CLOSE, "reason": [{"a": 1}]},)),
        ("a denial by Starlette", "websocket", (DENY, DENY_BODY)),
    )

    def test_messages(self) -> None:
        """Neither an error nor a warning comes of the messages that frameworks send."""
        for habit, scope_type, messages in self.HABITS:
            with self.subTest(habit):
                protocol = machine(scope_type, Strictness())
                for message in messages:
                    self.assertIsNotNone(protocol.send(message))
                protocol.finish()
                self.assertIsNone(protocol.violation)
                self.assertEqual([], protocol.judge.warnings)

    def test_answers_without_receiving(self) -> None:
        """An answer without a call of receive() is taken, with an error behind it too."""
        for protocol, messages in (
            (HTTPProtocol("GET"), (START, BODY)),
            (HTTPProtocol("HEAD"), ({**START, "status": 500}, BODY)),
            (WebSocketProtocol(), (CLOSE,)),
        ):
            for message in messages:
                protocol.send(message)
            protocol.finish(raised=True)
            self.assertIsNone(protocol.violation)
            self.assertEqual([], protocol.judge.warnings)

    def test_client_that_left(self) -> None:
        """Django returns without an answer when the client has left."""
        protocol = HTTPProtocol("GET")
        protocol.disconnect()
        protocol.finish()
        self.assertIsNone(protocol.violation)
