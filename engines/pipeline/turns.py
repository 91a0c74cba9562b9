"""Words that change while the picture forms: the denoiser is handed other conditions at the step where they turn."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch

from engines.pipeline.encode import Conditions
from engines.pipeline.steps import StepHooks


class WordTurns:
    """While the `with` block runs a pipeline, each step sees the words that are meant for it."""

    def __init__(
        self, conditions: Conditions, denoisers: Sequence[torch.nn.Module], hooks: StepHooks, order: int
    ) -> None:
        self._turns, self._denoisers, self._steps = conditions.turns, denoisers, hooks
        self._order = max(1, order)  # calls of the denoiser a step
        self._hooks: list[Any] = []

    def __enter__(self) -> None:
        if len(self._turns) > 1:
            self._hooks = [each.register_forward_pre_hook(self._hand, with_kwargs=True) for each in self._denoisers]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hand(self, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        now = self._now()
        words = kwargs["encoder_hidden_states"]
        kwargs["encoder_hidden_states"] = _as_many(words, now, "prompt_embeds")
        if "pooled_prompt_embeds" in now:
            added = kwargs["added_cond_kwargs"]
            pooled = _as_many(added["text_embeds"], now, "pooled_prompt_embeds")
            kwargs["added_cond_kwargs"] = {**added, "text_embeds": pooled}
        return args, kwargs

    def _now(self) -> dict[str, Any]:
        step = self._steps.calls // self._order + 1
        return next((turn for turn in self._turns if step <= turn.until), self._turns[-1]).arguments


def _as_many(before: torch.Tensor, now: dict[str, Any], name: str) -> torch.Tensor:
    """The conditions in the order of the pipelines, what is not wanted first, for as many pictures as `before` has."""
    sides = [now[each] for each in (f"negative_{name}", name) if each in now]
    pictures = before.shape[0] // len(sides)
    return torch.cat([side.repeat_interleave(pictures, dim=0) for side in sides]).to(before)
