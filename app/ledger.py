"""Every job, written down before it starts: SQLite in WAL mode, so that no crash loses an accepted job."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from app.database import Database
from app.jobs import STATES, Failed, Interrupted, Job, JobState, Queued, state_name
from app.places import readable
from engines.api import Artifact, ErrorRecord, GenerationRequest, ResourceError, UserError

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created REAL NOT NULL, owner TEXT NOT NULL, request TEXT NOT NULL, out TEXT,
    state TEXT NOT NULL, state_data TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS artifacts (
    job TEXT NOT NULL REFERENCES jobs(id), idx INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (job, idx));
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs(state, position);
"""


class JobLedger:
    """The durable list of jobs. Several processes may use one ledger; each runs only the jobs that it owns.

    An owner holds a lock of the operating system for as long as it lives, so that a dead owner's jobs are known by its
    free lock, without process ids, which are given out again. On a disk without room the list can be read; a write raises
    `ResourceError("job-not-written-down")`, and a state that must hold all the same is remembered until there is room.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._unwritten: dict[str, JobState] = {}
        self._owners = path.parent / "owners"
        self.owner = uuid.uuid4().hex
        self._owner_lock = FileLock(self._owners / f"{self.owner}.lock", thread_local=False)  # any thread may write
        with suppress(OSError):  # no room; it is tried again before anything is written
            self._own()
        try:
            self._db = Database(path, lambda: _connect(path))
        except sqlite3.Error as error:
            self._let_go()
            raise _why_not_opened(path, error) from error

    def add(self, request: GenerationRequest, out: Path | None) -> Job:
        """Write a new job down and return it; when this returns, the job is accepted."""
        job = Job(uuid.uuid4().hex[:12], request, time.time(), Queued(), out)
        with self._write() as db:
            db.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, 'queued', '{}', "
                "(SELECT COALESCE(MAX(position), 0) + 1 FROM jobs))",
                (job.id, job.created, self.owner, request.model_dump_json(), str(out) if out else None),
            )
        return job

    def set_state(self, job_id: str, state: JobState) -> Job:
        """Write a state change down and return the job as it is now."""
        with self._write() as db:
            _update(db, job_id, state)
        return self.get(job_id)

    def keep_state(self, job_id: str, state: JobState) -> Job:
        """Write a state change down, or remember it for want of room: it holds in any case."""
        try:
            return self.set_state(job_id, state)
        except ResourceError:
            log.warning("job=%s state=%s has no room on the disk", job_id, state_name(state))
            return self.remember(job_id, state)

    def remember(self, job_id: str, state: JobState) -> Job:
        """For want of room on the disk: the state holds in this process, and is written down with the next write."""
        with self._lock:
            self._unwritten[job_id] = state
        return self.get(job_id)

    def catch_up(self) -> None:
        """Write down what is only remembered, where there is room for it by now."""
        if self.behind:
            with suppress(ResourceError), self._write():
                pass

    @property
    def behind(self) -> bool:
        """Whether the file lacks something, or cannot be written at all, for want of room."""
        return bool(self._unwritten) or not self._db.writable

    def add_artifact(self, job_id: str, artifact: Artifact) -> Job:
        """Write a published file down and return the job as it is now."""
        data = {**dataclasses.asdict(artifact), "path": str(artifact.path)}
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?)", (job_id, artifact.index, json.dumps(data)))
        return self.get(job_id)

    def adopt(self, job_id: str, at_end: bool = True) -> Job:
        """Make the job this process's own and queue it again, at the end or in the place that it had."""
        place = "(SELECT MAX(position) + 1 FROM jobs)" if at_end else "position"
        with self._write() as db:
            db.execute(f"UPDATE jobs SET owner = ?, position = {place} WHERE id = ?", (self.owner, job_id))
        return self.set_state(job_id, Queued())

    def adopt_waiting(self) -> tuple[Job, ...]:
        """Make what dead owners left waiting this process's own, in the order that it had; returns those jobs."""
        ids = [job.id for job in self.left_waiting()]
        with self._write() as db:
            for job_id in ids:
                db.execute("UPDATE jobs SET owner = ? WHERE id = ? AND state = 'queued'", (self.owner, job_id))
        return tuple(job for job in self.queued() if job.id in ids)

    def interrupted(self) -> tuple[Job, ...]:
        """The jobs that can go on where they were, in their order."""
        also = tuple(self._unwritten)
        query = f"SELECT * FROM jobs WHERE state = 'interrupted' OR id IN ({_marks(also)}) ORDER BY position"
        found = map(self._job, self._rows(query, also))
        return tuple(job for job in found if isinstance(job.state, Interrupted))

    def left_waiting(self) -> tuple[Job, ...]:
        """The jobs that wait and whose program is gone, in their order."""
        return tuple(map(self._job, self._left("queued")))

    def get(self, job_id: str) -> Job:
        """The job with this id, or with an id that begins so. Raises `UserError` for none or several."""
        rows = self._rows("SELECT * FROM jobs WHERE substr(id, 1, length(?)) = ? LIMIT 2", (job_id, job_id))
        if len(rows) != 1:
            raise UserError("job-unknown", id=job_id, found=len(rows))
        return self._job(rows[0])

    def next_queued(self, taken: Sequence[str] = ()) -> Job | None:
        """The first job of this owner that waits and is not among those that are `taken`."""
        taken = (*taken, *self._unwritten)
        query = (
            f"SELECT * FROM jobs WHERE state = 'queued' AND owner = ? AND id NOT IN ({_marks(taken)}) "
            "ORDER BY position LIMIT 1"
        )
        rows = self._rows(query, (self.owner, *taken))
        return self._job(rows[0]) if rows else None

    def queued(self) -> tuple[Job, ...]:
        """The jobs of this owner that wait, in the order in which they will run."""
        query = "SELECT * FROM jobs WHERE state = 'queued' AND owner = ? ORDER BY position"
        found = map(self._job, self._rows(query, (self.owner,)))
        return tuple(job for job in found if isinstance(job.state, Queued))

    def reorder(self, job_ids: Sequence[str]) -> None:
        """Let these waiting jobs run in this order; they share the places that they have now."""
        query = f"SELECT position FROM jobs WHERE id IN ({_marks(job_ids)}) ORDER BY position"
        with self._write() as db:
            rows = db.execute(query, tuple(job_ids))
            places = [row[0] for row in rows.fetchall()]
            db.executemany("UPDATE jobs SET position = ? WHERE id = ?", zip(places, job_ids, strict=True))

    def latest(self, limit: int = 50) -> tuple[Job, ...]:
        """The newest jobs, newest first."""
        return tuple(map(self._job, self._rows("SELECT * FROM jobs ORDER BY created DESC LIMIT ?", (limit,))))

    def close_orphans(self) -> tuple[Job, ...]:
        """Mark as `Interrupted` what dead owners left running; returns those jobs. What waited goes on waiting.

        A disk without room stops nobody: it is remembered then.
        """
        gone = Interrupted(ErrorRecord.of(ResourceError("program-ended")))
        return tuple(self.keep_state(row["id"], gone) for row in self._left("running"))

    def integrity(self) -> str:
        """SQLite's own verdict; "ok" when all is well."""
        return self._rows("PRAGMA integrity_check", ())[0][0]

    def close(self) -> None:
        """Give the lock and the file back."""
        with self._lock:
            self.catch_up()  # the last try; without room the next start finds the jobs left running
            self._db.close()
        self._let_go()

    def _own(self) -> None:
        """Hold this owner's lock. Raises `OSError`."""
        if not self._owner_lock.is_locked:
            self._owners.mkdir(exist_ok=True)
            self._owner_lock.acquire()

    def _let_go(self) -> None:
        self._owner_lock.release()
        Path(self._owner_lock.lock_file).unlink(missing_ok=True)

    def _left(self, state: str) -> list[sqlite3.Row]:
        rows = self._rows("SELECT * FROM jobs WHERE state = ? AND owner != ? ORDER BY position", (state, self.owner))
        alive = {owner: self._alive(owner) for owner in {row["owner"] for row in rows}}
        return [row for row in rows if not alive[row["owner"]]]

    def _alive(self, owner: str) -> bool:
        path = self._owners / f"{owner}.lock"
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
        return False

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, with what was remembered before it. Raises `ResourceError`; nothing is written then."""
        try:
            with self._lock:
                self._own()
                with self._db.writing() as db:
                    remembered = dict(self._unwritten)
                    for job_id, state in remembered.items():
                        _update(db, job_id, state)
                    yield db
                self._unwritten = {key: each for key, each in self._unwritten.items() if key not in remembered}
        except (sqlite3.OperationalError, OSError) as error:
            raise _not_written(self._owners.parent, error) from error

    def _rows(self, query: str, values: Iterable[Any]) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.reading.execute(query, tuple(values)).fetchall()

    def _job(self, row: sqlite3.Row) -> Job:
        found = self._rows("SELECT data FROM artifacts WHERE job = ? ORDER BY idx", (row["id"],))
        request = GenerationRequest.model_validate_json(row["request"])
        out = Path(row["out"]) if row["out"] else None
        state = self._unwritten.get(row["id"]) or _state(row["state"], json.loads(row["state_data"]))
        return Job(row["id"], request, row["created"], state, out, tuple(map(_artifact, found)))


def _connect(path: Path) -> sqlite3.Connection:
    """The list, brought to today's form. Raises `UserError("ledger-newer")` and `sqlite3.Error`."""
    db = sqlite3.connect(path, check_same_thread=False, timeout=30)
    try:
        db.row_factory = sqlite3.Row
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise UserError("ledger-newer", found=version, known=SCHEMA_VERSION)
        if version < SCHEMA_VERSION:  # a list that is in order needs no room to be opened
            with db:
                db.executescript(SCHEMA)
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # an acknowledged job survives a power cut too
        db.execute("SELECT count(*) FROM jobs").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _why_not_opened(path: Path, error: sqlite3.Error) -> Exception:
    """Locked, no room to make it, or broken."""
    if isinstance(error, sqlite3.OperationalError):
        return _not_written(path.parent, error)
    return UserError("ledger-broken", path=str(path), why=str(error))


def _not_written(folder: Path, error: Exception) -> ResourceError:
    why = getattr(error, "strerror", None) or str(error)
    with suppress(OSError):
        why = f"{why}; {readable(shutil.disk_usage(folder).free)} is free on that disk"
    return ResourceError("job-not-written-down", folder=str(folder), why=why)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _update(db: sqlite3.Connection, job_id: str, state: JobState) -> None:
    data = json.dumps(dataclasses.asdict(state))
    db.execute("UPDATE jobs SET state = ?, state_data = ? WHERE id = ?", (state_name(state), data, job_id))


def _state(name: str, data: dict[str, Any]) -> JobState:
    kind = STATES[name]
    if kind in (Failed, Interrupted):
        error = data["error"]
        return kind(ErrorRecord(**{**error, "fixes": tuple(error["fixes"])}))  # pyright: ignore
    return kind(**data)


def _artifact(row: sqlite3.Row) -> Artifact:
    data = json.loads(row["data"])
    return Artifact(**{**data, "path": Path(data["path"]), "notes": tuple(data["notes"])})
