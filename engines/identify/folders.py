"""Folders that are one model: a whole pipeline with `model_index.json`, or one part with `config.json` and its shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engines.errors import ErrorRecord, UserError
from engines.family import EngineFamily
from engines.header import INDEX, read_header
from engines.identify.claims import variants_of_folder
from engines.identify.formats import dtype_of
from engines.identify.kinds import Identified, Kind
from engines.identify.missing import weight_parts
from engines.identify.safetensors import read_safetensors
from engines.records import TensorInfo, WeightsHeader

FILES_LIMIT = 256  # shards of one part

HeaderIdentifier = Callable[[WeightsHeader, tuple[EngineFamily, ...]], Identified]


def identify_folder(folder: Path, families: tuple[EngineFamily, ...], by_header: HeaderIdentifier) -> Identified:
    """What the folder is. Raises `UserError` for a folder that is a model's and is damaged."""
    if (folder / INDEX).is_file():
        return _identify_pipeline(folder, families)
    if not weight_files(folder):
        return Identified(folder, Kind.OTHER, reasons=("it has neither model_index.json nor weights",))
    return by_header(read_folder_header(folder), families)


def _identify_pipeline(folder: Path, families: tuple[EngineFamily, ...]) -> Identified:
    header = read_header(folder)
    family = next((each for each in families if each.detection.matches(header)), None)
    reason = f"{INDEX} names {header.pipeline_class}"
    if family is None:
        problem = ErrorRecord.of(UserError("model-family-unknown", model=folder.name, pipeline=header.pipeline_class))
        return Identified(folder, Kind.FOLDER, format="folder", reasons=(reason,), problem=problem)
    variants = variants_of_folder(family, header)
    family = family.as_variant(variants)
    files = {part: weight_files(folder / part) for part in weight_parts(family)}
    used = [path for paths in files.values() for path in paths]
    wanted = [part for part in files if part in header.parts]  # parts that the index leaves out can be done without
    missing = tuple(part for part in wanted if not files[part])
    problem = None
    if not used:
        problem = ErrorRecord.of(UserError("model-no-safetensors", model=folder.name))
    elif missing:
        problem = ErrorRecord.of(UserError("model-part-missing", model=folder.name, part=missing[0]))
    else:
        problem = _damage(used)
    return Identified(
        folder,
        Kind.FOLDER,
        size=sum(path.stat().st_size for path in used),
        format="folder",
        family=family.id,
        variants=variants,
        dtype=_dtype(files.get(family.denoiser, ())),
        missing=missing,
        reasons=(reason, f"its configurations are those of {family.title}"),
        problem=problem,
    )


def _damage(paths: list[Path]) -> ErrorRecord | None:
    """The first thing that is wrong with any of the weight files: a cut-off shard is found before it is loaded."""
    for path in paths:
        try:
            read_safetensors(path)
        except UserError as error:
            return ErrorRecord.of(error)
    return None


def _dtype(paths: tuple[Path, ...]) -> str:
    try:
        return dtype_of(read_safetensors(paths[0])) if paths else ""
    except UserError:
        return ""


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of one part, without the variants (fp16 and such) that lie beside the plain ones."""
    try:
        files = sorted(path for path in folder.glob("*.safetensors") if path.is_file())[:FILES_LIMIT]
    except OSError:
        return ()
    plain = [path for path in files if "." not in path.stem]
    return tuple(plain or files)


def read_folder_header(folder: Path) -> WeightsHeader:
    """The headers of a part's shards as one. Raises `UserError` for the first damaged one."""
    tensors: dict[str, TensorInfo] = {}
    metadata: dict[str, str] = {}
    size = 0
    for path in weight_files(folder):
        header = read_safetensors(path)
        tensors |= header.tensors
        metadata |= header.metadata
        size += header.size
    return WeightsHeader(folder, "safetensors", tensors, metadata, size)
