"""Wan 2.1 and 2.2: 1.3, 5 or 14 billion parameters (A14B: two experts of 14), sixteen frames a second, frames 4k + 1.

Source: the classes Wan{,ImageToVideo,VideoToVideo}Pipeline of diffusers 0.42 and the configurations of
Wan-AI/Wan2.1-T2V-1.3B-Diffusers, Wan2.1-I2V-14B-480P-Diffusers, Wan2.2-T2V-A14B-Diffusers and Wan2.2-TI2V-5B-Diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from engines.family import (
    Detection,
    EngineFamily,
    LatentFormat,
    Limits,
    MemoryFigures,
    Signature,
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.tiny_parts import CLIP_PICTURES, CLIP_VISION, T5_TOKENIZER, UMT5, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

WORDS = {Task.TEXT_TO_VIDEO: "WanPipeline", Task.VIDEO_TO_VIDEO: "WanVideoToVideoPipeline"}
PICTURE = {Task.IMAGE_TO_VIDEO: "WanImageToVideoPipeline", Task.EXTEND_VIDEO: "WanImageToVideoPipeline"}
TWO_PICTURES = {Task.IMAGE_TO_VIDEO: "WanImageToVideoPipeline"}
RULES = VideoRules(frame_step=4, frame_offset=1, min_frames=5, max_frames=121, decode=DecodeKind.CAUSAL)

DENOISER = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": WIDTH,
    "freq_dim": 32,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 32,
}
DECODER = {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}


def _tiny(
    pipeline_class: str,
    denoiser: Mapping[str, Any],
    parts: Mapping[str, TinyPart] = MappingProxyType({}),
    experts: int = 1,
) -> TinyProfile:
    made = TinyPart("diffusers", "WanTransformer3DModel", {**DENOISER, **denoiser})
    shared = {
        "transformer": made,
        **({"transformer_2": made} if experts == 2 else {}),
        "vae": TinyPart("diffusers", "AutoencoderKLWan", DECODER),
        "text_encoder": UMT5,
        "tokenizer": T5_TOKENIZER,
        "scheduler": TinyPart(
            "diffusers",
            "UniPCMultistepScheduler",
            {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0},
        ),
    }
    extra = {} if experts == 2 else {"transformer_2": (None, None)}
    return TinyProfile(pipeline_class, {**shared, **parts}, width=32, height=32, extra=extra)


TINY = _tiny("WanPipeline", {})
TINY_TWO = replace(_tiny("WanPipeline", {}, experts=2), extra={"boundary_ratio": 0.875})
SEES = {"image_encoder": replace(CLIP_VISION, class_name="CLIPVisionModel"), "image_processor": CLIP_PICTURES}
SEEN = {"in_channels": 36, "image_dim": WIDTH, "added_kv_proj_dim": 24}
TINY_PICTURE = _tiny("WanImageToVideoPipeline", SEEN, SEES)
# Two pictures of 17 tokens each: 16 squares and the whole.
TINY_FIRST_LAST = _tiny("WanImageToVideoPipeline", {**SEEN, "pos_embed_seq_len": 34}, SEES)
TINY_PICTURE_TWO = replace(
    _tiny("WanImageToVideoPipeline", {"in_channels": 36}, experts=2),
    extra={"boundary_ratio": 0.9, "image_encoder": (None, None), "image_processor": (None, None)},
)
# The 5B model's own decoder: 16 pixels a latent, 48 channels, four pixels of a patch in twelve channels.
TINY_BOTH = replace(
    _tiny(
        "WanPipeline",
        {"in_channels": 48, "out_channels": 48},
        {
            "vae": TinyPart(
                "diffusers",
                "AutoencoderKLWan",
                {
                    "base_dim": 4,
                    "decoder_base_dim": 4,
                    "z_dim": 48,
                    "dim_mult": [1, 1, 1, 1],
                    "num_res_blocks": 1,
                    "is_residual": True,
                    "in_channels": 12,
                    "out_channels": 12,
                    "patch_size": 2,
                    "scale_factor_spatial": 16,
                    "latents_mean": (0.0,) * 48,
                    "latents_std": (1.0,) * 48,
                },
            )
        },
    ),
    width=64,
    height=64,
    extra={"expand_timesteps": True, "transformer_2": (None, None)},
)

FROM_PICTURE = {
    "pipelines": PICTURE,
    "parts": (
        "transformer",
        "transformer_2",
        "vae",
        "text_encoder",
        "tokenizer",
        "image_encoder",
        "image_processor",
        "scheduler",
    ),
    "tiny": TINY_PICTURE,
}
# A last picture: models made for it, and 2.2, which reads pictures with its decoder's twin alone.
LAST = replace(RULES, last_image=True)

FAMILY = EngineFamily(
    id="wan",
    title="Wan",
    summary="Videos that move well, from words, a picture or a video; from 8 GB (1.3B) to 24 GB (14B) of graphics memory.",
    pipelines=WORDS,
    defaults={
        "width": 832,
        "height": 480,
        "frames": 81,
        "fps": 16,
        "steps": 40,
        "guidance": 5.0,
        "strength": 0.8,
        "sampler": "UniPC flow",
        "scheduler": "Normal",
    },
    limits=Limits(min_side=32, max_side=1280, side_multiple=16, max_pixels=1280 * 736, max_guidance=20.0, max_count=8),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*WORDS.values(), *PICTURE.values()}),
        files={
            "transformer": (
                Signature({"head.modulation": (1, 2, None), "patch_embedding.weight": (None, None, 1, 2, 2)}),
                Signature({"scale_shift_table": (1, 2, None), "patch_embedding.weight": (None, None, 1, 2, 2)}),
            ),
        },
        variants={
            "picture": Variant(
                tensors=(Signature({"patch_embedding.weight": (None, 36, 1, 2, 2)}),),
                pipeline_classes=frozenset(PICTURE.values()),
            ),
            "both": Variant(
                tensors=(Signature({"patch_embedding.weight": (None, 48, 1, 2, 2)}),),
                configs={"index": {"expand_timesteps": True}},
            ),
            "first-last": Variant(configs={"transformer": {"pos_embed_seq_len": 514}}),
            "picture-two": Variant(configs={"index": {"boundary_ratio": 0.9}}),
            "two": Variant(configs={"index": {"boundary_ratio": 0.875}}),
        },
    ),
    parts=("transformer", "transformer_2", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=16, scale=8),
    memory=MemoryFigures(
        parameters=7.1, activation_bytes_per_pixel=2_500, denoiser_bytes_per_pixel=115, pixels_per_token=1024
    ),
    tiny=TINY,
    denoiser="transformer",
    second_denoiser="transformer_2",
    optional_parts=frozenset({"transformer_2", "image_encoder", "image_processor"}),
    options=("boundary_ratio", "expand_timesteps"),
    text=TextRules(returns=(), tokens=512),
    engine="engines.pipeline.video_engine:VideoEngine",
    changes={
        "picture": FROM_PICTURE,
        "first-last": {
            **FROM_PICTURE,
            "pipelines": TWO_PICTURES,
            "video": replace(LAST, needs_last_image=True),
            "tiny": TINY_FIRST_LAST,
        },
        "picture-two": {**FROM_PICTURE, "defaults": {"guidance": 3.5}, "video": LAST, "tiny": TINY_PICTURE_TWO},
        "both": {
            "pipelines": {Task.TEXT_TO_VIDEO: "WanPipeline", **PICTURE},
            "defaults": {"width": 1280, "height": 704, "fps": 24, "frames": 121},
            "limits": Limits(
                min_side=64, max_side=1280, side_multiple=32, max_pixels=1280 * 736, max_guidance=20.0, max_count=8
            ),
            "latent": LatentFormat(channels=48, scale=16),
            "tiny": TINY_BOTH,
        },
        "two": {"pipelines": {Task.TEXT_TO_VIDEO: "WanPipeline"}, "defaults": {"guidance": 4.0}, "tiny": TINY_TWO},
    },
    video=RULES,
)
