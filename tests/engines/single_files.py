"""Writes a tiny model of a family as the one file that people pass around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.identify.folders import weight_files
from tests.engines import originals


def weights_of(folder: Path) -> dict[str, Any]:
    """All tensors of one part's folder."""
    from safetensors.torch import load_file

    return {name: tensor for path in weight_files(folder) for name, tensor in load_file(path).items()}


def checkpoint_of(folder: Path) -> dict[str, Any]:
    """The tensors of a Stable Diffusion folder (1.5 or XL) as the original checkpoints name them."""
    found = originals.under("model.diffusion_model.", originals.original_unet(weights_of(folder / "unet")))
    found |= originals.under("first_stage_model.", originals.original_vae(weights_of(folder / "vae")))
    clip = originals.original_clip(weights_of(folder / "text_encoder"))
    if not (folder / "text_encoder_2").is_dir():
        return found | originals.under("cond_stage_model.transformer.", clip)
    found |= originals.under("conditioner.embedders.0.transformer.", clip)
    second = originals.original_open_clip(weights_of(folder / "text_encoder_2"))
    return found | originals.under("conditioner.embedders.1.model.", second)


def save(tensors: dict[str, Any], path: Path) -> Path:
    """Write the tensors; the folder is made."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def configs_of(folder: Path, target: Path) -> Path:
    """The folder's configurations and words without its weights."""
    import shutil

    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors"))
    return target
