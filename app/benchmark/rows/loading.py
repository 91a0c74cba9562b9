"""A model from its files to where it works, in new processes whose libraries are imported already; and peak memory of that."""

from __future__ import annotations

from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import MEGABYTES, WALL, Figure, Goal
from engines.api import EASEL, PLAIN, Loaded


def measure(bench: Bench) -> Iterator[Figure]:
    """A first pair fills the system's cache of files and is not counted."""
    bench.say("loading, in new processes in turn")
    pairs = [_pair(bench, easel_first) for easel_first in bench.turns(bench.first_pairs + 1)][1:]
    goal = Goal(0.45, stretch=0.30) if bench.full else None
    cpu = [(easel.took.cpu, plain.took.cpu) for easel, plain in pairs]
    wall = [(easel.took.wall, plain.took.wall) for easel, plain in pairs]
    peaks = [(easel.peak / 1e6, plain.peak / 1e6) for easel, plain in pairs]
    yield Figure.of_pairs("load", cpu).held_against(goal)
    yield Figure.of_pairs("load, on the clock", wall, WALL)
    yield Figure.of_pairs("peak memory of loading", peaks, MEGABYTES).held_against(Goal(0.87) if bench.full else None)


def _pair(bench: Bench, easel_first: bool) -> tuple[Loaded, Loaded]:
    found: dict[str, Loaded] = {}
    for kind in (EASEL, PLAIN) if easel_first else (PLAIN, EASEL):
        with bench.fresh(kind) as side:
            found[kind] = side.load(bench.record)
    return found[EASEL], found[PLAIN]
