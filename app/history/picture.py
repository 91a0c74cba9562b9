"""What the history knows of a made file: from the job that made it, or from what the file says of itself."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.jobs import Job
from engines.api import SEED_MAX, Artifact, GenerationRequest, frame_size, read_metadata

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".mp4", ".webm"})


@dataclass(frozen=True)
class Picture:
    """A made file. `created` is in seconds since the epoch; `request` makes it again, where the file holds it."""

    id: str
    path: Path
    created: float
    task: str
    model: str
    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    media_type: str
    job: str = ""
    favourite: bool = False
    request: GenerationRequest | None = None


def picture_id(path: Path, outputs: Path) -> str:
    """The id of a file: it stays when the index is made again, and says nothing of where the file lies."""
    return hashlib.sha256(name_of(path, outputs).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def name_of(path: Path, outputs: Path) -> str:
    """What favourites and boards call a file; what lies in the outputs folder is named from there: that may be moved."""
    return path.relative_to(outputs).as_posix() if path.is_relative_to(outputs) else path.as_posix()


def picture_of_job(job: Job, artifact: Artifact, outputs: Path) -> Picture:
    """A file that a job has published."""
    request = job.request.image(artifact.index).with_(seed=artifact.seed)
    return Picture(
        id=picture_id(artifact.path, outputs),
        path=artifact.path,
        created=changed(artifact.path) or time.time(),  # the file's time, as after a rebuild
        task=str(request.task),
        model=request.model,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=artifact.seed,
        width=artifact.width,
        height=artifact.height,
        media_type=artifact.media_type,
        job=job.id,
        request=request,
    )


def picture_of_file(path: Path, outputs: Path) -> Picture:
    """A file, by what it says of itself. Raises `EaselError` and `OSError` for one that cannot be read."""
    found, (width, height) = read_metadata(path), frame_size(path)
    request, said = found.request, found.settings
    return Picture(
        id=picture_id(path, outputs),
        path=path,
        created=path.stat().st_mtime,
        task=str(request.task) if request else "",
        model=request.model if request else said.get("Model", ""),
        prompt=request.prompt if request else said.get("Prompt", ""),
        negative_prompt=request.negative_prompt if request else said.get("Negative prompt", ""),
        seed=request.seed if request else _seed(said.get("Seed", "")),
        width=width,
        height=height,
        media_type=mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream",
        request=request,
    )


def output_files(folder: Path) -> Iterator[Path]:
    """Pictures and videos below `folder`, hidden ones left out; links are not followed out of it."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and not path.is_symlink():
                yield path


def changed(path: Path) -> float:
    """The file's time in seconds since the epoch; 0 when it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _seed(text: str) -> int:
    """A seed as another program wrote it; 0 for none, and for one that is no seed of ours."""
    return int(text) if text.isdecimal() and len(text) <= 10 and int(text) <= SEED_MAX else 0
