"""Options that several commands have, each under one name and with one help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
