"""Cheap previews: a linear map from latents to RGB, fitted once to the model's own decoder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from engines.family import LatentFormat
from engines.pipeline.latents import LatentSpace, create_space

log = logging.getLogger(__name__)

PREVIEW_SIDE = 256  # pixels; enough to see what it becomes, small enough to write in a millisecond
FIT_SIDE = 16  # latents; 256 samples for 5 to 33 unknowns, and a decode of 128 x 128 pixels for most families
FIT_SIDE_OF_MANY = 32  # for latents of 128 channels, which have 129 unknowns

See = Callable[[torch.Tensor, Path], Path]


class Previewer:
    """Turns latents into small JPEG files. The fit costs one decode of a few latents, at the first preview of a model."""

    def __init__(self, latent: LatentFormat) -> None:
        self._latent = latent
        self._matrix = torch.tensor(latent.rgb) if latent.rgb else None

    def of(self, space: LatentSpace) -> See:
        """What writes previews of latents in `space`: called with a sampler's output and the path of the file."""
        return lambda latents, path: self._save(space, latents, path)

    def _save(self, space: LatentSpace, latents: torch.Tensor, path: Path) -> Path:
        from PIL import Image

        if self._matrix is None:
            self._matrix = fitted(self._latent, space)
        pixels = to_rgb(space.spatial(latents[:1].float().cpu()), self._matrix)
        picture = Image.fromarray((pixels * 255).round().byte().numpy())
        factor = max(1, PREVIEW_SIDE // max(picture.size))
        picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC).save(path)
        return path


def fitted(latent: LatentFormat, space: LatentSpace) -> torch.Tensor:
    """`fit_rgb`, or a rough map where the decoder breaks or has no memory: a preview never costs the picture."""
    try:
        matrix = fit_rgb(latent, space)
    except Exception as error:
        log.warning("previews are rough: %s: %s", type(error).__name__, str(error).split("\n", 1)[0])
        matrix = torch.full((1,), torch.nan)
    if torch.isfinite(matrix).all():
        return matrix
    rough = torch.zeros(latent.channels + 1, 3)
    rough[:3] = torch.eye(3)[: latent.channels] / 2
    return rough


def to_rgb(latents: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Latents [1, C, h, w] to pixels [h, w, 3] in 0 to 1. Noisy latents are brought to unit deviation first."""
    normal = latents / latents.std().clamp(min=1.0)
    values = normal[0].permute(1, 2, 0) @ matrix[:-1] + matrix[-1]
    return (values / 2 + 0.5).clamp(0, 1)


@torch.inference_mode()
def fit_rgb(latent: LatentFormat, space: LatentSpace) -> torch.Tensor:
    """Least-squares map [C + 1, 3] from unit latents to the mean colour of the pixels that each one decodes to.

    Smooth noise stands in for pictures: neighbours in real latents are alike. Own generator: the picture's must not move.
    """
    side = FIT_SIDE if latent.channels <= 64 else FIT_SIDE_OF_MANY
    square = create_space(latent.layout, space.vae, side * latent.scale, side * latent.scale)
    noise = torch.randn(1, latent.channels, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    latents = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic")
    device, dtype = next(space.vae.parameters()).device, next(space.vae.parameters()).dtype
    wanted = square.for_decoder(latents.to(device)).to(dtype)
    decoded = square.pixels(space.vae.decode(wanted, return_dict=False)[0])
    colours = torch.nn.functional.adaptive_avg_pool2d(decoded.float().cpu(), (side, side))[0].flatten(1).T
    known = torch.cat([latents[0].flatten(1).T, torch.ones(side * side, 1)], dim=1)
    return torch.linalg.lstsq(known, colours).solution
