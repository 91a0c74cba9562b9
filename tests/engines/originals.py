"""The inverse of what single-file readers do: names of a diffusers model as the original checkpoints have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Weights = Mapping[str, Any]

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
MIDDLE = {"resnets.0": "middle_block.0", "attentions.0": "middle_block.1", "resnets.1": "middle_block.2"}


def original_unet(weights: Weights) -> dict[str, Any]:
    """A UNet with two layers a block, as Stable Diffusion 1, 2 and XL name it."""
    attention = {int(match[1]) for name in weights if (match := re.match(r"up_blocks\.(\d+)\.attentions", name))}
    return {_unet_name(name, attention): value for name, value in weights.items()}


def _unet_name(name: str, attention: set[int]) -> str:
    stem, _, kind = name.rpartition(".")
    if stem in TOP:
        return f"{TOP[stem]}.{kind}"
    if match := re.match(r"mid_block\.(resnets\.\d|attentions\.0)\.(.*)", name):
        return f"{MIDDLE[match[1]]}.{_inner(match[1], match[2])}"
    match = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name)
    assert match, name
    way, block, what, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if what == "downsamplers":
        return f"input_blocks.{3 * (block + 1)}.0.op.{rest.removeprefix('conv.')}"
    if what == "upsamplers":
        return f"output_blocks.{3 * block + 2}.{2 if block in attention else 1}.{rest}"
    place = f"input_blocks.{3 * block + index + 1}" if way == "down" else f"output_blocks.{3 * block + index}"
    return f"{place}.{0 if what == 'resnets' else 1}.{_inner(what, rest)}"


def _inner(what: str, rest: str) -> str:
    if not what.startswith("resnets"):
        return rest
    layer, _, kind = rest.partition(".")
    return f"{RESNET[layer]}.{kind}"


def original_vae(weights: Weights) -> dict[str, Any]:
    """An AutoencoderKL as the original checkpoints name it; attention is made of convolutions there."""
    levels = 1 + max(int(match[1]) for name in weights if (match := re.match(r"decoder\.up_blocks\.(\d+)", name)))
    found = {}
    for name, value in weights.items():
        new = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", name)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", new)
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        new = new.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        if "mid_block.attentions.0" in new:
            new = new.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
            new = re.sub(r"\.to_([qkv])\.", r".\1.", new).replace("to_out.0", "proj_out")
            value = value.reshape(*value.shape, 1, 1) if value.dim() == 2 else value
        found[new] = value
    return found


def original_clip(weights: Weights) -> dict[str, Any]:
    """A CLIP text encoder with `text_model.` before each name, which newer libraries leave out."""
    return {name if name.startswith("text_") else f"text_model.{name}": value for name, value in weights.items()}


def original_open_clip(weights: Weights) -> dict[str, Any]:
    """A CLIPTextModelWithProjection as OpenCLIP names it: queries, keys and values in one matrix."""
    import torch

    found: dict[str, Any] = {}
    for name, value in original_clip(weights).items():
        new = name.removeprefix("text_model.").replace("encoder.layers.", "transformer.resblocks.")
        new = new.replace("layer_norm1", "ln_1").replace("layer_norm2", "ln_2").replace("final_layer_norm", "ln_final")
        new = new.replace("mlp.fc1", "mlp.c_fc").replace("mlp.fc2", "mlp.c_proj").replace("self_attn.", "attn.")
        new = new.replace("embeddings.token_embedding", "token_embedding")
        new = new.replace("embeddings.position_embedding.weight", "positional_embedding")
        if new == "text_projection.weight":
            new, value = "text_projection", value.T.contiguous()
        if match := re.match(r"(.*attn\.)([qkv])_proj\.(\w+)$", new):
            if match[2] != "q":
                continue
            parts = [weights[name.replace("q_proj", f"{each}_proj")] for each in "qkv"] if name in weights else []
            parts = parts or [
                weights[name.removeprefix("text_model.").replace("q_proj", f"{each}_proj")] for each in "qkv"
            ]
            new, value = f"{match[1]}in_proj_{match[3]}", torch.cat(parts)
        found[new] = value
    return found


def under(prefix: str, weights: Weights) -> dict[str, Any]:
    """The weights with `prefix` before each name."""
    return {f"{prefix}{name}": value for name, value in weights.items()}


HINT = {"conv_in": "0", "conv_out": "14"}


def original_controlnet(weights: Weights) -> dict[str, Any]:
    """A ControlNet for a UNet with two layers a block, as the original code names it."""
    found = {}
    for name, value in weights.items():
        stem, _, kind = name.rpartition(".")
        if match := re.match(r"controlnet_down_blocks\.(\d+)$", stem):
            new = f"zero_convs.{match[1]}.0.{kind}"
        elif stem == "controlnet_mid_block":
            new = f"middle_block_out.0.{kind}"
        elif match := re.match(r"controlnet_cond_embedding\.(?:blocks\.(\d+)|(conv_in|conv_out))$", stem):
            new = f"input_hint_block.{HINT[match[2]] if match[2] else 2 * int(match[1]) + 2}.{kind}"
        else:
            new = _unet_name(name, set())
        found[new] = value
    return under("control_model.", found)
