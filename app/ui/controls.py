"""The controls of the Advanced panel, each made from what a family says of itself: no family is named here."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.ui.words import Words
from app.wishes import Shape
from engines.api import (
    SAMPLER_REGISTRY,
    Accelerator,
    EngineFamily,
    GenerationRequest,
    Task,
    VideoFormat,
    possible_accelerators,
    work_share,
)


@dataclass(frozen=True)
class Situation:
    """What a control looks at: the family of the chosen model, the request as it would be sent now, and the upscaler models."""

    family: EngineFamily
    request: GenerationRequest
    shape: Shape
    upscalers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slider:
    """A number between two limits, in steps."""

    field: str
    low: Callable[[EngineFamily], float]
    high: Callable[[EngineFamily], float]
    step: Callable[[EngineFamily], float]
    shown: Callable[[Situation], bool] = lambda _situation: True

    def make(self, words: Words) -> gr.Slider:
        """The component, as yet without its limits."""
        return gr.Slider(0, 100, label=words(f"field.{self.field}"), info=words(f"field.{self.field}.info"))

    def update(self, situation: Situation) -> Any:
        """What makes the component fit the situation."""
        low, step = self.low(situation.family), self.step(situation.family)
        return gr.update(
            minimum=low,
            maximum=max(self.high(situation.family), low + step),  # a slider without room is an error, even unseen
            step=step,
            value=value_of(situation.request, self.field, low),
            visible=self.shown(situation),
        )


@dataclass(frozen=True)
class Choice:
    """One of several names."""

    field: str
    options: Callable[[Situation], Sequence[str]]
    shown: Callable[[Situation], bool] = lambda _situation: True

    def make(self, words: Words) -> gr.Dropdown:
        """The component, as yet without its options."""
        return gr.Dropdown([], label=words(f"field.{self.field}"), info=words(f"field.{self.field}.info"))

    def update(self, situation: Situation) -> Any:
        """What makes the component fit the situation."""
        options = list(self.options(situation))
        value = value_of(situation.request, self.field)
        value = value if value is None else str(value)  # the page takes no enumerations
        return gr.update(choices=options, value=value, visible=self.shown(situation) and len(options) > 1)


@dataclass(frozen=True)
class Switch:
    """Yes or no. For a field that has parts of its own it says whether there are any: they show when it is on."""

    field: str
    shown: Callable[[Situation], bool] = lambda _situation: True

    def make(self, words: Words) -> gr.Checkbox:
        """The component."""
        return gr.Checkbox(label=words(f"field.{self.field}"), info=words(f"field.{self.field}.info"))

    def update(self, situation: Situation) -> Any:
        """What makes the component fit the situation."""
        value = value_of(situation.request, self.field)
        return gr.update(value=value is not None and value is not False, visible=self.shown(situation))


@dataclass(frozen=True)
class Length:
    """How long a video is, in seconds: the lengths that the family makes, with their frames."""

    field: str = "frames"

    def make(self, words: Words) -> gr.Dropdown:
        """The component, as yet without its lengths."""
        return gr.Dropdown([], label=words("field.frames"), info=words("field.frames.info"), visible=False)

    def update(self, situation: Situation) -> Any:
        """The lengths for the family and the frames per second of the request."""
        request, rules = situation.request, situation.family.video
        if rules is None or not request.task.makes_video:
            return gr.update(visible=False)
        counts = {rules.frames_for(half / 2, request.fps) for half in range(1, 2 * LONGEST + 1)}
        counts |= set(rules.nearest(request.frames))
        lengths = [(f"{count / request.fps:.1f} s ({count})", count) for count in sorted(counts)]
        return gr.update(choices=lengths, value=rules.nearest(request.frames)[0], visible=True)


def said(situation: Situation, words: Words) -> str:
    """What a video will really be, in numbers, and the rule of the model that made them so."""
    request, rules = situation.request, situation.family.video
    if rules is None or not request.task.makes_video:
        return ""
    frames = rules.nearest(request.frames)[0]
    facts = {
        "width": request.width,
        "height": request.height,
        "frames": frames,
        "fps": request.fps,
        "seconds": f"{frames / request.fps:.1f}",
    }
    rule = {"family": situation.family.title, "rule": rules.counts, "multiple": situation.family.limits.side_multiple}
    lines = [
        words("video.said", **facts),
        words("video.said.any" if rules.frame_step == 1 else "video.said.rule", **rule),
    ]
    if request.task is Task.EXTEND_VIDEO:
        lines.append(words("video.said.extend" if rules.goes_on_from > 1 else "video.said.extend-picture"))
    return f'<p class="said" role="status">{html.escape(" ".join(lines))}</p>'


def quality_said(situation: Situation, words: Words, times: float | None = None) -> str:
    """What the chosen quality comes to: steps, what they leave out, and how many `times` as fast as Normal it was here."""
    request = situation.request
    if request.task is Task.UPSCALE:
        return ""
    parts = [words("quality.said.steps", steps=request.steps)]
    share = round(100 * work_share(request, situation.family))
    if (wish := request.shortcuts) is not None and share < 100:
        if wish.reuses:
            parts.append(words("quality.said.every", every=wish.every))
        if wish.shortens_guidance:
            bounds = {"start": round(100 * wish.guided_from), "end": round(100 * wish.guided_to)}
            parts.append(words("quality.said.guidance", **bounds))
        parts.append(words("quality.said.share", share=share))
    if times is not None and times > NOTABLE:
        parts.append(words("quality.said.faster", times=f"{times:.1f}"))
    elif times is not None and times < 1 / NOTABLE:
        parts.append(words("quality.said.slower", times=f"{1 / times:.1f}"))
    return ", ".join(parts) + "."


def player(reference: str) -> str:
    """A player for a film of the input store."""
    address = html.escape(f"/easel/inputs/{reference.removeprefix('sha256:')}")
    return f'<video class="given" src="{address}" controls muted loop></video>'


NOTABLE = 1.05  # times as fast; below it nobody would see it
LONGEST = 20  # seconds that the list goes up to, where the family does
Control = Slider | Choice | Switch | Length


def value_of(request: GenerationRequest, field: str, otherwise: Any = None) -> Any:
    """The value of `field`, "steps" or "hires.scale"; `otherwise` where an option is off."""
    found: Any = request
    for name in field.split("."):
        found = getattr(found, name, None)
    return otherwise if found is None else found


def _schedules(situation: Situation) -> list[str]:
    """Those that the family offers and the chosen sampler can follow."""
    sampler = SAMPLER_REGISTRY.samplers.get(situation.request.sampler)
    return [name for name in situation.family.schedulers if name in sampler.schedules]


def _accelerators(situation: Situation) -> list[str]:
    """Those that the family can take and that are installed here."""
    able = {Accelerator.NONE, *situation.family.accelerators}
    return [str(each) for each in possible_accelerators() if each in able]


def _own_size(situation: Situation) -> bool:
    return situation.shape is Shape.OWN


def _makes_video(situation: Situation) -> bool:
    return situation.request.task.makes_video


def _can_be_told_motion(situation: Situation) -> bool:
    return situation.family.video is not None and situation.family.video.motion


CONTROLS: tuple[Control, ...] = (
    Length(),
    Slider("fps", lambda _: 1, lambda family: family.video.max_fps if family.video else 60, lambda _: 1, _makes_video),
    Slider("motion", lambda _: 1, lambda _: 255, lambda _: 1, _can_be_told_motion),
    Choice("video_format", lambda _: tuple(map(str, VideoFormat)), _makes_video),
    Slider("steps", lambda _: 1, lambda family: family.limits.max_steps, lambda _: 1),
    Slider("guidance", lambda _: 0, lambda family: family.limits.max_guidance, lambda _: 0.1),
    Slider(
        "strength", lambda _: 0, lambda _: 1, lambda _: 0.01, lambda situation: situation.request.task.uses_strength
    ),
    Choice("sampler", lambda situation: situation.family.samplers),
    Choice("scheduler", _schedules),
    Choice("accelerator", _accelerators, lambda situation: situation.request.needs_model),
    Slider(
        "clip_skip",
        lambda _: 1,
        lambda family: family.limits.max_clip_skip,
        lambda _: 1,
        lambda situation: situation.family.limits.max_clip_skip > 1,
    ),
    Slider(
        "width",
        lambda family: family.limits.min_side,
        lambda family: family.limits.max_side,
        lambda family: family.limits.side_multiple,
        _own_size,
    ),
    Slider(
        "height",
        lambda family: family.limits.min_side,
        lambda family: family.limits.max_side,
        lambda family: family.limits.side_multiple,
        _own_size,
    ),
)
