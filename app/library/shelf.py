"""The files on the shelves: scanned, told apart, remembered. Unchanged files are not opened again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.library.index import ModelIndex
from app.library.layouts import Root
from app.library.walk import PICKLES, Candidate, candidates
from app.model_files import fingerprint
from engines.api import ErrorRecord, Identified, Kind, UserError, family, identify

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFile:
    """A file or folder that is a model or looks like one: where, of which root, and what it is."""

    path: Path
    root: Root
    stamp: str
    identified: Identified
    fingerprint: str = ""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.identified.kind

    @property
    def family(self) -> str:
        """The id of its family; empty when none or several fit (see `identified.fits`)."""
        return self.identified.family

    @property
    def size(self) -> int:
        """Bytes of weights."""
        return self.identified.size

    @property
    def problem(self) -> ErrorRecord | None:
        """Why it cannot be used, when it cannot."""
        return self.identified.problem

    @property
    def name(self) -> str:
        """What a person calls it; a hub cache has hashes for names, and the name two folders above: models--owner--name."""
        path = self.path
        if path.parent.name == "snapshots":
            return path.parent.parent.name.removeprefix("models--").replace("--", "/")
        return path.name if path.is_dir() else path.stem


def scan_roots(
    roots: Sequence[Root], index: ModelIndex, on_found: Callable[[int], None] = lambda count: None
) -> tuple[ModelFile, ...]:
    """Every model file below the roots, each once. `on_found` hears how many there are so far."""
    known = index.facts()
    fresh: list[tuple[str, str, dict[str, Any]]] = []
    files: dict[Path, ModelFile] = {}
    for root in roots:
        for candidate in (each for folder in root.folders for each in candidates(folder)):
            if candidate.path in files:
                continue
            found = _known(candidate, known)
            if found is None:
                found = _looked_into(candidate)
                facts = {**found[0].as_json(), "fingerprint": found[1]}
                fresh.append((str(candidate.path), candidate.stamp, facts))
            identified, fingerprint = found
            if identified.kind is Kind.OTHER and candidate.path.suffix.lower() in PICKLES:
                continue  # programs keep all sorts of things under these endings
            files[candidate.path] = ModelFile(candidate.path, root, candidate.stamp, identified, fingerprint)
            on_found(len(files))
    gone = known.keys() - {str(path) for path in files}
    index.keep(fresh, [path for path in gone if not Path(path).exists()])
    log.info("model files found=%d looked into=%d", len(files), len(fresh))
    return tuple(files.values())


def _known(candidate: Candidate, known: dict[str, tuple[str, dict[str, Any]]]) -> tuple[Identified, str] | None:
    stamp, facts = known.get(str(candidate.path), ("", {}))
    if stamp != candidate.stamp:
        return None
    try:
        return Identified.of_json(facts), str(facts["fingerprint"])
    except (KeyError, TypeError, ValueError):
        return None


def _looked_into(candidate: Candidate) -> tuple[Identified, str]:
    """What it is, and the fingerprint of what can become a model."""
    found = identify(candidate.path)
    if found.problem or not found.family or found.kind not in (Kind.FOLDER, Kind.CHECKPOINT, Kind.DENOISER):
        return found, ""
    try:
        parts = family(found.family).as_variant(found.variants).parts if found.kind is Kind.FOLDER else ()
        return found, fingerprint(candidate.path, parts)
    except OSError as error:
        part = Path(str(error.filename or candidate.path)).name
        broken = UserError("model-broken", model=candidate.path.name, part=part, why=error.strerror or str(error))
        return replace(found, problem=ErrorRecord.of(broken)), ""
