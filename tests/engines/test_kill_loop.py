"""The long set: the worker killed for real, at random steps, for every sampler that a family lists."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator

import pytest

from engines.errors import ResourceError
from engines.interface import RunContext
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.samplers import default_schedule
from engines.types import GenerationRequest, Progress, Stage
from engines.worker.host import WorkerEngine

pytestmark = pytest.mark.long
STEPS = 10


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerEngine]:
    engine = WorkerEngine(tmp_path_factory.mktemp("logs") / "engine.log")
    yield engine
    engine.unload()


@pytest.mark.parametrize(
    ("family_id", "sampler"),
    [(each.id, sampler) for each in REGISTRY.all() if each.video is None for sampler in each.samplers],
)
def test_a_picture_killed_twice_has_the_bytes_of_one_that_was_not(
    worker: WorkerEngine,
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
    family_id: str,
    sampler: str,
) -> None:
    schedule = default_schedule(sampler, "Karras")
    request = tiny_request(family_id, sampler=sampler, scheduler=schedule, steps=STEPS)
    ctx = context("whole")
    worker.load(tiny_models[family_id], ctx)
    whole = worker.generate(request, ctx).artifacts[0].path.read_bytes()
    chance = random.Random(f"{family_id} {sampler}")
    first, second = sorted(chance.sample(range(1, STEPS), 2))
    for step in (first, second):
        with pytest.raises(ResourceError, match="SIGKILL"):
            worker.generate(request, context("killed", on_progress=kill_at(worker, step), checkpoint_every=0.0))
    assert worker.generate(request, context("killed")).artifacts[0].path.read_bytes() == whole


def kill_at(worker: WorkerEngine, step: int) -> Callable[[Progress], None]:
    """Kills the worker when it reports `step` or a later one."""

    def look(progress: Progress) -> None:
        if progress.stage is Stage.DENOISE and progress.step >= step and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)

    return look
