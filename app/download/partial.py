"""A file that is not whole yet, with a note of how far it is: together they survive a kill and a power cut."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import BinaryIO

from app.files import write_atomic

SYNC_EVERY = 64 << 20  # bytes; after a power cut at most so many are fetched again, and at most a hundredth of the file
SYNC_LEAST = 1 << 20
READ = 1 << 20
SAME_BOOT = 5.0  # seconds by which two looks at the start time of the system may differ


class Partial:
    """The partial file at `path`. Use as a context manager; nothing is lost when it ends by an exception or a kill.

    What a killed program wrote is still in the system's hands, so all of the file's length counts. After a restart of
    the computer only what had been synced to the disk does.
    """

    def __init__(self, path: Path, total: int | None) -> None:
        self.path, self._note = path, path.with_name(path.name + ".json")
        step = SYNC_EVERY if total is None else min(SYNC_EVERY, max(SYNC_LEAST, total // 100))
        self._step = step
        self.validator = ""
        self.length = 0
        self._synced = 0
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Partial:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "r+b" if self.path.exists() else "w+b", buffering=0)
        kept = self._trusted()
        self._file.truncate(kept)
        self._read_again(kept)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def sha256(self) -> str:
        """Of what is there."""
        return self._hash.hexdigest()

    def restart(self) -> None:
        """Forget what is there: it is of another version of the file."""
        self._open.truncate(0)
        self._open.seek(0)
        self._hash, self.length, self._synced = hashlib.sha256(), 0, 0

    def remember(self, validator: str) -> None:
        """Note which version of the file this is, before the first byte of it is written."""
        self.validator = validator
        self._write_note()

    def write(self, data: bytes) -> None:
        """Add to the end. Raises `OSError`."""
        view = memoryview(data)
        while view:
            view = view[self._open.write(view) :]
        self._hash.update(data)
        self.length += len(data)
        if self.length - self._synced >= self._step:
            self.sync()

    def sync(self) -> None:
        """Everything is on the disk from now on."""
        os.fsync(self._open.fileno())
        self._synced = self.length
        self._write_note()

    def finish(self, place: Path) -> None:
        """Give the whole file its name."""
        os.fsync(self._open.fileno())
        self.__exit__()
        self.path.replace(place)
        self._note.unlink(missing_ok=True)

    def set_aside(self, place: Path) -> None:
        """Keep the file, which is damaged, where nobody takes it for a model."""
        self.__exit__()
        place.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(place)
        self._note.unlink(missing_ok=True)

    @property
    def _open(self) -> BinaryIO:
        assert self._file is not None
        return self._file

    def _trusted(self) -> int:
        """How many bytes count; without a good note none do."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.validator = str(note["validator"])
            synced, boot = int(note["synced"]), float(note["boot"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        there = self.path.stat().st_size
        return there if abs(boot - _boot()) < SAME_BOOT else min(there, synced)

    def _read_again(self, kept: int) -> None:
        """Hash what is there: a gigabyte takes about a second."""
        self._open.seek(0)
        left = kept
        while left and (data := self._open.read(min(READ, left))):
            self._hash.update(data)
            left -= len(data)
        self.length = self._synced = kept - left

    def _write_note(self) -> None:
        note = {"validator": self.validator, "synced": self._synced, "boot": _boot()}
        write_atomic(self._note, json.dumps(note).encode())


def _boot() -> float:
    """When the system was started, in seconds since 1970."""
    import psutil

    return psutil.boot_time()
