"""What a model file or folder is, from its header alone: kind, family, variant, number format, missing parts, reasons.

`identify` never raises for what it finds: a file that is nobody's is `Kind.OTHER` or `Kind.UNKNOWN`, and one that is
ours but damaged has a `problem`. Names of files play no part, so that renaming never changes the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engines.errors import ErrorRecord, UserError
from engines.family import EngineFamily
from engines.identify.claims import claims, variants_of_file, view
from engines.identify.files import sniff
from engines.identify.folders import identify_folder, read_folder_header
from engines.identify.formats import dtype_of, quantisation_of
from engines.identify.gguf import read_gguf
from engines.identify.kinds import Identified, Kind
from engines.identify.layers import lora_layout
from engines.identify.missing import missing_parts, optional_parts
from engines.identify.safetensors import read_safetensors
from engines.identify.structure import kind_of
from engines.records import WeightsHeader

__all__ = [
    "VERSION",
    "Identified",
    "Kind",
    "identify",
    "identify_header",
    "read_folder_header",
    "read_gguf",
    "read_safetensors",
    "read_weights_header",
]

VERSION = 3  # counts up when the same file gets another answer from the same families
TRIGGERS = 20  # words of a LoRA's training that are kept


def identify(path: Path, families: Iterable[EngineFamily]) -> Identified:
    """What lies at `path`, a file or a folder, for a program that knows `families`."""
    families = tuple(families)
    try:
        if path.is_dir():
            return identify_folder(path, families, identify_header)
        return _identify_file(path, families)
    except UserError as error:
        return Identified(
            path, Kind.OTHER if error.code == "model-not-a-file" else Kind.UNKNOWN, problem=ErrorRecord.of(error)
        )


def _identify_file(path: Path, families: tuple[EngineFamily, ...]) -> Identified:
    found = sniff(path)
    size = path.stat().st_size
    if found == "pickle":
        problem = ErrorRecord.of(UserError("model-pickle", model=path.name))
        return Identified(
            path, Kind.PICKLE, size, "pickle", reasons=("it begins as a pickle or torch archive",), problem=problem
        )
    if found not in ("safetensors", "gguf"):
        why = f"it is {found}" if found != "unknown" else "it does not begin as any model file does"
        return Identified(path, Kind.OTHER, size, reasons=(why,))
    try:
        header = read_weights_header(path, found)
    except UserError as error:
        return Identified(path, Kind.UNKNOWN, size, found, problem=ErrorRecord.of(error))
    return identify_header(header, families)


def read_weights_header(path: Path, found: str = "") -> WeightsHeader:
    """The header of a safetensors or GGUF file. Raises `UserError` naming what is wrong with it."""
    found = found or sniff(path)
    if found == "pickle":
        raise UserError("model-pickle", model=path.name)
    if found not in ("safetensors", "gguf"):
        raise UserError("model-file-broken", model=path.name, why=f"it is {found}")
    return read_gguf(path) if found == "gguf" else read_safetensors(path)


def identify_header(header: WeightsHeader, families: Iterable[EngineFamily]) -> Identified:
    """What a file with this header is."""
    kind, why = kind_of(header.tensors)
    result = Identified(
        header.path,
        kind,
        header.size,
        header.format,
        dtype=dtype_of(header),
        quantisation=quantisation_of(header),
        reasons=(why,),
        triggers=_triggers(header),
    )
    if kind is Kind.LORA:
        result = replace(
            result, reasons=(*result.reasons, f"its layers are named as in {lora_layout(header.tensors)} files")
        )
    return _with_family(result, header, tuple(families))


def _with_family(result: Identified, header: WeightsHeader, families: tuple[EngineFamily, ...]) -> Identified:
    found = claims(result.kind, header, families)
    if not found:
        return result
    kind = Kind.TEXT_ENCODER if result.kind is Kind.LANGUAGE_MODEL else result.kind
    fits = tuple((claim.family.id, claim.part) for claim in found)
    reasons = (*result.reasons, *(f"{claim.why}, as in {claim.family.title}" for claim in found[:3]))
    result = replace(result, kind=kind, fits=fits, reasons=reasons)
    if len({claim.family.id for claim in found}) > 1:
        return result
    family = found[0].family
    variants = variants_of_file(family, result.kind, header)
    family = family.as_variant(variants)
    missing = missing_parts(result.kind, header, family)
    problem = _unreadable(result.kind, header, family)
    optional = optional_parts(result.kind, header, family)
    return replace(result, family=family.id, variants=variants, missing=missing, optional=optional, problem=problem)


def _unreadable(kind: Kind, header: WeightsHeader, family: EngineFamily) -> ErrorRecord | None:
    """Ours, whole, and in a layout that nobody translates."""
    if kind not in (Kind.CHECKPOINT, Kind.DENOISER) or family.single_file is None:
        return None
    shapes = view(kind, header.tensors)
    if not any(signature.find(shapes) for signature in family.single_file.unreadable):
        return None
    return ErrorRecord.of(UserError("model-layout-unreadable", model=header.path.name, family=family.title))


def _triggers(header: WeightsHeader) -> tuple[str, ...]:
    """The words that wake a LoRA, as its training left them in the header."""
    for key in ("modelspec.trigger_phrase", "ss_trained_words"):
        if isinstance(text := header.metadata.get(key), str) and text.strip():
            return tuple(word.strip()[:100] for word in text.split(",") if word.strip())[:TRIGGERS]
    return _most_used(header.metadata.get("ss_tag_frequency"))


def _most_used(text: object) -> tuple[str, ...]:
    """The most frequent tags of the training pictures, from kohya's record of them."""
    try:
        sets = json.loads(text) if isinstance(text, str) else {}
        counts: dict[str, int] = {}
        for tags in sets.values():
            for tag, count in tags.items():
                counts[tag.strip()] = counts.get(tag.strip(), 0) + int(count)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ()
    return tuple(tag[:100] for tag in sorted(counts, key=counts.__getitem__, reverse=True)[:5] if tag)
