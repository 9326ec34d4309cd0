"""The rules for requests and their responses."""

from __future__ import annotations

from ._rule import Rule, demand, lenient, provision, refused, warned

REQUEST_RULES: tuple[Rule, ...] = (
    provision("HTTP-REQ-01", "There is at least one http.request, with or without a body."),
    provision("HTTP-REQ-02", "A body comes in parts, the last with more_body false."),
    demand(
        "HTTP-REQ-03",
        lenient(
            "An application receives an event before it answers.",
            accepted="An answer without a call of receive() is taken.",
        ),
    ),
    provision("HTTP-REQ-04", "Events hold the body without its chunked coding."),
    provision("HTTP-REQ-05", "receive() waits between the body's end and the response's."),
    provision("HTTP-REQ-06", "receive() gives http.disconnect once the response is complete."),
    provision("HTTP-REQ-07", "A receive() that is cancelled loses nothing."),
    demand("HTTP-REQ-08", refused("An application stops asking after the disconnect.")),
    demand(
        "HTTP-REQ-09",
        warned(
            "One task at a time waits in receive().",
            accepted="They are served in the order they came.",
        ),
    ),
)

START_RULES: tuple[Rule, ...] = (
    demand(
        "HTTP-START-01",
        refused("A response has one start, and that comes first."),
    ),
    demand("HTTP-START-02", refused("status is there, and an int.")),
    demand(
        "HTTP-START-03",
        refused(
            "status is a final one, from 200 to 599.",
            accepted="The response has the status as it is.",
        ),
    ),
    demand(
        "HTTP-START-04",
        refused("headers are an iterable of pairs."),
        lenient(
            "headers are a list or tuple, and so is each pair.",
            accepted="Any other iterable is read once.",
        ),
    ),
    demand(
        "HTTP-START-05",
        refused(
            "Names and values of headers are byte strings.",
            accepted="Text is taken as Latin-1; a header of any other type is left out.",
        ),
        lenient(
            "Names and values are of the type bytes itself.",
            accepted="A bytearray or memoryview becomes bytes.",
        ),
    ),
    demand(
        "HTTP-START-06",
        lenient(
            "Names of headers are in lower case.",
            accepted="Names are put into lower case.",
        ),
    ),
    demand("HTTP-START-07", refused("No name of a header begins with a colon.")),
    demand(
        "HTTP-START-08",
        refused(
            "Names of headers are tokens, and values hold neither CR, LF nor NUL.",
            accepted="Names stay as they are; each of these characters becomes a space.",
        ),
    ),
    demand(
        "HTTP-START-09",
        lenient(
            "No value of a header has space round it.",
            accepted="The space is cut off.",
        ),
    ),
    provision("HTTP-START-10", "The response keeps the headers' order and duplicates."),
    provision("HTTP-START-11", "Values of headers are decoded as Latin-1."),
    provision("HTTP-START-12", "A transfer-encoding of the application's is left out."),
    provision("HTTP-START-13", "A start can be replaced by a 500 until the body begins."),
    demand(
        "HTTP-START-14",
        refused(
            "trailers is a bool, and true only if the extension is announced.",
            accepted="Whatever is true counts as True, and without the extension as False.",
        ),
    ),
)

BODY_RULES: tuple[Rule, ...] = (
    demand("HTTP-BODY-01", refused("body is a byte string.")),
    demand(
        "HTTP-BODY-02",
        lenient(
            "body is of the type bytes itself.",
            accepted="A bytearray or memoryview becomes bytes.",
        ),
    ),
    demand(
        "HTTP-BODY-03",
        refused("more_body is a bool.", accepted="Whatever is true counts as True."),
    ),
    provision("HTTP-BODY-04", "A response is complete with its last message."),
    demand(
        "HTTP-BODY-05",
        refused(
            "Nothing is sent after the response is complete.", accepted="The message is dropped."
        ),
    ),
    demand("HTTP-BODY-06", refused("A response that was started is completed.")),
    demand("HTTP-BODY-07", refused("An application answers.")),
    provision("HTTP-BODY-08", "send() waits while a reader has too much to read."),
    provision("HTTP-FRAME-01", "The client adds no header to a response."),
    demand(
        "HTTP-FRAME-02",
        refused(
            "content-length is one non-negative integer.",
            accepted="The header is given on, and nothing is counted.",
        ),
    ),
    demand(
        "HTTP-FRAME-03",
        refused(
            "The body is as long as content-length says.",
            accepted="The body is given on as it is.",
        ),
    ),
    provision("HTTP-FRAME-04", "The answer to HEAD has no body, whatever is sent."),
    demand(
        "HTTP-FRAME-05",
        refused("The statuses 204 and 304 have no body.", accepted="The body is dropped."),
    ),
    provision("HTTP-FRAME-06", "The content coding is the application's."),
)

DISCONNECT_RULES: tuple[Rule, ...] = (
    provision("HTTP-DISC-01", "http.disconnect tells that the client left, or has it all."),
    provision("HTTP-DISC-02", "A client that leaves in mid-upload ends the body with that."),
    provision("HTTP-DISC-03", "A disconnect can be the very first event."),
    provision("HTTP-DISC-04", "From version 2.4 on, send() raises when the client has left."),
    provision(
        "HTTP-DISC-05",
        "An application whose client has left may raise, or return with its answer unfinished.",
        bound="application",
    ),
    provision("HTTP-DISC-06", "What send() raised for that is no failure of the application."),
)
