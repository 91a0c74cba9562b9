"""The ratios of a run as a picture: a bar for each, a line where both sides would be the same, a mark at each goal."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from app.benchmark.figures import Figure
from app.benchmark.record import Record
from engines.api import UserError

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 900, 320, 90, 56, 30, 18
PAPER, INK, FAINT, GOOD, BAD = "#ffffff", "#202428", "#9aa4ae", "#2f7d5b", "#b4533c"
LONGEST = 1.5  # a ratio above it has a bar that ends at the edge, and its number


def draw(record: Record, path: Path) -> Path:
    """Draw the figures that have a ratio. Returns `path`. Raises `UserError("benchmark-not-saved")`."""
    figures = [figure for figure in record.figures if figure.ratio is not None]
    picture = Image.new("RGB", (WIDTH, TOP + ROW * max(1, len(figures)) + 20), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    said = f"{record.facts['model']}, {record.facts['date']}: Easel in parts of the other side; shorter is better"
    pen.text((12, 14), said, INK, font)
    for place, figure in enumerate(figures):
        _row(pen, font, TOP + place * ROW, figure)
    pen.line([(_x(1.0), TOP - 8), (_x(1.0), TOP + ROW * len(figures))], FAINT, 1)
    pen.text((_x(1.0) - 4, TOP - 24), "1", FAINT, font)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except OSError as error:
        raise UserError("benchmark-not-saved", path=str(path), why=error.strerror or str(error)) from error
    return path


def _row(
    pen: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, top: int, figure: Figure
) -> None:
    assert figure.ratio is not None
    pen.text((12, top), figure.name, INK, font)
    colour = BAD if figure.reached is False else GOOD
    pen.rectangle([(LEFT, top), (_x(figure.ratio), top + BAR)], colour)
    pen.text((_x(figure.ratio) + 6, top), f"{figure.ratio:.2f}", INK, font)
    if figure.goal is not None and figure.goal.of == "ratio":
        pen.line([(_x(figure.goal.limit), top - 3), (_x(figure.goal.limit), top + BAR + 3)], INK, 2)


def _x(ratio: float) -> int:
    return LEFT + round(min(max(ratio, 0.0), LONGEST) / LONGEST * (WIDTH - LEFT - RIGHT))
