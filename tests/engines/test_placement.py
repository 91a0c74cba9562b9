"""The plan is a pure decision: it never goes over its budget unless it says so, and more memory never makes it slower."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engines.family import EngineFamily
from engines.part_sizes import decoder_width, part_sizes
from engines.placement import Demand, Keep, MachineFacts, ModelSizes, PartSize, Plan, decide_placement, ways_out
from engines.records import ModelRecord, TensorInfo
from engines.registry import REGISTRY

GB = 10**9
FAMILIES = REGISTRY.all()


def sizes(family: EngineFamily, billions: float = 1.0, stored: str = "float16") -> ModelSizes:
    """A model whose denoiser has `billions` of parameters and whose encoder has half as many."""

    def part(share: float) -> PartSize:
        count = int(billions * share * 1e9)
        return PartSize(count, count * 2, count // 100, stored)

    denoisers = tuple(name for name in (family.denoiser, family.second_denoiser) if name)
    parts = {name: part(1.0) for name in denoisers} | {"vae": part(0.08), "text_encoder": part(0.5)}
    return ModelSizes(parts, denoisers, ("vae",), mappable=bool(stored))


demands = some.builds(
    Demand,
    width=some.integers(4, 32).map(lambda count: count * 64),
    height=some.integers(4, 32).map(lambda count: count * 64),
    frames=some.integers(1, 30).map(lambda count: 4 * count + 1),
    batch=some.integers(1, 8),
    passes=some.sampled_from((1, 2)),
    swappable=some.booleans(),
)
machines = some.builds(
    MachineFacts,
    device=some.sampled_from(("cpu", "cuda")),
    free_memory=some.integers(0, 100 * GB),
    bfloat16=some.booleans(),
    main_memory=some.integers(0, 100 * GB),
    keeps_pages=some.booleans(),
)
models = some.builds(
    sizes, some.sampled_from(FAMILIES), some.floats(0.05, 30), some.sampled_from(("float16", "float32", ""))
)


@settings(max_examples=300, deadline=None)
@given(machines, models, some.sampled_from(FAMILIES), demands, some.integers(0, 6))
def test_a_plan_that_fits_stays_within_its_budget(
    facts: MachineFacts, model: ModelSizes, family: EngineFamily, demand: Demand, from_rung: int
) -> None:
    plan = decide_placement(facts, model, family, demand, from_rung=from_rung)
    within = all(stage.device <= plan.budget for stage in plan.stages)
    if facts.device != "cpu":
        within = within and all(stage.main <= plan.main_budget for stage in plan.stages)
    assert plan.fits == within
    assert plan.budget <= facts.free_memory
    assert plan.reasons
    assert all(stage.device > 0 for stage in plan.stages)


@settings(max_examples=100, deadline=None)
@given(machines, models, some.sampled_from(FAMILIES), demands, some.integers(1, 3 * GB), some.integers(0, GB))
def test_what_guides_a_picture_is_counted(
    facts: MachineFacts, model: ModelSizes, family: EngineFamily, demand: Demand, guides: int, eyes: int
) -> None:
    plain = decide_placement(facts, model, family, demand)
    guided = decide_placement(facts, model, family, replace(demand, guides=guides, eyes=eyes))
    assert guided.rung >= plain.rung or not plain.fits
    if guided.way == plain.way and guided.keeps_pages == plain.keeps_pages:
        width = 4 if facts.device == "cpu" else 2
        before, after = ({each.stage: each.device for each in plan.stages} for plan in (plain, guided))
        added = {stage: after[stage] - before[stage] for stage in before}
        assert all(abs(each - width * guides) <= 1 for stage, each in added.items() if stage != "encode")
        assert abs(added["encode"] - width * (guides + eyes)) <= 1


@settings(max_examples=200, deadline=None)
@given(machines, models, some.sampled_from(FAMILIES), demands, some.integers(0, 50 * GB))
def test_more_memory_never_makes_it_slower(
    facts: MachineFacts, model: ModelSizes, family: EngineFamily, demand: Demand, more: int
) -> None:
    richer = replace(facts, free_memory=facts.free_memory + more, main_memory=facts.main_memory + more)
    before, after = (decide_placement(each, model, family, demand) for each in (facts, richer))
    assert after.rung <= before.rung
    assert after.fits >= before.fits


@settings(max_examples=200, deadline=None)
@given(machines, models, some.sampled_from(FAMILIES), demands)
def test_a_smaller_wish_never_takes_more(
    facts: MachineFacts, model: ModelSizes, family: EngineFamily, demand: Demand
) -> None:
    half = replace(demand, width=max(64, demand.width // 2))
    whole, smaller = (decide_placement(facts, model, family, each) for each in (demand, half))
    assert smaller.rung <= whole.rung
    assert smaller.fits >= whole.fits


@settings(max_examples=100, deadline=None)
@given(machines, models, some.sampled_from(FAMILIES), demands)
def test_every_way_out_fits_and_is_one_the_family_can_make(
    facts: MachineFacts, model: ModelSizes, family: EngineFamily, demand: Demand
) -> None:
    for each in ways_out(facts, model, family, demand):
        assert decide_placement(facts, model, family, each).fits
        assert each.pixels * each.frames < demand.pixels * demand.frames
        assert each.frames == demand.frames or (family.video is not None and family.video.allows(each.frames))


def test_freed_memory_is_kept_only_where_there_is_room_for_it() -> None:
    """It takes more and never costs a rung: where it does not fit the same way is taken without it."""
    family, demand = REGISTRY.get("sd15"), Demand(512, 512, swappable=False)

    def planned(limit: int, keeps_pages: bool = True) -> Plan:
        facts = MachineFacts("cpu", 0, False, keeps_pages=keeps_pages)
        return decide_placement(facts, sizes(family), family, demand, limit=limit)

    roomy, elsewhere = planned(100 * GB), planned(100 * GB, keeps_pages=False)
    assert roomy.keeps_pages and not elsewhere.keeps_pages
    assert roomy.peak > elsewhere.peak
    exact = planned(roomy.peak)
    assert exact.keeps_pages and exact.peak == roomy.peak
    tight = planned(roomy.peak - 1)
    assert (tight.way, tight.rung, tight.peak) == (roomy.way, roomy.rung, elsewhere.peak) and not tight.keeps_pages


def test_the_limit_that_a_person_set_wins() -> None:
    family = REGISTRY.get("sd15")
    facts = MachineFacts("cpu", 64 * GB, False)
    demand = Demand(512, 512, passes=2)
    assert decide_placement(facts, sizes(family), family, demand).way.keep is Keep.WHOLE
    little = decide_placement(facts, sizes(family), family, demand, limit=2 * GB)
    assert little.budget == 2 * GB
    assert little.way.keep is not Keep.WHOLE
    assert decide_placement(replace(facts, free_memory=0), sizes(family), family, demand, limit=64 * GB).fits


def test_a_processor_never_gets_half_precision_and_a_card_never_float32() -> None:
    family = REGISTRY.get("sdxl")
    for free in range(40):
        for half in (True, False):
            for device in ("cpu", "cuda"):
                facts = MachineFacts(device, free * GB, half, main_memory=free * GB)
                plan = decide_placement(facts, sizes(family, 2.57), family, Demand(1024, 1024))
                expected = "float32" if device == "cpu" else "bfloat16" if half else "float16"
                assert plan.placement.dtype == expected


def test_the_ladder_of_a_card_is_walked_in_its_order() -> None:
    family = REGISTRY.get("flux")
    model = sizes(family, 11.9, "bfloat16")
    ways = []
    for free in range(60, 0, -1):
        facts = MachineFacts("cuda", free * GB, True, main_memory=64 * GB)
        plan = decide_placement(facts, model, family, Demand(1024, 1024))
        if plan.fits and (not ways or ways[-1] != plan.way):
            ways.append(plan.way)
    assert [way.keep for way in ways if way.tiled] == [Keep.WHOLE, Keep.PARTS, Keep.STREAM] or [
        way.keep for way in ways
    ] == [Keep.WHOLE, Keep.PARTS, Keep.STREAM]
    poor = MachineFacts("cuda", 4 * GB, True, main_memory=26 * GB)
    assert decide_placement(poor, model, family, Demand(1024, 1024)).way.keep is Keep.DISK


@pytest.mark.parametrize("key", ["sd15", "flux", "sdxl"])
def test_sizes_are_those_of_the_files(tiny_models: dict[str, ModelRecord], key: str) -> None:
    record = tiny_models[key]
    family = REGISTRY.of(record)
    found = part_sizes(record, family)
    on_disk = sum(path.stat().st_size for path in Path(record.path).rglob("*.safetensors"))
    assert 0.5 * on_disk < sum(part.stored_bytes for part in found.parts.values()) <= on_disk
    assert set(found.group("denoisers")) == {family.denoiser}
    assert "vae" in found.group("decoders")
    assert all(name.startswith(("text_encoder", "image_encoder")) for name in found.group("encoders"))
    assert found.parts["vae"].stored == "float32"


def test_a_narrow_decoder_is_expected_to_take_less(tiny_models: dict[str, ModelRecord]) -> None:
    """From the headers of a folder and of a checkpoint, whose levels are named the other way round."""
    record = tiny_models["sd15"]
    family = REGISTRY.of(record)
    found = part_sizes(record, family)
    config = json.loads((Path(record.path) / "vae" / "config.json").read_text(encoding="utf-8"))
    assert found.decoder_width == config["block_out_channels"][1 if len(config["block_out_channels"]) > 1 else 0]
    levels = {
        f"first_stage_model.decoder.up.{level}.block.0.conv1.weight": width for level, width in enumerate((256, 512))
    }
    assert decoder_width({name: TensorInfo("F16", (128, width, 3, 3)) for name, width in levels.items()}) == 256
    assert decoder_width({"decoder.conv_out.weight": TensorInfo("F16", (3, 128, 3, 3))}) == 0
    facts, demand = MachineFacts("cpu", 64 * GB, False), Demand(512, 512)
    peaks = {
        width: decide_placement(facts, replace(found, decoder_width=width), family, demand).peak
        for width in (0, 64, 256)
    }
    assert peaks[64] < peaks[256] == peaks[0]
