"""The noise levels of each schedule, as k-diffusion, A1111 and ComfyUI define them. Imported by the worker alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KARRAS_RHO = 7.0  # Karras et al. 2022, table 1
BETA_SHAPE = 0.6  # Lee et al. 2024; both parameters, as in ComfyUI and A1111


def to_sigmas(timesteps: Array, trained: Array) -> Array:
    """Noise levels at training steps, between them by the logarithm (k-diffusion's t_to_sigma)."""
    return np.exp(np.interp(timesteps, np.arange(len(trained)), np.log(trained)))


def to_timesteps(sigmas: Array, trained: Array) -> Array:
    """The inverse of `to_sigmas`; outside of the trained range the nearest end."""
    return np.interp(np.log(sigmas), np.log(trained), np.arange(len(trained)))


def _normal(trained: Array, steps: int) -> Array:
    return to_sigmas(np.linspace(len(trained) - 1, 0, steps), trained)


def _sgm_uniform(trained: Array, steps: int) -> Array:
    return to_sigmas(np.linspace(len(trained) - 1, 0, steps + 1)[:-1], trained)


def _simple(trained: Array, steps: int) -> Array:
    stride = len(trained) / steps
    return np.array([trained[-(1 + int(index * stride))] for index in range(steps)])


def _karras(trained: Array, steps: int) -> Array:
    low, high = trained[0] ** (1 / KARRAS_RHO), trained[-1] ** (1 / KARRAS_RHO)
    return np.linspace(high, low, steps) ** KARRAS_RHO


def _exponential(trained: Array, steps: int) -> Array:
    return np.exp(np.linspace(np.log(trained[-1]), np.log(trained[0]), steps))


def _beta(trained: Array, steps: int) -> Array:
    # In training steps, as the paper and ComfyUI do it; A1111 and diffusers spread the sigmas themselves, which leaves
    # nearly all steps at high noise for a model with zero terminal SNR. Not rounded: two equal levels divide by zero.
    from scipy.stats import beta

    shares = beta.ppf(1 - np.linspace(0, 1, steps, endpoint=False), BETA_SHAPE, BETA_SHAPE)
    return to_sigmas(shares * (len(trained) - 1), trained)


SIGMAS: dict[str, Callable[[Array, int], Array]] = {
    "Normal": _normal,
    "Karras": _karras,
    "Exponential": _exponential,
    "SGM uniform": _sgm_uniform,
    "Simple": _simple,
    "Beta": _beta,
}


def sigmas(schedule: str, trained: Array, steps: int) -> Array:
    """The `steps` noise levels of `schedule`, falling, without the final zero; `trained` rises."""
    return SIGMAS[schedule](trained, steps)
