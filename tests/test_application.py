"""The running application: one loop and one lifespan, whatever becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel

from asgitest import (
    ASGITestCase,
    ASGITestError,
    ASGIWarning,
    DeadlineExceeded,
    LifespanError,
    TestClient,
)
from asgitest._adapter import run_application
from asgitest._application import LIFESPAN_MODES, RunningApplication, check_lifespan_mode
from asgitest._options import ClientOptions
from tests.base import CleanTestCase, end_abandoned_loops, on_thread, running_threads

BACKEND = os.environ.get("ASGITEST_BACKEND", "asyncio")
STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


class Application:
    """An application that counts its lifespans, and whose paths are what a request does.

    :param refusals: numbers of the lifespans that fail to start, counted from 1
    """

    def __init__(self, *refusals: int) -> None:
        self.started = 0
        self.stopped = 0
        self.refusals = refusals
        self.release = threading.Event()
        self.actions: dict[str, Callable[[], Any]] = {"/block": self.release.wait}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        elif scope["type"] == "http":
            action = self.actions.get(scope["path"])
            if action is not None:
                action()
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
            elif scope["path"] == "/deaf":
                await self.be_deaf()
            number = str(scope["state"].get("number"))
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": number.encode()})
        else:
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass

    async def be_deaf(self) -> None:
        """Swallow every cancellation."""
        while not self.release.is_set():
            with contextlib.suppress(BaseException):
                await anyio.sleep_forever()
            # Trio cancels every further wait at once: without a pause this loop, abandoned, would
            # take the processor from the one that came after it.
            self.release.wait(0.01)

    async def lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        """Count, and leave the number in the state."""
        await receive()
        self.started += 1
        if self.started in self.refusals:
            await send({"type": "lifespan.startup.failed", "message": f"refusal {self.started}"})
            return
        scope["state"]["number"] = self.started
        await send(STARTED)
        await receive()
        self.stopped += 1
        await send(STOPPED)


@contextlib.contextmanager
def released(app: Application) -> Iterator[None]:
    """Release an abandoned loop in the end, and wait until it has ended."""
    before = running_threads()
    try:
        yield
    finally:
        app.release.set()
        end_abandoned_loops()
        for thread in running_threads() - before:
            thread.join(10)


class AbandonedLoopTest(CleanTestCase):
    """A loop that cannot be used any more is abandoned; the application starts anew on another."""

    @on_thread("an inline loop does not stay blocked")
    def test_blocked_loop(self) -> None:
        """A loop that is blocked is one of those."""
        self.hurry()
        app = Application()
        with released(app):
            with TestClient(app) as client:
                with self.assertRaisesRegex(DeadlineExceeded, "was abandoned"):
                    client.get("/block", timeout=0.1)
                self.assertEqual("2", client.get("/").text)

    def test_next_request(self) -> None:
        """The next request runs on a new loop, with a lifespan of its own and a new state."""
        self.hurry()
        app = Application()
        with released(app):
            with TestClient(app) as client:
                self.assertEqual("1", client.get("/").text)
                with self.assertRaisesRegex(DeadlineExceeded, "was abandoned"):
                    client.get("/deaf", timeout=0.1)
                self.assertEqual("2", client.get("/").text)
                self.assertEqual({"number": 2}, client.state)
                self.assertEqual("2", client.new_client().get("/").text)
                with client.websocket_connect("/") as session:
                    self.assertEqual(2, session.scope["state"]["number"])
            self.assertEqual((2, 1), (app.started, app.stopped))

    def test_without_a_lifespan(self) -> None:
        """A client that was not entered gets a new loop, and still no lifespan."""
        self.hurry()
        app = Application()
        with released(app):
            client = TestClient(app)
            with self.assertRaisesRegex(DeadlineExceeded, "was abandoned"):
                client.get("/deaf", timeout=0.1)
            self.assertEqual("None", client.get("/").text)
            client.close()
        self.assertEqual(0, app.started)

    def test_lifespan_that_fails_to_start_again(self) -> None:
        """When the new lifespan fails, every call says so until one succeeds."""
        self.hurry()
        app = Application(2, 3)
        with released(app):
            with TestClient(app) as client:
                with self.assertRaises(DeadlineExceeded):
                    client.get("/deaf", timeout=0.1)
                for number in (2, 3):
                    with self.assertRaisesRegex(LifespanError, f"refusal {number}"):
                        client.get("/")
                self.assertEqual("4", client.get("/").text)
        self.assertEqual((4, 1), (app.started, app.stopped))

    def test_leaving_at_once(self) -> None:
        """A client whose loop was abandoned can be left; there is nothing left to shut down."""
        self.hurry()
        app = Application()
        with released(app):
            with TestClient(app) as client:
                with self.assertRaises(DeadlineExceeded):
                    client.get("/deaf", timeout=0.1)
        self.assertEqual((1, 0), (app.started, app.stopped))

    def test_session_on_the_abandoned_loop(self) -> None:
        """A WebSocket of the abandoned loop says what became of it, and can be left."""
        self.hurry()
        app = Application()
        with released(app):
            with TestClient(app) as client:
                with client.websocket_connect("/") as session:
                    with self.assertRaises(DeadlineExceeded):
                        client.get("/deaf", timeout=0.1)
                    with self.assertRaisesRegex(ASGITestError, "was abandoned"):
                        session.receive_text()
                self.assertEqual("2", client.get("/").text)

    def test_class_of_tests(self) -> None:
        """In a test case the test that blocked fails, and the next one passes."""
        self.hurry()
        application = Application()

        class Case(ASGITestCase):
            app = application
            timeout = 0.5

            def test_1_blocked(self) -> None:
                """Block."""
                self.client.get("/deaf")

            def test_2_fine(self) -> None:
                """Answer."""
                self.assertStatus(self.client.get("/"), 200)

        result = unittest.TestResult()
        with released(application):
            unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
        self.assertEqual(2, result.testsRun)
        self.assertEqual([], result.errors)
        self.assertEqual(["test_1_blocked"], [case._testMethodName for case, _ in result.failures])


@unittest.skipIf(BACKEND == "trio", "on trio an exit of a task ends the nursery that holds it")
class DeadLoopTest(CleanTestCase):
    """A task that the application started ends the loop with a SystemExit."""

    def application(self) -> Application:
        """Return an application that starts such a task at /exit."""
        app = Application()
        self.tasks: list[Any] = []

        async def leave() -> None:
            raise SystemExit(3)

        def start() -> None:
            self.tasks.append(asyncio.get_running_loop().create_task(leave()))

        app.actions["/exit"] = start
        return app

    def test_waiting_call(self) -> None:
        """The call that waits ends with an error that names it; the next one has a new loop."""
        app = self.application()
        with TestClient(app) as client:
            with self.assertRaisesRegex(ASGITestError, r"SystemExit\(3\)") as caught:
                client.get("/exit")
            self.assertIsInstance(caught.exception.__cause__, SystemExit)
            self.assertEqual("2", client.get("/").text)
            self.assertEqual({"number": 2}, client.state)
        self.assertEqual((2, 1), (app.started, app.stopped))

    def test_leaving_at_once(self) -> None:
        """A client whose loop has ended, and whose test was told so, can be left."""
        self.hurry()
        app = self.application()
        with TestClient(app) as client:
            with self.assertRaises(ASGITestError):
                client.get("/exit")
        self.assertEqual((1, 0), (app.started, app.stopped))

    @on_thread("threads of the test use one client")
    def test_websocket_that_waits(self) -> None:
        """A WebSocket that waits when another call ends the loop is told as well."""
        app = self.application()
        errors: list[BaseException] = []
        with TestClient(app) as client:
            with client.websocket_connect("/") as session:

                def receive() -> None:
                    try:
                        session.receive_text()
                    except BaseException as error:
                        errors.append(error)

                thread = threading.Thread(target=receive)
                thread.start()
                client.call(anyio.wait_all_tasks_blocked)
                with self.assertRaises(ASGITestError):
                    client.get("/exit")
                thread.join()
        self.assertEqual(1, len(errors))
        self.assertIsInstance(errors[0], ASGITestError)
        self.assertIn("SystemExit", str(errors[0]))


class SharingTest(CleanTestCase):
    """What clients of one running application share."""

    @on_thread("threads of the test use one client")
    def test_first_use_by_several_threads(self) -> None:
        """Threads that use a new client at once start one loop."""
        app = Application()
        client = self.new_client(app)
        before = running_threads()
        barrier = threading.Barrier(8)
        answers: list[str] = []

        def request() -> None:
            barrier.wait()
            answers.append(client.get("/").text)

        threads = [threading.Thread(target=request) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(["None"] * 8, answers)
        self.assertEqual(1, len(running_threads() - before))

    def test_new_client_after_the_parent_was_closed(self) -> None:
        """A further client that outlives its parent's block serves on, without lifespan."""
        app = Application()
        client = self.new_client(app)
        with client:
            other = client.new_client()
            self.assertEqual("1", other.get("/").text)
        self.assertEqual(200, other.get("/").status_code)
        self.assertEqual(1, app.started)

    def test_children_are_closed_with_the_parent(self) -> None:
        """Streamed responses of further clients are closed with the parent."""
        ended = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise NotImplementedError
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            ended.append((await receive())["type"])

        client = TestClient(app)
        with self.assertWarns(ResourceWarning):
            with client:
                response = client.new_client().get("/", stream=True)
        self.assertEqual(["http.disconnect"], ended)
        del response


