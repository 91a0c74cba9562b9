"""Models: what is here, what can be fetched, the folders, the first steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app import machine, system
from app.bootstrap import model_roots
from app.catalogue import catalogue
from app.dialogs import Pick
from app.exchange import import_models
from app.fitting import facts, first_choices, offered
from app.library import find_programs, recognise
from app.library.parts import choose_part
from app.places import check_writable, readable
from app.ui.model_views import computer_view, entry_view, file_view, model_view, part_view
from app.ui.routes import Desk, body, route, text
from engines.api import Kind, UserError

MOST_FILES = 500  # lines of other files that a page is sent


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/models", _list, "GET"),
        route(desk, "/models/computer", _computer, "GET"),
        route(desk, "/models/catalogue", _catalogue, "GET"),
        route(desk, "/models/folders", _folders, "GET"),
        route(desk, "/models/folders", _change_folders),
        route(desk, "/models/rescan", _rescan),
        route(desk, "/models/import", _import),
        route(desk, "/models/show", _show),
        route(desk, "/models/precision", _precision),
        route(desk, "/models/pick", _can_pick, "GET"),
        route(desk, "/models/pick", _pick),
        route(desk, "/models/parts", _parts),
        route(desk, "/models/default", _default),
        route(desk, "/wizard", _wizard, "GET"),
        route(desk, "/wizard", _wizard_done),
    ]


async def _list(desk: Desk, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_models, desk))


def _models(desk: Desk) -> dict[str, Any]:
    store = desk.services.models
    problems = [
        {"name": each.path.name, "place": str(each.path), "title": each.error.title, "cause": each.error.cause}
        for each in store.problems
    ]
    here, known = facts(desk.services.downloads.root), {record.path for record in store.all()}
    broken = {each.path for each in store.problems}
    others = [file for file in store.files() if file.path not in known | broken and file.kind is not Kind.OTHER]
    return {
        "models": [model_view(each, here, store, desk.words) for each in store.all()],
        "files": [file_view(file, desk.words) for file in others[:MOST_FILES]],
        "problems": problems,
    }


async def _rescan(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(desk.services.models.rescan)
    return JSONResponse(await run_in_threadpool(_models, desk))


async def _computer(desk: Desk, request: Request) -> Response:
    here = await run_in_threadpool(facts, desk.services.downloads.root)
    return JSONResponse(computer_view(here, desk.words))


async def _catalogue(desk: Desk, request: Request) -> Response:
    """All entries, the cards of the first start, and whether there is any way to the net (seen without using it)."""
    return JSONResponse(await run_in_threadpool(_entries, desk))


def _entries(desk: Desk) -> dict[str, Any]:
    here, known = facts(desk.services.downloads.root), {entry.id for entry in offered()}
    views = [entry_view(each, here, desk.words, each.id in known) for each in catalogue().models]
    first = {kind: entry.id for kind, entry in first_choices(here).items()}
    return {"entries": views, "first": first, "online": _online(desk.services.settings.hub_address)}


def _online(hub: str) -> bool:
    """Whether this computer is connected to anything but itself. Nothing is sent to find out."""
    import psutil

    if urlsplit(hub).hostname in ("127.0.0.1", "localhost"):
        return True
    addresses = psutil.net_if_addrs()
    return any(
        state.isup
        and any(not each.address.startswith(("127.", "::1", "fe80")) and _is_ip(each) for each in addresses[name])
        for name, state in psutil.net_if_stats().items()
        if name in addresses
    )


def _is_ip(address: Any) -> bool:
    return address.family.name in ("AF_INET", "AF_INET6")


async def _folders(desk: Desk, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_folder_facts, desk))


def _folder_facts(desk: Desk) -> dict[str, Any]:
    """Where models are looked for, where new ones go, and what other programs have."""
    services = desk.services
    mine = set(services.settings.model_folders)
    roots = [
        {
            "path": str(root),
            "removable": root in mine,
            "there": root.is_dir(),
            "program": recognise(root).program if root in mine else "",
        }
        for root in model_roots(services.paths, services.settings)
    ]
    target = services.downloads.root
    elsewhere = [each for each in _programs() if Path(each["path"]) not in mine]
    new = {"path": str(target), "free": readable(machine.free_disk(target))}
    return {"folders": roots, "new": new, "elsewhere": elsewhere}


def _programs() -> list[dict[str, str]]:
    """Folders of other programs in their usual places."""
    return [{"path": str(each.path), "program": each.program} for each in find_programs()]


async def _change_folders(desk: Desk, request: Request) -> Response:
    """Use more folders, leave one, or choose where new models go."""
    data = await body(request)
    await run_in_threadpool(_changed, desk, data)
    return JSONResponse(await run_in_threadpool(_folder_facts, desk))


def _changed(desk: Desk, data: dict[str, Any]) -> None:
    services = desk.services
    folders = list(services.settings.model_folders)
    changes: dict[str, Any] = {}
    for name in data.get("add", []):
        folder = _folder(str(name))
        folders += [] if folder in folders else [folder]
    if "remove" in data:
        folders = [folder for folder in folders if str(folder) != text(data, "remove")]
    if folders != services.settings.model_folders:
        changes["model_folders"] = folders
    if "new" in data:
        target = text(data, "new").strip()
        if target:
            check_writable(Path(target).expanduser().absolute())
        changes["download_folder"] = Path(target).expanduser().absolute() if target else None
    if changes:
        before = set(model_roots(services.paths, services.settings))
        fixed = [
            root.path for root in services.models.roots if root.path not in before
        ]  # the starter, and this start's own
        settings = services.change_settings(**changes)
        services.models.set_roots((*fixed, *model_roots(services.paths, settings)))


def _folder(name: str) -> Path:
    folder = Path(name.strip()).expanduser()
    if not name.strip() or not folder.is_absolute() or not folder.is_dir():
        raise UserError("model-folder-missing", folder=name[:300])
    return folder


async def _import(desk: Desk, request: Request) -> Response:
    """Take models in from a folder or file on this computer, a stick for instance."""
    place = Path(text(await body(request), "path").strip().strip('"')).expanduser()
    places = await run_in_threadpool(import_models, place.absolute(), desk.services.downloads.root)
    await run_in_threadpool(desk.services.models.rescan)
    found = [record for record in desk.services.models.all() if record.path in places]
    here, store = facts(desk.services.downloads.root), desk.services.models
    views = [model_view(record, here, store, desk.words) for record in found]
    return JSONResponse({"models": views, "count": len(places)})


async def _default(desk: Desk, request: Request) -> Response:
    """The model that is used when nobody chooses one."""
    record = await run_in_threadpool(desk.services.models.get, text(await body(request), "id"))
    await run_in_threadpool(lambda: desk.services.change_settings(model=record.id))
    desk.services.models.preferred = record.id
    return JSONResponse(await run_in_threadpool(_models, desk))


async def _parts(desk: Desk, request: Request) -> Response:
    """The parts that a model takes from elsewhere; with `part` and `place`, another file for one of them."""
    data = await body(request)
    return JSONResponse({"parts": await run_in_threadpool(_parts_of, desk, data)})


def _parts_of(desk: Desk, data: dict[str, Any]) -> list[dict[str, Any]]:
    services = desk.services
    record = services.models.get(text(data, "id"))
    if "part" in data:
        before = services.models.chosen_parts(record.path)
        choices = services.models.parts(record.path)
        after = choose_part(choices, record.title, before, text(data, "part"), text(data, "place"))
        services.change_settings(model_parts={**services.settings.model_parts, str(record.path): after})
        services.models.rescan()
    return [part_view(each, desk.words) for each in services.models.parts(record.path)]


async def _precision(desk: Desk, request: Request) -> Response:
    """Hold the model's largest part in 8 bits, or not."""
    data = await body(request)
    return JSONResponse(await run_in_threadpool(_held, desk, text(data, "id"), data.get("eight_bits") is True))


