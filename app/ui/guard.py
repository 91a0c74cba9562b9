"""The guard before the page: only the window that was given a token, on this very address, gets an answer.

A server on loopback can be reached by any page of any browser on the computer, through names that lead to 127.0.0.1,
and Gradio checks none of that. So every request must name the exact host, come from our own origin and carry a cookie
that a one-time token was exchanged for.
"""

from __future__ import annotations

import hmac
import html
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

TOKEN_SECONDS = 120.0  # a link that nobody opened by then opens nothing any more
TOKENS_MOST = 32
TRIES, TRIES_SECONDS = 5, 60.0  # wrong passwords before everybody waits
LOGIN_BODY = 1000  # bytes
MAX_BODY = 100_000_000  # bytes
DECODINGS = 4  # how often a path may be encoded over itself; nobody honest gets to three
PING, LOGIN = "/easel/ping", "/easel/login"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
RUNNABLE = (b"text/html", b"image/svg+xml", b"application/xhtml+xml")  # types that a browser runs scripts of
LENGTH = re.compile(r"[0-9]{1,19}")
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

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Any]
Receive = Callable[[], Any]


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
            found = [known for known in self._links if _same(known, link)]
            for known in found:
                del self._links[known]
        return bool(found)

    def knows(self, cookie_header: str) -> bool:
        """Whether the session is among the cookies.

        Cookies know no ports: other programs on 127.0.0.1 leave theirs in the same browser, in forms at which Python's own
        parser stops, and with our name too. So each one is looked at by itself.
        """
        pairs = (each.strip().partition("=") for each in cookie_header.split(";"))
        return any(name == self.cookie and _same(value, self.token) for name, _, value in pairs)

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


