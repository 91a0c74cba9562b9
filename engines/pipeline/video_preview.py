"""Small moving previews while a video is sampled: a linear map from latents to colours, fitted to the model's decoder."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engines.family import LatentFormat
from engines.pipeline.preview import to_rgb

FRAMES = 6  # of a preview: enough to see what moves
LONGER_SIDE = 256  # pixels
PREVIEW_FPS = 4
FIT_SIDE = 8  # latents a side of what the map is fitted to


class VideoPreviewer:
    """Turns latents in any layout of the pipelines into animated WebP files. The fit costs the decode of one small frame."""

    def __init__(self, vae: Any, latent: LatentFormat) -> None:
        config = vae.config  # the model's own channels: small models of a family have fewer
        channels = getattr(config, "latent_channels", None) or getattr(config, "z_dim", None) or latent.channels
        self._vae, self._latent = vae, replace(latent, channels=channels)
        self._matrix = torch.tensor(latent.rgb) if latent.rgb else None

    def save(self, latents: torch.Tensor, size: tuple[int, int], path: Path) -> Path | None:
        """Write a preview of `latents` for a video of `size` (width, height); None for a layout that nobody knows."""
        video = frames_first(latents, self._latent, size)
        if video is None:
            return None
        if self._matrix is None:
            self._matrix = self._fit()
        chosen = torch.linspace(0, video.shape[0] - 1, min(FRAMES, video.shape[0])).round().long().unique()
        pictures = [_picture(video[index][None].float().cpu(), self._matrix, size) for index in chosen.tolist()]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=1000 // PREVIEW_FPS, loop=0, quality=70, method=0
        )
        return path

    @torch.inference_mode()
    def _fit(self) -> torch.Tensor:
        """Least squares [C + 1, 3] from unit latents to the mean colour of what each one decodes to."""
        channels, side = self._latent.channels, FIT_SIDE
        noise = torch.randn(1, channels, side // 2, side // 2, generator=torch.Generator().manual_seed(0))
        latents = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic")
        parameter = next(self._vae.parameters())
        pixels = self._decode(for_decoder(self._vae, latents[:, :, None]).to(parameter.device, parameter.dtype))
        colours = torch.nn.functional.adaptive_avg_pool2d(pixels.float().cpu(), (side, side))[0].flatten(1).T
        known = torch.cat([latents[0].flatten(1).T, torch.ones(side * side, 1)], dim=1)
        return torch.linalg.lstsq(known, colours).solution

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        """One frame [1, 3, H, W] of latents [1, C, 1, h, w]; decoders of single frames take [1, C, h, w]."""
        # The class's own: while a pipeline runs, the instance's is replaced (see `capture_decoder_input`).
        decode = partial(type(self._vae).decode, self._vae)
        parameters = inspect.signature(decode).parameters
        if "num_frames" in parameters:
            return decode(latents[:, :, 0], num_frames=1).sample
        if type(self._vae).__name__ == "AutoencoderKL":
            return decode(latents[:, :, 0]).sample
        if "temb" in parameters and self._vae.config.timestep_conditioning:
            return decode(latents, torch.zeros(1, device=latents.device, dtype=latents.dtype)).sample[:, :, 0]
        return decode(latents).sample[:, :, 0]


def frames_first(latents: torch.Tensor, latent: LatentFormat, size: tuple[int, int]) -> torch.Tensor | None:
    """Latents as [F, C, h, w], from [1, C, F, h, w], [1, F, C, h, w] or packed [1, F * h * w, C]."""
    width, height = size[0] // latent.scale, size[1] // latent.scale
    if latents.ndim == 3 and latents.shape[2] == latent.channels and latents.shape[1] % (width * height) == 0:
        return latents[0].T.reshape(latent.channels, -1, height, width).transpose(0, 1)
    if latents.ndim != 5:
        return None
    if latents.shape[1] == latent.channels:
        return latents[0].transpose(0, 1)
    return latents[0] if latents.shape[2] == latent.channels else None


def for_decoder(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents [1, C, F, h, w] as the model has them to those that the decoder wants: factor, or mean and deviation."""
    mean, deviation = (_by_channel(vae, name, latents) for name in ("latents_mean", "latents_std"))
    scale = getattr(vae.config, "scaling_factor", None) or 1.0
    if mean is not None and deviation is not None:
        return latents * deviation / scale + mean
    return latents / scale


def _by_channel(vae: Any, name: str, like: torch.Tensor) -> torch.Tensor | None:
    found = vae.config.get(name)
    if found is None:  # some keep them with the weights
        found = dict(vae.named_buffers()).get(name)
    return None if found is None else torch.as_tensor(found, dtype=like.dtype).cpu().view(1, -1, 1, 1, 1)


def _picture(latents: torch.Tensor, matrix: torch.Tensor, size: tuple[int, int]) -> Any:
    from PIL import Image

    pixels = to_rgb(latents, matrix)
    picture = Image.fromarray((pixels * 255).round().byte().numpy())
    factor = LONGER_SIDE / max(size)
    return picture.resize((round(size[0] * factor), round(size[1] * factor)), Image.Resampling.BICUBIC)
