"""The video engine on tiny models of every family: files that ffprobe reads, the same latents after a resume, saved decodes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engines.demand import demand_of
from engines.errors import Cancelled, ResourceError
from engines.interface import CancelToken, RunContext
from engines.media import read_metadata
from engines.media.video_read import read_frames, video_facts
from engines.media.video_write import VideoWriter
from engines.part_sizes import part_sizes
from engines.pipeline import video_decode
from engines.pipeline.decode import AS_PLANNED
from engines.pipeline.pipelines import Pipelines
from engines.pipeline.video_decode import DecoderInput, FrameSink, decode_video
from engines.placement import decide_placement, machine_facts
from engines.plan import Keep, Plan, Way
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.samplers import default_schedule
from engines.types import Artifact, GenerationRequest, Progress, Stage, Task, VideoFormat
from engines.video_rules import DecodeKind

from .conftest import VIDEO, tiny_record
from .test_rescue import broken, load
from .test_video_files import probe

ALL = [(key, task) for key, family in VIDEO.items() for task in family.tasks]
GIVEN_FRAMES = 17  # of the video to start from
QUICK = [
    ("ltx", Task.TEXT_TO_VIDEO),
    ("wan-two", Task.TEXT_TO_VIDEO),
    ("wan-both", Task.IMAGE_TO_VIDEO),
    ("ltx2", Task.TEXT_TO_VIDEO),
    ("animatediff", Task.VIDEO_TO_VIDEO),
    ("cogvideox-picture", Task.IMAGE_TO_VIDEO),
]

# Made longer by the pipeline and the arguments of image to video: two of them are enough for every day.
LONGER = [(key, task) for key, task in ALL if task is Task.EXTEND_VIDEO and key not in ("ltx-conditions", "svd")]


class Stopped(Exception):
    """Stands for the death of the process: raised in the middle of a run, nothing of Easel catches it."""


class Studio:
    """One engine, tiny models made when they are first asked for, and inputs to start from."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.engine = folder, ResidentEngine()
        self._records: dict[str, ModelRecord] = {}
        self.inputs = inputs_in(folder)

    def record(self, key: str) -> ModelRecord:
        from engines.tiny import make_tiny_model

        if key not in self._records:
            self._records[key] = tiny_record(VIDEO[key], make_tiny_model(VIDEO[key], self.folder / key))
        return self._records[key]

    def request(self, key: str, task: Task, **fields: Any) -> GenerationRequest:
        family = VIDEO[key]
        assert family.video is not None
        values = {**family.defaults, "width": family.tiny.width, "height": family.tiny.height, "steps": 3, "seed": 7}
        values |= {"task": task, "model": key, "prompt": "a red apple", "frames": family.video.nearest(9)[-1], **fields}
        if family.video.last_image and task.needs_image:
            values |= {"last_image": "x"}
        return GenerationRequest.model_validate(values)

    def context(self, name: str, **fields: Any) -> RunContext:
        staging = self.folder / "runs" / name
        staging.mkdir(parents=True, exist_ok=True)
        return RunContext(staging=staging, inputs=self.inputs, **{"preview_every": 0.0, **fields})

    def make(self, request: GenerationRequest, ctx: RunContext) -> Path:
        self.engine.load(self.record(request.model), ctx)
        return self.engine.generate(request, ctx).artifacts[-1].path

    @property
    def vae(self) -> Any:
        return self.engine._engine.model.parts["vae"]  # pyright: ignore


