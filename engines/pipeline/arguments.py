"""What a pipeline is called with beside words and generator: numbers and pictures, under the names that it knows."""

from __future__ import annotations

import inspect
from typing import Any

from engines import media
from engines.errors import UserError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.types import REFERENCE_FIELDS, GenerationRequest

# Pipelines that start from a picture take its size, and not all have a strength: these are passed where they are known.
WHERE_KNOWN = ("width", "height", "strength", "max_area", "intermediate_timesteps")


def call_arguments(
    pipe: Any, family: EngineFamily, request: GenerationRequest, pictures: tuple[Any, ...]
) -> dict[str, Any]:
    """The arguments by name; `pictures` are the one to start from, and a mask. UserError when the strength leaves no step."""
    arguments = {**family.call_arguments, **family.task_arguments.get(request.task, {})}
    arguments |= {"num_inference_steps": request.steps, **_where_known(pipe, request)}
    if family.guidance.argument is not None:
        arguments[family.guidance.argument] = request.guidance
    if not request.task.needs_image:
        return arguments
    if request.task.uses_strength and int(request.steps * request.strength) < 1:
        raise UserError("too-few-steps", steps=request.steps, strength=request.strength)
    return arguments | {"image": pictures[0], **({"mask_image": pictures[1]} if request.task.needs_mask else {})}


def _where_known(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    values: dict[str, Any] = {"width": request.width, "height": request.height}
    values["max_area"] = request.width * request.height  # FLUX Kontext would make a megapixel of any size
    if request.task.uses_strength:
        values["strength"] = request.strength
    if request.steps != 2:  # a sampler for two steps has a place of its own in the middle
        values["intermediate_timesteps"] = None
    known = inspect.signature(type(pipe).__call__).parameters
    return {name: values[name] for name in WHERE_KNOWN if name in values and name in known}


def edit_pictures(family: EngineFamily, ctx: RunContext) -> Any:
    """The picture to change as it is, and where the family looks at several, a list with those to look at behind it."""
    first = media.open_image(ctx.inputs["init_image"])
    if family.limits.max_references == 1:
        return first
    others = [ctx.inputs[name] for name in REFERENCE_FIELDS if name in ctx.inputs]
    return [first, *map(media.open_image, others)]
