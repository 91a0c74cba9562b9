"""What a video pipeline is called with: the request's values under the names that the pipeline knows."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from engines import media
from engines.errors import UserError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.media.video_read import read_frames
from engines.pipeline.video_extend import LeadIn
from engines.types import GenerationRequest, Task

# Field of the request to argument of the pipeline; passed where the pipeline has it.
NAMES = {
    "negative_prompt": ("negative_prompt",),
    "width": ("width",),
    "height": ("height",),
    "frames": ("num_frames",),
    "fps": ("frame_rate", "fps"),
    "steps": ("num_inference_steps",),
    "motion": ("motion_bucket_id",),
    "strength": ("strength",),
}


def video_arguments(pipe: Any, family: EngineFamily, request: GenerationRequest, ctx: RunContext) -> dict[str, Any]:
    """The arguments by name: words, numbers, pictures, and the family's own. Raises `UserError` for bad pictures."""
    known = inspect.signature(type(pipe).__call__).parameters
    values = {name: getattr(request, field) for field, names in NAMES.items() for name in names if name in known}
    if not request.task.uses_strength:
        values.pop("strength", None)  # where it means another thing
    if "prompt" in known:
        values["prompt"] = request.prompt
    if family.guidance.argument is not None:
        values[family.guidance.argument] = request.guidance
    if "decode_chunk_size" in known:
        values["decode_chunk_size"] = request.frames  # all at once: the decoder's input is taken, not decoded
    task_arguments = family.task_arguments.get(request.task, {})
    given = _pictures(family, request, ctx)
    return {
        **values,
        **(_conditions(pipe, given, request) if "conditions" in known else given),
        **family.call_arguments,
        **task_arguments,
    }


def _pictures(family: EngineFamily, request: GenerationRequest, ctx: RunContext) -> Mapping[str, Any]:
    size = (request.width, request.height)
    found: dict[str, Any] = {}
    if request.task.needs_image:
        found["image"] = media.fit(media.open_image(ctx.inputs["init_image"]), size)
    if request.last_image is not None:
        found["last_image"] = media.fit(media.open_image(ctx.inputs["last_image"]), size)
    if request.task is Task.EXTEND_VIDEO:
        assert family.video is not None
        found["image"] = LeadIn(ctx.inputs["init_video"], request, family.video).last()
        if family.video.goes_on_from == 1:
            (found["image"],) = found["image"]
    elif request.task.needs_video:
        if int(request.steps * request.strength) < 1:
            raise UserError("too-few-steps", steps=request.steps, strength=request.strength)
        frames = read_frames(ctx.inputs["init_video"], request.frames)
        found["video"] = [media.fit(frame, size) for frame in frames]
    return found


def _conditions(pipe: Any, given: Mapping[str, Any], request: GenerationRequest) -> Mapping[str, Any]:
    """The pictures as frames of the video: the first ones, and the last."""
    first, last = given.get("image"), given.get("last_image")
    place = sys.modules[type(pipe).__module__]
    if (made := getattr(place, "LTX2VideoCondition", None)) is not None:
        found = [made(frames=each, index=at) for each, at in ((first, 0), (last, -1)) if each is not None]
        return {"conditions": found}
    made, found = place.LTXVideoCondition, []
    if first is not None:
        found.append(made(**{"video" if isinstance(first, list) else "image": first}, frame_index=0))
    if last is not None:
        found.append(made(image=last, frame_index=request.frames - 1))
    return {"conditions": found} if found else {}
