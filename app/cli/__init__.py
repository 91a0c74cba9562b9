"""The command line. Importing it imports typer and nothing heavy: `easel --help` must answer at once."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import (
    backend,
    benchmark,
    downloads,
    generate,
    history,
    jobs,
    many,
    models,
    plan,
    presets,
    receipts,
    rollback,
    shelves,
    system,
    upscale,
    words,
)

cli = typer.Typer(
    name="easel",
    help="Make pictures from words, on this computer alone.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from app import __version__

        typer.echo(f"easel {__version__}")
        raise typer.Exit()


@cli.callback()
def _easel(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Make pictures from words, on this computer alone."""


cli.command("generate")(generate.generate)
cli.command("upscale")(upscale.upscale)
cli.command("outpaint")(upscale.outpaint)
cli.command("grid")(many.grid)
cli.command("plan")(plan.plan)
cli.command("tokens")(words.tokens)
cli.command("info")(models.info_file)
cli.command("verify")(receipts.verify)
cli.command("why-different")(receipts.why_different)
cli.command("resume")(jobs.resume)
cli.command("cache-models")(downloads.cache_models)
cli.command("catalogue")(downloads.catalogue)
cli.command("backend")(backend.backend)
cli.command("benchmark")(benchmark.benchmark)
cli.command("rollback")(rollback.rollback)
cli.add_typer(jobs.group, name="jobs")
cli.add_typer(history.group, name="history")
cli.add_typer(presets.group, name="presets")
cli.add_typer(words.styles_group, name="styles")
cli.add_typer(words.wildcards_group, name="wildcards")
cli.add_typer(shelves.group, name="models")
cli.add_typer(models.families_group, name="families")
cli.add_typer(models.samplers_group, name="samplers")
for _name, _command in system.COMMANDS.items():
    cli.command(_name)(_command)
