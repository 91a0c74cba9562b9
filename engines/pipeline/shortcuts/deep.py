"""A cache for UNets: between full passes only the layers at the latents' own resolution run, deep ones are remembered.

Idea: "DeepCache: Accelerating Diffusion Models for Free" (arXiv 2312.00858): from step to step the deep features of a UNet
change little. Here the blocks below the first one down and before the last one up are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class DeepCache:
    """While it is installed, the deep blocks of `unet` run where `full` says so, and else stand aside."""

    def __init__(self, unet: Any, full: Callable[[], bool]) -> None:
        self._unet, self._full = unet, full
        self._kept: torch.Tensor | None = None  # what the last deep block gave in the last full pass
        self._shapes: dict[str, Any] = {}
        self._owns: list[tuple[torch.nn.Module, Any]] = []

    def install(self) -> None:
        """Put the cache before the blocks."""
        downs, ups = self._unet.down_blocks, self._unet.up_blocks
        for place in range(1, len(downs)):
            self._watch(downs[place], self._down(f"down {place}"))
        self._watch(self._unet.mid_block, self._middle)
        for place in range(len(ups) - 2):
            self._watch(ups[place], self._up)
        self._watch(ups[len(ups) - 2], self._last_up)

    def remove(self) -> None:
        """Give the blocks their own `forward` back."""
        for block, own in self._owns:
            if own is None:
                block.__dict__.pop("forward", None)
            else:
                block.forward = own
        self._owns, self._kept = [], None

    def begin_step(self, first: bool) -> None:
        """Before each call of the denoiser."""

    def _watch(self, block: Any, stand_in: Callable[..., Any]) -> None:
        forward = block.forward
        self._owns.append((block, block.__dict__.get("forward")))
        block.forward = lambda *args, **kwargs: stand_in(forward, *args, **kwargs)

    def _down(self, name: str) -> Callable[..., Any]:
        def down(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            sample = args[0] if args else kwargs["hidden_states"]
            if self._full():
                out, residuals = forward(*args, **kwargs)
                self._shapes[name] = (out.shape, [each.shape for each in residuals])
                return out, residuals
            shape, shapes = self._shapes[name]
            return _nothing(sample, shape), tuple(_nothing(sample, each) for each in shapes)

        return down

    def _middle(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._full():
            out = forward(*args, **kwargs)
            self._shapes["middle"] = out.shape
            return out
        return _nothing(args[0], self._shapes["middle"])

    def _up(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs) if self._full() else (args[0] if args else kwargs["hidden_states"])

    def _last_up(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._full():
            self._kept = forward(*args, **kwargs)
            return self._kept
        assert self._kept is not None, "the first step is a full one"
        sample = args[0] if args else kwargs["hidden_states"]
        return self._kept[
            -sample.shape[0] :
        ]  # without guidance only the prompt's half is asked for, which is the second


def _nothing(like: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Zeros that take no room, for as many pictures as `like` has."""
    return torch.zeros((), dtype=like.dtype, device=like.device).expand(like.shape[0], *shape[1:])
