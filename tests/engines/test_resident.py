"""What was loaded or encoded is not loaded or encoded again, counted and not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from engines.interface import RunContext
from engines.part_sizes import part_sizes
from engines.placement import Demand, MachineFacts, decide_placement
from engines.plan import Plan
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.resident import ResidentEngine
from engines.samplers import default_schedule
from engines.types import GenerationRequest

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]


def roomy(record: ModelRecord, budget: int = 10**12, guides: int = 0) -> Plan:
    family, demand = REGISTRY.of(record), Demand(64, 64, guides=guides)
    plan = decide_placement(MachineFacts("cpu", 10**12, False), part_sizes(record, family), family, demand)
    return replace(plan, budget=budget)


def make(engine: ResidentEngine, record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> bytes:
    engine.load(record, ctx)
    return engine.generate(request, ctx).artifacts[0].path.read_bytes()


def tensors_of(engine: ResidentEngine) -> Iterator[Any]:
    parts: dict[str, Any] = engine._current.engine.model.parts  # pyright: ignore
    for part in parts.values():
        yield from part.parameters() if hasattr(part, "parameters") else ()


@contextmanager
def encoder_calls(engine: ResidentEngine) -> Iterator[list[str]]:
    """Which text encoders are called while it lasts."""
    parts: dict[str, Any] = engine._current.engine.model.parts  # pyright: ignore
    calls: list[str] = []
    hooks = [
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, part in parts.items()
        if name.startswith("text_encoder") and part is not None
    ]
    yield calls
    for hook in hooks:
        hook.remove()


def test_two_models_stay_and_the_first_is_not_read_again(
    tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine = ResidentEngine()
    first = make(engine, tiny_models["sd15"], tiny_request("sd15"), context("1", plan=roomy(tiny_models["sd15"])))
    make(engine, tiny_models["flux"], tiny_request("flux"), context("2", plan=roomy(tiny_models["flux"])))
    again = make(engine, tiny_models["sd15"], tiny_request("sd15"), context("3", plan=roomy(tiny_models["sd15"])))
    assert (engine.loads, engine.resident) == (2, 2)
    assert first == again


@pytest.mark.parametrize("sampler", ["DDIM", "Heun", "LCM"])
def test_the_second_time_is_as_the_first(
    tiny_models: Models, tiny_request: Requests, context: Contexts, sampler: str
) -> None:
    """The model's configuration asks to clip, which diffusers mends once, where a pipeline is built."""
    engine, record = ResidentEngine(), tiny_models["sd2"]
    request = tiny_request("sd2", sampler=sampler, scheduler=default_schedule(sampler, "Karras"))
    engine.load(record, context("0", plan=roomy(record)))
    assert engine._current.engine.model.parts["scheduler"]["clip_sample"] is True  # pyright: ignore
    made = [make(engine, record, request, context(name, plan=roomy(record))) for name in ("1", "2")]
    assert made[0] == made[1]


