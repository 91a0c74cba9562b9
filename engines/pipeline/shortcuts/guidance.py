"""Steps without guidance: of a call with the negative prompt's half and the prompt's half only the second is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class PromptAlone:
    """While it is installed, `denoiser` answers with the prompt's half twice where `guided` says no.

    The pipelines add a multiple of the difference of both halves, which is then zero: the picture goes by the prompt alone.
    """

    def __init__(self, denoiser: Any, guided: Callable[[], bool]) -> None:
        self._denoiser, self._guided = denoiser, guided
        self._own: Any = None

    def install(self) -> None:
        """Put it before the denoiser's `forward`."""
        self._own = self._denoiser.__dict__.get("forward")  # there when memory management has wrapped it
        self._forward = self._denoiser.forward
        self._denoiser.forward = self._call

    def remove(self) -> None:
        """Give the denoiser its own `forward` back."""
        if self._own is None:
            self._denoiser.__dict__.pop("forward", None)
        else:
            self._denoiser.forward = self._own

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if self._guided():
            return self._forward(*args, **kwargs)
        sample = next(iter((*args, *kwargs.values())))
        both = sample.shape[0]
        return _twice(self._forward(*_second_half(args, both), **_second_half(kwargs, both)))


def has_both_halves(denoiser: Any) -> bool:
    """Whether the pipelines call it with both halves: a UNet that is told the guidance as a number (LCM) never is."""
    return getattr(denoiser.config, "time_cond_proj_dim", None) is None


def _second_half(value: Any, both: int) -> Any:
    """The prompt's half of everything that has both."""
    match value:
        case torch.Tensor():
            return value[both // 2 :] if value.ndim and value.shape[0] == both else value
        case dict():
            return {name: _second_half(each, both) for name, each in value.items()}
        case list() | tuple():
            return type(value)(_second_half(each, both) for each in value)
        case _:
            return value


def _twice(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.cat([value, value])
    if isinstance(value, list | tuple):
        return type(value)(_twice(each) for each in value)
    return value
