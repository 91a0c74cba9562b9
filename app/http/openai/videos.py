"""`/v1/videos`: a job that is asked for, looked after, and fetched when it is done; made anew or longer from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from app.http.desk import Desk, file_of
from app.http.errors import shaped_error
from app.http.openai import video_wishes
from app.jobs import Cancelled, Failed, Interrupted, Job, Queued, Running, Succeeded
from engines.api import EaselError, Task, UserError, video_facts

PREFIX = "video_"
POLL = "1000"  # milliseconds that a client should wait between two looks
LOOKED_AT = 500  # jobs
MEDIA = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".webp": "image/webp"}
FIELDS = {"prompt": "string", "model": "string", "seconds": "string", "size": "string", "seed": "integer"}


def _shape(*required: str, **more: str) -> dict[str, Any]:
    """What a request looks like, for the OpenAPI page."""
    fields = {name: {"type": kind} for name, kind in {**FIELDS, **more}.items()}
    schema = {"type": "object", "required": ["prompt", *required], "properties": fields}
    kinds = ("multipart/form-data", "application/json")
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/v1", tags=["OpenAI"])
    deleted: set[str] = set()  # as long as the server runs; the files are the person's and stay

    async def job_of(video: str) -> Job:
        job = await desk.job(video.removeprefix(PREFIX)) if len(video) > len(PREFIX) else None
        if job is None or job.id in deleted or not job.request.task.makes_video:
            raise UserError("job-unknown", id=video, found=0)
        return job

    async def submitted(request: Request, task: Task, source: str = "") -> dict[str, Any]:
        sent = await video_wishes.read(request)
        begin = source or (sent.source if task.needs_video else "")
        path: Path | None = await run_in_threadpool(file_of, await job_of(begin), 0) if begin else None
        wish = await run_in_threadpool(video_wishes.resolved, desk, sent, task, path)
        return _view(desk, await desk.submit(wish.request, wish.record))

    @found.post("/videos", summary="Ask for a video", openapi_extra=_shape(output_format="string"))
    async def create(request: Request) -> dict[str, Any]:
        """A form or JSON, with a picture as `input_reference` if there is one; answers at once with a job to look after.

        `output_format` is webm (the usual), webm-av1, mp4, gif or webp.
        """
        return await submitted(request, Task.TEXT_TO_VIDEO)

    @found.post("/videos/edits", summary="Draw a video anew", openapi_extra=_shape("video", video="string"))
    async def edit(request: Request) -> dict[str, Any]:
        return await submitted(request, Task.VIDEO_TO_VIDEO)

    @found.post("/videos/extensions", summary="Make a video longer", openapi_extra=_shape("video", video="string"))
    async def extend(request: Request) -> dict[str, Any]:
        return await submitted(request, Task.EXTEND_VIDEO)

    @found.post("/videos/{video}/remix", summary="Draw a video of ours anew", openapi_extra=_shape())
    async def remix(request: Request, video: str) -> dict[str, Any]:
        return await submitted(request, Task.VIDEO_TO_VIDEO, video)

    @found.post("/videos/characters", summary="Not here: no model takes characters", include_in_schema=False)
    @found.get("/videos/characters/{character}", include_in_schema=False)
    async def characters(character: str = "") -> None:
        raise UserError("api-not-here", what="characters", why="None of the models that it knows takes them")

    @found.get("/videos", summary="The videos")
    async def videos(limit: int = 20, after: str = "", order: Literal["asc", "desc"] = "desc") -> dict[str, Any]:
        latest = await run_in_threadpool(desk.services.orchestrator.ledger.latest, LOOKED_AT)
        jobs = [job for job in latest if job.request.task.makes_video and job.id not in deleted]
        return _page(desk, jobs if order == "desc" else jobs[::-1], limit, after)

    @found.get("/videos/{video}", summary="How far a video is", response_model=None)
    async def video(video: str) -> Response:
        return JSONResponse(_view(desk, await job_of(video)), headers={"openai-poll-after-ms": POLL})

    @found.get("/videos/{video}/content", summary="The video's file, or a picture of it", response_model=None)
    async def content(video: str, variant: Literal["video", "thumbnail", "spritesheet"] = "video") -> Response:
        job = await job_of(video)
        path: Path = await run_in_threadpool(file_of, job, 0)
        if variant == "spritesheet":
            raise UserError("api-not-here", what="a sheet of frames", why="Easel makes the video and a thumbnail")
        if variant == "thumbnail":
            return FileResponse(await run_in_threadpool(desk.services.thumbnails.of, path), media_type="image/webp")
        return FileResponse(path, media_type=MEDIA.get(path.suffix.lower(), "application/octet-stream"))

    @found.delete("/videos/{video}", summary="Stop and forget a video")
    async def delete(video: str) -> dict[str, Any]:
        """A running one is stopped. A finished file stays on the disk: it is the person's."""
        job = await job_of(video)
        if not job.over:
            await run_in_threadpool(desk.services.orchestrator.cancel, job.id)
        deleted.add(job.id)
        return {"id": video, "object": "video.deleted", "deleted": True}

    return found


def _page(desk: Desk, jobs: list[Job], limit: int, after: str) -> dict[str, Any]:
    ids = [PREFIX + job.id for job in jobs]
    begin = ids.index(after) + 1 if after in ids else 0
    page = jobs[begin : begin + max(1, min(limit, 100))]
    names = {"first_id": PREFIX + page[0].id, "last_id": PREFIX + page[-1].id} if page else {}
    shown = [_view(desk, job) for job in page]
    return {"object": "list", "data": shown, "has_more": begin + len(page) < len(jobs), **names}


def _view(desk: Desk, job: Job) -> dict[str, Any]:
    request = job.request
    error = shaped_error("/v1/", job.state.error)["error"] if isinstance(job.state, Failed | Interrupted) else None
    if isinstance(job.state, Cancelled):
        error = {"code": "cancelled", "message": "It was stopped."}
    over = isinstance(job.state, Succeeded)
    return {
        "id": PREFIX + job.id,
        "object": "video",
        "created_at": int(job.created),
        "completed_at": _made_at(job) if over else None,
        "expires_at": None,
        "status": _status(job),
        "progress": 100 if over else _progress(desk, job),
        "model": request.model,
        "prompt": request.prompt,
        "seconds": f"{_seconds(job):g}",
        "size": f"{request.width}x{request.height}",
        "error": error and {"code": error["code"] or "failed", "message": error["message"]},
    }


def _made_at(job: Job) -> int | None:
    path = job.artifacts[-1].path
    return int(path.stat().st_mtime) if path.is_file() else None


def _seconds(job: Job) -> float:
    """How long it plays; a film that was made longer is as long as its file."""
    if job.request.task is Task.EXTEND_VIDEO and isinstance(job.state, Succeeded):
        try:
            return round(video_facts(job.artifacts[-1].path).seconds, 2)
        except EaselError:
            pass  # it is gone, or a moving picture
    return round(job.request.seconds, 2)


def _status(job: Job) -> str:
    match job.state:
        case Queued():
            return "queued"
        case Running():
            return "in_progress"
        case Succeeded():
            return "completed"
        case Failed() | Interrupted() | Cancelled():
            return "failed"


def _progress(desk: Desk, job: Job) -> int:
    event = desk.running
    if event is None or event.progress is None or event.job.id != job.id or not event.progress.total:
        return 0
    return min(99, int(100 * event.progress.step / event.progress.total))
