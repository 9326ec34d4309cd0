"""The rules that hold for every connection: application, events, errors, extensions, scopes."""

from __future__ import annotations

from ._rule import Rule, demand, lenient, provision, refused, warned

_DROPPED = "The message is dropped."

CALL_RULES: tuple[Rule, ...] = (
    demand(
        "APP-01",
        refused("An application is one callable, and its call gives something to await."),
    ),
    provision("APP-02", "The scope is a plain dict with a str under 'type'."),
    provision("APP-03", "receive() takes nothing, lets other tasks run, and gives an event."),
    provision("APP-04", "send() takes one event, lets other tasks run, and gives nothing back."),
    provision("APP-05", "Each connection is one call of the application, with a new scope."),
    provision("APP-06", "An application in two steps is called in two steps, as ASGI 2."),
    provision(
        "APP-07",
        "An application raises when it does not know a scope's type, lifespan above all.",
        bound="application",
    ),
    demand(
        "APP-08",
        refused("receive() and send() are awaited in the event loop of their connection."),
    ),
    provision(
        "APP-09",
        "What an application does behind its last message is waited for.",
        bound="application",
    ),
    demand(
        "APP-10",
        warned("An application returns None.", accepted="What it returns is thrown away."),
    ),
    provision(
        "APP-11",
        "What an application does to its scope reaches no other scope and no response.",
        bound="application",
    ),
)

EVENT_RULES: tuple[Rule, ...] = (
    demand("EVT-01", refused("A message is a dict with a str under 'type'.")),
    demand(
        "EVT-02",
        lenient(
            "A message holds nothing but bytes, str, int of 64 bits, finite float, bool, None, "
            "and lists and dicts of these.",
            accepted="Keys that the message has no use for may hold anything.",
        ),
    ),
    demand("EVT-03", refused("A message belongs to the type of its scope.", accepted=_DROPPED)),
    provision("EVT-04", "Keys that nobody knows do no harm.", bound="both"),
    demand("EVT-05", refused("A message has a type that servers know.", accepted=_DROPPED)),
    provision(
        "EVT-06",
        "Bytes are bytes and text is str, in every event; for messages each key has its own rule.",
        bound="both",
    ),
    provision("ERR-01", "What is wrong with a message is raised by the send() that sent it."),
    provision(
        "ERR-02", "A test can feed an application an event that is wrong.", bound="application"
    ),
    provision("ERR-03", "The first violation is kept, and raised whatever the application did."),
    provision("ERR-04", "An exception that leaves the application ends its connection."),
    provision("ERR-05", "What is sent on a closed connection is no error of its own."),
    provision("ERR-06", "ClientDisconnected may leave the application, in any guise."),
    provision("EXT-01", "scope['extensions'] is a dict whose keys are what is announced."),
    demand(
        "EXT-02",
        refused("A message of an extension is sent if that is announced.", accepted=_DROPPED),
    ),
)

SCOPE_RULES: tuple[Rule, ...] = (
    provision("SC-01", "scope['asgi'] has the version of ASGI."),
    provision("SC-02", "scope['asgi'] has the version of the HTTP and WebSocket text."),
    provision("SC-03", "http_version is '1.0', '1.1' or '2'."),
    provision("SC-04", "scheme is http or https, for WebSockets ws or wss."),
    provision("SC-05", "path is decoded once, what is not UTF-8 being replaced."),
    provision("SC-06", "raw_path is the path as it was sent, without the query."),
    provision("SC-07", "query_string is bytes, as they were sent."),
    provision("SC-08", "root_path and path are given on as they are, the former with a slash."),
    provision("SC-09", "headers are pairs of bytes, in order, duplicates kept."),
    provision("SC-10", "There are no pseudo headers."),
    provision("SC-11", "There is a host header, and it comes first."),
    provision("SC-12", "Cookies come in one header, joined by '; '."),
    provision("SC-13", "client is an address and a port."),
    provision("SC-14", "server is a host and a port, or a path and None."),
    provision("SC-15", "state is a dict, with or without a lifespan."),
    provision("SC-16", "method is in upper case."),
    provision("SC-17", "subprotocols are those of the header, in order."),
    provision("SC-18", "The scope of a WebSocket has no method."),
)

EXTENSION_RULES: tuple[Rule, ...] = (
    demand(
        "EXT-PUSH-01",
        refused("A push has a path and headers, and comes before the response is complete."),
        lenient(
            "A push comes after the start, and its headers have the form of a response's.",
            accepted="It is recorded all the same.",
        ),
    ),
    demand(
        "EXT-ZERO-01",
        refused("zerocopysend names an open file, an offset and a count, after the start."),
    ),
    demand(
        "EXT-PATH-01",
        refused("pathsend names the absolute path of a file, once, and is all of the body."),
    ),
    demand(
        "EXT-HINT-01",
        refused("An early hint has links of bytes, and comes before the last of the body."),
    ),
    demand(
        "EXT-TRAIL-01",
        refused("Trailers were promised by the start, and come behind the body."),
        lenient(
            "Trailers have the form of a response's headers.",
            accepted="They are put into that form.",
        ),
    ),
    provision("EXT-TRAIL-02", "Trailers reach a client that asked for them with te: trailers."),
    demand(
        "EXT-DEBUG-01",
        refused("Debug information is a dict, and is sent once, before the start."),
    ),
    provision("TLS-01", "The tls extension is there if the test gives it, for https and wss."),
    provision("TLS-02", "server_cert, tls_version and cipher_suite are given with it."),
    provision("TLS-03", "A chain of client certificates comes with the client's name."),
    provision("TLS-04", "Events over TLS are what they are without."),
)
