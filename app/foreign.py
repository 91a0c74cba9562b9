"""Settings in a file, whichever program wrote them, as changes to a draft."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from app.drafts import Draft
from app.sampler_names import recognised, schedule_of
from app.wishes import Quality, Shape
from engines.api import SEED_MAX, EaselError, FileMetadata

log = logging.getLogger(__name__)


def with_settings(draft: Draft, found: FileMetadata) -> Draft:
    """The draft with the file's settings: all of them from our own record, what can be understood from an infotext."""
    if found.request is not None:
        return draft.with_request(found.request)
    values = readable(found.settings)
    seed = values.pop("seed", None)
    texts = {name: values.pop(name) for name in ("prompt", "negative_prompt") if name in values}
    return draft.with_(
        **texts,
        seed=seed,
        keep_seed=seed is not None,
        count=1,
        preset="",
        quality=Quality.NORMAL,
        shape=Shape.OWN if "width" in values else draft.shape,
        values=values,
    )


def readable(settings: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a request that an A1111 infotext gives; what cannot be read is left out, never guessed."""
    values: dict[str, Any] = {}
    for key, (name, read) in INFOTEXT_FIELDS.items():
        if key not in settings:
            continue
        try:
            _put(values, name, read(settings[key]))
        except (ValueError, EaselError):
            log.info("a setting of the file cannot be used key=%s", key)
    _schedule_in_sampler(settings, values)
    _distilled(settings, values)
    return values


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    """Under its name, or with a dot in it as a part of the field before the dot."""
    field, _dot, part = name.partition(".")
    if part:
        values.setdefault(field, {})[part] = value
    else:
        values[name] = value


def _schedule_in_sampler(settings: Mapping[str, str], values: dict[str, Any]) -> None:
    """Older files, and programs with names of their own, say both in one word."""
    if "scheduler" not in values and "sampler" in values and (schedule := recognised(settings["Sampler"])[1]):
        values["scheduler"] = schedule


def _distilled(settings: Mapping[str, str], values: dict[str, Any]) -> None:
    """Models with guidance built in are asked with a scale of 1, and the number that counts has a key of its own."""
    try:
        distilled = float(settings["Distilled CFG Scale"])
    except (KeyError, ValueError):
        return
    if values.get("guidance", 1.0) == 1.0:
        values["guidance"] = distilled


def summary(found: FileMetadata) -> dict[str, str]:
    """A few words about the settings, for the question what to do with the file."""
    if found.request is not None:
        request = found.request
        return {"prompt": request.prompt, "seed": str(request.seed), "steps": str(request.steps)}
    names = {"Prompt": "prompt", "Seed": "seed", "Steps": "steps"}
    return {name: found.settings[key] for key, name in names.items() if found.settings.get(key)}


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed <= SEED_MAX:
        raise ValueError(text)
    return seed


def _sampler(text: str) -> str:
    return recognised(text)[0]


INFOTEXT_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "Prompt": ("prompt", str),
    "Negative prompt": ("negative_prompt", str),
    "Steps": ("steps", int),
    "Sampler": ("sampler", _sampler),
    "Schedule type": ("scheduler", schedule_of),
    "CFG scale": ("guidance", float),
    "Seed": ("seed", _seed),
    "Size-1": ("width", int),
    "Size-2": ("height", int),
    "Denoising strength": ("strength", float),
    "Clip skip": ("clip_skip", int),
    "Emphasis": ("emphasis", str),
    "Cache every": ("shortcuts.every", int),
    "Cache change": ("shortcuts.change", float),
    "Skip Early CFG": ("shortcuts.guided_from", float),
    "Guidance until": ("shortcuts.guided_to", float),
    "Accelerator": ("accelerator", str),
}
