"""Receipts: a picture is made again and is the same; two pictures that differ say why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.pixels import compare
from app.receipts import differences, read_both
from engines.api import ImageFormat, UserError, read_metadata
from engines.media import save_picture
from tests.app.test_command_line import Easel, easel  # noqa: F401 (a fixture)
from tests.engines.test_media import FACTS, RECORD, request

WISH = ("a red apple", "--seed", "3", "--set", "steps=2", "--set", "width=64", "--set", "height=64")


def saved(path: Path, record: Any = RECORD, facts: dict[str, str] = FACTS, **fields: Any) -> Path:
    save_picture(Image.new("RGB", (64, 48), "red"), path, request(**fields), record, facts)
    return path


def why(first: Path, second: Path) -> list[str]:
    return [each.sentence() for each in differences(*read_both(first, second))]


def test_the_same_is_the_same(tmp_path: Path) -> None:
    assert why(saved(tmp_path / "1.png"), saved(tmp_path / "2.png")) == []


def test_each_ingredient_is_named(tmp_path: Path) -> None:
    first = saved(tmp_path / "1.png")
    assert why(first, saved(tmp_path / "2.png", seed=4, prompt="a green apple")) == [
        "The prompt differs: “a red apple” in the first, “a green apple” in the second.",
        "The seed differs: “3” in the first, “4” in the second.",
    ]
    assert why(first, saved(tmp_path / "3.png", facts={**FACTS, "torch": "2.14.0"})) == [
        "The version of torch differs: “2.13.0” in the first, “2.14.0” in the second."
    ]
    assert why(saved(tmp_path / "t1.png", facts={**FACTS, "threads": "1"}), saved(tmp_path / "t2.png")) == [
        "The number of processor threads is known of the first alone: “1”."
    ]
    noted = tmp_path / "5.png"
    save_picture(Image.new("RGB", (64, 48), "red"), noted, request(), RECORD, FACTS, ["decoded in tiles"])
    assert why(first, noted) == [
        "The way it had to be made differs: “as asked” in the first, “decoded in tiles” in the second."
    ]
    assert why(first, saved(tmp_path / "4.png", record=replace(RECORD, fingerprint="ab")))[0].startswith(
        "The model's fingerprint (other files under one name) is known of the second alone"
    )


def test_a_changed_weight_file_is_found_by_its_hash(tmp_path: Path) -> None:
    first, second = (replace(RECORD, fingerprint="same", hashes={"unet/x.safetensors": mark * 64}) for mark in "ab")
    (found,) = why(saved(tmp_path / "1.png", record=first), saved(tmp_path / "2.png", record=second))
    assert found.startswith("The file unet/x.safetensors differs: “aaa")


def test_files_of_other_programs_are_compared_by_their_infotexts(tmp_path: Path) -> None:
    from tests.engines.foreign_files import A1111

    old = next(case for case in A1111 if case.name == "a1111-old.png").write(tmp_path)
    new = next(case for case in A1111 if case.name == "forge.png").write(tmp_path)
    assert "The sampler differs: “DPM++ 2M” in the first, “Euler” in the second." in why(old, new)
    Image.new("RGB", (4, 4)).save(tmp_path / "bare.png")
    with pytest.raises(UserError):
        read_both(old, tmp_path / "bare.png")


def test_pixels(tmp_path: Path) -> None:
    first = saved(tmp_path / "1.png")
    assert compare(first, saved(tmp_path / "2.png")).same_bytes
    other = compare(first, saved(tmp_path / "3.png", seed=5))
    assert (other.same_bytes, other.same_pixels) == (False, True)
    Image.new("RGB", (64, 48), (250, 0, 0)).save(tmp_path / "4.png")
    assert compare(first, tmp_path / "4.png").largest == 5
    Image.new("RGB", (6, 4)).save(tmp_path / "5.png")
    assert not compare(first, tmp_path / "5.png").same_size


def test_verify_and_why_different(easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    first, second = tmp_path / "1.png", tmp_path / "2.webp"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert easel("generate", *WISH, "--out", str(first)).returncode == 0
    assert read_metadata(first).record["software"]["threads"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the same bytes come of as many threads alone: verify takes that number
    record = read_metadata(first).record
    assert len(record["weights"]) == 4 and all(len(each) == 64 for each in record["weights"].values())
    told = easel("verify", str(first))
    assert (told.returncode, told.stdout.strip()) == (0, "The files are the same, byte for byte."), told.stderr
    assert easel("generate", *WISH, "--set", "guidance=5", "--out", str(second)).returncode == 0
    made = read_metadata(second).request
    assert made is not None and (made.guidance, made.image_format) == (5, ImageFormat.WEBP)
    shown = easel("why-different", str(first), str(second)).stdout
    assert "The guidance (CFG scale) differs: “3.5” in the first, “5.0” in the second." in shown
    assert "The pictures differ: by" in shown
    assert "video" not in shown
    listed = json.loads(easel("history", "list", "--json").stdout)["pictures"]
    assert {each["path"] for each in listed} == {str(first), str(second)}


@pytest.mark.long
def test_a_picture_that_was_painted_over_is_not_verified(easel: Easel, tmp_path: Path) -> None:  # noqa: F811
    from PIL.PngImagePlugin import PngInfo

    path = tmp_path / "1.png"
    assert easel("generate", *WISH, "--out", str(path)).returncode == 0
    with Image.open(path) as picture:
        chunks = PngInfo()
        for key, value in picture.info.items():
            chunks.add_itxt(key, value)
        painted = picture.copy()
    painted.putpixel((3, 3), (1, 2, 3))
    painted.save(path, pnginfo=chunks)
    told = easel("verify", str(path), "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["same_pixels"], found["largest"] > 0) == (1, False, True)
