"""`easel plan`: what a wish would take and how its model would be held, from headers alone; nothing is started."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from app.cli import show
from app.cli.options import (
    Count,
    InitImage,
    InitVideo,
    Mask,
    ModelName,
    PresetName,
    Prompt,
    Seconds,
    Sets,
    TaskName,
)
from app.cli.show import Json
from app.cli.values import absolute, assignments
from app.cli.wishes import resolve_wishes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.file_sizes import FileSize
    from app.places import Room
    from app.planning import Estimate
    from engines.api import ErrorRecord, GenerationRequest

GB = 1e9
ANY_WORDS = "anything"  # the words change nothing of what a job takes
TOO_LITTLE = 3


def plan(
    prompt: Prompt = None,
    model: ModelName = None,
    preset: PresetName = None,
    task: TaskName = None,
    settings: Sets = None,
    init_image: InitImage = None,
    mask: Mask = None,
    init_video: InitVideo = None,
    seconds: Seconds = None,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """Say what a wish would take, and how its model would be held. Leaves with 3 when nothing fits."""
    from app.addons import known_addon_files
    from app.bootstrap import build_services
    from app.places import rooms_for
    from engines.api import ErrorRecord, ResourceError

    values: dict[str, Any] = assignments(settings or [])
    named = {
        "prompt": prompt or ANY_WORDS,
        "task": task,
        "init_image": absolute(init_image),
        "mask": absolute(mask),
        "init_video": absolute(init_video),
        "count": count,
        "seconds": seconds,
    }
    values |= {name: value for name, value in named.items() if value is not None}
    with build_services() as services:
        found = resolve_wishes(services, values, preset, model, None)
        files = known_addon_files(found.request, found.record, services.models)
        estimate = services.planner.estimate(found.request, found.record, files)
        refusal = None
        try:
            services.planner.check(found.request, found.record, files)
        except ResourceError as error:
            refusal = ErrorRecord.of(error)
        rooms, size = (), services.planner.file_size(found.request)
        if size is not None:
            outputs = services.outputs.folder
            rooms = rooms_for(found.request, size, outputs, services.paths.staging)
            refusal = refusal or _refused(found.request, size, outputs, services.paths.staging)
    if as_json:
        show.data(
            _fields(estimate, found.record.id)
            | _disk_fields(size, rooms)
            | ({"error": show.error_fields(refusal)} if refusal else {})
        )
    else:
        _print(estimate, found.record.title, _disk_words(size, rooms))
        if refusal is not None:
            show.error(refusal, False)
    if refusal is not None:
        raise typer.Exit(TOO_LITTLE)


def _refused(request: GenerationRequest, size: FileSize, outputs: Path, staging: Path) -> ErrorRecord | None:
    from app.places import check_output_place
    from engines.api import ErrorRecord, UserError

    try:
        check_output_place(outputs, request, size, staging)
    except UserError as error:
        return ErrorRecord.of(error)
    return None


def _disk_fields(size: FileSize | None, rooms: Sequence[Room]) -> dict[str, Any]:
    if size is None:
        return {}
    disks = [{"folder": str(each.folder), "needed": each.needed, "free": each.free} for each in rooms]
    return {"file": asdict(size), "disks": disks}


def _disk_words(size: FileSize | None, rooms: Sequence[Room]) -> list[tuple[str, str]]:
    from app.places import readable

    if size is None:
        return []
    basis = "as files made on this computer" if size.learned else "as such files usually are"
    rows = [("file", f"about {readable(size.likely)}, {readable(size.most)} at most ({basis})")]
    return rows + [
        ("disk", f"up to {readable(each.needed)} of {readable(each.free)} where {each.folder} is") for each in rooms
    ]


def _fields(estimate: Estimate, model: str) -> dict[str, Any]:
    plan = asdict(estimate.plan)
    return {
        "model": model,
        "needed": estimate.needed,
        "usable": estimate.usable,
        "seconds": estimate.seconds,
        "measured": estimate.measured,
        **{name: plan[name] for name in ("fits", "rung", "way", "placement", "stages", "budget", "main_budget")},
        "reasons": plan["reasons"],
        "demand": plan["demand"],
    }


def _print(estimate: Estimate, title: str, more: Sequence[tuple[str, str]] = ()) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from engines.api import says

    plan, console = estimate.plan, Console(highlight=False)
    table = Table(box=box.SIMPLE, title=f"{title}, {plan.demand.width}x{plan.demand.height}", title_justify="left")
    for heading in ("stage", "device", "main memory"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in plan.stages:
        main = f"{stage.main / GB:.2f} GB" if stage.main else ""
        table.add_row(stage.stage, f"{stage.device / GB:.2f} GB", main)
    console.print(table)
    basis = "measured on this computer" if estimate.measured else "from the model's header"
    seconds = f"about {estimate.seconds:.0f} s" if estimate.seconds is not None else "not known yet"
    rows = [
        ("device", f"{plan.placement.device}, {plan.placement.dtype}"),
        ("way", says(plan.way)),
        ("needs", f"about {estimate.needed / GB:.1f} of {estimate.usable / GB:.1f} GB ({basis})"),
        ("time", seconds),
        *more,
        ("why", "\n".join(plan.reasons)),
    ]
    show.pairs(rows)
