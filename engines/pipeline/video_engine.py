"""The video engine: one model resident, videos one after the other, written to their file while they are decoded."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from engines.errors import EaselError, ResourceError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.media.infotext import write_infotext
from engines.media.read import notes_of, read_metadata
from engines.media.record import full_record
from engines.media.video_read import frame_size
from engines.media.video_save_as import save_video_as
from engines.media.video_write import ENCODINGS, Sound, VideoWriter
from engines.pipeline.accelerate import Accelerators
from engines.pipeline.checkpoint import Checkpoint, checkpoint_key, load_checkpoint
from engines.pipeline.decode import AS_PLANNED
from engines.pipeline.keeping import load_kept, plan_for, prepare_pipeline
from engines.pipeline.rescue import RESCUED, check_latents, in_float32, note_of, short_parts
from engines.pipeline.shortcuts import ShortcutHooks
from engines.pipeline.spent import Spent
from engines.pipeline.video_arguments import video_arguments
from engines.pipeline.video_capture import capture_decoder_input, finished_checkpoint, from_checkpoint
from engines.pipeline.video_decode import DecoderInput, FrameSink, decode_video
from engines.pipeline.video_extend import LeadIn
from engines.pipeline.video_preview import VideoPreviewer
from engines.pipeline.video_steps import VideoSteps
from engines.plan import Placement
from engines.records import ModelRecord
from engines.registry import create_pipeline
from engines.runtime import begin_peak, is_out_of_memory, peak_memory, software_facts, stage_peak
from engines.samplers import create_sampler, seed_sampler
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress, Stage, Task, VideoFormat
from engines.video_rules import VideoRules

log = logging.getLogger(__name__)


class VideoEngine:
    """Implements `EngineInterface` for families with `VideoRules`, whose work is done by diffusers pipelines.

    The pipelines run whole, words included, up to their decoder. What they would decode is kept on disk until the file is
    in its place, so that a killed or failed decode goes on from there.
    """

    def __init__(self, family: EngineFamily) -> None:
        self.family = family
        self._record: ModelRecord | None = None
        self._parts: dict[str, Any] = {}
        self._placement: Placement | None = None
        self._pipelines: dict[str, Any] = {}
        self._previewer: VideoPreviewer | None = None
        self._accelerators = Accelerators(lambda: ())
        self._rescuing = False  # whether everything is in float32 for the moment

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """See `EngineInterface.load`."""
        ctx.on_progress(Progress(Stage.LOAD))
        placement = plan_for(record, self.family, ctx).placement
        self._parts = load_kept(record, self.family, placement, ctx.check_cancelled)
        self._record, self._placement = record, placement
        self._previewer = VideoPreviewer(self._parts["vae"], self.family.latent)

    def warm_up(self) -> None:
        """Nothing is left to do: whoever has this class has imported the libraries."""

    def unload(self) -> None:
        """See `EngineInterface.unload`."""
        self.__init__(self.family)

    @torch.inference_mode()
    def generate(self, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """See `EngineInterface.generate`. Peak memory is this process's, graphics memory where there is a card."""
        seconds = Spent()
        artifacts = []
        with _out_of_memory_said_plainly(request, seconds):
            for index in range(ctx.first_image, request.count):
                single = request.with_(seed=request.seed_of(index), count=1)
                artifacts.append(self._video(single, index, request.count, ctx, seconds))
                ctx.on_artifact(artifacts[-1])
        return GenerationResult(tuple(artifacts), dict(seconds), peak_memory(), self._facts(), seconds.peaks)

    def _video(self, request: GenerationRequest, index: int, videos: int, ctx: RunContext, seconds: Spent) -> Artifact:
        path = ctx.staging / f"video-{index:04d}{request.video_format.suffix}"
        if path.is_file():  # finished by a stopped run and not published; it was put there in one step, so it is whole
            return self._artifact(path, request, index, notes_of(read_metadata(path)))
        try:
            return self._attempt(path, request, index, videos, ctx, seconds)
        except ResourceError as error:
            parts = short_parts(self._parts)
            if error.code not in RESCUED or not parts:
                raise
            return self._rescued(error, parts, path, request, index, videos, ctx, seconds)

    def _rescued(
        self,
        error: ResourceError,
        parts: dict[str, Any],
        path: Path,
        request: GenerationRequest,
        index: int,
        videos: int,
        ctx: RunContext,
        seconds: Spent,
    ) -> Artifact:
        """The video once more from its first step, everything in float32. Raises `error` where memory is too small."""
        assert self._placement is not None
        ctx.checkpoint.unlink(missing_ok=True)
        self._rescuing = True
        try:
            with in_float32(parts):
                done = (note_of(error, self._placement.dtype),)
                return self._attempt(path, request, index, videos, ctx, seconds, done)
        except Exception as second:
            if is_out_of_memory(second):
                raise error from second
            raise
        finally:
            self._rescuing = False

    def _attempt(
        self,
        path: Path,
        request: GenerationRequest,
        index: int,
        videos: int,
        ctx: RunContext,
        seconds: Spent,
        done: tuple[str, ...] = (),
    ) -> Artifact:
        given, sound, tiled = self._denoised(request, index, videos, ctx, seconds)
        ctx.check_cancelled()
        ctx.on_progress(Progress(Stage.DECODE, 0, request.frames, index, videos))
        with seconds.at(Stage.DECODE):
            file, notes = self._decode(path, request, given, sound, tiled, index, videos, ctx)
            notes = (*ctx.notes, *done, *notes)
        ctx.on_progress(Progress(Stage.SAVE, image=index, images=videos))
        with seconds.at(Stage.SAVE):
            file.finish(self._tags(request, ctx, notes) if notes else None)
        ctx.checkpoint.unlink(missing_ok=True)
        return self._artifact(path, request, index, notes)

    def _denoised(
        self, request: GenerationRequest, index: int, videos: int, ctx: RunContext, seconds: Spent
    ) -> tuple[DecoderInput, torch.Tensor | None, bool]:
        """What is left to decode, from the start or from the checkpoint that a stopped run left; sound; whether in tiles."""
        generator = torch.Generator("cpu").manual_seed(request.seed)
        start = self._checkpoint(request, index, ctx, generator)
        if start.denoised:
            return *from_checkpoint(start), start.tiled
        ctx.on_progress(Progress(Stage.ENCODE, image=index, images=videos))
        pipe = self._pipeline(request)
        arguments = video_arguments(pipe, self.family, request, ctx)
        started = time.perf_counter()
        steps = VideoSteps(
            pipe,
            self._denoisers(pipe),
            [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)],
            lambda: self._scheduler(request),
            generator,
            ctx,
            start,
            videos,
            lambda latents, step: self._preview(latents, step, index, request, ctx),
        )
        shortcuts = ShortcutHooks(request, self.family, self._denoisers(pipe), steps)
        assert self._placement is not None, "load comes before generate"
        faster = self._accelerators.use(request.accelerator, self._denoisers(pipe), self._placement, ctx)
        with faster, shortcuts, steps, capture_decoder_input(pipe.vae) as taken:
            begin_peak()
            seconds.stage = Stage.DENOISE  # the words are read inside
            made = pipe(**arguments, generator=generator, output_type="pt", return_dict=False)
        began = steps.began or started
        seconds[Stage.ENCODE] = seconds.get(Stage.ENCODE, 0.0) + began - started
        seconds[Stage.DENOISE] = seconds.get(Stage.DENOISE, 0.0) + time.perf_counter() - began
        seconds.move(self._accelerators.seconds, Stage.DENOISE, Stage.LOAD)
        if peak := stage_peak():
            seconds.peaks[str(Stage.DENOISE)] = max(seconds.peaks.get(str(Stage.DENOISE), 0), peak)
        check_latents(taken[0].latents, steps.calls)
        sound = made[1].detach().float().cpu()[0] if self._rules.sound else None
        finished_checkpoint(start, steps.calls, taken[0], sound).save(ctx.checkpoint)
        return taken[0], sound, start.tiled

    def _checkpoint(
        self, request: GenerationRequest, index: int, ctx: RunContext, generator: torch.Generator
    ) -> Checkpoint:
        assert self._record is not None
        key = checkpoint_key(request, f"{self._record.fingerprint}{' float32' * self._rescuing}")
        tiled = ctx.plan.way.tiled if ctx.plan is not None else self._planned_tiles
        found = load_checkpoint(ctx.checkpoint, key, index, self._device)
        if found:
            log.info("resume video=%d calls=%d denoised=%s", index, found.calls, found.denoised)
            return replace(found, tiled=found.tiled or tiled)  # as it was begun, unless memory became less
        return Checkpoint(key, index, 0, False, torch.empty(0), generator.get_state(), tiled=tiled)

    def _decode(
        self,
        path: Path,
        request: GenerationRequest,
        given: DecoderInput,
        sound: torch.Tensor | None,
        tiled: bool,
        index: int,
        videos: int,
        ctx: RunContext,
    ) -> tuple[_File, tuple[str, ...]]:
        """The whole video in its file, which is not in its place yet. Stopped or failed, the file ends where it is."""
        lead = LeadIn(ctx.inputs["init_video"], request, self._rules) if request.task is Task.EXTEND_VIDEO else None
        spoken = lead.sound(self._sound(sound)) if lead is not None else self._sound(sound)
        file = _File(path, request, self._tags(request, ctx), spoken, lead)

        def on_frames(frames: Any) -> None:
            file.write(frames)
            ctx.on_progress(Progress(Stage.DECODE, file.made, request.frames, index, videos))

        sink = FrameSink(on_frames, ctx.check_cancelled)
        check = [
            each.register_forward_pre_hook(lambda *_: ctx.check_cancelled()) for each in _blocks(self._parts["vae"])
        ]
        try:
            notes = decode_video(self._parts["vae"], given, self._rules.decode, sink, self._rules.frame_step, tiled)
        except BaseException:
            file.close()
            raise
        finally:
            for hook in check:
                hook.remove()
        planned = (AS_PLANNED,) if tiled else ()
        return file, (*planned, *notes, *(lead.notes if lead is not None else ()))

    def _pipeline(self, request: GenerationRequest) -> Any:
        scheduler = self._scheduler(request)
        if request.task not in self._pipelines:
            parts = {**self._parts, "scheduler": scheduler}
            self._pipelines[request.task] = create_pipeline(self.family, request.task, parts)
            self._pipelines[request.task].set_progress_bar_config(disable=True)
            assert self._placement is not None, "load comes before generate"
            prepare_pipeline(self._pipelines[request.task], self._placement)
        pipe = self._pipelines[request.task]
        pipe.scheduler = scheduler
        if (guider := getattr(pipe, "guider", None)) is not None:
            pipe.guider = guider.new(guidance_scale=request.guidance)
        return pipe

    def _scheduler(self, request: GenerationRequest) -> Any:
        base = {**self._parts["scheduler"], **self.family.scheduler_facts}
        made = create_sampler(request.sampler, request.scheduler, base, self.family.sampler_overrides)
        seed_sampler(made, request.seed)
        return made

    def _preview(
        self, latents: torch.Tensor, step: int, index: int, request: GenerationRequest, ctx: RunContext
    ) -> Any:
        assert self._previewer is not None
        path = ctx.staging / f"preview-{index}-{step}.webp"
        return self._previewer.save(latents, (request.width, request.height), path)

    def _tags(self, request: GenerationRequest, ctx: RunContext, notes: tuple[str, ...] = ()) -> dict[str, str]:
        assert self._record is not None
        if not ctx.with_metadata:
            return {}
        facts = self._facts()
        return {
            "parameters": write_infotext(request, self._record, facts),
            "easel": full_record(request, self._record, facts, notes),
        }

    def _sound(self, samples: torch.Tensor | None) -> Sound | None:
        if samples is None:
            return None
        rate = self._parts["vocoder"].config.output_sampling_rate
        return Sound(samples.numpy(), rate)

    def _artifact(self, path: Path, request: GenerationRequest, index: int, notes: tuple[str, ...]) -> Artifact:
        width, height = frame_size(path)
        return Artifact(index, path, request.video_format.media_type, request.seed, width, height, notes)

    def _facts(self) -> dict[str, str]:
        assert self._placement is not None
        dtype = "float32" if self._rescuing else self._placement.dtype
        more = {"device": self._placement.device, "dtype": dtype, **self._accelerators.facts}
        return {**software_facts(), **more}

    @property
    def _rules(self) -> VideoRules:
        assert self.family.video is not None, "the registry gives this engine to families that make videos"
        return self.family.video

    def _denoisers(self, pipe: Any) -> list[torch.nn.Module]:
        """The pipeline's own: one may have been built from several parts."""
        names = (self.family.denoiser, self.family.second_denoiser)
        return [found for name in names if name and (found := getattr(pipe, name, None)) is not None]

    @property
    def _planned_tiles(self) -> bool:
        return self._placement is not None and self._placement.tile_decode

    @property
    def _device(self) -> str:
        assert self._placement is not None
        return self._placement.device


