"""What jobs really took on this computer: seconds and peak memory by stage, kept small, by machine, model, way and size."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.files import write_atomic

log = logging.getLogger(__name__)

VERSION = 1
KEPT = 300  # rows; the oldest go first
FAILED_KEPT = 100


@dataclass(frozen=True)
class Measurement:
    """One job: what it was, what it took. `peaks` in bytes, `seconds` of the whole job, both by stage.

    `file_bytes` are those of all its files, which are of the `kind` "webm", say; 0 and "" where nobody looked.
    `work` is what seconds grow with (see `engines.demand.operations`), `expected` the peak that was computed beforehand.
    """

    machine: str
    model: str
    rung: int
    size: tuple[int, int, int]  # width, height, frames
    work: float
    count: int
    expected: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    file_bytes: int = 0
    kind: str = ""

    @property
    def peak(self) -> int:
        """The highest of the peaks."""
        return max(self.peaks.values(), default=0)

    @property
    def pixels(self) -> int:
        """Of all frames."""
        width, height, frames = self.size
        return width * height * frames


class Measured:
    """The rows, in one file that is read once and written after each job. A broken file begins anew: it is no treasure."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._rows: list[Measurement] | None = None
        self._failed: dict[str, int] = {}

    def add(self, row: Measurement) -> None:
        """Keep a measurement, and forget that smaller rungs failed before it."""
        with self._lock:
            self._load()
            assert self._rows is not None
            self._rows = [*self._rows, row][-KEPT:]
            self._save()

    def failed(self, machine: str, model: str, size: tuple[int, int, int], next_rung: int) -> None:
        """Remember from which rung on this model is to be run at this size, because memory ran out above it."""
        with self._lock:
            self._load()
            key = _failed_key(machine, model, size)
            self._failed.pop(key, None)
            self._failed[key] = next_rung
            self._failed = dict(list(self._failed.items())[-FAILED_KEPT:])
            self._save()

    def from_rung(self, machine: str, model: str, size: tuple[int, int, int]) -> int:
        """The rung from which on to try; 0 when nothing failed at this size or a smaller one."""
        with self._lock:
            self._load()
            mine = f"{machine}|{model}|"
            smaller = [
                rung for key, rung in self._failed.items() if key.startswith(mine) and _pixels(key) <= _area(size)
            ]
        return max(smaller, default=0)

    def rows(self, machine: str, model: str = "") -> list[Measurement]:
        """The rows of this machine, of one model or of all, the newest last."""
        with self._lock:
            self._load()
            return [row for row in self._rows or [] if row.machine == machine and model in ("", row.model)]

    def every(self) -> list[Measurement]:
        """The rows of all machines, the newest last: files are as large on any of them."""
        with self._lock:
            self._load()
            return list(self._rows or [])

    def newest(self) -> Measurement | None:
        """The row that was added last; None when there is none."""
        with self._lock:
            self._load()
            return self._rows[-1] if self._rows else None

    def _load(self) -> None:
        if self._rows is not None:
            return
        self._rows = []
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data.get("version") == VERSION:
                self._rows = [_row(each) for each in data["rows"]]
                self._failed = {str(key): int(value) for key, value in data["failed"].items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            log.warning("the measurements in %s cannot be read and begin anew", self._path.name)

    def _save(self) -> None:
        data = {"version": VERSION, "rows": list(map(vars, self._rows or [])), "failed": self._failed}
        try:
            write_atomic(self._path, (json.dumps(data) + "\n").encode())
        except OSError:
            log.warning("the measurements could not be saved", exc_info=True)


def machine_mark(device_name: str, total_memory: int) -> str:
    """One word for this computer: another card, processor or memory is another machine."""
    text = f"{platform.machine()}|{platform.processor()}|{device_name}|{total_memory >> 28}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _row(data: dict[str, Any]) -> Measurement:
    width, height, frames = (int(each) for each in data["size"])
    return Measurement(**{**data, "size": (width, height, frames)})


def _failed_key(machine: str, model: str, size: tuple[int, int, int]) -> str:
    return f"{machine}|{model}|{size[0]}x{size[1]}x{size[2]}"


def _pixels(key: str) -> int:
    width, height, frames = (int(each) for each in key.rpartition("|")[2].split("x"))
    return _area((width, height, frames))


def _area(size: tuple[int, int, int]) -> int:
    return size[0] * size[1] * size[2]
