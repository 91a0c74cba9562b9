"""How a model family describes itself. Panel, command line, scanner, docs and contract tests are made from this alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from engines.accelerators import Accelerator
from engines.detection import Detection, Signature, Variant
from engines.types import Task
from engines.video_rules import VideoRules

__all__ = [
    "Clip",
    "Detection",
    "EngineFamily",
    "Guidance",
    "GuidanceKind",
    "LatentFormat",
    "Limits",
    "MemoryFigures",
    "Negative",
    "Signature",
    "SingleFile",
    "Size",
    "TextRules",
    "TinyPart",
    "TinyProfile",
    "Variant",
]


@dataclass(frozen=True)
class Limits:
    """What the family can do: sides in pixels and multiples of `side_multiple`, pixels in all, steps and guidance ranges.

    `max_references` is how many pictures an edit may look at, the one that is changed included. `task_pixels` are lower
    limits of single tasks.
    """

    min_side: int
    max_side: int
    side_multiple: int
    max_pixels: int
    max_steps: int = 150
    max_guidance: float = 30.0
    max_count: int = 64
    max_clip_skip: int = 1
    max_references: int = 1
    task_pixels: Mapping[Task, int] = field(default_factory=dict)

    def pixels(self, task: Task) -> int:
        """The most pixels that a picture of `task` may have."""
        return min(self.max_pixels, self.task_pixels.get(task, self.max_pixels))


class GuidanceKind(StrEnum):
    """What the guidance number of a request means to the model."""

    CLASSIFIER_FREE = "classifier-free"  # how far to go from the negative prompt's picture: a second pass at each step
    EMBEDDED = "embedded"  # a number that the model was distilled with: no second pass, no negative prompt
    NONE = "none"  # the model was distilled to one value, the number changes nothing


@dataclass(frozen=True)
class Guidance:
    """How the family takes guidance: the pipelines' argument for it, and the value at and below which it is off.

    `together` says that both passes of a step are one call of the denoiser, the negative prompt's first: some steps can
    then do without it.
    """

    kind: GuidanceKind = GuidanceKind.CLASSIFIER_FREE
    argument: str | None = "guidance_scale"
    off: float = 1.0
    together: bool = False

    def guided(self, scale: float) -> bool:
        """Whether the model runs a second time for the negative prompt at this `scale`."""
        return self.kind is GuidanceKind.CLASSIFIER_FREE and scale > self.off


class Negative(StrEnum):
    """How the family's `encode_prompt` treats the negative prompt."""

    TOGETHER = "together"  # it takes both and returns both
    APART = "apart"  # it is called again for it, and what it returns goes by "negative_" and the name
    NONE = "none"  # there is none, or it is always the empty one


@dataclass(frozen=True)
class Clip:
    """A CLIP text encoder by its parts' names; `layer` is what the denoiser was trained on, 1 the last and 2 the one before.

    `vectors` is the name of its vectors in the embeddings of a family that reads with several encoders.
    """

    tokenizer: str = "tokenizer"
    encoder: str = "text_encoder"
    layer: int = 1
    vectors: str = ""


@dataclass(frozen=True)
class TextRules:
    """How words become conditions.

    `returns` are the pipeline arguments that `encode_prompt` returns, in its order; "" for a value that goes nowhere.
    `arguments` are passed to `encode_prompt` as they are. `empty_negative` stands for a negative prompt of no words.
    `tokens` is the room for words; None where the tokenizer's own length says it. `tokenizer` is the part that counts.
    `weights` says whether the grammar of A1111 is followed: weights, any length, changes over the steps. Then `clips`, or the
    usual one, read the words; without it the words are taken plain, and the person is told what was left out.
    `by_pipeline` are tasks whose words the encoder reads together with the picture, so that the pipeline has to do it.
    """

    returns: tuple[str, ...]
    negative: Negative = Negative.TOGETHER
    arguments: Mapping[str, Any] = field(default_factory=dict)
    empty_negative: str = ""
    tokens: int | None = None
    tokenizer: str = "tokenizer"
    weights: bool = False
    clips: tuple[Clip, ...] = ()
    by_pipeline: frozenset[Task] = frozenset()

    @property
    def readers(self) -> tuple[Clip, ...]:
        """The text encoders that read weighted words."""
        return (self.clips or (Clip(),)) if self.weights else ()


@dataclass(frozen=True)
class LatentFormat:
    """The family's latents: channels, pixels per latent side, and a linear map to RGB for previews.

    `layout` is a key of `engines.pipeline.latents`: how the pipelines hold them, and what the decoder wants.

    `rgb` has one row (red, green, blue) per channel and then a row of offsets, fitted by least squares to decodes, in
    units of -1 to 1. None where nobody has fitted one: the preview then shows the first three channels.
    """

    channels: int
    scale: int
    rgb: tuple[tuple[float, float, float], ...] | None = None
    layout: str = "plain"


