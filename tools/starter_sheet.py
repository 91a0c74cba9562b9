"""Look at what the starter model can do: draw many prompts, put them on one labelled sheet, and count the right ones.

    ./.venv/bin/python tools/starter_sheet.py [--out sheet.webp] [--model ID]

A picture counts as right when, of all subjects, it is nearest to the one that was asked for: mean squared difference to the
pictures that the model was trained on (resources/starter/subjects.webp), both made small, so that a shifted edge counts
little. It says nothing about beauty, and a person should look at the sheet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
SUBJECTS = ROOT / "resources" / "starter" / "subjects.json"
TARGET = ROOT / "resources" / "screenshots" / "starter.webp"
SMALL = 16  # pixels of a side in the comparison
TILE, LABEL, COLUMNS = 128, 18, 8
SEED = 3
# With a colour or a place, and pairings that no training picture shows.
FURTHER = (
    *("a blue rocket", "a green apple", "a purple fish", "a yellow star", "a red robot", "a blue owl"),
    *("a cat on a green background", "a penguin on a yellow background", "a fox on a blue background"),
    *("a ghost on a purple background", "a banana on a pink background", "a crown on a red background"),
    *("a cat and a dog", "two apples", "a rocket on the moon", "a green fox", "a blue heart on a yellow background"),
    *("a house in the snow", "a red frog", "an orange whale", "a pink penguin", "a star in the night"),
    *("a black rabbit", "a white dragon"),
)


@cache
def subjects() -> tuple[str, ...]:
    """What a picture can be told to be, as prompts; the first of them are those that the model was trained on."""
    return tuple(json.loads(SUBJECTS.read_text(encoding="utf-8"))["subjects"])


def trained() -> tuple[str, ...]:
    """What the model was trained to draw."""
    return subjects()[: json.loads(SUBJECTS.read_text(encoding="utf-8"))["trained"]]


@cache
def _references() -> np.ndarray:
    return references_of(lambda tile: tile)


def references_of(seen: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """The pictures of the subjects as `seen` gives them, small: float array (subjects, SMALL, SMALL, 3), 0 to 1."""
    layout = json.loads(SUBJECTS.read_text(encoding="utf-8"))
    side, columns = layout["side"], layout["columns"]
    with Image.open(SUBJECTS.with_suffix(".webp")) as sheet:
        tiles = [
            sheet.crop((x * side, y * side, (x + 1) * side, (y + 1) * side))
            for y, x in (divmod(index, columns) for index in range(len(subjects())))
        ]
    return np.stack([small(seen(tile.convert("RGB"))) for tile in tiles])


def small(picture: Image.Image) -> np.ndarray:
    """The picture as it is compared: float array (SMALL, SMALL, 3), 0 to 1."""
    return np.asarray(picture.convert("RGB").resize((SMALL, SMALL), Image.Resampling.BOX), np.float32) / 255


def nearest(picture: Image.Image) -> list[str]:
    """The subjects by their likeness to the picture, the nearest first; a mirrored picture is as good."""
    own = small(picture)
    apart = [((_references() - each) ** 2).mean((1, 2, 3)) for each in (own, own[:, ::-1])]
    return [subjects()[index] for index in np.argsort(np.minimum(*apart))]


def draw(prompts: Sequence[str], folder: Path, model: str = "starter") -> list[Path]:
    """One picture for each prompt, by the command line."""
    listed = folder / "prompts.txt"
    listed.write_text("\n".join(prompts), encoding="utf-8")
    words = [
        "generate",
        "--prompts-file",
        str(listed),
        "--model",
        model,
        "--seed",
        str(SEED),
        "--out",
        str(folder / "made"),
    ]
    (folder / "made").mkdir()
    subprocess.run([sys.executable, "-m", "app", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return sorted((folder / "made").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)


def sheet(pictures: Sequence[tuple[str, Path]]) -> Image.Image:
    """All of them, with their prompts below."""
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + LABEL)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for index, (prompt, path) in enumerate(pictures):
        y, x = divmod(index, COLUMNS)
        with Image.open(path) as picture:
            page.paste(
                picture.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC), (x * TILE, y * (TILE + LABEL))
            )
        pen.text((x * TILE + 3, y * (TILE + LABEL) + TILE + 2), prompt[:24], "black", font)
    return page


def main() -> int:
    """Draw, count, write the sheet; returns the exit status."""
    parser = argparse.ArgumentParser(description="A contact sheet of the starter model, and how many are right.")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    prompts = (*trained(), *FURTHER)
    with tempfile.TemporaryDirectory() as name:
        files = draw(prompts, Path(name), arguments.model)
        right = 0
        for prompt, file in zip(trained(), files, strict=False):
            with Image.open(file) as picture:
                ranked = nearest(picture)
            right += ranked[0] == prompt
            if ranked[0] != prompt:
                print(f"{prompt}: nearest is {ranked[0]}, itself in place {ranked.index(prompt) + 1}")
        print(f"{right} of {len(trained())} subjects are nearest to themselves")
        sheet(list(zip(prompts, files, strict=True))).save(arguments.out, "WEBP", quality=85, method=6)
    return 0


if __name__ == "__main__":
    sys.exit(main())
