"""Shortcuts: what they leave out is counted, they come back exactly after a stop, and they leave no trace."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines.errors import Cancelled
from engines.interface import CancelToken, RunContext
from engines.options import Shortcuts
from engines.pipeline.engine import DiffusersEngine
from engines.records import ModelRecord
from engines.registry import REGISTRY, create_engine
from engines.shortcuts import CACHED_COST, make_schedule, work_share
from engines.types import GenerationRequest, Progress, Stage
from tests.engines.conftest import TINY

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]
CACHED = [
    key for key, family in TINY.items() if family.cache and not family.variants and family.tasks[0] == "text-to-image"
]
TOGETHER = [key for key, family in TINY.items() if family.guidance.together and family.tasks[0] == "text-to-image"]
WISH = {"every": 3, "change": 1.0}


def marks(flags: tuple[bool, ...]) -> str:
    return "".join("x" if flag else "." for flag in flags)


@pytest.mark.parametrize(
    ("wish", "full", "guided"),
    [
        (Shortcuts(every=3), "x..x..x..x", "xxxxxxxxxx"),
        (Shortcuts(every=2), "x.x.x.x.x.", "xxxxxxxxxx"),
        (Shortcuts(guided_from=0.2, guided_to=0.6), "xxxxxxxxxx", "..xxxx...."),
        (Shortcuts(every=4, guided_from=0.3), "x..x...x..", "...xxxxxxx"),
        (Shortcuts(every=3, guided_to=0.3), "x..x..x..x", "xxx......."),
    ],
)
def test_which_steps_are_full_and_guided(wish: Shortcuts, full: str, guided: str) -> None:
    made = make_schedule(wish, 10, wish.reuses, wish.shortens_guidance)
    assert (marks(made.full), marks(made.guided)) == (full, guided)


def test_the_work_that_is_left(tiny_request: Requests) -> None:
    family, cached = TINY["sd15"], CACHED_COST["deep"]

    def share(**wish: float) -> float:
        return work_share(tiny_request("sd15", steps=10, guidance=7.0, shortcuts=wish), family)

    assert share(every=2) == pytest.approx(0.5 + 0.5 * cached)
    assert share(guided_to=0.5) == pytest.approx(0.75)
    assert share() == 1.0
    without = tiny_request("sd15", steps=10, guidance=1.0, shortcuts={"guided_to": 0.5})
    assert work_share(without, family) == 1.0, "there is no guidance to leave out"


class Counting:
    """Counts calls of the modules of an engine's denoiser, and the pictures that each call had."""

    def __init__(self, module: Any) -> None:
        self.batches: list[int] = []
        self._hook = module.register_forward_hook(self._count, with_kwargs=True)

    def _count(self, _module: Any, args: Any, kwargs: Any, out: Any) -> None:
        first = out[0] if isinstance(out, tuple) else out
        self.batches.append(len(first) if isinstance(first, list) else first.shape[0])

    def end(self) -> list[int]:
        self._hook.remove()
        return self.batches


def engine_of(record: ModelRecord, ctx: RunContext) -> DiffusersEngine:
    engine = create_engine(record)
    engine.load(record, ctx)
    assert isinstance(engine, DiffusersEngine)
    return engine


def blocks_of(engine: DiffusersEngine) -> tuple[Any, Any]:
    """A block that is always run, and one that is left out."""
    denoiser: Any = engine.model.denoisers[0]
    if hasattr(denoiser, "down_blocks"):
        return denoiser.down_blocks[0], denoiser.mid_block.resnets[0]
    lists = [
        getattr(denoiser, name)
        for name in ("transformer_blocks", "single_transformer_blocks", "layers")
        if hasattr(denoiser, name)
    ]
    blocks = [block for each in lists for block in each]
    return blocks[0], _leaf(blocks[-1])


def _leaf(block: Any) -> Any:
    """A module inside the block: the cache replaces the block's own `forward`."""
    return next(module for module in block.modules() if not list(module.children()))


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path), np.int16)


@pytest.mark.parametrize("key", CACHED)
def test_a_cache_runs_deep_layers_in_full_steps_alone(
    tiny_models: Models, tiny_request: Requests, context: Contexts, key: str
) -> None:
    ctx = context("with")
    engine = engine_of(tiny_models[key], ctx)
    request = tiny_request(key, steps=7, sampler=TINY[key].samplers[0])
    plain = engine.generate(request, context("before")).artifacts[0].path.read_bytes()
    shallow, deep = (Counting(each) for each in blocks_of(engine))
    made = engine.generate(request.with_(shortcuts=WISH), ctx).artifacts[0].path
    always, seldom = len(shallow.end()), len(deep.end())
    calls = always // 7 if always % 7 == 0 else always // 8  # a sampler may make one call more
    assert seldom == 3 * calls, (always, seldom)
    assert made.read_bytes() != plain
    assert engine.generate(request, context("after")).artifacts[0].path.read_bytes() == plain, "it left a trace"


