"""The shared diffusers engine: one model resident, pictures one after the other, each the same alone or in a row."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from engines import media
from engines.errors import EaselError, ResourceError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.media.infotext import LORA
from engines.options import EMBEDDING, VAE
from engines.pipeline.accelerate import Accelerators
from engines.pipeline.ahead import denoise_together, together
from engines.pipeline.arguments import call_arguments
from engines.pipeline.checkpoint import Checkpoint, checkpoint_key, load_checkpoint
from engines.pipeline.controls import ControlHooks
from engines.pipeline.decode import decode
from engines.pipeline.embeddings import Embeddings
from engines.pipeline.encode import Conditions, TextEncodings, text_notes
from engines.pipeline.guides import Guides
from engines.pipeline.keeping import load_kept, plan_for, prepare_pipeline
from engines.pipeline.latents import LatentSpace, create_space
from engines.pipeline.looks import Looks
from engines.pipeline.loras import LoraStack
from engines.pipeline.passes import Pass, Plan, make_plan
from engines.pipeline.passes.soft import SoftBlend
from engines.pipeline.preview import Previewer
from engines.pipeline.rescue import RESCUED, check_latents, in_float32, note_of, short_parts
from engines.pipeline.shortcuts import ShortcutHooks
from engines.pipeline.spent import Spent
from engines.pipeline.steps import StepHooks
from engines.pipeline.turns import WordTurns
from engines.pipeline.vaes import VaeChoice
from engines.plan import Placement
from engines.prompt import used_embeddings, used_loras
from engines.records import ModelRecord
from engines.registry import create_pipeline
from engines.runtime import is_out_of_memory, peak_memory, software_facts
from engines.samplers import create_sampler, seed_sampler
from engines.types import Artifact, GenerationRequest, GenerationResult, Progress, Stage, Task

log = logging.getLogger(__name__)

BATCHED = "denoised together with others; alone it is the same to within rounding"


class DiffusersEngine:
    """Implements `EngineInterface` for families whose work is done by diffusers pipelines."""

    def __init__(self, family: EngineFamily) -> None:
        self.family = family
        self._record: ModelRecord | None = None
        self._parts: dict[str, Any] = {}
        self._placement: Placement | None = None
        self._pipelines: dict[Task, Any] = {}
        self._pipe: Any = None  # the one that ran last
        self._loras = LoraStack()
        self._accelerators = Accelerators(lambda: self._loras.state)
        self._lora_hashes: dict[str, str] = {}
        self._words: Any = ()  # the LoRAs under which the kept texts were encoded
        self._ahead: dict[int, torch.Tensor] = {}  # latents of pictures that were denoised together, by index
        self._encodings: TextEncodings | None = None
        self._tiled = False  # whether this picture is decoded in tiles
        self._guides: Guides | None = None
        self._vaes: VaeChoice | None = None
        self._looks: Looks | None = None
        self._seen: dict[str, Any] = {}  # what the IP-Adapters in use saw, as the pipeline takes it
        self._previewer = Previewer(family.latent)
        self._rescuing = False  # whether everything is in float32 for the moment

    def load(self, record: ModelRecord, ctx: RunContext) -> None:
        """See `EngineInterface.load`."""
        ctx.on_progress(Progress(Stage.LOAD))
        placement = plan_for(record, self.family, ctx).placement
        self._parts = load_kept(record, self.family, placement, ctx.check_cancelled)
        for denoiser in self._denoisers if self.family.denoiser_facts else ():
            denoiser.register_to_config(**self.family.denoiser_facts)  # pyright: ignore
        self._record, self._placement = record, placement
        self._encodings = TextEncodings(self.family, placement.device)
        self._vaes = VaeChoice(self._parts.get("vae"), placement.device, self.family.title)
        self._looks = Looks(self.family, placement.device, placement.torch_dtype(self.family.denoiser))
        self._guides = Guides(self.family, placement.device, placement.torch_dtype(self.family.denoiser))

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
        self._ahead = {}
        self._use_vae(request, ctx)
        faster = self._accelerators.use(request.accelerator, self._denoisers, self._the_placement, ctx)
        with _out_of_memory_said_plainly(request, seconds), faster:
            for index in range(ctx.first_image, request.count):
                self._denoise_ahead(request, index, ctx, seconds)
                single = request.image(index)
                artifacts.append(self._picture(single, index, request.count, ctx, seconds))
                ctx.on_artifact(artifacts[-1])
        seconds.move(self._accelerators.seconds, Stage.DENOISE, Stage.LOAD)
        return GenerationResult(tuple(artifacts), dict(seconds), peak_memory(), self._facts(), seconds.peaks)

    def _picture(
        self, request: GenerationRequest, index: int, images: int, ctx: RunContext, seconds: Spent
    ) -> Artifact:
        if (path := _picture_path(ctx, request, index)).is_file():
            return _finished_before(path, request, index)
        try:
            return self._attempt(request, index, images, ctx, seconds)
        except ResourceError as error:
            guides = self._guides.modules if self._guides is not None else {}
            parts = short_parts({**self._parts, **guides})
            if error.code not in RESCUED or not parts:
                raise
            return self._rescued(error, parts, request, index, images, ctx, seconds)

    def _rescued(
        self,
        error: ResourceError,
        parts: dict[str, Any],
        request: GenerationRequest,
        index: int,
        images: int,
        ctx: RunContext,
        seconds: Spent,
    ) -> Artifact:
        """The picture once more from its first step, everything in float32. Raises `error` where memory is too small."""
        assert self._placement is not None and self._encodings is not None
        ctx.checkpoint.unlink(missing_ok=True)
        self._encodings.clear()
        self._rescuing = True
        try:
            with in_float32(parts):
                return self._attempt(request, index, images, ctx, seconds, (note_of(error, self._placement.dtype),))
        except Exception as second:
            if is_out_of_memory(second):
                raise error from second
            raise
        finally:
            self._rescuing = False
            self._encodings.clear()

    def _attempt(
        self,
        request: GenerationRequest,
        index: int,
        images: int,
        ctx: RunContext,
        seconds: Spent,
        done: tuple[str, ...] = (),
    ) -> Artifact:
        notes = [*done, *([BATCHED] if index in self._ahead else [])]
        plan = make_plan(request, self.family, ctx, lambda latents, made_for: self._decode(latents, made_for, notes))
        carried = self._run(plan, request, index, images, ctx, seconds)
        ctx.check_cancelled()
        ctx.on_progress(Progress(Stage.DECODE, image=index, images=images))
        with seconds.at(Stage.DECODE):
            picture = plan.finish(carried)
        ctx.on_progress(Progress(Stage.SAVE, image=index, images=images))
        with seconds.at(Stage.SAVE):
            notes = [*ctx.notes, *text_notes(self._pipe, self.family, request), *notes]
            return self._save(picture, tuple(notes), request, index, ctx)

    def _denoise_ahead(self, request: GenerationRequest, index: int, ctx: RunContext, seconds: Spent) -> None:
        """Where pictures are to be made together: the latents of this one and the next, kept until each one's turn."""
        group = together(request, self.family, index) if index not in self._ahead else []
        if not group or _picture_path(ctx, request, index).is_file() or ctx.checkpoint.is_file():
            return
        pipe = self._pipeline(Pass(group[0], group[0].seed))
        if hasattr(pipe.scheduler, "noise_sampler_seed"):
            return  # it draws one noise for all
        self._use_loras(pipe, group[0], ctx)
        assert self._encodings is not None, "load comes before generate"
        ctx.on_progress(Progress(Stage.ENCODE, image=index, images=request.count))
        with seconds.at(Stage.ENCODE):
            words = self._encodings.get(pipe, group[0])
        see = self._previewer.of(self._space(group[0]))

        def controls(hooks: StepHooks) -> ControlHooks:
            return self._controls(pipe, Pass(group[0], group[0].seed), (), hooks, ctx)

        try:
            with seconds.at(Stage.DENOISE):
                made = denoise_together(
                    pipe, self.family, group, index, request.count, words, self._denoisers, see, ctx, controls
                )
        except ResourceError as error:
            if error.code not in RESCUED:
                raise
            log.warning("pictures=%d broke together, they are made one by one", len(group))
            return
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.warning("pictures=%d did not fit in memory together, they are made one by one", len(group))
            return
        self._ahead = dict(enumerate(made, index))

    def _run(
        self,
        plan: Plan,
        request: GenerationRequest,
        index: int,
        images: int,
        ctx: RunContext,
        seconds: Spent,
    ) -> torch.Tensor:
        """The passes one after the other, from the one where a stopped run was; what the last one gave."""
        assert self._encodings is not None, "load comes before generate"
        start = self._checkpoint(request, index, ctx)
        self._tiled, carried = start.tiled, start.carried
        for number, each in list(enumerate(plan.passes))[start.part :]:
            pipe = self._pipeline(each)
            self._use_loras(pipe, request, ctx)
            ctx.on_progress(Progress(Stage.ENCODE, image=index, images=images))
            with seconds.at(Stage.ENCODE):
                encoding = self._encodings.get(pipe, each.request)
            if number > start.part:
                start = start.next_part(number, carried)
                start.save(ctx.checkpoint)
            with seconds.at(Stage.DENOISE):
                steps = (plan.steps_before(number), plan.steps)
                carried = each.carry(self._denoise(pipe, each, encoding, start, steps, images, ctx), carried)
        return carried

    def _use_vae(self, request: GenerationRequest, ctx: RunContext) -> None:
        assert self._vaes is not None, "load comes before generate"
        path = ctx.files.get(f"{VAE}{request.vae}")
        self._parts["vae"] = self._vaes.use(request.vae, path, self._pipelines.values())

    def _use_loras(self, pipe: Any, request: GenerationRequest, ctx: RunContext) -> None:
        """Put the request's LoRAs on the model; words that were encoded with others are encoded anew."""
        uses = used_loras(request)
        self._lora_hashes = self._loras.use(pipe, uses, ctx.files)
        if self._encodings is not None:
            self._encodings.embeddings = Embeddings(ctx.files)
        if self._looks is not None:
            self._seen = self._looks.use(pipe, request, ctx)
        words = self._loras.words
        if words != self._words and self._encodings is not None:
            self._encodings.clear()
        self._words = words

    def _decode(self, latents: torch.Tensor, request: GenerationRequest, notes: list[str]) -> Any:
        """The picture of latents that the pipeline made for `request`."""
        picture, more = decode(self._pipe, self._space(request), latents, self._tiled)
        notes += [note for note in more if note not in notes]
        return picture

    def _pipeline(self, one_pass: Pass) -> Any:
        request = one_pass.request
        config = self._parts["scheduler"]
        if self.family.scheduler_facts.get("prediction_type") != config.get("prediction_type"):
            config = {**config, **self.family.scheduler_facts}  # it stands in for one that the file did not hold
        scheduler = create_sampler(request.sampler, request.scheduler, config, self.family.sampler_overrides)
        seed_sampler(scheduler, one_pass.seed)
        if request.task not in self._pipelines:
            components = {**self._parts, "scheduler": scheduler}
            self._pipelines[request.task] = create_pipeline(self.family, request.task, components)
            self._pipelines[request.task].set_progress_bar_config(disable=True)
            prepare_pipeline(self._pipelines[request.task], self._the_placement)
        pipe = self._pipelines[request.task]
        pipe.scheduler = scheduler
        self._pipe = pipe
        return pipe

    def _space(self, request: GenerationRequest) -> LatentSpace:
        return create_space(self.family.latent.layout, self._parts["vae"], request.width, request.height)

    def _denoise(
        self,
        pipe: Any,
        one_pass: Pass,
        encoding: Conditions,
        start: Checkpoint,
        steps: tuple[int, int],
        images: int,
        ctx: RunContext,
    ) -> torch.Tensor:
        """Latents of the pass, from its start or from the checkpoint that a stopped run left.

        `steps` are those of the passes before and of all passes.
        """
        if start.denoised:
            return start.latents
        generator = torch.Generator("cpu").manual_seed(one_pass.seed)
        pictures = one_pass.pictures(start.carried)
        arguments = {
            **encoding.arguments,
            **call_arguments(pipe, self.family, one_pass.request, pictures),
            **self._seen,
        }
        see = self._previewer.of(self._space(one_pass.request))
        soft = SoftBlend(one_pass.soft_mask) if one_pass.soft_mask is not None else None
        hooks = StepHooks(pipe, self._denoisers, generator, ctx, start, images, see, *steps, soft)
        words = WordTurns(encoding, self._denoisers, hooks, getattr(pipe.scheduler, "order", 1))
        shortcuts = ShortcutHooks(one_pass.request, self.family, self._denoisers, hooks)
        with shortcuts, hooks, words, self._controls(pipe, one_pass, pictures, hooks, ctx):
            latents = pipe(**arguments, generator=generator, output_type="latent", return_dict=False)[0]
        check_latents(latents, hooks.calls)
        hooks.checkpoint(latents, denoised=True).save(ctx.checkpoint)
        return latents

    def _controls(
        self, pipe: Any, one_pass: Pass, pictures: tuple[Any, ...], hooks: StepHooks, ctx: RunContext
    ) -> ControlHooks:
        assert self._guides is not None, "load comes before generate"
        controls = self._guides.controls(pipe, self._denoisers[0], one_pass, pictures, ctx)
        return ControlHooks(controls, self._guides.kind, pipe, self._denoisers, hooks)

    def _checkpoint(self, request: GenerationRequest, index: int, ctx: RunContext) -> Checkpoint:
        assert self._record is not None
        found = [(name, path.stat()) for name, path in sorted(ctx.files.items()) if path.is_file()]
        files = [(name, facts.st_size, facts.st_mtime_ns) for name, facts in found]
        key = checkpoint_key(request, f"{self._record.fingerprint} {files}{' float32' * self._rescuing}")
        tiled = self._the_placement.tile_decode if ctx.plan is None else ctx.plan.way.tiled
        if index in self._ahead:
            return Checkpoint(key, index, 0, True, self._ahead.pop(index), torch.empty(0), tiled=tiled)
        found = load_checkpoint(ctx.checkpoint, key, index, self._device)
        if found:
            log.info("resume image=%d part=%d calls=%d denoised=%s", index, found.part, found.calls, found.denoised)
            return replace(found, tiled=found.tiled or tiled)  # as it was begun, unless memory became less
        return Checkpoint(key, index, 0, False, torch.empty(0), torch.empty(0), tiled=tiled)

    def _save(
        self, picture: Any, notes: tuple[str, ...], request: GenerationRequest, index: int, ctx: RunContext
    ) -> Artifact:
        assert self._record is not None
        path = _picture_path(ctx, request, index)
        hashes = {f"{LORA}{name}": hash_ for name, hash_ in self._lora_hashes.items()}
        words = f"{request.prompt}\n{request.negative_prompt}"
        known = self._encodings.embeddings.hashes if self._encodings is not None else {}
        hashes |= {f"{EMBEDDING}{name}": hash_ for name, hash_ in used_embeddings(words, known).items()}
        if request.vae and self._vaes is not None:
            hashes[f"{VAE}{request.vae}"] = self._vaes.hash
        record = replace(self._record, hashes={**self._record.hashes, **hashes})
        facts = self._facts()
        media.save_picture(picture, path, request, record, facts, notes, with_metadata=ctx.with_metadata)
        ctx.checkpoint.unlink(missing_ok=True)
        return Artifact(
            index, path, request.image_format.media_type, request.seed, picture.width, picture.height, notes
        )

    def _facts(self) -> dict[str, str]:
        assert self._placement is not None
        dtype = "float32" if self._rescuing else self._placement.dtype
        more = {"device": self._placement.device, "dtype": dtype, **self._accelerators.facts}
        return {**software_facts(), **more}

    @property
    def _denoisers(self) -> tuple[torch.nn.Module, ...]:
        names = (self.family.denoiser, self.family.second_denoiser)
        return tuple(self._parts[name] for name in names if name and self._parts.get(name) is not None)

    @property
    def _the_placement(self) -> Placement:
        assert self._placement is not None, "load comes before generate"
        return self._placement

    @property
    def _device(self) -> str:
        return self._the_placement.device


def _picture_path(ctx: RunContext, request: GenerationRequest, index: int) -> Path:
    return ctx.staging / f"image-{index:04d}{request.image_format.suffix}"


def _finished_before(path: Path, request: GenerationRequest, index: int) -> Artifact:
    """A picture that a stopped run finished and nobody published: it was saved atomically, so it is whole."""
    log.info("image=%d was finished before", index)
    notes = media.notes_of(media.read_metadata(path))
    return Artifact(index, path, request.image_format.media_type, request.seed, *media.picture_size(path), notes)


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
        raise ResourceError(
            "out-of-memory", stage=f"{seconds.stage} at {request.width}x{request.height}", detail=detail
        ) from error
