"""ControlNets for transformers over packed latents, which look at pictures as the VAE sees them.

Source: diffusers' FluxControlNetPipeline. There a draw from the VAE is shown; here it is the mean, so that
a seed's noise stays its own.
"""

from __future__ import annotations

from typing import Any

import torch

from engines.pipeline.controls.blocks import block_count, spread
from engines.pipeline.controls.control import Call, Control

PASSED = (
    "timestep",
    "guidance",
    "pooled_projections",
    "encoder_hidden_states",
    "txt_ids",
    "img_ids",
    "joint_attention_kwargs",
)


class PackedControl:
    """See `ControlKind`."""

    same_for_negative = False

    def build(self, denoiser: Any, tensors: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
        """The file says how many blocks there are; everything else is the transformer's own configuration."""
        from diffusers import FluxControlNetModel

        if "controlnet_mode_embedder.weight" in tensors:
            raise ValueError("it is a union that wants to be told its mode, and Easel does not take those yet")
        if any(name.startswith("input_hint_block") for name in tensors):
            raise ValueError("it is of the XLabs kind, and Easel does not take those yet")
        changes = {
            "num_layers": block_count("transformer_blocks", tensors),
            "num_single_layers": block_count("single_transformer_blocks", tensors),
            "in_channels": tensors["x_embedder.weight"].shape[1],
            "guidance_embeds": any("guidance_embedder" in name for name in tensors),
        }
        with torch.device("meta"):
            net = FluxControlNetModel.from_config({**denoiser.config, **changes})
        return net, tensors

    def shown(self, pipe: Any, picture: torch.Tensor, net: Any) -> torch.Tensor:
        """The picture as packed latents [1, places, channels]."""
        vae = pipe.vae
        seen = vae.encode((picture * 2 - 1).to(vae.dtype)).latent_dist.mode()
        latents = (seen - vae.config.shift_factor) * vae.config.scaling_factor
        return pipe._pack_latents(latents, *latents.shape).to(picture)

    def say(self, control: Control, call: Call) -> dict[str, Any]:
        """What is added behind each block of the transformer."""
        hidden = call.kwargs["hidden_states"][..., : control.net.config.in_channels]
        blocks, single = control.net(
            hidden_states=hidden,
            controlnet_cond=control.shown.expand(hidden.shape[0], -1, -1),
            conditioning_scale=control.weight,
            return_dict=False,
            **{name: call.kwargs.get(name) for name in PASSED},
        )
        found = {"controlnet_block_samples": (blocks, call.denoiser.transformer_blocks)}
        found["controlnet_single_block_samples"] = (single, call.denoiser.single_transformer_blocks)
        return {name: spread(value, len(places)) for name, (value, places) in found.items() if value is not None}
