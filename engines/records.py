"""A model on disk, as far as it can be known without reading its tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ModelHeader:
    """What a model's files say of themselves: the pipeline class, its parts and their configurations."""

    path: Path
    pipeline_class: str
    parts: dict[str, str]
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelRecord:
    """A model that can be used: where it is, whose family it is, and what it asks for.

    `defaults` are the model's own values for request fields (a native size, a sampler), laid over the family's.
    `loader` is a key of the loader registry, `weight_bytes` the size of its tensors on disk.
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
    bundled: bool = False
