"""Which extensions a client announces, on which scopes, and with what content."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ._tls import check_tls

Content = Mapping[str, Any]

#: Each extension that can be announced, with the types of the scopes that it belongs to.
EXTENSIONS: dict[str, tuple[str, ...]] = {
    "http.response.debug": ("http",),
    "http.response.early_hint": ("http",),
    "http.response.pathsend": ("http",),
    "http.response.push": ("http",),
    # That of Starlette before the debug extension was registered.
    "http.response.template": ("http",),
    "http.response.trailers": ("http",),
    "http.response.zerocopysend": ("http",),
    "tls": ("http", "websocket"),
    "websocket.http.response": ("websocket",),
}

#: By these, templates are found by whoever tests them (EXT-DEBUG-01); a test client is needed for
#: that, so they go with every profile.
FOR_TESTS = frozenset({"http.response.debug", "http.response.template"})

# TLS-01: announced on connections that are encrypted, and on no others.
_ENCRYPTED_SCHEMES = ("https", "wss")


class Announcement(NamedTuple):
    """What one client announces.

    :ivar http: names and contents on HTTP scopes
    :ivar websocket: names and contents on WebSocket scopes
    :ivar tls: content of the ``tls`` extension, ``None`` without it
    """

    http: Mapping[str, Content] = MappingProxyType({})
    websocket: Mapping[str, Content] = MappingProxyType({})
    tls: Content | None = None

    def on(self, scope_type: str, scheme: str) -> dict[str, dict[str, Any]]:
        """Return what stands under ``extensions`` in one scope, in dicts of its own (EXT-01).

        :param scope_type: ``"http"`` or ``"websocket"``
        :param scheme: the scope's scheme
        """
        contents = self.http if scope_type == "http" else self.websocket
        announced = {name: dict(content) for name, content in contents.items()}
        if self.tls is not None and scheme in _ENCRYPTED_SCHEMES:
            announced["tls"] = {
                key: list(value) if isinstance(value, list) else value
                for key, value in self.tls.items()
            }
        return announced


def announce(switches: Any, defaults: Collection[str]) -> Announcement:
    """Return what is announced when a test switches extensions on and off.

    :param switches: a mapping of names to ``True``, ``False`` or a dict of content; an iterable of
        names to switch on; ``None`` for the defaults
    :param defaults: names of what is announced unless switched off
    :raises TypeError: if it is neither, or a value is none of these
    :raises ValueError: if there is no extension of a name, or its content cannot be
    """
    contents: dict[str, Content] = {name: {} for name in EXTENSIONS if name in defaults}
    for name, value in _read_switches(switches).items():
        content = _read_content(name, value)
        if content is None:
            contents.pop(name, None)
        else:
            contents[name] = content
    return Announcement(
        http=_belonging(contents, "http"),
        websocket=_belonging(contents, "websocket"),
        tls=contents.get("tls"),
    )


def _belonging(contents: Mapping[str, Content], scope_type: str) -> dict[str, Content]:
    return {
        name: content
        for name, content in contents.items()
        if scope_type in EXTENSIONS[name] and name != "tls"
    }


def _read_switches(switches: Any) -> Mapping[str, Any]:
    if switches is None:
        return {}
    if isinstance(switches, (str, bytes)) or not isinstance(switches, Iterable):
        raise TypeError(
            f"extensions must be a mapping of names to True, False or a dict, or a list of names, "
            f"not {type(switches).__name__}: {switches!r}"
        )
    read = switches if isinstance(switches, Mapping) else dict.fromkeys(switches, True)
    for name in read:
        if name not in EXTENSIONS:
            raise ValueError(
                f"extensions: there is no extension {name!r}; there are "
                f"{', '.join(sorted(EXTENSIONS))} (the option 'scope' announces what this client "
                f"does not know)"
            )
    return read


def _read_content(name: str, value: Any) -> Content | None:
    if isinstance(value, Mapping):
        return check_tls(value) if name == "tls" else dict(value)
    if not isinstance(value, bool):
        raise TypeError(
            f"extensions[{name!r}] must be True, False or a dict, "
            f"not {type(value).__name__}: {value!r}"
        )
    if not value:
        return None
    return check_tls({}) if name == "tls" else {}
