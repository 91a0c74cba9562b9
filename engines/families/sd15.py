"""Stable Diffusion 1.x: a UNet of 0.86 billion parameters, one CLIP text encoder, 512 pixels.

Source: the classes StableDiffusion{,Img2Img,Inpaint}Pipeline and the configuration of stable-diffusion-v1-5.
"""

from __future__ import annotations

from engines.detection import ANY
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


def _tiny(channels: int) -> TinyProfile:
    unet = {
        "sample_size": 8,
        "in_channels": channels,
        "block_out_channels": (8, 16, 32, 32),
        "norm_num_groups": 8,
        "attention_head_dim": 4,
        "cross_attention_dim": 32,
    }
    scheduler = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "skip_prk_steps": True,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    return TinyProfile(
        pipeline_class=PIPELINES[Task.TEXT_TO_IMAGE] if channels == 4 else PIPELINES[Task.INPAINT],
        width=64,
        height=64,
        parts={
            "unet": TinyPart("diffusers", "UNet2DConditionModel", unet),
            "vae": kl_vae(4),
            "text_encoder": clip_text(),
            "tokenizer": CLIP_TOKENIZER,
            "scheduler": TinyPart("diffusers", "PNDMScheduler", scheduler),
        },
        extra={
            "safety_checker": (None, None),
            "feature_extractor": (None, None),
            "image_encoder": (None, None),
            "requires_safety_checker": False,
        },
    )


# The blocks at full size have attention, its projection is a convolution (a matrix in version 2), and no size labels.
UNET = (
    Signature({"input_blocks.1.1.proj_in.weight": (None, None, 1, 1)}, lacks=("label_emb.*", "*.time_stack.*")),
    Signature({"down_blocks.0.attentions.0.proj_in.weight": (None, None, 1, 1)}, lacks=("add_embedding.*",)),
)
DETECTION = Detection(
    pipeline_classes=frozenset(PIPELINES.values()),
    configs={"unet": {"addition_embed_type": None}},
    files={
        "unet": UNET,
        "controlnet": UNET,
        "vae": (Signature({"decoder.conv_in.weight": (None, 4, 3, 3)}),),
        "text_encoder": (Signature({"encoder.layers.0.mlp.fc1.weight": (None, 768)}, lacks=("vision_model.*",)),),
        "lora": (
            Signature({"*_attn2_to_k": (None, 768)}),
            Signature({"te_encoder_layers_0_*": ANY}, lacks=("te2_*", "*_blocks_*")),
        ),
        "embedding": (Signature({"emb_params": (None, 768)}),),
        "ip-adapter": (Signature({"ip_adapter.1.to_k_ip.weight": (None, 768)}),),
    },
    prefixes={"vae": ("first_stage_model.",), "text_encoder": ("cond_stage_model.",)},
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
        "v-prediction": Variant(
            configs={"scheduler": {"prediction_type": "v_prediction"}},
            metadata={"modelspec.prediction_type": "v*"},
        ),
    },
)

FAMILY = EngineFamily(
    id="sd15",
    title="Stable Diffusion 1.5",
    summary="Small, quick and everywhere: 512 pixels, runs on 4 GB of graphics memory or on a processor.",
    pipelines=PIPELINES,
    defaults={
        "width": 512,
        "height": 512,
        "steps": 25,
        "guidance": 7.0,
        "sampler": "DPM++ 2M",
        "scheduler": "Karras",
        "strength": 0.75,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=8, max_pixels=2048 * 1024, max_clip_skip=12),
    samplers=NOISE_SAMPLERS,
    schedulers=ALL_SCHEDULES,
    detection=DETECTION,
    parts=("unet", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=4, scale=8),
    memory=MemoryFigures(
        parameters=1.07,
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
    ip_adapters=True,
    text=TextRules(returns=("prompt_embeds", "negative_prompt_embeds"), weights=True),
    changes={
        "inpaint": {
            "title": "Stable Diffusion 1.5 inpainting",
            "pipelines": {Task.INPAINT: PIPELINES[Task.INPAINT]},
            "defaults": {"strength": 1.0},
            "tiny": _tiny(9),
        },
    },
    single_file=SingleFile(tokenizers={"tokenizer": "clip"}),
)
