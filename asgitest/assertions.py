"""The assertions, as a mixin that needs nothing but ``unittest.TestCase``."""

from __future__ import annotations

from ._cookie_assertions import CookieAssertions
from ._event_stream_assertions import EventStreamAssertions
from ._extension_assertions import ExtensionAssertions
from ._json_assertions import JSONAssertions
from ._lifespan_assertions import LifespanAssertions
from ._redirect_assertions import RedirectAssertions
from ._response_assertions import ResponseAssertions
from ._websocket_assertions import WebSocketAssertions

__all__ = ["ASGIAssertions"]

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True


class ASGIAssertions(
    ResponseAssertions,
    CookieAssertions,
    JSONAssertions,
    EventStreamAssertions,
    ExtensionAssertions,
    RedirectAssertions,
    WebSocketAssertions,
    LifespanAssertions,
):
    """Assertions about responses, WebSockets and lifespans; each takes ``msg`` as unittest's do."""
