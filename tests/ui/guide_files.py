"""A models folder with a tiny Stable Diffusion 1.5 whose words are as wide as in the real one, and a file of every guide for it.

The width is what files of that family are told by, so that they are found, offered and loaded as a person's files are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

WIDTH = 768  # of CLIP-L


def make_shelf(root: Path) -> None:
    """Write the model "Wide words" and its guides: words `dot`, nets `edges`, look `mood` with `eye`, `other` VAE, LoRA `ink`."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    from engines.api import family
    from engines.tiny import make_tiny_model
    from engines.tiny_addons import make_tiny_controlnet, make_tiny_ip_adapter, make_tiny_picture_encoder

    torch.manual_seed(0)
    described = _wide(family("sd15"))
    model = make_tiny_model(described, root / "wide-words")
    card = model / "easel.json"
    card.write_text(card.read_text().replace("Tiny Stable Diffusion 1.5", "Wide words").replace("tiny-sd15", "wide"))
    unet: Any = UNet2DConditionModel.from_pretrained(model / "unet")
    make_tiny_controlnet(unet, root / "controlnet" / "edges.safetensors")
    make_tiny_ip_adapter(unet, root / "ipadapter" / "mood.safetensors")
    make_tiny_picture_encoder(root / "clip_vision" / "eye.safetensors")
    make_tiny_model(described, root / "again", seed=1)
    (root / "vae").mkdir()
    (root / "again" / "vae" / "diffusion_pytorch_model.safetensors").rename(root / "vae" / "other.safetensors")
    _remove(root / "again")
    (root / "embeddings").mkdir()
    save_file({"emb_params": torch.randn(2, WIDTH)}, root / "embeddings" / "dot.safetensors")
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    (root / "loras").mkdir()
    parts = {f"{layer}.lora_A.weight": torch.randn(4, WIDTH), f"{layer}.lora_B.weight": torch.randn(8, 4)}
    save_file(parts, root / "loras" / "ink.safetensors")


def _wide(described: Any) -> Any:
    parts = dict(described.tiny.parts)
    for name, field in (("unet", "cross_attention_dim"), ("text_encoder", "hidden_size")):
        parts[name] = replace(parts[name], config={**parts[name].config, field: WIDTH})
    return replace(described, tiny=replace(described.tiny, parts=parts))


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)
