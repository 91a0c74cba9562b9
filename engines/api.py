"""The one door between the product and the engine library: everything that `app` may use of `engines`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engines.accelerators import Accelerator, check_accelerator, possible_accelerators
from engines.benchmark.host import EASEL, PLAIN, SCRIPT, BenchmarkSide
from engines.benchmark.took import Loaded, Made, Took
from engines.conversion import Converted
from engines.conversion import convert as convert_pickle
from engines.demand import demand_of, with_demand
from engines.demand import operations as _operations
from engines.errors import (
    Cancelled,
    EaselError,
    ErrorRecord,
    InternalError,
    NetworkError,
    ResourceError,
    UserError,
)
from engines.family import EngineFamily, Limits
from engines.guide_sizes import guide_numbers
from engines.header import read_header, read_json
from engines.identify import VERSION as IDENTIFY_VERSION
from engines.identify import Identified, Kind, read_weights_header
from engines.identify import identify as _identify
from engines.interface import CancelToken, EngineInterface, RunContext
from engines.media import FileMetadata, open_image, open_mask, picture_size, read_metadata, read_metadata_of
from engines.media.video_read import SUFFIXES as VIDEO_SUFFIXES
from engines.media.video_read import VideoFacts, frame_size, is_video, last_frame, poster, read_frames, video_facts
from engines.media.video_save_as import save_video_as
from engines.media.video_write import check_encoder
from engines.messages import Message, languages, use_language
from engines.options import (
    CONTROLNET,
    EMBEDDING,
    IP_ADAPTER,
    IP_ENCODER,
    VAE,
    ControlUse,
    Hires,
    IpAdapterUse,
    LoraUse,
    Masking,
    Outpaint,
    Shortcuts,
    Tiles,
)
from engines.part_sizes import part_sizes as _part_sizes
from engines.placement import (
    KEEPS_PAGES,
    Demand,
    Keep,
    MachineFacts,
    ModelSizes,
    Plan,
    Way,
    decide_placement,
    says,
    ways_out,
)
from engines.preparers import PREPARERS, spelled_preparer
from engines.prompt import (
    is_dynamic,
    is_ordinary_word,
    lora_text,
    named_embeddings,
    parse_lora,
    settle,
    used_embeddings,
    used_loras,
)
from engines.prompt.tokens import TokenCount
from engines.prompt.tokens import count_tokens as _count_tokens
from engines.records import ModelHeader, ModelRecord
from engines.registry import REGISTRY
from engines.room import room_in
from engines.samplers import REGISTRY as SAMPLER_REGISTRY
from engines.samplers import default_schedule, sampler_rows
from engines.shortcuts import work_share
from engines.tokenizers import TOKENIZERS
from engines.types import (
    GUIDE_FIELDS,
    INPUT_FIELDS,
    REFERENCE_FIELDS,
    SEED_MAX,
    TASK_ALIASES,
    Artifact,
    GenerationRequest,
    GenerationResult,
    ImageFormat,
    Progress,
    Stage,
    Task,
    VideoFormat,
)
from engines.upscalers import (
    LATENT_FILTERS,
    PIXEL_FILTERS,
    check_upscaler,
    is_upscaler_model,
    spelled_upscaler,
    upscaler_models_possible,
)
from engines.video_rules import VideoRules
from engines.worker.host import WorkerEngine

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "CONTROLNET",
    "EASEL",
    "EMBEDDING",
    "GUIDE_FIELDS",
    "INPUT_FIELDS",
    "IP_ADAPTER",
    "IP_ENCODER",
    "KEEPS_PAGES",
    "LATENT_FILTERS",
    "PIXEL_FILTERS",
    "PLAIN",
    "PREPARERS",
    "REFERENCE_FIELDS",
    "SAMPLER_REGISTRY",
    "SCRIPT",
    "SEED_MAX",
    "TASK_ALIASES",
    "VAE",
    "VIDEO_SUFFIXES",
    "Accelerator",
    "Artifact",
    "BenchmarkSide",
    "CancelToken",
    "Cancelled",
    "ControlUse",
    "Converted",
    "Demand",
    "EaselError",
    "EngineFamily",
    "EngineInterface",
    "ErrorRecord",
    "FileMetadata",
    "GenerationRequest",
    "GenerationResult",
    "Hires",
    "Identified",
    "ImageFormat",
    "InternalError",
    "IpAdapterUse",
    "Keep",
    "Kind",
    "Limits",
    "Loaded",
    "LoraUse",
    "MachineFacts",
    "Made",
    "Masking",
    "Message",
    "ModelHeader",
    "ModelRecord",
    "NetworkError",
    "Outpaint",
    "Plan",
    "Progress",
    "ResourceError",
    "RunContext",
    "Shortcuts",
    "Stage",
    "Task",
    "Tiles",
    "TokenCount",
    "Took",
    "UserError",
    "VideoFacts",
    "VideoFormat",
    "VideoRules",
    "Way",
    "WorkerEngine",
    "bundled_tokenizer",
    "check_accelerator",
    "check_encoder",
    "check_upscaler",
    "convert_pickle",
    "count_tokens",
    "default_schedule",
    "demand_of",
    "detect_family",
    "detection_mark",
    "embedding_shape",
    "families",
    "families_with_variants",
    "family",
    "family_of",
    "frame_size",
    "guide_numbers",
    "identify",
    "is_dynamic",
    "is_ordinary_word",
    "is_upscaler_model",
    "is_video",
    "languages",
    "last_frame",
    "local_engine",
    "lora_text",
    "make_tiny_models",
    "named_embeddings",
    "open_image",
    "open_mask",
    "operations_of",
    "parse_lora",
    "picture_size",
    "plan_placement",
    "possible_accelerators",
    "poster",
    "prepared_picture",
    "read_frames",
    "read_header",
    "read_json",
    "read_metadata",
    "read_metadata_of",
    "room_in",
    "sampler_rows",
    "save_video_as",
    "says",
    "sees_for",
    "settle",
    "smaller_demands",
    "spelled_preparer",
    "spelled_upscaler",
    "upscaler_models_possible",
    "use_language",
    "used_embeddings",
    "used_loras",
    "video_facts",
    "with_demand",
    "work_share",
]


def families() -> tuple[EngineFamily, ...]:
    """Every family that Easel knows."""
    return REGISTRY.all()


def family(family_id: str) -> EngineFamily:
    """The family with this id. Raises `UserError` with the nearest names."""
    return REGISTRY.get(family_id)


def family_of(record: ModelRecord) -> EngineFamily:
    """The family of a model, with the defaults, tasks and limits of the model's own variants of it."""
    return REGISTRY.of(record)


