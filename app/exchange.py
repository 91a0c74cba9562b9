"""Models on a stick: copied out with a manifest of hashes, and taken in only when every byte is what the manifest says."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from app.download.finish import card_of, free_place
from app.download.plan import WEIGHTS, is_inside, safe_name, suffix_of
from app.download.room import check_room, write_problem
from app.files import write_atomic
from engines.api import ModelRecord, UserError

log = logging.getLogger(__name__)

FOLDER, MANIFEST = "easel-models", "manifest.json"
MANIFEST_LIMIT = 8 << 20  # bytes
CHUNK = 1 << 20

Advance = Callable[[int, int], None]  # bytes done, bytes in all


class Carried(BaseModel):
    """One file of a model on the stick."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    sha256: str

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if not is_inside(path):
            raise ValueError(f"{path!r} leads out of the folder")
        return path


class CarriedModel(BaseModel):
    """A model on the stick: a folder, or one file with its card."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    family: str
    licence: str = ""
    single: bool = False
    files: tuple[Carried, ...]

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if safe_name(name) != name or name.startswith("."):
            raise ValueError(f"{name!r} is not a plain name")
        return name


class Manifest(BaseModel):
    """What is on the stick."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    models: tuple[CarriedModel, ...] = ()


def export_models(
    records: Iterable[ModelRecord], target: Path, advance: Advance = lambda _done, _all: None
) -> Manifest:
    """Copy models below `target`, hashed on the way; what is there already and whole is not copied again.

    Raises `ResourceError` when the stick is too small or cannot be written.
    """
    found = [(record, list(_sources(record))) for record in records]
    total = sum(size for _, files in found for _, _, size in files)
    root = target / FOLDER
    try:
        before = {model.name: model for model in _read_manifest(root).models} if (root / MANIFEST).exists() else {}
        check_room(target, total - sum(_whole(root, model) for model in before.values()))
        done = 0
        models = dict(before)
        for record, files in found:
            name = safe_name(record.path.name if record.path.is_file() else record.id)
            carried = []
            for source, path, size in files:
                kept = _kept(before.get(name), root, path)
                sha256 = kept or _copy(source, root / name / path, lambda more, at=done: advance(at + more, total))
                carried.append(Carried(path=path, size=size, sha256=sha256))
                done += size
            models[name] = CarriedModel(
                name=name,
                title=record.title,
                family=record.family,
                licence=record.licence,
                single=record.path.is_file(),
                files=tuple(carried),
            )
            manifest = Manifest(models=tuple(models.values()))
            write_atomic(root / MANIFEST, manifest.model_dump_json(indent=1).encode())
    except OSError as error:
        raise write_problem(error, target) from error
    return Manifest(models=tuple(models.values()))


def import_models(source: Path, models: Path, advance: Advance = lambda _done, _all: None) -> list[Path]:
    """Take in what lies in `source`: an export, a model's folder, or one model file. Returns the new places.

    A model whose bytes are not those of the manifest is not taken in: `UserError("import-damaged")`.
    """
    folder = next((each for each in (source, source / FOLDER) if (each / MANIFEST).is_file()), None)
    if folder is not None:
        carried = _read_manifest(folder).models
    else:
        folder, carried = source.parent, (_plain_model(source),)
    total = sum(file.size for model in carried for file in model.files)
    check_room(models, total)
    places, done = [], 0
    for model in carried:
        places.append(_take_in(folder, model, models, lambda more, at=done: advance(at + more, total)))
        done += sum(file.size for file in model.files)
    return places


