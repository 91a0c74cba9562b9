"""Every kind of file that Easel writes, read by programs that are not ours: sd-parsers, sd-prompt-reader, exiftool, ffprobe."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.media import read_metadata
from engines.media.texts import texts_of
from engines.media.video_save_as import save_video_as
from engines.media.video_write import VideoWriter
from engines.types import ImageFormat, VideoFormat
from tests.engines.test_picture_files import WORDS, saved

NEGATIVE = "blue, “ü” 🦊"
PICTURES = {f"picture.{kind}": kind for kind in ImageFormat}
# Containers that ffprobe opens; GIF and WebP are pictures that move, made from a video.
CONTAINERS = {"film.webm": VideoFormat.WEBM, "film-av1.webm": VideoFormat.WEBM_AV1, "film.mp4": VideoFormat.MP4}
MOVING = {"film.gif": VideoFormat.GIF, "film.webp": VideoFormat.WEBP}
# What the two readers open: neither knows AVIF, GIF or videos.
READ_BY_OTHERS = ["picture.png", "picture.jpeg", "picture.webp", "film.webp"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One file of each kind, all with the same words."""
    folder = tmp_path_factory.mktemp("written")
    found = {}
    for name, kind in PICTURES.items():
        (folder / str(kind)).mkdir()
        found[name] = saved(folder / str(kind), kind, prompt=WORDS, negative_prompt=NEGATIVE)
    tags = {key: text for key, text in texts_of(found["picture.png"]).items() if key in ("parameters", "easel")}
    frames = np.random.default_rng(0).integers(0, 255, (9, 64, 96, 3), dtype=np.uint8)
    for name, kind in CONTAINERS.items():
        writer = VideoWriter(folder / name, kind, (96, 64), 8, tags)
        writer.write(frames)
        found[name] = writer.finish()
    for name, kind in MOVING.items():
        found[name] = save_video_as(found["film.webm"], folder / name, kind)
    return found


def infotext(files: Mapping[str, Path]) -> str:
    text = read_metadata(files["picture.png"]).infotext
    assert text is not None and text.startswith(WORDS)
    return text


def test_we_read_all_of_them(files: Mapping[str, Path]) -> None:
    assert len(files) == len(ImageFormat) + len(VideoFormat)
    found = {name: read_metadata(path).infotext for name, path in files.items()}
    assert found == dict.fromkeys(files, infotext(files))
    assert all(read_metadata(path).request is not None for path in files.values())


@pytest.mark.parametrize("name", READ_BY_OTHERS)
def test_sd_parsers(files: Mapping[str, Path], name: str) -> None:
    from sd_parsers import ParserManager

    found = ParserManager().parse(files[name])
    assert found is not None
    assert [prompt.value for prompt in found.prompts] == [WORDS]
    assert [prompt.value for prompt in found.negative_prompts] == [NEGATIVE]
    assert found.samplers[0].name == "DPM++ 2M"
    assert str(found.samplers[0].parameters["seed"]) == "3"


@pytest.mark.parametrize("name", READ_BY_OTHERS)
def test_sd_prompt_reader(files: Mapping[str, Path], name: str) -> None:
    from sd_prompt_reader.image_data_reader import ImageDataReader

    with files[name].open("rb") as file:
        found = ImageDataReader(file)
    assert (found.tool, found.positive, found.negative) == ("A1111 webUI", WORDS, NEGATIVE)
    assert (found.parameter["seed"], found.parameter["steps"]) == ("3", "20")


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool(files: Mapping[str, Path]) -> None:
    """The infotext to the letter, and no word of warning."""
    tags = ("-Parameters", "-UserComment", "-Comment", "-Warning")
    command = ["exiftool", "-j", *tags, *files.values()]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(shown) == len(files)
    for found in shown:
        assert "Warning" not in found, found
        assert _written(found) == infotext(files), found["SourceFile"]


def _written(found: dict[str, Any]) -> str:
    """A GIF has room for one comment, which holds both records."""
    if "Comment" in found:
        return str(json.loads(found["Comment"])["parameters"])
    return str(found.get("Parameters") or found["UserComment"])


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
@pytest.mark.parametrize("name", CONTAINERS)
def test_ffprobe(files: Mapping[str, Path], name: str) -> None:
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream=width,height", "-of", "json", files[name]]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    written = {key.lower(): value for key, value in found["format"]["tags"].items()}
    assert written["parameters"] == infotext(files)
    assert json.loads(written["easel"])["request"]["negative_prompt"] == NEGATIVE
    assert (found["streams"][0]["width"], found["streams"][0]["height"]) == (96, 64)
