"""AnimateDiff: Stable Diffusion 1.5 with a motion adapter; 512 pixels, sixteen frames at eight a second.

Source: the classes AnimateDiff{,VideoToVideo}Pipeline of diffusers 0.42 and guoyww/animatediff-motion-adapter-v1-5-3.
"""

from __future__ import annotations

from engines.accelerators import Accelerator
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
)
from engines.samplers import ALL_SCHEDULES, NOISE_SAMPLERS
from engines.tiny_parts import CLIP_TEXT, CLIP_TOKENIZER, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

PIPELINES = {Task.TEXT_TO_VIDEO: "AnimateDiffPipeline", Task.VIDEO_TO_VIDEO: "AnimateDiffVideoToVideoPipeline"}

TINY = TinyProfile(
    pipeline_class="AnimateDiffPipeline",
    width=64,
    height=64,
    parts={
        "unet": TinyPart(
            "diffusers",
            "UNet2DConditionModel",
            {
                "sample_size": 8,
                "block_out_channels": (8, 8),
                "layers_per_block": 1,
                "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
                "attention_head_dim": 4,
                "norm_num_groups": 4,
                "cross_attention_dim": WIDTH,
            },
        ),
        "motion_adapter": TinyPart(
            "diffusers",
            "MotionAdapter",
            {
                "block_out_channels": (8, 8),
                "motion_layers_per_block": 1,
                "motion_mid_block_layers_per_block": 1,
                "motion_num_attention_heads": 2,
                "motion_norm_num_groups": 4,
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKL",
            {
                "block_out_channels": (8, 8, 8, 8),
                "norm_num_groups": 4,
                "down_block_types": ("DownEncoderBlock2D",) * 4,
                "up_block_types": ("UpDecoderBlock2D",) * 4,
                "latent_channels": 4,
                "sample_size": 64,
            },
        ),
        "text_encoder": CLIP_TEXT,
        "tokenizer": CLIP_TOKENIZER,
        "scheduler": TinyPart(
            "diffusers",
            "DDIMScheduler",
            {
                "beta_start": 0.00085,
                "beta_end": 0.012,
                "beta_schedule": "linear",
                "clip_sample": False,
                "steps_offset": 1,
            },
        ),
    },
    extra={"feature_extractor": (None, None), "image_encoder": (None, None)},
)

FAMILY = EngineFamily(
    id="animatediff",
    title="AnimateDiff",
    summary="Short loops in the style of any Stable Diffusion 1.5 model; runs on 8 GB of graphics memory.",
    pipelines=PIPELINES,
    defaults={
        "width": 512,
        "height": 512,
        "frames": 16,
        "fps": 8,
        "steps": 25,
        "guidance": 7.5,
        "strength": 0.8,
        "sampler": "DDIM",
        "scheduler": "Normal",
    },
    limits=Limits(min_side=64, max_side=1024, side_multiple=8, max_pixels=768 * 768, max_count=8, max_clip_skip=12),
    samplers=NOISE_SAMPLERS,
    schedulers=ALL_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset(PIPELINES.values()),
        files={
            "motion": (
                Signature({"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (320,)}),
                Signature({"down_blocks.0.motion_modules.0.norm.weight": (320,)}),
            ),
        },
    ),
    parts=("unet", "motion_adapter", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=4, scale=8),
    accelerators=frozenset({Accelerator.OPENVINO}),  # its class names no repeated blocks
    memory=MemoryFigures(
        parameters=1.5,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=261,
        pixels_per_token=560,
    ),
    tiny=TINY,
    denoiser="unet",
    text=TextRules(returns=(), tokens=75),
    engine="engines.pipeline.video_engine:VideoEngine",
    video=VideoRules(frame_step=1, frame_offset=0, min_frames=2, max_frames=32, decode=DecodeKind.FRAMES),
)
