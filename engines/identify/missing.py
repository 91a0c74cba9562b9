"""Which parts of its family a weight file does not hold."""

from __future__ import annotations

from collections.abc import Mapping

from engines.family import EngineFamily
from engines.identify.kinds import Kind
from engines.records import TensorInfo, WeightsHeader

# Small parts that are no weights; Easel brings them for the families whose words it has, see `resources/families`.
WITHOUT_WEIGHTS = ("tokenizer", "scheduler", "image_processor", "feature_extractor", "processor", "guider")


def weight_parts(family: EngineFamily) -> tuple[str, ...]:
    """The family's parts that have weights and that no model can do without."""
    return tuple(
        part for part in family.parts if not part.startswith(WITHOUT_WEIGHTS) and part not in family.optional_parts
    )


def missing_parts(kind: Kind, header: WeightsHeader, family: EngineFamily) -> tuple[str, ...]:
    """The parts that a checkpoint or a lone denoiser needs beside what it holds; empty for every other kind."""
    if kind not in (Kind.CHECKPOINT, Kind.DENOISER):
        return ()
    return tuple(
        part
        for part in weight_parts(family)
        if part != family.denoiser and not holds(header.tensors, family.detection.prefixes.get(part, ()))
    )


def optional_parts(kind: Kind, header: WeightsHeader, family: EngineFamily) -> tuple[str, ...]:
    """The parts with weights that a checkpoint or a lone denoiser does not hold and can do without."""
    if kind not in (Kind.CHECKPOINT, Kind.DENOISER):
        return ()
    return tuple(
        part
        for part in family.parts
        if part in family.optional_parts
        and not part.startswith(WITHOUT_WEIGHTS)
        and not holds(header.tensors, family.detection.prefixes.get(part, ()))
    )


def holds(tensors: Mapping[str, TensorInfo], prefixes: tuple[str, ...]) -> bool:
    """Whether any tensor lies below one of the prefixes."""
    return bool(prefixes) and any(name.startswith(prefixes) for name in tensors)
