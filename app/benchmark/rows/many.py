"""Many pictures of one wish: a grid of seeds, pictures made together, one LoRA at several weights."""

from __future__ import annotations

from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import COUNT, Figure, Goal
from engines.api import UserError

SEEDS = 16
TOGETHER = 4
NOTHING = Goal(0, "easel")
FEW = 2  # steps, where calls and loads are counted and not seconds


def measure(bench: Bench) -> Iterator[Figure]:
    """Encoder calls and loads are counted; pictures together and alone are made in turn."""
    bench.say("a grid of seeds")
    yield from _seeds(bench)
    bench.say("a LoRA at several weights")
    yield from _weights(bench)
    bench.say(f"{TOGETHER} pictures together, and one by one")
    yield from _together(bench)


def _seeds(bench: Bench) -> Iterator[Figure]:
    """Words that nobody has read yet: the first picture reads them, and then nothing does."""
    wishes = [bench.another().with_(prompt=f"{bench.request.prompt}, seen by a grid", steps=FEW) for _ in range(SEEDS)]
    easel = [bench.easel.picture(each).encoder_calls for each in wishes]
    plain = [bench.plain.picture(each).encoder_calls for each in wishes]
    yield Figure(f"{SEEDS} seeds: encoder calls", sum(easel), sum(plain), None, COUNT, SEEDS)
    yield Figure(
        f"{SEEDS} seeds: encoder calls after the first", sum(easel[1:]), sum(plain[1:]), None, COUNT, SEEDS - 1, NOTHING
    )


def _weights(bench: Bench) -> Iterator[Figure]:
    try:
        made = bench.easel.lora_weights(bench.another().with_(steps=FEW))
    except UserError:
        return  # this model's pipelines take none
    loads = sum(each.loads for each in made[1:])
    yield Figure("another weight of a LoRA: loads", loads, None, None, COUNT, len(made) - 1, NOTHING)


def _together(bench: Bench) -> Iterator[Figure]:
    """Both sides are Easel's; `batch` makes four at once where family and sampler allow it."""
    pairs = []
    for first in bench.turns(bench.first_pairs + 1):
        wish = bench.another().with_(count=TOGETHER)
        four, ones = wish.with_(batch=TOGETHER), wish.with_(batch=1)
        in_turn = (four, ones) if first else (ones, four)
        took = {each.batch: bench.easel.picture(each).whole.cpu / TOGETHER for each in in_turn}
        pairs.append((took[TOGETHER], took[1]))
    yield Figure.of_pairs("a picture of four made together", pairs[1:], beside="one by one").held_against(Goal(1.0))
