"""Stay with a job until it is over: show how it goes, turn Ctrl-C into Stop, and print what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import typer

from app.cli import show
from app.cli.progress import face
from app.jobs import Cancelled, Failed, Interrupted, Job, Queued, Running, Succeeded, state_name
from app.services import Services

STOPPED = 130


def follow(services: Services, start: Callable[[], Job], as_json: bool) -> None:
    """Start a job and see it through. Leaves with exit code 130 when it was stopped, with the error's when it failed."""
    started = time.monotonic()
    shown = face(as_json)
    forget = services.orchestrator.subscribe(shown.on_event)
    try:
        with shown:
            job = _wait(services, start())
    finally:
        forget()
    if as_json:
        show.data(outcome(job, time.monotonic() - started))
    else:
        _say(job)
    if status := exit_status(job):
        raise typer.Exit(status)


def follow_all(
    services: Services,
    start: Callable[[], list[Job]],
    as_json: bool,
    finish: Callable[[], dict[str, Any]] = dict,
) -> None:
    """Start several jobs and see all through; `finish` makes what comes of them together, and names it.

    Ctrl-C stops them all. The exit code is the first one that is not 0.
    """
    started = time.monotonic()
    shown = face(as_json)
    forget = services.orchestrator.subscribe(shown.on_event)
    try:
        with shown:
            jobs = _wait_all(services, start())
            made = finish()
    finally:
        forget()
    if as_json:
        seconds = time.monotonic() - started
        show.data({"jobs": [outcome(job, seconds) for job in jobs], "seconds": round(seconds, 3), **made})
    else:
        for job in jobs:
            _say(job)
        for name, value in made.items():
            for each in value if isinstance(value, list) else [value]:
                typer.echo(f"{name}: {each}")
    if status := next(filter(None, map(exit_status, jobs)), 0):
        raise typer.Exit(status)


def _wait_all(services: Services, jobs: list[Job]) -> list[Job]:
    wait = services.orchestrator.wait
    try:
        return [wait(job.id) for job in jobs]
    except KeyboardInterrupt:
        for job in jobs:
            if not services.orchestrator.job(job.id).over:
                services.orchestrator.cancel(job.id)
        return [wait(job.id) for job in jobs]


def outcome(job: Job, seconds: float) -> dict[str, Any]:
    """What `--json` says of a job."""
    fields: dict[str, Any] = {
        "job": job.id,
        "state": state_name(job.state),
        "files": [str(path) for path in job.files],
        "seed": job.request.seed,
        "seeds": [artifact.seed for artifact in job.artifacts],
        "seconds": round(seconds, 3),
    }
    match job.state:
        case Succeeded(stages, peak_memory):
            return fields | {"stages": stages, "peak_memory": peak_memory}
        case Failed(error) | Interrupted(error):
            return fields | {"error": show.error_fields(error)}
        case Queued() | Running() | Cancelled():
            return fields


def exit_status(job: Job) -> int:
    """The exit code for a job: 0 when it is done."""
    match job.state:
        case Failed(error) | Interrupted(error):
            return error.exit_status
        case Cancelled():
            return STOPPED
        case Queued() | Running() | Succeeded():
            return 0


def _wait(services: Services, job: Job) -> Job:
    try:
        return services.orchestrator.wait(job.id)
    except KeyboardInterrupt:
        services.orchestrator.cancel(job.id)
        return services.orchestrator.wait(job.id)


def _say(job: Job) -> None:
    for path in job.files:
        typer.echo(str(path))
    for artifact in job.artifacts:
        for text in artifact.notes:
            show.note(f"{artifact.path.name}: {text}")
    match job.state:
        case Failed(error) | Interrupted(error):
            show.error(error, as_json=False)
            show.note(f"The job is {job.id}.")
        case Cancelled():
            show.note(f"Stopped; {len(job.files)} of {job.request.count} finished. `easel resume {job.id}` goes on.")
        case Queued() | Running() | Succeeded():
            return
