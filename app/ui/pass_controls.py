"""The controls of the second pass and of masks, each shown where the family and the task can do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.drafts import Draft
from app.ui.controls import Choice, Control, Situation, Slider, Switch
from engines.api import LATENT_FILTERS, PIXEL_FILTERS, Task

# Fields that are there or not, and have parts of their own.
OPTIONS = frozenset({"hires", "outpaint"})
MARGIN = 64  # pixels that are added on each side to begin with


def with_option(draft: Draft, name: str, value: Any) -> Draft:
    """The draft with a control's value; a switch of an option puts the whole option in or out."""
    if name not in OPTIONS:
        return draft.with_value(name, value)
    beginning = dict.fromkeys(("left", "right", "top", "bottom"), MARGIN) if name == "outpaint" else {}
    return draft.with_value(name, beginning if value else "off")


def _can_redraw(situation: Situation) -> bool:
    able = Task.IMAGE_TO_IMAGE in situation.family.pipelines
    return able and situation.request.task in (Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE)


def _redraws(situation: Situation) -> bool:
    return situation.request.hires is not None and _can_redraw(situation)


def _paints(situation: Situation) -> bool:
    return situation.request.task is Task.INPAINT


def _paints_softly(situation: Situation) -> bool:
    able = Task.IMAGE_TO_IMAGE in situation.family.pipelines and situation.family.latent.layout == "plain"
    return able and _paints(situation)


def _paints_a_part(situation: Situation) -> bool:
    masking = situation.request.masking
    return _paints(situation) and masking is not None and masking.only_masked


def _adds(situation: Situation) -> bool:
    return situation.request.outpaint is not None and _paints(situation)


def _upscalers(situation: Situation) -> list[str]:
    latent = LATENT_FILTERS if situation.family.latent.layout == "plain" else {}
    return [*PIXEL_FILTERS, *latent, *situation.upscalers]


def _number(field: str, low: float, high: float, step: float, shown: Callable[[Situation], bool]) -> Slider:
    return Slider(field, lambda _: low, lambda _: high, lambda _: step, shown)


PASSES: tuple[Control, ...] = (
    Switch("hires", _can_redraw),
    _number("hires.scale", 1, 4, 0.25, _redraws),
    _number("hires.strength", 0.05, 1, 0.05, _redraws),
    _number("hires.steps", 0, 150, 1, _redraws),
    Choice("hires.upscaler", _upscalers, _redraws),
    _number("masking.blur", 0, 64, 1, _paints),
    Switch("masking.invert", _paints),
    Switch("masking.only_masked", _paints),
    _number("masking.padding", 0, 256, 4, _paints_a_part),
    Switch("masking.soft", _paints_softly),
    Switch("outpaint", _paints),
    *(_number(f"outpaint.{side}", 0, 1024, 8, _adds) for side in ("left", "right", "top", "bottom")),
)
# A change of these shows or hides others.
SHOWING = frozenset({"sampler", "hires", "masking.only_masked", "outpaint"})
