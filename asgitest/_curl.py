"""A recorded request as a command line of curl."""

from __future__ import annotations

import shlex

from ._masking import mask_body, mask_headers, mask_url
from ._recorded import RecordedExchange
from ._recorded_content import header_texts, header_value, request_text
from .exceptions import ASGITestError

# What curl makes of the URL and the body itself.
_OWN_HEADERS = {"host", "content-length", "transfer-encoding"}
# What curl adds, unless the command line says something about it.
_ADDED_HEADERS = ("accept", "user-agent")


def curl_command(exchange: RecordedExchange) -> str:
    """Return the command line that makes a request again, for a POSIX shell.

    :param exchange: the exchange whose request it is
    :raises ASGITestError: if its body was not streamed to its end, or was too long to be kept
    """
    words = ["curl", *_method(exchange), mask_url(exchange.url)]
    headers = header_texts(exchange.request_headers)
    for name, value in mask_headers(headers):
        if name.lower() not in _OWN_HEADERS:
            # So curl writes a header without a value; with a colon it would leave it out.
            words += ["--header", f"{name}: {value}" if value else f"{name};"]
    for name in _ADDED_HEADERS:
        if not any(key.lower() == name for key, _ in headers):
            words += ["--header", f"{name}:"]
    content = _content(exchange)
    if not content:
        return shlex.join(words)
    content_type = header_value(headers, "content-type")
    if not content_type:
        # Else curl says that it is a form.
        words += ["--header", "Content-Type:"]
    text = request_text(exchange)
    if text is None:
        return f"printf {_octal(content)} | {shlex.join([*words, '--data-binary', '@-'])}"
    # An at sign has no meaning to this one.
    return shlex.join([*words, "--data-raw", mask_body(text, content_type)])


def _method(exchange: RecordedExchange) -> list[str]:
    if exchange.method == "HEAD":
        return ["--head"]
    usual = "POST" if exchange.request_body.size else "GET"
    return [] if exchange.method == usual else ["-X", exchange.method]


def _content(exchange: RecordedExchange) -> bytes:
    body = exchange.request_body
    name = f"{exchange.method} {exchange.url}"
    if not body.has_ended:
        raise ASGITestError(
            f"there is no command line for {name}, for its body was not streamed to its end"
        )
    if not body.is_whole:
        raise ASGITestError(
            f"there is no command line for {name}, for of the {body.size} bytes of its body only "
            f"{len(body.content)} were kept"
        )
    return body.content


def _octal(content: bytes) -> str:
    # What every shell's printf knows, and three digits, so that none that follows belongs to it.
    return "'" + "".join(f"\\{byte:03o}" for byte in content) + "'"
