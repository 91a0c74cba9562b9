"""The passes of a picture, run one after the other, from the one where a stopped run was."""

from __future__ import annotations

from typing import Any

import torch

from engines.pipeline.addons import Addons
from engines.pipeline.arguments import call_arguments
from engines.pipeline.checkpoint import Checkpoint
from engines.pipeline.decode import decode
from engines.pipeline.encode import Conditions
from engines.pipeline.item import Item
from engines.pipeline.latents import LatentSpace, create_space
from engines.pipeline.loaded import LoadedModel
from engines.pipeline.passes import Pass, Plan
from engines.pipeline.passes.soft import SoftBlend
from engines.pipeline.pipelines import Pipelines
from engines.pipeline.preview import Previewer, See
from engines.pipeline.rescue import check_latents
from engines.pipeline.shortcuts import ShortcutHooks
from engines.pipeline.steps import StepHooks
from engines.pipeline.turns import WordTurns
from engines.types import GenerationRequest, Stage


class PassRunner:
    """Runs passes on one loaded model."""

    def __init__(self, model: LoadedModel, pipelines: Pipelines, addons: Addons) -> None:
        self._model, self._pipelines, self._addons = model, pipelines, addons
        self._previewer = Previewer(model.family.latent)
        self.pipe: Any = None  # the one that ran last

    def run(self, plan: Plan, item: Item, start: Checkpoint) -> torch.Tensor:
        """What the last pass gave. `start` is the picture's beginning, or where a stopped run left it."""
        carried = start.carried
        for number, each in list(enumerate(plan.passes))[start.part :]:
            pipe = self.pipeline(each)
            self._addons.use(pipe, item.request, item.ctx)
            item.report(Stage.ENCODE)
            with item.seconds.at(Stage.ENCODE):
                words = self._addons.encode(pipe, each.request)
            if number > start.part:
                start = start.next_part(number, carried)
                start.save(item.ctx.checkpoint)
            with item.seconds.at(Stage.DENOISE):
                steps = (plan.steps_before(number), plan.steps)
                carried = each.carry(self._denoise(pipe, each, words, start, steps, item), carried)
        return carried

    def pipeline(self, one_pass: Pass) -> Any:
        """The pipeline of the pass, its sampler at the beginning."""
        self.pipe = self._pipelines.get(one_pass.request, one_pass.seed)
        return self.pipe

    def decode(self, latents: torch.Tensor, request: GenerationRequest, tiled: bool, notes: list[str]) -> Any:
        """The picture of latents that the pipeline made for `request`; what had to be done is added to `notes`."""
        picture, more = decode(self.pipe, self._space(request), latents, tiled)
        notes += [note for note in more if note not in notes]
        return picture

    def see(self, request: GenerationRequest) -> See:
        """What makes previews of the request's latents."""
        return self._previewer.of(self._space(request))

    def _space(self, request: GenerationRequest) -> LatentSpace:
        model = self._model
        return create_space(model.family.latent.layout, model.parts["vae"], request.width, request.height)

    def _denoise(
        self, pipe: Any, one_pass: Pass, words: Conditions, start: Checkpoint, steps: tuple[int, int], item: Item
    ) -> torch.Tensor:
        """Latents of the pass, from its start or from the checkpoint that a stopped run left.

        `steps` are those of the passes before and of all passes.
        """
        if start.denoised:
            return start.latents
        family, denoisers, ctx = self._model.family, self._model.denoisers, item.ctx
        generator = torch.Generator("cpu").manual_seed(one_pass.seed)
        pictures = one_pass.pictures(start.carried)
        arguments = {**words.arguments, **call_arguments(pipe, family, one_pass.request, pictures), **self._addons.seen}
        soft = SoftBlend(one_pass.soft_mask) if one_pass.soft_mask is not None else None
        see = self.see(one_pass.request)
        hooks = StepHooks(pipe, denoisers, generator, ctx, start, item.count, see, *steps, soft)
        turns = WordTurns(words, denoisers, hooks, getattr(pipe.scheduler, "order", 1))
        shortcuts = ShortcutHooks(one_pass.request, family, denoisers, hooks)
        with shortcuts, hooks, turns, self._addons.controls(pipe, one_pass, pictures, hooks, ctx):
            latents = pipe(**arguments, generator=generator, output_type="latent", return_dict=False)[0]
        check_latents(latents, hooks.calls)
        hooks.checkpoint(latents, denoised=True).save(ctx.checkpoint)
        return latents
