"""`easel tokens`, `easel styles` and `easel wildcards`: what is in and around a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import show
from app.cli.options import ModelName
from app.cli.show import Json

styles_group = typer.Typer(help="Words to put around a prompt.", no_args_is_help=True, rich_markup_mode=None)
wildcards_group = typer.Typer(help="Lists for __name__ in prompts.", no_args_is_help=True, rich_markup_mode=None)


def tokens(
    text: Annotated[str, typer.Argument(help="The prompt.")], model: ModelName = None, as_json: Json = False
) -> None:
    """Count a prompt's tokens as the model's text encoder does, and the chunks of 75 that they fill."""
    from app.bootstrap import build_services
    from app.embeddings import known_embeddings
    from app.logs import keep_out
    from engines.api import UserError, count_tokens, used_embeddings

    keep_out(text)
    with build_services() as services:
        record = services.models.get(model) if model else services.models.default()
        count = count_tokens(record, text, used_embeddings(text, known_embeddings(record, services.models)))
    if count is None:
        raise UserError("tokenizer-missing", model=record.title)
    if as_json:
        show.data({"tokens": count.tokens, "room": count.room, "chunks": count.chunks, "cut": count.cut})
        return
    typer.echo(f"{count.tokens} tokens of {count.room or '?'} ({record.title}, chunks: {count.chunks})")
    if count.cut:
        show.note(f"The model reads the first {count.room}.")


@styles_group.callback()
def _styles() -> None:
    """Words to put around a prompt."""


@styles_group.command("list")
def list_styles(as_json: Json = False) -> None:
    """Show the styles; `{prompt}` is where the prompt goes."""
    from app.bootstrap import build_services
    from app.styles import StyleStore

    with build_services() as services:
        found = StyleStore(services.paths.styles).all()
    if as_json:
        rows = [{"name": each.name, "prompt": each.prompt, "negative_prompt": each.negative_prompt} for each in found]
        show.data({"styles": rows})
        return
    show.table(
        ("style", "prompt", "negative prompt"), [(each.name, each.prompt, each.negative_prompt) for each in found]
    )


@styles_group.command("import")
def import_styles(
    file: Annotated[Path, typer.Argument(help="A styles.csv of A1111, or a YAML file.")], as_json: Json = False
) -> None:
    """Take styles in from a file."""
    from app.bootstrap import build_services
    from app.styles import StyleStore

    with build_services() as services:
        found = StyleStore(services.paths.styles).take_in(file.absolute())
    names = [each.name for each in found]
    show.data({"styles": names}) if as_json else typer.echo(f"{len(names)} styles: {', '.join(names)}")


@wildcards_group.callback()
def _wildcards() -> None:
    """Lists for __name__ in prompts."""


@wildcards_group.command("list")
def list_wildcards(as_json: Json = False) -> None:
    """Show the lists and where they lie: text files with a choice a line."""
    from app.bootstrap import build_services
    from app.wildcards import WildcardStore

    with build_services() as services:
        store = WildcardStore(services.paths.wildcards)
        names = store.names()
    if as_json:
        show.data({"folder": str(store.folder), "wildcards": list(names)})
        return
    for name in names:
        typer.echo(f"__{name}__")
    show.note(f"They lie in {store.folder}")
