"""ControlNets as A1111's extension takes them: in `alwayson_scripts`, with lists of models and of preparers."""

from __future__ import annotations

import base64
import re
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from app.http import pictures
from app.http.desk import Desk
from engines.api import PREPARERS, Kind, prepared_picture

HASH = re.compile(r"\s*\[[0-9a-fA-F]{8,}\]\s*$")
KNOWN = ("controlnet", "ControlNet")


class Detection(BaseModel):
    """Pictures to be prepared, and how."""

    model_config = ConfigDict(extra="ignore")

    controlnet_images: list[str] = Field(default_factory=list, max_length=20, description="base64")
    controlnet_module: str = Field(default="none", description="a name of GET /controlnet/module_list")
    controlnet_threshold_a: float | None = Field(default=None, description="the preparer's first number")
    controlnet_threshold_b: float | None = Field(default=None, description="its second one")


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/controlnet", tags=["A1111"])

    @found.get("/version", summary="The version of the extension's API that is followed")
    async def version() -> dict[str, int]:
        return {"version": 2}

    @found.get("/model_list", summary="The ControlNets")
    async def model_list() -> dict[str, list[str]]:
        files = await run_in_threadpool(desk.services.models.files, Kind.CONTROLNET)
        return {"model_list": list(dict.fromkeys(file.name for file in files))}

    @found.get("/module_list", summary="What can be made of a picture before a ControlNet sees it")
    async def module_list() -> dict[str, list[str]]:
        return {"module_list": list(PREPARERS)}

    @found.post("/detect", summary="Prepare pictures")
    async def detect(wish: Detection) -> dict[str, Any]:
        """What a ControlNet would see; in the pictures' own sizes."""
        made = [await run_in_threadpool(_prepared, wish, each) for each in wish.controlnet_images]
        return {"images": made, "info": "Success"}

    return found


def controls_of(desk: Desk, scripts: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """The entries of a request's `controls` for its `alwayson_scripts`; None where it has no ControlNet."""
    units: list[Any] = []
    for name in KNOWN:
        script = (scripts or {}).get(name)
        units += script.get("args") or [] if isinstance(script, dict) else []
    found = [_control(desk, unit) for unit in units if isinstance(unit, dict) and unit.get("enabled", True)]
    return [each for each in found if each["file"]] or None


def _prepared(wish: Detection, image: str) -> str:
    low, high = _threshold(wish.controlnet_threshold_a), _threshold(wish.controlnet_threshold_b)
    picture = pictures.upright(pictures.decode(image))
    made = prepared_picture(picture, wish.controlnet_module, low, high)
    return base64.b64encode(pictures.as_png(made)).decode("ascii")


def _control(desk: Desk, unit: dict[str, Any]) -> dict[str, Any]:
    image = unit.get("image") or unit.get("input_image")
    image = image.get("image") if isinstance(image, dict) else image
    model = HASH.sub("", str(unit.get("model") or ""))
    values = {
        "file": "" if model == "None" else model,
        "image": pictures.kept(desk.services.inputs, pictures.decode(str(image))) if image else None,
        "prepare": str(unit.get("module") or "none"),
        "weight": unit.get("weight", 1.0),
        "start": unit.get("guidance_start", 0.0),
        "end": unit.get("guidance_end", 1.0),
        "low": _threshold(unit.get("threshold_a")),
        "high": _threshold(unit.get("threshold_b")),
    }
    return {name: value for name, value in values.items() if value is not None}


def _threshold(value: Any) -> float | None:
    """The extension sends -1, or nothing, for the preparer's own number."""
    return float(value) if isinstance(value, int | float) and value >= 0 else None
