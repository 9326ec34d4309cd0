"""Channels, beside Django."""

from __future__ import annotations

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

from . import django_settings  # noqa: E402

django_settings.set_up()

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402


class Echo(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "close":
            await self.close(4000, "as asked")
        else:
            await self.send(text_data=text_data, bytes_data=bytes_data)


class SynchronousEcho(WebsocketConsumer):
    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(text_data=text_data, bytes_data=bytes_data)


class Deny(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.close(4003)


app = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [
                path("echo", Echo.as_asgi()),
                path("sync-echo", SynchronousEcho.as_asgi()),
                path("deny", Deny.as_asgi()),
            ]
        ),
    }
)


class ChannelsTest(suite.WebSocketSuite, ASGITestCase):
    """A router to an application of Django and to consumers."""

    app = app
    needs_asyncio = "Django's handler starts tasks of asyncio, and so do consumers"
    has_lifespan = False
    has_background = False

    def test_synchronous_consumer(self) -> None:
        """A consumer of plain functions serves a WebSocket."""
        with self.client.websocket_connect("/sync-echo") as session:
            session.send_text("hello")
            self.assertEqual("hello", session.receive_text())
