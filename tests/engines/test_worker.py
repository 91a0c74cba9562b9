"""The worker for real: other process, reports, cancel, the causes of its death, and its end with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engines.errors import Cancelled, ResourceError
from engines.interface import CancelToken, RunContext
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.types import Artifact, GenerationRequest, Progress, Stage
from engines.worker.host import WorkerEngine, cause_of_death

Requests = Callable[..., GenerationRequest]
Contexts = Callable[..., RunContext]
Models = dict[str, ModelRecord]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerEngine]:
    engine = WorkerEngine(tmp_path_factory.mktemp("logs") / "engine.log")
    yield engine
    engine.unload()


def test_same_bytes_as_in_this_process_and_the_same_process_again(
    worker: WorkerEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    record, request = tiny_models["sd15"], tiny_request("sd15", count=2)
    progress: list[Progress] = []
    made: list[Artifact] = []
    ctx = context("other", on_progress=progress.append, on_artifact=made.append)
    worker.load(record, ctx)
    worker.generate(request, ctx)
    pid = worker.pid
    here, ctx_here = ResidentEngine(), context("here")
    here.load(record, ctx_here)
    expected = here.generate(request, ctx_here).artifacts
    assert [artifact.path.read_bytes() for artifact in made] == [artifact.path.read_bytes() for artifact in expected]
    assert [p.step for p in progress if p.stage is Stage.DENOISE] == [1, 2, 3, 4, 1, 2, 3, 4]
    loads = sum(p.stage is Stage.LOAD for p in progress)
    worker.generate(request, context("again", on_progress=progress.append))
    assert worker.pid == pid != os.getpid()
    assert sum(p.stage is Stage.LOAD for p in progress) == loads == 1


def test_stop_is_quick_and_the_next_job_runs(
    worker: WorkerEngine, tiny_models: Models, tiny_request: Requests, context: Contexts
) -> None:
    token = CancelToken()
    reached = threading.Event()
    ctx = context("stopped", token=token, on_progress=lambda p: p.step >= 2 and reached.set())  # pyright: ignore
    worker.load(tiny_models["sd15"], ctx)
    threading.Thread(target=lambda: (reached.wait(120), token.cancel())).start()
    with pytest.raises(Cancelled):
        worker.generate(tiny_request("sd15", steps=150, count=20), ctx)
    assert worker.generate(tiny_request("sd15"), context("next")).artifacts


@pytest.mark.parametrize(("number", "word"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")])
def test_a_killed_worker_is_a_sentence_and_the_job_goes_on_to_the_same_bytes(
    worker: WorkerEngine, tiny_models: Models, tiny_request: Requests, context: Contexts, number: int, word: str
) -> None:
    request = tiny_request("sd15", steps=12)
    ctx = context("whole")
    worker.load(tiny_models["sd15"], ctx)
    whole = worker.generate(request, ctx).artifacts[0].path.read_bytes()

    def kill(progress: Progress) -> None:
        if progress.stage is Stage.DENOISE and progress.step == 5:
            os.kill(worker.pid or 0, number)

    with pytest.raises(ResourceError) as caught:
        worker.generate(request, context("killed", on_progress=kill, checkpoint_every=0.0))
    assert caught.value.code == "engine-died"
    assert word in caught.value.params["cause"]
    seen: list[Progress] = []
    again = worker.generate(request, context("killed", on_progress=seen.append))
    assert again.artifacts[0].path.read_bytes() == whole
    assert min(p.step for p in seen if p.stage is Stage.DENOISE) >= 5


def test_an_engine_that_ignores_stop_is_killed(
    tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path
) -> None:
    worker = WorkerEngine(tmp_path / "engine.log", grace=0.5)
    token = CancelToken()

    def freeze(progress: Progress) -> None:
        if progress.stage is Stage.DENOISE and not token.cancelled:
            os.kill(worker.pid or 0, signal.SIGSTOP)
            token.cancel()

    ctx = context(token=token, on_progress=freeze)
    worker.load(tiny_models["sd15"], ctx)
    with pytest.raises(Cancelled):
        worker.generate(tiny_request("sd15", steps=100), ctx)
    assert worker.pid is None


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("wakes", [True, False])
def test_stop_while_a_model_loads_is_answered_at_once(
    tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path, wakes: bool
) -> None:
    """An engine inside a library hears nothing. It is not waited for, and keeps what it has imported if it wakes up."""
    worker = WorkerEngine(tmp_path / "engine.log", grace=60.0 if wakes else 0.5)
    token = CancelToken()
    frozen: list[int] = []

    def freeze(progress: Progress) -> None:
        if progress.stage is Stage.LOAD and worker.pid:
            os.kill(worker.pid, signal.SIGSTOP)
            frozen.append(worker.pid)
            token.cancel()

    ctx = context(token=token, on_progress=freeze)
    worker.load(tiny_models["sd15"], ctx)
    with pytest.raises(Cancelled):  # it would hang here for as long as the engine is frozen
        worker.generate(tiny_request("sd15", steps=100), ctx)
    assert worker.pid == frozen[0], "it lives"
    if wakes:
        os.kill(frozen[0], signal.SIGCONT)
    made: list[Artifact] = []
    done = worker.generate(tiny_request("sd15"), context("next", on_artifact=made.append))
    assert [each.path for each in done.artifacts] == [each.path for each in made], "its own answer, not the old one"
    assert len(made) == 1 and made[0].path.parent.name == "next"
    assert (worker.pid == frozen[0]) is wakes
    worker.unload()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_death_of_a_run_that_was_left_is_not_the_next_ones(
    tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path
) -> None:
    worker = WorkerEngine(tmp_path / "engine.log", grace=60.0)
    token = CancelToken()

    def freeze(progress: Progress) -> None:
        if progress.stage is Stage.LOAD and worker.pid:
            os.kill(worker.pid, signal.SIGSTOP)
            token.cancel()

    ctx = context(token=token, on_progress=freeze)
    worker.load(tiny_models["sd15"], ctx)
    with pytest.raises(Cancelled):
        worker.generate(tiny_request("sd15", steps=100), ctx)
    first = worker.pid
    assert first is not None

    class Waiting(CancelToken):
        """Is asked while the next run waits for the last word of the one before; that one dies then."""

        def check(self) -> None:
            if worker.pid == first and worker._pipe is not None:
                os.kill(first, signal.SIGKILL)
                worker._pipe.poll(60)

    assert worker.generate(tiny_request("sd15"), context("next", token=Waiting())).artifacts
    assert worker.pid != first
    worker.unload()


PARENT = """
import sys
from pathlib import Path
from engines.interface import RunContext
from engines.records import ModelRecord
from engines.types import GenerationRequest
from engines.worker.host import WorkerEngine

