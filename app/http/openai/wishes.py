"""From an OpenAI request to the values of ours. Their words first, ours as extras; what nobody knows is ignored."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.http.desk import Desk
from app.http.openai.models import named
from app.resolve import Resolved
from app.sampler_names import fitting, recognised, schedule_of
from app.wishes import Quality, quality_values
from engines.api import SEED_MAX, EngineFamily, GenerationRequest, UserError, family_of

SIZE = re.compile(r"(\d{1,5})[xX](\d{1,5})")
QUALITIES = {
    "low": Quality.DRAFT,
    "high": Quality.BEST,
    "hd": Quality.BEST,
    "xhigh": Quality.BEST,
    "max": Quality.BEST,
}
PROMPT_MOST = 32_000


class PictureWish(BaseModel):
    """What generations, edits and variations have in common, and Easel's own words beside it."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    prompt: str = Field(default="", max_length=PROMPT_MOST, description="what to draw")
    model: str | None = Field(
        default=None, description="a name of GET /v1/models; dall-e-3 and such mean the usual one"
    )
    n: int | None = Field(default=1, ge=1, le=10, description="how many pictures")
    size: str | None = Field(default=None, description='"WIDTHxHEIGHT", or "auto" for what the model likes')
    quality: str | None = Field(default=None, description="low, high: less or more work in the steps")
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    stream: bool | None = False
    partial_images: int | None = Field(default=0, ge=0, le=3, description="previews while it is made, with stream")
    seed: int | None = Field(default=None, description="Easel: the same seed gives the same picture")
    steps: int | None = Field(default=None, ge=1, description="Easel: sampling steps")
    negative_prompt: str | None = Field(default=None, max_length=PROMPT_MOST, description="Easel: what to keep out")
    cfg_scale: float | None = Field(default=None, ge=0, description="Easel: guidance")
    guidance_scale: float | None = Field(default=None, ge=0, description="Easel: guidance")
    sampler: str | None = Field(default=None, description="Easel: the sampler")
    scheduler: str | None = Field(default=None, description="Easel: the noise schedule")
    strength: float | None = Field(default=None, ge=0, le=1, description="Easel: how much of the picture is redrawn")
    preset: str | None = Field(default=None, description="Easel: a preset")


def resolved(desk: Desk, wish: PictureWish, extra: dict[str, Any]) -> Resolved:
    """The request; `extra` holds task and input pictures. Raises `UserError`."""
    record = desk.services.models.get(model) if (model := named(desk, wish.model)) else None
    usual = desk.resolve({**extra, "seed": 0}, record.id if record else None, wish.preset)
    described = family_of(usual.record)
    sampler, schedule = recognised(wish.sampler) if wish.sampler else (None, None)
    if wish.scheduler:
        schedule = schedule_of(wish.scheduler)
    sampler, schedule = fitting(described, sampler, schedule)
    width, height = size_of(wish.size, described.limits.side_multiple)
    guidance = wish.cfg_scale if wish.cfg_scale is not None else wish.guidance_scale
    values = {
        "prompt": wish.prompt,
        "negative_prompt": wish.negative_prompt,
        "count": wish.n or 1,
        "width": width,
        "height": height,
        **_quality(wish.quality, usual.request, described),
        **({"steps": wish.steps} if wish.steps else {}),
        "guidance": guidance,
        "sampler": sampler,
        "scheduler": schedule,
        "strength": wish.strength,
        "image_format": wish.output_format or "png",
        "seed": wish.seed % (SEED_MAX + 1) if wish.seed is not None and wish.seed >= 0 else -1,
    }
    return desk.resolve({**values, **extra}, usual.record.id, wish.preset)


def size_of(size: str | None, multiple: int) -> tuple[int | None, int | None]:
    """Width and height, rounded to `multiple`; None for "auto". Raises `UserError("api-value")`."""
    if not size or size.lower() == "auto":
        return None, None
    found = SIZE.fullmatch(size.strip())
    if found is None:
        raise UserError("api-value", field="size", value=size, expected="A size is WIDTHxHEIGHT, or auto")
    width, height = (max(multiple, round(int(side) / multiple) * multiple) for side in found.groups())
    return width, height


def _quality(quality: str | None, usual: GenerationRequest, described: EngineFamily) -> dict[str, Any]:
    wanted = QUALITIES.get((quality or "").lower())
    return quality_values(wanted, usual, described) if wanted else {}
