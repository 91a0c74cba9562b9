"""Each part of a single-file model from where it is: the file itself, another file or folder, or Easel's own resources."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.errors import EaselError, UserError
from engines.family import EngineFamily
from engines.header import INDEX, read_header, read_json
from engines.identify import read_weights_header
from engines.identify.missing import holds
from engines.plan import Placement
from engines.records import ModelRecord
from engines.runtime import is_out_of_memory
from engines.single_file.configs import config_folder
from engines.single_file.decoders import converted
from engines.single_file.encoders import check_complete, fill, load_encoder
from engines.single_file.weights import denoiser_names, part_weights
from engines.tokenizers import TOKENIZERS, load_bundled_tokenizer

log = logging.getLogger(__name__)

ClassOf = Callable[[str, str], Any]  # part and class name to the class; refuses classes that are not on its list


def load_single_file(
    record: ModelRecord, family: EngineFamily, placement: Placement, check: Callable[[], None], class_of: ClassOf
) -> dict[str, Any]:
    """The model's parts by name. Raises `UserError("model-broken")` naming the part that does not load."""
    if family.single_file is None:
        raise UserError("model-single-file-unsupported", model=record.title, family=family.title)
    parts: dict[str, Any] = {}
    with config_folder(record, family) as configs:
        classes = read_header(configs).parts
        index = read_json(configs / INDEX, family.id)
        for name in family.parts:
            check()
            if name in family.optional_parts and (name not in classes or _is_left_out(name, record, family)):
                parts[name] = None
            else:
                parts[name] = _part(name, classes, record, family, placement, configs, class_of)
    return parts | {name: index[name] for name in family.options if isinstance(index.get(name), bool | int | float)}


def _is_left_out(name: str, record: ModelRecord, family: EngineFamily) -> bool:
    """Whether nobody has this part that the family can do without."""
    if name in record.sources or name == family.denoiser or not record.path.is_file():
        return False
    tokenizers = family.single_file.tokenizers if family.single_file else {}
    if name in tokenizers:
        return tokenizers[name] not in TOKENIZERS
    return not holds(read_weights_header(record.path).tensors, family.detection.prefixes.get(name, ()))


def _part(
    name: str,
    classes: dict[str, str],
    record: ModelRecord,
    family: EngineFamily,
    placement: Placement,
    configs: Path,
    class_of: ClassOf,
) -> Any:
    try:
        if name == "scheduler":
            return read_json(configs / name / "scheduler_config.json", record.title)
        if name not in classes:
            raise UserError("model-part-missing", model=record.title, part=name)
        if name.startswith(("tokenizer", "processor")):
            return _tokenizer(name, classes[name], record, family, class_of)
        if name.startswith(("image_processor", "feature_extractor", "guider")):
            place = record.sources.get(name, configs / name)
            return class_of(name, classes[name]).from_pretrained(place, local_files_only=True)
        return _weights(name, class_of(name, classes[name]), record, family, placement, configs)
    except EaselError:
        raise
    except Exception as error:  # the libraries raise whatever they like; the part is what matters
        if is_out_of_memory(error):
            raise
        log.warning("part=%s of model=%s did not load", name, record.id, exc_info=True)
        raise UserError("model-broken", model=record.title, part=name, why=_first_line(error)) from error


def _tokenizer(name: str, class_name: str, record: ModelRecord, family: EngineFamily, class_of: ClassOf) -> Any:
    if (folder := record.sources.get(name)) is not None:
        return class_of(name, class_name).from_pretrained(folder, local_files_only=True)
    assert family.single_file is not None
    kind = family.single_file.tokenizers.get(name, "")
    if kind not in TOKENIZERS:
        raise UserError("model-part-missing", model=record.title, part=name)
    return load_bundled_tokenizer(kind)


def _weights(
    name: str, part_class: Any, record: ModelRecord, family: EngineFamily, placement: Placement, configs: Path
) -> Any:
    from engines.layout import align

    place = record.sources.get(name, record.path)
    dtype = placement.torch_dtype(name)
    if (place / "config.json").is_file():  # a part of another model's folder, with its own configuration
        part = part_class.from_pretrained(place, local_files_only=True, use_safetensors=True, torch_dtype=dtype)
    elif name == family.denoiser and record.loader == "gguf":
        part = _gguf(part_class, place, configs, name, dtype)
    else:
        part = _plain(part_class, part_weights(place, family, name), configs, name, dtype)
    check_complete(part)
    part = part.to(placement.device).eval().requires_grad_(False)
    return part if record.loader == "gguf" and name == family.denoiser else align(part)


def _plain(part_class: Any, weights: dict[str, Any], configs: Path, name: str, dtype: Any) -> Any:
    """A diffusers part by the libraries' own conversion where there is one, anything else by its names."""
    if not hasattr(part_class, "load_config"):
        return load_encoder(part_class, configs / name, weights, dtype)
    if _is_convertible(part_class):
        folder = str(configs)
        return part_class.from_single_file(
            weights, config=folder, subfolder=name, torch_dtype=dtype, local_files_only=True
        )
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        model = part_class.from_config(part_class.load_config(configs, subfolder=name))
    return fill(model, converted(part_class.__name__, weights, model.config), dtype)


def _is_convertible(part_class: Any) -> bool:
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    return part_class.__name__ in SINGLE_FILE_LOADABLE_CLASSES


def _gguf(part_class: Any, place: Path, configs: Path, name: str, dtype: Any) -> Any:
    """A quantised denoiser: it stays as small in memory as in the file, and is unpacked layer by layer while it runs."""
    from diffusers import GGUFQuantizationConfig
    from diffusers.models.model_loading_utils import load_gguf_checkpoint

    from engines.identify import read_gguf

    read_gguf(place)  # our own check of its counts and sizes, before the library believes them
    quantisation = GGUFQuantizationConfig(compute_dtype=dtype)
    return part_class.from_single_file(
        denoiser_names(load_gguf_checkpoint(str(place))),
        config=str(configs),
        subfolder=name,
        quantization_config=quantisation,
        torch_dtype=dtype,
        local_files_only=True,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
