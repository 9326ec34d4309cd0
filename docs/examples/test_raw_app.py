"""Tests of the chat server in plain ASGI."""

from __future__ import annotations

import raw_app

from asgitest import ASGITestCase, WebSocketDenied, WebSocketDisconnect


class RoomsTest(ASGITestCase):
    app = raw_app.app

    def test_the_lobby_is_there_from_the_start(self):
        response = self.client.get("/rooms")

        self.assertStatus(response, 200)
        self.assertEqual(["lobby"], response.json())

    def test_a_room_is_created(self):
        response = self.client.post("/rooms", json={"name": "attic"})

        self.assertStatus(response, 201)
        self.assertEqual("/rooms/attic", response.headers["location"])
        # What the lifespan keeps in its state can be looked at, and prepared, from a test.
        self.assertIn("attic", self.client.state["rooms"])

    def test_a_name_is_taken_only_once(self):
        self.assertStatus(self.client.post("/rooms", json={"name": "lobby"}), 409)

    def test_an_unknown_room_is_not_found(self):
        self.assertStatus(self.client.post("/rooms/cellar/messages", data="hello"), 404)


class PictureTest(ASGITestCase):
    app = raw_app.app

    def test_a_picture_is_uploaded(self):
        response = self.client.put("/rooms/lobby/picture", data=b"\x89PNG...")

        self.assertEqual({"size": 7}, response.json())

    def test_a_large_picture_is_refused_in_mid_upload(self):
        pulled = []

        def endless_picture():
            while True:
                pulled.append(100_000)
                yield bytes(100_000)

        # A generator is pulled on demand, one http.request event for each piece.
        response = self.client.put("/rooms/lobby/picture", data=endless_picture())

        self.assertStatus(response, 413)
        self.assertGreater(sum(pulled), raw_app.LARGEST_PICTURE)


class EventsTest(ASGITestCase):
    app = raw_app.app

    def test_events_come_as_they_happen(self):
        with self.client.get("/rooms/lobby/events", stream=True) as response:
            self.assertEqual("text/event-stream; charset=utf-8", response.headers["content-type"])
            lines = response.iter_lines(decode_unicode=True)

            for text in ("hello", "is anybody there?"):
                self.client.post("/rooms/lobby/messages", data=text)
                self.assertEqual([f"data: {text}", ""], [next(lines), next(lines)])

    def test_a_listener_that_leaves_is_forgotten(self):
        room = self.client.state["rooms"]["lobby"]

        with self.client.get("/rooms/lobby/events", stream=True):
            self.assertEqual(1, len(room.listeners))

        # The application was told, and has cleaned up, when the block is left.
        self.assertEqual(0, len(room.listeners))


class ChatTest(ASGITestCase):
    app = raw_app.app

    def connect(self, room="lobby", **options):
        return self.client.websocket_connect(f"/rooms/{room}", ["chat.v0", "chat.v1"], **options)

    def test_everybody_hears_everybody(self):
        with self.connect(params={"user": "ann"}) as ann, self.connect() as guest:
            ann.send_text("hello")
            self.assertWebSocketReceives(ann, "ann: hello")
            self.assertWebSocketReceives(guest, "ann: hello")

            guest.send_text("hi")
            self.assertWebSocketReceives(ann, "guest: hi")

    def test_the_subprotocol_is_agreed_on(self):
        with self.connect() as session:
            self.assertEqual("chat.v1", session.accepted_subprotocol)

    def test_another_subprotocol_is_refused(self):
        outdated = self.client.websocket_connect("/rooms/lobby", ["chat.v0"])

        with self.assertRaises(WebSocketDenied) as denied, outdated:
            pass

        self.assertStatus(denied.exception.response, 403)

    def test_an_unknown_room_is_denied(self):
        with self.assertRaises(WebSocketDenied) as denied, self.connect("cellar"):
            pass

        # A denial response is a response like any other.
        self.assertStatus(denied.exception.response, 404)
        self.assertEqual({"error": "there is no room cellar"}, denied.exception.response.json())

    def test_quit(self):
        with self.connect() as session:
            session.send_text("/quit")
            with self.assertRaises(WebSocketDisconnect) as closed:
                session.receive_text()

        self.assertEqual((4000, "goodbye"), (closed.exception.code, closed.exception.reason))

    def test_a_lost_connection_is_cleaned_up(self):
        with self.connect() as session:
            session.disconnect()

        self.assertEqual(0, len(self.client.state["rooms"]["lobby"].listeners))


class BrokenRequestTest(ASGITestCase):
    app = raw_app.app

    def test_the_exception_of_the_application_reaches_the_test(self):
        with self.assertRaisesRegex(ValueError, "Expecting value"):
            self.client.post("/rooms", data="no JSON")

    def test_what_a_browser_would_see(self):
        browser = self.client.new_client(raise_server_exceptions=False)

        self.assertStatus(browser.post("/rooms", data="no JSON"), 500)
