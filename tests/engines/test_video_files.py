"""Videos as files: written in chunks, read back, saved as other kinds; what ffprobe says of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engines.errors import ResourceError, UserError
from engines.media import read_metadata
from engines.media import video_write as writing
from engines.media.video_read import last_frame, poster, read_frames, video_facts, video_tags
from engines.media.video_save_as import save_video_as
from engines.media.video_write import Sound, VideoWriter
from engines.types import VideoFormat
from engines.video_rules import DecodeKind, VideoRules

FORMATS = (VideoFormat.WEBM, VideoFormat.WEBM_AV1, VideoFormat.MP4)
TAGS = {
    "parameters": "ein Apfel, „rot“\nSteps: 4, Sampler: Euler, Seed: 7",
    "easel": json.dumps({"schema_version": 1, "ü": 1}),
}
FRAMES, FPS = 25, 16


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A colour that moves: [25, 64, 96, 3]."""
    y, x = np.mgrid[0:64, 0:96]
    pictures = [np.stack([(x * 2 + i * 4) % 256, y * 3, np.full_like(x, i * 8)], -1) for i in range(FRAMES)]
    return np.stack(pictures).astype(np.uint8)


def tone() -> Sound:
    time = np.arange(24_000 * FRAMES // FPS) / 24_000
    return Sound((0.3 * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32), 24_000)


def write(path: Path, kind: VideoFormat, frames: np.ndarray, sound: Sound | None = None) -> VideoWriter:
    writer = VideoWriter(path.with_suffix(kind.suffix), kind, (96, 64), FPS, TAGS, sound)
    for start in range(0, FRAMES, 4):
        writer.write(frames[start : start + 4])
    return writer


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe, which is not ours, finds in the file."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("kind", FORMATS)
def test_ffprobe_reads_frames_speed_sound_and_records(tmp_path: Path, frames: np.ndarray, kind: VideoFormat) -> None:
    path = write(tmp_path / "film", kind, frames, tone()).finish()
    found = probe(path)
    picture, sound = found["streams"]
    assert (picture["nb_read_frames"], picture["r_frame_rate"], picture["pix_fmt"]) == ("25", "16/1", "yuv420p")
    assert (picture["width"], picture["height"], sound["codec_type"]) == (96, 64, "audio")
    assert abs(float(found["format"]["duration"]) - FRAMES / FPS) < 0.15
    tags = {key.lower(): value for key, value in found["format"]["tags"].items()}
    assert {key: tags[key] for key in TAGS} == TAGS
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_comes_back_is_what_went_in(tmp_path: Path, frames: np.ndarray, kind: VideoFormat) -> None:
    path = write(tmp_path / "film", kind, frames).finish()
    facts = video_facts(path)
    assert (facts.width, facts.height, facts.frames, facts.fps, facts.sound) == (96, 64, FRAMES, FPS, False)
    back = [np.asarray(picture).astype(int) for picture in read_frames(path)]
    assert len(back) == FRAMES
    assert np.abs(np.stack(back) - frames).mean() < 4
    assert np.abs(np.asarray(poster(path)).astype(int) - frames[0]).mean() < 4
    assert np.abs(np.asarray(last_frame(path)).astype(int) - frames[-1]).mean() < 4


@pytest.mark.skipif(sys.platform != "linux", reason="real-time scheduling is asked of Linux")
def test_no_encoder_leaves_the_process_with_another_priority(tmp_path: Path, frames: np.ndarray) -> None:
    for kind in FORMATS:
        writer = VideoWriter(tmp_path / f"a.{kind}", kind, (frames.shape[2], frames.shape[1]), 8, {})
        writer.write(frames)
        policies = {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()}
        writer.finish()
        assert policies <= {os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE}, kind
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_the_same_frames_give_the_same_file(tmp_path: Path, frames: np.ndarray) -> None:
    one, two = (write(tmp_path / name, VideoFormat.WEBM, frames).finish() for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_file_that_nobody_ended_plays_up_to_the_last_chunk(tmp_path: Path, frames: np.ndarray) -> None:
    writer = write(tmp_path / "film", VideoFormat.WEBM, frames)
    assert video_facts(writer.part).frames >= FRAMES - 3, "as a kill would leave it"
    assert not writer.path.exists()
    writer.close()
    assert video_facts(writer.part).frames == FRAMES


def test_an_mp4_has_its_index_in_front(tmp_path: Path, frames: np.ndarray) -> None:
    data = write(tmp_path / "film", VideoFormat.MP4, frames).finish().read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", [VideoFormat.MP4, VideoFormat.GIF, VideoFormat.WEBP, VideoFormat.WEBM_AV1])
def test_saved_as_another_kind_with_its_records(tmp_path: Path, frames: np.ndarray, kind: VideoFormat) -> None:
    source = write(tmp_path / "film", VideoFormat.WEBM, frames, tone()).finish()
    target = save_video_as(source, tmp_path / f"other{kind.suffix}", kind)
    assert read_metadata(target).infotext == TAGS["parameters"]
    if kind in (VideoFormat.GIF, VideoFormat.WEBP):
        with Image.open(target) as picture:
            assert (picture.n_frames, picture.size) == (FRAMES, (96, 64))  # pyright: ignore
    else:
        assert (video_facts(target).frames, video_facts(target).sound) == (FRAMES, True)
    assert {path.name for path in tmp_path.iterdir()} == {source.name, target.name}


def test_a_missing_encoder_is_named_with_what_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = {**writing.ENCODINGS, VideoFormat.MP4: writing.Encoding("mp4", {"no-such-h264": {}}, (), {})}
    monkeypatch.setattr(writing, "ENCODINGS", broken)
    with pytest.raises(ResourceError) as caught:
        VideoWriter(tmp_path / "film.mp4", VideoFormat.MP4, (96, 64), FPS, {})
    assert caught.value.code == "encoder-missing"
    assert "webm" in caught.value.message.fixes[0]


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\x1aE\xdf\xa3" + b"\xff" * 200, b"#EXTM3U\nhttp://x.invalid/a.ts"]
)
def test_damaged_and_foreign_files_get_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.webm"
    path.write_bytes(content)
    for read in (video_facts, poster, video_tags):
        with pytest.raises(UserError) as caught:
            read(path)
        assert caught.value.code == "video-broken"


def test_a_cut_off_file_is_read_as_far_as_it_goes(tmp_path: Path, frames: np.ndarray) -> None:
    path = write(tmp_path / "film", VideoFormat.WEBM, frames).finish()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert 0 < video_facts(path).frames < FRAMES


@pytest.mark.parametrize(
    ("frames", "nearest"), [(1, (9,)), (10, (9, 17)), (17, (17,)), (100, (97, 105)), (999, (257,)), (256, (249, 257))]
)
def test_counts_that_a_family_makes(frames: int, nearest: tuple[int, ...]) -> None:
    rules = VideoRules(8, 1, 9, 257, DecodeKind.WINDOWS)
    assert rules.nearest(frames) == nearest
    assert rules.allows(frames) == (nearest == (frames,))
    assert rules.frames_for(frames / 24, 24) in nearest
    assert rules.counts == "8k+1"
