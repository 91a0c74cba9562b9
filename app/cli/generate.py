"""`easel generate`: from words, settings and pictures to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.show import Json

if TYPE_CHECKING:
    from app.resolve import Resolved
    from app.services import Services
    from engines.api import GenerationRequest

Prompt = Annotated[str | None, typer.Argument(help="What to draw.", show_default=False)]
Negative = Annotated[str | None, typer.Option("--negative", help="What to keep out.")]
PresetName = Annotated[str | None, typer.Option("--preset", help="A preset; `easel presets list` shows them.")]
ModelName = Annotated[str | None, typer.Option("--model", help="A model; `easel models list` shows them.")]
TaskName = Annotated[str | None, typer.Option("--task", help="What is made of what; told by the pictures given.")]
Sampler = Annotated[str | None, typer.Option("--sampler", help="The sampler; `easel samplers list` shows them.")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="The noise schedule.")]
QualityName = Annotated[
    str | None, typer.Option("--quality", help="draft, normal or best: how much work goes into the steps.")
]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any other setting; repeatable.")]
InitImage = Annotated[Path | None, typer.Option("--init-image", help="The picture to start from.")]
LastImage = Annotated[Path | None, typer.Option("--last-image", help="The picture that a video ends with.")]
InitVideo = Annotated[Path | None, typer.Option("--init-video", help="The video to start from.")]
Seconds = Annotated[
    float | None, typer.Option("--seconds", help="How long a video is; rounded to what the model makes.")
]
Mask = Annotated[Path | None, typer.Option("--mask", help="White is repainted, black is kept.")]
Count = Annotated[int | None, typer.Option("--count", help="How many pictures.")]
Seed = Annotated[int | None, typer.Option("--seed", help="The same seed gives the same picture; -1 draws one.")]
PromptsFile = Annotated[
    Path | None, typer.Option("--prompts-file", help='A prompt a line, or options: --prompt "a cat" --steps 12.')
]
Styles = Annotated[list[str] | None, typer.Option("--style", help="Words around the prompt; `easel styles list`.")]
Source = Annotated[Path | None, typer.Option("--from", help="Use the settings of a picture that Easel made.")]
Loras = Annotated[
    list[str] | None, typer.Option("--lora", metavar="NAME:WEIGHT", help="A LoRA and how much it counts; repeatable.")
]
Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="file=NAME,…",
        help="A ControlNet: file=NAME,image=room.png,prepare=canny,weight=0.8,start=0,end=1; repeatable.",
    ),
]
IpAdapters = Annotated[
    list[str] | None,
    typer.Option(
        "--ip-adapter",
        metavar="file=NAME,…",
        help="An IP-Adapter: file=NAME,image=portrait.png,weight=0.7; repeatable.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="A folder, or a file: .png, .jpg, .webp, .avif; for videos .webm, .mp4, .gif, .webp."),
]
InProcess = Annotated[bool, typer.Option("--in-process", help="Run the engine in this process, to debug it.")]
LaneName = Annotated[
    str,
    typer.Option("--lane", metavar="ray://…", help="Run on a Ray cluster: ray://auto, or ray://HOST:PORT of its head."),
]

Format = Annotated[
    str | None, typer.Option("--format", help="png, jpeg, webp or avif; for videos webm, mp4, gif or webp.")
]

IMAGE_SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".avif": "avif"}
VIDEO_SUFFIXES = {".webm": "webm", ".mp4": "mp4", ".gif": "gif", ".webp": "webp"}


def generate(
    prompt: Prompt = None,
    negative: Negative = None,
    preset: PresetName = None,
    model: ModelName = None,
    task: TaskName = None,
    sampler: Sampler = None,
    scheduler: Scheduler = None,
    quality: QualityName = None,
    settings: Sets = None,
    loras: Loras = None,
    controls: Controls = None,
    ip_adapters: IpAdapters = None,
    init_image: InitImage = None,
    mask: Mask = None,
    last_image: LastImage = None,
    init_video: InitVideo = None,
    seconds: Seconds = None,
    count: Count = None,
    seed: Seed = None,
    source: Source = None,
    prompts_file: PromptsFile = None,
    styles: Styles = None,
    out: Out = None,
    file_format: Format = None,
    in_process: InProcess = False,
    lane: LaneName = "",
    as_json: Json = False,
) -> None:
    """Make pictures or videos from words. Prints where they are; Ctrl-C stops, and finished pictures stay."""
    values = assignments(settings or [])
    named = {
        "prompt": prompt,
        "negative_prompt": negative,
        "task": task,
        "sampler": sampler,
        "scheduler": scheduler,
        "init_image": absolute(init_image),
        "mask": absolute(mask),
        "last_image": absolute(last_image),
        "init_video": absolute(init_video),
        "count": count,
        "seed": seed,
        "loras": [lora_use(text) for text in loras] if loras else None,
        "controls": [control_use(text) for text in controls] if controls else None,
        "ip_adapters": [ip_adapter_use(text) for text in ip_adapters] if ip_adapters else None,
    }
    values |= {name: value for name, value in named.items() if value is not None}
    place = check_out(out)
    values = formats(file_format, place) | values
    if seconds is not None:
        values["seconds"] = seconds
    if quality is not None:
        values["quality"] = quality
    lines = None
    if prompts_file is not None:
        from app.many.prompts_file import read_prompts

        lines = read_prompts(prompts_file)
    _run(values, lines, styles or [], preset, model, source, place, in_process, lane, as_json)


def _run(
    values: dict[str, Any],
    lines: list[dict[str, Any]] | None,
    styles: list[str],
    preset: str | None,
    model: str | None,
    source: Path | None,
    out: Path | None,
    in_process: bool,
    lane: str,
    as_json: bool,
) -> None:
    from app.bootstrap import build_services
    from app.cli.follow import follow, follow_all
    from app.logs import keep_out

    with build_services(in_process=in_process, lane=lane) as services:
        found = [resolve_wishes(services, {**values, **line}, preset, model, source, styles) for line in lines or [{}]]
        for each in found:
            keep_out(each.request.prompt, each.request.negative_prompt)
        submit = services.orchestrator.submit
        if lines is None:
            follow(services, lambda: submit(found[0].request, found[0].record, out), as_json)
        else:
            follow_all(services, lambda: [submit(each.request, each.record, out) for each in found], as_json)


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


def assignments(texts: list[str]) -> dict[str, Any]:
    """Field and value of each `field=value`. Raises `UserError("set-malformed")`."""
    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            from engines.api import UserError

            raise UserError("set-malformed", text=text)
        values[name.strip().replace("-", "_")] = value
    return values


def formats(name: str | None, out: Path | None) -> dict[str, str]:
    """What pictures and videos are saved as, by a name or by the ending of the file. Raises `UserError("format-unknown")`."""
    suffix = f".{name.strip().lower()}" if name else out.suffix.lower() if out is not None else ""
    tables = {"image_format": IMAGE_SUFFIXES, "video_format": VIDEO_SUFFIXES | {".webm-av1": "webm-av1"}}
    found = {field: table[suffix] for field, table in tables.items() if suffix in table}
    if name and not found:
        from engines.api import UserError

        raise UserError("format-unknown", name=name)
    return found


def lora_use(text: str) -> dict[str, Any]:
    """NAME, NAME:WEIGHT or NAME:TEXT WEIGHT:WEIGHT, as a prompt's <lora:…> has them. Raises `UserError("lora-malformed")`."""
    from engines.api import UserError, parse_lora

    use = parse_lora(text)
    if use is None:
        raise UserError("lora-malformed", text=text)
    return use.model_dump()


