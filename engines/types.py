"""The values that every part of Easel speaks: the request, progress, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

SEED_MAX = 2**32 - 1  # the range that A1111 and the infotext readers know


class Task(StrEnum):
    """What is made out of what."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    INPAINT = "inpaint"
    TEXT_TO_VIDEO = "text-to-video"
    IMAGE_TO_VIDEO = "image-to-video"

    @property
    def needs_image(self) -> bool:
        """Whether the task starts from a picture."""
        return self in (Task.IMAGE_TO_IMAGE, Task.INPAINT, Task.IMAGE_TO_VIDEO)

    @property
    def needs_mask(self) -> bool:
        """Whether the task needs a mask (white is repainted)."""
        return self is Task.INPAINT


class GenerationRequest(BaseModel):
    """Everything that decides the pixels, in one frozen value that survives JSON unchanged.

    Window, command line, HTTP API, ledger, worker and file metadata all speak this type. Fields hold resolved values:
    the seed is a number, the sampler a name that the family lists. `init_image` and `mask` are a path as the person gave
    it, or `sha256:<hex>` once the picture has been copied into the input store.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    task: Task = Task.TEXT_TO_IMAGE
    model: str = Field(description="id of a model in the model store")
    prompt: str = Field(default="", description="what to draw")
    negative_prompt: str = Field(default="", description="what to keep out")
    width: int = Field(gt=0, description="pixels")
    height: int = Field(gt=0, description="pixels")
    steps: int = Field(gt=0, description="sampling steps; with strength below 1 the pipeline runs that share of them")
    guidance: float = Field(ge=0, description="classifier-free guidance scale (CFG); 1 or less switches it off")
    sampler: str = Field(description="sampler name as A1111 and ComfyUI users know it")
    scheduler: str = Field(description="noise schedule name")
    seed: int = Field(ge=0, le=SEED_MAX, description="image i of a job uses seed + i")
    count: int = Field(default=1, ge=1, description="pictures in this job")
    strength: float = Field(
        default=0.75, ge=0, le=1, description="how much of the input picture is redrawn (denoising strength)"
    )
    clip_skip: int = Field(default=1, ge=1, description="1 uses the text encoder's last layer, 2 the one before it")
    init_image: str | None = Field(default=None, description="the picture to start from")
    mask: str | None = Field(default=None, description="white is repainted, black is kept")

    def seed_of(self, index: int) -> int:
        """The seed of image `index`, counted from 0; wraps past 2**32 - 1."""
        return (self.seed + index) % (SEED_MAX + 1)

    def with_(self, **changes: object) -> Self:
        """A copy with some fields changed, validated again."""
        return type(self).model_validate({**self.model_dump(), **changes})


class Stage(StrEnum):
    """Where a job is."""

    LOAD = "load"
    ENCODE = "encode"
    DENOISE = "denoise"
    DECODE = "decode"
    SAVE = "save"


@dataclass(frozen=True)
class Progress:
    """One report of a running job: `step` of `total` in `stage`, for image `image` of `images` (from 0)."""

    stage: Stage
    step: int = 0
    total: int = 0
    image: int = 0
    images: int = 1
    preview: Path | None = None


@dataclass(frozen=True)
class Artifact:
    """A finished file in the staging folder: image `index` of the job, made with `seed`."""

    index: int
    path: Path
    media_type: str
    seed: int
    width: int
    height: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenerationResult:
    """What a whole job gave: its files in order, seconds by stage, peak memory in bytes, and how it was made."""

    artifacts: tuple[Artifact, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    facts: dict[str, str] = field(default_factory=dict)
