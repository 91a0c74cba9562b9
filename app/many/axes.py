"""The axes of a grid: a field of a request and the values that it takes, as a person writes them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engines.api import GenerationRequest, UserError

REPLACE = "replace"  # an axis that is no field: the first value is looked for in the prompts and replaced by the others
NOT_AXES = frozenset({"count", "texts"})  # a cell is one picture
MOST_VALUES = 200
_RANGE = re.compile(
    r"(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)\s*(?:\(\s*([+-]?\d+(?:\.\d+)?)\s*\)|\[\s*(\d{1,3})\s*\])?"
)


@dataclass(frozen=True)
class Axis:
    """A field and its values, in the order in which they are shown."""

    field: str
    values: tuple[str, ...]

    def change(self, index: int, wishes: Mapping[str, Any]) -> dict[str, Any]:
        """The wishes with the value at `index` in them."""
        if self.field != REPLACE:
            return {**wishes, self.field: self.values[index]}
        texts = {name: str(wishes.get(name, "")) for name in ("prompt", "negative_prompt")}
        return {**wishes, **{name: text.replace(self.values[0], self.values[index]) for name, text in texts.items()}}


def parse_axis(text: str) -> Axis:
    """The axis in `field=value,value`. Values with commas stand in quotes; numbers may be ranges: `1-3`, `10-30 (+10)`,
    `0.2-1 [5]` for five of them. Raises `UserError`."""
    name, sign, values = text.partition("=")
    name = name.strip().replace("-", "_")
    fields = [field for field in GenerationRequest.model_fields if field not in NOT_AXES]
    if not sign or name not in (*fields, REPLACE):
        raise UserError("axis-unknown", text=text, fields=[*fields, REPLACE])
    found = [each for part in _parts(values) for each in (_range(name, part) or [part])]
    if not 1 <= len(found) <= MOST_VALUES:
        raise UserError("axis-length", field=name, found=len(found), most=MOST_VALUES)
    return Axis(name, tuple(found))


def _parts(text: str) -> list[str]:
    rows = list(csv.reader([text.replace("\n", " ")], skipinitialspace=True))
    return [part.strip() for row in rows for part in row if part.strip()]


def _range(name: str, text: str) -> list[str]:
    match = _RANGE.fullmatch(text)
    if match is None or GenerationRequest.model_fields.get(name) is None or not _is_number(name):
        return []
    low, high = float(match[1]), float(match[2])
    whole = all("." not in part for part in match.groups() if part)
    if match[4]:
        count = max(1, int(match[4]))
        points = [low + (high - low) * index / max(1, count - 1) for index in range(count)]
        return [_number(round(point) if whole and _is_whole(name) else point) for point in points]
    step = float(match[3] or (1 if high >= low else -1))
    if step == 0 or (high - low) * step < 0:
        raise UserError("axis-range", text=text)
    count = int((high - low) / step + 1e-9) + 1
    return [_number(low + step * index) for index in range(min(count, MOST_VALUES + 1))]


def _is_number(name: str) -> bool:
    return GenerationRequest.model_fields[name].annotation in (int, float)


def _is_whole(name: str) -> bool:
    return GenerationRequest.model_fields[name].annotation is int


def _number(value: float) -> str:
    return f"{round(value, 6):.6f}".rstrip("0").rstrip(".")
