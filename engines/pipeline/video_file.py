"""A video's file in staging: written while it is decoded, and put in its place in one step when it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.media.infotext import write_infotext
from engines.media.read import notes_of, read_metadata
from engines.media.record import full_record
from engines.media.video_read import frame_size
from engines.media.video_save_as import save_video_as
from engines.media.video_write import ENCODINGS, Sound, VideoWriter
from engines.pipeline.item import Item
from engines.pipeline.video_extend import LeadIn
from engines.records import ModelRecord
from engines.types import Artifact, VideoFormat


class VideoFile:
    """Begun with the first frames, which say how large they are; GIF and WebP are made from a WebM.

    `sound` is that of the whole file, `lead` the video that goes on in it.
    """

    def __init__(self, item: Item, tags: dict[str, str], sound: Sound | None, lead: LeadIn | None = None) -> None:
        self._path, self._request, self._tags, self._sound, self._lead = (
            video_path(item),
            item.request,
            tags,
            sound,
            lead,
        )
        self.made = 0  # frames that came from the decoder
        self._direct = self._request.video_format in ENCODINGS
        self._format = self._request.video_format if self._direct else VideoFormat.WEBM
        self._writer: VideoWriter | None = None

    def write(self, frames: Any) -> None:
        """Frames from the decoder, uint8 [n, height, width, 3]."""
        if self._writer is None:
            self._writer = self._begin((frames.shape[2], frames.shape[1]))
        known = max(0, self._lead.overlap - self.made) if self._lead is not None else 0
        self.made += len(frames)
        self._writer.write(frames[known:])  # what the model was shown is there already

    def close(self) -> None:
        """The file ends where it is."""
        if self._writer is not None:
            self._writer.close()

    def finish(self, tags: dict[str, str] | None = None) -> None:
        """Put the file in its place, with other `tags` than it was begun with when there are notes to keep."""
        assert self._writer is not None, "a decoder gives at least one frame"
        made = self._writer.finish(tags)
        if not self._direct:
            save_video_as(made, self._path, self._request.video_format)
            made.unlink()

    def _begin(self, size: tuple[int, int]) -> VideoWriter:
        path = self._path if self._direct else self._path.with_suffix(".whole.webm")
        writer = VideoWriter(path, self._format, size, self._request.fps, self._tags, self._sound)
        for chunk in self._lead.chunks() if self._lead is not None else ():
            writer.write(chunk)
        return writer


def video_path(item: Item) -> Path:
    """The file of the item's video."""
    return item.ctx.staging / f"video-{item.index:04d}{item.request.video_format.suffix}"


def finished_before(item: Item) -> Artifact | None:
    """A video that a stopped run finished and nobody published: it was put there in one step, so it is whole."""
    path = video_path(item)
    return finished(item, notes_of(read_metadata(path))) if path.is_file() else None


def finished(item: Item, notes: tuple[str, ...]) -> Artifact:
    """The item's video, which is in its place."""
    path, request = video_path(item), item.request
    width, height = frame_size(path)
    return Artifact(item.index, path, request.video_format.media_type, request.seed, width, height, notes)


def tags_of(item: Item, record: ModelRecord, facts: Mapping[str, str], notes: tuple[str, ...] = ()) -> dict[str, str]:
    """What the file says of itself; nothing where the person does not want that."""
    if not item.ctx.with_metadata:
        return {}
    return {
        "parameters": write_infotext(item.request, record, facts),
        "easel": full_record(item.request, record, facts, notes),
    }
