"""Samplers and noise schedules by the names that A1111 and ComfyUI users know, and the door that makes them.

Two explicit tables. A pair that diffusers would silently ignore is either made true here or refused.
"""

from __future__ import annotations

import difflib
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engines.errors import InternalError, UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScheduleEntry:
    """How noise levels are spread over the steps; `aliases` are ComfyUI's and A1111's other names."""

    name: str
    aliases: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class SamplerEntry:
    """A sampler: its diffusers class, fixed arguments, and the schedules that it can really follow.

    `stochastic` samplers add fresh noise at every step. `calls_per_step` is how often the model runs in a step.
    """

    name: str
    aliases: tuple[str, ...]
    class_name: str
    schedules: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    stochastic: bool = False
    calls_per_step: int = 1


SCHEDULE_TABLE = (
    ScheduleEntry("Normal", ("normal", "uniform"), "evenly spaced in time, from the noisiest level to the cleanest"),
    ScheduleEntry("Karras", ("karras",), "more steps at low noise (Karras et al. 2022, rho 7)"),
    ScheduleEntry("Exponential", ("exponential",), "evenly spaced in the logarithm of the noise level"),
    ScheduleEntry("SGM uniform", ("sgm_uniform",), "evenly spaced in time, one level fewer at the clean end"),
    ScheduleEntry("Simple", ("simple", "trailing"), "every n-th of the levels that the model was trained with"),
    ScheduleEntry("Beta", ("beta",), "more steps at both ends (beta distribution, alpha = beta = 0.6)"),
)

ALL_SCHEDULES = tuple(entry.name for entry in SCHEDULE_TABLE)
SPACED = ("Normal", "Simple")

