"""Stable Diffusion 3 and 3.5: a transformer over 16 latent channels, two CLIPs and a T5 that may be left out.

Source: the classes StableDiffusion3{,Img2Img,Inpaint}Pipeline and the configurations of stable-diffusion-3.5-{medium,large}.
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
    Size,
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.signatures import T5_XXL
from engines.tiny_shapes import CLIP_TOKENIZER, T5_TOKENIZER, clip_text, flow_scheduler, kl_vae, t5_text
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "StableDiffusion3Pipeline",
    Task.IMAGE_TO_IMAGE: "StableDiffusion3Img2ImgPipeline",
    Task.INPAINT: "StableDiffusion3InpaintPipeline",
}

# Both CLIPs side by side are 64 wide, and are padded to the width of the T5.
TINY = TinyProfile(
    pipeline_class="StableDiffusion3Pipeline",
    width=64,
    height=64,
    parts={
        "transformer": TinyPart(
            "diffusers",
            "SD3Transformer2DModel",
            {
                "sample_size": 8,
                "patch_size": 2,
                "in_channels": 16,
                "out_channels": 16,
                "num_layers": 2,
                "attention_head_dim": 8,
                "num_attention_heads": 4,
                "joint_attention_dim": 64,
                "caption_projection_dim": 32,
                "pooled_projection_dim": 64,
                "pos_embed_max_size": 16,
                "dual_attention_layers": (0,),
                "qk_norm": "rms_norm",
            },
        ),
        "vae": kl_vae(16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        "text_encoder": clip_text("CLIPTextModelWithProjection"),
        "text_encoder_2": clip_text("CLIPTextModelWithProjection", hidden_act="gelu"),
        "text_encoder_3": t5_text(64),
        "tokenizer": CLIP_TOKENIZER,
        "tokenizer_2": CLIP_TOKENIZER,
        "tokenizer_3": T5_TOKENIZER,
        "scheduler": flow_scheduler(shift=3.0),
    },
)

DETECTION = Detection(
    pipeline_classes=frozenset(PIPELINES.values()),
    files={
        "transformer": (
            Signature({"joint_blocks.0.context_block.adaLN_modulation.1.bias": ANY}),
            Signature({"transformer_blocks.0.attn.add_q_proj.weight": ANY, "pos_embed.proj.weight": (None, 16, 2, 2)}),
        ),
        "vae": (Signature({"decoder.conv_in.weight": (None, 16, 3, 3)}),),
        "text_encoder": (Signature({"encoder.layers.0.mlp.fc1.weight": (None, 768), "text_projection.weight": ANY}),),
        "text_encoder_2": (
            Signature({"encoder.layers.0.mlp.fc1.weight": (None, 1280), "text_projection.weight": ANY}),
        ),
        "text_encoder_3": (T5_XXL,),
        "controlnet": (Signature({"pos_embed_input.proj.weight": (None, None, 2, 2)}),),
        "lora": (Signature({"transformer_blocks_*_attn_add_q_proj": (None, 1536)}),),
    },
    prefixes={
        "vae": ("first_stage_model.",),
        "text_encoder": ("text_encoders.clip_l.transformer.",),
        "text_encoder_2": ("text_encoders.clip_g.transformer.",),
        "text_encoder_3": ("text_encoders.t5xxl.transformer.",),
    },
    # Distilled to a few steps; its folder says so by nothing but the name of the model that it came from.
    variants={"turbo": Variant(metadata={"modelspec.title": "*turbo*"})},
)

# 3.5 medium is the plain one: second attentions in its first 13 blocks, a grid of 384.
GRID = {"dual_attention_layers": [], "pos_embed_max_size": 192}
LARGE = {**GRID, "num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432}
SIZES = (
    Size(Signature({"joint_blocks.37.x_block.attn.qkv.weight": ANY}), {"transformer": LARGE}),
    Size(Signature({"transformer_blocks.37.attn.to_q.weight": ANY}), {"transformer": LARGE}),
    Size(
        Signature({"joint_blocks.0.x_block.attn.qkv.weight": ANY}, lacks=("joint_blocks.0.x_block.attn.ln_q.weight",)),
        {"transformer": {**GRID, "qk_norm": None}},
    ),
    Size(
        Signature({"transformer_blocks.0.attn.to_q.weight": ANY}, lacks=("transformer_blocks.0.attn.norm_q.weight",)),
        {"transformer": {**GRID, "qk_norm": None}},
    ),
)

FAMILY = EngineFamily(
    id="sd3",
    title="Stable Diffusion 3",
    summary="Stable Diffusion 3 and 3.5: follows long prompts, writes short words; wants 12 GB, or 8 without its T5.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 28,
        "guidance": 4.5,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "strength": 0.6,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=1536 * 1536, max_clip_skip=12),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=DETECTION,
    parts=(
        "transformer",
        "vae",
        "text_encoder",
        "text_encoder_2",
        "text_encoder_3",
        "tokenizer",
        "tokenizer_2",
        "tokenizer_3",
        "scheduler",
    ),
    optional_parts=frozenset({"text_encoder_3", "tokenizer_3"}),
    latent=LatentFormat(channels=16, scale=8),
    accelerators=frozenset({Accelerator.OPENVINO}),  # its class names no repeated blocks
    memory=MemoryFigures(
        parameters=8.1,
        activation_bytes_per_pixel=1_536,
        decoder_width=256,
        denoiser_bytes_per_pixel=174,
        pixels_per_token=256,
    ),
    tiny=TINY,
    denoiser="transformer",
    control="joint",
    guidance=Guidance(together=True),
    text=TextRules(
        returns=(
            "prompt_embeds",
            "negative_prompt_embeds",
            "pooled_prompt_embeds",
            "negative_pooled_prompt_embeds",
        ),
        arguments={"max_sequence_length": 256},
        tokens=256,
        tokenizer="tokenizer_3",
    ),
    changes={"turbo": {"defaults": {"steps": 4, "guidance": 1.0}}},
    single_file=SingleFile(
        tokenizers={"tokenizer": "clip", "tokenizer_2": "clip-padded-with-0", "tokenizer_3": "t5"},
        sizes=SIZES,
    ),
)
