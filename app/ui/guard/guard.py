"""The middleware itself: what is let through, what is asked for a password, what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

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
    TooLarge,
    answer,
    asked_of,
    refuse,
)
from app.ui.guard.access import Access
from app.ui.guard.checks import CHECKS
from app.ui.guard.headers import with_headers
from app.ui.guard.login import LOGIN, LOGIN_PAGE, login_page

LOGIN_BODY = 1000  # bytes
MAX_BODY = 100_000_000  # bytes
PING = "/easel/ping"


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
        send = with_headers(send, asked.path)
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
            return await answer(send, 200 if asked.path in ("/", LOGIN) else 403, login_page(""), LOGIN_PAGE)
        try:
            form = _pairs((await _whole(asked, receive, LOGIN_BODY)).decode("utf-8", "replace"))
        except TooLarge:
            return await refuse(send, Refusal(413, "This is too long for a password."))
        refusal = self._door.opens(dict(form).get("password", ""))
        if refusal is not None:
            return await answer(send, refusal.status, login_page(refusal.why), LOGIN_PAGE)
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


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})
