"""The shared engine on tiny models of every family: pictures, sameness, cancel, resume, checked results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines.errors import Cancelled, ResourceError, UserError
from engines.interface import CancelToken, RunContext
from engines.media import read_metadata
from engines.pipeline.passes.base import Pass
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.types import GenerationRequest, Progress, Stage, Task

from .conftest import ALL_TASKS, FAMILIES, SLOW, TINY


def marked(family_id: str, *values: object) -> object:
    """The case, put into the long set where the family is slow."""
    return pytest.param(family_id, *values, marks=pytest.mark.long if family_id in SLOW else ())


Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]


class Stopped(Exception):
    """Stands for the death of the process: raised in the middle of a run, nothing of Easel catches it."""


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


def make(engine: ResidentEngine, record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> bytes:
    engine.load(record, ctx)
    return engine.generate(request, ctx).artifacts[-1].path.read_bytes()


@pytest.mark.parametrize(("family_id", "task"), ALL_TASKS)
def test_every_task_of_every_family_makes_a_picture(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, family_id: str, task: Task
) -> None:
    seen: list[Progress] = []
    request, ctx = (
        tiny_request(family_id, task=task, steps=2, strength=0.75),
        context(on_progress=seen.append, preview_every=1e-9),
    )
    engine.load(tiny_models[family_id], ctx)
    result = engine.generate(request, ctx)
    with Image.open(result.artifacts[0].path) as picture:
        assert picture.size == (request.width, request.height)
        assert len(set(picture.convert("RGB").get_flattened_data())) > 1000
    assert read_metadata(result.artifacts[0].path).request == request
    assert {"encode", "denoise", "decode", "save"} <= set(result.seconds)
    assert result.peak_memory > 10**8
    assert [progress.stage for progress in seen if progress.stage is not Stage.LOAD] == sorted_stages(seen)
    previews = [progress.preview for progress in seen if progress.preview]
    assert previews and all(path.is_file() for path in previews)


def sorted_stages(seen: list[Progress]) -> list[Stage]:
    """The stages in the order that they have to come in."""
    return sorted((each.stage for each in seen if each.stage is not Stage.LOAD), key=list(Stage).index)


@pytest.mark.parametrize("family_id", [marked(each) for each in FAMILIES])
def test_picture_i_of_a_job_is_the_picture_of_its_own_seed(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, family_id: str
) -> None:
    ctx = context("two")
    engine.load(tiny_models[family_id], ctx)
    two = engine.generate(tiny_request(family_id, count=2, steps=2, strength=0.75), ctx).artifacts
    alone = make(
        engine, tiny_models[family_id], tiny_request(family_id, seed=8, steps=2, strength=0.75), context("alone")
    )
    assert [artifact.seed for artifact in two] == [7, 8]
    assert two[1].path.read_bytes() == alone
    assert two[0].path.read_bytes() != alone


@pytest.mark.parametrize("family_id", [marked(each) for each in FAMILIES])
def test_stop_is_seen_within_a_step_of_every_family(
    tiny_models: Models, tiny_request: Requests, context: Contexts, engine: ResidentEngine, family_id: str
) -> None:
    token, seen = CancelToken(), []
    ctx = context(token=token, on_progress=seen.append)
    engine.load(tiny_models[family_id], ctx)
    (denoiser,) = engine._engine.model.denoisers  # pyright: ignore
    calls = []
    hook = denoiser.register_forward_hook(lambda *_: (calls.append(1), token.cancel(), None)[2])
    try:
        with pytest.raises(Cancelled):
            engine.generate(tiny_request(family_id, strength=1.0), ctx)
    finally:
        hook.remove()
    assert len(calls) == 1
    assert sum(progress.stage is Stage.DENOISE for progress in seen) <= 1
    assert make(engine, tiny_models[family_id], tiny_request(family_id, steps=2, strength=0.75), context("after"))


def test_the_picture_is_plain_diffusers_picture(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    """The hooks see the loop and change nothing about it; the decoder's layout rounds some values the other way."""
    from diffusers import StableDiffusionPipeline

    from engines.samplers import create_sampler

    record, request, ctx = tiny_models["sd15"], tiny_request("sd15"), context()
    engine.load(record, ctx)
    ours = engine.generate(request, ctx).artifacts[0].path
    pipe = StableDiffusionPipeline.from_pretrained(record.path)
    pipe.scheduler = create_sampler(request.sampler, request.scheduler, dict(pipe.scheduler.config))
    generator = torch.Generator().manual_seed(request.seed)
    theirs = pipe(
        request.prompt,
        negative_prompt="",
        width=64,
        height=64,
        num_inference_steps=4,
        guidance_scale=7.0,
        generator=generator,
    ).images[0]
    with Image.open(ours) as picture:
        difference = np.abs(np.asarray(picture, np.int16) - np.asarray(theirs, np.int16))
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


