"""The pictures that a pass is guided by: cut to the pass, prepared, and handed to their networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engines import media
from engines.errors import UserError
from engines.family import EngineFamily
from engines.interface import RunContext
from engines.media.prepare import prepared
from engines.options import CONTROLNET, ControlUse
from engines.pipeline.controls import KINDS, Control, ControlNets
from engines.pipeline.passes import Pass

if TYPE_CHECKING:
    from PIL.Image import Image


class Guides:
    """The ControlNets of one loaded model, and what they look at in each pass."""

    def __init__(self, family: EngineFamily, device: str, dtype: Any) -> None:
        self._kind = KINDS[family.control] if family.control is not None else None
        self._device, self._dtype = device, dtype
        self.nets = ControlNets()

    @property
    def kind(self) -> Any:
        """How the family's denoiser is told; None where it takes no ControlNets."""
        return self._kind

    @property
    def modules(self) -> dict[str, Any]:
        """What is loaded, for whoever has to bring the whole model into another number format."""
        return {f"controlnet {number}": net for number, net in enumerate(self.nets.all())}

    def controls(
        self, pipe: Any, denoiser: Any, one_pass: Pass, pictures: tuple[Any, ...], ctx: RunContext
    ) -> list[Control]:
        """The pass's ControlNets, each with its picture. Raises `UserError` for files and pictures that cannot be used."""
        uses = [(place, use) for place, use in enumerate(one_pass.request.controls) if use.weight]
        if uses and self._kind is None:
            raise UserError("controls-not-for-family", family=one_pass.request.model)
        found = []
        for place, use in uses:
            path = ctx.files.get(f"{CONTROLNET}{use.file}")
            net = self.nets.get(use.file, path, self._kind, denoiser, self._device, self._dtype)  # pyright: ignore
            picture = control_picture(use, f"controls.{place}", one_pass, pictures, ctx)
            shown = self._kind.shown(pipe, as_tensor(picture, self._device, net.dtype), net)  # pyright: ignore
            found.append(Control(net, shown, use.weight, use.start, use.end))
        self.nets.forget_beyond(len({use.file for _place, use in uses}))
        return found


def control_picture(use: ControlUse, name: str, one_pass: Pass, pictures: tuple[Any, ...], ctx: RunContext) -> Image:
    """The picture (RGB, of the pass's size) that the use follows: its own, or the one that the pass starts from."""
    size = (one_pass.request.width, one_pass.request.height)
    if name in ctx.inputs:
        picture = media.open_image(ctx.inputs[name])
        if one_pass.frame is None:
            picture = media.fit(picture, size)
        else:
            whole, box = one_pass.frame
            picture = media.stretch(media.fit(picture, whole).crop(box), size)
    else:
        picture = next((each for each in pictures if hasattr(each, "convert")), None)
        if picture is None and "init_image" in ctx.inputs and one_pass.frame is None:  # a second pass over latents
            picture = media.fit(media.open_image(ctx.inputs["init_image"]), size)
        if picture is None:
            raise UserError("control-needs-picture", name=use.file)
    return prepared(picture.convert("RGB"), use.prepare, use.low, use.high)


def as_tensor(picture: Image, device: str, dtype: Any) -> torch.Tensor:
    """[1, 3, h, w] in 0 to 1."""
    values = np.asarray(picture, dtype=np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)[None].contiguous().to(device, dtype)
