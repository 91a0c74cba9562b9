"""Who may come in: links that work once, and the cookie of a session."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from app.guard import same

TOKEN_SECONDS = 120.0  # a link that nobody opened by then opens nothing any more
TOKENS_MOST = 32


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
