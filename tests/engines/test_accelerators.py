"""Accelerators: the same numbers to within 1e-4 of their spread, prepared once, stopped and resumed, without a trace."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines import media
from engines.accelerators import Accelerator, compiler_there, openvino_possible
from engines.demand import demand_of
from engines.errors import Cancelled, ResourceError, UserError
from engines.interface import CancelToken, RunContext
from engines.pipeline import pass_runner
from engines.pipeline.accelerate import check_here
from engines.pipeline.engine import DiffusersEngine
from engines.placement.expect import expected_stages
from engines.plan import Keep, ModelSizes, PartSize, Placement, Way
from engines.records import ModelRecord
from engines.registry import create_engine
from engines.types import GenerationRequest, Progress, Stage
from tests.engines.conftest import TINY
from tests.engines.test_loras import diffusers_file

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]
OPENVINO, COMPILE = Accelerator.OPENVINO, Accelerator.COMPILE

needs_openvino = pytest.mark.skipif(not openvino_possible(), reason="OpenVINO is an extra: pip install openvino")
needs_compiler = pytest.mark.skipif(not compiler_there(), reason="torch.compile needs g++ and Python's headers")
EACH = [pytest.param(OPENVINO, marks=needs_openvino), pytest.param(COMPILE, marks=[needs_compiler, pytest.mark.long])]
EXACT = 1e-4  # of the latents' deviation


@pytest.fixture
def latents(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.Tensor]]:
    """What each pass of a pipeline ended with."""
    seen: list[torch.Tensor] = []
    check = pass_runner.check_latents

    def looking(found: torch.Tensor, calls: int) -> None:
        seen.append(found.clone())
        check(found, calls)

    monkeypatch.setattr(pass_runner, "check_latents", looking)
    yield seen


def engine_of(record: ModelRecord, ctx: RunContext) -> DiffusersEngine:
    engine = create_engine(record)
    engine.load(record, ctx)
    assert isinstance(engine, DiffusersEngine)
    return engine


@pytest.fixture(scope="module")
def warm(tiny_models: Models, tmp_path_factory: pytest.TempPathFactory) -> DiffusersEngine:
    """One engine for the tests that do not count what it prepares: a graph takes seconds, even of a tiny model."""
    return engine_of(tiny_models["sd15"], RunContext(staging=tmp_path_factory.mktemp("load")))


def off(first: torch.Tensor, second: torch.Tensor) -> float:
    """The largest difference, in parts of the deviation."""
    return float((first - second).abs().max() / first.std())


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path), np.int16)


@pytest.mark.parametrize("wish", EACH)
def test_it_is_the_same_picture_prepared_once_and_said(
    tiny_models: Models, tiny_request: Requests, context: Contexts, latents: list[torch.Tensor], wish: Accelerator
) -> None:
    notes: list[str] = []
    ctx = context("with", on_progress=lambda report: notes.append(report.note) if report.note else None)
    engine = engine_of(tiny_models["sd15"], ctx)
    request = tiny_request("sd15", guidance=7.0)
    before = engine.generate(request, context("before")).artifacts[0].path
    made = engine.generate(request.with_(accelerator=wish), ctx)
    path, said = made.artifacts[0].path, list(notes)
    assert off(latents[0], latents[1]) <= EXACT
    assert np.abs(pixels(path) - pixels(before)).max() <= 1
    assert len(said) == 2 and said[1].startswith("Prepared in"), said
    assert made.seconds[Stage.LOAD] > 0 and made.seconds[Stage.DENOISE] > 0
    said_in_file = media.read_metadata(path)
    assert said_in_file.settings["Accelerator"] == wish and said_in_file.request == request.with_(accelerator=wish)
    assert said_in_file.record["software"]["accelerator"] == made.facts["accelerator"]
    assert str(wish) in made.facts["accelerator"]
    again = engine.generate(request.with_(accelerator=wish, seed=8), context("again", on_progress=ctx.on_progress))
    assert notes == said and Stage.LOAD not in again.seconds, "it was prepared twice"
    after = engine.generate(request, context("after"))
    assert after.artifacts[0].path.read_bytes() == before.read_bytes(), "it left a trace"
    assert "accelerator" not in after.facts


@needs_openvino
def test_openvino_tells_its_maker_nothing(warm: DiffusersEngine, tiny_request: Requests, context: Contexts) -> None:
    warm.generate(tiny_request("sd15", steps=1, accelerator=OPENVINO), context("run"))
    assert "openvino" in sys.modules and sys.modules["openvino_telemetry"] is None
    told = [name for name in sys.modules if name.startswith("openvino_telemetry.") or name.endswith("backend_ga4")]
    assert told == [], "importing it sends a word over the network"


@needs_openvino
def test_a_graph_with_other_numbers_is_not_used(
    tiny_models: Models, tiny_request: Requests, context: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engines.pipeline.accelerate import graph

    assert graph.difference(torch.tensor([1.0, 3.0]), torch.tensor([1.0, torch.nan])) != 0
    monkeypatch.setattr(graph, "LIMIT", 0.0)  # the smallest difference is too large then
    engine = engine_of(tiny_models["sd15"], context("load"))
    with pytest.raises(ResourceError) as caught:
        engine.generate(tiny_request("sd15", accelerator=OPENVINO), context("run"))
    assert caught.value.code == "accelerator-differs"
    engine.generate(tiny_request("sd15"), context("after"))


@pytest.mark.parametrize("wish", EACH)
def test_a_stopped_picture_goes_on_to_the_same_bytes(
    warm: DiffusersEngine, tiny_request: Requests, context: Contexts, wish: Accelerator
) -> None:
    request = tiny_request("sd15", steps=5, guidance=7.0, shortcuts={"guided_to": 0.7}, accelerator=wish)
    whole = warm.generate(request, context("whole", checkpoint_every=0)).artifacts[0].path.read_bytes()
    for stop in (1, 4):
        shutil.rmtree(context("stopped").staging)
        token = CancelToken()

        def on_progress(progress: Progress, stop: int = stop, token: CancelToken = token) -> None:
            if progress.stage is Stage.DENOISE and progress.step == stop:
                token.cancel()

        with pytest.raises(Cancelled):
            warm.generate(request, context("stopped", checkpoint_every=0, token=token, on_progress=on_progress))
        again = warm.generate(request, context("stopped", checkpoint_every=0)).artifacts[0].path.read_bytes()
        assert again == whole, f"stopped after step {stop}"


@needs_openvino
def test_stop_while_it_is_prepared(tiny_models: Models, tiny_request: Requests, context: Contexts) -> None:
    token = CancelToken()

    def on_progress(progress: Progress) -> None:
        if "prepares" in progress.note:
            token.cancel()

    engine = engine_of(tiny_models["sd15"], context("load"))
    request = tiny_request("sd15", accelerator=OPENVINO)
    with pytest.raises(Cancelled):
        engine.generate(request, context("stopped", token=token, on_progress=on_progress))
    plain = request.with_(accelerator=Accelerator.NONE)
    fresh = engine_of(tiny_models["sd15"], context("load")).generate(plain, context("fresh")).artifacts[0].path
    assert engine.generate(plain, context("after")).artifacts[0].path.read_bytes() == fresh.read_bytes()


@pytest.mark.parametrize("wish", EACH)
def test_a_lora_counts_and_goes(
    warm: DiffusersEngine,
    tiny_request: Requests,
    context: Contexts,
    latents: list[torch.Tensor],
    tmp_path: Path,
    wish: Accelerator,
) -> None:
    files = {"strong": diffusers_file(tmp_path / "strong.safetensors")}
    for number, weight in enumerate((0.0, 1.0, 0.0)):
        loras = [{"file": "strong", "weight": weight}] if weight else []
        for each in (Accelerator.NONE, wish):
            request = tiny_request("sd15", loras=loras, accelerator=each)
            warm.generate(request, replace(context(f"{number}-{each}"), files=files))
        assert off(latents[-2], latents[-1]) <= EXACT, weight
    assert off(latents[0], latents[2]) > 0.01, "the LoRA does nothing"


@pytest.mark.long
@needs_openvino
def test_pictures_together_and_a_second_pass(
    warm: DiffusersEngine, tiny_request: Requests, context: Contexts, latents: list[torch.Tensor]
) -> None:
    together = tiny_request("sd15", count=2, batch=2)
    larger = tiny_request("sd15", hires={"scale": 2, "strength": 0.5})
    for number, request in enumerate((together, larger)):
        plain, quick = (
            warm.generate(request.with_(accelerator=each), context(f"{number}-{each}")).artifacts
            for each in (Accelerator.NONE, OPENVINO)
        )
        for first, second in zip(plain, quick, strict=True):
            assert np.abs(pixels(first.path) - pixels(second.path)).max() <= 1


@pytest.mark.long
@needs_openvino
@pytest.mark.parametrize("key", [key for key, family in TINY.items() if OPENVINO in family.accelerators])
def test_each_family_that_says_so(
    tiny_models: Models, tiny_request: Requests, context: Contexts, latents: list[torch.Tensor], key: str
) -> None:
    notes: list[str] = []
    engine = engine_of(tiny_models[key], context("load"))
    engine.generate(tiny_request(key), context("plain"))
    ctx = context("with", on_progress=lambda report: notes.append(report.note) if report.note else None)
    engine.generate(tiny_request(key, accelerator=OPENVINO), ctx)
    assert off(latents[0], latents[1]) <= EXACT
    assert len(notes) <= 4, "more graphs than are kept would be made anew at each step"


@pytest.mark.parametrize("key", [key for key, family in TINY.items() if COMPILE in family.accelerators])
def test_what_is_to_be_compiled_is_there(key: str) -> None:
    import diffusers

    part = TINY[key].tiny.parts[TINY[key].denoiser]
    assert getattr(diffusers, part.class_name)._repeated_blocks, "the class names no repeated blocks"


def test_what_it_takes_is_planned(tiny_request: Requests) -> None:
    sizes = ModelSizes({"unet": PartSize(1000, 4000, 10), "vae": PartSize(10, 40, 1)}, ("unet",))
    family, request = TINY["sd15"], tiny_request("sd15")

    def peak(wish: GenerationRequest) -> int:
        demand = demand_of(wish, family)
        way = Way(Keep.WHOLE, False)
        stages = expected_stages(sizes, family.memory, family.video, demand, way, "float32", False)
        return next(each.device for each in stages if each.stage == Stage.DENOISE)

    quick = request.with_(accelerator=OPENVINO)
    assert peak(quick) - peak(request) == 4000
    assert peak(quick.with_(hires={"scale": 1.0})) - peak(request.with_(hires={"scale": 1.0})) == 8000
    assert not demand_of(quick, family).swappable and demand_of(request, family).swappable


@needs_openvino
def test_it_is_refused_on_a_card_and_where_memory_is_short() -> None:
    with pytest.raises(UserError) as on_card:
        check_here(OPENVINO, Placement("cuda", "bfloat16"))
    with pytest.raises(ResourceError) as short:
        check_here(OPENVINO, Placement("cpu", "float32", keep=Keep.DISK))
    assert (on_card.value.code, short.value.code) == ("accelerator-not-on-card", "accelerator-not-held-whole")
