"""CLIP's eye: a picture as numbers, by a picture encoder's file alone. It is let go again: the numbers are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engines import media
from engines.errors import UserError
from engines.layout import align

if TYPE_CHECKING:
    from PIL.Image import Image

# What CLIP was trained with. Source: OpenAI's CLIP, `clip/clip.py`.
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# Heads and activation by width: ViT-L, ViT-H, ViT-bigG. Everything else stands in the shapes.
KNOWN = {1024: (16, "quick_gelu"), 1280: (16, "gelu"), 1664: (16, "gelu")}
FIELDS = ("num_attention_heads", "hidden_act", "layer_norm_eps")  # of a config.json beside the file


@torch.inference_mode()
def encode_picture(name: str, path: Path, picture: Image, whole: bool, device: str, dtype: Any) -> torch.Tensor:
    """[2, 1, width], or [2, 1, places, width] of the last layer but one when `whole`: nothing first, then the picture.

    Raises `UserError("ip-encoder-broken")`.
    """
    encoder = load_encoder(name, path, device, dtype)
    pixels = pixels_of(picture, encoder.config.image_size).to(device, dtype)
    if not whole:
        seen = encoder(pixels).image_embeds[:, None]
        return torch.cat([torch.zeros_like(seen), seen])
    both = torch.cat([torch.zeros_like(pixels), pixels])
    return encoder(both, output_hidden_states=True).hidden_states[-2][:, None]


def load_encoder(name: str, path: Path, device: str, dtype: Any) -> Any:
    """The encoder of a safetensors file, as its shapes and, if there is one, the config.json beside it say."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    try:
        tensors = load_file(path)
        with torch.device("meta"):
            model: Any = CLIPVisionModelWithProjection(CLIPVisionConfig(**_config(tensors, path)))
        model.load_state_dict(
            {key: tensor.to(dtype) for key, tensor in tensors.items() if "position_ids" not in key}, assign=True
        )
    except (SafetensorError, ValueError, KeyError, RuntimeError, OSError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:300]
        raise UserError("ip-encoder-broken", name=name, file=path.name, why=why) from error
    places = model.vision_model.embeddings.position_embedding.num_embeddings
    model.vision_model.embeddings.position_ids = torch.arange(places)[None]
    return align(model.to(device).eval().requires_grad_(False))


def _config(tensors: dict[str, torch.Tensor], path: Path) -> dict[str, Any]:
    patch = tensors["vision_model.embeddings.patch_embedding.weight"]
    grid = round((tensors["vision_model.embeddings.position_embedding.weight"].shape[0] - 1) ** 0.5)
    width = patch.shape[0]
    heads, activation = KNOWN.get(width, (max(1, width // 64), "quick_gelu"))
    layers = {key.split(".")[3] for key in tensors if key.startswith("vision_model.encoder.layers.")}
    config = {
        "hidden_size": width,
        "intermediate_size": tensors["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": len(layers),
        "num_attention_heads": heads,
        "hidden_act": activation,
        "patch_size": patch.shape[-1],
        "image_size": grid * patch.shape[-1],
        "projection_dim": tensors["visual_projection.weight"].shape[0],
    }
    return config | _said(path.with_name("config.json"))


def _said(path: Path) -> dict[str, Any]:
    """What the file beside it says of things that no shape tells."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {field: data[field] for field in FIELDS if isinstance(data.get(field), int | float | str)}
    except (OSError, ValueError, AttributeError):
        return {}


def pixels_of(picture: Image, side: int) -> torch.Tensor:
    """[1, 3, side, side]: the middle of the picture, as CLIP wants its numbers."""
    values = np.asarray(media.fit(picture, (side, side), "BICUBIC"), dtype=np.float32) / 255
    values = (values - np.array(MEAN, dtype=np.float32)) / np.array(DEVIATION, dtype=np.float32)
    return torch.from_numpy(values).permute(2, 0, 1)[None]
