"""Prompts counted in tokens, and grids asked for from the page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.drafts import DraftResolver, usable
from app.embeddings import known_embeddings
from app.logs import keep_out
from app.many.axes import NOT_AXES, REPLACE, parse_axis
from app.many.grid import GridRun, plan_grid
from app.resolve import Resolved, resolve
from app.ui.routes import Desk, body, route, text
from engines.api import GenerationRequest, UserError, count_tokens, used_embeddings

log = logging.getLogger(__name__)

LONGEST = 20_000  # characters that are counted; nobody types so many


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/tokens", _tokens),
        route(desk, "/grid", _fields, "GET"),
        route(desk, "/grid", _grid),
    ]


async def _tokens(desk: Desk, request: Request) -> Response:
    """How many tokens the words have for the tab's model, `room` of how many; nothing when that cannot be known."""
    data = await body(request)
    return JSONResponse(await run_in_threadpool(_counted, desk, text(data, "tab"), text(data, "text")[:LONGEST]))


def _counted(desk: Desk, tab: str, words: str) -> dict[str, Any]:
    record, models = _resolved(desk, tab).record, desk.services.models
    known = used_embeddings(words, known_embeddings(record, models))
    count = count_tokens(record, words, known)
    return {} if count is None else {"tokens": count.tokens, "room": count.room, "cut": count.cut}


async def _fields(desk: Desk, _request: Request) -> Response:
    """What an axis can change, with the words of the page for it."""
    names = [name for name in GenerationRequest.model_fields if name not in NOT_AXES]
    fields = [{"name": name, "label": desk.words.get(f"field.{name}", name)} for name in names]
    return JSONResponse({"fields": [*fields, {"name": REPLACE, "label": desk.words("grid.replace")}]})


async def _grid(desk: Desk, request: Request) -> Response:
    """Queue a grid of the tab's wish; the page hears of it again when its sheet is drawn."""
    data = await body(request)
    axes = data.get("axes")
    if not isinstance(axes, list) or not axes or not all(isinstance(each, str) for each in axes):
        raise UserError("grid-needs-axis")
    given = {"prompt": "prompt", "negative_prompt": "negative"}
    words = {name: text(data, key) for name, key in given.items() if key in data}
    run = await run_in_threadpool(_started, desk, text(data, "tab"), words, axes)
    threading.Thread(target=_finish, args=(desk, run), name="grid", daemon=True).start()
    return JSONResponse({"jobs": list(run.job_ids)})


def _started(desk: Desk, tab: str, words: dict[str, str], axes: list[str]) -> GridRun:
    services, request = desk.services, _resolved(desk, tab).request.with_(**words)
    if not request.prompt.strip():
        raise UserError("prompt-empty")
    wishes = request.model_dump(mode="json", exclude_none=True, exclude={"texts", "count"})

    def resolved(changed: Mapping[str, Any]) -> Resolved:
        return resolve(models=services.models, values=dict(changed))

    plan = plan_grid([parse_axis(axis) for axis in axes[:3]], wishes, resolved)
    keep_out(*{cell.resolved.request.prompt for cell in plan.cells})
    return GridRun(services, plan)


def _finish(desk: Desk, run: GridRun) -> None:
    try:
        sheets = run.finish()
    except Exception:  # the pictures are there and said; only what lays them side by side is missing
        log.exception("the sheet of a grid could not be drawn")
        return
    desk.feed.tell("grid", {"sheets": len(sheets), "folder": run.folder.name})


def _resolved(desk: Desk, tab: str) -> Resolved:
    services = desk.services
    draft = usable(services.drafts.get(tab), services.models, services.presets)
    usual = services.settings.usual_values
    return DraftResolver(services.models, services.presets, services.inputs, usual).resolve(draft)