def families_with_variants() -> tuple[EngineFamily, ...]:
    """Every family, each followed by its variants that have parts of their own."""
    return REGISTRY.with_variants()


def detect_family(header: ModelHeader) -> EngineFamily | None:
    """The family that the header belongs to, None when no family claims it."""
    return REGISTRY.detect(header)


def identify(path: Path) -> Identified:
    """What the file or folder at `path` is, from its header alone; for what is wrong with it see its `problem`."""
    return _identify(path, REGISTRY.all())


def bundled_tokenizer(kind: str) -> bool:
    """Whether Easel brings the tokenizer that families call `kind`."""
    return kind in TOKENIZERS


def detection_mark() -> str:
    """One word that changes when the families' signatures do: answers that were remembered under another are asked anew."""
    import hashlib
    import json
    from dataclasses import asdict

    facts = [(each.id, each.parts, asdict(each.detection)) for each in REGISTRY.all()]
    text = json.dumps(
        facts, sort_keys=True, default=lambda value: sorted(value) if isinstance(value, frozenset) else str(value)
    )
    return hashlib.sha256(f"{IDENTIFY_VERSION} {text}".encode()).hexdigest()[:16]


def plan_placement(
    record: ModelRecord, facts: MachineFacts, demand: Demand, *, limit: int = 0, from_rung: int = 0
) -> Plan:
    """How the model would be held for `demand` on the machine of `facts`, from its header alone; see `decide_placement`."""
    family = family_of(record)
    return decide_placement(facts, _sizes(record), family, demand, limit=limit, from_rung=from_rung)


