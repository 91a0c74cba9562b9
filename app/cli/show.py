"""How the command line prints: aligned columns for people, one JSON object for programs, errors with their ways out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engines.api import ErrorRecord

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def data(value: Any) -> None:
    """Print `value` as one line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns that are as wide as their widest cell; the last one is as long as it is."""
    lines = [[" ".join(str(cell).split()) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values in two columns, without headings."""
    rows = [(name, value) for name, value in rows if value not in ("", None)]
    width = max((len(name) for name, _value in rows), default=0)
    for name, value in rows:
        first, *more = str(value).splitlines() or [""]
        typer.echo(f"{name.ljust(width)}  {first}")
        for line in more:
            typer.echo(" " * (width + 2) + line)


def note(text: str) -> None:
    """Say something beside the result: it goes to standard error, so that a pipe gets the result alone."""
    typer.echo(text, err=True)


def error(record: ErrorRecord, as_json: bool) -> None:
    """Say what went wrong, why, and what can be done: to people on standard error, to programs as JSON."""
    if as_json:
        data({"error": error_fields(record)})
        return
    note(f"{record.code}: {record.title}")
    if record.cause:
        note(record.cause)
    for fix in record.fixes:
        note(f"  - {fix}")


def error_fields(record: ErrorRecord) -> dict[str, Any]:
    """The error as JSON shows it; details are for the log."""
    names = ("code", "exit_status", "title", "cause", "fixes")
    return {name: getattr(record, name) for name in names}


def prepare_streams() -> None:
    """Never fail on a character that the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore
