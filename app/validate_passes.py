"""Can the passes of a request be made: second pass, masks, canvas, tiles, upscalers? Every refusal says what would work."""

from __future__ import annotations

from engines.api import (
    EngineFamily,
    GenerationRequest,
    Shortcuts,
    Task,
    UserError,
    check_upscaler,
    families,
    is_upscaler_model,
)

PLAIN = "plain"  # latents that lie in space: they can be enlarged and mixed as they are
UPSCALED_LIMIT = 64_000_000  # pixels; the largest picture that Easel opens again

# The tasks that an option of the request has a meaning for.
OPTION_TASKS = {
    "hires": (Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE),
    "masking": (Task.INPAINT,),
    "outpaint": (Task.INPAINT,),
    "tiles": (Task.UPSCALE,),
}


def check_passes(request: GenerationRequest, family: EngineFamily) -> None:
    """Raises `UserError` for the first thing that cannot be met."""
    _check_places(request)
    if request.masking is not None and request.masking.soft:
        _check_can_redraw(family)
        if family.latent.layout != PLAIN:
            raise UserError("soft-inpaint-not-for-model")
    if request.shortcuts is not None:
        _check_shortcuts(request.shortcuts, family)
    if request.hires is not None:
        _check_hires(request, family)
    if request.outpaint is not None:
        _check_outpaint(request, family)
    if request.task is Task.UPSCALE:
        _check_upscale(request, family)


def _check_places(request: GenerationRequest) -> None:
    """Options that would be passed over in silence are refused: they belong to another task."""
    for name, tasks in OPTION_TASKS.items():
        if getattr(request, name) is not None and request.task not in tasks:
            raise UserError(
                "option-not-for-task", option=name, task=str(request.task), tasks=[str(each) for each in tasks]
            )


def _check_shortcuts(wish: Shortcuts, family: EngineFamily) -> None:
    if wish.reuses and family.cache is None:
        able = [each.title for each in families() if each.cache is not None]
        raise UserError("cache-not-for-model", family=family.title, families=able)
    if wish.shortens_guidance and not family.guidance.together:
        able = [each.title for each in families() if each.guidance.together]
        raise UserError("guidance-interval-not-for-model", family=family.title, families=able)


def _check_hires(request: GenerationRequest, family: EngineFamily) -> None:
    assert request.hires is not None
    if not is_upscaler_model(request.hires.upscaler):  # files are looked for by `app.addons`
        check_upscaler(request.hires.upscaler, latent=family.latent.layout == PLAIN)
    _check_can_redraw(family)
    scale, limits = request.hires.scale, family.limits
    sides = [round(side * scale) for side in (request.width, request.height)]
    if max(sides) > limits.max_side or sides[0] * sides[1] > limits.max_pixels:
        raise UserError(
            "hires-too-large",
            width=sides[0],
            height=sides[1],
            family=family.title,
            side=limits.max_side,
            limit=round(limits.max_pixels / 1e6, 2),
        )


def _check_outpaint(request: GenerationRequest, family: EngineFamily) -> None:
    out = request.outpaint
    assert out is not None
    if not any((out.left, out.right, out.top, out.bottom)):
        raise UserError("outpaint-nothing")
    if request.masking is not None and request.masking.only_masked:
        raise UserError("outpaint-only-masked")
    inner = (request.width - out.left - out.right, request.height - out.top - out.bottom)
    if min(inner) < family.limits.side_multiple:
        raise UserError("outpaint-too-wide", width=request.width, height=request.height, inner=f"{inner[0]}x{inner[1]}")


def _check_upscale(request: GenerationRequest, family: EngineFamily) -> None:
    if not is_upscaler_model(request.upscaler):
        check_upscaler(request.upscaler)
    if request.width * request.height > UPSCALED_LIMIT:
        pixels = round(request.width * request.height / 1e6, 1)
        raise UserError("upscale-too-large", width=request.width, height=request.height, pixels=pixels, limit=64)
    if request.count != 1:
        raise UserError("value-out-of-range", field="count", value=request.count, low=1, high=1)
    if request.tiles is not None:
        _check_can_redraw(family)


def _check_can_redraw(family: EngineFamily) -> None:
    if Task.IMAGE_TO_IMAGE not in family.pipelines:
        tasks = [str(task) for task in family.tasks]
        raise UserError("task-unsupported", task=str(Task.IMAGE_TO_IMAGE), family=family.title, tasks=tasks)
