"""One run: the groups that were asked for, in a folder that goes afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from app.benchmark.bench import Bench
from app.benchmark.figures import Figure
from app.benchmark.imports import import_costs
from app.benchmark.record import Record
from app.benchmark.registry import GROUPS
from engines.api import GenerationRequest, ModelRecord, UserError

STARTUP = "startup"


def run(
    record: ModelRecord,
    request: GenerationRequest,
    pairs: int = 7,
    first_pairs: int = 3,
    groups: Iterable[str] = (),
    on_stage: Callable[[str], None] = lambda _stage: None,
    startup: bool = False,
) -> Record:
    """Measure. No `groups` means all of them; `startup` means the start alone, with what its imports cost.

    Raises `UserError("benchmark-needs-words")` for a wish that starts from a picture, and what the engines raise.
    """
    names = _names([STARTUP] if startup else groups)
    if request.task.needs_image or request.task.needs_video:
        raise UserError("benchmark-needs-words", task=str(request.task))
    found: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="easel-benchmark-", ignore_cleanup_errors=True) as name,
        Bench(record, request, Path(name), pairs, first_pairs, on_stage) as bench,
    ):
        for each in names:
            found += GROUPS[each].measure(bench)
        imports = import_costs(bench.home()) if startup else ()
    return Record.of(found, record, request, imports)


def _names(groups: Iterable[str]) -> list[str]:
    names = list(groups) or list(GROUPS)
    for each in names:
        if each not in GROUPS:
            raise UserError("benchmark-group-unknown", name=each, known=", ".join(GROUPS))
    return names
