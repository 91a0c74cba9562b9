"""Are two pictures or videos the same? Byte for byte, pixel for pixel, or how far apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from engines.api import is_video, open_image, read_frames

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Comparison:
    """`same_bytes` is the whole file, `same_pixels` the decoded picture. `largest` and `mean` count in steps of 255.

    Of videos all frames are compared; `frames` are those of both, and another number of them is another size.
    """

    same_bytes: bool
    same_pixels: bool
    same_size: bool
    largest: int = 0
    mean: float = 0.0
    frames: int = 1


def compare(first: Path, second: Path) -> Comparison:
    """Compare two picture files. Raises `UserError` for one that cannot be read."""
    if first.read_bytes() == second.read_bytes():
        return Comparison(True, True, True)
    one, other = open_image(first), open_image(second)
    if one.size != other.size:
        return Comparison(False, False, False)
    largest, mean = _apart(one, other)
    return Comparison(False, largest == 0, True, largest, round(mean, 3))


def compare_films(first: Path, second: Path) -> Comparison:
    """Compare two videos or moving pictures, frame by frame. Raises `UserError` for one that cannot be read."""
    if first.read_bytes() == second.read_bytes():
        return Comparison(True, True, True)
    found: list[tuple[int, float]] = []
    for one, other in zip_longest(_frames(first), _frames(second)):
        if one is None or other is None or one.size != other.size:
            return Comparison(False, False, False)
        found.append(_apart(one, other))
    largest = max((each for each, _mean in found), default=0)
    mean = sum(each for _largest, each in found) / max(1, len(found))
    return Comparison(False, largest == 0, True, largest, round(mean, 3), len(found))


def _frames(path: Path) -> Iterator[Image]:
    if is_video(path):
        yield from read_frames(path)
        return
    from PIL import Image, ImageSequence

    open_image(path)  # its checks, and its sentences
    with Image.open(path) as moving:
        yield from (frame.convert("RGB") for frame in ImageSequence.Iterator(moving))


def _apart(one: Image, other: Image) -> tuple[int, float]:
    """The largest and the mean difference."""
    from PIL import ImageChops, ImageStat

    apart = ImageChops.difference(one, other)
    largest = max(high for _low, high in apart.getextrema())  # pyright: ignore
    return int(largest), sum(ImageStat.Stat(apart).mean) / 3
