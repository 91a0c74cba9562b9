"""From what was given on the command line to the complete request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from app.resolve import Resolved
    from app.services import Services
    from engines.api import GenerationRequest


def resolve_wishes(
    services: Services,
    values: dict[str, Any],
    preset: str | None,
    model: str | None,
    source: Path | None,
    styles: list[str] | None = None,
) -> Resolved:
    """The complete request for what was given on the command line. Raises `UserError`."""
    from app.resolve import resolve
    from engines.api import UserError

    values = _with_styles(services, values, styles or [])
    replayed = read_source(source) if source is not None else None
    if replayed is not None and "task" not in values:
        values = values | _task_of(values)
    name = preset if preset is not None or replayed is not None else services.settings.preset
    chosen = services.presets.get(name) if name else None
    seconds, quality = values.pop("seconds", None), values.pop("quality", None)
    wish: dict[str, Any] = {
        "models": services.models,
        "preset": chosen,
        "model": model,
        "source": replayed,
        "source_name": source.name if source is not None else "",
        "usual": services.settings.usual_values(),
    }
    resolved = resolve(**wish, values=values)
    if quality is not None:
        values = {**_quality(str(quality), resolved), **values}
        resolved = resolve(**wish, values=values)
    if seconds is not None:
        resolved = resolve(**wish, values={**values, **_frames(float(seconds), resolved)})
    if needs_words(resolved) and "prompt" not in values and replayed is None:
        raise UserError("prompt-needed")
    return resolved


def _quality(name: str, resolved: Resolved) -> dict[str, Any]:
    from app.wishes import Quality, quality_values
    from engines.api import UserError, family_of

    try:
        level = Quality(name.strip().lower())
    except ValueError as error:
        raise UserError("quality-unknown", name=name, known=", ".join(Quality)) from error
    return quality_values(level, resolved.request, family_of(resolved.record))


def _with_styles(services: Services, values: dict[str, Any], styles: list[str]) -> dict[str, Any]:
    if not styles:
        return dict(values)
    from app.styles import StyleStore

    prompt, negative = (str(values.get(name, "")) for name in ("prompt", "negative_prompt"))
    prompt, negative = StyleStore(services.paths.styles).apply(styles, prompt, negative)
    return {**values, "prompt": prompt, "negative_prompt": negative}


def needs_words(resolved: Any) -> bool:
    """Whether the prompt is empty although the model reads one."""
    from engines.api import family_of

    return not resolved.request.prompt.strip() and family_of(resolved.record).reads_words


def _frames(seconds: float, resolved: Any) -> dict[str, int]:
    """The frames that come nearest to the wish, said aloud when they are not it. The seed that was drawn stays."""
    from app.wishes import frames_for

    request = resolved.request
    frames, note = frames_for(seconds, request, resolved.record.family)
    if note:
        typer.echo(note, err=True)
    return {"frames": frames, "seed": request.seed}


def _task_of(values: dict[str, Any]) -> dict[str, str]:
    """Pictures given beside a file's settings say what is meant more than the file does."""
    from engines.api import Task

    if "mask" in values:
        return {"task": str(Task.INPAINT)}
    return {"task": str(Task.IMAGE_TO_IMAGE)} if "init_image" in values else {}


def read_source(path: Path) -> GenerationRequest:
    """The request in a file that Easel made. Raises `UserError("no-settings-in-file")`."""
    from engines.api import UserError, read_metadata

    metadata = read_metadata(path)
    if metadata.request is None:
        raise UserError("no-settings-in-file", path=str(path), kind=metadata.kind)
    return metadata.request
