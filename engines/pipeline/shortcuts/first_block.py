"""A cache for transformers: diffusers' first-block cache, begun anew at the steps that are to be full ones.

With diffusers 0.42.1 it fails on the blocks of SD 3 (the last one has no words to give), FLUX.2 (its single blocks give one
tensor) and Z-Image (its blocks name their input otherwise): those families do not offer it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# What ControlNets add behind each block of a list, by the lists' names, in the order in which they run.
ADDED = {
    "transformer_blocks": "controlnet_block_samples",
    "single_transformer_blocks": "controlnet_single_block_samples",
}


class FirstBlock:
    """While it is installed, all blocks but the first run where `full` says so, or where the first one's change is too large.

    What it remembers is forgotten at each full step, so that a picture that goes on at such a step needs nothing of it. Steps
    that are `guided` compute both prompts' halves, the others one: what either remembers is of no use for the other.
    """

    def __init__(
        self, transformer: Any, full: Callable[[], bool], change: float, guided: Callable[[], bool] = lambda: True
    ) -> None:
        self._transformer, self._full, self._change, self._guided = transformer, full, change, guided
        self._watch: Any = None
        self._calls = 0  # of the denoiser within the step: the prompt's and the negative prompt's are remembered apart

    def install(self) -> None:
        """Put diffusers' hooks on the blocks."""
        from diffusers.hooks import FirstBlockCacheConfig, HookRegistry, apply_first_block_cache

        apply_first_block_cache(self._transformer, FirstBlockCacheConfig(threshold=self._change))
        HookRegistry.check_if_exists_or_initialize(self._transformer).invalidate_child_registries_cache()
        self._watch = self._transformer.register_forward_hook(self._leave_guides_out, with_kwargs=True)

    def remove(self) -> None:
        """Take the hooks off again."""
        from diffusers.hooks import HookRegistry
        from diffusers.hooks.first_block_cache import _FBC_BLOCK_HOOK, _FBC_LEADER_BLOCK_HOOK

        if self._watch is not None:
            self._watch.remove()
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
        _set_cache_context(self._transformer, CacheContext(f"call {self._calls} {self._guided()}"))

    def _leave_guides_out(self, transformer: Any, _args: Any, kwargs: Mapping[str, Any], _out: Any) -> None:
        """Take out of what is remembered what ControlNets added between the blocks: that is added in every step anyway."""
        lists = [kwargs.get(added) or [] for blocks, added in ADDED.items() if hasattr(transformer, blocks)]
        if not any(lists):
            return
        # What is added behind the last block of all is not among it.
        inside = [sample for samples in (*lists[:-1], lists[-1][:-1]) for sample in samples]
        state = _memory(transformer).get_state()
        if state.should_compute and inside:
            hidden, words = state.tail_block_residuals
            state.tail_block_residuals = (hidden - sum(inside), words)


def _memory(transformer: Any) -> Any:
    """Where diffusers' hooks keep what they remember."""
    from diffusers.hooks.first_block_cache import _FBC_LEADER_BLOCK_HOOK

    registries = (getattr(module, "_diffusers_hook", None) for module in transformer.modules())
    leaders = (registry.get_hook(_FBC_LEADER_BLOCK_HOOK) for registry in registries if registry is not None)
    return next(leader for leader in leaders if leader is not None).state_manager
