"""Jobs: news of them, stop, go on, order, pause."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.ui.routes import Desk, body, route, text
from engines.api import UserError

PREVIEW_TYPES = {".jpg": "jpeg", ".webp": "webp"}  # still pictures, and moving ones of videos


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/events", _events, "GET"),
        route(desk, "/previews/{job}", _preview, "GET"),
        route(desk, "/jobs/{job}/stop", _stop),
        route(desk, "/jobs/{job}/resume", _resume),
        route(desk, "/jobs/{job}/move", _move),
        route(desk, "/queue", _queue),
        route(desk, "/stop", _stop_running),
    ]


async def _events(desk: Desk, request: Request) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(desk.feed.stream(), media_type="text/event-stream", headers=headers)


async def _preview(desk: Desk, request: Request) -> Response:
    path = desk.feed.preview(request.path_params["job"])
    if path is None or not path.is_file():
        raise UserError("picture-unknown", id=request.path_params["job"])
    return FileResponse(path, media_type=f"image/{PREVIEW_TYPES[path.suffix]}", headers={"Cache-Control": "no-store"})


async def _stop(desk: Desk, request: Request) -> Response:
    job = request.path_params["job"]
    await run_in_threadpool(desk.services.orchestrator.cancel, job)
    desk.feed.tell("stopping", {"jobs": [job]})
    return JSONResponse({})


async def _stop_running(desk: Desk, request: Request) -> Response:
    """Stop whatever is on the device now. Every page hears of it at once: the engine's step may still take a while."""
    stopped = await run_in_threadpool(desk.services.orchestrator.cancel_running)
    desk.feed.tell("stopping", {"jobs": stopped})
    return JSONResponse({"stopped": stopped})


async def _resume(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(desk.services.orchestrator.resume, request.path_params["job"])
    return JSONResponse({})


async def _move(desk: Desk, request: Request) -> Response:
    before = text(await body(request), "before", "")
    await run_in_threadpool(desk.services.orchestrator.move, request.path_params["job"], before)
    return JSONResponse({})


async def _queue(desk: Desk, request: Request) -> Response:
    paused = (await body(request)).get("paused") is True
    await run_in_threadpool(desk.services.orchestrator.pause, paused)
    return JSONResponse({})
