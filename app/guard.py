"""What every server of ours checks first: the exact host, a path that leads nowhere else, a length that is true.

A server on loopback can be reached by any page of any browser on the computer, through names that lead to 127.0.0.1.
The page's guard and the one of the HTTP API are both made of these parts.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import socket
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

TRIES, TRIES_SECONDS = 5, 60.0  # wrong passwords before everybody waits
DECODINGS = 4  # how often a path may be encoded over itself; nobody honest gets to three
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LENGTH = re.compile(r"[0-9]{1,19}")
FRESH = {"cache-control": "no-store"}

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Any]
Receive = Callable[[], Any]


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


def check_length(asked: Asked) -> Refusal | None:
    """A length that is announced is a number."""
    good = all(LENGTH.fullmatch(length) for length in asked.all("content-length"))
    return None if good else Refusal(400, "This length is no number.")


def decoded_path(raw: str) -> bytes | None:
    """The path when nothing in it is encoded any more; None when that takes too long to be honest."""
    path = raw.encode("latin-1", "replace")
    for _ in range(DECODINGS):
        path, before = unquote_to_bytes(path), path
        if path == before:
            return path
    return None


def leads_up(path: bytes) -> bool:
    """Whether a part is two dots; Windows drops more dots, and spaces, behind a name. Gradio writes file=PATH."""
    parts = re.split(rb"[/\\=]", path)
    return any(b".." in part and not part.strip(b". ") for part in parts)


def same(one: str, other: str) -> bool:
    """Compared in constant time; what is no text at all is merely different."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


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
        if self.password is not None and same(given, self.password):
            return None
        self.wrong = [moment for moment in self.wrong if now - moment < TRIES_SECONDS] + [now]
        if len(self.wrong) >= TRIES:
            self.wrong, self.shut_until = [], now + TRIES_SECONDS
        return Refusal(403, "This is not the password.")


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


def asked_of(scope: Scope, hosts: frozenset[str]) -> Asked:
    headers = tuple((key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in scope["headers"])
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"").decode("latin-1")
    return Asked(scope.get("method", "GET"), scope["path"], raw.decode("latin-1"), query, headers, hosts)


async def refuse(send: Send, refusal: Refusal) -> None:
    # Behind a refused body the connection is closed, or whatever else is sent would be read and thrown away for ever.
    close = {"connection": "close"} if refusal.status == 413 else {}
    await answer(send, refusal.status, refusal.why, {**FRESH, **close})


async def answer(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    data = text.encode()
    given = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(data)), **(headers or {})}
    start = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": data})


def other_hosts(port: int) -> Sequence[str]:
    """The names under which other computers reach this one."""
    names = {socket.gethostname()}
    with contextlib.suppress(OSError):
        names |= {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; the system says which of its addresses leads outwards
        names.add(probe.getsockname()[0])
    return tuple(f"{name.lower()}:{port}" for name in names)
