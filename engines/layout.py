"""A tensor's memory layout, kept through files: kernels sum in another order for another layout, and the bytes differ."""

from __future__ import annotations

import torch


def strides_of(tensor: torch.Tensor) -> list[int]:
    """The strides in elements, JSON-able."""
    return list(tensor.stride())


def with_strides(tensor: torch.Tensor, strides: list[int], device: object = "cpu") -> torch.Tensor:
    """A fresh, aligned copy of a dense `tensor` on `device` whose elements lie in memory as `strides` says."""
    copy = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=device)  # pyright: ignore
    return copy.copy_(tensor)
