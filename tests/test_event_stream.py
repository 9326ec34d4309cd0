"""Server-sent events: the parser, and the assertion about them."""

from __future__ import annotations

from typing import Any

from asgitest import DeadlineExceeded
from asgitest._event_stream import EventStreamParser, ServerSentEvent

from .assertion_case import Application, AssertionsTestCase, answering
from .base import CleanTestCase


def streaming(*pieces: bytes, stays: bool = False) -> Application:
    """Build an application that sends pieces of an event stream.

    :param pieces: what it sends
    :param stays: whether the stream has no end
    """

    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if stays:
            await receive()
        else:
            await send({"type": "http.response.body"})

    return application


class ParserTest(CleanTestCase):
    """What the parser makes of a stream."""

    def parse(self, *pieces: bytes) -> list[ServerSentEvent]:
        """Return the events of a stream.

        :param pieces: its bytes
        """
        parser = EventStreamParser()
        return [event for piece in pieces for event in parser.feed(piece)]

    def test_streams(self) -> None:
        """Each rule of the standard holds, however the bytes are cut."""
        for stream, events in (
            (b"data: a\n\n", [ServerSentEvent("a")]),
            (b"data:a\ndata:  b\ndata\n\n", [ServerSentEvent("a\n b\n")]),
            (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [ServerSentEvent(x) for x in "abc"]),
            (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent("a")]),
            (b": a comment\n\ndata: a\n:\n\n", [ServerSentEvent("a")]),
            (b"event: tick\ndata: 1\n\ndata: 2\n\n", [
                ServerSentEvent("1", "tick"), ServerSentEvent("2"),
            ]),
            (b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [
                ServerSentEvent("a", id="7"), ServerSentEvent("b", id="7"), ServerSentEvent("c"),
            ]),
            (b"id: 1\0\ndata: a\n\n", [ServerSentEvent("a")]),
            (b"retry: 500\ndata: a\n\nretry: 5s\ndata: b\n\n", [
                ServerSentEvent("a", retry=500), ServerSentEvent("b"),
            ]),
            (b"event: tick\n\ndata: a\n\n", [ServerSentEvent("a")]),
            (b"other: x\ndata: a: b\n\n", [ServerSentEvent("a: b")]),
            ("data: Grüße\n\n".encode(), [ServerSentEvent("Grüße")]),
            (b"data: \xff\n\n", [ServerSentEvent("\ufffd")]),
            (b"data: unfinished\n", []),
        ):  # fmt: skip
            with self.subTest(stream):
                self.assertEqual(events, self.parse(stream))
                single = [stream[number : number + 1] for number in range(len(stream))]
                self.assertEqual(events, self.parse(*single))

    def test_return_ends_a_line(self) -> None:
        """A carriage return at the end of a piece ends an event at once."""
        self.assertEqual([ServerSentEvent("a")], self.parse(b"data: a\r\r"))

    def test_inside(self) -> None:
        """The parser knows whether it is inside an event."""
        for stream, is_inside in (
            (b"data: a\n\n", False),
            (b"data: a\n", True),
            (b"data", True),
            (b": comment\n", False),
        ):
            parser = EventStreamParser()
            list(parser.feed(stream))
            self.assertIs(is_inside, parser.is_inside, stream)


