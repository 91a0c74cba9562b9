"""Draft against Best at as many steps: how much sooner, and how different the pictures are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.benchmark.bench import Bench
from app.benchmark.figures import PERCENT, Figure, Goal
from app.wishes import Quality, quality_values
from engines.api import GenerationRequest, family_of

FASTER = Goal(2.0, least=True)
WHITE = 255


def measure(bench: Bench) -> Iterator[Figure]:
    """Both with the steps of the wish, in turn, with the same seeds; Best leaves nothing out, whatever its steps."""
    shortcuts = _shortcuts(bench)
    if shortcuts is None:
        return
    bench.say("Draft against Best, in turn")
    times, off = [], []
    for draft_first in bench.turns(bench.first_pairs):
        best = bench.another()
        draft = best.with_(shortcuts=shortcuts)
        made = [bench.easel.picture(each) for each in ((draft, best) if draft_first else (best, draft))]
        first, second = made if draft_first else reversed(made)
        times.append((second.whole.cpu, first.whole.cpu))
        off.append(difference(first.file, second.file))
    goal = FASTER if bench.full else None
    name = f"Best in parts of Draft, {bench.request.steps} steps"
    yield Figure.of_pairs(name, times, goal=goal, beside="Draft", note=_words(shortcuts))
    yield Figure("Draft differs from Best by, of white", 100 * sum(off) / len(off), unit=PERCENT, pairs=len(off))


def _shortcuts(bench: Bench) -> dict[str, Any] | None:
    """What a draft of many steps would leave out with this model; None where it has nothing to leave out."""
    usual: GenerationRequest = bench.request.with_(steps=family_of(bench.record).limits.max_steps)
    return quality_values(Quality.DRAFT, usual, family_of(bench.record)).get("shortcuts")


def difference(first: Path | None, second: Path | None) -> float:
    """The mean difference of two pictures, in parts of white."""
    from PIL import Image, ImageChops, ImageStat

    if first is None or second is None:
        return 0.0
    with Image.open(first) as one, Image.open(second) as other:
        means = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return sum(means) / len(means) / WHITE


def _words(shortcuts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in shortcuts.items())
