"""A disk without room, file by file: nothing that was kept is lost, and what could not be kept says so or does not matter."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.benchmark.record import Record
from app.bootstrap import build_services
from app.drafts import Draft, DraftStore
from app.history import HistoryStore, Query
from app.jobs import Cancelled, Failed, Interrupted, Job, Queued, Succeeded
from app.ledger import JobLedger
from app.library.index import ModelIndex
from app.logs import setup_logging
from app.measured import Measured, Measurement
from app.paths import ROOT, Paths
from app.services import Services
from app.settings import Settings
from engines.api import Artifact, ResourceError, UserError
from tests.app.test_ledger import ACCEPT_AND_DIE, REQUEST
from tests.small_disks import fill, small_disk, take_all_names

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="small disks are mounted with Linux's tmpfs")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "size=4m") as folder:
        yield folder


def until(told: object, seconds: float = 30) -> None:
    """Wait for something that is true sooner or later."""
    deadline = time.monotonic() + seconds
    while not told():  # pyright: ignore
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_dead_program_left_running_is_interrupted_without_room_too(disk: Path) -> None:
    path = disk / "ledger.sqlite3"
    done = subprocess.run([sys.executable, "-c", ACCEPT_AND_DIE, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    first, second = done.stdout.split()
    ballast = fill(disk)
    ledger = JobLedger(path)
    (closed,) = ledger.close_orphans()
    assert closed.id == first and isinstance(closed.state, Interrupted)
    assert isinstance(ledger.get(first).state, Interrupted)
    assert [job.id for job in ledger.interrupted()] == [first]
    assert [job.id for job in ledger.left_waiting()] == [second]
    assert ledger.behind
    with pytest.raises(ResourceError) as caught:
        ledger.adopt_waiting()
    assert caught.value.code == "job-not-written-down"
    assert "is free on that disk" in str(caught.value)
    ballast.unlink()
    ledger.catch_up()
    assert not ledger.behind
    ledger.close()
    again = JobLedger(path)
    assert isinstance(again.get(first).state, Interrupted), "it is in the file now"
    assert again.integrity() == "ok"


def test_a_list_that_was_closed_in_order_is_read_without_room(disk: Path) -> None:
    """SQLite wants room before it reads: its own files beside the list were taken away at the end."""
    path = disk / "ledger.sqlite3"
    ledger = JobLedger(path)
    job = ledger.add(REQUEST, None)
    ledger.close()
    ballast = fill(disk)
    ledger = JobLedger(path)
    assert ledger.get(job.id) == job and ledger.behind
    with pytest.raises(ResourceError):
        ledger.add(REQUEST, None)
    ballast.unlink()
    new = ledger.add(REQUEST, None)
    assert {each.id for each in ledger.latest()} == {job.id, new.id} and not ledger.behind
    other = JobLedger(path)
    assert other.close_orphans() == () and {each.id for each in other.left_waiting()} == {job.id}, "its lock is held"


def test_a_remembered_state_is_taken_out_of_the_queue(tmp_path: Path) -> None:
    ledger = JobLedger(tmp_path / "ledger.sqlite3")
    first, second = ledger.add(REQUEST, None), ledger.add(REQUEST, None)
    ledger.remember(first.id, Cancelled())
    assert [job.id for job in ledger.queued()] == [second.id]
    assert ledger.next_queued() == second
    ledger.set_state(second.id, Succeeded())
    assert not ledger.behind, "it went along with the next write"
    assert JobLedger(tmp_path / "ledger.sqlite3").get(first.id).state == Cancelled()


def picture_of(folder: Path, name: str = "a.png") -> tuple[Job, Artifact]:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(folder / name)
    return (
        Job("abc", REQUEST, 1.0, Succeeded()),
        Artifact(0, folder / name, "image/png", 3, 8, 8),
    )


def test_the_history_is_there_without_room(disk: Path, tmp_path: Path) -> None:
    def opened() -> HistoryStore:
        return HistoryStore(disk / "history.sqlite3", disk / "favourites.json", tmp_path / "outputs")

    history = opened()
    listed = history.add(*picture_of(tmp_path / "outputs"))
    history.set_favourite(listed.id, True)
    history.close()
    ballast = fill(disk)
    history = opened()
    assert [each.id for each in history.search(Query())] == [listed.id]
    with pytest.raises(UserError) as caught:
        history.set_favourite(listed.id, False)
    assert caught.value.code == "favourite-not-saved"
    assert history.get(listed.id).favourite
    assert sorted(path.name for path in disk.glob("*broken*")) == [], "a disk without room is no damage"
    ballast.unlink()
    history.add(*picture_of(tmp_path / "outputs", "b.png"))
    history.close()
    found = opened().search(Query())
    assert [each.favourite for each in found if each.id == listed.id] == [True] and len(found) == 2


def test_a_picture_that_the_history_had_no_room_for_is_listed_at_the_next_start(tmp_path: Path) -> None:
    paths = Paths.below(tmp_path / "home")
    with build_services(paths) as services:
        job = services.orchestrator.ledger.add(REQUEST, None)
        _, artifact = picture_of(tmp_path)
        services.orchestrator.ledger.add_artifact(job.id, artifact)
        services.orchestrator.ledger.set_state(job.id, Succeeded())
    with build_services(paths) as services:
        assert [each.path for each in services.history.search(Query())] == [artifact.path]


def test_hashes_that_took_hours_outlive_a_start_without_room(disk: Path) -> None:
    path = disk / "models.sqlite3"
    index = ModelIndex(path, "1")
    index.keep_hashes("/m/a.safetensors", "stamp", "ab" * 32, "cd" * 32)
    index.close()
    ballast = fill(disk)
    index = ModelIndex(path, "1")
    assert index.hashes("/m/a.safetensors", "stamp") == ("ab" * 32, "cd" * 32)
    index.keep([("/m/b", "stamp", {"kind": "x"})])
    index.keep_hashes("/m/b.safetensors", "stamp", "ef" * 32, "")
    ballast.unlink()
    index.keep([("/m/b", "stamp", {"kind": "x"})])
    index.close()
    again = ModelIndex(path, "1")
    assert again.hashes("/m/a.safetensors", "stamp")[0] == "ab" * 32
    assert "/m/b" in again.facts()


def test_what_the_estimates_learn_is_in_nobodys_way(disk: Path) -> None:
    row = Measurement("m", "starter", 0, (64, 64, 1), 1.0, 1, 10, {"denoise": 1.0}, {"denoise": 10})
    measured = Measured(disk / "measured.json")
    measured.add(row)
    ballast = fill(disk)
    for number in range(200):
        measured.add(replace(row, count=number))
    assert len(measured.rows("m")) == 201, "this program knows them all the same"
    assert Measured(disk / "measured.json").rows("m") == [row], "the file is whole, with what it had"
    ballast.unlink()
    measured.add(row)
    assert len(Measured(disk / "measured.json").rows("m")) == 202


def test_drafts_stay_as_they_were(disk: Path) -> None:
    store = DraftStore(disk / "drafts.json")
    store.put("image", Draft(prompt="kept"))
    ballast = fill(disk)
    long = Draft(prompt="typed without room " * 500)
    assert store.put("image", long) == long == store.get("image")
    assert DraftStore(disk / "drafts.json").get("image").prompt == "kept"
    ballast.unlink()
    store.put("video", Draft(prompt="more"))
    assert DraftStore(disk / "drafts.json").get("image") == long


def test_a_log_without_room_stops_nobody(disk: Path) -> None:
    paths = replace(Paths.below(disk / "home"), logs=disk)
    try:
        path = setup_logging(paths, Settings())
        logging.getLogger("app").warning("before")
        ballast = fill(disk)
        for number in range(3000):  # beyond the file's last block, and beyond Python's buffer
            logging.getLogger("app").warning("lost %d", number)
        setup_logging(paths, Settings())  # closes the file, whose last lines have no room
        ballast.unlink()
        logging.getLogger("app").warning("after")
        told = path.read_text()
        assert "before" in told and "after" in told
    finally:
        setup_logging(replace(paths, logs=disk.parent / "logs"), Settings())


PRINT_WITHOUT_ROOM = """
import os, sys
from pathlib import Path
from engines.worker.child import _log_to
_log_to(Path(sys.argv[1]))
for number in range(20_000):
    print("a library that prints", number)
    sys.stderr.write("and complains\\n")
