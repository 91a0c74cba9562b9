"""`easel upscale` and `easel outpaint`: a finished picture made larger, by a filter, tile by tile, or around its edges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import InProcess, ModelName, Out, Sets
from app.cli.show import Json
from app.cli.values import assignments, check_out

if TYPE_CHECKING:
    from app.resolve import Resolved
    from app.services import Services

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
    from app.enlarging import enlarging

    own = {"upscaler": upscaler, "prompt": prompt, **assignments(settings or [])}
    _make(
        lambda services: enlarging(
            services.models, file, scale, tiled=tiled, strength=strength, model=model, values=_given(own)
        ),
        out,
        in_process,
        as_json,
    )


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
    from app.enlarging import of_picture
    from engines.api import picture_size

    size = picture_size(file)
    margins = {"left": left, "right": right, "top": top, "bottom": bottom}
    values = {"width": size[0] + left + right, "height": size[1] + top + bottom, "outpaint": margins}
    own = {**values, "prompt": prompt, **assignments(settings or [])}
    _make(lambda services: of_picture(services.models, "inpaint", file, _given(own), model), out, in_process, as_json)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _make(wish: Callable[[Services], Resolved], out: Path | None, in_process: bool, as_json: bool) -> None:
    from app.bootstrap import build_services
    from app.cli.follow import follow
    from app.logs import keep_out

    place = check_out(out)
    with build_services(in_process=in_process) as services:
        resolved = wish(services)
        keep_out(resolved.request.prompt, resolved.request.negative_prompt)
        follow(services, lambda: services.orchestrator.submit(resolved.request, resolved.record, place), as_json)
