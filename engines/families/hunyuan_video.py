"""HunyuanVideo: 12.8 billion parameters, up to 720p, frames 4k + 1 at 24 a second; its licence leaves out the EU, UK and Korea.

Source: the classes HunyuanVideoPipeline and HunyuanVideoImageToVideoPipeline of diffusers 0.42 and the configurations of
hunyuanvideo-community/HunyuanVideo and HunyuanVideo-I2V.
"""

from __future__ import annotations

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
from engines.signatures import CLIP_L, LLAMA3_8B
from engines.tiny_parts import CLIP_PICTURES, CLIP_TEXT, CLIP_TOKENIZER, LLAMA, LLAVA, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

WORDS = {Task.TEXT_TO_VIDEO: "HunyuanVideoPipeline"}
PICTURE = dict.fromkeys((Task.IMAGE_TO_VIDEO, Task.EXTEND_VIDEO), "HunyuanVideoImageToVideoPipeline")
PARTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")


def _tiny(pipeline_class: str, denoiser: dict[str, object], **parts: TinyPart) -> TinyProfile:
    shared = {
        "transformer": TinyPart(
            "diffusers",
            "HunyuanVideoTransformer3DModel",
            {
                "in_channels": 4,
                "out_channels": 4,
                "num_attention_heads": 2,
                "attention_head_dim": 10,
                "num_layers": 1,
                "num_single_layers": 1,
                "num_refiner_layers": 1,
                "text_embed_dim": WIDTH,
                "pooled_projection_dim": WIDTH,
                "rope_axes_dim": (2, 4, 4),
                **denoiser,
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLHunyuanVideo",
            {"latent_channels": 4, "block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4},
        ),
        "text_encoder": LLAMA,
        "text_encoder_2": CLIP_TEXT,
        "tokenizer": TinyPart("transformers", "LlamaTokenizerFast"),
        "tokenizer_2": CLIP_TOKENIZER,
        "scheduler": TinyPart("diffusers", "FlowMatchEulerDiscreteScheduler", {"shift": 7.0}),
    }
    return TinyProfile(pipeline_class, {**shared, **parts}, width=32, height=32)


PICTURE_SIZE = {"in_channels": 33, "guidance_embeds": False, "image_condition_type": "latent_concat"}
PICTURE_INDEX = {
    "_class_name": "HunyuanVideoImageToVideoPipeline",
    "text_encoder": ["transformers", "LlavaForConditionalGeneration"],
    "image_processor": ["transformers", "CLIPImageProcessor"],
}

FAMILY = EngineFamily(
    id="hunyuan-video",
    title="HunyuanVideo",
    summary="Large and detailed; wants 24 GB of graphics memory or much patience.",
    pipelines=WORDS,
    defaults={
        "width": 960,
        "height": 544,
        "frames": 97,
        "fps": 24,
        "steps": 40,
        "guidance": 6.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
    },
    limits=Limits(min_side=32, max_side=1280, side_multiple=16, max_pixels=1280 * 720, max_guidance=20.0, max_count=8),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*WORDS.values(), *PICTURE.values()}),
        files={
            "transformer": (
                Signature(
                    {"txt_in.individual_token_refiner.blocks.0.norm1.weight": (None,), "img_in.proj.weight": ()},
                    lacks=("byt5_in.*",),
                ),
                Signature(
                    {"context_embedder.token_refiner.refiner_blocks.0.norm1.weight": (None,)},
                    lacks=("context_embedder_2.*",),
                ),
            ),
            "text_encoder": (LLAMA3_8B,),
            "text_encoder@picture": (),  # Llava, with its eyes: from a model folder alone
            "text_encoder_2": (CLIP_L,),
        },
        variants={
            "picture": Variant(
                tensors=(
                    Signature({"img_in.proj.weight": (None, 33, 1, 2, 2)}),
                    Signature({"x_embedder.proj.weight": (None, 33, 1, 2, 2)}),
                ),
                pipeline_classes=frozenset(PICTURE.values()),
                settings={"index": PICTURE_INDEX, "transformer": PICTURE_SIZE},
            )
        },
    ),
    parts=PARTS,
    latent=LatentFormat(channels=16, scale=8),
    accelerators=frozenset(),  # OpenVINO cannot trace it; compile was not tried
    memory=MemoryFigures(
        parameters=21.2, activation_bytes_per_pixel=2_315, denoiser_bytes_per_pixel=113, pixels_per_token=1024
    ),
    tiny=_tiny("HunyuanVideoPipeline", {"guidance_embeds": True}),
    denoiser="transformer",
    cache="first-block",
    text=TextRules(returns=(), tokens=256, negative=Negative.NONE),
    engine="engines.pipeline.video_engine:VideoEngine",
    guidance=Guidance(kind=GuidanceKind.EMBEDDED),
    changes={
        "picture": {
            "pipelines": PICTURE,
            "parts": (*PARTS, "image_processor"),
            "guidance": Guidance(argument="true_cfg_scale"),
            "defaults": {"guidance": 1.0},
            "tiny": _tiny(
                "HunyuanVideoImageToVideoPipeline",
                {"in_channels": 9, "image_condition_type": "latent_concat"},
                text_encoder=LLAVA,
                image_processor=TinyPart(
                    "transformers",
                    "CLIPImageProcessor",
                    {
                        **CLIP_PICTURES.config,
                        "size": {"shortest_edge": 336},
                        "crop_size": {"height": 336, "width": 336},
                    },
                ),
            ),
        }
    },
    video=VideoRules(frame_step=4, frame_offset=1, min_frames=5, max_frames=129, decode=DecodeKind.WINDOWS),
    single_file=SingleFile(tokenizers={"tokenizer": "llama3", "tokenizer_2": "clip", "image_processor": "llava-eyes"}),
)