def test_the_least_recently_used_goes_when_there_is_no_room(
    tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    engine = ResidentEngine()
    for number, key in enumerate(("sd15", "flux", "sd15", "sdxl")):
        record = tiny_models[key]
        plan = roomy(record) if key != "sdxl" else None
        if plan is None:  # room for one other model beside the new one
            full = roomy(record)
            plan = replace(full, budget=full.peak + min(each.held for each in engine._models.values()))
        engine.load(record, context(str(number), plan=plan))
        engine._current.held = 10**6  # its measure has a test of its own; here they are alike
    left = [fingerprint.split("|")[0] for fingerprint in engine._models]
    assert left == ["sd15", "sdxl"], "the one that was not used for longest goes, and no other"
    engine.load(tiny_models["flux"], context("tight", plan=roomy(tiny_models["flux"], budget=0)))
    assert engine.resident == 1


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that keeps what was freed")
def test_a_model_that_fills_what_was_free_in_the_process_still_counts(tiny_models: Models, context: Contexts) -> None:
    engine = ResidentEngine()
    engine.load(tiny_models["sd15"], context("1", plan=roomy(tiny_models["sd15"])))
    blocks = [bytes(1000) for _ in range(100_000)]
    stay = blocks[::1000]  # so that the allocator cannot shrink its heap from the end alone
    del blocks
    engine.load(tiny_models["sdxl"], context("2", plan=roomy(tiny_models["sdxl"])))
    del stay
    weights = sum(each.numel() * each.itemsize for each in tensors_of(engine))
    assert engine._models[next(reversed(engine._models))].held > weights / 2


def test_what_comes_beside_a_model_that_stays_gets_its_room_beforehand(tiny_models: Models, context: Contexts) -> None:
    engine, record = ResidentEngine(), tiny_models["sd15"]
    for number, key in enumerate(("flux", "sd15")):
        engine.load(tiny_models[key], context(str(number), plan=roomy(tiny_models[key])))
    other = next(iter(engine._models.values())).held
    budget = roomy(record).peak + other + 10**6
    engine.load(record, context("alone", plan=roomy(record, budget)))
    assert (engine.resident, engine.loads) == (2, 2), "there is room for both"
    engine.load(record, context("guided", plan=roomy(record, budget, guides=10**6)))  # 4 MB in float32
    assert (engine.resident, engine.loads) == (1, 2), "the other one goes, and the model is not read again"
    assert next(iter(engine._models)).startswith("sd15")


@pytest.mark.parametrize("key", ["sd15", "sdxl", "flux", "sd3"])
def test_a_new_seed_encodes_nothing(tiny_models: Models, tiny_request: Requests, context: Contexts, key: str) -> None:
    engine, record = ResidentEngine(), tiny_models[key]
    make(engine, record, tiny_request(key, seed=1), context("1", plan=roomy(record)))
    with encoder_calls(engine) as calls:
        make(engine, record, tiny_request(key, seed=2), context("2", plan=roomy(record)))
    assert calls == []
    assert engine.loads == 1


@pytest.mark.parametrize("key", ["sd15", "sdxl"])
def test_a_new_prompt_does_not_encode_the_negative_again(
    tiny_models: Models, tiny_request: Requests, context: Contexts, key: str
) -> None:
    engine, record = ResidentEngine(), tiny_models[key]
    wish = {"negative_prompt": "blurred", "guidance": 7.0}
    make(engine, record, tiny_request(key, prompt="a cat", **wish), context("1", plan=roomy(record)))
    encoders = len([name for name in engine._current.engine.model.parts if name.startswith("text_encoder")])  # pyright: ignore
    with encoder_calls(engine) as calls:
        make(engine, record, tiny_request(key, prompt="a dog", **wish), context("2", plan=roomy(record)))
    assert len(calls) == encoders, "one call of each encoder: the new prompt's"


def test_a_grid_encodes_each_text_once(tiny_models: Models, tiny_request: Requests, context: Contexts) -> None:
    """Two prompts by three step counts: six jobs, as the grid submits them; the negative prompt is shared."""
    engine, record = ResidentEngine(), tiny_models["sd15"]
    engine.load(record, context("0", plan=roomy(record)))
    with encoder_calls(engine) as calls:
        for number, (prompt, steps) in enumerate((p, s) for s in (1, 2, 3) for p in ("a cat", "a dog")):
            request = tiny_request("sd15", prompt=prompt, steps=steps, negative_prompt="blurred", guidance=7.0)
            make(engine, record, request, context(f"grid-{number}", plan=roomy(record)))
    assert len(calls) == 3
    assert engine.loads == 1


@pytest.mark.parametrize("key", ["sd15", "flux"])
def test_memory_that_is_kept_changes_no_byte(
    tiny_models: Models, tiny_request: Requests, context: Contexts, key: str
) -> None:
    record, engine = tiny_models[key], ResidentEngine()
    plans = [replace(roomy(record), keeps_pages=keeps) for keeps in (False, True, False)]
    made = [make(engine, record, tiny_request(key), context(str(at), plan=plan)) for at, plan in enumerate(plans)]
    assert made[0] == made[1] == made[2]
    assert engine.loads == 1, "it is no other way to hold a model"


def test_the_stages_tell_what_they_took(tiny_models: Models, tiny_request: Requests, context: Contexts) -> None:
    engine, record = ResidentEngine(), tiny_models["sd15"]
    ctx = context("1", plan=roomy(record))
    engine.load(record, ctx)
    result = engine.generate(tiny_request("sd15"), ctx)
    assert set(result.seconds) == {"load", "encode", "denoise", "decode", "save"}
    assert set(result.peaks) <= set(result.seconds)
    assert all(0 < peak <= result.peak_memory for peak in result.peaks.values())
    assert "load" not in engine.generate(tiny_request("sd15"), context("2", plan=roomy(record))).seconds
