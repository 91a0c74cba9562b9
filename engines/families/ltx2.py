"""LTX-2: 19 to 22 billion parameters, pictures and sound together; sides of 32, frames 8k + 1 at 24 a second.

Source: the classes LTX2Pipeline and LTX2ConditionPipeline of diffusers 0.42 and the configuration of Lightricks/LTX-2.
"""

from __future__ import annotations

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
    Variant,
)
from engines.samplers import FLOW_SAMPLERS, FLOW_SCHEDULES
from engines.tiny_parts import GEMMA3, WIDTH
from engines.types import Task
from engines.video_rules import DecodeKind, VideoRules

PIPELINES = {
    Task.TEXT_TO_VIDEO: "LTX2Pipeline",
    Task.IMAGE_TO_VIDEO: "LTX2ConditionPipeline",  # the one that takes a last picture too
    Task.EXTEND_VIDEO: "LTX2ConditionPipeline",
}

# The sound's latents have 2 channels of 8 / 4 mel bins; a decoder of one level halves nothing, four bins are one.
TINY = TinyProfile(
    pipeline_class="LTX2Pipeline",
    width=64,
    height=64,
    parts={
        "transformer": TinyPart(
            "diffusers",
            "LTX2VideoTransformer3DModel",
            {
                "in_channels": 4,
                "out_channels": 4,
                "num_attention_heads": 2,
                "attention_head_dim": 8,
                "cross_attention_dim": 16,
                "audio_in_channels": 4,
                "audio_out_channels": 4,
                "audio_num_attention_heads": 2,
                "audio_attention_head_dim": 4,
                "audio_cross_attention_dim": 8,
                "num_layers": 2,
                "caption_channels": WIDTH,
                "rope_double_precision": False,
                "rope_type": "split",
            },
        ),
        "connectors": TinyPart(
            "ltx2",
            "LTX2TextConnectors",
            {
                "caption_channels": WIDTH,
                "text_proj_in_factor": 3,
                "video_connector_num_attention_heads": 4,
                "video_connector_attention_head_dim": 8,
                "video_connector_num_layers": 1,
                "video_connector_num_learnable_registers": None,
                "audio_connector_num_attention_heads": 4,
                "audio_connector_attention_head_dim": 8,
                "audio_connector_num_layers": 1,
                "audio_connector_num_learnable_registers": None,
                "connector_rope_base_seq_len": 32,
                "rope_double_precision": False,
                "rope_type": "split",
            },
        ),
        "vae": TinyPart(
            "diffusers",
            "AutoencoderKLLTX2Video",
            {
                "latent_channels": 4,
                "block_out_channels": (8, 8, 8, 8),
                "decoder_block_out_channels": (8, 16, 32),
                "layers_per_block": (1, 1, 1, 1, 1),
                "decoder_layers_per_block": (1, 1, 1, 1),
                "spatial_compression_ratio": 32,
                "temporal_compression_ratio": 8,
            },
        ),
        "audio_vae": TinyPart(
            "diffusers",
            "AutoencoderKLLTX2Audio",
            {
                "base_channels": 4,
                "ch_mult": (1,),
                "num_res_blocks": 1,
                "resolution": 32,
                "latent_channels": 2,
                "mel_bins": 8,
            },
        ),
        "vocoder": TinyPart(
            "ltx2",
            "LTX2Vocoder",
            {
                "in_channels": 16,
                "hidden_channels": 32,
                "upsample_kernel_sizes": (16, 15, 8, 4, 4),
                "upsample_factors": (6, 5, 2, 2, 2),
                "resnet_kernel_sizes": (3,),
                "resnet_dilations": ((1, 3, 5),),
            },
        ),
        "text_encoder": GEMMA3,
        "tokenizer": TinyPart("transformers", "GemmaTokenizerFast"),
        "scheduler": TinyPart(
            "diffusers",
            "FlowMatchEulerDiscreteScheduler",
            {
                "use_dynamic_shifting": True,
                "base_shift": 0.95,
                "max_shift": 2.05,
                "base_image_seq_len": 1024,
                "max_image_seq_len": 4096,
                "shift_terminal": 0.1,
            },
        ),
    },
    extra={"processor": (None, None), "prompt_enhancer": (None, None), "duration_head": (None, None)},
)

FAMILY = EngineFamily(
    id="ltx2",
    title="LTX-2",
    summary="Videos with their sound, from words or a picture; wants 24 GB of graphics memory.",
    pipelines=PIPELINES,
    defaults={
        "width": 768,
        "height": 512,
        "frames": 121,
        "fps": 24,
        "steps": 30,
        "guidance": 3.0,
        "sampler": "Euler flow",
        "scheduler": "Normal",
    },
    limits=Limits(min_side=64, max_side=1920, side_multiple=32, max_pixels=1920 * 1088, max_guidance=15.0, max_count=8),
    samplers=FLOW_SAMPLERS,
    schedulers=FLOW_SCHEDULES,
    detection=Detection(
        pipeline_classes=frozenset({*PIPELINES.values(), "LTX2ImageToVideoPipeline"}),
        files={
            "transformer": (
                Signature({"audio_patchify_proj.weight": (None, 128), "transformer_blocks.*.scale_shift_table": ()}),
                Signature({"audio_proj_in.weight": (None, 128), "transformer_blocks.*.scale_shift_table": ()}),
            ),
        },
        prefixes={"vae": ("vae.",), "audio_vae": ("audio_vae.",)},
        variants={"distilled": Variant(metadata={"modelspec.title": "*distilled*"})},
    ),
    parts=("transformer", "connectors", "vae", "audio_vae", "vocoder", "text_encoder", "tokenizer", "scheduler"),
    latent=LatentFormat(channels=128, scale=32),
    accelerators=frozenset(),  # OpenVINO's numbers are others; compile was not tried
    memory=MemoryFigures(
        parameters=32.3, activation_bytes_per_pixel=120, denoiser_bytes_per_pixel=20, pixels_per_token=8192
    ),
    tiny=TINY,
    denoiser="transformer",
    part_modules={"LTX2TextConnectors": "diffusers.pipelines.ltx2", "LTX2Vocoder": "diffusers.pipelines.ltx2"},
    text=TextRules(returns=(), tokens=1024),
    engine="engines.pipeline.video_engine:VideoEngine",
    call_arguments={"stg_scale": 0.0, "audio_stg_scale": 0.0, "modality_scale": 1.0, "audio_modality_scale": 1.0},
    changes={"distilled": {"defaults": {"steps": 8, "guidance": 1.0}}},
    video=VideoRules(
        frame_step=8,
        frame_offset=1,
        min_frames=9,
        max_frames=241,
        decode=DecodeKind.WINDOWS,
        knows_fps=True,
        last_image=True,
        goes_on_from=17,
        sound=True,
    ),
    single_file=SingleFile(
        tokenizers={"tokenizer": "gemma3"},
        # LTX-2.3: other blocks, another vocoder.
        unreadable=(Signature({"transformer_blocks.0.attn1.to_gate_logits.weight": ()}),),
    ),
)
