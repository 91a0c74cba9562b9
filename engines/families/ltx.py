"""LTX-Video: 1.9 or 13 billion parameters, the quickest of the video models; sides of 32, frames 8k + 1.

Source: the classes LTXPipeline, LTXImageToVideoPipeline and LTXConditionPipeline of diffusers 0.42 and the configuration of
Lightricks/LTX-Video.
"""

from __future__ import annotations

from dataclasses import replace

from engines.family import (
    Detection,
    EngineFamily,
    Guidance,
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
from engines.signatures import T5_XXL
from engines.tiny_parts import T5, T5_TOKENIZER, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

PIPELINES = {
    Task.TEXT_TO_VIDEO: "LTXPipeline",
    Task.IMAGE_TO_VIDEO: "LTXImageToVideoPipeline",
    Task.EXTEND_VIDEO: "LTXImageToVideoPipeline",
}
# From 0.9.5 on the models were trained with frames given anywhere: a last picture, the end of another video.
CONDITIONS = dict.fromkeys((Task.TEXT_TO_VIDEO, Task.IMAGE_TO_VIDEO, Task.EXTEND_VIDEO), "LTXConditionPipeline")
RULES = VideoRules(
    frame_step=8, frame_offset=1, min_frames=9, max_frames=257, decode=DecodeKind.WINDOWS, knows_fps=True
)

TINY = TinyProfile(
    pipeline_class="LTXPipeline",
    width=64,
    height=64,
    parts={
        "transformer": TinyPart(
            "diffusers",
            "LTXVideoTransformer3DModel",
            {
                "in_channels": 8,
                "out_channels": 8,
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "cross_attention_dim": 32,
                "num_layers": 2,
                "caption_channels": WIDTH,
            },
        ),
        # The real ratios, 32 pixels and 8 frames a latent, with few channels.
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLLTXVideo",
            {
                "latent_channels": 8,
                "block_out_channels": (8, 8, 8, 8),
                "decoder_block_out_channels": (8, 8, 8, 8),
                "layers_per_block": (1, 1, 1, 1, 1),
                "decoder_layers_per_block": (1, 1, 1, 1, 1),
            },
        ),
        "text_encoder": T5,
        "tokenizer": T5_TOKENIZER,
        "scheduler": TinyPart(
            "diffusers",
            "FlowMatchEulerDiscreteScheduler",
            {
                "use_dynamic_shifting": True,
                "base_shift": 0.95,
                "max_shift": 2.05,
                "base_image_seq_len": 1024,
                "max_image_seq_len": 4096,
                "shift_terminal": 0.1,
            },
        ),
    },
)

TINY_CONDITIONS = replace(
    TINY,
    pipeline_class="LTXConditionPipeline",
    parts={**TINY.parts, "scheduler": TinyPart("diffusers", "FlowMatchEulerDiscreteScheduler")},
)

# Versions of single files; the configurations in resources are those of 0.9. Later decoders know the noise level, and from
# 0.9.5 on they have another encoder. 13B comes with the latest one. Source: diffusers' `scripts/convert_ltx_to_diffusers.py`.
LATER = {
    "decoder_block_out_channels": [256, 512, 1024],
    "decoder_spatio_temporal_scaling": [True, True, True],
    "upsample_residual": [True, True, True],
    "upsample_factor": [2, 2, 2],
    "timestep_conditioning": True,
}
DECODER_091 = {**LATER, "decoder_layers_per_block": [5, 6, 7, 8], "decoder_inject_noise": [True, True, True, False]}
DECODER_095 = {
    **LATER,
    "block_out_channels": [128, 256, 512, 1024, 2048],
    "down_block_types": ["LTXVideo095DownBlock3D"] * 4,
    "layers_per_block": [4, 6, 6, 2, 2],
    "decoder_layers_per_block": [5, 5, 5, 5],
    "spatio_temporal_scaling": [True, True, True, True],
    "decoder_inject_noise": [False, False, False, False],
    "downsample_type": ["spatial", "temporal", "spatiotemporal", "spatiotemporal"],
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
STEADY = {"use_dynamic_shifting": False, "shift_terminal": None}
LARGE = {"attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48}
SIZES = (
    Size(
        Signature({"transformer_blocks.47.scale_shift_table": (6, 4096)}),
        {"transformer": LARGE, "vae": DECODER_095, "scheduler": STEADY},
    ),
    Size(
        Signature({"vae.encoder.conv_out.conv.weight": (None, 2048, 3, 3, 3)}),
        {"vae": DECODER_095, "scheduler": STEADY},
    ),
    Size(
        Signature({"vae.decoder.last_time_embedder.timestep_embedder.linear_1.weight": ()}),
        {"vae": DECODER_091},
    ),
)

FAMILY = EngineFamily(
    id="ltx",
    title="LTX-Video",
    summary="Quick short videos from words or a picture; the small model wants 8 GB of graphics memory.",
    pipelines=PIPELINES,
    defaults={
        "width": 704,
        "height": 512,
        "frames": 97,
        "fps": 24,
        "steps": 40,
        "guidance": 3.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "negative_prompt": "worst quality, inconsistent motion, blurry, jittery, distorted",
    },
    limits=Limits(min_side=64, max_side=1280, side_multiple=32, max_pixels=1280 * 736, max_guidance=15.0, max_count=8),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*PIPELINES.values(), "LTXConditionPipeline"}),
        files={
            "transformer": (
                Signature(
                    {"transformer_blocks.*.scale_shift_table": (6, None), "patchify_proj.weight": (None, 128)},
                    lacks=("audio_patchify_proj.*",),
                ),
                Signature(
                    {"transformer_blocks.*.scale_shift_table": (6, None), "proj_in.weight": (None, 128)},
                    lacks=("audio_proj_in.*",),
                ),
            ),
            "text_encoder": (T5_XXL,),
        },
        prefixes={"vae": ("vae.",)},
        variants={
            "conditions": Variant(pipeline_classes=frozenset({"LTXConditionPipeline"})),
            "distilled": Variant(metadata={"modelspec.title": "*distilled*"}),
        },
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=128, scale=32),
    memory=MemoryFigures(
        parameters=6.9, activation_bytes_per_pixel=120, denoiser_bytes_per_pixel=9, pixels_per_token=8192
    ),
    tiny=TINY,
    denoiser="transformer",
    cache="first-block",
    guidance=Guidance(together=True),
    text=TextRules(returns=(), tokens=128),
    engine="engines.pipeline.video_engine:VideoEngine",
    call_arguments={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
    changes={
        "conditions": {
            "pipelines": CONDITIONS,
            # Tokens have noise levels of their own, which no other sampler is told.
            "samplers": ("Euler flow",),
            "schedulers": ("Normal",),
            "video": replace(RULES, last_image=True, goes_on_from=17),
            "tiny": TINY_CONDITIONS,
        },
        "distilled": {"defaults": {"steps": 8, "guidance": 1.0}},
    },
    video=RULES,
    single_file=SingleFile(tokenizers={"tokenizer": "t5"}, sizes=SIZES),
)
