"""Flow samplers: whatever the class, it visits the noise levels that the model's own flow scheduler would visit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from engines.samplers.table import Schedule

SPREAD: Mapping[str, Mapping[str, bool]] = {
    "Normal": {},
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True},
    "Beta": {"use_beta_sigmas": True},
}
SHIFT_FACTS = (
    "shift",
    "use_dynamic_shifting",
    "base_shift",
    "max_shift",
    "base_image_seq_len",
    "max_image_seq_len",
    "shift_terminal",
    "time_shift_type",
)
BELOW_ONE = 1 - 1e-6  # where a solver takes the logarithm of 1 - sigma; diffusers' UniPC starts there too


def follow_flow(scheduler: Any, plan: Schedule, facts: Mapping[str, Any], base_class: str) -> None:
    """Give `scheduler` the shifted levels of a `FlowMatchEulerDiscreteScheduler` with the model's `facts`.

    All flow pipelines then call it in the same way: with their own sigmas, and with `mu` where the shift depends on the
    size. `base_class` is the scheduler that the model came with; where it is a solver with `use_flow_sigmas`, the levels
    are those of such solvers, which never reach 1.
    """
    # Pipelines read from here how the shift grows with the size, and solvers do not have all of these as arguments.
    scheduler.register_to_config(**{name: value for name, value in facts.items() if name in SHIFT_FACTS})
    levels, original = _levels(plan, facts), scheduler.set_timesteps
    for each in (levels, scheduler):
        _leave_a_single_level(each)

    def set_timesteps(
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Any = None,
        mu: float | None = None,
        timesteps: Any = None,
    ) -> None:
        if sigmas is None and timesteps is None:
            sigmas = _unsaid_sigmas(scheduler, base_class, num_inference_steps or 1)
        levels.set_timesteps(num_inference_steps, device=device, sigmas=sigmas, mu=mu, timesteps=timesteps)
        scheduler.register_to_config(use_dynamic_shifting=False)  # it would ask for mu and shift once more
        original(len(levels.timesteps))
        scheduler.register_to_config(use_dynamic_shifting=levels.config.use_dynamic_shifting)
        _take(scheduler, levels, device)

    scheduler.set_timesteps = set_timesteps
    if not hasattr(scheduler, "scale_noise"):
        scheduler.scale_noise = lambda sample, timestep, noise: _scale_noise(scheduler, sample, timestep, noise)


def _levels(plan: Schedule, facts: Mapping[str, Any]) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    known = inspect.signature(FlowMatchEulerDiscreteScheduler.__init__).parameters
    shift = facts.get("shift") or facts.get("flow_shift") or 1.0
    arguments: dict[str, Any] = {**{name: value for name, value in facts.items() if name in known}, "shift": shift}
    return FlowMatchEulerDiscreteScheduler(**{**arguments, **SPREAD[plan.key]})


def _leave_a_single_level(scheduler: Any) -> None:
    """One step begins at all noise and ends without any: there is no last level to be moved to `shift_terminal`.

    diffusers 0.42 moves it all the same, and divides nothing by nothing.
    """
    stretched = getattr(scheduler, "stretch_shift_to_terminal", None)
    if stretched is not None:
        scheduler.stretch_shift_to_terminal = lambda sigmas: stretched(sigmas) if sigmas[-1] < 1 else sigmas


def _unsaid_sigmas(scheduler: Any, base_class: str, steps: int) -> list[float] | None:
    """Unshifted levels where the pipeline passes none, falling, without the end; None for the model's own ones.

    The own ones end with a fall to a tenth of the noise in one step, over which a line through earlier steps overshoots:
    for data with a spread of 0.5, 24 steps of a solver gave 0.60.
    """
    import numpy as np

    if not base_class.startswith("FlowMatch"):  # as diffusers' solvers space them
        trained = scheduler.config.num_train_timesteps
        return (1.0 - np.linspace(1, 1 / trained, steps + 1))[::-1][:-1].tolist()
    if scheduler.config.get("use_flow_sigmas"):  # what most flow pipelines pass to others
        return np.linspace(1.0, 1 / steps, steps).tolist()
    return None


def _take(scheduler: Any, levels: Any, device: Any) -> None:
    """Put the levels into the layout of the class: second-order ones want each inner level twice."""
    import torch

    sigmas, timesteps = levels.sigmas.cpu(), levels.timesteps
    if scheduler.order == 2:
        timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
        sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
    if scheduler.config.get("use_flow_sigmas"):
        sigmas = sigmas.clamp(max=BELOW_ONE)
    scheduler.timesteps, scheduler.sigmas = timesteps.to(device), sigmas
    scheduler.num_inference_steps = len(levels.timesteps)
    scheduler._step_index = scheduler._begin_index = None


def _scale_noise(scheduler: Any, sample: Any, timestep: Any, noise: Any) -> Any:
    """What flow pipelines ask to put noise on a picture, at the step that the sampler is at; solvers lack it."""
    begin = 0 if scheduler.begin_index is None else scheduler.begin_index
    index = begin if scheduler.step_index is None else scheduler.step_index
    if scheduler.begin_index is None and scheduler.step_index is None:
        index = scheduler.index_for_timestep(timestep.flatten()[0])
    sigma = scheduler.sigmas[index].to(sample.device, sample.dtype)
    return sigma * noise + (1.0 - sigma) * sample
