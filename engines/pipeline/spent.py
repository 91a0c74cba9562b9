"""What the stages of a job take: seconds, and the peak of memory where the system lets it be measured stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from engines.runtime import begin_peak, stage_peak
from engines.types import Stage


class Spent(dict[str, float]):
    """Seconds by stage, `peaks` in bytes by stage, and the stage that was begun last."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: dict[str, int] = {}
        self.stage = Stage.LOAD

    def move(self, seconds: float, source: Stage, to: Stage) -> None:
        """Count some `seconds` of one stage towards another one."""
        if seconds and source in self:
            self[source] -= seconds
            self[to] = self.get(to, 0.0) + seconds

    @contextmanager
    def at(self, stage: Stage) -> Iterator[None]:
        """Count what happens inside towards `stage`."""
        self.stage = stage
        begin_peak()
        started = time.perf_counter()
        yield
        self[stage] = self.get(stage, 0.0) + time.perf_counter() - started
        if peak := stage_peak():
            self.peaks[str(stage)] = max(self.peaks.get(str(stage), 0), peak)
