"""`easel open FILE`: what a double click on a preset does. The preset becomes one of the person's own, the window opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SUFFIX = ".easel"  # of presets that travel; inside they are the same YAML as in the folders


def open_file(
    file: Annotated[Path | None, typer.Argument(help="A preset, as the Presets tab exports it.")] = None,
) -> None:
    """Open the window, and take in a preset on the way."""
    from app.desktop.launch import run
    from app.desktop.options import Options

    if file is not None:
        preset = take_in(file.expanduser().absolute())
        typer.echo(f"The preset {preset} is among your own now.", err=True)
    if status := run(Options()):
        raise typer.Exit(status)


def take_in(file: Path) -> str:
    """Copy the preset into the person's folder, and return its title. Raises `UserError`."""
    from app.paths import BUNDLED_PRESETS, Paths
    from app.presets import PresetStore
    from app.presets.yaml_file import SIZE_LIMIT
    from engines.api import UserError

    try:
        with file.open("rb") as source:
            content = source.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise UserError("preset-broken", name=file.name, why=error.strerror or str(error)) from error
    paths = Paths.default()
    paths.ensure()
    return PresetStore(BUNDLED_PRESETS, paths.presets).take_in(file.name, content).title
