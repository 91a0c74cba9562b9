"""What something took: processor seconds of all threads of this process, and seconds on the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Took:
    """A time, or the difference of two. `cpu` is the figure to compare where other programs are at work."""

    cpu: float
    wall: float

    @classmethod
    def now(cls) -> Self:
        """Since some beginning; only differences mean anything."""
        return cls(time.process_time(), time.perf_counter())

    def since(self, start: Took) -> Took:
        """From `start` to this."""
        return Took(self.cpu - start.cpu, self.wall - start.wall)

    def part(self, count: int) -> Took:
        """One of `count` equal parts."""
        return Took(self.cpu / count, self.wall / count)


@dataclass(frozen=True)
class Loaded:
    """A model that was brought to where it works: what that took, and the peak of the whole process until then in bytes."""

    took: Took
    peak: int


@dataclass(frozen=True)
class Made:
    """A picture that was made: the whole of it, a call of the sampler, its decode, and calls of text encoders.

    `step` is the mean from the first call's end to the last one's; None for a single step. `file` is where it is, until the
    side is closed and its folder goes.
    """

    whole: Took
    step: Took | None
    decode: Took | None
    encoder_calls: int
    loads: int = 0
    file: Path | None = None


def mean_step(marks: list[Took]) -> Took | None:
    """What a call took, by the marks at the end of each."""
    return marks[-1].since(marks[0]).part(len(marks) - 1) if len(marks) > 1 else None
