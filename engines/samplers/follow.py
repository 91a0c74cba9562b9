"""Making a scheduler visit the noise levels of a schedule, whatever its class would do by itself."""

from __future__ import annotations

import functools
from typing import Any

from engines.samplers.table import Sampler, Schedule, Steps

LAST_ALPHA_CUMPROD = 2.0**-24  # what diffusers puts for zero: the first sigma is then 4096 and not infinite


def follow(scheduler: Any, entry: Sampler, plan: Schedule) -> None:
    """Make `set_timesteps` visit the noise levels of the schedule, whatever the class would do by itself."""
    if entry.steps in (Steps.EVEN, Steps.FLOW, Steps.OWN):
        return
    original = scheduler.set_timesteps

    @functools.wraps(original)  # pipelines inspect the signature
    def set_timesteps(num_inference_steps: int, device: Any = None, **others: Any) -> None:
        if entry.steps is Steps.TIMESTEPS:
            _set_whole_timesteps(scheduler, original, plan, num_inference_steps, device)
        else:
            original(num_inference_steps, device=device, **others)
        if entry.steps is Steps.PLAIN_SIGMAS:
            _set_plain_sigmas(scheduler, plan, num_inference_steps, device)
        # Where two steps round to one timestep, a search by value would begin at the second.
        scheduler.set_begin_index(0)

    if entry.steps is Steps.SIGMAS:
        scheduler._convert_to_karras = lambda in_sigmas, num_inference_steps=None: _sigmas(
            scheduler, plan, num_inference_steps or len(in_sigmas)
        )
    if entry.calms_last_jump and plan.key == "Normal":
        _calm_last_jump(scheduler)
    scheduler.set_timesteps = set_timesteps


def _calm_last_jump(scheduler: Any) -> None:
    """Take the last step before zero in the first order.

    Normal ends with a fall of the noise to a tenth in one step (0.31 to 0.03 at 20 steps), over which a line through
    noisy earlier steps overshoots: for data with a spread of 0.5, 20 steps of DPM++ 3M SDE gave a spread of 2.46.
    """
    first = scheduler.dpm_solver_first_order_update

    def calm(update: Any) -> Any:
        @functools.wraps(update)
        def wrapped(outputs: Any, *arguments: Any, **others: Any) -> Any:
            if scheduler.step_index == len(scheduler.timesteps) - 2:
                return first(outputs[-1], *arguments, **others)
            return update(outputs, *arguments, **others)

        return wrapped

    for name in ("multistep_dpm_solver_second_order_update", "multistep_dpm_solver_third_order_update"):
        setattr(scheduler, name, calm(getattr(scheduler, name)))


def _trained(scheduler: Any) -> Any:
    cumulative = scheduler.alphas_cumprod.double().cpu().clamp(min=LAST_ALPHA_CUMPROD)
    return ((1 - cumulative) / cumulative).sqrt().numpy()


def _sigmas(scheduler: Any, plan: Schedule, steps: int) -> Any:
    from engines.samplers import schedules

    return schedules.sigmas(plan.key, _trained(scheduler), steps)


def _set_plain_sigmas(scheduler: Any, plan: Schedule, steps: int, device: Any) -> None:
    import torch

    from engines.samplers.schedules import to_timesteps

    sigmas = _sigmas(scheduler, plan, steps)
    timesteps = to_timesteps(sigmas, _trained(scheduler))
    scheduler.sigmas = torch.tensor([*sigmas, 0.0], dtype=torch.float32)
    scheduler.timesteps = torch.tensor(timesteps, dtype=torch.float32, device=device)


def _set_whole_timesteps(scheduler: Any, original: Any, plan: Schedule, steps: int, device: Any) -> None:
    """Timesteps of LCM: "Normal" is the grid of 50 that such models were distilled on, while it has enough of them."""
    import torch

    from engines.samplers.schedules import to_timesteps

    original(min(steps, scheduler.config.original_inference_steps), device=device)
    if plan.key == "Normal" and steps <= scheduler.config.original_inference_steps:
        return
    timesteps = to_timesteps(_sigmas(scheduler, plan, steps), _trained(scheduler)).round()
    scheduler.timesteps = torch.tensor(timesteps, dtype=torch.int64, device=device)
    scheduler.num_inference_steps = steps
