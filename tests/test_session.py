"""The session skips what has no effect: what a user of requests observes is what requests does."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from requests.cookies import cookiejar_from_dict

from asgitest import ASGIAdapter
from asgitest._session import InProcessSession, QuickPreparedRequest
from tests.base import CleanTestCase

URL = "http://testserver"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Redirect, set cookies, ask for credentials, or tell what the request was."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = b""
    while True:
        event = await receive()
        body += event["body"]
        if not event["more_body"]:
            break
    status, headers = 200, [(b"x-answer", b"1"), (b"x-answer", b"2")]
    sent = dict(scope["headers"])
    if scope["path"].startswith("/redirect"):
        status = int(scope["query_string"] or b"302")
        headers.append((b"location", b"/cookies#there"))
    elif scope["path"] == "/away":
        status = 302
        headers.append((b"location", b"https://elsewhere/"))
    elif scope["path"] == "/cookies":
        headers += [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; Secure")]
    elif scope["path"] == "/digest" and b"authorization" not in sent:
        status = 401
        headers.append((b"www-authenticate", b'Digest realm="r", nonce="n", qop="auth"'))
    lines = [scope["method"].encode(), scope["raw_path"], scope["query_string"], body]
    lines += [b"%s: %s" % pair for pair in scope["headers"] if pair[0] != b"authorization"]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"\n".join(lines)})


class Custom(AuthBase):
    """Credentials that change the request, body and hooks included."""

    def __call__(self, request: Any) -> Any:
        """Change the request."""
        request.headers["X-Signed"] = "yes"
        request.prepare_body({"signed": "1"}, None)
        request.register_hook("response", lambda response, **_: None)
        return request


class Overridden(requests.Session):
    """The methods that subclasses of a session are known to override, noting their calls."""

    def note(self, *what: Any) -> None:
        """Note a call."""
        self.__dict__.setdefault("calls", []).append(what)

    def get_adapter(self, url: Any) -> Any:
        """Find the adapter."""
        self.note("get_adapter", url)
        return super().get_adapter(url)

    def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
        """Keep or drop credentials."""
        self.note("rebuild_auth", prepared_request.url, response.url)
        super().rebuild_auth(prepared_request, response)

    def rebuild_method(self, prepared_request: Any, response: Any) -> None:
        """Change the method."""
        self.note("rebuild_method", prepared_request.method)
        super().rebuild_method(prepared_request, response)

    def merge_environment_settings(self, *args: Any) -> Any:
        """Merge the settings."""
        settings = super().merge_environment_settings(*args)
        self.note("settings", dict(settings))
        return settings

    def prepare_request(self, request: Any) -> Any:
        """Prepare a request."""
        self.note("prepare", request.method, request.url)
        return super().prepare_request(request)

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a request."""
        self.note("send", request.url, sorted(kwargs.items(), key=str))
        return super().send(request, **kwargs)


class QuickOverridden(Overridden, InProcessSession):
    """The same on top of ours."""


def observe_request(request: Any) -> tuple[Any, ...]:
    """Return what can be seen of a prepared request."""
    return (
        request.method,
        request.url,
        list(request.headers.items()),
        request.body,
        {name: len(hooks) for name, hooks in request.hooks.items()},
        type(request._cookies).__name__,
        sorted(request._cookies.get_dict().items()),
        repr(request),
    )


def observe(session: Any, response: Any) -> tuple[Any, ...]:
    """Return what can be seen of a response and its session."""
    return (
        response.status_code,
        response.reason,
        list(response.headers.items()),
        response.content,
        response.text,
        response.encoding,
        response.url,
        response.ok,
        response.is_redirect,
        sorted(response.cookies.get_dict().items()),
        sorted(session.cookies.get_dict().items()),
        [observe(session, each) for each in response.history],
        observe_request(response.request),
        None if response.next is None else observe_request(response.next),
        response._content_consumed,
        response.raw.headers.getlist("x-answer"),
        response.raw.status,
    )


