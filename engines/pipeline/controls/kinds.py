"""How ControlNets are made and called for each kind of denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from engines.pipeline.controls.control import Call, Control
from engines.pipeline.controls.joint import JointControl
from engines.pipeline.controls.packed import PackedControl
from engines.pipeline.controls.packed_frame import PackedFrameControl
from engines.pipeline.controls.unet import UnetControl

Tensors = dict[str, torch.Tensor]


class ControlKind(Protocol):
    """A kind of denoiser, as far as ControlNets are concerned.

    `same_for_negative`: a network looks once a step, and what it says counts for the negative prompt's call too.
    """

    same_for_negative: bool

    def build(self, denoiser: Any, tensors: Tensors) -> tuple[Any, Tensors]:
        """An empty network for the file's tensors, and these by the network's own names. May raise `ValueError`."""
        ...

    def shown(self, pipe: Any, picture: torch.Tensor, net: Any) -> torch.Tensor:
        """What the network `net` looks at, of a picture [1, 3, h, w] in 0 to 1."""
        ...

    def say(self, control: Control, call: Call) -> dict[str, Any]:
        """What the control's network adds to a call of the denoiser, by the denoiser's arguments: tensors, or lists of them."""
        ...


KINDS: Mapping[str, ControlKind] = {
    "unet": UnetControl(),
    "joint": JointControl(),
    "packed": PackedControl(),
    "packed-frame": PackedFrameControl(),
}
