"""Easel's own API, `/api`: jobs as they are, with every field of a request, news by server-sent events, and results."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse

from app import __version__
from app.events import Event
from app.http import pictures
from app.http.desk import Desk, file_of
from app.jobs import STATES, Failed, Interrupted, Job, Succeeded, state_name
from app.resolve import Resolved
from app.styles import StyleStore
from engines.api import (
    GUIDE_FIELDS,
    INPUT_FIELDS,
    SAMPLER_REGISTRY,
    GenerationRequest,
    UserError,
    families,
    sampler_rows,
)

LATEST_MOST = 1000
VIDEO = re.compile(r"data:video/(mp4|webm);base64,")


class Submission(BaseModel):
    """A wish: any fields of a request; what is left out follows preset and model."""

    model_config = ConfigDict(extra="forbid")

    request: dict[str, Any] = Field(
        default_factory=dict,
        description="fields of a request (GET /api/schema); pictures as base64, or sha256:… of POST /api/pictures",
        examples=[{"prompt": "a red apple", "seed": 3}],
    )
    model: str | None = Field(default=None, description="a model of GET /api/models")
    preset: str | None = Field(default=None, description="a preset of GET /api/presets")
    styles: list[str] = Field(default_factory=list, description="words around the prompt, of GET /api/styles")


class Picture(BaseModel):
    """A picture as base64, with or without "data:image/png;base64,"."""

    image: str


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/api", tags=["Easel"])
    _job_routes(found, desk)
    _list_routes(found, desk)
    return found


def _job_routes(found: APIRouter, desk: Desk) -> None:
    @found.post("/jobs", status_code=202, summary="Submit a job")
    async def submit(wish: Submission, request: Request) -> dict[str, Any]:
        """Checked, written into the ledger and queued when this answers."""
        wanted = await run_in_threadpool(_resolved, desk, wish)
        return view(desk, await desk.submit(wanted.request, wanted.record), str(request.base_url))

    @found.get("/jobs", summary="The newest jobs")
    async def jobs(request: Request, limit: int = 50, state: str = "") -> dict[str, Any]:
        """Newest first; `state` is one of queued, running, succeeded, failed, cancelled, interrupted."""
        if state and state not in STATES:
            raise UserError("api-value", field="state", value=state, expected=f"The states are {', '.join(STATES)}")
        ledger = desk.services.orchestrator.ledger
        latest = await run_in_threadpool(ledger.latest, max(1, min(limit, LATEST_MOST)))
        shown = [job for job in latest if not state or state_name(job.state) == state]
        return {"jobs": [view(desk, job, str(request.base_url)) for job in shown]}

    @found.get("/jobs/{job}", summary="A job")
    async def one(job: str, request: Request) -> dict[str, Any]:
        return view(desk, await desk.job(job), str(request.base_url))

    @found.get("/jobs/{job}/events", summary="News of a job", response_model=None)
    async def events(job: str, request: Request) -> Response:
        """Server-sent events until the job is over: job, progress, file."""
        wanted = await desk.job(job)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stream = _stream(desk, wanted, str(request.base_url))
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    @found.post("/jobs/{job}/cancel", summary="Stop a job")
    async def cancel(job: str, request: Request) -> dict[str, Any]:
        """At once when it waits; within a step when it runs. Finished pictures stay."""
        wanted = await desk.job(job)
        await run_in_threadpool(desk.services.orchestrator.cancel, wanted.id)
        return view(desk, await desk.job(wanted.id), str(request.base_url))

    @found.post("/jobs/{job}/resume", status_code=202, summary="Go on with a job")
    async def resume(job: str, request: Request) -> dict[str, Any]:
        """An interrupted, stopped or failed job goes on where it was."""
        return view(desk, await run_in_threadpool(desk.services.orchestrator.resume, job), str(request.base_url))

    @found.get("/jobs/{job}/files/{index}", summary="A finished file", response_model=None)
    async def file(job: str, index: int) -> Response:
        return await _file(desk, job, index)


def _list_routes(found: APIRouter, desk: Desk) -> None:
    services = desk.services

    @found.post("/pictures", status_code=201, summary="Bring a picture")
    async def bring(picture: Picture) -> dict[str, str]:
        """Kept by its contents; the reference stands for it in a request."""
        data = await run_in_threadpool(pictures.decode, picture.image)
        return {"reference": await run_in_threadpool(pictures.kept, services.inputs, data)}

    @found.get("/status", summary="What runs and waits")
    async def status() -> dict[str, Any]:
        queue = await run_in_threadpool(lambda: services.orchestrator.queue)
        running = desk.running
        now = {"job": running.job.id, **_progress(running)} if running is not None else None
        return {"easel": __version__, "running": now, "waiting": list(queue.order), "paused": queue.paused}

    @found.get("/models", summary="The models")
    async def models() -> dict[str, Any]:
        records = await run_in_threadpool(services.models.all)
        names = ("id", "title", "family", "weight_bytes", "licence", "description")
        return {"models": [{name: getattr(each, name) for name in names} for each in records]}

    @found.get("/families", summary="The kinds of models")
    async def kinds() -> dict[str, Any]:
        shown = [
            {
                "id": each.id,
                "title": each.title,
                "summary": each.summary,
                "tasks": [str(task) for task in each.tasks],
                "defaults": dict(each.defaults),
                "samplers": list(each.samplers),
            }
            for each in families()
        ]
        return {"families": shown}

    @found.get("/samplers", summary="Samplers and noise schedules")
    async def samplers() -> dict[str, Any]:
        return {"samplers": list(sampler_rows()), "schedulers": list(SAMPLER_REGISTRY.schedules.entries)}

    @found.get("/presets", summary="The presets")
    async def presets() -> dict[str, Any]:
        shown = await run_in_threadpool(services.presets.all)
        return {
            "presets": [
                {"id": each.id, "title": each.title, "task": str(each.task), "values": dict(each.values)}
                for each in shown
            ]
        }

    @found.get("/styles", summary="The styles: words around a prompt")
    async def styles() -> dict[str, Any]:
        """`{prompt}` is where the prompt goes; the person's own styles are among them."""
        shown = await run_in_threadpool(StyleStore(services.paths.styles).usable)
        names = ("name", "prompt", "negative_prompt")
        return {"styles": [{name: getattr(each, name) for name in names} for each in shown]}

    @found.get("/schema", summary="The fields of a request, as JSON Schema")
    async def schema() -> dict[str, Any]:
        return GenerationRequest.model_json_schema()


