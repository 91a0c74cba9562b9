"""Pictures prepared for ControlNets: edges, tiles, blur; see `engines.preparers` for the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engines.preparers import THRESHOLDS, spelled_preparer

if TYPE_CHECKING:
    from PIL.Image import Image

TILE_SHRINK = 8
NO_BLUR = 0.1  # of a pixel: OpenCV does not blur before, and people know its thresholds


def prepared(picture: Image, name: str, low: float | None = None, high: float | None = None) -> Image:
    """`picture` (RGB) as the preparer called `name` makes it, RGB in the same size; `low` and `high` are its numbers.

    Raises `UserError("preparer-unknown")`.
    """
    from PIL import Image as images
    from PIL import ImageFilter, ImageOps

    name = spelled_preparer(name)
    usual = THRESHOLDS.get(name, (0.0, 0.0))
    first, second = (usual[0] if low is None else low), (usual[1] if high is None else high)
    match name:
        case "canny":
            return edges(picture, first, second)
        case "tile":
            small = (max(1, picture.width // TILE_SHRINK), max(1, picture.height // TILE_SHRINK))
            return picture.resize(small, images.Resampling.BOX).resize(picture.size, images.Resampling.BICUBIC)
        case "blur":
            return picture.filter(ImageFilter.GaussianBlur(first))
        case "gray":
            return picture.convert("L").convert("RGB")
        case "invert":
            return ImageOps.invert(picture)
        case "threshold":
            return picture.convert("L").point([255 if value > first else 0 for value in range(256)]).convert("RGB")
        case _:
            return picture


def edges(picture: Image, low: float, high: float) -> Image:
    """Canny's edges, white on black. `low` and `high` are lengths of the gradient (Sobel, of 0 to 255 a pixel)."""
    from PIL import Image as images
    from skimage.feature import canny

    brightness = np.asarray(picture.convert("L"), dtype=np.float64)
    low, high = sorted((low, high))
    found = canny(brightness, sigma=NO_BLUR, low_threshold=low, high_threshold=high)
    return images.fromarray((found * 255).astype(np.uint8)).convert("RGB")
