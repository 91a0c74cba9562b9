"""A model from its files to where it works, in new processes whose libraries are imported already; and peak memory of that."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import psutil

from app.benchmark.bench import Bench
from app.benchmark.figures import MEGABYTES, WALL, Figure, Goal
from engines.api import EASEL, PLAIN, Loaded

Pair = tuple[Loaded, Loaded]  # Easel's and the plain one


def measure(bench: Bench) -> Iterator[Figure]:
    """A first pair fills the system's cache of files and is not counted."""
    bench.say("loading, in new processes in turn")
    pairs = [_pair(bench, easel_first) for easel_first in bench.turns(bench.first_pairs + 1)][1:]
    goal = Goal(0.45, stretch=0.30) if bench.full else None
    peaks = [(easel.peak / 1e6, plain.peak / 1e6) for easel, plain in pairs]
    yield Figure.of_pairs("load", _cpu(pairs)).held_against(goal)
    wall = [(easel.took.wall, plain.took.wall) for easel, plain in pairs]
    yield Figure.of_pairs("load, on the clock", wall, WALL)
    yield Figure.of_pairs("peak memory of loading", peaks, MEGABYTES).held_against(Goal(0.87) if bench.full else None)
    memory = max(plain.peak for _easel, plain in pairs)
    if bench.full and sys.platform == "linux" and psutil.virtual_memory().available > memory:
        bench.say("loading, with memory at hand")
        at_hand = [_pair(bench, easel_first, memory) for easel_first in bench.turns(bench.first_pairs)]
        yield Figure.of_pairs("load, memory at hand", _cpu(at_hand)).held_against(goal)


def _cpu(pairs: list[Pair]) -> list[tuple[float, float]]:
    return [(easel.took.cpu, plain.took.cpu) for easel, plain in pairs]


def _pair(bench: Bench, easel_first: bool, at_hand: int = 0) -> Pair:
    """Before each of the two `at_hand` bytes of memory are used and given back."""
    found: dict[str, Loaded] = {}
    for kind in (EASEL, PLAIN) if easel_first else (PLAIN, EASEL):
        with bench.fresh(kind) as side:
            if at_hand:
                _use_memory(at_hand)
            found[kind] = side.load(bench.record)
    return found[EASEL], found[PLAIN]


def _use_memory(size: int) -> None:
    """What was used a moment ago is at hand: a virtual machine that gives free memory back to its host has to get the rest."""
    import mmap

    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for each in range(0, size, mmap.PAGESIZE):
            memory[each] = 1
