"""FLUX.2: one class makes pictures from words and edits several; klein of 4 or 9 billion parameters reads with Qwen3.

The family's own values are those of the distilled klein: four steps, and guidance that changes nothing. Its base model has
real guidance; dev, of 32 billion parameters with Mistral 3 in front, has a guidance number that it was distilled with.
Source: the classes Flux2{Klein,KleinInpaint,}Pipeline and the configurations of FLUX.2-klein-4B, -base-4B and FLUX.2-dev.
"""

from __future__ import annotations

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
from engines.signatures import QWEN3_4B, QWEN3_8B
from engines.tiny_shapes import GROWING_SHIFT, QWEN_TOKENIZER, flow_scheduler, kl_vae, qwen3_text
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "Flux2KleinPipeline",
    Task.INPAINT: "Flux2KleinInpaintPipeline",
    Task.EDIT: "Flux2KleinPipeline",
}
DEV = {Task.TEXT_TO_IMAGE: "Flux2Pipeline", Task.EDIT: "Flux2Pipeline"}
WORDS = ("prompt_embeds", "")

MISTRAL = TinyPart(
    "transformers",
    "Mistral3ForConditionalGeneration",
    {
        "text_config": {
            "model_type": "mistral",
            "vocab_size": 320,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 31,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        "vision_config": {
            "model_type": "pixtral",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
        "image_token_index": 3,
    },
)


def _tiny(pipeline_class: str, text_encoder: TinyPart, *, distilled: bool | None) -> TinyProfile:
    # The pipelines take the text encoder's layers 9, 18, 27 (klein) or 10, 20, 30 (dev) side by side: 3 * 16 = 48.
    transformer = {
        "patch_size": 1,
        "in_channels": 128,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 48,
        "axes_dims_rope": (4, 4, 4, 4),
        "guidance_embeds": distilled is None,
    }
    vae = kl_vae(32)
    return TinyProfile(
        pipeline_class=pipeline_class,
        width=64,
        height=64,
        parts={
            "transformer": TinyPart("diffusers", "Flux2Transformer2DModel", transformer),
            "vae": TinyPart("diffusers", "AutoencoderKLFlux2", vae.config),
            "text_encoder": text_encoder,
            "tokenizer": QWEN_TOKENIZER,
            "scheduler": flow_scheduler(**GROWING_SHIFT),
        },
        extra={} if distilled is None else {"is_distilled": distilled},
    )


# What sets the larger models apart from the klein of 4 billion, whose configurations lie in resources.
LARGE_SIZE = {"num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32}
LARGE_WORDS = {"hidden_size": 4096, "intermediate_size": 12288, "tie_word_embeddings": False}
DEV_SIZE = {
    "num_layers": 8,
    "num_single_layers": 48,
    "num_attention_heads": 48,
    "joint_attention_dim": 15360,
    "guidance_embeds": True,
}
DEV_INDEX = {
    "_class_name": "Flux2Pipeline",
    "text_encoder": ["transformers", "Mistral3ForConditionalGeneration"],
    "tokenizer": ["transformers", "PixtralProcessor"],
}

QWEN = qwen3_text("Qwen3ForCausalLM", layers=28)
LIMITS = Limits(
    min_side=64,
    max_side=2048,
    side_multiple=16,
    max_pixels=2048 * 2048,
    max_references=4,
    task_pixels={Task.INPAINT: 1024 * 1024},  # the pipeline shrinks larger ones to this
)

FAMILY = EngineFamily(
    id="flux2",
    title="FLUX.2",
    summary="Makes and edits, with several pictures to look at; klein wants 13 GB, dev 80, or 24 with 4-bit weights.",
    pipelines=PIPELINES,
    defaults={
        "width": 1024,
        "height": 1024,
        "steps": 4,
        "guidance": 1.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "strength": 0.8,
    },
    limits=LIMITS,
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*PIPELINES.values(), *DEV.values()}),
        files={
            "transformer": (
                Signature({"single_stream_modulation.lin.weight": ANY}),
                Signature({"single_stream_modulation.linear.weight": ANY}),
            ),
            "vae": (Signature({"decoder.conv_in.weight": (None, 32, 3, 3), "bn.running_mean": (128,)}),),
            "text_encoder": (QWEN3_4B,),
            "text_encoder@9b": (QWEN3_8B,),
            "text_encoder@dev": (),  # Mistral 3, with its eyes: from a model folder alone
            "lora": (
                Signature({"single_transformer_blocks_*_attn_to_qkv_mlp_proj": ANY}),
                Signature({"single_blocks_*_linear1": (27648, None), "double_blocks_*_img_mlp_0": (18432, None)}),
            ),
        },
        prefixes={"vae": ("vae.",)},
        variants={
            "base": Variant(configs={"index": {"is_distilled": False}}, metadata={"modelspec.title": "*klein*base*"}),
            "dev": Variant(
                tensors=(
                    Signature({"guidance_in.in_layer.weight": ANY}),
                    Signature({"time_guidance_embed.guidance_embedder.linear_1.weight": ANY}),
                ),
                pipeline_classes=frozenset({"Flux2Pipeline"}),
                settings={"index": DEV_INDEX, "transformer": DEV_SIZE},
            ),
            "9b": Variant(
                tensors=(
                    Signature({"txt_in.weight": (None, 12288)}),
                    Signature({"context_embedder.weight": (None, 12288)}),
                ),
                configs={"transformer": {"joint_attention_dim": 12288}},
                settings={"transformer": LARGE_SIZE, "text_encoder": LARGE_WORDS},
            ),
        },
    ),
    parts=("transformer", "vae", "text_encoder", "tokenizer", "scheduler"),
    options=("is_distilled",),
    latent=LatentFormat(channels=128, scale=16, layout="normed-patches"),
    memory=MemoryFigures(
        parameters=8.0, activation_bytes_per_pixel=1_538, denoiser_bytes_per_pixel=1_165, pixels_per_token=256
    ),
    tiny=_tiny("Flux2KleinPipeline", QWEN, distilled=True),
    denoiser="transformer",
    guidance=Guidance(GuidanceKind.NONE),
    text=TextRules(WORDS, Negative.NONE, {"max_sequence_length": 512}, tokens=500),
    changes={
        "base": {
            "title": "FLUX.2 klein base",
            "defaults": {"steps": 50, "guidance": 4.0},
            "guidance": Guidance(),
            "text": TextRules(WORDS, Negative.APART, {"max_sequence_length": 512}, tokens=500),
            "tiny": _tiny("Flux2KleinPipeline", QWEN, distilled=False),
        },
        "dev": {
            "title": "FLUX.2 dev",
            "pipelines": DEV,
            "defaults": {"steps": 50, "guidance": 4.0},
            "guidance": Guidance(GuidanceKind.EMBEDDED),
            "memory": MemoryFigures(
                parameters=56.3, activation_bytes_per_pixel=1_538, denoiser_bytes_per_pixel=1_165, pixels_per_token=256
            ),
            "tiny": _tiny("Flux2Pipeline", MISTRAL, distilled=None),
            "single_file": SingleFile(tokenizers={"tokenizer": "mistral3"}),
        },
        "9b": {"title": "FLUX.2 klein 9B", "memory": MemoryFigures(parameters=17.3, activation_bytes_per_pixel=6_000)},
    },
    single_file=SingleFile(tokenizers={"tokenizer": "qwen3"}),
)
