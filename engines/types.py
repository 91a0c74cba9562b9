"""The values that every part of Easel speaks: the request, progress, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from engines.accelerators import Accelerator
from engines.options import ControlUse, Hires, IpAdapterUse, LoraUse, Masking, Outpaint, Shortcuts, Tiles

SEED_MAX = 2**32 - 1  # the range that A1111 and the infotext readers know


TASK_ALIASES = {
    "txt2img": "text-to-image",
    "img2img": "image-to-image",
    "txt2vid": "text-to-video",
    "img2vid": "image-to-video",
    "vid2vid": "video-to-video",
    "extend": "extend-video",
}
REFERENCE_FIELDS = ("reference_2", "reference_3", "reference_4")
INPUT_FIELDS = (
    "init_image",
    "mask",
    "last_image",
    "init_video",
    *REFERENCE_FIELDS,
)  # fields of a request that name a file


GUIDE_FIELDS = ("controls", "ip_adapters")  # fields of a request whose entries each look at a picture


class VideoFormat(StrEnum):
    """What a video is saved as: WebM with VP9 or AV1 (plays everywhere), MP4 with H.264, or a moving picture."""

    WEBM = "webm"
    WEBM_AV1 = "webm-av1"
    MP4 = "mp4"
    GIF = "gif"
    WEBP = "webp"

    @property
    def suffix(self) -> str:
        """The ending of its files."""
        return ".webm" if self is VideoFormat.WEBM_AV1 else f".{self}"

    @property
    def media_type(self) -> str:
        """The type that a browser is told."""
        kind = "image" if self in (VideoFormat.GIF, VideoFormat.WEBP) else "video"
        return f"{kind}/{self.suffix[1:]}"


class ImageFormat(StrEnum):
    """What a picture is saved as."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"

    @classmethod
    def _missing_(cls, value: object) -> ImageFormat | None:
        """The other name of JPEG."""
        return cls.JPEG if str(value).strip().lower() == "jpg" else None

    @property
    def suffix(self) -> str:
        """The ending of its files."""
        return ".jpg" if self is ImageFormat.JPEG else f".{self}"

    @property
    def media_type(self) -> str:
        """The type that a browser is told."""
        return f"image/{self}"


class Task(StrEnum):
    """What is made out of what."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    INPAINT = "inpaint"
    EDIT = "edit"
    TEXT_TO_VIDEO = "text-to-video"
    IMAGE_TO_VIDEO = "image-to-video"
    VIDEO_TO_VIDEO = "video-to-video"
    EXTEND_VIDEO = "extend-video"
    UPSCALE = "upscale"

    @classmethod
    def _missing_(cls, value: object) -> Task | None:
        """The short names that scripts for other programs use: txt2img, img2vid."""
        short = TASK_ALIASES.get(str(value).strip().lower())
        return cls(short) if short else None

    @property
    def needs_image(self) -> bool:
        """Whether the task starts from a picture."""
        return self in (Task.IMAGE_TO_IMAGE, Task.INPAINT, Task.EDIT, Task.IMAGE_TO_VIDEO, Task.UPSCALE)

    @property
    def drawn_as(self) -> Task:
        """The task whose pipeline does it: tiles of an upscaled picture are pictures made of pictures."""
        return Task.IMAGE_TO_IMAGE if self is Task.UPSCALE else self

    @property
    def needs_video(self) -> bool:
        """Whether the task starts from a video."""
        return self in (Task.VIDEO_TO_VIDEO, Task.EXTEND_VIDEO)

    @property
    def makes_video(self) -> bool:
        """Whether moving pictures come out."""
        return self in (Task.TEXT_TO_VIDEO, Task.IMAGE_TO_VIDEO, Task.VIDEO_TO_VIDEO, Task.EXTEND_VIDEO)

    @property
    def uses_strength(self) -> bool:
        """Whether only a part of what is given is drawn anew."""
        return self in (Task.IMAGE_TO_IMAGE, Task.INPAINT, Task.VIDEO_TO_VIDEO)

    @property
    def needs_mask(self) -> bool:
        """Whether the task needs a mask (white is repainted)."""
        return self is Task.INPAINT


class Emphasis(StrEnum):
    """How weights in a prompt count, by A1111's names."""

    ORIGINAL = "Original"  # multiply, then bring the mean back to what it was: A1111's default
    NO_NORM = "No norm"  # multiply and no more
    NONE = "None"  # brackets are text


