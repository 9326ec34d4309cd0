"""The rules for WebSockets."""

from __future__ import annotations

from ._rule import Rule, demand, lenient, provision, refused, warned

HANDSHAKE_RULES: tuple[Rule, ...] = (
    provision("WS-CONN-01", "websocket.connect is the first event."),
    demand(
        "WS-CONN-02",
        refused("The first message accepts, closes or denies.", accepted="The message is dropped."),
    ),
    demand(
        "WS-CONN-03",
        lenient(
            "An application receives websocket.connect before it answers.",
            accepted="An answer without a call of receive() is taken.",
        ),
    ),
    provision("WS-CONN-04", "receive() waits between the connect event and the answer."),
    demand("WS-CONN-05", refused("An application answers the handshake.")),
    demand("WS-ACC-01", refused("A WebSocket is accepted once, and not after its end.")),
    demand("WS-ACC-02", refused("subprotocol is a str or None.")),
    demand(
        "WS-ACC-03",
        refused(
            "subprotocol is one that the client offered.",
            accepted="The session has the subprotocol as it is.",
        ),
    ),
    demand(
        "WS-ACC-04",
        refused(
            "headers of an accept are well-formed, and sent from version 2.1 on.",
            accepted="What HTTP-START-05 and HTTP-START-08 say of acceptance is done; what is "
            "malformed otherwise, or came too early, is left out.",
        ),
        lenient(
            "They are lists or tuples of bytes, in lower case, without space round values.",
            accepted="They are put into that form.",
        ),
    ),
    demand(
        "WS-ACC-05",
        refused(
            "headers of an accept do not name the subprotocol.",
            accepted="The header is given on beside the key.",
        ),
        warned(
            "They name nothing else that is the server's: sec-websocket-accept, connection, "
            "upgrade.",
            accepted="The header is given on.",
        ),
    ),
    provision("WS-CLOSE-01", "A close before the accept is a denial with status 403."),
    demand(
        "WS-CLOSE-02",
        lenient(
            "reason of a close before the accept is a str or None.",
            accepted="A reason of any other type is turned into text.",
        ),
    ),
    provision("WS-CLOSE-03", "receive() gives a disconnect with 1006 after a denial."),
    demand("WS-DENY-01", refused("A denial response takes the place of the accept.")),
    demand(
        "WS-DENY-02",
        refused("A denial response has a start, then a body to its end, and nothing else."),
    ),
    provision("WS-DENY-03", "receive() gives a disconnect with 1006 after a denial response."),
)

DATA_RULES: tuple[Rule, ...] = (
    provision("WS-RECV-01", "websocket.receive has text or bytes."),
    provision("WS-RECV-02", "Messages are whole."),
    demand(
        "WS-SEND-01",
        refused(
            "A message has text or bytes, one and not both.",
            accepted="Of both, the bytes are sent; a message with neither is dropped.",
        ),
    ),
    demand(
        "WS-SEND-02",
        refused("text is a str, bytes are a byte string."),
        lenient(
            "bytes are of the type bytes itself.",
            accepted="A bytearray or memoryview becomes bytes.",
        ),
    ),
    demand(
        "WS-SEND-03",
        refused("Nothing is sent after the end.", accepted="The message is dropped."),
    ),
    demand("WS-SEND-04", refused("text can be encoded as UTF-8.")),
)

CLOSE_RULES: tuple[Rule, ...] = (
    demand(
        "WS-CLOSE-04",
        refused("code is an int.", accepted="What is no int counts as 1000."),
    ),
    demand(
        "WS-CLOSE-05",
        refused(
            "code is one that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999.",
            accepted="The session has the code as it is.",
        ),
    ),
    demand(
        "WS-CLOSE-06",
        refused(
            "reason is a str of at most 123 bytes or None, from version 2.3 on.",
            accepted="The reason is cut to 123 bytes; one of another type, or sent too early, is "
            "left out.",
        ),
    ),
    demand(
        "WS-CLOSE-07",
        refused("A WebSocket is closed once.", accepted="The message is dropped."),
    ),
    demand(
        "WS-CLOSE-08",
        warned(
            "An application closes what it accepted before it returns.",
            accepted="The client sees code 1006.",
        ),
    ),
    provision("WS-CLOSE-09", "When an accepted application raises, the client sees code 1011."),
    provision("WS-DISC-01", "websocket.disconnect tells of every end."),
    provision("WS-DISC-02", "Its code is an int; 1005 if there was none, 1006 for a loss."),
    provision("WS-DISC-03", "Its reason is given from version 2.5 on."),
    provision("WS-DISC-04", "After its own close, an application is given its own code back."),
    provision("WS-DISC-05", "From version 2.4 on, send() raises when the client has left."),
    provision("WS-DISC-06", "receive() gives the disconnect again and again."),
    provision(
        "WS-DISC-07",
        "What an application raises after the client has left is raised in the test.",
        bound="application",
    ),
)
