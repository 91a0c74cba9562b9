"""The models on this computer: found in place, told apart by their headers, known by short ids."""

from __future__ import annotations

import difflib
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.library import ModelFile, ModelIndex, Root, recognise, scan_roots
from app.library.fill import fillers
from app.library.hashes import Hasher, Hashes
from app.library.parts import PartChoice, part_choices
from app.library.records import ModelProblem, build_records, slug
from engines.api import Kind, ModelRecord, Task, UserError, detection_mark, family_of

__all__ = ["ModelFile", "ModelProblem", "ModelStore", "Root", "slug"]

log = logging.getLogger(__name__)

NEAREST = 5


@dataclass(frozen=True)
class _Scan:
    roots: tuple[Root, ...]
    files: tuple[ModelFile, ...]
    records: tuple[ModelRecord, ...]
    problems: tuple[ModelProblem, ...]
    watched: str


class ModelStore:
    """Models below `roots`, which are read and never written. An id met twice gets a number, earlier roots first.

    A root can be the folder of another program (see `app.library.layouts`). What was found is remembered in the file
    `index`; without one it is looked through anew each time. `own` is the folder that models are downloaded to. `chosen`
    gives, by the path of a model, the files that the person chose for parts that it lacks.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        index: Path | None = None,
        own: Path | None = None,
        chosen: Callable[[], Mapping[str, dict[str, Path]]] = dict,
        eight_bits: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._roots = tuple(roots)
        self._own = own
        self._chosen, self._eight_bits = chosen, eight_bits
        self.preferred = ""  # the id of the model that the person chose as the usual one
        self._lock = threading.Lock()
        self._found: _Scan | None = None
        self._index_file = index
        self._index: ModelIndex | None = None

    def all(self) -> tuple[ModelRecord, ...]:
        """Every usable model, the bundled ones first."""
        return self._scan().records

    @property
    def problems(self) -> tuple[ModelProblem, ...]:
        """What was found and cannot be used, but for pickles: they are told by `files` alone."""
        return self._scan().problems

    @property
    def roots(self) -> tuple[Root, ...]:
        """The folders that are looked through, and whose they are."""
        return self._scan().roots

    def files(self, kind: Kind | None = None, family: str | None = None) -> tuple[ModelFile, ...]:
        """Every file that is a model, a part or an add-on: of one kind, and for one family, where these are given.

        A file that several families can use (a VAE, a text encoder) is there for each of them.
        """
        return tuple(
            file
            for file in self._scan().files
            if kind in (None, file.kind) and (family in (None, file.family) or family in dict(file.identified.fits))
        )

    def file(self, path: Path) -> ModelFile:
        """The file at `path`. Raises `UserError("model-unknown")` when it is on no shelf."""
        found = next((file for file in self.files() if file.path == path), None)
        if found is None:
            raise UserError("model-unknown", name=str(path), nearest="none")
        return found

    def find_file(self, name: str, kind: Kind, family: str = "") -> ModelFile | None:
        """The file of this kind that a person or a prompt calls `name`, with or without its ending, in any case.

        Of several with that name, one of `family` before the others.
        """
        wanted = name.strip().casefold()
        found = [file for file in self.files(kind) if wanted in (file.name.casefold(), file.path.name.casefold())]
        fitting = (file for file in found if family in {file.family, *dict(file.identified.fits)})
        return next(fitting, next(iter(found), None))

    def fillers(self, file: ModelFile, part: str) -> tuple[Path, ...]:
        """What on this machine has the `part` that `file` lacks, the likeliest first."""
        return fillers(file, part, self.files())

    def parts(self, path: Path) -> tuple[PartChoice, ...]:
        """The parts that the model at `path` lacks, what fills each, and what else could."""
        return part_choices(self.file(path), self.files(), self.chosen_parts(path))

    def chosen_parts(self, path: Path) -> dict[str, Path]:
        """The person's own choices of parts for the model at `path`."""
        return self._chosen().get(str(path), {})

    def get(self, name: str) -> ModelRecord:
        """The model with this id or title. Looks again before it raises `UserError("model-unknown")`."""
        return self._find(name) or self._find_again(name)

    def default(self) -> ModelRecord:
        """When nobody names one: the preferred model, the bundled starter, the first. Raises `UserError("model-none")`."""
        if self.preferred and (chosen := self._find(self.preferred)) is not None:
            return chosen
        records = self.all()
        if not records:
            raise UserError("model-none", folders=[str(root) for root in self._roots])
        return next((record for record in records if record.bundled), records[0])

    def able(self, task: Task) -> tuple[ModelRecord, ...]:
        """The models that can do `task`, the likeliest first: the usual one, the person's own, the bundled ones."""
        records = self.all()
        usual = self.default().id if records else ""
        ranked = sorted(records, key=lambda record: (record.id != usual, record.bundled))
        return tuple(record for record in ranked if task in family_of(record).tasks)

    def rescan(self, on_found: Callable[[int], None] = lambda count: None) -> tuple[ModelRecord, ...]:
        """Look at the folders again; `on_found` hears how many files there are so far."""
        found = self._looked(on_found)
        with self._lock:
            self._found = found
        return found.records

    def refresh(self) -> bool:
        """Look again if a folder has changed since; returns whether it was so. Costs milliseconds when nothing did."""
        with self._lock:
            found = self._found
        if found is not None and watched(found.roots) == found.watched:
            return False
        self.rescan()
        return True

    def set_roots(self, roots: Sequence[Path]) -> None:
        """Look into other folders from now on."""
        with self._lock:
            self._roots, self._found = tuple(roots), None

    def hashes(self, path: Path) -> Hashes:
        """The file's hashes, from memory or computed now (some seconds for each gigabyte). Raises `UserError`."""
        return Hasher(self.memory).now(path)

    def known_hashes(self, path: Path) -> Hashes:
        """The file's hashes as far as they are known; empty ones when nobody has computed them yet."""
        return Hasher(self.memory).known(path)

    def hash_all(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Compute what hashes are not known yet, file by file, until `stop` says so; returns how many. For a thread."""
        hasher = Hasher(self.memory)
        kinds = (Kind.CHECKPOINT, Kind.DENOISER, Kind.LORA, Kind.VAE, Kind.EMBEDDING)
        done = hasher.all([file.path for kind in kinds for file in self.files(kind) if file.path.is_file()], stop)
        if done:
            self.rescan()
        return done

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
                self._found = self._looked()
            return self._found

    def _looked(self, on_found: Callable[[int], None] = lambda count: None) -> _Scan:
        roots = tuple(self._recognised(path) for path in self._roots)
        before = watched(roots)  # taken first: what changes while we look is looked at again
        files = scan_roots(roots, self.memory, on_found)
        records, problems = build_records(files, self._chosen(), self._eight_bits())
        records = tuple(self._with_hashes(record) for record in records)
        log.info("models found=%d problems=%d files=%d", len(records), len(problems), len(files))
        return _Scan(roots, files, records, problems, before)

    def _with_hashes(self, record: ModelRecord) -> ModelRecord:
        """With the file's sha256, if somebody has computed it: pictures then say by which file they were made."""
        sha256 = self.known_hashes(record.path).sha256 if record.loader != "diffusers-folder" else ""
        return replace(record, hashes={record.path.name: sha256}) if sha256 else record

    def _recognised(self, path: Path) -> Root:
        if path == self._own:
            return Root(path, "Easel", (path,), writable=True)
        return recognise(path)

    @property
    def memory(self) -> ModelIndex:
        """What is remembered of files."""
        if self._index is None:
            self._index = ModelIndex(self._index_file, detection_mark())
        return self._index


def watched(roots: Sequence[Root]) -> str:
    """One word for the times of the folders below the roots: another one means that files came, went or were renamed.

    A file that is written anew in its place does not change its folder's time; a rescan sees that, this does not.
    """
    import hashlib

    from app.library.walk import folders

    digest = hashlib.sha256()
    for root in roots:
        for folder in root.folders:
            for path, changed in folders(folder):
                digest.update(f"{path} {changed}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
