"""HunyuanVideo 1.5: 8.3 billion parameters, 480p or 720p, frames 4k + 1 at 24 a second.

Source: the classes HunyuanVideo15{,ImageToVideo}Pipeline of diffusers 0.42 and the configuration of
hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v.
"""

from __future__ import annotations

from engines.family import (
    Detection,
    EngineFamily,
    Guidance,
    LatentFormat,
    Limits,
    MemoryFigures,
    Signature,
    SingleFile,
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.tiny_parts import QWEN_TEXT, SIGLIP, SIGLIP_PICTURES, T5, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

WORDS = {Task.TEXT_TO_VIDEO: "HunyuanVideo15Pipeline"}
PICTURE = dict.fromkeys((Task.IMAGE_TO_VIDEO, Task.EXTEND_VIDEO), "HunyuanVideo15ImageToVideoPipeline")
PARTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "guider", "scheduler")


def _tiny(pipeline_class: str, task: str, **parts: TinyPart) -> TinyProfile:
    shared = {
        "transformer": TinyPart(
            "diffusers",
            "HunyuanVideo15Transformer3DModel",
            {
                "in_channels": 9,
                "out_channels": 4,
                "num_attention_heads": 2,
                "attention_head_dim": 8,
                "num_layers": 2,
                "num_refiner_layers": 1,
                "mlp_ratio": 2.0,
                "text_embed_dim": WIDTH,
                "text_embed_2_dim": WIDTH,
                "image_embed_dim": WIDTH,
                "rope_axes_dim": (2, 2, 4),
                "target_size": 64,
                "task_type": task,
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLHunyuanVideo15",
            {
                "latent_channels": 4,
                "block_out_channels": (16, 16, 16, 16, 16),
                "layers_per_block": 1,
                "downsample_match_channel": False,
                "upsample_match_channel": False,
            },
        ),
        "text_encoder": QWEN_TEXT,
        "text_encoder_2": T5,
        "tokenizer": TinyPart("transformers", "Qwen2TokenizerFast"),
        "tokenizer_2": TinyPart("transformers", "ByT5Tokenizer"),
        "guider": TinyPart("diffusers", "ClassifierFreeGuidance", {"guidance_scale": 6.0}),
        "scheduler": TinyPart("diffusers", "FlowMatchEulerDiscreteScheduler", {"shift": 5.0}),
    }
    return TinyProfile(pipeline_class, {**shared, **parts}, width=64, height=64)


FAMILY = EngineFamily(
    id="hunyuan-video15",
    title="HunyuanVideo 1.5",
    summary="Five detailed seconds; wants 16 GB of graphics memory. Not for the EU, UK and Korea by its licence.",
    pipelines=WORDS,
    defaults={
        "width": 848,
        "height": 480,
        "frames": 121,
        "fps": 24,
        "steps": 50,
        "guidance": 6.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
    },
    limits=Limits(min_side=32, max_side=1280, side_multiple=16, max_pixels=1280 * 736, max_guidance=20.0, max_count=8),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*WORDS.values(), *PICTURE.values()}),
        files={
            "transformer": (
                Signature({"byt5_in.layernorm.weight": (1472,), "img_in.proj.weight": ()}),
                Signature({"context_embedder_2.norm.weight": (1472,)}),
            ),
        },
        variants={"picture": Variant(pipeline_classes=frozenset(PICTURE.values()))},
    ),
    parts=PARTS,
    latent=LatentFormat(channels=32, scale=16),
    accelerators=frozenset(),  # OpenVINO's answer is no number; compile was not tried
    memory=MemoryFigures(
        parameters=16.5, activation_bytes_per_pixel=1_796, denoiser_bytes_per_pixel=113, pixels_per_token=1024
    ),
    tiny=_tiny("HunyuanVideo15Pipeline", "t2v"),
    denoiser="transformer",
    text=TextRules(returns=(), tokens=1000),
    engine="engines.pipeline.video_engine:VideoEngine",
    guidance=Guidance(argument=None),  # its guider is told: see the engine
    changes={
        "picture": {
            "pipelines": PICTURE,
            "parts": (*PARTS, "image_encoder", "feature_extractor"),
            "tiny": _tiny(
                "HunyuanVideo15ImageToVideoPipeline", "i2v", image_encoder=SIGLIP, feature_extractor=SIGLIP_PICTURES
            ),
        }
    },
    video=VideoRules(frame_step=4, frame_offset=1, min_frames=5, max_frames=241, decode=DecodeKind.WINDOWS),
    single_file=SingleFile(
        tokenizers={"tokenizer": "qwen2.5-vl", "tokenizer_2": "byt5", "feature_extractor": "siglip-eyes"},
        unreadable=(Signature({"byt5_in.layernorm.weight": ()}),),
    ),
)
