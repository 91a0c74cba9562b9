"""How a model family describes itself. Panel, command line, scanner, docs and contract tests are made from this alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engines.detection import Detection, Signature, Variant
from engines.types import Task
from engines.video_rules import VideoRules

__all__ = [
    "Detection",
    "EngineFamily",
    "LatentFormat",
    "Limits",
    "MemoryFigures",
    "Signature",
    "TinyPart",
    "TinyProfile",
    "Variant",
]


@dataclass(frozen=True)
class Limits:
    """What the family can do: sides in pixels and multiples of `side_multiple`, pixels in all, steps and guidance ranges."""

    min_side: int
    max_side: int
    side_multiple: int
    max_pixels: int
    max_steps: int = 150
    max_guidance: float = 30.0
    max_count: int = 64
    max_clip_skip: int = 1


@dataclass(frozen=True)
class Clip:
    """A CLIP text encoder by its parts' names; `layer` is what the denoiser was trained on, 1 the last and 2 the one before."""

    tokenizer: str = "tokenizer"
    encoder: str = "text_encoder"
    layer: int = 1


@dataclass(frozen=True)
class LatentFormat:
    """The family's latents: channels, pixels per latent side, and a linear map to RGB for previews.

    `rgb` has one row (red, green, blue) per channel and then a row of offsets, fitted by least squares to decodes, in
    units of -1 to 1. None where nobody has fitted one: the preview then shows the first three channels.
    """

    channels: int
    scale: int
    rgb: tuple[tuple[float, float, float], ...] | None = None


@dataclass(frozen=True)
class MemoryFigures:
    """Memory for planning: parameters in billions, and activation bytes per output pixel in the decoder at 2 bytes a value."""

    parameters: float
    activation_bytes_per_pixel: int


@dataclass(frozen=True)
class TinyPart:
    """A part of the tiny random-weight model: library, class name and constructor configuration."""

    library: str
    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TinyProfile:
    """A random-weight model of the family with its real topology, small enough to run in a second on one core."""

    pipeline_class: str
    parts: Mapping[str, TinyPart]
    width: int
    height: int
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineFamily:
    """One model family: everything that the rest of Easel needs to know of it.

    `pipelines` maps a task to the diffusers class that does it. `samplers` and `schedulers` are keys of the sampler
    registry, in the order that a list shows them. `denoiser` names the part that runs once a step, `encoding` the pipeline
    arguments that `encode_prompt` returns, in its order. `pipeline_arguments` go to the pipeline's constructor.
    `engine` is "module:Class", imported in the worker alone.
    """

    id: str
    title: str
    summary: str
    pipelines: Mapping[Task, str]
    defaults: Mapping[str, Any]
    limits: Limits
    samplers: tuple[str, ...]
    schedulers: tuple[str, ...]
    detection: Detection
    parts: tuple[str, ...]
    denoiser: str
    encoding: tuple[str, ...]
    latent: LatentFormat
    memory: MemoryFigures
    tiny: TinyProfile
    engine: str = "engines.pipeline.engine:DiffusersEngine"
    pipeline_arguments: Mapping[str, Any] = field(default_factory=dict)
    sampler_overrides: Mapping[str, Any] = field(default_factory=dict)
    video: VideoRules | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that the family can do, in the order of `Task`."""
        return tuple(task for task in Task if task in self.pipelines)
