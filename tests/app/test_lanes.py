"""Lanes that fail: the queue goes on, Stop stays Stop, and there is an end to the looking for a node."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.cluster.messages import Made, News, Over, Work
from app.cluster.node import Node
from app.jobs import Cancelled, Interrupted, Job
from app.paths import Paths
from app.services import Services
from engines.api import Cancelled as CancelledError
from engines.api import GenerationRequest, GenerationResult, ModelRecord, Progress, ResourceError, RunContext

WISH = {"model": "starter", "prompt": "a red apple", "width": 64, "height": 64, "steps": 4, "guidance": 3.5, "seed": 3}
PATIENCE = 60.0  # seconds


class Failing:
    """A lane on which every job fails, as `fail` says, and for which no new engine can be made."""

    held_memory = 0

    def __init__(self, fail: Callable[[RunContext], ResourceError]) -> None:
        self._fail, self.begun = fail, threading.Event()

    def ready(self) -> bool:
        return True

    def run(self, record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        self.begun.set()
        raise self._fail(ctx)

    def warm_up(self) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    def unload(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with build_services(Paths.below(tmp_path / "home")) as built:
        yield built


def submitted(services: Services, lane: Failing) -> Job:
    services.orchestrator.dispatcher.lanes = (lane,)
    request = GenerationRequest.model_validate({**WISH, "sampler": "Euler", "scheduler": "Normal"})
    return services.orchestrator.submit(request, services.models.get("starter"))


def test_the_queue_goes_on_where_no_new_engine_can_be_made(services: Services) -> None:
    lane = Failing(lambda _ctx: ResourceError("engine-died", cause="memory ran out", log="engine.log"))
    for _ in range(2):
        job = services.orchestrator.wait(submitted(services, lane).id, PATIENCE)
        assert isinstance(job.state, Interrupted) and job.state.error.code == "engine-died"


def test_a_stopped_job_whose_node_is_lost_is_not_begun_elsewhere(services: Services) -> None:
    def lost(ctx: RunContext) -> ResourceError:
        ctx.token.cancel()
        return ResourceError("lane-lost", why="its plug was pulled")

    job = services.orchestrator.wait(submitted(services, Failing(lost)).id, PATIENCE)
    assert isinstance(job.state, Cancelled)


def test_no_lane_takes_a_job_in_the_moment_of_its_stop(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    orchestrator, get, here = services.orchestrator, services.orchestrator.ledger.get, threading.current_thread()
    orchestrator.pause(True)
    lane = Failing(lambda _ctx: ResourceError("engine-died", cause="it was begun", log="engine.log"))
    job = submitted(services, lane)
    going_on = threading.Thread(target=orchestrator.pause, args=(False,))

    def slow(job_id: str) -> Job:
        found = get(job_id)
        if threading.current_thread() is here and going_on.ident is None:
            going_on.start()
            lane.begun.wait(1.0)
        return found

    monkeypatch.setattr(orchestrator.ledger, "get", slow)
    orchestrator.cancel(job.id)
    going_on.join()
    assert isinstance(orchestrator.wait(job.id, PATIENCE).state, Cancelled)
    assert not lane.begun.is_set()


def test_a_node_stops_what_its_lane_has_left(services: Services) -> None:
    node, record = Node(), services.models.get("starter")
    wish = GenerationRequest.model_validate({**WISH, "sampler": "Euler", "scheduler": "Normal"})
    node.begin(Work(record, wish.with_(count=8, steps=50)))
    left = node._news
    while not any(isinstance(each, Progress) for each in node.news(1.0)):
        pass
    node.begin(Work(record, wish))
    news: list[News] = []
    while not any(isinstance(each, Over) for each in news):
        news += node.news(1.0)
    assert [type(each) for each in news if not isinstance(each, Progress)] == [Made, Over]
    over = next(each for each in iter(left.get_nowait, None) if isinstance(each, Over))
    assert isinstance(over.error, CancelledError)
    node.close()
