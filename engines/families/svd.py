"""Stable Video Diffusion: 1.5 billion parameters, sets a picture in motion; 1024 x 576, 14 or 25 frames, no words.

Source: the class StableVideoDiffusionPipeline of diffusers 0.42 and the configuration of
stabilityai/stable-video-diffusion-img2vid-xt.
"""

from __future__ import annotations

from dataclasses import replace

from engines.accelerators import Accelerator
from engines.family import (
    Detection,
    EngineFamily,
    Guidance,
    LatentFormat,
    Limits,
    MemoryFigures,
    Signature,
    TextRules,
    TinyPart,
    TinyProfile,
)
from engines.tiny_parts import CLIP_PICTURES, CLIP_VISION, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

PIPELINES: dict[Task, str] = dict.fromkeys((Task.IMAGE_TO_VIDEO, Task.EXTEND_VIDEO), "StableVideoDiffusionPipeline")

# The pipeline shows its encoder pictures of 224 pixels, and the temporal decoder has norms of 32 groups.
TINY = TinyProfile(
    pipeline_class="StableVideoDiffusionPipeline",
    width=64,
    height=64,
    parts={
        "unet": TinyPart(
            "diffusers",
            "UNetSpatioTemporalConditionModel",
            {
                "sample_size": 8,
                "block_out_channels": (32, 64),
                "layers_per_block": 1,
                "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
                "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
                "cross_attention_dim": WIDTH,
                "num_attention_heads": 4,
                "projection_class_embeddings_input_dim": 96,
                "addition_time_embed_dim": 32,
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLTemporalDecoder",
            {"block_out_channels": (32, 32, 32, 32), "down_block_types": ("DownEncoderBlock2D",) * 4},
        ),
        "image_encoder": replace(CLIP_VISION, config={**CLIP_VISION.config, "image_size": 224, "patch_size": 32}),
        "feature_extractor": replace(
            CLIP_PICTURES, config={"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
        ),
        "scheduler": TinyPart(
            "diffusers",
            "EulerDiscreteScheduler",
            {
                "beta_start": 0.00085,
                "beta_end": 0.012,
                "beta_schedule": "scaled_linear",
                "prediction_type": "v_prediction",
                "sigma_max": 700.0,
                "sigma_min": 0.002,
                "timestep_type": "continuous",
                "use_karras_sigmas": True,
                "steps_offset": 1,
                "timestep_spacing": "leading",
            },
        ),
    },
)

FAMILY = EngineFamily(
    id="svd",
    title="Stable Video Diffusion",
    summary="Sets a picture in motion for two to four seconds, without words; wants 12 GB of graphics memory.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 576,
        "frames": 25,
        "fps": 7,
        "motion": 127,
        "steps": 25,
        "guidance": 3.0,
        "sampler": "Euler EDM",
        "scheduler": "Karras",
    },
    limits=Limits(min_side=64, max_side=1024, side_multiple=64, max_pixels=1024 * 576, max_guidance=10.0, max_count=8),
    samplers=("Euler EDM",),
    schedulers=("Karras",),
    detection=Detection(
        pipeline_classes=frozenset(PIPELINES.values()),
        files={
            "unet": (
                Signature({"input_blocks.0.0.weight": (320, 8, 3, 3), "input_blocks.1.0.time_mixer.mix_factor": (1,)}),
                Signature({"conv_in.weight": (320, 8, 3, 3), "down_blocks.0.resnets.0.time_mixer.mix_factor": (1,)}),
            ),
        },
        prefixes={"vae": ("first_stage_model.",), "image_encoder": ("conditioner.embedders.0.open_clip.",)},
    ),
    parts=("unet", "vae", "image_encoder", "feature_extractor", "scheduler"),
    latent=LatentFormat(channels=4, scale=8),
    accelerators=frozenset({Accelerator.OPENVINO}),  # its class names no repeated blocks
    memory=MemoryFigures(
        parameters=2.3, activation_bytes_per_pixel=1_700, denoiser_bytes_per_pixel=261, pixels_per_token=560
    ),
    tiny=TINY,
    denoiser="unet",
    text=TextRules(returns=(), tokens=0),
    engine="engines.pipeline.video_engine:VideoEngine",
    guidance=Guidance(argument="max_guidance_scale"),
    sampler_overrides={
        "sigma_min": 0.002,
        "sigma_max": 700.0,
        "timestep_type": "continuous",
        "use_karras_sigmas": True,
        "timestep_spacing": "leading",
        "steps_offset": 1,
        "prediction_type": "v_prediction",
    },
    video=VideoRules(
        frame_step=1, frame_offset=0, min_frames=2, max_frames=25, decode=DecodeKind.FRAMES, knows_fps=True, motion=True
    ),
)
