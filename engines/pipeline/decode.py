"""Latents to a picture, checked: never silently black or broken, and a failed decode never costs the denoise."""

from __future__ import annotations

import logging
from typing import Any

import torch

from engines.errors import ResourceError
from engines.pipeline.keeping import set_tiles
from engines.pipeline.latents import LatentSpace

log = logging.getLogger(__name__)


def decode(pipe: Any, space: LatentSpace, latents: torch.Tensor, tiled: bool = False) -> tuple[Any, tuple[str, ...]]:
    """The picture (PIL, RGB) of the latents that a pipeline returned, and notes on any way that had to be taken.

    Walks a ladder once: as it is, unless the plan says `tiled`; tiled when memory runs out, in float32 when the result is not
    a number. Raises `ResourceError` when every rung fails.
    """
    notes: list[str] = []
    latents = space.finished(latents)
    pixels = _attempt(pipe, latents, notes, tiled)
    if not torch.isfinite(pixels).all() and pipe.vae.dtype != torch.float32:
        notes.append("decoded in float32: the first try was not a number")
        pixels = _in_float32(pipe, latents)
    if not torch.isfinite(pixels).all():
        raise ResourceError("decode-not-finite")
    if float(pixels.max() - pixels.min()) < 1e-3:
        notes.append("the picture has one colour")
    for note in notes:
        log.warning("decode note=%s", note)
    return pipe.image_processor.postprocess(space.pixels(pixels), output_type="pil")[0], tuple(notes)


def check_latents(latents: torch.Tensor, step: int) -> None:
    """Raises `ResourceError` when the latents are not numbers any more."""
    if not torch.isfinite(latents).all():
        raise ResourceError("latents-not-finite", step=step)


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch ran out of memory: CUDA has a type for it, the CPU allocator a sentence."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)


def _attempt(pipe: Any, latents: torch.Tensor, notes: list[str], tiled: bool) -> torch.Tensor:
    if not tiled:
        try:
            return _run(pipe.vae, latents)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        notes.append("decoded in tiles: the whole picture did not fit in memory")
    elif latents.shape[-1] * latents.shape[-2] > 64 * 64:
        notes.append("decoded in tiles, as planned: memory is short")
    set_tiles(pipe.vae)
    try:
        return _run(pipe.vae, latents)
    except Exception as error:
        if is_out_of_memory(error):
            raise ResourceError("out-of-memory", stage="decode", detail=_first_line(error)) from error
        raise
    finally:
        pipe.vae.disable_tiling()


def _in_float32(pipe: Any, latents: torch.Tensor) -> torch.Tensor:
    before = pipe.vae.dtype
    pipe.vae.to(torch.float32)
    try:
        return _run(pipe.vae, latents)
    finally:
        pipe.vae.to(before)


def _run(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    return vae.decode(latents.to(vae.dtype), return_dict=False)[0]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
