"""Tiny add-ons for the tiny models: random weights, real topology, real files. For tests and `easel self-test`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def make_tiny_controlnet(denoiser: Any, path: Path, seed: int = 0) -> Path:
    """Write a ControlNet for a UNet; unlike an untrained one it is not silent. The same seed gives the same bytes."""
    import torch
    from diffusers import ControlNetModel
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ControlNetModel.from_unet(denoiser)
        for name, value in net.state_dict().items():
            if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
                torch.nn.init.normal_(value, std=0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path)
    return path
