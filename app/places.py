"""Checks of the place where pictures will go: nobody waits for a picture that cannot be kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path

from app.file_sizes import FileSize
from engines.api import GenerationRequest, UserError

BYTES_PER_PIXEL = 4  # a PNG of noise, three bytes a pixel, with its frame and records
LATENT_BYTES = (
    0.35  # a pixel and frame of a video: 128 float32 channels at 32 x 32 x 8 are 0.06, 16 at 8 x 8 x 4 are 0.25
)
RESERVE = 64 * 1024 * 1024  # checkpoints, the ledger, and room for the system to breathe


@dataclass(frozen=True)
class Room:
    """Bytes that a job needs on the disk of `folder` while it is made, and how many are free there."""

    folder: Path
    needed: int
    free: int

    @property
    def enough(self) -> bool:
        """Whether the job may begin."""
        return self.free >= self.needed


def check_output_place(
    place: Path, request: GenerationRequest, size: FileSize | None = None, staging: Path | None = None
) -> None:
    """Check that the files of `request` can be written to `place`, a folder or a file such as `picture.png`.

    Creates the folder. `size` is that of a video's file, which is made in `staging`. Raises
    `UserError("output-unwritable")`, `UserError("disk-too-small")` or `UserError("disk-too-small-for-video")`.
    """
    folder = place if place.is_dir() or not place.suffix else place.parent
    check_writable(folder)
    if size is None:
        check_space(folder, request.count * request.width * request.height * BYTES_PER_PIXEL + RESERVE)
        return
    for room in rooms_for(request, size, folder, staging or folder):
        if not room.enough:
            raise _too_small(request, size, room)


def rooms_for(request: GenerationRequest, size: FileSize, folder: Path, staging: Path) -> tuple[Room, ...]:
    """What a video needs on the disk of its folder and on that where it is made, which may be the same one.

    Raises `UserError("output-unwritable")` when one of the disks does not answer.
    """
    try:
        return _rooms(request, size, _existing(folder), _existing(staging))
    except OSError as error:
        raise UserError("output-unwritable", folder=str(folder), why=error.strerror or str(error)) from error


def _rooms(request: GenerationRequest, size: FileSize, folder: Path, staging: Path) -> tuple[Room, ...]:
    frames = request.width * request.height * request.frames
    published, made = request.count * size.most, 2 * size.most + round(frames * LATENT_BYTES)
    one_disk = staging.stat().st_dev == folder.stat().st_dev
    if one_disk:
        return (Room(folder, published + made + RESERVE, _free(folder)),)
    return Room(folder, published + RESERVE, _free(folder)), Room(staging, made + RESERVE, _free(staging))


def _too_small(request: GenerationRequest, size: FileSize, room: Room) -> UserError:
    scale = max(0, room.free - RESERVE) / max(1, room.needed - RESERVE)
    return UserError(
        "disk-too-small-for-video",
        frames=request.frames,
        size=f"{request.width}x{request.height}",
        format=str(request.video_format),
        file=readable(size.likely),
        needed=readable(room.needed),
        free=readable(room.free),
        folder=str(room.folder),
        fitting=int(request.frames * request.count * scale),
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there already. Raises `OSError`: of a drive that is out there is none."""
    found = next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), None)
    if found is None:
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(folder))
    return found


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


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
    free = _free(folder)
    if free < needed:
        raise UserError("disk-too-small", folder=str(folder), needed=readable(needed), free=readable(free))


def readable(size: float) -> str:
    """A number of bytes as people say it: 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
