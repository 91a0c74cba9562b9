"""What a file can be, and what was found out about one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from engines.errors import ErrorRecord


class Kind(StrEnum):
    """The kinds of model files. `DENOISER` is a transformer or UNet alone, `OTHER` is not a model at all."""

    CHECKPOINT = "checkpoint"
    FOLDER = "diffusers-folder"
    DENOISER = "denoiser"
    VAE = "vae"
    TEXT_ENCODER = "text-encoder"
    IMAGE_ENCODER = "image-encoder"
    LORA = "lora"
    EMBEDDING = "embedding"
    CONTROLNET = "controlnet"
    IP_ADAPTER = "ip-adapter"
    T2I_ADAPTER = "t2i-adapter"
    MOTION = "motion"
    UPSCALER = "upscaler"
    LANGUAGE_MODEL = "language-model"
    PICKLE = "pickle"
    UNKNOWN = "unknown"
    OTHER = "not-a-model"


@dataclass(frozen=True)
class Identified:
    """What a file or folder is, and why we say so.

    `family` is empty where no family or more than one fits; `fits` names every family and part that the file can serve.
    `format` is "safetensors", "gguf", "folder" or "pickle", `dtype` the number format of most weights ("float16", "Q4_K"),
    `quantisation` a packing that needs its own loader ("nf4", "fp8-scaled"). `missing` are parts of the family that the
    file does not hold, `optional` those that it does not hold and can do without. `problem` says why a file of a kind that we
    know cannot be used; a file that is nobody's has none.
    """

    path: Path
    kind: Kind
    size: int = 0
    format: str = ""
    family: str = ""
    fits: tuple[tuple[str, str], ...] = ()
    variants: tuple[str, ...] = ()
    dtype: str = ""
    quantisation: str = ""
    missing: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    problem: ErrorRecord | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON-able values for a cache; `of_json` makes the same value of them."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Self:
        """The value that `as_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        problem = values["problem"]
        return cls(
            path=Path(values["path"]),
            kind=Kind(values["kind"]),
            fits=tuple((family, part) for family, part in values["fits"]),
            problem=ErrorRecord(**{**problem, "fixes": tuple(problem["fixes"])}) if problem else None,
            **{name: tuple(values[name]) for name in ("variants", "missing", "optional", "reasons", "triggers")},
            **{name: values[name] for name in ("size", "format", "family", "dtype", "quantisation")},
        )
