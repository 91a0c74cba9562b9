"""Shapes that the tiny models of several families share: small numbers, real topology."""

from __future__ import annotations

from typing import Any

from engines.family import TinyPart

T5_TOKENS, GEMMA_TOKENS, QWEN_TOKENS = 98, 100, 263  # as `engines.tiny_text` makes their tokenizers; a test compares


def kl_vae(latent_channels: int, **more: Any) -> TinyPart:
    """An `AutoencoderKL` with four levels, which is 8 pixels a latent."""
    config = {
        "block_out_channels": (8, 16, 32, 32),
        "norm_num_groups": 8,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": latent_channels,
        "sample_size": 64,
    }
    return TinyPart("diffusers", "AutoencoderKL", {**config, **more})


def flux_vae() -> TinyPart:
    """The decoder that FLUX.1, Chroma, Z-Image and Lumina 2 share: 16 channels, no convolutions beside it."""
    return kl_vae(16, scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False)


def clip_text(class_name: str = "CLIPTextModel", layers: int = 2, **more: Any) -> TinyPart:
    """A CLIP text encoder of width 32."""
    config = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "projection_dim": 32,
    }
    return TinyPart("transformers", class_name, {**config, **more})


def t5_text(width: int) -> TinyPart:
    """A T5 encoder; version 1.1, as the families use it, gates its layers."""
    config = {
        "d_model": width,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
    }
    return TinyPart("transformers", "T5EncoderModel", config)


def gemma_text(width: int = 8) -> TinyPart:
    """A Gemma 2 language model."""
    config = {
        "hidden_size": width,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 4,
    }
    return TinyPart("transformers", "Gemma2Model", config)


def qwen3_text(class_name: str, layers: int, width: int = 16) -> TinyPart:
    """A Qwen 3 language model."""
    config = {
        "hidden_size": width,
        "intermediate_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 2048,
    }
    return TinyPart("transformers", class_name, config)


def flow_scheduler(**config: Any) -> TinyPart:
    """The scheduler that flow models come with."""
    return TinyPart("diffusers", "FlowMatchEulerDiscreteScheduler", {"num_train_timesteps": 1000, **config})


# As FLUX.1 and its kin have it: the shift grows with the number of latents.
GROWING_SHIFT = {
    "shift": 3.0,
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}

CLIP_TOKENIZER = TinyPart("transformers", "CLIPTokenizer")
T5_TOKENIZER = TinyPart("transformers", "T5TokenizerFast")
GEMMA_TOKENIZER = TinyPart("transformers", "GemmaTokenizerFast")
QWEN_TOKENIZER = TinyPart("transformers", "Qwen2Tokenizer")
