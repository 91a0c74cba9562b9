"""OpenVINO against plain diffusers, in turn: a step, a picture, what preparing takes, and how different the pictures are."""

from __future__ import annotations

from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import PERCENT, Figure, Goal
from app.benchmark.rows.quality import difference
from engines.api import Accelerator, Took, family_of, possible_accelerators

STEP = Goal(0.75)


def measure(bench: Bench) -> Iterator[Figure]:
    """Nothing where OpenVINO is not installed, or not for the model."""
    wish = Accelerator.OPENVINO
    if wish not in possible_accelerators() or wish not in family_of(bench.record).accelerators:
        bench.say("OpenVINO: not installed, or not for this model")
        return
    bench.say("OpenVINO, the first picture")
    first = bench.easel.picture(bench.another().with_(accelerator=wish)).whole
    bench.say("OpenVINO and plain diffusers, in turn")
    wholes, steps, off = [], [], []
    for quick_first in bench.turns(bench.pairs):
        plainly = bench.another()
        sides = [(bench.easel, plainly.with_(accelerator=wish)), (bench.plain, plainly)]
        made = [side.picture(request) for side, request in (sides if quick_first else reversed(sides))]
        quick, plain = made if quick_first else reversed(made)
        wholes.append((quick.whole.cpu, plain.whole.cpu))
        steps.append((quick.step, plain.step))
        off.append(difference(quick.file, plain.file))
    yield from _figures(bench, steps, wholes)
    more = first.cpu - min(quick for quick, _plain in wholes)
    yield Figure("OpenVINO: the first picture takes more, by", more, pairs=1)
    yield Figure("OpenVINO differs by, of white", 100 * max(off), unit=PERCENT, pairs=len(off))


def _figures(
    bench: Bench, steps: list[tuple[Took | None, Took | None]], wholes: list[tuple[float, float]]
) -> Iterator[Figure]:
    known = [(quick.cpu, plain.cpu) for quick, plain in steps if quick and plain]
    if known:
        yield Figure.of_pairs("OpenVINO: one step", known).held_against(STEP if bench.full else None)
    yield Figure.of_pairs("OpenVINO: a warm picture", wholes)
