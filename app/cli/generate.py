"""`easel generate`: from words, settings and pictures to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.cli.options import (
    Controls,
    Count,
    Format,
    InitImage,
    InitVideo,
    InProcess,
    IpAdapters,
    LaneName,
    LastImage,
    Loras,
    Mask,
    ModelName,
    Negative,
    Out,
    PresetName,
    Prompt,
    PromptsFile,
    QualityName,
    Sampler,
    Scheduler,
    Seconds,
    Seed,
    Sets,
    Source,
    Styles,
    TaskName,
)
from app.cli.show import Json
from app.cli.values import absolute, assignments, check_out, control_use, formats, ip_adapter_use, lora_use
from app.cli.wishes import resolve_wishes


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
