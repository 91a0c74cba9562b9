"""What a pass is, and the plain one: text or pictures in, latents out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from engines.errors import UserError
from engines.pipeline.passes.painting import Painting
from engines.types import GenerationRequest, Task

Decode = Callable[[torch.Tensor, GenerationRequest], Any]  # latents that a pipeline made for the request, to a picture
Frame = tuple[tuple[int, int], tuple[int, int, int, int]]  # the whole's size, and the box of the part in it
SEED_STEP = 0x9E3779B9  # the golden ratio of 2**32: seeds of later passes are far from those of the next pictures


@dataclass(frozen=True)
class Pass:
    """One run of a pipeline.

    `request` says what the pipeline is called with; its size is that of this pass. `pictures` gives the pipeline's input
    pictures (image, and mask where the task has one) from what the passes before gave; `carry` turns this pass's latents
    into what the next one gets; `soft_mask` is a latent-sized mask [1, 1, h, w] for soft inpainting. `frame` says which
    part of the whole picture the pass works on; None for all of it.
    """

    request: GenerationRequest
    seed: int
    pictures: Callable[[torch.Tensor], tuple[Any, ...]] = lambda _carried: ()
    carry: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda latents, _carried: latents
    soft_mask: torch.Tensor | None = None
    frame: Frame | None = None

    @property
    def steps(self) -> int:
        """Sampling steps that really run. Raises `UserError("too-few-steps")` when there are none."""
        if not self.request.task.uses_strength:
            return self.request.steps
        steps = min(int(self.request.steps * self.request.strength), self.request.steps)
        if steps < 1:
            raise UserError("too-few-steps", steps=self.request.steps, strength=self.request.strength)
        return steps


def pass_seed(seed: int, number: int) -> int:
    """The seed of pass `number` of a picture with `seed`: its noise is its own, and needs nothing from the pass before."""
    return (seed + number * SEED_STEP) % 2**32


def first_pass(request: GenerationRequest, painting: Painting | None, picture: Any, latent_scale: int) -> Pass:
    """The pass from text, from a picture, or from a picture and a mask."""
    if painting is None:
        return Pass(request, request.seed, lambda _: () if picture is None else (picture,))
    frame = (painting.paste.whole.size, painting.paste.box)
    if not painting.soft:
        return Pass(request, request.seed, lambda _: (painting.picture, painting.mask), frame=frame)
    # Soft inpainting blends by itself, step by step, and wants a pipeline that only knows the picture.
    plain = request.with_(task=Task.IMAGE_TO_IMAGE)
    soft = painting.latent_mask(latent_scale)
    return Pass(plain, request.seed, lambda _: (painting.picture,), soft_mask=soft, frame=frame)
