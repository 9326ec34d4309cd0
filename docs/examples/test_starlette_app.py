"""Tests of the club with Starlette."""

from __future__ import annotations

import starlette_app

from asgitest import ASGITestCase, WebSocketDenied


class ClubTestCase(ASGITestCase):
    """What the tests of the club have in common: its application, and how to get in."""

    app = starlette_app.app

    def log_in(self, name="ann"):
        return self.client.post("/login", data={"name": name})


class LoginTest(ClubTestCase):
    def test_a_stranger_is_sent_to_the_login(self):
        response = self.client.get("/")

        self.assertStatus(response, 200)
        self.assertEqual("http://testserver/login", response.url)
        self.assertEqual([303], [redirect.status_code for redirect in response.history])

    def test_a_redirect_that_is_not_followed(self):
        response = self.client.get("/", allow_redirects=False)

        self.assertStatus(response, "3xx")
        self.assertEqual("/login", response.headers["location"])

    def test_a_member_is_known_by_a_cookie(self):
        response = self.log_in("ann")

        self.assertEqual({"member": "ann"}, response.json())
        self.assertIn("session", self.client.cookies)

    def test_members_have_cookies_of_their_own(self):
        self.log_in("ann")
        other = self.client.new_client()
        other.post("/login", data={"name": "bob"})

        self.assertEqual({"member": "ann"}, self.client.get("/").json())
        self.assertEqual({"member": "bob"}, other.get("/").json())

    def test_log_out(self):
        self.log_in()
        self.assertStatus(self.client.post("/logout"), 204)

        self.assertNotIn("session", self.client.cookies)
        self.assertStatus(self.client.get("/", allow_redirects=False), 303)


class PicturesTest(ClubTestCase):
    def test_several_files_in_one_field(self):
        self.log_in()
        files = [
            ("pictures", ("cat.png", b"\x89PNG cat", "image/png")),
            ("pictures", ("dog.png", b"\x89PNG hound", "image/png")),
        ]

        response = self.client.post("/pictures", data={"title": "Pets"}, files=files)

        self.assertStatus(response, 201)
        self.assertEqual({"title": "Pets", "sizes": {"cat.png": 8, "dog.png": 10}}, response.json())

    def test_background_work_is_done_when_the_call_returns(self):
        self.log_in()

        self.client.post("/pictures", files={"pictures": ("cat.png", b"\x89PNG")})

        self.assertEqual(["small-cat.png"], self.client.state["club"].thumbnails)

    def test_strangers_may_not_upload(self):
        response = self.client.post("/pictures", files={"pictures": ("cat.png", b"\x89PNG")})

        self.assertStatus(response, 401)


class FeedTest(ClubTestCase):
    def test_the_feed_tells_of_a_picture(self):
        self.log_in()
        with self.client.get("/feed", stream=True) as response:
            events = (line for line in response.iter_lines(decode_unicode=True) if line)
            self.assertEqual("data: welcome", next(events))

            self.client.post("/pictures", files={"pictures": ("cat.png", b"\x89PNG")})

            self.assertEqual("data: new picture: cat.png", next(events))

    def test_a_follower_that_leaves_is_forgotten(self):
        club = self.client.state["club"]
        with self.client.get("/feed", stream=True) as response:
            next(response.iter_lines())
            self.assertEqual(1, len(club.followers))

        self.assertEqual(0, len(club.followers))

    def test_a_test_can_act_on_the_loop_of_the_application(self):
        with self.client.get("/feed", stream=True) as response:
            events = (line for line in response.iter_lines(decode_unicode=True) if line)
            next(events)

            self.client.call(self.client.state["club"].announce, "closing time")

            self.assertEqual("data: closing time", next(events))


class ChatTest(ClubTestCase):
    def test_a_member_is_answered(self):
        self.log_in("ann")

        # The handshake carries the cookies of the client, as a browser's does.
        with self.client.websocket_connect("/chat", ["json"]) as session:
            session.send_json({"text": "hello"})
            self.assertWebSocketReceives(session, {"from": "ann", "text": "hello"})

    def test_the_answer_to_the_handshake(self):
        self.log_in("ann")

        with self.client.websocket_connect("/chat", ["json", "xml"]) as session:
            self.assertStatus(session.response, 101)
            self.assertEqual("ann", session.response.headers["x-member"])
            self.assertEqual("json", session.accepted_subprotocol)

    def test_a_stranger_is_turned_away(self):
        with self.assertRaises(WebSocketDenied) as denied, self.client.websocket_connect("/chat"):
            pass

        self.assertStatus(denied.exception.response, 403)

    def test_a_member_that_leaves_is_announced(self):
        self.log_in("ann")
        with self.client.get("/feed", stream=True) as response:
            events = (line for line in response.iter_lines(decode_unicode=True) if line)
            next(events)

            with self.client.websocket_connect("/chat", ["json"]) as session:
                session.close(1001)

            self.assertEqual("data: ann has left", next(events))


class BrokenRequestTest(ClubTestCase):
    def test_the_exception_of_the_application_reaches_the_test(self):
        with self.assertRaises(KeyError):
            self.client.post("/login", data={"nickname": "ann"})

    def test_what_a_browser_would_see(self):
        browser = self.client.new_client(raise_server_exceptions=False)

        self.assertStatus(browser.post("/login", data={"nickname": "ann"}), 500)
