"""Pictures over the line: base64 in and out, masks of both conventions, never an address of somewhere else."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import TYPE_CHECKING

from app.inputs import InputStore
from engines.api import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

PIXEL_LIMIT = 64_000_000  # as for every picture that Easel opens
SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "AVIF": ".avif",
}


def decode(text: str) -> bytes:
    """The bytes of base64 with or without "data:image/png;base64,". Raises `UserError("api-picture-broken")`."""
    text = text.strip()
    if text.lower().startswith(("http://", "https://", "file:", "ftp:")):
        raise UserError("api-picture-address")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError("api-picture-broken", why=f"it is not base64 ({error})") from error
    if not data:
        raise UserError("api-picture-broken", why="it is empty")
    return data


def encode(path: Path) -> str:
    """The file's bytes as bare base64."""
    return base64.b64encode(path.read_bytes()).decode("ascii")


def bare(text: str) -> str:
    """Base64 without what may stand in front of it."""
    return text.partition(",")[2] if text.startswith("data:") else text


def opened(data: bytes) -> Image:
    """The picture, with its pixels counted before they are read. Raises `UserError("api-picture-broken")`."""
    from PIL import Image as images

    try:
        picture = images.open(io.BytesIO(data))
        if picture.width * picture.height > PIXEL_LIMIT:
            raise UserError(
                "api-picture-broken", why=f"{picture.width}x{picture.height} are more than 64 million pixels"
            )
        picture.load()
    except UserError:
        raise
    except Exception as error:  # Pillow's plug-ins raise many kinds
        raise UserError(
            "api-picture-broken", why=str(error).splitlines()[0] if str(error) else "it is damaged"
        ) from error
    return picture


def kept(inputs: InputStore, data: bytes) -> str:
    """Keep a picture in the input store and return "sha256:<hex>"."""
    picture = opened(data)
    return inputs.keep_bytes(data, SUFFIXES.get(picture.format or "", ".png"))


def kept_mask(inputs: InputStore, data: bytes, size: tuple[int, int], *, alpha: bool) -> str:
    """Keep a mask, white where it is repainted, in the picture's `size`.

    With `alpha` what is clear is repainted (OpenAI), else what is bright (A1111).
    """
    from PIL import Image as images
    from PIL import ImageOps

    picture = opened(data)
    if alpha:
        grey = ImageOps.invert(picture.convert("RGBA").getchannel("A"))
    elif picture.mode in ("RGBA", "LA", "PA"):
        # A1111 composes over black, so that a clear place is kept.
        grey = images.alpha_composite(images.new("RGBA", picture.size, "black"), picture.convert("RGBA")).convert("L")
    else:
        grey = picture.convert("L")
    if grey.size != size:
        grey = grey.resize(size, images.Resampling.LANCZOS)
    return inputs.keep_bytes(as_png(grey), ".png")


def upright(data: bytes) -> Image:
    """The picture in colours alone, turned as its EXIF says."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(opened(data)).convert("RGB")


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height as the picture is seen, turned as its EXIF says."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(opened(data)).size


def has_clear_places(data: bytes) -> bool:
    """Whether some of the picture is fully transparent."""
    picture = opened(data)
    if not picture.has_transparency_data:
        return False
    low, _high = picture.convert("RGBA").getchannel("A").getextrema()
    return low == 0


def as_png(picture: Image) -> bytes:
    """The picture's PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def converted(data: bytes, kind: str) -> bytes:
    """A picture's file as another kind, "png", "jpeg" or "webp"."""
    picture = opened(data)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, kind.upper())
    return buffer.getvalue()
