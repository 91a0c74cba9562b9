"""Pictures made larger: Pillow's filters always, upscaler models through spandrel where that is installed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engines import media
from engines.errors import UserError
from engines.interface import RunContext
from engines.media.tiling import Tile, fade, tiles_of
from engines.upscalers import PIXEL_FILTERS

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

TILE, OVERLAP = 384, 32  # pixels of the small picture; a 4x network needs about 2 GB for a tile of this side
MOST_ROUNDS = 4  # a 2x network run four times makes 16x


def enlarge(picture: Image, size: tuple[int, int], *, name: str, ctx: RunContext) -> Image:
    """`picture` (RGB) scaled to cover `size`, the middle kept, by the filter or upscaler model called `name`.

    Raises `UserError("upscaler-needs-extra")` without spandrel, `UserError("upscaler-broken")` for a file that it cannot
    read.
    """
    if name in PIXEL_FILTERS:
        return media.fit(picture, size, PIXEL_FILTERS[name])
    if name not in ctx.files:
        raise UserError("upscaler-unknown", name=name, nearest=list(PIXEL_FILTERS))
    network, factor = load_upscaler(ctx.files[name])
    for _ in range(MOST_ROUNDS):
        if factor <= 1 or (picture.width >= size[0] and picture.height >= size[1]):
            break
        ctx.check_cancelled()
        picture = run_upscaler(picture, network, factor, ctx)
    return media.fit(picture, size)


def load_upscaler(path: Path) -> tuple[Any, int]:
    """The network of an upscaler file and its factor. Only safetensors: other formats can run code when they are read."""
    if path.suffix.lower() != ".safetensors":
        raise UserError("model-pickle", model=path.name)
    try:
        from spandrel import ImageModelDescriptor, ModelLoader  # pyright: ignore
    except Exception as error:  # a torchvision that was built for another torch raises what it likes
        raise UserError("upscaler-needs-extra", file=path.name) from error
    try:
        model = ModelLoader(device="cuda" if torch.cuda.is_available() else "cpu").load_from_file(path)
    except Exception as error:  # spandrel raises its own and torch's kinds for files that it does not know
        raise UserError("upscaler-broken", file=path.name, why=str(error).split("\n", 1)[0][:200]) from error
    if not isinstance(model, ImageModelDescriptor):
        raise UserError("upscaler-broken", file=path.name, why="it does not make one picture of one picture")
    log.info("upscaler file=%s architecture=%s factor=%d", path.name, model.architecture.name, model.scale)
    return model, model.scale


@torch.inference_mode()
def run_upscaler(picture: Image, network: Any, factor: int, ctx: RunContext) -> Image:
    """`picture` `factor` times as large, in tiles; `network` maps [1, 3, h, w] in 0 to 1 to the same, larger."""
    from PIL import Image

    pixels = np.asarray(picture.convert("RGB"))
    result = np.zeros((picture.height * factor, picture.width * factor, 3), dtype=np.float64)
    tiles = tiles_of(picture.width, picture.height, TILE, OVERLAP)
    for tile in tiles:
        ctx.check_cancelled()
        _put(result, _enlarged(pixels, tile, network), tile, tiles, factor)
    return Image.fromarray((result.clip(0, 1) * 255).round().astype(np.uint8))


def _enlarged(pixels: np.ndarray, tile: Tile, network: Any) -> np.ndarray:
    part = pixels[tile.top : tile.top + TILE, tile.left : tile.left + TILE]
    values = torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float() / 255
    made = network(values.to(getattr(network, "device", "cpu")))
    return torch.nan_to_num(made.float())[0].permute(1, 2, 0).cpu().double().numpy()


def _put(result: np.ndarray, made: np.ndarray, tile: Tile, tiles: tuple[Tile, ...], factor: int) -> None:
    top, left = tile.top * factor, tile.left * factor
    place = result[top : top + made.shape[0], left : left + made.shape[1]]
    scaled = tuple(Tile(each.left * factor, each.top * factor, each.row, each.column) for each in tiles)
    this = scaled[tiles.index(tile)]
    weight = fade(this, scaled, TILE * factor)[: made.shape[0], : made.shape[1]]
    place[:] = made * weight + place * (1 - weight)
