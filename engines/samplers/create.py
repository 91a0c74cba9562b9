"""Making a diffusers scheduler for a model: its training facts, our sampler, and noise levels that are what they are called."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from engines.samplers.flow import follow_flow
from engines.samplers.follow import LAST_ALPHA_CUMPROD, follow
from engines.samplers.registry import REGISTRY
from engines.samplers.table import Kind, Sampler, Schedule, Steps

log = logging.getLogger(__name__)

# What the model was trained with. All else in a saved configuration is a choice of sampling, and ours to make:
# a model's "leading" spacing would start Euler Karras at sigma 11.0 instead of 14.6 (20 steps, Stable Diffusion 1.5).
TRAINING_FACTS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
    "thresholding",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "shift",
    "flow_shift",
    "sigma_data",
    "snr_shift_scale",
    "use_dynamic_shifting",
    "base_shift",
    "max_shift",
    "base_image_seq_len",
    "max_image_seq_len",
    "shift_terminal",
    "time_shift_type",
    "invert_sigmas",
)


def create_sampler(
    sampler: str,
    scheduler: str,
    base_config: Mapping[str, Any],
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """A new scheduler for `sampler` with the noise schedule `scheduler`, by any of their names.

    `base_config` is the model's scheduler configuration; only what it says about training is used. `overrides` are
    constructor arguments that win over everything. UserError for unknown names and for pairs that do not work.
    """
    import diffusers

    entry, plan = REGISTRY.pair(sampler, scheduler, base_config)
    scheduler_class = getattr(diffusers, entry.class_name)
    known = set(inspect.signature(scheduler_class.__init__).parameters) - {"self"}
    facts = _training_facts(base_config)
    choices, why = _choices(entry, plan, facts, known)
    arguments = {**facts, **choices, **overrides}
    made = scheduler_class(**{key: value for key, value in arguments.items() if key in known})
    follow(made, entry, plan)
    if entry.kind is Kind.FLOW:
        follow_flow(made, plan, facts, str(base_config.get("_class_name", "")))
    if "torchsde" in entry.needs:
        # It rounds the ends of its interval to its tolerance and then says so at each step; the noise is right.
        warnings.filterwarnings("ignore", message="Should have t[ab]", module="torchsde")
    log.info("sampler key=%s schedule=%s class=%s why=%s", entry.key, plan.key, entry.class_name, why)
    return made


def seed_sampler(scheduler: Any, seed: int) -> None:
    """Tie a sampler that draws its own noise to the picture's seed; nothing to do for one that uses the generator."""
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = seed
        scheduler.noise_sampler = None


def _training_facts(base_config: Mapping[str, Any]) -> dict[str, Any]:
    """What the configuration says of training; what it leaves out is its own class's default, not the sampler's."""
    import diffusers

    base_class = getattr(diffusers, str(base_config.get("_class_name")), None)
    parameters = inspect.signature(base_class.__init__).parameters if base_class else {}
    defaults = {key: parameter.default for key, parameter in parameters.items() if key in TRAINING_FACTS}
    facts = {**defaults, **base_config}
    known = {key: facts[key] for key in TRAINING_FACTS if key in facts and facts[key] is not inspect.Parameter.empty}
    # Clipping is for pixels, and no model here draws any. Some configurations ask for it all the same; diffusers' pipelines
    # then mend the scheduler that they are built with, and no later one.
    return {**known, "clip_sample": False}


def _choices(entry: Sampler, plan: Schedule, facts: Mapping[str, Any], known: set[str]) -> tuple[dict[str, Any], str]:
    """Constructor arguments that are about sampling, and the reason for them in words for the log."""
    spacing, why = "linspace", "asked for"
    zero_snr = bool(facts.get("rescale_betas_zero_snr"))
    if entry.steps is Steps.EVEN:
        spacing = "trailing" if zero_snr or plan.key == "SGM uniform" else "leading"
        why = f"{spacing} steps, the sampler takes even ones only"
    choices = {**entry.arguments, "timestep_spacing": spacing, "steps_offset": 1}
    if entry.steps is Steps.SIGMAS:
        choices["use_karras_sigmas"] = True  # the branch that `follow` fills
    if zero_snr and "rescale_betas_zero_snr" not in known:
        choices["trained_betas"] = _zero_snr_betas(facts)
        why += ", zero terminal SNR by trained_betas because the class has no flag for it"
    return choices, why


def _zero_snr_betas(facts: Mapping[str, Any]) -> list[float]:
    """The betas of a model trained with zero terminal SNR, the last one capped so that no sigma is infinite."""
    import torch
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    keys = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    source = DDPMScheduler(**{key: facts[key] for key in keys if key in facts}, rescale_betas_zero_snr=True)
    alphas = source.alphas.double()
    alphas[-1] = LAST_ALPHA_CUMPROD / alphas[:-1].prod()
    return (1 - alphas).to(torch.float64).tolist()
