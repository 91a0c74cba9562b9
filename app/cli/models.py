"""`easel models`, `families`, `samplers` and `info`: what there is, and how a picture was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.models import ModelStore
    from engines.api import FileMetadata

PROGRAMS = {
    "a1111": "AUTOMATIC1111",
    "forge": "Forge",
    "sdnext": "SD.Next",
    "fooocus": "Fooocus",
    "swarmui": "SwarmUI",
    "invokeai": "InvokeAI",
    "comfyui": "ComfyUI",
    "novelai": "NovelAI",
}

group = typer.Typer(help="The models on this computer.", no_args_is_help=True, rich_markup_mode=None)
families_group = typer.Typer(help="The kinds of models that Easel knows.", no_args_is_help=True, rich_markup_mode=None)
samplers_group = typer.Typer(help="Samplers and noise schedules.", no_args_is_help=True, rich_markup_mode=None)


def model_store() -> ModelStore:
    """The models, without the rest of the services."""
    from app.bootstrap import open_models
    from app.paths import Paths
    from app.settings import SettingsStore

    paths = Paths.default()
    return open_models(paths, SettingsStore(paths.settings_file).load())


@group.callback()
def _models() -> None:
    """The models on this computer."""


@group.command("list")
def list_models(as_json: Json = False) -> None:
    """Show the models, and the folders that look like one and cannot be used."""
    from app.places import readable

    store = model_store()
    if as_json:
        problems = [{"path": str(each.path), "error": show.error_fields(each.error)} for each in store.problems]
        show.data({"models": [_fields(record) for record in store.all()], "problems": problems})
        return
    rows = [(each.id, each.title, each.family, readable(each.weight_bytes), each.path) for each in store.all()]
    show.table(("model", "title", "family", "size", "folder"), rows)
    for problem in store.problems:
        show.note(f"{problem.path}: {problem.error.title} {problem.error.cause}")


@group.command("info")
def info_model(
    model: Annotated[str, typer.Argument(help="A model's id or title, or a file or folder.")], as_json: Json = False
) -> None:
    """Show what is known of a model."""
    from app.places import readable

    store = model_store()
    if Path(model).exists():
        _info_path(Path(model).absolute(), as_json)
        return
    record = store.get(model)
    if as_json:
        show.data(_fields(record))
        return
    fields = _fields(record) | {"weight_bytes": readable(record.weight_bytes), "variants": ", ".join(record.variants)}
    fields["defaults"] = "\n".join(f"{name} = {value}" for name, value in record.defaults.items())
    fields["hashes"] = "\n".join(f"{name} {value}" for name, value in record.hashes.items())
    fields["sources"] = "\n".join(f"{part}: {place}" for part, place in record.sources.items())
    fields["bundled"] = "yes" if record.bundled else ""
    show.pairs((name.replace("_", " "), value) for name, value in fields.items())


def _info_path(path: Path, as_json: bool) -> None:
    """What a file or folder is that need not be on any shelf."""
    from app.places import readable
    from engines.api import identify

    found = identify(path)
    if as_json:
        show.data(found.as_json())
        return
    fields = {**found.as_json(), "size": readable(found.size), "reasons": "\n".join(found.reasons)}
    fields["fits"] = ", ".join(f"{family} {part}" for family, part in found.fits)
    fields |= {name: ", ".join(fields[name]) for name in ("variants", "missing", "optional", "triggers")}
    fields["problem"] = f"{found.problem.title} {found.problem.cause}" if found.problem else ""
    show.pairs((name.replace("_", " "), value) for name, value in fields.items())


def info_file(file: Annotated[Path, typer.Argument(help="A picture or a video.")], as_json: Json = False) -> None:
    """Show how a picture was made, as far as the file says it, whichever program made it."""
    from engines.api import read_metadata

    found = read_metadata(file)
    if as_json:
        request = found.request.model_dump(mode="json") if found.request else None
        names = ("kind", "infotext", "settings", "record", "raw")
        show.data({"file": str(file), "request": request, **{name: getattr(found, name) for name in names}})
        return
    if not found.raw and not found.record:
        typer.echo("This picture does not say how it was made.")
        return
    if found.request is not None:
        typer.echo("Easel's own record")
        show.pairs(_record_rows(found.record))
        typer.echo("")
    _say_texts(found)


def _say_texts(found: FileMetadata) -> None:
    """The infotext as it is; another program's settings as a table; and what nobody understands as it stands there."""
    if found.infotext and found.kind != "unknown":
        typer.echo("Infotext, as other programs read it")
        typer.echo(found.infotext)
    elif found.settings:
        typer.echo(f"Settings, as {PROGRAMS.get(found.kind, found.kind)} wrote them")
        show.pairs((f"  {name}", value) for name, value in found.settings.items())
    elif found.raw:
        typer.echo("Nobody knows this form; it says")
        typer.echo(found.raw)


def _record_rows(record: dict[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for part in ("request", "model", "weights", "software"):
        values = record.get(part)
        if isinstance(values, dict):
            prefix = "" if part == "request" else f"{part} "
            rows += [(f"  {prefix}{name.replace('_', ' ')}", value) for name, value in values.items()]
    return rows


@families_group.callback()
def _families() -> None:
    """The kinds of models that Easel knows."""


@families_group.command("list")
def list_families(as_json: Json = False) -> None:
    """Show the families and what each can do."""
    from engines.api import families

    if as_json:
        fields = ("id", "title", "summary", "samplers", "schedulers")
        found = [{name: getattr(each, name) for name in fields} | _family_facts(each) for each in families()]
        show.data({"families": found})
        return
    rows = [(each.id, each.title, ", ".join(map(str, each.tasks)), each.summary) for each in families()]
    show.table(("family", "title", "tasks", "summary"), rows)


def _family_facts(family: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "tasks": [str(task) for task in family.tasks],
        "defaults": dict(family.defaults),
        "limits": asdict(family.limits),
    }


@samplers_group.callback()
def _samplers() -> None:
    """Samplers and noise schedules."""


@samplers_group.command("list")
def list_samplers(as_json: Json = False) -> None:
    """Show the samplers and noise schedules by the names that --sampler and --scheduler take."""
    from engines.api import SAMPLER_REGISTRY, sampler_rows

    schedules = list(SAMPLER_REGISTRY.schedules.entries)
    if as_json:
        show.data({"samplers": sampler_rows(), "schedulers": schedules})
        return
    rows = [(row["name"], row["for"], row["schedules"], row["summary"]) for row in sampler_rows()]
    show.table(("sampler", "for", "schedules", "summary"), rows)


def _fields(record: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(record),
        "path": str(record.path),
        "sources": {part: str(at) for part, at in record.sources.items()},
    }
