"""What somebody sent to `/v1/videos`, as a request: words, length in seconds, and what the video starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from app.http import pictures
from app.http.desk import Desk
from app.http.openai.models import named
from app.http.openai.wishes import size_of
from app.resolve import Resolved
from engines.api import VIDEO_SUFFIXES, ModelRecord, Task, UserError, VideoFormat, family_of

TEXTS = ("prompt", "model", "seconds", "size", "seed", "output_format", "steps")
SOURCE_ID = ("video[id]", "video_id")


@dataclass(frozen=True)
class Sent:
    """The texts that came, and files by the name of their field."""

    values: Mapping[str, Any]
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The id of the video that this one starts from, where it is one of ours."""
        video = self.values.get("video")
        inner = video.get("id") if isinstance(video, dict) else video
        found = next((self.values[name] for name in SOURCE_ID if self.values.get(name)), inner)
        return found if isinstance(found, str) else ""


async def read(request: Request) -> Sent:
    """A form or JSON. Raises `UserError("api-value")` for what is neither."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            data = await request.json()
        except ValueError as error:
            raise UserError("api-value", field="body", value="this", expected=f"It is not JSON: {error}") from error
        return Sent(data if isinstance(data, dict) else {})
    async with request.form(max_files=5, max_fields=100) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        uploads = {name: value for name, value in form.items() if isinstance(value, UploadFile)}
        return Sent(texts, {name: (each.filename or "", await each.read()) for name, each in uploads.items()})


def resolved(desk: Desk, sent: Sent, task: Task, source: Path | None = None) -> Resolved:
    """The request. `source` is the video to start from, where it is one of ours. Raises `UserError`."""
    prompt = sent.values.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UserError("api-value", field="prompt", value=prompt, expected="A video needs words")
    given = _given(desk, sent, task, source)
    if task is Task.TEXT_TO_VIDEO and "init_image" in given:
        task = Task.IMAGE_TO_VIDEO
    record = _model(desk, sent.values.get("model"), task)
    width, height = size_of(_text(sent, "size"), family_of(record).limits.side_multiple)
    own = {"width": width, "height": height, "seed": sent.values.get("seed"), "steps": sent.values.get("steps")}
    values = {"task": task, "prompt": prompt, **given, "video_format": _format(sent), **_known(own)}
    usual = desk.resolve({**values, "seed": 0}, record.id).request
    frames = _frames(sent.values.get("seconds"), record, usual.fps, task)
    return desk.resolve({**values, **frames}, record.id)


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _text(sent: Sent, name: str) -> str | None:
    value = sent.values.get(name)
    if value is not None and not isinstance(value, str):
        raise UserError("api-value", field=name, value=value, expected="It is a text")
    return value


def _format(sent: Sent) -> VideoFormat:
    wanted = _text(sent, "output_format") or VideoFormat.WEBM
    if wanted not in list(VideoFormat):
        raise UserError("api-value", field="output_format", value=wanted, expected=f"One of {', '.join(VideoFormat)}")
    return VideoFormat(wanted)


def _given(desk: Desk, sent: Sent, task: Task, source: Path | None) -> dict[str, str]:
    """What the video starts from, kept in the input store."""
    inputs = desk.services.inputs
    if source is not None:
        return {"init_video": inputs.keep(str(source), "init_video")}
    if task.needs_video:
        name, data = sent.files.get("video", ("", b""))
        if not data:
            raise UserError("api-value", field="video", value=None, expected="The file of a video, or its id")
        suffix = Path(name).suffix.lower()
        return {"init_video": inputs.keep_bytes(data, suffix if suffix in VIDEO_SUFFIXES else ".mp4")}
    if "input_reference" in sent.files:
        return {"init_image": pictures.kept(inputs, sent.files["input_reference"][1])}
    reference = sent.values.get("input_reference")
    inner = reference.get("image_url") if isinstance(reference, dict) else reference
    address = sent.values.get("input_reference[image_url]") or inner
    return {"init_image": pictures.kept(inputs, pictures.decode(str(address)))} if address else {}


def _model(desk: Desk, name: Any, task: Task) -> ModelRecord:
    """The model that is named, else the likeliest that can do it. Raises `UserError("api-not-here")` when none can."""
    if isinstance(name, str) and (found := named(desk, name)):
        return desk.services.models.get(found)
    able = desk.services.models.able(task)
    if not able:
        why = (
            "None of the models on this computer makes videos" if task is Task.TEXT_TO_VIDEO else f"The task is {task}"
        )
        raise UserError("api-not-here", what="a model for videos", why=why)
    return able[0]


def _frames(seconds: Any, record: ModelRecord, fps: int, task: Task) -> dict[str, int]:
    """The frames that come nearest to the seconds; those that a longer film shows again are not counted."""
    rules = family_of(record).video
    if seconds in (None, "") or rules is None:
        return {}
    try:
        wanted = min(max(float(seconds), 0.0), 3600.0)
    except (TypeError, ValueError) as error:
        raise UserError("api-value", field="seconds", value=seconds, expected="It is a number") from error
    again = rules.goes_on_from / fps if task is Task.EXTEND_VIDEO else 0.0
    return {"frames": rules.frames_for(wanted + again, fps)}
