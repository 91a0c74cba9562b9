"""The guard before the page: only the window that was given a token, on this very address, gets an answer.

A server on loopback can be reached by any page of any browser on the computer, through names that lead to 127.0.0.1,
and Gradio checks none of that. So every request must name the exact host, come from our own origin and carry a cookie
that a one-time token was exchanged for.
"""

from __future__ import annotations

import hmac
import html
import secrets
import threading
import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode

TOKEN_SECONDS = 120.0  # a link that nobody opened by then opens nothing any more
TOKENS_MOST = 32
TRIES, TRIES_SECONDS = 5, 60.0  # wrong passwords before everybody waits
LOGIN_BODY = 1000  # bytes
PING, LOGIN = "/easel/ping", "/easel/login"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

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

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Any]
Receive = Callable[[], Any]


class Access:
    """Who may come in: one-time tokens for the first address of a window, and the cookie that they are exchanged for."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.cookie = f"easel-{port}"
        self._session = secrets.token_urlsafe(32)
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()

    def new_url(self, **query: str) -> str:
        """An address that lets one window in, once, within two minutes."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._forget_old()
            self._tokens[token] = time.monotonic()
        return f"http://{self.host}:{self.port}/?{urlencode({**query, 'token': token})}"

    def take(self, token: str) -> bool:
        """Whether the token was a good one; from now on it is not."""
        with self._lock:
            self._forget_old()
            # Each is compared in constant time; how many there are is no secret.
            found = [known for known in self._tokens if hmac.compare_digest(known.encode(), token.encode())]
            for known in found:
                del self._tokens[known]
        return bool(found)

    def knows(self, cookie_header: str) -> bool:
        """Whether the Cookie header holds the session."""
        try:
            cookies = SimpleCookie(cookie_header)
        except CookieError:
            return False
        morsel = cookies.get(self.cookie)
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._session.encode())

    @property
    def set_cookie(self) -> str:
        """The Set-Cookie header for a window that was let in."""
        return f"{self.cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"

    def _forget_old(self) -> None:
        now = time.monotonic()
        fresh = [(token, made) for token, made in self._tokens.items() if now - made < TOKEN_SECONDS]
        self._tokens = dict(fresh[-TOKENS_MOST:])


@dataclass(frozen=True)
class Refusal:
    """A status and a short reason."""

    status: int
    why: str


@dataclass(frozen=True)
class Asked:
    """A request as the checks look at it."""

    method: str
    path: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    hosts: frozenset[str]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        """The header's first value, empty when it is not there."""
        return next(iter(self.all(name)), "")


def check_host(asked: Asked) -> Refusal | None:
    """Exactly one Host, and exactly ours: names that merely lead here are an attack (DNS rebinding)."""
    hosts = asked.all("host")
    good = len(hosts) == 1 and hosts[0].lower() in asked.hosts
    return None if good else Refusal(421, "This address is not Easel's.")


def check_method(asked: Asked) -> Refusal | None:
    """Only methods that a page uses."""
    return None if asked.method in METHODS else Refusal(405, "This method is not known here.")


def check_path(asked: Asked) -> Refusal | None:
    """No way upwards in any spelling."""
    path = unquote(unquote(asked.raw_path))
    bad = "\0" in path or "\\" in path or ".." in path.split("/")
    return Refusal(400, "This path cannot be.") if bad else None


def check_origin(asked: Asked) -> Refusal | None:
    """An origin must be ours, and whatever changes something must name one."""
    origins = asked.all("origin")
    ours = {f"http://{host}" for host in asked.hosts}
    if any(origin.lower() not in ours for origin in origins) or len(origins) > 1:
        return Refusal(403, "Another page asked for this.")
    if asked.method not in SAFE and not origins:
        return Refusal(403, "It is not said which page asks for this.")
    return None


def check_site(asked: Asked) -> Refusal | None:
    """Browsers say where a request comes from; "none" is an address that a person opened."""
    site = asked.one("sec-fetch-site").lower()
    good = site in ("", "same-origin") or (site == "none" and asked.method in SAFE)
    return None if good else Refusal(403, "Another page asked for this.")


CHECKS = (check_method, check_host, check_path, check_origin, check_site)


@dataclass
class Door:
    """The password, where one is needed, and how often it was guessed wrong."""

    password: str | None
    wrong: list[float] = field(default_factory=list)

    def opens(self, given: str) -> Refusal | None:
        """None for the right password."""
        now = time.monotonic()
        self.wrong = [moment for moment in self.wrong if now - moment < TRIES_SECONDS]
        if len(self.wrong) >= TRIES:
            return Refusal(429, "Too many wrong passwords. Wait a minute.")
        if self.password is not None and hmac.compare_digest(given.encode(), self.password.encode()):
            return None
        self.wrong.append(now)
        return Refusal(403, "This is not the password.")


