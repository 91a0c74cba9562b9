"""Pictures of every kind that Easel writes: both records come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engines.media import read_metadata, save_picture
from engines.types import ImageFormat
from tests.engines.test_media import FACTS, RECORD, request

KINDS = list(ImageFormat)
WORDS = "a fox 🦊, (red:1.2)\n<lora:x:0.8> “ü”"


def saved(folder: Path, kind: ImageFormat, record: Any = RECORD, **fields: Any) -> Path:
    path = folder / f"picture{kind.suffix}"
    wish = request(image_format=kind, **fields)
    save_picture(Image.radial_gradient("L").resize((64, 48)).convert("RGB"), path, wish, record, FACTS)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_both_records_come_back(tmp_path: Path, kind: ImageFormat) -> None:
    path = saved(tmp_path, kind, prompt=WORDS, negative_prompt="a: b, c <x>&amp;")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == (kind.upper(), (64, 48))
    found = read_metadata(path)
    assert found.request == request(prompt=WORDS, negative_prompt="a: b, c <x>&amp;", image_format=kind)
    assert found.infotext is not None and found.infotext.startswith(
        WORDS + "\nNegative prompt: a: b, c <x>&amp;\nSteps: 20"
    )
    assert found.settings["Seed"] == "3"


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(prompt=TEXT, negative=TEXT, seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(KINDS))
def test_any_words_come_back(tmp_path: Path, prompt: str, negative: str, seed: int, kind: ImageFormat) -> None:
    path = saved(tmp_path, kind, prompt=prompt, negative_prompt=negative, seed=seed)
    assert read_metadata(path).request == request(prompt=prompt, negative_prompt=negative, seed=seed, image_format=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_request_gives_the_same_bytes(tmp_path: Path, kind: ImageFormat) -> None:
    (tmp_path / "other").mkdir()
    assert saved(tmp_path, kind).read_bytes() == saved(tmp_path / "other", kind).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_without_metadata_there_is_none(tmp_path: Path, kind: ImageFormat) -> None:
    path = tmp_path / "bare"
    save_picture(Image.new("RGB", (8, 8)), path, request(image_format=kind), RECORD, FACTS, with_metadata=False)
    assert b"red apple" not in path.read_bytes()
    found = read_metadata(path)
    assert (found.kind, found.infotext, found.settings) == ("unknown", None, {})


@pytest.mark.parametrize("kind", [ImageFormat.JPEG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_what_is_too_long_lies_beside_the_picture(tmp_path: Path, kind: ImageFormat) -> None:
    path = saved(tmp_path, kind, prompt="fox " * 20_000)
    assert {each.name for each in tmp_path.iterdir()} == {path.name, "picture.txt", "picture.json"}
    found = read_metadata(path)
    assert found.request is not None and found.request.prompt == "fox " * 20_000
    assert found.settings["Steps"] == "20"


def test_hashes_are_written_when_they_are_known(tmp_path: Path) -> None:
    hashes = {"m.safetensors": "0123456789abcdef" * 4, "lora:my lora": "fedcba9876543210" * 4}
    record = replace(RECORD, path=Path("/home/somebody/m.safetensors"), hashes=hashes)
    found = read_metadata(saved(tmp_path, ImageFormat.PNG, record))
    assert (found.settings["Model hash"], found.settings["Lora hashes"]) == ("0123456789", "my lora: fedcba987654")
    assert found.record["weights"] == hashes
    folder = read_metadata(saved(tmp_path, ImageFormat.PNG, replace(RECORD, hashes={"unet/a.safetensors": "00"})))
    assert "Model hash" not in folder.settings
