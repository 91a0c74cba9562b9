"""What every answer carries, so that a browser lets nobody else read, frame or run anything of it."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from app.guard import Send

RUNNABLE = (b"text/html", b"image/svg+xml", b"application/xhtml+xml")  # types that a browser runs scripts of
OTHERS_FILES = ("/gradio_api/file", "/easel/pictures")

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


def with_headers(send: Send, path: str) -> Send:
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
