"""Jobs and their progress as the page's script reads them: plain JSON, words included."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from app.events import Event
from app.history import picture_id
from app.inputs import PREFIX
from app.jobs import Failed, Interrupted, Job, Running, state_name
from app.ui.notices import card_for_job
from app.ui.words import Words
from engines.api import Artifact, Progress, Stage, Task

# Upscaling is an action on a picture, no mode.
IMAGE_TASKS = (Task.TEXT_TO_IMAGE, Task.IMAGE_TO_IMAGE, Task.INPAINT, Task.EDIT)
VIDEO_TASKS = tuple(task for task in Task if task.makes_video)


def tab_of(task: Task) -> str:
    """The tab in which a task is at home."""
    return "video" if task in VIDEO_TASKS else "image"


def job_view(job: Job, event: Event | None, words: Words, outputs: Path, model: str) -> dict[str, Any]:
    """A job with its files, its error as a card, how far it is by the last `event` of it, and its model's title."""
    request = job.request
    return {
        "id": job.id,
        "tab": tab_of(request.task),
        "task": str(request.task),
        "state": state_name(job.state),
        "prompt": request.prompt,
        "title": _title(request.prompt, words),
        "count": request.count,
        "width": request.width,
        "height": request.height,
        "created": job.created,
        "model": model,
        "files": [file_view(artifact, outputs) for artifact in job.artifacts],
        "before": before_of(job),
        "error": card_for_job(job.state.error, words) if isinstance(job.state, Failed | Interrupted) else None,
        "progress": progress_view(job, event, words),
        "summary": _summary(job, words),
    }


def before_of(job: Job) -> str | None:
    """The address of the picture that was redrawn or enlarged; None where there is none, or where the outline is another."""
    request = job.request
    if request.task.makes_video or request.outpaint is not None or not (request.init_image or "").startswith(PREFIX):
        return None
    return f"/easel/inputs/{str(request.init_image).removeprefix(PREFIX)}"


def file_view(artifact: Artifact, outputs: Path) -> dict[str, Any]:
    """A finished file by the id that the page may ask for."""
    found = picture_id(artifact.path, outputs)
    return {
        "picture": found,
        "url": f"/easel/pictures/{found}",
        "thumbnail": f"/easel/thumbnails/{found}",
        "name": artifact.path.name,
        "media": artifact.media_type,
        "seed": artifact.seed,
        "width": artifact.width,
        "height": artifact.height,
        "notes": list(artifact.notes),
    }


def progress_view(job: Job, event: Event | None, words: Words) -> dict[str, Any] | None:
    """How far a running job is; None for others."""
    if not isinstance(job.state, Running):
        return None
    progress = event.progress if event is not None else None
    if event is None or progress is None:
        return {"text": words("progress.begins"), "part": 0.0, "preview": None}
    return {
        "text": progress_text(progress, event.seconds_left, words),
        "part": round(_part(progress), 4),
        "preview": f"/easel/previews/{job.id}?at={progress.image}-{progress.step}" if progress.preview else None,
    }


def progress_text(progress: Progress, seconds_left: float | None, words: Words) -> str:
    """ "Picture 1 of 4: 12/20, 4 s left"."""
    parts = [words(f"stage.{progress.stage}")]
    if progress.stage is Stage.DENOISE and progress.total:
        parts = [f"{progress.step}/{progress.total}"]
    if seconds_left is not None:
        parts.append(time_left(seconds_left, words))
    text = ", ".join(parts)
    if progress.images > 1 and progress.stage is not Stage.LOAD:
        return words("progress.picture", number=progress.image + 1, count=progress.images, text=text)
    return text


def time_left(seconds: float, words: Words) -> str:
    """The time that is left, in the coarsest unit that still says something."""
    whole = max(0, round(seconds))
    if whole < 60:
        return words("time.seconds", seconds=whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return words("time.minutes", minutes=minutes, seconds=rest)
    return words("time.hours", hours=minutes // 60, minutes=minutes % 60)


def day_title(day: str, words: Words) -> str:
    """ "Today", "Yesterday", or the date as it is written in files and folders."""
    now = time.time()
    names = {_day(now): words("day.today"), _day(now - 86_400): words("day.yesterday")}
    return names.get(day, day)


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def _part(progress: Progress) -> float:
    """The finished part of the whole job, from 0 to 1."""
    if progress.stage in (Stage.DECODE, Stage.SAVE):
        return (progress.image + 1) / progress.images
    if progress.stage is not Stage.DENOISE or not progress.total:
        return progress.image / progress.images
    return (progress.image + progress.step / progress.total) / progress.images


def _title(prompt: str, words: Words) -> str:
    line = " ".join(prompt.split())
    return f"{line[:79]}…" if len(line) > 80 else line or words("job.no-prompt")


def _summary(job: Job, words: Words) -> str:
    state = words(f"state.{state_name(job.state)}")
    if job.request.count > 1:
        return words("job.summary", state=state, done=len(job.artifacts), count=job.request.count)
    return state
