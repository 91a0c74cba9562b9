"""Any folder that a system allows and any language that it speaks: a picture is made there, listed and found again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.paths import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

LONG = 240  # characters of the data folder's whole path
PLACES = {
    "spaces and quotes": ("a folder, 'quoted' & more", "C"),
    "umlauts": ("Größe ünïcode", "de_DE.UTF-8"),
    "CJK": ("画像 モデル", "tr_TR.UTF-8"),
    f"{LONG} characters": ("", "C.UTF-8"),
}


def easel(home: Path, language: str, *words: str) -> str:
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT), "LC_ALL": language, "LANG": language}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app", *words], env=environment, capture_output=True, timeout=600, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", PLACES)
def test_a_picture_in_any_folder(tmp_path: Path, promised: Callable[[str, str], None], kind: str) -> None:
    name, language = PLACES[kind]
    home = tmp_path / (name or "x" * (LONG - len(str(tmp_path)) - 1))
    assert name or len(str(home)) == LONG
    easel(
        home,
        language,
        "generate",
        "Ein Igel, İstanbul ığüş 猫",
        "--set",
        "steps=2",
        "--set",
        "width=64",
        "--set",
        "height=64",
    )
    (listed,) = json.loads(easel(home, language, "history", "list", "--json"))["pictures"]
    path = Path(listed["path"])
    assert path.is_file() and path.is_relative_to(home)
    assert listed["prompt"] == "Ein Igel, İstanbul ığüş 猫"
    (job,) = json.loads(easel(home, language, "jobs", "list", "--json"))["jobs"]
    assert job["state"] == "succeeded"
    promised(f"a data folder with {kind}", f"a picture made, listed and found again; the system's language {language}")
