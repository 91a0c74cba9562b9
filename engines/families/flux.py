"""FLUX.1: a transformer of 11.9 billion parameters over packed latents; CLIP-L for the mood, T5-XXL for the words.

dev and schnell make pictures from words, Fill repaints, Kontext changes a picture as it is told. dev, Fill and Kontext were
distilled with their guidance number, so that there is no negative prompt; schnell knows one value only.
Source: the classes Flux{,Img2Img,Inpaint,Fill,Kontext}Pipeline and the configurations of FLUX.1-dev, -schnell, -Fill-dev and
-Kontext-dev.
"""

from __future__ import annotations

from typing import Any

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
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.signatures import T5_XXL
from engines.tiny_shapes import (
    CLIP_TOKENIZER,
    GROWING_SHIFT,
    T5_TOKENIZER,
    clip_text,
    flow_scheduler,
    flux_vae,
    t5_text,
)
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "FluxPipeline",
    Task.IMAGE_TO_IMAGE: "FluxImg2ImgPipeline",
    Task.INPAINT: "FluxInpaintPipeline",
}
WORDS = ("prompt_embeds", "pooled_prompt_embeds", "")


def _tiny(pipeline_class: str, shift: dict[str, Any] = GROWING_SHIFT, **transformer: Any) -> TinyProfile:
    config = {
        "patch_size": 1,
        "in_channels": 64,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 32,
        "pooled_projection_dim": 32,
        "guidance_embeds": True,
        "axes_dims_rope": (4, 4, 8),
    }
    return TinyProfile(
        pipeline_class=pipeline_class,
        width=64,
        height=64,
        parts={
            "transformer": TinyPart("diffusers", "FluxTransformer2DModel", {**config, **transformer}),
            "vae": flux_vae(),
            "text_encoder": clip_text(),
            "text_encoder_2": t5_text(32),
            "tokenizer": CLIP_TOKENIZER,
            "tokenizer_2": T5_TOKENIZER,
            "scheduler": flow_scheduler(**shift),
        },
    )


TRANSFORMER = (
    Signature(
        {"double_blocks.0.img_attn.norm.key_norm.scale": ANY, "vector_in.in_layer.weight": ANY},
        lacks=("distilled_guidance_layer.*",),
    ),
    Signature(
        {
            "single_transformer_blocks.0.attn.norm_k.weight": ANY,
            "time_text_embed.text_embedder.linear_1.weight": (None, 768),
        },
        lacks=("context_embedder.token_refiner.*",),  # a video model of the same build
    ),
)
DETECTION = Detection(
    pipeline_classes=frozenset({*PIPELINES.values(), "FluxFillPipeline", "FluxKontextPipeline"}),
    files={
        "transformer": TRANSFORMER,
        "vae": (Signature({"decoder.conv_in.weight": (None, 16, 3, 3)}),),
        "text_encoder": (Signature({"encoder.layers.0.mlp.fc1.weight": (None, 768)}, lacks=("vision_model.*",)),),
        "text_encoder_2": (T5_XXL,),
        "controlnet": (Signature({"controlnet_x_embedder.weight": (3072, None)}, lacks=("txt_norm.*",)),),
        "lora": (
            Signature({"double_blocks_*_img_attn_qkv": (None, 3072)}),
            Signature({"single_transformer_blocks_*_attn_to_q": (None, 3072)}),
        ),
    },
    prefixes={
        "vae": ("vae.", "first_stage_model."),
        "text_encoder": ("text_encoders.clip_l.transformer.",),
        "text_encoder_2": ("text_encoders.t5xxl.transformer.",),
    },
    variants={
        "schnell": Variant(
            tensors=(
                Signature({"double_blocks.0.img_attn.norm.key_norm.scale": ANY}, lacks=("guidance_in.*",)),
                Signature(
                    {"single_transformer_blocks.0.attn.norm_k.weight": ANY},
                    lacks=("time_text_embed.guidance_embedder.*",),
                ),
            ),
            configs={"transformer": {"guidance_embeds": False}},
            settings={"scheduler": {"shift": 1.0, "use_dynamic_shifting": False}},
        ),
        "fill": Variant(
            tensors=(Signature({"img_in.weight": (None, 384)}), Signature({"x_embedder.weight": (None, 384)})),
            pipeline_classes=frozenset({"FluxFillPipeline"}),
            configs={"transformer": {"in_channels": 384}},
        ),
        # Its weights have the shapes of dev: only a folder, or the title in the header, says that it is one.
        "kontext": Variant(
            pipeline_classes=frozenset({"FluxKontextPipeline"}), metadata={"modelspec.title": "*kontext*"}
        ),
    },
)

FAMILY = EngineFamily(
    id="flux",
    title="FLUX.1",
    summary="Very good pictures that follow the words; wants 24 GB, or 8 with 4-bit weights.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 28,
        "guidance": 3.5,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "strength": 0.75,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=2048 * 1024, max_guidance=50.0),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=DETECTION,
    parts=(
        "transformer",
        "vae",
        "text_encoder",
        "text_encoder_2",
        "tokenizer",
        "tokenizer_2",
        "scheduler",
    ),
    latent=LatentFormat(channels=16, scale=8, layout="packed"),
    memory=MemoryFigures(
        parameters=16.9,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=468,
        pixels_per_token=256,
    ),
    tiny=_tiny("FluxPipeline"),
    denoiser="transformer",
    cache="first-block",
    control="packed",
    guidance=Guidance(GuidanceKind.EMBEDDED),
    text=TextRules(WORDS, Negative.NONE, {"max_sequence_length": 512}, tokens=511, tokenizer="tokenizer_2"),
    changes={
        "schnell": {
            "title": "FLUX.1 schnell",
            "defaults": {"steps": 4, "guidance": 0.0},
            "guidance": Guidance(GuidanceKind.NONE),
            "text": TextRules(WORDS, Negative.NONE, {"max_sequence_length": 256}, tokens=255, tokenizer="tokenizer_2"),
            "tiny": _tiny("FluxPipeline", {"shift": 1.0}, guidance_embeds=False),
        },
        "fill": {
            "title": "FLUX.1 Fill",
            "pipelines": {Task.INPAINT: "FluxFillPipeline"},
            "defaults": {"steps": 50, "guidance": 30.0, "strength": 1.0},
            "tiny": _tiny("FluxFillPipeline", in_channels=384, out_channels=64),
        },
        "kontext": {
            "title": "FLUX.1 Kontext",
            "pipelines": {Task.EDIT: "FluxKontextPipeline"},
            "defaults": {"guidance": 2.5},
            "tiny": _tiny("FluxKontextPipeline"),
        },
    },
    single_file=SingleFile(tokenizers={"tokenizer": "clip", "tokenizer_2": "t5"}),
)
