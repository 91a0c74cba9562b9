"""The disk under a download: is there room, what is a file called until it is whole, and what when it cannot be written."""

from __future__ import annotations

import errno
from pathlib import Path

from app.machine import free_disk
from app.places import readable
from engines.api import ResourceError

RESERVE = 256 << 20  # bytes that a download leaves free


def part_of(place: Path) -> Path:
    """Where the file is as long as it is not whole."""
    return place.with_name(place.name + ".part")


def damaged_of(place: Path) -> Path:
    """Where it is set aside when its content is wrong."""
    return place.with_name(place.name + ".damaged")


def write_problem(error: OSError, folder: Path) -> ResourceError:
    """The sentence for a disk that does not take more."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError("download-disk-full", folder=str(folder))
    return ResourceError("download-not-written", folder=str(folder), why=error.strerror or str(error))


def check_room(folder: Path, needed: int) -> None:
    """Raises `ResourceError("download-disk-too-small")` with the numbers, before anything is fetched."""
    free = free_disk(folder)
    if needed > 0 and free < needed + RESERVE:
        raise ResourceError(
            "download-disk-too-small",
            needed=readable(needed),
            free=readable(free),
            folder=str(folder),
            reserve="256 MB",
        )