# A sampler that remembers steps and one that adds noise show most; the long set runs all of them.
TELLING = {"DPM++ 2M SDE", "UniPC flow", "SCM"}


def resumes(everything: bool) -> list[object]:
    """Family, sampler and task: one sampler for each task, or all samplers for a family's first task."""
    found = []
    for key, family in TINY.items():
        samplers = [name for name in family.samplers if everything or name in TELLING]
        tasks = family.tasks[:1] if everything else family.tasks
        found += [(key, sampler, task) for sampler in samplers for task in tasks]
    return [pytest.param(*case) if everything else marked(*case) for case in found]


@pytest.mark.parametrize(("family_id", "sampler", "task"), resumes(everything=False))
def test_resume_gives_the_same_bytes(
    engine: ResidentEngine,
    tiny_models: Models,
    tiny_request: Requests,
    context: Contexts,
    family_id: str,
    sampler: str,
    task: Task,
) -> None:
    request = tiny_request(family_id, sampler=sampler, scheduler="Normal", task=task, strength=1.0)
    whole, calls = count_calls(engine, tiny_models[family_id], request, context)
    stops = {2, calls} if task is TINY[family_id].tasks[0] else {2}
    for stop in stops:
        assert stop_and_go_on(engine, tiny_models[family_id], request, context, stop) == whole, f"stopped after {stop}"


@pytest.mark.long
@pytest.mark.parametrize(("family_id", "sampler", "task"), resumes(everything=True))
def test_resume_gives_the_same_bytes_wherever_it_stopped(
    engine: ResidentEngine,
    tiny_models: Models,
    tiny_request: Requests,
    context: Contexts,
    family_id: str,
    sampler: str,
    task: Task,
) -> None:
    request = tiny_request(family_id, sampler=sampler, scheduler="Normal", task=task, strength=1.0)
    whole, calls = count_calls(engine, tiny_models[family_id], request, context)
    for stop in (2,) if family_id in SLOW else range(1, calls + 1):
        assert stop_and_go_on(engine, tiny_models[family_id], request, context, stop) == whole, f"stopped after {stop}"


def count_calls(
    engine: ResidentEngine, record: ModelRecord, request: GenerationRequest, context: Contexts
) -> tuple[bytes, int]:
    """The picture of an unbroken run, and how often its sampler was called."""
    seen: list[Progress] = []
    whole = make(engine, record, request, context("whole", on_progress=seen.append))
    calls = sum(progress.stage is Stage.DENOISE for progress in seen)
    assert calls >= 4
    return whole, calls


def stop_and_go_on(
    engine: ResidentEngine, record: ModelRecord, request: GenerationRequest, context: Contexts, stop: int
) -> bytes:
    """The picture of a run that dies after sampler call `stop` and is taken up again."""
    stopping = context(f"stopped-{stop}", on_progress=stop_after(stop), checkpoint_every=0.0)
    with pytest.raises(Stopped):
        make(engine, record, request, stopping)
    assert stopping.checkpoint.exists()
    resumed: list[Progress] = []
    again = make(engine, record, request, context(f"stopped-{stop}", checkpoint_every=0.0, on_progress=resumed.append))
    first = next(progress for progress in resumed if progress.stage is Stage.DENOISE)
    assert 2 * first.step >= stop - 1, "the steps before the stop are not made again"
    return again


def stop_after(calls: int) -> Callable[[Progress], None]:
    """Raises at the report of sampler call `calls`, right after its checkpoint."""
    count = 0

    def report(progress: Progress) -> None:
        nonlocal count
        count += progress.stage is Stage.DENOISE
        if count == calls:
            raise Stopped

    return report


