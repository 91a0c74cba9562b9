"""A finished video as another kind of file: MP4 for sending, GIF and WebP for pages; its records go along."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engines.media.picture_files import COMMENT_MOST, user_comment
from engines.media.video_read import read_frames, read_sound, video_facts, video_tags
from engines.media.video_write import Sound, VideoWriter
from engines.types import VideoFormat

GIF_COLOURS = 256
SOUND_RATE = 48_000  # what Opus and everything that plays videos take
DESCRIPTION = 0x010E  # EXIF ImageDescription


def save_video_as(source: Path, target: Path, video_format: VideoFormat) -> Path:
    """Write `source`, a finished WebM or MP4, to `target` in another format: whole or not at all.

    Frames are encoded anew. Raises `UserError` for a source that cannot be read, `ResourceError` without an encoder.
    """
    tags = {key: text for key, text in video_tags(source).items() if key in ("parameters", "easel")}
    if video_format in (VideoFormat.GIF, VideoFormat.WEBP):
        return _moving_picture(source, target, video_format, tags)
    facts = video_facts(source)
    sound = Sound(read_sound(source, SOUND_RATE), SOUND_RATE) if facts.sound else None
    writer = VideoWriter(target, video_format, (facts.width, facts.height), round(facts.fps), tags, sound)
    try:
        for frame in read_frames(source):
            writer.write(_pixels(frame))
        return writer.finish()
    finally:
        writer.close()
        writer.part.unlink(missing_ok=True)


def _moving_picture(source: Path, target: Path, video_format: VideoFormat, tags: Mapping[str, str]) -> Path:
    frames = _paletted(source) if video_format is VideoFormat.GIF else read_frames(source)
    first = next(frames)
    options: dict[str, Any] = {"duration": round(1000 / video_facts(source).fps), "loop": 0}
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with temporary.open("wb") as file:
            first.save(
                file,
                format=video_format.name,
                save_all=True,
                append_images=frames,
                **options,
                **_record(tags, video_format),
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _record(tags: Mapping[str, str], video_format: VideoFormat) -> dict[str, Any]:
    """Both records in what the format has for words: a GIF's comment; a WebP's EXIF, the infotext where others look too."""
    if not tags:
        return {}
    text = json.dumps(dict(tags), ensure_ascii=True)
    if video_format is VideoFormat.GIF:
        return {"comment": text.encode()}
    infotext = tags.get("parameters", "")
    comment = infotext if len(infotext) <= COMMENT_MOST else ""
    # Pillow takes the mark of a JPEG's segment off for a WebP that stands still, and not for one that moves.
    return {"exif": user_comment(comment, text).removeprefix(b"Exif\0\0"), "quality": 85, "method": 3}


def moving_records(picture: Any) -> dict[str, str]:
    """Both records of a GIF or WebP that `save_video_as` made, from the opened picture; empty for all others."""
    comment = picture.info.get("comment") if picture.format == "GIF" else None
    if picture.format == "WEBP" and getattr(picture, "is_animated", False):
        comment = picture.getexif().get(DESCRIPTION)
    try:
        found = json.loads(comment) if comment else {}
    except (ValueError, TypeError, RecursionError):
        return {}
    return {key: str(found[key]) for key in ("parameters", "easel") if key in found} if isinstance(found, dict) else {}


def _paletted(source: Path) -> Iterator[Any]:
    from PIL import Image

    for frame in read_frames(source):
        yield frame.quantize(GIF_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)


def _pixels(frame: Any) -> Any:
    import numpy as np

    return np.asarray(frame.convert("RGB"))[None]
