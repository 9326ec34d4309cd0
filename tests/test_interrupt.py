"""Ctrl-C and the interpreter's end, in processes of their own: nothing holds them up."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from pathlib import Path
from typing import IO, Any

import asgitest

from .base import ChoosingTestCase, on_thread
from .suites import unmeasured_environment

#: Seconds after which a process counts as hung. It is never waited for unless a test fails.
PATIENCE = 60

ROOT = Path(asgitest.__file__).parents[1]
ON_TRIO = os.environ.get("ASGITEST_BACKEND") == "trio"
ON_WINDOWS = sys.platform == "win32"

#: What every program begins with: an application that says on stdout that it was reached.
PRELUDE = """
import asyncio
import contextlib
import sys
import threading
import unittest

import anyio
import anyio.to_thread

from asgitest import ASGITestCase, TestClient

START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
END = {"type": "http.response.body", "body": b"end"}

def inside():
    print("inside", flush=True)

async def hang():
    inside()
    await anyio.sleep_forever()

def block():
    inside()
    threading.Event().wait()

async def deaf():
    inside()
    while True:
        try:
            await anyio.sleep_forever()
        except BaseException:
            pass

class App:
    def __init__(self, startup=None, shutdown=None):
        self.stages = {"startup": startup, "shutdown": shutdown}

    async def __call__(self, scope, receive, send):
        await getattr(self, scope["type"])(scope, receive, send)

    async def lifespan(self, scope, receive, send):
        for stage in ("startup", "shutdown"):
            await receive()
            await self.do(self.stages[stage])
            await send({"type": f"lifespan.{stage}.complete"})

    async def do(self, what):
        if what == "hang":
            await hang()
        if what == "block":
            block()
        if what == "deaf":
            await deaf()

    async def http(self, scope, receive, send):
        if scope["path"] == "/thread":
            await anyio.to_thread.run_sync(block)
        if scope["path"] == "/worker":
            await anyio.to_thread.run_sync(int)
        if scope["path"] == "/stream":
            await send(START)
            await send(PART)
            await anyio.sleep_forever()
        if scope["path"] == "/stream_and_hang":
            await send(START)
            await send(PART)
            await hang()
        await self.do(scope["path"][1:])
        await send(START)
        await send(END)

    async def websocket(self, scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/leave":
            await receive()
            await hang()
        await self.do(scope["path"][1:])
        while (await receive())["type"] != "websocket.disconnect":
            pass
"""


class Program:
    """A program that runs in a process of its own.

    :param source: its text, behind the prelude
    :param arguments: arguments of the interpreter
    :param folder: where it runs; without arguments the source is its ``-c``
    """

    def __init__(self, source: str, *arguments: str, folder: Path | None = None) -> None:
        command = [sys.executable, *(arguments or ("-c", PRELUDE + textwrap.dedent(source)))]
        environment = unmeasured_environment()
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._out = Lines(self._process.stdout)
        self._err = Lines(self._process.stderr)

    def wait_inside(self) -> None:
        """Wait until the program says that it is where it is meant to hang."""
        while (line := self._out.next()) != "inside\n":
            if not line:
                raise AssertionError(f"the program ended before it hung:\n{self._err.rest()}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> tuple[int, str, str]:
        """Wait for the end; return the exit code and what was written."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program does not end:\n{self.kill()}") from None
        return code, self._out.rest(), self._err.rest()

    def kill(self) -> str:
        """End the program by force, if it has not ended; return what it wrote on stderr."""
        self._process.kill()
        self._process.wait()
        return self._err.rest()


