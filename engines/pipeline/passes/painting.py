"""The pictures of an inpainting: what the pipeline gets of canvas and mask, and how its picture goes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from engines import media
from engines.interface import RunContext
from engines.media.canvas import extended, margin_mask
from engines.media.masks import Paste, prepared_mask, region_of, seam_of_soft
from engines.options import Masking
from engines.types import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Painting:
    """`picture` and `mask` (L, white is repainted) have the request's size; `paste` puts what comes out in its place."""

    picture: Image
    mask: Image
    paste: Paste
    soft: bool = False

    def latent_mask(self, scale: int) -> torch.Tensor:
        """The mask [1, 1, h, w] in 0 to 1 at the size of the latents, `scale` pixels a side."""
        from PIL import Image as images

        size = (self.mask.width // scale, self.mask.height // scale)
        values = np.asarray(self.mask.resize(size, images.Resampling.BOX), dtype=np.float32) / 255
        return torch.from_numpy(values)[None, None]


def prepare_painting(request: GenerationRequest, ctx: RunContext) -> Painting:
    """Read picture and mask of an inpainting request. Raises `UserError` for what cannot be read or has nothing white."""
    options = request.masking or Masking()
    picture, mask = _canvas(request, ctx)
    mask = prepared_mask(mask, invert=options.invert, blur=options.blur)
    seam = seam_of_soft(mask) if options.soft else mask
    size = (request.width, request.height)
    if not options.only_masked:
        return Painting(picture, mask, Paste(picture, seam, (0, 0, *size)), options.soft)
    box = region_of(mask, options.padding, request.width / request.height)
    part, part_mask = (media.stretch(each.crop(box), size) for each in (picture, mask))
    return Painting(part, part_mask, Paste(picture, seam, box), options.soft)


def _canvas(request: GenerationRequest, ctx: RunContext) -> tuple[Image, Image]:
    """Picture and mask: fitted to the request's size, or as large as they are when only a part is worked on."""
    from PIL import Image as images
    from PIL import ImageChops

    picture = media.open_image(ctx.inputs["init_image"])
    mask = media.open_mask(ctx.inputs["mask"]) if "mask" in ctx.inputs else None
    if request.masking and request.masking.only_masked and mask is not None:
        return picture, media.fit(mask, picture.size)
    out = request.outpaint
    margins = (out.left, out.top, out.right, out.bottom) if out else (0, 0, 0, 0)
    inner = (request.width - margins[0] - margins[2], request.height - margins[1] - margins[3])
    picture = media.fit(picture, inner)
    mask = media.fit(mask, inner) if mask is not None else images.new("L", inner, 0)
    if out is None:
        return picture, mask
    whole = margin_mask(inner, margins, out.overlap)
    grown = images.new("L", whole.size, 0)
    grown.paste(mask, margins[:2])
    return extended(picture, margins), ImageChops.lighter(whole, grown)