#: What is done, by name: a function of a session that returns a response.
CASES: dict[str, Callable[[Any], Any]] = {
    "get": lambda s: s.get(f"{URL}/"),
    "again": lambda s: [s.get(f"{URL}/a?b=c"), s.get(f"{URL}/a?b=c")][1],
    "lower_case_method": lambda s: s.request("get", f"{URL}/"),
    "unknown_method": lambda s: s.request("propfind", f"{URL}/"),
    "method_bytes": lambda s: s.request(b"report", f"{URL}/"),
    "options": lambda s: s.options(f"{URL}/"),
    "head": lambda s: s.head(f"{URL}/"),
    "post_nothing": lambda s: s.post(f"{URL}/"),
    "put_nothing": lambda s: s.put(f"{URL}/"),
    "post_form": lambda s: s.post(f"{URL}/", data={"a": ["1", "2"], "b": "ü", "c": None}),
    "post_pairs": lambda s: s.post(f"{URL}/", data=[("a", "1"), ("a", "2")]),
    "post_bytes": lambda s: s.post(f"{URL}/", data=b"\x00\xff"),
    "post_text": lambda s: s.post(f"{URL}/", data="abc"),
    "post_json": lambda s: s.post(f"{URL}/", json={"a": [1, None]}),
    "post_false": lambda s: s.post(f"{URL}/", json=False),
    "delete_json": lambda s: s.delete(f"{URL}/", json=[]),
    "post_file": lambda s: (
        s.post(f"{URL}/", data=io.BytesIO(b"file")).request.body.close() or s.get(f"{URL}/")
    ),
    "params": lambda s: s.get(f"{URL}/a?x=1#f", params={"y": "2 3", "z": ["4", "5"], "n": None}),
    "params_of_session": lambda s: s.params.update({"of": "session"}) or s.get(f"{URL}/"),
    "params_of_both": lambda s: (
        s.params.update({"a": "1", "b": "2"}) or s.get(f"{URL}/", params={"b": None, "c": "3"})
    ),
    "params_text": lambda s: s.get(f"{URL}/", params="a=b&c"),
    "params_empty": lambda s: s.get(f"{URL}/", params=""),
    "url_normalised": lambda s: s.get(f" {URL}:80/a/../ü b%zz%e2?q=ä|[]"),
    "url_host": lambda s: s.get("HTTP://TestServer"),
    "url_bytes": lambda s: s.get(f"{URL}/bytes".encode()),
    "url_credentials": lambda s: s.get("http://me:secret@testserver/"),
    "headers": lambda s: s.get(f"{URL}/", headers={"X-A": "1", "accept": "text/html"}),
    "headers_bytes": lambda s: s.get(f"{URL}/", headers={"X-A": b"\xe9"}),
    "headers_bytes_name": lambda s: s.get(f"{URL}/", headers={b"X-A": "1"}),
    "headers_dropped": lambda s: s.get(f"{URL}/", headers={"Accept": None}),
    "headers_dropped_in_session": lambda s: s.headers.update({"Accept": None}) or s.get(f"{URL}/"),
    "headers_of_session": lambda s: s.headers.update({"X-S": "1"}) or s.get(f"{URL}/"),
    "headers_replaced": lambda s: setattr(s, "headers", {"X-S": "1"}) or s.get(f"{URL}/"),
    "headers_none": lambda s: setattr(s, "headers", None) or s.get(f"{URL}/"),
    "cookies": lambda s: s.get(f"{URL}/", cookies={"c": "3"}),
    "cookies_of_session": lambda s: s.cookies.set("s", "1") and s.get(f"{URL}/"),
    "cookies_of_both": lambda s: s.cookies.set("s", "1") and s.get(f"{URL}/", cookies={"s": "2"}),
    "cookies_jar": lambda s: s.get(f"{URL}/", cookies=cookiejar_from_dict({"c": "3"})),
    "cookies_of_both_jar": lambda s: (
        s.cookies.set("s", "1") and s.get(f"{URL}/", cookies=cookiejar_from_dict({"s": "2"}))
    ),
    "cookies_set": lambda s: s.get(f"{URL}/cookies"),
    "cookies_kept": lambda s: [s.get(f"{URL}/cookies"), s.get(f"{URL}/")][1],
    "cookies_header": lambda s: s.get(f"{URL}/", headers={"Cookie": "by=hand"}),
    "basic": lambda s: s.get(f"{URL}/", auth=("me", "secret")),
    "basic_of_session": lambda s: setattr(s, "auth", HTTPBasicAuth("a", "b")) or s.get(f"{URL}/"),
    "custom_auth": lambda s: s.post(f"{URL}/", data="abc", auth=Custom()),
    "redirect": lambda s: s.get(f"{URL}/redirect"),
    "redirect_post": lambda s: s.post(f"{URL}/redirect", data={"a": "1"}),
    "redirect_kept": lambda s: s.post(f"{URL}/redirect?307", data={"a": "1"}),
    "redirect_auth": lambda s: s.get(f"{URL}/redirect", auth=("me", "secret")),
    "redirect_away": lambda s: s.get(f"{URL}/away", auth=("me", "secret")),
    "redirect_not_followed": lambda s: s.get(f"{URL}/redirect", allow_redirects=False),
    "redirect_head": lambda s: s.head(f"{URL}/redirect"),
    "prepared": lambda s: s.send(s.prepare_request(requests.Request("GET", f"{URL}/p"))),
    "prepared_alone": lambda s: s.send(requests.Request("POST", f"{URL}/p", data="a").prepare()),
    "prepared_copy": lambda s: s.send(s.prepare_request(requests.Request("GET", URL)).copy()),
    "stream": lambda s: s.get(f"{URL}/", stream=True),
    "stream_of_session": lambda s: setattr(s, "stream", True) or s.get(f"{URL}/"),
    "proxies": lambda s: s.get(f"{URL}/", proxies={"http": "http://nowhere:1"}),
    "environment": lambda s: setattr(s, "trust_env", True) or s.get(f"{URL}/"),
}


