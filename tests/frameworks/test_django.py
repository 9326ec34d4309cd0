"""Django."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from asgitest import ASGITestCase

from . import suite

suite.need_frameworks()

from . import django_settings  # noqa: E402

django_settings.set_up()

from django import http  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402


async def hello(request: Any) -> http.HttpResponse:
    return http.HttpResponse(f"hello {request.GET['name']}")


async def empty(request: Any) -> http.HttpResponse:
    return http.HttpResponse(status=204)


def form(request: Any) -> http.HttpResponse:
    return http.JsonResponse(request.POST.dict())


def echo_json(request: Any) -> http.HttpResponse:
    return http.JsonResponse(json.loads(request.body))


def upload(request: Any) -> http.HttpResponse:
    file = request.FILES["file"]
    return http.JsonResponse({"name": file.name, "size": file.size})


async def set_cookies(request: Any) -> http.HttpResponse:
    response = http.HttpResponse("set")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


def read_cookies(request: Any) -> http.HttpResponse:
    return http.HttpResponse(f"{request.COOKIES['one']} {request.COOKIES['two']}")


def redirect(request: Any) -> http.HttpResponse:
    return http.HttpResponseRedirect("/hello?name=you")


async def numbers() -> AsyncIterator[str]:
    for number in range(3):
        yield f"{number}\n"


async def stream(request: Any) -> http.StreamingHttpResponse:
    return http.StreamingHttpResponse(numbers())


async def sent_events() -> AsyncIterator[str]:
    for number in range(2):
        yield f"data: {number}\n\n"
        await asyncio.sleep(0)


async def events(request: Any) -> http.StreamingHttpResponse:
    return http.StreamingHttpResponse(sent_events(), content_type="text/event-stream")


def error(request: Any) -> http.HttpResponse:
    raise ValueError("broken")


def synchronous(request: Any) -> http.HttpResponse:
    return http.HttpResponse("from a thread")


urlpatterns = [
    path("hello", hello),
    path("empty", empty),
    path("form", form),
    path("json", echo_json),
    path("upload", upload),
    path("set-cookies", set_cookies),
    path("read-cookies", read_cookies),
    path("redirect", redirect),
    path("stream", stream),
    path("events", events),
    path("error", error),
    path("sync", synchronous),
]


class DjangoTest(suite.FrameworkSuite, ASGITestCase):
    """An application of Django; half of its views are plain functions."""

    app = get_asgi_application()
    needs_asyncio = "Django's handler starts tasks of asyncio"
    has_lifespan = False
    has_background = False
