"""Transformers as their makers name them, made from diffusers' names: the inverse of what the library's readers do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Weights = Mapping[str, Any]
Rules = Iterable[tuple[str, str]]  # patterns on whole names and what to put there


def renamed(weights: Weights, rules: Rules) -> dict[str, Any]:
    """Every rule on every name, one after the other."""
    found = {}
    for name, value in weights.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        found[name] = value
    return found


def joined(weights: Weights, parts: tuple[str, ...], whole: str) -> dict[str, Any]:
    """Matrices that the makers keep in one: names with `parts[0]`, its companions behind it, under `whole`."""
    import torch

    found = dict(weights)
    for name in weights:
        if parts[0] not in name:
            continue
        names = [name.replace(parts[0], part) for part in parts]
        if all(each in weights for each in names):
            found[name.replace(parts[0], whole)] = torch.cat([found.pop(each) for each in names])
    return found


def _swapped(weights: Weights, mark: str) -> dict[str, Any]:
    """Scale and shift the other way round."""
    import torch

    return {name: torch.cat(list(value.chunk(2))[::-1]) if mark in name else value for name, value in weights.items()}


def wan(weights: Weights) -> dict[str, Any]:
    """Wan 2.1 and 2.2 (Wan-Video/Wan2.1, `wan/modules/model.py`)."""
    return renamed(
        weights,
        [
            (r"^condition_embedder\.image_embedder\.pos_embed", "img_emb.emb_pos"),
            (r"^condition_embedder\.image_embedder\.norm1\.", "img_emb.proj.0."),
            (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj\.", "img_emb.proj.1."),
            (r"^condition_embedder\.image_embedder\.ff\.net\.2\.", "img_emb.proj.3."),
            (r"^condition_embedder\.image_embedder\.norm2\.", "img_emb.proj.4."),
            (r"^condition_embedder\.(time|text)_embedder\.linear_1", r"\1_embedding.0"),
            (r"^condition_embedder\.(time|text)_embedder\.linear_2", r"\1_embedding.2"),
            (r"^condition_embedder\.time_proj", "time_projection.1"),
            (r"\.norm2\.", ".norm_placeholder."),
            (r"\.norm3\.", ".norm2."),
            (r"\.norm_placeholder\.", ".norm3."),
            (r"\.attn1\.", ".self_attn."),
            (r"\.attn2\.", ".cross_attn."),
            (r"\.to_out\.0\.", ".o."),
            (r"\.to_([qkv])\.", r".\1."),
            (r"\.add_([kv])_proj\.", r".\1_img."),
            (r"\.norm_added_k\.", ".norm_k_img."),
            (r"^scale_shift_table$", "head.modulation"),
            (r"\.scale_shift_table$", ".modulation"),
            (r"^proj_out\.", "head.head."),
            (r"\.ffn\.net\.0\.proj\.", ".ffn.0."),
            (r"\.ffn\.net\.2\.", ".ffn.2."),
        ],
    )


def ltx(weights: Weights) -> dict[str, Any]:
    """LTX-Video (Lightricks/LTX-Video, `ltx_video/models/transformers/transformer3d.py`)."""
    rules = [(r"^proj_in\.", "patchify_proj."), (r"^time_embed\.", "adaln_single."), (r"\.norm_([qk])\.", r".\1_norm.")]
    return renamed(weights, rules)


def ltx2(weights: Weights) -> dict[str, Any]:
    """LTX-2: as before, with the sound beside the picture."""
    return renamed(
        ltx(weights),
        [
            (r"^audio_proj_in\.", "audio_patchify_proj."),
            (r"^audio_time_embed\.", "audio_adaln_single."),
            (r"^av_cross_attn_(video|audio)_scale_shift\.", r"av_ca_\1_scale_shift_adaln_single."),
            (r"^av_cross_attn_video_a2v_gate\.", "av_ca_a2v_gate_adaln_single."),
            (r"^av_cross_attn_audio_v2a_gate\.", "av_ca_v2a_gate_adaln_single."),
            (r"\.(video|audio)_a2v_cross_attn_scale_shift_table$", r".scale_shift_table_a2v_ca_\1"),
        ],
    )


def flux2(weights: Weights) -> dict[str, Any]:
    """FLUX.2 (black-forest-labs/flux2, `src/flux2/model.py`)."""
    found = joined(weights, ("attn.to_q.", "attn.to_k.", "attn.to_v."), "img_attn.qkv.")
    found = joined(found, ("attn.add_q_proj.", "attn.add_k_proj.", "attn.add_v_proj."), "txt_attn.qkv.")
    return renamed(
        _swapped(found, "norm_out.linear"),
        [
            (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
            (r"^proj_out\.", "final_layer.linear."),
            (r"^x_embedder\.", "img_in."),
            (r"^context_embedder\.", "txt_in."),
            (r"^time_guidance_embed\.timestep_embedder\.linear_1", "time_in.in_layer"),
            (r"^time_guidance_embed\.timestep_embedder\.linear_2", "time_in.out_layer"),
            (r"^time_guidance_embed\.guidance_embedder\.linear_1", "guidance_in.in_layer"),
            (r"^time_guidance_embed\.guidance_embedder\.linear_2", "guidance_in.out_layer"),
            (r"^((?:double|single)_stream_modulation\w*)\.linear", r"\1.lin"),
            (r"^single_transformer_blocks\.(\d+)\.attn\.to_qkv_mlp_proj", r"single_blocks.\1.linear1"),
            (r"^single_transformer_blocks\.(\d+)\.attn\.to_out", r"single_blocks.\1.linear2"),
            (r"^single_transformer_blocks\.(\d+)\.attn\.norm_q\.weight", r"single_blocks.\1.norm.query_norm.scale"),
            (r"^single_transformer_blocks\.(\d+)\.attn\.norm_k\.weight", r"single_blocks.\1.norm.key_norm.scale"),
            (r"^transformer_blocks\.", "double_blocks."),
            (r"\.attn\.norm_added_q\.weight", ".txt_attn.norm.query_norm.scale"),
            (r"\.attn\.norm_added_k\.weight", ".txt_attn.norm.key_norm.scale"),
            (r"\.attn\.norm_q\.weight", ".img_attn.norm.query_norm.scale"),
            (r"\.attn\.norm_k\.weight", ".img_attn.norm.key_norm.scale"),
            (r"\.attn\.to_out\.0\.", ".img_attn.proj."),
            (r"\.attn\.to_add_out\.", ".txt_attn.proj."),
            (r"\.ff\.linear_in\.", ".img_mlp.0."),
            (r"\.ff\.linear_out\.", ".img_mlp.2."),
            (r"\.ff_context\.linear_in\.", ".txt_mlp.0."),
            (r"\.ff_context\.linear_out\.", ".txt_mlp.2."),
        ],
    )


def z_image(weights: Weights) -> dict[str, Any]:
    """Z-Image (Tongyi-MAI/Z-Image) as other programs pack it."""
    found = joined(weights, ("attention.to_q.", "attention.to_k.", "attention.to_v."), "attention.qkv.")
    return renamed(
        found,
        [
            (r"^all_final_layer\.2-1\.", "final_layer."),
            (r"^all_x_embedder\.2-1\.", "x_embedder."),
            (r"\.attention\.norm_([qk])\.", r".attention.\1_norm."),
            (r"\.attention\.to_out\.0\.", ".attention.out."),
        ],
    )


def lumina2(weights: Weights) -> dict[str, Any]:
    """Lumina-Image 2.0 (Alpha-VLLM/Lumina-Image-2.0, `models/model.py`); its reader knows the real widths alone."""
    found = joined(weights, ("attn.to_q.", "attn.to_k.", "attn.to_v."), "attention.qkv.")
    return renamed(
        found,
        [
            (r"^time_caption_embed\.caption_embedder", "cap_embedder"),
            (r"^time_caption_embed\.timestep_embedder\.linear_1", "t_embedder.mlp.0"),
            (r"^time_caption_embed\.timestep_embedder\.linear_2", "t_embedder.mlp.2"),
            (r"^norm_out\.linear_1", "final_layer.adaLN_modulation.1"),
            (r"^norm_out\.linear_2", "final_layer.linear"),
            (r"^(context_refiner\.\d+)\.norm1\.", r"\1.attention_norm1."),
            (r"\.norm1\.norm\.", ".attention_norm1."),
            (r"\.norm1\.linear\.", ".adaLN_modulation.1."),
            (r"\.norm2\.", ".attention_norm2."),
            (r"\.attn\.norm_([qk])\.", r".attention.\1_norm."),
            (r"\.attn\.to_out\.0\.", ".attention.out."),
            (r"\.linear_([123])\.", r".w\1."),
        ],
    )


def sana(weights: Weights) -> dict[str, Any]:
    """Sana (NVlabs/Sana, `diffusion/model/nets/sana_multi_scale.py`), with the tensors that only training uses."""
    import torch

    found = joined(weights, ("attn1.to_q.", "attn1.to_k.", "attn1.to_v."), "attn.qkv.")
    found = joined(found, ("attn2.to_k.", "attn2.to_v."), "cross_attn.kv_linear.")
    some = next(iter(weights.values()))
    extra = {"pos_embed": (1, 4, 4), "y_embedder.y_embedding": (4, 4)}
    found |= {name: torch.zeros(shape, device=some.device, dtype=some.dtype) for name, shape in extra.items()}
    return renamed(
        found,
        [
            (r"^patch_embed\.", "x_embedder."),
            (r"^time_embed\.emb\.timestep_embedder\.linear_1", "t_embedder.mlp.0"),
            (r"^time_embed\.emb\.timestep_embedder\.linear_2", "t_embedder.mlp.2"),
            (r"^time_embed\.linear", "t_block.1"),
            (r"^caption_projection\.linear_([12])", r"y_embedder.y_proj.fc\1"),
            (r"^caption_norm", "attention_y_norm"),
            (r"^proj_out\.", "final_layer.linear."),
            (r"^scale_shift_table$", "final_layer.scale_shift_table"),
            (r"^transformer_blocks\.", "blocks."),
            (r"\.attn1\.to_out\.0\.", ".attn.proj."),
            (r"\.attn2\.to_q\.", ".cross_attn.q_linear."),
            (r"\.attn2\.to_out\.0\.", ".cross_attn.proj."),
            (r"\.ff\.conv_inverted\.", ".mlp.inverted_conv.conv."),
            (r"\.ff\.conv_depth\.", ".mlp.depth_conv.conv."),
            (r"\.ff\.conv_point\.", ".mlp.point_conv.conv."),
        ],
    )


def hunyuan_video(weights: Weights) -> dict[str, Any]:
    """HunyuanVideo (Tencent/HunyuanVideo, `hyvideo/modules/models.py`); its reader knows the real widths alone."""
    singles = ("attn.to_q.", "attn.to_k.", "attn.to_v.", "proj_mlp.")
    one = {name: value for name, value in weights.items() if name.startswith("single_transformer_blocks.")}
    words = {name: value for name, value in weights.items() if name.startswith("context_embedder.")}
    rest = {name: value for name, value in weights.items() if name not in one and name not in words}
    rest = joined(rest, ("attn.to_q.", "attn.to_k.", "attn.to_v."), "img_attn_qkv.")
    rest = joined(rest, ("attn.add_q_proj.", "attn.add_k_proj.", "attn.add_v_proj."), "txt_attn_qkv.")
    return {
        **renamed(joined(one, singles, "linear1."), _HUNYUAN_ONE),
        **renamed(joined(words, ("attn.to_q.", "attn.to_k.", "attn.to_v."), "self_attn_qkv."), _HUNYUAN_WORDS),
        **renamed(_swapped(rest, "norm_out.linear"), _HUNYUAN_REST),
    }


_HUNYUAN_ONE = [
    (r"^single_transformer_blocks\.", "single_blocks."),
    (r"\.attn\.norm_([qk])\.", r".\1_norm."),
    (r"\.proj_out\.", ".linear2."),
    (r"\.norm\.linear\.", ".modulation.linear."),
]
_HUNYUAN_WORDS = [
    (r"^context_embedder\.time_text_embed\.timestep_embedder\.linear_1", "txt_in.t_embedder.mlp.0"),
    (r"^context_embedder\.time_text_embed\.timestep_embedder\.linear_2", "txt_in.t_embedder.mlp.2"),
    (r"^context_embedder\.time_text_embed\.text_embedder", "txt_in.c_embedder"),
    (r"^context_embedder\.proj_in", "txt_in.input_embedder"),
    (r"^context_embedder\.token_refiner\.refiner_blocks", "txt_in.individual_token_refiner.blocks"),
    (r"\.norm_out\.linear", ".adaLN_modulation.1"),
    (r"\.attn\.to_out\.0\.", ".self_attn_proj."),
    (r"\.ff\.net\.0\.proj\.", ".mlp.fc1."),
    (r"\.ff\.net\.2\.", ".mlp.fc2."),
]
_HUNYUAN_REST = [
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^proj_out\.", "final_layer.linear."),
    (r"^x_embedder\.", "img_in."),
    (r"^time_text_embed\.timestep_embedder\.linear_1", "time_in.mlp.0"),
    (r"^time_text_embed\.timestep_embedder\.linear_2", "time_in.mlp.2"),
    (r"^time_text_embed\.guidance_embedder\.linear_1", "guidance_in.mlp.0"),
    (r"^time_text_embed\.guidance_embedder\.linear_2", "guidance_in.mlp.2"),
    (r"^time_text_embed\.text_embedder\.linear_1", "vector_in.in_layer"),
    (r"^time_text_embed\.text_embedder\.linear_2", "vector_in.out_layer"),
    (r"^transformer_blocks\.", "double_blocks."),
    (r"\.attn\.norm_added_([qk])\.", r".txt_attn_\1_norm."),
    (r"\.attn\.norm_([qk])\.", r".img_attn_\1_norm."),
    (r"\.attn\.to_out\.0\.", ".img_attn_proj."),
    (r"\.attn\.to_add_out\.", ".txt_attn_proj."),
    (r"\.norm1_context\.linear\.", ".txt_mod.linear."),
    (r"\.norm1\.linear\.", ".img_mod.linear."),
    (r"\.ff\.net\.0\.proj\.", ".img_mlp.fc1."),
    (r"\.ff\.net\.2\.", ".img_mlp.fc2."),
    (r"\.ff_context\.net\.0\.proj\.", ".txt_mlp.fc1."),
    (r"\.ff_context\.net\.2\.", ".txt_mlp.fc2."),
]

Inverse = Callable[[Weights], dict[str, Any]]
INVERSES: Mapping[str, Inverse] = {
    "flux2": flux2,
    "hunyuan-video": hunyuan_video,
    "ltx": ltx,
    "ltx2": ltx2,
    "lumina2": lumina2,
    "qwen-image": dict,  # its makers publish diffusers' own names
    "sana": sana,
    "wan": wan,
    "z-image": z_image,
}