os._exit(7)
"""


@pytest.mark.parametrize("name", ["/dev/full", "/proc/none/engine.log"])
def test_an_engine_whose_log_has_no_room_works(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", PRINT_WITHOUT_ROOM, name], cwd=ROOT, timeout=60)
    assert done.returncode == 7


def test_figures_that_cannot_be_saved_are_a_sentence(disk: Path) -> None:
    record = Record((), {"model": "x" * 5000, "date": ""})
    record.save(disk / "old.json")
    before = (disk / "old.json").read_bytes()
    fill(disk)
    for name in ("old.json", "new.json"):
        with pytest.raises(UserError) as caught:
            record.save(disk / name)
        assert caught.value.code == "benchmark-not-saved"
    assert (disk / "old.json").read_bytes() == before
    assert json.loads(before)["facts"]["model"]


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[tuple[Services, Path]]:
    """Services whose jobs are made on a disk where no file can be made any more."""
    with small_disk(tmp_path / "disk", "size=4m,nr_inodes=20") as folder:
        paths = replace(Paths.below(tmp_path / "home"), staging=folder / "staging")
        with build_services(paths) as services:
            yield services, folder


def wish(services: Services) -> Job:
    from tests.promises.conftest import wish as starter_wish

    return services.orchestrator.submit(starter_wish(), services.models.get("starter"))


def test_no_room_for_a_job_s_own_folder_is_a_sentence_with_the_room(crowded: tuple[Services, Path]) -> None:
    services, folder = crowded
    taken = take_all_names(folder)
    job = services.orchestrator.wait(wish(services).id, 60)
    assert isinstance(job.state, Failed)
    assert job.state.error.code == "no-room-while-made"
    assert "MB is free there" in job.state.error.cause
    for path in taken:
        path.unlink()


def test_stop_is_heard_while_a_job_waits_for_room(disk: Path, tmp_path: Path) -> None:
    """The list of jobs lies on a full disk: neither that a job runs nor how it ended can be written down."""
    paths = replace(Paths.below(tmp_path / "home"), ledger=disk / "ledger.sqlite3")
    with build_services(paths) as services:
        orchestrator = services.orchestrator
        orchestrator.pause(True)
        first, second = wish(services), wish(services)
        ballast = fill(disk)
        orchestrator.pause(False)
        until(lambda: orchestrator.busy)
        until(lambda: orchestrator.ledger.behind)
        orchestrator.cancel(second.id)  # waits in the queue
        assert orchestrator.cancel_running() == (first.id,)
        for job in (first, second):
            assert isinstance(orchestrator.wait(job.id, 20).state, Cancelled)
        assert orchestrator.queue.order == ()
        with pytest.raises(ResourceError):
            wish(services)
        ballast.unlink()
        until(lambda: not orchestrator.ledger.behind)
    again = JobLedger(paths.ledger)
    assert [type(job.state) for job in again.latest()] == [Cancelled, Cancelled]
    again.close()


def test_a_program_that_ends_without_room_loses_no_job(disk: Path, tmp_path: Path) -> None:
    paths = replace(Paths.below(tmp_path / "home"), ledger=disk / "ledger.sqlite3")
    with build_services(paths) as services:
        services.orchestrator.pause(True)
        job = wish(services)
        ballast = fill(disk)
        services.orchestrator.pause(False)
        until(lambda: services.orchestrator.ledger.behind)
    ballast.unlink()
    with build_services(paths) as services:
        assert isinstance(services.orchestrator.job(job.id).state, Queued | Interrupted)
        services.orchestrator.cancel(job.id)


def test_a_start_without_room_is_a_start(tmp_path: Path) -> None:
    """Everything on one full disk, after a kill and after a proper end; a later start can be answered or not."""
    from app.desktop.instance import Instance

    with small_disk(tmp_path / "disk", "size=100m") as folder:
        paths = Paths.below(folder / "home")
        with build_services(paths) as services:
            services.history.add(*picture_of(folder / "home" / "outputs"))
            kept = services.orchestrator.ledger.add(REQUEST, None)
        ballast = fill(folder)
        instance = Instance(paths.data)
        assert instance.take()
        instance.listen(lambda: None)
        with build_services(paths) as services:
            assert [job.id for job in services.orchestrator.ledger.latest()] == [kept.id]
            assert len(services.history.search(Query())) == 1
            assert services.models.all()
            with pytest.raises((UserError, ResourceError)):
                wish(services)
            ballast.unlink()
            wished = wish(services)
            services.orchestrator.cancel(wished.id)
        instance.release()
        assert list((paths.data / "owners").iterdir()) == []
