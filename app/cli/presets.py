"""`easel presets`: what there is, what one would do, and whether a file is in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.presets import Preset, PresetStore

group = typer.Typer(help="Named sets of settings.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A preset's id, or its last part.")]
Files = Annotated[list[Path] | None, typer.Argument(help="Preset files; all of them when none is named.")]


@group.callback()
def _presets() -> None:
    """Named sets of settings."""


@group.command("list")
def list_presets(as_json: Json = False) -> None:
    """Show the presets, and the files that cannot be used."""
    store = _store()
    found, problems = store.all(), store.problems()
    if as_json:
        broken = [{"path": str(each.path), "error": show.error_fields(each.error)} for each in problems]
        show.data({"presets": [_fields(preset) for preset in found], "problems": broken})
        return
    rows = [(each.id, each.title, "Easel" if each.bundled else "you", each.description) for each in found]
    show.table(("preset", "title", "from", "description"), rows)
    for problem in problems:
        show.note(f"{problem.path}: {problem.error.title} {problem.error.cause}")


@group.command("show")
def show_preset(name: Name, as_json: Json = False) -> None:
    """Show what a preset sets."""
    preset = _store().get(name)
    if as_json:
        show.data(_fields(preset))
        return
    typer.echo(f"{preset.title} ({preset.id}): {preset.description}")
    show.pairs([("task", str(preset.task)), *((key.replace("_", " "), value) for key, value in preset.values.items())])


@group.command("explain")
def explain(
    name: Name,
    model: Annotated[str | None, typer.Option("--model", help="The model to use it with.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting.")] = None,
    as_json: Json = False,
) -> None:
    """Show every setting of the job that a preset would make, and where each value comes from."""
    from app.cli.models import model_store
    from app.cli.values import assignments
    from app.resolve import resolve

    resolved = resolve(models=model_store(), preset=_store().get(name), model=model, values=assignments(settings or []))
    rows = resolved.rows()
    if as_json:
        show.data(
            {field: {"value": value, "from": origin.layer, "detail": origin.detail} for field, value, origin in rows}
        )
        return
    cells = [(field, _said(value), f"{origin.layer} {origin.detail}".strip()) for field, value, origin in rows]
    show.table(("field", "value", "from"), cells)


@group.command("validate")
def validate(files: Files = None, as_json: Json = False) -> None:
    """Check preset files; leaves with exit code 2 when one cannot be used."""
    from engines.api import EaselError, ErrorRecord

    store = _store()
    results: dict[str, ErrorRecord | None] = {}
    for path in files or _all_files(store):
        try:
            store.validate(path.absolute())
            results[str(path)] = None
        except EaselError as error:
            results[str(path)] = ErrorRecord.of(error)
    if as_json:
        show.data({path: show.error_fields(error) if error else None for path, error in results.items()})
    else:
        for path, error in results.items():
            typer.echo(f"{'fail' if error else 'ok':<4}  {path}" + (f": {error.cause}" if error else ""))
    if any(results.values()):
        raise typer.Exit(2)


@group.command("migrate")
def migrate(files: Files = None, as_json: Json = False) -> None:
    """Bring older preset files into today's form; a copy of each stays beside it. Without names: your own ones."""
    store = _store()
    changed = {str(path): store.migrate(path.absolute()) for path in files or sorted(store.user.glob("*/*.yaml"))}
    if as_json:
        show.data(changed)
        return
    for path, rewritten in changed.items():
        typer.echo(f"{'rewritten' if rewritten else 'as it was'}  {path}")


def _store() -> PresetStore:
    from app.paths import BUNDLED_PRESETS, Paths
    from app.presets import PresetStore

    return PresetStore(BUNDLED_PRESETS, Paths.default().presets)


def _all_files(store: PresetStore) -> list[Path]:
    return sorted([*store.bundled.glob("*/*.yaml"), *store.user.glob("*/*.yaml")])


def _fields(preset: Preset) -> dict[str, Any]:
    return {"id": preset.id, "bundled": preset.bundled, **preset.model_dump(mode="json")}


def _said(value: object) -> str:
    return "" if value is None else str(value)