class Lines:
    """The lines that a process writes, read in a thread so that no pipe fills up."""

    def __init__(self, pipe: IO[str] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                self._lines.put(line)
        self._lines.put("")

    def next(self) -> str:
        """Return the next line, an empty string at the end."""
        return self._lines.get(timeout=PATIENCE)

    def rest(self) -> str:
        """Return what is left."""
        self._thread.join(PATIENCE)
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return "".join(lines)


class ProgramTestCase(ChoosingTestCase):
    """A test case that runs programs."""

    def run_program(self, source: str, *arguments: str, **options: Any) -> Program:
        """Start a program; it is ended with the test, if it has not ended by itself."""
        program = Program(source, *arguments, **options)
        self.addCleanup(program.kill)
        return program

    def assert_interrupted(self, *sources: str) -> None:
        """Check that programs end at the first Ctrl-C, without getting beyond where they hang.

        :param sources: their texts; they run side by side
        """
        self.check_interrupted([self.run_program(source) for source in sources])

    def check_interrupted(self, programs: list[Program]) -> None:
        """Check as :meth:`assert_interrupted` does.

        :param programs: programs that run
        """
        for program in programs:
            program.wait_inside()
            program.interrupt()
        for program in programs:
            code, out, err = program.wait()
            self.assertNotEqual(0, code, err)
            self.assertNotIn("survived", out)
            self.assertIn("KeyboardInterrupt", err)

    def assert_ends(self, *sources: str) -> None:
        """Check that programs end by themselves, and well.

        :param sources: their texts; they run side by side
        """
        for program in [self.run_program(source) for source in sources]:
            code, out, err = program.wait()
            self.assertEqual(0, code, err)
            self.assertIn("the end", out)
            self.assertNotIn("Fatal", err)


@unittest.skipIf(ON_WINDOWS, "Windows has no such signal for a process")
class InterruptTest(ProgramTestCase):
    """The first Ctrl-C ends a hung test, and the process with it."""

    def test_request(self) -> None:
        """A request that hangs is broken off, with the client open and a deadline or none."""
        self.assert_interrupted(
            *(
                f"""
                with TestClient(App(), timeout={timeout}) as client:
                    client.get("/hang")
                print("survived")
                """
                for timeout in ("10", "None")
            )
        )

    def test_forgotten_client(self) -> None:
        """A request that hangs is broken off although nobody closes the client."""
        self.assert_interrupted(
            """
            client = TestClient(App(), timeout=None)
            client.get("/hang")
            print("survived")
            """
        )

    def test_blocked_loop(self) -> None:
        """A request that blocks the loop is broken off, idle worker threads or not."""
        self.assert_interrupted(
            """
            with TestClient(App(), timeout=None) as client:
                client.get("/worker")
                client.get("/block")
            print("survived")
            """
        )

    @on_thread("the worker threads of an inline loop of asyncio are no daemons")
    def test_worker_thread(self) -> None:
        """A request that blocks a worker thread is broken off."""
        self.assert_interrupted(
            """
            with TestClient(App(), timeout=None) as client:
                client.get("/thread")
            print("survived")
            """
        )

    def test_deaf_application(self) -> None:
        """A request that swallows its cancellation is broken off."""
        self.assert_interrupted(
            """
            with TestClient(App(), timeout=None) as client:
                client.get("/deaf")
            print("survived")
            """
        )

    def test_grace(self) -> None:
        """The time that a hung application is given when its deadline has passed is cut short."""
        self.assert_interrupted(
            """
            with TestClient(App()) as client:
                client.get("/deaf", timeout=0.01)
            print("survived")
            """
        )

    def test_stream(self) -> None:
        """A streamed response that hangs is broken off, and its block is left."""
        self.assert_interrupted(
            """
            with TestClient(App(), timeout=None) as client:
                with client.get("/stream_and_hang", stream=True) as response:
                    response.content
            print("survived")
            """
        )

    def test_blocks_on_the_way_out(self) -> None:
        """No block that is left on the way out waits for a loop that is blocked."""
        self.assert_interrupted(
            """
            @contextlib.asynccontextmanager
            async def manager():
                yield

            with TestClient(App(), timeout=None) as client:
                with client.async_context(manager()):
                    with client.websocket_connect("/") as websocket:
                        with client.get("/stream", stream=True) as response:
                            client.get("/block")
            print("survived")
            """
        )

    def test_receive(self) -> None:
        """A WebSocket's receive that hangs is broken off."""
        self.assert_interrupted(
            """
            with TestClient(App(), timeout=None) as client:
                with client.websocket_connect("/hang") as websocket:
                    websocket.receive_text()
            print("survived")
            """
        )

    def test_leave(self) -> None:
        """A WebSocket that hangs when it is left is broken off."""
        self.assert_interrupted(
            """
            with TestClient(App(), timeout=None) as client:
                with client.websocket_connect("/leave") as websocket:
                    websocket.send_text("now")
            print("survived")
            """
        )

    def test_startup(self) -> None:
        """A startup that hangs, or blocks the loop, is broken off."""
        self.assert_interrupted(
            *(
                f"""
                with TestClient(App(startup="{what}"), timeout=None) as client:
                    print("survived")
                """
                for what in ("hang", "block")
            )
        )

    def test_shutdown(self) -> None:
        """A shutdown that hangs, blocks the loop or is deaf is broken off."""
        self.assert_interrupted(
            *(
                f"""
                with TestClient(App(shutdown="{what}"), timeout=None) as client:
                    client.get("/")
                print("survived")
                """
                for what in ("hang", "block", "deaf")
            )
        )

    def test_end_of_loop(self) -> None:
        """A loop that does not end, for a task on it is deaf, is given up."""
        self.assert_interrupted(
            """
            async def deaf_in_the_end():
                try:
                    await anyio.sleep_forever()
                except BaseException:
                    await deaf()

            with TestClient(App(), timeout=None) as client:
                client.portal.start_task_soon(deaf_in_the_end)
                client.get("/")
            print("survived")
            """
        )

    def test_call(self) -> None:
        """A function on the loop that hangs is broken off, and a task that is waited for."""
        self.assert_interrupted(
            *(
                f"""
                with TestClient(App(), timeout=None) as client:
                    {use}
                print("survived")
                """
                for use in (
                    "client.call(hang)",
                    "client.call(block)",
                    "client.portal.start_task(lambda task_status: hang())",
                    "client.portal.start_task_soon(hang).result()",
                )
            )
        )

    def test_upload(self) -> None:
        """A generator of a request's body that hangs is broken off."""
        self.assert_interrupted(
            """
            async def app(scope, receive, send):
                while True:
                    await receive()

            def body():
                yield b"one"
                block()

            with TestClient(app, timeout=None, lifespan="off") as client:
                client.post("/", data=body())
            print("survived")
            """
        )

    def test_dropped_stream(self) -> None:
        """A Ctrl-C is not lost when a streamed response was dropped without being closed."""
        self.assert_interrupted(
            """
            client = TestClient(App(), timeout=None)
            response = client.get("/stream", stream=True)
            response = None
            client.get("/hang")
            print("survived")
            """
        )


@unittest.skipIf(ON_WINDOWS, "Windows has no such signal for a process")
class TestRunnerTest(ProgramTestCase):
    """The first Ctrl-C ends a run of tests."""

    SUITE = """
    class RoomTest(ASGITestCase):
        app = App()
        timeout = None

        def test_1_hangs(self):
            with self.client.websocket_connect("/") as websocket:
                self.client.get("/worker")
                self.client.get("/{path}")

        def test_2_survived(self):
            print("survived")
    """

    def test_unittest(self) -> None:
        """unittest stops at once, whether the application hangs, blocks its loop or is deaf."""
        self.assert_suites_interrupted("hang", "block", "deaf")

    @on_thread("the worker threads of an inline loop of asyncio are no daemons")
    def test_unittest_with_blocked_worker_thread(self) -> None:
        """unittest stops at once if a worker thread is blocked."""
        self.assert_suites_interrupted("thread")

    def assert_suites_interrupted(self, *paths: str) -> None:
        """Check as :meth:`assert_interrupted` does, with suites.

        :param paths: what each of them requests
        """
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        programs = []
        for path in paths:
            source = PRELUDE + textwrap.dedent(self.SUITE.format(path=path))
            Path(folder.name, f"{path}_suite.py").write_text(source)
            arguments = ("-m", "unittest", "-q", f"{path}_suite")
            programs.append(self.run_program("", *arguments, folder=Path(folder.name)))
        self.check_interrupted(programs)


class ExitTest(ProgramTestCase):
    """Nothing keeps the interpreter from ending."""

    def test_forgotten_client(self) -> None:
        """A client that nobody closed does not, entered or not, worker threads used or not."""
        self.assert_ends(
            *(
                f"""
                client = TestClient(App()){enter}
                client.get("/")
                client.get("/worker")
                print("the end")
                """
                for enter in ("", ".__enter__()")
            )
        )

    def test_open_connections(self) -> None:
        """Open responses and WebSockets do not."""
        self.assert_ends(
            """
            client = TestClient(App())
            response = client.get("/stream", stream=True)
            websocket = client.websocket_connect("/").__enter__()
            print("the end")
            """
        )

    def test_running_tasks(self) -> None:
        """Tasks that go on do not."""
        self.assert_ends(
            """
            client = TestClient(App())
            client.portal.start_task_soon(hang)
            client.portal.start_task_soon(deaf)
            print("the end")
            """
        )

    def test_blocked_loop(self) -> None:
        """A loop that is blocked for ever does not, idle worker threads or not."""
        self.assert_ends(
            """
            with TestClient(App()) as client:
                client.get("/worker")
                try:
                    client.get("/block", timeout=0.2)
                except TimeoutError:
                    print("the end")
            """
        )

    @on_thread("the worker threads of an inline loop of asyncio are no daemons")
    def test_blocked_worker_thread(self) -> None:
        """A worker thread that is blocked for ever does not."""
        self.assert_ends(
            """
            with TestClient(App()) as client:
                try:
                    client.get("/thread", timeout=0.2)
                except TimeoutError:
                    print("the end")
            """
        )

    def test_deaf_application(self) -> None:
        """An application that swallows every cancellation does not."""
        self.assert_ends(
            """
            with TestClient(App()) as client:
                try:
                    client.get("/deaf", timeout=0.2)
                except TimeoutError:
                    print("the end")
            """
        )

    def test_application_that_writes(self) -> None:
        """An application that writes while the interpreter ends does not break it."""
        self.assert_ends(
            """
            async def write():
                while True:
                    print("still here", file=sys.stderr, flush=True)
                    await anyio.lowlevel.checkpoint()

            client = TestClient(App())
            client.portal.start_task_soon(write)
            print("the end")
            """
        )

    def test_failed_test(self) -> None:
        """A test that fails with a client open does not."""
        code, _, err = self.run_program(
            """
            class Test(unittest.TestCase):
                def test(self):
                    self.client = TestClient(App()).__enter__()
                    self.response = self.client.get("/stream", stream=True)
                    self.fail("on purpose")

            unittest.main()
            """
        ).wait()
        self.assertEqual(1, code, err)
        self.assertIn("on purpose", err)
