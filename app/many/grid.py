"""A grid: one picture for each combination of two or three axes, made as ordinary jobs, then laid on a sheet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.files import write_atomic
from app.jobs import Job
from app.many.axes import Axis
from app.many.page import write_page
from app.many.sheet import draw_sheet
from app.names import slug
from app.resolve import Resolved
from app.services import Services
from app.validate import validate
from engines.api import UserError, family_of

MOST_CELLS = 1000

Resolver = Callable[[Mapping[str, Any]], Resolved]


@dataclass(frozen=True)
class Cell:
    """One place of the grid: its index on each axis, and the complete wish."""

    place: tuple[int, int, int]
    resolved: Resolved


@dataclass(frozen=True)
class Grid:
    """The axes (x across, y down, z a sheet each; an axis may have no field and one value) and a cell for each place."""

    axes: tuple[Axis, Axis, Axis]
    cells: tuple[Cell, ...]

    @property
    def order(self) -> tuple[Cell, ...]:
        """The cells as they are best made: no model is loaded twice."""
        models = list(dict.fromkeys(cell.resolved.record.id for cell in self.cells))
        return tuple(sorted(self.cells, key=lambda cell: models.index(cell.resolved.record.id)))


def plan_grid(axes: Sequence[Axis], wishes: Mapping[str, Any], resolve: Resolver) -> Grid:
    """Every cell of the grid, resolved and found possible. What is left to chance is drawn once for the whole grid.

    Raises `UserError` for the first cell that cannot be made, before any is.
    """
    x, y, z = (*axes, *[Axis("", ("",))] * (3 - len(axes)))
    fields = [axis.field for axis in axes]
    if doubled := {field for field in fields if field and fields.count(field) > 1}:
        raise UserError("axis-twice", field=doubled.pop())
    count = len(x.values) * len(y.values) * len(z.values)
    if count > MOST_CELLS:
        raise UserError("grid-too-large", cells=count, most=MOST_CELLS)
    wishes = {**wishes, "seed": wishes.get("seed", -1), "count": 1}
    if str(wishes["seed"]) == "-1" and "seed" not in fields:
        wishes["seed"] = resolve(wishes).request.seed
    cells = []
    for place in ((i, j, k) for k in range(len(z.values)) for j in range(len(y.values)) for i in range(len(x.values))):
        changed = dict(wishes)
        for axis, index in zip((x, y, z), place, strict=True):
            changed = axis.change(index, changed) if axis.field else changed
        resolved = resolve(changed)
        validate(resolved.request, family_of(resolved.record))
        cells.append(Cell(place, resolved))
    return Grid((x, y, z), tuple(cells))


class GridRun:
    """A grid on its way: its jobs are queued when this is made, and their files go to `folder`."""

    def __init__(self, services: Services, grid: Grid, folder: Path | None = None) -> None:
        self._services, self.grid = services, grid
        self.folder = folder or _folder(services.outputs.folder, grid)
        submit = services.orchestrator.submit
        made = {cell.place: submit(cell.resolved.request, cell.resolved.record, self.folder).id for cell in grid.order}
        self.job_ids = tuple(made[cell.place] for cell in grid.cells)

    def finish(self) -> list[Path]:
        """Wait for the jobs, then write the sheets and the page; returns the sheets, one for each value of z."""
        jobs = [self._services.orchestrator.wait(job_id) for job_id in self.job_ids]
        self.folder.mkdir(parents=True, exist_ok=True)
        pictures = {cell.place: _first(job) for cell, job in zip(self.grid.cells, jobs, strict=True)}
        sheets = draw_sheets(self.grid.axes, pictures, self.folder)
        write_atomic(self.folder / "grid.json", json.dumps(self._record(jobs), indent=1, ensure_ascii=False).encode())
        write_page(self.folder / "index.html", self.grid.axes, pictures, [job.request for job in jobs])
        return sheets

    def _record(self, jobs: Sequence[Job]) -> dict[str, Any]:
        x, y, z = self.grid.axes
        axes = {name: {"field": axis.field, "values": axis.values} for name, axis in zip("xyz", (x, y, z), strict=True)}
        cells = [
            {
                "place": cell.place,
                "job": job.id,
                "file": job.files[0].name if job.files else None,
                "request": job.request.image(0).model_dump(mode="json"),
            }
            for cell, job in zip(self.grid.cells, jobs, strict=True)
        ]
        return {"axes": axes, "cells": cells}


def draw_sheets(
    axes: tuple[Axis, Axis, Axis], pictures: Mapping[tuple[int, int, int], Path | None], folder: Path
) -> list[Path]:
    """A labelled sheet for each value of z: `grid.png`, or `grid-1.png` and so on."""
    x, y, z = axes
    sheets = []
    for k, value in enumerate(z.values):
        path = folder / ("grid.png" if len(z.values) == 1 else f"grid-{k + 1}.png")
        rows = [[pictures.get((i, j, k)) for i in range(len(x.values))] for j in range(len(y.values))]
        title = f"{z.field}: {value}" if z.field else ""
        draw_sheet(path, rows, _labels(x), _labels(y), title)
        sheets.append(path)
    return sheets


def _labels(axis: Axis) -> list[str]:
    return [f"{axis.field}: {value}" for value in axis.values] if axis.field else []


def _first(job: Job) -> Path | None:
    return job.files[0] if job.files else None


def _folder(outputs: Path, grid: Grid) -> Path:
    prompt = grid.cells[0].resolved.request.prompt
    base = outputs / time.strftime("%Y-%m-%d") / f"grid-{time.strftime('%H%M%S')}-{slug(prompt)}"
    folder, number = base, 1
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder
