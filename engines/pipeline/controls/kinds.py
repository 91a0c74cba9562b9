"""How ControlNets are made and called for each kind of denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from engines.pipeline.controls.packed import PackedControl
from engines.pipeline.controls.unet import UnetControl

Tensors = dict[str, torch.Tensor]


class ControlKind(Protocol):
    """A kind of denoiser, as far as ControlNets are concerned."""

    def build(self, denoiser: Any, tensors: Tensors) -> tuple[Any, Tensors]:
        """An empty network for the file's tensors, and these by the network's own names. May raise `ValueError`."""
        ...

    def shown(self, pipe: Any, picture: torch.Tensor) -> torch.Tensor:
        """What the network looks at, of a picture [1, 3, h, w] in 0 to 1."""
        ...

    def say(
        self, net: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], shown: torch.Tensor, weight: float
    ) -> dict:
        """What the network adds to a call of the denoiser, by the denoiser's arguments: tensors, or lists of them."""
        ...


KINDS: Mapping[str, ControlKind] = {"unet": UnetControl(), "packed": PackedControl()}
