"""Pictures and thumbnails by id, the history that they come from, and what can be done with one."""

from __future__ import annotations

import mimetypes
import time
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app import system
from app.enlarging import enlarging
from app.history import Picture, Query
from app.history_export import export
from app.receipts import differences
from app.ui.routes import INLINE, Desk, body, route, text
from app.ui.views import day_title
from engines.api import UserError, VideoFormat, read_metadata

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/pictures/{id}", _picture, "GET"),
        route(desk, "/thumbnails/{id}", _thumbnail, "GET"),
        route(desk, "/pictures/{id}/show", _show_in_folder),
        route(desk, "/pictures/{id}/as/{format}", _save_as, "GET"),
        route(desk, "/pictures/{id}/favourite", _favourite),
        route(desk, "/pictures/{id}/trash", _trash),
        route(desk, "/pictures/{id}/upscale", _upscale),
        route(desk, "/history", _history, "GET"),
        route(desk, "/history/filters", _filters, "GET"),
        route(desk, "/history/rebuild", _rebuild),
        route(desk, "/history/why", _why, "GET"),
        route(desk, "/history/export", _export),
        route(desk, "/history/exports/{name}", _exported, "GET"),
        route(desk, "/boards", _boards),
        route(desk, "/outputs/show", _show_outputs),
    ]


async def _picture(desk: Desk, request: Request) -> Response:
    picture = _existing(desk, request)
    media = mimetypes.guess_type(picture.path.name, strict=False)[0] or "application/octet-stream"
    inline = media in INLINE and "download" not in request.query_params
    return FileResponse(
        picture.path,
        media_type=media,
        filename=picture.path.name,
        content_disposition_type="inline" if inline else "attachment",
        headers={"Cache-Control": "private, no-cache"},
    )


async def _thumbnail(desk: Desk, request: Request) -> Response:
    picture = _existing(desk, request)
    path = await run_in_threadpool(desk.services.thumbnails.of, picture.path)
    return FileResponse(path, media_type="image/webp", headers={"Cache-Control": "private, no-cache"})