class GenerationRequest(BaseModel):
    """Everything that decides the pixels, in one frozen value that survives JSON unchanged.

    Window, command line, HTTP API, ledger, worker and file metadata all speak this type. Fields hold resolved values:
    the seed is a number, the sampler a name that the family lists. The fields in `INPUT_FIELDS` are a path as the person
    gave it, or `sha256:<hex>` once the file has been copied into the input store.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    task: Task = Task.TEXT_TO_IMAGE
    model: str = Field(description="id of a model in the model store")
    prompt: str = Field(default="", description="what to draw")
    negative_prompt: str = Field(default="", description="what to keep out")
    width: int = Field(gt=0, description="pixels")
    height: int = Field(gt=0, description="pixels")
    steps: int = Field(gt=0, description="sampling steps; with strength below 1 the pipeline runs that share of them")
    guidance: float = Field(
        ge=0, description="how closely to follow the words (CFG); each family says what its number means"
    )
    sampler: str = Field(description="sampler name as A1111 and ComfyUI users know it")
    scheduler: str = Field(description="noise schedule name")
    seed: int = Field(ge=0, le=SEED_MAX, description="image i of a job uses seed + i")
    count: int = Field(default=1, ge=1, description="pictures in this job")
    batch: int = Field(
        default=1, ge=1, le=16, description="pictures denoised together; each is its own seed's to within rounding"
    )
    texts: tuple[tuple[str, str], ...] = Field(
        default=(), description="prompt and negative prompt of each picture, where chance in them is settled"
    )
    strength: float = Field(
        default=0.75, ge=0, le=1, description="how much of the input picture is redrawn (denoising strength)"
    )
    clip_skip: int = Field(default=1, ge=1, description="1 uses the text encoder's last layer, 2 the one before it")
    emphasis: Emphasis = Field(default=Emphasis.ORIGINAL, description="how weights in the prompt count")
    init_image: str | None = Field(default=None, description="the picture to start from")
    mask: str | None = Field(default=None, description="white is repainted, black is kept")
    loras: tuple[LoraUse, ...] = Field(default=(), description="LoRAs; those that the prompt names come on top")
    vae: str = Field(default="", max_length=300, description="a VAE by the name of its file; empty for the model's own")
    controls: tuple[ControlUse, ...] = Field(
        default=(), max_length=4, description="ControlNets: pictures whose edges, depth or poses are followed"
    )
    ip_adapters: tuple[IpAdapterUse, ...] = Field(
        default=(), max_length=4, description="IP-Adapters: pictures whose look is taken over"
    )
    masking: Masking | None = Field(default=None, description="how the mask is understood")
    outpaint: Outpaint | None = Field(default=None, description="pixels to add around the picture")
    hires: Hires | None = Field(default=None, description="a second, larger pass")
    tiles: Tiles | None = Field(default=None, description="upscale: redraw the enlarged picture tile by tile")
    shortcuts: Shortcuts | None = Field(default=None, description="work that is left out of the steps")
    accelerator: Accelerator = Field(
        default=Accelerator.NONE, description="how the steps are computed: none (as torch does), openvino, compile"
    )
    upscaler: str = Field(default="Lanczos", description="upscale: how the picture is enlarged")
    reference_2: str | None = Field(default=None, description="a second picture that an edit looks at")
    reference_3: str | None = Field(default=None, description="a third picture that an edit looks at")
    reference_4: str | None = Field(default=None, description="a fourth picture that an edit looks at")
    frames: int = Field(default=1, ge=1, description="frames that the model makes; each family has its own counts")
    fps: int = Field(default=16, ge=1, le=120, description="frames per second of a video")
    motion: int = Field(
        default=127, ge=1, le=255, description="how much moves, for models that can be told (motion bucket)"
    )
    last_image: str | None = Field(default=None, description="the picture that a video ends with")
    init_video: str | None = Field(default=None, description="the video to change or to go on from")
    image_format: ImageFormat = Field(default=ImageFormat.PNG, description="what a picture is saved as")
    video_format: VideoFormat = Field(default=VideoFormat.WEBM, description="what a video is saved as")

    @property
    def seconds(self) -> float:
        """How long the video is."""
        return self.frames / self.fps

    def image(self, index: int) -> Self:
        """The request that makes image `index` (from 0) alone: its own seed and its own settled words."""
        prompt, negative = self.texts[index] if index < len(self.texts) else (self.prompt, self.negative_prompt)
        changes = {"seed": self.seed_of(index), "count": 1, "batch": 1, "texts": ()}
        return self.with_(**changes, prompt=prompt, negative_prompt=negative)

    @property
    def steps_run(self) -> int:
        """The steps that really run: where a picture is redrawn in part, only that share of them."""
        return max(1, int(self.steps * self.strength)) if self.task.uses_strength else self.steps

    def seed_of(self, index: int) -> int:
        """The seed of image `index`, counted from 0; wraps past 2**32 - 1."""
        return (self.seed + index) % (SEED_MAX + 1)

    @property
    def needs_model(self) -> bool:
        """Whether the model draws at all: enlarging a picture without tiles does not ask it."""
        return self.task is not Task.UPSCALE or self.tiles is not None

    @property
    def inputs(self) -> dict[str, str]:
        """Every file that the request starts from, by the name under which an engine finds it in its inputs."""
        named = {name: getattr(self, name) for name in INPUT_FIELDS}
        named |= {
            f"{name}.{place}": use.image for name in GUIDE_FIELDS for place, use in enumerate(getattr(self, name))
        }
        return {name: value for name, value in named.items() if value is not None}

    def with_inputs(self, kept: Mapping[str, str]) -> Self:
        """A copy whose `inputs` are `kept`, by the same names."""
        changes: dict[str, object] = {name: value for name, value in kept.items() if name in INPUT_FIELDS}
        for name in GUIDE_FIELDS:
            uses = enumerate(getattr(self, name))
            changes[name] = [use.with_image(kept.get(f"{name}.{place}", use.image)) for place, use in uses]
        return self.with_(**changes) if kept else self

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
    """One report of a running job: `step` of `total` in `stage`, for image `image` of `images` (from 0).

    `note` is a sentence about a change of plan, for the person who waits.
    """

    stage: Stage
    step: int = 0
    total: int = 0
    image: int = 0
    images: int = 1
    preview: Path | None = None
    note: str = ""


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
    """What a whole job gave: its files in order, seconds by stage, peak memory in bytes, and how it was made.

    `peaks` are those of the stages, of this model alone, where the system lets them be measured one by one.
    """

    artifacts: tuple[Artifact, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
