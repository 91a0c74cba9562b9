"""Is the request one that the family can meet? Every refusal names the number and the nearest thing that works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.validate_accelerators import check_accelerated
from app.validate_guides import check_guides
from app.validate_passes import check_passes
from engines.api import (
    REFERENCE_FIELDS,
    SAMPLER_REGISTRY,
    EngineFamily,
    GenerationRequest,
    Task,
    UserError,
    check_encoder,
    picture_size,
    video_facts,
)


def validate(request: GenerationRequest, family: EngineFamily, path_of: Callable[[str], Path] = Path) -> None:
    """Raises `UserError` for the first thing that cannot be met. `path_of` turns an input's reference into its file."""
    _check_task(request, family)
    check_passes(request, family)
    check_accelerated(request, family)
    check_guides(request, family, path_of)
    if request.task is not Task.UPSCALE:
        _check_side("width", request.width, family)
        _check_side("height", request.height, family)
        _check_pixels(request, family)
    limits = family.limits
    _check_range("steps", request.steps, 1, limits.max_steps)
    _check_range("guidance", request.guidance, 0, limits.max_guidance)
    _check_range("count", request.count, 1, limits.max_count)
    _check_range("clip_skip", request.clip_skip, 1, limits.max_clip_skip)
    _check_sampler(request, family)
    _check_references(request, family, path_of)
    if request.task.makes_video:
        _check_video(request, family)
        _check_video_inputs(request, family, path_of)
    else:
        _check_inputs(request, path_of)


def _check_task(request: GenerationRequest, family: EngineFamily) -> None:
    if request.task is Task.UPSCALE:
        return
    if request.task not in family.pipelines:
        tasks = [str(task) for task in family.tasks]
        raise UserError("task-unsupported", task=str(request.task), family=family.title, tasks=tasks)


def _check_side(name: str, value: int, family: EngineFamily) -> None:
    limits = family.limits
    multiple = limits.side_multiple
    below = max(limits.min_side, min(value, limits.max_side) // multiple * multiple)
    above = min(limits.max_side, max(limits.min_side, -(-value // multiple) * multiple))
    if value == below:
        return
    raise UserError(
        "size-not-allowed",
        side=name,
        value=value,
        family=family.title,
        low=limits.min_side,
        high=limits.max_side,
        multiple=multiple,
        nearest=" or ".join(map(str, sorted({below, above}))),
    )


def _check_pixels(request: GenerationRequest, family: EngineFamily) -> None:
    pixels = request.width * request.height
    if pixels > family.limits.pixels(request.task):
        raise UserError(
            "too-many-pixels",
            width=request.width,
            height=request.height,
            pixels=round(pixels / 1e6, 2),
            limit=round(family.limits.pixels(request.task) / 1e6, 2),
            family=family.title,
        )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError("value-out-of-range", field=name, value=value, low=low, high=f"{high:g}")


def _check_sampler(request: GenerationRequest, family: EngineFamily) -> None:
    sampler = SAMPLER_REGISTRY.samplers.get(request.sampler)
    schedule = SAMPLER_REGISTRY.schedules.get(request.scheduler)
    if sampler.key not in family.samplers:
        raise UserError(
            "sampler-not-for-family", sampler=sampler.key, family=family.title, supported=list(family.samplers)
        )
    if schedule.key not in sampler.schedules:
        raise UserError(
            "schedule-not-for-sampler",
            sampler=sampler.key,
            scheduler=schedule.key,
            supported=list(sampler.schedules),
        )


def _check_references(request: GenerationRequest, family: EngineFamily, path_of: Callable[[str], Path]) -> None:
    """Pictures beside the one that is edited: as many as the family looks at, and for edits alone."""
    given = [value for name in REFERENCE_FIELDS if (value := getattr(request, name)) is not None]
    room = family.limits.max_references - 1 if request.task is Task.EDIT else 0
    if len(given) > room:
        raise UserError("references-too-many", family=family.title, task=str(request.task), given=len(given), room=room)
    for value in given:
        picture_size(path_of(value))


def _check_video(request: GenerationRequest, family: EngineFamily) -> None:
    rules = family.video
    if rules is None:
        return
    if not rules.allows(request.frames):
        nearest = rules.nearest(request.frames)
        raise UserError(
            "frames-not-allowed",
            frames=request.frames,
            family=family.title,
            rule=rules.counts,
            low=rules.min_frames,
            high=rules.max_frames,
            nearest=" or ".join(f"{count} ({count / request.fps:.1f} s)" for count in nearest),
        )
    _check_range("fps", request.fps, 1, rules.max_fps)
    check_encoder(request.video_format)


def _check_video_inputs(request: GenerationRequest, family: EngineFamily, path_of: Callable[[str], Path]) -> None:
    if request.task.needs_image:
        if request.init_image is None:
            raise UserError("init-image-needed", task=str(request.task))
        picture_size(path_of(request.init_image))
    if request.last_image is not None:
        if family.video is None or not family.video.last_image or not request.task.needs_image:
            raise UserError("last-image-not-possible", family=family.title, task=str(request.task))
        picture_size(path_of(request.last_image), "last-image")
    elif family.video is not None and family.video.needs_last_image and request.task.needs_image:
        raise UserError("last-image-needed", family=family.title)
    if request.task.needs_video:
        if request.init_video is None:
            raise UserError("init-video-needed", task=str(request.task))
        if request.task.uses_strength and int(request.steps * request.strength) < 1:
            raise UserError("too-few-steps", steps=request.steps, strength=request.strength)
        _check_length(request, path_of(request.init_video))


def _check_length(request: GenerationRequest, path: Path) -> None:
    """A video to start from must be as long as what is made of it: frames are not invented."""
    found = video_facts(path)
    if found.frames < 1 or (request.task.uses_strength and found.frames < request.frames):
        raise UserError("init-video-too-short", path=str(path), found=found.frames, frames=request.frames)


def _check_inputs(request: GenerationRequest, path_of: Callable[[str], Path]) -> None:
    if not request.task.needs_image:
        return
    if request.init_image is None:
        raise UserError("init-image-needed", task=str(request.task))
    redrawn = request.task.uses_strength or request.tiles is not None
    if redrawn and int(request.steps * request.strength) < 1:
        raise UserError("too-few-steps", steps=request.steps, strength=request.strength)
    size = picture_size(path_of(request.init_image))
    if not request.task.needs_mask:
        return
    if request.mask is None and request.outpaint is not None:
        return
    if request.mask is None:
        raise UserError("mask-needed", task=str(request.task))
    mask_size = picture_size(path_of(request.mask), "mask")
    if mask_size != size:
        raise UserError("mask-size-differs", image_size=_size(size), mask_size=_size(mask_size))


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
