"""Between what Gradio's editor holds and what an engine wants: a picture, painted strokes, and a mask."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.drafts import Draft
from app.inputs import InputStore
from engines.api import open_image

if TYPE_CHECKING:
    import PIL.Image

FAINT = 8  # alpha up to this is the soft edge of a stroke, not the stroke
COLOUR = "#e0218a"  # seen on nearly every picture; the mask takes the strokes' alpha, not their colour


def taken(draft: Draft, value: dict[str, Any] | None, inputs: InputStore) -> Draft:
    """The draft with the editor's `value` (paths in "background" and "layers") kept in the input store.

    Raises `UserError` for a picture that cannot be read.
    """
    if not value or not value.get("background"):
        return draft.with_(init_image="", mask="", painting="")
    background = _background(draft, Path(value["background"]), inputs)
    layer = next(iter(value.get("layers") or ()), None)
    if layer is None:
        return draft.with_(init_image=background, mask="", painting="")
    mask = mask_of(Path(layer))
    if mask is None:
        return draft.with_(init_image=background, mask="", painting="")
    return draft.with_(
        init_image=background, mask=inputs.keep_bytes(mask, ".png"), painting=inputs.keep(str(layer), "mask")
    )


def mask_of(layer: Path) -> bytes | None:
    """The layer's alpha as a PNG mask: white where something was painted. None when nothing was."""
    from PIL import Image

    with Image.open(layer) as painted:
        alpha = painted.convert("RGBA").getchannel("A").point([255 if value > FAINT else 0 for value in range(256)])
    if alpha.getextrema()[1] == 0:
        return None
    buffer = io.BytesIO()
    alpha.save(buffer, "PNG")
    return buffer.getvalue()


def shown(picture: str | None, layer: str | None) -> dict[str, Any] | None:
    """The editor's value for a kept picture and its strokes."""
    if picture is None:
        return None
    return {"background": picture, "layers": [layer] if layer else [], "composite": None}


def _background(draft: Draft, path: Path, inputs: InputStore) -> str:
    """Keep the background, unless it is the kept one: the editor writes the same pixels anew as another file."""
    picture = open_image(path)
    if draft.init_image and _same(picture, open_image(inputs.path_of(draft.init_image))):
        return draft.init_image
    return inputs.keep(str(path), "init_image")


def _same(one: PIL.Image.Image, other: PIL.Image.Image) -> bool:
    from PIL import ImageChops

    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None
