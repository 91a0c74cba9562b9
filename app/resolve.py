"""From a wish to a request: defaults, preset and the person's own values, laid over one another, each with its origin.

Window, command line and HTTP API resolve here, so that the same wishes give the same request.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.models import ModelStore
from app.nested import fold, merged
from app.presets import Preset
from app.wishes import size_like
from engines.api import (
    SAMPLER_REGISTRY,
    SEED_MAX,
    TASK_ALIASES,
    EngineFamily,
    GenerationRequest,
    ModelRecord,
    Task,
    UserError,
    default_schedule,
    families,
    family,
    family_of,
    spelled_preparer,
    spelled_upscaler,
    video_facts,
)


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a layer and its name.

    The layers are "family", "model", "settings", "preset", "file", "you", "chance" and "default".
    """

    layer: str
    detail: str = ""


@dataclass(frozen=True)
class Resolved:
    """A complete request, the model it names, and where each field's value came from."""

    request: GenerationRequest
    record: ModelRecord
    origins: Mapping[str, Origin]

    def rows(self) -> list[tuple[str, Any, Origin]]:
        """Field, value and origin, in the order of the request's fields."""
        values = self.request.model_dump(mode="json")
        return [(name, values[name], self.origins.get(name, Origin("default"))) for name in values]


def resolve(
    *,
    models: ModelStore,
    preset: Preset | None = None,
    model: str | None = None,
    values: Mapping[str, Any] | None = None,
    source: GenerationRequest | None = None,
    source_name: str = "",
    usual: Mapping[str, Any] | None = None,
    path_of: Callable[[str], Path] = Path,
) -> Resolved:
    """Lay family, model, settings (`usual`), preset, a `source` file's settings and the person's `values` over one another.

    `values` may be strings, as a command line gives them. A seed of -1 or none is drawn. Raises `UserError` naming the
    field, with the nearest name or what is expected. `path_of` turns an input's reference into its file.
    """
    own = _own_values({**(values or {}), **({"model": model} if model else {})})
    record = _record(models, own, preset, source)
    found = family_of(record)
    layers = _Layers(found.tasks)
    layers.add(found.defaults, "family", found.title)
    layers.add(record.defaults, "model", record.title)
    layers.add(usual or {}, "settings")
    if preset is not None:
        layers.add({"task": preset.task, **preset.values}, "preset", preset.id)
    if source is not None:
        layers.add(source.model_dump(mode="json", exclude_none=True, exclude={"texts"}), "file", source_name)
    layers.add(own, "you")
    layers.add({"model": record.id}, layers.origins.get("model", Origin("default")).layer, record.title)
    layers.infer_task()
    layers.fit_strength()
    layers.fit_video(found, path_of)
    layers.fit_frames(found)
    layers.fit_sampler(found)
    layers.fit_schedule()
    layers.draw_seed()
    return Resolved(_request(layers.values), record, layers.origins)


TASKS = {str(task) for task in Task} | set(TASK_ALIASES)


def field_unknown(name: str) -> UserError:
    """The error for a field that the request does not have."""
    fields = list(GenerationRequest.model_fields)
    nearest = difflib.get_close_matches(name, fields, 3, 0.5) or fields
    return UserError("field-unknown", name=name, nearest=nearest)


