"""The values of a benchmark: a figure with both sides and their ratio, and the goal that it is held against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

CPU, WALL, MEGABYTES, COUNT, PERCENT = "CPU s", "s", "MB", "times", "%"


@dataclass(frozen=True)
class Goal:
    """A limit for the ratio, or with `of="easel"` for Easel's own number; with `least` it is to be reached, not kept under.

    `stretch` is the harder limit that would be better still.
    """

    limit: float
    of: str = "ratio"
    least: bool = False
    stretch: float | None = None

    @property
    def words(self) -> str:
        """As a table shows it: "≤ 0.90 ×"."""
        sign = "≥" if self.least else "≤"
        return f"{sign} {self.limit:g}{' ×' if self.of == 'ratio' else ''}"


@dataclass(frozen=True)
class Figure:
    """One measurement: both sides in `unit`, their ratio (the median of the pairs' ratios), and what it is held against.

    Below 1 Easel is the quicker or smaller one. `plain` is None where there is nothing to compare with. `beside` names the
    other side where it is not plain diffusers.
    """

    name: str
    easel: float
    plain: float | None = None
    ratio: float | None = None
    unit: str = CPU
    pairs: int = 1
    goal: Goal | None = None
    beside: str = "diffusers"
    note: str = ""

    @classmethod
    def of_pairs(cls, name: str, pairs: Sequence[tuple[float, float]], unit: str = CPU, **more: Any) -> Self:
        """From pairs of (Easel, plain) that were measured in turn."""
        easel, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(first / second for first, second in pairs if second)
        return cls(name, easel, plain, ratio, unit, len(pairs), **more)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        value = self.easel if self.goal is None or self.goal.of == "easel" else self.ratio
        if self.goal is None or value is None:
            return None
        return value >= self.goal.limit if self.goal.least else value <= self.goal.limit

    def held_against(self, goal: Goal | None) -> Figure:
        """The figure with a goal."""
        return replace(self, goal=goal)

    def fields(self) -> dict[str, Any]:
        """As a record keeps it."""
        return {**asdict(self), "reached": self.reached}

    @classmethod
    def from_fields(cls, data: dict[str, Any]) -> Self:
        """From a record; fields that this version does not know are left out."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        goal = Goal(**known["goal"]) if known.get("goal") else None
        return cls(**{**known, "goal": goal})
