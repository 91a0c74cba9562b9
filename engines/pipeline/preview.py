"""Cheap previews: a linear map from latents to RGB, fitted once to the model's own decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

PREVIEW_SIDE = 256  # pixels; enough to see what it becomes, small enough to write in a millisecond


class Previewer:
    """Turns latents [1, C, h, w] into small JPEG files. The fit costs one decode of 16 x 16 latents, at the first preview."""

    def __init__(self, vae: Any, rgb: tuple[tuple[float, float, float], ...] | None = None) -> None:
        self._vae = vae
        self._matrix = torch.tensor(rgb) if rgb else None

    def save(self, latents: torch.Tensor, path: Path) -> Path:
        """Write the preview of the first picture in `latents` and return where it is."""
        from PIL import Image

        if self._matrix is None:
            self._matrix = fit_rgb(self._vae)
        pixels = to_rgb(latents[:1].float().cpu(), self._matrix)
        picture = Image.fromarray((pixels * 255).round().byte().numpy())
        factor = max(1, PREVIEW_SIDE // max(picture.size))
        picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC).save(path)
        return path


def to_rgb(latents: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Latents [1, C, h, w] to pixels [h, w, 3] in 0 to 1. Noisy latents are brought to unit deviation first."""
    normal = latents / latents.std().clamp(min=1.0)
    values = normal[0].permute(1, 2, 0) @ matrix[:-1] + matrix[-1]
    return (values / 2 + 0.5).clamp(0, 1)


@torch.inference_mode()
def fit_rgb(vae: Any) -> torch.Tensor:
    """Least-squares map [C + 1, 3] from unit latents to the mean colour of the pixels that each one decodes to.

    Smooth noise stands in for pictures: neighbours in real latents are alike. Own generator: the picture's must not move.
    """
    channels, side = vae.config.latent_channels, 16
    noise = torch.randn(1, channels, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    latents = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic")
    device, dtype = next(vae.parameters()).device, next(vae.parameters()).dtype
    decoded = vae.decode((latents / vae.config.scaling_factor).to(device, dtype), return_dict=False)[0]
    colours = torch.nn.functional.adaptive_avg_pool2d(decoded.float().cpu(), (side, side))[0].flatten(1).T
    known = torch.cat([latents[0].flatten(1).T, torch.ones(side * side, 1)], dim=1)
    return torch.linalg.lstsq(known, colours).solution
