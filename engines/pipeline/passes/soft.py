"""Soft inpainting: each pixel is held to the original for as long as its mask is dark (differential diffusion).

Source of the idea: Levin and Fried, Differential Diffusion, 2023 (arXiv 2306.00950).
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch

from engines.errors import UserError


class SoftBlend:
    """Watches a scheduler for the original latents and its noise, and mixes them back in after each step."""

    def __init__(self, mask: torch.Tensor) -> None:
        self._mask = mask
        self._original: torch.Tensor | None = None
        self._noise: torch.Tensor | None = None
        self._name = self._sample = self._time = ""

    def watch(self, scheduler: Any) -> None:
        """Learn the latents and the noise that the pipeline itself mixes before its loop."""
        self._name = "add_noise" if hasattr(type(scheduler), "add_noise") else "scale_noise"
        self._mix = getattr(scheduler, self._name)
        # Diffusion's is called (original_samples, noise, timesteps), the flow models' (sample, timestep, noise).
        parameters = list(inspect.signature(self._mix).parameters)
        self._sample = parameters[0]
        self._time = next(name for name in parameters[1:] if name != "noise")

        @functools.wraps(self._mix)
        def seen(*args: Any, **kwargs: Any) -> torch.Tensor:
            given = {**dict(zip(parameters, args, strict=False)), **kwargs}
            if self._original is None:
                self._original, self._noise = given[self._sample], given["noise"]
            return self._mix(*args, **kwargs)

        setattr(scheduler, self._name, seen)

    def leave(self, scheduler: Any) -> None:
        """Take the watch off again."""
        scheduler.__dict__.pop(self._name, None)

    def apply(self, latents: torch.Tensor, part: float, next_timestep: torch.Tensor | None) -> torch.Tensor:
        """`latents` after `part` (0 to 1) of the steps, with the original held where the mask is darker than what is left.

        White changes from the first step on, black never, grey in between. `next_timestep` is None after the last step.
        """
        if self._original is None or self._noise is None or self._original.shape != latents.shape:
            raise UserError("soft-inpaint-not-for-model")
        known = self._original
        if next_timestep is not None:
            known = self._mix(
                **{self._sample: self._original, "noise": self._noise, self._time: next_timestep.reshape(1)}
            )
        held = self._mask.to(latents.device) <= 1 - part
        return torch.where(held, known.to(latents.dtype), latents)