class RunningApplicationTest(CleanTestCase):
    """The object that all clients of an application share."""

    def running(self, app: Any, **options: Any) -> RunningApplication:
        """Return a running application that is stopped at the end of the test."""
        running = run_application(app, ClientOptions(**options).resolved())
        self.addCleanup(running.stop)
        return running

    def test_portal_is_started_once(self) -> None:
        """The loop is started when it is first asked for, and stays."""
        running = self.running(Application())
        portal = running.portal()
        self.assertTrue(portal.usable)
        self.assertIs(portal, running.portal())
        running.stop()
        self.assertFalse(portal.usable)
        self.assertIsNot(portal, running.portal())

    def test_portal_on_the_loop_itself(self) -> None:
        """Code on the loop is given the loop it runs on, even while it stops."""
        running = self.running(Application())
        portal = running.portal()
        seen = []

        async def at_the_end() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                seen.append(running.portal())

        portal.start_task_soon(at_the_end)
        portal.call(anyio.wait_all_tasks_blocked)
        running.stop()
        self.assertEqual([portal], seen)

    def test_stop_without_start(self) -> None:
        """Stopping what was never started, or was stopped before, has no effect."""
        running = self.running(Application())
        running.stop()
        running.portal()
        running.stop()
        running.stop()

    def test_stop_on_the_loop_itself(self) -> None:
        """The loop cannot wait for its own end."""
        running = self.running(Application())
        with self.assertRaisesRegex(ASGITestError, "the event loop's own thread"):
            running.portal().call(running.stop)
        self.assertTrue(running.portal().usable)

    def test_lifespan_error(self) -> None:
        """What an application without lifespan raised is kept, until the next start."""
        error = ValueError("unknown scope")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise error

        running = self.running(app)
        running.start()
        self.assertIs(error, running.lifespan_error)
        running = self.running(Application())
        running.start()
        self.assertIsNone(running.lifespan_error)

    def test_abrupt_stop(self) -> None:
        """An abrupt stop cancels everything and shuts nothing down."""
        app = Application()
        running = self.running(app)
        running.start()
        portal = running.portal()
        running.stop(abruptly=True)
        portal.join(10)
        self.assertFalse(portal.usable)
        self.assertEqual((1, 0), (app.started, app.stopped))

    def test_collected(self) -> None:
        """When nobody knows it any more, its loop ends by itself."""
        running = run_application(Application(), ClientOptions().resolved())
        portal = running.portal()
        del running
        gc.collect()
        portal.join(10)
        self.assertFalse(portal.usable)

    def test_modes(self) -> None:
        """A mode is returned as it is, and anything else refused."""
        for mode in LIFESPAN_MODES:
            self.assertEqual(mode, check_lifespan_mode(mode))
        with self.assertRaisesRegex(ValueError, "auto, on, off, not 'never'"):
            check_lifespan_mode("never")

    @unittest.skipIf(BACKEND == "trio", "trio lets nobody make a cancellation up")
    def test_cancellations_of_the_applications_own_making(self) -> None:
        """A cancellation that the application makes up in its lifespan is its exception."""

        async def in_startup(scope: Any, receive: Any, send: Any) -> None:
            raise asyncio.CancelledError

        async def in_shutdown(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(STARTED)
            await receive()
            raise asyncio.CancelledError

        running = self.running(in_startup, lifespan="on")
        with self.assertRaises(asyncio.CancelledError):
            running.start()
        running = self.running(in_shutdown)
        running.start()
        with self.assertRaises(asyncio.CancelledError):
            running.stop()

    def test_warning_as_an_error(self) -> None:
        """When the warning about a doubtful lifespan is an error, no loop remains."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            raise ValueError("broken")

        running = self.running(app)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ASGIWarning)
            with self.assertRaisesRegex(ASGIWarning, "broken"):
                running.start()
