"""`easel history`: what was made, found again; boards; export; other programs' pictures where they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.history import HistoryStore, Picture, Query
    from app.settings import SettingsStore

group = typer.Typer(help="Every picture that was made.", no_args_is_help=True, rich_markup_mode=None)

Words = Annotated[list[str] | None, typer.Argument(help="Words of the prompt; all of them must be there.")]
Model = Annotated[str, typer.Option("--model", help="Made with this model.")]
Lora = Annotated[str, typer.Option("--lora", help="Made with this LoRA.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Made with this seed.")]
Since = Annotated[str, typer.Option("--since", metavar="YYYY-MM-DD", help="On this day or later.")]
Until = Annotated[str, typer.Option("--until", metavar="YYYY-MM-DD", help="On this day or before.")]
Board = Annotated[str, typer.Option("--board", help="On this board.")]
Favourites = Annotated[bool, typer.Option("--favourites", help="With a star.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")]
Pictures = Annotated[
    list[str], typer.Argument(help="Pictures: their ids, as `easel history list` shows them, or files.")
]


@group.callback()
def _history() -> None:
    """Every picture that was made."""


@group.command("list")
def list_pictures(
    words: Words = None,
    model: Model = "",
    lora: Lora = "",
    seed: Seed = None,
    since: Since = "",
    until: Until = "",
    board: Board = "",
    favourites: Favourites = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Show or search what was made, newest first."""
    import time

    query = _query(words, model, lora, seed, since, until, board, favourites, limit)
    with _store() as (store, _settings):
        found = store.search(query)
    if as_json:
        show.data({"pictures": [_fields(each) for each in found]})
        return
    rows = [
        (
            each.id,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each.created)),
            "*" if each.favourite else "",
            each.model,
            each.seed,
            each.path,
            " ".join(each.prompt.split())[:60],
        )
        for each in found
    ]
    show.table(("picture", "made", "star", "model", "seed", "file", "prompt"), rows)


@group.command("export")
def export_pictures(
    words: Words = None,
    out: Annotated[Path, typer.Option("--out", help="The zip file to write.")] = Path("easel-pictures.zip"),
    page: Annotated[bool, typer.Option("--page/--no-page", help="Put a page into it that shows them.")] = True,
    model: Model = "",
    lora: Lora = "",
    seed: Seed = None,
    since: Since = "",
    until: Until = "",
    board: Board = "",
    favourites: Favourites = False,
    limit: Limit = 1000,
    as_json: Json = False,
) -> None:
    """Put a selection into one zip file, with a page that shows it."""
    from app.history_export import export

    query = _query(words, model, lora, seed, since, until, board, favourites, limit)
    with _store() as (store, _settings):
        count = export(store.search(query), out.absolute(), page=page, title=board or "Easel")
    show.data({"file": str(out.absolute()), "pictures": count}) if as_json else typer.echo(str(out.absolute()))


@group.command("boards")
def boards(as_json: Json = False) -> None:
    """Show the boards."""
    with _store() as (store, _settings):
        found = store.boards.all()
    show.data({"boards": found}) if as_json else show.table(("board", "pictures"), found.items())


@group.command("board")
def board(
    name: Annotated[str, typer.Argument(help="The board's name; a new one is made.")],
    pictures: Pictures,
    remove: Annotated[bool, typer.Option("--remove", help="Take them off it.")] = False,
) -> None:
    """Put pictures on a board, or take them off it."""
    with _store() as (store, _settings):
        ids = [_id(store, each) for each in pictures]
        store.take_off_board(name, ids) if remove else store.put_on_board(name, ids)


@group.command("delete-board")
def delete_board(name: Annotated[str, typer.Argument(help="The board's name.")]) -> None:
    """Forget a board; its pictures stay."""
    with _store() as (store, _settings):
        store.boards.delete(name)


@group.command("star")
def star(pictures: Pictures, remove: Annotated[bool, typer.Option("--remove", help="Take it back.")] = False) -> None:
    """Give pictures a star."""
    with _store() as (store, _settings):
        for each in pictures:
            store.set_favourite(_id(store, each), not remove)


@group.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(help="The folder in which another program keeps its pictures.")],
    as_json: Json = False,
) -> None:
    """List another program's pictures too, where they are: nothing is copied or changed."""
    with _store() as (store, settings):
        count = store.read_folder(folder.absolute())
        kept = dict.fromkeys([*settings.current.history_folders, folder.absolute()])
        settings.change(history_folders=list(kept))
    show.data({"folder": str(folder.absolute()), "pictures": count}) if as_json else typer.echo(f"{count} pictures")


@group.command("leave")
def leave_folder(folder: Annotated[Path, typer.Argument(help="A folder that was imported.")]) -> None:
    """List the pictures of a folder no more; they stay as they are."""
    with _store() as (store, settings):
        store.leave_folder(folder.absolute())
        settings.change(
            history_folders=[each for each in settings.current.history_folders if each != folder.absolute()]
        )


@group.command("rebuild")
def rebuild(as_json: Json = False) -> None:
    """Make the list again from the files."""
    with _store() as (store, _settings):
        count = store.rebuild()
    show.data({"pictures": count}) if as_json else typer.echo(f"{count} pictures")


@contextmanager
def _store() -> Iterator[tuple[HistoryStore, SettingsStore]]:
    """The history without the rest of the services."""
    from app.history import HistoryStore
    from app.paths import Paths
    from app.settings import SettingsStore

    paths = Paths.default()
    paths.ensure()
    settings = SettingsStore(paths.settings_file)
    store = HistoryStore(paths.history, paths.favourites, settings.current.output_folder or paths.outputs)
    store.folders = tuple(settings.current.history_folders)
    try:
        yield store, settings
    finally:
        store.close()


def _query(words: list[str] | None, *rest: Any) -> Query:
    from app.history import Query

    names = ("model", "lora", "seed", "since", "until", "board", "favourites", "limit")
    return Query(text=" ".join(words or ()), **dict(zip(names, rest, strict=True)))


def _id(store: HistoryStore, named: str) -> str:
    """A picture's id, given as one or as a file."""
    from app.history import picture_id

    path = Path(named)
    return picture_id(path.absolute(), store.outputs) if path.is_file() else named


def _fields(picture: Picture) -> dict[str, Any]:
    from dataclasses import asdict

    request = picture.request.model_dump(mode="json") if picture.request else None
    return {**asdict(picture), "path": str(picture.path), "request": request}
