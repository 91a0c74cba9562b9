"""`easel cache-models`, `catalogue` and `models export|import`: models from elsewhere, and to elsewhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.models import group, model_store
from app.cli.show import Json

if TYPE_CHECKING:
    from app.catalogue import Entry
    from app.download import Downloader, DownloadNews, DownloadRecord

LINE_EVERY = 5.0  # seconds between two lines in a pipe

What = Annotated[str, typer.Argument(help="A preset, a family, a model of the catalogue, owner/name, or an address.")]


def cache_models(
    what: What,
    variant: Annotated[str, typer.Option("--variant", help="Weights of another kind where there are some: fp16.")] = "",
    as_json: Json = False,
) -> None:
    """Fetch a model. A download that was broken off goes on where it was."""
    from app.cache_models import wanted
    from app.presets import PresetStore

    downloader, presets = _downloader()
    assert isinstance(presets, PresetStore)
    found = wanted(what, presets)
    plan = downloader.plan(found.address, variant or found.variant, found.card)
    record = downloader.add(plan)
    if record.place is None or not record.place.exists():
        record = _fetch(downloader, record, as_json)
    if as_json:
        show.data({"model": plan.title, "place": str(record.place), "licence": plan.licence, "bytes": plan.total})
    else:
        show.note(f"licence: {plan.licence or 'not stated'} ({plan.licence_address or plan.source})")
        typer.echo(str(record.place))


def catalogue(as_json: Json = False) -> None:
    """Show the models that Easel knows where to find; sizes are computed from their parameters."""
    from app.catalogue import catalogue as read
    from app.places import readable

    entries = read().models
    if as_json:
        sizes = ("download_bytes", "memory_bytes")
        show.data(
            {
                "sources": dict(read().sources),
                "models": [
                    each.model_dump(mode="json") | {key: getattr(each, key) for key in sizes} for each in entries
                ],
            }
        )
        return
    rows = [
        (each.id, each.family, f"about {readable(each.download_bytes)}", _licence(each), each.address)
        for each in entries
    ]
    show.table(("model", "family", "size", "licence", "repository"), rows)


def _licence(entry: Entry) -> str:
    return entry.licence.name + (" (not checked)" if "licence" in entry.unchecked else "")


@group.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where to: a stick, another disk.")],
    models: Annotated[
        list[str] | None, typer.Argument(help="Models; all but the bundled ones when none is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy models to a folder, with a manifest of their hashes."""
    from app.exchange import export_models

    store = model_store()
    records = [store.get(name) for name in models] if models else [each for each in store.all() if not each.bundled]
    manifest = export_models(records, folder, _bar("copying", as_json))
    if as_json:
        show.data(manifest.model_dump(mode="json"))
        return
    for model in manifest.models:
        typer.echo(f"{folder / 'easel-models' / model.name}")


@group.command("import")
def take_in(
    source: Annotated[Path, typer.Argument(help="An export of Easel's, a model's folder, or a model file.")],
    as_json: Json = False,
) -> None:
    """Take models in from a folder; hashes are checked where there is a manifest."""
    from app.exchange import import_models

    downloader, _ = _downloader()
    places = import_models(source.absolute(), downloader.root, _bar("copying", as_json))
    if as_json:
        show.data({"places": [str(place) for place in places]})
        return
    for place in places:
        typer.echo(str(place))


def _downloader() -> tuple[Downloader, Any]:
    """The downloader and the presets, without the rest of the services."""
    from app.download import Downloader
    from app.paths import BUNDLED_PRESETS, Paths
    from app.presets import PresetStore
    from app.settings import SettingsStore

    paths = Paths.default()
    settings = SettingsStore(paths.settings_file).load()
    root = settings.download_folder or paths.models
    downloader = Downloader(paths.downloads, lambda: root, lambda: settings.hub_address)
    return downloader, PresetStore(BUNDLED_PRESETS, paths.presets)


def _fetch(downloader: Downloader, record: DownloadRecord, as_json: bool) -> DownloadRecord:
    advance = _bar("fetching", as_json)

    def on_news(news: DownloadNews) -> None:
        advance(news.there, news.record.plan.total or 0)

    forget = downloader.subscribe(on_news)
    try:
        return downloader.run(record.id)
    finally:
        forget()
        if sys.stderr.isatty() and not as_json:
            show.note("")


def _bar(word: str, as_json: bool) -> Any:
    """A line that is written over on a terminal, a line now and then in a pipe, nothing beside JSON."""
    from app.places import readable

    if as_json:
        return lambda _done, _all: None
    last = 0.0

    def advance(done: int, everything: int) -> None:
        nonlocal last
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if now - last < (0.2 if terminal else LINE_EVERY):
            return
        last = now
        part = f" ({100 * done // everything} %)" if everything else ""
        text = f"{word}: {readable(done)} of {readable(everything) if everything else 'unknown'}{part}"
        typer.echo(f"\r{text:<60}" if terminal else text, err=True, nl=not terminal)

    return advance
