"""A small shop with ten mistakes in it."""

import json


async def app(scope, receive, send):
    """Serve the shop."""
    if scope["type"] == "lifespan":
        await live(scope["state"], receive, send, settings={})
    elif scope["type"] == "websocket":
        await WEBSOCKETS[scope["path"]](receive, send)
    else:
        await PAGES[scope["path"]](receive, send)


async def answer(send, status=200, headers=(), body=b""):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def add_article(receive, send):
    body = json.dumps({"error": "price is missing"}).encode()
    await answer(send, 400, [(b"content-type", b"application/json")], body)


async def show_logo(receive, send):
    await answer(send, 200, [(b"content-type", b"image/svg+xml")], b"<svg/>")


async def log_in(receive, send):
    await answer(send, 204, [(b"set-cookie", b"session=s3cr3t; Path=/; HttpOnly")])


async def show_customer(receive, send):
    customer = {"id": 7, "first_name": "Lovelace", "last_name": "Ada"}
    body = json.dumps(customer).encode()
    await answer(send, 200, [(b"content-type", b"application/json")], body)


async def show_cart(receive, send):
    # Meant was the cart of somebody who is logged in.
    await answer(send, 302, [(b"location", b"/cart")])


async def watch_orders(receive, send):
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: packed\n\n", "more_body": True})
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return


async def reject_guest(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 1000, "reason": "log in first"})


async def say_hello(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    # Here the answer is missing.


async def take_orders(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("bytes") is not None:
            await send({"type": "websocket.send", "text": "ordered"})


async def live(state, receive, send, settings):
    await receive()
    state["database"] = settings["DATABASE_URL"]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


PAGES = {
    "/articles": add_article,
    "/logo": show_logo,
    "/login": log_in,
    "/customer": show_customer,
    "/cart": show_cart,
    "/orders": watch_orders,
}
WEBSOCKETS = {"/members": reject_guest, "/hello": say_hello, "/take": take_orders}
