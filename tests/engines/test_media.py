"""Pictures in and out: any mode has a meaning, records come back, and readers that are not ours agree."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engines.errors import UserError
from engines.media import fit, open_image, open_mask, parse_infotext, read_metadata, save_picture, write_infotext
from engines.records import ModelRecord
from engines.types import GenerationRequest, Task

RECORD = ModelRecord("m", "A: model, with marks", "sd15", Path("/home/somebody/m"), "diffusers-folder", 0)
FACTS = {"easel": "0.1.0", "torch": "2.13.0", "device": "cpu"}


def request(**fields: Any) -> GenerationRequest:
    values = {
        "model": "m",
        "prompt": "a red apple",
        "width": 64,
        "height": 48,
        "steps": 20,
        "guidance": 3.5,
        "sampler": "DPM++ 2M",
        "scheduler": "SGM uniform",
        "seed": 3,
        **fields,
    }
    return GenerationRequest.model_validate(values)


def saved(folder: Path, **fields: Any) -> Path:
    path = folder / "picture.png"
    save_picture(Image.new("RGB", (64, 48), "red"), path, request(**fields), RECORD, FACTS)
    return path


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60)


@given(prompt=TEXT, negative=TEXT, seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 150))
def test_infotext_comes_back(prompt: str, negative: str, seed: int, steps: int) -> None:
    text = write_infotext(request(prompt=prompt, negative_prompt=negative, seed=seed, steps=steps), RECORD, FACTS)
    values = parse_infotext(text)
    if "Negative prompt:" not in prompt + negative:
        assert values["Prompt"] == prompt.strip()
        assert values["Negative prompt"] == negative.strip()
    assert (values["Seed"], values["Steps"], values["Size"]) == (str(seed), str(steps), "64x48")


def test_the_infotext_is_what_the_field_reads() -> None:
    text = write_infotext(request(negative_prompt="blue", clip_skip=2, task=Task.IMAGE_TO_IMAGE), RECORD, FACTS)
    assert text.split("\n") == [
        "a red apple",
        "Negative prompt: blue",
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: SGM Uniform, CFG scale: 3.5, Seed: 3, Size: 64x48, "
        "Model: A model with marks, Denoising strength: 0.75, Clip skip: 2, RNG: CPU, Version: Easel 0.1.0",
    ]


@pytest.mark.parametrize(
    ("task", "named"),
    [
        (Task.IMAGE_TO_IMAGE, True),
        (Task.VIDEO_TO_VIDEO, True),
        (Task.IMAGE_TO_VIDEO, False),
        (Task.EXTEND_VIDEO, False),
    ],
)
def test_a_strength_is_named_where_it_means_something(task: Task, named: bool) -> None:
    wish = request(task=task, init_image="x", init_video="y", frames=9)
    assert ("Denoising strength" in write_infotext(wish, RECORD, FACTS)) == named


def test_older_files_of_others_are_read() -> None:
    text = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 512x768"
    values = parse_infotext(text)
    assert (values["Sampler"], values["Schedule type"]) == ("DPM++ 2M", "Karras")
    assert (values["Size-1"], values["Size-2"]) == ("512", "768")


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert "Prompt" in parse_infotext(text)


def test_both_records_come_back_and_name_no_place(tmp_path: Path) -> None:
    path = saved(tmp_path, prompt="ü “x”\n日本 🦊", negative_prompt="a: b, c")
    metadata = read_metadata(path)
    assert metadata.kind == "easel"
    assert metadata.request == request(prompt="ü “x”\n日本 🦊", negative_prompt="a: b, c")
    assert b"somebody" not in path.read_bytes()


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert saved(tmp_path).read_bytes() == saved(tmp_path / "other").read_bytes()


def test_without_metadata_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "bare.png"
    save_picture(Image.new("RGB", (8, 8)), path, request(), RECORD, FACTS, with_metadata=False)
    with Image.open(path) as picture:
        assert picture.info == {}


def test_a_reader_that_is_not_ours_agrees(tmp_path: Path) -> None:
    from sd_parsers import ParserManager

    found = ParserManager().parse(saved(tmp_path, negative_prompt="blue"))
    assert found is not None
    assert [prompt.value for prompt in found.prompts] == ["a red apple"]
    assert [prompt.value for prompt in found.negative_prompts] == ["blue"]
    assert found.samplers[0].parameters["steps"] in (20, "20")


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool_agrees(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["exiftool", "-j", "-Parameters", saved(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Steps: 20" in json.loads(shown.stdout)[0]["Parameters"]


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40])
def test_what_is_no_picture_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        open_image(path)
    assert (caught.value.code, caught.value.params["path"]) == ("init-image-broken", str(path))


def test_a_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(UserError) as caught:
        open_image(path)
    assert caught.value.params == {"path": str(path), "pixels": 81, "limit": 64}


def opened(tmp_path: Path, picture: Image.Image, name: str = "x.png", **options: Any) -> np.ndarray:
    path = tmp_path / name
    picture.save(path, **options)
    result = open_image(path)
    assert result.mode == "RGB"
    return np.asarray(result)


def test_every_mode_has_a_meaning(tmp_path: Path) -> None:
    deep = Image.fromarray(np.full((4, 4), 32768, dtype=np.uint16))
    assert abs(int(opened(tmp_path, deep)[0, 0, 0]) - 128) <= 1
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert opened(tmp_path, clear)[0, 0].tolist() == [255, 255, 255]
    palette = Image.new("RGB", (4, 4), (10, 200, 30)).quantize(4)
    assert opened(tmp_path, palette)[0, 0].tolist() == [10, 200, 30]
    assert opened(tmp_path, Image.new("1", (4, 4), 1))[0, 0].tolist() == [255, 255, 255]
    assert opened(tmp_path, Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "x.jpg").min() > 250
    floats = Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32))
    assert abs(int(opened(tmp_path, floats, "x.tiff")[0, 0, 0]) - 128) <= 1
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert opened(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])[0, 0].tolist() == [255, 0, 0]


def test_exif_turns_the_picture_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert opened(tmp_path, Image.new("RGB", (8, 4)), "x.jpg", exif=exif).shape == (8, 4, 3)


def test_masks_count_by_their_colours(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.new("RGB", (4, 4), "white").save(path)
    assert open_mask(path).getextrema() == (255, 255)


def test_fitting_cuts_and_never_stretches() -> None:
    wide = Image.new("RGB", (200, 100), "blue")
    wide.paste("red", (50, 0, 150, 100))
    fitted = np.asarray(fit(wide, (64, 64)))
    assert fitted.shape == (64, 64, 3)
    assert fitted[32, 4].tolist() == [255, 0, 0]
