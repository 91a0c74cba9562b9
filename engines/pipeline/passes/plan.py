"""From a request to its passes, and from what the last one gave to the finished picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from engines import media
from engines.errors import UserError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.pipeline.arguments import edit_pictures
from engines.pipeline.enlarge import enlarge
from engines.pipeline.passes.base import Decode, Pass, first_pass
from engines.pipeline.passes.painting import Painting, prepare_painting
from engines.pipeline.passes.second import second_pass
from engines.pipeline.passes.tiled import tile_passes
from engines.types import GenerationRequest, Task


@dataclass(frozen=True)
class Plan:
    """The passes in their order, and `finish`, which makes the picture (RGB) of what the last one left."""

    passes: tuple[Pass, ...]
    finish: Callable[[torch.Tensor], Any]

    @property
    def steps(self) -> int:
        """Sampling steps of all passes."""
        return sum(each.steps for each in self.passes)

    def steps_before(self, number: int) -> int:
        """Sampling steps of the passes before `number`."""
        return sum(each.steps for each in self.passes[:number])


def make_plan(
    request: GenerationRequest,
    family: EngineFamily,
    ctx: RunContext,
    decode: Decode,
) -> Plan:
    """The passes of one picture. Raises `UserError` for pictures that cannot be read."""
    if request.task is Task.UPSCALE:
        return _tiled_plan(request, family, ctx, decode)
    painting = prepare_painting(request, ctx) if request.task.needs_mask else None
    passes = [first_pass(request, painting, _picture(request, family, ctx), family.latent.scale)]
    if request.hires is not None:
        larger = partial(enlarge, name=request.hires.upscaler, ctx=ctx)
        passes.append(second_pass(request, request.hires, family.limits.side_multiple, decode, larger))
    return Plan(tuple(passes), partial(_finish, decode, passes[-1].request, painting))


def _finish(decode: Decode, request: GenerationRequest, painting: Painting | None, latents: torch.Tensor) -> Any:
    picture = decode(latents, request)
    return painting.paste.put(picture) if painting is not None else picture


def _tiled_plan(request: GenerationRequest, family: EngineFamily, ctx: RunContext, decode: Decode) -> Plan:
    from PIL import Image

    if request.tiles is None:
        raise UserError("upscale-without-tiles")
    side, overlap = tile_side(request, family), request.tiles.overlap
    canvas = upscaled(request, ctx)
    passes = tile_passes(request, side, min(overlap, side // 2), canvas, decode)
    return Plan(passes, lambda carried: Image.fromarray(carried.cpu().numpy()))


def tile_side(request: GenerationRequest, family: EngineFamily) -> int:
    """The tile's side in pixels: what was asked for, or the family's own size, in its multiples and limits."""
    limits = family.limits
    asked = (request.tiles.side if request.tiles else 0) or min(family.defaults["width"], family.defaults["height"])
    return max(limits.min_side, min(asked, limits.max_side)) // limits.side_multiple * limits.side_multiple


def upscaled(request: GenerationRequest, ctx: RunContext) -> Any:
    """The request's picture enlarged to its size, by its upscaler."""
    picture = media.open_image(ctx.inputs["init_image"])
    return enlarge(picture, (request.width, request.height), name=request.upscaler, ctx=ctx)


def _picture(request: GenerationRequest, family: EngineFamily, ctx: RunContext) -> Any:
    if not request.task.needs_image or request.task.needs_mask:
        return None
    if request.task is Task.EDIT:
        return edit_pictures(family, ctx)
    return media.fit(media.open_image(ctx.inputs["init_image"]), (request.width, request.height))
