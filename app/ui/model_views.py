"""Models, downloads and the catalogue as the page's script reads them: plain JSON, words included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.catalogue import Entry, catalogue
from app.download import DownloadNews, DownloadState
from app.fitting import Facts, Fit, fit, fit_bytes, seconds
from app.library.parts import PartChoice
from app.models import ModelFile, ModelStore
from app.places import readable
from app.ui.notices import card
from app.ui.views import time_left
from app.ui.words import Words
from engines.api import ErrorRecord, ModelRecord, family

ROUGH = ((90, "estimate.seconds", 1), (5400, "estimate.minutes", 60), (float("inf"), "estimate.hours", 3600))


def model_view(record: ModelRecord, here: Facts, models: ModelStore, words: Words) -> dict[str, Any]:
    """A model as a row: what it is, how large, where, under which licence, whether it fits."""
    verdict = fit_bytes(record.weight_bytes, here)
    found = family(record.family)
    video = all(str(task).endswith("video") for task in found.tasks)
    return {
        "id": record.id,
        "title": record.title,
        "family": found.title,
        "makes": "video" if video else "image",
        "tasks": [words.get(f"task.{task}", str(task)) for task in found.tasks],
        "size": readable(record.weight_bytes),
        "place": str(record.path),
        "licence": record.licence,
        "description": record.description,
        "bundled": record.bundled,
        "default": record.id == models.default().id,
        "fit": str(verdict),
        "fit_text": words(f"fit.{verdict}"),
        "sha256": models.known_hashes(record.path).sha256 if record.path.is_file() else "",
        "defaults": {words.get(f"field.{name}", name): value for name, value in record.defaults.items()},
        "fingerprint": record.fingerprint,
        "eight_bits": record.eight_bits,
        "packed": record.loader == "gguf",
    }


def part_view(choice: PartChoice, words: Words) -> dict[str, Any]:
    """A part that a model takes from elsewhere: what fills it, and what else could."""
    return {
        "part": choice.part,
        "name": words.get(f"part.{choice.part}", choice.part.replace("_", " ")),
        "needed": choice.needed,
        "place": str(choice.place or ""),
        "chosen": choice.chosen,
        "offers": [str(each) for each in choice.offers],
    }


def file_view(file: ModelFile, words: Words) -> dict[str, Any]:
    """A file that is no model by itself (a LoRA, a VAE, a text encoder) as a line."""
    found = file.identified
    fits = [file.family] if file.family else dict.fromkeys(family_id for family_id, _part in found.fits)
    return {
        "name": file.name,
        "kind": words.get(f"kind.{file.kind}", str(file.kind)),
        "families": ", ".join(family(each).title for each in fits),
        "size": readable(file.size),
        "place": str(file.path),
        "triggers": ", ".join(found.triggers),
    }


def entry_view(entry: Entry, here: Facts, words: Words, known: bool) -> dict[str, Any]:
    """A model of the catalogue as a card; `known` when this version has its family."""
    verdict = fit(entry, here)
    return {
        "id": entry.id,
        "title": entry.title,
        "makes": entry.makes,
        "summary": entry.summary,
        "repository": entry.repository,
        "size": words("catalogue.about", size=readable(entry.download_bytes)),
        "memory": words("catalogue.memory", size=readable(entry.memory_bytes)),
        "licence": entry.licence.name,
        "unchecked": list(entry.unchecked),
        "facts": [
            {"name": words(f"fact.{each.name}"), "source": each.source, "checked": each.checked}
            for each in catalogue().facts(entry)
        ],
        "accept": entry.licence.accept,
        "commercial": entry.licence.commercial,
        "fit": str(verdict),
        "fit_text": words(f"fit.{verdict}"),
        "estimate": "" if verdict is Fit.TOO_BIG else estimate(seconds(entry, here), words),
        "known": known,
        "quality": entry.quality,
    }


def estimate(wait: float, words: Words) -> str:
    """ "about 40 s", "about 12 min": nobody measured it."""
    for most, key, unit in ROUGH:
        if wait < most:
            number = wait / unit
            return words(key, number=max(1, round(number / 10) * 10 if number >= 20 else round(number)))
    raise AssertionError("the last row has no end")


def download_view(news: DownloadNews, words: Words, models: ModelStore) -> dict[str, Any]:
    """A download: how far it is, and what can be done with it."""
    record, total = news.record, news.record.plan.total
    part = min(1.0, news.there / total) if total else 0.0
    return {
        "id": record.id,
        "title": record.plan.title,
        "source": record.plan.source,
        "licence": record.plan.licence,
        "licence_address": record.plan.licence_address,
        "state": str(record.state),
        "part": round(part, 4),
        "text": _text(news, words),
        "there": news.there,
        "total": total,
        "elsewhere": news.elsewhere,
        "gone": news.gone,
        "error": card(ErrorRecord(**record.error), (), words) if record.error else None,
        "model": _model_at(record.place, models) if record.state is DownloadState.DONE else "",
    }


def _text(news: DownloadNews, words: Words) -> str:
    """ "1.2 GB of 2.1 GB, 8.0 MB/s, 2 min 4 s left"."""
    total = news.record.plan.total
    state = news.record.state
    if state is DownloadState.DONE:
        return words("download.done", size=readable(total or 0))
    size = readable(total) if total is not None else words("download.unknown-size")
    parts = [words("download.progress", there=readable(news.there), total=size)]
    if state is not DownloadState.RUNNING or news.elsewhere:
        key = "download.elsewhere" if news.elsewhere else f"download.state.{state}"
        return ", ".join([words(key), *parts])
    if total is not None and news.there >= total:
        return words("download.checking")
    if news.speed is not None:
        parts.append(f"{readable(news.speed)}/s")
    if news.seconds_left is not None:
        parts.append(time_left(news.seconds_left, words))
    return ", ".join(parts)


def _model_at(place: Path | None, models: ModelStore) -> str:
    """The id of the model that a download became; empty when Easel cannot use it."""
    found = (record.id for record in models.all() if place is not None and record.path == place)
    return next(found, "")


def computer_view(here: Facts, words: Words) -> dict[str, Any]:
    """This computer in a few lines, and a sentence on what it will do well."""
    graphics = f"{here.card}, {readable(here.graphics)}" if here.card else words("computer.no-card")
    return {
        "rows": [
            [words("computer.card"), graphics],
            [words("computer.memory"), readable(here.main)],
            [words("computer.disk"), words("computer.disk.free", size=readable(here.disk))],
            [words("computer.cores"), str(here.cores)],
        ],
        "sentence": words(f"computer.does.{_class(here)}"),
    }


def _class(here: Facts) -> str:
    gib = here.graphics / 2**30
    if gib >= 15:
        return "strong"
    if gib >= 7:
        return "middle"
    return "small" if gib >= 3 else "processor"
