"""What kind of thing a weight file is, from the names of its tensors: before the family, and for families nobody knows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engines.identify.kinds import Kind
from engines.identify.layers import is_lora
from engines.records import TensorInfo

Tensors = Mapping[str, TensorInfo]

# Before the denoiser's tensors, in files that hold more than it or that some trainer wrote.
DENOISER_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.", "transformer.", "model.", "net.")
CHECKPOINT_PREFIX = "model.diffusion_model."
VAE_PREFIXES = ("first_stage_model.", "vae.")
ENCODER_PREFIXES = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.", "text_encoder.")

# Names that only a denoiser has, beginning without prefix.
DENOISER_MARKS = re.compile(
    r"^(?:input_blocks\.0\.|middle_block\.|double_blocks\.0\.|single_blocks\.0\.|joint_blocks\.0\.|time_embed\.|"
    r"transformer_blocks\.0\.|single_transformer_blocks\.0\.|time_embedding\.|time_text_embed\.|condition_embedder\.|"
    r"patch_embedding\.|x_embedder\.|proj_in\.|cap_embedder\.|noise_refiner\.|conv_in\.weight$|time_proj\.)"
)
DENOISER_BODY = re.compile(
    r"^(?:input_blocks|output_blocks|down_blocks|up_blocks|double_blocks|joint_blocks|transformer_blocks|"
    r"single_transformer_blocks|blocks|layers)\.\d+\.(?:.*(?:attn|ffn|mlp|resnets|in_layers|modulation|mod\.|feed_forward))"
)
ADDONS: tuple[tuple[re.Pattern[str], Kind, str], ...] = (
    (
        re.compile(r"^(?:ip_adapter\.|.*\.ip_adapter_|ip_adapter_proj|.*(?:to_k_ip|to_v_ip)\.)"),
        Kind.IP_ADAPTER,
        "it has attention for pictures ({name})",
    ),
    (
        re.compile(
            r"^(?:control_model\.|controlnet\.)?(?:lora_controlnet$|input_hint_block\.|controlnet_cond_embedding\.|"
            r"controlnet_\w*blocks\.|controlnet_x_embedder|control_layers\.|pos_embed_input\.|controlnet_mode_embedder)"
        ),
        Kind.CONTROLNET,
        "it has a ControlNet's input ({name})",
    ),
    (
        re.compile(r"^(?:adapter\.)?body\.\d+\.(?:in_conv|resnets|block1)\."),
        Kind.T2I_ADAPTER,
        "it has an adapter's body ({name})",
    ),
    (
        re.compile(r"^(?:module\.)?(?:\w+_blocks?\.)+(?:\d+\.)?motion_modules\.0\.", re.A),
        Kind.MOTION,
        "it has motion modules ({name})",
    ),
)
UPSCALER_MARKS = re.compile(
    r"^(?:params_ema\.|params\.|model\.|module\.)?(?:conv_first\.weight$|RRDB_trunk\.|model\.1\.sub\.|1\.sub\.\d+\.RDB|"
    r"body\.0\.rdb1\.|conv_after_body\.|block_1\.c1_r\.|feats\.0\.|upsampler\.\d|to_feat\.|conv_last\.weight$|body\.0\.weight$)"
)
LANGUAGE_MARKS = re.compile(
    r"^(?:language_model\.)?(?:model\.)?(?:language_model\.)?(?:layers\.0\.self_attn\.[qk]_proj|embed_tokens)\.|^lm_head\.|^blk\.0\.|^transformer\.h\.0\."
)
TEXT_MARKS = re.compile(
    r"^(?:text_model\.)?encoder\.layers?\.0\.(?:self_attn|mlp|SelfAttention|layer_norm1)|^encoder\.block\.0\.layer\.0\.SelfAttention|"
    r"^transformer\.resblocks\.0\.|^enc\.blk\.0\.|^(?:text_model\.)?embeddings\.token_embedding|^text_model\.encoder\."
)
VISION_MARKS = re.compile(r"^(?:vision_model\.|visual\.|vision_tower\.|image_encoder\.)")
VAE_MARKS = re.compile(
    r"^(?:decoder\.conv_in\.|decoder\.conv1\.|decoder\.layers\.0\.|taesd_decoder\.|decoder\.1\.weight$|decoder\.middle\.|decoder\.mid_block\.)"
)
TINY_DECODER = re.compile(r"^(?:\d+\.(?:weight|conv\.\d+\.weight)$)")


def kind_of(tensors: Tensors) -> tuple[Kind, str]:
    """The kind, and why in words. `Kind.UNKNOWN` where nothing fits; the family comes later."""
    for pattern, kind, why in ADDONS:
        if (name := _first(pattern, tensors)) is not None:
            return kind, why.format(name=name)
    if is_lora(tensors):
        return Kind.LORA, "its tensors are small additions to the layers of another model"
    if _is_embedding(tensors):
        return Kind.EMBEDDING, "it has nothing but a few vectors for words"
    if (found := _by_prefix(tensors)) is not None:
        return found
    return _by_names(tensors)


def _by_prefix(tensors: Tensors) -> tuple[Kind, str] | None:
    """Files that say themselves which part lies under which prefix."""
    held = {"denoiser": _any_under(tensors, (CHECKPOINT_PREFIX,)) or _diffusers_denoiser(tensors)}
    held["VAE"] = _any_under(tensors, VAE_PREFIXES)
    held["text encoder"] = _any_under(tensors, ENCODER_PREFIXES)
    names = [name for name, is_there in held.items() if is_there]
    if held["denoiser"] and len(names) > 1:
        return Kind.CHECKPOINT, f"it holds a {', a '.join(names)} in one file"
    if held["denoiser"] and _any_under(tensors, (CHECKPOINT_PREFIX,)):
        return Kind.DENOISER, f"it holds a denoiser ({CHECKPOINT_PREFIX}) and nothing else"
    if held["VAE"] and not held["text encoder"]:
        return Kind.VAE, "it holds a VAE and nothing else"
    return None


def _diffusers_denoiser(tensors: Tensors) -> bool:
    return _any_under(tensors, ("unet.", "transformer.")) and not _any_under(tensors, ("transformer.resblocks.",))


def _by_names(tensors: Tensors) -> tuple[Kind, str]:
    vision, text = _first(VISION_MARKS, tensors), _first(TEXT_MARKS, tensors)
    if _first(LANGUAGE_MARKS, tensors) is not None:
        return Kind.LANGUAGE_MODEL, f"it has the layers of a language model ({_first(LANGUAGE_MARKS, tensors)})"
    if vision is not None:
        return Kind.IMAGE_ENCODER, f"it has the layers of a picture encoder ({vision})"
    if text is not None:
        return Kind.TEXT_ENCODER, f"it has the layers of a text encoder ({text})"
    plain = denoiser_tensors(tensors)
    if _first(DENOISER_MARKS, plain) is not None and _first(DENOISER_BODY, plain) is not None:
        return Kind.DENOISER, f"it has the blocks of a denoiser ({_first(DENOISER_BODY, plain)})"
    if (name := _first(VAE_MARKS, tensors)) is not None:
        return Kind.VAE, f"it has a decoder for latents ({name})"
    if (name := _first(UPSCALER_MARKS, tensors)) is not None:
        return Kind.UPSCALER, f"it has the layers of an upscaler ({name})"
    if tensors and all(TINY_DECODER.match(name) or name.endswith(".bias") for name in tensors):
        return Kind.VAE, "it has the numbered layers of a tiny decoder"
    return Kind.UNKNOWN, f"none of its {len(tensors)} tensors has a name that we know"


def denoiser_tensors(tensors: Tensors) -> dict[str, TensorInfo]:
    """The denoiser's tensors without their prefix, and those that stand outside of every part."""
    for prefix in DENOISER_PREFIXES:
        if prefix == "transformer." and _any_under(tensors, ("transformer.resblocks.",)):
            continue
        if _any_under(tensors, (prefix,)):
            inside = {name.removeprefix(prefix): info for name, info in tensors.items() if name.startswith(prefix)}
            return inside | {name: info for name, info in tensors.items() if "." not in name}
    return dict(tensors)


