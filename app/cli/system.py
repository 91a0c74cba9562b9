"""Commands about Easel itself: where things are, whether they work, and the debug report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.report import Report

SICK = 3


def paths(as_json: Json = False) -> None:
    """Show where everything lies."""
    from dataclasses import asdict

    from app.paths import Paths
    from app.settings import SettingsStore

    places = Paths.default()
    chosen = SettingsStore(places.settings_file).load().output_folder
    fields = {name: str(path) for name, path in asdict(places).items()} | ({"outputs": str(chosen)} if chosen else {})
    if as_json:
        show.data(fields)
    else:
        show.pairs((name.replace("_", " "), path) for name, path in fields.items())


def doctor(as_json: Json = False) -> None:
    """Check that everything is there that a picture needs."""
    from dataclasses import asdict

    from app.doctor import Verdict, examine
    from app.paths import Paths

    findings = examine(Paths.default())
    if as_json:
        show.data({"findings": [asdict(finding) for finding in findings]})
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            typer.echo(f"{finding.verdict.value:<4}  {finding.name.ljust(width)}  {finding.detail}")
            if finding.fix and finding.verdict is not Verdict.OK:
                typer.echo(f"{'':<6}{'':<{width}}  -> {finding.fix}")
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(SICK)


def self_test(as_json: Json = False) -> None:
    """Make tiny pictures with every family and task, twice each, and compare."""
    from dataclasses import asdict

    from app import selftest

    if not as_json:
        show.note("making a tiny model of every family")
    results = selftest.run(lambda each: None if as_json else show.note(f"{each.family} {each.task}"))
    if as_json:
        show.data({"ok": all(each.ok for each in results), "results": [asdict(each) for each in results]})
    else:
        rows = [
            (each.family, each.task, "ok" if each.ok else "FAIL", f"{each.seconds:.1f}", each.detail)
            for each in results
        ]
        show.table(("family", "task", "result", "seconds", "detail"), rows)
    if not all(each.ok for each in results):
        raise typer.Exit(1)


def export_debug(
    out: Annotated[Path | None, typer.Option("--out", help="The zip file to write.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Save without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Save a report that helps to find a fault: no prompts, no names, no keys in it. It is never sent anywhere."""
    import time

    from engines.api import UserError

    report = _report()
    target = (out or Path(f"easel-report-{time.strftime('%Y%m%d-%H%M%S')}.zip")).absolute()
    if not as_json:
        show.note("The report holds these files; names, keys, prompts and your own folders are taken out of them.")
        show.table(("file", "characters"), [(name, len(text)) for name, text in report.files.items()])
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise UserError("confirm-needed")
        typer.confirm(f"Save it as {target}?", abort=True, err=True)
    report.save(target)
    if as_json:
        show.data({"file": str(target), "contents": list(report.files)})
    else:
        typer.echo(str(target))


def _report() -> Report:
    """Works when nothing else does: it opens no engine and needs no healthy ledger."""
    from app.models import ModelStore
    from app.paths import STARTER, Paths
    from app.report import build_report, read_jobs
    from app.settings import SettingsStore

    places = Paths.default()
    settings = SettingsStore(places.settings_file).load()
    models = ModelStore((STARTER, places.models, *settings.model_folders), places.cache / "models.sqlite3")
    return build_report(places, settings, models.all(), read_jobs(places))


COMMANDS: dict[str, Callable[..., None]] = {
    "paths": paths,
    "doctor": doctor,
    "self-test": self_test,
    "export-debug": export_debug,
}
