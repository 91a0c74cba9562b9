"""Warm pictures in turn: the whole of one, a step, its decode, and whether a new seed encodes or loads anything."""

from __future__ import annotations

from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import COUNT, WALL, Figure, Goal
from engines.api import Made, Took


def measure(bench: Bench) -> Iterator[Figure]:
    """One pair more than asked for is made, and not counted: it warms both sides up."""
    bench.say("warm pictures, in turn")
    pairs = [_pair(bench, easel_first) for easel_first in bench.turns(bench.pairs + 1)][1:]
    full = bench.full
    yield _figure("a warm picture", [(easel.whole, plain.whole) for easel, plain in pairs])
    steps = [(easel.step, plain.step) for easel, plain in pairs]
    yield _figure("one step", steps).held_against(Goal(1.0) if full else None)
    decodes = [(easel.decode, plain.decode) for easel, plain in pairs]
    if all(plain for _easel, plain in decodes):
        yield _figure("decode", decodes).held_against(Goal(0.9) if full else None)
    yield Figure.of_pairs("a warm picture, on the clock", [(a.whole.wall, b.whole.wall) for a, b in pairs], WALL)
    yield from _counts(pairs)


def _pair(bench: Bench, easel_first: bool) -> tuple[Made, Made]:
    request = bench.another()
    sides = [bench.easel, bench.plain]
    made = [side.picture(request) for side in (sides if easel_first else reversed(sides))]
    first, second = made if easel_first else reversed(made)
    return first, second


def _figure(name: str, pairs: list[tuple[Took | None, Took | None]]) -> Figure:
    return Figure.of_pairs(name, [(easel.cpu, plain.cpu) for easel, plain in pairs if easel and plain])


def _counts(pairs: list[tuple[Made, Made]]) -> Iterator[Figure]:
    """All pairs have the same words and another seed."""
    calls = max(easel.encoder_calls for easel, _plain in pairs)
    theirs = max(plain.encoder_calls for _easel, plain in pairs)
    yield Figure("a new seed: encoder calls", calls, theirs, None, COUNT, len(pairs), Goal(0, "easel"))
    loads = max(easel.loads for easel, _plain in pairs)
    yield Figure("a new seed: loads", loads, None, None, COUNT, len(pairs), Goal(0, "easel"))
