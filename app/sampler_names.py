"""Samplers and schedules by the names that other programs give them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engines.api import SAMPLER_REGISTRY, EngineFamily, UserError, default_schedule

# Names of other programs that are not among a sampler's own other names.
SAMPLERS: Mapping[str, str] = {
    "euler_a": "Euler a",
    "kdpm_2": "DPM2",
    "k_dpmpp_2m": "DPM++ 2M",
    "k_dpmpp_sde": "DPM++ SDE",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE",
    "k_euler_ancestral": "Euler a",
    "ddim_v3": "DDIM",
    "ddim_cfg_pp": "DDIM",
    "euler_cfg_pp": "Euler",
    "euler_ancestral_cfg_pp": "Euler a",
    "dpmpp_2m_cfg_pp": "DPM++ 2M",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_2s": "DPM++ 2M",
    "dpm++ 2m sde heun": "DPM++ 2M SDE",
    "unipc_bh2": "UniPC",
    "uni-pc": "UniPC",
    "unipcmultistep": "UniPC",
    "heunpp2": "Heun",
}
SCHEDULES: Mapping[str, str] = {
    "uniform": "Normal",
    "normal": "Normal",
    "ddim": "Normal",
    "native": "Normal",
    "discrete": "Normal",
    "ddim_uniform": "Normal",
    "sgm uniform": "SGM uniform",
    "sgm_uniform": "SGM uniform",
    "trailing": "SGM uniform",
    "simple": "Simple",
    "beta": "Beta",
    "karras": "Karras",
    "exponential": "Exponential",
}
# Behind a sampler's name, longest first: "DPM++ 2M SDE Karras", "dpmpp_2m_karras", "DPM++ 2M_k".
ENDINGS = re.compile(r"(?i)[ _](karras|exponential|sgm[ _]uniform|uniform|simple|beta|normal|k)$")


def recognised(name: str) -> tuple[str, str | None]:
    """Sampler and, where the name has one, schedule. Raises `UserError("sampler-unknown")`."""
    known = sampler_of(name)
    if known is not None:
        return known, None
    if ending := ENDINGS.search(name):
        known = sampler_of(name[: ending.start()])
        if known is not None:
            return known, schedule_of("karras" if ending[1].lower() == "k" else ending[1])
    return SAMPLER_REGISTRY.samplers.get(name).key, None


def sampler_of(name: str) -> str | None:
    """The sampler's own name, None when nobody knows this one."""
    wanted = name.strip().lower()
    for each in (wanted, SAMPLERS.get(wanted, ""), wanted.removesuffix("_gpu"), wanted.removeprefix("k_")):
        try:
            return SAMPLER_REGISTRY.samplers.get(each).key
        except UserError:
            continue
    return None


def schedule_of(name: str) -> str:
    """The schedule's own name. Raises `UserError("scheduler-unknown")`."""
    wanted = name.strip().lower()
    return SAMPLER_REGISTRY.schedules.get(SCHEDULES.get(wanted, wanted)).key


def fitting(family: EngineFamily, sampler: str | None, schedule: str | None) -> tuple[str | None, str | None]:
    """The pair as the family can use it, for wishes that were written for another model.

    A flow model takes the flow form of a sampler's name ("Euler" becomes "Euler flow"), else its usual one; a schedule
    that the sampler cannot follow gives way.
    """
    if sampler is not None and sampler not in family.samplers:
        first = sampler.split()[0]
        sampler = next((each for each in family.samplers if each.split()[0] == first), None)
    chosen = sampler or str(family.defaults["sampler"])
    if schedule is not None:
        schedule = default_schedule(chosen, schedule)
    return sampler, schedule
