"""Masks made ready: turned round, softened, and the part of a picture that they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engines.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
SOFT_SEAM = 64  # grey value; from here on a soft mask shows the new picture alone, below it fades into the old one


def prepared_mask(mask: Image, *, invert: bool, blur: float) -> Image:
    """The mask (L) turned round if wished, and softened with a Gaussian of `blur` pixels."""
    from PIL import ImageChops, ImageFilter

    if invert:
        mask = ImageChops.invert(mask)
    return mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask


def region_of(mask: Image, padding: int, ratio: float) -> Box:
    """The box around all that is not black, `padding` pixels larger on each side, widened to `ratio` (width / height).

    The box stays within the picture, so at its edges the ratio may not be met. Raises `UserError("mask-empty")`.
    """
    found = mask.getbbox()
    if found is None:
        raise UserError("mask-empty")
    left, top, right, bottom = found
    box = (left - padding, top - padding, right + padding, bottom + padding)
    left, top, right, bottom = _within(box, mask.size)
    width, height = right - left, bottom - top
    if width < height * ratio:
        left, right = _wider(left, right, round(height * ratio), mask.width)
    else:
        top, bottom = _wider(top, bottom, round(width / ratio), mask.height)
    return left, top, right, bottom


def seam_of_soft(mask: Image) -> Image:
    """How much of the new picture is shown where a soft mask is grey: all of it, but for the last faint bit."""
    return mask.point([min(255, round(value * 255 / SOFT_SEAM)) for value in range(256)])


@dataclass(frozen=True)
class Paste:
    """How a repainted region goes back: into `whole` at `box`, where `mask` (of the whole picture) is white."""

    whole: Image
    mask: Image
    box: Box

    def put(self, made: Image) -> Image:
        """The whole picture with `made` (of any size) in its place."""
        from PIL import Image as images

        size = (self.box[2] - self.box[0], self.box[3] - self.box[1])
        if made.size != size:
            made = made.resize(size, images.Resampling.LANCZOS)
        result = self.whole.copy()
        result.paste(made.convert("RGB"), self.box[:2], self.mask.crop(self.box))
        return result


def _within(box: Box, size: tuple[int, int]) -> Box:
    return max(box[0], 0), max(box[1], 0), min(box[2], size[0]), min(box[3], size[1])


def _wider(low: int, high: int, wanted: int, limit: int) -> tuple[int, int]:
    """The span grown to `wanted` around its middle, moved or cut to lie within 0 and `limit`."""
    wanted = min(max(wanted, high - low), limit)
    low = min(max(low - (wanted - (high - low)) // 2, 0), limit - wanted)
    return low, low + wanted
