"""The next model's files are read ahead: once, where there is room, and only when it is another model. Counted in bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.jobs import Succeeded
from app.paths import STARTER, Paths
from app.prefetch import SPARE, Prefetch
from app.services import Services
from app.weight_hashes import model_weights
from engines.api import GenerationRequest

ROOM = 10**12


def files(folder: Path, count: int = 2, size: int = 5_000_000) -> list[Path]:
    made = [folder / f"part-{number}.safetensors" for number in range(count)]
    for path in made:
        path.write_bytes(b"\0" * size)
    return made


def test_files_are_read_once(tmp_path: Path) -> None:
    found, prefetch = files(tmp_path), Prefetch(lambda: ROOM)
    assert prefetch.begin(found, 0)
    prefetch.wait()
    assert prefetch.bytes_read == 10_000_000
    assert not prefetch.begin(reversed(found), 0)
    assert prefetch.bytes_read == 10_000_000


@pytest.mark.parametrize(("free", "needed", "begun"), [(SPARE + 10_000_000, 0, True), (SPARE + 10_000_000, 1, False)])
def test_nothing_is_read_where_there_is_no_room(tmp_path: Path, free: int, needed: int, begun: bool) -> None:
    prefetch = Prefetch(lambda: free)
    assert prefetch.begin(files(tmp_path), needed) is begun
    prefetch.wait()
    assert prefetch.bytes_read == (10_000_000 if begun else 0)


def test_what_the_engine_loaded_is_not_read_ahead(tmp_path: Path) -> None:
    found, prefetch = files(tmp_path), Prefetch(lambda: ROOM)
    prefetch.used(found)
    assert not prefetch.begin(found, 0)


def test_a_disk_that_does_not_answer_is_no_trouble_of_the_job_that_runs(tmp_path: Path) -> None:
    assert not Prefetch(lambda: ROOM).begin([tmp_path / ("a" * 5000)], 0)


def test_a_file_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    found, prefetch = files(tmp_path), Prefetch(lambda: ROOM)
    found[0].unlink()
    assert prefetch.begin(found, 0)
    prefetch.wait()
    assert prefetch.bytes_read == 5_000_000


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """With the starter, and the starter once more under another name."""
    other = tmp_path / "models" / "other"
    shutil.copytree(STARTER / "image", other)
    card = json.loads((other / "easel.json").read_text(encoding="utf-8"))
    (other / "easel.json").write_text(json.dumps({**card, "id": "other", "title": "Other"}), encoding="utf-8")
    paths = Paths.default({"EASEL_HOME": str(tmp_path / "home")})
    with build_services(paths, more_models=[tmp_path / "models"]) as built:
        yield built


def test_the_queue_reads_the_next_model_ahead_and_no_model_twice(services: Services) -> None:
    orchestrator = services.orchestrator
    starter, other = (services.models.get(name) for name in ("starter", "other"))
    wishes = [(starter, 60), (starter, 40), (other, 40), (starter, 4)]
    orchestrator.pause(True)
    jobs = [orchestrator.submit(wish(record.id, steps), record) for record, steps in wishes]
    orchestrator.pause(False)
    ended = [orchestrator.wait(job.id, 300) for job in jobs]
    assert all(isinstance(job.state, Succeeded) for job in ended)
    orchestrator.prefetch.wait()
    size = sum(path.stat().st_size for path in model_weights(other).values())
    assert orchestrator.prefetch.bytes_read == size, "the other model once; the starter is known from before"


def wish(model: str, steps: int) -> GenerationRequest:
    values = {"model": model, "prompt": "a red apple", "width": 64, "height": 64, "steps": steps, "guidance": 3.5}
    return GenerationRequest(**values, sampler="Euler", scheduler="Simple", seed=3)  # pyright: ignore