def inputs_in(folder: Path, frames: int = GIVEN_FRAMES) -> dict[str, Path]:
    """Two pictures, and a video of so many frames at 8 a second."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(folder / "init.png")
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(folder / "last.png")
    writer = VideoWriter(folder / "init.webm", VideoFormat.WEBM, (64, 64), 8, {})
    y, x = np.mgrid[0:64, 0:64]
    writer.write(
        np.stack([np.stack([x * 4, y * 4, np.full_like(x, i * 12 % 256)], -1) for i in range(frames)]).astype(np.uint8)
    )
    return {"init_image": folder / "init.png", "last_image": folder / "last.png", "init_video": writer.finish()}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"))


def frames_of(request: GenerationRequest) -> int:
    """The frames in the file: a video that goes on has its old ones too."""
    if request.task is not Task.EXTEND_VIDEO:
        return request.frames
    rules = VIDEO[request.model].video
    assert rules is not None
    return GIVEN_FRAMES + request.frames - rules.overlap(request.frames, GIVEN_FRAMES)


def name_of(key: str, task: Task, what: str) -> str:
    return f"{key}-{task}-{what}"


@pytest.mark.parametrize(
    ("key", "task"),
    [pytest.param(*each, marks=[pytest.mark.long] if each in LONGER else []) for each in ALL],
)
def test_every_task_of_every_family_makes_a_video_that_ffprobe_reads(studio: Studio, key: str, task: Task) -> None:
    seen: list[Progress] = []
    request = studio.request(key, task)
    path = studio.make(
        request, studio.context(name_of(key, task, "whole"), on_progress=seen.append, preview_every=0.001)
    )
    found = probe(path)
    picture = found["streams"][0]
    assert (picture["codec_name"], picture["nb_read_frames"]) == ("vp9", str(frames_of(request)))
    assert picture["r_frame_rate"] == f"{request.fps}/1"
    assert len(found["streams"]) == (2 if VIDEO[key].video.sound else 1)  # pyright: ignore
    assert read_metadata(path).request == request
    assert found["format"]["tags"]["PARAMETERS"].startswith("a red apple")
    assert len({np.asarray(frame).tobytes() for frame in read_frames(path)}) > 1, "something moves"
    stages = [progress.stage for progress in seen]
    assert {Stage.ENCODE, Stage.DENOISE, Stage.DECODE, Stage.SAVE} <= set(stages)
    assert any(progress.preview is not None and progress.preview.is_file() for progress in seen)
    assert not (path.parent / "checkpoint.safetensors").exists()


def stop_after(calls: int, stage: Stage = Stage.DENOISE) -> Callable[[Progress], None]:
    """Raises at the report of step `calls` of a stage, right after its checkpoint."""

    def report(progress: Progress) -> None:
        if progress.stage is stage and progress.step >= calls:
            raise Stopped

    return report


def latents(ctx: RunContext) -> dict[str, bytes]:
    """The bytes of what is kept before the decode: latents, and sound where there is some."""
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(ctx.checkpoint).items()}


def check_resume(studio: Studio, key: str, task: Task) -> None:
    request = studio.request(key, task)
    steps = 3 if not task.uses_strength else 2
    whole = studio.context(name_of(key, task, "latents"), on_progress=stop_after(0, Stage.DECODE))
    with pytest.raises(Stopped):
        studio.make(request, whole)
    for stop in range(1, steps):
        name = name_of(key, task, f"stopped-{stop}")
        with pytest.raises(Stopped):
            studio.make(request, studio.context(name, on_progress=stop_after(stop), checkpoint_every=0.0))
        again = studio.context(name, on_progress=stop_after(0, Stage.DECODE))
        assert again.checkpoint.exists()
        with pytest.raises(Stopped):
            studio.make(request, again)
        assert latents(again) == latents(whole), f"stopped after step {stop}"


@pytest.mark.parametrize(("key", "task"), QUICK)
def test_resume_at_any_step_gives_the_same_latents(studio: Studio, key: str, task: Task) -> None:
    check_resume(studio, key, task)


@pytest.mark.long
@pytest.mark.parametrize(("key", "task"), [each for each in ALL if each not in QUICK])
def test_resume_at_any_step_gives_the_same_latents_in_every_family(studio: Studio, key: str, task: Task) -> None:
    check_resume(studio, key, task)


@pytest.mark.parametrize("key", ["wan", "svd", "ltx"])
def test_a_decode_that_died_is_done_again_without_a_step(studio: Studio, key: str) -> None:
    task = VIDEO[key].tasks[0]
    request = studio.request(key, task, frames=17)
    whole = studio.make(request, studio.context(f"{key}-decoded"))
    with pytest.raises(Stopped):
        studio.make(request, studio.context(f"{key}-died", on_progress=stop_after(1, Stage.DECODE)))
    seen: list[Progress] = []
    again = studio.make(request, studio.context(f"{key}-died", on_progress=seen.append))
    assert again.read_bytes() == whole.read_bytes()
    assert Stage.DENOISE not in {progress.stage for progress in seen}


def test_each_video_is_made_with_its_own_settled_words(studio: Studio) -> None:
    words = ("a red ship", "a blue ship")
    request = studio.request("wan", Task.TEXT_TO_VIDEO, prompt="a {red|blue} ship", count=2)
    request = request.with_(texts=tuple((each, "") for each in words))
    ctx = studio.context("settled-words")
    studio.engine.load(studio.record("wan"), ctx)
    made = studio.engine.generate(request, ctx).artifacts
    assert tuple(read_metadata(each.path).request.prompt for each in made) == words  # pyright: ignore


def test_stop_in_the_middle_of_a_decode_leaves_a_video_that_plays(studio: Studio) -> None:
    token = CancelToken()
    request = studio.request("wan", Task.TEXT_TO_VIDEO, frames=33)

    def report(progress: Progress) -> None:
        if progress.stage is Stage.DECODE and progress.step >= 9:
            token.cancel()

    ctx = studio.context("stopped-decode", token=token, on_progress=report)
    with pytest.raises(Cancelled):
        studio.make(request, ctx)
    (part,) = ctx.staging.glob("*.part.webm")
    assert 9 <= video_facts(part).frames < 33
    assert ctx.checkpoint.exists()


@pytest.mark.parametrize("stage", [Stage.ENCODE, Stage.DENOISE])
def test_stop_is_seen_before_the_next_block(studio: Studio, stage: Stage) -> None:
    token, seen = CancelToken(), []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if progress.stage is stage:
            token.cancel()

    with pytest.raises(Cancelled):
        studio.make(
            studio.request("wan", Task.TEXT_TO_VIDEO), studio.context(f"stop-{stage}", token=token, on_progress=report)
        )
    assert len([progress for progress in seen if progress.stage is Stage.DENOISE]) <= 1


@pytest.mark.parametrize("key", ["wan", "ltx", "animatediff"])
def test_a_decode_without_memory_is_done_in_tiles_and_says_so(studio: Studio, key: str) -> None:
    request = studio.request(key, Task.TEXT_TO_VIDEO)
    ctx = studio.context(f"{key}-memory")
    studio.engine.load(studio.record(key), ctx)
    calls = 0

    def fail_once(_module: object, _inputs: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise torch.OutOfMemoryError("no memory for the test")

    with pytest.raises(Stopped):  # up to the decoder first, whose small preview decodes are none of ours
        studio.make(request, studio.context(f"{key}-memory", on_progress=stop_after(0, Stage.DECODE)))
    calls = 1 if key != "wan" else 0
    hook = studio.vae.decoder.register_forward_pre_hook(fail_once)
    try:
        artifact = studio.engine.generate(request, ctx).artifacts[0]
    finally:
        hook.remove()
    assert "tiles" in artifact.notes[0]
    assert video_facts(artifact.path).frames == request.frames


def test_memory_that_is_never_enough_keeps_the_latents(studio: Studio) -> None:
    request = studio.request("ltx", Task.TEXT_TO_VIDEO, seed=11)
    ctx = studio.context("no-memory")
    studio.engine.load(studio.record("ltx"), ctx)

    def fail(*_arguments: object, **_named: object) -> None:
        raise torch.OutOfMemoryError("no memory for the test")

    # The class, not the one decoder: the walk down loads the model again.
    with pytest.MonkeyPatch.context() as patched, pytest.raises(ResourceError) as caught:
        patched.setattr(type(studio.vae.decoder), "forward", fail)
        studio.engine.generate(request, ctx)
    assert caught.value.code in ("decode-out-of-memory", "out-of-memory")
    assert ctx.checkpoint.exists()
    assert video_facts(studio.make(request, ctx)).frames == request.frames


@pytest.mark.parametrize("key", ["wan", "ltx", "cogvideox", "wan-both"])
def test_the_frames_are_plain_diffusers_frames(studio: Studio, key: str) -> None:
    """The hooks change nothing, and what is decoded bit by bit is what the pipeline decodes at once."""
    import diffusers

    from engines.samplers import create_sampler

    family, request = VIDEO[key], studio.request(key, Task.TEXT_TO_VIDEO)
    taken: list[np.ndarray] = []
    real = VideoWriter.write

    def write(self: VideoWriter, frames: np.ndarray) -> None:
        taken.append(frames.copy())
        real(self, frames)

    VideoWriter.write = write
    try:
        studio.make(request, studio.context(f"{key}-plain"))
    finally:
        VideoWriter.write = real
    pipe = getattr(diffusers, family.pipelines[request.task]).from_pretrained(studio.record(key).path)
    pipe.scheduler = create_sampler(
        request.sampler, request.scheduler, dict(pipe.scheduler.config), family.sampler_overrides
    )
    theirs = pipe(
        request.prompt,
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        num_frames=request.frames,
        num_inference_steps=3,
        guidance_scale=request.guidance,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
        **family.call_arguments,
        **({"frame_rate": request.fps} if family.video.knows_fps else {}),  # pyright: ignore
    ).frames[0]
    assert np.abs(np.concatenate(taken).astype(int) - (theirs * 255).round().astype(int)).max() <= 1


def test_windows_over_time_meet_without_a_gap(studio: Studio) -> None:
    """A long video in windows has as many frames as one decoded whole, the same ones far from the seams."""
    studio.engine.load(studio.record("ltx"), studio.context("windows"))
    vae = studio.vae
    given = DecoderInput(torch.randn(1, 8, 15, 2, 2, generator=torch.Generator().manual_seed(1)))
    frames: list[np.ndarray] = []
    sink = FrameSink(frames.append, lambda: None)
    decode_video(vae, given, DecodeKind.WINDOWS, sink, 8)
    with torch.inference_mode():
        whole = vae.decode(given.latents).sample
    assert sink.frames == whole.shape[2] == 14 * 8 + 1
    expected = ((whole[0].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 3, 0).numpy()
    made = np.concatenate(frames).astype(float)
    assert np.abs(made - expected).mean() < 12, (
        "a decoder that looks both ways sees a little less at the ends of a window"
    )
    assert np.abs(made[:9] - expected[:9]).mean() < 1
    assert video_decode.WINDOW > video_decode.STRIDE


def test_a_decoder_without_attention_is_one_too(studio: Studio) -> None:
    """Diffusers keeps None in its place, in a list of blocks."""
    from engines.tiny import make_tiny_model

    family = VIDEO["animatediff"]
    part = family.tiny.parts["vae"]
    without = replace(part, config={**part.config, "mid_block_add_attention": False})
    made = replace(family, tiny=replace(family.tiny, parts={**family.tiny.parts, "vae": without}))
    plain = tiny_record(made, make_tiny_model(made, studio.folder / "no-attention"))
    record = replace(plain, id="no-attention", fingerprint="no-attention")  # not held in place of the usual one
    request = studio.request("animatediff", Task.TEXT_TO_VIDEO)
    studio.engine.load(record, studio.context("no-attention"))
    path = studio.engine.generate(request, studio.context("no-attention")).artifacts[-1].path
    assert video_facts(path).frames == request.frames


def test_gif_and_webp_are_made_too(studio: Studio) -> None:
    for kind in (VideoFormat.GIF, VideoFormat.WEBP, VideoFormat.MP4):
        request = studio.request("animatediff", Task.TEXT_TO_VIDEO, video_format=kind)
        ctx = studio.context(f"kind-{kind}")
        path = studio.make(request, ctx)
        assert path.suffix == kind.suffix
        assert read_metadata(path).request == request
        assert [each.name for each in ctx.staging.iterdir()] == [path.name]


def planned(studio: Studio, request: GenerationRequest, tiled: bool, keep: Keep = Keep.WHOLE) -> Plan:
    """A plan that fits, in tiles or not, held so, whatever memory is free."""
    sizes = part_sizes(studio.record(request.model), VIDEO[request.model])
    plan = decide_placement(
        machine_facts(), sizes, VIDEO[request.model], demand_of(request, VIDEO[request.model]), limit=10**12
    )
    return replace(plan, way=Way(keep, tiled), placement=replace(plan.placement, tile_decode=tiled, keep=keep))


@pytest.mark.parametrize("stop", [(Stage.DENOISE, 1), (Stage.DECODE, 1)])
@pytest.mark.parametrize("begun", [True, False])
def test_a_resumed_video_is_decoded_as_it_was_begun(studio: Studio, stop: tuple[Stage, int], begun: bool) -> None:
    """Free memory changes and plans with it; small windows over time give other pixels than large ones."""
    request = studio.request("hunyuan-video", Task.TEXT_TO_VIDEO, frames=65)
    plans = {tiled: planned(studio, request, tiled) for tiled in (True, False)}
    name = f"begun-{begun}-{stop[0]}"
    whole = studio.make(request, studio.context(f"{name}-whole", plan=plans[begun]))
    with pytest.raises(Stopped):
        ctx = studio.context(name, plan=plans[begun], on_progress=stop_after(stop[1], stop[0]), checkpoint_every=0.0)
        studio.make(request, ctx)
    artifacts: list[Artifact] = []
    again = studio.make(request, studio.context(name, plan=plans[False], on_artifact=artifacts.append))
    assert again.read_bytes() == whole.read_bytes()
    assert (AS_PLANNED in artifacts[0].notes) == begun
    assert read_metadata(again).record.get("notes", []) == list(artifacts[0].notes), "the file says how it was decoded"


def test_a_resumed_video_is_decoded_in_tiles_when_memory_became_less(studio: Studio) -> None:
    request = studio.request("hunyuan-video", Task.TEXT_TO_VIDEO, frames=65)
    with pytest.raises(Stopped):
        ctx = studio.context("less", plan=planned(studio, request, False), on_progress=stop_after(1, Stage.DECODE))
        studio.make(request, ctx)
    artifacts: list[Artifact] = []
    ctx = studio.context("less", plan=planned(studio, request, True), on_artifact=artifacts.append)
    assert video_facts(studio.make(request, ctx)).frames == 65
    assert artifacts[0].notes == (AS_PLANNED,)


@pytest.mark.parametrize("keep", [Keep.PARTS, Keep.DISK])
@pytest.mark.parametrize("key", ["ltx", "wan-two", "hunyuan-video", "cogvideox"])
def test_a_model_that_is_held_frugally_makes_the_same_latents(studio: Studio, key: str, keep: Keep) -> None:
    """Parts that come and go, or layers from the file: less memory, the same numbers, and the video is written."""
    request = studio.request(key, Task.TEXT_TO_VIDEO, seed=12)
    kept: dict[Keep, dict[str, bytes]] = {}
    for way in (Keep.WHOLE, keep):
        ctx = studio.context(
            f"{key}-{keep}-{way}", plan=planned(studio, request, True, way), on_progress=stop_after(0, Stage.DECODE)
        )
        with pytest.raises(Stopped):
            studio.make(request, ctx)
        kept[way] = latents(ctx)
    assert kept[keep] == kept[Keep.WHOLE]
    path = studio.make(request, studio.context(f"{key}-{keep}-{keep}", plan=planned(studio, request, True, keep)))
    assert video_facts(path).frames == request.frames


@pytest.mark.parametrize("key", ["wan", "ltx", "animatediff"])
def test_a_decoder_that_breaks_in_16_bits_is_run_in_float32_and_the_file_says_so(studio: Studio, key: str) -> None:
    request = studio.request(key, Task.TEXT_TO_VIDEO, seed=21)
    ctx = studio.context(f"{key}-nan")
    inner = load(studio.engine, studio.record(key), ctx, torch.bfloat16)
    with pytest.raises(Stopped):  # the small previews decode too, and are none of ours
        studio.engine.generate(request, studio.context(f"{key}-nan", on_progress=stop_after(0, Stage.DECODE)))
    with broken(inner.model.parts["vae"].decoder):
        artifact = studio.engine.generate(request, ctx).artifacts[0]
    note = "decoded in float32: the first try was not a number"
    assert note in artifact.notes
    assert note in read_metadata(artifact.path).record["notes"]
    assert video_facts(artifact.path).frames == request.frames
    assert inner.model.parts["vae"].dtype == torch.bfloat16, "the next one is decoded as fast as ever"
    studio.engine.unload()


@pytest.mark.parametrize("key", ["wan", "ltx"])
def test_a_video_that_breaks_in_16_bits_is_made_in_float32_and_the_file_says_so(studio: Studio, key: str) -> None:
    request = studio.request(key, Task.TEXT_TO_VIDEO, seed=22)
    ctx = studio.context(f"{key}-nan-whole")
    inner = load(studio.engine, studio.record(key), ctx, torch.bfloat16)
    with broken(inner.model.parts[VIDEO[key].denoiser], call=2):
        artifact = studio.engine.generate(request, ctx).artifacts[0]
    (note,) = artifact.notes
    assert note.startswith("made in float32: in bfloat16 it was not a number any more after step ")
    record = read_metadata(artifact.path).record
    assert record["notes"] == [note] and record["software"]["dtype"] == "float32"
    assert video_facts(artifact.path).frames == request.frames
    studio.engine.unload()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs Linux's tmpfs and the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.parametrize("stage", [Stage.DENOISE, Stage.DECODE])
def test_a_disk_that_fills_while_a_video_is_made(studio: Studio, small_disk: Path, stage: Stage) -> None:
    """Its code; what was there stays; with room again the same bytes, without a step where the latents were kept."""
    request = studio.request("wan", Task.TEXT_TO_VIDEO, frames=33, seed=31)
    whole = studio.make(request, studio.context(f"room-{stage}")).read_bytes()
    ballast = small_disk / "ballast"

    def fill(progress: Progress) -> None:
        if progress.stage is stage and not ballast.exists():
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(512)):
                    pass

    ctx = RunContext(staging=small_disk, on_progress=fill, preview_every=0.0, checkpoint_every=0.0)
    with pytest.raises(ResourceError) as caught:
        studio.make(request, ctx)
    assert caught.value.code == "no-room-while-made"
    assert str(small_disk) in str(caught.value)
    assert ctx.checkpoint.exists() is (stage is Stage.DECODE)
    ballast.unlink()
    seen: list[Progress] = []
    again = studio.make(request, RunContext(staging=small_disk, on_progress=seen.append, preview_every=0.0))
    assert again.read_bytes() == whole
    assert (Stage.DENOISE in {progress.stage for progress in seen}) is (stage is Stage.DENOISE)
    assert [path.name for path in small_disk.iterdir()] == [again.name]


REDRAWN = [(key, each) for key, task in ALL if task is Task.VIDEO_TO_VIDEO for each in VIDEO[key].samplers]


@pytest.mark.parametrize(("key", "sampler"), REDRAWN)
def test_a_video_that_is_drawn_anew_gets_the_noise_of_its_first_step(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, key: str, sampler: str
) -> None:
    """The strength leaves out the first steps; with their noise on it nothing of the video would be left."""
    made: list[Any] = []
    noised: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]] = []

    def scheduler(self: Pipelines, request: GenerationRequest, seed: int) -> Any:
        found = real(self, request, seed)
        name = "add_noise" if hasattr(found, "add_noise") else "scale_noise"
        adding = getattr(found, name)

        def added(*arguments: torch.Tensor) -> torch.Tensor:
            result = adding(*arguments)
            sample, noise, times = arguments if name == "add_noise" else (arguments[0], arguments[2], arguments[1])
            noised.append((sample, noise, result, float(times.flatten()[0])))
            return result

        setattr(found, name, added)
        made.append(found)
        return found

    real = Pipelines.scheduler
    monkeypatch.setattr(Pipelines, "scheduler", scheduler)
    fields = {"sampler": sampler, "scheduler": default_schedule(sampler), "steps": 10, "strength": 0.4}
    request = studio.request(key, Task.VIDEO_TO_VIDEO, **fields)
    studio.make(request, studio.context(f"{key}-{sampler}-redrawn"))
    sample, noise, result, time = noised[0]
    columns = torch.stack([sample.flatten(), noise.flatten()], 1).double()
    kept, added = torch.linalg.lstsq(columns, result.flatten().double()).solution.tolist()
    assert added / kept == pytest.approx(noise_level(made[0], time), rel=0.1)
    if getattr(made[0], "step_index", None) is not None:
        assert made[0].step_index == len(made[0].timesteps), "its last step is the last one of its steps"


def noise_level(scheduler: Any, time: float) -> float:
    """Noise for each part of the video at a timestep, as the model was trained."""
    if not hasattr(scheduler, "alphas_cumprod") or scheduler.config.get("use_flow_sigmas"):
        return time / (scheduler.config.num_train_timesteps - time)
    alpha = float(scheduler.alphas_cumprod[round(time)])
    return ((1 - alpha) / alpha) ** 0.5
