"""`easel jobs` and `easel resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import show
from app.cli.show import Json

if TYPE_CHECKING:
    from app.jobs import Job

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


def resume(
    job: Annotated[str, typer.Argument(help="The job's id, or its beginning.")],
    in_process: Annotated[bool, typer.Option("--in-process", help="Run the engine in this process.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a job that was interrupted or stopped, where it was."""
    from app.bootstrap import build_services
    from app.cli.follow import follow
    from app.logs import keep_out

    with build_services(in_process=in_process) as services:
        request = services.orchestrator.ledger.get(job).request
        keep_out(request.prompt, request.negative_prompt)
        follow(services, lambda: services.orchestrator.resume(job), as_json)


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
