"""How much room Easel's folders take, and what of it can be had back without a loss."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.paths import Paths

MOST_FILES = 200_000  # of a folder that are counted: the answer is for a page, and a picture folder may be endless

MADE_AGAIN = ("thumbnails", "exports")  # below the cache


@dataclass(frozen=True)
class Room:
    """One place: `used` bytes of files in it, `free` bytes beside them. `whole` is False when counting was ended early."""

    name: str
    path: Path
    used: int
    free: int
    whole: bool = True


def rooms(paths: Paths, outputs: Path) -> list[Room]:
    """The person's places. Models within the data folder are not counted twice."""
    places = {"outputs": outputs, "models": paths.models, "data": paths.data, "cache": paths.cache, "logs": paths.logs}
    nested = set(places.values())
    return [_room(name, path, nested - {path}) for name, path in places.items()]


def clear_cache(paths: Paths) -> int:
    """Remove what is made again when it is looked at (thumbnails, exported selections); returns the bytes.

    The index of models lies beside them and stays: it is open, and holds hashes that took hours.
    """
    before = _used(paths)
    for name in MADE_AGAIN:
        shutil.rmtree(paths.cache / name, ignore_errors=True)
    return before - _used(paths)


def _used(paths: Paths) -> int:
    return sum(sum(_sizes(paths.cache / name, set())) for name in MADE_AGAIN)


def _room(name: str, path: Path, others: set[Path]) -> Room:
    used, count = 0, 0
    for size in _sizes(path, others):
        used, count = used + size, count + 1
        if count >= MOST_FILES:
            break
    return Room(name, path, used, _free(path), count < MOST_FILES)


def _sizes(folder: Path, others: set[Path]) -> Iterator[int]:
    """The sizes of all files below a folder, links not followed, the places of `others` left out."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [each for each in folders if here / each not in others]
        for each in files:
            with contextlib.suppress(OSError):
                yield (here / each).lstat().st_size


def _free(path: Path) -> int:
    """Free bytes where the folder is, or will be."""
    there = next((each for each in (path, *path.parents) if each.is_dir()), Path("/"))
    with contextlib.suppress(OSError):
        return shutil.disk_usage(there).free
    return 0
