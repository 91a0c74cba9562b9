"""Other programs' pictures in the history: the folders that are listed where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.ui.routes import Desk, body, route, text
from engines.api import UserError


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [route(desk, "/history/folders", _folders, "GET"), route(desk, "/history/folders", _change)]


async def _folders(desk: Desk, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_view, desk))


async def _change(desk: Desk, request: Request) -> Response:
    """List a folder's pictures, or list them no more; the files are never touched. Answers with how many it was."""
    data = await body(request)
    add, remove = text(data, "add", "").strip(), text(data, "remove", "").strip()
    count = await run_in_threadpool(_changed, desk, add, remove)
    return JSONResponse({**await run_in_threadpool(_view, desk), "pictures": count})


def _changed(desk: Desk, add: str, remove: str) -> int:
    services, count = desk.services, 0
    folders = list(services.settings.history_folders)
    if add:
        folder = _folder(add)
        count = services.history.read_folder(folder)  # one that cannot be read is refused before anything is saved
        folders += [] if folder in folders else [folder]
    if remove:
        count = services.history.leave_folder(Path(remove))
        folders = [each for each in folders if str(each) != remove]
    if folders != list(services.settings.history_folders):
        services.change_settings(history_folders=folders)
    return count


def _folder(name: str) -> Path:
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError as error:  # "~name" of nobody
        raise UserError("history-folder-missing", folder=name) from error


def _view(desk: Desk) -> dict[str, Any]:
    folders = desk.services.settings.history_folders
    return {"folders": [{"path": str(each), "there": each.is_dir()} for each in folders]}
