"""Qwen-Image: a transformer of 20 billion parameters over packed latents of a video decoder; Qwen2.5-VL-7B reads the words.

Edit changes one picture, EditPlus looks at up to three: there the encoder sees pictures and words together. The pipelines
norm the guided answer; their guidance is `true_cfg_scale`, and without a negative prompt it would be off, so that a blank
stands for none. Source: the classes QwenImage{,Img2Img,Inpaint,Edit,EditPlus}Pipeline and the configurations of
Qwen-Image, Qwen-Image-Edit and Qwen-Image-Edit-2509.
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
    Negative,
    Signature,
    SingleFile,
    TextRules,
    TinyPart,
    TinyProfile,
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.signatures import QWEN_VL_7B, WAN_VAE
from engines.tiny_shapes import GROWING_SHIFT, QWEN_TOKENIZER, flow_scheduler
from engines.types import Task

PIPELINES = {
    Task.TEXT_TO_IMAGE: "QwenImagePipeline",
    Task.IMAGE_TO_IMAGE: "QwenImageImg2ImgPipeline",
    Task.INPAINT: "QwenImageInpaintPipeline",
}
# QwenImageEditInpaintPipeline is left out: it makes a megapixel whatever size is asked for.
EDIT = {Task.EDIT: "QwenImageEditPipeline"}
EDIT_PLUS = {Task.EDIT: "QwenImageEditPlusPipeline"}

PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")
TEXT_ENCODER = {
    "text_config": {
        "vocab_size": 320,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [1, 1, 2]},
        "max_position_embeddings": 4096,
    },
    "vision_config": {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [1],
    },
    "image_token_id": 3,  # the numbers of the marks in the tiny tokenizer
    "vision_start_token_id": 4,
    "vision_end_token_id": 5,
    "video_token_id": 6,
}
PICTURES = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 3136, "max_pixels": 12544}


def _tiny(pipeline_class: str, *, sees: bool = False) -> TinyProfile:
    parts = {
        "transformer": TinyPart(
            "diffusers",
            "QwenImageTransformer2DModel",
            {
                "patch_size": 2,
                "in_channels": 64,
                "out_channels": 16,
                "num_layers": 2,
                "attention_head_dim": 16,
                "num_attention_heads": 2,
                "joint_attention_dim": 16,
                "axes_dims_rope": (8, 4, 4),
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLQwenImage",
            {
                "base_dim": 4,
                "z_dim": 16,
                "dim_mult": [1, 2, 2, 2],
                "num_res_blocks": 1,
                "temperal_downsample": [False, True, True],
            },
        ),
        "text_encoder": TinyPart("transformers", "Qwen2_5_VLForConditionalGeneration", TEXT_ENCODER),
        "tokenizer": QWEN_TOKENIZER,
        "scheduler": flow_scheduler(
            **{**GROWING_SHIFT, "shift": 1.0, "max_shift": 0.9, "max_image_seq_len": 8192, "shift_terminal": 0.02}
        ),
    }
    if sees:
        parts["processor"] = TinyPart("transformers", "Qwen2VLProcessor", PICTURES)
    return TinyProfile(pipeline_class, parts, width=64, height=64)


def _rules(*by_pipeline: Task) -> TextRules:
    return TextRules(
        returns=("prompt_embeds", "prompt_embeds_mask"),
        negative=Negative.APART,
        arguments={"max_sequence_length": 512},
        empty_negative=" ",
        tokens=512,
        by_pipeline=frozenset(by_pipeline),
    )


PROCESSOR = ["transformers", "Qwen2VLProcessor"]

FAMILY = EngineFamily(
    id="qwen-image",
    title="Qwen-Image",
    summary="Text in pictures and exact editing, in English and Chinese; wants 48 GB, or 16 with 4-bit weights.",
    pipelines=PIPELINES,
    defaults={
        "width": 1328,
        "height": 1328,
        "steps": 50,
        "guidance": 4.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
        "strength": 0.75,
    },
    limits=Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=1664 * 1664),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*PIPELINES.values(), *EDIT.values(), *EDIT_PLUS.values()}),
        files={
            "transformer": (Signature({"transformer_blocks.0.img_mod.1.weight": ANY, "img_in.weight": (None, 64)}),),
            "vae": WAN_VAE,
            "text_encoder": QWEN_VL_7B,
            "controlnet": (Signature({"controlnet_x_embedder.weight": (3072, None), "txt_norm.weight": (3584,)}),),
            "lora": (Signature({"transformer_blocks_*_img_mlp_net_0_proj": ANY}),),
        },
        variants={
            "edit": Variant(
                pipeline_classes=frozenset(EDIT.values()),
                metadata={"modelspec.title": "*edit"},
                settings={"index": {"_class_name": "QwenImageEditPipeline", "processor": PROCESSOR}},
            ),
            "edit-plus": Variant(
                pipeline_classes=frozenset(EDIT_PLUS.values()),
                metadata={"modelspec.title": "*edit*2[0-9]*"},
                settings={"index": {"_class_name": "QwenImageEditPlusPipeline", "processor": PROCESSOR}},
            ),
        },
    ),
    parts=PARTS,
    latent=LatentFormat(channels=16, scale=8, layout="packed-frame"),
    memory=MemoryFigures(
        parameters=28.8, activation_bytes_per_pixel=3_460, denoiser_bytes_per_pixel=376, pixels_per_token=256
    ),
    tiny=_tiny("QwenImagePipeline"),
    denoiser="transformer",
    control="packed-frame",
    cache="first-block",
    guidance=Guidance(argument="true_cfg_scale"),
    text=_rules(),
    changes={
        "edit": {
            "title": "Qwen-Image-Edit",
            "pipelines": EDIT,
            "defaults": {"width": 1024, "height": 1024},
            "parts": (*PARTS, "processor"),
            "text": _rules(*EDIT),
            "tiny": _tiny("QwenImageEditPipeline", sees=True),
        },
        "edit-plus": {
            "title": "Qwen-Image-Edit Plus",
            "pipelines": EDIT_PLUS,
            "defaults": {"width": 1024, "height": 1024, "steps": 40},
            "limits": Limits(min_side=64, max_side=2048, side_multiple=16, max_pixels=1664 * 1664, max_references=3),
            "parts": (*PARTS, "processor"),
            "text": _rules(*EDIT_PLUS),
            "tiny": _tiny("QwenImageEditPlusPipeline", sees=True),
        },
    },
    single_file=SingleFile(tokenizers={"tokenizer": "qwen2.5-vl", "processor": "qwen2.5-vl-eyes"}),
)
