"""The last step: what came gets its card, its licence and its place among the models, all at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from app.download.records import DownloadRecord
from app.download.remove import remove_staging
from app.files import write_atomic

CARD = "easel.json"


def finish(record: DownloadRecord) -> None:
    """Move the whole model to the record's place. Raises `OSError`."""
    plan, place = record.plan, record.place
    staged = record.staging / "model"
    assert place is not None
    if plan.single:
        write_atomic(card_of(place), _card(record))
        (staged / plan.pieces[0].path).replace(place)
        remove_staging(record)
    else:
        write_atomic(staged / CARD, _card(record))
        staged.replace(place)
    _sync(place.parent)
    remove_staging(record)


def is_placed(record: DownloadRecord) -> bool:
    """Whether the model had been moved already when the program was killed."""
    return record.place is not None and record.place.exists() and not (record.staging / "model").exists()


def card_of(file: Path) -> Path:
    """The card beside a model that is one file."""
    return file.with_name(f"{file.stem}.{CARD}")


def free_place(wanted: Path) -> Path:
    """The path itself, or with a number where something has that name."""
    number, free = 1, wanted
    while free.exists():
        number += 1
        free = wanted.with_name(
            f"{wanted.stem}-{number}{wanted.suffix}" if wanted.suffix else f"{wanted.name}-{number}"
        )
    return free


def _card(record: DownloadRecord) -> bytes:
    """Where the model is from, under which licence, with the hash of each file."""
    plan = record.plan
    sizes = {piece.path: record.place_of(piece.path).stat().st_size for piece in plan.pieces}
    files = {path: {"size": size, "sha256": record.hashes.get(path, "")} for path, size in sizes.items()}
    facts: dict[str, Any] = {
        **plan.card,
        "title": plan.title,
        "licence": plan.card.get("licence") or plan.licence or "not stated",
        "licence_address": plan.licence_address,
        "source": plan.source,
        "revision": plan.revision,
        "files": files,
    }
    return (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()


def _sync(folder: Path) -> None:
    """Let the new name itself reach the disk, where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
