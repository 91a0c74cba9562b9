"""From files to models that can be used: a record for each, or the reason why there is none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.library.fill import sources_of
from app.library.shelf import ModelFile
from app.library.walk import file_stamp, folder_stamp
from app.model_files import read_card
from app.paths import STARTER
from engines.api import ErrorRecord, Kind, ModelRecord, UserError, family

MODELS = (Kind.FOLDER, Kind.CHECKPOINT, Kind.DENOISER)


@dataclass(frozen=True)
class ModelProblem:
    """A file or folder that looks like a model and cannot be used, with the reason."""

    path: Path
    error: ErrorRecord


def build_records(
    files: Sequence[ModelFile], chosen: Mapping[str, dict[str, Path]], eight_bits: Collection[str] = ()
) -> tuple[tuple[ModelRecord, ...], tuple[ModelProblem, ...]]:
    """The usable models with ids that differ, earlier files first, and what cannot be used.

    `chosen` are the person's choices of parts by the path of a model, `eight_bits` the paths of models whose denoiser is to
    be held in 8 bits.
    """
    records: dict[str, ModelRecord] = {}
    problems: list[ModelProblem] = []
    for file in files:
        try:
            for record in _records(file, files, chosen.get(str(file.path), {})):
                free = _free_id(record.id, records)
                made = replace(record, id=free)
                records[free] = _in_eight_bits(made) if str(file.path) in eight_bits else made
        except UserError as error:
            problems.append(ModelProblem(file.path, ErrorRecord.of(error)))
        if file.problem is not None and file.kind is not Kind.PICKLE:
            problems.append(ModelProblem(file.path, file.problem))
        elif file.kind is Kind.OTHER:
            why = file.identified.reasons[0] if file.identified.reasons else "it is no model file"
            problems.append(
                ModelProblem(
                    file.path, ErrorRecord.of(UserError("model-is-something-else", model=file.path.name, why=why))
                )
            )
    return tuple(records.values()), tuple(problems)


def _in_eight_bits(record: ModelRecord) -> ModelRecord:
    """With a fingerprint of its own: the pictures are others. What is packed already stays as it is."""
    if record.loader == "gguf":
        return record
    return replace(record, eight_bits=True, fingerprint=f"{record.fingerprint}-8")


def _records(file: ModelFile, files: Sequence[ModelFile], chosen: dict[str, Path]) -> Iterator[ModelRecord]:
    """One record or none. Raises `UserError` for a model that lacks something."""
    if file.problem is not None or file.kind not in MODELS or not file.family:
        return
    _check_variants(file)
    if file.kind is Kind.FOLDER:
        yield _record(file, "diffusers-folder", {}, files)
        return
    if family(file.family).single_file is None:
        raise UserError("model-single-file-unsupported", model=file.path.name, family=family(file.family).title)
    if (packing := file.identified.quantisation) not in ("", "gguf"):
        raise UserError("model-packing-unsupported", model=file.path.name, packing=packing)
    sources, missing = sources_of(file, files, chosen)
    if missing:
        named = family(file.family).title
        raise UserError("model-parts-missing", model=file.path.name, family=named, parts=list(missing))
    yield _record(file, "gguf" if file.identified.format == "gguf" else "single-file", sources, files)


def _check_variants(file: ModelFile) -> None:
    variants = family(file.family).detection.variants
    for name in file.identified.variants:
        if not variants[name].alone:
            raise UserError(
                "model-variant-not-alone", model=file.path.name, variant=name, family=family(file.family).title
            )


def _record(file: ModelFile, loader: str, sources: dict[str, Path], files: Sequence[ModelFile]) -> ModelRecord:
    card = read_card(file.path)
    return ModelRecord(
        id=card.id or slug(file.name),
        title=card.title or file.name,
        family=file.family,
        path=file.path,
        loader=loader,
        weight_bytes=file.size + _borrowed(file, sources, files),
        defaults=card.defaults,
        licence=card.licence,
        description=card.description,
        fingerprint=_fingerprint(file, sources),
        bundled=file.path.is_relative_to(STARTER),
        variants=file.identified.variants,
        sources=sources,
    )


def _fingerprint(file: ModelFile, sources: dict[str, Path]) -> str:
    """The model's own, and with parts from elsewhere one that changes when those do."""
    if not sources:
        return file.fingerprint
    digest = hashlib.sha256(file.fingerprint.encode())
    for part, place in sorted(sources.items()):
        stamp = file_stamp(place) if place.is_file() else folder_stamp(place)
        digest.update(f"{part} {place.name} {stamp}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _borrowed(file: ModelFile, sources: dict[str, Path], files: Sequence[ModelFile]) -> int:
    """Bytes of the parts from elsewhere. Of another checkpoint only what it has beside its own denoiser, which stays there."""
    checkpoints = {each.path for each in files if each.kind is Kind.CHECKPOINT}
    return sum(
        max(0, _bytes(place) - file.size) if place in checkpoints else _bytes(place) for place in set(sources.values())
    )


def _bytes(place: Path) -> int:
    try:
        if place.is_file():
            return place.stat().st_size
        return sum(path.stat().st_size for path in place.glob("*.safetensors"))
    except OSError:
        return 0


def slug(name: str) -> str:
    """An id made of a name: lower case, letters, digits, dots and dashes."""
    return re.sub(r"[^\w.]+", "-", name.casefold()).strip("-._") or "model"


def _free_id(wanted: str, taken: dict[str, ModelRecord]) -> str:
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free
