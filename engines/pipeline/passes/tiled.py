"""A picture of any size redrawn tile by tile: each tile starts from what its neighbours have become."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from engines.media.tiling import Tile, fade, tiles_of
from engines.pipeline.passes.base import Decode, Pass, pass_seed
from engines.types import GenerationRequest, Task


def tile_passes(request: GenerationRequest, side: int, overlap: int, canvas: Any, decode: Decode) -> tuple[Pass, ...]:
    """One pass a tile over `canvas` (RGB, the result's size). What is carried on is the canvas as bytes [h, w, 3]."""
    tiles = tiles_of(canvas.width, canvas.height, side, overlap)
    whole = np.asarray(canvas)
    plain = request.with_(task=Task.IMAGE_TO_IMAGE, width=side, height=side, tiles=None)
    return tuple(_tile_pass(plain, number, tile, tiles, whole, decode) for number, tile in enumerate(tiles))


def _tile_pass(
    request: GenerationRequest,
    number: int,
    tile: Tile,
    tiles: tuple[Tile, ...],
    canvas: np.ndarray,
    decode: Decode,
) -> Pass:
    side = request.width

    def pictures(carried: torch.Tensor) -> tuple[Any, ...]:
        from PIL import Image

        return (Image.fromarray(_cut(_current(carried, canvas), tile, side)),)

    def carry(latents: torch.Tensor, carried: torch.Tensor) -> torch.Tensor:
        made = np.asarray(decode(latents, request).convert("RGB"))
        return torch.from_numpy(_put(_current(carried, canvas), made, tile, tiles, side))

    box = (tile.left, tile.top, tile.left + side, tile.top + side)
    frame = ((canvas.shape[1], canvas.shape[0]), box)
    return Pass(request, pass_seed(request.seed, number), pictures, carry, frame=frame)


def _current(carried: torch.Tensor, canvas: np.ndarray) -> np.ndarray:
    return carried.cpu().numpy() if carried.numel() else canvas


def _cut(canvas: np.ndarray, tile: Tile, side: int) -> np.ndarray:
    part = canvas[tile.top : tile.top + side, tile.left : tile.left + side]
    missing = ((0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0))
    return np.pad(part, missing, mode="edge")  # a picture smaller than a tile


def _put(canvas: np.ndarray, made: np.ndarray, tile: Tile, tiles: tuple[Tile, ...], side: int) -> np.ndarray:
    result = canvas.copy()
    place = result[tile.top : tile.top + side, tile.left : tile.left + side]
    high, wide = place.shape[:2]
    weight = fade(tile, tiles, side)[:high, :wide]
    place[:] = (made[:high, :wide] * weight + place * (1 - weight)).round().astype(np.uint8)
    return result
