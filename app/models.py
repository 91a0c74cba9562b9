"""The models on this computer: found in place, told apart by their headers, known by short ids."""

from __future__ import annotations

import difflib
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.model_files import fingerprint, read_card, weight_bytes
from app.paths import STARTER
from engines.api import EaselError, ErrorRecord, ModelRecord, UserError, detect_family, read_header

log = logging.getLogger(__name__)

INDEX = "model_index.json"
DEPTH = 6  # folders below a root; a hub cache has its models 3 deep
NEAREST = 5


@dataclass(frozen=True)
class ModelProblem:
    """A folder that looks like a model and cannot be used, with the reason."""

    path: Path
    error: ErrorRecord


@dataclass(frozen=True)
class _Scan:
    records: tuple[ModelRecord, ...]
    problems: tuple[ModelProblem, ...]


class ModelStore:
    """Models below `roots`, which are read and never written. An id met twice gets a number, earlier roots first."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._lock = threading.Lock()
        self._found: _Scan | None = None

    def all(self) -> tuple[ModelRecord, ...]:
        """Every usable model, the bundled ones first."""
        return self._scan().records

    @property
    def problems(self) -> tuple[ModelProblem, ...]:
        """What was found and cannot be used."""
        return self._scan().problems

    def get(self, name: str) -> ModelRecord:
        """The model with this id or title. Looks again before it raises `UserError("model-unknown")`."""
        return self._find(name) or self._find_again(name)

    def default(self) -> ModelRecord:
        """The model when nobody names one: the bundled starter, else the first. Raises `UserError("model-none")`."""
        records = self.all()
        if not records:
            raise UserError("model-none", folders=[str(root) for root in self._roots])
        return next((record for record in records if record.bundled), records[0])

    def rescan(self) -> tuple[ModelRecord, ...]:
        """Look at the folders again."""
        with self._lock:
            self._found = None
        return self.all()

    def _find(self, name: str) -> ModelRecord | None:
        wanted = name.strip().casefold()
        records = self.all()
        by_id = [record for record in records if record.id.casefold() == wanted]
        by_title = [record for record in records if record.title.casefold() == wanted]
        matches = by_id or by_title
        return matches[0] if len(matches) == 1 else None

    def _find_again(self, name: str) -> ModelRecord:
        records = self.rescan()
        if (record := self._find(name)) is not None:
            return record
        ids = [record.id for record in records]
        nearest = difflib.get_close_matches(name.casefold(), ids, NEAREST, 0.4) or ids[:NEAREST]
        raise UserError("model-unknown", name=name, nearest=nearest or "none")

    def _scan(self) -> _Scan:
        with self._lock:
            if self._found is None:
                self._found = _scan(self._roots)
            return self._found


def _scan(roots: Sequence[Path]) -> _Scan:
    records: dict[str, ModelRecord] = {}
    problems: list[ModelProblem] = []
    for folder in dict.fromkeys(folder for root in roots for folder in model_folders(root)):
        try:
            record = _readable_record(folder)
        except EaselError as error:
            log.info("model folder=%s cannot be used code=%s", folder.name, error.code)
            problems.append(ModelProblem(folder, ErrorRecord.of(error)))
        else:
            free = _free_id(record.id, records)
            records[free] = replace(record, id=free)
    log.info("models found=%d problems=%d", len(records), len(problems))
    return _Scan(tuple(records.values()), tuple(problems))


def model_folders(root: Path) -> Iterator[Path]:
    """Folders with a model index below `root`, itself included, by name. Links are followed once."""
    seen: set[Path] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        path = Path(folder)
        real = path.resolve()
        deep = len(path.relative_to(root).parts) >= DEPTH
        subfolders[:] = [] if deep or real in seen or INDEX in files else sorted(_visible(subfolders))
        if INDEX in files and real not in seen:
            yield path
        seen.add(real)


def _visible(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]


def _readable_record(folder: Path) -> ModelRecord:
    try:
        return _record(folder)
    except OSError as error:
        part = Path(str(error.filename or folder)).name
        raise UserError("model-broken", model=folder.name, part=part, why=error.strerror or str(error)) from error


def _record(folder: Path) -> ModelRecord:
    header = read_header(folder)
    found = detect_family(header)
    if found is None:
        raise UserError("model-family-unknown", model=folder.name, pipeline=header.pipeline_class)
    size = weight_bytes(folder, found.parts)
    if not size:
        raise UserError("model-no-safetensors", model=folder.name)
    card = read_card(folder)
    name = _name(folder)
    return ModelRecord(
        id=card.id or slug(name),
        title=card.title or name,
        family=found.id,
        path=folder,
        loader="diffusers-folder",
        weight_bytes=size,
        defaults=card.defaults,
        licence=card.licence,
        description=card.description,
        fingerprint=fingerprint(folder, found.parts),
        bundled=folder.is_relative_to(STARTER),
    )


def _name(folder: Path) -> str:
    """The folder's name; a hub cache calls it by a hash, and says the name two folders above: models--owner--name."""
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/")
    return folder.resolve().name


def slug(name: str) -> str:
    """An id made of a name: lower case, letters, digits, dots and dashes."""
    return re.sub(r"[^\w.]+", "-", name.casefold()).strip("-._") or "model"


def _free_id(wanted: str, taken: dict[str, ModelRecord]) -> str:
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free
