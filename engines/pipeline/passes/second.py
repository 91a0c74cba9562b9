"""The second pass: the first one's picture enlarged, as latents or as pixels, and drawn again from there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import torch

from engines.options import Hires
from engines.pipeline.passes.base import Decode, Pass, pass_seed
from engines.prompt import after_pass
from engines.types import GenerationRequest, Task
from engines.upscalers import LATENT_FILTERS

MOST_STEPS = 1000  # training steps of the models: no schedule has more


def second_pass(
    request: GenerationRequest,
    hires: Hires,
    multiple: int,
    decode: Decode,
    enlarge: Callable[[Any, tuple[int, int]], Any],
) -> Pass:
    """The pass after the first one of `request`; `enlarge` is the pixel upscaler, `decode` gives it its picture."""
    width, height = hires_size(request.width, request.height, hires.scale, multiple)
    larger = request.with_(
        task=Task.IMAGE_TO_IMAGE,
        width=width,
        height=height,
        steps=steps_to_ask_for(hires.steps or request.steps, hires.strength),
        strength=hires.strength,
        hires=None,
        prompt=after_pass(request.prompt, request.steps_run),
        negative_prompt=after_pass(request.negative_prompt, request.steps_run),
    )

    def pictures(carried: torch.Tensor) -> tuple[Any, ...]:
        if hires.upscaler in LATENT_FILTERS:
            factor = carried.shape[-1] / request.width
            return (enlarge_latents(carried, round(width * factor), round(height * factor), hires.upscaler),)
        return (enlarge(decode(carried, request), (width, height)),)

    return Pass(larger, pass_seed(request.seed, 1), pictures)


def hires_size(width: int, height: int, scale: float, multiple: int) -> tuple[int, int]:
    """The second pass's size: scaled, in multiples of `multiple`, never smaller than the first."""
    sides = (max(side, round(side * scale / multiple) * multiple) for side in (width, height))
    return tuple(sides)  # pyright: ignore


def steps_to_ask_for(steps: int, strength: float) -> int:
    """The number that makes a pipeline run `steps` steps at `strength`: it runs int(number * strength) of them.

    At low strengths the schedule would have more steps than the model was trained with; it stops there.
    """
    return next(number for number in count(steps) if int(number * strength) >= steps or number >= MOST_STEPS)


def enlarge_latents(latents: torch.Tensor, width: int, height: int, name: str) -> torch.Tensor:
    """Latents [1, C, h, w] in another size, by the filter called `name`."""
    mode, antialias = LATENT_FILTERS[name]
    options: dict[str, Any] = {"antialias": antialias} if mode in ("bilinear", "bicubic") else {}
    enlarged = torch.nn.functional.interpolate(latents.float(), size=(height, width), mode=mode, **options)
    return enlarged.to(latents.dtype)
