"""From the start of a program: to the HTTP door, and to the first picture against the plain script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import WALL, Figure, Goal
from app.benchmark.programs import Served, easel_command, environment, run
from app.paths import FROZEN
from engines.api import SCRIPT, GenerationRequest, Took

DOOR, FIRST = Goal(1.2, "easel"), Goal(0.9, stretch=0.65)


def measure(bench: Bench) -> Iterator[Figure]:
    """The first start of each fills the caches and is not counted."""
    yield from _door(bench)
    yield from _first_picture(bench)


def _door(bench: Bench) -> Iterator[Figure]:
    bench.say("from the start of a program to the HTTP door")
    import statistics

    starts = []
    for _turn in range(bench.first_pairs + 1):
        with Served(bench.home()) as served:
            starts.append(served.ready)
    cpu, wall = (statistics.median(getattr(each, kind) for each in starts[1:]) for kind in ("cpu", "wall"))
    yield Figure("HTTP door ready", cpu, pairs=bench.first_pairs, goal=DOOR)
    yield Figure("HTTP door ready, on the clock", wall, unit=WALL, pairs=bench.first_pairs)


def _first_picture(bench: Bench) -> Iterator[Figure]:
    wish = None if FROZEN else bench.plain.script(bench.request)
    if wish is None:  # a bundle has no Python to run scripts with; the script reads folders and makes pictures
        return
    bench.say("from the start of a program to a picture, in turn")
    command = [sys.executable, str(SCRIPT), json.dumps({**wish, "out": str(bench.folder / "script.png")})]
    pairs: list[tuple[Took, Took]] = []
    for easel_first in bench.turns(bench.first_pairs + 1):
        commands = [_easel(bench.request), command]
        took = [run(each, environment(bench.home()))[1] for each in (commands if easel_first else reversed(commands))]
        first, second = took if easel_first else reversed(took)
        pairs.append((first, second))
    cpu = [(easel.cpu, plain.cpu) for easel, plain in pairs[1:]]
    wall = [(easel.wall, plain.wall) for easel, plain in pairs[1:]]
    yield Figure.of_pairs("process start to a picture", cpu).held_against(FIRST if bench.tiny else None)
    yield Figure.of_pairs("process start to a picture, on the clock", wall, WALL)


def _easel(request: GenerationRequest) -> list[str]:
    values = request.model_dump(mode="json", exclude_defaults=True, exclude={"prompt", "task"})
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    return easel_command("generate", request.prompt, "--json", *settings)
