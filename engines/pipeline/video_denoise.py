"""A video denoised: the pipeline runs whole, words included, up to its decoder; what it would decode is kept on disk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from engines.pipeline.accelerate import Accelerators
from engines.pipeline.checkpoint import Checkpoint, checkpoint_key, resumed
from engines.pipeline.item import Item
from engines.pipeline.loaded import LoadedModel
from engines.pipeline.pipelines import Pipelines
from engines.pipeline.rescue import check_latents
from engines.pipeline.shortcuts import ShortcutHooks
from engines.pipeline.spent import Spent
from engines.pipeline.video_arguments import video_arguments
from engines.pipeline.video_capture import capture_decoder_input, finished_checkpoint, from_checkpoint
from engines.pipeline.video_decode import DecoderInput
from engines.pipeline.video_preview import VideoPreviewer
from engines.pipeline.video_steps import VideoSteps
from engines.runtime import begin_peak, stage_peak
from engines.types import GenerationRequest, Stage


@dataclass(frozen=True)
class Denoised:
    """What is left to decode: latents, the sound's samples [channels, n] where there is some, and whether in tiles."""

    given: DecoderInput
    sound: torch.Tensor | None
    tiled: bool


class VideoDenoiser:
    """Runs the pipelines of one loaded model. `accelerators` are asked for each video's own wish."""

    def __init__(self, model: LoadedModel, accelerators: Accelerators) -> None:
        self._model, self._accelerators = model, accelerators
        self._pipelines = Pipelines(model)
        self._previewer = VideoPreviewer(model.parts["vae"], model.family.latent)

    def denoise(self, item: Item) -> Denoised:
        """The item's video from the start, or from the checkpoint that a stopped run left."""
        generator = torch.Generator("cpu").manual_seed(item.request.seed)
        start = self._start(item, generator)
        if start.denoised:
            return Denoised(*from_checkpoint(start), start.tiled)
        item.report(Stage.ENCODE)
        pipe = self._pipeline(item.request)
        arguments = video_arguments(pipe, self._model.family, item.request, item.ctx)
        started = time.perf_counter()
        steps = self._steps(pipe, item, start, generator)
        denoisers, wish = self._denoisers(pipe), item.request.accelerator
        shortcuts = ShortcutHooks(item.request, self._model.family, denoisers, steps)
        faster = self._accelerators.use(wish, denoisers, self._model.placement, item.ctx)
        with faster, shortcuts, steps, capture_decoder_input(pipe.vae) as taken:
            begin_peak()
            item.seconds.stage = Stage.DENOISE  # the words are read inside
            made = pipe(**arguments, generator=generator, output_type="pt", return_dict=False)
        _count(item.seconds, started, steps.began or started, self._accelerators.seconds)
        check_latents(taken[0].latents, steps.calls)
        sound = made[1].detach().float().cpu()[0] if self._has_sound else None
        finished_checkpoint(start, steps.calls, taken[0], sound).save(item.ctx.checkpoint)
        return Denoised(taken[0], sound, start.tiled)

    def _start(self, item: Item, generator: torch.Generator) -> Checkpoint:
        key, nothing = checkpoint_key(item.request, self._model.key()), torch.empty(0)
        begun = Checkpoint(key, item.index, 0, False, nothing, generator.get_state(), tiled=self._model.tiled(item.ctx))
        return resumed(item.ctx.checkpoint, begun, self._model.placement.device)

    def _pipeline(self, request: GenerationRequest) -> Any:
        pipe = self._pipelines.get(request, request.seed)
        if (guider := getattr(pipe, "guider", None)) is not None:
            pipe.guider = guider.new(guidance_scale=request.guidance)
        return pipe

    def _steps(self, pipe: Any, item: Item, start: Checkpoint, generator: torch.Generator) -> VideoSteps:
        request, ctx = item.request, item.ctx

        def see(latents: torch.Tensor, step: int) -> Any:
            path = ctx.staging / f"preview-{item.index}-{step}.webp"
            return self._previewer.save(latents, (request.width, request.height), path)

        parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
        return VideoSteps(
            pipe,
            self._denoisers(pipe),
            parts,
            lambda: self._pipelines.scheduler(request, request.seed),
            generator,
            ctx,
            start,
            item.count,
            see,
        )

    def _denoisers(self, pipe: Any) -> list[torch.nn.Module]:
        """The pipeline's own: one may have been built from several parts."""
        names = (self._model.family.denoiser, self._model.family.second_denoiser)
        return [found for name in names if name and (found := getattr(pipe, name, None)) is not None]

    @property
    def _has_sound(self) -> bool:
        return self._model.family.video is not None and self._model.family.video.sound


def _count(seconds: Spent, started: float, began: float, prepared: float) -> None:
    """What came before the first step counts as encoding, and what an accelerator `prepared` as loading."""
    seconds[Stage.ENCODE] = seconds.get(Stage.ENCODE, 0.0) + began - started
    seconds[Stage.DENOISE] = seconds.get(Stage.DENOISE, 0.0) + time.perf_counter() - began
    seconds.move(prepared, Stage.DENOISE, Stage.LOAD)
    if peak := stage_peak():
        seconds.peaks[str(Stage.DENOISE)] = max(seconds.peaks.get(str(Stage.DENOISE), 0), peak)
