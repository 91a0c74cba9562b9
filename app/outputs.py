"""Where finished files go: published in one step, under names that every system can hold, never over another file."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from app.jobs import Job
from app.names import slug
from engines.api import Artifact, ResourceError

SIDECARS = (".txt", ".json")


class OutputStore:
    """Publishes artifacts into `folder`, one folder a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def publish(self, job: Job, artifact: Artifact) -> Artifact:
        """Copy the artifact from staging to its place and return it with its new path.

        A half-written file is never visible, an existing one is never replaced unless the person named it. Called again
        before `settle`, after a kill for instance, it finds what it made and makes no second one. Raises
        `ResourceError("output-not-saved")`; the picture stays in staging in any case.
        """
        try:
            return replace(artifact, path=self._publish(job, artifact))
        except OSError as error:
            folder = str(self._folder(job))
            raise ResourceError(
                "output-not-saved", folder=folder, why=error.strerror, kept=str(artifact.path)
            ) from error

    def settle(self, job: Job, artifact: Artifact) -> None:
        """The published artifact is written down: what `publish` kept of it is not needed any more."""
        self._temporary(job, artifact).unlink(missing_ok=True)
        for path in (*sidecars(artifact.path), artifact.path):
            path.unlink(missing_ok=True)

    def sweep(self, job: Job) -> None:
        """Take away what kills in the middle of publishing left of this job."""
        for path in self._folder(job).glob(f".easel-{job.id}-*.tmp"):
            with contextlib.suppress(OSError):  # Windows lets nobody take away what another program looks at
                path.unlink(missing_ok=True)

    def _publish(self, job: Job, artifact: Artifact) -> Path:
        folder = self._folder(job)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = self._temporary(job, artifact)
        target = self._published_before(job, artifact, folder, temporary)
        if target is None:
            temporary.unlink(missing_ok=True)  # never written through: it may be a second name of somebody's file
            try:
                _copy(artifact.path, temporary)
                target = self._place(job, artifact, folder, temporary)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        for sidecar in sidecars(artifact.path):
            shutil.copyfile(sidecar, target.with_suffix(sidecar.suffix))
        return target

    def _published_before(self, job: Job, artifact: Artifact, folder: Path, temporary: Path) -> Path | None:
        """The file that a killed program published: the temporary file is a second name of it until `settle`."""
        if not temporary.is_file() or temporary.stat().st_nlink < 2:
            return None
        for name in _names(job, artifact):
            path = folder / name
            if not path.is_file():
                return None
            if path.samefile(temporary):
                return path
        return None

    def _temporary(self, job: Job, artifact: Artifact) -> Path:
        return self._folder(job) / f".easel-{job.id}-{artifact.index}.tmp"

    def _folder(self, job: Job) -> Path:
        if job.out is not None:
            return job.out.parent if job.out.suffix else job.out
        return self.folder / time.strftime("%Y-%m-%d", time.localtime(job.created))

    def _place(self, job: Job, artifact: Artifact, folder: Path, temporary: Path) -> Path:
        if job.out is not None and job.out.suffix and job.request.count == 1:
            temporary.replace(job.out)
            return job.out
        for name in _names(job, artifact):
            if _claim(temporary, folder / name):
                return folder / name
        raise FileExistsError("no free name")


def sidecars(path: Path) -> tuple[Path, ...]:
    """The small files that lie beside a picture because they had no room in it."""
    return tuple(side for suffix in SIDECARS if (side := path.with_suffix(suffix)).is_file())


def _names(job: Job, artifact: Artifact) -> Iterator[str]:
    stem = job.out.stem if job.out is not None and job.out.suffix else slug(job.request.image(artifact.index).prompt)
    base = f"{time.strftime('%H%M%S', time.localtime(job.created))}-{stem}-{artifact.seed}"
    yield f"{base}{artifact.path.suffix}"
    for number in range(2, 10_000):
        yield f"{base}-{number}{artifact.path.suffix}"


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())


def _claim(temporary: Path, target: Path) -> bool:
    """Give the finished file its name if nobody has it; a hard link refuses an existing name in one step."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError:  # FAT and some network drives have no hard links
        if target.exists():
            return False
        temporary.replace(target)
    return True
