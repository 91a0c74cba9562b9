"""A disk that fills up: every write says so in words, what was there stays, and all is well when there is room again."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.bootstrap import build_services
from app.drafts import Draft, DraftStore
from app.events import Event
from app.history import Query
from app.jobs import Failed, Job, Succeeded
from app.paths import Paths
from app.report import build_report
from app.services import Services
from engines.api import EaselError, GenerationRequest, Stage, Task
from tests.promises.conftest import wish

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SIZE = 120_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("a small file system is mounted with Linux's tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


def noise(path: Path) -> Path:
    """A picture that no disk without room holds."""
    pixels = np.random.default_rng(1).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def finished(services: Services, request: GenerationRequest, out: Path | None = None) -> Job:
    job = services.orchestrator.submit(request, services.models.get("starter"), out)
    return services.orchestrator.wait(job.id, 300)


def test_a_full_disk_loses_nothing(small_disk: Path, tmp_path: Path, promised: Callable[[str, str], None]) -> None:
    home, given, elsewhere = small_disk / "home", noise(tmp_path / "given.png"), tmp_path / "elsewhere"
    told: list[str] = []
    with build_services(Paths.below(home)) as services:
        first = finished(services, wish())
        assert isinstance(first.state, Succeeded)
        picture, row = first.files[0], services.history.search(Query())[0]
        before = picture.read_bytes()
        preset = services.presets.new("kept", Task.TEXT_TO_IMAGE, {"steps": 9}, "")
        services.presets.save(preset)
        kept = (home / "config" / "presets").rglob("*.yaml") if (home / "config" / "presets").exists() else ()
        presets = {path: path.read_bytes() for path in kept}
        services.drafts.put("image", Draft(prompt="kept"))
        report = build_report(services.paths, services.settings, services.models.all())
        ballast = fill(small_disk)
        long_words = preset.model_copy(update={"description": "x" * 400})
        writes: dict[str, Callable[[], object]] = {
            "settings": lambda: services.change_settings(log_prompts=True),
            "job": lambda: services.orchestrator.submit(wish(seed=5), services.models.get("starter")),
            "job elsewhere": lambda: services.orchestrator.submit(
                wish(seed=5), services.models.get("starter"), elsewhere
            ),
            "favourite": lambda: services.history.set_favourite(row.id, True),
            "input": lambda: services.inputs.keep(str(given), "init_image"),
            "preset": lambda: services.presets.save(long_words),
            "thumbnail": lambda: services.thumbnails.of(given),
            "report": lambda: report.save(small_disk / "report.zip"),
        }
        for name, write in writes.items():
            with pytest.raises((EaselError, OSError)) as caught:
                write()
            assert isinstance(caught.value, EaselError), f"{name}: {caught.value!r}"
            told.append(f"{name}: {caught.value.code}")
        services.drafts.put("image", Draft(prompt="typed on a full disk " * 400))  # never in anybody's way
        assert services.drafts.get("image").prompt.startswith("typed")
        assert DraftStore(services.paths.drafts).get("image").prompt == "kept", "the file is whole, with what it had"
        assert picture.read_bytes() == before
        assert {path: path.read_bytes() for path in presets} == presets
        ballast.unlink()
        assert services.settings_store.load().log_prompts is False
        assert not services.history.get(row.id).favourite
        for write in (writes["favourite"], writes["input"], writes["preset"], writes["thumbnail"], writes["report"]):
            write()
        done = finished(services, wish())
        assert done.files[0].read_bytes() == before
        assert len(services.history.search(Query())) == 2
    promised("a full disk loses nothing", "; ".join(told))


def test_a_disk_that_fills_while_a_job_runs_keeps_the_picture(
    small_disk: Path, tmp_path: Path, promised: Callable[[str, str], None]
) -> None:
    """The outputs' disk is full when the picture is done: it stays in staging, and goes on when there is room."""
    with build_services(Paths.below(tmp_path / "home")) as services:
        out = small_disk / "out"
        out.mkdir()
        ballast: list[Path] = []
        forget = services.orchestrator.subscribe(
            lambda event: ballast.append(fill(small_disk)) if event.progress is not None and not ballast else None
        )
        job = services.orchestrator.submit(wish(), services.models.get("starter"), out)
        failed = services.orchestrator.wait(job.id, 120)
        forget()
        assert isinstance(failed.state, Failed)
        assert failed.state.error.code == "output-not-saved"
        assert list((tmp_path / "home" / "data" / "staging" / job.id).glob("*.png"))
        ballast[0].unlink()
        services.orchestrator.resume(job.id)
        assert isinstance(services.orchestrator.wait(job.id, 120).state, Succeeded)
        assert len(list(out.glob("*.png"))) == 1
    promised("a disk that fills while a job runs keeps the picture", "output-not-saved, then resumed to the file")


@pytest.mark.parametrize("stage", [Stage.DENOISE, Stage.DECODE])
def test_the_data_folder_s_disk_fills_while_a_job_runs(
    small_disk: Path, promised: Callable[[str, str], None], stage: Stage
) -> None:
    """Checkpoint, staging, ledger, history, log and measurements have no room: the queue waits for it and goes on."""
    with build_services(Paths.below(small_disk / "home")) as services:
        expected = finished(services, wish(seed=9, count=2)).files
        told: list[Job] = []
        over, full = threading.Event(), threading.Event()

        def look(event: Event) -> None:
            if event.progress is not None and event.progress.stage is stage and not full.is_set():
                full.set()
                fill(small_disk)
            if event.progress is None and isinstance(event.job.state, Failed):
                told.append(event.job)
                over.set()

        forget = services.orchestrator.subscribe(look)
        job = services.orchestrator.submit(wish(seed=9, count=2), services.models.get("starter"))
        assert over.wait(300), "somebody is told, although nothing can be written down"
        (small_disk / "ballast").unlink()
        failed = services.orchestrator.wait(job.id, 120)
        assert isinstance(failed.state, Failed), failed.state
        code = failed.state.error.code
        assert code in ("no-room-while-made", "output-not-saved", "job-not-written-down")
        services.orchestrator.resume(job.id)
        done = services.orchestrator.wait(job.id, 300)
        forget()
        assert isinstance(done.state, Succeeded), done.state
        assert [path.read_bytes() for path in done.files] == [path.read_bytes() for path in expected]
        assert services.orchestrator.ledger.integrity() == "ok"
        assert len(services.history.search(Query())) == 4, "each picture once"
        assert isinstance(finished(services, wish(seed=10)).state, Succeeded), "the next one runs"
    promised(f"the data folder's disk fills in {stage}", f"{code}; with room again the same bytes, each picture once")