def files_router(desk: Desk) -> APIRouter:
    """Files by signed addresses, which work without the key: in an `img` element for instance."""
    found = APIRouter(tags=["Files"])

    @found.get("/files/{signature}/{job}/{name}", summary="A finished file by its signed address", response_model=None)
    async def signed(signature: str, job: str, name: str) -> Response:
        index = name.partition(".")[0]
        if not index.isdecimal() or len(index) > 5 or not desk.signed(signature, job, int(index)):
            raise UserError("job-file-unknown", id=job, index=index, count=0)
        return await _file(desk, job, int(index))

    return found


async def _file(desk: Desk, job: str, index: int) -> Response:
    path = await run_in_threadpool(file_of, await desk.job(job), index)
    media = mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"
    return FileResponse(path, media_type=media, filename=path.name, content_disposition_type="inline")


def _resolved(desk: Desk, wish: Submission) -> Resolved:
    values = dict(wish.request)
    for name in INPUT_FIELDS:
        if values.get(name):
            values[name] = _brought(desk, name, str(values[name]))
    for name in GUIDE_FIELDS:
        if isinstance(uses := values.get(name), list):
            values[name] = [_with_picture(desk, each) for each in uses]
    if wish.styles:
        texts = [str(values.get(name) or "") for name in ("prompt", "negative_prompt")]
        values["prompt"], values["negative_prompt"] = StyleStore(desk.services.paths.styles).apply(wish.styles, *texts)
    return desk.resolve(values, wish.model, wish.preset)


def _with_picture(desk: Desk, use: Any) -> Any:
    """An entry of a list of guides, with its picture kept; what is no such entry is left for the request to refuse."""
    if not isinstance(use, dict) or not use.get("image"):
        return use
    return {**use, "image": _brought(desk, "image", str(use["image"]))}


def _brought(desk: Desk, name: str, value: str) -> str:
    """A reference as it is, base64 kept. A path is neither: the API opens no files by name."""
    if value.startswith("sha256:"):
        desk.services.inputs.path_of(value)
        return value
    if (video := VIDEO.match(value)) and name == "init_video":
        return desk.services.inputs.keep_bytes(pictures.decode(value), f".{video[1]}")
    return pictures.kept(desk.services.inputs, pictures.decode(value))


def view(desk: Desk, job: Job, base: str) -> dict[str, Any]:
    """A job as JSON. Files have addresses, never paths."""
    error = job.state.error if isinstance(job.state, Failed | Interrupted) else None
    names = ("code", "exit_status", "title", "cause", "fixes")
    done = job.state if isinstance(job.state, Succeeded) else Succeeded()
    return {
        "id": job.id,
        "state": state_name(job.state),
        "over": job.over,
        "created": job.created,
        "request": job.request.model_dump(mode="json"),
        "files": [
            {
                "index": each.index,
                "url": desk.file_address(job, place, base),
                "name": each.path.name,
                "media_type": each.media_type,
                "seed": each.seed,
                "width": each.width,
                "height": each.height,
                "notes": list(each.notes),
            }
            for place, each in enumerate(job.artifacts)
        ],
        "seconds": dict(done.seconds),
        "peak_memory": done.peak_memory,
        "error": {name: getattr(error, name) for name in names} if error is not None else None,
        "events": f"{base.rstrip('/')}/api/jobs/{job.id}/events",
    }


async def _stream(desk: Desk, job: Job, base: str) -> AsyncIterator[str]:
    yield _event("job", view(desk, job, base))
    async for event in desk.follow(job):
        if event.progress is not None:
            yield _event("progress", _progress(event))
        elif event.artifact is not None:
            yield _event("file", view(desk, event.job, base)["files"][-1])
        else:
            yield _event("job", view(desk, event.job, base))


def _progress(event: Event) -> dict[str, Any]:
    progress = event.progress
    assert progress is not None
    names = ("step", "total", "image", "images")
    facts = {name: getattr(progress, name) for name in names}
    return {"stage": str(progress.stage), **facts, "seconds_left": event.seconds_left}


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
