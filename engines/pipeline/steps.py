"""One way into every pipeline's loop: the sampler's `step` and the denoiser's forward, wrapped for one picture.

Not every pipeline has a step callback and not all can be interrupted; all of them call these two.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import torch

from engines import sampler_state
from engines.interface import RunContext
from engines.pipeline.checkpoint import Checkpoint
from engines.pipeline.passes.soft import SoftBlend
from engines.pipeline.preview import See
from engines.pipeline.rescue import check_latents
from engines.types import Progress, Stage


class StepHooks:
    """Progress, cancel within a step, checkpoints and resume, while the `with` block runs a pipeline.

    Resuming lets the pipeline run its own loop: until the checkpoint's call the denoisers answer zeros and the sampler
    hands its input back, then latents, sampler and generator are set as they were. What shape the zeros have is known
    from the first call, which is real: no family has to say how its denoiser answers.

    `before` and `total` are steps of the passes before this one and of all, for the reports; `soft` blends the original in.
    """

    def __init__(
        self,
        pipe: Any,
        denoisers: Sequence[torch.nn.Module],
        generator: torch.Generator,
        ctx: RunContext,
        start: Checkpoint,
        images: int,
        see: See,
        before: int = 0,
        total: int = 0,
        soft: SoftBlend | None = None,
    ) -> None:
        self._pipe, self._denoisers, self._generator, self._ctx = pipe, denoisers, generator, ctx
        self._start, self._images, self._see = start, images, see
        self._before, self._total, self._soft = before, total, soft
        self._scheduler = pipe.scheduler
        self._original_step = self._scheduler.step
        self._last_preview = 0.0  # the first step shows something: whoever waits sees that it goes on
        self._last_checkpoint = time.monotonic()
        self.calls = 0
        self.rests: Callable[[int], bool] = lambda _calls: True  # whether a checkpoint can be taken after so many calls

    def __enter__(self) -> StepHooks:
        # wraps() keeps the signature: pipelines inspect it to decide whether to pass `generator` and `eta`.
        @functools.wraps(self._original_step)
        def step(*args: Any, **kwargs: Any) -> Any:
            return self._step(*args, **kwargs)

        self._scheduler.step = step
        if self._soft is not None:
            self._soft.watch(self._scheduler)
        check = self._ctx.check_cancelled
        self._hooks = [each.register_forward_pre_hook(lambda *_: check()) for each in self._denoisers]
        self._skips = [Skip(each) for each in self._denoisers if self._start.calls]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._stop_skipping()
        self._scheduler.__dict__.pop("step", None)
        if self._soft is not None:
            self._soft.leave(self._scheduler)

    def _step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls < self._start.calls:
            return sample, sample
        if self.calls == self._start.calls:
            return self._go_on_from_checkpoint()
        result = self._original_step(model_output, timestep, sample, *args, **kwargs)
        if self._soft is not None:
            result = (self._blended(result[0]), *result[1:])
        check_latents(
            result[0], self.calls
        )  # before it becomes a checkpoint; the steps that are left would be for nothing
        self._after(result[0])
        return result

    @property
    def all_calls(self) -> int:
        """Sampler calls of the whole run; the pipeline knows it before the first."""
        return self._pipe.num_timesteps

    @property
    def skipping(self) -> bool:
        """Whether what the denoiser says next goes nowhere, because a resumed run has not reached its checkpoint."""
        return self.calls < self._start.calls

    def _blended(self, latents: torch.Tensor) -> torch.Tensor:
        """Soft inpainting's share of the step; the pipeline runs the last `num_timesteps` of the schedule."""
        assert self._soft is not None
        calls = self._pipe.num_timesteps
        ahead = self._scheduler.timesteps[-calls:][self.calls :]
        return self._soft.apply(latents, self.calls / calls, ahead[0] if len(ahead) else None)

    def _stop_skipping(self) -> None:
        for skip in self._skips:
            skip.remove()
        self._skips = []

    def _go_on_from_checkpoint(self) -> tuple[torch.Tensor, torch.Tensor]:
        self._stop_skipping()
        sampler_state.restore(self._scheduler, self._start.sampler_tensors, self._start.sampler_values)
        self._generator.set_state(self._start.generator)
        self._report()
        return self._start.latents, self._start.latents

    def _after(self, latents: torch.Tensor) -> None:
        # By time and not by count: a step of a small model is shorter than a checkpoint takes, one of a big model is long.
        # Not after the last call: the finished latents are kept in a moment, and a pipeline may go on from something that
        # only the call itself gives (Sana Sprint takes its second output).
        due = time.monotonic() - self._last_checkpoint >= self._ctx.checkpoint_every
        if due and self.calls < self._pipe.num_timesteps and self.rests(self.calls):
            self.checkpoint(latents).save(self._ctx.checkpoint)
            self._last_checkpoint = time.monotonic()
        self._report(latents)

    def checkpoint(self, latents: torch.Tensor, denoised: bool = False) -> Checkpoint:
        """The state now, with `latents` as the last call's output (or the pipeline's, when `denoised`)."""
        tensors, values = ({}, {}) if denoised else sampler_state.capture(self._scheduler)
        return Checkpoint(
            self._start.key,
            self._start.image,
            self.calls,
            denoised,
            latents,
            self._generator.get_state(),
            tensors,
            values,
            self._start.part,
            self._start.carried,
            self._start.tiled,
        )

    def _report(self, latents: torch.Tensor | None = None) -> None:
        # A second-order sampler calls the denoiser twice a step; people count steps.
        order = max(1, getattr(self._scheduler, "order", 1))
        total = -(-self._pipe.num_timesteps // order)
        step = self._before + min(total, -(-self.calls // order))
        total = max(self._total, self._before + total)
        preview = self._preview(latents, step) if latents is not None else None
        self._ctx.on_progress(Progress(Stage.DENOISE, step, total, self._start.image, self._images, preview))

    def _preview(self, latents: torch.Tensor, step: int) -> Any:
        now, every = time.monotonic(), self._ctx.preview_every
        if not every or now - self._last_preview < every:
            return None
        self._last_preview = now
        return self._see(latents, self._ctx.staging / f"preview-{self._start.image}-{step}.jpg")


class Skip:
    """A denoiser's `forward`, replaced: the first call of each input shape is real, later ones get zeros like its output."""

    def __init__(self, denoiser: torch.nn.Module) -> None:
        self._denoiser = denoiser
        self._own = denoiser.__dict__.get("forward")  # there when memory management has wrapped it
        self._forward = denoiser.forward
        self._zeros: dict[tuple[int, ...], Any] = {}
        denoiser.forward = self._skip  # pyright: ignore

    def remove(self) -> None:
        """Put the denoiser's own `forward` back."""
        if self._own is None:
            self._denoiser.__dict__.pop("forward", None)
        else:
            self._denoiser.forward = self._own

    def _skip(self, *args: Any, **kwargs: Any) -> Any:
        shape = _shape(next(iter((*args, *kwargs.values()))))
        if shape not in self._zeros:
            self._zeros[shape] = _zeros_like(self._forward(*args, **kwargs))
        return self._zeros[shape]


def _shape(sample: Any) -> tuple[int, ...]:
    """The shape of the latents that a denoiser is given; a list of pictures counts as one more side."""
    if isinstance(sample, list | tuple):
        return (len(sample), *_shape(sample[0]))
    return tuple(sample.shape)


def _zeros_like(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value)
    if isinstance(value, list | tuple):
        return type(value)(_zeros_like(each) for each in value)
    return value
