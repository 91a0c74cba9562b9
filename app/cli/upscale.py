"""`easel upscale` and `easel outpaint`: a finished picture made larger, by a filter, tile by tile, or around its edges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.generate import InProcess, ModelName, Out, Sets, assignments, check_out
from app.cli.show import Json

if TYPE_CHECKING:
    from engines.api import GenerationRequest

File = Annotated[Path, typer.Argument(help="The picture.", show_default=False)]
Scale = Annotated[float, typer.Option("--scale", help="How many times as wide and high.")]
Upscaler = Annotated[str | None, typer.Option("--upscaler", help="Lanczos, or an upscaler model.")]
Tiled = Annotated[bool, typer.Option("--tiled", help="Redraw it tile by tile: new detail, at any size.")]
Strength = Annotated[float, typer.Option("--strength", help="With --tiled: how much is redrawn, 0 to 1.")]
Prompt = Annotated[str | None, typer.Option("--prompt", help="What the picture shows; told by the file where it can.")]
Pixels = Annotated[int, typer.Option(min=0, help="Pixels to add on this side.")]


def upscale(
    file: File,
    scale: Scale = 2.0,
    upscaler: Upscaler = None,
    tiled: Tiled = False,
    strength: Strength = 0.3,
    prompt: Prompt = None,
    model: ModelName = None,
    settings: Sets = None,
    out: Out = None,
    in_process: InProcess = False,
    as_json: Json = False,
) -> None:
    """Make a picture larger. With --tiled the model draws it anew, tile by tile; without, nothing is invented."""
    from engines.api import picture_size

    values = enlarged(picture_size(file), scale)
    values |= {"upscaler": upscaler} if upscaler else {}
    if tiled:
        values |= {"tiles": {}, "strength": strength}
    _make("upscale", file, {**values, **assignments(settings or [])}, prompt, model, out, in_process, as_json)


def outpaint(
    file: File,
    left: Pixels = 0,
    right: Pixels = 0,
    top: Pixels = 0,
    bottom: Pixels = 0,
    prompt: Prompt = None,
    model: ModelName = None,
    settings: Sets = None,
    out: Out = None,
    in_process: InProcess = False,
    as_json: Json = False,
) -> None:
    """Add to a picture on its sides: the model draws what lies beyond them."""
    from engines.api import picture_size

    size = picture_size(file)
    margins = {"left": left, "right": right, "top": top, "bottom": bottom}
    values = {"width": size[0] + left + right, "height": size[1] + top + bottom, "outpaint": margins}
    _make("inpaint", file, {**values, **assignments(settings or [])}, prompt, model, out, in_process, as_json)


def enlarged(size: tuple[int, int], scale: float) -> dict[str, int]:
    """Width and height of a picture of `size`, scaled. Raises `UserError("value-out-of-range")`."""
    from engines.api import UserError

    if not 1 <= scale <= 16:
        raise UserError("value-out-of-range", field="scale", value=scale, low=1, high=16)
    return {"width": round(size[0] * scale), "height": round(size[1] * scale)}


def _make(
    task: str,
    file: Path,
    values: dict[str, Any],
    prompt: str | None,
    model: str | None,
    out: Path | None,
    in_process: bool,
    as_json: bool,
) -> None:
    from app.bootstrap import build_services
    from app.cli.follow import follow
    from app.logs import keep_out
    from app.resolve import resolve

    known = _words_of(file)
    told = {"prompt": prompt if prompt is not None else known.prompt if known else None}
    told |= {"negative_prompt": known.negative_prompt} if known else {}
    place = check_out(out)
    with build_services(in_process=in_process) as services:
        resolved = resolve(
            models=services.models,
            model=model or _model_of(known, services.models),
            values={**told, "task": task, "init_image": str(file.absolute()), **values},
        )
        keep_out(resolved.request.prompt, resolved.request.negative_prompt)
        follow(services, lambda: services.orchestrator.submit(resolved.request, resolved.record, place), as_json)


def _words_of(file: Path) -> GenerationRequest | None:
    """What the picture says of itself, when Easel made it."""
    from engines.api import read_metadata

    return read_metadata(file).request


def _model_of(known: GenerationRequest | None, models: Any) -> str | None:
    """The picture's own model while it is here; the usual one otherwise."""
    from engines.api import UserError

    try:
        return models.get(known.model).id if known else None
    except UserError:
        return None
