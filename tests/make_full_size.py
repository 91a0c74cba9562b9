"""Writes Stable Diffusion 1.5 at its full size with random weights: 2.13 GB in float16, for measurements and no pictures.

    python -m tests.make_full_size FOLDER

The configurations are the ones that Easel brings. Weights are drawn as wide as layers of their size usually are, so that
numbers stay ordinary through fifty layers: neither time nor memory depends on what they say.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from engines.loaders import PART_CLASSES
from engines.messages import RESOURCES
from engines.runtime import prepare_environment
from engines.tokenizers import load_bundled_tokenizer

CONFIGS = RESOURCES / "families"
FAMILY = "sd15"
NAMES = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}


def make_full_size(folder: Path, family: str = FAMILY, seed: int = 0) -> Path:
    """Write the model as a diffusers folder; the same seed gives the same bytes. Returns `folder`."""
    shutil.copytree(CONFIGS / family, folder, dirs_exist_ok=True)
    load_bundled_tokenizer("clip").save_pretrained(folder / "tokenizer")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    drawn = torch.Generator().manual_seed(seed)
    for part in ("unet", "vae", "text_encoder"):
        library, class_name = index[part]
        save_file(_weights(folder / part, class_name, drawn), folder / part / NAMES[library], {"format": "pt"})
    return folder


def _weights(folder: Path, class_name: str, drawn: torch.Generator) -> dict[str, torch.Tensor]:
    part_class: Any = getattr(importlib.import_module(PART_CLASSES[class_name]), class_name)
    with torch.device("meta"):
        if hasattr(part_class, "load_config"):
            shell = part_class.from_config(part_class.load_config(folder))
        else:
            shell = part_class(part_class.config_class.from_pretrained(folder))
    return {name: _drawn(name, parameter.shape, drawn) for name, parameter in shell.named_parameters()}


def _drawn(name: str, shape: torch.Size, drawn: torch.Generator) -> torch.Tensor:
    """A matrix with the usual spread of its inputs, a norm's weights one, an offset zero."""
    if len(shape) == 1:
        return (torch.zeros if name.endswith("bias") else torch.ones)(shape, dtype=torch.float16)
    spread = shape[1:].numel() ** -0.5
    return torch.randn(shape, generator=drawn).mul_(spread).half()


if __name__ == "__main__":
    prepare_environment()
    print(make_full_size(Path(sys.argv[1])))
