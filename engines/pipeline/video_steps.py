"""The loop of a video pipeline, watched: progress, Stop within a step, checkpoints and resume, with one sampler or two.

Pipelines that make sound beside the picture copy their sampler for it. So not one sampler's `step` is wrapped, but its
class: a copy is watched too, and its state belongs to the checkpoint.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import torch

from engines import sampler_state
from engines.interface import RunContext
from engines.pipeline.checkpoint import Checkpoint
from engines.pipeline.rescue import check_latents
from engines.pipeline.steps import Skip
from engines.types import Progress, Stage

See = Callable[[torch.Tensor, int], Any]  # latents as the sampler gave them, step -> path of a preview or None
SECOND = "second."  # names of the second sampler's share in a checkpoint


class VideoSteps:
    """What happens around each step while the `with` block runs a pipeline.

    `make_scheduler` makes a twin of the pipeline's scheduler: what a pipeline that copies it gets. `see` makes previews.
    `parts` are all of the model's modules: Stop is seen whenever one of them, or a block of one, begins to compute.
    """

    def __init__(
        self,
        pipe: Any,
        denoisers: Sequence[torch.nn.Module],
        parts: Sequence[torch.nn.Module],
        make_scheduler: Callable[[], Any],
        generator: torch.Generator,
        ctx: RunContext,
        start: Checkpoint,
        images: int,
        see: See,
    ) -> None:
        self._pipe, self._denoisers, self._parts = pipe, denoisers, parts
        self._make_scheduler, self._generator, self._ctx = make_scheduler, generator, ctx
        self._start, self._images, self._see = start, images, see
        self._scheduler, self._second = pipe.scheduler, None
        self._second_latents = torch.empty(0)
        self._skips: list[Skip] = []
        self._last_preview = 0.0  # the first step shows something
        self._last_checkpoint = time.monotonic()
        self.calls = 0
        self.rests: Callable[[int], bool] = lambda _calls: True  # whether a checkpoint can be taken after so many calls
        self.began: float | None = None

    def __enter__(self) -> VideoSteps:
        self._own_class = type(self._scheduler)
        self._scheduler.__class__ = self._watched(self._own_class)
        self._hooks = [each.register_forward_pre_hook(lambda *_: self._ctx.check_cancelled()) for each in self._stops()]
        self._hooks += [each.register_forward_pre_hook(lambda *_: self._begin()) for each in self._denoisers]
        self._skips = [Skip(each) for each in self._denoisers if self._start.calls]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._stop_skipping()
        self._scheduler.__class__ = self._own_class

    def checkpoint(self, latents: torch.Tensor) -> Checkpoint:
        """The state now, with `latents` as what the first sampler's last call gave."""
        tensors, values = sampler_state.capture(self._scheduler)
        if self._second is not None:
            more, others = sampler_state.capture(self._second)
            tensors |= {SECOND + name: tensor for name, tensor in more.items()}
            tensors[SECOND] = self._second_latents
            values = {**values, SECOND: others}
        start = self._start
        state = self._generator.get_state()
        return Checkpoint(start.key, start.image, self.calls, False, latents, state, tensors, values, tiled=start.tiled)

    def _watched(self, own: type) -> type:
        hooks = self

        class Watched(own):
            @functools.wraps(own.step)  # pipelines inspect the signature
            def step(self, *args: Any, **kwargs: Any) -> Any:
                return hooks._step(self, functools.partial(own.step, self), *args, **kwargs)

            def __deepcopy__(self, _memo: dict[int, Any]) -> Any:
                return hooks._copy()

        Watched.__name__ = own.__name__
        return Watched

    def _copy(self) -> Any:
        """The second sampler: made anew, for a copy would share the replaced methods of the first."""
        self._second = self._make_scheduler()
        self._second.__class__ = type(self._scheduler)
        return self._second

    def _stops(self) -> Iterator[torch.nn.Module]:
        """Modules before which Stop is looked for: each part, and each block in a list of blocks of it."""
        for part in self._parts:
            yield part
            for module in part.modules():
                if isinstance(module, torch.nn.ModuleList):
                    # A list holds None where a model leaves a block out: a decoder without attention in its middle.
                    yield from (block for block in module if not isinstance(block, torch.nn.ModuleList | None))

    def _begin(self) -> None:
        if self.began is None:
            self.began = time.perf_counter()
            self._report()

    def _step(
        self, scheduler: Any, step: Any, model_output: Any, timestep: Any, sample: Any, *args: Any, **kw: Any
    ) -> Any:
        first = scheduler is self._scheduler
        self.calls += first
        if self.calls < self._start.calls:
            return _answer(sample, kw)
        if self.calls == self._start.calls:
            return _answer(self._go_on() if first else self._go_on_second(), kw)
        result = step(model_output, timestep, sample, *args, **kw)
        if first:
            self._latents = result[0]
        else:
            self._second_latents = result[0]
        check_latents(result[0], self.calls)
        if first == (self._second is None):  # after the last sampler of this step
            self._after(self._latents)
        return result

    def _go_on(self) -> torch.Tensor:
        self._stop_skipping()
        tensors = {name: each for name, each in self._start.sampler_tensors.items() if not name.startswith(SECOND)}
        values = {name: each for name, each in self._start.sampler_values.items() if name != SECOND}
        sampler_state.restore(self._scheduler, tensors, values)
        self._generator.set_state(self._start.generator)
        self._latents = self._start.latents
        self._report()
        return self._latents

    def _go_on_second(self) -> torch.Tensor:
        kept = self._start.sampler_tensors
        tensors = {name.removeprefix(SECOND): each for name, each in kept.items() if name.startswith(SECOND)}
        self._second_latents = tensors.pop("").to(self._latents.device)
        sampler_state.restore(self._second, tensors, self._start.sampler_values[SECOND])
        return self._second_latents

    def _stop_skipping(self) -> None:
        for skip in self._skips:
            skip.remove()
        self._skips = []

    def _after(self, latents: torch.Tensor) -> None:
        due = time.monotonic() - self._last_checkpoint >= self._ctx.checkpoint_every
        # After the last call the finished latents are kept in a moment.
        if due and self.calls < self.all_calls and self.rests(self.calls):
            self.checkpoint(latents).save(self._ctx.checkpoint)
            self._last_checkpoint = time.monotonic()
        self._report(latents)

    @property
    def all_calls(self) -> int:
        """Sampler calls of the whole run."""
        return getattr(self._pipe, "num_timesteps", 0) or len(self._scheduler.timesteps)

    def _report(self, latents: torch.Tensor | None = None) -> None:
        order = max(1, getattr(self._scheduler, "order", 1))  # calls a step; people count steps
        total = -(-self.all_calls // order)
        step = min(total, -(-self.calls // order))
        preview = self._preview(latents, step) if latents is not None else None
        self._ctx.on_progress(Progress(Stage.DENOISE, step, total, self._start.image, self._images, preview))

    def _preview(self, latents: torch.Tensor, step: int) -> Any:
        now, every = time.monotonic(), self._ctx.preview_every
        if not every or now - self._last_preview < every:
            return None
        self._last_preview = now
        return self._see(latents, step)


def _answer(latents: torch.Tensor, arguments: dict[str, Any]) -> Any:
    """`latents` in the form that the caller of a sampler's `step` expects."""
    from diffusers.schedulers.scheduling_utils import SchedulerOutput

    return SchedulerOutput(prev_sample=latents) if arguments.get("return_dict", True) else (latents, latents)
