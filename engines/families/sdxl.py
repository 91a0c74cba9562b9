"""Stable Diffusion XL: a UNet of 2.57 billion parameters, two text encoders, size conditioning, 1024 pixels.

Source: the classes StableDiffusionXL{,Img2Img,Inpaint}Pipeline and the configuration of stable-diffusion-xl-base-1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.detection import ANY
from engines.family import (
    Clip,
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
from engines.samplers import ALL_SCHEDULES, NOISE_SAMPLERS
from engines.tiny_shapes import CLIP_TOKENIZER, clip_text, kl_vae
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "StableDiffusionXLPipeline",
    Task.IMAGE_TO_IMAGE: "StableDiffusionXLImg2ImgPipeline",
    Task.INPAINT: "StableDiffusionXLInpaintPipeline",
}

UNET_SHAPE = {
    "sample_size": 8,
    "block_out_channels": (8, 16, 32),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 1, 2),
    "norm_num_groups": 8,
    "attention_head_dim": (2, 4, 4),
    "use_linear_projection": True,
    "cross_attention_dim": 64,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    # The time embedding gets six size numbers of 8 values each beside the pooled text of 32: 6 * 8 + 32 = 80.
    "projection_class_embeddings_input_dim": 80,
}
# The refiner has four levels, one text encoder, and five numbers: sizes and how good the picture should be.
REFINER_SHAPE = {
    **UNET_SHAPE,
    "block_out_channels": (8, 16, 32, 32),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": (2, 4, 4, 4),
    "cross_attention_dim": 32,
    "projection_class_embeddings_input_dim": 72,
}


def _tiny(pipeline_class: str, unet: Mapping[str, Any], *, refiner: bool = False) -> TinyProfile:
    scheduler = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }
    parts = {
        "unet": TinyPart("diffusers", "UNet2DConditionModel", unet),
        "vae": kl_vae(4, scaling_factor=0.13025, force_upcast=True),
        "text_encoder": clip_text(),
        # Ten layers: single-file readers know the XL base model by its tenth one.
        "text_encoder_2": clip_text("CLIPTextModelWithProjection", layers=10, hidden_act="gelu"),
        "tokenizer": CLIP_TOKENIZER,
        "tokenizer_2": CLIP_TOKENIZER,
        "scheduler": TinyPart("diffusers", "EulerDiscreteScheduler", scheduler),
    }
    kept = {name: part for name, part in parts.items() if not (refiner and name in FIRST_ENCODER)}
    extra = {"force_zeros_for_empty_prompt": not refiner, "add_watermarker": False}
    if refiner:
        extra |= {"requires_aesthetics_score": True, **dict.fromkeys(FIRST_ENCODER, (None, None))}
    return TinyProfile(pipeline_class, kept, width=64, height=64, extra=extra)


FIRST_ENCODER = ("text_encoder", "tokenizer")
TINY = _tiny(PIPELINES[Task.TEXT_TO_IMAGE], UNET_SHAPE)

# Size labels, and attention from the second level on only.
UNET = (
    Signature(
        {"label_emb.0.0.weight": (None, None), "input_blocks.4.1.proj_in.weight": (None, None)},
        lacks=("input_blocks.1.1.*",),
    ),
    Signature(
        {"add_embedding.linear_1.weight": (None, None), "down_blocks.1.attentions.0.proj_in.weight": (None, None)},
        lacks=("down_blocks.0.attentions.*",),
    ),
)
CONTROL = (
    *UNET,
    Signature({"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (None, 2048)}),
)
DETECTION = Detection(
    pipeline_classes=frozenset(PIPELINES.values()),
    configs={"unet": {"addition_embed_type": "text_time"}},
    files={
        "unet": UNET,
        "controlnet": CONTROL,
        "vae": (Signature({"decoder.conv_in.weight": (None, 4, 3, 3)}),),
        "text_encoder": (Signature({"encoder.layers.0.mlp.fc1.weight": (None, 768)}, lacks=("vision_model.*",)),),
        "text_encoder_2": (
            Signature({"encoder.layers.0.mlp.fc1.weight": (None, 1280), "text_projection.weight": ANY}),
            Signature({"transformer.resblocks.0.mlp.c_fc.weight": (None, 1280), "text_projection": ANY}),
        ),
        "lora": (
            Signature({"*_attn2_to_k": (None, 2048)}),
            Signature({"te2_encoder_layers_0_*": ANY}, lacks=("*_blocks_*",)),
        ),
        "embedding": (Signature({"clip_l": (None, 768), "clip_g": (None, 1280)}),),
        "ip-adapter": (Signature({"ip_adapter.1.to_k_ip.weight": (None, 2048)}),),
    },
    prefixes={
        "vae": ("first_stage_model.",),
        "text_encoder": ("conditioner.embedders.0.transformer.",),
        "text_encoder_2": ("conditioner.embedders.1.", "conditioner.embedders.0.model."),
    },
    variants={
        "inpaint": Variant(
            tensors=(
                Signature({"input_blocks.0.0.weight": (None, 9, 3, 3)}),
                Signature({"conv_in.weight": (None, 9, 3, 3)}),
            ),
            configs={"unet": {"in_channels": 9}},
        ),
        "edit": Variant(
            tensors=(
                Signature({"input_blocks.0.0.weight": (None, 8, 3, 3)}),
                Signature({"conv_in.weight": (None, 8, 3, 3)}),
            ),
            configs={"unet": {"in_channels": 8}},
            alone=False,
        ),
        # The refiner has four layers where the base model has two, and the second text encoder alone.
        "refiner": Variant(
            tensors=(
                Signature({"input_blocks.4.1.transformer_blocks.3.norm1.weight": ANY}),
                Signature({"down_blocks.1.attentions.0.transformer_blocks.3.norm1.weight": ANY}),
            ),
            configs={"index": {"requires_aesthetics_score": True}},
            alone=False,
        ),
        # Files of v-prediction models carry an empty tensor of this name as a mark.
        "v-prediction": Variant(
            tensors=(Signature({"v_pred": ANY}),),
            configs={"scheduler": {"prediction_type": "v_prediction"}},
            metadata={"modelspec.prediction_type": "v*"},
            settings={"scheduler": {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}},
        ),
        # Its weights have the shapes of the base model: only a folder says that it is one, by its native 512 pixels.
        "turbo": Variant(configs={"unet": {"sample_size": 64}}, metadata={"modelspec.title": "*turbo*"}),
        "lightning": Variant(metadata={"modelspec.title": "*lightning*"}),
    },
)

WORDS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
SECOND_ENCODER = Clip("tokenizer_2", "text_encoder_2", layer=2, vectors="clip_g")
# Models of few steps were distilled on even steps that begin at the very top.
TRAILING = {"sampler": "Euler", "scheduler": "SGM uniform"}

FAMILY = EngineFamily(
    id="sdxl",
    title="Stable Diffusion XL",
    summary="Rich pictures of 1024 pixels; wants 8 GB of graphics memory, or patience.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 30,
        "guidance": 5.0,
        "sampler": "DPM++ 2M",
        "scheduler": "Karras",
        "strength": 0.6,
    },
    limits=Limits(min_side=64, max_side=4096, side_multiple=8, max_pixels=2048 * 2048, max_clip_skip=12),
    samplers=NOISE_SAMPLERS,
    schedulers=ALL_SCHEDULES,
    detection=DETECTION,
    parts=("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"),
    latent=LatentFormat(channels=4, scale=8),
    memory=MemoryFigures(
        parameters=3.47,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=158,
        pixels_per_token=1120,
    ),
    tiny=TINY,
    denoiser="unet",
    control="unet",
    cache="deep",
    guidance=Guidance(together=True),
    ip_adapters=True,
    text=TextRules(WORDS, weights=True, clips=(Clip(layer=2, vectors="clip_l"), SECOND_ENCODER)),
    options=("force_zeros_for_empty_prompt", "requires_aesthetics_score"),
    pipeline_arguments={"add_watermarker": False},
    changes={
        "turbo": {
            "title": "SDXL Turbo",
            "defaults": {"width": 512, "height": 512, "steps": 1, "guidance": 0.0, **TRAILING, "sampler": "Euler a"},
        },
        "lightning": {"title": "SDXL Lightning", "defaults": {"steps": 4, "guidance": 1.0, **TRAILING}},
        "v-prediction": {
            "defaults": {"sampler": "Euler", "scheduler": "SGM uniform"},
            # Their files say nothing of the noise schedule; all that are around were trained down to no signal at all.
            "scheduler_facts": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
        },
        "inpaint": {
            "title": "SDXL inpainting",
            "pipelines": {Task.INPAINT: PIPELINES[Task.INPAINT]},
            "defaults": {"strength": 0.99},
            "tiny": _tiny(PIPELINES[Task.INPAINT], {**UNET_SHAPE, "in_channels": 9}),
        },
        "refiner": {
            "title": "SDXL refiner",
            "pipelines": {task: PIPELINES[task] for task in (Task.IMAGE_TO_IMAGE, Task.INPAINT)},
            "defaults": {"strength": 0.3},
            "optional_parts": frozenset(FIRST_ENCODER),
            "text": TextRules(WORDS, tokenizer="tokenizer_2", weights=True, clips=(SECOND_ENCODER,)),
            "tiny": _tiny(PIPELINES[Task.IMAGE_TO_IMAGE], REFINER_SHAPE, refiner=True),
        },
    },
    single_file=SingleFile(tokenizers={"tokenizer": "clip", "tokenizer_2": "clip-padded-with-0"}),
)
