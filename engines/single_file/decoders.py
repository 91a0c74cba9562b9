"""Decoders whose makers' names the library can translate, although it has no reader for single files of their class."""

from __future__ import annotations

from typing import Any

# A tensor that only the makers' layout has, and the library's function for layouts of its kind.
LAYOUTS = {
    "AutoencoderKLFlux2": ("decoder.mid.block_1.norm1.weight", "convert_ldm_vae_checkpoint"),
    "AutoencoderKLQwenImage": ("decoder.middle.0.residual.0.gamma", "convert_wan_vae_to_diffusers"),
}
KEPT = ("bn.",)  # statistics of the latents, which have the same names everywhere


def converted(class_name: str, weights: dict[str, Any], config: Any) -> dict[str, Any]:
    """The weights under the library's own names; those of a class or layout that needs nothing of the kind as they are."""
    from diffusers.loaders import single_file_utils

    mark, function = LAYOUTS.get(class_name, ("", ""))
    plain = {name.removeprefix("vae."): tensor for name, tensor in weights.items()}
    if mark not in plain:
        return weights
    kept = {name: tensor for name, tensor in plain.items() if name.startswith(KEPT)}
    return getattr(single_file_utils, function)(plain, config=config) | kept
