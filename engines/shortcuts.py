"""Which steps are run in full and which with guidance, and what work is left: pure functions of the wish and the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.family import EngineFamily
from engines.options import Shortcuts
from engines.types import GenerationRequest

# What a step costs that is not a full one, in parts of a full one, by `EngineFamily.cache`. Measured with `easel benchmark`
# (docs/benchmark.md) for UNets at full size; for transformers the first of some twenty to sixty blocks and what lies around them.
CACHED_COST: Mapping[str, float] = {"deep": 0.3, "first-block": 0.1}
LOOKS_AT_CHANGE = "first-block"
SLACK = 1e-6  # shares are written with few digits: 0.3 of 10 steps is 3 of them


@dataclass(frozen=True)
class Schedule:
    """For each call of the sampler, from 0: whether the denoiser runs in full, and whether with guidance."""

    full: tuple[bool, ...]
    guided: tuple[bool, ...]

    def is_full(self, call: int) -> bool:
        """Whether call `call` runs in full; beyond the last one, it does."""
        return call >= len(self.full) or self.full[call]

    def is_guided(self, call: int) -> bool:
        """Whether call `call` runs with guidance."""
        return call >= len(self.guided) or self.guided[call]


def make_schedule(wish: Shortcuts, calls: int, reuses: bool, shortens: bool) -> Schedule:
    """The schedule of `calls` calls. `reuses` and `shortens` say whether the model and the wish have a use for either.

    Guidance that begins makes a step a full one: what was kept before was said of the prompt alone.
    """
    guided = tuple(not shortens or _within(wish, call, calls) for call in range(calls))
    full: list[bool] = []
    since = 0  # calls since the last full one
    for call in range(calls):
        begins = call > 0 and guided[call] and not guided[call - 1]
        full.append(not reuses or call == 0 or begins or since >= wish.every)
        since = 1 if full[-1] else since + 1
    return Schedule(tuple(full), guided)


def uses(request: GenerationRequest, family: EngineFamily) -> tuple[bool, bool]:
    """Whether the request's steps use again what was said before, and whether some are without guidance that others have."""
    wish = request.shortcuts
    if wish is None:
        return False, False
    guided = family.guidance.together and family.guidance.guided(request.guidance)
    return wish.reuses and family.cache is not None, wish.shortens_guidance and guided


def work_share(request: GenerationRequest, family: EngineFamily, surely: bool = False) -> float:
    """The part of the work of all steps that is left with the request's shortcuts; 1 without them.

    `surely` counts steps in full that are only left out while little changes, which nobody knows beforehand.
    """
    reuses, shortens = uses(request, family)
    if surely and request.shortcuts is not None and request.shortcuts.change < 1 and family.cache == LOOKS_AT_CHANGE:
        reuses = False
    calls = request.steps_run
    if request.shortcuts is None or not (reuses or shortens):
        return 1.0
    made = make_schedule(request.shortcuts, calls, reuses, shortens)
    cached = CACHED_COST[family.cache] if reuses and family.cache else 1.0
    costs = [
        (1.0 if full else cached) * (1.0 if guided else 0.5)
        for full, guided in zip(made.full, made.guided, strict=True)
    ]
    return sum(costs) / calls


def _within(wish: Shortcuts, call: int, calls: int) -> bool:
    return call / calls >= wish.guided_from - SLACK and (call + 1) / calls <= wish.guided_to + SLACK
