"""Shortcuts at work: around one run of a pipeline, its denoisers leave out what the wish says they may.

A checkpoint is only taken before a full step. Nothing that was remembered is needed there, so a picture that goes on from its
checkpoint is the same to the byte as one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

import torch

from engines.family import EngineFamily
from engines.pipeline.shortcuts.deep import DeepCache
from engines.pipeline.shortcuts.first_block import FirstBlock
from engines.pipeline.shortcuts.guidance import PromptAlone, has_both_halves
from engines.shortcuts import Schedule, make_schedule, uses
from engines.types import GenerationRequest


class Steps(Protocol):
    """What a run of a pipeline is asked for: sampler calls so far, and all of them; and told when it may be left."""

    calls: int
    rests: Callable[[int], bool]

    @property
    def all_calls(self) -> int:
        """Sampler calls of the whole run."""
        ...


class Cache(Protocol):
    """A way to use again what a denoiser said."""

    def install(self) -> None:
        """Put it in its place."""
        ...

    def remove(self) -> None:
        """Leave no trace."""
        ...

    def begin_step(self, first: bool) -> None:
        """Before each call of the denoiser; `first` for the first one of a step."""
        ...


CACHES: Mapping[str, Callable[[Any, Callable[[], bool], float, Callable[[], bool]], Cache]] = {
    "deep": lambda denoiser, full, _change, _guided: DeepCache(denoiser, full),
    "first-block": FirstBlock,
}


class ShortcutHooks:
    """While the `with` block runs a pipeline, its denoisers take the request's shortcuts. Enter it before the steps' hooks."""

    def __init__(
        self,
        request: GenerationRequest,
        family: EngineFamily,
        denoisers: Sequence[torch.nn.Module],
        steps: Steps,
    ) -> None:
        self._steps, self._denoisers = steps, denoisers
        self._wish = request.shortcuts
        self._reuses, self._shortens = uses(request, family)
        self._kind = family.cache
        self._schedule: Schedule | None = None
        self._installed: list[Any] = []
        self._hooks: list[Any] = []
        self._step = -1

    def __enter__(self) -> None:
        if not (self._reuses or self._shortens):
            return
        self._steps.rests = lambda calls: self._now.is_full(calls)
        for denoiser in self._denoisers:
            if self._shortens and has_both_halves(denoiser):
                self._install(PromptAlone(denoiser, self._is_guided))
            if self._reuses:
                self._add_cache(denoiser)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        for each in reversed(self._installed):
            each.remove()
        self._installed, self._hooks = [], []

    def _add_cache(self, denoiser: torch.nn.Module) -> None:
        assert self._wish is not None and self._kind is not None
        cache = CACHES[self._kind](denoiser, self._is_full, self._wish.change, self._is_guided)
        self._install(cache)
        self._hooks.append(denoiser.register_forward_pre_hook(lambda *_: self._begin(cache)))

    def _is_full(self) -> bool:
        return self._now.is_full(self._steps.calls)

    def _is_guided(self) -> bool:
        return self._now.is_guided(self._steps.calls)

    def _begin(self, cache: Cache) -> None:
        first, self._step = self._step != self._steps.calls, self._steps.calls
        cache.begin_step(first)

    def _install(self, each: Any) -> None:
        each.install()
        self._installed.append(each)

    @property
    def _now(self) -> Schedule:
        """Made when the pipeline has said how many calls it makes, which is before the first."""
        if self._schedule is None:
            assert self._wish is not None
            self._schedule = make_schedule(self._wish, self._steps.all_calls, self._reuses, self._shortens)
        return self._schedule
