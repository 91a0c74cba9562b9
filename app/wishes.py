"""Plain wishes in numbers: a shape becomes width and height, a quality becomes steps and shortcuts. Pure functions."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

from engines.api import EngineFamily, GenerationRequest, Limits, Outpaint, Shortcuts, UserError, family


class Shape(StrEnum):
    """The outline of a picture, as a person says it."""

    SQUARE = "square"
    PORTRAIT = "portrait"
    LANDSCAPE = "landscape"
    WIDE = "wide"
    PICTURE = "picture"
    OWN = "own"


class Quality(StrEnum):
    """How much work goes into a picture."""

    DRAFT = "draft"
    NORMAL = "normal"
    BEST = "best"


# Width over height. Rounded to 64 pixels, they give the sizes that the common models were trained on.
RATIOS = {Shape.SQUARE: 1.0, Shape.PORTRAIT: 3 / 4, Shape.LANDSCAPE: 4 / 3, Shape.WIDE: 16 / 9}
# Steps in parts of what the model or the preset asks for; for drafts where each step is quicker, and where none is.
EFFORT = {Quality.DRAFT: 0.4, Quality.NORMAL: 1.0, Quality.BEST: 1.6}
QUICK_EFFORT = 0.6
FEWEST = 4  # steps; below it a draft says nothing about the picture (models made for fewer keep their own number)
# What drafts leave out of their steps; models made for so few steps that each one counts are not shortened.
DRAFT_SHORTCUTS = Shortcuts(every=3, change=0.4, guided_to=0.7)
EACH_COUNTS = 10
TRANSFORMERS = "first-block"  # the cache that looks at how much changes
COARSE = 64  # pixels: models are trained on multiples of it
COARSE_FROM = 384  # pixels a side; smaller models have no room for such coarse steps


def quality_values(quality: Quality, usual: GenerationRequest, family: EngineFamily) -> dict[str, Any]:
    """Fields of the request for a quality, where `usual` is what model and preset ask for: steps, and what they leave out."""
    effort, shortcuts = EFFORT[quality], None
    if quality is Quality.DRAFT and (shortcuts := _draft_shortcuts(usual, family)) is not None:
        effort = QUICK_EFFORT if shortcuts.reuses else effort
    steps = max(round(usual.steps * effort), min(usual.steps, FEWEST))
    values: dict[str, Any] = {"steps": min(family.limits.max_steps, steps)}
    return {**values, "shortcuts": shortcuts.model_dump()} if shortcuts is not None else values


def _draft_shortcuts(usual: GenerationRequest, family: EngineFamily) -> Shortcuts | None:
    """Those of a draft that the family can take."""
    if usual.steps * QUICK_EFFORT < EACH_COUNTS:
        return None
    guided = family.guidance.together and family.guidance.guided(usual.guidance)
    wished = {
        "every": DRAFT_SHORTCUTS.every if family.cache is not None else 1,
        "change": DRAFT_SHORTCUTS.change if family.cache == TRANSFORMERS else 1.0,
        "guided_to": DRAFT_SHORTCUTS.guided_to if guided else 1.0,
    }
    found = Shortcuts(**wished)
    return found if found.reuses or found.shortens_guidance else None


def size_for(
    shape: Shape, usual: tuple[int, int], limits: Limits, picture: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Width and height in pixels for a shape, with about as many pixels as `usual` and within `limits`.

    `Shape.PICTURE` takes the outline of `picture` (width, height); `Shape.OWN` is `usual` itself.
    """
    ratio = picture[0] / picture[1] if shape is Shape.PICTURE and picture else RATIOS.get(shape)
    if ratio is None:
        return usual
    multiple = _multiple(usual, limits)
    width = math.sqrt(usual[0] * usual[1] * ratio)
    height = width / ratio
    if (least := min(width, height)) < limits.min_side:  # grow both: a side at its limit must not bend the shape
        width, height = width * limits.min_side / least, height * limits.min_side / least
    return _fitted(width, multiple, limits), _fitted(height, multiple, limits)


def trained_shape(found: EngineFamily) -> Shape:
    """The outline that the videos were of which the family was trained on."""
    return Shape.SQUARE if found.defaults["width"] == found.defaults["height"] else Shape.WIDE


def size_like(video: tuple[int, int], usual: tuple[int, int], limits: Limits) -> tuple[int, int]:
    """The size for a video that starts from another: that one's own where the model makes it, else its outline."""
    fits = all(limits.min_side <= side <= limits.max_side and side % limits.side_multiple == 0 for side in video)
    if fits and video[0] * video[1] <= limits.max_pixels:
        return video
    return size_for(Shape.PICTURE, usual, limits, video)


def frames_for(seconds: float, request: GenerationRequest, family_id: str) -> tuple[int, str]:
    """The frames of a video of about `seconds`, and a sentence when the model's rule makes it another length.

    Raises `UserError("not-a-video-model")` for a family that makes pictures.
    """
    found = family(family_id)
    if found.video is None:
        raise UserError("not-a-video-model", family=found.title)
    frames = found.video.frames_for(seconds, request.fps)
    length = frames / request.fps
    if abs(length - seconds) < 0.05:
        return frames, ""
    rule = f"{found.title} makes {found.video.counts} frames, {found.video.min_frames} to {found.video.max_frames}"
    return frames, f"{seconds:g} s becomes {length:.2f} s: {frames} frames at {request.fps} per second ({rule})."


def _multiple(usual: tuple[int, int], limits: Limits) -> int:
    coarse = math.lcm(COARSE, limits.side_multiple)
    return coarse if min(usual) >= COARSE_FROM else limits.side_multiple


def _fitted(side: float, multiple: int, limits: Limits) -> int:
    return int(min(max(round(side / multiple) * multiple, limits.min_side), limits.max_side // multiple * multiple))


def grown_size(picture: tuple[int, int], added: Outpaint, limits: Limits) -> tuple[int, int]:
    """Width and height of `picture` with what is added around it, in the multiples and limits of the family."""
    width, height = picture[0] + added.left + added.right, picture[1] + added.top + added.bottom
    return _fitted(width, limits.side_multiple, limits), _fitted(height, limits.side_multiple, limits)
