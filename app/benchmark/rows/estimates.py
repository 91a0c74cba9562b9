"""How far off Easel's own estimates are: of seconds and memory, before anything was measured and after one job."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from app.benchmark.bench import Bench
from app.benchmark.figures import PERCENT, Figure, Goal
from app.bootstrap import build_services
from app.measured import Measured, Measurement
from app.paths import Paths
from app.services import Services
from engines.api import GenerationRequest, InternalError

NEAR = Goal(15, "easel")


def measure(bench: Bench) -> Iterator[Figure]:
    """Jobs to learn from, then jobs with twice the steps and other seeds; all run as the product runs them."""
    bench.say("jobs, against what was expected of them")
    bench.end_sides()
    paths = Paths.below(bench.home())
    with build_services(paths) as services:
        record = services.models.get(bench.request.model)
        guess = services.planner.estimate(bench.request, record)
        first = [_job(services, bench.another(), paths) for _turn in range(bench.first_pairs + 1)][-1]
        yield _off("memory expected from the files alone, off by", [(guess.needed, first.peak)], "MB", None)
        longer = [bench.another().with_(steps=bench.request.steps * 2) for _turn in range(bench.first_pairs)]
        expected = services.planner.estimate(longer[0], record)
        made = [_job(services, request, paths) for request in longer]
    seconds = [(expected.seconds or 0.0, sum(each.seconds.values())) for each in made]
    yield _off("memory expected after jobs, off by", [(expected.needed, each.peak) for each in made], "MB")
    yield _off("seconds expected after jobs, off by", seconds, "s")


def _job(services: Services, request: GenerationRequest, paths: Paths) -> Measurement:
    """Run it to its end, and what was learnt of it."""
    job = services.orchestrator.submit(request, services.models.get(request.model))
    services.orchestrator.wait(job.id)
    row = Measured(paths.data / "measured.json").newest()
    if row is None:
        raise InternalError("internal", what=f"the benchmark's job {job.id} did not succeed")
    return row


def _off(name: str, pairs: list[tuple[float, float]], unit: str, goal: Goal | None = NEAR) -> Figure:
    """The median of the pairs of what was expected and what it was."""
    off = statistics.median(100 * abs(expected - real) / real for expected, real in pairs if real)
    scale, digits = (1e6, 0) if unit == "MB" else (1.0, 2)
    expected, real = (statistics.median(side) / scale for side in zip(*pairs, strict=True))
    note = f"expected {expected:.{digits}f} {unit}, was {real:.{digits}f} {unit}"
    return Figure(name, off, None, None, PERCENT, len(pairs), goal, note=note)
