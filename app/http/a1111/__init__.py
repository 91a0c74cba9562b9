"""A1111's dialect, `/sdapi/v1`: what SillyTavern, Open WebUI, LibreChat and many plug-ins speak."""

from __future__ import annotations

from fastapi import APIRouter

from app.http.a1111 import controlnet, controlnet_older, extensions, extras, generate, lists, options
from app.http.desk import Desk


def router(desk: Desk) -> APIRouter:
    """Every route of the dialect."""
    found = APIRouter()
    for module in (generate, options, lists, extras, controlnet, controlnet_older, extensions):
        found.include_router(module.router(desk))
    return found
