"""`/v1/videos`: a job that is asked for, looked after, and fetched when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, JSONResponse, Response

from app.http import pictures
from app.http.desk import Desk, file_of
from app.http.errors import shaped_error
from app.http.openai.models import named
from app.http.openai.wishes import size_of
from app.jobs import Cancelled, Failed, Interrupted, Job, Queued, Running, Succeeded
from engines.api import GenerationRequest, ModelRecord, Task, UserError, family_of

PREFIX = "video_"
POLL = "1000"  # milliseconds that a client should wait between two looks
VIDEO_TASKS = (Task.TEXT_TO_VIDEO, Task.IMAGE_TO_VIDEO)
MEDIA = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".webp": "image/webp"}
SHAPE = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "required": ["prompt"],
                    "properties": {
                        "prompt": {"type": "string"},
                        "model": {"type": "string"},
                        "seconds": {"type": "string"},
                        "size": {"type": "string"},
                        "seed": {"type": "integer"},
                    },
                }
            }
            for kind in ("multipart/form-data", "application/json")
        },
    }
}


def router(desk: Desk) -> APIRouter:
    """The routes of this module."""
    found = APIRouter(prefix="/v1", tags=["OpenAI"])

    @found.post("/videos", summary="Ask for a video", openapi_extra=SHAPE)
    async def create(request: Request) -> dict[str, Any]:
        """A form or JSON; answers at once with a job to look after."""
        values, picture = await _sent(request)
        job = await _submitted(desk, values, picture)
        return _view(desk, job)

    @found.get("/videos", summary="The videos")
    async def videos(limit: int = 20, after: str = "") -> dict[str, Any]:
        jobs = [job for job in await run_in_threadpool(desk.services.orchestrator.ledger.latest, 500) if _is_video(job)]
        ids = [PREFIX + job.id for job in jobs]
        begin = ids.index(after) + 1 if after in ids else 0
        page = jobs[begin : begin + max(1, min(limit, 100))]
        names = {"first_id": PREFIX + page[0].id, "last_id": PREFIX + page[-1].id} if page else {}
        shown = [_view(desk, job) for job in page]
        return {"object": "list", "data": shown, "has_more": begin + len(page) < len(jobs), **names}

    @found.get("/videos/{video}", summary="How far a video is", response_model=None)
    async def video(video: str) -> Response:
        return JSONResponse(_view(desk, await _job(desk, video)), headers={"openai-poll-after-ms": POLL})

    @found.get("/videos/{video}/content", summary="The video's file", response_model=None)
    async def content(video: str) -> Response:
        job = await _job(desk, video)
        path: Path = await run_in_threadpool(file_of, job, 0)
        return FileResponse(path, media_type=MEDIA.get(path.suffix.lower(), "application/octet-stream"))

    @found.delete("/videos/{video}", summary="Stop a video")
    async def delete(video: str) -> dict[str, Any]:
        """A running one is stopped. A finished file stays on the disk: it is the person's."""
        job = await _job(desk, video)
        await run_in_threadpool(desk.services.orchestrator.cancel, job.id)
        return {"id": video, "object": "video.deleted", "deleted": True}

    return found


async def _sent(request: Request) -> tuple[dict[str, Any], bytes | None]:
    """Texts of a form or of JSON, and the picture that the video starts from."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            data = await request.json()
        except ValueError as error:
            raise UserError("api-value", field="body", value="this", expected=f"It is not JSON: {error}") from error
        return (data if isinstance(data, dict) else {}), None
    async with request.form(max_files=5, max_fields=100) as form:
        picture = form.get("input_reference")
        data = await picture.read() if isinstance(picture, UploadFile) else None
        return {name: value for name, value in form.items() if isinstance(value, str)}, data


async def _submitted(desk: Desk, sent: dict[str, Any], picture: bytes | None) -> Job:
    resolved = await run_in_threadpool(_resolved, desk, sent, picture)
    return await desk.submit(resolved.request, resolved.record)


def _resolved(desk: Desk, sent: dict[str, Any], picture: bytes | None) -> Any:
    prompt = sent.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UserError("api-value", field="prompt", value=prompt, expected="A video needs words")
    task = Task.IMAGE_TO_VIDEO if picture is not None else Task.TEXT_TO_VIDEO
    record = _model(desk, sent.get("model"), task)
    width, height = size_of(sent.get("size"), family_of(record).limits.side_multiple)
    values: dict[str, Any] = {
        "task": task,
        "prompt": prompt,
        "width": width,
        "height": height,
        "seed": sent.get("seed"),
    }
    values |= _length(sent.get("seconds"), record)
    if picture is not None:
        values["init_image"] = pictures.kept(desk.services.inputs, picture)
    return desk.resolve(values, record.id)


def _model(desk: Desk, name: Any, task: Task) -> ModelRecord:
    """The model that is named, else the first that can do it. Raises `UserError("task-unsupported")` when none can."""
    if isinstance(name, str) and (found := named(desk, name)):
        return desk.services.models.get(found)
    able = [each for each in desk.services.models.all() if task in family_of(each).tasks]
    if not able:
        raise UserError(
            "api-not-here", what="a model for videos", why="None of the models on this computer makes videos"
        )
    return able[0]


def _length(seconds: Any, record: ModelRecord) -> dict[str, Any]:
    """Frames for the seconds, at the rate that the model likes, where requests have frames."""
    usual = {**family_of(record).defaults, **record.defaults}
    if seconds in (None, "") or "frames" not in GenerationRequest.model_fields:
        return {}
    try:
        wanted = float(seconds)
    except (TypeError, ValueError) as error:
        raise UserError("api-value", field="seconds", value=seconds, expected="It is a number") from error
    return {"frames": max(1, round(wanted * float(usual.get("fps", 8))))}


async def _job(desk: Desk, video: str) -> Job:
    job = await desk.job(video.removeprefix(PREFIX)) if len(video) > len(PREFIX) else None
    if job is None or not _is_video(job):
        raise UserError("job-unknown", id=video, found=0)
    return job


def _is_video(job: Job) -> bool:
    return job.request.task in VIDEO_TASKS


def _view(desk: Desk, job: Job) -> dict[str, Any]:
    request = job.request
    error = shaped_error("/v1/", job.state.error)["error"] if isinstance(job.state, Failed | Interrupted) else None
    frames, fps = getattr(request, "frames", None), getattr(request, "fps", None)
    over = isinstance(job.state, Succeeded)
    return {
        "id": PREFIX + job.id,
        "object": "video",
        "created_at": int(job.created),
        "completed_at": int(job.artifacts[-1].path.stat().st_mtime)
        if over and job.artifacts[-1].path.is_file()
        else None,
        "expires_at": None,
        "status": _status(job),
        "progress": 100 if over else _progress(desk, job),
        "model": request.model,
        "prompt": request.prompt,
        "seconds": f"{frames / fps:g}" if frames and fps else "0",
        "size": f"{request.width}x{request.height}",
        "error": error and {"code": error["code"] or "failed", "message": error["message"]},
    }


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
