"""Sana: a linear-attention transformer of 0.6 to 1.6 billion parameters over latents of 32 pixels; Gemma 2 reads the words.

Sprint was distilled to one to four steps of the TrigFlow kind and has its own sampler; it can start from a picture. The
instruction before the prompt asks the language model to enrich short ones, as the pipelines do it.
Source: the classes Sana{,Sprint,SprintImg2Img}Pipeline and the configurations of Sana_1600M_1024px and Sana_Sprint_1.6B.
"""

from __future__ import annotations

from typing import Any

from engines.accelerators import Accelerator
from engines.detection import ANY
from engines.family import (
    Detection,
    EngineFamily,
    Guidance,
    GuidanceKind,
    LatentFormat,
    Limits,
    MemoryFigures,
    Negative,
    Signature,
    SingleFile,
    Size,
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.signatures import GEMMA2_2B
from engines.tiny_shapes import GEMMA_TOKENIZER, gemma_text
from engines.types import Task

SPRINT = {Task.TEXT_TO_IMAGE: "SanaSprintPipeline", Task.IMAGE_TO_IMAGE: "SanaSprintImg2ImgPipeline"}

# The words that the pipelines put before every prompt, which is part of how the model was trained.
INSTRUCTION = (
    "Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual descriptions suitable for image"
    " generation. Evaluate the level of detail in the user prompt:",
    "- If the prompt is simple, focus on adding specifics about colors, shapes, sizes, textures, and spatial relationships"
    " to create vivid and concrete scenes.",
    "- If the prompt is already detailed, refine and enhance the existing details slightly without overcomplicating.",
    "Here are examples of how to transform or refine prompts:",
    "- User Prompt: A cat sleeping -> Enhanced: A small, fluffy white cat curled up in a round shape, sleeping peacefully on"
    " a warm sunny windowsill, surrounded by pots of blooming red flowers.",
    "- User Prompt: A busy city street -> Enhanced: A bustling city street scene at dusk, featuring glowing street lamps, a"
    " diverse crowd of people in colorful clothing, and a double-decker bus passing by towering glass skyscrapers.",
    "Please generate only the enhanced description for the prompt below and avoid including any additional commentary or"
    " evaluations:",
    "User Prompt: ",
)
ARGUMENTS = {"max_sequence_length": 300, "complex_human_instruction": list(INSTRUCTION)}

LEVELS = (8, 8, 8, 16, 16, 32)  # the last one at least as many as the latents have
VAE = TinyPart(
    "diffusers",
    "AutoencoderDC",
    {
        "latent_channels": 32,
        "attention_head_dim": 8,
        "encoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
        "decoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
        "encoder_block_out_channels": LEVELS,
        "decoder_block_out_channels": LEVELS,
        "encoder_layers_per_block": (1,) * 6,
        "decoder_layers_per_block": (1,) * 6,
        "encoder_qkv_multiscales": ((), (), (), (5,), (5,), (5,)),
        "decoder_qkv_multiscales": ((), (), (), (5,), (5,), (5,)),
        "downsample_block_type": "conv",
        "upsample_block_type": "interpolate",
        "scaling_factor": 0.41407,
    },
)
# 32 pixels a latent: 128 pixels are sixteen of them.
SCHEDULER = TinyPart(
    "diffusers",
    "DPMSolverMultistepScheduler",
    {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0},
)


def _tiny(pipeline_class: str, scheduler: TinyPart, **transformer: Any) -> TinyProfile:
    config = {
        "in_channels": 32,
        "out_channels": 32,
        "num_layers": 2,
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_cross_attention_heads": 2,
        "cross_attention_head_dim": 8,
        "cross_attention_dim": 16,
        "caption_channels": 8,
        "sample_size": 32,
    }
    return TinyProfile(
        pipeline_class=pipeline_class,
        width=128,
        height=128,
        parts={
            "transformer": TinyPart("diffusers", "SanaTransformer2DModel", {**config, **transformer}),
            "vae": VAE,
            "text_encoder": gemma_text(8),
            "tokenizer": GEMMA_TOKENIZER,
            "scheduler": scheduler,
        },
    )


# Sizes of the transformer beside the one of 1.6 billion: 0.6 billion with 28 layers, and 1.5's 4.8 billion with 60.
SIZES = tuple(
    Size(Signature({name: shape}), {"transformer": values})
    for first, layers, values in (
        (
            1152,
            27,
            {
                "num_layers": 28,
                "num_attention_heads": 36,
                "num_cross_attention_heads": 16,
                "cross_attention_head_dim": 72,
                "cross_attention_dim": 1152,
            },
        ),
        (2240, 59, {"num_layers": 60}),
    )
    for name, shape in (
        (f"transformer_blocks.{layers}.scale_shift_table", (6, first)),
        (f"blocks.{layers}.scale_shift_table", (6, first)),
    )
)

FAMILY = EngineFamily(
    id="sana",
    title="Sana",
    summary="Large pictures quickly on small cards: 32 pixels a latent; Sprint needs two steps.",
    pipelines={Task.TEXT_TO_IMAGE: "SanaPipeline"},
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 20,
        "guidance": 4.5,
        "sampler": "DPM++ 2M flow",
        "scheduler": "Normal",
        "strength": 0.6,
    },
    limits=Limits(min_side=128, max_side=4096, side_multiple=32, max_pixels=4096 * 4096),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({"SanaPipeline", *SPRINT.values()}),
        files={
            "transformer": (
                Signature({"attention_y_norm.weight": ANY, "x_embedder.proj.weight": (None, 32, 1, 1)}),
                Signature({"caption_norm.weight": ANY, "patch_embed.proj.weight": (None, 32, 1, 1)}),
            ),
            "vae": (
                Signature({"decoder.conv_in.weight": (None, 32, 3, 3)}, lacks=("bn.*",)),
                Signature({"decoder.project_in.conv.weight": (None, 32, 3, 3)}),
            ),
            "text_encoder": (GEMMA2_2B,),
        },
        variants={
            "sprint": Variant(
                tensors=(Signature({"time_embed.guidance_embedder.linear_1.weight": ANY}),),
                pipeline_classes=frozenset(SPRINT.values()),
                configs={"transformer": {"guidance_embeds": True}},
                settings={
                    "transformer": {"qk_norm": "rms_norm_across_heads", "timestep_scale": 1000.0},
                    "index": {"_class_name": "SanaSprintPipeline", "scheduler": ["diffusers", "SCMScheduler"]},
                    "scheduler": {"_class_name": "SCMScheduler", "prediction_type": "trigflow", "sigma_data": 0.5},
                },
            )
        },
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=32, scale=32),
    accelerators=frozenset({Accelerator.OPENVINO}),  # its class names no repeated blocks
    memory=MemoryFigures(
        parameters=4.6, activation_bytes_per_pixel=1_666, denoiser_bytes_per_pixel=64, pixels_per_token=1024
    ),
    tiny=_tiny("SanaPipeline", SCHEDULER),
    denoiser="transformer",
    guidance=Guidance(together=True),
    # Any size is made as it is asked for; and words come as numbers, so that the empty default must not come beside them.
    call_arguments={"use_resolution_binning": False, "negative_prompt": None},
    text=TextRules(
        returns=(
            "prompt_embeds",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "negative_prompt_attention_mask",
        ),
        arguments=ARGUMENTS,
        tokens=298,
    ),
    changes={
        "sprint": {
            "title": "Sana Sprint",
            "pipelines": SPRINT,
            "defaults": {"steps": 2, "sampler": "SCM", "scheduler": "Normal"},
            "call_arguments": {"use_resolution_binning": False},
            "samplers": ("SCM",),
            "schedulers": ("Normal",),
            "guidance": Guidance(GuidanceKind.EMBEDDED),
            "text": TextRules(("prompt_embeds", "prompt_attention_mask"), Negative.NONE, ARGUMENTS, tokens=298),
            "tiny": _tiny(
                "SanaSprintPipeline",
                TinyPart("diffusers", "SCMScheduler", {"prediction_type": "trigflow", "sigma_data": 0.5}),
                guidance_embeds=True,
                guidance_embeds_scale=0.1,
                qk_norm="rms_norm_across_heads",
                timestep_scale=1000.0,
            ),
        }
    },
    single_file=SingleFile(
        tokenizers={"tokenizer": "gemma2"},
        sizes=SIZES,
        unreadable=(Signature({"cfg_embedder.mlp.0.weight": ANY}),),
    ),
)
