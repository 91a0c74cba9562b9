"""How a family's pipelines hold latents, and what its decoder wants of them: for previews and for the finished picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch


class LatentSpace(Protocol):
    """The latents of one picture of `width` x `height` pixels. Nothing here changes its input."""

    vae: Any

    def spatial(self, latents: torch.Tensor) -> torch.Tensor:
        """What a sampler step gave, as [1, C, h, w] in the model's own units (about unit deviation)."""
        ...

    def finished(self, latents: torch.Tensor) -> torch.Tensor:
        """What the pipeline returned, as the decoder's input."""
        ...

    def for_decoder(self, spatial: torch.Tensor) -> torch.Tensor:
        """[1, C, h, w] in the model's units as the decoder's input."""
        ...

    def pixels(self, decoded: torch.Tensor) -> torch.Tensor:
        """What the decoder gave, as [1, 3, H, W] in -1 to 1."""
        ...


class PlainSpace:
    """Latents that lie in space from beginning to end: Stable Diffusion, Z-Image, Lumina, Sana."""

    def __init__(self, vae: Any, width: int, height: int) -> None:
        self.vae, self.width, self.height = vae, width, height

    def spatial(self, latents: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        return latents

    def finished(self, latents: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        return self.for_decoder(self.spatial(latents))

    def for_decoder(self, spatial: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        return unscale(self.vae, spatial)

    def pixels(self, decoded: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        return decoded


class PackedSpace(PlainSpace):
    """Patches of 2 x 2 latents in a row, [1, h/2 * w/2, 4 C], each with its channels first: FLUX.1 and Chroma."""

    def spatial(self, latents: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        scale = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return unpack(latents, self.width // scale, self.height // scale)


class PackedFrameSpace(PlainSpace):
    """Packed latents and a decoder of videos, which makes one frame: Qwen-Image."""

    def spatial(self, latents: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        scale = 2 ** len(self.vae.temperal_downsample)
        return unpack(latents, self.width // scale, self.height // scale)

    def for_decoder(self, spatial: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`: [1, C, 1, h, w]."""
        return unscale(self.vae, spatial.unsqueeze(2))

    def pixels(self, decoded: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`: the only frame."""
        return decoded[:, :, 0]


class NormedPatchSpace(PlainSpace):
    """Patches of 2 x 2 latents as channels, normed by channel; FLUX.2 klein's pipelines undo both before they return."""

    def spatial(self, latents: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`: [1, 4 C, h/2, w/2]."""
        scale = 2 ** len(self.vae.config.block_out_channels)
        return latents.transpose(1, 2).unflatten(2, (self.height // scale, self.width // scale))

    def finished(self, latents: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`."""
        return latents if latents.ndim == 4 else self.for_decoder(self.spatial(latents))

    def for_decoder(self, spatial: torch.Tensor) -> torch.Tensor:
        """See `LatentSpace`: [1, C, h, w]."""
        norm = self.vae.bn
        deviation = (norm.running_var + self.vae.config.batch_norm_eps).sqrt().view(1, -1, 1, 1)
        plain = spatial.to(deviation.dtype) * deviation + norm.running_mean.view(1, -1, 1, 1)
        return torch.nn.functional.pixel_shuffle(plain, 2)


LAYOUTS: Mapping[str, Callable[[Any, int, int], LatentSpace]] = {
    "plain": PlainSpace,
    "packed": PackedSpace,
    "packed-frame": PackedFrameSpace,
    "normed-patches": NormedPatchSpace,
}


def create_space(layout: str, vae: Any, width: int, height: int) -> LatentSpace:
    """The latents of a picture of `width` x `height` pixels in the family's `layout`, a key of `LAYOUTS`."""
    return LAYOUTS[layout](vae, width, height)


def unpack(latents: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """[1, h/2 * w/2, 4 C] to [1, C, h, w]: each token holds C channels of a patch of 2 x 2."""
    return torch.nn.functional.pixel_shuffle(latents.transpose(1, 2).unflatten(2, (height // 2, width // 2)), 2)


def unscale(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """The inverse of what the pipelines do after encoding: a factor, or mean and deviation by channel, or a shift."""
    config = vae.config
    factor = getattr(config, "scaling_factor", None) or 1.0
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and deviation is not None:
        shape = (1, -1, *(1 for _ in latents.shape[2:]))
        mean = torch.tensor(mean, device=latents.device, dtype=latents.dtype).view(shape)
        deviation = torch.tensor(deviation, device=latents.device, dtype=latents.dtype).view(shape)
        return latents * deviation / factor + mean
    return latents / factor + (getattr(config, "shift_factor", None) or 0.0)
