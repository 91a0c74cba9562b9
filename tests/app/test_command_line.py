"""The command line as people start it: a picture, a replay, bad input, Ctrl-C, a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from app.paths import ROOT

Easel = Callable[..., subprocess.CompletedProcess[str]]


def command(home: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return [sys.executable, "-P", "-m", "app", *arguments], environment


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Easel:
    """Runs one command in a home of its own, shared by the module; the working folder is not the project's."""
    home = tmp_path_factory.mktemp("a home with späces")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        words, environment = command(home, *arguments)
        return subprocess.run(words, env=environment, cwd=home, capture_output=True, text=True, check=False)

    return run


def test_a_picture_and_the_same_bytes_from_its_file(easel: Easel, tmp_path: Path) -> None:
    done = easel("generate", "a red apple", "--seed", "3", "--set", "steps=4", "--out", str(tmp_path / "1.png"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "1.png")
    again = easel("generate", "--from", str(tmp_path / "1.png"), "--out", str(tmp_path / "2.png"), "--json")
    assert json.loads(again.stdout)["state"] == "succeeded"
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    told = json.loads(easel("info", str(tmp_path / "1.png"), "--json").stdout)
    assert "a red apple" in json.dumps(told)


def test_inpaint_from_the_command_line(easel: Easel, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "init.png")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    mask.save(tmp_path / "mask.png")
    paths = ("--init-image", str(tmp_path / "init.png"), "--mask", str(tmp_path / "mask.png"))
    done = easel("generate", "a house", *paths, "--preset", "repaint", "--out", str(tmp_path / "out.png"))
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.convert("RGB").getpixel((5, 5)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (("generate", "x", "--preset", "drafty"), 2, "text-to-image/draft"),
        (("generate", "x", "--set", "width=65"), 2, "64 or 72"),
        (("generate", "x", "--set", "stps=3"), 2, "steps"),
        (("generate", "x", "--set", "sampler=Eulr"), 2, "Euler"),
        (("generate", "x", "--model", "startr"), 2, "starter"),
        (("generate", "x", "--init-image", "nowhere.png"), 2, "nowhere.png"),
        (("generate", "x", "--out", "/proc/nowhere"), 2, "--out"),
        (("info", "nowhere.png"), 2, "nowhere.png"),
        (("resume", "zzzz"), 2, "jobs list"),
        (("ui", "--listen"), 2, "--gradio-auth"),
        (("ui", "--theme", "pink"), 2, "light or dark"),
        (("ui", "--lowram"), 2, "--lowvram"),
    ],
)
def test_bad_input_gets_a_code_a_sentence_and_a_way_out(
    easel: Easel, arguments: tuple[str, ...], status: int, word: str
) -> None:
    done = easel(*arguments)
    assert done.returncode == status
    assert word in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "\n  - " in done.stderr


def test_errors_are_json_when_json_is_asked_for(easel: Easel) -> None:
    done = easel("generate", "x", "--set", "width=65", "--json")
    assert done.returncode == 2
    assert "size-not-allowed" in json.dumps(json.loads(done.stdout))


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_ctrl_c_stops_keeps_what_is_done_and_leaves_no_process(tmp_path: Path) -> None:
    words, environment = command(tmp_path, "generate", "a fox", "--count", "60", "--set", "steps=40")
    running = subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("outputs/*/*.png")):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert 1 <= len(list(tmp_path.glob("outputs/*/*.png"))) < 60


def test_the_report_holds_no_prompt_and_no_secret(tmp_path: Path) -> None:
    settings = tmp_path / "config" / "settings.json"
    settings.parent.mkdir()
    canary = "hf_CanaryCanaryCanary123456"
    settings.write_text(json.dumps({"schema_version": 1, "language": canary}), encoding="utf-8")
    for arguments in (
        ("generate", "canaryprompt", "--set", "steps=2"),
        ("export-debug", "--yes", "--out", "report.zip"),
    ):
        words, environment = command(tmp_path, *arguments)
        assert subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True).returncode == 0
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        text = "\n".join(archive.read(name).decode() for name in archive.namelist())
    assert "torch" in text
    for secret in (canary, "canaryprompt", str(tmp_path)):
        assert secret not in text
