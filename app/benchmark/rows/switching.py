"""Two models in turn, with memory for both: going back to the first one reads nothing."""

from __future__ import annotations

from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import COUNT, Figure, Goal
from engines.api import EASEL, PLAIN


def measure(bench: Bench) -> Iterator[Figure]:
    """The model and once more the same as another one; plain diffusers holds one pipeline and loads again."""
    bench.say("two models in turn")
    bench.end_sides()
    with bench.fresh(EASEL) as easel:
        back = easel.switch_back(bench.record)
    with bench.fresh(PLAIN) as plain:
        plain.load(bench.record)
        again = plain.load(bench.record).took
    if back.loads:
        yield Figure("A, B, A: back to A", back.whole.cpu, again.cpu, note="there was no room for both")
        return
    ratio = back.whole.cpu / again.cpu if again.cpu else None
    yield Figure("A, B, A: back to A", back.whole.cpu, again.cpu, ratio, goal=Goal(0.1, "easel"))
    yield Figure("A, B, A: loads on the way back", back.loads, 1, None, COUNT, goal=Goal(0, "easel"))
