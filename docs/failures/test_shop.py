"""Ten tests, each of which finds one of the shop's mistakes."""

import shop

from asgitest import ASGITestCase


class ShopTest(ASGITestCase):
    app = shop.app
    lifespan = "off"
    timeout = 0.2
    ignore_rules = ("WS-CLOSE-08",)

    def test_wrong_status(self):
        response = self.client.post("/articles", json={"name": "kettle"})
        self.assertStatus(response, 201)

    def test_missing_header(self):
        self.assertHeader(self.client.get("/logo"), "etag")

    def test_insecure_cookie(self):
        response = self.client.post("/login", data={"name": "ada"})
        self.assertCookie(response, "session", secure=True, httponly=True)

    def test_swapped_fields(self):
        customer = {"id": 7, "first_name": "Ada", "last_name": "Lovelace"}
        self.assertJSON(self.client.get("/customer"), customer)

    def test_redirect_loop(self):
        self.assertRedirects(self.client.get("/cart"), "/login")

    def test_endless_stream(self):
        response = self.client.get("/orders")
        self.assertEventStream(response, ["packed"])

    def test_wrong_close_code(self):
        with self.client.websocket_connect("/members") as session:
            self.assertWebSocketCloses(session, 1008)

    def test_early_return(self):
        with self.client.websocket_connect("/hello") as session:
            session.send_text("hello")
            self.assertWebSocketReceives(session, "hello to you")

    def test_wrong_message(self):
        with self.client.websocket_connect("/take") as session:
            session.send_text("a kettle")
            self.assertWebSocketReceives(session, "ordered")

    def test_missing_setting(self):
        self.assertStarts(shop.app, lifespan="on")