def _held(desk: Desk, name: str, eight_bits: bool) -> dict[str, Any]:
    services = desk.services
    place = str(services.models.get(name).path)
    others = [each for each in services.settings.eight_bits if each != place]
    services.change_settings(eight_bits=[*others, place] if eight_bits else others)
    services.models.rescan()
    return _models(desk)


async def _can_pick(desk: Desk, request: Request) -> Response:
    """Whether there is a window whose dialogs can be asked for a file or a folder."""
    return JSONResponse({"available": desk.services.dialogs.available})


async def _pick(desk: Desk, request: Request) -> Response:
    """Let the person choose a model file or a folder in the window's own dialog; empty when they thought better of it."""
    what = text(await body(request), "what")
    if what not in set(Pick):
        raise UserError("page-message-broken", why=f"{what[:40]!r} is nothing that can be chosen")
    return JSONResponse({"path": await run_in_threadpool(desk.services.dialogs.ask, Pick(what))})


async def _show(desk: Desk, request: Request) -> Response:
    """Show a model in its folder."""
    record = await run_in_threadpool(desk.services.models.get, text(await body(request), "id"))
    await run_in_threadpool(system.show_file, record.path)
    return JSONResponse({})


async def _wizard(desk: Desk, request: Request) -> Response:
    return JSONResponse({"open": not desk.services.settings.wizard_done})


async def _wizard_done(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(lambda: desk.services.change_settings(wizard_done=True))
    return JSONResponse({})