def smaller_demands(record: ModelRecord, facts: MachineFacts, demand: Demand, *, limit: int = 0) -> tuple[Demand, ...]:
    """Smaller wishes that fit: fewer frames, smaller pictures; none when nothing does."""
    return ways_out(facts, _sizes(record), family_of(record), demand, limit=limit)


def operations_of(record: ModelRecord, demand: Demand) -> float:
    """What the seconds of a job grow with; 0 when the model's header does not say."""
    return _operations(_sizes(record), family_of(record), demand)


_known_sizes: dict[tuple[str, str], ModelSizes] = {}  # by place and fingerprint: an estimate is made at every change


def _sizes(record: ModelRecord) -> ModelSizes:
    key = (str(record.path), record.fingerprint)
    if not record.fingerprint or key not in _known_sizes:
        _known_sizes[key] = _part_sizes(record, family_of(record))
    return _known_sizes[key]


def count_tokens(record: ModelRecord, text: str, embeddings: Mapping[str, Path] | None = None) -> TokenCount | None:
    """How many tokens the model's text encoder will see of the prompt; None when its tokenizer cannot be found.

    `embeddings` are the files of those that the prompt may name; each of their vectors counts as a token.
    """
    vectors = {name: embedding_shape(path)[0] for name, path in (embeddings or {}).items()}
    return _count_tokens(record, family_of(record), text, vectors)


def embedding_shape(path: Path) -> tuple[int, int]:
    """How many vectors an embedding's file has, and how many numbers each. Raises `UserError` for a file that is none."""
    shapes = [(1, *info.shape) for info in read_weights_header(path).tensors.values() if info.shape]
    return max(((shape[-2], shape[-1]) for shape in shapes), default=(0, 0))


def sees_for(adapter: Path, encoder: Path) -> bool:
    """Whether the picture encoder gives the IP-Adapter what it wants; asked of both headers. Raises `UserError`."""
    wanted = {name: info.shape[-1] for name, info in read_weights_header(adapter).tensors.items() if info.shape}
    given = {name: info.shape for name, info in read_weights_header(encoder).tensors.items()}
    if (parts := wanted.get("image_proj.proj_in.weight")) is not None:
        return given.get("vision_model.pre_layrnorm.weight") == (parts,)
    whole = wanted.get("image_proj.proj.weight", wanted.get("image_proj.proj.0.weight"))
    return given.get("visual_projection.weight", (0,))[0] == whole


def prepared_picture(picture: Image, preparer: str, low: float | None = None, high: float | None = None) -> Image:
    """What a ControlNet would see of the picture (RGB), in the same size. Raises `UserError("preparer-unknown")`."""
    from engines.media.prepare import prepared  # numpy and scikit-image, which a start can do without

    return prepared(picture, preparer, low, high)


def local_engine() -> EngineInterface:
    """An engine in this very process, for debugging: it brings torch in, and a crash of it is a crash of everything."""
    from engines.resident import ResidentEngine
    from engines.runtime import prepare_environment

    prepare_environment()
    return ResidentEngine()


def make_tiny_models(folder: Path, families: Iterable[EngineFamily]) -> None:
    """Write a tiny random-weight model of each family below `folder`. Imports torch: call it in a process of its own."""
    from engines.runtime import prepare_environment
    from engines.tiny import make_tiny_model

    prepare_environment()
    for each in families:
        make_tiny_model(each, folder / f"tiny-{each.key}")
