"""The rules for lifespans."""

from __future__ import annotations

from ._rule import Rule, demand, provision, refused, warned

LIFESPAN_RULES: tuple[Rule, ...] = (
    provision("LIFE-01", "Lifespan and requests share one event loop."),
    provision("LIFE-02", "The scope has type, asgi and state, and nothing else."),
    provision("LIFE-03", "No request is served before lifespan.startup.complete."),
    demand(
        "LIFE-04",
        refused("The startup event is answered once, a failure with a message of type str."),
    ),
    provision("LIFE-05", "A startup that failed is raised as LifespanError."),
    provision("LIFE-06", "An application that raises on the lifespan scope goes without one."),
    demand(
        "LIFE-07",
        warned(
            "An application that takes lifespan.startup does not raise before its answer.",
            accepted="It is taken for one that does not support lifespans.",
        ),
    ),
    demand(
        "LIFE-08",
        warned(
            "An application answers lifespan.startup before it returns.",
            accepted="It is taken for one that does not support lifespans.",
        ),
    ),
    demand(
        "LIFE-09",
        warned(
            "An application stays in its lifespan until the shutdown event.",
            accepted="There is no shutdown.",
        ),
    ),
    provision("LIFE-10", "lifespan.shutdown comes after all connections are closed."),
    demand(
        "LIFE-11",
        refused("The shutdown event is answered after it came, and once."),
        warned(
            "An application answers lifespan.shutdown before it returns.",
            accepted="Its return is taken for the answer.",
        ),
    ),
    provision("LIFE-12", "The state of the lifespan's scope is the client's own dict."),
    provision("LIFE-13", "Each scope has a shallow copy of it."),
    provision("LIFE-14", "The client never looks at its values."),
    demand(
        "LIFE-15",
        warned("Keys of the state are str.", accepted="The key is copied as any other."),
    ),
    provision("LIFE-16", "receive() waits after the shutdown event."),
    demand(
        "LIFE-17",
        refused(
            "Messages of requests and WebSockets are not sent here.",
            accepted="The message is dropped.",
        ),
    ),
)
