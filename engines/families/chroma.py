"""Chroma: FLUX.1 schnell without its guidance layers, 8.9 billion parameters, real guidance, T5-XXL alone for the words.

Source: the classes Chroma{,Img2Img,Inpaint}Pipeline and the configuration of Chroma1-HD.
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
from engines.signatures import T5_XXL
from engines.tiny_shapes import T5_TOKENIZER, flow_scheduler, flux_vae, t5_text
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "ChromaPipeline",
    Task.IMAGE_TO_IMAGE: "ChromaImg2ImgPipeline",
    Task.INPAINT: "ChromaInpaintPipeline",
}

TINY = TinyProfile(
    pipeline_class="ChromaPipeline",
    width=64,
    height=64,
    parts={
        "transformer": TinyPart(
            "diffusers",
            "ChromaTransformer2DModel",
            {
                "patch_size": 1,
                "in_channels": 64,
                "num_layers": 1,
                "num_single_layers": 1,
                "attention_head_dim": 16,
                "num_attention_heads": 2,
                "joint_attention_dim": 32,
                "axes_dims_rope": (4, 4, 8),
                "approximator_hidden_dim": 32,
                "approximator_layers": 1,
                "approximator_num_channels": 16,
            },
        ),
        "vae": flux_vae(),
        "text_encoder": t5_text(32),
        "tokenizer": T5_TOKENIZER,
        "scheduler": flow_scheduler(shift=1.0),
    },
)

FAMILY = EngineFamily(
    id="chroma",
    title="Chroma",
    summary="FLUX.1 made free: negative prompts and real guidance, Apache licence; wants 16 GB, or 6 with 4-bit weights.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 35,
        "guidance": 5.0,
        "sampler": "Euler flow",
        "scheduler": "Beta",
        "strength": 0.75,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=2048 * 1024),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset(PIPELINES.values()),
        files={
            "transformer": (Signature({"distilled_guidance_layer.in_proj.bias": ANY}),),
            "vae": (Signature({"decoder.conv_in.weight": (None, 16, 3, 3)}),),
            "text_encoder": (T5_XXL,),
        },
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=16, scale=8, layout="packed"),
    memory=MemoryFigures(
        parameters=13.7,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=446,
        pixels_per_token=256,
    ),
    tiny=TINY,
    denoiser="transformer",
    # ChromaInpaintPipeline of diffusers 0.42.1 asks for this as FLUX.1 has it; the model has no guidance layers.
    denoiser_facts={"guidance_embeds": False},
    text=TextRules(
        returns=(
            "prompt_embeds",
            "",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "",
            "negative_prompt_attention_mask",
        ),
        arguments={"max_sequence_length": 512},
        tokens=511,
    ),
    single_file=SingleFile(tokenizers={"tokenizer": "t5"}),
)