def _take_in(folder: Path, model: CarriedModel, models: Path, advance: Callable[[int], None]) -> Path:
    """Copy to the side, check, and only then give it its name."""
    staged = models / ".downloads" / f"import-{model.name}"
    origin = folder if model.single and not model.files[0].sha256 else folder / model.name
    shutil.rmtree(staged, ignore_errors=True)
    done = 0
    try:
        for file in model.files:
            found = _copy(origin / file.path, staged / file.path, lambda more, at=done: advance(at + more))
            if file.sha256 and found != file.sha256:
                raise UserError("import-damaged", model=model.title, file=file.path)
            done += file.size
        return _place(staged, model, models)
    except FileNotFoundError as error:
        raise UserError("import-incomplete", model=model.title, file=Path(str(error.filename)).name) from error
    except OSError as error:
        raise write_problem(error, models) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _place(staged: Path, model: CarriedModel, models: Path) -> Path:
    if not model.single:
        place = free_place(models / model.name)
        staged.replace(place)
        return place
    weights = next(file.path for file in model.files if suffix_of(file.path) in WEIGHTS)
    place = free_place(models / weights)
    for file in model.files:
        target = place if file.path == weights else card_of(place)
        (staged / file.path).replace(target)
    return place


def _sources(record: ModelRecord) -> Iterator[tuple[Path, str, int]]:
    """Files of a model: where they are, their path inside it, their bytes. Links are followed, hidden files left."""
    if record.path.is_file():
        yield record.path, record.path.name, record.path.stat().st_size
        if (card := card_of(record.path)).is_file():
            yield card, card.name, card.stat().st_size
        return
    seen: set[str] = set()
    for folder, inner, names in os.walk(record.path, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # links in a circle
            inner.clear()
            continue
        seen.add(real)
        for name in sorted(names):
            path = Path(folder) / name
            inside = path.relative_to(record.path).as_posix()
            if path.is_file() and not any(part.startswith(".") for part in inside.split("/")):
                yield path, inside, path.stat().st_size


def _plain_model(source: Path) -> CarriedModel:
    """A model without a manifest. Raises `UserError("import-nothing")`."""
    if source.is_file() and suffix_of(source.name) in WEIGHTS:
        file = Carried(path=safe_name(source.name), size=source.stat().st_size, sha256="")
        return CarriedModel(name=safe_name(source.name), title=source.stem, family="", single=True, files=(file,))
    if (source / "model_index.json").is_file():
        record = ModelRecord(source.name, source.name, "", source, "", 0)
        files = tuple(Carried(path=path, size=size, sha256="") for _, path, size in _sources(record))
        return CarriedModel(name=safe_name(source.name), title=source.name, family="", files=files)
    raise UserError("import-nothing", place=str(source), kinds=", ".join(WEIGHTS))


def _copy(source: Path, target: Path, advance: Callable[[int], None]) -> str:
    """Copy a file under a temporary name, synced and renamed; returns its sha256."""
    if not source.is_file():  # a pipe would be waited for, a device has no end
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    digest, done = hashlib.sha256(), 0
    with source.open("rb") as reading, part.open("wb") as writing:
        while chunk := reading.read(CHUNK):
            writing.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            advance(done)
        writing.flush()
        os.fsync(writing.fileno())
    part.replace(target)
    return digest.hexdigest()


def _kept(model: CarriedModel | None, root: Path, path: str) -> str:
    """The hash of a file that an earlier export left whole; empty when it has to be copied."""
    file = next((file for file in model.files if file.path == path), None) if model is not None else None
    if model is None or file is None:
        return ""
    place = root / model.name / path
    if not place.is_file() or place.stat().st_size != file.size:
        return ""
    with place.open("rb") as data:
        return file.sha256 if hashlib.file_digest(data, "sha256").hexdigest() == file.sha256 else ""


def _whole(root: Path, model: CarriedModel) -> int:
    there = ((root / model.name / file.path, file.size) for file in model.files)
    return sum(size for path, size in there if path.is_file() and path.stat().st_size == size)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MANIFEST_LIMIT:
            raise ValueError("it is far too long")
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest.model_validate(data)
        if manifest.schema_version != 1:
            raise ValueError(f"it is of version {manifest.schema_version}")
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        why = str(error).splitlines()[0][:200]
        raise UserError("import-manifest-broken", path=str(path), why=why) from error
    return manifest
