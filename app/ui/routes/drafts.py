"""Changes to a form that come from elsewhere on the page: a picture of the history, a preset, a dropped file, a fix."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.drafts import Draft
from app.foreign import summary, with_settings
from app.ui.pass_controls import with_option
from app.ui.routes import INLINE, Desk, body, route, text
from app.ui.views import tab_of
from app.wishes import Shape
from engines.api import (
    VIDEO_SUFFIXES,
    FileMetadata,
    Task,
    UserError,
    families,
    family_of,
    is_video,
    open_image,
    picture_size,
    read_metadata,
    video_facts,
)

VIDEOS = tuple(sorted(VIDEO_SUFFIXES))
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
DRAFT_FIELDS = ("model", "preset", "prompt", "negative_prompt", "count", "seed")


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    return [
        route(desk, "/drafts/{tab}", _change),
        route(desk, "/drop", _drop),
        route(desk, "/inputs/{digest}", _input, "GET"),
    ]


@dataclass(frozen=True)
class _Given:
    """A picture that a draft is to take something from: its file, and what it says of itself."""

    path: Path
    metadata: FileMetadata


async def _change(desk: Desk, request: Request) -> Response:
    """Apply one action to the draft of a tab; answers with the tab where the draft now is."""
    data = await body(request)
    return JSONResponse({"tab": await run_in_threadpool(_change_draft, desk, request.path_params["tab"], data)})


def _change_draft(desk: Desk, tab: str, data: dict[str, Any]) -> str:
    with desk.services.drafts.changing:
        tab, draft = _changed(desk, tab, data)
        desk.services.drafts.put(tab, draft)
    return tab


def _changed(desk: Desk, tab: str, data: dict[str, Any]) -> tuple[str, Draft]:
    if tab not in ("image", "video"):
        raise UserError("page-message-broken", why=f"there is no tab {tab}")
    draft = desk.services.drafts.get(tab)
    match text(data, "action"):
        case "set":
            return tab, _set(desk, draft, data.get("values"))
        case "preset":
            return tab, _with_preset(desk, draft, text(data, "id"))
        case "new":
            return tab, draft.emptied()
        case "use":
            return _use(desk, tab, draft, data)
        case action:
            raise UserError("page-message-broken", why=f"there is no action {action}")


def _set(desk: Desk, draft: Draft, values: object) -> Draft:
    """A fix: fields of the draft or of the request; None gives a field back to preset and model."""
    if not isinstance(values, dict):
        raise UserError("page-message-broken", why="values is missing or is not an object")
    for name, value in values.items():
        own = name in DRAFT_FIELDS
        draft = draft.with_(**{name: "" if value is None else value}) if own else draft.with_value(name, value)
    if {"width", "height"} & set(values):
        return draft.with_(shape=Shape.OWN)
    record = next((each for each in desk.services.models.all() if each.id == values.get("model")), None)
    return draft if record is None else draft.with_shape_of(family_of(record))


def _with_preset(desk: Desk, draft: Draft, name: str) -> Draft:
    """The preset's values take over; what was set by hand before gives way, the words and the pictures stay."""
    if not name:
        return draft.with_(preset="")
    preset = desk.services.presets.get(name)
    changed = draft.with_task(preset.task) if preset.task is not draft.task else draft
    own_size = {"width", "height"} & set(preset.values)
    shape = Shape.OWN if own_size else Shape.SQUARE if draft.shape is Shape.OWN else changed.shape
    count = preset.values.get("count", draft.count)
    prompts = {key: preset.values[key] for key in ("prompt", "negative_prompt") if preset.values.get(key)}
    return changed.with_(preset=preset.id, values={}, model="", shape=shape, count=count, **prompts)


def _use(desk: Desk, tab: str, draft: Draft, data: dict[str, Any]) -> tuple[str, Draft]:
    """Take something from a picture: "settings" (all), "prompt", "seed", "vary", "input", "inpaint", "video", "both"."""
    given, what = _given(desk, data), text(data, "what")
    match what:
        case "prompt" | "seed" | "vary" | "settings":
            return _with_words(desk, draft, given.metadata, what)
        case "input" if tab == "video":
            return _with_start(desk, given.path)
        case "input":
            return tab, _with_input(desk, draft, given.path, None)
        case "inpaint":
            return "image", _with_input(desk, desk.services.drafts.get("image"), given.path, Task.INPAINT)
        case "outpaint":
            return "image", _with_margins(desk, given.path)
        case "last-frame":
            _check_can(desk, Task.IMAGE_TO_IMAGE)
            last = desk.services.thumbnails.last_frame(given.path)
            return "image", _with_input(desk, desk.services.drafts.get("image"), last, Task.IMAGE_TO_IMAGE)
        case "extend":
            return "video", _with_film(desk, given.path, Task.EXTEND_VIDEO)
        case "film":
            return "video", _with_film(desk, given.path, Task.VIDEO_TO_VIDEO)
        case "video":
            return _with_start(desk, given.path)
        case "both":
            tab, changed = _with_words(desk, draft, given.metadata, "settings")
            return tab, _with_input(desk, changed.with_value("strength", None), given.path, None)
        case _:
            raise UserError("page-message-broken", why=f"nothing called {what} can be used")


