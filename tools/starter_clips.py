"""Look at what the starter model for videos can do: make clips, put their frames on a sheet, count the right ones.

    ./.venv/bin/python tools/starter_clips.py [--out FOLDER] [--model ID] [--all]

There are two sheets: every frame of every clip side by side, and the clips as they run. Eight more clips are made from the
first one, each with another subject. `--all` makes one clip of each of the forty subjects instead, and no sheet.

A clip shows its subject when more frames are nearest to that one than to any other of the forty, what is there cut out and
made small (see `starter_sheet`). It moves as asked when what is there goes, grows or turns as the words say
(`moves_as_asked`). Both say nothing about beauty, and a person should look at the sheets.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engines.media.video_read import read_frames
from starter_sheet import SEED, references_of, small, subjects

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "resources" / "screenshots"
TILE, LABEL = 64, 16
COLUMNS, LARGE = 4, 160
INK = 0.12  # how far from white a pixel is that belongs to what is shown, of 1
STILL = 0.004  # of 1: neighbouring frames of a clip that stands still differ by less
MOVES = (
    *("jumping", "flying up", "moving to the right", "growing", "shrinking", "moving to the left", "falling down"),
)
PROMPTS = (
    *("a fox jumping", "a rocket flying up", "a fish moving to the left", "a red heart growing", "a snowman shrinking"),
    *("a red apple falling down", "a duck moving to the right", "an owl jumping", "a robot flying up", "a panda"),
    *("a penguin moving to the left", "a star growing", "a cat jumping", "a ghost falling down", "a frog shrinking"),
    "a train moving to the right",
)
# Drawn anew from the first clip of `PROMPTS`, a fox jumping. The motion is said too: the model follows words more than a clip.
ANEW = tuple(
    f"{each} jumping" for each in ("a cat", "a dog", "a penguin", "a ghost", "an owl", "a frog", "a panda", "a star")
)
Frames = list[Image.Image]


def every_subject() -> tuple[str, ...]:
    """One prompt for each subject, with the moves in turn."""
    return tuple(f"{each} {MOVES[index % len(MOVES)]}" for index, each in enumerate(subjects()))


def make(prompts: Sequence[str], folder: Path, model: str = "starter-video", start: Path | None = None) -> list[Path]:
    """One clip for each prompt, made by the command line; from the clip `start` where there is one. `folder` is there."""
    listed, made = folder / "prompts.txt", folder / "made"
    listed.write_text("\n".join(prompts), encoding="utf-8")
    words = ["generate", "--prompts-file", str(listed), "--model", model, "--seed", str(SEED), "--out", str(made)]
    words += ["--task", "text-to-video"] if start is None else ["--task", "video-to-video", "--init-video", str(start)]
    made.mkdir()
    subprocess.run([sys.executable, "-m", "app", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return sorted(made.rglob("*.webm"), key=lambda path: path.stat().st_mtime_ns)


def frames_of(file: Path) -> Frames:
    """All frames of a clip."""
    return list(read_frames(file))


def boxes(frames: Frames) -> np.ndarray:
    """Float array (frames, 4): the middle of what is there (x, y), its width and its height, in parts of the side.

    Frames in which nothing is there have NaN.
    """
    return np.array([_box(_ink(frame)) for frame in frames])


def _ink(frame: Image.Image) -> np.ndarray:
    """Float array (height, width), 0 to 1: how much of each pixel is no background. That is the corners' median colour."""
    pixels = np.asarray(frame.convert("RGB"), np.float32) / 255
    corners = np.concatenate(
        [pixels[y, x].reshape(-1, 3) for y in (slice(4), slice(-4, None)) for x in (slice(4), slice(-4, None))]
    )
    apart = np.abs(pixels - np.median(corners, 0)).max(-1)
    return np.where(apart > INK, apart, 0)


def _box(ink: np.ndarray) -> tuple[float, float, float, float]:
    """Middle and extent; the outermost hundredth on each side is left out, for a speck is no subject."""
    if ink.sum() == 0:
        return np.nan, np.nan, np.nan, np.nan
    edges = []
    for axis in (0, 1):
        share = np.cumsum(ink.sum(axis)) / ink.sum()
        low, high = np.searchsorted(share, (0.01, 0.99))
        edges.append((low / len(share), (high + 1) / len(share)))
    (left, right), (top, bottom) = edges
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _cut(frame: Image.Image) -> Image.Image:
    """What is there, in a square of its own size on white."""
    x, y, width, height = _box(_ink(frame))
    if np.isnan(x):
        return frame
    half = max(width, height) * frame.width / 2
    middle = (x * frame.width, y * frame.height)
    around = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    return frame.convert("RGB").transform(
        frame.size, Image.Transform.EXTENT, around, Image.Resampling.BILINEAR, fillcolor="white"
    )


@cache
def _cut_references() -> np.ndarray:
    return references_of(_cut)


def nearest(frames: Frames) -> str:
    """The subject that most frames are nearest to; a mirrored one is as good."""
    return Counter(_nearest(_cut(frame)) for frame in frames).most_common(1)[0][0]


def _nearest(cut: Image.Image) -> str:
    own = small(cut)
    apart = [((_cut_references() - each) ** 2).mean((1, 2, 3)) for each in (own, own[:, ::-1])]
    return subjects()[int(np.argmin(np.minimum(*apart)))]