def main():
    folder = Path(sys.argv[2])
    record = ModelRecord("tiny", "Tiny", "sd15", Path(sys.argv[1]), "diffusers-folder", 0)
    request = GenerationRequest(model="tiny", prompt="x", width=64, height=64, steps=150, count=64, guidance=7,
                                sampler="Euler", scheduler="Normal", seed=1)
    engine = WorkerEngine(folder / "log")
    ctx = RunContext(staging=folder, on_progress=lambda p: print(engine.pid, p.stage, flush=True))
    engine.load(record, ctx)
    engine.generate(request, ctx)

if __name__ == "__main__":
    main()
"""


def test_the_worker_goes_with_its_parent(tiny_models: Models, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, script, tiny_models["sd15"].path, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert parent.stdout is not None
    pid = next(int(line.split()[0]) for line in parent.stdout if "denoise" in line)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 2
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def test_every_exit_code_has_a_sentence() -> None:
    for code in (None, 1, -signal.SIGABRT, -signal.SIGTERM, -99):
        assert len(cause_of_death(code)) > 10


def test_a_long_log_is_put_aside_when_a_worker_starts(
    tiny_models: Models, tiny_request: Requests, context: Contexts, tmp_path: Path
) -> None:
    log_file = tmp_path / "engine.log"
    log_file.write_text("x" * 1_000_001, encoding="utf-8")
    worker, ctx = WorkerEngine(log_file), context()
    worker.load(tiny_models["sd15"], ctx)
    worker.generate(tiny_request("sd15", prompt="canaryprompt"), ctx)
    worker.unload()
    assert (tmp_path / "engine.log.1").stat().st_size == 1_000_001
    text = log_file.read_text(encoding="utf-8")
    assert "pipeline key=" in text
    assert "canaryprompt" not in text
