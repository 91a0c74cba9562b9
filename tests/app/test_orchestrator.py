"""Jobs from submit to file through the real worker: queue, stop, death, resume, replay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.events import Event, QueueChanged
from app.jobs import Cancelled, Failed, Interrupted, Queued, Succeeded
from app.paths import ROOT, Paths
from app.services import Services
from engines.api import GenerationRequest, Stage, UserError, read_metadata


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("home")
    with build_services(Paths.default({"EASEL_HOME": str(home)})) as built:
        yield built


def wish(**fields: object) -> GenerationRequest:
    values = {
        "model": "starter",
        "prompt": "a red apple",
        "width": 64,
        "height": 64,
        "steps": 8,
        "guidance": 3.5,
        "sampler": "DPM++ 2M",
        "scheduler": "Simple",
        "seed": 3,
        **fields,
    }
    return GenerationRequest.model_validate(values)


def run(services: Services, request: GenerationRequest, out: Path | None = None):
    job = services.orchestrator.submit(request, services.models.get(request.model), out)
    return services.orchestrator.wait(job.id, 300)


def test_a_job_ends_with_its_files_and_the_file_gives_the_same_bytes_again(services: Services) -> None:
    first = run(services, wish(count=2))
    assert isinstance(first.state, Succeeded)
    assert len(first.files) == 2
    replay = read_metadata(first.files[1]).request
    assert replay is not None and (replay.seed, replay.count) == (4, 1)
    assert run(services, replay).files[0].read_bytes() == first.files[1].read_bytes()


def test_stop_keeps_finished_pictures_and_the_queue_goes_on(services: Services) -> None:
    job = services.orchestrator.submit(wish(count=64, steps=50), services.models.get("starter"))

    def stop_after_the_first(event: Event) -> None:
        if event.job.id == job.id and event.job.artifacts:
            services.orchestrator.cancel(job.id)

    forget = services.orchestrator.subscribe(stop_after_the_first)
    stopped, following = services.orchestrator.wait(job.id, 300), run(services, wish(seed=99))
    forget()
    assert isinstance(stopped.state, Cancelled)
    assert 1 <= len(stopped.files) < 10
    assert isinstance(following.state, Succeeded)


def test_a_waiting_job_is_stopped_at_once(services: Services) -> None:
    record = services.models.get("starter")
    busy = services.orchestrator.submit(wish(steps=100, count=8), record)
    waiting = services.orchestrator.submit(wish(), record)
    services.orchestrator.cancel(waiting.id)
    assert isinstance(services.orchestrator.job(waiting.id).state, Cancelled)
    services.orchestrator.cancel(busy.id)
    assert isinstance(services.orchestrator.wait(busy.id, 60).state, Cancelled)


def test_a_killed_engine_interrupts_the_job_and_resume_gives_the_same_bytes(services: Services) -> None:
    request = wish(steps=40, seed=11, sampler="Euler a", scheduler="Normal", count=2)
    whole = run(services, request)
    engine = services.orchestrator.dispatcher.lanes[0]._engine  # pyright: ignore
    kills = iter([1])

    def kill(event: Event) -> None:
        progress = event.progress
        if (
            progress
            and progress.stage is Stage.DENOISE
            and (progress.image, progress.step) == (1, 20)
            and next(kills, 0)
        ):
            os.kill(engine.pid, signal.SIGKILL)  # pyright: ignore

    forget = services.orchestrator.subscribe(kill)
    killed = run(services, request)
    forget()
    assert isinstance(killed.state, Interrupted)
    assert "SIGKILL" in killed.state.error.cause
    assert len(killed.files) == 1
    services.orchestrator.resume(killed.id)
    resumed = services.orchestrator.wait(killed.id, 300)
    assert isinstance(resumed.state, Succeeded)
    assert [path.read_bytes() for path in resumed.files] == [path.read_bytes() for path in whole.files]


def test_a_bad_request_queues_nothing(services: Services) -> None:
    before = services.orchestrator.ledger.latest()
    with pytest.raises(UserError) as caught:
        services.orchestrator.submit(wish(width=65), services.models.get("starter"))
    assert "65" in str(caught.value)
    assert services.orchestrator.ledger.latest() == before


def test_an_output_folder_that_goes_away_keeps_the_picture_and_resume_saves_it(
    services: Services, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    gone = []

    def remove(event: Event) -> None:
        if event.progress and event.progress.stage is Stage.DECODE and not gone:
            gone.append(out)
            if out.is_dir():
                out.rmdir()
            out.write_text("in the way")

    forget = services.orchestrator.subscribe(remove)
    failed = run(services, wish(seed=21), out)
    forget()
    assert isinstance(failed.state, Failed)
    assert failed.state.error.code == "output-not-saved"
    out.unlink()
    services.orchestrator.resume(failed.id)
    saved = services.orchestrator.wait(failed.id, 60)
    assert saved.files[0].read_bytes() == run(services, wish(seed=21)).files[0].read_bytes()


def test_time_left_is_known_from_the_third_step_on(services: Services) -> None:
    events: list[Event] = []
    forget = services.orchestrator.subscribe(events.append)
    run(services, wish(steps=20))
    forget()
    steps = [event for event in events if event.progress and event.progress.stage is Stage.DENOISE]
    assert all(event.seconds_left is not None for event in steps[2:])
    assert steps[-1].seconds_left == pytest.approx(0, abs=0.5)


RUN_AND_LOOK = """
import sys
import threading
from app.bootstrap import build_services
from tests.app.test_orchestrator import run, wish
if __name__ == "__main__":
    with build_services() as services:
        job = run(services, wish())
    print(type(job.state).__name__, [name for name in ("torch", "diffusers", "numpy") if name in sys.modules])
