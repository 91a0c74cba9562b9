"""Tensor names and shapes of transformers as their makers publish them: written down from the layout, not converted.

Sources: black-forest-labs/flux (`modules/layers.py`, `model.py`), lodestone's Chroma (FLUX without modulation, with a guidance
approximator), Stability's sd3.5 (`mmditx.py`). All in bfloat16.
"""

from __future__ import annotations

Tensors = dict[str, tuple[str, list[int]]]


def _linear(name: str, outputs: int, inputs: int) -> Tensors:
    return {f"{name}.weight": ("BF16", [outputs, inputs]), f"{name}.bias": ("BF16", [outputs])}


def _norms(name: str, size: int) -> Tensors:
    return {f"{name}.{each}.scale": ("BF16", [size]) for each in ("query_norm", "key_norm")}


def flux(channels: int = 64, guidance: bool = True, modulated: bool = True) -> Tensors:
    """FLUX.1: 19 double and 38 single blocks of width 3072; without modulation as Chroma has them."""
    wide, found = 3072, {**_linear("img_in", 3072, channels), **_linear("txt_in", 3072, 4096)}
    for block in range(19):
        for side in ("img", "txt"):
            at = f"double_blocks.{block}.{side}"
            found |= _linear(f"{at}_attn.qkv", 3 * wide, wide) | _linear(f"{at}_attn.proj", wide, wide)
            found |= _norms(f"{at}_attn.norm", 128)
            found |= _linear(f"{at}_mlp.0", 4 * wide, wide) | _linear(f"{at}_mlp.2", wide, 4 * wide)
            found |= _linear(f"{at}_mod.lin", 6 * wide, wide) if modulated else {}
    for block in range(38):
        at = f"single_blocks.{block}"
        found |= _linear(f"{at}.linear1", 7 * wide, wide) | _linear(f"{at}.linear2", wide, 5 * wide)
        found |= _norms(f"{at}.norm", 128)
        found |= _linear(f"{at}.modulation.lin", 3 * wide, wide) if modulated else {}
    found |= _linear("final_layer.linear", 64, wide)
    if modulated:
        found |= _linear("final_layer.adaLN_modulation.1", 2 * wide, wide)
        for name, inputs in (("time_in", 256), ("vector_in", 768), *((("guidance_in", 256),) if guidance else ())):
            found |= _linear(f"{name}.in_layer", wide, inputs) | _linear(f"{name}.out_layer", wide, wide)
    return found


def chroma() -> Tensors:
    """Chroma1: FLUX's blocks, and one small network in place of all modulations."""
    found = flux(modulated=False)
    at = "distilled_guidance_layer"
    found |= _linear(f"{at}.in_proj", 5120, 64) | _linear(f"{at}.out_proj", 3072, 5120)
    for layer in range(5):
        found |= _linear(f"{at}.layers.{layer}.in_layer", 5120, 5120) | _linear(
            f"{at}.layers.{layer}.out_layer", 5120, 5120
        )
        found |= {f"{at}.norms.{layer}.scale": ("BF16", [5120])}
    return found


def sd3(layers: int, dual: int, normed: bool, grid: int) -> Tensors:
    """Stable Diffusion 3: `layers` joint blocks of 64 * layers channels, `dual` of them with a second attention."""
    wide = 64 * layers
    found = {
        "pos_embed": ("BF16", [1, grid * grid, wide]),
        "x_embedder.proj.weight": ("BF16", [wide, 16, 2, 2]),
        "x_embedder.proj.bias": ("BF16", [wide]),
        **_linear("context_embedder", wide, 4096),
        **_linear("t_embedder.mlp.0", wide, 256),
        **_linear("t_embedder.mlp.2", wide, wide),
        **_linear("y_embedder.mlp.0", wide, 2048),
        **_linear("y_embedder.mlp.2", wide, wide),
        **_linear("final_layer.linear", 64, wide),
        **_linear("final_layer.adaLN_modulation.1", 2 * wide, wide),
    }
    for block in range(layers):
        last = block == layers - 1
        for side in ("x_block", "context_block"):
            at, double = f"joint_blocks.{block}.{side}", side == "x_block" and block < dual
            short = last and side == "context_block"
            found |= _linear(f"{at}.adaLN_modulation.1", (9 if double else 2 if short else 6) * wide, wide)
            for attention in ("attn", "attn2") if double else ("attn",):
                found |= _linear(f"{at}.{attention}.qkv", 3 * wide, wide)
                found |= {} if short else _linear(f"{at}.{attention}.proj", wide, wide)
                if normed:
                    found |= {f"{at}.{attention}.ln_{each}.weight": ("BF16", [64]) for each in "qk"}
            if not short:
                found |= _linear(f"{at}.mlp.fc1", 4 * wide, wide) | _linear(f"{at}.mlp.fc2", wide, 4 * wide)
    return found
