"""One model on the device: its parts, how they are held, and what its files say of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from engines.family import EngineFamily
from engines.interface import RunContext
from engines.pipeline.keeping import load_kept, plan_for
from engines.plan import Placement
from engines.records import ModelRecord
from engines.runtime import software_facts


@dataclass
class LoadedModel:
    """`parts` by name, held as `placement` says. `in_float32` while everything is in float32 for the moment."""

    family: EngineFamily
    record: ModelRecord
    placement: Placement
    parts: dict[str, Any]
    in_float32: bool = False

    @property
    def denoisers(self) -> tuple[torch.nn.Module, ...]:
        """One, or two for a model whose second one takes over in the middle."""
        names = (self.family.denoiser, self.family.second_denoiser)
        return tuple(self.parts[name] for name in names if name and self.parts.get(name) is not None)

    @property
    def facts(self) -> dict[str, str]:
        """What a file says of how it was made: versions, device, number format."""
        dtype = "float32" if self.in_float32 else self.placement.dtype
        return {**software_facts(), "device": self.placement.device, "dtype": dtype}

    def key(self, more: str = "") -> str:
        """What must be the same for a half-done file to go on to the same bytes, with `more` of the job's own."""
        return f"{self.record.fingerprint}{more}{' float32' * self.in_float32}"

    def tiled(self, ctx: RunContext) -> bool:
        """Whether the plan wants decoding in tiles: the job's own plan, or the one that the model was loaded by."""
        return self.placement.tile_decode if ctx.plan is None else ctx.plan.way.tiled


def load_by_plan(record: ModelRecord, family: EngineFamily, ctx: RunContext) -> LoadedModel:
    """The model, held as the job's plan says. Raises `UserError` for a broken one, `Cancelled` between two parts."""
    placement = plan_for(record, family, ctx).placement
    return LoadedModel(family, record, placement, load_kept(record, family, placement, ctx.check_cancelled))
