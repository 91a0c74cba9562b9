"""Ways to bring a model from disk into memory, by key. Weights are data: safetensors only, no code from a folder, no hub."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engines.errors import EaselError, InternalError, UserError
from engines.family import EngineFamily
from engines.plan import Placement
from engines.records import ModelRecord
from engines.runtime import is_out_of_memory
from engines.single_file import load_single_file
from engines.video_parts import VIDEO_PART_CLASSES

log = logging.getLogger(__name__)

Loader = Callable[[ModelRecord, EngineFamily, Placement, Callable[[], None]], dict[str, Any]]


class LoaderRegistry:
    """Loaders by key; explicit, atomic, a duplicate is an error."""

    def __init__(self, loaders: Mapping[str, Loader]) -> None:
        self._loaders = dict(loaders)

    def get(self, key: str) -> Loader:
        """The loader called `key`. Raises `InternalError` for a key that no scanner should have written."""
        if key not in self._loaders:
            raise InternalError("internal", what=f"no loader is called {key}; there are {', '.join(self._loaders)}")
        return self._loaders[key]


def load_model(
    key: str,
    record: ModelRecord,
    family: EngineFamily,
    placement: Placement,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The model's parts by name, on the device and in the dtype of `placement`, ready for `create_pipeline`.

    `check` is called between parts and may raise `Cancelled`. Raises `UserError("model-broken")` naming the part.
    """
    log.info("loader key=%s model=%s device=%s why=the kind of model on disk", key, record.id, placement.device)
    started = time.perf_counter()
    parts = LOADERS.get(key)(record, family, placement, check)
    log.info("loaded model=%s parts=%d seconds=%.2f", record.id, len(parts), time.perf_counter() - started)
    return parts


def load_diffusers_folder(
    record: ModelRecord, family: EngineFamily, placement: Placement, check: Callable[[], None]
) -> dict[str, Any]:
    """Load each part that the family names from its own folder below `record.path`."""
    index = _model_index(record.path)
    parts: dict[str, Any] = {}
    for name in family.parts:
        check()
        if name in family.optional_parts and not (record.path / name).is_dir():
            continue
        classes = {**PART_CLASSES, **family.part_modules}
        parts[name] = _load_part(record, name, index.get(name), placement, classes, check)
    return parts | {name: index[name] for name in family.options if name in index}


def _model_index(folder: Path) -> dict[str, Any]:
    import json

    try:
        return json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError("model-broken", model=folder.name, part="model_index.json", why=_first_line(error)) from error


# The only classes that a model folder may ask for: names from a file never reach getattr on a whole library.
PART_CLASSES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "AutoencoderDC",
            "AutoencoderKL",
            "AutoencoderKLFlux2",
            "AutoencoderKLQwenImage",
            "ChromaTransformer2DModel",
            "Flux2Transformer2DModel",
            "FluxTransformer2DModel",
            "Lumina2Transformer2DModel",
            "QwenImageTransformer2DModel",
            "SD3Transformer2DModel",
            "SanaTransformer2DModel",
            "UNet2DConditionModel",
            "ZImageTransformer2DModel",
        ),
        "diffusers",
    ),
    **dict.fromkeys(
        (
            "CLIPTextModel",
            "CLIPTextModelWithProjection",
            "CLIPTokenizer",
            "CLIPTokenizerFast",
            "Gemma2Model",
            "GemmaTokenizer",
            "GemmaTokenizerFast",
            "Mistral3ForConditionalGeneration",
            "PixtralProcessor",
            "Qwen2Tokenizer",
            "Qwen2TokenizerFast",
            "Qwen2_5_VLForConditionalGeneration",
            "Qwen3ForCausalLM",
            "Qwen3Model",
            "T5EncoderModel",
            "T5Tokenizer",
            "T5TokenizerFast",
        ),
        "transformers",
    ),
    # Its own class asks for torchvision, for videos alone.
    "Qwen2VLProcessor": "engines.picture_words",
    **VIDEO_PART_CLASSES,
}


# Of the other library, those whose tensors are all in their file under their own names: nothing is tied or computed.
READ_DIRECTLY = frozenset({"CLIPTextModel", "CLIPTextModelWithProjection"})


def _load_part(
    record: ModelRecord,
    name: str,
    entry: Any,
    placement: Placement,
    classes: Mapping[str, str],
    check: Callable[[], None],
) -> Any:
    folder = record.path / name
    if not folder.is_dir() or not isinstance(entry, list):
        raise UserError("model-part-missing", model=record.title, part=name)
    try:
        return _from_folder(folder, name, entry[1], placement, classes, check)
    except EaselError:
        raise
    except Exception as error:  # the libraries raise whatever they like for a damaged file; the part is what matters
        if is_out_of_memory(error):
            raise
        log.warning("part=%s of model=%s did not load", name, record.id, exc_info=True)
        raise UserError("model-broken", model=record.title, part=name, why=_first_line(error)) from error


def _from_folder(
    folder: Path,
    name: str,
    class_name: str,
    placement: Placement,
    classes: Mapping[str, str],
    check: Callable[[], None],
) -> Any:
    if name == "scheduler":
        return _scheduler_config(folder)
    if class_name not in classes:
        raise UserError("model-class-unknown", part=name, class_name=class_name)
    part_class = getattr(importlib.import_module(classes[class_name]), class_name)
    if name.startswith(("tokenizer", "image_processor", "feature_extractor", "processor", "guider")):
        return part_class.from_pretrained(folder, local_files_only=True)
    dtype = placement.torch_dtype(name)
    if classes[class_name].startswith("diffusers") or class_name in READ_DIRECTLY:
        from engines.weights import load_module

        if (module := load_module(part_class, folder, dtype, placement.device, check, name == "vae")) is not None:
            return module
    part = part_class.from_pretrained(folder, local_files_only=True, use_safetensors=True, torch_dtype=dtype)
    return _aligned(part.to(placement.device).eval().requires_grad_(False))


def _aligned(part: Any) -> Any:
    """The part with its tensors at even places; see `engines.layout.align`, which brings torch."""
    from engines.layout import align

    return align(part)


def _scheduler_config(folder: Path) -> Any:
    """The scheduler as its configuration: samplers are made anew for each picture from it."""
    import json

    return json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def load_one_file(
    record: ModelRecord, family: EngineFamily, placement: Placement, check: Callable[[], None]
) -> dict[str, Any]:
    """Load the parts from one safetensors or GGUF file and from where else `record.sources` says."""
    classes = {**PART_CLASSES, **family.part_modules}

    def class_of(part: str, class_name: str) -> Any:
        if class_name not in classes:
            raise UserError("model-class-unknown", part=part, class_name=class_name)
        return getattr(importlib.import_module(classes[class_name]), class_name)

    return load_single_file(record, family, placement, check, class_of)


LOADERS = LoaderRegistry(
    {"diffusers-folder": load_diffusers_folder, "single-file": load_one_file, "gguf": load_one_file}
)
