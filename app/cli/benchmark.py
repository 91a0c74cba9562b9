"""`easel benchmark`: measure Easel against plain diffusers, write the figures down, hold them against earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.benchmark.figures import Figure
    from app.benchmark.record import Record

PROMPT = "a red apple"


def benchmark(
    model: Annotated[str | None, typer.Option("--model", help="A model; the starter when none is named.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting.")] = None,
    rows: Annotated[list[str] | None, typer.Option("--rows", metavar="NAME", help="Only these; repeatable.")] = None,
    startup: Annotated[bool, typer.Option("--startup", help="The start alone, with what its imports cost.")] = False,
    pairs: Annotated[int, typer.Option("--pairs", min=1, help="How many warm pictures on each side.")] = 7,
    first_pairs: Annotated[int, typer.Option("--first-pairs", min=1, help="How many new processes on each side.")] = 3,
    compare: Annotated[Path | None, typer.Option("--compare", metavar="FILE", help="An earlier record.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the record goes.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the ratios as a picture.")] = None,
    as_json: Json = False,
) -> None:
    """Measure Easel against plain diffusers on the same weights; a ratio below 1 means that Easel is quicker."""
    import time

    from app.benchmark.record import Record
    from app.benchmark.run import run
    from app.bootstrap import build_services
    from app.cli.values import assignments
    from app.resolve import resolve

    before = Record.read(compare) if compare is not None else None
    values: dict[str, Any] = {"prompt": PROMPT, "seed": 1, **assignments(settings or [])}
    with build_services() as services:
        resolved = resolve(models=services.models, model=model, values=values)
        usual = services.paths.data / "benchmarks" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    say: Callable[[str], None] = (lambda _stage: None) if as_json else show.note
    record = run(resolved.record, resolved.request, pairs, first_pairs, rows or (), say, startup)
    target = (out or usual).absolute()
    _tell(record, before, target, as_json)  # before anything is saved: they took long, and a disk may be full
    try:
        record.save(target)
    finally:
        if plot is not None:
            from app.benchmark.plot import draw

            draw(record, plot.absolute())
    show.note(f"The figures are kept in {target}")


def _tell(record: Record, before: Record | None, saved: Path, as_json: bool) -> None:
    from app.benchmark.record import compare

    compared = compare(record, before) if before is not None else []
    if as_json:
        changes = {figure.name: change for figure, _old, change in compared}
        show.data({**record.fields(), "file": str(saved), **({"compared": changes} if before else {})})
        return
    headings = ("what", "easel", "other", "beside", "unit", "ratio", "pairs", "goal", "reached", "note")
    show.table(headings, map(_row, record.figures))
    if record.imports:
        typer.echo()
        show.table(("imports", "seconds"), [(name, f"{seconds:.3f}") for name, seconds in record.imports])
    if compared:
        typer.echo()
        rows = [(now.name, _value(old), _value(now), f"{change:.3f}") for now, old, change in compared]
        show.table(("compared", "before", "now", "now / before"), rows)


def _row(figure: Figure) -> tuple[object, ...]:
    reached = {True: "yes", False: "NO", None: ""}[figure.reached]
    plain, ratio = (f"{each:.3f}" if each is not None else "" for each in (figure.plain, figure.ratio))
    beside = figure.beside if figure.plain is not None else ""
    goal = figure.goal.words if figure.goal is not None else ""
    return (
        figure.name,
        f"{figure.easel:.3f}",
        plain,
        beside,
        figure.unit,
        ratio,
        figure.pairs,
        goal,
        reached,
        figure.note,
    )


def _value(figure: Figure) -> str:
    return f"{figure.ratio:.3f} ×" if figure.ratio is not None else f"{figure.easel:.3f} {figure.unit}"
