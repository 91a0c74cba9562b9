"""A run of the benchmark as JSON: written down, read again, and held against an earlier one."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from app import machine
from app.benchmark.figures import Figure
from app.files import write_atomic
from engines.api import GenerationRequest, ModelRecord, UserError

VERSION = 1
PACKAGES = ("easel", "torch", "diffusers", "transformers")


@dataclass(frozen=True)
class Record:
    """When and where it was measured, with what, and the figures. `imports` are those of a look at the start."""

    figures: tuple[Figure, ...]
    facts: dict[str, Any]
    imports: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(
        cls, figures: Sequence[Figure], record: ModelRecord, request: GenerationRequest, imports: Sequence[Any] = ()
    ) -> Self:
        """A run that has just ended on this computer."""
        facts = {
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "model": record.title,
            "weight_bytes": record.weight_bytes,
            "request": request.model_dump(mode="json", exclude_defaults=True),
            "machine": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "threads": os.environ.get("OMP_NUM_THREADS", ""),
            "memory": machine.memory().total,
            "load": _load(),
            "versions": {name: machine.package_version(name) for name in PACKAGES},
        }
        return cls(tuple(figures), facts, tuple(imports))

    @classmethod
    def read(cls, path: Path) -> Self:
        """An earlier record. Raises `UserError("benchmark-record-broken")`."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["version"] != VERSION:
                raise ValueError(f"it is of version {data['version']}")
            return cls(
                tuple(map(Figure.from_fields, data["figures"])), dict(data["facts"]), tuple(map(tuple, data["imports"]))
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError("benchmark-record-broken", path=str(path), why=str(error)) from error

    def fields(self) -> dict[str, Any]:
        """As JSON keeps it."""
        figures = [figure.fields() for figure in self.figures]
        return {"version": VERSION, "facts": self.facts, "figures": figures, "imports": [*self.imports]}

    def save(self, path: Path) -> Path:
        """Write it down; returns `path`. Raises `UserError("benchmark-not-saved")`."""
        try:
            write_atomic(path, (json.dumps(self.fields(), indent=1, ensure_ascii=False) + "\n").encode())
        except OSError as error:
            raise UserError("benchmark-not-saved", path=str(path), why=error.strerror or str(error)) from error
        return path


def compare(now: Record, before: Record) -> list[tuple[Figure, Figure, float]]:
    """Figures that both have, with this one's in parts of the earlier one's.

    Ratios are compared where both have one, because they do not change with what else the computer does; else Easel's own
    numbers.
    """
    earlier = {figure.name: figure for figure in before.figures}
    found = []
    for figure in now.figures:
        if (old := earlier.get(figure.name)) is None:
            continue
        new_value, old_value = _comparable(figure, old)
        found.append((figure, old, new_value / old_value if old_value else float(new_value == old_value)))
    return found


def _comparable(now: Figure, before: Figure) -> tuple[float, float]:
    if now.ratio is not None and before.ratio is not None:
        return now.ratio, before.ratio
    return now.easel, before.easel


def _load() -> float | None:
    """How busy the computer was, as far as the system says: processes that wanted to run in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
