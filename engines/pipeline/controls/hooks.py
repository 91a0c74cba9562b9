"""The networks at work: before each call of the denoiser they look, and what they say is added to the call."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch

from engines.pipeline.controls.control import Call, Control
from engines.pipeline.controls.kinds import ControlKind
from engines.pipeline.steps import StepHooks


class ControlHooks:
    """While the `with` block runs a pipeline, the `controls` have their say in each call of the denoisers."""

    def __init__(
        self,
        controls: Sequence[Control],
        kind: ControlKind | None,
        pipe: Any,
        denoisers: Sequence[torch.nn.Module],
        steps: StepHooks,
    ) -> None:
        self._controls, self._kind, self._pipe, self._denoisers = controls, kind, pipe, denoisers
        self._steps = steps
        self._hooks: list[Any] = []
        self._said: tuple[int, dict[str, Any]] = (-1, {})

    def __enter__(self) -> None:
        if self._controls and self._kind is not None:
            self._hooks = [each.register_forward_pre_hook(self._add, with_kwargs=True) for each in self._denoisers]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._said = (-1, {})

    def _add(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        if self._steps.skipping:
            return None
        assert self._kind is not None
        if not self._kind.same_for_negative or self._said[0] != self._steps.calls:
            self._said = (self._steps.calls, self._listen(self._kind, Call(module, args, kwargs)))
        said = self._said[1]
        return (args, {**kwargs, **said}) if said else None

    def _listen(self, kind: ControlKind, call: Call) -> dict[str, Any]:
        calls = max(1, self._pipe.num_timesteps)
        said: dict[str, Any] = {}
        for each in self._controls:
            if each.weight and each.works(self._steps.calls, calls):
                more = kind.say(each, call)
                said = {name: _sum(said.get(name), value) for name, value in more.items()}
        return said


def _sum(before: Any, more: Any) -> Any:
    """Tensors, or lists of them, added place by place."""
    if before is None:
        return more
    if isinstance(more, list | tuple):
        return [_sum(first, second) for first, second in zip(before, more, strict=True)]
    return before + more
