"""Pictures denoised together. Each has its own generator, so that it is the picture of its own seed to within rounding."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch

from engines.errors import ResourceError
from engines.family import EngineFamily
from engines.pipeline.addons import Addons
from engines.pipeline.arguments import call_arguments
from engines.pipeline.checkpoint import Checkpoint
from engines.pipeline.encode import Conditions
from engines.pipeline.item import Item
from engines.pipeline.loaded import LoadedModel
from engines.pipeline.pass_runner import PassRunner
from engines.pipeline.passes import Pass
from engines.pipeline.picture_files import picture_path
from engines.pipeline.preview import See
from engines.pipeline.rescue import RESCUED, check_latents
from engines.pipeline.shortcuts import ShortcutHooks
from engines.pipeline.steps import StepHooks
from engines.pipeline.turns import WordTurns
from engines.runtime import is_out_of_memory
from engines.types import GenerationRequest, Stage, Task

log = logging.getLogger(__name__)


class Ahead:
    """Latents of pictures that were denoised together, by index, kept until each one's turn."""

    def __init__(self, model: LoadedModel, passes: PassRunner, addons: Addons) -> None:
        self._model, self._passes, self._addons = model, passes, addons
        self._latents: dict[int, torch.Tensor] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._latents

    def forget(self) -> None:
        """A new job begins."""
        self._latents = {}

    def take(self, index: int) -> torch.Tensor:
        """The latents of picture `index`, which has its turn."""
        return self._latents.pop(index)

    def denoise(self, request: GenerationRequest, item: Item) -> None:
        """Where pictures are to be made together: the latents of this one and the next. None where they do not fit so."""
        group = together(request, self._model.family, item.index) if item.index not in self else []
        if not group or picture_path(item).is_file() or item.ctx.checkpoint.is_file():
            return
        first = Pass(group[0], group[0].seed)
        pipe = self._passes.pipeline(first)
        if hasattr(pipe.scheduler, "noise_sampler_seed"):
            return  # it draws one noise for all
        self._addons.use(pipe, group[0], item.ctx)
        item.report(Stage.ENCODE)
        with item.seconds.at(Stage.ENCODE):
            words = self._addons.encode(pipe, group[0])
        try:
            with item.seconds.at(Stage.DENOISE):
                made = denoise_together(
                    pipe,
                    self._model.family,
                    group,
                    item,
                    words,
                    self._model.denoisers,
                    self._passes.see(group[0]),
                    lambda hooks: self._addons.controls(pipe, first, (), hooks, item.ctx),
                )
        except ResourceError as error:
            if error.code not in RESCUED:
                raise
            log.warning("pictures=%d broke together, they are made one by one", len(group))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.warning("pictures=%d did not fit in memory together, they are made one by one", len(group))
        else:
            self._latents = dict(enumerate(made, item.index))


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
    item: Item,
    conditions: Conditions,
    denoisers: Sequence[torch.nn.Module],
    see: See,
    controls: Callable[[StepHooks], AbstractContextManager[None]],
) -> list[torch.Tensor]:
    """The latents, [1, C, h, w], of each picture of the group that begins with `item`.

    There are no checkpoints on the way: a batch that is stopped begins anew.
    """
    generators = [torch.Generator("cpu").manual_seed(each.seed) for each in group]
    start = Checkpoint("", item.index, 0, False, torch.empty(0), torch.empty(0))
    quiet = replace(item.ctx, checkpoint_every=math.inf)
    hooks = StepHooks(
        pipe, denoisers, generators[0], quiet, start, item.count, lambda latents, path: see(latents[:1], path)
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
