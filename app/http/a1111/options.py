"""Options: the few that mean something here, and all others kept as they were sent, so that a whole set can come back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.concurrency import run_in_threadpool

from app.http.desk import Desk

NAMES_MOST, VALUE_MOST = 2000, 10_000  # options, and characters of one: what a client may leave with us


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @found.get("/options", summary="The options")
    async def options() -> dict[str, Any]:
        """The model that is used, and whatever was set."""
        return await run_in_threadpool(_options, desk)

    @found.post("/options", summary="Set options")
    async def set_options(options: Annotated[dict[str, Any], Body()]) -> None:
        """Some of them, or all of them back. `sd_model_checkpoint` takes a title, a name or a hash; unknown ones are kept."""
        await run_in_threadpool(_set, desk, options)

    @found.get("/cmd-flags", summary="Nothing: Easel has no such flags")
    async def cmd_flags() -> dict[str, Any]:
        return {}

    return found


def _options(desk: Desk) -> dict[str, Any]:
    name = desk.options.get("sd_model_checkpoint")
    record = desk.find_model(str(name)) if name else desk.services.models.default()
    return {
        "CLIP_stop_at_last_layers": 1,
        "sd_vae": "Automatic",
        "samples_format": "png",
        "samples_save": True,
        **desk.options,
        "sd_model_checkpoint": desk.title_of(record),
        "sd_checkpoint_hash": None,
    }


def _set(desk: Desk, options: dict[str, Any]) -> None:
    if name := options.get("sd_model_checkpoint"):
        desk.find_model(str(name))  # an unknown model is refused before anything is set
    small = {key: value for key, value in options.items() if len(key) < 200 and len(str(value)) < VALUE_MOST}
    if len({**desk.options, **small}) <= NAMES_MOST:
        desk.options.update({key: value for key, value in small.items() if value is not None})
