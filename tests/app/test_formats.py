"""What pictures are saved as: by a flag, by the file's ending, by the settings; and what lies beside a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from app.cli.values import check_out, formats
from app.jobs import Job, Queued
from app.outputs import OutputStore
from app.settings import Settings
from engines.api import Artifact, ImageFormat, UserError, read_metadata
from tests.app.test_command_line import Easel, easel  # noqa: F401 (a fixture)
from tests.engines.test_media import request


def test_by_name_or_by_ending() -> None:
    assert formats("JPG", None) == {"image_format": "jpeg"}
    assert formats("webp", None) == {"image_format": "webp", "video_format": "webp"}
    assert formats(None, Path("a.avif")) == {"image_format": "avif"}
    assert formats(None, Path("folder")) == {}
    assert formats("png", Path("a.avif")) == {"image_format": "png"}
    with pytest.raises(UserError):
        formats("bmp", None)
    with pytest.raises(UserError):
        check_out(Path("a.bmp"))


def test_the_settings_decide_when_nobody_says() -> None:
    assert Settings().usual_values() == {}
    assert Settings(image_format=ImageFormat.WEBP).usual_values() == {"image_format": "webp"}


def test_the_command_line_writes_them(easel: Easel, tmp_path: Path) -> None:  # noqa: F811
    wish = ("a red apple", "--seed", "3", "--set", "steps=2", "--set", "width=64", "--set", "height=64")
    done = easel("generate", *wish, "--out", str(tmp_path / "1.jpg"), "--json")
    assert json.loads(done.stdout)["files"] == [str(tmp_path / "1.jpg")], done.stderr
    folder = easel("generate", *wish, "--format", "avif", "--out", str(tmp_path / "more"), "--json")
    (made,) = (Path(name) for name in json.loads(folder.stdout)["files"])
    for path, kind in ((tmp_path / "1.jpg", "JPEG"), (made, "AVIF")):
        with Image.open(path) as picture:
            assert picture.format == kind
        found = read_metadata(path)
        assert found.request is not None and found.request.seed == 3
        assert "Steps: 2" in easel("info", str(path)).stdout
    again = easel("generate", "--from", str(tmp_path / "1.jpg"), "--out", str(tmp_path / "2.jpg"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "1.jpg").read_bytes() == (tmp_path / "2.jpg").read_bytes()


def test_sidecars_go_with_their_picture(tmp_path: Path) -> None:
    staging = tmp_path / "image-0000.jpg"
    Image.new("RGB", (8, 8)).save(staging)
    staging.with_suffix(".txt").write_text("a cat\nSteps: 2, Seed: 3, Sampler: Euler", "utf-8")
    job = Job("abc", request(), 0.0, Queued(), tmp_path / "out")
    store, artifact = OutputStore(tmp_path / "outputs"), Artifact(0, staging, "image/jpeg", 3, 8, 8)
    made = store.publish(job, artifact)
    store.settle(job, artifact)
    assert made.path.with_suffix(".txt").read_text("utf-8").startswith("a cat")
    assert not staging.with_suffix(".txt").exists()
    assert read_metadata(made.path).settings["Seed"] == "3"