def control_use(text: str) -> dict[str, Any]:
    """The values of "file=NAME,image=PATH,…" for a ControlNet. Raises `UserError("control-malformed")`."""
    from engines.api import ControlUse

    return _use(text, ControlUse.model_fields, "control-malformed")


def ip_adapter_use(text: str) -> dict[str, Any]:
    """The same for an IP-Adapter. Raises `UserError("ip-adapter-malformed")`."""
    from engines.api import IpAdapterUse

    return _use(text, IpAdapterUse.model_fields, "ip-adapter-malformed")


def _use(text: str, fields: Mapping[str, Any], code: str) -> dict[str, Any]:
    """Values with commas between them; one without a name is the file's."""
    from engines.api import UserError

    values: dict[str, Any] = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        name = name.strip() if sign else "file"
        value = value if sign else part
        if name not in fields or name in values or not value.strip():
            raise UserError(code, text=text)
        values[name] = value.strip()
    if "file" not in values:
        raise UserError(code, text=text)
    if "image" in values:
        values["image"] = absolute(Path(values["image"]))
    return values


def check_out(out: Path | None) -> Path | None:
    """The place as an absolute path. Raises `UserError("out-not-png")` for a file of a kind that is not written."""
    if out is None:
        return None
    if out.suffix and out.suffix.lower() not in {**IMAGE_SUFFIXES, **VIDEO_SUFFIXES} and not out.is_dir():
        from engines.api import UserError

        raise UserError("out-not-png", out=str(out), suffix=out.suffix)
    return out.absolute()


def absolute(path: Path | None) -> str | None:
    """The path as a request holds it."""
    return str(path.absolute()) if path is not None else None