class SameTest(CleanTestCase):
    """What our session does is what a plain session does with the adapter mounted."""

    def build(self, session: Any) -> Any:
        """Return a session that reaches the application, closed in the end."""
        session.trust_env = False
        session.mount("http://", ASGIAdapter(app))
        session.mount("https://", ASGIAdapter(app))
        self.addCleanup(session.close)
        return session

    def test_cases(self) -> None:
        """Request, response, history and cookies are the same in each case."""
        for name, case in CASES.items():
            with self.subTest(name):
                plain = self.build(requests.Session())
                quick = self.build(InProcessSession())
                expected = observe(plain, case(plain))
                self.assertEqual(expected, observe(quick, case(quick)))

    def test_digest(self) -> None:
        """Credentials that answer a challenge send a second request, as in requests."""
        for session in (requests.Session(), InProcessSession()):
            self.build(session).auth = HTTPDigestAuth("me", "secret")
            response = session.get(f"{URL}/digest")
            self.assertEqual([401], [each.status_code for each in response.history])
            self.assertEqual(200, response.status_code)

    def test_hooks(self) -> None:
        """Hooks of session and request are called with the same arguments, and may replace."""
        seen: list[list[Any]] = []
        for session in (requests.Session(), InProcessSession()):
            calls: list[Any] = []
            seen.append(calls)

            def note(response: Any, *, calls: Any = calls, **settings: Any) -> None:
                calls.append((response.url, response.raw.read(), settings))

            def replace(response: Any, **settings: Any) -> Any:
                other = requests.Response()
                other.status_code, other.raw, other._content = 299, response.raw, b"other"
                other.headers.update({"x-other": "1"})
                return other

            self.build(session).hooks["response"] = [note]
            session.get(f"{URL}/", hooks={"response": replace}, timeout=5)
            response = session.get(f"{URL}/cookies", timeout=5)
            calls.append((response.status_code, response.content))
            response = session.post(f"{URL}/x", hooks={"response": [note, replace]}, verify=False)
            calls.append((response.status_code, response.content))
        self.assertEqual(seen[0], seen[1])
        self.assertLess(2, len(seen[0]))

    def test_overridden_methods(self) -> None:
        """What a subclass overrides is called as often, and with the same arguments."""
        calls = []
        for session in (Overridden(), QuickOverridden()):
            self.build(session)
            session.get(f"{URL}/redirect", auth=("me", "secret"))
            session.post(f"{URL}/", data="a", stream=True, verify=False, cert="c").close()
            calls.append(session.__dict__["calls"])
        self.assertEqual(calls[0], calls[1])

    def test_mounts(self) -> None:
        """An adapter at a longer prefix is found before the shorter ones."""
        for session in (requests.Session(), InProcessSession()):
            self.build(session)
            other = ASGIAdapter(app, root_path="/other")
            session.mount(f"{URL}/other", other)
            self.assertIs(other, session.get(f"{URL}/other/x").connection)
            self.assertIsNot(other, session.get(f"{URL}/x").connection)

    def test_refused(self) -> None:
        """What requests refuses is refused with the same error."""
        refused: tuple[tuple[Any, dict[str, Any]], ...] = (
            ("/relative", {}),
            ("http://", {}),
            ("http://*x/", {}),
            ("http://[::1/", {}),
            ("nowhere://x/", {}),
            (URL, {"headers": {"X": "a\nb"}}),
            (URL, {"headers": {"X": 1}}),
            (URL, {"headers": {"X": " 1"}}),
            (URL, {"headers": {1: "1"}}),
            (URL, {"headers": {"X": ["1"]}}),
            (URL, {"json": float("nan")}),
            (URL, {"files": {"a": b"1"}, "data": iter([b"a"])}),
            (URL, {"data": 5}),
        )
        for url, options in refused:
            with self.subTest(url, **options):
                errors = []
                for session in (requests.Session(), InProcessSession()):
                    self.build(session)
                    with self.assertRaises(Exception) as caught:
                        session.post(url, **options)
                    errors.append((type(caught.exception), str(caught.exception)))
                self.assertEqual(errors[0], errors[1])


