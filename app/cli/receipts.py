"""`easel verify` and `easel why-different`: is it the same again, and if not, why."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.models import ModelStore
    from app.pixels import Comparison
    from engines.api import FileMetadata, GenerationRequest, ModelRecord

DIFFERENT = 1
THREADS = "OMP_NUM_THREADS"  # read by torch when it is imported


def verify(
    file: Annotated[Path, typer.Argument(help="A picture or a video that Easel made.")],
    in_process: Annotated[bool, typer.Option("--in-process", help="Run the engine in this process.")] = False,
    as_json: Json = False,
) -> None:
    """Make a picture or a video again from its own record and compare; leaves with 1 when it is not the same."""
    from app.cli.wishes import read_source
    from engines.api import read_metadata

    request = read_source(file)
    then = read_metadata(file)
    with tempfile.TemporaryDirectory(prefix="easel-verify-") as folder, _threads_of(then):
        made, record, hashes = _made_again(request, _fingerprint(then), Path(folder), in_process)
        found = _compared(file, made, request.task.makes_video)
        now = read_metadata(made)
    reasons = [each.sentence() for each in _differences(then, now)] if not found.same_pixels else []
    changed = _changed_files(then, hashes)
    if as_json:
        show.data(
            {"file": str(file), **asdict(found), "model": record.id, "weights": hashes, "reasons": reasons + changed}
        )
    else:
        _say(found, record, reasons, changed)
    if not found.same_pixels:
        raise typer.Exit(DIFFERENT)


def why_different(
    first: Annotated[Path, typer.Argument(help="A picture.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Json = False,
) -> None:
    """Say in words what two pictures were made of that is not the same."""
    from app.pixels import compare, compare_films
    from app.receipts import read_both

    both = read_both(first, second)
    found = _differences(*both)
    moving = [each.request is not None and each.request.task.makes_video for each in both]
    apart = None if moving[0] != moving[1] else (compare_films if moving[0] else compare)(first, second)
    if as_json:
        differences = [{**asdict(each), "sentence": each.sentence()} for each in found]
        show.data({"differences": differences, "pixels": asdict(apart) if apart else None})
        return
    if not found:
        typer.echo("Both say that they are made of the same.")
    for each in found:
        typer.echo(each.sentence())
    if apart is not None:
        typer.echo(_pixels(apart))


def _differences(first: FileMetadata, second: FileMetadata) -> Any:
    from app.receipts import differences

    return differences(first, second)


def _made_again(
    request: GenerationRequest, fingerprint: str, folder: Path, in_process: bool
) -> tuple[Path, ModelRecord, dict[str, str]]:
    """The picture made anew in `folder`, the model that made it, and the hashes of its files as they are now."""
    from app.bootstrap import build_services
    from app.jobs import Failed, Interrupted
    from app.logs import keep_out
    from app.weight_hashes import WeightHashes
    from engines.api import UserError

    with build_services(in_process=in_process) as services:
        keep_out(request.prompt, request.negative_prompt)
        record = _same_model(services.models, request, fingerprint)
        request = request.with_(model=record.id)
        services.orchestrator.save_metadata = True
        kind = request.video_format if request.task.makes_video else request.image_format
        job = services.orchestrator.submit(request.with_(count=1), record, folder / f"again{kind.suffix}")
        job = services.orchestrator.wait(job.id)
        services.history.forget([each.path for each in job.artifacts])
        if isinstance(job.state, Failed | Interrupted):
            raise UserError("verify-failed", why=f"{job.state.error.title} {job.state.error.cause}")
        if not job.artifacts:
            raise UserError("verify-failed", why="it was stopped")
        return job.artifacts[0].path, record, WeightHashes(services.models).now(record)


@contextmanager
def _threads_of(then: FileMetadata) -> Iterator[None]:
    """The engine that is started meanwhile computes with as many threads as the one that made the file."""
    software = then.record.get("software")
    threads = str(software.get("threads", "")) if isinstance(software, dict) else ""
    before = os.environ.get(THREADS)
    if threads.isdigit() and 0 < int(threads) <= (os.cpu_count() or 1):
        os.environ[THREADS] = threads
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(THREADS, None)
        else:
            os.environ[THREADS] = before


def _fingerprint(found: FileMetadata) -> str:
    model = found.record.get("model")
    return str(model.get("fingerprint", "")) if isinstance(model, dict) else ""


def _same_model(models: ModelStore, request: GenerationRequest, fingerprint: str) -> ModelRecord:
    """The model of that name, else one with the same files under another name. Raises `UserError("model-unknown")`."""
    same = [each for each in models.all() if fingerprint and each.fingerprint == fingerprint]
    if same and all(each.id != request.model for each in models.all()):
        return same[0]
    return models.get(request.model)


def _compared(file: Path, made: Path, moving: bool) -> Comparison:
    from app.pixels import compare, compare_films

    return compare_films(file, made) if moving else compare(file, made)


def _changed_files(then: FileMetadata, hashes: dict[str, str]) -> list[str]:
    known = then.record.get("weights")
    known = known if isinstance(known, dict) else {}
    return [
        f"The file {name} is not the one of then." for name in hashes if known.get(name, hashes[name]) != hashes[name]
    ]


def _say(found: Comparison, record: ModelRecord, reasons: list[str], changed: list[str]) -> None:
    typer.echo(_pixels(found))
    for line in (*changed, *reasons):
        typer.echo(line)
    if not found.same_pixels and not reasons and not changed:
        typer.echo(f"All that is written down is the same, {record.title} included; what is left is the device.")


def _pixels(found: Comparison) -> str:
    if found.same_bytes:
        return "The files are the same, byte for byte."
    if found.same_pixels:
        return "The pictures are the same, pixel for pixel; the files differ in what is written into them."
    if not found.same_size:
        return "They are not of one size, or not of one length."
    return f"The pictures differ: by {found.largest} of 255 at most, by {found.mean:g} on average."
