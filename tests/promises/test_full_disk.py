"""A disk that fills up: every write says so in words, what was there stays, and all is well when there is room again."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.drafts import Draft
from app.history import Query
from app.jobs import Failed, Succeeded
from app.paths import Paths
from engines.api import EaselError
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
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


def test_a_full_disk_loses_nothing(small_disk: Path, promised: Callable[[str, str], None]) -> None:
    home = small_disk / "home"
    told: list[str] = []
    with build_services(Paths.below(home)) as services:
        first = services.orchestrator.submit(wish(), services.models.get("starter"))
        assert isinstance(services.orchestrator.wait(first.id, 120).state, Succeeded)
        before = first_bytes = services.orchestrator.job(first.id).files[0].read_bytes()
        services.drafts.put("image", Draft(prompt="kept"))
        ballast = fill(small_disk)
        writes: dict[str, Callable[[], object]] = {
            "settings": lambda: services.change_settings(log_prompts=True),
            "job": lambda: services.orchestrator.submit(wish(seed=5), services.models.get("starter")),
            "favourite": lambda: services.history.set_favourite(services.history.search(Query())[0].id, True),
        }
        for name, write in writes.items():
            with pytest.raises((EaselError, OSError)) as caught:
                write()
            assert isinstance(caught.value, EaselError), f"{name}: {caught.value!r}"
            told.append(f"{name}: {caught.value.code}")
        assert services.orchestrator.job(first.id).files[0].read_bytes() == first_bytes
        ballast.unlink()
        assert services.settings_store.load().log_prompts is False
        again = services.orchestrator.submit(wish(), services.models.get("starter"))
        done = services.orchestrator.wait(again.id, 120)
        assert done.files[0].read_bytes() == before
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
