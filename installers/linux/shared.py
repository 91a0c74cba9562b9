"""What both kinds of Linux installers need: the version, the desktop's files with it, and a look at a bundle."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHARE = HERE / "share"
ICONS = ROOT / "resources" / "icons"
ID = "app.easel.Easel"
sys.path.insert(0, str(ROOT / "packaging"))

from engines_version import version  # noqa: E402 - the path above comes first

__all__ = ["ICONS", "ID", "ROOT", "SHARE", "fill_in", "kilobytes", "say", "version"]


def fill_in(name: str, target: Path) -> None:
    """Copy a file of `share` with the version and today's date in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = (SHARE / name).read_text(encoding="utf-8")
    text = text.replace("@VERSION@", version()).replace("@DATE@", time.strftime("%Y-%m-%d", time.gmtime()))
    target.write_text(text, encoding="utf-8")
    shutil.copymode(SHARE / name, target)


def kilobytes(folder: Path) -> int:
    """What the folder takes on a disk."""
    done = subprocess.run(["du", "-sk", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def say(path: Path, started: float) -> None:
    """The finished file, its size and how long it took."""
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB in {time.monotonic() - started:.0f} s")
