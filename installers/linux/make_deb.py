"""Make the Debian package from a bundle: `make_deb.py dist/cpu/easel OUT`. Needs dpkg-deb and objdump, and no root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from shared import ICONS, ID, ROOT, fill_in, kilobytes, say, version

# What Qt and Chromium open by name while they run, so that no file says that it needs it; the last one says where letters are.
OPENED = ("libegl1", "libgl1", "libxcb1", "fontconfig-config")
LEVEL = "7"  # of zstd: one level more costs twice the time for two percent
CONTROL = """\
Package: easel
Version: {version}
Architecture: amd64
Maintainer: The makers of Easel <easel@localhost.invalid>
Installed-Size: {size}
Depends: {depends}
Recommends: xdg-utils, fonts-dejavu-core
Section: graphics
Priority: optional
Description: pictures and short videos from words, offline
 Easel makes pictures and short videos from words, on your own computer.
 Nothing is sent anywhere. A small model comes with it, so that the first
 picture needs no download.
"""


def main(bundle: Path, out: Path) -> int:
    """Make the package; returns the exit status."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"easel_{version()}_amd64.deb"
    with tempfile.TemporaryDirectory(dir=out) as name:
        tree = Path(name)
        tree.chmod(0o755)
        fill(tree, bundle)
        command = ["dpkg-deb", "--root-owner-group", "-Zzstd", f"-z{LEVEL}", "--build", str(tree), str(target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    say(target, started)
    return 0


def fill(tree: Path, bundle: Path) -> None:
    """The package's files as they will lie on the disk, and its control files."""
    program = tree / "usr" / "lib" / "easel"
    program.parent.mkdir(parents=True)
    shutil.copytree(bundle, program, symlinks=True, copy_function=_link)
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "easel").symlink_to("../lib/easel/easel")
    share = tree / "usr" / "share"
    fill_in(f"{ID}.desktop", share / "applications" / f"{ID}.desktop")
    fill_in(f"{ID}.metainfo.xml", share / "metainfo" / f"{ID}.metainfo.xml")
    fill_in(f"{ID}.mime.xml", share / "mime" / "packages" / f"{ID}.xml")
    for icon, folder in (("easel.svg", "scalable"), ("easel.png", "256x256")):
        place = share / "icons" / "hicolor" / folder / "apps" / f"{ID}{Path(icon).suffix}"
        place.parent.mkdir(parents=True)
        shutil.copyfile(ICONS / icon, place)
    document = share / "doc" / "easel"
    document.mkdir(parents=True)
    shutil.copyfile(bundle / "LICENSES.txt", document / "copyright")
    shutil.copyfile(ROOT / "NOTICE", document / "NOTICE")
    control = tree / "DEBIAN"
    control.mkdir()
    words = CONTROL.format(version=version(), size=kilobytes(tree), depends=", ".join(depends(bundle)))
    (control / "control").write_text(words, encoding="utf-8")
    for script in ("postinst", "postrm"):
        fill_in(f"{script}.sh", control / script)


def _link(source: str, target: str) -> None:
    """Files are linked, not copied: a gigabyte need not be written twice."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def depends(bundle: Path) -> list[str]:
    """The packages with the libraries that the bundle needs and does not bring, as this system's dpkg names them."""
    files = [path for path in bundle.rglob("*") if path.is_file() and not path.is_symlink() and _is_elf(path)]
    with ThreadPoolExecutor(2) as pool:
        needed = set().union(*pool.map(_needs, files))
    brought = {path.name for path in bundle.rglob("*.so*")}
    packages = {package for library in sorted(needed - brought) for package in _package_of(library)}
    glibc = ".".join(os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2])  # pyright: ignore
    packages = (packages | set(OPENED)) - {"libc6"}
    return [f"libc6 (>= {glibc})", *sorted(packages)]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _needs(path: Path) -> set[str]:
    done = subprocess.run(["objdump", "-p", str(path)], capture_output=True, text=True, check=False)
    return set(re.findall(r"^\s+NEEDED\s+(\S+)", done.stdout, re.MULTILINE))


def _package_of(library: str) -> Iterator[str]:
    done = subprocess.run(["dpkg-query", "-S", f"*/{library}"], capture_output=True, text=True, check=False)
    names = {line.split(":", 1)[0] for line in done.stdout.splitlines() if line.rstrip().endswith(f"/{library}")}
    if not names:
        print(f"no package of this system has {library}; left out of Depends", file=sys.stderr)
    # Where a library is in several packages, the shortest name is the plain one.
    yield from sorted(names, key=len)[:1]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()))
