"""Lumina Image 2.0: a transformer of 2.6 billion parameters; Gemma 2 reads the words behind a fixed instruction.

Source: the class Lumina2Pipeline and the configuration of Lumina-Image-2.0. It cannot be interrupted by itself; Easel's
hooks do that for every family.
"""

from __future__ import annotations

from engines.detection import ANY
from engines.family import (
    Detection,
    EngineFamily,
    LatentFormat,
    Limits,
    MemoryFigures,
    Signature,
    SingleFile,
    TextRules,
    TinyPart,
    TinyProfile,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.signatures import GEMMA2_2B
from engines.tiny_shapes import GEMMA_TOKENIZER, flow_scheduler, flux_vae, gemma_text
from engines.types import Task

PIPELINES = {Task.TEXT_TO_IMAGE: "Lumina2Pipeline"}

TINY = TinyProfile(
    pipeline_class="Lumina2Pipeline",
    width=64,
    height=64,
    parts={
        "transformer": TinyPart(
            "diffusers",
            "Lumina2Transformer2DModel",
            {
                "sample_size": 8,
                "patch_size": 2,
                "in_channels": 16,
                "hidden_size": 16,
                "num_layers": 2,
                "num_refiner_layers": 1,
                "num_attention_heads": 2,
                "num_kv_heads": 1,
                "multiple_of": 16,
                "axes_dim_rope": (4, 2, 2),
                "axes_lens": (300, 64, 64),
                "cap_feat_dim": 8,
            },
        ),
        "vae": flux_vae(),
        "text_encoder": gemma_text(8),
        "tokenizer": GEMMA_TOKENIZER,
        "scheduler": flow_scheduler(shift=6.0),
    },
)

FAMILY = EngineFamily(
    id="lumina2",
    title="Lumina Image 2.0",
    summary="Small and willing to follow long prompts; wants 12 GB, or 8 with the text encoder put aside.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 30,
        "guidance": 4.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "strength": 0.75,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=1536 * 1536),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset(PIPELINES.values()),
        files={
            "transformer": (
                Signature({"cap_embedder.0.weight": ANY, "noise_refiner.0.attention_norm1.weight": (2304,)}),
                Signature({"time_caption_embed.caption_embedder.0.weight": ANY, "x_embedder.weight": (2304, 64)}),
            ),
            "vae": (Signature({"decoder.conv_in.weight": (None, 16, 3, 3)}),),
            "text_encoder": (GEMMA2_2B,),
        },
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=16, scale=8),
    accelerators=frozenset(),  # complex numbers, which OpenVINO cannot read; no class of repeated blocks
    memory=MemoryFigures(
        parameters=5.3,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=300,
        pixels_per_token=256,
    ),
    tiny=TINY,
    denoiser="transformer",
    text=TextRules(
        returns=(
            "prompt_embeds",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "negative_prompt_attention_mask",
        ),
        arguments={"max_sequence_length": 256},
        tokens=220,
    ),
    single_file=SingleFile(tokenizers={"tokenizer": "gemma2"}),
)
