"""The samplers and noise schedules that Easel offers, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Steps(StrEnum):
    """How a scheduler class is told which noise levels to visit."""

    SIGMAS = "sigmas"  # it turns a list of sigmas into its own layout
    PLAIN_SIGMAS = "plain sigmas"  # one sigma a step, and no way to pass them
    TIMESTEPS = "timesteps"  # any whole training steps
    EVEN = "even"  # evenly spaced training steps only: its formula assumes the distance
    FLOW = "flow"  # the noise levels of a flow model, which its own configuration shifts
    OWN = "own"  # what the class does by itself


class Kind(StrEnum):
    """What a model learned to answer, which decides on the samplers that can ask it."""

    NOISE = "epsilon and v models"
    FLOW = "flow models"
    TRIGFLOW = "consistency models of the TrigFlow kind"
    SHIFTED = "video models whose noise levels are shifted for long clips (CogVideoX)"
    CONTINUOUS = "models of the EDM kind, which are told the noise itself (Stable Video Diffusion)"


@dataclass(frozen=True)
class Schedule:
    """A way to spread the noise levels over the steps. `key` is the name that A1111 shows."""

    key: str
    aliases: tuple[str, ...]
    summary: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sampler:
    """A sampler: `key` as A1111 shows it, other names for it, and how diffusers makes it.

    `calms_last_jump` marks the ones that add noise and remember steps: see `create.py`.
    `schedules` are the keys of the schedules that it really follows. `calls` is how often the model runs in a step.
    `kind` is the one kind of model that it is for. `needs` are packages beyond torch.
    """

    key: str
    aliases: tuple[str, ...]
    class_name: str
    summary: str
    steps: Steps = Steps.SIGMAS
    arguments: Mapping[str, Any] = field(default_factory=dict)
    schedules: tuple[str, ...] = ("Normal", "Karras", "Exponential", "SGM uniform", "Simple", "Beta")
    stochastic: bool = False
    calls: int = 1
    calms_last_jump: bool = False
    needs: tuple[str, ...] = ()
    kind: Kind = Kind.NOISE


SCHEDULE_TABLE = (
    Schedule("Normal", ("normal", "uniform", "linspace"), "even in training steps, from the first to the last"),
    Schedule("Karras", ("karras",), "many small steps at low noise: fine detail with few steps"),
    Schedule("Exponential", ("exponential",), "even in the logarithm of the noise"),
    Schedule(
        "SGM uniform", ("sgm_uniform", "trailing"), "even, and stops one step before the last: turbo and LCM models"
    ),
    Schedule("Simple", ("simple",), "every n-th noise level that the model was trained on"),
    Schedule("Beta", ("beta",), "more steps at both ends (Lee et al. 2024, as ComfyUI does it)", needs=("scipy",)),
)

DPM_2 = {"solver_order": 2, "solver_type": "midpoint", "lower_order_final": True, "final_sigmas_type": "zero"}

FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "final_sigmas_type": "zero"}
# On flow models "Normal" is even before the shift; the others keep its ends and spread the levels between them.
FLOW_SCHEDULES = ("Normal", "Karras", "Exponential", "Beta")

SAMPLER_TABLE = (
    Sampler(
        "DPM++ 2M",
        ("dpmpp_2m", "dpm++ 2m", "DPMSolverMultistepScheduler"),
        "DPMSolverMultistepScheduler",
        "quick and clean, a good first choice",
        arguments={**DPM_2, "algorithm_type": "dpmsolver++"},
    ),
    Sampler(
        "DPM++ 2M SDE",
        ("dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
        "DPMSolverMultistepScheduler",
        "DPM++ 2M with fresh noise: more texture, changes with the number of steps",
        arguments={**DPM_2, "algorithm_type": "sde-dpmsolver++"},
        stochastic=True,
        calms_last_jump=True,
    ),
    Sampler(
        "DPM++ 3M SDE",
        ("dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
        "DPMSolverMultistepScheduler",
        "third order with fresh noise: for 30 steps and more",
        arguments={**DPM_2, "solver_order": 3, "algorithm_type": "sde-dpmsolver++"},
        stochastic=True,
        calms_last_jump=True,
    ),
    Sampler(
        "DPM++ SDE",
        ("dpmpp_sde", "dpmpp_sde_gpu", "DPMSolverSDEScheduler"),
        "DPMSolverSDEScheduler",
        "good with few steps, each twice as long",
        stochastic=True,
        calls=2,
        needs=("scipy", "torchsde"),
    ),
    Sampler("Euler", ("k_euler", "EulerDiscreteScheduler"), "EulerDiscreteScheduler", "the plain one"),
    Sampler(
        "Euler a",
        ("euler_ancestral", "euler ancestral", "k_euler_a", "EulerAncestralDiscreteScheduler"),
        "EulerAncestralDiscreteScheduler",
        "soft and varied, changes with the number of steps",
        steps=Steps.PLAIN_SIGMAS,
        stochastic=True,
    ),
    Sampler(
        "Heun", ("k_heun", "HeunDiscreteScheduler"), "HeunDiscreteScheduler", "Euler, corrected once a step", calls=2
    ),
    Sampler(
        "UniPC",
        ("uni_pc", "uni_pc_bh2", "UniPCMultistepScheduler"),
        "UniPCMultistepScheduler",
        "sharp with few steps",
        arguments={"solver_order": 2, "solver_type": "bh2", "lower_order_final": True, "final_sigmas_type": "zero"},
    ),
    Sampler(
        "DPM2",
        ("dpm_2", "k_dpm_2", "KDPM2DiscreteScheduler"),
        "KDPM2DiscreteScheduler",
        "second order, exact and slow",
        calls=2,
    ),
    Sampler(
        "LMS",
        ("k_lms", "LMSDiscreteScheduler"),
        "LMSDiscreteScheduler",
        "fourth order, remembers four steps",
        needs=("scipy",),
    ),
    Sampler(
        "DDIM",
        ("ddim_uniform", "DDIMScheduler"),
        "DDIMScheduler",
        "the first quick sampler, for old recipes",
        steps=Steps.EVEN,
        arguments={"set_alpha_to_one": False},
        schedules=("Normal", "SGM uniform"),
    ),
    Sampler(
        "PNDM",
        ("PLMS", "PNDMScheduler"),
        "PNDMScheduler",
        "what Stable Diffusion 1 was published with",
        steps=Steps.EVEN,
        arguments={"set_alpha_to_one": False, "skip_prk_steps": True},
        schedules=("Normal",),
    ),
    Sampler(
        "LCM",
        ("LCMScheduler",),
        "LCMScheduler",
        "for models and LoRAs made for 2 to 8 steps",
        steps=Steps.TIMESTEPS,
        arguments={"set_alpha_to_one": True},
        stochastic=True,
    ),
    Sampler(
        "Euler flow",
        ("flow_euler", "FlowMatchEulerDiscreteScheduler"),
        "FlowMatchEulerDiscreteScheduler",
        "the plain one for flow models, and what most of them were published with",
        steps=Steps.FLOW,
        schedules=FLOW_SCHEDULES,
        kind=Kind.FLOW,
    ),
    Sampler(
        "Heun flow",
        ("flow_heun", "FlowMatchHeunDiscreteScheduler"),
        "FlowMatchHeunDiscreteScheduler",
        "Euler flow, corrected once a step",
        steps=Steps.FLOW,
        schedules=FLOW_SCHEDULES,
        calls=2,
        kind=Kind.FLOW,
    ),
    Sampler(
        "DPM++ 2M flow",
        ("flow_dpmpp_2m", "flow_dpm"),
        "DPMSolverMultistepScheduler",
        "DPM++ 2M for flow models: finer with the same steps",
        steps=Steps.FLOW,
        arguments={**DPM_2, "algorithm_type": "dpmsolver++", **FLOW},
        schedules=FLOW_SCHEDULES,
        kind=Kind.FLOW,
    ),
    Sampler(
        "UniPC flow",
        ("flow_unipc", "flow_uni_pc"),
        "UniPCMultistepScheduler",
        "UniPC for flow models: sharp with few steps",
        steps=Steps.FLOW,
        arguments={"solver_order": 2, "solver_type": "bh2", "lower_order_final": True, **FLOW},
        schedules=FLOW_SCHEDULES,
        kind=Kind.FLOW,
    ),
    Sampler(
        "DDIM shifted",
        ("ddim_shifted", "CogVideoXDDIMScheduler"),
        "CogVideoXDDIMScheduler",
        "DDIM with the shifted noise levels that CogVideoX was trained with",
        steps=Steps.OWN,
        schedules=("Normal",),
        kind=Kind.SHIFTED,
    ),
    Sampler(
        "Euler EDM",
        ("euler_edm",),
        "EulerDiscreteScheduler",
        "Euler from a noise of 700 to one of 0.002, as Stable Video Diffusion was trained",
        steps=Steps.OWN,
        schedules=("Karras",),
        kind=Kind.CONTINUOUS,
    ),
    Sampler(
        "SCM",
        ("scm", "SCMScheduler"),
        "SCMScheduler",
        "one to four steps, for models that were distilled for it",
        steps=Steps.OWN,
        schedules=("Normal",),
        stochastic=True,
        kind=Kind.TRIGFLOW,
    ),
)
