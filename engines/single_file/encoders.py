"""Text encoders and parts that the libraries read from folders alone, built from their configuration and given tensors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# What programs put before the names of a text encoder's tensors.
PREFIXES = re.compile(
    r"^(?:cond_stage_model\.(?:transformer|model)\.|conditioner\.embedders\.\d\.(?:transformer|model)\.|"
    r"text_encoders\.\w+\.(?:transformer\.(?!resblocks))?|text_encoder\w*\.)?"
)
WRAPPERS = re.compile(r"^(?:text_model\.|vision_model\.|language_model\.|model\.)+")


def load_encoder(part_class: Any, folder: Path, weights: dict[str, Any], dtype: Any) -> Any:
    """A transformers model with the configuration in `folder`. Raises `ValueError` naming weights that are not there."""
    from accelerate import init_empty_weights

    config = part_class.config_class(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    with init_empty_weights(include_buffers=False):
        model = part_class(config)
    plain = {PREFIXES.sub("", name, count=1): tensor for name, tensor in weights.items()}
    if any(name.startswith("transformer.resblocks.") for name in plain):
        from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

        plain = convert_open_clip_checkpoint(model, plain, prefix="")
    return fill(model, plain, dtype)


def fill(model: Any, weights: dict[str, Any], dtype: Any) -> Any:
    """Give the model's parameters their tensors, whatever wrapper the names were written under, each cast on its own."""
    by_core = {WRAPPERS.sub("", name): tensor for name, tensor in weights.items()}
    wanted = model.state_dict()
    found = {name: by_core[core].to(dtype) for name in wanted if (core := WRAPPERS.sub("", name)) in by_core}
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(f"{name} is {list(tensor.shape)} and not {list(wanted[name].shape)}")
    model.load_state_dict(found, strict=False, assign=True)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model


def check_complete(model: Any) -> None:
    """Raises `ValueError` when parameters have no value because the file did not hold them."""
    missing = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if missing:
        raise ValueError(f"{len(missing)} of its weights are missing, {missing[0]} for instance")