@pytest.mark.parametrize("key", CACHED)
def test_a_stopped_picture_with_a_cache_goes_on_to_the_same_bytes(
    tiny_models: Models, tiny_request: Requests, context: Contexts, key: str
) -> None:
    request = tiny_request(key, steps=8, shortcuts={**WISH, "guided_to": 0.7})
    engine = engine_of(tiny_models[key], context("load"))
    whole = engine.generate(request, context("whole", checkpoint_every=0)).artifacts[0].path.read_bytes()
    for stop in (2, 4, 5, 7):
        shutil.rmtree(context("stopped").staging)
        token = CancelToken()

        def on_progress(progress: Progress, stop: int = stop, token: CancelToken = token) -> None:
            if progress.stage is Stage.DENOISE and progress.step == stop:
                token.cancel()

        with pytest.raises(Cancelled):
            engine.generate(request, context("stopped", checkpoint_every=0, token=token, on_progress=on_progress))
        fresh = engine_of(tiny_models[key], context("load"))
        again = fresh.generate(request, context("stopped", checkpoint_every=0)).artifacts[0].path.read_bytes()
        assert again == whole, f"stopped after step {stop}"


@pytest.mark.parametrize("key", TOGETHER)
def test_without_guidance_in_any_step_it_is_the_picture_without_guidance(
    tiny_models: Models, tiny_request: Requests, context: Contexts, key: str
) -> None:
    engine = engine_of(tiny_models[key], context("load"))
    request = tiny_request(key, guidance=6.0, negative_prompt="blurred")
    counting = Counting(engine.model.denoisers[0])
    never = engine.generate(request.with_(shortcuts={"guided_from": 1.0}), context("never")).artifacts[0].path
    assert max(counting.end()) == 2, "the pipelines get both halves"
    off = engine.generate(request.with_(guidance=1.0), context("off")).artifacts[0].path
    full = engine.generate(request, context("full")).artifacts[0].path
    assert np.abs(pixels(never) - pixels(off)).max() <= 1
    assert np.abs(pixels(full) - pixels(off)).max() > 1


def test_steps_without_guidance_compute_half(tiny_models: Models, tiny_request: Requests, context: Contexts) -> None:
    engine = engine_of(tiny_models["sd15"], context("load"))
    request = tiny_request("sd15", steps=8, sampler="Euler", shortcuts={"guided_from": 0.25, "guided_to": 0.75})
    counting = Counting(engine.model.denoisers[0].get_submodule("conv_in"))
    engine.generate(request, context("run"))
    assert counting.end() == [1, 1, 2, 2, 2, 2, 1, 1]


def test_a_unet_that_is_told_the_guidance_has_no_half_to_leave_out(
    tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    from diffusers import UNet2DConditionModel

    engine = engine_of(tiny_models["sd15"], context("load"))
    torch.manual_seed(0)
    told: Any = UNet2DConditionModel.from_config({**engine.model.parts["unet"].config, "time_cond_proj_dim": 32})
    engine.model.parts["unet"] = told.eval()
    request = tiny_request("sd15", steps=4, guidance=6.0, count=2, batch=2)
    full = engine.generate(request, context("full")).artifacts
    wish = engine.generate(request.with_(shortcuts={"guided_to": 0.5}), context("wish")).artifacts
    for one, other in zip(full, wish, strict=True):
        assert np.array_equal(pixels(one.path), pixels(other.path))


def test_pictures_made_together_take_shortcuts_too(
    tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine = engine_of(tiny_models["sd15"], context("load"))
    wish = {"shortcuts": {"every": 2, "guided_to": 0.5}, "steps": 6, "count": 2, "sampler": "Euler"}
    alone = engine.generate(tiny_request("sd15", **wish), context("alone")).artifacts
    both = engine.generate(tiny_request("sd15", **wish, batch=2), context("both")).artifacts
    for one, other in zip(alone, both, strict=True):
        assert np.abs(pixels(one.path) - pixels(other.path)).max() <= 1


def test_a_small_change_allowed_runs_more_blocks(
    tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine = engine_of(tiny_models["flux"], context("load"))
    request = tiny_request("flux", steps=7)
    counts = []
    for change in (0.0, 1.0):
        counting = Counting(blocks_of(engine)[1])
        engine.generate(request.with_(shortcuts={"every": 7, "change": change}), context(f"change-{change}"))
        counts.append(len(counting.end()))
    assert counts == [7, 1]


def test_the_families_that_can_are_the_ones_that_say_so() -> None:
    assert {"sd15", "sd2", "sdxl", "flux", "qwen-image", "wan", "ltx"} <= {
        each.id for each in REGISTRY.all() if each.cache
    }
    assert replace(REGISTRY.get("sd15")).guidance.together