def test_a_checkpoint_of_another_request_is_not_used(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    record = tiny_models["sd15"]
    with pytest.raises(Stopped):
        make(engine, record, tiny_request("sd15"), context("mixed", on_progress=stop_after(2), checkpoint_every=0.0))
    other = tiny_request("sd15", prompt="a blue house")
    assert make(engine, record, other, context("mixed")) == make(engine, record, other, context("clean"))


def test_a_damaged_checkpoint_costs_time_and_nothing_else(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context("damaged")
    ctx.checkpoint.write_bytes(b"\xff" * 1000)
    record, request = tiny_models["sd15"], tiny_request("sd15")
    assert make(engine, record, request, ctx) == make(engine, record, request, context("clean"))


@pytest.mark.parametrize("stage", [Stage.LOAD, Stage.ENCODE, Stage.DENOISE, Stage.DECODE])
def test_stop_is_seen_in_every_stage(
    tiny_models: Models, tiny_request: Requests, context: Contexts, stage: Stage
) -> None:
    token, seen = CancelToken(), []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if progress.stage is stage:
            token.cancel()

    fresh, ctx = ResidentEngine(), context(token=token, on_progress=report)
    request = tiny_request("sd15", count=2)
    with pytest.raises(Cancelled):
        make(fresh, tiny_models["sd15"], request, ctx)
    after = seen[[progress.stage for progress in seen].index(stage) :]
    assert sum(progress.stage is Stage.DENOISE for progress in after) <= 1


def test_the_model_stays(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    loads = engine.loads
    for seed in range(3):
        make(engine, tiny_models["sd15"], tiny_request("sd15", seed=seed, prompt="once"), context(f"s{seed}"))
    assert engine.loads <= loads + 1


def test_latents_that_are_not_numbers_are_an_error_with_the_step(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine.load(tiny_models["sd15"], context())
    denoiser = engine._engine.model.parts["unet"]  # pyright: ignore
    hook = denoiser.register_forward_hook(lambda _m, _i, out: (out[0] * float("nan"),))
    try:
        with pytest.raises(ResourceError) as caught:
            engine.generate(tiny_request("sd15"), context())
    finally:
        hook.remove()
    assert caught.value.code == "latents-not-finite"
    assert 1 <= caught.value.params["step"] <= 4


MOVES_ITS_LAST_LEVEL = [key for key in FAMILIES if "shift_terminal" in TINY[key].tiny.parts["scheduler"].config]


@pytest.mark.parametrize("family_id", [marked(each) for each in MOVES_ITS_LAST_LEVEL])
def test_one_step_is_enough_where_the_last_of_several_is_moved(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, family_id: str
) -> None:
    made = make(engine, tiny_models[family_id], tiny_request(family_id, steps=1), context())
    assert made.startswith(b"\x89PNG")


def test_a_decode_without_memory_is_done_in_tiles_and_says_so(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context()
    engine.load(tiny_models["sd15"], ctx)
    vae = engine._engine.model.parts["vae"]  # pyright: ignore
    failures = iter([torch.OutOfMemoryError("no memory for the test")])

    def fail_once(_module: object, _inputs: object) -> None:
        if error := next(failures, None):
            raise error

    hook = vae.decoder.register_forward_pre_hook(fail_once)
    try:
        artifact = engine.generate(tiny_request("sd15"), ctx).artifacts[0]
    finally:
        hook.remove()
    assert artifact.path.is_file()
    assert "tiles" in artifact.notes[0]


def test_a_broken_model_names_its_part(tiny_models: Models, context: Contexts, tmp_path: object) -> None:
    import shutil
    from dataclasses import replace
    from pathlib import Path

    folder = Path(str(tmp_path)) / "broken"
    shutil.copytree(tiny_models["sd15"].path, folder)
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError) as caught:
        ResidentEngine().load(replace(tiny_models["sd15"], path=folder), context())
    assert (caught.value.code, caught.value.params["part"]) == ("model-broken", "vae")


def test_inpaint_keeps_what_is_not_masked(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    ctx = context()
    engine.load(tiny_models["sd15"], ctx)
    result = engine.generate(tiny_request("sd15", task=Task.INPAINT, strength=1.0), ctx)
    with Image.open(result.artifacts[0].path) as made, Image.open(ctx.inputs["init_image"]) as before:
        left = (0, 0, 32, 64)
        assert made.convert("RGB").crop(left).tobytes() == before.crop(left).tobytes()
        assert made.convert("RGB").tobytes() != before.tobytes()


def test_previews_are_small_pictures(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    seen: list[Progress] = []
    make(
        engine,
        tiny_models["sd15"],
        tiny_request("sd15"),
        context(on_progress=seen.append, preview_every=1e-9),
    )
    previews = [progress.preview for progress in seen if progress.preview]
    assert len(previews) == 4
    with Image.open(previews[0]) as picture:
        assert picture.size == (256, 256)


@pytest.mark.parametrize("family_id", [key for key in FAMILIES if key in TINY and not TINY[key].text.weights])
def test_what_of_the_words_is_not_taken_is_said_aloud(
    engine: ResidentEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, family_id: str
) -> None:
    from engines.pipeline.encode import text_notes

    engine.load(tiny_models[family_id], context())
    inner: Any = engine._engine
    request = tiny_request(family_id, task=TINY[family_id].tasks[0])
    pipe, family = inner.maker.passes.pipeline(Pass(request, request.seed)), TINY[family_id]
    (note,) = text_notes(pipe, family, tiny_request(family_id, prompt="a (red:1.3) apple BREAK"))
    assert note.endswith("left out of the prompt: weights, BREAK")
    (note,) = text_notes(pipe, family, tiny_request(family_id, prompt="apple " * 3000))
    assert "tokens; the model reads the first" in note
    assert text_notes(pipe, family, tiny_request(family_id, prompt="a (red) apple")) == ()