def _same(one: str, other: str) -> bool:
    """Compared in constant time; what is no text at all is merely different."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


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
    """No way upwards in any spelling, and no address of another server."""
    path = _decoded(asked.raw_path)
    bad = path is None or b"\0" in path or not path.startswith(b"/") or _leads_up(path)
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


def check_length(asked: Asked) -> Refusal | None:
    """A length that is announced is a number."""
    good = all(LENGTH.fullmatch(length) for length in asked.all("content-length"))
    return None if good else Refusal(400, "This length is no number.")


def _decoded(raw: str) -> bytes | None:
    """The path when nothing in it is encoded any more; None when that takes too long to be honest."""
    path = raw.encode("latin-1", "replace")
    for _ in range(DECODINGS):
        path, before = unquote_to_bytes(path), path
        if path == before:
            return path
    return None


def _leads_up(path: bytes) -> bool:
    """Whether a part is two dots; Windows drops more dots, and spaces, behind a name. Gradio writes file=PATH."""
    parts = re.split(rb"[/\\=]", path)
    return any(b".." in part and not part.strip(b". ") for part in parts)


def _backslash(raw: str, path: bytes | None) -> bool:
    return "\\" in raw or (path is not None and b"\\" in path and not WINDOWS_FILE.match(path))


CHECKS = (check_method, check_host, check_path, check_length, check_origin, check_site)


@dataclass
class Door:
    """The password, where one is needed, and how often it was guessed wrong."""

    password: str | None
    wrong: list[float] = field(default_factory=list)
    shut_until: float = 0.0

    def opens(self, given: str) -> Refusal | None:
        """None for the right password."""
        now = time.monotonic()
        if now < self.shut_until:
            return Refusal(429, "Too many wrong passwords. Wait a minute.")
        if self.password is not None and _same(given, self.password):
            return None
        self.wrong = [moment for moment in self.wrong if now - moment < TRIES_SECONDS] + [now]
        if len(self.wrong) >= TRIES:
            self.wrong, self.shut_until = [], now + TRIES_SECONDS
        return Refusal(403, "This is not the password.")


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
        asked = _asked(scope, self._hosts)
        refusal = next((found for check in CHECKS if (found := check(asked))), None)
        if scope["type"] == "websocket":
            return await _close(send) if refusal or not self._known(asked) else await self._app(scope, receive, send)
        send = _with_headers(send, asked.path)
        if refusal is not None:
            return await _refuse(send, refusal)
        return await self._admit(asked, scope, receive, send)

    async def _admit(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        if asked.path == PING and asked.method == "GET":
            return await _answer(send, 200, "ok")
        if asked.path == "/" and asked.method == "GET" and any(name == "token" for name, _ in _pairs(asked.query)):
            return await self._exchange(asked, send)
        if self._known(asked):
            return await self._pass(asked, scope, receive, send)
        if self._door.password is not None:
            return await self._login(asked, receive, send)
        return await _refuse(send, Refusal(403, "Open Easel's own window, or choose Open in browser in its menu."))

    async def _exchange(self, asked: Asked, send: Send) -> None:
        """A good token becomes the cookie; the token leaves the address in any case."""
        query = _pairs(asked.query)
        good = any(self._access.take(value) for name, value in query if name == "token")
        if not good and not self._known(asked):
            return await _refuse(send, Refusal(403, "This link was used already, or is too old."))
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        headers = {"location": f"/?{rest}" if rest else "/", "set-cookie": self._access.set_cookie, **FRESH}
        return await _answer(send, 303, "", headers)

    async def _login(self, asked: Asked, receive: Receive, send: Send) -> None:
        if asked.path != LOGIN or asked.method != "POST":
            return await _answer(send, 200 if asked.path in ("/", LOGIN) else 403, _login_page(""), LOGIN_PAGE)
        try:
            form = _pairs((await _whole(asked, receive, LOGIN_BODY)).decode("utf-8", "replace"))
        except TooLarge:
            return await _refuse(send, Refusal(413, "This is too long for a password."))
        refusal = self._door.opens(dict(form).get("password", ""))
        if refusal is not None:
            return await _answer(send, refusal.status, _login_page(refusal.why), LOGIN_PAGE)
        return await _answer(send, 303, "", {"location": "/", "set-cookie": self._access.set_cookie, **FRESH})

    async def _pass(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self._max_body)
        if body.announced_too_large(asked):
            return await _refuse(send, self._too_large)
        return await self._counted(body, scope, send)

    async def _counted(self, body: Body, scope: Scope, send: Send) -> None:
        answer = Answer(send, body)
        try:
            await self._app(scope, body.receive, answer.send)
        except Exception:  # an app whose reading was broken off may end in any way; what it says of that is no news
            if not body.over:
                raise
        if body.over and not answer.begun:
            await _refuse(send, self._too_large)

    def _known(self, asked: Asked) -> bool:
        return self._access.knows("; ".join(asked.all("cookie")))

    @property
    def _too_large(self) -> Refusal:
        return Refusal(413, f"This is larger than {self._max_body // 1_000_000} MB.")


class TooLarge(Exception):
    """More was sent than is taken."""


class Body:
    """Counts what comes in; a length that was announced wrongly, or not at all, changes nothing."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most = receive, most
        self._seen = 0

    @property
    def over(self) -> bool:
        """Whether more came than is taken."""
        return self._seen > self._most

    def announced_too_large(self, asked: Asked) -> bool:
        """Whether a length is said that is too large; `check_length` has seen to it that it is a number."""
        return any(int(length) > self._most for length in asked.all("content-length"))

    async def receive(self) -> MutableMapping[str, Any]:
        """The next piece. Too much looks like a window that went away: apps know that, and clean up after it."""
        message = {"type": "http.disconnect"} if self.over else await self._receive()
        self._seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.over else message


class Answer:
    """What the app says, as long as its request was read: then only we know why it was broken off."""

    def __init__(self, send: Send, body: Body) -> None:
        self._send, self._body = send, body
        self.begun = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass it on."""
        if self._body.over and not self.begun:
            return  # the apps' 400 and 500 for a request that ended early; the guard answers 413
        self.begun = True
        await self._send(message)


FRESH = {"cache-control": "no-store"}
LOGIN_PAGE = {"content-type": "text/html; charset=utf-8", **FRESH}


def _asked(scope: Scope, hosts: frozenset[str]) -> Asked:
    headers = tuple((key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in scope["headers"])
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"").decode("latin-1")
    return Asked(scope.get("method", "GET"), scope["path"], raw.decode("latin-1"), query, headers, hosts)


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


async def _refuse(send: Send, refusal: Refusal) -> None:
    # Behind a refused body the connection is closed, or whatever else is sent would be read and thrown away for ever.
    close = {"connection": "close"} if refusal.status == 413 else {}
    await _answer(send, refusal.status, refusal.why, {**FRESH, **close})


async def _answer(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    data = text.encode()
    given = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(data)), **(headers or {})}
    start = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": data})


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
