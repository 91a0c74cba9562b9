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


NETS = {
    "FluxTransformer2DModel": ("FluxControlNetModel", {"num_layers": 1, "num_single_layers": 1}),
    "SD3Transformer2DModel": ("SD3ControlNetModel", {"num_layers": 1}),
    "QwenImageTransformer2DModel": ("QwenImageControlNetModel", {"num_layers": 1, "extra_condition_channels": 0}),
}
FIRST_ZEROS = ("controlnet_blocks", "controlnet_single_blocks", "controlnet_x_embedder", "pos_embed_input")


def tiny_transformer_net(transformer: Any, seed: int = 0, **changes: Any) -> Any:
    """A ControlNet with random weights for a transformer; `changes` are of its configuration."""
    import diffusers
    import torch

    class_name, usual = NETS[type(transformer).__name__]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: Any = getattr(diffusers, class_name).from_config({**transformer.config, **usual, **changes})
        for name, value in net.state_dict().items():
            if name.startswith(FIRST_ZEROS):
                torch.nn.init.normal_(value, std=0.5)
    return net.eval()


def make_tiny_transformer_controlnet(transformer: Any, path: Path, seed: int = 0, **changes: Any) -> Path:
    """Write it as a file. The same seed gives the same bytes."""
    from safetensors.torch import save_file

    net = tiny_transformer_net(transformer, seed, **changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path)
    return path


def make_tiny_ip_adapter(unet: Any, path: Path, seed: int = 0, seen: int = 32) -> Path:
    """Write an IP-Adapter for a UNet, made for a picture encoder that gives `seen` numbers; they become four words."""
    import torch
    from safetensors.torch import save_file

    made = torch.Generator().manual_seed(seed)
    words, wide = 4, unet.config.cross_attention_dim  # as many words as plain adapters have
    tensors = {
        "image_proj.proj.weight": torch.randn(words * wide, seen, generator=made) * 0.2,
        "image_proj.proj.bias": torch.zeros(words * wide),
        "image_proj.norm.weight": torch.ones(wide),
        "image_proj.norm.bias": torch.zeros(wide),
    }
    number = 1
    for name, module in ((name, unet.get_submodule(name.removesuffix(".processor"))) for name in unet.attn_processors):
        if name.endswith("attn2.processor"):
            inner = module.to_q.weight.shape[0]
            for key in ("to_k_ip", "to_v_ip"):
                tensors[f"ip_adapter.{number}.{key}.weight"] = torch.randn(inner, wide, generator=made) * 0.3
            number += 2
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def make_tiny_picture_encoder(path: Path, seed: int = 0) -> Path:
    """Write a CLIP picture encoder as one file: 32 numbers for a picture of 32 pixels a side."""
    import torch
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 1}
    config = CLIPVisionConfig(**sizes, projection_dim=32, image_size=32, patch_size=8)  # pyright: ignore
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = CLIPVisionModelWithProjection(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, path)
    return path
