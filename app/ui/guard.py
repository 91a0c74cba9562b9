"""The guard before the page: only the window that was given a token, on this very address, gets an answer.

A server on loopback can be reached by any page of any browser on the computer, through names that lead to 127.0.0.1,
and Gradio checks none of that. So every request must name the exact host, come from our own origin and carry a cookie
that a one-time token was exchanged for.
"""

from __future__ import annotations

import html
import re
import secrets
import threading
import time
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from app.guard import (
    FRESH,
    SAFE,
    Answer,
    Asked,
    Body,
    Door,
    Receive,
    Refusal,
    Scope,
    Send,
    TooLarge,
    answer,
    asked_of,
    check_host,
    check_length,
    check_method,
    decoded_path,
    leads_up,
    refuse,
    same,
)

TOKEN_SECONDS = 120.0  # a link that nobody opened by then opens nothing any more
TOKENS_MOST = 32
LOGIN_BODY = 1000  # bytes
MAX_BODY = 100_000_000  # bytes
PING, LOGIN = "/easel/ping", "/easel/login"
RUNNABLE = (b"text/html", b"image/svg+xml", b"application/xhtml+xml")  # types that a browser runs scripts of
OTHERS_FILES = ("/gradio_api/file", "/easel/pictures")
# On Windows Gradio names a file by its quoted path (gradio_client.utils.encode_file_path), so backslashes are in it. Only
# behind a drive's letter: two of them in front would ask another computer.
WINDOWS_FILE = re.compile(rb"/gradio_api/file=[A-Za-z]:\\(?!\\)")

# Gradio's page has inline scripts and makes functions of text (gr.HTML's js_on_load), so scripts cannot be stricter; but
# nothing can be fetched from, sent to or shown inside another place.
CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(eq=False)
class Access:
    """Who may come in: one-time tokens for the first address of a window, and the cookie that they are exchanged for."""

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)  # the cookie's value
    _links: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def new_url(self, **query: str) -> str:
        """An address that lets one window in, once, within two minutes."""
        link = secrets.token_urlsafe(32)
        with self._lock:
            self._links[link] = time.monotonic()
            self._forget_old()
        return f"http://{self.host}:{self.port}/?{urlencode({**query, 'token': link})}"

    def url(self) -> str:
        """The same, for a window without wishes."""
        return self.new_url()

    def take(self, link: str) -> bool:
        """Whether the one-time token was a good one; from now on it is not."""
        with self._lock:
            self._forget_old()
            # Each is compared in constant time; how many there are is no secret.
            found = [known for known in self._links if same(known, link)]
            for known in found:
                del self._links[known]
        return bool(found)

    def knows(self, cookie_header: str) -> bool:
        """Whether the session is among the cookies.

        Cookies know no ports: other programs on 127.0.0.1 leave theirs in the same browser, in forms at which Python's own
        parser stops, and with our name too. So each one is looked at by itself.
        """
        pairs = (each.strip().partition("=") for each in cookie_header.split(";"))
        return any(name == self.cookie and same(value, self.token) for name, _, value in pairs)

    @property
    def cookie(self) -> str:
        """The cookie's name; another Easel on another port has another one."""
        return f"easel-{self.port}"

    @property
    def set_cookie(self) -> str:
        """The Set-Cookie header for a window that was let in."""
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _forget_old(self) -> None:
        now = time.monotonic()
        fresh = [(link, made) for link, made in self._links.items() if now - made < TOKEN_SECONDS]
        self._links = dict(fresh[-TOKENS_MOST:])


def check_path(asked: Asked) -> Refusal | None:
    """No way upwards in any spelling, and no address of another server."""
    path = decoded_path(asked.raw_path)
    bad = path is None or b"\0" in path or not path.startswith(b"/") or leads_up(path)
    return Refusal(400, "This path cannot be.") if bad or _backslash(asked.raw_path, path) else None


def check_origin(asked: Asked) -> Refusal | None:
    """An origin must be ours, and whatever changes something must name one."""
    origins = asked.all("origin")
    ours = {f"http://{host}" for host in asked.hosts}
    if any(origin not in ours for origin in origins) or len(origins) > 1:
        return Refusal(403, "Another page asked for this.")
    if asked.method not in SAFE and not origins:
        return Refusal(403, "It is not said which page asks for this.")
    return None


def check_site(asked: Asked) -> Refusal | None:
    """Browsers say where a request comes from; "none" is an address that a person opened."""
    allowed = ("same-origin", "none") if asked.method == "GET" else ("same-origin",)
    good = all(site.lower() in allowed for site in asked.all("sec-fetch-site"))
    return None if good else Refusal(403, "Another page asked for this.")


def _backslash(raw: str, path: bytes | None) -> bool:
    return "\\" in raw or (path is not None and b"\\" in path and not WINDOWS_FILE.match(path))


CHECKS = (check_method, check_host, check_path, check_length, check_origin, check_site)