class EventStreamTest(AssertionsTestCase):
    """assertEventStream()."""

    def test_met(self) -> None:
        """A str is the data of a message; a mapping names what counts; other data is JSON."""
        response = self.get(
            streaming(b"data: a\n\n", b'event: tick\nid: 7\nretry: 5\ndata: {"n": 1}\n\n')
        )
        for expected in (
            ["a", {"event": "tick"}],
            [{"data": "a"}, {"data": {"n": 1}, "id": "7"}],
            [{"event": "message"}, {"data": '{"n": 1}', "retry": 5}],
        ):
            with self.subTest(expected):
                self.case.assertEventStream(response, expected)

    def test_endless(self) -> None:
        """Of an endless stream as much is read as is expected, and the next call goes on."""
        app = streaming(b"data: a\n\ndata: b\n\n", b"data: c\n\n", stays=True)
        with self.get(app, stream=True) as response:
            self.case.assertEventStream(response, ["a"])
            self.case.assertEventStream(response, ["b", "c"])
            self.case.assertEventStream(response, [])

    def test_not_met(self) -> None:
        """The failure names the event, shows those that came, and the exchange."""
        app = streaming(b"data: a\n\n", b"event: tick\ndata: b\n\n")
        came = (
            "The events that came:\n  data='a'\n  data='b' event='tick'\n\nGET http://testserver/"
        )
        for expected, headline in (
            (["a", "b"], "expected event 2 to have data 'b', but its event is 'tick'"),
            (
                ["a", {"data": "c", "event": "tock"}],
                "expected event 2 to have data 'c', event 'tock', but its data is 'b'; "
                "its event is 'tick'",
            ),
            (["a"], "expected 1 events, but there are more"),
            (
                ["a", {"data": {}}],
                "expected event 2 to have data {}, but its data is no JSON "
                "(Expecting value: line 1 column 1 (char 0)): 'b'",
            ),
            (
                ["a", {"event": "tick"}, "c"],
                "expected event 3 to have data 'c', but the stream ended",
            ),
        ):
            with self.subTest(expected):
                failure = self.failure(self.case.assertEventStream, self.get(app), expected)
                self.assertTrue(failure.startswith(f"{headline}\n{came}"), failure)

    def test_json_differs(self) -> None:
        """Differences of JSON are named by their paths."""
        failure = self.failure(
            self.case.assertEventStream,
            self.get(streaming(b'data: {"n": 1}\n\n')),
            [{"data": {"n": 2}}],
        )
        self.assertIn("but of its data $.n expected 2, but it is 1\n", failure)

    def test_unfinished(self) -> None:
        """A stream that ends inside an event is told from one that has no more of them."""
        for stream, how in (
            (b"data: a\n", "the stream ended inside an event: an empty line has to follow it"),
            (b"", "the stream ended"),
        ):
            with self.subTest(stream):
                response = self.get(streaming(stream))
                failure = self.failure(self.case.assertEventStream, response, ["a"], "really?")
                self.assertTrue(
                    failure.startswith(
                        f"expected event 1 to have data 'a', but {how}\nNo event came.\n\nGET "
                    ),
                    failure,
                )
                self.assertTrue(failure.endswith(" : really?"))

    def test_many_events(self) -> None:
        """Of many events the last ones are shown."""
        response = self.get(streaming(*(b"data: %d\n\n" % number for number in range(12))))
        expected = [str(number) for number in range(11)]

        failure = self.failure(self.case.assertEventStream, response, [*expected, "x"])
        self.assertIn("came:\n  ... (2 before these)\n  data='2'\n", failure)

    def test_late(self) -> None:
        """An event that does not come is a deadline that passed; those that came are shown."""
        app = streaming(b"data: a\n\n", stays=True)
        with self.get(app, stream=True, timeout=0.1) as response:
            with self.assertRaises(DeadlineExceeded) as caught:
                self.case.assertEventStream(response, ["a", "b"])

        self.assertTrue(
            str(caught.exception).startswith(
                "expected event 2 to have data 'b', but it did not come.\n"
                "The events that came:\n  data='a'\nThe reason: 0.1 s passed"
            ),
            str(caught.exception),
        )

    def test_no_event_stream(self) -> None:
        """A response that no browser takes for an event stream fails."""
        for app, problem in (
            (answering(), "the content type is 'text/plain'; browsers read"),
            (answering(content_type=None), "the content type is missing; browsers read"),
            (answering(status=204), "the response has 204 No Content"),
        ):
            with self.subTest(problem):
                failure = self.failure(self.case.assertEventStream, self.get(app), [])
                self.assertTrue(failure.startswith(f"expected an event stream, but {problem}"))

    def test_no_event(self) -> None:
        """What is no event is an error of the test."""
        for event in (None, {}, {"type": "tick"}, b"a", 1):
            with self.subTest(event), self.assertRaisesRegex(TypeError, "an event must be"):
                self.case.assertEventStream(self.get(streaming()), [event])
