"""ControlNets for Qwen-Image. Source: diffusers' QwenImageControlNetPipeline.

There a draw from the VAE is shown; here it is the mean, so that a seed's noise stays its own. As there, a network looks once a
step, with the prompt, and what it says counts for the negative prompt too.
"""

from __future__ import annotations

from typing import Any

import torch

from engines.pipeline.controls.blocks import block_count, spread
from engines.pipeline.controls.control import Call, Control

PASSED = ("hidden_states", "timestep", "encoder_hidden_states", "encoder_hidden_states_mask", "img_shapes")


class PackedFrameControl:
    """See `ControlKind`."""

    same_for_negative = True

    def build(self, denoiser: Any, tensors: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
        """The file says how many blocks there are; everything else is the transformer's own configuration."""
        from diffusers import QwenImageControlNetModel

        if tensors["controlnet_x_embedder.weight"].shape[1] != denoiser.config.in_channels:
            raise ValueError("it looks at a mask as well, and Easel does not take those yet")
        changes = {"num_layers": block_count("transformer_blocks", tensors), "extra_condition_channels": 0}
        with torch.device("meta"):
            net: Any = QwenImageControlNetModel.from_config({**denoiser.config, **changes})
        net.pos_embed = denoiser.pos_embed  # plain tensors without weights, which do not come from the file
        return net, tensors

    def shown(self, pipe: Any, picture: torch.Tensor, net: Any) -> torch.Tensor:
        """The picture as packed latents [1, places, channels]."""
        vae = pipe.vae
        seen = vae.encode((picture * 2 - 1).to(vae.dtype)[:, :, None]).latent_dist.mode()
        mean, std = (
            torch.tensor(value).view(1, vae.config.z_dim, 1, 1, 1).to(seen)
            for value in (vae.config.latents_mean, vae.config.latents_std)
        )
        latents = ((seen - mean) * (1.0 / std)).permute(0, 2, 1, 3, 4)
        return pipe._pack_latents(latents, 1, latents.shape[2], *latents.shape[3:]).to(picture)

    def say(self, control: Control, call: Call) -> dict[str, Any]:
        """What is added behind each block of the transformer."""
        samples = control.net(
            controlnet_cond=control.shown.expand(call.kwargs["hidden_states"].shape[0], -1, -1),
            conditioning_scale=control.weight,
            return_dict=False,
            **{name: call.kwargs.get(name) for name in PASSED},
        )
        return {"controlnet_block_samples": spread(samples, len(call.denoiser.transformer_blocks))}
