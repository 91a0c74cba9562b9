"""The engine of videos: one model resident, videos one after the other, written to their file while they are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch

from engines.family import EngineFamily
from engines.interface import RunContext
from engines.media.video_write import Sound
from engines.pipeline.accelerate import Accelerators
from engines.pipeline.decode import AS_PLANNED
from engines.pipeline.item import Item
from engines.pipeline.loaded import LoadedModel
from engines.pipeline.model_engine import ModelEngine
from engines.pipeline.rescue import made_or_rescued
from engines.pipeline.spent import Spent
from engines.pipeline.video_decode import FrameSink, decode_video
from engines.pipeline.video_denoise import Denoised, VideoDenoiser
from engines.pipeline.video_extend import LeadIn
from engines.pipeline.video_file import VideoFile, finished, finished_before, tags_of
from engines.types import Artifact, GenerationRequest, Stage, Task
from engines.video_rules import VideoRules


class VideoMaker:
    """Implements `Maker` for videos: denoised, then decoded into the file.

    What is to be decoded is kept on disk until the file is in its place, so that a killed or failed decode goes on from there.
    """

    def __init__(self, model: LoadedModel) -> None:
        assert model.family.video is not None, "the registry gives this engine to families that make videos"
        self.model = model
        self._rules: VideoRules = model.family.video
        self._accelerators = Accelerators(lambda: ())
        self._denoiser = VideoDenoiser(model, self._accelerators)

    @property
    def facts(self) -> dict[str, str]:
        """See `Maker.facts`."""
        return {**self.model.facts, **self._accelerators.facts}

    def job(self, request: GenerationRequest, ctx: RunContext, seconds: Spent) -> AbstractContextManager[None]:
        """See `Maker.job`: nothing is the same for all videos of a job."""
        return nullcontext()

    def make(self, request: GenerationRequest, item: Item) -> Artifact:
        """See `Maker.make`."""
        if (found := finished_before(item)) is not None:
            return found
        return made_or_rescued(self.model, item.ctx, partial(self._made, item))

    def _made(self, item: Item, done: tuple[str, ...] = ()) -> Artifact:
        """The video in its place. `done` are notes on what was done before."""
        denoised = self._denoiser.denoise(item)
        item.ctx.check_cancelled()
        item.report(Stage.DECODE, 0, item.request.frames)
        with item.seconds.at(Stage.DECODE):
            file, notes = self._decoded(item, denoised)
            notes = (*item.ctx.notes, *done, *notes)
        item.report(Stage.SAVE)
        with item.seconds.at(Stage.SAVE):
            file.finish(self._tags(item, notes) if notes else None)
        item.ctx.checkpoint.unlink(missing_ok=True)
        return finished(item, notes)

    def _decoded(self, item: Item, denoised: Denoised) -> tuple[VideoFile, tuple[str, ...]]:
        """The whole video in its file, which is not in its place yet. Stopped or failed, the file ends where it is."""
        ctx, vae = item.ctx, self.model.parts["vae"]
        going_on = item.request.task is Task.EXTEND_VIDEO
        lead = LeadIn(ctx.inputs["init_video"], item.request, self._rules) if going_on else None
        sound = self._sound(denoised.sound)
        file = VideoFile(item, self._tags(item), lead.sound(sound) if lead is not None else sound, lead)

        def on_frames(frames: Any) -> None:
            file.write(frames)
            item.report(Stage.DECODE, file.made, item.request.frames)

        sink = FrameSink(on_frames, ctx.check_cancelled)
        try:
            with _stopping(vae, ctx):
                notes = decode_video(
                    vae, denoised.given, self._rules.decode, sink, self._rules.frame_step, denoised.tiled
                )
        except BaseException:
            file.close()
            raise
        planned = (AS_PLANNED,) if denoised.tiled else ()
        return file, (*planned, *notes, *(lead.notes if lead is not None else ()))

    def _sound(self, samples: torch.Tensor | None) -> Sound | None:
        if samples is None:
            return None
        rate = self.model.parts["vocoder"].config.output_sampling_rate
        return Sound(samples.numpy(), rate)

    def _tags(self, item: Item, notes: tuple[str, ...] = ()) -> dict[str, str]:
        return tags_of(item, self.model.record, self.facts, notes)


class VideoEngine(ModelEngine[VideoMaker]):
    """Implements `EngineInterface` for families with `VideoRules`, whose work is done by diffusers pipelines."""

    def __init__(self, family: EngineFamily) -> None:
        super().__init__(family, VideoMaker)


@contextmanager
def _stopping(vae: torch.nn.Module, ctx: RunContext) -> Iterator[None]:
    """While the block runs, Stop is looked for before each block of the decoder."""
    lists = (module for module in vae.modules() if isinstance(module, torch.nn.ModuleList))
    blocks = (block for each in lists for block in each if block is not None)  # None: a block that is left out
    hooks = [block.register_forward_pre_hook(lambda *_: ctx.check_cancelled()) for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
