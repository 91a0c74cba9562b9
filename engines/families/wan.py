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
    SingleFile,
    Size,
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.signatures import UMT5_XXL, WAN_VAE
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
# Two pictures of 257 tokens each, by which the model is known: 16 x 16 squares and the whole.
SEES_FINELY = {
    "image_encoder": replace(SEES["image_encoder"], config={**CLIP_VISION.config, "image_size": 224, "patch_size": 14}),
    "image_processor": replace(
        CLIP_PICTURES, config={"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
    ),
}
TINY_FIRST_LAST = _tiny("WanImageToVideoPipeline", {**SEEN, "pos_embed_seq_len": 514}, SEES_FINELY)
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
    "optional_parts": frozenset({"transformer_2"}),
    "tiny": TINY_PICTURE,
}
# Sizes of single files, whose configurations in resources are those of the 1.3B: 14B is told by its width.
WIDE = {"num_attention_heads": 40, "num_layers": 40, "ffn_dim": 13824}
SIZES = (Size(Signature({"patch_embedding.weight": (5120, None, 1, 2, 2)}), {"transformer": WIDE}),)
SEEING = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
SEEING_INDEX = {
    "_class_name": "WanImageToVideoPipeline",
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
    "image_processor": ["transformers", "CLIPImageProcessor"],
}
TWO_INDEX = {
    "_class_name": "WanImageToVideoPipeline",
    "transformer_2": ["diffusers", "WanTransformer3DModel"],
    "boundary_ratio": 0.9,
}
# The 5B model and its decoder; the latents' means and deviations are those of its published configuration.
BOTH_SIZE = {"num_attention_heads": 24, "num_layers": 30, "ffn_dim": 14336, "in_channels": 48, "out_channels": 48}
# fmt: off
BOTH_MEANS = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.157, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.123, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.052, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
# fmt: on
# fmt: off
BOTH_DEVIATIONS = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.499, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.06, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on
BOTH_DECODER = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": list(BOTH_MEANS),
    "latents_std": list(BOTH_DEVIATIONS),
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
            "vae": WAN_VAE,
            "vae@both": (Signature({"decoder.conv_in.weight": (None, 48, 3, 3, 3)}),),
            "text_encoder": (UMT5_XXL,),
            "image_encoder": (Signature({"vision_model.encoder.layers.31.mlp.fc1.weight": (5120, 1280)}),),
            "lora": (
                Signature({"blocks_*_cross_attn_k": (None, 5120)}),
                Signature({"blocks_*_cross_attn_k": (None, 1536)}),
                Signature({"blocks_*_attn2_to_k": (None, 5120)}),
                Signature({"blocks_*_attn2_to_k": (None, 1536)}),
            ),
        },
        variants={
            "picture": Variant(
                tensors=(
                    Signature({"patch_embedding.weight": (None, 36, 1, 2, 2), "img_emb.proj.1.weight": ()}),
                    Signature({"patch_embedding.weight": (None, 36, 1, 2, 2), "blocks.0.attn2.add_k_proj.weight": ()}),
                ),
                pipeline_classes=frozenset(PICTURE.values()),
                settings={"index": SEEING_INDEX, "transformer": SEEING},
            ),
            "both": Variant(
                tensors=(Signature({"patch_embedding.weight": (None, 48, 1, 2, 2)}),),
                configs={"index": {"expand_timesteps": True}},
                settings={"transformer": BOTH_SIZE, "vae": BOTH_DECODER, "scheduler": {"flow_shift": 5.0}},
            ),
            "first-last": Variant(
                tensors=(
                    Signature({"img_emb.emb_pos": ()}),
                    Signature({"condition_embedder.image_embedder.pos_embed": ()}),
                ),
                configs={"transformer": {"pos_embed_seq_len": 514}},
                settings={"scheduler": {"flow_shift": 16.0}},
            ),
            # Two experts of one shape: a file is one of them, and the other is the part that it lacks.
            "picture-two": Variant(
                tensors=(
                    Signature(
                        {"patch_embedding.weight": (None, 36, 1, 2, 2)}, lacks=("img_emb.*", "*.add_k_proj.weight")
                    ),
                ),
                configs={"index": {"boundary_ratio": 0.9}},
                settings={"index": TWO_INDEX, "transformer": {"in_channels": 36}},
            ),
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
    cache="first-block",
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
        "picture-two": {
            **FROM_PICTURE,
            "optional_parts": frozenset({"image_encoder", "image_processor"}),
            "defaults": {"guidance": 3.5},
            "video": LAST,
            "tiny": TINY_PICTURE_TWO,
        },
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
    single_file=SingleFile(
        tokenizers={"tokenizer": "umt5"},
        sizes=SIZES,
        # First and last picture: its readers do not know where its positions go.
        unreadable=(Signature({"img_emb.emb_pos": ()}),),
    ),
)
