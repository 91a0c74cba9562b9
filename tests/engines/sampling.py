"""A denoiser that is known exactly: the best one for data that is a normal distribution. Any sampler must find that data."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch

MEAN, SPREAD = 0.7, 0.5

STABLE_DIFFUSION = {
    "_class_name": "PNDMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}
ZERO_SNR = {
    **STABLE_DIFFUSION,
    "_class_name": "DPMSolverMultistepScheduler",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}


def trained_sigmas(config: dict[str, Any]) -> np.ndarray:
    """Noise levels of the thousand training steps, rising; made here from the formulas, not with the code under test."""
    first, last = config["beta_start"] ** 0.5, config["beta_end"] ** 0.5
    kept = np.cumprod(1 - np.linspace(first, last, config["num_train_timesteps"]) ** 2)
    if config.get("rescale_betas_zero_snr"):
        root = np.sqrt(kept)
        kept = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
        kept[-1] = 2.0**-24
    return np.sqrt((1 - kept) / kept)


def predict(config: dict[str, Any], scaled: torch.Tensor, timestep: Any) -> torch.Tensor:
    """What a perfect model answers to the scaled latents at `timestep`."""
    levels = np.log(trained_sigmas(config))
    sigma = float(np.exp(np.interp(float(timestep), np.arange(len(levels)), levels)))
    keep = (1 + sigma**2) ** -0.5
    noisy = scaled.double() / keep
    clean = (MEAN * sigma**2 + SPREAD**2 * noisy) / (sigma**2 + SPREAD**2)
    noise = (noisy - clean) / sigma
    answer = noise if config["prediction_type"] == "epsilon" else keep * noise - sigma * keep * clean
    return answer.float()


def extras(scheduler: Any, generator: torch.Generator) -> dict[str, Any]:
    """The generator, for schedulers that take one: as the pipelines do it."""
    return {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}


def sample(scheduler: Any, config: dict[str, Any], steps: int, side: int = 24) -> torch.Tensor:
    """Latents of a whole run from noise."""
    scheduler.set_timesteps(steps, device="cpu")
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, side, side, generator=generator) * scheduler.init_noise_sigma
    return go_on(scheduler, config, latents, scheduler.timesteps, generator)


def go_on(
    scheduler: Any, config: dict[str, Any], latents: torch.Tensor, timesteps: Any, generator: Any
) -> torch.Tensor:
    """Denoise `latents` over `timesteps`."""
    for timestep in timesteps:
        answer = predict(config, scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(answer, timestep, latents, **extras(scheduler, generator), return_dict=False)[0]
    return latents


def flow_sample(scheduler: Any, steps: int, side: int = 24, **given: Any) -> torch.Tensor:
    """Latents of a whole run with a perfect flow model: it answers noise - clean for latents between the two."""
    scheduler.set_timesteps(steps, device="cpu", **given)
    latents = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(0))
    for timestep in scheduler.timesteps:
        level = min(float(timestep) / 1000, 1 - 1e-6)
        share = level**2 / (1 - level) ** 2
        noisy = latents.double() / (1 - level)
        clean = (MEAN * share + SPREAD**2 * noisy) / (share + SPREAD**2)
        answer = (latents.double() - clean) / level
        latents = scheduler.step(answer.float(), timestep, latents, return_dict=False)[0]
    return latents
