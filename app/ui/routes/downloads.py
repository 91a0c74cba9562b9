"""Downloads: look an address up, fetch, pause, go on, cancel; and the access token for hubs that want one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.cache_models import Wanted, of_entry
from app.catalogue import catalogue
from app.download import HUB, Plan
from app.places import readable
from app.ui.model_views import download_view
from app.ui.routes import Desk, body, route, text
from engines.api import UserError


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/downloads", _list, "GET"),
        route(desk, "/downloads", _add),
        route(desk, "/downloads/look-up", _look_up),
        route(desk, "/downloads/{id}/{action}", _act),
        route(desk, "/hub", _hub, "GET"),
        route(desk, "/hub", _change_hub),
        route(desk, "/token", _token),
    ]


async def _list(desk: Desk, request: Request) -> Response:
    return JSONResponse({"downloads": await run_in_threadpool(_views, desk)})


def _views(desk: Desk) -> list[dict[str, Any]]:
    return [download_view(news, desk.words, desk.services.models) for news in desk.services.downloads.all()]


async def _look_up(desk: Desk, request: Request) -> Response:
    """What would be fetched: title, files, bytes, licence."""
    plan = await run_in_threadpool(_plan, desk, await body(request))
    size = readable(plan.total) if plan.total is not None else desk.words("download.unknown-size")
    return JSONResponse(
        {
            "title": plan.title,
            "source": plan.source,
            "files": len(plan.pieces),
            "size": size,
            "licence": plan.licence or desk.words("licence.not-stated"),
            "licence_address": plan.licence_address,
            "place": str(desk.services.downloads.root),
        }
    )


async def _add(desk: Desk, request: Request) -> Response:
    """Fetch a model of the catalogue (`entry`) or from an address (`address`)."""
    plan = await run_in_threadpool(_plan, desk, await body(request))
    record = await run_in_threadpool(desk.services.downloads.add, plan)
    found = next(view for view in await run_in_threadpool(_views, desk) if view["id"] == record.id)
    return JSONResponse(found)


def _plan(desk: Desk, data: dict[str, Any]) -> Plan:
    if "entry" in data:
        entry = next((each for each in catalogue().models if each.id == text(data, "entry")), None)
        if entry is None:
            raise UserError("page-message-broken", why="there is no such model in the catalogue")
        wanted = of_entry(entry)
    else:
        wanted = Wanted(text(data, "address"))
    return desk.services.downloads.plan(wanted.address, wanted.variant, wanted.card)


async def _act(desk: Desk, request: Request) -> Response:
    downloads = desk.services.downloads
    actions = {"pause": downloads.pause, "resume": downloads.resume, "cancel": downloads.cancel}
    action = actions.get(request.path_params["action"])
    if action is None:
        raise UserError("page-message-broken", why="a download can be paused, resumed and cancelled")
    await run_in_threadpool(action, request.path_params["id"])
    return JSONResponse({"downloads": await run_in_threadpool(_views, desk)})


async def _hub(desk: Desk, request: Request) -> Response:
    """The hub that is asked for models: the usual one or a mirror."""
    return JSONResponse({"address": desk.services.settings.hub_address})


async def _change_hub(desk: Desk, request: Request) -> Response:
    address = text(await body(request), "address").strip() or HUB
    await run_in_threadpool(lambda: desk.services.change_settings(hub_address=address))
    return JSONResponse({"address": desk.services.settings.hub_address})


async def _token(desk: Desk, request: Request) -> Response:
    """Keep an access token for the hub that is in use; an empty one removes it."""
    host = urlsplit(desk.services.settings.hub_address).netloc
    await run_in_threadpool(desk.services.downloads.tokens.keep, host, text(await body(request), "token"))
    return JSONResponse({"host": host})
