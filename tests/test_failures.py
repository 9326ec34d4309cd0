"""The texts of failures: ten mistakes, each named by the text that its test fails with.

With ``ASGITEST_REWRITE_FAILURES=1`` the texts that the documentation shows are written anew.
"""

from __future__ import annotations

import os
import re
import traceback

from .test_docs import ROOT, DocumentationTestCase

FOLDER = ROOT / "docs" / "failures"

#: For each mistake, what names its cause.
CAUSES = {
    "wrong_status": "price is missing",
    "missing_header": "expected header etag, but the response has none of that name",
    "insecure_cookie": "it is not Secure",
    "swapped_fields": "The values of $.first_name and $.last_name are swapped.",
    "redirect_loop": "They go round in a circle",
    "endless_stream": "in watch_orders",
    "wrong_close_code": "it did so with code 1000, reason 'log in first'",
    "early_return": "the application returned without closing the WebSocket",
    "wrong_message": "websocket.receive text='a kettle'",
    "missing_setting": "KeyError: 'DATABASE_URL'",
}


class FailuresTest(DocumentationTestCase):
    """The failures of the tests of a shop with ten mistakes."""

    def test_failures(self) -> None:
        """Each test fails with the text that the documentation shows, and that names the cause."""
        for name in ("shop.py", "test_shop.py"):
            self.write(name, (FOLDER / name).read_text(encoding="utf-8"))

        outcome, _ = self.run_program(self.folder / "test_shop.py")

        self.assertEqual({f"ShopTest.test_{name}" for name in CAUSES}, set(outcome.raised))
        for name, cause in CAUSES.items():
            with self.subTest(name):
                error = outcome.raised[f"ShopTest.test_{name}"]
                lines = traceback.format_exception_only(type(error), error)
                text = self.comparable("".join(lines))
                path = FOLDER / f"{name}.txt"
                if os.environ.get("ASGITEST_REWRITE_FAILURES"):
                    path.write_text(text, encoding="utf-8")
                self.assertIn(cause, text)
                self.assertEqual(path.read_text(encoding="utf-8"), text)

    def test_page(self) -> None:
        """The page shows every text, and there is no other one."""
        page = (ROOT / "docs" / "failures.rst").read_text(encoding="utf-8")
        shown = re.findall(r"literalinclude:: failures/(\w+)\.txt", page)
        self.assertEqual(list(CAUSES), shown)
        self.assertEqual(set(CAUSES), {path.stem for path in FOLDER.glob("*.txt")})
