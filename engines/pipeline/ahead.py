"""Pictures denoised together. Each has its own generator, so that it is the picture of its own seed to within rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch

from engines.family import EngineFamily
from engines.interface import RunContext
from engines.pipeline.arguments import call_arguments
from engines.pipeline.checkpoint import Checkpoint
from engines.pipeline.encode import Conditions
from engines.pipeline.preview import See
from engines.pipeline.rescue import check_latents
from engines.pipeline.shortcuts import ShortcutHooks
from engines.pipeline.steps import StepHooks
from engines.pipeline.turns import WordTurns
from engines.types import GenerationRequest, Task


def together(request: GenerationRequest, family: EngineFamily, first: int) -> list[GenerationRequest]:
    """The pictures from `first` on that can be denoised together; none where only one at a time is possible.

    It takes plain text to image with the same words, and a family whose words come as embeddings of one length.
    """
    last = min(first + request.batch, request.count)
    group = [request.image(index) for index in range(first, last)]
    plain = request.task is Task.TEXT_TO_IMAGE and request.hires is None and family.text.weights
    alike = len({(each.prompt, each.negative_prompt) for each in group}) == 1
    plain = plain and not request.ip_adapters
    return group if plain and alike and len(group) > 1 else []


def denoise_together(
    pipe: Any,
    family: EngineFamily,
    group: Sequence[GenerationRequest],
    first: int,
    images: int,
    conditions: Conditions,
    denoisers: Sequence[torch.nn.Module],
    see: See,
    ctx: RunContext,
    controls: Callable[[StepHooks], AbstractContextManager[None]],
) -> list[torch.Tensor]:
    """The latents of each picture, [1, C, h, w]. There are no checkpoints on the way: a batch that is stopped begins anew."""
    generators = [torch.Generator("cpu").manual_seed(each.seed) for each in group]
    start = Checkpoint("", first, 0, False, torch.empty(0), torch.empty(0))
    quiet = replace(ctx, checkpoint_every=math.inf)
    hooks = StepHooks(
        pipe, denoisers, generators[0], quiet, start, images, lambda latents, path: see(latents[:1], path)
    )
    arguments = {**conditions.arguments, **call_arguments(pipe, family, group[0], ())}
    words = WordTurns(conditions, denoisers, hooks, getattr(pipe.scheduler, "order", 1))
    with ShortcutHooks(group[0], family, denoisers, hooks), hooks, words, controls(hooks):
        latents = pipe(
            **arguments,
            num_images_per_prompt=len(group),
            generator=generators,
            output_type="latent",
            return_dict=False,
        )[0]
    check_latents(latents, hooks.calls)
    return list(latents.split(1))