def _with_start(desk: Desk, path: Path) -> tuple[str, Draft]:
    """The picture becomes a video's first. Raises `UserError("model-none-for-task")` when no model here takes one."""
    _check_can(desk, Task.IMAGE_TO_VIDEO)
    return "video", _with_input(desk, desk.services.drafts.get("video"), path, Task.IMAGE_TO_VIDEO)


def _with_margins(desk: Desk, path: Path) -> Draft:
    """The picture to be repainted, with some room around it that is to be drawn."""
    draft = _with_input(desk, desk.services.drafts.get("image"), path, Task.INPAINT)
    return with_option(draft.with_value("strength", None), "outpaint", True)


def _with_words(desk: Desk, draft: Draft, found: FileMetadata, what: str) -> tuple[str, Draft]:
    if found.request is None and not found.settings:
        raise UserError("no-settings-in-file", path="the picture", kind=found.kind)
    tab = tab_of(found.request.task) if found.request is not None else "image"
    target = desk.services.drafts.get(tab) if found.request is not None and tab != tab_of(draft.task) else draft
    all_of_it = with_settings(target, found)
    match what:
        case "prompt":
            return tab, target.with_(prompt=all_of_it.prompt, negative_prompt=all_of_it.negative_prompt)
        case "seed":
            return tab, target.with_(seed=all_of_it.seed, keep_seed=True)
        case "vary":
            return tab, all_of_it.with_(keep_seed=False)
        case _:
            return tab, all_of_it


def _with_input(desk: Desk, draft: Draft, path: Path, task: Task | None) -> Draft:
    """The picture becomes what is started from, in the present task where that starts from one."""
    reference = desk.services.inputs.keep(str(path), "init_image")
    wanted = task or (draft.task if draft.task.needs_image else Task.IMAGE_TO_IMAGE)
    return draft.with_task(wanted).with_(init_image=reference, mask="", painting="")


def _with_film(desk: Desk, path: Path, task: Task) -> Draft:
    """The video becomes what is made longer, or drawn anew; its length and speed are the usual ones again."""
    _check_can(desk, task)
    reference = desk.services.inputs.keep(str(path), "init_video")
    draft = desk.services.drafts.get("video").with_task(task)
    values = {name: value for name, value in draft.values.items() if name not in ("frames", "fps", "width", "height")}
    model = draft.model if _can(desk, draft.model, task) else ""
    return draft.with_(init_video=reference, values=values, model=model)


def _check_can(desk: Desk, task: Task) -> None:
    """Raises `UserError("model-none-for-task")` when no model here does what the button says."""
    if not desk.services.models.able(task):
        able = [each.title for each in families() if task in each.tasks]
        raise UserError("model-none-for-task", task=str(task), families=able)


def _can(desk: Desk, model: str, task: Task) -> bool:
    return any(record.id == model and task in family_of(record).tasks for record in desk.services.models.all())


def _given(desk: Desk, data: dict[str, Any]) -> _Given:
    """The picture that a message names: one of the history by its id, or a dropped one by its reference."""
    if "picture" in data:
        picture = desk.services.history.get(text(data, "picture"))
        if picture.request is not None:
            return _Given(picture.path, FileMetadata("easel", picture.request))
        return _Given(picture.path, read_metadata(picture.path))
    path = desk.services.inputs.path_of(text(data, "reference"))
    return _Given(path, read_metadata(path))


async def _input(desk: Desk, request: Request) -> Response:
    """A film that is in a form, to be played there; or the picture that something was made from, to compare with."""
    path = desk.services.inputs.path_of(f"sha256:{request.path_params['digest']}")
    media = mimetypes.guess_type(path.name, strict=False)[0] or ("video/webm" if is_video(path) else "")
    if media not in INLINE:
        raise UserError("input-forgotten", ref=path.name, folder=path.parent.name)
    return FileResponse(path, media_type=media, headers={"Cache-Control": "private, no-cache"})


async def _drop(desk: Desk, request: Request) -> Response:
    """Keep a dropped or pasted picture, and say what it is: the page asks the person what to do with it."""
    name = request.query_params.get("name", "")
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES + VIDEOS:
        raise UserError("drop-not-a-picture", name=Path(name).name or "?", kinds=", ".join(SUFFIXES + VIDEOS))
    return JSONResponse(await run_in_threadpool(_taken_in, desk, await request.body(), suffix))


def _taken_in(desk: Desk, data: bytes, suffix: str) -> dict[str, Any]:
    reference = desk.services.inputs.keep_bytes(data, suffix)
    path = desk.services.inputs.path_of(reference)
    try:
        width, height = _looked_at(path)
    except UserError:
        path.unlink(missing_ok=True)
        raise
    found = read_metadata(path)
    return {
        "reference": reference,
        "kind": found.kind,
        "settings": summary(found),
        "usable": found.request is not None or "Steps" in found.settings,
        "width": width,
        "height": height,
        "video": is_video(path),
    }


def _looked_at(path: Path) -> tuple[int, int]:
    """Width and height of a picture that opens, or of a video that does. Raises `UserError`."""
    if is_video(path):
        facts = video_facts(path)
        return facts.width, facts.height
    open_image(path)
    return picture_size(path)
