"""Videos from the command line: made, made longer, rounded aloud; each bad wish gets its sentence and a way out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from app.__main__ import main
from app.paths import ROOT
from engines.media.video_read import video_facts

FAMILIES = ("wan-first-last", "ltx-conditions", "animatediff")
MAKE = """
import sys; from pathlib import Path; from engines.api import families_with_variants, make_tiny_models
make_tiny_models(Path(sys.argv[1]), [each for each in families_with_variants() if each.key in sys.argv[2:]])
"""
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with tiny models, and what to start from: a picture, a broken one, a film of 9 frames, a broken one."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-P", "-c", MAKE, str(home / "data" / "models"), *FAMILIES]
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    Image.radial_gradient("L").resize((96, 64)).convert("RGB").save(home / "first.png")
    (home / "broken.png").write_bytes((home / "first.png").read_bytes()[:200])
    (home / "broken.webm").write_bytes(b"\x1aE\xdf\xa3" + b"\xff" * 200)
    return home


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_HOME", str(home))
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def film(home: Path) -> Path:
    """A film that the command line made, its length asked for in seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASEL_HOME", str(home))
        out = str(home / "film.webm")
        assert main(["generate", "a ball", "--task", "txt2vid", "--model", LTX, "--seconds", "0.5", "--out", out]) == 0
    return home / "film.webm"


LTX, WAN, ANIMATED = "tiny-ltx-conditions", "tiny-wan-first-last", "tiny-animatediff"


def test_a_length_in_seconds_is_rounded_aloud(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert video_facts(film).frames == 9
    wish = ["generate", "a ball", "--task", "txt2vid", "--model", LTX, "--seconds", "0.5", "--set", "frames=x"]
    assert main(wish) == 2  # asked twice, and one of the two is no number
    capsys.readouterr()
    assert main(["generate", "a ball", "--task", "txt2vid", "--model", LTX, "--seconds", "0.5", "--json"]) == 0
    told = capsys.readouterr().err
    assert "0.5 s becomes 0.38 s: 9 frames at 24 per second" in told
    assert "8k+1 frames" in told


def test_a_film_is_made_longer(film: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "longer.webm"
    wish = ["generate", "on it goes", "--task", "extend", "--model", LTX, "--init-video", str(film), "--out", str(out)]
    assert main([*wish, "--json"]) == 0
    facts = video_facts(out)
    assert (facts.frames, facts.width, facts.height, facts.fps) == (9 + 8, 64, 64, 24)
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert main(["info", str(out), "--json"]) == 0
    assert "extend-video" in capsys.readouterr().out
    assert file


CASES = [
    (("--model", LTX, "--set", "frames=10"), 2, "frames-not-allowed", ("10 frames", "9 (0.4 s) or 17 (0.7 s)")),
    (("--model", LTX, "--set", "frames=9999"), 2, "frames-not-allowed", ("9999", "257 (10.7 s)")),
    (("--model", LTX, "--set", "width=100"), 2, "size-not-allowed", ("100", "96 or 128")),
    (("--model", LTX, "--set", "height=4000"), 2, "size-not-allowed", ("4000", "1280")),
    (("--model", LTX, "--set", "width=1280", "--set", "height=1280"), 2, "too-many-pixels", ("1280",)),
    (("--model", LTX, "--set", "fps=90"), 2, "value-out-of-range", ("90", "60")),
    (("--model", LTX, "--init-image", "nowhere.png"), 2, "init-image-missing", ("nowhere.png",)),
    (("--model", LTX, "--init-image", "broken.png"), 2, "init-image-broken", ("broken.png",)),
    (("--model", LTX, "--init-image", "first.png", "--last-image", "broken.png"), 2, "last-image-broken", ("end",)),
    (("--model", WAN, "--init-image", "first.png"), 2, "last-image-needed", ("--last-image",)),
    (("--model", ANIMATED, "--last-image", "first.png"), 2, "last-image-not-possible", ("AnimateDiff",)),
    (("--model", ANIMATED, "--init-video", "nowhere.webm"), 2, "video-missing", ("nowhere.webm",)),
    (("--model", ANIMATED, "--init-video", "broken.webm"), 2, "video-broken", ("broken.webm",)),
    (("--model", ANIMATED, "--task", "vid2vid"), 2, "init-video-needed", ("--init-video",)),
    (("--model", ANIMATED, "--init-video", "film.webm", "--set", "frames=16"), 2, "init-video-too-short", ("9", "16")),
    (("--model", "starter", "--seconds", "3"), 2, "not-a-video-model", ("--seconds",)),
    (("--model", LTX, "--format", "flv"), 2, "format-unknown", ("flv",)),
]


@pytest.mark.parametrize(
    ("options", "status", "code", "words"), CASES, ids=[f"{c[2]}-{i}" for i, c in enumerate(CASES)]
)
def test_a_bad_wish_gets_its_sentence(
    film: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    status: int,
    code: str,
    words: tuple[str, ...],
) -> None:
    assert main(["generate", "a ball", *options]) == status
    told = capsys.readouterr()
    assert all(word in told.err for word in words), told.err
    assert "\n  - " in told.err, "a way out"
    assert "Traceback" not in told.err + told.out
    assert main(["generate", "a ball", *options, "--json"]) == status
    assert code in capsys.readouterr().out


def test_no_encoder_is_said_before_anything_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import av.codec

    left = {name for name in av.codec.codecs_available if "264" not in name}
    monkeypatch.setattr(av.codec, "codecs_available", left)
    assert main(["generate", "a ball", "--model", LTX, "--task", "txt2vid", "--format", "mp4"]) == 3
    told = capsys.readouterr().err
    assert "no encoder for mp4" in told
    assert "webm" in told


def test_a_disk_too_small_for_the_video_is_said_with_both_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - 70_000_000, 70_000_000))
    wish = ["generate", "a ball", "--model", LTX, "--task", "txt2vid", "--set", "frames=257"]
    assert main([*wish, "--set", "width=704", "--set", "height=512"]) == 2
    told = capsys.readouterr().err
    assert "70.0 MB" in told
    assert "252 MB" in told, "two copies of 257 frames of 704x512 at a byte a pixel, and the reserve"


@pytest.mark.parametrize("ending", ["webm", "mp4"])
def test_a_video_is_made_again_and_compared(
    film: Path, home: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = home / f"first.{ending}"
    wish = ["generate", "a ball", "--task", "txt2vid", "--model", LTX, "--seed", "5"]
    assert main([*wish, "--out", str(first)]) == 0
    capsys.readouterr()
    assert main(["verify", str(first)]) == 0
    assert capsys.readouterr().out.strip() == "The files are the same, byte for byte."
    if ending == "webm":
        assert main(["why-different", str(first), str(film)]) == 0
        told = capsys.readouterr().out
        assert "The seed differs" in told
        assert "strength" not in told
        assert "The pictures differ: by" in told