async def _show_in_folder(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(system.show_file, _existing(desk, request).path)
    return JSONResponse({})


async def _save_as(desk: Desk, request: Request) -> Response:
    """The video as another kind of file, made now and kept in the cache."""
    video = _existing(desk, request)
    wanted = request.path_params["format"]
    if wanted not in list(VideoFormat):
        raise UserError("picture-unknown", id=wanted)
    kind = VideoFormat(wanted)
    path = await run_in_threadpool(desk.services.thumbnails.as_video, video.path, kind)
    return FileResponse(path, media_type=kind.media_type, filename=f"{video.path.stem}{kind.suffix}")


async def _show_outputs(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(system.open_folder, desk.services.outputs.folder)
    return JSONResponse({})


async def _favourite(desk: Desk, request: Request) -> Response:
    wanted = (await body(request)).get("favourite") is True
    picture = await run_in_threadpool(desk.services.history.set_favourite, request.path_params["id"], wanted)
    return JSONResponse(picture_view(picture))


async def _trash(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(desk.services.history.trash, request.path_params["id"])
    desk.feed.tell("trashed", {"picture": request.path_params["id"]})
    return JSONResponse({})


async def _upscale(desk: Desk, request: Request) -> Response:
    """Twice as wide and high: as it is, or drawn anew with new detail. The job's id comes back."""
    picture, redrawn = _existing(desk, request), (await body(request)).get("redrawn") is True
    return JSONResponse({"job": await run_in_threadpool(_submit_larger, desk, picture, redrawn)})


def _submit_larger(desk: Desk, picture: Picture, redrawn: bool) -> str:
    resolved = enlarging(desk.services.models, picture.path, 2.0, tiled=redrawn)
    return desk.services.orchestrator.submit(resolved.request, resolved.record).id


async def _history(desk: Desk, request: Request) -> Response:
    asked = request.query_params
    query = Query(
        text=asked.get("text", ""),
        task=asked.get("task", ""),
        model=asked.get("model", ""),
        favourites=asked.get("favourites") == "true",
        day=asked.get("day", ""),
        before=_number(asked.get("before")),
        seed=_whole(asked.get("seed")),
        lora=asked.get("lora", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        board=asked.get("board", ""),
    )
    found = await run_in_threadpool(desk.services.history.search, query)
    return JSONResponse({"pictures": [picture_view(picture) for picture in found], "more": len(found) == query.limit})


async def _filters(desk: Desk, request: Request) -> Response:
    history = desk.services.history
    days = [{"day": day, "title": day_title(day, desk.words), "count": count} for day, count in history.days()]
    lists = {"models": history.models(), "loras": history.loras(), "boards": tuple(history.boards.all())}
    return JSONResponse({"days": days, **{name: list(values) for name, values in lists.items()}})


async def _why(desk: Desk, request: Request) -> Response:
    """What two pictures are made of that is not the same, in sentences."""
    history, asked = desk.services.history, request.query_params
    paths = [history.get(asked.get(name, "")).path for name in ("first", "second")]
    found = await run_in_threadpool(lambda: differences(*(read_metadata(path) for path in paths)))
    return JSONResponse({"sentences": [each.sentence() for each in found]})


async def _boards(desk: Desk, request: Request) -> Response:
    """Put pictures on a board, or take them off it; a board that nothing is on any more is forgotten."""
    data, history = await body(request), desk.services.history
    name, pictures = text(data, "board"), [str(each) for each in data.get("pictures", ())]
    change = history.take_off_board if data.get("remove") is True else history.put_on_board
    await run_in_threadpool(change, name, pictures)
    if not history.boards.all().get(name, 1):
        await run_in_threadpool(history.boards.delete, name)
    return JSONResponse({"boards": list(history.boards.all())})


async def _export(desk: Desk, request: Request) -> Response:
    """Put pictures into one zip with a page; answers with the address where it can be fetched."""
    data, history = await body(request), desk.services.history
    wanted = data.get("pictures")
    pictures = [history.get(str(each)) for each in wanted] if isinstance(wanted, list) else []
    name = f"easel-pictures-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    await run_in_threadpool(export, pictures, _exports(desk) / name)
    return JSONResponse({"url": f"/easel/history/exports/{name}", "name": name})


async def _exported(desk: Desk, request: Request) -> Response:
    path = _exports(desk) / Path(request.path_params["name"]).name
    if path.suffix != ".zip" or not path.is_file():
        raise UserError("picture-unknown", id=path.name)
    return FileResponse(path, media_type="application/zip", filename=path.name)


def _exports(desk: Desk) -> Path:
    """Where exports wait to be fetched; the system or the person may empty it."""
    return desk.services.paths.cache / "exports"


async def _rebuild(desk: Desk, request: Request) -> Response:
    return JSONResponse({"found": await run_in_threadpool(desk.services.history.rebuild)})


def picture_view(picture: Picture) -> dict[str, Any]:
    """A picture of the history as the page reads it; no path leaves the server."""
    return {
        "picture": picture.id,
        "url": f"/easel/pictures/{picture.id}",
        "thumbnail": f"/easel/thumbnails/{picture.id}",
        "name": picture.path.name,
        "media": picture.media_type,
        "created": picture.created,
        "task": picture.task,
        "model": picture.model,
        "prompt": picture.prompt,
        "negative": picture.negative_prompt,
        "seed": picture.seed,
        "width": picture.width,
        "height": picture.height,
        "favourite": picture.favourite,
        "replay": picture.request is not None,
    }


def _existing(desk: Desk, request: Request) -> Picture:
    picture = desk.services.history.get(request.path_params["id"])
    if not picture.path.is_file():
        raise UserError("picture-gone", path=str(picture.path))
    return picture


def _whole(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) <= 10 else None


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None
