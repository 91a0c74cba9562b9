"""Downloads as they are kept: one small file each, written whole, and a lock that tells whether somebody works on it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.download.plan import Plan
from app.files import write_atomic
from engines.api import UserError

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1


class DownloadState(StrEnum):
    """Where a download is. "running" with a free lock is one whose program was killed: it goes on by itself."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"


class DownloadRecord(BaseModel):
    """One download: `root` is the models folder that it goes to, `hashes` those of the files that are whole and checked."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    plan: Plan
    root: Path
    state: DownloadState = DownloadState.WAITING
    added: float = Field(default_factory=time.time)
    hashes: dict[str, str] = {}
    error: dict[str, Any] | None = None
    place: Path | None = None

    def with_(self, **changes: Any) -> DownloadRecord:
        """A changed copy."""
        return self.model_copy(update=changes)

    @property
    def staging(self) -> Path:
        """Where the files are until all of them are whole: beside the models, so that the last step is a rename."""
        return self.root / ".downloads" / self.id

    def place_of(self, path: str) -> Path:
        """A file of the download in the staging folder."""
        return self.staging / "model" / path


class RecordStore:
    """The records below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[DownloadRecord]:
        """Every record that can be read, the oldest first."""
        found = (self._read(path) for path in self._folder.glob("*.json"))
        return sorted((record for record in found if record is not None), key=lambda record: record.added)

    def get(self, id_: str) -> DownloadRecord:
        """One record. Raises `UserError("download-unknown")`."""
        record = next((record for record in self.all() if record.id == id_), None)
        if record is None:
            raise UserError("download-unknown", id=id_[:40])
        return record

    def save(self, record: DownloadRecord) -> None:
        """Write it, whole or not at all. Raises `OSError`."""
        write_atomic(self._folder / f"{record.id}.json", record.model_dump_json().encode())

    def remove(self, id_: str) -> None:
        """Forget it."""
        for suffix in ("json", "lock"):
            (self._folder / f"{id_}.{suffix}").unlink(missing_ok=True)

    @contextmanager
    def hold(self, id_: str) -> Iterator[bool]:
        """The right to work on a download; False when another program has it. The system gives it back after a kill."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{id_}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def is_free(self, id_: str) -> bool:
        """Whether nobody works on it."""
        with self.hold(id_) as free:
            return free

    def _read(self, path: Path) -> DownloadRecord | None:
        try:
            record = DownloadRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("the download %s cannot be read: %s", path.name, type(error).__name__)
            return None
        return record if record.schema_version <= SCHEMA_VERSION else None
