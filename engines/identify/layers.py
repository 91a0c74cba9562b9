"""LoRAs in one form: the layers that they change, whatever trainer wrote the file and however it named them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engines.records import TensorInfo

# Endings of tensor names by what they tell: `down` has the inputs as its second side, `up` the outputs as its first.
DOWN = ("lora_down.weight", "lora_A.weight", "lora_A.default.weight", "lora.down.weight", "lora_A", "hada_w1_b")
UP = ("lora_up.weight", "lora_B.weight", "lora_B.default.weight", "lora.up.weight", "lora_B", "hada_w1_a")
WHOLE = ("diff", "oft_blocks", "oft_diag")
KRONECKER = ("lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b")
LEGACY = re.compile(r"(?:[._]processor)?[._](to_[kqv]|to_out)_lora[._](down|up)\.weight$")
ENDING = re.compile(r"[._](" + "|".join(re.escape(each) for each in (*DOWN, *UP, *WHOLE, *KRONECKER)) + r")$")
MARK = re.compile(
    r"\.lora_(?:down|up|A|B)|\.lora\.(?:down|up)\.|_lora\.(?:down|up)\.|\.hada_w1_|\.lokr_w1|\.oft_(?:blocks|diag)$"
)

# The part that a layer belongs to; text encoders keep a mark, because their layers have the same names everywhere.
PARTS = (
    (re.compile(r"^(?:base_model[._]model[._])?(?:lora_te1|lora_te_1)_"), "te1_"),
    (re.compile(r"^(?:lora_te2|lora_te_2|text_encoder_2[._]|lora_te_2)_?"), "te2_"),
    (re.compile(r"^(?:lora_te3|lora_te_3|text_encoder_3[._])_?"), "te3_"),
    (re.compile(r"^(?:lora_te_|text_encoder[._]|lora_te_text_model_)"), "te_"),
    (re.compile(r"^(?:base_model[._]model[._])?(?:model[._])?diffusion_model[._]"), ""),
    (re.compile(r"^(?:lora_unet_|lora_transformer_|lycoris_|lora_model_|lora_prior_unet_)"), ""),
    (re.compile(r"^(?:base_model[._]model[._])?(?:unet|transformer)[._](?!resblocks)"), ""),
    (re.compile(r"^base_model[._]model[._]"), ""),
)


def is_lora(tensors: Mapping[str, TensorInfo]) -> bool:
    """Whether the names are those of a low-rank adapter."""
    whole = bool(tensors) and all(name.endswith((".diff", ".diff_b", ".alpha")) for name in tensors)
    return whole or any(MARK.search(name) for name in tensors)


def lora_layout(tensors: Mapping[str, TensorInfo]) -> str:
    """The naming that the file follows: "kohya", "diffusers" or "PEFT"."""
    if any(name.startswith(("lora_unet_", "lora_te", "lora_transformer_", "lycoris_")) for name in tensors):
        return "kohya"
    if any(name.startswith("base_model.model.") for name in tensors):
        return "PEFT"
    return "diffusers" if any(".lora_A" in name or "lora.down" in name for name in tensors) else "kohya"


def lora_layers(tensors: Mapping[str, TensorInfo]) -> dict[str, tuple[int, int]]:
    """Each layer with (outputs, inputs); 0 stands for what the file does not tell."""
    outputs: dict[str, int] = {}
    inputs: dict[str, int] = {}
    kronecker: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, info in tensors.items():
        layer, ending = _split(name)
        if not ending or len(info.shape) < 1:
            continue
        if ending in KRONECKER:
            kronecker.setdefault(layer, {})[ending] = info.shape
        if ending in DOWN and len(info.shape) > 1:
            inputs[layer] = info.shape[1]
        if ending in UP or ending in WHOLE:
            outputs[layer] = info.shape[0]
        if ending == "diff" and len(info.shape) > 1:
            inputs[layer] = info.shape[1]
    for layer, factors in kronecker.items():
        outputs[layer], inputs[layer] = _kronecker(factors)
    return {layer: (outputs.get(layer, 0), inputs.get(layer, 0)) for layer in {**inputs, **outputs}}


def _split(name: str) -> tuple[str, str]:
    if match := LEGACY.search(name):
        return _layer(f"{name[: match.start()]}_{match[1]}"), f"lora_{match[2]}.weight"
    if match := ENDING.search(name):
        return _layer(name[: match.start()]), match[1]
    return "", ""


def _layer(name: str) -> str:
    for pattern, mark in PARTS:
        if match := pattern.match(name):
            name = mark + name[match.end() :].replace("text_model", "").lstrip("._")
            break
    return re.sub(r"_+", "_", name.replace(".", "_"))


def _kronecker(factors: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Outputs and inputs of a Kronecker product, whose factors may be products of two again."""
    sides = []
    for which in ("lokr_w1", "lokr_w2"):
        if which in factors:
            sides.append(factors[which][:2])
        elif f"{which}_a" in factors and f"{which}_b" in factors:
            sides.append((factors[f"{which}_a"][0], factors[f"{which}_b"][-1]))
    if len(sides) != 2 or any(len(side) != 2 for side in sides):
        return 0, 0
    return sides[0][0] * sides[1][0], sides[0][1] * sides[1][1]
