"""The parts of a model and their sizes, from headers alone: what a plan is made of. No tensor is read, no torch needed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from math import prod
from pathlib import Path

from engines.errors import UserError
from engines.family import EngineFamily
from engines.identify import read_weights_header
from engines.identify.folders import weight_files
from engines.identify.gguf import TYPES
from engines.identify.safetensors import BITS
from engines.placement import ModelSizes, PartSize
from engines.records import ModelRecord, TensorInfo

TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
PACKED = {name: bytes_ * 8 / numbers for name, numbers, bytes_ in TYPES.values()}
# The first convolution of each level of a decoder, as diffusers names it and as checkpoints do.
LEVEL = re.compile(r"decoder\.(?:up_blocks\.(\d+)\.resnets|up\.(\d+)\.block)\.0\.conv1\.weight$")
Tensors = Mapping[str, TensorInfo]
NEARLY_ALL = 0.98  # of a part's numbers that share a dtype; norms are often kept in more bits


def part_sizes(record: ModelRecord, family: EngineFamily) -> ModelSizes:
    """Sizes of the model's parts. Files that cannot be read are left out: loading them says what is wrong with them."""
    denoisers = tuple(name for name in (family.denoiser, family.second_denoiser) if name)
    inside = _of_folder(record, family) if record.path.is_dir() else _of_file(record, family)
    parts = {name: part_size(tensors.values()) for name, tensors in inside.items()}
    if record.eight_bits:
        parts |= {name: _in_eight_bits(parts[name]) for name in denoisers if name in parts}
    decoders = tuple(name for name in parts if name.startswith(("vae", "vocoder", "audio_vae")))
    mappable = record.path.is_dir() and all(_mappable(part) for part in parts.values())
    return ModelSizes(parts, denoisers, decoders, mappable, decoder_width(inside.get("vae", {})))


def _mappable(part: PartSize) -> bool:
    return part.stored in ("float16", "bfloat16", "float32") and not part.quantised


def _in_eight_bits(part: PartSize) -> PartSize:
    """A byte for each number; norms and the first and last layers, which stay wider, are next to nothing."""
    return part if part.quantised else replace(part, stored_bytes=part.parameters, stored="", quantised=True)


def _of_folder(record: ModelRecord, family: EngineFamily) -> dict[str, Tensors]:
    places = {name: record.sources.get(name, record.path / name) for name in family.parts}
    found = {name: tensors_in(place) for name, place in places.items() if place.exists()}
    return {name: tensors for name, tensors in found.items() if tensors}


def _of_file(record: ModelRecord, family: EngineFamily) -> dict[str, Tensors]:
    """A checkpoint's tensors told apart by the prefixes that the family names; parts from elsewhere by their own files."""
    prefixes = {name: each for name, each in family.detection.prefixes.items() if each}
    others = tuple(prefix for each in prefixes.values() for prefix in each)
    tensors = tensors_in(record.path)
    groups: dict[str, Tensors] = {name: _starting_with(each, tensors) for name, each in prefixes.items()}
    groups[family.denoiser] = {key: info for key, info in tensors.items() if not others or not key.startswith(others)}
    for name, place in record.sources.items():
        inside = tensors_in(place)
        groups[name] = (_starting_with(prefixes[name], inside) if name in prefixes else {}) or inside
    return {name: infos for name, infos in groups.items() if infos and name in family.parts}


def _starting_with(prefixes: tuple[str, ...], tensors: Tensors) -> Tensors:
    return {key: info for key, info in tensors.items() if key.startswith(prefixes)}


def decoder_width(tensors: Tensors) -> int:
    """Channels that an image decoder (`AutoencoderKL`) has at the size of the picture; 0 when these are not its tensors."""
    widths: dict[int, int] = {}
    for key, info in tensors.items():
        if found := LEVEL.search(key):
            # diffusers counts the levels towards the picture, checkpoints from the picture on
            widths[int(found[1]) if found[1] else -int(found[2])] = info.shape[1]
    return widths[max(widths)] if widths else 0


def part_size(tensors: Iterable[TensorInfo]) -> PartSize:
    """The sum over the tensors of a header."""
    counts: Counter[str] = Counter()
    stored, largest = 0.0, 0
    for info in tensors:
        numbers = prod(info.shape)
        counts[info.dtype] += numbers
        stored += numbers * (BITS.get(info.dtype) or PACKED.get(info.dtype, 32)) / 8
        largest = max(largest, numbers)
    total = sum(counts.values())
    dtype, most = counts.most_common(1)[0] if counts else ("", 0)
    usual = TORCH_NAMES.get(dtype, "")
    quantised = dtype in PACKED and dtype not in BITS  # what is plain is unpacked when it is loaded
    return PartSize(total, round(stored), largest, usual if most >= NEARLY_ALL * total else "", quantised)


def tensors_in(place: Path) -> Mapping[str, TensorInfo]:
    """The tensors of a file, or of all weight files of a folder; none when they cannot be read."""
    files = weight_files(place) if place.is_dir() else [place]
    try:
        return {name: info for path in files for name, info in _header(path, path.stat().st_mtime_ns).items()}
    except (OSError, UserError, json.JSONDecodeError):
        return {}


@lru_cache(maxsize=64)
def _header(path: Path, _changed: int) -> Mapping[str, TensorInfo]:
    """Kept, because an estimate is made at every change of a form."""
    return read_weights_header(path).tensors
