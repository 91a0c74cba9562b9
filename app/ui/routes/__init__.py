"""What the page's script asks for: jobs, pictures, history, presets, drafts, the debug report. Not a public API.

Everything is JSON, errors come as the same cards that the form shows, and files are named by ids, never by paths.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.remedies import remedies
from app.services import Services
from app.ui.feed import Feed
from app.ui.notices import card
from app.ui.words import Words
from engines.api import EaselError, ErrorRecord, UserError

# What the page shows itself; other kinds are for saving.
INLINE = ("image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "video/mp4", "video/webm")


@dataclass(frozen=True)
class Desk:
    """What a route works with."""

    services: Services
    feed: Feed
    words: Words


Handler = Callable[[Desk, Request], Awaitable[Response]]


def route(desk: Desk, path: str, handler: Handler, method: str = "POST") -> Route:
    """A route below /easel whose errors are cards."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(desk, request)
        except EaselError as error:
            return refusal(desk, error)

    return Route(f"/easel{path}", endpoint, methods=[method])


def refusal(desk: Desk, error: EaselError) -> JSONResponse:
    """The error as a card: 400 for a wish that cannot be met, 507 for a machine that is too small, 500 for a bug."""
    status = {2: 400, 3: 507, 4: 502}.get(error.exit_status, 500)
    found = card(ErrorRecord.of(error), remedies(error, None, desk.services.models), desk.words)
    return JSONResponse({"error": found}, status)


async def body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises `UserError("page-message-broken")`."""
    try:
        data = await request.json()
    except ValueError as error:
        raise UserError("page-message-broken", why=str(error)) from error
    if not isinstance(data, dict):
        raise UserError("page-message-broken", why="it is not an object")
    return data


def text(data: dict[str, Any], name: str, otherwise: str | None = None) -> str:
    """A string of the message. Raises `UserError("page-message-broken")` when it is missing or something else."""
    value = data.get(name, otherwise)
    if not isinstance(value, str):
        raise UserError("page-message-broken", why=f"{name} is missing or is not a text")
    return value
