"""Latents to a picture, checked: never silently black or broken, and a failed decode never costs the denoise."""

from __future__ import annotations

import logging
from typing import Any

import torch

from engines.errors import ResourceError
from engines.pipeline.keeping import set_tiles, working_device
from engines.pipeline.latents import LatentSpace
from engines.pipeline.rescue import in_float32, short_parts
from engines.runtime import is_out_of_memory

log = logging.getLogger(__name__)

TILED = "decoded in tiles: the whole picture did not fit in memory"
AS_PLANNED = "decoded in tiles, as planned: memory is short"
UNTILED = 64 * 64  # latents; smaller pictures are one tile anyway
NO_NUMBER, ONE_COLOUR = "was not a number", "had one colour"
ON_THE_PROCESSOR = "decoded on the processor: the graphics memory was too small"


def decode(pipe: Any, space: LatentSpace, latents: torch.Tensor, tiled: bool = False) -> tuple[Any, tuple[str, ...]]:
    """The picture (PIL, RGB) of the latents that a pipeline returned, and notes on any way that had to be taken.

    Walks a ladder once: as it is, unless the plan says `tiled`; in tiles when memory runs out, then on the processor; in
    float32 when the result is not a number or has one colour. Raises `ResourceError` when every rung fails.
    """
    notes: list[str] = []
    latents = space.finished(latents)
    pixels = _attempt(pipe.vae, latents, notes, tiled)
    why = _wrong(pixels)
    if why and (short := short_parts({"vae": pipe.vae})):
        notes.append(f"decoded in float32: the first try {why}")
        with in_float32(short):
            pixels = _attempt(pipe.vae, latents, notes, tiled)
        why = _wrong(pixels)
    if why == NO_NUMBER:
        raise ResourceError("decode-not-finite")
    if why == ONE_COLOUR:
        notes.append("the picture has one colour")
    for note in notes:
        log.warning("decode note=%s", note)
    return pipe.image_processor.postprocess(space.pixels(pixels), output_type="pil")[0], tuple(notes)


def _wrong(pixels: torch.Tensor) -> str:
    """What is wrong with the pixels, as the end of a sentence; nothing when they look like a picture."""
    if not torch.isfinite(pixels).all():
        return NO_NUMBER
    return ONE_COLOUR if float(pixels.max() - pixels.min()) < 1e-3 else ""


def _attempt(vae: Any, latents: torch.Tensor, notes: list[str], tiled: bool) -> torch.Tensor:
    """The pixels by the first way that memory is enough for: whole, in tiles, in tiles on the processor."""
    large = latents.shape[-1] * latents.shape[-2] > UNTILED
    planned = [(_in_tiles, AS_PLANNED if large else "")]
    ways = planned if tiled else [(_run, ""), (_in_tiles, TILED)]
    if next(vae.parameters()).device.type != "cpu":  # not where its weights come to the card by themselves
        ways.append((_on_the_processor, ON_THE_PROCESSOR))
    lacking: Exception | None = None
    for way, note in ways:
        try:
            pixels = way(vae, latents)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            lacking = error
        else:
            notes += [note] if note and note not in notes else []
            return pixels
    raise ResourceError("decode-out-of-memory", detail=str(lacking).strip().split("\n", 1)[0]) from lacking


def _in_tiles(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    set_tiles(vae)
    try:
        return _run(vae, latents)
    finally:
        vae.disable_tiling()


def _on_the_processor(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    device, dtype = next(vae.parameters()).device, vae.dtype
    vae.to("cpu", torch.float32)
    try:
        return _in_tiles(vae, latents)
    finally:
        vae.to(device, dtype)


def _run(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    latents = latents.to(working_device(vae), vae.dtype)
    return vae.decode(latents, return_dict=False)[0]
