"""`easel jobs` and `easel resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.jobs import Job
    from app.services import Services

group = typer.Typer(help="The list of jobs.", no_args_is_help=True, rich_markup_mode=None)


@group.callback()
def _group() -> None:
    """The list of jobs."""


@group.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20, as_json: Json = False
) -> None:
    """Show the newest jobs."""
    import time

    from app.bootstrap import build_services
    from app.jobs import state_name

    with build_services() as services:
        jobs = services.orchestrator.ledger.latest(limit)
        left = len(services.orchestrator.ledger.left_waiting())
    if as_json:
        show.data({"jobs": [_fields(job) for job in jobs]})
        return
    rows = [
        (
            job.id,
            state_name(job.state),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created)),
            f"{len(job.files)}/{job.request.count}",
            _short(job.request.prompt),
        )
        for job in jobs
    ]
    show.table(("job", "state", "accepted", "pictures", "prompt"), rows)
    if left:
        show.note(f"{left} wait for a program that is gone. `easel resume --all` makes them; so does Easel's window.")


def resume(
    job: Annotated[str, typer.Argument(help="The job's id, or its beginning.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="All jobs that were interrupted, then all whose program is gone.")
    ] = False,
    in_process: Annotated[bool, typer.Option("--in-process", help="Run the engine in this process.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a job that was interrupted or stopped, where it was; or with all that a crash left."""
    from app.bootstrap import build_services
    from app.cli.follow import follow, follow_all
    from app.logs import keep_out

    if every == bool(job):
        raise typer.BadParameter("Give a job's id, or --all.")
    with build_services(in_process=in_process) as services:
        if every:
            follow_all(services, lambda: _all_that_was_left(services), as_json)
            return
        request = services.orchestrator.ledger.get(job).request
        keep_out(request.prompt, request.negative_prompt)
        follow(services, lambda: services.orchestrator.resume(job), as_json)


def _all_that_was_left(services: Services) -> list[Job]:
    from app.logs import keep_out

    ledger = services.orchestrator.ledger
    jobs = [*ledger.interrupted(), *ledger.left_waiting()]
    for job in jobs:
        keep_out(job.request.prompt, job.request.negative_prompt)
    return [services.orchestrator.resume(job.id) for job in jobs]


def _fields(job: Job) -> dict[str, object]:
    from app.jobs import Failed, Interrupted, state_name

    error = job.state.error if isinstance(job.state, Failed | Interrupted) else None
    return {
        "job": job.id,
        "state": state_name(job.state),
        "created": job.created,
        "task": str(job.request.task),
        "model": job.request.model,
        "prompt": job.request.prompt,
        "seed": job.request.seed,
        "count": job.request.count,
        "files": [str(path) for path in job.files],
        "error": show.error_fields(error) if error else None,
    }


def _short(text: str, length: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
