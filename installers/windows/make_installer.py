"""Make the Windows installer from a bundle: `make_installer.py dist/cpu/easel OUT`. Runs on Windows and on Linux.

Needs makensis (on Debian: apt install nsis; on Windows: choco install nsis). NSIS cannot make a file over 2 GB: see
docs/packaging.md for the bundles of graphics cards.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "packaging"))

from engines_version import version  # noqa: E402 - the path above comes first

LIMIT = 2_000_000_000  # bytes of an installer that NSIS can make
PICTURE = ROOT / "resources" / "icons" / "easel.png"


def main(bundle: Path, out: Path) -> int:
    """Make the installer; returns the exit status."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    target = make(bundle, out, version())
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB in {time.monotonic() - started:.0f} s")
    return 0


def make(bundle: Path, out: Path, name: str) -> Path:
    """The installer of the bundle as version `name`."""
    target = out / f"easel-{name}-windows-x86_64.exe"
    with tempfile.TemporaryDirectory(dir=out) as folder:
        icon, launcher = Path(folder) / "easel.ico", Path(folder) / "Easel.exe"
        icon.write_bytes(ico(PICTURE.read_bytes()))
        nsis("launcher.nsi", ICON=icon, OUTPUT=launcher)
        size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
        values = {"VERSION": name, "PAYLOAD": bundle, "LAUNCHER": launcher, "ICON": icon, "SIZE": size // 1000}
        nsis("easel.nsi", **values, OUTPUT=target)
    if target.stat().st_size > LIMIT:
        raise SystemExit(f"{target} is too large for Windows to start it; split it")
    return target


def nsis(script: str, **defines: object) -> None:
    """Run makensis on one of our scripts. Raises `SystemExit` where it is not installed."""
    program = shutil.which("makensis") or shutil.which("makensis", path=r"C:\Program Files (x86)\NSIS")
    if program is None:
        raise SystemExit("makensis is not installed (on Debian: apt install nsis)")
    values = [f"-D{name}={value}" for name, value in defines.items()]
    done = subprocess.run([program, "-V2", *values, str(HERE / script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr}")


def ico(png: bytes) -> bytes:
    """A Windows icon around one PNG picture of 256 pixels, which Windows scales; 0 stands for 256."""
    head = struct.pack("<HHH", 0, 1, 1)
    return head + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(png), 22) + png


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()))
