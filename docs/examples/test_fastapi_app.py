"""Tests of the board with FastAPI."""

from __future__ import annotations

import fastapi_app

from asgitest import ASGITestCase, WebSocketDenied


class BoardTestCase(ASGITestCase):
    """What the tests of the board have in common: a new application for each test."""

    def get_app(self):
        return fastapi_app.create_app()

    def setUp(self):
        super().setUp()
        self.client.auth = ("ann", "blue")

    def create_topic(self, title="Which tea?"):
        response = self.client.post("/topics", json={"title": title})
        self.assertStatus(response, 201)
        return response.headers["location"]


class TopicsTest(BoardTestCase):
    def test_a_topic_is_created(self):
        location = self.create_topic("Which tea?")

        self.assertEqual("/topics/1", location)
        self.assertEqual({"title": "Which tea?", "author": "ann"}, self.client.get(location).json())

    def test_a_topic_needs_a_title(self):
        response = self.client.post("/topics", json={"title": ""})

        self.assertStatus(response, 422)
        self.assertEqual(["body", "title"], response.json()["detail"][0]["loc"])

    def test_an_unknown_topic_is_not_found(self):
        response = self.client.get("/topics/17")

        self.assertStatus(response, 404)
        self.assertEqual({"error": "there is no topic 17"}, response.json())

    def test_mail_is_sent_in_the_background(self):
        self.create_topic("Which tea?")

        self.assertEqual(["ann asks: Which tea?"], self.client.state["board"].mails)


class AuthenticationTest(BoardTestCase):
    def test_a_wrong_password_is_refused(self):
        response = self.client.post("/topics", json={"title": "?"}, auth=("ann", "red"))

        self.assertStatus(response, 401)

    def test_a_stranger_is_asked_for_a_password(self):
        stranger = self.client.new_client()

        response = stranger.post("/topics", json={"title": "?"})

        self.assertStatus(response, 401)
        self.assertIn("Basic", response.headers["www-authenticate"])

    def test_a_dependency_is_replaced(self):
        self.client.app.dependency_overrides[fastapi_app.current_user] = lambda: "carol"

        self.assertEqual("carol", self.client.get(self.create_topic()).json()["author"])


class AttachmentsTest(BoardTestCase):
    def test_several_files_are_attached(self):
        files = [("files", ("tea.txt", b"green")), ("files", ("cup.png", b"\x89PNG"))]

        response = self.client.post("/topics/1/attachments", files=files)

        self.assertStatus(response, 200)
        self.assertEqual({"tea.txt": 5, "cup.png": 4}, response.json())


class LiveTest(BoardTestCase):
    def test_answers_are_counted_and_can_be_downloaded(self):
        topic = self.create_topic()

        with self.client.websocket_connect(f"{topic}/live", params={"user": "bob"}) as session:
            for number, text in enumerate(["green", "black"], start=1):
                session.send_text(text)
                self.assertWebSocketReceives(session, {"answers": number})

        with self.client.get(f"{topic}/answers", stream=True) as response:
            self.assertEqual([b"bob: green", b"bob: black"], list(response.iter_lines()))

    def test_an_unknown_topic_is_denied(self):
        unknown = self.client.websocket_connect("/topics/17/live")

        with self.assertRaises(WebSocketDenied) as denied, unknown:
            pass

        self.assertStatus(denied.exception.response, 403)
        self.assertEqual(1008, denied.exception.code)


class LifespanTest(BoardTestCase):
    def test_the_board_is_open_as_long_as_the_application_runs(self):
        board = self.client.state["board"]
        self.assertTrue(board.is_open)

        self.client.close()

        self.assertFalse(board.is_open)


class ExceptionTest(BoardTestCase):
    def test_the_exception_of_the_application_reaches_the_test(self):
        with self.assertRaises(KeyError):
            self.client.get("/topics/17/answers")


class HiddenExceptionTest(BoardTestCase):
    raise_server_exceptions = False

    def test_what_a_browser_would_see(self):
        self.assertStatus(self.client.get("/topics/17/answers"), 500)
