"""Run unittest in this process, for the command line, and write down how it came out."""

from __future__ import annotations

import json
import sys
import unittest

_COUNTS = ("failures", "errors", "skipped", "expectedFailures", "unexpectedSuccesses")
_LABELS = ("failures", "errors", "skipped", "expected failures", "unexpected successes")
_NO_TESTS = 5


def run(path: str, arguments: list[str]) -> int:
    """Run unittest.

    :param path: file to write the counts to, as JSON
    :param arguments: command line of unittest
    :return: the exit status that unittest has
    """
    program = unittest.main(module=None, argv=["python -m asgitest", *arguments], exit=False)
    result = program.result
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"text": describe(result), "failfast": bool(result.failfast)}, file)
    if not result.wasSuccessful():
        return 1
    # From Python 3.12 on, unittest takes no tests for a failure.
    return _NO_TESTS if is_empty(result) and sys.version_info >= (3, 12) else 0


def describe(result: unittest.TestResult) -> str:
    """Return what came out, in unittest's own words.

    :param result: the result of a run
    """
    counted = [
        f"{label}={len(getattr(result, name))}"
        for name, label in zip(_COUNTS, _LABELS, strict=True)
        if getattr(result, name)
    ]
    verdict = "OK" if result.wasSuccessful() else "FAILED"
    tests = "test" if result.testsRun == 1 else "tests"
    details = f" ({', '.join(counted)})" if counted else ""
    return f"ran {result.testsRun} {tests}: {verdict}{details}"


def is_empty(result: unittest.TestResult) -> bool:
    """Tell whether there was nothing to run.

    :param result: the result of a run
    """
    return result.testsRun == 0 and not result.skipped


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
