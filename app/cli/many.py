"""`easel grid`: a picture for each combination of settings, a sheet of them, and a page to browse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import InProcess, LaneName, ModelName, Negative, PresetName, Prompt, Seed, Sets, Source, Styles
from app.cli.show import Json

Across = Annotated[str | None, typer.Option("--x", metavar="FIELD=VALUES", help="What changes from left to right.")]
Down = Annotated[str | None, typer.Option("--y", metavar="FIELD=VALUES", help="What changes from top to bottom.")]
Sheets = Annotated[str | None, typer.Option("--z", metavar="FIELD=VALUES", help="What changes from sheet to sheet.")]
Folder = Annotated[Path | None, typer.Option("--out", help="The folder for pictures, sheet and page.")]


def grid(
    prompt: Prompt = None,
    x: Across = None,
    y: Down = None,
    z: Sheets = None,
    negative: Negative = None,
    preset: PresetName = None,
    model: ModelName = None,
    settings: Sets = None,
    styles: Styles = None,
    seed: Seed = None,
    source: Source = None,
    out: Folder = None,
    in_process: InProcess = False,
    lane: LaneName = "",
    as_json: Json = False,
) -> None:
    """Make a grid: --x steps=10,20 --y sampler="Euler,DPM++ 2M" --z seed=1-3. Values with commas stand in quotes.

    Each picture is a job of its own, with its own record, and can be made again alone with `easel generate --from`.
    """
    from app.bootstrap import build_services
    from app.cli.follow import follow_all
    from app.cli.values import assignments
    from app.cli.wishes import resolve_wishes
    from app.logs import keep_out
    from app.many.axes import Axis, parse_axis
    from app.many.grid import GridRun, plan_grid
    from engines.api import UserError

    if not any((x, y, z)):
        raise UserError("grid-needs-axis")
    axes = [parse_axis(text) if text else Axis("", ("",)) for text in (x, y, z)]
    named = {"prompt": prompt, "negative_prompt": negative, "seed": seed}
    values = assignments(settings or []) | {name: value for name, value in named.items() if value is not None}
    with build_services(in_process=in_process, lane=lane) as services:

        def resolve(wishes: Any) -> Any:
            chosen = wishes.get("model", model)
            return resolve_wishes(services, dict(wishes), preset, chosen, source, styles)

        plan = plan_grid(axes, values, resolve)
        keep_out(*{cell.resolved.request.prompt for cell in plan.cells})
        runs: list[GridRun] = []

        def start() -> list[Any]:
            runs.append(GridRun(services, plan, out.absolute() if out is not None else None))
            return [services.orchestrator.job(job_id) for job_id in runs[0].job_ids]

        def finish() -> dict[str, Any]:
            sheets = [str(path) for path in runs[0].finish()]
            return {"sheets": sheets, "page": str(runs[0].folder / "index.html")}

        follow_all(services, start, as_json, finish)