@dataclass(frozen=True)
class MemoryFigures:
    """For planning: parameters in billions, bytes that are alive at once for each output pixel, and pixels for each token.

    `activation_bytes_per_pixel` is of the decoder, for the pixels of the frames that it decodes together;
    `denoiser_bytes_per_pixel` of one pass of the denoiser, for the pixels of all frames; both at 2 bytes a value. They were
    counted by running the full-size configurations without data (`python -m tests.measure_activations`). `pixels_per_token` are
    the pixels, of all frames, for which the denoiser multiplies all of its weights once: what a step costs follows from it.
    `decoder_width` are the channels that the counted decoder has at the size of the picture, where models of the family may
    bring a narrower one (`AutoencoderKL`, whose peak is three tensors of that width); else 0.
    """

    parameters: float
    activation_bytes_per_pixel: int
    denoiser_bytes_per_pixel: int = 500
    pixels_per_token: int = 256
    decoder_width: int = 0


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
class Size:
    """One of the sizes that a family comes in: tensors of the denoiser that show it, and what they change in configurations."""

    tensors: Signature
    configs: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SingleFile:
    """That models of the family can be loaded from single files, with the configurations in `resources/families/<id>`.

    `tokenizers` maps each tokenizer part to the kind of words that it splits. A kind that lies in `resources/tokenizers` is
    brought by Easel; others come from any model folder on the machine whose family names the same kind. Of `sizes` the first
    that fits the file counts; the bundled configurations are those of a size that none of them names. `unreadable` are
    layouts of the denoiser that nobody translates: such a file is told, and the person is sent to the folder.
    """

    tokenizers: Mapping[str, str]
    sizes: tuple[Size, ...] = ()
    unreadable: tuple[Signature, ...] = ()


@dataclass(frozen=True)
class EngineFamily:
    """One model family: everything that the rest of Easel needs to know of it.

    `pipelines` maps a task to the diffusers class that does it. `samplers` and `schedulers` are keys of the sampler
    registry, in the order that a list shows them. `denoiser` names the part that runs once a step, `second_denoiser` one
    that takes over in the middle; `denoiser_facts` are values that a pipeline reads from the denoiser's configuration and
    that are not there. Parts in `optional_parts` may be missing from a model. `engine` is "module:Class",
    imported in the worker alone.

    `pipeline_arguments` go to the pipeline's constructor, after the model's own values for `options` (fields of
    `model_index.json`). `call_arguments` go to every call, `task_arguments` to the calls of one task.
    `scheduler_facts` are laid over a scheduler's configuration that has another `prediction_type`, as the configurations
    that stand in for single files have.

    `control` is a key of `engines.pipeline.controls`: how ControlNets are made for the denoiser; None where it takes none.
    `ip_adapters` says whether the denoiser is a UNet that takes IP-Adapters.

    `cache` is a key of `engines.pipeline.shortcuts`: how steps use again what the denoiser said before; None where they cannot.

    `accelerators` are the ways in which the denoiser can be made faster (`engines.pipeline.accelerate`), as tests found.

    `video` are the rules of a family that makes videos. `part_modules` names the module of classes of parts that are not
    where such classes usually are.

    `changes` says for each variant that `detection` knows what is different, by field of this class: {"turbo":
    {"defaults": {"steps": 4}}}; `defaults` are laid over the family's, other fields replace. `variants` are the ones applied.
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
    text: TextRules
    latent: LatentFormat
    memory: MemoryFigures
    tiny: TinyProfile
    control: str | None = None
    cache: str | None = None
    accelerators: frozenset[Accelerator] = frozenset({Accelerator.OPENVINO, Accelerator.COMPILE})
    ip_adapters: bool = False
    engine: str = "engines.pipeline.engine:DiffusersEngine"
    guidance: Guidance = Guidance()
    second_denoiser: str | None = None
    denoiser_facts: Mapping[str, Any] = field(default_factory=dict)
    optional_parts: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()
    pipeline_arguments: Mapping[str, Any] = field(default_factory=dict)
    call_arguments: Mapping[str, Any] = field(default_factory=dict)
    task_arguments: Mapping[Task, Mapping[str, Any]] = field(default_factory=dict)
    sampler_overrides: Mapping[str, Any] = field(default_factory=dict)
    single_file: SingleFile | None = None
    video: VideoRules | None = None
    part_modules: Mapping[str, str] = field(default_factory=dict)
    scheduler_facts: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variants: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that the family can do, in the order of `Task`."""
        return tuple(task for task in Task if task in self.pipelines)

    @property
    def reads_words(self) -> bool:
        """Whether a prompt means anything to its models."""
        return self.text.tokens != 0

    @property
    def key(self) -> str:
        """The id, with the variants that are applied: "family-fill"."""
        return "-".join((self.id, *self.variants))

    def as_variant(self, names: Iterable[str]) -> EngineFamily:
        """The family as the variants in `names` are; a name without changes is kept as a name."""
        made = self
        for name in names:
            fields = dict(self.changes.get(name, {}))
            fields["defaults"] = {**made.defaults, **fields.get("defaults", {})}
            made = replace(made, **fields, variants=(*made.variants, name))
        return made
