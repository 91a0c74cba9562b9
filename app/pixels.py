"""Are two pictures the same? Byte for byte, pixel for pixel, or how far apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines.api import open_image


@dataclass(frozen=True)
class Comparison:
    """`same_bytes` is the whole file, `same_pixels` the decoded picture. `largest` and `mean` count in steps of 255."""

    same_bytes: bool
    same_pixels: bool
    same_size: bool
    largest: int = 0
    mean: float = 0.0


def compare(first: Path, second: Path) -> Comparison:
    """Compare two picture files. Raises `UserError` for one that cannot be read."""
    if first.read_bytes() == second.read_bytes():
        return Comparison(True, True, True)
    one, other = open_image(first), open_image(second)
    if one.size != other.size:
        return Comparison(False, False, False)
    from PIL import ImageChops, ImageStat

    apart = ImageChops.difference(one, other)
    largest = max(high for _low, high in apart.getextrema())  # pyright: ignore
    mean = sum(ImageStat.Stat(apart).mean) / 3
    return Comparison(False, largest == 0, True, int(largest), round(mean, 3))