class _File:
    """The video's file, begun with the first frames, which say how large they are; GIF and WebP are made from a WebM."""

    def __init__(
        self,
        path: Path,
        request: GenerationRequest,
        tags: dict[str, str],
        sound: Sound | None,
        lead: LeadIn | None = None,
    ) -> None:
        self._path, self._request, self._tags, self._sound, self._lead = path, request, tags, sound, lead
        self.made = 0  # frames that came from the decoder
        self._direct = request.video_format in ENCODINGS
        self._format = request.video_format if self._direct else VideoFormat.WEBM
        self._writer: VideoWriter | None = None

    def write(self, frames: Any) -> None:
        if self._writer is None:
            path = self._path if self._direct else self._path.with_suffix(".whole.webm")
            size = (frames.shape[2], frames.shape[1])
            self._writer = VideoWriter(path, self._format, size, self._request.fps, self._tags, self._sound)
            for chunk in self._lead.chunks() if self._lead is not None else ():
                self._writer.write(chunk)
        known = max(0, self._lead.overlap - self.made) if self._lead is not None else 0
        self.made += len(frames)
        self._writer.write(frames[known:])  # what the model was shown is there already

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def finish(self, tags: dict[str, str] | None = None) -> None:
        """Put the file in its place, with other `tags` than it was begun with when there are notes to keep."""
        assert self._writer is not None, "a decoder gives at least one frame"
        made = self._writer.finish(tags)
        if not self._direct:
            save_video_as(made, self._path, self._request.video_format)
            made.unlink()


def _blocks(vae: torch.nn.Module) -> Iterator[torch.nn.Module]:
    for module in vae.modules():
        if isinstance(module, torch.nn.ModuleList):
            yield from module


@contextmanager
def _out_of_memory_said_plainly(request: GenerationRequest, seconds: Spent) -> Iterator[None]:
    try:
        yield
    except EaselError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        detail = str(error).strip().split("\n", 1)[0]
        stage = f"{seconds.stage} at {request.width}x{request.height}, {request.frames} frames"
        raise ResourceError("out-of-memory", stage=stage, detail=detail) from error
