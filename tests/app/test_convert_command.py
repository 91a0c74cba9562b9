"""`easel models convert`: a real pickle becomes safetensors in a child with limits; hostile ones are a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import main
from app.paths import ROOT

# Written by another process: the window's side imports no torch.
MAKE = """
import os, sys, torch
from pathlib import Path
folder = Path(sys.argv[1])

class Evil:
    def __reduce__(self):
        return os.mkdir, (str(folder / "ran"),)

torch.save({"state_dict": {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}}, folder / "good.ckpt")
torch.save({"state_dict": {"a.weight": torch.ones(2, 3)}, "more": Evil()}, folder / "evil.ckpt")
torch.save({"a": torch.ones(1).expand(10**11)}, folder / "huge.pt")
"""


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pickles")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-P", "-c", MAKE, str(folder)], check=True, env=environment)
    (folder / "bomb.ckpt").write_bytes(
        b"\x80\x02cbuiltins\nbytearray\n" + b"\x8a\x06" + (40 * 10**9).to_bytes(6, "little") + b"\x85R."
    )
    return folder


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_HOME", str(tmp_path / "home"))


def test_a_real_pickle_becomes_safetensors(pickles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "good.safetensors"
    assert main(["models", "convert", str(pickles / "good.ckpt"), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["tensors"]) == (str(out), 2)
    header = json.loads(out.read_bytes()[8 : 8 + int.from_bytes(out.read_bytes()[:8], "little")])
    assert header["a.weight"]["shape"] == [2, 3] and header["a.bias"]["dtype"] == "F32"
    assert main(["models", "convert", str(pickles / "good.ckpt"), "--out", str(out)]) == 2
    assert "convert-exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("evil.ckpt", ("convert-wants-code",)),
        ("huge.pt", ("convert-too-large", "convert-failed")),
        ("bomb.ckpt", ("convert-too-large", "convert-wants-code", "convert-failed")),
    ],
)
def test_a_hostile_pickle_is_a_sentence(
    pickles: Path, tmp_path: Path, name: str, codes: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made.safetensors"
    assert main(["models", "convert", str(pickles / name), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert any(code in told.err for code in codes), told.err
    assert "\n  - " in told.err, "a way out"
    assert "Traceback" not in told.err + told.out
    assert not out.exists() and not (pickles / "ran").exists()
    assert main(["models", "info", str(pickles / name), "--json"]) == 0
    problem = json.loads(capsys.readouterr().out)["problem"]
    assert problem["code"] == "model-pickle"
    assert any("easel models convert" in fix for fix in problem["fixes"]), "the way to convert"