class Guard:
    """ASGI middleware. `hosts` are more Host values ("192.168.1.5:7860") that are let in, and need a `password`."""

    def __init__(
        self, app: Any, access: Access, *, max_body: int, password: str | None = None, hosts: Iterable[str] = ()
    ) -> None:
        if hosts and password is None:
            raise ValueError("other hosts need a password")
        self._app, self._access, self._max_body = app, access, max_body
        self._door = Door(password)
        own = {f"{name}:{access.port}" for name in ("127.0.0.1", "localhost")}
        self._hosts = frozenset(own | {host.lower() for host in hosts})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        asked = _asked(scope, self._hosts)
        refusal = next((found for check in CHECKS if (found := check(asked))), None)
        if scope["type"] == "websocket":
            return await _close(send) if refusal or not self._known(asked) else await self._app(scope, receive, send)
        send = _with_headers(send, asked.path)
        if refusal is not None:
            return await _refuse(send, refusal)
        return await self._admit(asked, scope, receive, send)

    async def _admit(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        if asked.path == PING:
            return await _answer(send, 200, "ok")
        if asked.path == "/" and asked.method == "GET" and "token" in (query := dict(parse_qsl(asked.query))):
            return await self._exchange(asked, query, send)
        if self._known(asked):
            return await self._pass(asked, scope, receive, send)
        if self._door.password is not None:
            return await self._login(asked, receive, send)
        return await _refuse(send, Refusal(403, "Open Easel's own window, or choose Open in browser in its menu."))

    async def _exchange(self, asked: Asked, query: dict[str, str], send: Send) -> None:
        """A good token becomes the cookie; the token leaves the address in any case."""
        good = self._access.take(query.pop("token"))
        if not good and not self._known(asked):
            return await _refuse(send, Refusal(403, "This link was used already, or is too old."))
        location = f"/?{urlencode(query)}" if query else "/"
        headers = {"location": location, "set-cookie": self._access.set_cookie, "cache-control": "no-store"}
        return await _answer(send, 303, "", headers)

    async def _login(self, asked: Asked, receive: Receive, send: Send) -> None:
        if asked.path != LOGIN or asked.method != "POST":
            return await _answer(send, 200 if asked.path in ("/", LOGIN) else 403, _login_page(""), HTML)
        try:
            given = parse_qs((await _whole(receive, LOGIN_BODY)).decode("utf-8", "replace"))
        except TooLarge:
            return await _refuse(send, Refusal(413, "This is too long for a password."))
        refusal = self._door.opens(given.get("password", [""])[0])
        if refusal is not None:
            return await _answer(send, refusal.status, _login_page(refusal.why), HTML)
        return await _answer(send, 303, "", {"location": "/", "set-cookie": self._access.set_cookie})

    async def _pass(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        length = asked.one("content-length")
        if length and (not length.isdigit() or int(length) > self._max_body):
            return await _refuse(send, self._too_large)
        begun = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            return await self._app(scope, _limited(receive, self._max_body), watched)
        except TooLarge:
            if not begun:
                await _refuse(send, self._too_large)

    def _known(self, asked: Asked) -> bool:
        return self._access.knows("; ".join(asked.all("cookie")))

    @property
    def _too_large(self) -> Refusal:
        return Refusal(413, f"This is larger than {self._max_body // 1_000_000} MB.")


class TooLarge(Exception):
    """More was sent than is taken."""


HTML = {"content-type": "text/html; charset=utf-8"}


def _asked(scope: Scope, hosts: frozenset[str]) -> Asked:
    headers = tuple((key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in scope["headers"])
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"").decode("latin-1")
    return Asked(scope.get("method", "GET"), scope["path"], raw.decode("latin-1"), query, headers, hosts)


def _limited(receive: Receive, most: int) -> Receive:
    """Counts what comes in; a length that was announced wrongly, or not at all, changes nothing."""
    seen = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise TooLarge
        return message

    return counted


async def _whole(receive: Receive, most: int) -> bytes:
    data, read = b"", _limited(receive, most)
    while True:
        message = await read()
        data += message.get("body", b"")
        if not message.get("more_body"):
            return data


def _with_headers(send: Send, path: str) -> Send:
    """Every answer gets our headers, none may open itself to other origins."""

    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _headers(message.get("headers", ()), path)}
        await send(message)

    return wrapped


def _headers(given: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    ours = {name.encode() for name in HEADERS}
    kept = [
        (name, value)
        for name, value in given
        if name.lower() not in ours and not name.lower().startswith(b"access-control-")
    ]
    media = next((value for name, value in kept if name.lower() == b"content-type"), b"")
    if media.startswith((b"text/html", b"image/svg")) and path.startswith(("/gradio_api/file", "/easel/pictures")):
        kept = [(name, value) for name, value in kept if name.lower() != b"content-disposition"]
        kept.append((b"content-disposition", b"attachment"))  # what people bring is never run as a page of ours
    return [*kept, *((name.encode(), value.encode()) for name, value in HEADERS.items())]


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


async def _refuse(send: Send, refusal: Refusal) -> None:
    await _answer(send, refusal.status, refusal.why)


async def _answer(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    data = text.encode()
    given = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(data)), **(headers or {})}
    start = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": data})


def _login_page(problem: str) -> str:
    told = f"<p role=alert>{html.escape(problem)}</p>" if problem else ""
    return (
        "<!doctype html><html lang=en><title>Easel</title><meta name=viewport content='width=device-width'>"
        "<body style='font:1rem system-ui;max-width:20rem;margin:20vh auto'><h1>Easel</h1>"
        f"{told}<form method=post action={LOGIN}><label>Password <input type=password name=password autofocus></label> "
        "<button>Open</button></form>"
    )
