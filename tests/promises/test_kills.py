"""An accepted job is never lost: the whole program killed at random moments, started again, until all is made."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from app.bootstrap import build_services
from app.history import Query
from app.jobs import Succeeded
from app.paths import ROOT, Paths
from engines.api import read_metadata

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]

KILLS = int(os.environ.get("EASEL_KILLS", "200"))
SECONDS = float(os.environ.get("EASEL_KILL_SECONDS", "inf"))  # a busy machine may stop earlier, and the figure says so
WISHES = 40


def test_kills_at_random_moments_lose_nothing(home: Path, promised: Callable[[str, str], None]) -> None:
    chance = random.Random(1)
    accepted: set[str] = set()
    begun = time.monotonic()
    start_and_kill(home, 3600, accepted, 2)
    moments = 1.3 * (time.monotonic() - begun)  # within so many seconds: imports, accepting, load, all stages, saving
    killed = 0
    while killed < KILLS and time.monotonic() - begun < SECONDS:
        if not start_and_kill(home, chance.uniform(0.2, moments), accepted, WISHES * (1 + killed // 50)):
            continue
        killed += 1
        look_at_files(home)
    wishes = WISHES * (1 + killed // 50)
    assert start_and_kill(home, 3600, accepted, wishes) is False, "the last start ends by itself"
    look_at_the_end(home, accepted, wishes)
    promised(
        "an accepted job is never lost",
        f"{killed} kills with SIGKILL within {moments:.0f} s after the start: 0 corrupt files, "
        f"{len(accepted)} of {len(accepted)} accepted jobs made, each picture once, ledger ok",
    )


def start_and_kill(home: Path, after: float, accepted: set[str], wishes: int) -> bool:
    """Start the program and kill it and its worker after so many seconds; False when it was done before."""
    command = [sys.executable, "-P", "-m", "tests.promises.program", str(home), str(wishes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        out, _err = program.communicate(timeout=after)
        done = True
    except subprocess.TimeoutExpired:
        family = psutil.Process(program.pid).children(recursive=True)
        program.send_signal(signal.SIGKILL)
        out, _err = program.communicate()
        done = False
        assert not psutil.wait_procs(family, timeout=5)[1], "a worker outlived its parent"
    accepted |= {line.split()[1] for line in out.splitlines() if line.startswith("accepted ")}
    if done:
        assert "done" in out and program.returncode == 0
    return not done


def look_at_files(home: Path) -> None:
    """After each kill: what can be seen is whole."""
    for path in (home / "outputs").rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()
    for path in (home / "config").glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for name in ("ledger.sqlite3", "history.sqlite3"):
        if (path := home / "data" / name).exists():
            database = sqlite3.connect(path, timeout=10)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()


def look_at_the_end(home: Path, accepted: set[str], wishes: int) -> None:
    """Every job that was accepted is there and made, with the bytes of a run that nobody disturbed."""
    with build_services(Paths.below(home)) as services:
        jobs = services.orchestrator.ledger.latest(10_000)
        assert accepted <= {job.id for job in jobs}
        assert len(jobs) == wishes
        assert all(isinstance(job.state, Succeeded) for job in jobs)
        assert all(len(job.files) == job.request.count for job in jobs)
        made = set((home / "outputs").rglob("*.png"))
        assert made == {path for job in jobs for path in job.files}, "no picture twice, none that no job knows"
        listed = {picture.path for picture in services.history.search(Query(limit=10_000))}
        assert listed == made, "the history has all of them"
        for job in random.Random(2).sample(jobs, 5):
            again = services.orchestrator.submit(job.request, services.models.get("starter"))
            fresh = services.orchestrator.wait(again.id, 300)
            assert [f.read_bytes() for f in fresh.files] == [f.read_bytes() for f in job.files]
        assert read_metadata(jobs[0].files[0]).request is not None
    assert list((home / "outputs").rglob("*.tmp")) == []
    assert not any((home / "data" / "staging").iterdir())


def test_no_worker_outlives_its_parent(home: Path, promised: Callable[[str, str], None]) -> None:
    """The program is killed while its engine works; the engine notices by itself."""
    command = [sys.executable, "-P", "-m", "tests.promises.program", str(home), "5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert program.stdout is not None and program.stdout.readline().startswith("accepted ")
    deadline = time.monotonic() + 120
    while not list((home / "outputs").rglob("*.png")):
        assert time.monotonic() < deadline and program.poll() is None
        time.sleep(0.05)
    family = psutil.Process(program.pid).children(recursive=True)
    program.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    gone, alive = psutil.wait_procs(family, timeout=10)
    seconds = time.monotonic() - killed
    assert gone and not alive and seconds < 5  # 2 are promised; a busy machine starts nobody at once
    promised("no orphans", f"the engine was gone {seconds:.2f} s after its parent was killed")


def test_a_killed_program_leaves_nothing_in_the_way(home: Path, promised: Callable[[str, str], None]) -> None:
    """Killed in the middle of a job; the next start finds the job within its first second, ready to go on."""
    accepted: set[str] = set()
    while not accepted:
        start_and_kill(home, 4.0, accepted, 3)
    started = time.monotonic()
    with build_services(Paths.below(home)) as services:
        found = {job.id for job in services.orchestrator.ledger.latest(10)}
    assert accepted <= found
    promised("a killed program leaves nothing in the way", f"services ready in {time.monotonic() - started:.2f} s")
