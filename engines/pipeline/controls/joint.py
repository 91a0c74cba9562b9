"""ControlNets for Stable Diffusion 3 and 3.5. Source: diffusers' StableDiffusion3ControlNetPipeline.

There a draw from the VAE is shown; here it is the mean, so that a seed's noise stays its own.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from engines.pipeline.controls.blocks import block_count, spread_evenly
from engines.pipeline.controls.control import Call, Control


class JointControl:
    """See `ControlKind`.

    The files come in two builds. One reads the words, and was trained without the pooled words and without the VAE's shift;
    Stability's for 3.5 large reads no words, takes the model's own positions, and wants both.
    """

    same_for_negative = False

    def build(self, denoiser: Any, tensors: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
        """The file says how many blocks there are and of which build; everything else is the transformer's own."""
        from diffusers import SD3ControlNetModel

        tensors = {name.removeprefix("controlnet."): tensor for name, tensor in tensors.items()}
        channels = tensors["pos_embed_input.proj.weight"].shape[1]
        if channels != denoiser.config.in_channels:
            raise ValueError("it looks at a mask as well, and Easel does not take those yet")
        reads = "context_embedder.weight" in tensors
        second = {int(name.split(".")[1]) for name in tensors if ".attn2.to_q.weight" in name}
        changes: dict[str, Any] = {
            "num_layers": block_count("transformer_blocks", tensors),
            "qk_norm": "rms_norm" if "transformer_blocks.0.attn.norm_q.weight" in tensors else None,
            "dual_attention_layers": tuple(sorted(second)),
            "force_zeros_for_pooled_projection": reads,
            "joint_attention_dim": denoiser.config.joint_attention_dim if reads else None,
        }
        if "pos_embed.proj.weight" not in tensors:
            tensors |= {f"pos_embed.{name}": value for name, value in denoiser.pos_embed.state_dict().items()}
        changes["pos_embed_max_size"] = math.isqrt(tensors["pos_embed.pos_embed"].shape[1])
        with torch.device("meta"):
            net = SD3ControlNetModel.from_config({**denoiser.config, **changes})
        return net, tensors

    def shown(self, pipe: Any, picture: torch.Tensor, net: Any) -> torch.Tensor:
        """The picture as latents [1, channels, h, w]."""
        vae = pipe.vae
        seen = vae.encode((picture * 2 - 1).to(vae.dtype)).latent_dist.mode()
        shift = 0 if net.config.force_zeros_for_pooled_projection else vae.config.shift_factor
        return ((seen - shift) * vae.config.scaling_factor).to(picture)

    def say(self, control: Control, call: Call) -> dict[str, Any]:
        """What is added behind each block of the transformer."""
        net, pooled = control.net, call.kwargs["pooled_projections"]
        samples = net(
            hidden_states=call.kwargs["hidden_states"],
            controlnet_cond=control.shown,  # one for both calls of guidance
            conditioning_scale=control.weight,
            encoder_hidden_states=call.kwargs["encoder_hidden_states"] if net.context_embedder is not None else None,
            pooled_projections=torch.zeros_like(pooled) if net.config.force_zeros_for_pooled_projection else pooled,
            timestep=call.kwargs["timestep"],
            return_dict=False,
        )[0]
        return {"block_controlnet_hidden_states": spread_evenly(samples, len(call.denoiser.transformer_blocks))}
