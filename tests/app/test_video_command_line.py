"""Videos from the command line: made, made longer, rounded aloud; each bad wish gets its sentence and a way out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from app import machine
from app.__main__ import main
from app.bootstrap import build_services
from app.file_sizes import file_size
from app.measured import Measured
from app.paths import ROOT
from app.places import RESERVE, check_output_place, rooms_for
from app.resolve import resolve
from app.ui.estimate import EstimateLine
from app.ui.words import Words
from engines.api import GenerationRequest, Task, UserError, family
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
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - 70_000_000, 70_000_000))
    wish = ["generate", "a ball", "--model", LTX, "--task", "txt2vid", "--set", "frames=257"]
    assert main([*wish, "--set", "width=704", "--set", "height=512"]) == 2
    told = capsys.readouterr().err
    assert "257 frames at 704x512 as webm" in told
    assert "70.0 MB is free" in told
    assert "up to 305 MB" in told, "twice while it is made and once in its place, the latents, and the reserve"
    assert "about 3 frames" in told, "what would fit"
    assert not list((home / "data" / "staging").iterdir()), "nothing was begun"
    assert main(["plan", *wish[1:], "--set", "width=704", "--set", "height=512", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["code"] == "disk-too-small-for-video"
    assert told["disks"][0]["free"] == 70_000_000 < told["disks"][0]["needed"]


def test_the_disks_of_outputs_and_of_staging_are_both_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = GenerationRequest(
        **{**family("ltx").defaults, "task": Task.TEXT_TO_VIDEO, "model": "x", "prompt": "x", "seed": 1}
    )
    size = file_size(wish, Measured(tmp_path / "none.json"))
    (room,) = rooms_for(wish, size, tmp_path, tmp_path)
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second disk")
    two = rooms_for(wish, size, tmp_path, Path("/dev/shm"))
    assert [each.folder for each in two] == [tmp_path, Path("/dev/shm")]
    assert sum(each.needed for each in two) == room.needed + RESERVE
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9, 8, 1) if str(path) == "/dev/shm" else real(path))
    with pytest.raises(UserError, match="/dev/shm"):
        check_output_place(tmp_path, wish, size, Path("/dev/shm"))


def test_a_plan_says_the_size_of_the_file_and_learns_it(
    home: Path, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = ["a ball", "--model", LTX, "--task", "txt2vid", "--set", "frames=17", "--set", "seed=4"]
    assert main(["plan", *wish]) == 0
    assert "file " in (told := capsys.readouterr().out) and "disk " in told
    assert main(["plan", *wish, "--set", "video_format=mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"]["learned"] is False, "no such file was made here"
    out = home / "size.webm"
    assert main(["generate", *wish, "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["plan", *wish, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["file"]
    assert found["learned"] is True
    assert out.stat().st_size <= found["most"]
    with build_services() as services:
        line = EstimateLine(services, Words("en"), "video")
        told = line.html(resolve(models=services.models, values={"prompt": "x", "model": LTX, "frames": 17}))
        assert re.search(r"a file of about [\d.]+ [kM]B\.</p>", told), told
        services.change_settings(memory_limit=0.1)
        assert "will not start" in line.html(resolve(models=services.models, values={"prompt": "x", "model": LTX}))
        services.change_settings(memory_limit=0)


def test_the_line_beside_generate_says_when_the_disk_is_too_small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - 70_000_000, 70_000_000))
    with build_services() as services:
        values = {"prompt": "x", "model": LTX, "frames": 257, "width": 704, "height": 512}
        told = EstimateLine(services, Words("en"), "video").html(resolve(models=services.models, values=values))
    assert "70.0 MB is free: it will not start like this" in told


def test_a_video_that_is_too_long_for_the_memory_is_refused_with_one_that_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(4 * 10**9, int(3.0e9)))
    wish = ["a ball", "--model", LTX, "--task", "txt2vid", "--set", "width=704", "--set", "height=512"]
    assert main(["generate", *wish, "--set", "frames=257"]) == 3
    told = capsys.readouterr().err
    assert "not enough memory" in told
    fitting = re.search(r"704x512 with (\d+) frames", told.partition("would fit")[2])
    assert fitting is not None, told
    assert main(["plan", *wish, "--set", f"frames={fitting[1]}", "--json"]) == 0, "what was offered does fit"
    assert json.loads(capsys.readouterr().out)["way"]["tiled"] is True, "in tiles, for whole frames are too much"


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
