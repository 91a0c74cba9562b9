"""Read how a picture was made. Foreign data is shown or ignored, never run, and never an error."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engines.errors import UserError
from engines.media.infotext import parse_infotext
from engines.media.png import INFOTEXT_KEY, RECORD_KEY, RECORD_VERSION
from engines.media.video_read import is_video, video_tags
from engines.media.video_save_as import moving_records
from engines.types import GenerationRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileMetadata:
    """What a file says of itself. `kind` is "easel", "a1111" or "unknown"; `request` is there for Easel's own files."""

    kind: str
    request: GenerationRequest | None = None
    infotext: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def read_metadata(path: Path) -> FileMetadata:
    """The records of a picture or a video. Raises `UserError` only when the file is missing or is neither picture nor video."""
    if not path.is_file():
        raise UserError("file-missing", path=str(path))
    return _understood(video_tags(path) if is_video(path) else _text_chunks(path, str(path)))


def read_metadata_of(data: bytes, name: str = "the picture") -> FileMetadata:
    """The same for a picture's bytes. Raises `UserError` only when they are not a picture's."""
    return _understood(_text_chunks(BytesIO(data), name))


def _understood(chunks: dict[str, str]) -> FileMetadata:
    infotext = chunks.get(INFOTEXT_KEY)
    settings = parse_infotext(infotext) if infotext else {}
    record = _json_object(chunks.get(RECORD_KEY, ""))
    request = _request(record)
    kind = "easel" if request else "a1111" if "Steps" in settings else "unknown"
    return FileMetadata(kind, request, infotext, settings, record)


def _text_chunks(source: Path | BytesIO, name: str) -> dict[str, str]:
    from PIL import Image

    try:
        with Image.open(source) as picture:
            if records := moving_records(picture):
                return records
            return {str(key): str(value) for key, value in picture.info.items() if isinstance(value, str)}
    except Exception as error:  # Pillow raises many kinds for files that are not pictures
        raise UserError("file-not-a-picture", path=name) from error


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _request(record: dict[str, Any]) -> GenerationRequest | None:
    if record.get("schema_version") != RECORD_VERSION:
        return None
    try:
        return GenerationRequest.model_validate(record.get("request"))
    except ValidationError:
        log.info("a file's record does not hold a request that this version knows")
        return None
