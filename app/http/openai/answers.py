"""What comes back: pictures as base64 or by address, at once or as server-sent events with previews."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.events import Event
from app.http import pictures
from app.http.desk import Desk
from app.http.errors import JobFailed, shaped_error
from app.http.openai.wishes import PictureWish
from app.jobs import Cancelled, Failed, Interrupted, Job
from app.resolve import Resolved
from engines.api import Cancelled as CancelledError


async def answer(desk: Desk, wish: PictureWish, found: Resolved, base: str, kind: str) -> Response:
    """Submit, and answer as the wish asks. `kind` is "image_generation" or "image_edit"."""
    job = await desk.submit(found.request, found.record)
    if wish.stream:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(desk, wish, job, kind), media_type="text/event-stream", headers=headers)
    job = await desk.finished(job)
    _check(job)
    return JSONResponse(await run_in_threadpool(_whole, desk, wish, job, base))


def _whole(desk: Desk, wish: PictureWish, job: Job, base: str) -> dict[str, Any]:
    by_address = wish.response_format == "url"
    data = [
        {"url": desk.file_address(job, index, base)} if by_address else {"b64_json": _encoded(wish, job, index)}
        for index in range(len(job.artifacts))
    ]
    return {"created": int(time.time()), "data": data, **_facts(wish, job), "usage": usage()}


def _check(job: Job) -> None:
    if isinstance(job.state, Failed | Interrupted):
        raise JobFailed(job.state.error)
    if isinstance(job.state, Cancelled) and not job.artifacts:
        raise CancelledError


async def _events(desk: Desk, wish: PictureWish, job: Job, kind: str) -> AsyncIterator[str]:
    """Previews spread over each picture's steps, then each picture whole; an error as an event, then the end."""
    shown: dict[int, int] = {}
    async for event in desk.follow(job):
        try:
            if (preview := await run_in_threadpool(_preview, wish, event, shown)) is not None:
                index = shown[preview[0]] - 1
                yield _event(f"{kind}.partial_image", wish, job, preview[1], {"partial_image_index": index})
            elif event.artifact is not None:
                done = await run_in_threadpool(_encoded, wish, event.job, event.artifact.index)
                yield _event(f"{kind}.completed", wish, event.job, done, {"usage": usage()})
            elif event.job.over and (problem := _problem(event.job)):
                yield f"event: error\ndata: {json.dumps({'type': 'error', **problem})}\n\n"
        except OSError:
            continue  # a preview that was there is replaced by the next


def _preview(wish: PictureWish, event: Event, shown: dict[int, int]) -> tuple[int, str] | None:
    """A preview when it is its turn: the k-th of n once k/(n+1) of the steps are done."""
    progress, wanted = event.progress, wish.partial_images or 0
    if progress is None or progress.preview is None or not progress.total:
        return None
    already = shown.get(progress.image, 0)
    if already >= wanted or progress.step / progress.total < (already + 1) / (wanted + 1):
        return None
    shown[progress.image] = already + 1
    return progress.image, _as(progress.preview.read_bytes(), wish)


def _event(name: str, wish: PictureWish, job: Job, picture: str, more: dict[str, Any]) -> str:
    data = {"type": name, "b64_json": picture, "created_at": int(time.time()), **_facts(wish, job), **more}
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _facts(wish: PictureWish, job: Job) -> dict[str, Any]:
    size = f"{job.request.width}x{job.request.height}"
    quality = wish.quality if wish.quality in ("low", "medium", "high") else "medium"
    return {"size": size, "quality": quality, "background": "opaque", "output_format": wish.output_format or "png"}


def _encoded(wish: PictureWish, job: Job, index: int) -> str:
    return _as(job.artifacts[index].path.read_bytes(), wish)


def _as(data: bytes, wish: PictureWish) -> str:
    """Base64 in the format that was asked for; a file that is of that format already stays as it is."""
    kind = wish.output_format or "png"
    if pictures.opened(data).format != kind.upper():
        data = pictures.converted(data, kind)
    return base64.b64encode(data).decode("ascii")


def _problem(job: Job) -> dict[str, Any] | None:
    match job.state:
        case Failed(error) | Interrupted(error):
            return shaped_error("/v1/", error)
        case Cancelled() if not job.artifacts:
            return shaped_error("/v1/", CancelledError())
        case _:
            return None


def usage() -> dict[str, Any]:
    """Nothing is counted or billed here; the SDKs want the fields."""
    details = {"image_tokens": 0, "text_tokens": 0}
    return {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": details}
