"""The raw response: urllib3's, except that reading yields what is there."""

from __future__ import annotations

import gzip
import http.client
import io
import shutil
import unittest
import unittest.mock
import zlib
from typing import Any

import urllib3
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from urllib3.exceptions import DecodeError

from asgitest._raw_response import Body, MemoryBody, RawResponse, reason_phrase


class Pieces(Body):
    """A body of given pieces that counts how many were taken.

    :param pieces: what next_piece() returns, and raises where it is an exception
    """

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.left = list(pieces)
        self.taken = 0

    def next_piece(self) -> bytes:
        """Return the next piece."""
        if not self.left:
            return b""
        self.taken += 1
        piece = self.left.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        return piece


def raw_response(
    *pieces: bytes | BaseException,
    body: Body | None = None,
    headers: Any = (),
    status: int = 200,
    http_version: str = "1.1",
    method: str = "GET",
) -> RawResponse:
    """Return a raw response.

    :param pieces: the pieces of its body
    :param body: the body instead of pieces
    :param headers: its headers
    :param status: its status
    :param http_version: its version
    :param method: method of the request
    """
    return RawResponse(
        body or Pieces(*pieces),
        status=status,
        headers=list(headers),
        http_version=http_version,
        method=method,
    )


class MemoryBodyTest(unittest.TestCase):
    """MemoryBody."""

    def test_whole(self) -> None:
        """All pieces come as one, then the end, again and again."""
        body = MemoryBody([b"a", b"b", b""])

        self.assertEqual([b"ab", b"", b""], [body.next_piece() for _ in range(3)])

    def test_empty(self) -> None:
        """Without pieces the end comes at once."""
        for pieces in ([], [b""]):
            self.assertEqual(b"", MemoryBody(pieces).next_piece())

    def test_error(self) -> None:
        """An error is raised behind what came, each time it is reached."""
        error = ValueError("mine")
        body = MemoryBody([b"a"], error)

        self.assertEqual(b"a", body.next_piece())
        for _ in range(2):
            with self.assertRaises(ValueError) as caught:
                body.next_piece()
            self.assertIs(error, caught.exception)

    def test_error_alone(self) -> None:
        """Where nothing came, the error is raised at once."""
        with self.assertRaises(ValueError):
            MemoryBody([], ValueError("mine")).next_piece()

    def test_close(self) -> None:
        """Closing is noted."""
        body = MemoryBody([b"a"])
        self.assertFalse(body.closed)
        body.close()

        self.assertTrue(body.closed)


