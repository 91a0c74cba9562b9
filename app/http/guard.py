"""The guard before the API: the exact host, no other page unless its origin is listed, and the key where one is set."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, MutableMapping
from typing import Any

from app.guard import (
    FRESH,
    Answer,
    Asked,
    Body,
    Door,
    Receive,
    Refusal,
    Scope,
    Send,
    asked_of,
    check_host,
    check_length,
    check_method,
    decoded_path,
    leads_up,
)
from app.http.errors import shaped, to_bytes

MAX_BODY = 64_000_000  # bytes; two PNGs of 4096x4096 as base64
CORS = b"access-control-"
OPEN = ("/files/",)  # their address holds a signature of its own
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'",
}


def check_path(asked: Asked) -> Refusal | None:
    """No way upwards in any spelling, and no address of another server."""
    path = decoded_path(asked.raw_path)
    bad = path is None or b"\0" in path or b"\\" in path or not path.startswith(b"/") or leads_up(path)
    return Refusal(400, "This path cannot be.") if bad else None


CHECKS = (check_method, check_host, check_path, check_length)


class ApiGuard:
    """ASGI middleware. `origins` are web pages that may ask, `hosts` more names of this server, which need a `key`."""

    def __init__(
        self,
        app: Any,
        port: int,
        *,
        key: str = "",
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        max_body: int = MAX_BODY,
    ) -> None:
        others = {host.lower() for host in hosts}
        if others and not key:
            raise ValueError("other hosts need a key")
        own = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._app, self._max_body = app, max_body
        self._hosts = frozenset(own | others)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._door = Door(key) if key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it in its dialect's shape."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        asked = asked_of(scope, self._hosts)
        send = _with_headers(send, self._cors(asked))
        if asked.method == "OPTIONS" and asked.one("access-control-request-method"):
            return await self._preflight(asked, send)
        refusal = next((found for check in CHECKS if (found := check(asked))), None)
        refusal = refusal or self._check_origin(asked) or self._check_key(asked)
        if refusal is not None:
            return await _refuse(send, refusal, asked.path)
        return await self._pass(asked, scope, receive, send)

    async def _pass(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive, self._max_body)
        too_large = Refusal(413, f"This is larger than {self._max_body // 1_000_000} MB.")
        if body.announced_too_large(asked):
            return await _refuse(send, too_large, asked.path)
        answer = Answer(send, body)
        try:
            await self._app(scope, body.receive, answer.send)
        except Exception:  # an app whose reading was broken off may end in any way
            if not body.over:
                raise
        if body.over and not answer.begun:
            await _refuse(send, too_large, asked.path)
        return None

    def _check_origin(self, asked: Asked) -> Refusal | None:
        """Programs name no origin; a web page does, and only a listed one may ask."""
        origins = asked.all("origin")
        if any(not self._listed(origin) for origin in origins):
            return Refusal(403, "This page's origin is not on the API's list.")
        foreign = asked.one("sec-fetch-site").lower() in ("cross-site", "same-site")
        return Refusal(403, "Another page asked for this.") if foreign and not origins else None

    def _check_key(self, asked: Asked) -> Refusal | None:
        """The key as a bearer token, as the password of HTTP Basic, as "user:password" of it, or in X-Api-Key."""
        if self._door is None or asked.path.startswith(OPEN):
            return None
        given = list(filter(None, _keys(asked)))
        if not given:
            return Refusal(401, "The API's key is missing: send it as Authorization: Bearer KEY.")
        refusals = [self._door.opens(key) for key in given]
        if None in refusals:
            self._door.wrong.clear()
            return None
        shut = any(refusal is not None and refusal.status == 429 for refusal in refusals)
        return (
            Refusal(429, "Too many wrong keys. Wait a minute.") if shut else Refusal(401, "This is not the API's key.")
        )

    async def _preflight(self, asked: Asked, send: Send) -> None:
        if check_host(asked) or not self._listed(asked.one("origin")):
            return await _refuse(send, Refusal(403, "This page's origin is not on the API's list."), asked.path)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return None

    def _listed(self, origin: str) -> bool:
        return origin.lower() in self._origins or origin.lower() in {f"http://{host}" for host in self._hosts}

    def _cors(self, asked: Asked) -> dict[str, str]:
        origin = asked.one("origin")
        if not origin or not self._listed(origin):
            return {"vary": "Origin"}
        return {
            "vary": "Origin",
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
            "access-control-allow-headers": asked.one("access-control-request-headers")
            or "Authorization, Content-Type",
            "access-control-max-age": "600",
            "cross-origin-resource-policy": "cross-origin",
        }


def _keys(asked: Asked) -> list[str]:
    scheme, _, value = asked.one("authorization").strip().partition(" ")
    found = [asked.one("x-api-key")]
    if scheme.lower() == "bearer":
        found.append(value.strip())
    elif scheme.lower() == "basic":
        try:
            text = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            text = ""
        user, _, password = text.partition(":")
        # "name:" with nothing behind it is a key that somebody typed as the user.
        found += [password or user] + ([text] if password and user else [])
    return found


def _with_headers(send: Send, cors: dict[str, str]) -> Send:
    """Every answer gets our headers; nothing but the list above says who may read it."""

    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            ours = {name.encode(): value.encode("latin-1") for name, value in {**HEADERS, **cors}.items()}
            given = [(name.lower(), value) for name, value in message.get("headers", ())]
            kept = [(name, value) for name, value in given if name not in ours and not name.startswith(CORS)]
            message = {**message, "headers": [*kept, *ours.items()]}
        await send(message)

    return wrapped


async def _refuse(send: Send, refusal: Refusal, path: str) -> None:
    data = to_bytes(shaped(path, refusal.status, refusal.why))
    headers = {"content-type": "application/json", "content-length": str(len(data)), **FRESH}
    headers |= {"connection": "close"} if refusal.status == 413 else {}
    # A client that sees a Basic challenge asks the person for a password, as A1111's do.
    headers |= {"www-authenticate": "Basic"} if refusal.status == 401 else {}
    start = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": start})
    await send({"type": "http.response.body", "body": data})
