"""Checks of the place where pictures will go: nobody waits for a picture that cannot be kept."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engines.api import GenerationRequest, UserError, VideoFormat

BYTES_PER_PIXEL = 4  # a PNG of noise, three bytes a pixel, with its frame and records
# Bytes a pixel and frame for moving noise, the worst case that an encoder meets. Assumed with room to spare, not measured:
# it only decides whether a job is refused for want of disk.
VIDEO_BYTES_PER_PIXEL = {
    VideoFormat.WEBM: 1.0,
    VideoFormat.WEBM_AV1: 1.0,
    VideoFormat.MP4: 1.5,
    VideoFormat.GIF: 1.2,
    VideoFormat.WEBP: 1.5,
}
RESERVE = 64 * 1024 * 1024  # checkpoints, the ledger, and room for the system to breathe


def check_output_place(place: Path, request: GenerationRequest) -> None:
    """Check that the files of `request` can be written to `place`, a folder or a file such as `picture.png`.

    Creates the folder. Raises `UserError("output-unwritable")` or `UserError("disk-too-small")`.
    """
    folder = place if place.is_dir() or not place.suffix else place.parent
    check_writable(folder)
    check_space(folder, needed_bytes(request))


def needed_bytes(request: GenerationRequest) -> int:
    """Room for the finished files of the job, at their largest."""
    if request.task.makes_video:
        return request.count * video_bytes(request) * 2 + RESERVE  # the part that is written, and the published copy
    return request.count * request.width * request.height * BYTES_PER_PIXEL + RESERVE


def video_bytes(request: GenerationRequest) -> int:
    """The size of one finished video at its largest: noise at the encoders' settings."""
    return round(request.width * request.height * request.frames * VIDEO_BYTES_PER_PIXEL[request.video_format])


def check_writable(folder: Path) -> None:
    """Create `folder` if it is not there, and write a file in it. Raises `UserError("output-unwritable")`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"easel")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        why = getattr(error, "strerror", None) or str(error)
        raise UserError("output-unwritable", folder=str(folder), why=why) from error


def check_space(folder: Path, needed: int) -> None:
    """Raises `UserError("disk-too-small")` with both numbers when fewer than `needed` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError("disk-too-small", folder=str(folder), needed=readable(needed), free=readable(free))


def readable(size: float) -> str:
    """A number of bytes as people say it: 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
