"""Read how a picture was made, whichever program made it. Foreign data is shown or ignored, never run, never an error."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engines.errors import UserError
from engines.media.foreign import understand
from engines.media.infotext import parse_infotext
from engines.media.record import INFOTEXT_KEY, RECORD_KEY, RECORD_VERSION
from engines.media.texts import beside, texts_of
from engines.media.video_read import is_video, video_tags
from engines.types import GenerationRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileMetadata:
    """What a file says of itself.

    `kind` names the program ("easel", "a1111", "forge", "sdnext", "fooocus", "swarmui", "invokeai", "comfyui", "novelai")
    or is "unknown". `request` is there for Easel's own files, `settings` has A1111's keys for everybody's, `infotext` is
    A1111's text where there is one, `raw` is whatever stood in the file, to be shown.
    """

    kind: str
    request: GenerationRequest | None = None
    infotext: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    raw: str = ""


def read_metadata(path: Path) -> FileMetadata:
    """The records of a picture or a video. Raises `UserError` only when the file is missing or is neither picture nor video."""
    if not path.is_file():
        raise UserError("file-missing", path=str(path))
    texts = video_tags(path) if is_video(path) else _texts(path, str(path))
    return _understood(texts if {INFOTEXT_KEY, RECORD_KEY} <= set(texts) else {**beside(path), **texts})


def read_metadata_of(data: bytes, name: str = "the picture") -> FileMetadata:
    """The same for a picture's bytes. Raises `UserError` only when they are not a picture's."""
    return _understood(_texts(BytesIO(data), name))


def notes_of(metadata: FileMetadata) -> tuple[str, ...]:
    """What Easel had to do otherwise than asked when it made the file, in sentences."""
    notes = metadata.record.get("notes")
    return tuple(map(str, notes)) if isinstance(notes, list) else ()


def _texts(source: Path | BytesIO, name: str) -> dict[str, str]:
    try:
        return texts_of(source)
    except Exception as error:  # Pillow raises many kinds for files that are not pictures
        raise UserError("file-not-a-picture", path=name) from error


def _understood(texts: dict[str, str]) -> FileMetadata:
    record = _json_object(texts.get(RECORD_KEY, ""))
    request = _request(record)
    text = texts.get(INFOTEXT_KEY)
    if request is not None:
        return FileMetadata("easel", request, text, parse_infotext(text) if text else {}, record, text or "")
    found = understand(texts)
    if found is None:
        return FileMetadata("unknown", None, text, parse_infotext(text) if text else {}, record, _raw(texts))
    infotext = found.raw if "Steps" in parse_infotext(found.raw) else None
    return FileMetadata(found.kind, None, infotext, found.settings, record, found.raw)


def _raw(texts: dict[str, str]) -> str:
    """What a person may recognise: the texts with their names, without the bulk that cameras and editors write."""
    shown = {key: text for key, text in texts.items() if not key.startswith(("XML", "icc", "exif")) and text.strip()}
    return "\n".join(f"{key}: {text[:10_000]}" for key, text in shown.items())


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
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
