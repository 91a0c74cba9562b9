"""The page as a whole: its words, the state of this computer, the debug report."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app import machine, system
from app.backend import Mismatch, suits
from app.cards import cards
from app.places import RESERVE, readable
from app.report import Report, build_report, read_jobs
from app.services import Services
from app.storage import Room, clear_cache, rooms
from app.ui.notices import card
from app.ui.routes import Desk, body, route, text
from engines.api import EaselError, ErrorRecord, ResourceError, UserError

log = logging.getLogger(__name__)


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/texts", _texts, "GET"),
        route(desk, "/status", _status, "GET"),
        route(desk, "/report", _report, "GET"),
        route(desk, "/report", _save_report),
        route(desk, "/report/show", _show_report),
        route(desk, "/loaded", _loaded),
        route(desk, "/storage", _storage, "GET"),
        route(desk, "/storage/clear", _clear_storage),
    ]


async def _texts(desk: Desk, request: Request) -> Response:
    return JSONResponse({"language": desk.words.language, "texts": desk.words.all})


async def _status(desk: Desk, request: Request) -> Response:
    """Device with its free memory, and the model that is used when nobody chooses one."""
    return JSONResponse(await run_in_threadpool(_facts, desk))


def _facts(desk: Desk) -> dict[str, Any]:
    memory = machine.memory()
    cards = machine.gpus_or_none()
    if cards:
        card = cards[0]
        device = desk.words("status.gpu", name=card.name, free=readable(card.memory_free * 2**20))
    else:
        device = desk.words("status.cpu", free=readable(memory.available))
    models = desk.services.models.all()
    model = desk.services.models.default().title if models else ""
    return {"device": device, "model": model, "problems": [_problem(desk, each) for each in _problems(desk.services)]}


def _problems(services: Services) -> Iterator[EaselError]:
    """What does not work since the start, and what can be done about it; the page says each of it once."""
    mismatch = _mismatch()
    if mismatch is not None:  # a torch that cannot use the graphics card which is here
        yield ResourceError(mismatch.code, **mismatch.values)
    if services.api.problem is not None:
        yield services.api.problem
    with suppress(OSError):  # a disk that does not even answer is met by whatever writes there
        if (free := machine.free_disk(services.paths.data)) < RESERVE:
            yield ResourceError("no-room-for-data", folder=str(services.paths.data), free=readable(free))


def _problem(desk: Desk, error: EaselError) -> dict[str, Any]:
    return card(ErrorRecord.of(error), (), desk.words)


@cache
def _mismatch() -> Mismatch | None:
    """Looked at once: a driver's program takes a moment, and neither torch nor the card changes while this runs."""
    return suits(machine.package_version("torch"), cards(), sys.platform)


async def _storage(desk: Desk, request: Request) -> Response:
    """How much room Easel's folders take."""
    services = desk.services
    found = await run_in_threadpool(rooms, services.paths, services.outputs.folder)
    return JSONResponse({"rooms": [_room_view(desk, each) for each in found]})


def _room_view(desk: Desk, room: Room) -> dict[str, str]:
    used = readable(room.used)
    return {
        "name": desk.words(f"folder.{room.name}"),
        "path": str(room.path),
        "used": used if room.whole else desk.words("storage.more", used=used),
        "free": desk.words("storage.free", free=readable(room.free)),
    }


async def _clear_storage(desk: Desk, request: Request) -> Response:
    """Thumbnails and exports go; they are made again when somebody looks."""
    freed = await run_in_threadpool(clear_cache, desk.services.paths)
    return JSONResponse({"said": desk.words("storage.cleared", freed=readable(freed))})


async def _loaded(desk: Desk, request: Request) -> Response:
    """The page is up: now there is time to get the engine ready."""
    log.info("page usable")
    await run_in_threadpool(desk.services.orchestrator.warm_up)
    return JSONResponse({})


async def _report(desk: Desk, request: Request) -> Response:
    report = await run_in_threadpool(_build, desk)
    return JSONResponse({"files": [{"name": name, "text": content} for name, content in report.files.items()]})


def _build(desk: Desk) -> Report:
    services = desk.services
    return build_report(services.paths, services.settings, services.models.all(), read_jobs(services.paths))


async def _save_report(desk: Desk, request: Request) -> Response:
    """Save the files that are ticked; answers with the report's name."""
    wanted = (await body(request)).get("files")
    if not isinstance(wanted, list) or not wanted:
        raise UserError("report-empty")
    report = await run_in_threadpool(_build, desk)
    chosen = Report({name: content for name, content in report.files.items() if name in wanted})
    path = reports_folder(desk) / f"easel-report-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    await run_in_threadpool(chosen.save, path)
    return JSONResponse({"name": path.name, "folder": path.parent.name})


async def _show_report(desk: Desk, request: Request) -> Response:
    name = Path(text(await body(request), "name")).name
    await run_in_threadpool(system.show_file, reports_folder(desk) / name)
    return JSONResponse({})


def reports_folder(desk: Desk) -> Path:
    """Where reports are saved: beside the logs, where nothing else is."""
    return desk.services.paths.logs / "reports"
