"""A picture's file in staging: where it lies, what is in it, and whether a stopped run finished it already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engines import media
from engines.pipeline.item import Item
from engines.records import ModelRecord
from engines.types import Artifact

log = logging.getLogger(__name__)


def picture_path(item: Item) -> Path:
    """The file of the item's picture."""
    return item.ctx.staging / f"image-{item.index:04d}{item.request.image_format.suffix}"


def finished_before(item: Item) -> Artifact | None:
    """A picture that a stopped run finished and nobody published: it was saved atomically, so it is whole."""
    path = picture_path(item)
    if not path.is_file():
        return None
    log.info("image=%d was finished before", item.index)
    return _artifact(item, path, media.picture_size(path), media.notes_of(media.read_metadata(path)))


def save(
    picture: Any,
    item: Item,
    record: ModelRecord,
    hashes: Mapping[str, str],
    facts: Mapping[str, str],
    notes: tuple[str, ...],
) -> Artifact:
    """Save the picture with what it was made from; `hashes` are those of files beside the model. Ends its checkpoint."""
    path, ctx = picture_path(item), item.ctx
    record = replace(record, hashes={**record.hashes, **hashes})
    media.save_picture(picture, path, item.request, record, dict(facts), notes, with_metadata=ctx.with_metadata)
    ctx.checkpoint.unlink(missing_ok=True)
    return _artifact(item, path, (picture.width, picture.height), notes)


def _artifact(item: Item, path: Path, size: tuple[int, int], notes: tuple[str, ...]) -> Artifact:
    request = item.request
    return Artifact(item.index, path, request.image_format.media_type, request.seed, *size, notes)
