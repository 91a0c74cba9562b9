"""OpenAI's dialect, `/v1`: pictures and videos as its SDKs, Open WebUI, LibreChat and others ask for them."""

from __future__ import annotations

from fastapi import APIRouter

from app.http.desk import Desk
from app.http.openai import edits, generations, models, videos


def router(desk: Desk) -> APIRouter:
    """Every route of the dialect."""
    found = APIRouter()
    for module in (models, generations, edits, videos):
        found.include_router(module.router(desk))
    return found
