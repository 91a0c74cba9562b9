"""The starter model draws what it is asked for, by likeness to the pictures that it was trained on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from app.paths import HOME_VARIABLE, ROOT

sys.path.insert(0, str(ROOT / "tools"))

from starter_sheet import draw, nearest, subjects, trained


@pytest.mark.long
def test_nine_of_ten_subjects_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    wrong = []
    for prompt, file in zip(trained(), draw(trained(), tmp_path), strict=True):
        with Image.open(file) as picture:
            if nearest(picture)[0] != prompt:
                wrong.append(prompt)
    assert len(wrong) <= len(trained()) / 10, wrong


def test_a_picture_of_the_sheet_is_nearest_to_itself_mirrored_or_moved() -> None:
    with Image.open(ROOT / "resources" / "starter" / "subjects.webp") as sheet:
        for index, prompt in enumerate(subjects()):
            y, x = divmod(index, 8)
            tile = sheet.convert("RGB").crop((x * 64, y * 64, x * 64 + 64, y * 64 + 64))
            moved = Image.new("RGB", tile.size, "white")
            moved.paste(tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (2, 1))
            assert nearest(moved)[0] == prompt