def moves_as_asked(words: str, frames: Frames) -> bool:
    """Whether what is there goes, grows or turns as `words` say; without a word of motion, whether anything moves at all."""
    found = boxes(frames)
    if np.isnan(found).any():
        return False
    x, y, width, height = found.T
    size, last = np.sqrt(width * height), len(frames) - 1
    tests = {
        "to the right": x[last] - x[0] > 0.2,
        "to the left": x[0] - x[last] > 0.2,
        "flying up": y[0] - y[last] > 0.2,
        "falling down": y[last] - y[0] > 0.2,
        "growing": size[last] > 1.5 * size[0],
        "shrinking": size[0] > 1.5 * size[last],
        "jumping": np.ptp(y) > 0.12 and _turns(y) >= 2,
    }
    asked = next((test for name, test in tests.items() if words.endswith(name)), None)
    return bool(changes(frames).mean() > STILL if asked is None else asked)


def _turns(values: np.ndarray) -> int:
    """How often it goes the other way, by more than a fifth of its range."""
    least, kept, turns, way = np.ptp(values) / 5, values[0], 0, 0
    for value in values[1:]:
        if abs(value - kept) > least:
            turns += way * (value - kept) < 0
            way, kept = np.sign(value - kept), value
        elif way and (value - kept) * way > 0:
            kept = value
    return int(turns)


def changes(frames: Frames) -> np.ndarray:
    """Float array (frames - 1,): the mean difference of neighbouring frames, of 1."""
    pixels = np.stack([np.asarray(frame.convert("RGB"), np.float32) / 255 for frame in frames])
    return np.abs(np.diff(pixels, axis=0)).mean((1, 2, 3))


def sheet(clips: Sequence[tuple[str, Frames]]) -> Image.Image:
    """A row for each clip, its frames side by side, its prompt above."""
    wide = max(len(frames) for _, frames in clips)
    page = Image.new("RGB", (wide * TILE, len(clips) * (TILE + LABEL)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for row, (prompt, frames) in enumerate(clips):
        top = row * (TILE + LABEL)
        pen.text((3, top + 1), prompt, "black", font)
        for column, frame in enumerate(frames):
            page.paste(frame.convert("RGB").resize((TILE, TILE)), (column * TILE, top + LABEL))
    return page


def moving(clips: Sequence[tuple[str, Frames]]) -> Frames:
    """The clips side by side, as they run."""
    size = COLUMNS * LARGE, -(-len(clips) // COLUMNS) * (LARGE + LABEL)
    pages = []
    for index in range(min(len(frames) for _, frames in clips)):
        page = Image.new("RGB", size, "white")
        pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
        for place, (prompt, frames) in enumerate(clips):
            y, x = divmod(place, COLUMNS)
            frame = frames[index].convert("RGB").resize((LARGE, LARGE), Image.Resampling.BICUBIC)
            page.paste(frame, (x * LARGE, y * (LARGE + LABEL)))
            pen.text((x * LARGE + 3, y * (LARGE + LABEL) + LARGE + 1), prompt, "black", font)
        pages.append(page)
    return pages


def judged(prompt: str, frames: Frames) -> tuple[bool, bool]:
    """Whether the clip shows its subject, and whether it moves as asked; what is not so is printed."""
    asked = max((each for each in subjects() if prompt.startswith(each)), key=len)
    found, moves = nearest(frames), moves_as_asked(prompt, frames)
    if found != asked or not moves:
        print(f"{prompt}: nearest is {found}, {'moves as asked' if moves else 'does not move as asked'}")
    return found == asked, moves


def main() -> int:
    """Make, count, write the sheets; returns the exit status."""
    parser = argparse.ArgumentParser(description="Sheets of clips of the starter model, and how many are right.")
    parser.add_argument("--out", type=Path, default=TARGET, help="the folder of the sheets")
    parser.add_argument("--model", default="starter-video")
    parser.add_argument("--all", action="store_true", help="one clip of each subject, and no sheet")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name, "words"), Path(name, "anew")
        first.mkdir()
        second.mkdir()
        prompts = every_subject() if arguments.all else PROMPTS
        files = make(prompts, first, arguments.model)
        clips = list(zip(prompts, map(frames_of, files), strict=True))
        _count(clips)
        if arguments.all:
            return 0
        anew = list(zip(ANEW, map(frames_of, make(ANEW, second, arguments.model, files[0])), strict=True))
        print(f"drawn anew from {prompts[0]}:")
        _count(anew)
    sheet(clips + anew).save(arguments.out / "starter-video.webp", "WEBP", quality=85, method=6)
    page, *pages = moving(clips)
    page.save(
        arguments.out / "starter-video-moving.webp",
        "WEBP",
        save_all=True,
        append_images=pages,
        duration=125,
        loop=0,
        quality=80,
        method=6,
    )
    return 0


def _count(clips: Sequence[tuple[str, Frames]]) -> None:
    found = [judged(prompt, frames) for prompt, frames in clips]
    print(f"of {len(clips)}: {sum(a for a, _ in found)} show their subject, {sum(b for _, b in found)} move as asked")


if __name__ == "__main__":
    sys.exit(main())
