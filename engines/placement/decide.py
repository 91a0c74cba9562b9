"""The decision: the first way on the ladder whose expected peaks fit into what is free, with its reasons in words.

The ladder goes from the quickest way to the most frugal one. A walk down after an error starts below the rung that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from engines.family import EngineFamily
from engines.placement.expect import expected_stages
from engines.placement.facts import MachineFacts
from engines.plan import Demand, Keep, ModelSizes, Placement, Plan, StagePeak, Way

# Main memory that is left alone, for the system, the window and whatever else is open: an assumption on the safe side of what
# a desktop takes when it wakes; a person who knows better sets the limit by hand.
SPARE = 700_000_000
# Graphics memory that cannot be used although it is free: torch's allocator rounds and fragments. An assumption.
CARD_SHARE = 0.94
GB = 1e9


class _Tried(NamedTuple):
    rung: int
    way: Way
    stages: tuple[StagePeak, ...]
    fits: bool


def decide_placement(
    facts: MachineFacts,
    sizes: ModelSizes,
    family: EngineFamily,
    demand: Demand,
    *,
    limit: int = 0,
    from_rung: int = 0,
) -> Plan:
    """The plan for `demand`; pure. `limit` in bytes is the person's own and wins over what is free; 0 is automatic.

    `from_rung` is the first rung that may be used: what failed above it is not tried again. When nothing fits, the most
    frugal plan comes back with `fits` false.
    """
    card = facts.device != "cpu"
    budget = limit or max(0, round(facts.free_memory * CARD_SHARE) if card else facts.free_memory - SPARE)
    main = max(0, facts.main_memory - SPARE) if card else 0
    dtype = _dtype(facts)
    ladder = list(_ladder(facts, sizes, demand))
    from_rung = min(from_rung, ladder[-1][0])
    seen: list[_Tried] = []
    for rung, way in ladder:
        stages = expected_stages(sizes, family.memory, family.video, demand, way, dtype, card)
        seen.append(_Tried(rung, way, stages, _fits(stages, budget, main, card)))
        if rung >= from_rung and seen[-1].fits:
            break
    rung, way, stages, fits = seen[-1]
    roomy = expected_stages(sizes, family.memory, family.video, demand, way, dtype, card, keeps_pages=True)
    keeps_pages = facts.keeps_pages and not card and fits and _fits(roomy, budget, main, card)
    return Plan(
        placement=Placement(facts.device, dtype, tile_decode=way.tiled, keep=way.keep),
        way=way,
        stages=roomy if keeps_pages else stages,
        budget=budget,
        main_budget=main,
        fits=fits,
        rung=rung,
        reasons=tuple(_reasons(facts, sizes, seen, budget, limit, from_rung, fits)),
        demand=demand,
        keeps_pages=keeps_pages,
    )


def ways_out(
    facts: MachineFacts, sizes: ModelSizes, family: EngineFamily, demand: Demand, *, limit: int = 0
) -> tuple[Demand, ...]:
    """Smaller wishes that fit: the largest number of frames at this size, and the largest size with these frames."""
    found = []
    for smaller in (_fewer_frames(family, demand), _smaller_sizes(family, demand)):
        for each in smaller:
            if decide_placement(facts, sizes, family, each, limit=limit).fits:
                found.append(each)
                break
    return tuple(found)


def _dtype(facts: MachineFacts) -> str:
    """A processor computes in float32, a graphics card in 16 bits.

    A processor without bfloat16 instructions pays for it: one step took four times as long and one convolution 118 times
    (measured on AVX2). With them it would give other pictures than every other processor, so float32 stays there too. All
    parts share one dtype because the pipelines feed one part's output to the next as it is; a decoder that overflows in
    float16 is run again in float32 (see `engines.pipeline.decode`).
    """
    if facts.device == "cpu":
        return "float32"
    return "bfloat16" if facts.bfloat16 else "float16"


def _ladder(facts: MachineFacts, sizes: ModelSizes, demand: Demand) -> Iterator[tuple[int, Way]]:
    """Every way in its order, with the number of its rung, which is the same for every model and wish.

    Tiles come early: they change next to nothing. What moves weights about costs time.
    """
    if demand.batch > 1:
        yield 0, Way(Keep.WHOLE, False, demand.batch)
    yield 1, Way(Keep.WHOLE, False)
    yield 2, Way(Keep.WHOLE, True)
    if demand.swappable and sizes.group("encoders") and sizes.group("denoisers"):
        yield 3, Way(Keep.PARTS, True)
    if facts.device != "cpu":
        yield 4, Way(Keep.STREAM, True)
    if sizes.mappable and (demand.swappable or facts.device != "cpu"):
        yield 5, Way(Keep.DISK, True)


def _fits(stages: tuple[StagePeak, ...], budget: int, main: int, card: bool) -> bool:
    return all(each.device <= budget and (not card or each.main <= main) for each in stages)


def _reasons(
    facts: MachineFacts,
    sizes: ModelSizes,
    seen: list[_Tried],
    budget: int,
    limit: int,
    from_rung: int,
    fits: bool,
) -> Iterator[str]:
    where = "graphics memory" if facts.device != "cpu" else "memory"
    yield f"{budget / GB:.1f} GB of {where} may be used" + (
        ": the limit that was set by hand" if limit else f" of {facts.total_memory / GB:.1f} GB"
    )
    if facts.device == "cpu":
        yield "a processor computes in float32: half precision is many times slower there"
    if any(part.quantised for part in sizes.parts.values()):
        yield "quantised parts stay as small as they are in their file"
    for each in seen[:-1] if fits else seen:
        peak = max(stage.device for stage in each.stages)
        failed = each.fits and each.rung < from_rung
        yield f"{says(each.way)}: " + ("ran out of memory before" if failed else f"would take {peak / GB:.1f} GB")
    if fits:
        yield f"chosen: {says(seen[-1].way)}"


def says(way: Way) -> str:
    """The way in words."""
    held = {
        Keep.WHOLE: "the whole model in memory",
        Keep.PARTS: "the text encoders and then the denoiser, each in the other's room",
        Keep.STREAM: "the model layer by layer from main memory",
        Keep.DISK: "the model layer by layer from its file",
    }[way.keep]
    more = [f"{way.batch} pictures together"] if way.batch > 1 else []
    more += ["decoded in tiles"] if way.tiled else []
    return ", ".join((held, *more))


def _fewer_frames(family: EngineFamily, demand: Demand) -> Iterator[Demand]:
    rules = family.video
    if rules is None:
        return
    for frames in range(demand.frames - 1, rules.min_frames - 1, -1):
        if rules.allows(frames):
            yield replace(demand, frames=frames)


def _smaller_sizes(family: EngineFamily, demand: Demand) -> Iterator[Demand]:
    """Sides in proportion, from nine tenths down, in the family's multiples."""
    limits = family.limits
    for tenths in range(9, 1, -1):
        width, height = (
            max(limits.min_side, int(side * tenths / 10) // limits.side_multiple * limits.side_multiple)
            for side in (demand.width, demand.height)
        )
        if width * height < demand.pixels:
            yield replace(demand, width=width, height=height)