def part_tensors(tensors: Tensors, prefixes: tuple[str, ...]) -> dict[str, TensorInfo]:
    """The tensors below any of the prefixes, without them."""
    return {
        name.removeprefix(prefix): info
        for prefix in prefixes
        for name, info in tensors.items()
        if name.startswith(prefix)
    }


def plain_names(tensors: Tensors) -> dict[str, TensorInfo]:
    """Names without what different programs put before a lone VAE or text encoder."""
    strip = re.compile(
        r"^(?:first_stage_model\.|vae\.|cond_stage_model\.(?:transformer|model)\.|conditioner\.embedders\.\d\.(?:transformer|model)\.|"
        r"text_encoders\.\w+\.(?:transformer\.)?(?!resblocks)|text_encoder\.)?(?:text_model\.)?"
    )
    found = {strip.sub("", name, count=1): info for name, info in tensors.items()}
    if (
        "embed_tokens.weight" in found
    ):  # a language model as its own folder has it, without the wrapper of a whole program
        return {f"model.{name}": info for name, info in found.items()}
    return found


def _is_embedding(tensors: Tensors) -> bool:
    """Up to four matrices of vectors with up to 300 words, under the names that embeddings have."""
    if not 0 < len(tensors) <= 4 or any(len(info.shape) not in (1, 2) for info in tensors.values()):
        return False
    if any(len(info.shape) == 2 and info.shape[0] > 300 for info in tensors.values()):
        return False
    known = {"emb_params", "clip_l", "clip_g", "t5xxl", "*"}
    return all(name in known or "string_to_param" in name or re.fullmatch(r"<.+>", name) for name in tensors) or (
        len(tensors) == 1 and not any("." in name for name in tensors)
    )


def _any_under(tensors: Tensors, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefixes) for name in tensors)


def _first(pattern: re.Pattern[str], tensors: Tensors) -> str | None:
    return next((name for name in tensors if pattern.match(name)), None)
