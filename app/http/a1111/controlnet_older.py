"""The routes that A1111's ControlNet extension had before `alwayson_scripts`: older clients still ask there."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from app.http.a1111.generate import generated
from app.http.a1111.wishes import ImageWish, Wish
from app.http.desk import Desk

# What a unit calls the fields that stand in the request itself here.
FIELDS = {
    "image": "controlnet_image",
    "module": "controlnet_module",
    "model": "controlnet_model",
    "weight": "controlnet_weight",
    "threshold_a": "controlnet_threshold_a",
    "threshold_b": "controlnet_threshold_b",
}


class OlderWish(Wish):
    """A wish with one ControlNet in its own fields, or several in `controlnet_units`."""

    controlnet_units: list[dict[str, Any]] | None = None
    controlnet_image: list[str] | str | None = Field(default=None, description="base64; of a list the first one")
    controlnet_module: str | None = Field(default=None, description="a name of GET /controlnet/module_list")
    controlnet_model: str | None = Field(default=None, description="a name of GET /controlnet/model_list")
    controlnet_weight: float | None = 1.0
    controlnet_threshold_a: float | None = None
    controlnet_threshold_b: float | None = None


class OlderImageWish(OlderWish, ImageWish):
    """The same with a picture to start from."""


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/controlnet", tags=["A1111"])

    @found.post("/txt2img", summary="Make pictures that follow a picture (an older way)")
    async def txt2img(wish: OlderWish) -> dict[str, Any]:
        """The same as /sdapi/v1/txt2img with `alwayson_scripts`."""
        return await generated(desk, with_script(wish))

    @found.post("/img2img", summary="Make pictures from a picture that follow a picture (an older way)")
    async def img2img(wish: OlderImageWish) -> dict[str, Any]:
        """The same as /sdapi/v1/img2img with `alwayson_scripts`."""
        return await generated(desk, with_script(wish))

    return found


def with_script(wish: OlderWish) -> OlderWish:
    """The wish as it is said today."""
    units = wish.controlnet_units or [_unit(wish)]
    return wish.model_copy(update={"alwayson_scripts": {"controlnet": {"args": units}}})


def _unit(wish: OlderWish) -> dict[str, Any]:
    found = {name: getattr(wish, field) for name, field in FIELDS.items()}
    if isinstance(found["image"], list):
        found["image"] = next(iter(found["image"]), None)
    return {name: value for name, value in found.items() if value is not None}
