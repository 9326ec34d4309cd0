"""The options of a client: from arguments, environment and built-in values to what is in force."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ._application import check_lifespan_mode
from ._input import (
    check_client_address,
    check_cookies,
    check_flag,
    check_mapping,
    check_root_path,
    check_scope,
    check_server_address,
)
from ._interface import check_interface
from ._protocol._extensions import FOR_TESTS, Announcement, announce
from ._protocol._messages import parse_version
from ._protocol._profiles import Profile, find_profile
from ._protocol._rules import Strictness, check_ignored
from ._protocol._scope import ScopeOptions

BACKENDS = ("asyncio", "uvloop", "trio")
HTTP_VERSIONS = ("1.0", "1.1", "2")
SPEC_VERSIONS = ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5")


class Marker:
    """A default that stands for something else, and says so where a signature is shown.

    :param text: what it stands for
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


#: The environment's timeout, or the built-in one.
DEFAULT_TIMEOUT = Marker("ASGITEST_TIMEOUT, or 10.0")
#: The timeout of the client; of a response's or a WebSocket's own calls, that of their opening.
CLIENT_TIMEOUT = Marker("the client's timeout")
#: An explicit ``timeout=None``: no deadline. Requests passes None on when nothing was said.
NO_DEADLINE = Marker("no deadline")

_BUILT_IN_TIMEOUT = 10.0


class ClientOptions(NamedTuple):
    """The options of one client; :class:`asgitest.TestClient` tells what each is for."""

    base_url: str = "http://testserver"
    raise_server_exceptions: bool = True
    root_path: str = ""
    backend: str | None = None
    backend_options: Mapping[str, Any] | None = None
    portal: str | None = None
    lifespan: str = "auto"
    timeout: Any = DEFAULT_TIMEOUT
    strict: bool = False
    ignore_rules: Any = ()
    interface: str = "auto"
    spec_version: str | None = None
    http_version: str = "1.1"
    profile: str | Profile | None = None
    client_address: tuple[str, int] | None = ("127.0.0.1", 50000)
    server_address: tuple[str, int | None] | None = None
    headers: Any = None
    cookies: Any = None
    extensions: Any = None
    scope: Mapping[str, Any] | None = None

    def resolved(self) -> ClientOptions:
        """Return the options with each default replaced by the value in force.

        An argument comes before the environment, and that before what is built in. Options for a
        backend that is not named are those of the built-in one.

        :raises ValueError: if an option has a value that cannot be
        """
        backend = self.backend
        if backend is None and self.backend_options is None:
            backend = os.environ.get("ASGITEST_BACKEND")
        options = self._replace(
            backend=backend or "asyncio",
            portal=self.portal or os.environ.get("ASGITEST_PORTAL") or "thread",
            timeout=_environment_timeout()
            if self.timeout is DEFAULT_TIMEOUT
            else check_timeout(self.timeout),
        )
        options._check()
        return options

    def scope_options(self) -> ScopeOptions:
        """Return the part of the options that scopes are built from."""
        profile = find_profile(self.profile)
        return ScopeOptions(
            root_path=self.root_path,
            http_version=self.http_version,
            http_spec_version=self.spec_version or profile.http_spec_version,
            websocket_spec_version=self.spec_version or profile.websocket_spec_version,
            client_address=self.client_address,
            server_address=self.server_address,
            extensions=self._announcement(profile),
            profile=profile,
            extra=dict(self.scope or {}),
        )

    def strictness(self) -> Strictness:
        """Return the part of the options that tells how to judge an application.

        :raises TypeError: if the rules to ignore are no collection of ids
        :raises ValueError: if one of them does not exist, or cannot be relaxed
        """
        return Strictness(self.strict, check_ignored(self.ignore_rules))

    def _announcement(self, profile: Profile) -> Announcement:
        defaults = FOR_TESTS | profile.http_extensions | profile.websocket_extensions
        if self.http_version == "2":
            defaults |= profile.http2_extensions
        return announce(self.extensions, defaults)

    def _check(self) -> None:
        check_flag("strict", self.strict)
        self.strictness()
        _check_member("backend", self.backend, BACKENDS)
        _check_member("portal", self.portal, ("thread", "inline"))
        _check_member("http_version", self.http_version, HTTP_VERSIONS)
        check_lifespan_mode(self.lifespan)
        check_interface(self.interface)
        if self.spec_version is not None:
            _check_member("spec_version", self.spec_version, SPEC_VERSIONS)
            parse_version(self.spec_version)
        _check_base_url(self.base_url)
        check_root_path(self.root_path)
        check_mapping("backend_options", self.backend_options)
        check_client_address(self.client_address)
        check_server_address(self.server_address)
        check_cookies(self.cookies)
        check_scope(self.scope)
        self._announcement(find_profile(self.profile))


def build_options(**options: Any) -> ClientOptions:
    """Build options by name.

    :param options: values by the names that :class:`asgitest.TestClient` has for them
    :raises TypeError: if there is no option of a name
    """
    return replace_options(ClientOptions(), **options)


def replace_options(options: ClientOptions, **overrides: Any) -> ClientOptions:
    """Return options of which some are replaced.

    :param options: the other ones
    :param overrides: values by name
    :raises TypeError: if there is no option of a name
    """
    known = ClientOptions._fields
    for name in overrides:
        if name not in known:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(known)}")
    return options._replace(**overrides)


def check_timeout(timeout: Any) -> float | None:
    """Return a timeout in seconds, ``None`` for no deadline.

    :param timeout: seconds, ``None``, or a pair of seconds as requests takes it, of which the
        second counts: there is no connection to wait for
    :raises ValueError: if it is anything else, or not positive
    """
    if isinstance(timeout, tuple) and len(timeout) == 2:
        timeout = timeout[1]
    if timeout is None or timeout is NO_DEADLINE:
        return None
    # So written, it refuses what is not a number, too.
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ValueError(
            f"timeout must be a positive number of seconds, or None for no deadline, "
            f"not {timeout!r}"
        )
    # No lock waits longer, and infinity says what None says.
    return float(timeout) if timeout <= threading.TIMEOUT_MAX else None


def _environment_timeout() -> float | None:
    value = os.environ.get("ASGITEST_TIMEOUT")
    if value is None or value == "":
        return _BUILT_IN_TIMEOUT
    if value.strip().lower() == "none":
        return None
    try:
        return check_timeout(float(value))
    except ValueError:
        raise ValueError(
            f"ASGITEST_TIMEOUT must be a positive number of seconds, or 'none', not {value!r}"
        ) from None


def _check_member(name: str, value: Any, members: tuple[str, ...]) -> None:
    if value not in members:
        raise ValueError(f"{name} must be one of {', '.join(members)}, not {value!r}")


def _check_base_url(base_url: object) -> None:
    # What is no text, or no URL, has nothing that is asked for.
    parts = urlsplit(base_url if isinstance(base_url, str) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"base_url must be an absolute http or https URL such as 'http://testserver', "
            f"not {base_url!r}"
        )
