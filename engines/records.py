"""A model on disk, as far as it can be known without reading its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class ModelHeader:
    """What a model's files say of themselves: the pipeline class, its parts and their configurations."""

    path: Path
    pipeline_class: str
    parts: dict[str, str]
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)


class TensorInfo(NamedTuple):
    """A tensor as a header describes it: the file format's name of its number format, and its shape in torch's order."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class WeightsHeader:
    """The header of one weight file: its tensors by name and its free text; `format` is "safetensors" or "gguf"."""

    path: Path
    format: str
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, Any]
    size: int


@dataclass(frozen=True)
class ModelRecord:
    """A model that can be used: where it is, whose family it is, and what it asks for.

    `defaults` are the model's own values for request fields (a native size, a sampler), laid over the family's.
    `loader` is a key of the loader registry, `weight_bytes` the size of its tensors on disk. `variants` are keys of the
    family's `detection.variants`: "inpaint", "turbo". `sources` says for parts that are not at `path` which file or folder
    has them; "config" there is a folder with the parts' configurations, for a single file that needs other ones than those
    that Easel brings for its family. `hashes` are the sha256
    of the weight files that are known, by name below `path`, and those of LoRAs by "lora:name". `eight_bits` is the
    person's wish that the denoiser is held in 8 bits.
    """

    id: str
    title: str
    family: str
    path: Path
    loader: str
    weight_bytes: int
    defaults: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    description: str = ""
    fingerprint: str = ""
    hashes: dict[str, str] = field(default_factory=dict)
    bundled: bool = False
    variants: tuple[str, ...] = ()
    sources: dict[str, Path] = field(default_factory=dict)
    eight_bits: bool = False
