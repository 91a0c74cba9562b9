"""A sheet of pictures in rows and columns with labels, drawn with Pillow."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.files import write_atomic

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 16_000  # pixels a side; above it the pictures on the sheet are made smaller, the files stay as they are
GAP = 8
INK, PAPER, EMPTY = "#1c1c1c", "#ffffff", "#dddddd"


def draw_sheet(
    path: Path, rows: Sequence[Sequence[Path | None]], columns: Sequence[str], lines: Sequence[str], title: str = ""
) -> None:
    """Draw `rows` of pictures, with a label above each column and before each line; a missing one leaves a grey place."""
    from PIL import Image

    cell = _cell([picture for row in rows for picture in row if picture is not None])
    across, down = max(map(len, rows)), len(rows)
    size = max(11, min(cell) // 16)
    left = min(cell[0], size * 12) if lines else 0
    top = size * 4 if columns else 0
    head = size * 2 if title else 0
    shrink = min(1.0, LARGEST / (left + across * (cell[0] + GAP)), LARGEST / (head + top + down * (cell[1] + GAP)))
    cell = (max(1, int(cell[0] * shrink)), max(1, int(cell[1] * shrink)))
    sheet = Image.new("RGB", (left + across * (cell[0] + GAP), head + top + down * (cell[1] + GAP)), PAPER)
    _write(sheet, title, (0, 0, sheet.width, head), size)
    for column, label in enumerate(columns):
        _write(sheet, label, (left + column * (cell[0] + GAP), head, cell[0], top), size)
    for line, row in enumerate(rows):
        y = head + top + line * (cell[1] + GAP)
        if lines:
            _write(sheet, lines[line], (0, y, left, cell[1]), size)
        for column, picture in enumerate(row):
            sheet.paste(_picture(picture, cell), (left + column * (cell[0] + GAP), y))
    data = io.BytesIO()
    sheet.save(data, "PNG")
    write_atomic(path, data.getvalue())


def _cell(pictures: Sequence[Path]) -> tuple[int, int]:
    """Width and height of the largest picture."""
    from PIL import Image

    sizes = [(64, 64)]
    for path in pictures:
        with Image.open(path) as picture:
            sizes.append(picture.size)
    return max(size[0] for size in sizes), max(size[1] for size in sizes)


def _picture(path: Path | None, cell: tuple[int, int]) -> Image:
    """The picture in the middle of its place, never enlarged."""
    from PIL import Image

    place = Image.new("RGB", cell, PAPER if path is not None else EMPTY)
    if path is not None:
        with Image.open(path) as picture:
            shown = picture.convert("RGB")
        shown.thumbnail(cell)
        place.paste(shown, ((cell[0] - shown.width) // 2, (cell[1] - shown.height) // 2))
    return place


def _write(sheet: Any, text: str, box: tuple[int, int, int, int], size: int) -> None:
    """The text in the middle of the box (left, top, width, height), in as many lines as it needs and has room for."""
    from PIL import ImageDraw, ImageFont

    left, top, width, height = box
    if not text or not width or not height:
        return
    font = ImageFont.load_default(size)
    room = max(1, int(width / (font.getlength("n") or 1)))
    lines = textwrap.wrap(text, room)[: max(1, int(height / (size * 1.25)))]
    middle = (left + width / 2, top + height / 2)
    pen = ImageDraw.Draw(sheet)
    pen.multiline_text(middle, "\n".join(lines), INK, font, anchor="mm", align="center", spacing=size // 4)
