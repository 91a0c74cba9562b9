"""Z-Image: a transformer of 6.15 billion parameters that reads words and picture as one row; Qwen3-4B reads the words.

Turbo was distilled to eight steps without guidance. Guidance counts from 0 here, not from 1: 0 is off, and 4 is what other
families call 5. Source: the classes ZImage{,Img2Img,Inpaint}Pipeline and the configurations of Z-Image and Z-Image-Turbo.
"""

from __future__ import annotations

from engines.accelerators import Accelerator
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
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.tiny_shapes import QWEN_TOKENIZER, flow_scheduler, flux_vae, qwen3_text
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "ZImagePipeline",
    Task.IMAGE_TO_IMAGE: "ZImageImg2ImgPipeline",
    Task.INPAINT: "ZImageInpaintPipeline",
}

TINY = TinyProfile(
    pipeline_class="ZImagePipeline",
    width=64,
    height=64,
    parts={
        "transformer": TinyPart(
            "diffusers",
            "ZImageTransformer2DModel",
            {
                "in_channels": 16,
                "dim": 32,
                "n_layers": 2,
                "n_refiner_layers": 1,
                "n_heads": 2,
                "n_kv_heads": 2,
                "cap_feat_dim": 16,
                "axes_dims": (8, 4, 4),
                "axes_lens": (1024, 64, 64),
            },
        ),
        "vae": flux_vae(),
        "text_encoder": qwen3_text("Qwen3Model", layers=2),
        "tokenizer": QWEN_TOKENIZER,
        "scheduler": flow_scheduler(shift=3.0),
    },
)

FAMILY = EngineFamily(
    id="z-image",
    title="Z-Image",
    summary="Photographs in eight steps, and words in pictures, Chinese too; wants 16 GB, or 6 with 4-bit weights.",
    pipelines=PIPELINES,
    # Those of Turbo, which is the one that people have; the base model's folder says that it is the base.
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 9,
        "guidance": 0.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "strength": 0.6,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=2048 * 2048),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset(PIPELINES.values()),
        files={
            "transformer": (
                Signature(
                    {
                        "layers.0.adaLN_modulation.0.weight": ANY,
                        "cap_embedder.0.weight": ANY,
                        "noise_refiner.0.attention_norm1.weight": (3840,),
                    }
                ),
            ),
            "vae": (Signature({"decoder.conv_in.weight": (None, 16, 3, 3)}),),
            "text_encoder": (
                Signature({"model.embed_tokens.weight": (None, 2560), "model.layers.0.self_attn.q_norm.weight": ANY}),
            ),
            "controlnet": (Signature({"control_layers.0.attention_norm1.weight": (3840,)}),),
            "lora": (Signature({"layers_*_attention_to_q": (None, 3840)}),),
        },
        # The base model shifts its noise levels twice as far as Turbo does.
        variants={"base": Variant(configs={"scheduler": {"shift": 6.0}}, metadata={"modelspec.title": "*base*"})},
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=16, scale=8),
    accelerators=frozenset({Accelerator.COMPILE}),  # OpenVINO cannot read the complex numbers of its positions
    memory=MemoryFigures(
        parameters=10.3,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=400,
        pixels_per_token=256,
    ),
    tiny=TINY,
    denoiser="transformer",
    guidance=Guidance(off=0.0),
    text=TextRules(
        returns=("prompt_embeds", "negative_prompt_embeds"), arguments={"max_sequence_length": 512}, tokens=500
    ),
    changes={"base": {"title": "Z-Image base", "defaults": {"steps": 50, "guidance": 4.0}}},
    single_file=SingleFile(tokenizers={"tokenizer": "qwen3"}),
)
