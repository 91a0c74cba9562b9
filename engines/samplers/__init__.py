"""Samplers and noise schedules: what there is, which go together, and how one is made for a model."""

from __future__ import annotations

from engines.samplers.create import create_sampler, seed_sampler
from engines.samplers.registry import (
    ALL_SCHEDULES,
    FLOW_SAMPLERS,
    NOISE_SAMPLERS,
    REGISTRY,
    SAMPLERS,
    SCHEDULERS,
    SamplerRegistry,
    Support,
    default_schedule,
    sampler_rows,
    supported,
)
from engines.samplers.table import FLOW_SCHEDULES, Kind, Sampler, Schedule

__all__ = [
    "ALL_SCHEDULES",
    "FLOW_SAMPLERS",
    "FLOW_SCHEDULES",
    "NOISE_SAMPLERS",
    "REGISTRY",
    "SAMPLERS",
    "SCHEDULERS",
    "Kind",
    "Sampler",
    "SamplerRegistry",
    "Schedule",
    "Support",
    "create_sampler",
    "default_schedule",
    "sampler_rows",
    "seed_sampler",
    "supported",
]