SAMPLER_TABLE = (
    SamplerEntry("Euler", ("euler", "k_euler"), "EulerDiscreteScheduler", ALL_SCHEDULES),
    SamplerEntry(
        "Euler a", ("euler_ancestral", "k_euler_a"), "EulerAncestralDiscreteScheduler", ALL_SCHEDULES, stochastic=True
    ),
    SamplerEntry("Heun", ("heun", "k_heun"), "HeunDiscreteScheduler", ALL_SCHEDULES, calls_per_step=2),
    SamplerEntry(
        "DPM++ 2M",
        ("dpmpp_2m", "k_dpmpp_2m"),
        "DPMSolverMultistepScheduler",
        ALL_SCHEDULES,
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"},
    ),
    SamplerEntry(
        "DPM++ 2M SDE",
        ("dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
        "DPMSolverMultistepScheduler",
        ALL_SCHEDULES,
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"},
        stochastic=True,
    ),
    SamplerEntry(
        "DPM++ SDE",
        ("dpmpp_sde", "dpmpp_sde_gpu"),
        "DPMSolverSDEScheduler",
        ("Normal", "Karras", "Exponential", "Simple"),
        stochastic=True,
        calls_per_step=2,
    ),
    SamplerEntry(
        "DPM++ 3M SDE",
        ("dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
        "DPMSolverMultistepScheduler",
        # Not Normal: its last gap in the logarithm of the noise is so long that the third order overshoots (seen at 20
        # steps: noise all over the picture).
        tuple(name for name in ALL_SCHEDULES if name != "Normal"),
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 3, "final_sigmas_type": "zero"},
        stochastic=True,
    ),
    SamplerEntry("UniPC", ("uni_pc", "unipc"), "UniPCMultistepScheduler", ALL_SCHEDULES),
    SamplerEntry(
        "DDIM", ("ddim",), "DDIMScheduler", SPACED, {"clip_sample": False, "set_alpha_to_one": False}
    ),
    SamplerEntry("LCM", ("lcm",), "LCMScheduler", ("Simple",), {"clip_sample": False}, stochastic=True),
    SamplerEntry("LMS", ("lms", "k_lms"), "LMSDiscreteScheduler", ALL_SCHEDULES),
    SamplerEntry(
        "PNDM", ("plms", "pndm"), "PNDMScheduler", SPACED, {"skip_prk_steps": True, "set_alpha_to_one": False}
    ),
)


class SamplerRegistry:
    """Both tables by name and alias, in any case; built in one step, a duplicate is an error."""

    def __init__(self, samplers: tuple[SamplerEntry, ...], schedules: tuple[ScheduleEntry, ...]) -> None:
        self.samplers = samplers
        self.schedules = schedules
        self._samplers = _by_name(samplers)
        self._schedules = _by_name(schedules)

    def sampler(self, name: str) -> SamplerEntry:
        """The sampler called so. Raises `UserError("sampler-unknown")` with the nearest names."""
        return self._find(self._samplers, name, "sampler-unknown")

    def schedule(self, name: str) -> ScheduleEntry:
        """The schedule called so. Raises `UserError("scheduler-unknown")` with the nearest names."""
        return self._find(self._schedules, name, "scheduler-unknown")

    def _find(self, entries: dict[str, Any], name: str, code: str) -> Any:
        if (found := entries.get(name.lower())) is not None:
            return found
        titles = list(dict.fromkeys(entry.name for entry in entries.values()))
        close = difflib.get_close_matches(name.lower(), entries, 3, 0.5)
        nearest = list(dict.fromkeys(entries[key].name for key in close)) or titles
        raise UserError(code, name=name, nearest=nearest)

    def check_pair(self, sampler: str, schedule: str) -> tuple[SamplerEntry, ScheduleEntry]:
        """Both entries. Raises `UserError("schedule-not-for-sampler")` when the sampler cannot follow the schedule."""
        found, levels = self.sampler(sampler), self.schedule(schedule)
        if levels.name not in found.schedules:
            raise UserError(
                "schedule-not-for-sampler", sampler=found.name, schedule=levels.name, supported=found.schedules
            )
        return found, levels


def _by_name(entries: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in entries:
        for name in dict.fromkeys(word.lower() for word in (entry.name, *entry.aliases)):
            if name in found:
                raise InternalError("internal", what=f"{name} names both {found[name].name} and {entry.name}")
            found[name] = entry
    return found


SAMPLERS = SamplerRegistry(SAMPLER_TABLE, SCHEDULE_TABLE)

# What a model's own scheduler says about its training; the rest of that file is somebody's choice of a sampler.
TRAINING_FACTS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
    "steps_offset",
)
SIGMA_FLAGS = {"Karras": "use_karras_sigmas", "Exponential": "use_exponential_sigmas"}
TAKES_A_LIST = {"EulerDiscreteScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler"}
STEPS_LIKE_EULER = {"EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler", "UniPCMultistepScheduler"}
# A signal-to-noise ratio of zero is an infinite noise level; this is how near diffusers' own samplers go to it.
NEARLY_ZERO = 2**-24


def create_sampler(
    sampler: str, schedule: str, base_config: Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> Any:
    """A fresh diffusers scheduler that samples like `sampler` over `schedule`, for a model trained as `base_config` says.

    `overrides` are constructor arguments that a family insists on. Raises `UserError` for unknown names and for pairs
    that do not go together. Imports diffusers: call it in the worker.
    """
    entry, levels = SAMPLERS.check_pair(sampler, schedule)
    scheduler = _build(entry.class_name, levels.name, base_config, {**entry.arguments, **(overrides or {})})
    if entry.class_name == "LCMScheduler":
        _let_lcm_take_more_than_50_steps(scheduler)
    elif entry.class_name in STEPS_LIKE_EULER:
        _borrow_levels(scheduler, create_sampler("Euler", levels.name, base_config))
    elif entry.class_name in TAKES_A_LIST and levels.name not in SIGMA_FLAGS:
        _give_timesteps(scheduler, levels.name)
    log.info("sampler key=%s/%s class=%s why=asked for", entry.name, levels.name, entry.class_name)
    return scheduler


def seed_sampler(scheduler: Any, seed: int) -> None:
    """Tie a sampler's own noise (a Brownian tree) to the picture's seed; others draw from the generator they are given."""
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = seed
        scheduler.noise_sampler = None


def _build(class_name: str, schedule: str, base_config: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    import inspect

    import diffusers

    scheduler_class = getattr(diffusers, class_name)
    known = inspect.signature(scheduler_class.__init__).parameters
    values = {key: base_config[key] for key in TRAINING_FACTS if key in base_config and key in known}
    if base_config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in known:
        values["trained_betas"] = _zero_snr_betas(base_config)
    if "timestep_spacing" in known:
        # Never the model's own: "leading" in many SD 1.5 files starts 20 Karras steps at noise level 11 and not 14.6.
        values["timestep_spacing"] = "trailing" if schedule == "Simple" else "linspace"
    if flag := SIGMA_FLAGS.get(schedule):
        values |= {flag: True} if flag in known else {}
    return scheduler_class(**{**values, **arguments})


def _zero_snr_betas(base_config: Mapping[str, Any]) -> list[float]:
    """The betas of a zero terminal SNR schedule, for samplers that have no switch for it (Lin et al. 2023, algorithm 1)."""
    import diffusers
    import torch

    plain = {key: value for key, value in base_config.items() if key in TRAINING_FACTS}
    reference = diffusers.EulerDiscreteScheduler(**plain)
    kept = reference.alphas_cumprod.double().clone()
    kept[-1] = NEARLY_ZERO
    alphas = torch.cat([kept[:1], kept[1:] / kept[:-1]])
    return (1 - alphas).tolist()


def _give_timesteps(scheduler: Any, schedule: str) -> None:
    """Make `set_timesteps(n)` give exactly the levels of the schedule.

    The classes disagree on what "linspace" means (some leave the last level out), and their beta schedule spreads noise
    levels where ComfyUI's spreads timesteps; so those that take a list get one.
    """
    original, last = scheduler.set_timesteps, scheduler.config.num_train_timesteps - 1

    @functools.wraps(original)
    def set_timesteps(num_inference_steps: int, device: Any = None, **_: Any) -> None:
        original(device=device, timesteps=timesteps_of(schedule, num_inference_steps, last))

    scheduler.set_timesteps = set_timesteps


def timesteps_of(schedule: str, steps: int, last: int) -> list[int]:
    """Training timesteps, falling, for `steps` steps of a model whose noisiest one is `last`.

    Normal ends at 0, SGM uniform one interval before it, Simple takes every n-th from the noisy end, Beta follows the
    inverse of a beta distribution: as in k-diffusion, A1111 and ComfyUI, rounded to whole timesteps. Beta drops
    timesteps that fall together, as ComfyUI does.
    """
    match schedule:
        case "Normal":
            gaps = max(1, steps - 1)
            return [round(last - last * i / gaps) for i in range(steps)]
        case "SGM uniform":
            return [round(last - last * i / steps) for i in range(steps)]
        case "Simple":
            return [last - int((last + 1) * i / steps) for i in range(steps)]
        case "Beta":
            from scipy.stats import beta

            return list(dict.fromkeys(round(beta.ppf(1 - i / steps, 0.6, 0.6) * last) for i in range(steps)))
        case _:
            raise InternalError("internal", what=f"{schedule} has no list of timesteps")


def _let_lcm_take_more_than_50_steps(scheduler: Any) -> None:
    original, usual = scheduler.set_timesteps, scheduler.config.original_inference_steps

    @functools.wraps(original)
    def set_timesteps(num_inference_steps: int, device: Any = None, **_: Any) -> None:
        original(num_inference_steps, device=device, original_inference_steps=max(usual, num_inference_steps))

    scheduler.set_timesteps = set_timesteps


def _borrow_levels(scheduler: Any, source: Any) -> None:
    """Let `scheduler` step over the noise levels of `source`; both hold them as sigmas of the same model.

    Euler a has no switch for Karras and would go on with even levels without a word; the others take no list.
    """
    original = scheduler.set_timesteps

    @functools.wraps(original)
    def set_timesteps(num_inference_steps: int, device: Any = None, **_: Any) -> None:
        original(num_inference_steps, device=device)
        source.set_timesteps(num_inference_steps, device=device)
        scheduler.sigmas, scheduler.timesteps = source.sigmas, source.timesteps

    scheduler.set_timesteps = set_timesteps


def sampler_rows() -> list[tuple[str, str, str, str, str]]:
    """Rows for the docs: name, other names, schedules, diffusers class, remarks."""
    return [
        (
            entry.name,
            ", ".join(entry.aliases),
            ", ".join(entry.schedules),
            entry.class_name,
            ", ".join(_remarks(entry)),
        )
        for entry in SAMPLERS.samplers
    ]


def _remarks(entry: SamplerEntry) -> list[str]:
    remarks = {"new noise at every step": entry.stochastic, "two model calls a step": entry.calls_per_step > 1}
    return [words for words, true in remarks.items() if true]
