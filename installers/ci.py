"""The steps around a bundle, for the workflow and for anybody's computer: what the system needs, packing, trying, publishing.

python installers/ci.py prepare             install what building and trying needs (apt on Linux, choco on Windows)
python installers/ci.py pack cpu            installers, reports and checksums in dist/cpu/release
python installers/ci.py try-linux FOLDER    both Linux installers in a clean root folder
python installers/ci.py publish FOLDER TAG  upload everything as a release
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"
# A screen, what Qt's X11 plugin needs (it travels along), and the tools of the installers.
APT = (
    "xvfb",
    "xauth",
    "imagemagick",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libegl1",
    "libgl1",
    "libnss3",
    "binutils",
    "makeself",
    "pigz",
    "desktop-file-utils",
    "appstream",
    "debootstrap",
)
LIMIT = 2_000_000_000  # bytes of a file that a release takes, and of an installer that Windows starts
REPORTS = ("sizes.json", "sbom.cdx.json", "build.json", "window.png")


def main(words: list[str]) -> int:
    """Run one step; returns the exit status."""
    match words:
        case ["prepare"]:
            prepare()
        case ["pack", backend]:
            pack(ROOT / "dist" / backend, backend)
        case ["try-linux", folder]:
            try_linux(Path(folder))
        case ["publish", folder, tag]:
            publish(Path(folder), tag)
        case _:
            print(__doc__)
            return 2
    return 0


def run(*words: str | Path) -> None:
    """Run a command, shown; its failure is ours."""
    print(f"$ {' '.join(map(str, words))}", flush=True)
    subprocess.run([str(word) for word in words], check=True)


def prepare() -> None:
    """Tools that Python's packages do not bring."""
    if WINDOWS:
        run("choco", "install", "nsis", "--yes", "--no-progress")
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    run(*root, "apt-get", "-q", "update")
    run(*root, "apt-get", "-q", "-y", "install", "--no-install-recommends", *APT)


def pack(out: Path, backend: str) -> None:
    """The installers of the bundle, its reports, and the checksums of all of it."""
    release = out / "release"
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir()
    bundle = out / "easel"
    if backend != "cpu":
        archive(bundle, release, backend)  # over what an installer may hold
    elif WINDOWS:
        run(sys.executable, ROOT / "installers" / "windows" / "make_installer.py", bundle, release)
    else:
        for script in ("make_deb.py", "make_run.py"):
            run(sys.executable, ROOT / "installers" / "linux" / script, bundle, release)
    name = f"{sys.platform}-{backend}"
    for report in REPORTS:
        if (out / report).is_file():
            shutil.copyfile(out / report, release / f"{name}-{report}")
    shutil.copyfile(bundle / "LICENSES.txt", release / f"{name}-LICENSES.txt")
    split(release)
    checksums(release, name)


def archive(bundle: Path, release: Path, backend: str) -> None:
    """The bundle as one archive, to be unpacked anywhere; a folder `portable` beside the program keeps the data there too."""
    target = release / f"easel-{sys.platform}-{backend}.{'zip' if WINDOWS else 'tar.xz'}"
    if WINDOWS:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
            for path in sorted(bundle.rglob("*")):
                packed.write(path, path.relative_to(bundle.parent))
    else:
        with tarfile.open(target, "w:xz", preset=1) as packed:
            packed.add(bundle, bundle.name)


def split(release: Path) -> None:
    """Cut what is too large for a release into parts; `cat` (or `copy /b`) puts them together again."""
    for path in [path for path in release.iterdir() if path.stat().st_size > LIMIT]:
        with path.open("rb") as source:
            number = 0
            while chunk := source.read(LIMIT):
                number += 1
                path.with_name(f"{path.name}.{number:03}").write_bytes(chunk)
        path.unlink()


def checksums(release: Path, name: str) -> None:
    """SHA256SUMS as `sha256sum --check` reads it."""
    lines = [f"{_sha256(path)}  {path.name}\n" for path in sorted(release.iterdir())]
    (release / f"SHA256SUMS-{name}").write_text("".join(lines), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def try_linux(folder: Path) -> None:
    """In a clean root folder, which needs root's rights."""
    prepare()
    deb, installer = next(folder.glob("*.deb")), next(folder.glob("*.run"))
    root = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=PATH"]
    script = ROOT / "installers" / "linux" / "try_in_root.py"
    run(*root, sys.executable, script, folder / "clean-root", "--deb", deb, "--run", installer)


def publish(folder: Path, tag: str) -> None:
    """A draft of a release with everything in it; a person looks at it before it is public."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    run(
        "gh", "release", "create", tag, "--draft", "--verify-tag", "--title", f"Easel {tag}", "--generate-notes", *files
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
