"""The engine of pictures: one model resident, pictures one after the other, each the same alone or in a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from engines.family import EngineFamily
from engines.interface import RunContext
from engines.pipeline.accelerate import Accelerators
from engines.pipeline.addons import Addons
from engines.pipeline.ahead import Ahead
from engines.pipeline.checkpoint import Checkpoint, checkpoint_key, resumed
from engines.pipeline.encode import text_notes
from engines.pipeline.item import Item
from engines.pipeline.loaded import LoadedModel
from engines.pipeline.model_engine import ModelEngine
from engines.pipeline.pass_runner import PassRunner
from engines.pipeline.passes import make_plan
from engines.pipeline.picture_files import finished_before, save
from engines.pipeline.pipelines import Pipelines
from engines.pipeline.rescue import made_or_rescued
from engines.pipeline.spent import Spent
from engines.types import Artifact, GenerationRequest, Stage

BATCHED = "denoised together with others; alone it is the same to within rounding"


class PictureMaker:
    """Implements `Maker` for pictures: the passes, then the decode, then the file."""

    def __init__(self, model: LoadedModel) -> None:
        for denoiser in model.denoisers if model.family.denoiser_facts else ():
            denoiser.register_to_config(**model.family.denoiser_facts)  # pyright: ignore
        self.model = model
        self.pipelines = Pipelines(model)
        self.addons = Addons(model)
        self.passes = PassRunner(model, self.pipelines, self.addons)
        self._ahead = Ahead(model, self.passes, self.addons)
        self._accelerators = Accelerators(lambda: self.addons.loras.state)

    @property
    def facts(self) -> dict[str, str]:
        """See `Maker.facts`."""
        return {**self.model.facts, **self._accelerators.facts}

    @contextmanager
    def job(self, request: GenerationRequest, ctx: RunContext, seconds: Spent) -> Iterator[None]:
        """See `Maker.job`: the request's VAE in its place, and its accelerator."""
        self._ahead.forget()
        self.addons.use_vae(request, ctx, self.pipelines.all())
        with self._accelerators.use(request.accelerator, self.model.denoisers, self.model.placement, ctx):
            yield
        seconds.move(self._accelerators.seconds, Stage.DENOISE, Stage.LOAD)

    def make(self, request: GenerationRequest, item: Item) -> Artifact:
        """See `Maker.make`."""
        self._ahead.denoise(request, item)
        if (found := finished_before(item)) is not None:
            return found
        make, forget = partial(self._made, item), self.addons.encodings.clear
        return made_or_rescued(self.model, item.ctx, make, lambda: self.addons.guides.modules, forget)

    def _made(self, item: Item, done: tuple[str, ...] = ()) -> Artifact:
        """The picture in its file. `done` are notes on what was done before."""
        notes = [*done, *([BATCHED] if item.index in self._ahead else [])]
        start = self._start(item)
        family = self.model.family
        plan = make_plan(
            item.request,
            family,
            item.ctx,
            lambda latents, made_for: self.passes.decode(latents, made_for, start.tiled, notes),
        )
        carried = self.passes.run(plan, item, start)
        item.ctx.check_cancelled()
        item.report(Stage.DECODE)
        with item.seconds.at(Stage.DECODE):
            picture = plan.finish(carried)
        item.report(Stage.SAVE)
        with item.seconds.at(Stage.SAVE):
            said = (*item.ctx.notes, *text_notes(self.passes.pipe, family, item.request), *notes)
            return save(picture, item, self.model.record, self.addons.hashes(item.request), self.facts, said)

    def _start(self, item: Item) -> Checkpoint:
        """Where the picture begins: at nothing, at latents that were made ahead, or where a stopped run left it."""
        found = [(name, path.stat()) for name, path in sorted(item.ctx.files.items()) if path.is_file()]
        files = [(name, facts.st_size, facts.st_mtime_ns) for name, facts in found]
        key = checkpoint_key(item.request, self.model.key(f" {files}"))
        tiled, nothing = self.model.tiled(item.ctx), torch.empty(0)
        if item.index in self._ahead:
            return Checkpoint(key, item.index, 0, True, self._ahead.take(item.index), nothing, tiled=tiled)
        begun = Checkpoint(key, item.index, 0, False, nothing, nothing, tiled=tiled)
        return resumed(item.ctx.checkpoint, begun, self.model.placement.device)


class DiffusersEngine(ModelEngine[PictureMaker]):
    """Implements `EngineInterface` for families whose pictures are made by diffusers pipelines."""

    def __init__(self, family: EngineFamily) -> None:
        super().__init__(family, PictureMaker)
