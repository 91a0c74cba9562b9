"""ControlNets for UNets: Stable Diffusion 1, 2 and XL. Source: diffusers' StableDiffusionControlNetPipeline."""

from __future__ import annotations

from typing import Any

import torch

from engines.pipeline.controls.control import Call, Control

SHRINK = 8  # how much smaller the network's first layers make the picture: as much as the VAEs of all these families
OWN_NAMES = "controlnet_cond_embedding.conv_in.weight"  # in files with diffusers' names; others have A1111's


class UnetControl:
    """See `ControlKind`."""

    same_for_negative = False

    def build(self, denoiser: Any, tensors: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
        """The UNet's own configuration says how large the network is: a ControlNet is a copy of its first half."""
        from diffusers import ControlNetModel
        from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

        tensors = {name.removeprefix("controlnet."): tensor for name, tensor in tensors.items()}
        if any(name.startswith(("task_embedding", "control_add_embedding")) for name in tensors):
            raise ValueError("it is a union of several ControlNets, and Easel does not take those yet")
        if "lora_controlnet" in tensors:
            raise ValueError("it is a Control-LoRA, and Easel does not take those yet")
        kind = denoiser.config.encoder_hid_dim_type
        denoiser.config.encoder_hid_dim_type = None  # an IP-Adapter that is on it is no business of the network's
        try:
            with torch.device("meta"):
                net = ControlNetModel.from_unet(denoiser, load_weights_from_unet=False)
        finally:
            denoiser.config.encoder_hid_dim_type = kind
        if OWN_NAMES not in tensors:
            tensors = convert_controlnet_checkpoint(tensors, dict(net.config))
        channels = tensors["conv_in.weight"].shape[1]
        if channels != net.config["in_channels"]:  # the network of a model that repaints looks at plain latents
            with torch.device("meta"):
                net = ControlNetModel.from_config({**net.config, "in_channels": channels})
        return net, {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def shown(self, pipe: Any, picture: torch.Tensor, net: Any) -> torch.Tensor:
        """The picture, at the size from which the network's own first layers come to the latents' size."""
        scale = SHRINK / pipe.vae_scale_factor
        if scale == 1:
            return picture
        return torch.nn.functional.interpolate(picture, scale_factor=scale, mode="bilinear")

    def say(self, control: Control, call: Call) -> dict[str, Any]:
        """Residuals of the UNet's way down and of its middle."""
        sample, timestep = call.args[0], call.args[1]
        down, middle = control.net(
            sample[:, : control.net.config.in_channels],
            timestep,
            encoder_hidden_states=call.kwargs["encoder_hidden_states"],
            controlnet_cond=control.shown.expand(sample.shape[0], -1, -1, -1),
            conditioning_scale=control.weight,
            added_cond_kwargs=call.kwargs.get("added_cond_kwargs"),
            return_dict=False,
        )
        return {"down_block_additional_residuals": list(down), "mid_block_additional_residual": middle}
