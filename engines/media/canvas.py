"""A picture on a larger canvas: its edges grow outwards and blur, so that the model has colours to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

Margins = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def extended(picture: Image, margins: Margins) -> Image:
    """RGB `picture` with `margins` around it: the edge's pixels carried on, smoother the farther they are."""
    import numpy as np
    from PIL import Image as images
    from PIL import ImageFilter

    left, top, right, bottom = margins
    pixels = np.pad(np.asarray(picture), ((top, bottom), (left, right), (0, 0)), mode="edge")
    canvas = images.fromarray(pixels)
    smooth = canvas.filter(ImageFilter.GaussianBlur(max(4, max(margins) // 8)))
    smooth.paste(picture, (left, top))
    return smooth


def margin_mask(size: tuple[int, int], margins: Margins, overlap: int) -> Image:
    """The mask of the new margins for a picture of `size`: white outside, fading to black over `overlap` pixels within.

    Sides without a margin have no seam and are kept to the edge.
    """
    import numpy as np
    from PIL import Image as images

    horizontal = _ramp(size[0], margins[0], margins[2], overlap)
    vertical = _ramp(size[1], margins[1], margins[3], overlap)
    return images.fromarray((np.maximum(horizontal[None, :], vertical[:, None]) * 255).round().astype(np.uint8))


def _ramp(length: int, before: int, after: int, overlap: int):  # noqa: ANN202 - numpy is imported where it is used
    """One value a pixel of the whole side: 1 in the margins, falling to 0 over `overlap` pixels within."""
    import numpy as np

    place = np.arange(length, dtype=np.float64)
    falling = np.clip((overlap - place) / (overlap + 1), 0, 1)
    inner = np.maximum(falling if before else 0 * place, falling[::-1] if after else 0 * place)
    return np.concatenate([np.ones(before), inner, np.ones(after)])