class Guard:
    """ASGI middleware. `hosts` are more Host values ("192.168.1.5:7860") that are let in, and need a `password`."""

    def __init__(
        self,
        app: Any,
        access: Access,
        *,
        max_body: int = MAX_BODY,
        password: str | None = None,
        hosts: Iterable[str] = (),
    ) -> None:
        others = {host.lower() for host in hosts}
        if password == "" or (others and password is None):
            raise ValueError("other hosts need a password, and it cannot be empty")
        self._app, self._access, self._max_body = app, access, max_body
        self._door = Door(password)
        own = {f"{name}:{access.port}" for name in ("127.0.0.1", "localhost")}
        self._hosts = frozenset(own | others)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        asked = asked_of(scope, self._hosts)
        refusal = next((found for check in CHECKS if (found := check(asked))), None)
        if scope["type"] == "websocket":
            return await _close(send) if refusal or not self._known(asked) else await self._app(scope, receive, send)
        send = _with_headers(send, asked.path)
        if refusal is not None:
            return await refuse(send, refusal)
        return await self._admit(asked, scope, receive, send)

    async def _admit(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        if asked.path == PING and asked.method == "GET":
            return await answer(send, 200, "ok")
        if asked.path == "/" and asked.method == "GET" and any(name == "token" for name, _ in _pairs(asked.query)):
            return await self._exchange(asked, send)
        if self._known(asked):
            return await self._pass(asked, scope, receive, send)
        if self._door.password is not None:
            return await self._login(asked, receive, send)
        return await refuse(send, Refusal(403, "Open Easel's own window, or choose Open in browser in its menu."))

    async def _exchange(self, asked: Asked, send: Send) -> None:
        """A good token becomes the cookie; the token leaves the address in any case."""
        query = _pairs(asked.query)
        good = any(self._access.take(value) for name, value in query if name == "token")
        if not good and not self._known(asked):
            return await refuse(send, Refusal(403, "This link was used already, or is too old."))
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        headers = {"location": f"/?{rest}" if rest else "/", "set-cookie": self._access.set_cookie, **FRESH}
        return await answer(send, 303, "", headers)

    async def _login(self, asked: Asked, receive: Receive, send: Send) -> None:
        if asked.path != LOGIN or asked.method != "POST":
            return await answer(send, 200 if asked.path in ("/", LOGIN) else 403, _login_page(""), LOGIN_PAGE)
        try:
            form = _pairs((await _whole(asked, receive, LOGIN_BODY)).decode("utf-8", "replace"))
        except TooLarge:
            return await refuse(send, Refusal(413, "This is too long for a password."))
        refusal = self._door.opens(dict(form).get("password", ""))
        if refusal is not None:
            return await answer(send, refusal.status, _login_page(refusal.why), LOGIN_PAGE)
        return await answer(send, 303, "", {"location": "/", "set-cookie": self._access.set_cookie, **FRESH})

    async def _pass(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self._max_body)
        if body.announced_too_large(asked):
            return await refuse(send, self._too_large)
        return await self._counted(body, scope, send)

    async def _counted(self, body: Body, scope: Scope, send: Send) -> None:
        answer = Answer(send, body)
        try:
            await self._app(scope, body.receive, answer.send)
        except Exception:  # an app whose reading was broken off may end in any way; what it says of that is no news
            if not body.over:
                raise
        if body.over and not answer.begun:
            await refuse(send, self._too_large)

    def _known(self, asked: Asked) -> bool:
        return self._access.knows("; ".join(asked.all("cookie")))

    @property
    def _too_large(self) -> Refusal:
        return Refusal(413, f"This is larger than {self._max_body // 1_000_000} MB.")


LOGIN_PAGE = {"content-type": "text/html; charset=utf-8", **FRESH}


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


async def _whole(asked: Asked, receive: Receive, most: int) -> bytes:
    """All that is sent. Raises `TooLarge`, before anything is read where that much is announced."""
    body, data, more = Body(receive, most), b"", True
    if body.announced_too_large(asked):
        raise TooLarge
    while more:
        message = await body.receive()
        if body.over:
            raise TooLarge
        data += message.get("body", b"")
        more = message.get("more_body", False)
    return data


def _with_headers(send: Send, path: str) -> Send:
    """Every answer gets our headers, none may open itself to other origins."""

    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _headers(message.get("headers", ()), path)}
        await send(message)

    return wrapped


def _headers(given: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    pairs = [(name.lower(), value) for name, value in given]
    ours = {name.encode(): value.encode() for name, value in HEADERS.items()}
    kept = [(name, value) for name, value in pairs if name not in ours and not name.startswith(b"access-control-")]
    if path.startswith(OTHERS_FILES) and any(_runs(value) for name, value in kept if name == b"content-type"):
        kept = _as_attachment(kept)
    return [*kept, *ours.items()]


def _runs(media: bytes) -> bool:
    return media.strip().lower().startswith(RUNNABLE)


def _as_attachment(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What people bring is never run as a page of ours; a name for saving it stays."""
    told = [value for name, value in headers if name == b"content-disposition"]
    value = told[0] if len(told) == 1 and told[0].lower().startswith(b"attachment;") else b"attachment"
    return [*(pair for pair in headers if pair[0] != b"content-disposition"), (b"content-disposition", value)]


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


def _login_page(problem: str) -> str:
    # Under our "no-referrer" a browser says "Origin: null" when the form is sent, and that is refused (Chromium 156).
    told = f"<p role=alert>{html.escape(problem)}</p>" if problem else ""
    return (
        "<!doctype html><html lang=en><title>Easel</title><meta name=referrer content=same-origin>"
        "<meta name=viewport content='width=device-width'>"
        "<body style='font:1rem system-ui;max-width:20rem;margin:20vh auto'><h1>Easel</h1>"
        f"{told}<form method=post action={LOGIN}><label>Password <input type=password name=password autofocus></label> "
        "<button>Open</button></form>"
    )