class QuickTest(CleanTestCase):
    """What is skipped, and what is not."""

    def test_once(self) -> None:
        """A URL that was prepared before is not parsed again."""
        first, second = QuickPreparedRequest(), QuickPreparedRequest()
        first.prepare_url(f"{URL}/a b", {})
        second.prepare_url(f"{URL}/a b", None)
        self.assertEqual(f"{URL}/a%20b", first.url)
        self.assertIs(first.url, second.url)

    def test_own_headers(self) -> None:
        """A request's headers are its own: changing them changes neither session nor others."""
        session = InProcessSession()
        request = requests.Request("GET", URL)
        first = session.prepare_request(request)
        first.headers["X-A"] = "1"
        self.assertNotIn("X-A", session.headers)
        self.assertNotIn("X-A", session.prepare_request(request).headers)

    def test_own_jar(self) -> None:
        """A request's jar is its own."""
        session = InProcessSession()
        prepared = session.prepare_request(requests.Request("GET", URL))
        prepared._cookies.set("a", "1")
        self.assertEqual(0, len(session.cookies))

    def test_cookies_later(self) -> None:
        """A prepared request takes cookies as requests' own does."""
        prepared = InProcessSession().prepare_request(requests.Request("GET", URL))
        prepared.prepare_cookies(requests.cookies.cookiejar_from_dict({"a": "1"}))
        self.assertEqual("a=1", prepared.headers["Cookie"])

    def test_trust(self) -> None:
        """The environment has no say unless it is asked for."""
        self.assertFalse(InProcessSession().trust_env)
