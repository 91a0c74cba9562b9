"""A ControlNet in use, and a call of the denoiser that it adds to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Control:
    """A network, what it looks at, its weight, and the shares of the steps between which it works."""

    net: Any
    shown: torch.Tensor
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def works(self, call: int, calls: int) -> bool:
        """Whether it works at sampler call `call` (from 0) of `calls`: diffusers' own rule."""
        return call / calls >= self.start and (call + 1) / calls <= self.end


@dataclass(frozen=True)
class Call:
    """A call of the denoiser: itself, and the arguments that it is about to get."""

    denoiser: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
