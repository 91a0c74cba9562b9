"""The number format of a file's weights, and packings that only their own loader understands."""

from __future__ import annotations

import re
from collections import Counter
from math import prod

from engines.records import WeightsHeader

PLAIN = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4",
    "U8": "uint8",
    "I8": "int8",
}
PACKINGS = (
    (re.compile(r"\.quant_state\.bitsandbytes__(nf4|fp4)$"), "{0}"),
    (re.compile(r"\.SCB$"), "int8"),
    (re.compile(r"(?:^|\.)scaled_fp8$|\.scale_weight$"), "fp8-scaled"),
    (re.compile(r"\.comfy_quant$|\.weight_scale(?:_2)?$|\.input_scale$"), "scaled"),
    (re.compile(r"\.(?:qweight|wscales|smooth_factor)$"), "svdquant"),
)


def dtype_of(header: WeightsHeader) -> str:
    """The format that most of the weights have, counted by numbers and not by tensors."""
    counts: Counter[str] = Counter()
    for info in header.tensors.values():
        counts[info.dtype] += prod(info.shape)
    if not counts:
        return ""
    name = counts.most_common(1)[0][0]
    return name if header.format == "gguf" else PLAIN.get(name, name.lower())


def quantisation_of(header: WeightsHeader) -> str:
    """ "nf4", "fp8-scaled" and such; empty where the tensors are what their names say. GGUF files are just "gguf"."""
    if header.format == "gguf":
        return "gguf"
    for name in header.tensors:
        for pattern, word in PACKINGS:
            if match := pattern.search(name):
                return word.format(*match.groups())
    return ""