class _Layers:
    """Values and their origins; a later layer wins."""

    def __init__(self, tasks: tuple[Task, ...] = ()) -> None:
        self.tasks = tasks
        self.values: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}

    def add(self, values: Mapping[str, Any], layer: str, detail: str = "") -> None:
        for name, value in values.items():
            self.values[name] = merged(self.values.get(name), value)
            self.origins[name] = Origin(layer, detail)

    def infer_task(self) -> None:
        """A picture and a mask say what is meant when nobody said it."""
        if self._set_by_hand("task"):
            return
        wanted = self._usual_task()
        if self.values.get("mask") is not None or self.values.get("outpaint") is not None:
            wanted = Task.INPAINT
        elif self.values.get("init_video") is not None:
            changes = Task.VIDEO_TO_VIDEO in self.tasks or Task.EXTEND_VIDEO not in self.tasks
            wanted = Task.VIDEO_TO_VIDEO if changes else Task.EXTEND_VIDEO
        elif self.values.get("init_image") is not None and wanted is Task.TEXT_TO_VIDEO:
            wanted = Task.IMAGE_TO_VIDEO
        elif self.values.get("init_image") is not None and wanted is Task.TEXT_TO_IMAGE:
            wanted = self._edit_or_redraw()
        if wanted != self.values.get("task"):
            self.add({"task": wanted}, "default", "from the pictures given")

    def _edit_or_redraw(self) -> Task:
        """What a picture means to a model that does not redraw pictures in part: it is changed as the words say."""
        edits = Task.EDIT in self.tasks and Task.IMAGE_TO_IMAGE not in self.tasks
        return Task.EDIT if edits else Task.IMAGE_TO_IMAGE

    def _usual_task(self) -> Task:
        """The task so far; one that the family cannot do, and nobody chose, gives way to its first."""
        wanted = Task(self.values.get("task", Task.TEXT_TO_IMAGE))
        return wanted if wanted in self.tasks or not self.tasks else self.tasks[0]

    def fit_strength(self) -> None:
        """What is added around a picture was not there before: it is drawn wholly, unless somebody said otherwise."""
        if self.values.get("outpaint") is not None and not self._set_by_hand("strength"):
            self.add({"strength": 1.0}, "default", "outpainting draws all of what is new")

    def fit_video(self, found: EngineFamily, path_of: Callable[[str], Path]) -> None:
        """Size, speed and length that nobody chose follow the video that is started from."""
        task = Task(self.values["task"]) if self.values.get("task") in TASKS else Task.TEXT_TO_IMAGE
        if not task.needs_video or found.video is None or not self.values.get("init_video"):
            return
        try:
            given = video_facts(path_of(str(self.values["init_video"])))
        except UserError:
            return  # what is wrong with it is said when the request is checked
        usual = (self._number("width"), self._number("height"))
        width, height = size_like((given.width, given.height), usual, found.limits)
        wanted = {"width": width, "height": height, "fps": min(max(1, round(given.fps)), found.video.max_fps)}
        if task.uses_strength:  # every frame comes from one of the given ones
            wanted["frames"] = min(found.video.nearest(min(given.frames, self._number("frames"))))
        self.add({k: v for k, v in wanted.items() if not self._set_by_hand(k)}, "default", "as the video given")

    def fit_frames(self, found: EngineFamily) -> None:
        """A length that nobody chose by hand, such as a preset's, becomes one that the model makes."""
        if found.video is None or self._set_by_hand("frames") or "frames" not in self.values:
            return
        frames = self._number("frames")
        if not found.video.allows(frames):
            rule = f"{found.title} makes {found.video.counts} frames; {frames} was asked for"
            self.add({"frames": found.video.nearest(frames)[0]}, "default", rule)

    def fit_sampler(self, found: EngineFamily) -> None:
        """A sampler that nobody chose by hand, such as a preset's, gives way to one that the model can use."""
        if self._set_by_hand("sampler") or "sampler" not in self.values:
            return
        wanted = SAMPLER_REGISTRY.samplers.get(str(self.values["sampler"])).key
        if wanted not in found.samplers:
            usual = {name: found.defaults[name] for name in ("sampler", "scheduler")}
            self.add(usual, "default", f"{wanted} is not for {found.title}")

    def fit_schedule(self) -> None:
        """A schedule that nobody chose gives way to a sampler that was chosen and cannot follow it."""
        if self._set_by_hand("scheduler") or "sampler" not in self.values or "scheduler" not in self.values:
            return
        sampler = SAMPLER_REGISTRY.samplers.get(str(self.values["sampler"]))
        fitting = default_schedule(sampler.key, str(self.values["scheduler"]))
        if fitting != self.values["scheduler"]:
            self.add({"scheduler": fitting}, "default", f"{sampler.key} cannot follow {self.values['scheduler']}")

    def _number(self, name: str) -> int:
        """A value as a whole number; what is none is told of when the request is made, and stands for one here."""
        text = str(self.values.get(name, ""))
        return int(text) if text.isdecimal() and len(text) < 10 else 1

    def draw_seed(self) -> None:
        """A seed of -1, or none, becomes a number now, so that the request says it."""
        if str(self.values.get("seed", -1)) == "-1":
            self.add({"seed": random.SystemRandom().randint(0, SEED_MAX)}, "chance")

    def _set_by_hand(self, name: str) -> bool:
        return self.origins.get(name, Origin("default")).layer in ("you", "file")


def _own_values(values: Mapping[str, Any]) -> dict[str, Any]:
    folded = fold(values)
    for name in folded:
        if name not in GenerationRequest.model_fields:
            raise field_unknown(name)
    return folded


def _record(
    models: ModelStore, own: Mapping[str, Any], preset: Preset | None, source: GenerationRequest | None
) -> ModelRecord:
    named = own.get("model") or (source and source.model) or (preset and preset.values.get("model"))
    if named:
        return models.get(str(named))
    if preset is not None and preset.family:
        return _of_family(models, preset)
    task = own.get("task") or (source and source.task) or (preset and preset.task)
    return _able(models, Task(task).drawn_as) if task in TASKS else models.default()


def _of_family(models: ModelStore, preset: Preset) -> ModelRecord:
    """The usual model if it is of the preset's family, or the first one that is and can do the task.

    Raises `UserError("model-none-for-preset")` naming the family that is missing.
    """
    wanted = family(preset.family)
    task = preset.task.drawn_as
    found = [record for record in models.able(task) if record.family == wanted.id]
    if not found:
        raise UserError("model-none-for-preset", preset=preset.title, family=wanted.title, task=str(task))
    return found[0]


def _able(models: ModelStore, task: Task) -> ModelRecord:
    """The likeliest model that can do `task`. Raises `UserError("model-none-for-task")`."""
    able = models.able(task)
    if not able:
        able_families = [each.title for each in families() if task in each.tasks]
        raise UserError("model-none-for-task", task=str(task), families=able_families)
    return able[0]


def _request(values: dict[str, Any]) -> GenerationRequest:
    _spell_upscalers(values)
    _spell_preparers(values)
    for name, table in (("sampler", SAMPLER_REGISTRY.samplers), ("scheduler", SAMPLER_REGISTRY.schedules)):
        values[name] = table.get(str(values[name])).key  # any of its names; the request holds the one
    try:
        return GenerationRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "request"
        raise UserError("value-invalid", field=name, value=first["input"], expected=first["msg"]) from error


def _spell_upscalers(values: dict[str, Any]) -> None:
    """Upscalers by any spelling become the name that the engine knows; files of upscaler models keep their id."""
    hires = values.get("hires")
    if isinstance(hires, dict) and isinstance(hires.get("upscaler"), str):
        values["hires"] = {**hires, "upscaler": spelled_upscaler(hires["upscaler"])}
    if isinstance(values.get("upscaler"), str):
        values["upscaler"] = spelled_upscaler(values["upscaler"])


def _spell_preparers(values: dict[str, Any]) -> None:
    """What is made of a picture before a ControlNet sees it, by any spelling."""
    controls = values.get("controls")
    if isinstance(controls, list | tuple):
        values["controls"] = [
            {**each, "prepare": spelled_preparer(str(each["prepare"]))}
            if isinstance(each, dict) and "prepare" in each
            else each
            for each in controls
        ]
