"""Stable Diffusion 2.x: the UNet of version 1 with OpenCLIP-H in front; the 768-pixel models predict velocity.

Source: the classes StableDiffusion{,Img2Img,Inpaint}Pipeline and the configurations of stable-diffusion-2-1{,-base}.
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
from engines.samplers import ALL_SCHEDULES, NOISE_SAMPLERS
from engines.tiny_shapes import CLIP_TOKENIZER, clip_text, kl_vae
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "StableDiffusionPipeline",
    Task.IMAGE_TO_IMAGE: "StableDiffusionImg2ImgPipeline",
    Task.INPAINT: "StableDiffusionInpaintPipeline",
}

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def _unet(channels: int) -> TinyPart:
    config = {
        "sample_size": 8,
        "in_channels": channels,
        "block_out_channels": (8, 16, 32, 32),
        "norm_num_groups": 8,
        "attention_head_dim": (2, 2, 4, 4),
        "use_linear_projection": True,
        "cross_attention_dim": 32,
    }
    return TinyPart("diffusers", "UNet2DConditionModel", config)


def _tiny(channels: int) -> TinyProfile:
    return TinyProfile(
        pipeline_class="StableDiffusionPipeline" if channels == 4 else "StableDiffusionInpaintPipeline",
        width=64,
        height=64,
        parts={
            "unet": _unet(channels),
            "vae": kl_vae(4),
            "text_encoder": clip_text(hidden_act="gelu"),
            "tokenizer": CLIP_TOKENIZER,
            "scheduler": TinyPart("diffusers", "DDIMScheduler", SCHEDULER),
        },
        extra={"safety_checker": (None, None), "feature_extractor": (None, None), "image_encoder": (None, None)},
    )


UNET = (
    Signature(
        {
            "input_blocks.1.1.proj_in.weight": (None, None),
            "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": (None, 1024),
        },
        lacks=("label_emb.*",),
    ),
    Signature(
        {
            "down_blocks.0.attentions.0.proj_in.weight": (None, None),
            "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k.weight": (None, 1024),
        },
        lacks=("add_embedding.*",),
    ),
)
DETECTION = Detection(
    pipeline_classes=frozenset(PIPELINES.values()),
    # Version 1 has convolutions where this one has matrices.
    configs={"unet": {"addition_embed_type": None, "use_linear_projection": True}},
    files={
        "unet": UNET,
        "controlnet": UNET,
        "text_encoder": (
            Signature({"encoder.layers.0.mlp.fc1.weight": (None, 1024)}, lacks=("vision_model.*",)),
            Signature({"transformer.resblocks.0.mlp.c_fc.weight": (None, 1024)}),
        ),
        "lora": (Signature({"*_attn2_to_k": (None, 1024)}),),
        "embedding": (Signature({"emb_params": (None, 1024)}),),
    },
    prefixes={"vae": ("first_stage_model.",), "text_encoder": ("cond_stage_model.model.",)},
    variants={
        "inpaint": Variant(
            tensors=(
                Signature({"input_blocks.0.0.weight": (None, 9, 3, 3)}),
                Signature({"conv_in.weight": (None, 9, 3, 3)}),
            ),
            configs={"unet": {"in_channels": 9}},
        ),
        # The model of 512 pixels predicts noise, and its folder says so.
        "base": Variant(configs={"scheduler": {"prediction_type": "epsilon"}}, metadata={"modelspec.title": "*base*"}),
        "depth": Variant(
            tensors=(
                Signature({"input_blocks.0.0.weight": (None, 5, 3, 3)}),
                Signature({"conv_in.weight": (None, 5, 3, 3)}),
            ),
            configs={"unet": {"in_channels": 5}},
        ),
        "v-prediction": Variant(
            configs={"scheduler": {"prediction_type": "v_prediction"}}, metadata={"modelspec.prediction_type": "v*"}
        ),
    },
)

FAMILY = EngineFamily(
    id="sd2",
    title="Stable Diffusion 2",
    summary="The second generation: 768 pixels, plain words; for models and LoRAs that were made for it.",
    pipelines=PIPELINES,
    defaults={
        "width": 768,
        "height": 768,
        "steps": 25,
        "guidance": 7.0,
        "sampler": "DPM++ 2M",
        "scheduler": "Karras",
        "strength": 0.75,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=8, max_pixels=2048 * 1024, max_clip_skip=22),
    samplers=NOISE_SAMPLERS,
    schedulers=ALL_SCHEDULES,
    detection=DETECTION,
    parts=("unet", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=4, scale=8),
    memory=MemoryFigures(
        parameters=1.29,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=261,
        pixels_per_token=560,
    ),
    tiny=_tiny(4),
    denoiser="unet",
    control="unet",
    cache="deep",
    guidance=Guidance(together=True),
    text=TextRules(returns=("prompt_embeds", "negative_prompt_embeds"), weights=True),
    changes={
        "base": {"defaults": {"width": 512, "height": 512}},
        "inpaint": {
            "title": "Stable Diffusion 2 inpainting",
            "pipelines": {Task.INPAINT: "StableDiffusionInpaintPipeline"},
            "defaults": {"width": 512, "height": 512, "strength": 1.0},
            "tiny": _tiny(9),
        },
    },
    single_file=SingleFile(tokenizers={"tokenizer": "clip-padded-with-0"}),
)