"""


def test_a_whole_job_brings_no_heavy_library_into_the_parent(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN_AND_LOOK, encoding="utf-8")
    environment = {**os.environ, "EASEL_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "Succeeded []"
    assert done.stderr == ""


def test_a_paused_queue_waits_and_its_order_can_be_changed(services: Services) -> None:
    orchestrator = services.orchestrator
    told = []
    forget = orchestrator.subscribe_queue(told.append)
    orchestrator.pause(True)
    try:
        first, second, third = (orchestrator.submit(wish(seed=n), services.models.get("starter")) for n in (1, 2, 3))
        orchestrator.move(third.id, before=first.id)
        orchestrator.move(first.id)
        assert orchestrator.queue.order == (third.id, second.id, first.id)
        assert told[-1].paused
        with pytest.raises(UserError, match="not waiting"):
            orchestrator.move("nothing")
        assert not orchestrator.job(third.id).over
    finally:
        orchestrator.pause(False)
        forget()
    finished = [orchestrator.wait(job.id, 300) for job in (third, second, first)]
    made = [job.files[0].stat().st_mtime_ns for job in finished]
    assert made == sorted(made)


def test_closing_in_the_middle_interrupts_and_the_next_start_can_go_on(tmp_path: Path) -> None:
    paths = Paths.default({"EASEL_HOME": str(tmp_path)})
    with build_services(paths) as services:
        running = services.orchestrator.submit(wish(steps=25, count=2), services.models.get("starter"))
        waiting = services.orchestrator.submit(wish(seed=9), services.models.get("starter"))
        seen = threading.Event()
        services.orchestrator.subscribe(
            lambda event: seen.set() if event.progress and event.progress.step > 3 else None
        )
        assert seen.wait(120)
    with build_services(paths) as services:
        orchestrator = services.orchestrator
        assert isinstance(orchestrator.job(running.id).state, Interrupted)
        assert [job.id for job in orchestrator.take_up_queue()] == [waiting.id]
        assert orchestrator.queue == QueueChanged(True, (waiting.id,), left=True)
        orchestrator.resume(running.id)
        assert isinstance(orchestrator.wait(running.id, 300).state, Succeeded), "Go on works in a paused queue"
        assert isinstance(orchestrator.job(waiting.id).state, Queued)
        orchestrator.pause(False)
        assert isinstance(orchestrator.wait(waiting.id, 300).state, Succeeded)
        assert not orchestrator.queue.left


def test_a_warm_worker_has_its_libraries_before_the_first_job(tmp_path: Path) -> None:
    with build_services(Paths.default({"EASEL_HOME": str(tmp_path)})) as services:
        services.orchestrator.warm_up()
        job = run(services, wish(steps=4))
        assert isinstance(job.state, Succeeded)
