"""Presets: cards for the form and the Presets tab, saving the present settings, copies, files in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.drafts import Draft, DraftResolver
from app.presets import Preset
from app.presets.store import PresetStore
from app.resolve import resolve
from app.ui.routes import Desk, body, route, text
from app.ui.words import Words
from engines.api import GUIDE_FIELDS, GenerationRequest, UserError

LARGEST = 100_000  # bytes of a preset file; ours have 300
NOT_SAVED = frozenset({"task", "seed", "init_image", "mask", "prompt", "negative_prompt", "model", *GUIDE_FIELDS})


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/presets", _list, "GET"),
        route(desk, "/presets", _save),
        route(desk, "/presets/import", _import),
        route(desk, "/presets/{task}/{name}/thumbnail", _thumbnail, "GET"),
        route(desk, "/presets/{task}/{name}/explain", _explain, "GET"),
        route(desk, "/presets/{task}/{name}/export", _export, "GET"),
        route(desk, "/presets/{task}/{name}/duplicate", _duplicate),
        route(desk, "/presets/{task}/{name}/trash", _trash),
    ]


async def _list(desk: Desk, request: Request) -> Response:
    store = desk.services.presets
    found, problems = await run_in_threadpool(lambda: (store.all(), store.problems()))
    broken = [{"name": each.path.name, "title": each.error.title, "cause": each.error.cause} for each in problems]
    return JSONResponse({"presets": [preset_view(each, store, desk.words) for each in found], "broken": broken})


def preset_view(preset: Preset, store: PresetStore, words: Words) -> dict[str, Any]:
    """A preset as a card: what it changes, in words."""
    changes = [f"{words.get(f'field.{name}', name)}: {value}" for name, value in preset.values.items()]
    return {
        "id": preset.id,
        "title": preset.title,
        "description": preset.description,
        "task": str(preset.task),
        "bundled": preset.bundled,
        "changes": changes,
        "thumbnail": f"/easel/presets/{preset.id}/thumbnail" if store.thumbnail(preset.id) else None,
    }


async def _thumbnail(desk: Desk, request: Request) -> Response:
    path = desk.services.presets.thumbnail(_id(request))
    if path is None:
        raise UserError("picture-unknown", id=_id(request))
    return FileResponse(path, media_type="image/webp", headers={"Cache-Control": "private, no-cache"})


async def _save(desk: Desk, request: Request) -> Response:
    """Save the present settings of a tab under a title, with a picture of the history as its thumbnail."""
    data = await body(request)
    preset = await run_in_threadpool(_saved, desk, data)
    return JSONResponse(preset_view(preset, desk.services.presets, desk.words))


def _saved(desk: Desk, data: dict[str, Any]) -> Preset:
    draft = desk.services.drafts.get(text(data, "tab"))
    store = desk.services.presets
    with_words = data.get("words") is True
    preset = store.new(text(data, "title"), draft.task, _values(desk, draft, with_words), text(data, "description", ""))
    store.save(preset)
    if picture := text(data, "picture", ""):
        thumbnail = desk.services.thumbnails.of(desk.services.history.get(picture).path)
        store.save_thumbnail(preset.id, thumbnail.read_bytes())
    return preset


def _values(desk: Desk, draft: Draft, with_words: bool) -> dict[str, Any]:
    """What differs from what the model does by itself, so that the preset stays useful with another model."""
    services = desk.services
    wanted = DraftResolver(services.models, services.presets, services.inputs).resolve(draft)
    usual = resolve(models=services.models, model=wanted.record.id, values={"task": draft.task, "seed": 0}).request
    skipped = NOT_SAVED - {"prompt", "negative_prompt"} if with_words else NOT_SAVED
    names = [name for name in GenerationRequest.model_fields if name not in skipped]
    return {name: value for name in names if (value := getattr(wanted.request, name)) != getattr(usual, name)}


async def _explain(desk: Desk, request: Request) -> Response:
    """Each setting with its value and where it comes from, for the model that is used when nobody names one."""
    preset = desk.services.presets.get(_id(request))
    resolved = await run_in_threadpool(lambda: resolve(models=desk.services.models, preset=preset, values={"seed": 0}))
    rows = [
        {
            "field": desk.words.get(f"field.{name}", name),
            "value": value,
            "origin": desk.words(f"origin.{origin.layer}"),
            "detail": origin.detail,
        }
        for name, value, origin in resolved.rows()
        if name not in ("seed", "init_image", "mask", "prompt", "negative_prompt")
    ]
    return JSONResponse({"title": preset.title, "model": resolved.record.title, "rows": rows})


async def _export(desk: Desk, request: Request) -> Response:
    path = desk.services.presets.path_of(_id(request))
    return FileResponse(path, media_type="application/yaml", filename=f"{path.stem}.easel")


async def _duplicate(desk: Desk, request: Request) -> Response:
    store = desk.services.presets
    preset = await run_in_threadpool(store.duplicate, _id(request), desk.words("presets.copy"))
    return JSONResponse(preset_view(preset, store, desk.words))


async def _trash(desk: Desk, request: Request) -> Response:
    await run_in_threadpool(desk.services.presets.trash, _id(request))
    return JSONResponse({})


async def _import(desk: Desk, request: Request) -> Response:
    """Take a preset file in, after the same checks as for any other."""
    name = Path(request.query_params.get("name", "preset.yaml")).name
    data = await request.body()
    if len(data) > LARGEST:
        raise UserError("preset-broken", name=name, why=f"it has {len(data)} bytes; a preset has {LARGEST} at most")
    preset = await run_in_threadpool(desk.services.presets.take_in, name, data)
    return JSONResponse(preset_view(preset, desk.services.presets, desk.words))


def _id(request: Request) -> str:
    return f"{request.path_params['task']}/{request.path_params['name']}"
