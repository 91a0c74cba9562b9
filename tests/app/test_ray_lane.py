"""Lanes on a real Ray cluster of two nodes on loopback: pictures as here, a node killed in the middle, nobody called."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from app.bootstrap import build_services
from app.events import Event
from app.history import Query
from app.jobs import Interrupted, Running, Succeeded
from app.many.axes import parse_axis
from app.many.grid import GridRun, plan_grid
from app.paths import ROOT, Paths
from app.resolve import resolve
from app.services import Services
from engines.api import ResourceError, UserError, read_metadata

SMALL = {"prompt": "a red apple", "width": 64, "height": 64, "steps": 2}
LOOPBACK, STORE = "127.0.0.1", 80_000_000  # bytes of shared memory that Ray insists on for each node
CELLS = 64


class Nodes:
    """A cluster on this computer: a head that works not, and nodes that have room for one engine each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        facts: dict[str, Any] = {"node_ip_address": LOOPBACK, "object_store_memory": STORE, "include_dashboard": False}
        self._facts = facts
        self.cluster = Cluster(initialize_head=True, head_node_args={**facts, "num_cpus": 0})
        self.workers = [self.add(), self.add()]
        self.lane = f"ray://{self.cluster.address}"

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, **self._facts)

    def kill(self) -> None:
        """End one node with everything on it, unannounced, as when its plug is pulled."""
        node = self.workers.pop()
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for process in (raylet, *raylet.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # what keeps Ray on loopback, on Linux too
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    import ray

    found = Nodes()
    yield found
    ray.shutdown()
    found.cluster.shutdown()


def services_on(nodes: Nodes, home: Path) -> Services:
    return build_services(Paths.below(home), lane=nodes.lane)


@pytest.mark.long
def test_a_picture_is_the_same_as_here(nodes: Nodes, tmp_path: Path) -> None:
    made = {}
    start = tmp_path / "start.png"
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(start)
    wishes: list[dict[str, Any]] = [
        {**SMALL, "seed": 3, "count": 2},
        {**SMALL, "seed": 3, "task": "image-to-image", "init_image": str(start), "strength": 0.6},
    ]
    for place, lane in (("here", ""), ("there", nodes.lane)):
        with build_services(Paths.below(tmp_path / place), lane=lane) as services:
            jobs = []
            for wish in wishes:
                found = resolve(models=services.models, values=wish)
                jobs.append(services.orchestrator.submit(found.request, found.record))
            over = [services.orchestrator.wait(job.id) for job in jobs]
            assert all(isinstance(job.state, Succeeded) for job in over), [job.state for job in over]
            made[place] = [path.read_bytes() for job in over for path in job.files]
            assert {each.path for each in services.history.search(Query())} == {
                path for job in over for path in job.files
            }
    assert len(made["here"]) == 3
    assert made["here"] == made["there"], "the same bytes, wherever they are made"


@pytest.mark.long
def test_a_grid_of_64_survives_the_death_of_a_node(nodes: Nodes, tmp_path: Path) -> None:
    with services_on(nodes, tmp_path / "home") as services:
        running: set[str] = set()
        most_at_once = done = 0
        begun: Counter[str] = Counter()

        def hear(event: Event) -> None:
            nonlocal most_at_once, done
            if isinstance(event.job.state, Running) and event.progress is None and event.artifact is None:
                running.add(event.job.id)
                begun[event.job.id] += 1
            elif event.progress is None and event.artifact is None:
                running.discard(event.job.id)
                done += isinstance(event.job.state, Succeeded)
            most_at_once = max(most_at_once, len(running))

        services.orchestrator.subscribe(hear)

        def wished(values: Any) -> Any:
            return resolve(models=services.models, values=dict(values))

        axes = [parse_axis("seed=1-8"), parse_axis("steps=2,3,4,5,6,7,8,9")]
        run = GridRun(services, plan_grid(axes, {**SMALL, "steps": 2}, wished))
        while done < CELLS // 3:
            services.orchestrator.wait(run.job_ids[0], 0.1)
        nodes.kill()
        sheets = run.finish()
        jobs = [services.orchestrator.job(job_id) for job_id in run.job_ids]
    assert most_at_once == 2, "both nodes worked"
    assert [type(job.state) for job in jobs] == [Succeeded] * CELLS
    assert len({path for job in jobs for path in job.files}) == CELLS
    assert all(len(job.files) == 1 and read_metadata(job.files[0]).request is not None for job in jobs)
    assert sheets[0].is_file()
    assert begun.total() >= CELLS


@pytest.mark.long
def test_without_any_node_the_jobs_wait_for_another_time(nodes: Nodes, tmp_path: Path) -> None:
    with services_on(nodes, tmp_path / "home") as services:
        for each in services.orchestrator.dispatcher.lanes:
            each._patience = 5.0  # pyright: ignore
        nodes.kill()
        nodes.kill()
        found = resolve(models=services.models, values={**SMALL, "seed": 1})
        job = services.orchestrator.submit(found.request, found.record)
        over = services.orchestrator.wait(job.id, 120)
        assert isinstance(over.state, Interrupted) and over.state.error.code in ("ray-no-room", "lane-lost")
    with build_services(Paths.below(tmp_path / "home")) as here:
        here.orchestrator.resume(job.id)
        assert isinstance(here.orchestrator.wait(job.id).state, Succeeded)


def test_what_is_no_lane_is_said() -> None:
    from app.cluster.connect import lanes_of

    for word in ("ray://", "http://127.0.0.1:1", "gpu0"):
        with pytest.raises(UserError, match="no lane"):
            lanes_of(word)


def test_ray_counts_nobody() -> None:
    from app.cluster.connect import QUIET

    assert QUIET["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ or os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.long
def test_nodes_that_cannot_work_are_not_looked_for_without_end(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.cluster import lane as lane_module
    from app.cluster.connect import lanes_of

    class Broken:
        """As where Easel is not installed: it ends before it says who it is."""

        def __init__(self) -> None:
            raise ModuleNotFoundError("No module named 'app'")

        def hello(self) -> None: ...

    monkeypatch.setattr(lane_module, "Node", Broken)
    lane = lanes_of(nodes.lane)[0]
    lane._patience = 3.0
    begun = time.monotonic()
    with pytest.raises(ResourceError) as caught:
        while time.monotonic() - begun < 60:
            assert not lane.ready()
    assert caught.value.code == "ray-no-room"
    lane.close()
