"""CogVideoX: 2 or 5 billion parameters, 720 x 480 at eight frames a second, frames 4k + 1.

Source: the classes CogVideoX{,ImageToVideo,VideoToVideo}Pipeline of diffusers 0.42 and the configurations of
THUDM/CogVideoX-2b, CogVideoX-5b and CogVideoX-5b-I2V.
"""

from __future__ import annotations

from engines.accelerators import Accelerator
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
from engines.signatures import T5_XXL
from engines.tiny_parts import T5, T5_TOKENIZER, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

WORDS = {Task.TEXT_TO_VIDEO: "CogVideoXPipeline", Task.VIDEO_TO_VIDEO: "CogVideoXVideoToVideoPipeline"}
PICTURE = dict.fromkeys((Task.IMAGE_TO_VIDEO, Task.EXTEND_VIDEO), "CogVideoXImageToVideoPipeline")


def _tiny(pipeline_class: str, in_channels: int) -> TinyProfile:
    parts = {
        "transformer": TinyPart(
            "diffusers",
            "CogVideoXTransformer3DModel",
            {
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "in_channels": in_channels,
                "out_channels": 4,
                "time_embed_dim": 4,
                "text_embed_dim": WIDTH,
                "num_layers": 2,
                "sample_width": 4,
                "sample_height": 4,
                "sample_frames": 17,
                "use_rotary_positional_embeddings": True,
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLCogVideoX",
            {
                "block_out_channels": (8, 8, 8, 8),
                "latent_channels": 4,
                "layers_per_block": 1,
                "norm_num_groups": 2,
                "sample_height": 32,
                "sample_width": 32,
            },
        ),
        "text_encoder": T5,
        "tokenizer": T5_TOKENIZER,
        "scheduler": TinyPart(
            "diffusers",
            "CogVideoXDDIMScheduler",
            {
                "prediction_type": "v_prediction",
                "rescale_betas_zero_snr": True,
                "snr_shift_scale": 3.0,
                "timestep_spacing": "trailing",
                "clip_sample": False,
            },
        ),
    }
    return TinyProfile(pipeline_class, parts, width=32, height=32)


# Sizes of single files; the configurations in resources are those of 2B. Source: diffusers' `convert_cogvideox_to_diffusers.py`
# and the published configurations of 5B, 5B-I2V and of 1.5.
LARGE = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}
SEEING = {**LARGE, "in_channels": 32, "use_learned_positional_embeddings": True}
NEWER = {
    **LARGE,
    "patch_size_t": 2,
    "patch_bias": False,
    "sample_height": 300,
    "sample_width": 300,
    "sample_frames": 81,
}
NEWER_SEEING = {**NEWER, "in_channels": 32, "ofs_embed_dim": 512}
REST = {"vae": {"scaling_factor": 0.7}, "scheduler": {"snr_shift_scale": 1.0}}
NEWER_REST = {**REST, "vae": {"scaling_factor": 0.7, "invert_scale_latents": True}}
SIZES = (
    Size(Signature({"patch_embed.proj.weight": (None, 256)}), {"transformer": NEWER_SEEING, **NEWER_REST}),
    Size(Signature({"patch_embed.proj.weight": (None, 128)}), {"transformer": NEWER, **NEWER_REST}),
    Size(Signature({"patch_embed.proj.weight": (None, 32, 2, 2)}), {"transformer": SEEING, **REST}),
    Size(Signature({"transformer_blocks.41.norm1.linear.weight": (None, 512)}), {"transformer": LARGE, **REST}),
)

FAMILY = EngineFamily(
    id="cogvideox",
    title="CogVideoX",
    summary="Six seconds that follow the words closely; the 2B model wants 12 GB of graphics memory.",
    pipelines=WORDS,
    defaults={
        "width": 720,
        "height": 480,
        "frames": 49,
        "fps": 8,
        "steps": 50,
        "guidance": 6.0,
        "strength": 0.8,
        "sampler": "DDIM shifted",
        "scheduler": "Normal",
    },
    limits=Limits(min_side=32, max_side=1360, side_multiple=16, max_pixels=1360 * 768, max_guidance=20.0, max_count=8),
    samplers=("DDIM shifted",),
    schedulers=("Normal",),
    detection=Detection(
        pipeline_classes=frozenset({*WORDS.values(), *PICTURE.values()}),
        files={
            "transformer": (
                Signature(
                    {
                        "transformer_blocks.*.norm1.linear.weight": (None, 512),
                        "patch_embed.text_proj.weight": (None, 4096),
                    }
                ),
            ),
            "text_encoder": (T5_XXL,),
        },
        variants={
            "picture": Variant(
                tensors=(
                    Signature({"patch_embed.proj.weight": (None, 32, 2, 2)}),
                    Signature({"patch_embed.proj.weight": (None, 256)}),
                ),
                pipeline_classes=frozenset(PICTURE.values()),
                settings={"index": {"_class_name": "CogVideoXImageToVideoPipeline"}},
            )
        },
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=16, scale=8),
    accelerators=frozenset({Accelerator.OPENVINO}),  # its class names no repeated blocks
    memory=MemoryFigures(
        parameters=6.6, activation_bytes_per_pixel=11_400, denoiser_bytes_per_pixel=49, pixels_per_token=1024
    ),
    tiny=_tiny("CogVideoXPipeline", 4),
    denoiser="transformer",
    cache="first-block",
    guidance=Guidance(together=True),
    text=TextRules(returns=(), tokens=226),
    engine="engines.pipeline.video_engine:VideoEngine",
    # What the models were trained with, whatever the saved scheduler is.
    sampler_overrides={"timestep_spacing": "trailing", "set_alpha_to_one": True, "steps_offset": 0},
    changes={"picture": {"pipelines": PICTURE, "tiny": _tiny("CogVideoXImageToVideoPipeline", 8)}},
    video=VideoRules(frame_step=4, frame_offset=1, min_frames=5, max_frames=81, decode=DecodeKind.CAUSAL),
    single_file=SingleFile(tokenizers={"tokenizer": "t5"}, sizes=SIZES),
)
