"""A cache for transformers: diffusers' first-block cache, begun anew at the steps that are to be full ones.

With diffusers 0.42.1 it fails on the blocks of SD 3 (the last one has no words to give), FLUX.2 (its single blocks give one
tensor) and Z-Image (its blocks name their input otherwise): those families do not offer it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FirstBlock:
    """While it is installed, all blocks but the first run where `full` says so, or where the first one's change is too large.

    What it remembers is forgotten at each full step, so that a picture that goes on at such a step needs nothing of it.
    """

    def __init__(self, transformer: Any, full: Callable[[], bool], change: float) -> None:
        self._transformer, self._full, self._change = transformer, full, change
        self._calls = 0  # of the denoiser within the step: the prompt's and the negative prompt's are remembered apart

    def install(self) -> None:
        """Put diffusers' hooks on the blocks."""
        from diffusers.hooks import FirstBlockCacheConfig, HookRegistry, apply_first_block_cache

        apply_first_block_cache(self._transformer, FirstBlockCacheConfig(threshold=self._change))
        HookRegistry.check_if_exists_or_initialize(self._transformer).invalidate_child_registries_cache()

    def remove(self) -> None:
        """Take the hooks off again."""
        from diffusers.hooks import HookRegistry
        from diffusers.hooks.first_block_cache import _FBC_BLOCK_HOOK, _FBC_LEADER_BLOCK_HOOK

        registry = HookRegistry.check_if_exists_or_initialize(self._transformer)
        for name in (_FBC_LEADER_BLOCK_HOOK, _FBC_BLOCK_HOOK):
            registry.remove_hook(name, recurse=True)
        registry.invalidate_child_registries_cache()

    def begin_step(self, first: bool) -> None:
        """Before each call of the denoiser; `first` for the first one of a step."""
        from diffusers.hooks import HookRegistry
        from diffusers.hooks.hooks import CacheContext, _set_cache_context

        self._calls = 0 if first else self._calls + 1
        if first and self._full():
            HookRegistry.check_if_exists_or_initialize(self._transformer).reset_stateful_hooks()
        _set_cache_context(self._transformer, CacheContext(f"call {self._calls}"))
