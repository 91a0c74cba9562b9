"""PNG files with both records: the infotext for the field, and the whole request for an exact replay."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engines.media.infotext import write_infotext
from engines.records import ModelRecord
from engines.types import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

INFOTEXT_KEY, RECORD_KEY = (
    "parameters",
    "easel",
)  # never "prompt", "workflow" or "Comment": readers take those for others'
RECORD_VERSION = 1


def save_png(
    picture: Image,
    path: Path,
    request: GenerationRequest,
    record: ModelRecord,
    facts: Mapping[str, str],
    *,
    with_metadata: bool = True,
) -> None:
    """Write the picture of `request` (one picture, its own seed) to `path`: whole or not at all, the same bytes always.

    No time is written: the file system keeps it, and the same request gives the same file.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    if with_metadata:
        chunks.add_text(INFOTEXT_KEY, write_infotext(request, record, facts))
        chunks.add_itxt(RECORD_KEY, full_record(request, record, facts))
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        picture.save(file, format="PNG", pnginfo=chunks)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def full_record(request: GenerationRequest, record: ModelRecord, facts: Mapping[str, str]) -> str:
    """Our own record as JSON: request, model and software. It names no path of the person's computer."""
    model = {"id": record.id, "title": record.title, "family": record.family, "fingerprint": record.fingerprint}
    content = {
        "schema_version": RECORD_VERSION,
        "request": request.model_dump(mode="json"),
        "model": model,
        "software": dict(facts),
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True)
