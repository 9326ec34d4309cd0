"""Assertions about WebSockets in asynchronous tests."""

from __future__ import annotations

import unittest
from typing import Any

from asgitest import ASGIAssertions, ASGITestCase

from .assertion_case import Plain
from .base import CleanTestCase
from .test_last_exchanges import Outcomes


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Send back what comes, or do as the path or the message says."""
    assert scope["type"] == "websocket"
    await receive()
    if scope["path"] == "/denied":
        await send({"type": "websocket.close", "code": 4003})
        return
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text == "bye":
            await send({"type": "websocket.close", "code": 4000, "reason": "told to"})
            return
        if text == "return":
            return
        if text == "raise":
            raise LookupError("no room")
        if text != "nothing":
            await send({**event, "type": "websocket.send"})


class RoomCase(ASGITestCase):
    """A test case whose tests are run by other tests."""

    app = app
    lifespan = "off"
    timeout = 5
    show_transcript = False

    def connect(self, **options: Any) -> Any:
        """Return a session that is not entered."""
        return self.async_client.websocket_connect("/", **options)


class AsyncAssertionsTestCase(CleanTestCase):
    """Runs asynchronous tests."""

    maxDiff = None

    def failures(self, case: type[unittest.TestCase]) -> list[str]:
        """Return what the tests of a class fail with.

        :param case: the class
        """
        outcomes = Outcomes()
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcomes)
        return outcomes.texts

    def failure(self, case: type[unittest.TestCase]) -> str:
        """Return what the one test of a class fails with.

        :param case: the class
        """
        (text,) = self.failures(case)
        return text


class PassingTest(AsyncAssertionsTestCase):
    """Assertions that hold."""

    def test_all(self) -> None:
        """Each has to be awaited, and returns what its synchronous form does."""
        returned: list[Any] = []

        class Case(RoomCase):
            async def test(self) -> None:
                async with self.connect(subprotocols=["chat"]) as session:
                    self.assertWebSocketSubprotocol(session, "chat")
                    for message in ("text", b"bytes"):
                        send = session.send_text if isinstance(message, str) else session.send_bytes
                        await send(message)
                        returned.append(await self.assertWebSocketReceives(session, message))
                    await session.send_json({"a": 1})
                    returned.append(await self.assertWebSocketReceives(session, {"a": 1}))
                    await session.send_json([2], mode="binary")
                    returned.append(
                        await self.assertWebSocketReceivesJSON(session, [2], mode="binary")
                    )
                    returned.append(await self.assertWebSocketReceivesNothing(session, 0.05))
                    await session.send_text("bye")
                    returned.append(await self.assertWebSocketCloses(session, 4000, "told to"))

        self.assertEqual([], self.failures(Case))
        self.assertEqual(["text", b"bytes", {"a": 1}, [2], None, None], returned)

    def test_denial(self) -> None:
        """A denial is expected of a URL, a session, or a coroutine function."""

        class Case(RoomCase):
            def session(self) -> Any:
                return self.async_client.websocket_connect("/denied")

            async def returned(self) -> Any:
                return self.session()

            async def entered(self) -> None:
                async with self.session():
                    raise AssertionError

            async def test(self) -> None:
                for target in ("/denied", self.session(), self.returned, self.entered):
                    response = await self.assertWebSocketDenied(target)
                    self.assertEqual(403, response.status_code)

        self.assertEqual([], self.failures(Case))

    def test_has_message(self) -> None:
        """A session tells whether a message comes, and the message can still be received."""

        class Case(RoomCase):
            async def test(self) -> None:
                async with self.connect() as session:
                    self.assertFalse(await session.has_message(0.05))
                    await session.send_text("a")
                    self.assertTrue(await session.has_message(5))
                    self.assertTrue(await session.has_message(5))
                    await self.assertWebSocketReceives(session, "a")

        self.assertEqual([], self.failures(Case))

    def test_synchronous_parts(self) -> None:
        """In a synchronous test of the same class nothing has to be awaited."""

        class Case(RoomCase):
            def test(self) -> None:
                self.assertEqual(403, self.assertWebSocketDenied("/denied").status_code)
                with self.client.websocket_connect("/") as session:
                    session.send_text("a")
                    self.assertEqual("a", self.assertWebSocketReceives(session, "a"))

        self.assertEqual([], self.failures(Case))


class FailingTest(AsyncAssertionsTestCase):
    """Assertions that fail."""

    def test_message(self) -> None:
        """Another message, another kind of message and a close are failures, with the messages."""

        class Case(RoomCase):
            ignore_rules = ("WS-CLOSE-08",)

            async def fail_with(self, text: str, expected: Any) -> None:
                async with self.connect() as session:
                    await session.send_text(text)
                    await self.assertWebSocketReceives(session, expected)

            async def test_1(self) -> None:
                await self.fail_with("A", "B")

            async def test_2(self) -> None:
                await self.fail_with("A", b"B")

            async def test_3(self) -> None:
                await self.fail_with("A", {"b": 1})

            async def test_4(self) -> None:
                await self.fail_with("bye", "B")

            async def test_5(self) -> None:
                await self.fail_with("return", "B")

        reasons = [
            "but this one came: 'A'",
            "but a text message came: 'A'",
            "but a message came that is no JSON",
            "but the application closed the WebSocket: code 4000, reason 'told to'",
            "but the application returned without closing the WebSocket: code 1006",
        ]
        for reason, text in zip(reasons, self.failures(Case), strict=True):
            with self.subTest(reason):
                self.assertTrue(text.startswith("AssertionError: expected the message "), text)
                self.assertIn(f"\n{reason}", text)
                self.assertIn("  received websocket.receive text=", text)

    def test_deadline(self) -> None:
        """That none comes in time is told with where the application stands."""

        class Case(RoomCase):
            async def test(self) -> None:
                async with self.connect() as session:
                    await self.assertWebSocketReceives(session, "a", timeout=0.05)

        text = self.failure(Case)
        self.assertIn("expected the message 'a', but none came: 0.05 s passed", text)
        self.assertIn("The application stands here", text)

    def test_frames(self) -> None:
        """A traceback ends in the test, whatever the assertion raised."""

        class Case(RoomCase):
            async def test_deadline(self) -> None:
                async with self.connect() as session:
                    await self.assertWebSocketCloses(session, timeout=0.05)

            async def test_message(self) -> None:
                async with self.connect() as session:
                    await session.send_text("a")
                    await self.assertWebSocketReceives(session, "b")

            def test_synchronous(self) -> None:
                with self.client.websocket_connect("/") as session, self.subTest("one"):
                    self.assertWebSocketReceivesJSON(session, {}, timeout=0.05)

            def test_events(self) -> None:
                self.assertLate()

            def assertLate(self) -> None:
                with self.client.websocket_connect("/") as session:
                    self.assertWebSocketReceives(session, "a", timeout=0.05)

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

        texts = [text for _, text in result.failures]
        self.assertEqual(4, len(texts), result)
        for text in texts:
            frames, _, _ = text.partition("Error: " if "AssertionError" in text else "Exceeded: ")
            # The folder that all of it lies in may have that name, too.
            frames = frames.replace(__file__, "")
            self.assertNotIn("asgitest", frames.replace("asgitest.exceptions.Deadline", ""))
            self.assertIn("self.assertWebSocket", frames)

    def test_others(self) -> None:
        """The others fail with the text of their synchronous form."""

        class Case(RoomCase):
            async def test_close(self) -> None:
                async with self.connect() as session:
                    await session.send_text("bye")
                    await self.assertWebSocketCloses(session)

            async def test_denied(self) -> None:
                await self.assertWebSocketDenied("/")

            async def test_json(self) -> None:
                async with self.connect() as session:
                    await session.send_json({"a": 1})
                    await self.assertWebSocketReceivesJSON(session, {"a": 2})

            async def test_nothing(self) -> None:
                async with self.connect() as session:
                    await session.send_text("a")
                    await self.assertWebSocketReceivesNothing(session, 5)

            async def test_other_status(self) -> None:
                await self.assertWebSocketDenied("/denied", status=401)

            async def test_subprotocol(self) -> None:
                async with self.connect() as session:
                    self.assertWebSocketSubprotocol(session, "chat")

        reasons = [
            "but it did so with code 4000, reason 'told to'",
            "but it accepted it\n\nGET http://testserver/\n",
            "$.a expected 2, but it is 1",
            "but this one came: 'a'",
            "status 401 Unauthorized, but it was with 403 Forbidden",
            "but it accepted None; the client offered none",
        ]
        for reason, text in zip(reasons, self.failures(Case), strict=True):
            with self.subTest(reason):
                self.assertIn(reason, text)

    def test_exception(self) -> None:
        """What the application raises is raised, also where nothing is expected."""

        class Case(RoomCase):
            async def test_message(self) -> None:
                async with self.connect() as session:
                    await session.send_text("raise")
                    await self.assertWebSocketReceives(session, "a")

            async def test_nothing(self) -> None:
                async with self.connect() as session:
                    await session.send_text("raise")
                    await self.assertWebSocketReceivesNothing(session, 5)

        self.assertEqual(["LookupError: no room\n"] * 2, self.failures(Case))

    def test_forgotten(self) -> None:
        """An assertion that is never awaited fails the test, and is named with its line."""

        class Case(RoomCase):
            async def test_denial(self) -> None:
                self.assertWebSocketDenied("/denied")

            async def test_message(self) -> None:
                async with self.connect() as session:
                    self.assertWebSocketReceives(session, "a")

        for name, text in zip(("Denied", "Receives"), self.failures(Case), strict=True):
            self.assertIn("never awaited, and so never made:\n", text)
            self.assertRegex(text, rf"  assertWebSocket{name}\(\) in test_\w+, File .*, line \d+")


class MisuseTest(AsyncAssertionsTestCase):
    """Assertions that are given what they cannot take."""

    def test_no_session(self) -> None:
        """What is no session is refused."""
        for name, args in (
            ("assertWebSocketReceives", ("a",)),
            ("assertWebSocketReceivesJSON", ("a",)),
            ("assertWebSocketReceivesNothing", ()),
            ("assertWebSocketCloses", ()),
        ):
            with self.subTest(name), self.assertRaisesRegex(TypeError, rf"^{name}\(\) takes a Web"):
                getattr(Plain(), name)("/chat", *args)

    def test_function_that_returns_an_asynchronous_session(self) -> None:
        """A function that returns an asynchronous session is refused: who would await it?"""

        class Case(RoomCase):
            async def test(self) -> None:
                self.assertWebSocketDenied(lambda: self.connect())

        self.assertIn(
            "TypeError: the function returned an asynchronous session", self.failure(Case)
        )

    def test_coroutine_function_elsewhere(self) -> None:
        """A coroutine function is refused where there is no loop to run it on."""

        class Case(ASGIAssertions, unittest.TestCase):
            def test(self) -> None:
                async def target() -> None:
                    raise NotImplementedError

                self.assertWebSocketDenied(target)

        self.assertIn("in an asynchronous test of an ASGITestCase, and Case is", self.failure(Case))

    def test_nonsense(self) -> None:
        """Seconds that are none are refused as in the synchronous form."""

        class Case(RoomCase):
            async def test(self) -> None:
                async with self.connect() as session:
                    await self.assertWebSocketReceivesNothing(session, None)  # type: ignore[arg-type]

        self.assertIn("ValueError: within must be a positive number", self.failure(Case))