class HeadTest(unittest.TestCase):
    """Status, reason, version, headers."""

    def test_is_urllib3s(self) -> None:
        """It is a response of urllib3."""
        self.assertIsInstance(raw_response(), urllib3.HTTPResponse)

    def test_status_reason_version(self) -> None:
        """Status, reason and version are those of urllib3."""
        raw = raw_response(status=404, http_version="1.0")

        self.assertEqual((404, "Not Found", 10), (raw.status, raw.reason, raw.version))

    def test_versions(self) -> None:
        """Each version has urllib3's number."""
        self.assertEqual(
            [10, 11, 20], [raw_response(http_version=v).version for v in ("1.0", "1.1", "2")]
        )

    def test_reasons(self) -> None:
        """The reason is that of the standard library, and empty where it knows none."""
        for status, reason in ((200, "OK"), (418, "I'm a Teapot"), (299, ""), (599, "")):
            self.assertEqual(reason, reason_phrase(status))

    def test_headers(self) -> None:
        """Headers ignore case, keep duplicates and order, and are latin-1."""
        headers = [(b"x-b", b"1"), (b"x-a", b"\xe9"), (b"x-b", b"2")]
        raw = raw_response(headers=headers)

        self.assertEqual("\xe9", raw.headers["X-A"])
        self.assertEqual(["1", "2"], raw.headers.getlist("x-b"))
        self.assertEqual("1, 2", raw.headers["x-b"])
        self.assertEqual(["x-b", "x-a"], list(raw.headers))

    def test_cookies(self) -> None:
        """requests finds the cookies where it looks for them."""
        headers = [(b"set-cookie", b"a=1; Path=/"), (b"x-a", b"1"), (b"set-cookie", b"b=2")]
        jar = RequestsCookieJar()
        request = unittest.mock.Mock(url="http://testserver/", headers={})
        extract_cookies_to_jar(jar, request, raw_response(headers=headers))

        self.assertEqual({"a": "1", "b": "2"}, jar.get_dict())

    def test_original_response(self) -> None:
        """The original response has the headers as a message, and is closed."""
        raw: Any = raw_response(headers=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
        original = raw._original_response

        self.assertIsInstance(original.msg, http.client.HTTPMessage)
        self.assertEqual(["a=1", "b=2"], original.msg.get_all("Set-Cookie"))
        self.assertTrue(original.isclosed())
        original.close()

    def test_no_websocket(self) -> None:
        """It belongs to no WebSocket unless the adapter says so."""
        self.assertIsNone(raw_response().websocket)


class StreamTest(unittest.TestCase):
    """stream() yields what is there."""

    def test_piece_by_piece(self) -> None:
        """Each piece is yielded before the next is taken."""
        body = Pieces(b"a", b"bc", b"def")
        stream = raw_response(body=body).stream(1000)

        self.assertEqual((b"a", 1), (next(stream), body.taken))
        self.assertEqual((b"bc", 2), (next(stream), body.taken))
        self.assertEqual((b"def", 3), (next(stream), body.taken))
        self.assertEqual([], list(stream))

    def test_nothing_taken_before_it_is_asked_for(self) -> None:
        """Making the iterator takes nothing."""
        body = Pieces(b"a")
        raw_response(body=body).stream(10)

        self.assertEqual(0, body.taken)

    def test_amount(self) -> None:
        """A piece is cut into parts of the amount, which do not run into the next piece."""
        self.assertEqual([b"abc", b"de", b"f"], list(raw_response(b"abcde", b"f").stream(3)))

    def test_no_amount(self) -> None:
        """Without a limit pieces stay whole; a negative one is no limit."""
        for amount in (None, -1):
            with self.subTest(amount=amount):
                self.assertEqual(
                    [b"x" * 100_000, b"y"], list(raw_response(b"x" * 100_000, b"y").stream(amount))
                )

    def test_default_amount(self) -> None:
        """The amount is 64 KiB unless given, as in urllib3."""
        self.assertEqual(
            [65536, 65536, 1], [len(part) for part in raw_response(b"x" * 131073).stream()]
        )

    def test_empty(self) -> None:
        """Nothing is yielded for an empty body."""
        self.assertEqual([], list(raw_response().stream(10)))

    def test_twice(self) -> None:
        """A second stream goes on where the first was left, and ends after the end."""
        raw = raw_response(b"abc", b"d")
        first = raw.stream(1)
        next(first)

        self.assertEqual([b"bc", b"d"], list(raw.stream(10)))
        self.assertEqual([], list(raw.stream(10)))
        self.assertEqual([], list(first))

    def test_error(self) -> None:
        """What the body raises comes out, after what came before."""
        stream = raw_response(b"a", LookupError("mine")).stream(10)

        self.assertEqual(b"a", next(stream))
        with self.assertRaisesRegex(LookupError, "mine"):
            next(stream)


class ReadTest(unittest.TestCase):
    """read() and its like."""

    def test_all(self) -> None:
        """Without an amount, all of it; afterwards nothing."""
        for amount in ((), (None,), (-1,)):
            with self.subTest(amount=amount):
                raw = raw_response(b"ab", b"c")

                self.assertEqual(b"abc", raw.read(*amount))
                self.assertEqual(b"", raw.read(*amount))

    def test_amount(self) -> None:
        """With an amount, just as much, across pieces; less only at the end."""
        body = Pieces(b"ab", b"cd", b"ef")
        raw = raw_response(body=body)

        self.assertEqual((b"abc", 2), (raw.read(3), body.taken))
        self.assertEqual((b"d", 2), (raw.read(1), body.taken))
        self.assertEqual(b"ef", raw.read(100))
        self.assertEqual(b"", raw.read(1))

    def test_nothing(self) -> None:
        """Reading zero bytes takes nothing."""
        body = Pieces(b"a")

        self.assertEqual((b"", 0), (raw_response(body=body).read(0), body.taken))

    def test_read1(self) -> None:
        """read1() gives what is there, with one piece taken at the most."""
        body = Pieces(b"abc", b"d")
        raw = raw_response(body=body)

        self.assertEqual((b"ab", 1), (raw.read1(2), body.taken))
        self.assertEqual((b"c", 1), (raw.read1(2), body.taken))
        self.assertEqual((b"d", 2), (raw.read1(), body.taken))
        self.assertEqual(b"", raw.read1())

    def test_error(self) -> None:
        """What the body raises comes out."""
        with self.assertRaisesRegex(LookupError, "mine"):
            raw_response(b"a", LookupError("mine")).read()

    def test_as_a_file(self) -> None:
        """It can be copied from as any file can."""
        target = io.BytesIO()
        shutil.copyfileobj(raw_response(b"ab", b"c" * 100_000), target)

        self.assertEqual(b"ab" + b"c" * 100_000, target.getvalue())

    def test_readinto(self) -> None:
        """It can be read into a buffer, and wrapped for text."""
        buffer = bytearray(3)

        self.assertEqual(2, raw_response(b"ab").readinto(buffer))
        self.assertEqual(b"ab\x00", bytes(buffer))

    def test_lines(self) -> None:
        """It can be iterated line by line."""
        self.assertEqual(
            [b"one\n", b"two\n", b"three"], list(raw_response(b"one\ntw", b"o\nth", b"ree"))
        )

    def test_data(self) -> None:
        """urllib3's own ways to the whole body work, as often as they are taken."""
        raw = raw_response(b"ab", b"c")

        self.assertEqual(b"abc", raw.data)
        self.assertEqual(b"abc", raw.data)

    def test_readable(self) -> None:
        """It says that it can be read."""
        self.assertTrue(raw_response().readable())


class DecodeTest(unittest.TestCase):
    """Content codings."""

    TEXT = b"text " * 100
    GZIP = [(b"content-encoding", b"gzip")]

    def test_not_unless_asked_for(self) -> None:
        """Nothing is decoded unless it is asked for, as requests has it of urllib3."""
        coded = gzip.compress(self.TEXT)

        self.assertEqual(coded, raw_response(coded, headers=self.GZIP).read())
        self.assertEqual([coded], list(raw_response(coded, headers=self.GZIP).stream()))

    def test_asked_for(self) -> None:
        """decode_content=True decodes, in pieces of any size."""
        coded = gzip.compress(self.TEXT)
        for size in (1, 7, 1000):
            pieces = [coded[index : index + size] for index in range(0, len(coded), size)]
            with self.subTest(size=size):
                raw = raw_response(*pieces, headers=self.GZIP)
                self.assertEqual(self.TEXT, b"".join(raw.stream(10, decode_content=True)))

                raw = raw_response(*pieces, headers=self.GZIP)
                self.assertEqual(self.TEXT[:9], raw.read(9, decode_content=True))
                self.assertEqual(self.TEXT[9:], raw.read(decode_content=True))

                raw = raw_response(*pieces, headers=self.GZIP)
                part = raw.read1(9, decode_content=True)
                self.assertTrue(part)
                self.assertTrue(self.TEXT[:9].startswith(part))

    def test_as_an_attribute(self) -> None:
        """The attribute decides where the call does not, as in programs that copy raw."""
        raw = raw_response(gzip.compress(self.TEXT), headers=self.GZIP)
        raw.decode_content = True
        target = io.BytesIO()
        shutil.copyfileobj(raw, target)

        self.assertEqual(self.TEXT, target.getvalue())

    def test_flushed_pieces(self) -> None:
        """What a coder has flushed can be read at once."""
        compressor = zlib.compressobj(wbits=31)
        pieces = [
            compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
            for text in (b"one", b"two")
        ]
        body = Pieces(*pieces, compressor.flush())
        stream = raw_response(body=body, headers=self.GZIP).stream(100, decode_content=True)

        self.assertEqual((b"one", 1), (next(stream), body.taken))
        self.assertEqual((b"two", 2), (next(stream), body.taken))
        self.assertEqual([], list(stream))

    def test_broken(self) -> None:
        """A broken coding is urllib3's error."""
        with self.assertRaises(DecodeError):
            raw_response(b"this is not gzip", headers=self.GZIP).read(decode_content=True)

    def test_empty(self) -> None:
        """An empty body is empty in every coding."""
        for coding in (b"gzip", b"deflate", b"br", b"zstd", b"gzip, deflate", b"unknown"):
            with self.subTest(coding=coding):
                raw = raw_response(headers=[(b"content-encoding", coding)], method="HEAD")

                self.assertEqual(b"", raw.read(decode_content=True))
                self.assertEqual([], list(raw.stream(decode_content=True)))

    def test_unknown(self) -> None:
        """An unknown coding is left alone."""
        raw = raw_response(b"uryyb", headers=[(b"content-encoding", b"rot13")])

        self.assertEqual(b"uryyb", raw.read(decode_content=True))


class FramingTest(unittest.TestCase):
    """Headers that frame a body on a wire say nothing here."""

    def test_content_length(self) -> None:
        """A length that does not fit is the state machine's business, not urllib3's."""
        for length in (b"1", b"100"):
            raw = raw_response(b"abc", headers=[(b"content-length", length)])

            self.assertEqual(b"abc", raw.read())

    def test_chunked(self) -> None:
        """A body is not taken for chunked because a header says so."""
        raw = raw_response(b"3\r\nabc\r\n", headers=[(b"transfer-encoding", b"chunked")])

        self.assertEqual(b"3\r\nabc\r\n", b"".join(raw.stream(100)))


class CloseTest(unittest.TestCase):
    """close() and release_conn()."""

    def test_close(self) -> None:
        """close() closes the body; nothing can be read any more."""
        body = Pieces(b"a", b"b")
        raw = raw_response(body=body)
        stream = raw.stream(1)
        next(stream)
        raw.close()

        self.assertTrue(body.closed)
        self.assertEqual([], list(stream))
        self.assertEqual(b"", raw.read())

    def test_release(self) -> None:
        """release_conn(), which requests calls after the end, closes the body, too."""
        body = Pieces(b"a")
        raw = raw_response(body=body)
        raw.read()
        raw.release_conn()

        self.assertTrue(body.closed)

    def test_error_of_close(self) -> None:
        """What closing the body raises comes out."""

        class Failing(Pieces):
            def close(self) -> None:
                super().close()
                raise LookupError("mine")

        with self.assertRaisesRegex(LookupError, "mine"):
            raw_response(body=Failing()).close()

    def test_dropped(self) -> None:
        """A response that is collected unclosed lets go of its body, and waits for nothing."""

        class Droppable(Pieces):
            dropped = False

            def drop(self) -> None:
                self.dropped = True

        for closes in (False, True):
            body = Droppable(b"a")
            raw = raw_response(body=body)
            if closes:
                raw.close()
            del raw

            self.assertEqual(not closes, body.dropped)

    def test_close_twice(self) -> None:
        """It can be closed twice."""
        raw = raw_response(b"a")
        raw.close()
        raw.close()


class BodyTest(unittest.TestCase):
    """Body, the base."""

    def test_abstract(self) -> None:
        """It has no pieces, and urllib3 never reads from it."""
        with self.assertRaises(NotImplementedError):
            Body().next_piece()
        with self.assertRaises(NotImplementedError):
            Body().read()

    def test_drop(self) -> None:
        """Letting go of a body that came whole is nothing to warn of."""
        MemoryBody([b"a"]).drop()
