"""Make the file that installs Easel for one person: `make_run.py dist/cpu/easel OUT`. Needs makeself, and no root.

The bundle is inside as one compressed archive, so that it is unpacked once, straight to its place. gzip, because every system
has it; the sum that the file carries is checked before anything is done.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from shared import ICONS, ID, SHARE, fill_in, kilobytes, say, version


def main(bundle: Path, out: Path) -> int:
    """Make the file; returns the exit status."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"easel-{version()}-linux-x86_64.run"
    with tempfile.TemporaryDirectory(dir=out) as name:
        stage = Path(name) / "easel"
        fill(stage, bundle)
        title = f"Easel {version()}"
        command = [
            "makeself",
            "--quiet",
            "--nocomp",
            "--sha256",
            "--nox11",
            str(stage),
            str(target),
            title,
            "./install.sh",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    say(target, started)
    return 0


def fill(stage: Path, bundle: Path) -> None:
    """What is unpacked before install.sh runs."""
    stage.mkdir()
    for name in ("install.sh", "launcher.sh", "uninstall.sh"):
        shutil.copy(SHARE / name, stage / name)
    for name in (f"{ID}.desktop", f"{ID}.metainfo.xml", f"{ID}.mime.xml"):
        fill_in(name, stage / name)
    for name in ("easel.svg", "easel.png"):
        shutil.copyfile(ICONS / name, stage / name)
    (stage / "version").write_text(version(), encoding="utf-8")
    (stage / "kilobytes").write_text(str(kilobytes(bundle)), encoding="utf-8")
    with (stage / "easel.tar.gz").open("wb") as file:
        archive = ["tar", "-c", "--owner=0", "--group=0", "--sort=name", "-C", str(bundle.parent), bundle.name]
        packing = subprocess.Popen(archive, stdout=subprocess.PIPE)
        program = "pigz" if shutil.which("pigz") else "gzip"
        subprocess.run([program, "-6"], stdin=packing.stdout, stdout=file, check=True)
        if packing.wait():
            raise SystemExit("tar could not read the bundle")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()))
