"""Decode pictures that people bring: every mode has a defined meaning, every damage a message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

PIXEL_LIMIT = 64_000_000  # decoded RGB of this size is 192 MB; a bomb says more and is refused unread


def open_image(path: Path) -> Image:
    """The first frame as upright RGB, alpha over white. Raises `UserError` for a missing, broken or huge file."""
    return _flatten(_open(path, "init-image"))


def open_mask(path: Path) -> Image:
    """The mask as grey (L): white is repainted. A picture with alpha counts by its colours, not by its alpha."""
    return _flatten(_open(path, "mask")).convert("L")


def picture_size(path: Path, kind: str = "init-image") -> tuple[int, int]:
    """Width and height of the decoded, upright picture in pixels. Raises as `open_image` does; `kind` names the field."""
    return _open(path, kind).size


def fit(picture: Image, size: tuple[int, int], resampling: str = "LANCZOS") -> Image:
    """Scale to cover `size` and cut the middle out: nothing is stretched, and the same rule serves picture and mask."""
    from PIL import Image as images
    from PIL import ImageOps

    if picture.size == size:
        return picture
    return ImageOps.fit(picture, size, images.Resampling[resampling])


def stretch(picture: Image, size: tuple[int, int]) -> Image:
    """Scale to `size` exactly, whatever the shape: for parts that are scaled back afterwards."""
    from PIL import Image as images

    return picture if picture.size == size else picture.resize(size, images.Resampling.LANCZOS)


def _open(path: Path, kind: str) -> Any:
    from PIL import Image as images
    from PIL import ImageOps

    if not path.is_file():
        raise UserError(f"{kind}-missing", path=str(path))
    try:
        with images.open(path) as picture:
            _check_pixels(picture, path, kind)
            picture.load()
            return ImageOps.exif_transpose(picture)
    except UserError:
        raise
    except images.DecompressionBombError as error:
        raise UserError(f"{kind}-too-large", path=str(path), pixels="more than 178", limit=64) from error
    except Exception as error:  # Pillow's plug-ins raise SyntaxError, struct.error, OSError and more for damaged files
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{kind}-broken", path=str(path), why=why) from error


def _check_pixels(picture: Any, path: Path, kind: str) -> None:
    pixels = picture.width * picture.height
    if pixels > PIXEL_LIMIT:
        raise UserError(f"{kind}-too-large", path=str(path), pixels=round(pixels / 1e6), limit=PIXEL_LIMIT // 1_000_000)


def _flatten(picture: Any) -> Any:
    """RGB from any mode: 16-bit and float values are scaled to 8 bits, not cut off."""
    from PIL import Image as images

    if picture.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _scaled_to_8_bits(picture).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = images.new("RGBA", picture.size, "white")
        return images.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _scaled_to_8_bits(picture: Any) -> Any:
    """Integers count from 0 to 65535; floats from 0 to 1, or to 255 when they go beyond 1."""
    import numpy as np
    from PIL import Image as images

    values = np.asarray(picture).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = 65535.0
    if picture.mode == "F":
        top = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
    return images.fromarray((np.clip(values / top, 0, 1) * 255).round().astype(np.uint8))
