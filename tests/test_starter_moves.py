"""The starter model for videos: it shows what it is asked for, it moves, and it stays the same subject meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.paths import HOME_VARIABLE, ROOT, STARTER

sys.path.insert(0, str(ROOT / "tools"))

from starter_clips import PROMPTS, changes, frames_of, judged, make, moves_as_asked, nearest
from starter_sheet import subjects

LARGEST = 22_000_000  # bytes of the whole folder


def test_a_clip_is_made_of_the_starter_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody names a model or a size, and nothing else is on this computer."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    out = tmp_path / "clip.webm"
    wish = ["generate", "a fox jumping", "--task", "text-to-video", "--set", "steps=2", "--seed", "3", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "app", *wish, "--out", str(out)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["files"]
    frames = frames_of(out)
    assert ([frame.size for frame in frames], changes(frames).min() > 0) == ([(64, 64)] * 16, True)


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in (STARTER / "video").rglob("*") if file.is_file()) < LARGEST


@pytest.mark.long
def test_three_of_four_clips_show_their_subject_and_move_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    clips = [frames_of(file) for file in make(PROMPTS, tmp_path)]
    found = [judged(prompt, frames) for prompt, frames in zip(PROMPTS, clips, strict=True)]
    shown, moving = np.sum(found, axis=0)
    assert min(shown, moving) >= len(PROMPTS) * 3 / 4, list(zip(PROMPTS, found, strict=True))
    for frames in clips:
        assert changes(frames).max() < 0.25, "no frame is another picture than the one before"


def drawn(prompt: str, places: list[tuple[float, float, float]]) -> list[Image.Image]:
    """The subject of the list of pictures, at middles and sizes in parts of the side."""
    y, x = divmod(subjects().index(prompt), 8)
    frames = []
    with Image.open(STARTER / "subjects.webp") as sheet:
        tile = sheet.convert("RGB").crop((x * 64, y * 64, x * 64 + 64, y * 64 + 64))
    for middle, height, size in places:
        side = round(size * 64)
        frame = Image.new("RGB", (64, 64), "white")
        frame.paste(tile.resize((side, side)), (round(middle * 64 - side / 2), round(height * 64 - side / 2)))
        frames.append(frame)
    return frames


def test_the_measure_sees_motion_and_the_lack_of_it() -> None:
    steps = np.linspace(0, 1, 16)
    right = drawn("a fox", [(0.3 + 0.4 * step, 0.5, 0.5) for step in steps])
    grown = drawn("a fox", [(0.5, 0.5, 0.4 + 0.5 * step) for step in steps])
    still = drawn("a fox", [(0.5, 0.5, 0.6)] * 16)
    jumping = drawn("a fox", [(0.5, 0.65 - 0.3 * abs(np.sin(2 * np.pi * step)), 0.6) for step in steps])
    assert {nearest(frames) for frames in (right, grown, still, jumping)} == {"a fox"}
    cases = {"a fox moving to the right": right, "a fox growing": grown, "a fox jumping": jumping}
    for asked, frames in cases.items():
        for words in (*cases, "a fox moving to the left", "a fox shrinking", "a fox flying up"):
            assert moves_as_asked(words, frames) == (words == asked), (words, asked)
    assert not moves_as_asked("a fox", still)
    assert moves_as_asked("a fox", right)
