"""The tensors of one part out of a file that may hold several, or out of a folder with shards. Nothing but safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.family import EngineFamily
from engines.identify import read_safetensors
from engines.identify.folders import weight_files
from engines.identify.structure import CHECKPOINT_PREFIX, DENOISER_PREFIXES

UNET_MARK = "input_blocks.0.0.weight"


def part_weights(place: Path, family: EngineFamily, part: str) -> dict[str, Any]:
    """The part's tensors by name, mapped from the file and not copied. Raises `UserError` for a damaged file."""
    if place.is_dir():
        return {name: tensor for path in weight_files(place) for name, tensor in _opened(path, None).items()}
    if part == family.denoiser:
        return _denoiser(place, family)
    prefixes = family.detection.prefixes.get(part, ())
    names = list(read_safetensors(place).tensors)
    inside = [name for name in names if name.startswith(prefixes)] if prefixes else []
    return _opened(place, inside or names)


def _denoiser(place: Path, family: EngineFamily) -> dict[str, Any]:
    """The denoiser's own tensors without prefix, but for the layout whose reader wants it."""
    others = tuple(prefix for prefixes in family.detection.prefixes.values() for prefix in prefixes)
    names = [name for name in read_safetensors(place).tensors if not name.startswith(others)]
    return denoiser_names(_opened(place, names))


def denoiser_names(weights: dict[str, Any]) -> dict[str, Any]:
    """A denoiser's tensors without prefix, but for the layout whose reader wants one."""
    prefix = next((each for each in DENOISER_PREFIXES if any(name.startswith(each) for name in weights)), "")
    plain = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if UNET_MARK in plain:
        return {f"{CHECKPOINT_PREFIX}{name}": tensor for name, tensor in plain.items()}
    return plain


def _opened(path: Path, names: list[str] | None) -> dict[str, Any]:
    from safetensors import safe_open

    read_safetensors(path)
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in (file.keys() if names is None else names)}
