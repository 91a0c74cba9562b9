"""One of a job's files while it is made: which one it is, and where it reports."""

from __future__ import annotations

from dataclasses import dataclass

from engines.interface import RunContext
from engines.pipeline.spent import Spent
from engines.types import GenerationRequest, Progress, Stage


@dataclass(frozen=True)
class Item:
    """File `index` of `count`. `request` makes it alone, with its own seed; `seconds` are those of the whole job."""

    request: GenerationRequest
    index: int
    count: int
    ctx: RunContext
    seconds: Spent

    def report(self, stage: Stage, step: int = 0, total: int = 0) -> None:
        """Say where the work is."""
        self.ctx.on_progress(Progress(stage, step, total, self.index, self.count))
