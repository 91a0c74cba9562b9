"""`docs/video.md`: what the families of video models can do, from their descriptions, and what there is to know around it."""

from __future__ import annotations

from typing import Any

TEXT = """# Videos

Text to video, picture to video, film to film, and films made longer: in the Video tab, with `easel generate --task
…`, and over the API. A tiny model for clips of two seconds comes along ([what it makes](../resources/starter/video/README.md)),
so that the tab works at once; the catalogue has one or more of each family. **Beside it, what was tried so far are tiny
models of every family, with random weights and the families' real parts, on a processor.** Full-size models, their speed
and their memory on a card were not tried; where a page speaks of gigabytes, they are computed.

## What each family does

{table}
`extend` says how many of a film's last frames the model is shown when the film is made longer. With one it goes on
from a picture, and does not see how things moved. The old part stays in front, in the same file, with its sound;
frames that the model was shown are not there twice. Size, speed and, where a film is drawn anew, length follow the
film that is given, unless you say otherwise.

## Lengths and sizes

A model makes certain numbers of frames and multiples of a side alone. A length in seconds (the Video tab, `--seconds
3`) becomes the nearest number of frames, and the tab and the command line say which; a number of frames that you ask
for by itself and that the model does not make is refused, with the nearest ones. A picture to start from is cut to
the outline of the video, never stretched.

## Before it starts

The line beside Generate and `easel plan` say what a video will take: memory, time, the size of its file and the room on
the disk while it is made. The size is that of files of the same kind that were made on this computer, of the same model
where there are any; before that it is what a panned picture with a little grain took (bytes a pixel and frame: `webm`
0.034, `webm-av1` 0.025, `mp4` 0.039, `gif` 0.59, `webp` 0.19), and at most what noise takes. A wish gets a refusal before
anything is loaded, with both numbers and what would fit, when memory is too small in the most frugal way, when the disk
of the outputs or of the data folder is, and when the length, the size or the container cannot be made.

## Files

| format | made of | plays in the window | what it is for |
| --- | --- | --- | --- |
| `webm` | VP9, Opus | yes | the usual one |
| `webm-av1` | AV1, Opus | yes | smaller files, made more slowly |
| `mp4` | H.264, AAC | no: its browser has no H.264 | sending to others |
| `gif`, `webp` | moving pictures without sound | yes | pages |

Frames are written while they are decoded, a few at a time, under a name with `.part` in it, which plays as far as it
goes; the file gets its name when it is whole. What the sampler made is kept on disk until then: a decode that was
stopped or killed goes on from there without a step of sampling, and gives the same bytes. Out of memory, a decode is
tried in tiles or with fewer frames at once, then on the processor; a decoder that gives no numbers in 16 bits runs in
float32; the file and the page say so.

The same bytes come of the same number of processor threads alone: sums are split among them. The file holds that
number, `easel verify` takes it, and `easel why-different` names it. Tiles give other pixels than whole frames, too.
Whether there are tiles is decided when a video is begun, and it goes on that way after a stop; if memory has become too
small meanwhile it goes on in tiles, and the file says so. How a video was made is in the file: `parameters`
(what A1111 writes) and `easel` (everything), which ffprobe and exiftool show.

## What is left out

- **Frames in between.** Programs that double the frames (RIFE, FILM) come as repositories with weights of their own;
  what PyPI lists for it is young, and none was tried.
- **Larger frames.** Enlarging frame by frame with an upscaler's file, as Easel does for pictures, would be possible and
  was not built: frames that know nothing of one another flicker. A single one can be enlarged: Last frame to Image,
  then Enlarge.
- **Control videos, camera paths, animated faces** (VACE, Fun-Control, Animate): not before their plain relatives were
  tried at full size.
"""


def video_page() -> str:
    """The page."""
    return TEXT.format(table=_table())


def _table() -> str:
    from engines.api import families

    heads = (
        "family",
        "from words",
        "from a picture",
        "first and last",
        "from a film",
        "extend",
        "frames",
        "fps",
        "sides",
        "sound",
    )
    rows = [_row(made) for each in families() if each.video for made in _made(each)]
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _made(family: Any) -> list[Any]:
    """The family, and the variants of it that do other things or in other numbers."""
    variants = [family.as_variant([name]) for name in family.changes]
    return [family, *(made for made in variants if _does(made) != _does(family))]


def _does(made: Any) -> tuple[Any, ...]:
    return made.tasks, made.video, made.limits.side_multiple, made.defaults["fps"]


def _row(made: Any) -> tuple[Any, ...]:
    from engines.api import Task

    rules, able = made.video, set(made.tasks)
    name = f"[{made.title}](families/{made.id}.md)" + (f", {'-'.join(made.variants)}" if made.variants else "")
    counts = "any" if rules.frame_step == 1 else rules.counts
    ends = "always" if rules.needs_last_image else _mark(rules.last_image)
    return (
        name,
        _mark(Task.TEXT_TO_VIDEO in able),
        _mark(Task.IMAGE_TO_VIDEO in able),
        ends,
        _mark(Task.VIDEO_TO_VIDEO in able),
        rules.goes_on_from if Task.EXTEND_VIDEO in able else "",
        f"{counts}, {rules.min_frames} to {rules.max_frames}",
        made.defaults["fps"],
        made.limits.side_multiple,
        _mark(rules.sound),
    )


def _mark(able: bool) -> str:
    return "yes" if able else ""
