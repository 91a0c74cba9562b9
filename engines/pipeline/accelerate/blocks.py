"""A denoiser's repeated blocks, compiled by torch.compile: small pieces, so that the wait is short and the gain nearly whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

# Blocks of one class share what was compiled for them; a UNet has them in several widths, with guidance and without it.
VARIANTS = 64
# On a card, launches of many small programs cost more than the programs: CUDA's graphs replay them. Not tried on a card.
MODES = {"cuda": "reduce-overhead"}


class CompiledBlocks:
    """While it is installed, the blocks that the denoiser's class names as repeated run compiled."""

    def __init__(self, denoiser: Any, state: Callable[[], object], preparing: Callable[..., Any]) -> None:
        self._preparing, self._denoiser, self._state = preparing, denoiser, state
        names = denoiser._repeated_blocks
        self._blocks = [each for each in denoiser.modules() if type(each).__name__ in names]
        self._compiled: list[Any] = []
        self._seen: set[object] = set()
        self._own: Any = None

    def install(self) -> None:
        """Have the blocks compiled; the compiler works at their first call of each shape."""
        _set_compiler()
        if not self._compiled:
            for block in self._blocks:
                block.compile(mode=MODES.get(next(self._denoiser.parameters()).device.type))
            self._compiled = [each._compiled_call_impl for each in self._blocks]
        for block, compiled in zip(self._blocks, self._compiled, strict=True):
            block._compiled_call_impl = compiled
        self._own = self._denoiser.__dict__.get("forward")
        self._forward = self._denoiser.forward
        self._denoiser.forward = self._call

    def remove(self) -> None:
        """Let the blocks run as they are; what was compiled is kept."""
        for block in self._blocks:
            block._compiled_call_impl = None
        if self._own is None:
            self._denoiser.__dict__.pop("forward", None)
        else:
            self._denoiser.forward = self._own

    @property
    def name(self) -> str:
        """What compiled them."""
        return "torch.compile"

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        """The first call of a shape, or with other LoRAs, is the one that compiles."""
        shapes = tuple(tuple(each.shape) for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor))
        key = (self._state(), shapes)
        if key in self._seen:
            return self._forward(*args, **kwargs)
        self._seen.add(key)
        note = "The model's blocks are compiled; it may take minutes, once for each size."
        return self._preparing(note, lambda: self._forward(*args, **kwargs))


def _set_compiler() -> None:
    """Both are for the whole process. The compiler's pool of processes would outlive a worker that is killed: there is none."""
    from torch._dynamo import config as dynamo
    from torch._inductor import config as inductor

    inductor.compile_threads = 1
    dynamo.recompile_limit = max(VARIANTS, dynamo.recompile_limit)
