"""The ledger: what is accepted stays, what died is known, several programs share one file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs import Cancelled, Failed, Interrupted, JobState, Queued, Running, Succeeded
from app.ledger import JobLedger
from engines.api import Artifact, ErrorRecord, GenerationRequest, UserError

REQUEST = GenerationRequest(
    model="starter",
    prompt="ünïcode, “quotes”\nand lines",
    width=64,
    height=64,
    steps=4,
    guidance=3.5,
    sampler="Euler",
    scheduler="Normal",
    seed=4294967295,
    count=3,
)
ERROR = ErrorRecord("code", 3, "Title.", "Cause.", ("One way", "another"))


@pytest.fixture
def ledger(tmp_path: Path) -> JobLedger:
    return JobLedger(tmp_path / "ledger.sqlite3")


def test_a_job_comes_back_as_it_was(ledger: JobLedger, tmp_path: Path) -> None:
    job = ledger.add(REQUEST, tmp_path / "out")
    assert ledger.get(job.id) == job
    assert ledger.get(job.id[:6]) == job
    assert ledger.integrity() == "ok"


@pytest.mark.parametrize(
    "state",
    [Queued(), Running(12.5), Succeeded({"denoise": 1.5}, 10**9), Failed(ERROR), Cancelled(), Interrupted(ERROR)],
)
def test_every_state_comes_back_as_it_was(ledger: JobLedger, state: JobState) -> None:
    assert ledger.set_state(ledger.add(REQUEST, None).id, state).state == state


def test_files_come_back_in_order(ledger: JobLedger, tmp_path: Path) -> None:
    job = ledger.add(REQUEST, None)
    artifacts = [Artifact(i, tmp_path / f"{i}.png", "image/png", i, 64, 64, ("note",)) for i in range(3)]
    for artifact in reversed(artifacts):
        ledger.add_artifact(job.id, artifact)
    assert list(ledger.get(job.id).artifacts) == artifacts


def test_first_come_first_served(ledger: JobLedger) -> None:
    jobs = [ledger.add(REQUEST, None) for _ in range(3)]
    for job in jobs:
        assert ledger.next_queued() == job
        ledger.set_state(job.id, Succeeded())
    assert ledger.next_queued() is None


def test_an_unknown_or_ambiguous_id_is_an_error_with_numbers(ledger: JobLedger) -> None:
    for count in (0, 2):
        with pytest.raises(UserError) as caught:
            ledger.get("zz" if not count else "")
        assert caught.value.params["found"] == count
        ledger.add(REQUEST, None)
        ledger.add(REQUEST, None)


def test_a_second_program_leaves_a_living_owners_jobs_alone(ledger: JobLedger, tmp_path: Path) -> None:
    job = ledger.add(REQUEST, None)
    other = JobLedger(tmp_path / "ledger.sqlite3")
    assert other.close_orphans() == ()
    assert other.next_queued() is None
    assert other.get(job.id).state == Queued()
    other.close()


ACCEPT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from app.jobs import Running
from app.ledger import JobLedger
from tests.app.test_ledger import REQUEST
ledger = JobLedger(Path(sys.argv[1]))
first, second = ledger.add(REQUEST, None), ledger.add(REQUEST, None)
ledger.set_state(first.id, Running(1.0))
print(first.id, second.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_jobs_of_a_killed_program_are_interrupted_and_can_be_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", ACCEPT_AND_DIE, path], cwd=root, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -9
    ledger = JobLedger(path)
    first, second = done.stdout.split()
    (closed,) = ledger.close_orphans()
    assert closed.id == first and isinstance(closed.state, Interrupted)
    assert [job.id for job in ledger.left_waiting()] == [second]
    assert ledger.next_queued() is None, "what another program left waiting is nobody's until it is taken up"
    assert [job.id for job in ledger.adopt_waiting()] == [second]
    assert ledger.adopt_waiting() == ()
    assert ledger.adopt(first, at_end=False).state == Queued()
    assert [job.id for job in ledger.queued()] == [first, second], "it has its old place"
    assert ledger.integrity() == "ok"


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    JobLedger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        JobLedger(path)
    assert (caught.value.code, caught.value.params["found"]) == ("ledger-newer", 99)
    assert path.read_bytes() == before
